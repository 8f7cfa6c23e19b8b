"""Colours as an ICC profile means them, in sRGB: what a model was trained on and a screen shows."""

import itertools
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

__all__ = ["to_srgb"]

# Colours across the cube, and every grey: what a profile does to them it does to all.
_PROBES = {
    "RGB": np.array(list(itertools.product(range(0, 256, 51), repeat=3)), np.uint8)[None],
    "L": np.arange(256, dtype=np.uint8)[None],
}


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image as RGB in sRGB, by LittleCMS.

    Choice: relative colorimetric, as browsers do. A profile that moves no colour by more than rounding, sRGB itself
        under any of its names, leaves the pixels as they are. None: the colours are sRGB already, CMYK becomes RGB by
        Pillow's plain formula.
    Args:   image: L, RGB, CMYK or LAB, which has a profile by itself.
    Raises: ImageCms.PyCMSError, OSError, ValueError: a profile that is damaged or of another kind of colours.
    """
    transform = _transform(profile, image.mode) if profile or image.mode == "LAB" else None
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # not in place
    return converted


@lru_cache(maxsize=16)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None: it would change nothing. A folder's images share a few profiles."""
    source = ImageCms.ImageCmsProfile(BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(
        source, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    if mode in _PROBES:
        probe = Image.fromarray(_PROBES[mode])
        moved = np.asarray(ImageCms.applyTransform(probe, transform), int) - np.asarray(probe.convert("RGB"), int)
        if abs(moved).max() <= 1:
            return None
    return transform
