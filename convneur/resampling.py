"""The bootstrap: what a figure would have been with other images, drawn from those there are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["percentile_interval", "resample_counts"]

_Counts = NDArray[np.unsignedinteger[Any]]


def resample_counts(images: int, resamples: int, seed: int) -> Iterator[_Counts]:
    """How often each resample holds each image, (n,) per resample; each draws n of n images with replacement."""
    random = np.random.default_rng(seed)
    kind = np.min_scalar_type(images)
    for _ in range(resamples):
        yield np.bincount(random.integers(images, size=images), minlength=images).astype(kind)


def percentile_interval(
    values: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The percentile interval of each column (Efron and Tibshirani 1993, chapter 13).

    Args:    values: (R, K), a row per resample; NaN where a figure is undefined, which is left out; level: 0 to 1.
    Returns: lower and upper bounds (K,), NaN without a value, and how many values there were (K,).
    """
    ordered = np.sort(values, axis=0)  # NaN last
    counts = np.count_nonzero(~np.isnan(values), axis=0)
    bounds = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        position = share * np.maximum(counts - 1, 0)
        below = np.floor(position).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(counts - 1, 0))
        low, high = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (below, above))
        bounds.append(low + (high - low) * (position - below))
    return bounds[0], bounds[1], counts
