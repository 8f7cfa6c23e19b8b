"""A study: several nets trained alike, seed by seed and fold by fold, so that what differs is the nets."""

import dataclasses
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from convneur.data.examples import Example, hash_of, held_out
from convneur.errors import ConfigError
from convneur.training.profile import StepTime as Pace

__all__ = ["Cell", "cells", "folds_of", "mean_pace", "remainder", "turns"]

_TURNS = 20  # of each net in a run
_RECORD = 10  # steps between two lines of metrics.jsonl, whose rate is that of one turn then


@dataclass(frozen=True)
class Cell:
    """One run of a study: which net, by which seed, tested on which fold (None: on a split of its own)."""

    twin: str
    seed: int
    fold: int | None = None

    @property
    def name(self) -> str:
        """As a folder: what file systems refuse is replaced."""
        twin = self.twin.replace(":", "-").replace("/", ".")
        return f"{twin}-seed{self.seed}" + ("" if self.fold is None else f"-fold{self.fold}")


def cells(twins: Sequence[str], seeds: Sequence[int], folds: int | None) -> list[list[Cell]]:
    """The runs of a study in groups that are trained on the same photos in the same order: a run of each twin."""
    parts = [None] if folds is None else list(range(folds))
    return [[Cell(twin, seed, fold) for twin in twins] for seed in seeds for fold in parts]


def turns(steps: int) -> Iterator[int]:
    """The steps up to which the nets of a group are trained by turns, the last of them `steps`.

    Choice: a twentieth of the run each, in tens, so that a slow hour falls on all nets alike, and after half of the
        time all have made half of their steps.
    """
    size = math.ceil(steps / _TURNS / _RECORD) * _RECORD
    yield from range(size, steps, size)
    yield steps


def mean_pace(paces: Sequence[Pace]) -> Pace:
    """The pace of nets that are trained by turns."""
    return Pace(statistics.fmean(pace.step for pace in paces), statistics.fmean(pace.image for pace in paces))


def folds_of(train: Sequence[Example], val: Sequence[Example], count: int) -> tuple[tuple[Example, ...], ...]:
    """All examples in so many disjoint folds, equally large but for one.

    Choice: dealt out in the order of their names' hashes, so that neighbours in a film fall into different folds by
        chance alone and a fold follows from the names. Names are preceded by their split, `train/` or `val/`, which
        may have them twice.
    Raises: ConfigError: fewer than two folds, or too few examples.
    """
    everything = [
        dataclasses.replace(example, name=f"{split}/{example.name}")
        for split, examples in (("train", train), ("val", val))
        for example in examples
    ]
    if count < 2:
        raise ConfigError("folds", "must be at least 2", value=count)
    if len(everything) < count + 2:
        raise ConfigError(
            "folds", f"{len(everything)} photos are too few to train and validate on the others", value=count
        )
    dealt = sorted(everything, key=lambda example: (hash_of(example.name), example.name))
    return tuple(tuple(sorted(dealt[fold::count], key=lambda example: example.name)) for fold in range(count))


def remainder(folds: Sequence[Sequence[Example]], fold: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """What a fresh net is trained and validated on that will be tested on a fold: the others, less a tenth of them."""
    others = [example for number, each in enumerate(folds) if number != fold for example in each]
    return held_out(sorted(others, key=lambda example: example.name))
