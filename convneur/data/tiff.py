"""TIFF files that Pillow does not identify, read or at least named by tifffile: other integer types, more bands.

Choice: of tifffile, which comes with scikit-image, only the first page is used, and only without compression or with
deflate, whose segments are measured before they are unpacked: tifffile unpacks whatever a segment holds. Series, which
may lead to other files, are never looked at.
"""

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convneur.data.decoding import StoredFile, quiet
from convneur.data.limits import check_pixels
from convneur.errors import InputError

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = ["bands_in", "read_integers"]

_MAGIC = (b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b")
_UNCOMPRESSED, _DEFLATE = 1, (8, 32946)


def bands_in(source: StoredFile) -> str | None:
    """What the pixels of a TIFF file are, such as "5 bands of uint16"; None if it is no TIFF file."""
    with _first_page(source) as page:
        return None if page is None else _bands(page)


def read_integers(source: StoredFile, max_pixels: int) -> NDArray[np.integer[Any]] | None:
    """The whole numbers of a TIFF file of one band, (H, W), as stored; None if it is no TIFF file.

    Raises: InputError: several bands, other numbers, another compression, too many pixels, or a damaged segment.
    """
    with _first_page(source) as page:
        if page is None:
            return None
        if page.samplesperpixel != 1 or page.imagedepth != 1:
            raise InputError(source, f"holds {_bands(page)}, not class ids; write one id per pixel in a single band")
        if page.dtype is None or page.dtype.kind not in "iu" or page.bitspersample != 8 * page.dtype.itemsize:
            raise InputError(source, f"holds {_type(page)} values, not class ids; write whole numbers of 8 to 64 bits")
        if page.compression not in (_UNCOMPRESSED, *_DEFLATE):
            packing = getattr(page.compression, "name", page.compression)  # a number where it is unknown
            raise InputError(
                source, f"{_type(page)} compressed with {packing}, which cannot be read; write it with deflate"
            )
        check_pixels(source, page.imagelength, page.imagewidth, max_pixels)
        if not page.imagelength * page.imagewidth:
            raise InputError(source, "has no pixels")
        if page.is_tiled:
            check_pixels(source, page.tilelength, page.tilewidth, max_pixels)
        _measure(page)
        return np.asarray(page.asarray(maxworkers=1))


@contextmanager
def _first_page(source: StoredFile) -> "Iterator[TiffPage | None]":
    with source.open("rb") as file:
        if file.read(4) not in _MAGIC:
            yield None
            return
        file.seek(0)
        import tifffile  # slow to load, and rarely needed

        with quiet(), tifffile.TiffFile(file, name="page.tif", _multifile=False) as tiff:
            page = tiff.pages.first
            assert isinstance(page, tifffile.TiffPage)
            yield page


def _bands(page: "TiffPage") -> str:
    count = page.samplesperpixel * page.imagedepth
    return f"{count} band{'' if count == 1 else 's'} of {_type(page)}"


def _type(page: "TiffPage") -> str:
    return f"{page.bitspersample}-bit" if page.dtype is None else str(page.dtype)


def _measure(page: "TiffPage") -> None:
    """Raise ValueError for a segment that holds more or less than its share of the pixels."""
    assert page.dtype is not None
    length = page.tilelength if page.is_tiled else max(page.rowsperstrip, 1)
    width = page.tilewidth if page.is_tiled else page.imagewidth
    down, across = math.ceil(page.imagelength / length), math.ceil(page.imagewidth / width)
    # Counted before they are listed: a damaged size has more strips than any file.
    if not down * across == len(page.dataoffsets) == len(page.databytecounts):
        raise ValueError("the number of strips or tiles does not fit the size")
    sizes = [length * width] * (down * across)
    if not page.is_tiled:
        sizes[-1] = (page.imagelength - (down - 1) * length) * width
    file = page.parent.filehandle
    for size, offset, stored in zip(sizes, page.dataoffsets, page.databytecounts, strict=True):
        wanted = size * page.dtype.itemsize
        if offset + stored > file.size:
            raise ValueError("a strip or tile lies beyond the end of the file")
        file.seek(offset)
        held = stored if page.compression == _UNCOMPRESSED else _inflated(file, stored, wanted)
        if held != wanted:
            raise ValueError(f"a strip or tile of {wanted} bytes holds {'more' if held > wanted else 'fewer'}")


def _inflated(file: "BinaryIO | Any", stored: int, most: int) -> int:
    """Bytes that a deflated segment unpacks to, counted up to one more than `most`."""
    stream, count, block = zlib.decompressobj(), 0, file.read(stored)
    while count <= most:
        part = stream.decompress(block, 1 << 20)
        if not part:
            break
        count, block = count + len(part), stream.unconsumed_tail
    return count
