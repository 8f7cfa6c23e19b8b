"""Images from files or memory: any size, depth and colour mode that Pillow reads, as (H, W, 3) RGB."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from convneur.data.shards import Member
from convneur.errors import InputError

__all__ = ["MEAN", "STD", "ImageInput", "Photo", "normalise", "read_photo"]

ImageInput = str | Path | Member | Image.Image | NDArray[np.uint8]
"""A file, a Pillow image, or an array (H, W, 3) uint8 in RGB."""

# Choice: per-channel statistics of ImageNet's training photos, on RGB in 0..1, as nearly every backbone takes them.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Photo:
    """pixels: (H, W, 3) uint8 RGB, as scaled; height, width: of the upright photo in the file."""

    pixels: NDArray[np.uint8]
    height: int
    width: int


def read_photo(source: ImageInput, *, long_side: int | None = 512, min_side: int = 1) -> Photo:
    """An image from a file, from Pillow or from an array: upright, in RGB, scaled to a long side with its aspect kept.

    Choice: turned as its EXIF tag says; grey and palette images become RGB; transparent parts are laid on white;
    16-bit values keep their upper 8 bits; CMYK is converted without a colour profile, and a profile in the file is
    not applied; of several frames or pages the first is read. Scaling, up or down, is Pillow's antialiased Lanczos.

    Args:
        source: a file, a Pillow image, or an array (H, W, 3) uint8 RGB.
        long_side: pixels of the longer side; None leaves the image's own size.
        min_side: pixels that the shorter side needs, before and after scaling.
    Raises: InputError: no image, a damaged one, values that have no scale, or too few pixels; without a path for an
        image that is in no file.

    >>> read_photo(np.zeros((300, 400, 3), np.uint8), long_side=200).pixels.shape
    (150, 200, 3)
    """
    if isinstance(source, np.ndarray):
        if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8 or not source.size:
            raise InputError(None, f"an array of {source.shape} {source.dtype}; give (H, W, 3) uint8 RGB")
        source = Image.fromarray(source)
    if isinstance(source, Image.Image):
        return _photo(None, source, long_side, min_side)
    path = Path(source) if isinstance(source, str) else source
    if not isinstance(path, (Path, Member)):
        raise InputError(None, f"an image is a file, a Pillow image or an array, not {type(source).__name__}")
    if isinstance(path, Path) and path.is_dir():
        raise InputError(path, "is a folder; name a photo")
    try:
        # Pillow warns of odd tags and of large photos; what it can read is read, what it cannot is raised below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as opened, Image.open(opened) as file:
                file.load()
                return _photo(path, file, long_side, min_side)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(path, "not an image that can be read; give a PNG, JPEG, TIFF or WebP file") from None
    except Image.DecompressionBombError:
        raise InputError(path, "too many pixels to decode safely; scale it down first") from None
    except MemoryError:
        raise InputError(path, "not enough memory to decode it; scale it down first") from None
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except PermissionError:
        raise InputError(path, "no permission to read it") from None
    except Exception as error:
        # Damaged files make Pillow's decoders raise almost anything: OSError, SyntaxError, struct.error, IndexError.
        raise InputError(path, f"damaged or cut short ({error}); save it again") from None


def normalise(
    pixels: NDArray[np.uint8], mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> NDArray[np.float32]:
    """What the model takes: (x / 255 - mean) / std per channel.

    Args:    pixels: (H, W, 3) uint8 RGB.
    Returns: (3, H, W) float32.
    """
    x = (pixels.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1))  # H W C -> C H W


def _photo(path: Path | Member | None, image: Image.Image, long_side: int | None, min_side: int) -> Photo:
    upright = ImageOps.exif_transpose(image)
    width, height = upright.size
    size = _scaled(path, height, width, long_side, min_side)
    pixels = _rgb(path, upright)
    if pixels.size != size:
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    return Photo(np.array(pixels), height, width)


def _scaled(
    path: Path | Member | None, height: int, width: int, long_side: int | None, min_side: int
) -> tuple[int, int]:
    """(width, height) after scaling. Raises: InputError: a side below `min_side`, before or after."""
    if min(height, width) < min_side:
        raise InputError(path, f"{height}x{width} pixels (height x width), below {min_side}x{min_side}")
    if long_side is None:
        return width, height
    scale = long_side / max(height, width)
    size = (round(width * scale), round(height * scale))
    if min(size) < min_side:
        raise InputError(
            path,
            f"{height}x{width} pixels (height x width), which scaled to a long side of {long_side} leaves "
            f"{min(size)} on the short one, below {min_side}; crop it or choose a larger size",
        )
    return size


def _rgb(path: Path | Member | None, image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise InputError(path, "floating-point values without a scale; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(path, "32-bit values without a scale; save it with 8 or 16 bits")
        image = Image.fromarray((values // 256).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
