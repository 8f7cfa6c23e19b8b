"""Hausdorff distance at any percentile."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convneur.metrics.distances import hausdorff_percentiles
from convneur.metrics.measure import ClassValues, Kind, Measure, PairGeometry, Path, Rows
from convneur.metrics.settings import BoundarySettings

__all__ = ["HausdorffPercentile"]

_KEYS = ("finite_mean", "penalised_mean", "missed", "spurious")


class HausdorffPercentile(Measure):
    """Percentiles of the border distances: of either direction the larger, or of both together, as `hd95` says.

    Huttenlocher et al. 1993; MetricsReloaded `measured_distance`, MONAI and medpy's `hd95` at other percentiles.
    """

    metric, name, short = "hd_percentile", "HD percentile", "HD%"
    places = 2

    def paths(self, settings: BoundarySettings) -> list[Path]:
        return [(self.metric, str(percentile), key) for percentile in settings.hd_percentile for key in _KEYS]

    def mean_paths(self, settings: BoundarySettings) -> list[Path]:
        return [path for path in self.paths(settings) if path[-1] in _KEYS[:2]]

    def rows(self, settings: BoundarySettings) -> Mapping[str, Kind]:
        return {f"hd_percentile[{percentile}]": "value" for percentile in settings.hd_percentile}

    def measure(self, geometry: PairGeometry) -> Rows:
        settings = geometry.settings
        percentiles = list(map(float, settings.hd_percentile))
        found = hausdorff_percentiles(geometry.ascending, percentiles, pooled=settings.hd95 == "pooled")
        return dict(zip(self.rows(settings), found[:, geometry.present], strict=True))

    def of_image(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> ClassValues:
        table: ClassValues = {}
        for percentile, row in zip(settings.hd_percentile, self.rows(settings), strict=True):
            missing = np.isinf(rows[row])
            for key, instead in (("finite_mean", np.nan), ("penalised_mean", diagonal)):
                table[self.metric, str(percentile), key] = np.where(missing, instead, rows[row])
        return table

    def of_total(self, rows: Rows, settings: BoundarySettings) -> ClassValues:
        return {
            (self.metric, str(percentile), key): rows[key] for percentile in settings.hd_percentile for key in _KEYS[2:]
        }

    def adds_up(self, settings: BoundarySettings) -> bool:
        return False  # percentiles of images do not add up to one of the set

    def definition(self, settings: Mapping[str, Any], unit: str) -> str:
        return {"directed": f"directed: larger percentile, {unit}", "pooled": f"pooled: percentile of both, {unit}"}[
            settings["hd95"]
        ]

    def headline(self, settings: BoundarySettings) -> Path:
        return (self.metric, str(settings.hd_percentile[0]), "penalised_mean")

    def less_is_better(self, path: Path) -> bool:
        return True

    def value_name(self, keys: Path) -> str:
        if not keys:
            return self.name
        percentile, *key = keys
        return f"HD{percentile}" + (f", {key[0].replace('_', ' ')}" if key else "")

    def short_value_name(self, keys: Path) -> str:
        return f"HD{keys[0]}" if keys else self.short
