"""The paper's ImageNet accuracies beside what the models cost, as printed and as counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.formats import significant
from convneur.progress import Progress, silent
from convneur.published import ClassifierRow, published
from convneur.results import ReadOnly, Result, Table

__all__ = ["AccuracyPoints", "accuracy_points"]


@dataclass(frozen=True)
class AccuracyPoints(Result):
    """Top-1 accuracies on ImageNet-1K against multiply-adds at 224x224, as the paper prints them.

    curve: ConvNeur's variants, by rising cost. others: models of other authors. full_gmacs: each variant's full count,
    billions, by its name; None where it was not asked for.

    >>> import convneur
    >>> convneur.cost.accuracy_points().curve[0].top1
    75.4
    """

    curve: tuple[ClassifierRow, ...]
    others: tuple[ClassifierRow, ...]
    full_gmacs: Mapping[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """By the schema convneur.figure-accuracy/1, less the figure's file."""
        return {"schema": "convneur.figure-accuracy/1", "points": list(self.records())}

    def records(self) -> Sequence[Mapping[str, Any]]:
        full = self.full_gmacs or {}
        return [
            {
                "model": row.model,
                "top1": row.top1,
                "printed_gmacs": float(row.gmacs),
                "full_gmacs": full.get(row.model),
            }
            for row in (*self.curve, *self.others)
        ]

    def tables(self) -> Sequence[Table]:
        full = self.full_gmacs or {}
        columns = ["model", "top-1 %", "printed GMACs", *["full GMACs"] * bool(full)]
        rows = []
        for row in (*self.curve, *self.others):
            counted = [significant(full[row.model]) if row.model in full else "-"] if full else []
            rows.append([row.model, str(row.top1), str(row.gmacs), *counted])
        return [Table("ImageNet-1K at 224x224", columns, rows)]


def accuracy_points(*, full: bool = False, progress: Progress = silent) -> AccuracyPoints:
    """The points of the paper's Figure 1.

    Args: full: also count everything that ConvNeur's variants execute.

    >>> import convneur
    >>> convneur.cost.accuracy_points().to_dict()["points"][0]
    {'model': 'm1', 'top1': 75.4, 'printed_gmacs': 0.71, 'full_gmacs': None}
    """
    paper = published()
    counted: dict[str, float] | None = None
    if full:
        from convneur.cost.printed import compare_printed, printed_costs  # torch, which the printed points need not

        variants = [printed for printed in printed_costs() if printed.table == "imagenet"]
        counted = {}
        with progress.steps("counting", len(variants)) as advance:
            for printed in variants:
                counted[printed.model] = compare_printed(printed).full_gmacs
                advance(f"counting {printed.model}")
    return AccuracyPoints(paper.imagenet, paper.others, None if counted is None else ReadOnly(counted))
