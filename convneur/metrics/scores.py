"""All boundary metrics of one pair of label maps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.bands import class_seed, growing_bands, inner_band
from convneur.metrics.boundaries import Points, Steps, border_points, f1_points, steps
from convneur.metrics.distances import SurfaceDistances, matched, nearest, surface_distances
from convneur.metrics.label_pair import Confusion, LabelPair, comparable, count_by_class, ratio
from convneur.metrics.settings import BoundarySettings, tolerance_radius

__all__ = ["DISTANCES", "Matches", "PairScores", "score_pair"]

BoolMap = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DISTANCES = SurfaceDistances._fields


class Matches(NamedTuple):
    """Boundary pixels and how many of them have a partner in the other map, by tolerance and class.

    gt, pred: (K,) boundary pixels. matched_gt, matched_pred: (T, K). score: (T, K), the metric made of them.
    """

    gt: IntArray
    pred: IntArray
    matched_gt: IntArray
    matched_pred: IntArray
    score: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class PairScores:
    """What one pair of label maps contributes; K classes occur in the ground truth or the prediction.

    shape: (H, W) pixels. diagonal: of the image in units of spacing, the penalty of a missed class.
    void_pixels: ignored pixels. stray: labels of the prediction that are no class -> pixels not ignored.
    classes: (K,) ascending. confusion: (K,) pixels not ignored. trimap: seed -> (W, K) pixels in the band of each
    width, widths as in the settings. boundary_f1, surface_dice: matches, as in the settings. swallowed: (T, K),
    the ground-truth class is so thin that each of its pixels is within the F1 tolerance of its boundary.
    distances: inf where one mask is empty. boundary_iou: (K,). What was not asked for is None.
    """

    shape: tuple[int, int]
    diagonal: float
    void_pixels: int
    stray: Mapping[int, int]
    classes: IntArray
    confusion: Confusion
    trimap: Mapping[str, Confusion] | None = None
    boundary_f1: Matches | None = None
    swallowed: BoolMap | None = None
    surface_dice: Matches | None = None
    distances: SurfaceDistances | None = None
    boundary_iou: FloatArray | None = None


def score_pair(gt: npt.NDArray[Any], pred: npt.NDArray[Any], settings: BoundarySettings) -> PairScores:
    """Score a predicted label map against the ground truth, all classes and metrics at once.

    Choice: ignored pixels (gt == ignore_index) leave both maps first; prediction labels that are no class, the
        ignore label among them, are false negatives. Definitions, units and empty masks: `convneur.metrics`.
    Args:    gt, pred: (H, W) of integers or booleans; settings: what to compute.
    Returns: the scores; combine pairs with `BoundaryAccumulator`.
    Raises:  InputError: not two label maps of one size, or a gt label that is neither a class nor ignored.
    """
    pair = comparable(gt, pred, num_classes=settings.num_classes, ignore_index=settings.ignore_index)
    present = np.flatnonzero(pair.confusion.gt + pair.confusion.pred)
    wanted = set(settings.metrics)
    by_distance = wanted & {*DISTANCES, "surface_dice"}
    count = len(pair.classes)
    height, width = pair.gt.shape
    step_y, step_x = settings.spacing
    gt_steps, pred_steps = steps(pair.gt), steps(pair.pred)

    trimap = boundary_f1 = swallowed = surface_dice = distances = boundary_iou = None
    if "trimap_miou" in wanted:
        trimap = {seed: _trimap(pair, gt_steps, seed, settings, present) for seed in seeds(settings)}
    if by_distance or "boundary_f1" in wanted:
        gt_border = border_points(pair.gt, gt_steps, count, settings.connectivity)
    if "boundary_f1" in wanted:
        boundary_f1 = _boundary_f1(pair, gt_steps, pred_steps, settings, present)
        swallowed = _swallowed(gt_border, pair.gt.shape, settings)[:, present]
    if by_distance:
        pred_border = border_points(pair.pred, pred_steps, count, settings.connectivity)
        from_gt = nearest(gt_border, pred_border, pair.gt.shape, settings.spacing)
        from_pred = nearest(pred_border, gt_border, pair.gt.shape, settings.spacing)
        if "surface_dice" in wanted:
            limits = np.array([[float(tau)] for tau in settings.surface_dice_tau])
            found = _counted(gt_border, from_gt <= limits, pred_border, from_pred <= limits, present)
            surface_dice = found._replace(score=surface_dice_score(found))
        reduced = surface_distances(from_gt, gt_border.starts, from_pred, pred_border.starts, settings.hd95)
        distances = SurfaceDistances(*(values[present] for values in reduced))
    if "boundary_iou" in wanted:
        boundary_iou = _boundary_iou(pair, gt_steps, pred_steps, settings.boundary_iou_ratio)[present]
    return PairScores(
        shape=(height, width),
        diagonal=math.sqrt((height * step_y) ** 2 + (width * step_x) ** 2),
        void_pixels=int(np.count_nonzero(pair.void)),
        stray=pair.stray,
        classes=pair.classes[present],
        confusion=Confusion(*(pixels[present] for pixels in pair.confusion)),
        trimap=trimap,
        boundary_f1=boundary_f1,
        swallowed=swallowed,
        surface_dice=surface_dice,
        distances=distances,
        boundary_iou=boundary_iou,
    )


def seeds(settings: BoundarySettings) -> tuple[str, ...]:
    """The trimap seeds to accumulate: which one `auto` means shows only over the whole data set."""
    return ("class", "void") if settings.trimap_seed == "auto" else (settings.trimap_seed,)


def _trimap(pair: LabelPair, gt_steps: Steps, seed: str, settings: BoundarySettings, present: IntArray) -> Confusion:
    """Pixels in the band by width and class; the ring that each width adds is counted once."""
    valid = ~pair.void
    mask = class_seed(pair.gt, gt_steps, pair.void) if seed == "class" else pair.void
    widths = sorted(settings.trimap_width)
    count = len(pair.classes)
    totals = [np.zeros(count, np.int64) for _ in Confusion._fields]
    inside = np.zeros(valid.shape, bool)
    by_width = {}
    for width, band in zip(widths, growing_bands(mask, tuple(widths), settings.trimap_shape), strict=True):
        band = band & valid
        ring = np.flatnonzero(band & ~inside)
        gt, pred = pair.gt.ravel()[ring], pair.pred.ravel()[ring]
        for total, ranks in zip(totals, (gt, pred, gt[gt == pred]), strict=True):
            total += count_by_class(ranks, count)
        by_width[width] = [total[present] for total in totals]
        inside = band
    return Confusion(*(np.stack(rows) for rows in zip(*(by_width[w] for w in settings.trimap_width), strict=True)))


def _counted(gt: Points, matched_gt: BoolMap, pred: Points, matched_pred: BoolMap, present: IntArray) -> Matches:
    """Count matched points, (T, N) on each side, by class; the score is left to the metric."""

    def by_class(points: Points, found: BoolMap) -> IntArray:
        counts = [np.bincount(points.rank[row], minlength=len(points.starts)) for row in found]
        return np.stack(counts)[:, present]

    in_gt, in_pred = by_class(gt, matched_gt), by_class(pred, matched_pred)
    unscored = np.full(in_gt.shape, np.nan)
    return Matches(gt.counts()[present], pred.counts()[present], in_gt, in_pred, unscored)


def f1_score(matches: Matches) -> FloatArray:
    """Harmonic mean of precision and recall, (T, K); NaN where neither map has a boundary pixel.

    Choice: 0 where exactly one map has none, or nothing matches.
    """
    precision = ratio(matches.matched_pred, matches.pred)
    recall = ratio(matches.matched_gt, matches.gt)
    total = precision + recall
    score = np.divide(2 * precision * recall, total, out=np.zeros(total.shape), where=total > 0)
    score[:, (matches.gt == 0) & (matches.pred == 0)] = np.nan
    return score


def surface_dice_score(matches: Matches) -> FloatArray:
    """(matched_gt + matched_pred) / (gt + pred), (T, K); NaN where there is no border at all."""
    return ratio(matches.matched_gt + matches.matched_pred, matches.gt + matches.pred)


def _boundary_f1(
    pair: LabelPair, gt_steps: Steps, pred_steps: Steps, settings: BoundarySettings, present: IntArray
) -> Matches:
    count, shape = len(pair.classes), pair.gt.shape
    gt, pred = f1_points(pair.gt, gt_steps, count), f1_points(pair.pred, pred_steps, count)
    radii = [tolerance_radius(tolerance, *shape) for tolerance in settings.tolerance]
    matches = _counted(gt, matched(gt, pred, shape, radii), pred, matched(pred, gt, shape, radii), present)
    score = f1_score(matches)
    # A mask may fill the image and so have no boundary: right if both do, wrong if the other is empty.
    both = (pair.confusion.gt > 0) & (pair.confusion.pred > 0)
    boundless = (matches.gt == 0) & (matches.pred == 0)
    score[:, boundless] = both[present][boundless].astype(float)
    return matches._replace(score=score)


def _swallowed(border: Points, shape: tuple[int, int], settings: BoundarySettings) -> BoolMap:
    """(T, K): the class fits between two boundaries that a tolerance apart reach each other everywhere."""
    extent = np.full(len(border.starts) - 1, math.inf)
    owned = np.flatnonzero(border.counts())
    if len(owned):
        first, last = border.starts[owned], border.starts[owned + 1] - 1
        tall = border.y[last] - border.y[first] + 1
        wide = np.maximum.reduceat(border.x, first) - np.minimum.reduceat(border.x, first) + 1
        extent[owned] = np.minimum(tall, wide)
    return np.stack([extent <= 2 * tolerance_radius(tolerance, *shape) for tolerance in settings.tolerance])


def _boundary_iou(pair: LabelPair, gt_steps: Steps, pred_steps: Steps, share: float) -> FloatArray:
    """IoU of the inner bands of every class, (K,); NaN where both are empty."""
    height, width = pair.gt.shape
    depth = max(1, round(share * math.sqrt(height * height + width * width)))
    count = len(pair.classes)
    gt_band = inner_band(gt_steps, pair.gt.shape, depth)
    pred_band = inner_band(pred_steps, pair.gt.shape, depth)
    in_gt = count_by_class(pair.gt[gt_band], count)
    in_pred = count_by_class(pair.pred[pred_band], count)
    in_both = count_by_class(pair.gt[gt_band & pred_band & (pair.gt == pair.pred)], count)
    return ratio(in_both, in_gt + in_pred - in_both)
