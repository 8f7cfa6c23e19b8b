"""What a study came to: each net's figures over its runs, and how they differ from the first net's."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.metrics.comparison import ScoreTable
from convneur.metrics.replicates import compare_runs, spread
from convneur.training.study import Cell

__all__ = ["Finding", "findings", "leaf"]


@dataclass(frozen=True)
class Finding:
    """What one net came to.

    runs: that came to their end. mean, spread: by figure, over those runs; the spread is NaN for one. seeds: those
    that are compared. difference: by figure, of `RunsComparison.overall`; None for the first net, and without a seed
    of which all runs of both nets came to their end.
    """

    twin: str
    runs: int
    mean: Mapping[str, float]
    spread: Mapping[str, float]
    seeds: tuple[int, ...]
    difference: Mapping[str, Mapping[str, float]] | None


def findings(
    groups: Sequence[Sequence[Cell]],
    tables: Mapping[Cell, ScoreTable],
    figures: Mapping[str, Sequence[str]],
    overall: Mapping[Cell, Mapping[str, Any]],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Finding]:
    """The findings of each net, the first as what the others are compared with.

    Args: groups: the runs, see `convneur.training.study.cells`; tables, overall: test scores of those that came to
        their end; figures: name -> where it stands in `overall`; resamples, seed, level: see `compare_runs`.
    """
    found = []
    first = groups[0][0].twin
    for twin in (cell.twin for cell in groups[0]):
        mine = [cell for group in groups for cell in group if cell.twin == twin]
        done = [cell for cell in mine if cell in overall]
        values = {name: [leaf(overall[cell], path) for cell in done] for name, path in figures.items()}
        pairs = {} if twin == first else _pairs(mine, first, tables)
        difference = None
        if pairs:
            ours, theirs = zip(*pairs.values(), strict=True)
            compared = compare_runs(ours, theirs, resamples=resamples, seed=seed, level=level)
            difference = {name: leaf(compared.overall, path) for name, path in figures.items()}
        found.append(
            Finding(
                twin=twin,
                runs=len(done),
                mean={name: statistics.fmean(each) if each else float("nan") for name, each in values.items()},
                spread={name: spread(each) for name, each in values.items()},
                seeds=tuple(pairs),
                difference=difference,
            )
        )
    return found


def leaf(figures: Mapping[str, Any], path: Sequence[str]) -> Any:
    """One figure of nested figures."""
    found: Any = figures
    for key in path:
        found = found[key]
    return found


def _pairs(
    mine: Sequence[Cell], first: str, tables: Mapping[Cell, ScoreTable]
) -> dict[int, tuple[list[ScoreTable], list[ScoreTable]]]:
    """Scores of both nets, a table for each fold, by seed; seeds that lack a run are left out."""
    pairs: dict[int, tuple[list[ScoreTable], list[ScoreTable]]] = {}
    for seed in dict.fromkeys(cell.seed for cell in mine):
        ours = [cell for cell in mine if cell.seed == seed]
        theirs = [Cell(first, cell.seed, cell.fold) for cell in ours]
        if all(cell in tables for cell in (*ours, *theirs)):
            pairs[seed] = [tables[cell] for cell in ours], [tables[cell] for cell in theirs]
    return pairs
