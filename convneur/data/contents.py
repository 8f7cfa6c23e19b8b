"""What the files of a data set hold, in a few bytes: they are known again wherever they lie, and when they changed."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from convneur.data.examples import Example
from convneur.data.shards import Member
from convneur.errors import InputError

__all__ = ["Contents", "in_both"]

_START = 1 << 16  # bytes of an image; a label map is read whole, a few pixels of it may have been mended


@dataclass(frozen=True)
class Contents:
    """SHA-256 over the examples in order. images: size and first 64 KiB of each file; labels: all of each file.

    Choice: names are no part of it, nor are places; a thousand files take less than a second.
    """

    images: str
    labels: str

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "Contents":
        """Read them. Raises: InputError: a file that cannot be read."""
        images, labels = hashlib.sha256(), hashlib.sha256()
        for example in examples:
            size, start = _read(example.image, _START)
            images.update(b"%d %b" % (size, hashlib.sha256(start).digest()))
            if example.objects is not None:
                labels.update(example.objects.digest())
            elif isinstance(example.target, int):
                labels.update(b"%d " % example.target)
            else:
                labels.update(hashlib.sha256(_read(example.target)[1]).digest())
        return cls(images.hexdigest(), labels.hexdigest())


def in_both(train: Iterable[Example], val: Sequence[Example]) -> list[str]:
    """The names of those to validate on whose image is one to train on, by size and first 64 KiB of its file.

    Choice: files are read only where one of the other split has their size.
    """
    by_size: dict[int, list[Path | Member]] = defaultdict(list)
    sizes = {_size(example.image) for example in val}
    for example in train:
        if (size := _size(example.image)) in sizes:
            by_size[size].append(example.image)
    known = {size: {_read(image, _START)[1] for image in images} for size, images in by_size.items()}
    return [
        example.name
        for example in val
        if (size := _size(example.image)) in known and _read(example.image, _START)[1] in known[size]
    ]


def _size(file: Path | Member) -> int:
    return file.size if isinstance(file, Member) else file.stat().st_size


def _read(file: Path | Member, most: int = -1) -> tuple[int, bytes]:
    """The size of a file, and its first bytes or all of them."""
    try:
        with file.open("rb") as opened:
            return _size(file), opened.read(most)
    except OSError as error:
        raise InputError.unreadable(file if isinstance(file, Path) else file.shard, error) from None
