"""What a model says of images' pixels: logits of label maps at an image's own size, and of classes."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from convneur.data.augmentation import centre_view
from convneur.data.images import MEAN, STD, normalise
from convneur.inference.windows import STRIDE, WINDOW, window_spans
from convneur.model.network import ConvNeur

__all__ = ["class_logits", "pixel_logits"]

Pixels = NDArray[np.uint8]


@torch.inference_mode()
def pixel_logits(
    model: ConvNeur,
    images: Sequence[Pixels],
    *,
    scale: float = 1.0,
    window: tuple[int, int] | None = WINDOW,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> Tensor:
    """What a model with a dense head says of each pixel of images of one size.

    Choice: an image larger than the window after scaling is cut into windows that overlap by a fourth or more, whose
        logits are averaged. What a model knows of the whole image, it then knows of a window: a global branch's
        context, the statistics of a dense head's group norm. Away from seams a model without either says what it says
        of the whole image, if the sides are multiples of 32. Sides below 32 are scaled up to 32.
    Args:
        images: (H, W, 3) uint8 each; scale: factor on their sides before the model; window: height, width after that,
            None shows them whole; mean, std: of the pixels that the model was trained on.
    Returns: (B, K, H, W) float32, at the images' own size.

    >>> import convneur
    >>> model = convneur.create("m1", head="light-fpn", num_classes=3).eval()
    >>> pixel_logits(model, [np.zeros((40, 50, 3), np.uint8)]).shape
    torch.Size([1, 3, 40, 50])
    """
    height, width = images[0].shape[:2]
    rows, columns = max(round(height * scale), STRIDE), max(round(width * scale), STRIDE)
    x = torch.stack([torch.from_numpy(normalise(_scaled(image, rows, columns), mean, std)) for image in images])
    x = x.to(next(model.parameters()).device).contiguous(memory_format=torch.channels_last)
    if window is None or (rows <= window[0] and columns <= window[1]):
        logits = model(x).float()
    else:
        h, w = min(max(window[0], STRIDE), rows), min(max(window[1], STRIDE), columns)
        logits = x.new_zeros(len(images), model.config.num_classes, rows, columns)
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
def class_logits(
    model: ConvNeur,
    images: Sequence[Pixels],
    crop: tuple[int, int],
    *,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> Tensor:
    """What a classifier says of images of any sizes: of the middle of each at the size it was trained at. (B, K).

    >>> import convneur
    >>> model = convneur.create("m1", num_classes=10).eval()
    >>> class_logits(model, [np.zeros((40, 50, 3), np.uint8)], (64, 64)).shape
    torch.Size([1, 10])
    """
    x = torch.stack([torch.from_numpy(normalise(centre_view(image, crop), mean, std)) for image in images])
    return model(x.to(next(model.parameters()).device).contiguous(memory_format=torch.channels_last)).float()


def _scaled(image: Pixels, height: int, width: int) -> Pixels:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
