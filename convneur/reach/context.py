"""Context: how much of a feature changes when all of the image but a window around it is another image's."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convneur.reach.layers import Box, Layer, layer_maps

__all__ = ["around", "context_changes", "radii_to"]

_AT_ONCE = 8  # images in a forward pass; the same number each time, for equal arithmetic
_PARTS = (0, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8, 1)


def radii_to(cell: Box, size: tuple[int, int]) -> tuple[int, ...]:
    """Choice: 11 radii from 0 to what covers the image, closer together near the position."""
    top, left, bottom, right = cell
    most = max(top, left, size[0] - bottom, size[1] - right)
    return tuple(dict.fromkeys(round(part * most) for part in _PARTS))


def around(cell: Box, radius: int, size: tuple[int, int]) -> Box:
    """A cell with so many pixels around it, cut at the image."""
    top, left, bottom, right = cell
    return max(top - radius, 0), max(left - radius, 0), min(bottom + radius, size[0]), min(right + radius, size[1])


@torch.no_grad()
def context_changes(
    model: nn.Module, x: Tensor, layer: Layer, position: tuple[int, int], windows: Sequence[Box]
) -> list[float | None]:
    """D of each window: the change of F at a position when all outside is another image's, over that when all of it is.

    Root of the sum over images and channels of squared differences, over the same; float64. Exactly 0 where the window
    holds all that the layer sees; None where the images' features do not differ.
    Args: x: (B, 3, H, W), two images or more, each one's donor the one before it.
    """
    row, column = position

    def features(images: Tensor) -> Tensor:
        parts = [
            layer_maps(model, part, [layer])[layer.name][:, :, row, column].double() for part in images.split(_AT_ONCE)
        ]
        return torch.cat(parts)

    own = features(x)
    whole = (own.roll(1, 0) - own).square().sum()
    if not (torch.isfinite(whole) and whole > 0):
        return [None] * len(windows)
    found: list[float | None] = []
    for top, left, bottom, right in windows:
        changed = x.roll(1, 0).contiguous()
        changed[:, :, top:bottom, left:right] = x[:, :, top:bottom, left:right]
        found.append(float(((features(changed) - own).square().sum() / whole).sqrt()))
    return found
