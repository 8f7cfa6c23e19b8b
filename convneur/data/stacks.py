"""Stacks: TIFF files of several pages, each page a label map of its own."""

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from convneur.errors import InputError

__all__ = ["STACK_SUFFIXES", "Page", "pages_of"]

STACK_SUFFIXES = (".tif", ".tiff")

_NEW_SUBFILE_TYPE = 254
_NO_PAGE = 1 | 4  # a smaller copy of another page, a transparency mask


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a TIFF file, by where its directory begins; read as a path is. number: from 1 on."""

    path: Path
    number: int
    offset: int

    @property
    def suffix(self) -> str:
        return self.path.suffix

    @property
    def stem(self) -> str:
        return self.path.stem

    def stat(self) -> os.stat_result:
        """Of the whole file."""
        return self.path.stat()

    def open(self, mode: str = "rb") -> BinaryIO:
        """The file, with this page as its first."""
        return _FromPage(self.path, self.offset)

    def __str__(self) -> str:
        return f"{self.path}: page {self.number}"


def pages_of(path: Path) -> tuple[Page, ...]:
    """The pages of a TIFF file, found without reading pixels; none for another file or one that cannot be opened.

    Choice: a directory that is marked as a smaller copy of a page or as a mask (GeoTIFF overviews) is no page.
    Raises: InputError: there is a first page, but the chain from page to page leads out of the file.
    """
    if path.suffix.lower() not in STACK_SUFFIXES or not path.is_file():
        return ()
    found: list[int] = []
    try:
        with path.open("rb") as file:
            layout = _layout(file.read(16))
            for offset, kind in _directories(file, layout) if layout else ():
                if not kind & _NO_PAGE:
                    found.append(offset)
    except OSError:
        return ()  # said when it is read
    except (struct.error, ValueError, OverflowError):  # no directory there, or an offset beyond any file
        if not found:
            return ()
        raise InputError(
            path, f"damaged or cut short (pages break off after page {len(found)}); write it again"
        ) from None
    return tuple(Page(path, number, offset) for number, offset in enumerate(found, start=1))


class _Layout(NamedTuple):
    """What differs between TIFF and BigTIFF, in either byte order, as formats of `struct`.

    entries: how many, before them. entry: tag, type, number and value. offset: of the next directory, after them.
    """

    entries: str
    entry: str
    offset: str
    first: int  # where in the header the first directory's offset is


def _layout(header: bytes) -> _Layout | None:
    """Of a TIFF file by its first 16 bytes; None: no TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(header[:2])
    version = header[2:4] if order == ">" else header[3:1:-1]
    if order and version == b"\0\x2a":
        return _Layout(f"{order}H", f"{order}HHI4s", f"{order}I", 4)
    if order and version == b"\0\x2b":
        return _Layout(f"{order}Q", f"{order}HHQ8s", f"{order}Q", 8)
    return None


def _directories(file: BinaryIO, layout: _Layout) -> Iterator[tuple[int, int]]:
    """(offset, NewSubfileType) of each directory. Raises: struct.error: one that is not in the file."""

    def read(kind: str) -> int:
        (value,) = struct.unpack(kind, file.read(struct.calcsize(kind)))
        return int(value)

    file.seek(layout.first)
    offset, seen = read(layout.offset), set[int]()
    left = os.fstat(file.fileno()).st_size  # of a damaged file, directories may overlap and promise any length
    while offset and offset not in seen:  # a damaged chain may lead in circles
        seen.add(offset)
        file.seek(offset)
        count = read(layout.entries)
        left -= count * struct.calcsize(layout.entry)
        if left < 0:
            raise struct.error
        entries = file.read(count * struct.calcsize(layout.entry))
        kind = 0
        for tag, _, _, value in struct.iter_unpack(layout.entry, entries):
            if tag == _NEW_SUBFILE_TYPE:
                (kind,) = struct.unpack(f"{layout.entry[0]}I", value[:4])
        yield offset, kind
        offset = read(layout.offset)


class _FromPage(io.FileIO):
    """A TIFF file whose header seems to name another page as the first.

    Pillow would read the directories of all pages before it, which over a stack grows as the square of their number.
    The descriptor is the file's own: compressed pages are decoded from it, not from a copy of the stack in memory.
    """

    def __init__(self, path: Path, offset: int) -> None:
        super().__init__(path)
        header = bytearray(super().read(16) or b"")
        layout = _layout(bytes(header))
        if layout and len(header) == 16:
            struct.pack_into(layout.offset, header, layout.first, offset)
        self._header = bytes(header)
        self.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        begin = self.tell()
        found = super().read(-1 if size is None else size) or b""
        if begin >= len(self._header):
            return found
        return self._header[begin : begin + len(found)] + found[len(self._header) - begin :]
