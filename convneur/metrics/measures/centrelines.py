"""clDice: whether the centrelines of two masks lie within each other."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from convneur.metrics.label_pair import harmonic_mean, ratio
from convneur.metrics.measure import Array, ClassValues, Kind, Measure, PairGeometry, Path, Rows
from convneur.metrics.object_pairs import class_objects, object_boxes
from convneur.metrics.settings import BoundarySettings

__all__ = ["CentrelineDice"]

_NAMES = {"cldice": "clDice", "tprec": "clDice, topology precision", "tsens": "clDice, topology sensitivity"}
_OVERHEAD = 500  # pixels that are thinned in about the time that a call takes beside them
_ROWS = ("skeleton_gt", "skeleton_pred", "skeleton_gt_hit", "skeleton_pred_hit")


class CentrelineDice(Measure):
    """Harmonic mean of the shares of each skeleton that lie in the other mask.

    Shit et al., CVPR 2021 (arXiv 2003.07311). Skeletons are scikit-image's: another thinning gives another value.
    """

    metric, name, short = "cldice", "clDice", "clDice"

    def paths(self, settings: BoundarySettings) -> list[Path]:
        return [(self.metric, key) for key in _NAMES]

    def mean_paths(self, settings: BoundarySettings) -> list[Path]:
        return self.paths(settings)

    def rows(self, settings: BoundarySettings) -> Mapping[str, Kind]:
        return dict.fromkeys(_ROWS, "count")

    def measure(self, geometry: PairGeometry) -> Rows:
        gt_pixels, gt_hit = _skeleton_counts(geometry, "gt")
        pred_pixels, pred_hit = _skeleton_counts(geometry, "pred")
        found = [each[geometry.present] for each in (gt_pixels, pred_pixels, gt_hit, pred_hit)]
        return dict(zip(_ROWS, found, strict=True))

    def of_image(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> ClassValues:
        return self._table(rows)

    def of_total(self, rows: Rows, settings: BoundarySettings) -> ClassValues:
        return self._table(rows) if settings.aggregate == "pooled" else {}

    def _table(self, rows: Rows) -> ClassValues:
        gt, pred, gt_hit, pred_hit = (rows[name] for name in _ROWS)
        precision, sensitivity = ratio(pred_hit, pred), ratio(gt_hit, gt)
        both = np.where((gt == 0) & (pred == 0), np.nan, harmonic_mean(precision, sensitivity))
        return {(self.metric, key): row for key, row in zip(_NAMES, (both, precision, sensitivity), strict=True)}

    def definition(self, settings: Mapping[str, Any], unit: str) -> str:
        pooled = ", pooled counts" if settings["aggregate"] == "pooled" else ""
        return f"skeletons of scikit-image within the other mask{pooled}"

    def stated(self) -> Mapping[str, Any]:
        return {"skeleton": "skimage zhang"}

    def headline(self, settings: BoundarySettings) -> Path:
        return (self.metric, self.metric)

    def value_name(self, keys: Path) -> str:
        return _NAMES[keys[0]] if keys else self.name

    def short_value_name(self, keys: Path) -> str:
        return self.short if keys in ((), (self.metric,)) else keys[0]


def _skeleton_counts(geometry: PairGeometry, side: Literal["gt", "pred"]) -> tuple[Array, Array]:
    """Pixels of every rank's skeleton, and those of them that are of this rank in the other map, (count,) each.

    Choice: thinning looks at a pixel and its eight neighbours, so objects apart are thinned apart: each in its own box,
        which gives the skeleton of the whole mask. Where there are so many that their boxes hold more than the mask's
        one box, that one is thinned instead.
    """
    from scipy.ndimage import find_objects
    from skimage.morphology import skeletonize

    gt, pred = geometry.pair.gt, geometry.pair.pred
    ranks, others = (gt, pred) if side == "gt" else (pred, gt)
    pixels, hits = np.zeros((2, geometry.count), np.int64)

    def count(rank: int, box: Any, mask: Array) -> None:
        skeleton = skeletonize(mask)
        pixels[rank] += np.count_nonzero(skeleton)
        hits[rank] += np.count_nonzero(others[box][skeleton] == rank)

    objects = class_objects(geometry, side, 8)
    boxes = object_boxes(objects, ranks.shape[1], ranks.size)
    areas = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1]) + _OVERHEAD
    apart = np.bincount(objects.rank, areas, geometry.count)
    numbers: Array | None = None
    for rank, whole in enumerate(find_objects(ranks.astype(np.int32) + 1, geometry.count)):
        if whole is None:
            continue
        if apart[rank] > (whole[0].stop - whole[0].start) * (whole[1].stop - whole[1].start) + _OVERHEAD:
            count(rank, whole, ranks[whole] == rank)
            continue
        if numbers is None:
            numbers = objects.map(ranks.shape)
        for number in np.flatnonzero(objects.rank == rank).tolist():
            top, left, bottom, right = boxes[:, number].tolist()
            box = slice(top, bottom), slice(left, right)
            count(rank, box, numbers[box] == number)
    return pixels, hits
