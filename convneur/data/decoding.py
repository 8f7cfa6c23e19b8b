"""The one place where image files are opened: formats by name, bounded by their headers, nothing else on stderr.

Pillow's whole list of formats is long, and some of it is no decoder: PostScript is handed to Ghostscript, another
program, whatever the file's suffix says. What is not listed here is never tried.
"""

import ctypes
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image, ImageFile, TiffImagePlugin, _imaging

from convneur.data.limits import check_pixels
from convneur.data.shards import Member
from convneur.data.stacks import Page, pages_of
from convneur.errors import InputError
from convneur.stand_ins import stand_in

__all__ = ["FORMATS", "LABEL_FORMATS", "StoredFile", "faults_named", "frames_of", "layout_of", "opened_image", "quiet"]

StoredFile = Path | Member | Page

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP", "GIF", "JPEG2000", "PPM")
LABEL_FORMATS = ("PNG", "TIFF")

_TILE_WIDTH, _TILE_LENGTH = 322, 323


@contextmanager
def opened_image(source: StoredFile, formats: tuple[str, ...], *, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """An image file whose header was read and judged; its pixels are not decoded yet.

    Args:   formats: as Pillow names them; max_pixels: see `limits`.
    Raises: PIL.UnidentifiedImageError: none of the formats. InputError: too many pixels. What decoders raise of
        damaged files is named by `faults_named`.
    """
    with quiet(), source.open("rb") as file, Image.open(file, formats=formats) as image:
        check_pixels(source, image.height, image.width, max_pixels)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            # A tile is decoded whole, however little of it lies in the image.
            length, width = (image.tag_v2.get(tag) for tag in (_TILE_LENGTH, _TILE_WIDTH))
            if isinstance(length, int) and isinstance(width, int):
                check_pixels(source, length, width, max_pixels)
            # Pillow reads from each strip or tile to where the next one begins.
            end = file.seek(0, os.SEEK_END)
            if any(tile.offset > end for tile in image.tile):
                raise InputError(source, "damaged or cut short (pixels beyond the end of the file); write it again")
        yield image


def frames_of(source: StoredFile, image: ImageFile.ImageFile) -> int:
    """Frames or pages of an image file; smaller copies of a page are none. Call it last: it moves between frames."""
    if isinstance(source, Page):
        return 1
    if isinstance(source, Path) and (pages := pages_of(source)):
        return len(pages)
    return int(getattr(image, "n_frames", 1))


def layout_of(image: Image.Image) -> str:
    """How samples lie in the file, in Pillow's words, such as L;2 or RGB;16B; known until they are decoded."""
    tiles = getattr(image, "tile", None)
    layout = tiles[0].args if tiles else image.mode
    return str(layout[0] if isinstance(layout, tuple) else layout)


@contextmanager
def faults_named(source: StoredFile, *, again: str) -> Iterator[None]:
    """Whatever opening or decoding raises, as an InputError that names the file. again: what mends a damaged one."""
    try:
        if isinstance(source, Path):
            if source.is_dir():
                raise InputError(source, "is a folder")
            if problem := stand_in(source):
                raise InputError(source, problem)
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(source, "no such file") from None
    except PermissionError:
        raise InputError(source, "no permission to read it") from None
    except MemoryError:
        raise InputError(source, "not enough memory to decode it; cut it into tiles") from None
    except Exception as error:
        # Damaged files make decoders raise almost anything: OSError, SyntaxError, struct.error, zlib.error, IndexError.
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(source, f"damaged or cut short ({why}); {again}") from None


class _Quiet:
    """What decoders print by themselves, switched off while one of them is at work.

    Pillow warns of odd tags and logs, libtiff writes lines of its own to stderr: all of it is either nothing, as the
    pixels come out whole, or raised as well. These switches belong to the process, so that threads share them: the
    first one in turns them, the last one out turns them back. Pillow's own limit on pixels, of which it would warn,
    is one of them: `opened_image` has its own, which can be raised.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._turn_off()

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()

    def _turn_off(self) -> None:
        self._undo.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for name in ("PIL", "tifffile"):
            logger = logging.getLogger(name)
            self._undo.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL + 1)
        self._undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
        if _set_libtiff_handler is not None:
            self._undo.callback(_set_libtiff_handler, _set_libtiff_handler(None))


def _libtiff() -> "ctypes._NamedFuncPointer | None":
    """TIFFSetErrorHandler of the libtiff that Pillow decodes with; None where it cannot be reached (Windows)."""
    try:
        setter = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler  # found among what that library was linked with
    except (AttributeError, OSError):
        return None
    setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    return setter


_set_libtiff_handler = _libtiff()
_QUIET = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """No line of a decoder's own on stderr; see `_Quiet`."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()
