"""The table of a paper: a row per model, a column per value."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convneur.formats import plural, significant
from convneur.metrics.tables import Path, compares, is_count, leaves, less_is_better
from convneur.metrics.words import metric_name
from convneur.results import Table

__all__ = ["model_table", "settings_words"]

_MISSING = "--"
_IN_PIXELS = {"hausdorff", "hd95", "assd", "masd", "hd_percentile"}


def model_table(
    models: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    *,
    digits: int | None,
    notes: Sequence[str],
    more: Sequence[tuple[str, Mapping[Path, str]]] = (),
) -> Table:
    """Each model's overall values, the better one of each column bold, ties both; of a curve its area.

    Args:   models: what a model is called -> its values; digits: decimals of values, None for four significant ones;
        more: rows of text below, by path.
    """
    values = {title: dict(leaves(row, settings["metrics"])) for title, row in models.items()}
    first = next(iter(values.values()))
    paths = [path for path in first if compares(path) and path[:2] != ("boundary_f1_curve", "f1")]
    columns = [f"{metric_name(*path)}{_unit(path, settings)} {'↓' if less_is_better(path) else '↑'}" for path in paths]
    rows = [[title, *(_shown(row[path], path, digits) for path in paths)] for title, row in values.items()]
    rows += [[title, *(row.get(path, "") for path in paths)] for title, row in more]
    return Table("", ["model", *columns], rows, notes=notes, bold=_best(list(values.values()), paths))


def settings_words(images: int, settings: Mapping[str, Any]) -> list[str]:
    """What a caption says of how the values were made."""
    chosen = settings["mean_over"]
    over = f"all classes but {settings['background']}" if chosen == "foreground" else f"{len(chosen)} chosen classes"
    mean = "all classes" if chosen == "all" else over
    ignored = "nothing" if settings["ignore_index"] is None else settings["ignore_index"]
    words = settings["definitions"]
    said = [f"{metric_name(metric)}: {words[metric]}." for metric in settings["metrics"]]
    return [f"{plural(images, 'image')}, means over {mean}, {ignored} ignored.", *said]


def _best(models: Sequence[Mapping[Path, float]], paths: Sequence[Path]) -> set[tuple[int, int]]:
    """(row, column) of the best value in each column, by unrounded values; none where there is one model."""
    found = set()
    for column, path in enumerate(paths, start=1):
        values = [-model[path] if less_is_better(path) else model[path] for model in models]
        defined = [value for value in values if not math.isnan(value)]
        if len(models) > 1 and defined:
            found |= {(row, column) for row, value in enumerate(values) if value == max(defined)}
    return found


def _shown(value: float, path: Path, digits: int | None) -> str:
    if math.isnan(value):
        return _MISSING
    if is_count(path):
        return f"{value:.0f}"
    return significant(value) if digits is None else f"{value:.{digits}f}"


def _unit(path: Path, settings: Mapping[str, Any]) -> str:
    of_pairs = path[:2] == ("objects", "pairs") and path[2] in ("hd", "hd95", "assd", "masd")
    if path[0] not in _IN_PIXELS and not of_pairs:
        return ""
    return " (px)" if settings["spacing"] in ((1, 1), [1, 1]) else " (units of spacing)"
