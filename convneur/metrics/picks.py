"""What to look at: which images of a data set, and where in an image a prediction misses the boundary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError
from convneur.metrics.arrays import as_array
from convneur.metrics.boundaries import Points, f1_points
from convneur.metrics.distances import matched
from convneur.metrics.label_pair import comparable
from convneur.metrics.settings import BoundarySettings, tolerance_radius, tolerance_square
from convneur.metrics.tables import Path, headline, less_is_better, metric_paths, value_at

__all__ = ["BoundaryErrors", "Pick", "boundary_errors", "error_hotspots", "metric_path", "pick_images"]

BoolMap = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pick:
    """An image worth a look. group: worst, median, best or moved; place: within it, from 1; value: of the metric.

    >>> Pick("street 7", "worst", 1, 0.31).name
    'street 7'
    """

    name: str
    group: str
    place: int
    value: float


class BoundaryErrors(NamedTuple):
    """Boundary pixels of all classes by the definition of boundary F1, (H, W) each.

    missed: of the ground truth, without a predicted partner in some class. spurious: of the prediction, likewise.
    matched: of either, neither missed nor spurious. radius: within which partners lie, pixels.

    >>> gt = np.array([[0, 0, 1, 1]])
    >>> boundary_errors(gt, gt, BoundarySettings(), tolerance="1px").matched
    array([[False,  True, False, False]])
    """

    missed: BoolMap
    spurious: BoolMap
    matched: BoolMap
    radius: float


def metric_path(typed: str, settings: BoundarySettings) -> Path:
    """The value that `metric` or `metric@key` names.

    Choice: without a key the first one, of distances the mean that counts missed classes.
    Raises: ConfigError: a metric or key that is not computed.

    >>> metric_path("boundary_f1", BoundarySettings()), metric_path("hd95@finite_mean", BoundarySettings())
    (('boundary_f1', '0.008'), ('hd95', 'finite_mean'))
    """
    metric, *keys = typed.split("@")
    if metric not in settings.metrics:
        raise ConfigError("metric", f"must be one of those computed: {', '.join(settings.metrics)}", value=metric)
    paths = metric_paths(metric, settings)
    if not keys:
        return headline(metric, settings)
    asked = [path for path in paths if path[1 : len(keys) + 1] == tuple(keys)]
    # Of the means of a distance the one that counts missed classes.
    asked.sort(key=lambda path: path[-1] != "penalised_mean")
    if not asked:
        raise ConfigError("metric", f"must be {', '.join(map('@'.join, paths))}", value=typed)
    return asked[0]


def pick_images(per_image: Sequence[Mapping[str, Any]], path: Path, count: int) -> list[Pick]:
    """The worst, middle and best images by a value, `count` of each; of few images each once.

    Args: per_image: as in `BoundarySummary`; images whose value is undefined are passed over.

    >>> rows = [{"name": name, "miou": value} for name, value in {"a": 0.4, "b": 0.9, "c": 0.7}.items()]
    >>> [(pick.group, pick.name) for pick in pick_images(rows, ("miou",), count=1)]
    [('worst', 'a'), ('median', 'c'), ('best', 'b')]
    """
    sign = -1 if less_is_better(path) else 1  # of distances the largest is the worst
    values = [(value_at(row, path), str(row["name"])) for row in per_image]
    ranked = sorted((sign * value, name) for value, name in values if not math.isnan(value))
    worst, rest = ranked[:count], ranked[count:]
    best, rest = rest[::-1][:count], rest[: max(len(rest) - count, 0)]
    start = max((len(rest) - count + 1) // 2, 0)
    middle = rest[start : start + count]
    return [
        Pick(name, group, place, sign * value)
        for group, chosen in (("worst", worst), ("median", middle), ("best", best))
        for place, (value, name) in enumerate(chosen, start=1)
    ]


def boundary_errors(pred: Any, gt: Any, settings: BoundarySettings, tolerance: str | float) -> BoundaryErrors:
    """Which boundary pixels boundary F1 counts as missed, spurious and matched, over all classes.

    Args:   pred, gt: (H, W) label maps; settings: of which num_classes and ignore_index count.
    Raises: InputError: as `score_pair`.

    >>> gt = np.zeros((20, 30), int)
    >>> gt[5:15, 5:10] = gt[5:15, 20:25] = 1
    >>> pred = np.where(np.arange(30) < 15, gt, 0)  # the right object is missed
    >>> errors = boundary_errors(pred, gt, BoundarySettings(num_classes=2), tolerance="1px")
    >>> errors.missed[:, :15].any(), errors.missed[:, 15:].any(), errors.spurious.any()
    (np.False_, np.True_, np.False_)
    """
    pred, gt = as_array(pred), as_array(gt)
    pair = comparable(pred, gt, num_classes=settings.num_classes, ignore_index=settings.ignore_index)
    shape, count = pair.gt.shape, len(pair.classes)
    radius = tolerance_radius(tolerance, *shape)
    in_gt, in_pred = (f1_points(ranks, count) for ranks in (pair.gt, pair.pred))
    gt_matched, pred_matched = (
        matched(here, there, shape, [math.sqrt(tolerance_square(tolerance, *shape))])[0]
        for here, there in ((in_gt, in_pred), (in_pred, in_gt))
    )
    missed, spurious = _marked(in_gt, ~gt_matched, shape), _marked(in_pred, ~pred_matched, shape)
    either = _marked(in_gt, gt_matched, shape) | _marked(in_pred, pred_matched, shape)
    return BoundaryErrors(missed, spurious, either & ~missed & ~spurious, radius)


def error_hotspots(errors: BoundaryErrors, height: int, width: int, count: int) -> list[tuple[int, int]]:
    """Top left corners (y, x) of windows that hold the most missed and spurious pixels, without overlap.

    >>> missed = np.zeros((20, 30), bool)
    >>> missed[10:15, 20:25] = True
    >>> nothing = np.zeros_like(missed)
    >>> error_hotspots(BoundaryErrors(missed, nothing, nothing, 1.0), height=5, width=5, count=3)
    [(10, 20)]
    """
    # In place and in 4 bytes: the image may be large.
    sums = np.pad(errors.missed | errors.spurious, ((1, 0), (1, 0))).astype(np.int32)
    for axis in (0, 1):
        np.cumsum(sums, axis=axis, out=sums)
    inside = sums[height:, width:] - sums[:-height, width:]
    inside -= sums[height:, :-width]
    inside += sums[:-height, :-width]
    places = []
    for _ in range(count):
        y, x = map(int, np.unravel_index(np.argmax(inside), inside.shape))
        if inside[y, x] <= 0:
            break
        places.append((y, x))
        inside[max(y - height + 1, 0) : y + height, max(x - width + 1, 0) : x + width] = -1
    return places


def _marked(points: Points, which: BoolMap, shape: tuple[int, int]) -> BoolMap:
    mask = np.zeros(shape, bool)
    mask[points.y[which], points.x[which]] = True
    return mask
