"""Dice: how much of two masks is common, of their pixels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convneur.metrics.label_pair import ratio
from convneur.metrics.measure import Array, ClassValues, Kind, Measure, PairGeometry, Path, Rows
from convneur.metrics.settings import BoundarySettings

__all__ = ["Dice"]

_ORDERS = {
    "mean": "mean over images, then over classes",
    "pooled": "from pixels summed over images, then mean over classes",
    "images": "mean over images of each image's mean over classes",
}


class Dice(Measure):
    """2 |G and P| / (|G| + |P|) of pixels that are counted for every pair anyway."""

    metric, name, short = "dice", "Dice", "Dice"

    def paths(self, settings: BoundarySettings) -> list[Path]:
        return [(self.metric,)]

    def rows(self, settings: BoundarySettings) -> Mapping[str, Kind]:
        return {}

    def measure(self, geometry: PairGeometry) -> Rows:
        return {}

    def mean_paths(self, settings: BoundarySettings) -> list[Path]:
        return [(self.metric,)]

    def of_image(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> ClassValues:
        return {(self.metric,): _dice(rows)}

    def of_total(self, rows: Rows, settings: BoundarySettings) -> ClassValues:
        return {(self.metric,): _dice(rows)} if settings.aggregate == "pooled" else {}

    def image_means(self, settings: BoundarySettings) -> bool:
        return settings.aggregate == "images"

    def definition(self, settings: Mapping[str, Any], unit: str) -> str:
        return _ORDERS[settings["aggregate"]]

    def headline(self, settings: BoundarySettings) -> Path:
        return (self.metric,)

    def csv_columns(self, settings: BoundarySettings) -> list[str]:
        return [self.metric]

    def csv_values(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> list[Array]:
        return [_dice(rows)]


def _dice(rows: Rows) -> Array:
    return ratio(2 * np.asarray(rows["agreeing_pixels"]), rows["gt_pixels"] + rows["pred_pixels"])
