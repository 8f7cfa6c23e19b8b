"""A summary as people read it: values with their definitions, a row per class, and what should not be missed."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from convneur.formats import grouped, plural, significant
from convneur.metrics.decimals import as_written
from convneur.metrics.scores import DISTANCES
from convneur.metrics.words import SHORT_NAMES, definitions, metric_name
from convneur.results import Table

__all__ = ["class_records", "class_table", "overall_table", "summary_sentences", "thin_sentences"]

_NAME_WIDTH = 18
_MOST_METRICS = 8  # in a row per class, so that it fits in 100 columns


class _Summary(Protocol):
    """What is shown of a `BoundarySummary`."""

    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def images(self) -> int: ...
    @property
    def overall(self) -> Mapping[str, Any]: ...
    @property
    def per_class(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def unscored(self) -> int: ...
    @property
    def invalid_labels(self) -> Mapping[int, int]: ...
    @property
    def too_thin(self) -> Mapping[str, tuple[int, int, tuple[str, ...]]]: ...
    @property
    def tau_too_thin(self) -> tuple[int, int, tuple[str, ...]] | None: ...
    @property
    def wide(self) -> Collection[str]: ...
    @property
    def warnings(self) -> Sequence[Any]: ...


def overall_table(summary: _Summary) -> Table:
    """A row per value; of a distance one, with the mean that counts missed and spurious classes beside it."""
    words = definitions(summary.settings)
    rows = []
    for metric in summary.settings["metrics"]:
        value = summary.overall[metric]
        if metric in DISTANCES:
            means = [_shown(value[key]) for key in ("finite_mean", "penalised_mean")]
            rows.append([metric_name(metric), words[metric], *means])
        elif isinstance(value, Mapping):
            rows += [[metric_name(metric, key), words[metric], _shown(each), ""] for key, each in value.items()]
        else:
            rows.append([metric_name(metric), words[metric], _shown(value), ""])
    columns = ["metric", "definition", "mean", *(["penalised"] if _has_distance(summary) else [])]
    return Table("Overall", columns, [row[: len(columns)] for row in rows], left=2)


def class_table(summary: _Summary) -> Table:
    """A row per class that occurs, with as many metrics as fit; of a metric with several values the first."""
    present = [row for row in summary.per_class if _occurs(row)]
    named = any(row["name"] != str(row["class"]) for row in present)
    metrics = [metric for metric in SHORT_NAMES if metric in summary.settings["metrics"]][:_MOST_METRICS]
    heads = []
    for metric in metrics:
        value = summary.overall[metric]
        several = isinstance(value, Mapping) and metric not in DISTANCES
        heads.append(f"{SHORT_NAMES[metric]}@{next(iter(value))}" if several else SHORT_NAMES[metric])
    rows = []
    for row in present:
        values = [
            _shown(next(iter(row[metric].values())) if isinstance(row[metric], Mapping) else row[metric],
                   2 if metric in DISTANCES else 3)
            for metric in metrics
        ]  # fmt: skip
        name = row["name"] if len(row["name"]) <= _NAME_WIDTH else row["name"][: _NAME_WIDTH - 1] + "…"
        counts = [str(row["presence"][key]) for key in ("missed", "spurious")]
        rows.append([str(row["class"]), *([name] if named else []), *values, *counts])
    columns = ["class", *(["name"] if named else []), *heads, "missed", "spur."]
    return Table("By class", columns, rows, left=2 if named else 1, dense=True)


def summary_sentences(summary: _Summary) -> list[str]:
    """What was scored, what the counts are, and what a reader should not miss."""
    settings, presence = summary.settings, summary.overall["presence"]
    ignored = "nothing ignored" if settings["ignore_index"] is None else f"{settings['ignore_index']} ignored"
    said = [
        f"{plural(summary.images, 'image')} scored; {plural(settings['num_classes'], 'class', 'classes')}; {ignored}.",
        f"Class in both maps {grouped(presence['both'])} times, missed {grouped(presence['missed'])}, "
        f"spurious {grouped(presence['spurious'])}, in neither {grouped(presence['both_empty'])} (left out).",
    ]
    if _has_distance(summary):
        said[-1] += " Penalised: missed or spurious counts as the image diagonal."
    absent = sum(not _occurs(row) for row in summary.per_class)
    if absent:
        occur = "occurs in no map and is" if absent == 1 else "occur in no map and are"
        said.append(f"{plural(absent, 'class', 'classes')} {occur} left out of every mean.")
    if summary.unscored:
        said.append(f"{plural(summary.unscored, 'image')} ignored altogether, adding nothing.")
    if summary.invalid_labels:
        labels = [f"{label} in {plural(count, 'image')}" for label, count in summary.invalid_labels.items()]
        said.append(f"Predicted labels that are no class count as wrong: {_listed(labels, 6)}.")
    said += [f"{line[0].upper()}{line[1:]}." for line in thin_sentences(summary)]
    said += [f"{line[0].upper()}{line[1:]}." for line in map(str, summary.warnings)]
    return said


def thin_sentences(summary: _Summary) -> Iterator[str]:
    """Which tolerances reach across objects, and what to do about it."""
    tolerances = summary.settings["tolerance"]
    finer = [key for key in map(str, tolerances) if key not in summary.wide]
    for tolerance, (thin, objects, names) in summary.too_thin.items():
        said = f"tolerance {tolerance} {_across(thin, objects, names)}"
        if tolerance not in summary.wide:
            yield f"{said}, which are so thin that boundaries 1 pixel apart cover them; there look at mIoU"
        else:
            wanted = f"look at {finer[0]}" if finer else "add a smaller one such as 1px"
            yield f"{said}, whose F1 also counts boundaries on the wrong side of an object; {wanted}"

    if summary.tau_too_thin:
        taus, pixel = summary.settings["surface_dice_tau"], max(summary.settings["spacing"])
        said = f"surface-dice tau {min(taus, key=as_written)} {_across(*summary.tau_too_thin)}"
        yield f"{said}, and so counts boundaries on the wrong side of an object; add a smaller one such as {pixel:g}"


def _across(thin: int, objects: int, names: Sequence[str]) -> str:
    return f"reaches across {thin} of {plural(objects, 'ground-truth object')} of {_listed(names, 3)}"


def class_records(summary: _Summary) -> list[dict[str, Any]]:
    """A row of the overall values, then one per class; undefined cells are empty."""
    rows = [{"class": "", "name": "overall", **summary.overall}, *summary.per_class]
    return [{key: _cell(value) for key, value in _flat(row)} for row in rows]


def _flat(row: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}[{inner}]", each) for inner, each in value.items())
        else:
            yield key, value


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def _shown(value: float, decimals: int | None = None) -> str:
    if math.isnan(value):
        return "-"
    return significant(value) if decimals is None else f"{value:.{decimals}f}"


def _occurs(row: Mapping[str, Any]) -> bool:
    return any(row["presence"][key] for key in ("both", "missed", "spurious"))


def _has_distance(summary: _Summary) -> bool:
    return any(metric in DISTANCES for metric in summary.settings["metrics"])


def _listed(items: Sequence[str], most: int) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
