"""CBAM: attention over channels, then over positions, each from pooled statistics."""

import torch
from torch import Tensor, nn

__all__ = ["CBAM"]


class CBAM(nn.Module):
    """Convolutional block attention module (Woo et al. 2018).

    Equation: x' = sigmoid(MLP(avg x) + MLP(max x)) * x over channels; x'' = sigmoid(conv7x7([avg x'; max x'])) * x'.
    The MLP is shared, of reduction 16 (the source's).
    Args:    x: (B, m, H, W).
    Returns: (B, m, H, W).
    """

    def __init__(self, dim: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(dim // reduction, 1)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.conv = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        channels = (self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3)))).sigmoid()  # B m
        x = channels[:, :, None, None] * x
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)  # B 2 H W
        return self.conv(pooled).sigmoid() * x
