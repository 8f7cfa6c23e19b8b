"""Boundary F1 at a range of radii, and the area under it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convneur.metrics.label_pair import harmonic_mean, ratio
from convneur.metrics.measure import Array, ClassValues, Kind, Measure, PairGeometry, Path, Rows
from convneur.metrics.settings import BoundarySettings, tolerance_square

__all__ = ["BoundaryF1Curve"]


class BoundaryF1Curve(Measure):
    """F(r) of boundary F1 for whole radii r, and the trapezoids under it divided by the last radius less the first.

    Choice: no published name exists for this area. It is neither ODS nor AP, which sweep the threshold of a
        probability and match boundary pixels one to one.
    """

    metric, name, short = "boundary_f1_curve", "Boundary F1 curve", "F1 area"

    def paths(self, settings: BoundarySettings) -> list[Path]:
        return [*((self.metric, "f1", str(radius)) for radius in settings.radii), (self.metric, "area")]

    def mean_paths(self, settings: BoundarySettings) -> list[Path]:
        return self.paths(settings)

    def rows(self, settings: BoundarySettings) -> Mapping[str, Kind]:
        radii = settings.radii
        # Both masks fill the image, so that neither has a boundary: F is 1 there, which no count of pixels says.
        names = ["curve_gt_boundary", "curve_pred_boundary", "curve_boundless"]
        names += [f"curve_matched_{side}_boundary[{radius}px]" for side in ("gt", "pred") for radius in radii]
        return dict.fromkeys(names, "count")

    def measure(self, geometry: PairGeometry) -> Rows:
        present = geometry.present
        gt, pred, matched_gt, matched_pred = geometry.f1_matches(
            [tolerance_square(f"{radius}px", *geometry.shape) for radius in geometry.settings.radii]
        )
        both = (geometry.pair.confusion.gt[present] > 0) & (geometry.pair.confusion.pred[present] > 0)
        boundless = both & (gt == 0) & (pred == 0)
        found = [gt, pred, boundless.astype(np.int64), *matched_gt, *matched_pred]
        return dict(zip(self.rows(geometry.settings), found, strict=True))

    def of_image(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> ClassValues:
        scores = _f1(rows, settings.radii)
        nothing = (rows["curve_gt_boundary"] == 0) & (rows["curve_pred_boundary"] == 0)
        scores = np.where(nothing, rows["curve_boundless"].astype(float), scores)
        return self._table(scores, settings)

    def of_total(self, rows: Rows, settings: BoundarySettings) -> ClassValues:
        return self._table(_f1(rows, settings.radii), settings) if settings.aggregate == "pooled" else {}

    def _table(self, scores: Array, settings: BoundarySettings) -> ClassValues:
        return dict(zip(self.paths(settings), [*scores, _area(scores, settings.radii)], strict=True))

    def definition(self, settings: Mapping[str, Any], unit: str) -> str:
        pooled = ", pooled counts" if settings["aggregate"] == "pooled" else ""
        return f"F1 at {settings['tolerance_curve']} px; area divided by the range{pooled}"

    def headline(self, settings: BoundarySettings) -> Path:
        return (self.metric, "area")

    def columns(self, paths: Sequence[Path]) -> list[Path]:
        return [(self.metric, "area")]

    def value_name(self, keys: Path) -> str:
        return f"Boundary F1 @ {keys[1]} px" if len(keys) == 2 else "Boundary F1 area" if keys else self.name

    def short_value_name(self, keys: Path) -> str:
        return f"F1@{keys[-1]}px" if len(keys) == 2 else self.short

    def nested(self, values: Mapping[str, Any], settings: BoundarySettings) -> Any:
        return {"radii_px": list(settings.radii), "f1": list(values["f1"].values()), "area": values["area"]}

    def csv_columns(self, settings: BoundarySettings) -> list[str]:
        radii = settings.radii
        return [f"boundary_f1_area[{radii[0]}-{radii[-1]}px]", *self.rows(settings)]

    def csv_values(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> list[Array]:
        area = self.of_image(rows, settings, diagonal)[self.metric, "area"]
        return [area, *super().csv_values(rows, settings, diagonal)]


def _f1(rows: Rows, radii: tuple[int, ...]) -> Array:
    """(R, ...) scores from counts; NaN where neither map has a boundary pixel."""
    gt, pred = rows["curve_gt_boundary"], rows["curve_pred_boundary"]
    recall, precision = (
        ratio(np.stack([rows[f"curve_matched_{side}_boundary[{radius}px]"] for radius in radii]), whole)
        for side, whole in (("gt", gt), ("pred", pred))
    )
    return np.where((gt == 0) & (pred == 0), np.nan, harmonic_mean(precision, recall))


def _area(scores: Array, radii: tuple[int, ...]) -> Array:
    if len(radii) == 1:
        return scores[0]
    widths = np.diff(radii).reshape(-1, *[1] * (scores.ndim - 1))
    return np.asarray(((scores[1:] + scores[:-1]) / 2 * widths).sum(axis=0) / (radii[-1] - radii[0]))
