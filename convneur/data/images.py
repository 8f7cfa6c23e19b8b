"""Images from files or memory: any size, depth and colour mode that Pillow reads, as (H, W, 3) RGB."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from convneur.data.colour_profiles import to_srgb
from convneur.data.decoding import FORMATS, faults_named, frames_of, layout_of, opened_image
from convneur.data.limits import MAX_PIXELS
from convneur.data.shards import Member
from convneur.data.tiff import bands_in
from convneur.errors import InputError

__all__ = ["MEAN", "STD", "ImageInput", "Photo", "normalise", "read_photo", "summed_notes"]

ImageInput = str | Path | Member | Image.Image | NDArray[np.uint8]
"""A file, a Pillow image, or an array (H, W, 3) uint8 in RGB."""

# Choice: per-channel statistics of ImageNet's training photos, on RGB in 0..1, as nearly every backbone takes them.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


_DEPTHS = (8, 10, 12)  # bits that cameras and scanners write into 16
_UNSCALED = ("PNG", "TIFF")  # whose 16-bit values Pillow gives as stored; elsewhere the header says how many bits count
_SAMPLES_PER_PIXEL = 277


@dataclass(frozen=True)
class Photo:
    """pixels: (H, W, 3) uint8 RGB, as scaled; height, width: of the upright photo in the file.

    notes: what was chosen or left out in reading, such as all frames but the first; for people.
    """

    pixels: NDArray[np.uint8]
    height: int
    width: int
    notes: tuple[str, ...] = ()


def read_photo(
    source: ImageInput, *, long_side: int | None = 512, min_side: int = 1, max_pixels: int = MAX_PIXELS
) -> Photo:
    """An image from a file, from Pillow or from an array: upright, in RGB, scaled to a long side with its aspect kept.

    Choice: JPEG, PNG, TIFF, WebP, AVIF, BMP, GIF, JPEG 2000 and PPM by their content, TGA by its suffix; nothing else
    is tried. Turned as its EXIF tag says; grey and palette images become RGB; transparent parts are laid on white;
    colours with an ICC profile are converted to sRGB, CMYK without one by a plain formula. 16-bit values keep their
    upper 8 bits, or those of 8, 10 or 12 that hold the highest value, if it is below 4096. Of several frames or pages
    the first is read. Scaling, up or down, is Pillow's antialiased Lanczos.

    Args:
        source: a file, a Pillow image, or an array (H, W, 3) uint8 RGB.
        long_side: pixels of the longer side; None leaves the image's own size.
        min_side: pixels that the shorter side needs, before and after scaling.
        max_pixels: a file of more is refused by its header, before anything is decoded.
    Raises: InputError: no image, a damaged one, values that have no scale, too few pixels or too many; without a path
        for an image that is in no file.

    >>> read_photo(np.zeros((300, 400, 3), np.uint8), long_side=200).pixels.shape
    (150, 200, 3)
    """
    if isinstance(source, np.ndarray):
        if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8 or not source.size:
            raise InputError(None, f"an array of {source.shape} {source.dtype}; give (H, W, 3) uint8 RGB")
        source = Image.fromarray(source)
    if isinstance(source, Image.Image):
        if source.format not in (None, "TGA", *FORMATS):  # opened elsewhere; Pillow would run Ghostscript for an EPS
            raise InputError(None, f"an image of the format {source.format}; save it as PNG")
        return _photo(None, source, long_side, min_side)
    path = Path(source) if isinstance(source, str) else source
    if not isinstance(path, (Path, Member)):
        raise InputError(None, f"an image is a file, a Pillow image or an array, not {type(source).__name__}")
    if isinstance(path, Path) and path.is_dir():
        raise InputError(path, "is a folder; name an image in it")
    formats = (*FORMATS, "TGA") if path.suffix.lower() == ".tga" else FORMATS
    with faults_named(path, again="save it again"):
        try:
            with opened_image(path, formats, max_pixels=max_pixels) as file:
                return _photo(path, file, long_side, min_side)
        except UnidentifiedImageError:
            if found := bands_in(path):
                raise InputError(path, f"holds {found}, which cannot be shown; save grey or RGB of 8 bits") from None
            raise InputError(
                path, "not an image that can be read; give a JPEG, PNG, TIFF, WebP, AVIF, BMP, GIF, JPEG 2000 or PPM"
            ) from None


def summed_notes(found: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """A line for each note of many images, with their names; found: an image's name and the notes of its `Photo`.

    >>> summed_notes([("a.gif", ["frame 1 of 3 read"]), ("b.png", []), ("c.gif", ["frame 1 of 3 read"])])
    ['2 images: frame 1 of 3 read (a.gif, c.gif)']
    """
    names = defaultdict[str, list[str]](list)
    for name, notes in found:
        for note in notes:
            names[note].append(name)
    return [
        f"{len(having)} image{'' if len(having) == 1 else 's'}: {note} "
        f"({', '.join(having[:3])}{', ...' if len(having) > 3 else ''})"
        for note, having in names.items()
    ]


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
    if image.mode == "F":
        raise InputError(path, "floating-point values without a scale; save it with 8 or 16 bits")
    notes = [*_band_notes(image), *_label_notes(image)]
    deep_colours = image.mode in ("RGB", "RGBA") and "16" in layout_of(image)  # of which Pillow keeps the upper 8 bits
    upright = ImageOps.exif_transpose(image)
    width, height = upright.size
    size = _scaled(path, height, width, long_side, min_side)
    pixels = _rgb(_eight_bits(path, upright, image.format, notes), notes)
    if deep_colours and 0 < max(highest for _, highest in pixels.getextrema()) < 16:  # type: ignore[misc]
        notes.append("16-bit colours below 4096 read as nearly black; save them with 8 bits")
    if pixels.size != size:
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    array = np.array(pixels)
    if path is not None and isinstance(image, ImageFile.ImageFile):
        notes += _frame_notes(path, image)
    return Photo(array, height, width, tuple(notes))


def _band_notes(image: Image.Image) -> list[str]:
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode in ("RGB", "RGBX"):
        bands = image.tag_v2.get(_SAMPLES_PER_PIXEL, 1)
        if isinstance(bands, int) and bands > 3:
            return [f"the first 3 of {bands} bands read as RGB"]
    return []


def _label_notes(image: Image.Image) -> list[str]:
    """Choice: a photograph has more than 32 grey levels or colours of a palette, and a label map has low levels."""
    if image.format not in ("PNG", "TIFF") or image.mode not in ("P", "L"):
        return []
    levels = [value for _, value in image.getcolors(32) or ()]
    low = image.mode == "P" or all(isinstance(value, int) and value < 64 for value in levels)
    return ["looks like a label map, not like an image"] if low and len(levels) > 1 else []


def _frame_notes(path: Path | Member, image: ImageFile.ImageFile) -> list[str]:
    try:
        frames = frames_of(path, image)
    except Exception:  # of a frame that is not read; the first one came out whole
        return ["frame 1 read; what follows it is damaged"]
    return [f"frame 1 of {frames} read, {frames - 1} left out"] if frames > 1 else []


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


def _eight_bits(path: Path | Member | None, image: Image.Image, kind: str | None, notes: list[str]) -> Image.Image:
    """Grey of 16 bits as 8; other modes as they are."""
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    highest = int(values.max())
    if values.min() < 0 or highest > 65535:
        raise InputError(path, "32-bit values without a scale; save it with 8 or 16 bits")
    bits = 16
    if highest and kind in _UNSCALED:
        bits = next((depth for depth in _DEPTHS if highest < 1 << depth), 16)
    if bits < 16:
        notes.append(f"16-bit values below {1 << bits} read as {bits} bits")
    return Image.fromarray((values >> (bits - 8)).astype(np.uint8))


def _rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L" if grey else "RGB")
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    try:
        return to_srgb(image, profile)
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("its colour profile cannot be used, colours read as sRGB")
        return image.convert("RGB")
