"""Bands along boundaries: the trimap's, and the inner bands of Boundary IoU, for all classes at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.metrics.boundaries import Steps

__all__ = ["class_seed", "growing_bands", "inner_band"]

BoolMap = npt.NDArray[np.bool_]
RankMap = npt.NDArray[np.unsignedinteger[Any]]


def class_seed(gt: RankMap, changes: Steps, void: BoolMap) -> BoolMap:
    """Pixels that have a 4-neighbour of a different class, on both sides of the change, (H, W).

    Args: gt: (H, W) ranks; changes: its steps; void: (H, W), ignored pixels, which are no class.
    """
    seed = np.zeros(gt.shape, bool)
    right = changes.right & ~(void[:, 1:] | void[:, :-1])
    down = changes.down & ~(void[1:] | void[:-1])
    seed[:, :-1] |= right
    seed[:, 1:] |= right
    seed[:-1] |= down
    seed[1:] |= down
    return seed


def growing_bands(seed: BoolMap, widths: tuple[int, ...], shape: str) -> Iterator[BoolMap]:
    """The pixels within each width of the seed, (H, W), for ascending widths.

    Args: seed: (H, W); widths: ascending, pixels; shape: `square` Chebyshev, `disk` Euclidean distance.
    """
    if shape == "disk":
        yield from _disks(seed, widths)
        return
    band, grown = seed, 0
    for width in widths:
        # Squares add up: the band of width 5 is the band of width 3, grown by 2.
        by = width - grown
        band = _any_within(_any_within(band, by, by, 0), by, by, 1)
        grown = width
        yield band


def _disks(seed: BoolMap, widths: tuple[int, ...]) -> Iterator[BoolMap]:
    if not seed.any():
        yield from (seed for _ in widths)
        return
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~seed)
    for width in widths:
        yield distance <= width


def inner_band(changes: Steps, shape: tuple[int, int], depth: int) -> BoolMap:
    """Pixels that lie in the inner band of their own class, whichever it is, (H, W).

    Equation: mask & ~(mask eroded `depth` times by 3x3, background outside the image). For the class of a pixel
        that is: its (2 depth + 1)-wide window leaves the image or holds more than one label, a test that
        does not ask for the class.
    Args:    changes: steps of the map; shape: (H, W); depth: pixels, at least 1.
    """
    height = shape[0]
    # A window is of one label if all its rows are, and so is its middle column.
    pairs = np.zeros(shape, bool)
    pairs[:, :-1] = changes.right
    rows = _any_within(pairs, depth, depth - 1, 1)
    columns = rows.copy()
    columns[:-1] |= changes.down
    band = _any_within(columns, depth, depth - 1, 0)
    if depth < height:
        band[:-depth] |= rows[depth:]  # the window's last row, which no pair of rows begins
    band[:depth] = True
    band[-depth:] = True
    band[:, :depth] = True
    band[:, -depth:] = True
    return band


def _any_within(mask: BoolMap, before: int, after: int, axis: int) -> BoolMap:
    """Whether mask holds anywhere from `before` pixels back to `after` ahead along an axis, (H, W).

    Doubling windows: the cost grows with the logarithm of the width.
    """
    padded = np.pad(mask, ((0, 0), (before, after)) if axis == 1 else ((before, after), (0, 0)))
    length = before + after + 1
    span = 1
    while span < length:
        step = min(span, length - span)
        padded = padded[:, :-step] | padded[:, step:] if axis == 1 else padded[:-step] | padded[step:]
        span += step
    return padded
