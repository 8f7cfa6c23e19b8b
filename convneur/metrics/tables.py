"""Values as flat tables, path -> one value per class, and how a table is reduced over its classes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.metrics.label_pair import Confusion, ratio
from convneur.metrics.scores import DISTANCES, PairScores
from convneur.metrics.settings import METRICS, BoundarySettings

__all__ = [
    "ClassValues",
    "Path",
    "image_values",
    "keys",
    "mean_paths",
    "nested",
    "over_classes",
    "region_values",
    "trimap_values",
]

Path = tuple[str, ...]
ClassValues = dict[Path, npt.NDArray[Any]]

_OF_COUNTS = ("trimap_miou", "miou", "pixel_accuracy")  # of one matrix; every other metric is a mean over images


def keys(metric: str, settings: BoundarySettings) -> tuple[str, ...]:
    """The keys under which a metric has several values; () if it has one."""
    if metric in DISTANCES:
        return ("finite_mean", "penalised_mean", "missed", "spurious")
    several: Mapping[str, tuple[Any, ...]] = {
        "boundary_f1": settings.tolerance,
        "trimap_miou": settings.trimap_width,
        "surface_dice": settings.surface_dice_tau,
    }
    return tuple(map(str, several.get(metric, ())))


def mean_paths(settings: BoundarySettings) -> list[Path]:
    """The paths of `image_values` under these settings."""
    paths: list[Path] = []
    for metric in METRICS:
        if metric in settings.metrics and metric not in _OF_COUNTS:
            several = [key for key in keys(metric, settings) if key not in ("missed", "spurious")]
            paths += [(metric, key) for key in several] or [(metric,)]
    return paths


def image_values(scores: PairScores, settings: BoundarySettings) -> ClassValues:
    """The values of one image that a data set averages, path -> (K,); NaN where a class has none."""
    table: ClassValues = {}
    for metric, matches in (("boundary_f1", scores.boundary_f1), ("surface_dice", scores.surface_dice)):
        if matches is not None:
            for key, row in zip(keys(metric, settings), matches.score, strict=True):
                table[metric, key] = row
    if scores.distances is not None:
        for metric, values in scores.distances._asdict().items():
            if metric in settings.metrics:
                missing = np.isinf(values)
                table[metric, "finite_mean"] = np.where(missing, np.nan, values)
                table[metric, "penalised_mean"] = np.where(missing, scores.diagonal, values)
    if scores.boundary_iou is not None:
        table["boundary_iou",] = scores.boundary_iou
    return table


def region_values(
    confusion: Confusion, missed: npt.NDArray[Any], spurious: npt.NDArray[Any], settings: BoundarySettings
) -> ClassValues:
    """The values that come from counts: how often a class was missed or spurious, IoU, accuracy."""
    table: ClassValues = {("miou",): confusion.iou(), ("pixel_accuracy",): ratio(confusion.agreeing, confusion.gt)}
    for metric in DISTANCES:
        table[metric, "missed"], table[metric, "spurious"] = missed, spurious
    return {path: values for path, values in table.items() if path[0] in settings.metrics}


def trimap_values(bands: Confusion, settings: BoundarySettings) -> ClassValues:
    """IoU in the trimap bands, one row of counts per width."""
    return {("trimap_miou", key): row for key, row in zip(keys("trimap_miou", settings), bands.iou(), strict=True)}


def over_classes(table: ClassValues, confusion: Confusion) -> dict[Path, float]:
    """One value per path: the mean over the classes that have a value; counts add up; accuracy is of all pixels.

    Args: table: path -> (K,); confusion: of the same classes.
    """
    reduced: dict[Path, float] = {}
    for path, values in table.items():
        if path[-1] in ("missed", "spurious"):
            reduced[path] = int(values.sum())
        elif path[0] == "pixel_accuracy":
            reduced[path] = float(ratio(confusion.agreeing.sum(), confusion.gt.sum()))
        else:
            defined = values[~np.isnan(values)]
            reduced[path] = math.fsum(defined.tolist()) / len(defined) if len(defined) else math.nan
    return reduced


def nested(values: Mapping[Path, float], settings: BoundarySettings) -> dict[str, Any]:
    """Values by metric, and by key within it, in the order of `METRICS`; a value that nothing gave is NaN."""
    result: dict[str, Any] = {}
    for metric in METRICS:
        if metric in settings.metrics:
            several = keys(metric, settings)
            one = values.get((metric,), math.nan)
            result[metric] = {key: values.get((metric, key), math.nan) for key in several} if several else one
    return result
