"""What `convneur eval-boundary` says: tables for people, a dict for programs, rows for spreadsheets."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import convneur
from convneur.formats import grouped, significant
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.metrics import BoundarySummary

__all__ = ["METRIC_NAMES", "as_dict", "class_rows", "definitions", "print_report", "warnings_of"]

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
# Short heads, and not every metric, so that a row fits in 100 columns.
_HEADS = {
    "miou": "IoU",
    "boundary_f1": "F1",
    "trimap_miou": "trimap",
    "boundary_iou": "B-IoU",
    "surface_dice": "NSD",
    "hausdorff": "HD",
    "hd95": "HD95",
    "assd": "ASSD",
}
_DISTANCES = ("hausdorff", "hd95", "assd", "masd")
_MOST_LABELS = 24
_NAME_WIDTH = 18


def definitions(settings: Mapping[str, Any]) -> dict[str, str]:
    """What each metric asked for means under these settings, in a few words."""
    unit = _unit(settings)
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


def as_dict(summary: "BoundarySummary", failed: list[dict[str, str]], more: dict[str, Any]) -> dict[str, Any]:
    """The whole result under the schema convneur.boundary/1; `more` settings are the command's own."""
    settings = summary.settings | more
    return {
        "schema": "convneur.boundary/1",
        "convneur": convneur.__version__,
        "settings": settings | {"definitions": definitions(settings)},
        "images": summary.images,
        "overall": summary.overall,
        "per_class": summary.per_class,
        "per_image": summary.per_image,
        "labels": {name: _shares(counts) for name, counts in summary.labels.items()},
        "failed": failed,
    }


def class_rows(result: dict[str, Any]) -> list[list[Any]]:
    """A header, a row of the overall figures, a row per class; undefined cells are empty."""
    flat = [_flat({"class": "", "name": "overall"} | result["overall"]), *map(_flat, result["per_class"])]
    return [list(flat[0]), *([_cell(row[column]) for column in flat[0]] for row in flat)]


def warnings_of(summary: "BoundarySummary", *, inferred: bool, resized: int, preset: str | None) -> list[str]:
    """What the user should not miss.

    inferred: the number of classes comes from the ground truth. resized: predictions brought to another size.
    """
    found = []
    if resized:
        predictions = "1 prediction was" if resized == 1 else f"{grouped(resized)} predictions were"
        found.append(f"{predictions} of another size than the ground truth, resized by nearest pixel")
    if summary.invalid_labels:
        values = [f"{label} in {_images(count)}" for label, count in summary.invalid_labels.items()]
        last = summary.settings["num_classes"] - 1
        mend = "; if they are classes, add --num-classes" if inferred else ""
        mend = f"; predictions of this preset hold 0 to {last}" if preset else mend
        if len(summary.invalid_labels) == 1 and summary.labels["prediction"].keys() == {0, *summary.invalid_labels}:
            mend = "; if this is a mask, write its two classes as 0 and 1"
        found.append(f"predicted labels that are no class count as wrong: {_listed(values, 6)}{mend}")
    if summary.all_ignored:
        found.append(
            f"{_images(len(summary.all_ignored))} ignored altogether, adding nothing: {_listed(summary.all_ignored, 3)}"
        )
    for tolerance, (thin, regions, example) in summary.too_thin.items():
        found.append(
            f"tolerance {tolerance} reaches across {thin} of {regions} ground-truth regions ({example}): there nearly "
            "any boundary matches; add a smaller one such as 1px"
        )
    ignored = summary.settings["ignore_index"]
    if summary.settings["num_classes"] <= 2 and summary.labels["ground_truth"].keys() == {0, ignored}:
        found.append(
            f"the ground truth holds class 0 only, and {ignored}, which is ignored; "
            f"if {ignored} is a class, as in masks of 0 and {ignored}, add --ignore-index none"
        )
    return found


def print_report(printer: Printer, summary: "BoundarySummary", classes_from: str) -> None:
    """Overall figures with their definitions, the labels seen, a row per class that occurs."""
    settings = summary.settings
    ignored = "nothing ignored" if settings["ignore_index"] is None else f"{settings['ignore_index']} ignored"
    classes = "1 class" if settings["num_classes"] == 1 else f"{settings['num_classes']} classes"
    pairs = "1 pair" if summary.images == 1 else f"{grouped(summary.images)} pairs"
    printer.sentence(f"{pairs} scored; {classes} ({classes_from}); {ignored}.")
    _print_labels(printer, summary)
    _print_overall(printer, summary)
    _print_classes(printer, summary)


def _print_labels(printer: Printer, summary: "BoundarySummary") -> None:
    ignored = summary.settings["ignore_index"]
    for name, words in (("ground_truth", "Labels in the ground truth"), ("prediction", "Labels predicted there")):
        counts = summary.labels[name]
        pixels = sum(counts.values())
        shares = [
            f"{label}{' (ignored)' if label == ignored and name == 'ground_truth' else ''} {count / pixels:.2%}"
            for label, count in counts.items()
        ]
        printer.sentence(f"{words}: {_listed(shares, _MOST_LABELS) or 'none'}.")


def _shares(counts: Mapping[int, int]) -> dict[int, dict[str, Any]]:
    pixels = sum(counts.values())
    return {label: {"pixels": count, "share": count / pixels} for label, count in counts.items()}


def _print_overall(printer: Printer, summary: "BoundarySummary") -> None:
    words = definitions(summary.settings)
    rows = []
    for metric in summary.settings["metrics"]:
        value = summary.overall[metric]
        if metric in _DISTANCES:
            figures = [_shown(value["finite_mean"]), _shown(value["penalised_mean"])]
            rows.append([METRIC_NAMES[metric], words[metric], *figures])
        elif isinstance(value, Mapping):
            unit = " px" if metric == "trimap_miou" else ""
            rows += [[f"{METRIC_NAMES[metric]} @ {key}{unit}", words[metric], _shown(value[key]), ""] for key in value]
        else:
            rows.append([METRIC_NAMES[metric], words[metric], _shown(value), ""])
    penalised = any(metric in _DISTANCES for metric in summary.settings["metrics"])
    columns = ["metric", "definition", "mean", "penalised"] if penalised else ["metric", "definition", "mean"]
    presence = summary.overall["presence"]
    counts = (
        f"Class in both maps {grouped(presence['both'])} times, missed {grouped(presence['missed'])}, "
        f"spurious {grouped(presence['spurious'])}, in neither {grouped(presence['both_empty'])} (left out)."
    )
    if penalised:
        counts += " Penalised: missed or spurious counts as the image diagonal."
    printer.text()
    printer.table("Overall", columns, [row[: len(columns)] for row in rows], left=2)
    printer.sentence(counts)


def _print_classes(printer: Printer, summary: "BoundarySummary") -> None:
    present = [row for row in summary.per_class if any(row["presence"][key] for key in ("both", "missed", "spurious"))]
    named = any(row["name"] != str(row["class"]) for row in present)
    metrics = [metric for metric in _HEADS if metric in summary.settings["metrics"]]
    heads, notes = [], []
    for metric in metrics:
        value = summary.overall[metric]
        if metric in _DISTANCES or not isinstance(value, Mapping):
            heads.append(_HEADS[metric])
        else:
            heads.append(f"{_HEADS[metric]}@{next(iter(value))}")
            if len(value) > 1:
                notes.append(_HEADS[metric])
    rows = []
    for row in present:
        figures = []
        for metric in metrics:
            value = row[metric]
            value = next(iter(value.values())) if isinstance(value, Mapping) else value
            figures.append(_shown(value, 2 if metric in _DISTANCES else 3))
        counts = [str(row["presence"]["missed"]), str(row["presence"]["spurious"])]
        name = [_short(row["name"])] if named else []
        rows.append([str(row["class"]), *name, *figures, *counts])
    columns = ["class", *(["name"] if named else []), *heads, "missed", "spur."]
    caption = f"{', '.join(notes)}: first of several, -o has all." if notes else None
    printer.text()
    printer.table("By class", columns, rows, left=2 if named else 1, dense=True, caption=caption)
    absent = len(summary.per_class) - len(present)
    if absent:
        classes = "1 class occurs in no map and is" if absent == 1 else f"{absent} classes occur in no map and are"
        printer.sentence(f"{classes} left out of every mean.")


def _unit(settings: Mapping[str, Any]) -> str:
    height, width = settings["spacing"]
    return "px" if height == width == 1 else f"pixels of {height:g} x {width:g}"


def _flat(figures: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in figures.items():
        if isinstance(value, Mapping):
            row |= {f"{key}[{inner}]": figure for inner, figure in value.items()}
        else:
            row[key] = value
    return row


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def _shown(value: float, decimals: int | None = None) -> str:
    if math.isnan(value):
        return "-"
    return significant(value) if decimals is None else f"{value:.{decimals}f}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{grouped(count)} images"


def _listed(items: Any, most: int) -> str:
    shown = list(items)[:most]
    return ", ".join(shown) + (f" and {len(items) - most} more" if len(items) > most else "")
