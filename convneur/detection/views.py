"""What a detector is shown of an image: all of it brought to a size, and random views with their boxes and masks."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from convneur.data.augmentation import Augmentation

__all__ = ["View", "fitted", "random_view", "resized"]

Pixels = NDArray[np.uint8]
_LEAST_SIDE = 32  # that a backbone takes
_LEAST_VISIBLE = 0.25  # of an object's box, below which it is no object of the view (Choice)
_LEAST_BOX = 2.0  # pixels of a side


class View(NamedTuple):
    """pixels: (h, w, 3); boxes: (G, 4) float32, x1, y1, x2, y2; labels: (G,) int64; masks: (G, h, w) bool or None."""

    pixels: Pixels
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_] | None


def fitted(height: int, width: int, sides: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
    """Height and width of an image that is brought to two sides, the shorter and the longer, and a scale on top.

    Choice: as MMDetection's keep_ratio: as large as both allow; no side below 32.

    >>> fitted(480, 640, (800, 1333)), fitted(1000, 500, (800, 1333)), fitted(256, 256, (256, 320))
    ((800, 1067), (1333, 666), (256, 256))
    """
    factor = min(min(sides) / min(height, width), max(sides) / max(height, width)) * scale
    return max(round(height * factor), _LEAST_SIDE), max(round(width * factor), _LEAST_SIDE)


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """An image (H, W, 3) at a size."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def random_view(
    pixels: Pixels,
    boxes: NDArray[np.float64],
    labels: NDArray[np.int64],
    masks: NDArray[np.bool_] | None,
    augmentation: Augmentation,
    random: np.random.Generator,
) -> View:
    """A view of an image with objects: fitted, scaled by a factor, cut where it is larger than the fit, flipped,
    recoloured.

    Choice: an object goes of which less than a quarter of the box is seen, or no pixel of the mask; masks are never
        interpolated.
    Args: pixels: (H, W, 3); boxes: (G, 4); labels: (G,); masks: (G, H, W) or None.

    >>> boxes, still = np.array([[8.0, 4.0, 24.0, 20.0]]), Augmentation((64, 96), (1.0, 1.0), flip=0.0)
    >>> view = random_view(np.zeros((32, 48, 3), np.uint8), boxes, np.array([0]), None, still, np.random.default_rng(0))
    >>> view.pixels.shape, view.boxes.tolist()
    ((64, 96, 3), [[16.0, 8.0, 48.0, 40.0]])
    """
    height, width = pixels.shape[:2]
    factor = math.exp(random.uniform(math.log(augmentation.scale[0]), math.log(augmentation.scale[1])))
    most = fitted(height, width, augmentation.crop)
    whole = fitted(height, width, augmentation.crop, factor)
    part = tuple(min(side, limit) for side, limit in zip(whole, most, strict=True))
    top, left = (int(random.integers(full - cut + 1)) for full, cut in zip(whole, part, strict=True))
    down, across = whole[0] / height, whole[1] / width
    box = (left / across, top / down, (left + part[1]) / across, (top + part[0]) / down)
    image = Image.fromarray(pixels).resize((part[1], part[0]), Image.Resampling.BILINEAR, box)
    moved = boxes * (across, down, across, down) - (left, top, left, top)
    seen = np.clip(moved, 0, (part[1], part[0], part[1], part[0]))
    sides, full = (each[:, 2:] - each[:, :2] for each in (seen, moved))
    kept = (sides >= _LEAST_BOX).all(axis=1) & (sides.prod(axis=1) >= _LEAST_VISIBLE * full.prod(axis=1))
    if masks is not None:
        rows, columns = (
            np.minimum(((np.arange(count) + start + 0.5) / scale).astype(np.int64), size - 1)
            for count, start, scale, size in ((part[0], top, down, height), (part[1], left, across, width))
        )
        masks = masks[:, rows][:, :, columns]
        kept &= masks.any(axis=(1, 2))
        masks = masks[kept]
    seen, labels = seen[kept], labels[kept]
    if random.random() < augmentation.flip:
        image = ImageOps.mirror(image)
        seen[:, [0, 2]] = part[1] - seen[:, [2, 0]]
        masks = None if masks is None else np.ascontiguousarray(masks[:, :, ::-1])
    return View(np.asarray(augmentation.recoloured(image, random)), seen.astype(np.float32), labels, masks)
