"""What the files of a data set hold, in a few bytes."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from convneur.data.contents import Contents
from convneur.data.examples import Example, find_split
from convneur.data.reading import Reading
from convneur.errors import InputError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "set" / kind / f"{number}.{suffix}").write_bytes(bytes([number]) * 100_000)
    return tmp_path


def contents(root: Path) -> Contents:
    return Contents.of(
        Example(str(number), root / "images" / f"{number}.jpg", root / "masks" / f"{number}.png") for number in range(2)
    )


def last_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def first_byte(path: Path) -> None:
    path.write_bytes(b"x" + path.read_bytes()[1:])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(
    ("file", "change", "noticed"),
    [
        ("images/0.jpg", first_byte, "images"),
        ("images/1.jpg", longer, "images"),
        ("images/1.jpg", last_byte, None),  # beyond 64 KiB
        ("masks/1.png", first_byte, "labels"),
        ("masks/0.png", last_byte, "labels"),
    ],
)
def test_a_changed_file_changes_its_side(
    place: Path, file: str, change: Callable[[Path], None], noticed: str | None
) -> None:
    before = contents(place / "set")
    shutil.copytree(place / "set", place / "copy")
    assert contents(place / "copy") == before
    change(place / "copy" / file)
    after = contents(place / "copy")
    assert {side for side in ("images", "labels") if getattr(after, side) != getattr(before, side)} == (
        {noticed} if noticed else set()
    )


def test_classes_count_as_labels() -> None:
    images = Path(__file__)
    one, other = (Contents.of([Example("a", images, target)]) for target in (0, 1))
    assert one.images == other.images
    assert one.labels != other.labels


def test_members_of_a_shard_are_files_too(place: Path) -> None:
    with tarfile.open(place / "set" / "train-0.tar", "w") as tar:
        for number in range(2):
            tar.add(place / "set" / "images" / f"{number}.jpg", f"{number}.jpg")
            tar.add(place / "set" / "masks" / f"{number}.png", f"{number}.png")
    shard = find_split(place / "set", "segmentation", "train", Reading())
    assert Contents.of(shard.examples) == contents(place / "set")


def test_a_file_that_is_gone_is_named(place: Path) -> None:
    (place / "set" / "masks" / "1.png").unlink()
    with pytest.raises(InputError, match=r"1\.png: cannot be read"):
        contents(place / "set")
