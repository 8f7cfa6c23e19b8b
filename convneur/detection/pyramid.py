"""The feature pyramid: levels of one width, made from the top down (Lin et al. 2017)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from convneur.model.heads import on_finer_grid

__all__ = ["STRIDES", "Pyramid"]

STRIDES = (4, 8, 16, 32, 64)
"""Pixels a position of each level."""


class Pyramid(nn.Module):
    """Five levels: the fifth has every second position of the fourth, for the largest anchors.

    Args:    features: four maps of strides 4, 8, 16, 32.
    Returns: five maps (B, channels, H_s, W_s).
    """

    def __init__(self, dims: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, kernel_size=1) for width in dims)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, kernel_size=3, padding=1) for _ in dims)
        for conv in (*self.laterals, *self.smooth):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        maps = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        for level in range(len(maps) - 1, 0, -1):
            maps[level - 1] = maps[level - 1] + on_finer_grid(maps[level], 2, maps[level - 1].shape[2:], "nearest")
        levels = [smooth(x) for smooth, x in zip(self.smooth, maps, strict=True)]
        return (*levels, F.max_pool2d(levels[-1], kernel_size=1, stride=2))
