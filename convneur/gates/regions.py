"""Where in an image a gate is looked at: what counts as object, background and edge at a stage's positions."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["EDGE_SHARE", "OBJECT", "Against", "Regions", "gradient_regions", "mask_regions"]

Against = Literal["mask", "gradients"]
_Weights = NDArray[np.float64]

# Choice: without a mask the tenth of the positions with the steepest gradients are edges.
EDGE_SHARE = 0.1
OBJECT = 0.5  # Choice: from this share on a pixel of a soft mask lies inside the outline


@dataclass(frozen=True)
class Regions:
    """Weights 0 to 1 of a stage's positions, (H, W) each; a region may be empty.

    foreground and background: the object and what is around it, or the steeper and the flatter half of the picture.
    edges and plain: the band along edges and the rest. against: what they were taken from.
    """

    against: Against
    foreground: _Weights
    background: _Weights
    edges: _Weights
    plain: _Weights


def mask_regions(mask: NDArray[np.floating[Any] | np.integer[Any]], shape: tuple[int, int]) -> Regions:
    """Regions from a mask of the image.

    Choice: a position stands for the pixels that its square covers when the map is stretched over the image. It
        counts for the object by the share of object pixels among them, for the background by that of background
        pixels, so that no threshold decides over small objects in deep stages; a pixel of a soft mask counts for both
        by its shares. Edge positions are those with a pixel of the object (one half or more of it) that has a neighbour
        outside it above, below, left or right, or such a neighbour; the image's border is no edge. Void pixels belong
        to no region but lie outside the object.
    Args: mask: (H, W), 1 object, 0 background, between them a share of object, -1 void, of the size the model saw;
        shape: (h, w) of the stage.
    """
    inside, known = mask >= OBJECT, mask >= 0
    contour = np.zeros(mask.shape, bool)
    for near, far in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        differs = inside[near] != inside[far]
        contour[near] |= differs
        contour[far] |= differs
    edges = _cell_means(contour, shape) > 0
    return Regions(
        "mask",
        _cell_means(np.where(known, mask, 0), shape),
        _cell_means(np.where(known, 1 - mask, 0), shape),
        edges.astype(np.float64),
        _cell_means(known, shape) * ~edges,
    )


def gradient_regions(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> Regions:
    """Regions from the image alone: a stand-in for a mask, which takes flat areas for background.

    Equation: |g|^2 = sum over RGB of (dx^2 + dy^2), central differences of the image averaged to the stage's positions.
    Choice: edges are the positions at or above the 90th percentile of |g|, background those at or below its median.
        Positions with the least |g| of all are never edges, so an image without any variation has none.
    Args: pixels: (H, W, 3) uint8, what the model saw; shape: (h, w) of the stage.
    """
    small = _cell_means(pixels, shape)
    squares = [np.square(np.gradient(small, axis=axis)) for axis in (0, 1) if shape[axis] > 1]
    # Rounded, for equal steps must tie: which of them counts as steeper would be chance.
    steepness = np.round(np.sqrt(np.sum(squares, axis=(0, 3))), 6) if squares else np.zeros(shape)
    edges = (steepness >= np.quantile(steepness, 1 - EDGE_SHARE)) & (steepness > steepness.min())
    flat = steepness <= np.median(steepness)
    foreground, background, edge, plain = (part.astype(np.float64) for part in (~flat, flat, edges, ~edges))
    return Regions("gradients", foreground, background, edge, plain)


def _cell_means(values: NDArray[Any], shape: tuple[int, int]) -> _Weights:
    """Means over the pixels of each position, (h, w, ...): pixel row r belongs to position floor(r h / H)."""
    means: NDArray[Any] = values
    for axis, count in enumerate(shape):
        size = values.shape[axis]
        starts = -(-np.arange(count) * size // count)
        sums = np.add.reduceat(means, starts, axis=axis, dtype=np.float64)
        lengths = np.diff(starts, append=size)
        means = sums / lengths.reshape([-1 if axis == own else 1 for own in range(sums.ndim)])
    return means
