"""WebDataset shards, written by the library that defines them."""

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
    assert found.warnings == (f"2 images without a label map are left out: {lone}",)
    pixels, labels = read_example(found.train[1], Reading())
    assert np.array_equal(labels, MASK)
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(JPG))))
    assert survey(found.val, Reading(), None).counts == (16, 16, 16)
    assert has_split(tmp_path, "segmentation", "test")
    assert len(find_split(tmp_path, "segmentation", "test", Reading()).examples) == 1
    camvid = Reading(0, PRESETS["ade20k"])  # whose files hold the class and one
    assert set(np.unique(read_example(found.train[0], camvid)[1])) == {0, 1}


def test_classes_are_numbers(tmp_path: Path) -> None:
    shard(tmp_path / "train.tar", {"jpg": JPG, "cls": 2}, {"png": PNG, "cls": 0}, {"webp": JPG, "cls": "1\n"})
    found = find_examples(tmp_path, "classification", Reading())
    assert found.names is None
    kept = sorted((*found.train, *found.val), key=lambda example: example.name)
    assert [example.target for example in kept] == [2, 0, 1]
    looked = survey(kept, Reading(), None)
    assert (looked.failed, looked.counts) == ((), (1, 1, 1))
    with pytest.raises(InputError, match=r"0000\.jpg: class 2 is none of 0 to 1"):
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
