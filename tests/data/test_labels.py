"""Label maps come out as stored, or not at all."""

import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from tifffile import imwrite

from convneur.data.labels import read_label_map
from convneur.data.stacks import pages_of
from convneur.errors import InputError

LABELS = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 0, 2]], np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(path: Path, rows: list[bytes], width: int, depth: int, height: int | None = None) -> Path:
    """A grey PNG of any bit depth, packed by hand: Pillow writes 1, 8 and 16 bits only."""
    header = struct.pack(">IIBBBBB", width, len(rows) if height is None else height, depth, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def palette_image(labels: np.ndarray = LABELS) -> Image.Image:
    image = Image.fromarray(labels).convert("P")
    image.putdata(labels.ravel().tolist())
    image.putpalette([9, 200, 31, 0, 0, 0, 128, 128, 128, 77, 5, 250])
    return image


@pytest.mark.parametrize("suffix", ["png", "tif", "TIFF", "npy", "npz"])
def test_grey_labels_in_every_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"map.{suffix}"
    if suffix == "npy":
        np.save(path, LABELS)
    elif suffix == "npz":
        np.savez_compressed(path, labels=LABELS)
    else:
        Image.fromarray(LABELS).save(path)
    labels = read_label_map(path)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_palette_images_give_their_indices(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"map.{suffix}"
    palette_image().save(path)
    np.testing.assert_array_equal(read_label_map(str(path)), LABELS)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_not_cut(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"map.{suffix}"
    Image.fromarray(LABELS.astype(np.uint16) * 20000).save(path)
    np.testing.assert_array_equal(read_label_map(path), LABELS.astype(np.uint16) * 20000)


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}])
def test_compressed_tiff_and_32_bits(options: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    for labels in (LABELS, LABELS.astype(np.int32) * 70000 - 1):
        Image.fromarray(labels).save(path, **options)
        np.testing.assert_array_equal(read_label_map(path), labels)


def test_small_bit_depths_are_not_stretched(tmp_path: Path) -> None:
    two = grey_png(tmp_path / "two.png", [bytes([0b00011011]), bytes([0b11100100])], 4, 2)
    np.testing.assert_array_equal(read_label_map(two), [[0, 1, 2, 3], [3, 2, 1, 0]])
    four = grey_png(tmp_path / "four.png", [bytes([0x0F, 0x3A])], 4, 4)
    np.testing.assert_array_equal(read_label_map(four), [[0, 15, 3, 10]])
    one = grey_png(tmp_path / "one.png", [bytes([0b10100000])], 4, 1)
    np.testing.assert_array_equal(read_label_map(one), [[1, 0, 1, 0]])


def test_integer_and_boolean_arrays(tmp_path: Path) -> None:
    path = tmp_path / "map.npy"
    for dtype in (np.int8, np.uint16, np.int64, ">i4"):
        np.save(path, LABELS.astype(dtype))
        np.testing.assert_array_equal(read_label_map(path), LABELS)
    np.save(path, LABELS > 1)
    labels = read_label_map(path)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS > 1)
    np.save(path, np.asfortranarray(LABELS))
    np.testing.assert_array_equal(read_label_map(path), LABELS)


def written(write: Callable[[Path], object], name: str = "map.png") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(folder / name)
        return folder / name

    return make


def cut(source: Callable[[Path], Path], keep: float) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = source(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])
        return path

    return make


NOISE = np.random.default_rng(0).integers(0, 9, (64, 64), dtype=np.uint8)
PNG = written(lambda path: Image.fromarray(NOISE).save(path))
TIFF = written(lambda path: Image.fromarray(NOISE).save(path), "map.tif")
NPY = written(lambda path: np.save(path, NOISE), "map.npy")
NPZ = written(lambda path: np.savez_compressed(path, NOISE), "map.npz")


def repacked(path: Path, method: int) -> None:
    """An NPZ file whose member is compressed in another way."""
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("a.npy", "w") as file:
        np.save(file, NOISE)


def promise(path: Path) -> None:
    """An array file of a few bytes whose header speaks of a terabyte."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 1000), }"
    text = (header % 10**9).ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (written(lambda p: Image.fromarray(np.dstack([LABELS] * 3)).save(p)), r"holds colours \(RGB\), not class ids"),
        (written(lambda p: Image.fromarray(np.dstack([LABELS] * 4)).save(p)), r"holds colours \(RGBA\)"),
        (written(lambda p: Image.fromarray(np.dstack([LABELS] * 2)).save(p)), r"holds colours \(LA\)"),
        (written(lambda p: Image.fromarray(LABELS.astype(np.float32)).save(p), "map.tif"), "floating-point"),
        (written(lambda p: np.save(p, LABELS / 2), "map.npy"), "holds float64, not class ids"),
        (written(lambda p: np.save(p, np.full((2, 2), np.nan)), "map.npy"), "holds float64, not class ids"),
        (written(lambda p: np.savez(p, LABELS.astype(np.float16)), "map.npz"), "holds float16, not class ids"),
        (written(lambda p: np.save(p, LABELS.astype(complex)), "map.npy"), "holds complex128"),
        (written(lambda p: np.save(p, np.array([["a"]])), "map.npy"), "holds <U1"),
        (written(lambda p: np.save(p, np.array([[{}]], dtype=object)), "map.npy"), "holds object"),
        (written(lambda p: np.save(p, LABELS[None]), "map.npy"), r"is 1x3x4; .* two axes.* \(labels.squeeze\(0\)\)"),
        (written(lambda p: np.save(p, LABELS[..., None]), "map.npy"), r"is 3x4x1; .*\(labels.squeeze\(2\)\)"),
        (written(lambda p: np.save(p, np.eye(2, dtype=bool)[NOISE % 2]), "map.npy"), r"2 classes .*labels.argmax\(2\)"),
        (written(lambda p: np.save(p, np.zeros((3, 9, 8), np.float32)), "map.npy"), r"3 classes .*labels.argmax\(0\)"),
        (written(lambda p: np.save(p, np.zeros((9, 8), np.float16)), "map.npy"), r"float16, .*astype\(int\), .*> 0.5"),
        (written(lambda p: np.save(p, np.zeros((9, 2, 8), np.uint8)), "map.npy"), "height and width$"),
        (written(lambda p: np.save(p, LABELS[None, None]), "map.npy"), "is 1x1x3x4; .* height and width$"),
        (written(lambda p: np.save(p, np.uint8(3)), "map.npy"), "is a single value"),
        (written(lambda p: np.save(p, LABELS[:0]), "map.npy"), "has no pixels"),
        (written(lambda p: np.savez(p, a=LABELS, b=LABELS), "map.npz"), r"holds 2 arrays \(a, b\)"),
        (written(lambda p: np.savez(p), "map.npz"), "holds 0 arrays"),
        (written(lambda p: p.write_bytes(b"")), r"is empty \(0 bytes\)"),
        (written(lambda p: p.write_bytes(b""), "map.npy"), r"is empty \(0 bytes\)"),
        (written(lambda p: p.write_text("no image at all")), "not a PNG or TIFF image"),
        (written(lambda p: Image.fromarray(LABELS).save(p, format="JPEG")), "is a JPEG; JPEG changes class numbers"),
        (written(lambda p: p.write_text("no array"), "map.npy"), "damaged or cut short"),
        (written(lambda p: p.write_text("no archive"), "map.npz"), "damaged or cut short"),
        (written(lambda p: Image.fromarray(LABELS).save(p), "map.jpg"), r"not a label map; give a file that ends in"),
        (written(promise, "map.npy"), "1000000000x1000 pixels, more than 67108864; cut it into tiles"),
        (written(lambda p: Image.fromarray(LABELS).save(p, save_all=True, append_images=[palette_image()]), "map.tif"),
         "several pages"),
        (written(lambda p: Image.fromarray(LABELS).save(p, compression="jpeg"), "map.tif"), "compressed with loss"),
        (written(lambda p: imwrite(p, LABELS.astype(np.int64), compression="lzma"), "map.tif"), "int64 compressed"),
        (written(lambda p: imwrite(p, LABELS.astype(float)), "map.tif"), "holds float64 values, not class ids"),
        (written(lambda p: imwrite(p, np.zeros((9, 8, 5), np.uint16), photometric="minisblack", planarconfig="contig"),
                 "map.tif"), "holds 5 bands of uint16, not class ids"),
        (written(lambda p: repacked(p, zipfile.ZIP_BZIP2), "map.npz"), "packed in a way that NumPy does not write"),
        (cut(PNG, 0.5), "damaged or cut short|not a PNG"),
        (cut(PNG, 0.95), "damaged or cut short"),
        (cut(PNG, 0.01), "damaged or cut short|not a PNG"),
        (cut(TIFF, 0.5), "damaged or cut short|not a PNG"),
        (cut(NPY, 0.5), "damaged or cut short"),
        (cut(NPZ, 0.5), "damaged or cut short"),
    ],
)  # fmt: skip
def test_what_is_no_label_map_is_refused_in_one_line(make: Callable[[Path], Path], said: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(InputError, match=said) as error:
        read_label_map(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("side", [10_000, 20_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    bomb = grey_png(tmp_path / "bomb.png", [], side, 8, height=side)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=f"{side}x{side} pixels, more than 67108864; cut it into tiles, or raise"):
            read_label_map(bomb)


def test_missing_and_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_label_map(tmp_path / "none.png")
    path = tmp_path / "map.png"
    Image.fromarray(LABELS).save(path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(InputError, match="no permission"):
        read_label_map(path)


STORED = {
    "bool": [0, 1], "uint8": [0, 1, 200, 255], "int8": [-128, -1, 0, 5], "uint16": [0, 300, 65535],
    "int16": [-3000, -1, 0, 5], "uint32": [0, 70000, 4294967295], "int32": [-1, 0, 70000],
    "int64": [-1, 0, 2**40], "uint64": [0, 1, 2**63],
}  # fmt: skip


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("options", [
    {}, {"byteorder": ">"}, {"compression": "zlib"}, {"compression": "zlib", "byteorder": ">"},
    {"tile": (16, 16), "compression": "zlib"},
    {"rowsperstrip": 5, "byteorder": ">"}, {"bigtiff": True},
])  # fmt: skip
def test_every_integer_type_of_a_tiff_comes_as_stored(
    dtype: str, photometric: str, options: dict[str, object], tmp_path: Path
) -> None:
    """Which of 0 and the highest value is white is a matter of showing it, not of the label."""
    labels = np.random.default_rng(0).choice(np.array(STORED[dtype]), (23, 37)).astype(dtype)
    path = tmp_path / "map.tif"
    imwrite(path, labels, photometric=photometric, **options)
    found = read_label_map(path)
    assert [[int(label) for label in row] for row in found] == [[int(label) for label in row] for row in labels]


def test_a_tiff_page_of_another_type_is_read_where_it_lies(tmp_path: Path) -> None:
    labels = LABELS.astype(np.int64) - 1
    imwrite(tmp_path / "map.tif", np.stack([labels, labels + 2**40]), photometric="minisblack")
    pages = pages_of(tmp_path / "map.tif")
    np.testing.assert_array_equal(read_label_map(pages[1]), labels + 2**40)


@pytest.mark.parametrize(("stored", "says"), [(10**6, "holds more"), (10, "holds fewer")])
def test_a_tiff_strip_that_unpacks_to_more_or_less_is_refused(stored: int, says: str, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    imwrite(path, np.zeros((100, 100), np.int64), compression="zlib")
    data, packed = bytearray(path.read_bytes()), zlib.compress(bytes(stored))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    for place in range(first + 2, first + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, place)
        if tag in (273, 279):  # StripOffsets, StripByteCounts
            struct.pack_into("<HHII", data, place, tag, 4, 1, len(data) if tag == 273 else len(packed))
    path.write_bytes(data + packed)
    with pytest.raises(InputError, match=says):
        read_label_map(path)


def test_the_bound_is_one_for_all_files_and_can_be_raised(tmp_path: Path) -> None:
    for name in ("map.png", "map.tif", "map.npy", "map.npz"):
        path = tmp_path / name
        if name.endswith("npz"):
            np.savez(path, NOISE)
        elif name.endswith("npy"):
            np.save(path, NOISE)
        else:
            Image.fromarray(NOISE).save(path)
        with pytest.raises(InputError, match="64x64 pixels, more than 4095; cut it into tiles, or raise `max_pixels`"):
            read_label_map(path, max_pixels=4095)
        np.testing.assert_array_equal(read_label_map(path, max_pixels=4096), NOISE)


def test_smaller_copies_of_a_page_are_no_second_page(tmp_path: Path) -> None:
    images = [Image.fromarray(LABELS), Image.fromarray(LABELS[::2, ::2])]
    path = tmp_path / "map.tif"
    with path.open("w+b") as file, TiffImagePlugin.AppendingTiffWriter(file) as writer:
        for image, kind in zip(images, (0, 1), strict=True):
            image.save(writer, format="TIFF", tiffinfo={254: kind})
            writer.newFrame()
    np.testing.assert_array_equal(read_label_map(path), LABELS)
