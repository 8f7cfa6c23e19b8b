"""Label maps from files: one class id per pixel, exactly as stored."""

import warnings
import zipfile
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from convneur.data.shards import Member
from convneur.data.stacks import Page
from convneur.errors import InputError

__all__ = ["LABEL_SUFFIXES", "LabelFile", "LabelMap", "read_label_map", "read_label_map_or_colours", "resized"]

LabelMap = NDArray[np.integer[Any]]
LabelFile = Path | Member | Page
_Value = TypeVar("_Value", bound=np.generic)

LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".npz")

# Pillow stretches grey PNGs of 2 and 4 bits to 0..255; labels are wanted as stored. Layouts that it inverts or
# reorders are not in here.
_STRETCHED = {"1": 1, "L": 1, "L;2": 85, "L;4": 17}
_MOST_PIXELS = 1 << 28  # an array file may promise more than memory holds; images have Pillow's own limit


def read_label_map(path: str | LabelFile) -> LabelMap:
    """The label map in a file.

    Choice: a palette image gives its indices, whatever their colours (VOC, ADE20K); grey images of 1 to 16 bits give
        their values as stored, unscaled; TIFF also 32-bit integers; NPY the array, NPZ the only array in it. Nothing
        is converted: what does not hold exactly one whole number per pixel is refused.
    Args:    path: a file with one of `LABEL_SUFFIXES`, or a page of one (`stacks.pages_of`).
    Returns: (H, W) of the file's integer type.
    Raises:  InputError: another kind of file, colours, floats, several pages, or a damaged file.
    """
    labels = read_label_map_or_colours(path)
    if labels.ndim == 3:
        raise InputError(
            path,
            "holds colours (RGB), not class ids; write one id per pixel as a grey or palette image, or give "
            "the colour table of the classes (`colours`)",
        )
    return labels


def read_label_map_or_colours(path: str | LabelFile) -> LabelMap:
    """As `read_label_map`, but an opaque RGB picture of 8 bits is no error.

    Returns: (H, W) of the file's integer type, or (H, W, 3) uint8 as stored, for a colour table to translate.
    """
    path = Path(path) if isinstance(path, str) else path
    suffix = path.suffix.lower()
    if suffix not in LABEL_SUFFIXES:
        raise InputError(path, f"not a label map; give a file that ends in {', '.join(LABEL_SUFFIXES)}")
    try:
        if (path.size if isinstance(path, Member) else path.stat().st_size) == 0:
            raise InputError(path, "is empty (0 bytes); write it again")
        labels = _read_array(path) if isinstance(path, Path) and suffix in (".npy", ".npz") else _read_image(path)
    except InputError:
        raise
    except PermissionError:
        raise InputError(path, "no permission to read it") from None
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except MemoryError:
        raise InputError(path, "not enough memory to decode it") from None
    except Exception as error:
        # Damaged files make decoders raise almost anything: OSError, SyntaxError, ValueError, struct.error, zlib.error.
        raise InputError(path, f"damaged or cut short ({error}); write it again") from None
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


def _read_image(path: LabelFile) -> LabelMap:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd tags are no concern, nor is the size, which is checked here
            with path.open("rb") as opened, Image.open(opened, formats=("PNG", "TIFF")) as image:
                if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                    raise Image.DecompressionBombError
                return _labels(path, image)
    except UnidentifiedImageError:
        raise InputError(path, "not a PNG or TIFF image") from None
    except Image.DecompressionBombError:
        raise InputError(path, f"more than {Image.MAX_IMAGE_PIXELS} pixels, too many to decode safely") from None


def _labels(path: LabelFile, image: ImageFile.ImageFile) -> LabelMap:
    if not isinstance(path, Page) and getattr(image, "n_frames", 1) > 1:
        raise InputError(path, "has several pages; write one label map per file")
    if image.mode == "F":
        raise InputError(path, "holds floating-point values; write class ids as whole numbers")
    layout = image.tile[0].args if image.tile else image.mode
    layout = layout[0] if isinstance(layout, tuple) else layout
    if image.mode in ("RGB", "RGBA") and "16" not in str(layout):
        pixels = np.asarray(image)
        if pixels.shape[2] == 3 or pixels[..., 3].min() == 255:
            return pixels[..., :3]
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise InputError(
            path,
            f"holds colours ({image.mode}), not class ids; write one id per pixel as a grey or palette image, "
            "or opaque RGB of 8 bits for a colour table",
        )
    if image.mode in ("1", "L") and layout not in _STRETCHED:
        raise InputError(path, f"unusual grey values ({layout}); write the class ids as an 8-bit PNG")
    labels = _whole(np.asarray(image))
    stretched = _STRETCHED.get(str(layout), 1)
    return labels // np.uint8(stretched) if stretched > 1 else labels


def _read_array(path: Path) -> LabelMap:
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            _check_header(path, file)
        # Mapped first, since a header that promises more than the file holds would be allocated before it is read.
        return _whole(np.array(np.load(path, mmap_mode="r", allow_pickle=False)))
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            listed = ", ".join(name.removesuffix(".npy") for name in names[:5]) or "none"
            raise InputError(path, f"holds {len(names)} arrays ({listed}); write one label map per file")
        with archive.open(names[0]) as file:
            _check_header(path, file)
    with np.load(path, allow_pickle=False) as arrays:
        return _whole(arrays[names[0].removesuffix(".npy")])


def _check_header(path: Path, file: IO[bytes]) -> None:
    """Refuse an array by its header, before anything of it is read."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    size = "x".join(map(str, shape)) or "a single value"
    if dtype.kind not in "bui":
        raise InputError(
            path, f"holds {dtype}, not class ids; write whole numbers (of scores take the argmax over classes)"
        )
    if len(shape) != 2:
        raise InputError(path, f"is {size}; a label map has two axes, height and width")
    if shape[0] * shape[1] > _MOST_PIXELS:
        raise InputError(path, f"is {size}, more than {_MOST_PIXELS} pixels, too many to read safely")


def _whole(labels: NDArray[Any]) -> LabelMap:
    return labels.astype(np.uint8) if labels.dtype == np.bool_ else labels
