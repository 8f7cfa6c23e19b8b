"""Files of several pages: each page is read as if it were a file, and only when it is its turn."""

import pickle
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from convneur.data.labels import read_label_map
from convneur.data.pairs import Pair, Pairing, find_pairs, paged
from convneur.data.palettes import palette_of
from convneur.data.reading import Reading
from convneur.data.stacks import pages_of
from convneur.errors import InputError

MAPS = [np.random.default_rng(k).integers(0, 5, (9 + k, 30 - k), np.uint8) for k in range(12)]


def stack(path: Path, maps: list[np.ndarray] = MAPS, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    images = [Image.fromarray(labels) for labels in maps]
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def big_endian(path: Path, maps: list[np.ndarray]) -> Path:
    """A TIFF of 8-bit grey pages in Motorola's byte order, which Pillow does not write; pages from last to first."""
    data, following = b"", 0
    for labels in reversed(maps):
        height, width = labels.shape
        pixels = 8 + len(data)
        data += labels.tobytes() + b"\0" * (labels.size % 2)
        directory = 8 + len(data)
        entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, pixels), (278, height)]
        entries.append((279, labels.size))
        data += struct.pack(">H", len(entries))
        data += b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in entries)
        data += struct.pack(">I", following)
        following = directory
    path.write_bytes(b"MM\0\x2a" + struct.pack(">I", following) + data)
    return path


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}, {"compression": "packbits"}, {"big_tiff": True}],
)
def test_pages_are_what_single_files_are_in_any_order(options: dict[str, Any], tmp_path: Path) -> None:
    numbered = list(enumerate(pages_of(stack(tmp_path / "a.TIF", **options)), start=1))
    assert len(numbered) == 12
    random.Random(0).shuffle(numbered)
    for number, page in numbered:
        assert (page.number, page.stem, str(page)) == (number, "a", f"{tmp_path / 'a.TIF'}: page {number}")
        np.testing.assert_array_equal(read_label_map(pickle.loads(pickle.dumps(page))), MAPS[number - 1])


def test_the_other_byte_order(tmp_path: Path) -> None:
    pages = pages_of(big_endian(tmp_path / "a.tif", MAPS))
    assert len(pages) == 12
    for page, labels in zip(pages, MAPS, strict=True):
        np.testing.assert_array_equal(read_label_map(page), labels)


def test_a_palette_is_the_pages_own(tmp_path: Path) -> None:
    pages = [Image.fromarray(MAPS[0]), Image.fromarray(MAPS[0]).convert("P")]
    pages[1].putpalette([9, 8, 7, 6, 5, 4])
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    grey, coloured = pages_of(tmp_path / "a.tif")
    assert palette_of(grey) is None
    assert (palette_of(coloured) or ())[:2] == ((9, 8, 7), (6, 5, 4))


def test_smaller_copies_and_masks_are_no_pages(tmp_path: Path) -> None:
    """GeoTIFF keeps overviews, and masks of what is valid, in directories of their own."""
    path = tmp_path / "a.tif"
    images = [Image.fromarray(labels) for labels in MAPS[:4]]
    with path.open("w+b") as file, TiffImagePlugin.AppendingTiffWriter(file) as writer:
        for image, kind in zip(images, (0, 1, 4, 2), strict=True):  # a page, a smaller copy, a mask, a page
            image.save(writer, format="TIFF", tiffinfo={254: kind})
            writer.newFrame()
    pages = pages_of(path)
    assert [page.number for page in pages] == [1, 2]
    np.testing.assert_array_equal(read_label_map(pages[1]), MAPS[3])


def test_what_is_no_stack_has_no_pages(tmp_path: Path) -> None:
    Image.fromarray(MAPS[0]).save(tmp_path / "a.png")
    Image.fromarray(MAPS[0]).save(tmp_path / "b.tif", format="PNG")
    (tmp_path / "c.tif").touch()
    (tmp_path / "d.tif").write_bytes(b"II\x2a\0\xff\xff\xff\x7f")
    (tmp_path / "e.tif").write_bytes(b"II\x2b\0\x08\0\0\0\x10" + b"\0" * 7 + b"\xff" * 8)  # 2^64 - 1 entries
    for name in ("a.png", "b.tif", "c.tif", "d.tif", "e.tif", "none.tif"):
        assert pages_of(tmp_path / name) == ()


def test_a_chain_in_a_circle_ends(tmp_path: Path) -> None:
    path = big_endian(tmp_path / "a.tif", MAPS[:2])
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack(">I", data[4:8])
    (last,) = struct.unpack(">I", data[first + 98 : first + 102])
    data[last + 98 : last + 102] = data[4:8]
    path.write_bytes(data)
    assert [page.offset for page in pages_of(path)] == [first, last]


# --- pairs ---


def pairing(tmp_path: Path) -> Pairing:
    return paged(find_pairs(tmp_path / "pred", tmp_path / "gt"))


def test_stacks_become_a_pair_per_page(tmp_path: Path) -> None:
    for folder in ("pred", "gt"):
        stack(tmp_path / folder / "scan.tif")
        stack(tmp_path / folder / "alone.tiff", MAPS[:1])
        Image.fromarray(MAPS[0]).save(tmp_path / folder / "z.png")
    pairs = pairing(tmp_path).pairs
    assert [pair.name for pair in pairs] == ["alone", *(f"scan/{number:02}" for number in range(1, 13)), "z"]
    assert [pair.name for pair in pairs] == sorted(pair.name for pair in pairs)
    assert {pair.files for pair in pairs} == {"alone", "scan", "z"}
    for pair, labels in zip(pairs[1:-1], MAPS, strict=True):
        pred, gt, _ = Reading().pair(pair)
        np.testing.assert_array_equal(gt, labels)
        np.testing.assert_array_equal(pred, labels)


@pytest.mark.parametrize(
    ("pred", "gt", "said"),
    [
        (3, 4, "pred/s.tif: 3 pages, but 4 pages in {}/gt/s.tif; write as many"),
        (4, 1, "pred/s.tif: 4 pages, but 1 page in {}/gt/s.tif; write as many"),
        (1, 4, "pred/s.tif: 1 page, but 4 pages in {}/gt/s.tif; write as many"),
        (0, 4, "pred/s.png: 1 page, but 4 pages in {}/gt/s.tif; write as many"),
        (4, 0, "pred/s.tif: 4 pages, but 1 page in {}/gt/s.png; write as many"),
        (None, 4, "pred/s.tif: no page that can be read, but 4 pages in {}/gt/s.tif; write as many"),
    ],
)
def test_other_numbers_of_pages_are_a_fault_of_the_pair(
    pred: int | None, gt: int | None, said: str, tmp_path: Path
) -> None:
    for folder, pages in (("pred", pred), ("gt", gt)):
        if pages:
            stack(tmp_path / folder / "s.tif", MAPS[:pages])
            continue
        (tmp_path / folder).mkdir()
        if pages is None:
            (tmp_path / folder / "s.tif").write_bytes(b"cut")
        else:
            Image.fromarray(MAPS[0]).save(tmp_path / folder / "s.png")
    (pair,) = pairing(tmp_path).pairs
    assert (pair.name, pair.fault) == ("s", f"{tmp_path}/{said.format(tmp_path)}")
    with pytest.raises(InputError, match="write as many"):
        Reading().pair(pair)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
def test_a_stack_that_was_cut(options: dict[str, Any], tmp_path: Path) -> None:
    """Either it is not known how many pages there were, or those that are whole can be read."""
    whole = stack(tmp_path / "gt" / "s.tif", **options)
    data = whole.read_bytes()
    told, lost = 0, set()
    for length in range(120, len(data), 37):
        (tmp_path / "pred").mkdir(exist_ok=True)
        (tmp_path / "pred" / "s.tif").write_bytes(data[:length])
        pairs = pairing(tmp_path).pairs
        if len(pairs) == 1:
            assert pairs[0].fault is not None
            told += "damaged or cut short (pages break off after page" in pairs[0].fault
            continue
        for number, pair in enumerate(pairs):
            try:
                np.testing.assert_array_equal(Reading().prediction(pair.pred), MAPS[number])
            except InputError as error:
                lost.add(str(error)[: str(error).find(" (")])
    assert told > 20
    # A compressed page lies before its directory, so that one that is known of is whole.
    assert lost == (set() if options else {f"{tmp_path / 'pred' / 's.tif'}: page 12: damaged or cut short"})


def test_a_page_named_as_another_pair(tmp_path: Path) -> None:
    for folder in ("pred", "gt"):
        stack(tmp_path / folder / "s.tif", MAPS[:2])
        stack(tmp_path / folder / "s" / "2.tif", MAPS[:1])
    with pytest.raises(InputError, match=r"s/2.tif.* both would be named s/2; rename one of the files"):
        pairing(tmp_path)


def test_pages_stay_what_they_are(tmp_path: Path) -> None:
    page = pages_of(stack(tmp_path / "s.tif"))[0]
    pairs = (Pair("s/1", page, page),)
    assert paged(Pairing(pairs, (), (), ())).pairs == pairs


PEAK = """
import sys
from pathlib import Path

from convneur.data.pairs import find_pairs, paged
from convneur.data.reading import Reading

pairs = paged(find_pairs(Path(sys.argv[1]), Path(sys.argv[1]))).pairs
print(len(pairs), sum(int(Reading().pair(pair)[1].sum()) for pair in pairs))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory as Linux tells it")
@pytest.mark.parametrize("options", [{}, {"compression": "packbits"}])
def test_memory_does_not_grow_with_the_pages(options: dict[str, Any], tmp_path: Path) -> None:
    """Forty pages of 1 MiB more would be seen whether the file, its images or its arrays were kept."""
    noise = np.random.default_rng(0).integers(0, 255, (1024, 1024), np.uint8)
    peaks = []
    for pages in (4, 40):
        path = stack(tmp_path / "s.tif", [noise] * pages, **options)
        ran = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
        count, total, peak = map(int, ran.stdout.split())
        assert (count, total) == (pages, pages * int(noise.sum()))
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 8 * 1024
