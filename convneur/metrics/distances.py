"""Distances between the boundaries of the same class in two maps, all classes in one search."""

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.boundaries import Points
from convneur.metrics.label_pair import rank_type

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

__all__ = [
    "SurfaceDistances",
    "ascending_by_class",
    "distances_by_rank",
    "hausdorff_percentiles",
    "matched",
    "nearest",
    "rings",
    "surface_distances",
]

BoolMap = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NEAR = 6  # pixels around a point that are looked up before the tree is asked; measured
_ROUNDING = 1e-9  # far more than sums of two distances are rounded by
_SLOTS = 1048573  # a prime, so that cells of one place but different classes rarely share a slot


def nearest(
    points: Points, targets: Points, shape: tuple[int, int], spacing: tuple[float, float] = (1.0, 1.0)
) -> FloatArray:
    """Euclidean distance from every point to the nearest target of its class.

    Choice: most boundaries lie within a few pixels of each other, so the surroundings of a point are looked up in a
        map first, nearest pixels first; what is left asks one k-d tree.
    Args:    points, targets: of two maps of one shape (H, W), each pixel in one class at most; spacing: height and
        width of a pixel.
    Returns: (N,) distances in the units of spacing; inf where the class has no target.
    """
    distances = np.full(len(points.keys), math.inf)
    left = np.flatnonzero((targets.counts() > 0)[points.rank])
    none = len(targets.starts) - 1
    dtype = rank_type(none)
    row = shape[1] + 2 * _NEAR
    lookup = np.full((shape[0] + 2 * _NEAR) * row, none, dtype)
    lookup[(targets.y + _NEAR) * row + targets.x + _NEAR] = targets.rank
    at, rank = points.y[left] * row + points.x[left], points.rank[left].astype(dtype)
    for distance, offsets in rings(spacing, _NEAR):
        if not len(left):
            break
        hit = np.zeros(len(left), bool)
        for dy, dx in offsets:
            hit |= lookup[(dy + _NEAR) * row + dx + _NEAR :][at] == rank
        distances[left[hit]] = distance
        left, at, rank = left[~hit], at[~hit], rank[~hit]
    if len(left):
        distances[left] = _asked(points, left, targets, shape, spacing)
    return distances


def _asked(
    points: Points, left: IntArray, targets: Points, shape: tuple[int, int], spacing: tuple[float, float]
) -> FloatArray:
    """`nearest` for the points that are left, by the tree."""
    tree, shift = _tree(targets, shape, spacing)
    plane = _plane(points, left, spacing, shift)
    found, index = tree.query(plane)
    asking, first = left, np.arange(len(left))
    if not all((16 * step).is_integer() and 16 * step * max(shape) < 1 << 26 for step in spacing):
        # In the plane such coordinates are rounded: of targets about as near, the tree may not name the nearest.
        about = np.asarray(found) + 1e-12 * float(plane.max() + shift)
        balls = tree.query_ball_point(plane, about, return_sorted=False)
        sizes = np.array([len(ball) for ball in balls])
        asking, first = left.repeat(sizes), np.append(0, sizes.cumsum()[:-1])
        index = np.concatenate(balls).astype(np.int64)
    offset_y = (points.y[asking] - targets.y[index]) * spacing[0]
    offset_x = (points.x[asking] - targets.x[index]) * spacing[1]
    return np.asarray(np.minimum.reduceat(np.sqrt(offset_y * offset_y + offset_x * offset_x), first))


def matched(points: Points, targets: Points, shape: tuple[int, int], radii: list[float]) -> BoolMap:
    """Whether every point has a target of its class within each radius, (T, N).

    Choice: from one point to another the distance to the nearest target changes by at most the distance between
        the two, so one point of each small cell answers for most points of the cell: one that coincides with a target
        if there is one, else one that a k-d tree is asked for.
    Args:    points, targets: of two maps of one shape (H, W); radii: (T,) pixels.
    """
    count = len(points.keys)
    if not count or not len(targets.keys):
        return np.zeros((len(radii), count), bool)
    at = np.searchsorted(targets.keys, points.keys).clip(max=len(targets.keys) - 1)
    coincides = targets.keys[at] == points.keys
    if coincides.all():
        return np.ones((len(radii), count), bool)
    # Half the smallest radius: cells small enough that few answers are left open, at most 8 pixels.
    cell = int(min(max(min(radii) / 2, 1), 8))
    tree, shift = _tree(targets, shape, (1.0, 1.0))
    reach = max(radii) + 2 * cell
    has_targets = (targets.counts() > 0)[points.rank]

    def ask(which: IntArray) -> FloatArray:
        found = tree.query(_plane(points, which, (1.0, 1.0), shift), distance_upper_bound=reach)[0]
        # A radius beyond the image reaches the next class in the plane.
        return np.where(has_targets[which], found, math.inf)

    rows, columns = -(-shape[0] // cell), -(-shape[1] // cell)
    cells = (points.rank * rows + points.y // cell) * columns + points.x // cell
    slot = cells % _SLOTS
    each = np.arange(count)
    answering = np.empty(_SLOTS, np.int64)
    answering[slot] = each
    answering[slot[coincides]] = each[coincides]
    answering = answering[slot]
    answering = np.where(cells[answering] == cells, answering, each)  # two cells in one slot: each for itself

    distances = np.zeros(count)
    asking = np.flatnonzero((answering == each) & ~coincides)
    distances[asking] = ask(asking)
    apart = np.hypot(points.y - points.y[answering], points.x - points.x[answering])
    distances = distances[answering]
    at_least, at_most = distances - apart, np.where(coincides, 0, distances + apart)
    unsure = np.zeros(count, bool)
    for radius in radii:
        unsure |= (at_least <= radius + _ROUNDING) & (at_most > radius - _ROUNDING)
    asking = np.flatnonzero(unsure)
    at_most[asking] = ask(asking)
    return np.stack([at_most <= radius for radius in radii])


@cache
def rings(spacing: tuple[float, float], reach: int) -> list[tuple[float, list[tuple[int, int]]]]:
    """Offsets within `reach` pixels by distance, ascending, as far as no pixel beyond can be nearer."""
    by_distance: dict[float, list[tuple[int, int]]] = {}
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            offset_y, offset_x = dy * spacing[0], dx * spacing[1]
            distance = math.sqrt(offset_y * offset_y + offset_x * offset_x)
            if distance < (reach + 1) * min(spacing):
                by_distance.setdefault(distance, []).append((dy, dx))
    return sorted(by_distance.items())


def _tree(targets: Points, shape: tuple[int, int], spacing: tuple[float, float]) -> "tuple[cKDTree, int]":
    """One tree for all classes, and the shift along x by which it keeps them apart.

    The shift exceeds an image and its diagonal, so that the nearest target of all is one of the same class.
    """
    from scipy.spatial import cKDTree  # half a second to load, and the compiled kernels do without

    shift = math.ceil(shape[1] * spacing[1] + math.hypot(shape[0] * spacing[0], shape[1] * spacing[1])) + 1
    plane = _plane(targets, np.arange(len(targets.keys)), spacing, shift)
    return cKDTree(plane, leafsize=32, balanced_tree=False), shift


def _plane(points: Points, chosen: IntArray, spacing: tuple[float, float], shift: int) -> FloatArray:
    plane = np.empty((len(chosen), 2))
    plane[:, 0] = points.y[chosen] * spacing[0]
    plane[:, 1] = points.x[chosen] * spacing[1] + points.rank[chosen] * float(shift)
    return plane


class SurfaceDistances(NamedTuple):
    """Distance metrics by class, (K,) each: inf where one side is empty, NaN where both are."""

    hausdorff: FloatArray
    hd95: FloatArray
    assd: FloatArray
    masd: FloatArray


def ascending_by_class(
    from_gt: FloatArray, gt_starts: IntArray, from_pred: FloatArray, pred_starts: IntArray
) -> list[tuple[FloatArray, FloatArray]]:
    """Both directions' distances of every class, each sorted, those from the ground truth first.

    Args: from_gt, from_pred: (N,) distances sorted by class; *_starts: (K + 1,) where each class begins.
    """
    return [
        (np.sort(from_gt[gt_starts[k] : gt_starts[k + 1]]), np.sort(from_pred[pred_starts[k] : pred_starts[k + 1]]))
        for k in range(len(gt_starts) - 1)
    ]


def surface_distances(ascending: Sequence[tuple[FloatArray, FloatArray]], hd95: str) -> SurfaceDistances:
    """Reduce the two directed distances of every class to HD, HD95, ASSD and MASD.

    Equation: HD = max of both; HD95 = max of the directed 95th percentiles (`directed`) or the percentile of both
        together (`pooled`), linear interpolation; ASSD = mean of both together; MASD = mean of the two means.
    Args:    ascending: see `ascending_by_class`.
    Returns: the four metrics, in the units of the distances.
    """
    metrics = SurfaceDistances(*(np.full(len(ascending), np.nan) for _ in SurfaceDistances._fields))
    for k, (gt, pred) in enumerate(ascending):
        if not len(gt) or not len(pred):
            for values in metrics:
                values[k] = math.inf if len(gt) or len(pred) else math.nan
            continue
        gt_sum, pred_sum = float(gt.sum()), float(pred.sum())
        metrics.hausdorff[k] = max(gt[-1], pred[-1])
        (metrics.hd95[k],) = _percentiles(gt, pred, [95], pooled=hd95 == "pooled")
        metrics.assd[k] = (gt_sum + pred_sum) / (len(gt) + len(pred))
        metrics.masd[k] = (gt_sum / len(gt) + pred_sum / len(pred)) / 2
    return metrics


def hausdorff_percentiles(
    ascending: Sequence[tuple[FloatArray, FloatArray]], percentiles: Sequence[float], *, pooled: bool
) -> FloatArray:
    """Percentiles of the distances of every class, (P, K): inf where one side is empty, NaN where both are.

    Equation: the larger of the two directions' percentiles, or the percentile of both directions together (`pooled`).
    Args:     ascending: see `ascending_by_class`; percentiles: above 0 to 100.
    """
    found = np.full((len(percentiles), len(ascending)), np.nan)
    for k, (gt, pred) in enumerate(ascending):
        if len(gt) and len(pred):
            found[:, k] = _percentiles(gt, pred, percentiles, pooled=pooled)
        elif len(gt) or len(pred):
            found[:, k] = math.inf
    return found


def distances_by_rank(
    from_gt: FloatArray, gt_starts: IntArray, from_pred: FloatArray, pred_starts: IntArray, hd95: str
) -> SurfaceDistances:
    """`surface_distances` of many ranks, all of which have points in both maps, without a step of Python for each.

    Sums are in another order, so the last bits of means may differ.
    """
    gt_sum, pred_sum = np.add.reduceat(from_gt, gt_starts[:-1]), np.add.reduceat(from_pred, pred_starts[:-1])
    gt_count, pred_count = np.diff(gt_starts), np.diff(pred_starts)
    hausdorff = np.maximum(
        np.maximum.reduceat(from_gt, gt_starts[:-1]), np.maximum.reduceat(from_pred, pred_starts[:-1])
    )
    if hd95 == "pooled":
        both = np.concatenate((from_gt, from_pred))
        rank = np.concatenate([np.arange(len(count)).repeat(count) for count in (gt_count, pred_count)])
        percentile = _percentile_by_rank(both, rank, gt_starts + pred_starts)
    else:
        percentile = np.maximum(
            *(
                _percentile_by_rank(values, np.arange(len(starts) - 1).repeat(np.diff(starts)), starts)
                for values, starts in ((from_gt, gt_starts), (from_pred, pred_starts))
            )
        )
    return SurfaceDistances(
        hausdorff,
        percentile,
        (gt_sum + pred_sum) / (gt_count + pred_count),
        (gt_sum / gt_count + pred_sum / pred_count) / 2,
    )


def _percentile_by_rank(values: FloatArray, rank: IntArray, starts: IntArray) -> FloatArray:
    """The 95th percentile of the values of each rank, (K,)."""
    ascending = values[np.lexsort((values, rank))]
    count = np.diff(starts)
    position = 0.95 * (count - 1)
    below = position.astype(np.int64)
    low = ascending[starts[:-1] + below]
    high = ascending[starts[:-1] + np.minimum(below + 1, count - 1)]
    return np.asarray(low + (high - low) * (position - below))


def _percentiles(gt: FloatArray, pred: FloatArray, percentiles: Sequence[float], *, pooled: bool) -> list[float]:
    if pooled:
        both = np.sort(np.concatenate((gt, pred)))
        return [_percentile(both, percentile) for percentile in percentiles]
    return [max(_percentile(gt, percentile), _percentile(pred, percentile)) for percentile in percentiles]


def _percentile(ascending: FloatArray, percentile: float) -> float:
    """np.percentile, linear, without its cost per call (some hundred calls per pair)."""
    position = percentile / 100 * (len(ascending) - 1)
    below = int(position)
    low, high = float(ascending[below]), float(ascending[min(below + 1, len(ascending) - 1)])
    return low + (high - low) * (position - below)
