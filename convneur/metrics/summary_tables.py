"""A summary as people read it: values with their definitions, a row per class, and what should not be missed."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from convneur.formats import grouped, plural, significant
from convneur.metrics.decimals import as_written
from convneur.metrics.measures import MEASURES
from convneur.metrics.scores import DISTANCES
from convneur.metrics.tables import Path, is_count, is_presence, leaves, less_is_better, value_at
from convneur.metrics.words import SHORT_NAMES, definitions, metric_name
from convneur.results import Table

__all__ = [
    "class_records",
    "class_table",
    "column_name",
    "group_tables",
    "has_penalty",
    "mean_over_words",
    "overall_table",
    "summary_sentences",
    "thin_sentences",
    "unseen_sentences",
]

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
    def groups(self) -> Mapping[str, Mapping[str, Any]]: ...
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
    rows: list[list[str]] = []
    for metric in summary.settings["metrics"]:
        definition = words[metric]
        for path, value in leaves(summary.overall, [metric]):
            if path[-1] == "penalised_mean":
                rows[-1][-1] = _shown(value)
            elif not is_presence(path):
                name = metric_name(*(path[:-1] if path[-1] == "finite_mean" else path))
                rows.append([name, definition, _shown(value), ""])
                if metric in MEASURES:
                    definition = ""  # long, and of all its values
    columns = ["metric", "definition", "mean", *(["penalised"] if has_penalty(summary.settings["metrics"]) else [])]
    return Table("Overall", columns, [row[: len(columns)] for row in rows], left=2)


def group_tables(summary: _Summary) -> list[Table]:
    """A row per value and a column per group; no table without groups."""
    if not summary.groups:
        return []
    rows = [
        [metric_name(*path), *(_shown(value_at(group, path)) for group in summary.groups.values())]
        for path, _ in leaves(summary.overall, summary.settings["metrics"])
        if not is_presence(path)
    ]
    return [Table("Groups of classes", ["metric", *summary.groups], rows)]


def class_table(summary: _Summary) -> Table:
    """A row per class that occurs, with as many metrics as fit; of a metric with several values the first."""
    present = [row for row in summary.per_class if _occurs(row)]
    named = any(row["name"] != str(row["class"]) for row in present)
    asked = summary.settings["metrics"]
    added = [metric for metric in MEASURES if metric in asked][:_MOST_METRICS]  # by name, so they are wanted
    metrics = [metric for metric in SHORT_NAMES if metric in asked and metric not in added]
    metrics = [*metrics[: _MOST_METRICS - len(added)], *added]
    paths = [
        path for metric in metrics for path in _columns(metric, [path for path, _ in leaves(summary.overall, [metric])])
    ]
    heads = [_head(path) for path in paths]
    rows = []
    for row in present:
        values = [
            _shown(value_at(row, path), None if is_count(path) else 2 if less_is_better(path) else 3) for path in paths
        ]
        name = row["name"] if len(row["name"]) <= _NAME_WIDTH else row["name"][: _NAME_WIDTH - 1] + "…"
        counts = [str(row["presence"][key]) for key in ("missed", "spurious")]
        rows.append([str(row["class"]), *([name] if named else []), *values, *counts])
    columns = ["class", *(["name"] if named else []), *heads, "missed", "spur."]
    return Table("By class", columns, rows, left=2 if named else 1, dense=True)


def _columns(metric: str, paths: Sequence[Path]) -> Sequence[Path]:
    """Of all values of a metric those that a class is shown with."""
    return MEASURES[metric].columns(paths) if metric in MEASURES else paths[:1]


def _head(path: Path) -> str:
    metric, *keys = path
    if metric in MEASURES:
        return MEASURES[metric].short_value_name(path[1:-1] if path[-1] == "finite_mean" else path[1:])
    return SHORT_NAMES[metric] if metric in DISTANCES else "@".join([SHORT_NAMES[metric], *keys])


def has_penalty(metrics: Iterable[str]) -> bool:
    """Whether there are means that count a missed or spurious class as the image diagonal."""
    return any(metric in (*DISTANCES, "hd_percentile") for metric in metrics)


def mean_over_words(settings: Mapping[str, Any]) -> list[str]:
    """What `overall` is the mean over, unless it is all classes."""
    chosen = settings["mean_over"]
    if chosen == "all":
        return []
    if chosen == "foreground":
        return [f"Overall: over all classes but {settings['background']}."]
    return [f"Overall: over {plural(len(chosen), 'class', 'classes')}: {_listed(list(map(str, chosen)), 12)}."]


def unseen_sentences(summary: _Summary) -> Iterator[str]:
    """Which classes of a mean occur in no map."""
    seen = {row["class"] for row in summary.per_class if _occurs(row)}
    sets = [("mean_over", summary.settings["mean_over"]), *((f"group {name}", ids) for name, ids in
            summary.settings["groups"])]  # fmt: skip
    for name, chosen in sets:
        unseen = [] if isinstance(chosen, str) else [str(label) for label in chosen if label not in seen]
        if unseen:
            occur = "occurs in no map and is" if len(unseen) == 1 else "occur in no map and are"
            words = "class" if len(unseen) == 1 else "classes"
            yield f"{name}: {words} {_listed(unseen, 6)} {occur} left out of its means"


def summary_sentences(summary: _Summary) -> list[str]:
    """What was scored, what the counts are, and what a reader should not miss."""
    settings, presence = summary.settings, summary.overall["presence"]
    ignored = "nothing ignored" if settings["ignore_index"] is None else f"{settings['ignore_index']} ignored"
    said = [
        *mean_over_words(settings),
        f"{plural(summary.images, 'image')} scored; {plural(settings['num_classes'], 'class', 'classes')}; {ignored}.",
        f"Class in both maps {grouped(presence['both'])} times, missed {grouped(presence['missed'])}, "
        f"spurious {grouped(presence['spurious'])}, in neither {grouped(presence['both_empty'])} (left out).",
    ]
    if has_penalty(settings["metrics"]):
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
    said += [f"{line[0].upper()}{line[1:]}." for line in unseen_sentences(summary)]
    said += [f"{line[0].upper()}{line[1:]}." for line in thin_sentences(summary)]
    said += [f"{line[0].upper()}{line[1:]}." for line in map(str, summary.warnings)]
    return said


def thin_sentences(summary: _Summary) -> Iterator[str]:
    """Which tolerances reach across objects, and what to do about it."""
    tolerances = summary.settings["tolerance"]
    finer = [key for key in map(str, tolerances) if key not in summary.wide]
    told = [key for key in finer if key not in summary.too_thin]
    for tolerance, (thin, objects, names) in summary.too_thin.items():
        said = f"tolerance {tolerance} {_across(thin, objects, names)}"
        if tolerance not in summary.wide:
            yield f"{said}, which are so thin that boundaries 1 pixel apart cover them; there look at mIoU"
        else:
            wanted = f"look at {told[0]}" if told else "look at mIoU" if finer else "add a smaller one such as 1px"
            yield f"{said}, whose F1 also counts boundaries on the wrong side of an object; {wanted}"

    if summary.tau_too_thin:
        taus, pixel = summary.settings["surface_dice_tau"], max(summary.settings["spacing"])
        said = f"surface-dice tau {min(taus, key=as_written)} {_across(*summary.tau_too_thin)}"
        yield f"{said}, and so counts boundaries on the wrong side of an object; add a smaller one such as {pixel:g}"


def _across(thin: int, objects: int, names: Sequence[str]) -> str:
    return f"reaches across {grouped(thin)} of {plural(objects, 'ground-truth object')} of {_listed(names, 3)}"


def class_records(summary: _Summary) -> list[dict[str, Any]]:
    """A row of the overall values, then one per class; undefined cells are empty."""
    metrics = summary.settings["metrics"]
    rows = [{"class": "", "name": name, **row} for name, row in (("overall", summary.overall), *summary.groups.items())]
    return [
        {"class": row["class"], "name": row["name"]}
        | {column_name(path): _cell(value) for path, value in leaves(row, [*metrics, "presence"])}
        for row in (*rows, *summary.per_class)
    ]


def column_name(path: Path) -> str:
    """Of a value in a table for spreadsheets.

    >>> column_name(("hd95", "finite_mean"))
    'hd95[finite_mean]'
    """
    return path[0] + "".join(f"[{key}]" for key in path[1:])


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def _shown(value: float, decimals: int | None = None) -> str:
    if isinstance(value, int):
        return grouped(value)
    if math.isnan(value):
        return "-"
    return significant(value) if decimals is None else f"{value:.{decimals}f}"


def _occurs(row: Mapping[str, Any]) -> bool:
    return any(row["presence"][key] for key in ("both", "missed", "spurious"))


def _listed(items: Sequence[str], most: int) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
