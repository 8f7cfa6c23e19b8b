"""What a runner says of images' pixels: logits of label maps at an image's own size, and of classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convneur.data.augmentation import centre_view
from convneur.data.images import normalise
from convneur.inference.runner import Array, Runner
from convneur.inference.windows import STRIDE, WINDOW, window_spans

__all__ = ["Pixels", "image_logits", "sides_seen", "size_seen", "view_logits"]

Pixels = NDArray[np.uint8]


def sides_seen(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width of an image as a model sees it: sides below 32 are scaled up to 32."""
    return max(round(height * scale), STRIDE), max(round(width * scale), STRIDE)


def size_seen(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width of what a segmentation model is shown of an image at once: all of it, or a window by default.

    >>> size_seen(360, 480, 1.25), size_seen(3000, 480, 1.0)
    ((450, 600), (1024, 480))
    """
    rows, columns = sides_seen(height, width, scale)
    return min(rows, WINDOW[0]), min(columns, WINDOW[1])


def image_logits(
    runner: Runner,
    images: Sequence[Pixels],
    *,
    scale: float,
    window: tuple[int, int] | None,
    mean: Sequence[float],
    std: Sequence[float],
) -> Array:
    """What a model with a dense head says of each pixel of images of one size, at that size; see `pixel_logits`."""
    height, width = images[0].shape[:2]
    rows, columns = sides_seen(height, width, scale)
    x = runner.load([normalise(_scaled(image, rows, columns), mean, std) for image in images])
    if window is None or (rows <= window[0] and columns <= window[1]):
        logits = runner.run(x)
    else:
        exact = runner.shape.size is not None
        h, w = min(max(window[0], STRIDE), rows), min(max(window[1], STRIDE), columns)
        logits = runner.zeros(len(images), runner.config.num_classes, rows, columns)
        count = runner.zeros(rows, columns)
        for down in window_spans(rows, h, exact=exact):
            for across in window_spans(columns, w, exact=exact):
                part = (..., slice(*down), slice(*across))
                logits[part] += runner.run(x[part])
                count[part] += 1
        logits /= count
    return logits if (rows, columns) == (height, width) else runner.resized(logits, height, width)


def view_logits(
    runner: Runner, images: Sequence[Pixels], crop: tuple[int, int], *, mean: Sequence[float], std: Sequence[float]
) -> Array:
    """What a classifier says of the middle of images of any sizes, at the size of its views. (B, K)."""
    return runner.run(runner.load([normalise(centre_view(image, crop), mean, std) for image in images]))


def _scaled(image: Pixels, height: int, width: int) -> Pixels:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
