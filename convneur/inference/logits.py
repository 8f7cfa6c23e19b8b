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

__all__ = ["WINDOW", "class_logits", "pixel_logits", "window_spans"]

Pixels = NDArray[np.uint8]

# Choice: the largest side of a photo that a net sees whole by default.
WINDOW = (1024, 1024)


@torch.inference_mode()
def pixel_logits(
    model: ConvNeur, photos: Sequence[Pixels], *, scale: float = 1.0, window: tuple[int, int] | None = WINDOW
) -> Tensor:
    """What a net with a dense head says of each pixel of photos of one size.

    Choice: a photo larger than the window after scaling is cut into windows that overlap by a fourth or more, whose
        logits are averaged. What a net knows of the whole image, it then knows of a window: a global branch's context,
        the statistics of a dense head's group norm. Away from seams a net without either says what it says of the
        whole photo, if the sides are multiples of 32. Sides below 32 are scaled up to 32.
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
        for down in window_spans(rows, h):
            for across in window_spans(columns, w):
                part = (..., slice(*down), slice(*across))
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


def window_spans(side: int, window: int) -> list[tuple[int, int]]:
    """Where windows that cover a side begin and end, with an overlap of a fourth of a window at least.

    They begin at multiples of 32, the net's stride, so that its grid is that of the whole photo; the last one reaches
    to the side's end, up to 31 pixels longer. Windows below 43 pixels cannot do both and begin anywhere.
    """
    if side <= window:
        return [(0, side)]
    step, last = max(window * 3 // 4, 1), side - window
    if step >= MIN_SIDE:
        step, last = step - step % MIN_SIDE, last - last % MIN_SIDE
    return [*((start, start + window) for start in range(0, last, step)), (last, side)]


def _scaled(photo: Pixels, height: int, width: int) -> Pixels:
    if photo.shape[:2] == (height, width):
        return photo
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))
