"""Bands along boundaries: the trimap's, and the inner bands of Boundary IoU, for all classes at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.metrics.boundaries import steps
from convneur.metrics.label_pair import Confusion, occurrences

__all__ = ["inner_band_counts", "inside", "trimap_counts"]

BoolMap = npt.NDArray[np.bool_]
RankMap = npt.NDArray[np.unsignedinteger[Any]]


def trimap_counts(pred: RankMap, gt: RankMap, seed: str, widths: tuple[int, ...], shape: str, count: int) -> Confusion:
    """Pixels in the trimap band by width and class, (W, K): within the width of the seed and not ignored.

    Args: pred, gt: (H, W) ranks; seed: `class`, pixels with a 4-neighbour of a different class, or `void`, the
        ignored ones; widths: ascending, pixels; shape: `square` Chebyshev, `disk` Euclidean distance; count: K, the
        rank of what is no class, in the ground truth that of ignored pixels.
    """
    void = gt == count
    start = _class_seed(gt, void) if seed == "class" else void
    rows = []
    # The ring that each width adds is counted once.
    totals = np.zeros((3, count + 1), np.int64)
    inside = np.zeros(gt.shape, bool)
    for band in _growing(start, widths, shape):
        band = band & ~void
        ring = np.flatnonzero(band & ~inside)
        in_gt, in_pred = gt.ravel()[ring], pred.ravel()[ring]
        totals += [occurrences(ranks, count + 1) for ranks in (in_gt, in_pred, in_gt[in_gt == in_pred])]
        rows.append(totals[:, :count].copy())
        inside = band
    return Confusion(*np.stack(rows, axis=1))


def _class_seed(gt: RankMap, void: BoolMap) -> BoolMap:
    """Pixels that have a 4-neighbour of a different class, on both sides of the change, (H, W)."""
    seed = np.zeros(gt.shape, bool)
    changes = steps(gt)
    right = changes.right & ~(void[:, 1:] | void[:, :-1])
    down = changes.down & ~(void[1:] | void[:-1])
    seed[:, :-1] |= right
    seed[:, 1:] |= right
    seed[:-1] |= down
    seed[1:] |= down
    return seed


def _growing(seed: BoolMap, widths: tuple[int, ...], shape: str) -> Iterator[BoolMap]:
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
        yield distance <= width  # exact: roots of whole numbers, and a whole number


def inner_band_counts(pred: RankMap, gt: RankMap, depth: int, count: int) -> Confusion:
    """Pixels in the inner bands of either map by class, (K,); agreeing are those in both bands of one class.

    Args: pred, gt: (H, W) ranks; depth: pixels, at least 1; count: K, ranks from there on are no class.
    """
    gt_band, pred_band = ~inside(gt, depth), ~inside(pred, depth)
    both = gt_band & pred_band & (gt == pred)
    return Confusion(*(occurrences(ranks, count + 1)[:count] for ranks in (gt[gt_band], pred[pred_band], gt[both])))


def inside(ranks: RankMap, depth: int) -> BoolMap:
    """Pixels whose (2 depth + 1)-wide window lies in the image and holds one label, (H, W).

    Equation: of every class at once, mask eroded `depth` times by 3x3, background outside the image. The others lie in
        the inner band of their own class, whichever it is.
    """
    changes = steps(ranks)
    # A window is of one label if all its rows are, and so is its middle column.
    pairs = np.zeros(ranks.shape, bool)
    pairs[:, :-1] = changes.right
    rows = _any_within(pairs, depth, depth - 1, 1)
    columns = rows.copy()
    columns[:-1] |= changes.down
    band = _any_within(columns, depth, depth - 1, 0)
    if depth < len(ranks):
        band[:-depth] |= rows[depth:]  # the window's last row, which no pair of rows begins
    band[:depth] = True
    band[-depth:] = True
    band[:, :depth] = True
    band[:, -depth:] = True
    return ~band


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
