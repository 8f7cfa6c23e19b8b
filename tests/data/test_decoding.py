"""Files that ask for much: refused by their headers, in little memory, without a line or a program of anybody else."""

import gzip
import io
import json
import logging
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from convneur.data.decoding import quiet
from convneur.data.images import read_photo
from convneur.errors import InputError


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(min(width * height, 10**6))))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + pixels + chunk(b"IEND", b"")


def zeros(mebibytes: int) -> bytes:
    """So many MiB of zeros as zlib packs them, by one packed MiB over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = ((mebibytes << 20) % 65521 << 16) + 1  # Adler-32
    return b"\x78\x9c" + one * mebibytes + packer.flush() + struct.pack(">I", checksum)


def gif(side: int) -> bytes:
    """A GIF whose screen has this side, and whose frame has 65535 pixels a side."""
    screen = b"GIF89a" + struct.pack("<HH", side, side) + bytes(3)
    return screen + b"," + struct.pack("<4H", 0, 0, 65535, 65535) + b"\0\x02\x02D\x01\0;"


def npy(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    text = str({"descr": descr, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def npz(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", method) as archive:
        archive.writestr("a.npy", data)
    return stored.getvalue()


def tiff(tags: dict[int, int], order: str = "<") -> bytes:
    tags = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 64, 279: 64} | tags
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    directory = struct.pack(order + "H", len(tags)) + entries + bytes(4)
    return (b"II\x2a\0" if order == "<" else b"MM\0\x2a") + struct.pack(order + "I", 8) + directory


def strip_of(packed: bytes) -> bytes:
    """A 64 x 64 TIFF of 64-bit numbers whose one strip is given."""
    head = tiff({258: 64, 259: 8, 339: 2, 273: 8, 279: len(packed)})
    return tiff({258: 64, 259: 8, 339: 2, 273: len(head), 279: len(packed)}) + packed


def overlapping_pages() -> bytes:
    """Directories one byte apart, each of which promises all that follows."""
    body = bytearray(b"II\x2a\0" + struct.pack("<I", 8))
    body += bytes(200_000)
    for place in range(8, 150_000, 14):
        struct.pack_into("<H", body, place, 4000)
        end = place + 2 + 12 * 4000
        if end + 4 <= len(body):
            struct.pack_into("<I", body, end, place + 14)
    return bytes(body)


HOSTILE = {
    "wide.png": png(60_000, 60_000),
    "just.png": png(9400, 9400),
    "text.png": png(64, 64, chunk(b"zTXt", b"a\0\0" + zeros(2048))),
    "profile.png": png(64, 64, chunk(b"iCCP", b"a\0\0" + zeros(2048))),
    "lying.png": png(64, 64)[:8] + struct.pack(">I", 2**31 - 1) + b"IHDR",
    "wide.gif": gif(65535),
    "frame.gif": gif(1),
    "wide.bmp": b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, 60_000, 60_000, 1, 24, 0) + bytes(20),
    "wide.ppm": b"P6 60000 60000 255\n",
    "wide.tga": bytes([0, 0, 2, *bytes(9)]) + struct.pack("<HHBB", 60_000, 60_000, 24, 0),
    "wide.tif": tiff({256: 60_000, 257: 60_000}),
    "tile.tif": tiff({322: 60_000, 323: 60_000, 324: 8, 325: 64}),
    "deep.tif": tiff({256: 60_000, 257: 60_000, 258: 64, 339: 2}),
    "flat.tif": tiff({256: 0, 257: 2**32 - 1, 258: 64, 339: 2, 278: 1}),
    "thin.tif": tiff({256: 1, 257: 1 << 26, 258: 64, 339: 2, 278: 1}),
    "beyond.tif": tiff({273: 2**32 - 1}),
    "far.tif": b"II\x2b\0\x08\0\0\0" + b"\xff" * 8,
    "strip.tif": strip_of(zeros(2048)),
    "samples.tif": tiff({277: 2**31}),
    "loop.tif": tiff({})[:-4] + struct.pack("<I", 8),
    "pages.tif": overlapping_pages(),
    "wide.npy": npy((10**9, 1000)),
    "object.npy": npy((3, 4), "|O"),
    "negative.npy": npy((-(2**40), -(2**40))),
    "endless.npy": npy((2**70, 2**70)),
    "fields.npy": npy((3, 4), "(1000000000,)u1"),
    "nested.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000,
    "wide.npz": npz(npy((10**5, 10**5))),
    "packed.npz": npz(npy((100, 100)) + bytes(1 << 26), zipfile.ZIP_BZIP2),
    "gzip.npz": gzip.compress(bytes(1 << 20)),
    "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n",
    "pdf.png": b"%PDF-1.4\n",
}

READ = """
import json, resource, sys
from pathlib import Path

import numpy, PIL.ImageCms, tifffile
from convneur.data.images import read_photo
from convneur.data.labels import LABEL_SUFFIXES, read_label_map
from convneur.errors import InputError

def heard(event, args):
    if event in ("os.exec", "os.posix_spawn", "os.system", "subprocess.Popen", "socket.connect"):
        raise SystemExit(f"{event} {args}")

sys.addaudithook(heard)
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for path in sorted(Path(sys.argv[1]).iterdir()):
    readers = [read_photo] + [read_label_map] * (path.suffix in LABEL_SUFFIXES)
    for reader in readers:
        try:
            said = f"read: {reader(path) is not None}"
        except InputError as error:
            said = str(error)
        print(json.dumps([path.name, reader.__name__, said]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory with RLIMIT_AS, which only Linux enforces")
def test_nothing_takes_a_gigabyte_prints_or_starts_a_program(tmp_path: Path) -> None:
    for name, content in HOSTILE.items():
        (tmp_path / name).write_bytes(content)
    ran = subprocess.run([sys.executable, "-c", READ, tmp_path], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.returncode == 0
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {name for name, _, _ in lines} == HOSTILE.keys()
    for name, reader, said in lines:
        # Text and profiles that are left unread do no harm, nor does a chain of pages that ends where it began.
        if name not in ("text.png", "profile.png", "loop.tif"):
            assert said.startswith(f"{tmp_path / name}: "), (name, reader, said)
        assert "memory" not in said, (name, reader, said)
        array = name.endswith((".npy", ".npz"))
        if name.startswith(("wide", "tile", "just", "frame")) and (reader == "read_label_map" if array else True):
            assert "raise `max_pixels`" in said, (name, reader, said)


def noisy(path: Path) -> Path:
    """A TIFF that libtiff and Pillow complain of, each in its own way."""
    imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8), compression="zlib")
    data = bytearray(path.read_bytes())
    data[-200:-100] = bytes(100)
    path.write_bytes(data)
    return path


def test_decoders_say_nothing_of_their_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = noisy(tmp_path / "a.tif")
    with pytest.raises(OSError, match="decoder error"), Image.open(path) as image:
        image.load()
    assert "ZIPDecode: Decoding error" in capfd.readouterr().err  # what would stand beside the error
    with pytest.raises(InputError, match="damaged or cut short"):
        read_photo(path)
    assert capfd.readouterr().err == ""


def test_switches_are_turned_back_whatever_the_order_of_threads() -> None:
    before = (list(warnings.filters), logging.getLogger("PIL").level, Image.MAX_IMAGE_PIXELS)
    inside, out = threading.Event(), threading.Event()

    def first() -> None:
        with quiet():
            inside.set()
            out.wait(5)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(5)
    with quiet():
        out.set()
        thread.join()
        assert Image.MAX_IMAGE_PIXELS is None  # the second one is still in
    assert (list(warnings.filters), logging.getLogger("PIL").level, Image.MAX_IMAGE_PIXELS) == before
