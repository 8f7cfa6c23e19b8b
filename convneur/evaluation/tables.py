"""The tables and warnings of an evaluation, from a summary of its metrics."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from convneur.evaluation.words import listed, occurs
from convneur.formats import grouped, plural
from convneur.metrics import BoundarySummary
from convneur.metrics.measures import MEASURES
from convneur.metrics.scores import DISTANCES
from convneur.metrics.settings import MAX_CLASSES
from convneur.metrics.summary_tables import (
    class_table,
    group_tables,
    has_penalty,
    mean_over_words,
    overall_table,
    thin_sentences,
    unseen_sentences,
)
from convneur.metrics.words import SHORT_NAMES
from convneur.results import Table

__all__ = ["labels_line", "presence_line", "summary_warnings", "tables_of"]

_MOST_LABELS = 24


def tables_of(summary: BoundarySummary) -> Sequence[Table]:
    """Overall and by class, what they do not show said below each."""
    settings = summary.settings
    counts = presence_line(summary.overall)
    if has_penalty(settings["metrics"]):
        counts += " Penalised: missed or spurious counts as the image diagonal."
    notes = []
    several = [
        short
        for metric, short in SHORT_NAMES.items()
        if metric in settings["metrics"]
        and metric not in (*DISTANCES, *MEASURES)
        and _values(summary.overall[metric]) > 1
    ]
    if several:
        notes.append(f"{', '.join(several)}: first of several; a saved result has all.")
    absent = sum(not occurs(row) for row in summary.per_class)
    if absent:
        kinds = "occurs in no map and is" if absent == 1 else "occur in no map and are"
        notes.append(f"{plural(absent, 'class', 'classes')} {kinds} left out of every mean.")
    return (
        dataclasses.replace(overall_table(summary), notes=[*mean_over_words(settings), counts]),
        *group_tables(summary),
        dataclasses.replace(class_table(summary), notes=notes),
    )


def _values(value: Any) -> int:
    return len(value) if isinstance(value, Mapping) else 1


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


def summary_warnings(summary: BoundarySummary, *, inferred: bool, resized: int, preset: str | None) -> list[str]:
    """What the user should not miss.

    inferred: the number of classes comes from the ground truth. resized: predictions brought to another size.
    """
    found = []
    if resized:
        predictions = "1 prediction was" if resized == 1 else f"{grouped(resized)} predictions were"
        found.append(f"{predictions} of another size than the ground truth, resized by nearest pixel")
    kinds = {warning.kind for warning in summary.warnings}
    explained = kinds - {"copy", "orientation", "one label", "void"}
    invalid = summary.invalid_labels
    if invalid and not explained:
        values = [f"{label} in {plural(count, 'image')}" for label, count in invalid.items()]
        last, ignored = summary.settings["num_classes"] - 1, summary.settings["ignore_index"]
        mend = ""
        if preset:
            mend = f"; predictions of this preset hold 0 to {last}"
        elif inferred and (classes := [k for k in invalid if last < k < MAX_CLASSES and k != ignored]):
            mend = f"; if they are classes, add `num_classes {max(classes) + 1}`"
        found.append(f"predicted labels that are no class count as wrong: {listed(values, 6)}{mend}")
    if summary.all_ignored:
        names = listed(summary.all_ignored, 3)
        found.append(f"{plural(len(summary.all_ignored), 'image')} ignored altogether, adding nothing: {names}")
    found += unseen_sentences(summary)
    if not kinds & {"noise", "instances", "numbered", "trimaps", "void"}:  # whose objects are none
        found += thin_sentences(summary)
    return found
