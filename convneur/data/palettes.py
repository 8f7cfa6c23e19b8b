"""The colours that a palette image brings along for its classes."""

import sys

from convneur.data.colours import Colour
from convneur.data.decoding import LABEL_FORMATS, faults_named, opened_image
from convneur.data.labels import LabelFile
from convneur.errors import InputError

__all__ = ["palette_of"]


def palette_of(path: LabelFile) -> tuple[Colour, ...] | None:
    """Colours by stored id, as far as the file lists them; None if it is no palette image or cannot be read.

    A wish and no input: what keeps a palette from being read is said when the labels are.
    """
    if path.suffix.lower() not in (".png", ".tif", ".tiff"):
        return None
    try:
        # Of any size: no pixel is decoded.
        with faults_named(path, again=""), opened_image(path, LABEL_FORMATS, max_pixels=sys.maxsize) as image:
            flat = image.getpalette("RGB") if image.mode == "P" else None
    except InputError:
        return None
    if not flat:
        return None
    return tuple(zip(flat[0::3], flat[1::3], flat[2::3], strict=True))
