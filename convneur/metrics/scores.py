"""All boundary metrics of one pair of label maps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.arrays import as_array
from convneur.metrics.boundaries import Points
from convneur.metrics.decimals import as_written, distance_limit, rounded_root
from convneur.metrics.distances import SurfaceDistances, surface_distances
from convneur.metrics.kernels import PLAIN, Kernels, kernels_for
from convneur.metrics.label_pair import Confusion, LabelPair, comparable, harmonic_mean, ratio
from convneur.metrics.measure import PairGeometry
from convneur.metrics.measures import measures_of
from convneur.metrics.object_pairs import object_rows
from convneur.metrics.objects import ObjectCounts, object_counts
from convneur.metrics.settings import BoundarySettings, thin_depths, tolerance_square
from convneur.metrics.signs import PairSigns

__all__ = ["DISTANCES", "Matches", "PairScores", "score_pair"]

BoolMap = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DISTANCES = SurfaceDistances._fields


class Matches(NamedTuple):
    """Boundary pixels and how many of them have a partner in the other map, by tolerance and class.

    gt, pred: (K,) boundary pixels. matched_gt, matched_pred: (T, K). score: (T, K), the metric made of them.

    >>> pred, gt = np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 1]])
    >>> matches = score_pair(pred, gt, BoundarySettings(tolerance="0px")).boundary_f1
    >>> matches.gt, matches.matched_gt
    (array([1, 1]), array([[0, 0]]))
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
    void_pixels: ignored pixels. invalid_labels: labels of the prediction that are no class -> pixels not ignored.
    classes: (K,) ascending. confusion: (K,) pixels not ignored. trimap: seed -> (W, K) pixels in the band of each
    width, widths as in the settings. boundary_f1, surface_dice: matches, as in the settings. objects: of the ground
    truth, and those too thin for the tolerances. distances: inf where one mask is empty. boundary_iou: (K,). signs:
    of how the pair was prepared. rows: of the metrics in `measures`, see there. object_rows: one per object,
    with `per_object`, see `object_columns`. What was not asked for is None.

    >>> scores = score_pair(np.array([[0, 7, 2]]), np.array([[0, 0, 2]]), BoundarySettings(num_classes=3))
    >>> scores.classes, scores.invalid_labels, scores.distances.hausdorff
    (array([0, 2]), {7: 1}, array([1., 0.]))
    """

    shape: tuple[int, int]
    diagonal: float
    void_pixels: int
    invalid_labels: Mapping[int, int]
    classes: IntArray
    confusion: Confusion
    trimap: Mapping[str, Confusion] | None = None
    boundary_f1: Matches | None = None
    objects: ObjectCounts | None = None
    surface_dice: Matches | None = None
    distances: SurfaceDistances | None = None
    boundary_iou: FloatArray | None = None
    signs: PairSigns | None = None
    rows: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    object_rows: Mapping[str, npt.NDArray[Any]] | None = None

    def all_rows(self) -> dict[str, npt.NDArray[Any]]:
        """Pixels of ground truth and prediction and those that agree, missed, spurious, and `rows`, (K,) each."""
        gt, pred, agreeing = self.confusion
        return {
            "gt_pixels": gt,
            "pred_pixels": pred,
            "agreeing_pixels": agreeing,
            "missed": ((gt > 0) & (pred == 0)).astype(np.int64),
            "spurious": ((pred > 0) & (gt == 0)).astype(np.int64),
            **self.rows,
        }


def score_pair(pred: Any, gt: Any, settings: BoundarySettings) -> PairScores:
    """Score a predicted label map against the ground truth, all classes and metrics at once.

    Choice: ignored pixels (gt == ignore_index) leave both maps first; prediction labels that are no class, the
        ignore label among them, are false negatives. Definitions, units and empty masks: `convneur.metrics`.
    Args:    pred, gt: (H, W) of integers or booleans, NumPy or tensors on any device; settings: what to compute.
    Returns: the scores; combine pairs with `BoundaryAccumulator`.
    Raises:  InputError: not two label maps of one size, or a gt label that is neither a class nor ignored.

    >>> pred, gt = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 255]])
    >>> scores = score_pair(pred, gt, BoundarySettings(num_classes=2))
    >>> scores.confusion.iou().tolist(), scores.void_pixels
    ([0.5, 0.5], 1)
    """
    pred, gt = as_array(pred), as_array(gt)
    return scored_by(kernels_for(gt.size), pred, gt, settings)


def scored_by(kernels: Kernels, pred: npt.NDArray[Any], gt: npt.NDArray[Any], settings: BoundarySettings) -> PairScores:
    """`score_pair` by the given kernels; which of them makes no difference to the scores, only to the time."""
    pair = comparable(
        pred,
        gt,
        num_classes=settings.num_classes,
        ignore_index=settings.ignore_index,
        occurrences=kernels.occurrences,
        disagreements=kernels.disagreements,
    )
    if pair.gt.dtype != np.uint8:
        kernels = PLAIN  # over 255 classes in one image: too rare to be compiled for
    geometry = PairGeometry(pair, kernels, settings)
    present, wanted = geometry.present, set(settings.metrics)
    count, (height, width) = geometry.count, geometry.shape
    step_y, step_x = settings.spacing

    trimap = boundary_f1 = objects = surface_dice = distances = boundary_iou = None
    if "trimap_miou" in wanted:
        trimap = {seed: _trimap(kernels, pair, seed, settings, present) for seed in seeds(settings)}
    if "boundary_f1" in wanted:
        boundary_f1 = _boundary_f1(geometry)
    depths = thin_depths(settings, height, width)
    if "boundary_f1" in wanted or any(depths):
        counted = object_counts(pair.gt, geometry.objects("gt", 8), count, depths, kernels.thin_objects)
        objects = ObjectCounts(*(counts[..., present] for counts in counted))
    if wanted & {*DISTANCES, "surface_dice"}:
        if "surface_dice" in wanted:
            surface_dice = _surface_dice(geometry)
        reduced = surface_distances(geometry.ascending, settings.hd95)
        distances = SurfaceDistances(*(values[present] for values in reduced))
    if "boundary_iou" in wanted:
        depth = max(1, rounded_root(as_written(settings.boundary_iou_ratio) ** 2 * (height * height + width * width)))
        bands = kernels.inner_band_counts(pair.pred, pair.gt, depth, count)
        boundary_iou = bands.iou()[present]
    rows: dict[str, npt.NDArray[Any]] = {}
    for measure in measures_of(settings):
        rows |= measure.measure(geometry)
    return PairScores(
        shape=(height, width),
        diagonal=math.sqrt((height * step_y) ** 2 + (width * step_x) ** 2),
        void_pixels=int(np.count_nonzero(pair.void)),
        invalid_labels=pair.invalid_labels,
        classes=pair.classes[present],
        confusion=Confusion(*(pixels[present] for pixels in pair.confusion)),
        trimap=trimap,
        boundary_f1=boundary_f1,
        objects=objects,
        surface_dice=surface_dice,
        distances=distances,
        boundary_iou=boundary_iou,
        rows=rows,
        object_rows=object_rows(geometry) if settings.per_object else None,
        signs=pair.signs,
    )


def seeds(settings: BoundarySettings) -> tuple[str, ...]:
    """The trimap seeds to accumulate: which one `auto` means shows only over the whole data set."""
    return ("class", "void") if settings.trimap_seed == "auto" else (settings.trimap_seed,)


def _trimap(kernels: Kernels, pair: LabelPair, seed: str, settings: BoundarySettings, present: IntArray) -> Confusion:
    """Pixels in the band by width, in the order of the settings, and class, (W, K)."""
    farthest = sum(pair.gt.shape)  # of two pixels less than that, as Chebyshev or Euclidean distance
    widths = tuple(sorted(min(width, farthest) for width in settings.trimap_width))
    bands = kernels.trimap_counts(pair.pred, pair.gt, seed, widths, settings.trimap_shape, len(pair.classes))
    order = [widths.index(min(width, farthest)) for width in settings.trimap_width]
    return Confusion(*(pixels[order][:, present] for pixels in bands))


def _counted(gt: Points, matched_gt: BoolMap, pred: Points, matched_pred: BoolMap, present: IntArray) -> Matches:
    """Count matched points, (T, N) on each side, by class; the score is left to the metric."""
    in_gt, in_pred = gt.by_rank(matched_gt)[:, present], pred.by_rank(matched_pred)[:, present]
    unscored = np.full(in_gt.shape, np.nan)
    return Matches(gt.counts()[present], pred.counts()[present], in_gt, in_pred, unscored)


def f1_score(matches: Matches) -> FloatArray:
    """Harmonic mean of precision and recall, (T, K); NaN where neither map has a boundary pixel.

    Choice: 0 where exactly one map has none, or nothing matches.
    """
    precision = ratio(matches.matched_pred, matches.pred)
    recall = ratio(matches.matched_gt, matches.gt)
    score = harmonic_mean(precision, recall)
    score[:, (matches.gt == 0) & (matches.pred == 0)] = np.nan
    return score


def surface_dice_score(matches: Matches) -> FloatArray:
    """(matched_gt + matched_pred) / (gt + pred), (T, K); NaN where there is no border at all."""
    return ratio(matches.matched_gt + matches.matched_pred, matches.gt + matches.pred)


def _boundary_f1(geometry: PairGeometry) -> Matches:
    pair, present = geometry.pair, geometry.present
    squares = [tolerance_square(tolerance, *geometry.shape) for tolerance in geometry.settings.tolerance]
    matches = Matches(*geometry.f1_matches(squares), score=np.zeros((len(squares), len(present))))
    score = f1_score(matches)
    # A mask may fill the image and so have no boundary: right if both do, wrong if the other is empty.
    both = (pair.confusion.gt > 0) & (pair.confusion.pred > 0)
    boundless = (matches.gt == 0) & (matches.pred == 0)
    score[:, boundless] = both[present][boundless].astype(float)
    return matches._replace(score=score)


def _surface_dice(geometry: PairGeometry) -> Matches:
    settings = geometry.settings
    limits = np.array([[distance_limit(tau, settings.spacing, geometry.shape)] for tau in settings.surface_dice_tau])
    near_gt, near_pred = geometry.from_gt <= limits, geometry.from_pred <= limits
    found = _counted(geometry.gt_border, near_gt, geometry.pred_border, near_pred, geometry.present)
    return found._replace(score=surface_dice_score(found))
