"""Values as flat tables, path -> one value per class, and how a table is reduced over its classes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.metrics.label_pair import Confusion, ratio
from convneur.metrics.measure import COUNTS, ClassValues, Path
from convneur.metrics.measures import MEASURES, measures_of
from convneur.metrics.scores import DISTANCES, PairScores
from convneur.metrics.settings import METRICS, BoundarySettings

__all__ = [
    "ClassValues",
    "Path",
    "compares",
    "filled_in",
    "headline",
    "image_values",
    "is_count",
    "is_presence",
    "is_right_if_absent",
    "keys",
    "leaves",
    "less_is_better",
    "mean_over_classes",
    "mean_paths",
    "metric_paths",
    "nested",
    "over_classes",
    "region_values",
    "total_values",
    "trimap_values",
    "value_at",
]

_OF_COUNTS = ("trimap_miou", "miou", "pixel_accuracy")  # of one matrix; every other metric is a mean over images


def keys(metric: str, settings: BoundarySettings) -> tuple[str, ...]:
    """The keys under which a metric of no file in `measures` has several values; () if it has one."""
    if metric in DISTANCES:
        return ("finite_mean", "penalised_mean", "missed", "spurious")
    several: Mapping[str, tuple[Any, ...]] = {
        "boundary_f1": settings.tolerance,
        "trimap_miou": settings.trimap_width,
        "surface_dice": settings.surface_dice_tau,
    }
    return tuple(map(str, several.get(metric, ())))


def metric_paths(metric: str, settings: BoundarySettings) -> list[Path]:
    """Every value of a metric, in the order of the results.

    >>> metric_paths("hd95", BoundarySettings())[0]
    ('hd95', 'finite_mean')
    """
    if metric in MEASURES:
        return MEASURES[metric].paths(settings)
    return [(metric, key) for key in keys(metric, settings)] or [(metric,)]


def mean_paths(settings: BoundarySettings) -> list[Path]:
    """The paths of `image_values` under these settings."""
    paths: list[Path] = []
    for metric in METRICS:
        if metric in settings.metrics and metric not in _OF_COUNTS:
            if metric in MEASURES:
                paths += MEASURES[metric].mean_paths(settings)
            else:
                paths += [path for path in metric_paths(metric, settings) if path[-1] not in COUNTS]
    return paths


def headline(metric: str, settings: BoundarySettings) -> Path:
    """The value of a metric to rank images by: of distances the mean that counts missed classes, else the first."""
    if metric in MEASURES:
        return MEASURES[metric].headline(settings)
    return (metric, "penalised_mean") if metric in DISTANCES else metric_paths(metric, settings)[0]


def is_count(path: Path) -> bool:
    """Whether values add up over classes and images."""
    return path[-1] in COUNTS


def is_presence(path: Path) -> bool:
    """Whether it counts a class that was missed or spurious, which is said of each class anyway."""
    return path[-1] in ("missed", "spurious")


def compares(path: Path) -> bool:
    """Whether models are set side by side by it: not by how many components the ground truth has."""
    return not is_presence(path) and path[-1] != "components"


def less_is_better(path: Path) -> bool:
    """Whether a smaller value is the better one.

    >>> less_is_better(("hd95", "finite_mean")), less_is_better(("miou",))
    (True, False)
    """
    if path[0] in MEASURES:
        return MEASURES[path[0]].less_is_better(path)
    return path[0] in DISTANCES


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
    rows = scores.all_rows()
    for measure in measures_of(settings):
        table |= measure.of_image(rows, settings, scores.diagonal)
    return table


def total_values(rows: Mapping[str, npt.NDArray[Any]], settings: BoundarySettings) -> ClassValues:
    """The values of the metrics in `measures` that are read from rows added up over images, path -> (..., K)."""
    table: ClassValues = {}
    for measure in measures_of(settings):
        table |= measure.of_total(rows, settings)
    return table


def filled_in(values: ClassValues, table: ClassValues) -> ClassValues:
    """Values of counts added up; where there was nothing to add, the mean of the images' values in `table`."""
    return {path: np.where(np.isnan(found), table.get(path, found), found) for path, found in values.items()}


def is_right_if_absent(path: Path, settings: BoundarySettings) -> bool:
    """Whether a class that is in neither map has the value 1."""
    return settings.count_absent and path[0] in ("boundary_f1", "boundary_f1_curve")


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


def over_classes(table: ClassValues, confusion: Confusion, chosen: npt.NDArray[np.bool_]) -> dict[Path, float]:
    """One value per path: the mean over the chosen classes that have a value; counts add up; accuracy is of all pixels.

    Args: table: path -> (K,); confusion: of the same classes; chosen: (K,) which of them the mean is over.
    """
    reduced: dict[Path, float] = {}
    for path, values in table.items():
        if is_count(path):
            reduced[path] = int(values[chosen].sum())
        elif path[0] == "pixel_accuracy":
            reduced[path] = float(ratio(confusion.agreeing.sum(), confusion.gt.sum()))
        else:
            reduced[path] = mean_over_classes(values[chosen])
    return reduced


def mean_over_classes(values: npt.NDArray[Any]) -> float:
    """Of those that have a value; NaN if none has."""
    defined = values[~np.isnan(values)]
    return math.fsum(defined.tolist()) / len(defined) if len(defined) else math.nan


def nested(values: Mapping[Path, Any], settings: BoundarySettings) -> dict[str, Any]:
    """Values by metric, and by keys within it, in the order of `METRICS`; a value that nothing gave is NaN."""
    result: dict[str, Any] = {}
    for metric in METRICS:
        if metric not in settings.metrics:
            continue
        for path in metric_paths(metric, settings):
            *outer, last = path
            here = result
            for key in outer:
                here = here.setdefault(key, {})
            here[last] = values.get(path, math.nan)
        if metric in MEASURES:
            result[metric] = MEASURES[metric].nested(result[metric], settings)
    return result


def leaves(values: Mapping[str, Any], metrics: Sequence[str]) -> Iterator[tuple[Path, Any]]:
    """(path, value) of nested values, in order: the way back from `nested`; of a comparison, what it says of a value.

    >>> list(leaves({"hd95": {"finite_mean": 2.0}, "miou": 0.5, "images": 3}, ["miou", "hd95"]))
    [(('miou',), 0.5), (('hd95', 'finite_mean'), 2.0)]
    """
    for metric in metrics:
        yield from _leaves((metric,), values[metric])


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if not isinstance(value, Mapping) or "difference" in value:
        yield path, value
        return
    for key, inner in value.items():
        if "radii_px" not in value or key == "area":
            yield from _leaves((*path, key), inner)
        elif key == "f1":
            yield from (
                ((*path, key, str(radius)), each) for radius, each in zip(value["radii_px"], inner, strict=True)
            )


def value_at(values: Mapping[str, Any], path: Path) -> Any:
    """One value of an image, a class or a data set.

    >>> value_at({"hd95": {"finite_mean": 2.0}}, ("hd95", "finite_mean"))
    2.0
    """
    metric, *_ = path
    return dict(leaves(values, [metric]))[path]
