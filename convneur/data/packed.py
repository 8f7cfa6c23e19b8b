"""Entries of a long file by image, packed: memory of about the size of the file, not three times as much."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

__all__ = ["PackedEntries"]

_MOST_OPEN = 20_000  # entries as objects, before all are packed

_Entry = TypeVar("_Entry")


class PackedEntries(Mapping[int, Sequence[_Entry]], Generic[_Entry]):
    """Lists by image that grow entry by entry; a list is made anew each time it is asked for.

    Args: kept: what is kept of a list, where not all of it.

    >>> entries = PackedEntries()
    >>> for image, entry in ((7, "a"), (3, "b"), (7, "c")):
    ...     entries.add(image, entry)
    >>> entries[7], list(entries), 4 in entries
    (['a', 'c'], [7, 3], False)
    """

    def __init__(self, kept: Callable[[list[_Entry]], list[_Entry]] = lambda some: some) -> None:
        self._kept = kept
        self._packed: dict[int, list[bytes]] = {}
        self._open: dict[int, list[_Entry]] = {}
        self._count = 0

    def add(self, image: int, entry: _Entry) -> None:
        self._packed.setdefault(image, [])
        self._open.setdefault(image, []).append(entry)
        self._count += 1
        if self._count >= _MOST_OPEN:
            for number, some in self._open.items():
                self._packed[number].append(pickle.dumps(self._kept(some), pickle.HIGHEST_PROTOCOL))
            self._open.clear()
            self._count = 0

    def __getitem__(self, image: int) -> list[_Entry]:
        packed = [each for part in self._packed[image] for each in pickle.loads(part)]
        return self._kept(packed + self._open.get(image, []))

    def __iter__(self) -> Iterator[int]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
