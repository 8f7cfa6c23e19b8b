"""Label maps from files: one class id per pixel, exactly as stored."""

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin, UnidentifiedImageError

from convneur.data.decoding import LABEL_FORMATS, StoredFile, faults_named, frames_of, layout_of, opened_image
from convneur.data.limits import MAX_PIXELS, check_pixels
from convneur.data.shards import Member
from convneur.data.tiff import read_integers
from convneur.errors import InputError

__all__ = [
    "JPEG_ADVICE",
    "LABEL_SUFFIXES",
    "LabelFile",
    "LabelMap",
    "read_array",
    "read_label_map",
    "read_label_map_or_colours",
    "read_values",
    "resized",
]

LabelMap = NDArray[np.integer[Any]]
LabelFile = StoredFile
_Value = TypeVar("_Value", bound=np.generic)

LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".npz")
JPEG_ADVICE = "JPEG changes class numbers: export PNG anew, or threshold a binary mask and save that as PNG"

# Pillow stretches grey images of 2 and 4 bits to 0..255; labels are wanted as stored.
_STRETCH = {"1": 1, "L": 1, "L;2": 85, "L;4": 17}
# By SampleFormat and BitsPerSample: what Pillow gives as numbers of another sign.
_STORED_AS = {(2, 8): np.int8, (1, 32): np.uint32}
_BITS, _SAMPLE_FORMAT = 258, 339
_FROM_FLOATS = "write whole numbers: of ids stored as floats labels.astype(int), of one class's shares labels > 0.5"
_LOSSY = ("jpeg", "tiff_jpeg", "webp")


def read_label_map(path: str | LabelFile, *, max_pixels: int = MAX_PIXELS) -> LabelMap:
    """The label map in a file.

    Choice: a palette image gives its indices, whatever their colours (VOC, ADE20K); grey images of 1 to 16 bits give
        their values as stored, unscaled and not inverted where 0 is white; TIFF integers of any type; NPY the array,
        NPZ the only array in it. Nothing is converted: what does not hold exactly one whole number per pixel is
        refused.
    Args:    path: a file with one of `LABEL_SUFFIXES`, or a page of one (`stacks.pages_of`). max_pixels: more are
                refused by the file's header, before anything is decoded.
    Returns: (H, W) of the file's integer type.
    Raises:  InputError: another kind of file, colours, floats, several pages, or a damaged file.
    """
    labels = read_label_map_or_colours(path, max_pixels=max_pixels)
    if labels.ndim == 3:
        raise InputError(
            path,
            "holds colours (RGB), not class ids; write one id per pixel as a grey or palette image, or give "
            "the colour table of the classes (`colours`)",
        )
    return labels


def read_label_map_or_colours(path: str | LabelFile, *, max_pixels: int = MAX_PIXELS) -> LabelMap:
    """As `read_label_map`, but an opaque RGB picture of 8 bits is no error.

    Returns: (H, W) of the file's integer type, or (H, W, 3) uint8 as stored, for a colour table to translate.
    """
    labels: LabelMap = _values(path, "bui", max_pixels)
    return labels


def read_values(path: str | LabelFile, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """As `read_label_map_or_colours`, but floating-point numbers are no error either.

    Returns: (H, W) of the file's type, or (H, W, 3) uint8.
    """
    return _values(path, "buif", max_pixels)


def _values(path: str | LabelFile, kinds: str, max_pixels: int) -> NDArray[Any]:
    """kinds: of numbers, as NumPy names them."""
    path = Path(path) if isinstance(path, str) else path
    suffix = path.suffix.lower()
    if suffix not in LABEL_SUFFIXES:
        raise InputError(path, f"not a label map; give a file that ends in {', '.join(LABEL_SUFFIXES)}")
    with faults_named(path, again="write it again"):
        if (path.size if isinstance(path, Member) else path.stat().st_size) == 0:
            raise InputError(path, "is empty (0 bytes); write it again")
        if isinstance(path, Path) and suffix in (".npy", ".npz"):
            check = partial(_check_labels, path, kinds=kinds, max_pixels=max_pixels)
            labels = _whole(read_array(path, check))
        else:
            labels = _read_image(path, kinds, max_pixels)
    if labels.size == 0:
        raise InputError(path, "has no pixels")
    return labels


def resized(labels: NDArray[_Value], shape: tuple[int, int]) -> NDArray[_Value]:
    """A label map at another size, each pixel from the nearest one.

    Equation: row i of h comes from row floor((i + 1/2) H / h) of H, columns likewise: pixel centres are aligned, as in
        OpenCV's INTER_NEAREST_EXACT. Computed in whole numbers.
    Args:     labels: (H, W); shape: (h, w).
    """
    rows, columns = (
        (2 * np.arange(wanted) + 1) * found // (2 * wanted) for wanted, found in zip(shape, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def _read_image(path: LabelFile, kinds: str, max_pixels: int) -> NDArray[Any]:
    try:
        with opened_image(path, LABEL_FORMATS, max_pixels=max_pixels) as image:
            return _labels(path, image, kinds)
    except UnidentifiedImageError:
        labels = read_integers(path, max_pixels)
        if labels is None:
            raise InputError(path, _neither(path)) from None
        return labels


def _neither(path: LabelFile) -> str:
    """What to do about a file that is no PNG or TIFF, whatever its name ends in."""
    with path.open("rb") as file:
        jpeg = file.read(3) == b"\xff\xd8\xff"
    return f"is a JPEG; {JPEG_ADVICE}" if jpeg else "not a PNG or TIFF image; write it as PNG"


def _labels(path: LabelFile, image: ImageFile.ImageFile, kinds: str) -> NDArray[Any]:
    if frames_of(path, image) > 1:
        raise InputError(path, "has several pages; write one label map per file")
    if image.mode == "F" and "f" not in kinds:
        raise InputError(path, f"holds floating-point values, not class ids; {_FROM_FLOATS}")
    if image.info.get("compression") in _LOSSY:
        raise InputError(path, "is compressed with loss, which changes class ids; write it with deflate or as PNG")
    if image.mode == "F":
        return np.asarray(image)
    layout = layout_of(image)
    if image.mode in ("RGB", "RGBA") and "16" not in layout:
        pixels = np.asarray(image)
        if pixels.shape[2] == 3 or pixels[..., 3].min() == 255:
            return pixels[..., :3]
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise InputError(
            path,
            f"holds colours ({image.mode}), not class ids; write one id per pixel as a grey or palette image, "
            "or opaque RGB of 8 bits for a colour table",
        )
    return _as_stored(path, image, layout)


def _as_stored(path: LabelFile, image: ImageFile.ImageFile, layout: str) -> LabelMap:
    """The numbers in the file, where Pillow stretches them, inverts them or takes them for others."""
    depth, _, order = layout.partition(";")
    if image.mode in ("1", "L"):
        depth += f";{bits}" if (bits := order.strip("IR")) else ""  # I: 0 is white. R: first bit last, as Pillow reads
        if depth not in _STRETCH:
            raise InputError(path, f"unusual grey values ({layout}); write the class ids as an 8-bit PNG")
    # Pillow swaps the bytes of signed numbers that libtiff has swapped before.
    swapped = order in ("16BS", "32BS") and image.tile[0].codec_name == "libtiff"
    labels: NDArray[Any] = _whole(np.asarray(image))
    if swapped:
        kind = np.int16 if order == "16BS" else np.int32
        labels = np.asarray(labels.astype(kind).byteswap())
    if image.mode in ("1", "L"):
        if "I" in order:
            labels = np.uint8(1 if image.mode == "1" else 255) - labels
        if _STRETCH[depth] > 1:
            labels = labels // np.uint8(_STRETCH[depth])
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        form, bits_stored = (image.tag_v2.get(tag, (1,))[0] for tag in (_SAMPLE_FORMAT, _BITS))
        stored = _STORED_AS.get((form, bits_stored))
        if stored is not None:
            labels = labels.view(stored)
    return labels


def read_array(path: Path, check: Callable[[tuple[int, ...], np.dtype[Any]], None]) -> NDArray[Any]:
    """The array in an NPY or NPZ file. check: refuses shapes and types by the header, before anything is read."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            check(*_header(file))
        # Mapped first, since a header that promises more than the file holds would be allocated before it is read.
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1:
            listed = ", ".join(member.filename.removesuffix(".npy") for member in members[:5]) or "none"
            raise InputError(path, f"holds {len(members)} arrays ({listed}); write one map per file")
        # Python unpacks the other kinds by the block, whatever a block holds.
        if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(path, "packed in a way that NumPy does not write; write it again with numpy.savez")
        with archive.open(members[0]) as file:
            check(*_header(file))
        with archive.open(members[0]) as file:
            return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _check_labels(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], *, kinds: str, max_pixels: int) -> None:
    size = "x".join(map(str, shape)) or "a single value"
    if len(shape) == 3 and dtype.kind in "buif" and (mend := _of_three_axes(shape)):
        raise InputError(path, f"is {size}; a label map has two axes, height and width; {mend}")
    if dtype.kind not in kinds:
        mend = _FROM_FLOATS if dtype.kind == "f" else "write whole numbers"
        raise InputError(path, f"holds {str(dtype)[:80]}, not class ids; {mend}")
    if len(shape) != 2:
        raise InputError(path, f"is {size}; a label map has two axes, height and width")
    check_pixels(path, *shape, max_pixels)


def _of_three_axes(shape: tuple[int, ...]) -> str | None:
    """How an array of three axes becomes a label map; None where none of them can be classes."""
    axis = min((0, 2), key=lambda each: shape[each])
    if shape[axis] == 1:
        return f"remove the axis of length 1 (labels.squeeze({axis}))"
    if shape[axis] > min(shape[1], shape[2 - axis]):
        return None
    return f"of scores or one-hot maps of {shape[axis]} classes take the argmax (labels.argmax({axis}))"


def _whole(labels: NDArray[Any]) -> LabelMap:
    return labels.astype(np.uint8) if labels.dtype == np.bool_ else labels
