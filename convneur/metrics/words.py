"""What metrics and settings are called where people read them."""

from collections.abc import Mapping
from typing import Any

from convneur.metrics.measures import MEASURES
from convneur.metrics.scores import DISTANCES

__all__ = ["METRIC_NAMES", "SHORT_NAMES", "definitions", "metric_name"]

_NAMES = {
    "miou": ("mIoU", "IoU"),
    "boundary_f1": ("Boundary F1", "F1"),
    "trimap_miou": ("Trimap mIoU", "trimap"),
    "boundary_iou": ("Boundary IoU", "B-IoU"),
    "surface_dice": ("Surface dice (NSD)", "NSD"),
    "hausdorff": ("Hausdorff distance (HD)", "HD"),
    "hd95": ("HD95", "HD95"),
    "assd": ("ASSD", "ASSD"),
    "masd": ("MASD", "MASD"),
    "pixel_accuracy": ("Pixel accuracy", "accuracy"),
    **{metric: (measure.name, measure.short) for metric, measure in MEASURES.items()},
}
METRIC_NAMES = {metric: name for metric, (name, _) in _NAMES.items()}
SHORT_NAMES = {metric: short for metric, (_, short) in _NAMES.items()}
"""Over columns, in this order."""


def definitions(settings: Mapping[str, Any]) -> dict[str, str]:
    """What each metric asked for means under the settings of a summary, in a few words."""
    height, width = settings["spacing"]
    unit = "px" if height == width == 1 else f"units of spacing {height:g} x {width:g}"
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
    return {
        metric: MEASURES[metric].definition(settings, unit) if metric in MEASURES else words[metric]
        for metric in settings["metrics"]
    }


def metric_name(metric: str, *keys: str) -> str:
    """What people call one value, by its path.

    >>> metric_name("boundary_f1", "3px"), metric_name("hd95", "finite_mean")
    ('Boundary F1 @ 3px', 'HD95, finite mean')
    """
    if metric in MEASURES:
        return MEASURES[metric].value_name(keys)
    if not keys:
        return METRIC_NAMES[metric]
    (key,) = keys
    if metric in DISTANCES:
        return f"{METRIC_NAMES[metric]}, {key.replace('_', ' ')}"
    return f"{METRIC_NAMES[metric]} @ {key}{' px' if metric == 'trimap_miou' else ''}"
