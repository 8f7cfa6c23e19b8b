"""RoIAlign and its like: torchvision's where it is installed and loads, else the same in plain torch."""

import functools
import warnings
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["compiled_operators", "roi_align", "sample_masks"]

SAMPLES = 2
"""Points along each side of a cell (Choice: a fixed number, as torchvision's Mask R-CNN; MMDetection's depends on the
size of the box)."""


@functools.cache
def compiled_operators() -> ModuleType | None:
    """torchvision.ops, None where it is not installed or its operators do not load, as beside torch's CPU build."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchvision import ops

            ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError, AttributeError, OSError):
        return None
    found: ModuleType = ops
    return found


def roi_align(features: Tensor, boxes: Sequence[Tensor], side: int, stride: float) -> Tensor:
    """Maps under boxes, each resampled to side x side cells (He et al. 2017), half a pixel put right.

    The mean of 2x2 bilinear samples a cell; beyond a position outside the map's edge features are 0.
    Args:    features: (B, C, H, W); boxes: for each image (N_b, 4) in pixels of the image; stride: pixels a position.
    Returns: (sum of N_b, C, side, side) float32, image after image.

    >>> ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    >>> roi_align(ramp, [torch.tensor([[8.0, 8.0, 24.0, 24.0]])], 2, stride=4).squeeze()
    tensor([[2.5000, 4.5000],
            [2.5000, 4.5000]])
    """
    compiled = compiled_operators()
    if compiled is not None:
        found: Tensor = compiled.roi_align(
            features.float(), [each.float() for each in boxes], side, 1 / stride, SAMPLES, aligned=True
        )
        return found
    each = [_aligned(image, own, side, stride) for image, own in zip(features.float(), boxes, strict=True) if len(own)]
    return torch.cat(each) if each else features.new_zeros(0, features.shape[1], side, side, dtype=torch.float32)


def _aligned(image: Tensor, boxes: Tensor, side: int, stride: float) -> Tensor:
    """Of one image, (C, H, W)."""
    channels, height, width = image.shape
    count = side * SAMPLES
    rows, columns = _points(boxes / stride - 0.5, count)
    inside = ((rows >= -1) & (rows <= height))[:, :, None] & ((columns >= -1) & (columns <= width))[:, None]
    # From -1 to 1 between the centres of the first and the last position.
    y = 2 * rows.clamp(0, height - 1) / max(height - 1, 1) - 1
    x = 2 * columns.clamp(0, width - 1) / max(width - 1, 1) - 1
    grid = torch.stack(
        [x[:, None].expand(-1, count, -1), y[:, :, None].expand(-1, -1, count)], dim=-1
    )  # N rows columns 2
    values = F.grid_sample(image[None], grid.reshape(1, -1, count, 2), padding_mode="border", align_corners=True)
    values = values[0].reshape(channels, len(boxes), count, count) * inside
    return F.avg_pool2d(values, SAMPLES).transpose(0, 1)  # C N -> N C


def _points(boxes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of count evenly spread points along the sides of boxes, (N, count) each."""
    steps = (torch.arange(count, device=boxes.device, dtype=boxes.dtype) + 0.5) / count
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    return top + (bottom - top) * steps, left + (right - left) * steps


def sample_masks(masks: Tensor, which: Tensor, boxes: Tensor, side: int) -> Tensor:
    """What a mask head is to give: the mask of each box inside it, as `roi_align` of it at stride 1, from one half on.

    Gathered, so that no mask is made floating point.

    Args:    masks: (G, H, W) bool; which: (N,) the mask of each box; boxes: (N, 4).
    Returns: (N, side, side) float32, 0 or 1.
    """
    _, height, width = masks.shape
    if len(which) == 0:
        return boxes.new_zeros(0, side, side)
    rows, columns = _points(boxes - 0.5, side * SAMPLES)
    inside = ((rows >= -1) & (rows <= height))[:, :, None] & ((columns >= -1) & (columns <= width))[:, None]
    (top, down), (left, across) = (
        (place.floor().long(), place - place.floor())
        for place in (rows.clamp(0, height - 1), columns.clamp(0, width - 1))
    )
    bottom, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    own = which[:, None, None]

    def at(row: Tensor, column: Tensor) -> Tensor:
        return masks[own, row[:, :, None], column[:, None]].float()

    down, across = down[:, :, None], across[:, None]
    upper = at(top, left) * (1 - across) + at(top, right) * across
    lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
    values = (upper * (1 - down) + lower * down) * inside
    return (F.avg_pool2d(values[:, None], SAMPLES)[:, 0] >= 0.5).float()
