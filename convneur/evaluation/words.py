"""What metrics, models and settings are called where people read them."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from convneur.formats import significant

__all__ = [
    "DISTANCES",
    "METRIC_NAMES",
    "SHORT_NAMES",
    "all_values",
    "cut",
    "definitions",
    "listed",
    "metric_name",
    "occurs",
    "short_names",
    "shown",
    "value_in",
]

DISTANCES = ("hausdorff", "hd95", "assd", "masd")

METRIC_NAMES = {
    "boundary_f1": "Boundary F1",
    "trimap_miou": "Trimap mIoU",
    "hausdorff": "Hausdorff distance (HD)",
    "hd95": "HD95",
    "assd": "ASSD",
    "masd": "MASD",
    "surface_dice": "Surface dice (NSD)",
    "boundary_iou": "Boundary IoU",
    "miou": "mIoU",
    "pixel_accuracy": "Pixel accuracy",
}

SHORT_NAMES = {
    "boundary_f1": "F1", "trimap_miou": "trimap", "hausdorff": "HD", "hd95": "HD95", "assd": "ASSD", "masd": "MASD",
    "surface_dice": "NSD", "boundary_iou": "B-IoU", "miou": "IoU", "pixel_accuracy": "accuracy",
}  # fmt: skip
"""Over columns of classes and images."""


def definitions(settings: Mapping[str, Any]) -> dict[str, str]:
    """What each metric asked for means under these settings, in a few words."""
    height, width = settings["spacing"]
    unit = "px" if height == width == 1 else f"pixels of {height:g} x {width:g}"
    border = f"{settings['connectivity']}-neighbour border"
    pooled = ", pooled counts" if settings["aggregate"] == "pooled" else ""
    band = "class changes" if settings["trimap_seed"] == "class" else "ignored areas"
    chosen = " (auto)" if settings["trimap_seed_asked"] == "auto" else ""
    words = {
        "boundary_f1": f"DAVIS boundary, matched within tolerance{pooled}",
        "trimap_miou": f"near {band}{chosen}, {settings['trimap_shape']}, one matrix",
        "hausdorff": f"larger direction, {border}, {unit}",
        "hd95": {
            "directed": f"directed: larger 95th percentile, {unit}",
            "pooled": f"pooled: 95th percentile of both, {unit}",
        }[settings["hd95"]],
        "assd": f"mean of both directions together, {unit}",
        "masd": f"mean of the two directions' means, {unit}",
        "surface_dice": f"border within tau, {unit}{pooled}",
        "boundary_iou": f"inner bands, {settings['boundary_iou_ratio']:g} of the diagonal",
        "miou": "one matrix over all images",
        "pixel_accuracy": "all pixels not ignored",
    }
    return {metric: words[metric] for metric in settings["metrics"]}


def metric_name(metric: str, key: str | None = None) -> str:
    """What people call one value.

    >>> metric_name("boundary_f1", "3px"), metric_name("hd95", "finite_mean")
    ('Boundary F1 @ 3px', 'HD95, finite mean')
    """
    if key is None:
        return METRIC_NAMES[metric]
    if metric in DISTANCES:
        return f"{METRIC_NAMES[metric]}, {key.replace('_', ' ')}"
    return f"{METRIC_NAMES[metric]} @ {key}{' px' if metric == 'trimap_miou' else ''}"


def all_values(row: Mapping[str, Any], metrics: Sequence[str]) -> list[tuple[str, str | None, Any]]:
    """(metric, key or None, value) of nested values, in order."""
    found: list[tuple[str, str | None, Any]] = []
    for metric in metrics:
        value = row[metric]
        nested = isinstance(value, Mapping) and "difference" not in value
        found += [(metric, key, inner) for key, inner in value.items()] if nested else [(metric, None, value)]
    return found


def value_in(row: Mapping[str, Any], metric: str, key: str | None) -> Any:
    """One value of nested values."""
    return row[metric] if key is None else row[metric][key]


def occurs(row: Mapping[str, Any]) -> bool:
    """Whether a class is in any map."""
    return any(row["presence"][key] for key in ("both", "missed", "spurious"))


def short_names(*paths: str) -> list[str]:
    """As much of each path's end as tells them apart.

    >>> short_names("runs/a/labels", "runs/b/labels")
    ['a/labels', 'b/labels']
    """
    for most in range(1, max(len(Path(path).parts) for path in paths)):
        names = [str(Path(*Path(path).parts[-most:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return list(paths)


def shown(value: float, decimals: int | None = None) -> str:
    """A value in a table; a dash where it is undefined."""
    if math.isnan(value):
        return "-"
    return significant(value) if decimals is None else f"{value:.{decimals}f}"


def cut(name: str, most: int = 18) -> str:
    """A name short enough for a column."""
    return name if len(name) <= most else name[: most - 1] + "…"


def listed(items: Collection[str], most: int) -> str:
    """The first of some items, and how many more there are."""
    return ", ".join(list(items)[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
