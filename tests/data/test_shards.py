"""WebDataset shards, written by the library that defines them."""

import contextlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from PIL import Image
from webdataset import tariterators

from convneur.data.examples import find_examples, find_split, has_split, read_example, survey
from convneur.data.presets import PRESETS
from convneur.data.reading import Reading
from convneur.data.shards import samples, shards_of
from convneur.errors import InputError

PHOTO = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
MASK = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3


def picture(pixels: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


JPG, PNG = picture(PHOTO, "JPEG"), picture(MASK, "PNG")


def shard(path: Path, *contents: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path)) as writer:
        for number, content in enumerate(contents):
            writer.write({"__key__": f"{number:04}", **content})
    return path


def test_an_index_finds_what_the_library_reads(tmp_path: Path) -> None:
    path = shard(
        tmp_path / "train-0.tar",
        {"jpg": JPG, "cls": 3},
        {"__key__": "deep/b.x", "JPG": JPG, "seg.png": PNG, "txt": "a"},
    )
    with path.open("rb") as stream:
        files = list(tariterators.tar_file_expander([{"url": str(path), "stream": stream}]))
    read = {each["__key__"]: each for each in tariterators.group_by_keys(files)}
    ours = dict(samples(path))
    assert ours.keys() == read.keys()
    for key, members in ours.items():
        assert {kind: member.open().read() for kind, member in members.items()} == {
            kind: content for kind, content in read[key].items() if not kind.startswith("__")
        }


def test_shards_are_a_data_set_like_folders(tmp_path: Path) -> None:
    for number in range(2):  # keys begin anew in each
        shard(tmp_path / f"train-{number}.tar", {"jpg": JPG, "png": PNG}, {"jpg": JPG, "json": {"not": "read"}})
    shard(tmp_path / "val" / "a.tar", {"jpeg": JPG, "png": PNG, "pickle": {"never": "opened"}})
    shard(tmp_path / "test.tar", {"jpg": JPG, "png": PNG})
    assert [path.name for path in shards_of(tmp_path, "train")] == ["train-0.tar", "train-1.tar"]
    found = find_examples(tmp_path, "segmentation", Reading())
    assert [example.name for example in found.train] == ["train-0/0000", "train-1/0000"]
    assert [example.name for example in found.val] == ["val/a/0000"]
    lone = f"{tmp_path}/train-0.tar: 0001.jpg, {tmp_path}/train-1.tar: 0001.jpg"
    assert found.warnings == (f"2 images without a label map, left out: {lone}",)
    pixels, labels = read_example(found.train[1], Reading())
    assert np.array_equal(labels, MASK)
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(JPG))))
    assert survey(found.val, Reading(), None).counts == (16, 16, 16)
    assert has_split(tmp_path, "segmentation", "test")
    assert len(find_split(tmp_path, "segmentation", "test", Reading()).examples) == 1
    camvid = Reading(0, PRESETS["ade20k"])  # whose files hold the class and one
    assert set(np.unique(read_example(found.train[0], camvid)[1])) == {0, 1}


def test_shards_that_links_lead_to_are_read_where_this_was_asked_for(tmp_path: Path) -> None:
    for split in ("train", "val"):
        shard(tmp_path / "elsewhere" / f"{split}.tar", {"jpg": JPG, "png": PNG})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.tar").symlink_to(tmp_path / "elsewhere/train.tar")
    (tmp_path / "data/val").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"train.tar: is a link that leads elsewhere; `follow_links` reads"):
        find_examples(tmp_path / "data", "segmentation", Reading())
    found = find_examples(tmp_path / "data", "segmentation", Reading(), follow_links=True)
    assert len(found.train) == 1
    shard(tmp_path / "data/real.tar", {"jpg": JPG, "png": PNG})
    (tmp_path / "data/test.tar").symlink_to("real.tar")
    assert len(find_split(tmp_path / "data", "segmentation", "test", Reading()).examples) == 1


def test_classes_are_numbers(tmp_path: Path) -> None:
    shard(tmp_path / "train.tar", {"jpg": JPG, "cls": 2}, {"png": PNG, "cls": 0}, {"webp": JPG, "cls": "1\n"})
    found = find_examples(tmp_path, "classification", Reading())
    assert found.names is None
    kept = sorted((*found.train, *found.val), key=lambda example: example.name)
    assert [example.target for example in kept] == [2, 0, 1]
    looked = survey(kept, Reading(), None)
    assert (looked.failed, looked.counts) == ((), (1, 1, 1))
    with pytest.raises(InputError, match=r"0000\.jpg: class 2 is none of 0 to 1; correct it, or name more"):
        survey(kept, Reading(), 2)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path / "train-0.tar", {"jpg": JPG, "cls": b"cat"}, {"jpg": JPG, "cls": 1})
    with pytest.raises(InputError, match=r"train-0\.tar: 0000\.cls: holds 'cat', not the number of a class"):
        find_examples(tmp_path, "classification", Reading())
    with pytest.raises(InputError, match=r"train-0\.tar: no example in it; a shard has <key>\.jpg with"):
        find_examples(tmp_path, "segmentation", Reading())
    whole = path.read_bytes()
    for kept in (700, len(whole) // 3):
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"train-0\.tar: (cut short|no readable tar)"):
            find_examples(tmp_path, "classification", Reading())
    path.write_bytes(b"nothing" * 400)
    with pytest.raises(InputError, match=r"train-0\.tar: no readable tar without compression"):
        find_examples(tmp_path, "classification", Reading())
    with tarfile.open(path, "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("a.cls"))
    with pytest.raises(InputError, match=r"holds a\.cls twice"):
        find_examples(tmp_path, "classification", Reading())
    shard(path, {"png": PNG})
    with pytest.raises(InputError, match=r"0000\.png: no image 0000\.jpg in this shard"):
        find_examples(tmp_path, "segmentation", Reading())


def test_a_damaged_photo_in_a_shard_is_one_of_many_or_too_many(tmp_path: Path) -> None:
    good = [{"jpg": JPG, "png": PNG}] * 99
    shard(tmp_path / "train.tar", *good, {"jpg": JPG[:40], "png": PNG})
    found = find_examples(tmp_path, "segmentation", Reading())
    looked = survey([*found.train, *found.val], Reading(), None)
    assert len(looked.examples) == 99
    assert "train.tar: 0099.jpg: damaged or cut short" in looked.failed[0]
    shard(tmp_path / "train.tar", *good[:10], {"jpg": JPG[:40], "png": PNG}, {"jpg": JPG, "png": b""})
    found = find_examples(tmp_path, "segmentation", Reading())
    with pytest.raises(InputError, match=r"2 of 12 examples cannot be used, more than 1%"):
        survey(sorted((*found.train, *found.val), key=lambda example: example.name), Reading(), None)


def test_a_class_number_that_would_fill_memory_is_refused_by_name(tmp_path: Path) -> None:
    """Counts by class are an array as long as the highest number."""
    shard(tmp_path / "train.tar", {"jpg": JPG, "cls": 0}, {"jpg": JPG, "cls": 300_000_000})
    found = find_examples(tmp_path, "classification", Reading())
    kept = sorted((*found.train, *found.val), key=lambda example: example.name)
    with pytest.raises(InputError, match=r"0001\.jpg: class 300000000 is none of 0 to 4095; if they are classes, name"):
        survey(kept, Reading(), None)
    shard(tmp_path / "train.tar", {"jpg": JPG, "cls": b"1" * 10**5})
    with pytest.raises(InputError, match=r"0000\.cls: holds 100000 bytes, not the number of a class"):
        find_examples(tmp_path, "classification", Reading())


def test_a_label_that_would_fill_memory_is_refused_by_name(tmp_path: Path) -> None:
    for split in ("images", "masks"):
        (tmp_path / split / "train").mkdir(parents=True)
    for name, label in (("a", 1), ("b", 4_000_000_000)):
        (tmp_path / "images" / "train" / f"{name}.jpg").write_bytes(JPG)
        height, width = MASK.shape
        np.save(tmp_path / "masks" / "train" / f"{name}.npy", np.full((height, width), label))
    found = find_examples(tmp_path, "segmentation", Reading())
    kept = sorted((*found.train, *found.val), key=lambda example: example.name)
    with pytest.raises(InputError, match=r"b\.npy: label 4000000000 is none of 0 to 4095 .* name them \(`classes`\)"):
        survey(kept, Reading(), None)


def lying(path: Path, place: int, content: bytes) -> Path:
    """A shard whose first header says something else, under a right checksum."""
    shard(path, {"jpg": JPG, "cls": 0}, {"jpg": JPG, "cls": 1})
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\0" * 3 + b"\x7f" * 8, b"77777777777\0"])
def test_sizes_that_lie_are_named(size: bytes, tmp_path: Path) -> None:
    """Below 0 and beyond 2^60, as base 256 has them, and 8 GiB."""
    lying(tmp_path / "train.tar", 124, size)
    with pytest.raises(InputError, match=r"train\.tar: (cut short|no readable tar|0000)"):
        find_examples(tmp_path, "classification", Reading())


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g", b"S", b"1", b"5", b"\xff"])
def test_members_of_other_kinds_end_in_no_other_error(kind: bytes, tmp_path: Path) -> None:
    """Long names, extended headers, sparse files, links: read as tarfile does, or refused."""
    lying(tmp_path / "train.tar", 156, kind)
    with contextlib.suppress(InputError):
        found = find_examples(tmp_path, "classification", Reading())
        assert len(found.train) + len(found.val) == 2
