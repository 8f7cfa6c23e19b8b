"""Features of many channels to one map that can be looked at."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convneur.errors import InputError

__all__ = ["Reduction", "check_features", "principal_axis", "reduce_channels"]

Reduction = Literal["rms", "mean", "absmean", "max", "pca"]


def check_features(features: NDArray[np.float32], row: str, stage: int) -> None:
    """Raises: InputError: NaN or infinite values, which no map or figure can be made of."""
    if not np.isfinite(features).all():
        raise InputError(
            None,
            f"{row} of stage {stage} holds NaN or infinite values: the memory diverges; choose the `size` that the "
            "weights were trained at, or other weights",
        )


def reduce_channels(
    features: NDArray[np.float32], how: Reduction, *, axis: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """One value for each position from its C channels; sums run in float64.

    Equation: rms sqrt(mean_c F_c^2); mean mean_c F_c; absmean mean_c |F_c|; max max_c F_c; pca sum_c a_c F_c, with
        a the unit axis along which the features vary most over positions.
    Choice: rms is the default. For a gate that knows nothing of the features, the rms of A * F_loc is the rms of A
        times that of F_loc, so what the gate row shows is what happens from the row above it to the row below.
    Args:
        features: (C, H, W) float.
        axis: (C,), for pca: project on this axis instead, so that two maps can share one.
    Returns: (H, W) float32.
    """
    if how == "rms":
        reduced = np.sqrt(np.mean(np.square(features, dtype=np.float64), axis=0))
    elif how == "mean":
        reduced = np.mean(features, axis=0, dtype=np.float64)
    elif how == "absmean":
        reduced = np.mean(np.abs(features), axis=0, dtype=np.float64)
    elif how == "max":
        reduced = np.max(features, axis=0)
    else:
        reduced = np.tensordot(principal_axis(features) if axis is None else axis, features, axes=1)
    return reduced.astype(np.float32)


def principal_axis(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """The unit vector in channel space along which the features vary most over positions.

    Choice: of its two signs, the one that makes its largest component positive.
    Args:    features: (C, H, W) float.
    Returns: (C,) float64.
    """
    positions = features.reshape(features.shape[0], -1).astype(np.float64)  # C H W -> C N
    positions -= positions.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(positions @ positions.T)
    axis: NDArray[np.float64] = vectors[:, -1]  # eigenvalues ascend
    return axis * np.sign(axis[np.abs(axis).argmax()])
