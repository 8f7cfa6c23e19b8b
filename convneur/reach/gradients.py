"""The effective receptive field: how strongly each pixel moves a position of a feature, by gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["energy", "replknet_gradient"]

_Map = NDArray[np.float64]


def energy(feature: Tensor, x: Tensor, *, probes: int | None, seed: int) -> _Map:
    """E(q), the sum over output channels c and input channels i of (dF_c / dx_i(q))^2. (H, W) float64.

    By `probes` Rademacher vectors v the mean of the sum over i of (d(v . F) / dx_i(q))^2, which is unbiased; by C unit
    vectors, where C is no more than that or `probes` is None, exact.
    Args: feature: (C,), of one position, with its graph back to x (1, 3, H, W).
    """
    count = len(feature)
    exact = probes is None or count <= probes
    total = torch.zeros(x.shape[2:], dtype=torch.float64)
    for vector in _units(feature) if exact else _signs(feature, probes or 0, seed):
        gradient = _gradient(feature @ vector, x)
        total += gradient[0].double().square().sum(0).cpu()
    return (total if exact else total / (probes or 1)).numpy()


def replknet_gradient(feature: Tensor, x: Tensor) -> _Map:
    """As RepLKNet's script has it: of the sum of the ReLU'd channels, ReLU'd, summed over RGB. (H, W) float64."""
    return _gradient(feature.relu().sum(), x)[0].relu().sum(0).double().cpu().numpy()


def _gradient(value: Tensor, x: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(value, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


def _units(feature: Tensor) -> Iterator[Tensor]:
    for channel in range(len(feature)):
        vector = torch.zeros_like(feature)
        vector[channel] = 1
        yield vector.detach()


def _signs(feature: Tensor, probes: int, seed: int) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(seed)
    for _ in range(probes):
        yield (2.0 * torch.randint(2, feature.shape, generator=random) - 1).to(feature)
