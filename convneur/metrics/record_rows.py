"""One row per image and class, from which every value of a data set can be computed again."""

import math
from collections.abc import Sequence
from typing import Any

from convneur.metrics.measures import measures_of
from convneur.metrics.object_pairs import STATUS, object_columns
from convneur.metrics.scores import DISTANCES, Matches, PairScores, seeds
from convneur.metrics.settings import BoundarySettings
from convneur.metrics.tables import keys

__all__ = ["object_record_columns", "object_records", "record_columns", "records"]

Row = list[Any]


def record_columns(settings: BoundarySettings) -> list[str]:
    """The columns of `records` under the same settings.

    Pixels are those not ignored; those of `trimap_<seed>_...[width]` lie in the band. `..._boundary` and `..._border`
    are the pixels that boundary F1 and surface dice count, `matched_...` those of them with a partner. Distances are
    inf where one mask is empty: `diagonal` is the penalty.

    >>> record_columns(BoundarySettings(metrics="boundary_iou"))[-3:]
    ['pred_pixels', 'agreeing_pixels', 'boundary_iou']
    """
    columns = ["image", "height", "width", "diagonal", "class", "name", "gt_pixels", "pred_pixels", "agreeing_pixels"]
    wanted = settings.metrics
    if "boundary_f1" in wanted:
        columns += ["gt_boundary", "pred_boundary"]
        for key in keys("boundary_f1", settings):
            columns += [f"{name}[{key}]" for name in ("boundary_f1", "matched_gt_boundary", "matched_pred_boundary")]
    columns += [metric for metric in DISTANCES if metric in wanted]
    if "surface_dice" in wanted:
        columns += ["gt_border", "pred_border"]
        for key in keys("surface_dice", settings):
            columns += [f"{name}[{key}]" for name in ("surface_dice", "matched_gt_border", "matched_pred_border")]
    if "boundary_iou" in wanted:
        columns.append("boundary_iou")
    if "trimap_miou" in wanted:
        for seed in seeds(settings):
            for key in keys("trimap_miou", settings):
                columns += [f"trimap_{seed}_{part}[{key}]" for part in ("gt", "pred", "agreeing")]
    for measure in measures_of(settings):
        columns += measure.csv_columns(settings)
    return columns


def records(name: str, scores: PairScores, settings: BoundarySettings, names: Sequence[str]) -> list[Row]:
    """Rows of one image, a class each: those in the ground truth or the prediction.

    An image without a pixel to score has one row without a class, so that it is not forgotten.
    Returns: rows in the order of `record_columns`; None is undefined.

    >>> import numpy as np
    >>> from convneur.metrics import score_pair
    >>> settings = BoundarySettings(num_classes=2, metrics="miou")
    >>> scores = score_pair(np.array([[0, 1]]), np.array([[1, 1]]), settings)
    >>> [row[4:] for row in records("a", scores, settings, ["sky", "sea"])]  # class, name, pixels
    [[0, 'sky', 0, 1, 0], [1, 'sea', 2, 1, 1]]
    """
    start: Row = [name, *scores.shape, scores.diagonal]
    if not len(scores.classes):
        return [start + [None] * (len(record_columns(settings)) - len(start))]
    columns: list[list[Any]] = [
        scores.classes.tolist(),
        [names[k] for k in scores.classes],
        *(pixels.tolist() for pixels in scores.confusion),
    ]
    if scores.boundary_f1 is not None:
        columns += _match_columns(scores.boundary_f1)
    if scores.distances is not None:
        columns += [
            values.tolist() for metric, values in scores.distances._asdict().items() if metric in settings.metrics
        ]
    if scores.surface_dice is not None:
        columns += _match_columns(scores.surface_dice)
    if scores.boundary_iou is not None:
        columns.append(scores.boundary_iou.tolist())
    for bands in (scores.trimap or {}).values():
        for gt, pred, agreeing in zip(*bands, strict=True):
            columns += [gt.tolist(), pred.tolist(), agreeing.tolist()]
    rows = scores.all_rows()
    for measure in measures_of(settings):
        columns += [values.tolist() for values in measure.csv_values(rows, settings, scores.diagonal)]
    return [[*start, *map(_defined, row)] for row in zip(*columns, strict=True)]


def object_record_columns(settings: BoundarySettings) -> list[str]:
    """The columns of `object_records`.

    Areas are pixels; a box is that of the ground truth's object, of a spurious one the predicted; bottom and right lie
    beyond it. What stands behind is of the two objects of a pair alone.
    """
    first, *others = object_columns(settings)
    return ["image", first, "name", *others]


def object_records(name: str, scores: PairScores, settings: BoundarySettings, names: Sequence[str]) -> list[Row]:
    """Rows of one image, an object each, pairs before missed and spurious ones, for settings with `per_object`.

    Returns: rows in the order of `object_record_columns`; None is undefined.

    >>> from convneur.metrics import score_pair
    >>> settings = BoundarySettings(num_classes=2, per_object=True)
    >>> scores = score_pair([[0, 1]], [[0, 0]], settings)
    >>> [row[1:6] for row in object_records("a", scores, settings, ["sky", "sea"])]  # class, name, status, numbers
    [[0, 'sky', 'fn', 1, 0], [0, 'sky', 'fp', 0, 1], [1, 'sea', 'fp', 0, 1]]
    """
    if scores.object_rows is None:
        return []
    columns = {column: values.tolist() for column, values in scores.object_rows.items()}
    columns["status"] = [STATUS[number] for number in columns["status"]]
    return [[name, label, names[label], *map(_defined, row)] for label, *row in zip(*columns.values(), strict=True)]


def _match_columns(matches: Matches) -> list[list[Any]]:
    columns = [matches.gt.tolist(), matches.pred.tolist()]
    for rows in zip(matches.score, matches.matched_gt, matches.matched_pred, strict=True):
        columns += [row.tolist() for row in rows]
    return columns


def _defined(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
