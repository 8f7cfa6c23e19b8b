"""How the global context map G meets the local features; what comes out is added to X.

Each is called with f_loc and g, both (B, C, H, W), and returns (gate, fused); gate is None where there is none.
"""

import torch
from torch import Tensor, nn

from convneur.variants import Fusion

__all__ = ["Addition", "Concat", "Gating", "build_fusion"]


class Gating(nn.Module):
    """F_out = X + DropPath(sigmoid(G) * F_loc), elementwise (paper, its default)."""

    def forward(self, f_loc: Tensor, g: Tensor) -> tuple[Tensor | None, Tensor]:
        gate = g.sigmoid()
        return gate, gate * f_loc


class Addition(nn.Module):
    """F_out = X + DropPath(F_loc + G) (Choice: the paper names addition without a formula)."""

    def forward(self, f_loc: Tensor, g: Tensor) -> tuple[Tensor | None, Tensor]:
        return None, f_loc + g


class Concat(nn.Module):
    """F_out = X + DropPath(W [F_loc; G]), W a 1x1 convolution 2C -> C (Derived: without bias, by its parameters)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(2 * channels, channels, kernel_size=1, bias=False)

    def forward(self, f_loc: Tensor, g: Tensor) -> tuple[Tensor | None, Tensor]:
        return None, self.project(torch.cat([f_loc, g], dim=1))


def build_fusion(name: Fusion, channels: int) -> Gating | Addition | Concat:
    """The fusion of a block with `channels` channels."""
    if name == "gating":
        return Gating()
    return Addition() if name == "addition" else Concat(channels)
