"""The tables, spreadsheet rows and warnings of an evaluation, from its values."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convneur.evaluation.words import DISTANCES, METRIC_NAMES, SHORT_NAMES, cut, listed, metric_name, occurs, shown
from convneur.formats import grouped, plural
from convneur.metrics import BoundarySummary
from convneur.results import Table

__all__ = ["class_table", "flat_row", "labels_line", "overall_table", "presence_line", "summary_warnings"]

_MOST_LABELS = 24
# Not every metric, so that a row fits in 100 columns.
_BY_CLASS = ("miou", "boundary_f1", "trimap_miou", "boundary_iou", "surface_dice", "hausdorff", "hd95", "assd")


def overall_table(settings: Mapping[str, Any], overall: Mapping[str, Any]) -> Table:
    """Each value with its definition, of distances both means; below, how often classes were there."""
    words = settings["definitions"]
    rows = []
    for metric in settings["metrics"]:
        value = overall[metric]
        if metric in DISTANCES:
            means = [shown(value["finite_mean"]), shown(value["penalised_mean"])]
            rows.append([METRIC_NAMES[metric], words[metric], *means])
        elif isinstance(value, Mapping):
            rows += [[metric_name(metric, key), words[metric], shown(value[key]), ""] for key in value]
        else:
            rows.append([METRIC_NAMES[metric], words[metric], shown(value), ""])
    penalised = any(metric in DISTANCES for metric in settings["metrics"])
    columns = ["metric", "definition", "mean", "penalised"] if penalised else ["metric", "definition", "mean"]
    counts = presence_line(overall) + (
        " Penalised: missed or spurious counts as the image diagonal." if penalised else ""
    )
    return Table("Overall", columns, [row[: len(columns)] for row in rows], left=2, notes=[counts])


def class_table(
    settings: Mapping[str, Any], overall: Mapping[str, Any], per_class: Sequence[Mapping[str, Any]]
) -> Table:
    """A row per class that occurs; below, what it does not show."""
    present = [row for row in per_class if occurs(row)]
    named = any(row["name"] != str(row["class"]) for row in present)
    metrics = [metric for metric in _BY_CLASS if metric in settings["metrics"]]
    heads, several = [], []
    for metric in metrics:
        value = overall[metric]
        if metric in DISTANCES or not isinstance(value, Mapping):
            heads.append(SHORT_NAMES[metric])
        else:
            heads.append(f"{SHORT_NAMES[metric]}@{next(iter(value))}")
            if len(value) > 1:
                several.append(SHORT_NAMES[metric])
    rows = []
    for row in present:
        firsts = [next(iter(row[m].values())) if isinstance(row[m], Mapping) else row[m] for m in metrics]
        values = [shown(value, 2 if m in DISTANCES else 3) for m, value in zip(metrics, firsts, strict=True)]
        counts = [str(row["presence"]["missed"]), str(row["presence"]["spurious"])]
        rows.append([str(row["class"]), *([cut(row["name"])] if named else []), *values, *counts])
    columns = ["class", *(["name"] if named else []), *heads, "missed", "spur."]
    notes = []
    if several:
        notes.append(f"{', '.join(several)}: first of several; a saved result has all.")
    absent = len(per_class) - len(present)
    if absent:
        kinds = "occurs in no map and is" if absent == 1 else "occur in no map and are"
        notes.append(f"{plural(absent, 'class', 'classes')} {kinds} left out of every mean.")
    return Table("By class", columns, rows, left=2 if named else 1, dense=True, notes=notes)


def presence_line(overall: Mapping[str, Any]) -> str:
    """How often a class was there, missed or spurious."""
    presence = overall["presence"]
    return (
        f"Class in both maps {grouped(presence['both'])} times, missed {grouped(presence['missed'])}, "
        f"spurious {grouped(presence['spurious'])}, in neither {grouped(presence['both_empty'])} (left out)."
    )


def labels_line(words: str, counts: Mapping[int, int], ignored: int | None) -> str:
    """The labels of all maps of a kind, with their shares. ignored: the label that is to be marked."""
    pixels = sum(counts.values())
    shares = [
        f"{label}{' (ignored)' if label == ignored else ''} {count / pixels:.2%}" for label, count in counts.items()
    ]
    return f"{words}: {listed(shares, _MOST_LABELS) or 'none'}."


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A class, or all of them, as a row of a spreadsheet; what is undefined is empty."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}[{inner}]": _cell(one) for inner, one in value.items()}
        else:
            flat[key] = _cell(value)
    return flat


def summary_warnings(summary: BoundarySummary, *, inferred: bool, resized: int, preset: str | None) -> list[str]:
    """What the user should not miss.

    inferred: the number of classes comes from the ground truth. resized: predictions brought to another size.
    """
    found = []
    if resized:
        predictions = "1 prediction was" if resized == 1 else f"{grouped(resized)} predictions were"
        found.append(f"{predictions} of another size than the ground truth, resized by nearest pixel")
    invalid = summary.invalid_labels
    if invalid:
        values = [f"{label} in {plural(count, 'image')}" for label, count in invalid.items()]
        last = summary.settings["num_classes"] - 1
        mend = "; if they are classes, add `num_classes`" if inferred else ""
        mend = f"; predictions of this preset hold 0 to {last}" if preset else mend
        if len(invalid) == 1 and summary.labels["prediction"].keys() == {0, *invalid}:
            mend = "; if this is a mask, write its two classes as 0 and 1"
        found.append(f"predicted labels that are no class count as wrong: {listed(values, 6)}{mend}")
    if summary.all_ignored:
        names = listed(summary.all_ignored, 3)
        found.append(f"{plural(len(summary.all_ignored), 'image')} ignored altogether, adding nothing: {names}")
    for tolerance, (thin, regions, example) in summary.too_thin.items():
        found.append(
            f"tolerance {tolerance} reaches across {thin} of {regions} ground-truth regions ({example}): there nearly "
            "any boundary matches; add a smaller one such as 1px"
        )
    ignored = summary.settings["ignore_index"]
    if summary.settings["num_classes"] <= 2 and summary.labels["ground_truth"].keys() == {0, ignored}:
        found.append(
            f"the ground truth holds class 0 only, and {ignored}, which is ignored; "
            f"if {ignored} is a class, as in masks of 0 and {ignored}, add `ignore_index none`"
        )
    return found


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
