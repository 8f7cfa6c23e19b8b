"""WebDataset shards: tar files whose members of one name, an image and what it shows, are an example.

Choice: the headers of the tars are read once, by Python's tarfile, and an image is then read where its bytes begin. The
library `webdataset` reads shards as a stream whose order depends on processes and a shuffle buffer: a run that was
stopped could not go on bit for bit. Here shards are what folders are, examples by number, in an order that follows
from the seed; the price is a jump on the disk for each image. Only pictures are decoded and class numbers parsed;
whatever else a shard holds (JSON, pickles, tensors) is never opened.
"""

import io
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from convneur.errors import InputError
from convneur.stand_ins import stand_in

__all__ = ["Member", "check_links", "class_number", "samples", "shards_of"]

_KEY = re.compile(
    r"((?:.*/)?[^./][^./]*)\.([^/]+)", re.DOTALL
)  # up to the first dot of the file name, as WebDataset has it
_LONGEST = 32  # bytes of a class number


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an uncompressed tar, by where its bytes are; read as a path is."""

    shard: Path
    name: str
    offset: int
    size: int

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    def open(self, mode: str = "rb") -> BinaryIO:
        """All its bytes, as a file."""
        with self.shard.open("rb") as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(self.size))

    def __str__(self) -> str:
        return f"{self.shard}: {self.name}"


def shards_of(root: Path, split: str) -> list[Path]:
    """The tars of a split, links too: `<split>.tar`, `<split>-*.tar` or `<split>/*.tar`, by name."""
    return sorted([*root.glob(f"{split}.tar"), *root.glob(f"{split}-*.tar"), *root.glob(f"{split}/*.tar")])


def check_links(root: Path, shards: Iterable[Path]) -> None:
    """Raise InputError for a shard that lies elsewhere than under `root`, where a link leads to it."""
    inside = root.resolve()
    for shard in shards:
        if not shard.resolve().is_relative_to(inside):
            raise InputError(shard, "is a link that leads elsewhere; `follow_links` reads what it leads to")


def samples(shard: Path) -> Iterator[tuple[str, dict[str, Member]]]:
    """Each key of a shard with its members by what follows the key's dot, lower case.

    Raises: InputError: no readable, uncompressed tar; a name twice.
    """
    found: dict[str, dict[str, Member]] = {}
    if problem := stand_in(shard):
        raise InputError(shard, problem)
    try:
        end = shard.stat().st_size
        with tarfile.open(shard, "r:") as tar:
            for info in tar:
                fits = _KEY.fullmatch(info.name)
                if not info.isreg() or fits is None:
                    continue
                if info.size < 0 or info.issparse():
                    raise InputError(shard, f"{info.name} has no bytes of its own in it; write the shard again")
                key, kind = fits[1], fits[2].lower()
                if kind in found.setdefault(key, {}):
                    raise InputError(shard, f"holds {info.name} twice; write the shard again")
                if info.offset_data + info.size > end:
                    raise InputError(shard, f"cut short within {info.name}; copy it again")
                found[key][kind] = Member(shard, info.name, info.offset_data, info.size)
    except InputError:
        raise
    except Exception as error:
        # Damaged headers make tarfile raise OverflowError, RecursionError, MemoryError and more than its own.
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(shard, f"no readable tar without compression ({why})") from None
    yield from found.items()


def class_number(member: Member) -> int:
    """The class that a `.cls` member holds. Raises: InputError: no whole number from 0 on."""
    if member.size > _LONGEST:
        raise InputError(member, f"holds {member.size} bytes, not the number of a class")
    text = member.open().read().decode("ascii", "replace").strip()
    if not text.isascii() or not text.isdigit():
        raise InputError(member, f"holds {text!r}, not the number of a class")
    return int(text)
