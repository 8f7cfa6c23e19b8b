"""clDice: whether the centrelines of two masks lie within each other."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convneur.metrics.label_pair import harmonic_mean, ratio
from convneur.metrics.measure import Array, ClassValues, Kind, Measure, PairGeometry, Path, Rows
from convneur.metrics.settings import BoundarySettings

__all__ = ["CentrelineDice"]

_NAMES = {"cldice": "clDice", "tprec": "clDice, topology precision", "tsens": "clDice, topology sensitivity"}
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
        gt, pred = geometry.pair.gt, geometry.pair.pred
        gt_pixels, gt_hit = _skeleton_counts(gt, pred, geometry.count)
        pred_pixels, pred_hit = _skeleton_counts(pred, gt, geometry.count)
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


def _skeleton_counts(ranks: Array, others: Array, count: int) -> tuple[Array, Array]:
    """Pixels of every rank's skeleton, and those of them that are of this rank in the other map, (count,) each.

    Choice: only the box around a rank is thinned, which gives the same skeleton as the whole map, four times as fast.
    """
    from scipy.ndimage import find_objects
    from skimage.morphology import skeletonize

    pixels, hits = np.zeros((2, count), np.int64)
    for rank, box in enumerate(find_objects(ranks.astype(np.int32) + 1, count)):
        if box is not None:
            skeleton = skeletonize(ranks[box] == rank)
            pixels[rank] = np.count_nonzero(skeleton)
            hits[rank] = np.count_nonzero(others[box][skeleton] == rank)
    return pixels, hits
