"""Objects: how many were found, missed and predicted in vain, and how well those that were found fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convneur.metrics.label_pair import ratio
from convneur.metrics.measure import Array, ClassValues, Kind, Measure, PairGeometry, Path, Rows
from convneur.metrics.object_pairs import object_pairs
from convneur.metrics.settings import BoundarySettings

__all__ = ["ObjectMeasure"]

_COUNTS = ("tp", "fp", "fn")
_NAMES = {
    "tp": "Objects found (tp)",
    "fp": "Objects spurious (fp)",
    "fn": "Objects missed (fn)",
    "precision": "Objects, precision",
    "recall": "Objects, recall",
    "rq": "RQ (F1 of objects)",
    "sq": "SQ (mean IoU of pairs)",
    "pq": "PQ",
}
# Keys of `pairs` in results -> the rows they are made of.
_OF_PAIRS = {"dice": "dice", "hd": "hausdorff", "hd95": "hd95", "assd": "assd", "masd": "masd"}
_PAIR_NAMES = {"dice": "Dice", "hd": "HD", "hd95": "HD95", "assd": "ASSD", "masd": "MASD"}


class ObjectMeasure(Measure):
    """Counts of matched objects, RQ, SQ and PQ, and means over the matched pairs.

    Kirillov et al., CVPR 2019; Metrics Reloaded (Nature Methods 2024); panoptica (arXiv 2312.02608).
    """

    metric, name, short = "objects", "Objects", "PQ"

    def paths(self, settings: BoundarySettings) -> list[Path]:
        pairs: list[Path] = [(key,) for key in _OF_PAIRS]
        pairs += [("surface_dice", str(tau)) for tau in settings.surface_dice_tau]
        return [*((self.metric, key) for key in _NAMES), *((self.metric, "pairs", *keys) for keys in pairs)]

    def rows(self, settings: BoundarySettings) -> Mapping[str, Kind]:
        sums = ["iou", *_OF_PAIRS.values(), *(f"surface_dice[{tau}]" for tau in settings.surface_dice_tau)]
        kinds: dict[str, Kind] = {f"objects_{name}": "count" for name in _COUNTS}
        return kinds | {f"objects_sum_{name}": "sum" for name in sums}

    def measure(self, geometry: PairGeometry) -> Rows:
        pairs = geometry.once(object_pairs)
        rank = pairs.gt.rank[pairs.of_gt]

        def by_class(ranks: Array, values: Array | None = None) -> Array:
            counted = np.bincount(ranks, values, geometry.count)[geometry.present]
            return counted if values is None else counted.astype(np.float64)  # of no pairs NumPy makes integers

        tp, gt, pred = by_class(rank), by_class(pairs.gt.rank), by_class(pairs.pred.rank)
        values = [pairs.iou, pairs.dice, *pairs.distances, *pairs.surface_dice]
        found = [tp, pred - tp, gt - tp, *(by_class(rank, each) for each in values)]
        return dict(zip(self.rows(geometry.settings), found, strict=True))

    def adds_up(self, settings: BoundarySettings) -> bool:
        return True

    def of_total(self, rows: Rows, settings: BoundarySettings) -> ClassValues:
        tp, fp, fn = counts = [rows[f"objects_{name}"] for name in _COUNTS]
        weighted = 2 * tp + fp + fn
        iou = rows["objects_sum_iou"]
        sq = np.where((tp == 0) & (weighted > 0), 0.0, ratio(iou, tp))
        values = [
            *counts,
            ratio(tp, tp + fp),
            ratio(tp, tp + fn),
            ratio(2 * tp, weighted),
            sq,
            ratio(2 * iou, weighted),
        ]
        sums = [f"objects_sum_{name}" for name in _OF_PAIRS.values()]
        sums += [f"objects_sum_surface_dice[{tau}]" for tau in settings.surface_dice_tau]
        return dict(zip(self.paths(settings), [*values, *(ratio(rows[name], tp) for name in sums)], strict=True))

    def definition(self, settings: Mapping[str, Any], unit: str) -> str:
        return (
            f"{settings['object_connectivity']}-connected objects, pairs above IoU {settings['object_iou']:g}, pooled "
            f"over images"
        )

    def headline(self, settings: BoundarySettings) -> Path:
        return (self.metric, "pq")

    def columns(self, paths: Sequence[Path]) -> list[Path]:
        return [(self.metric, key) for key in ("pq", "fp", "fn")]

    def less_is_better(self, path: Path) -> bool:
        return path[1:] in (("fp",), ("fn",)) or path[1:] in {("pairs", key) for key in ("hd", "hd95", "assd", "masd")}

    def value_name(self, keys: Path) -> str:
        if not keys:
            return self.name
        if len(keys) == 1:
            return _NAMES[keys[0]]
        return f"Pairs, {f'NSD @ {keys[2]}' if len(keys) == 3 else _PAIR_NAMES[keys[1]]}"

    def short_value_name(self, keys: Path) -> str:
        if len(keys) == 1:
            return keys[0].upper() if len(keys[0]) == 2 else keys[0]
        return self.value_name(keys).lower().replace(",", "") if keys else self.short
