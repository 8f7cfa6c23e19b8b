"""Asking a trained net: label maps at a photo's own size, windows over large photos, classes with probabilities."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from convneur.data.augmentation import centre_view
from convneur.data.images import normalise
from convneur.model.network import MIN_SIDE, ConvNeur

__all__ = ["WINDOW", "class_logits", "pixel_logits", "window_starts"]

Pixels = NDArray[np.uint8]

# Choice: the largest side of a photo that a net sees whole by default.
WINDOW = (1024, 1024)


@torch.inference_mode()
def pixel_logits(
    model: ConvNeur, photos: Sequence[Pixels], *, scale: float = 1.0, window: tuple[int, int] | None = WINDOW
) -> Tensor:
    """What a net with a dense head says of each pixel of photos of one size.

    Choice: a photo larger than the window after scaling is cut into windows that overlap by a fourth or more, whose
        logits are averaged. A net with a global branch sees each window's context alone, so windows differ from the
        whole. Sides below 32 are scaled up to 32.
    Args:
        photos: (H, W, 3) uint8 each; scale: factor on their sides before the net; window: height, width after that,
            None shows them whole.
    Returns: (B, K, H, W) float32, at the photos' own size.
    """
    height, width = photos[0].shape[:2]
    rows, columns = max(round(height * scale), MIN_SIDE), max(round(width * scale), MIN_SIDE)
    x = torch.stack([torch.from_numpy(normalise(_scaled(photo, rows, columns))) for photo in photos])
    x = x.to(next(model.parameters()).device).contiguous(memory_format=torch.channels_last)
    if window is None or (rows <= window[0] and columns <= window[1]):
        logits = model(x).float()
    else:
        h, w = min(max(window[0], MIN_SIDE), rows), min(max(window[1], MIN_SIDE), columns)
        logits = x.new_zeros(len(photos), model.config.num_classes, rows, columns)
        count = x.new_zeros(rows, columns)
        for top in window_starts(rows, h):
            for left in window_starts(columns, w):
                part = (..., slice(top, top + h), slice(left, left + w))
                logits[part] += model(x[part]).float()
                count[part] += 1
        logits /= count
    if (rows, columns) != (height, width):
        logits = F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
    return logits


@torch.inference_mode()
def class_logits(model: ConvNeur, photos: Sequence[Pixels], crop: tuple[int, int]) -> Tensor:
    """What a classifier says of photos of any sizes: of the middle of each at the size it was trained at. (B, K)."""
    x = torch.stack([torch.from_numpy(normalise(centre_view(photo, crop))) for photo in photos])
    return model(x.to(next(model.parameters()).device).contiguous(memory_format=torch.channels_last)).float()


def window_starts(side: int, window: int) -> list[int]:
    """Where windows begin that cover a side, evenly, with an overlap of a fourth of a window at least."""
    if side <= window:
        return [0]
    count = -(-(side - window) // max(window * 3 // 4, 1)) + 1
    return [round(number * (side - window) / (count - 1)) for number in range(count)]


def _scaled(photo: Pixels, height: int, width: int) -> Pixels:
    if photo.shape[:2] == (height, width):
        return photo
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))
