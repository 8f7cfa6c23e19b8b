"""The runs of a study and their order: several models trained alike, so that what differs is the models."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convneur.data.examples import Example, hash_of, held_out
from convneur.errors import ConfigError
from convneur.files import output_path

__all__ = ["StudyRun", "folds_of", "remainder", "run_groups", "turns"]

_TURNS = 20  # of each model in a run
_RECORD = 10  # steps between two lines of metrics.jsonl, whose rate is that of one turn then


@dataclass(frozen=True)
class StudyRun:
    """One training run of a study: which twin, by which seed, tested on which fold (None: on a split of its own).

    >>> StudyRun("per-stage:min_chunks=4", seed=2).name
    'per-stage-min_chunks=4-seed2'
    """

    twin: str
    seed: int
    fold: int | None = None

    def folder(self, study: Path) -> Path:
        """Inside a study's. Raises: InputError: the name cannot be a folder's."""
        return output_path(study / "runs", self.name)

    @property
    def name(self) -> str:
        """As a folder: what file systems refuse is replaced."""
        twin = self.twin.replace(":", "-").replace("/", ".")
        return f"{twin}-seed{self.seed}" + ("" if self.fold is None else f"-fold{self.fold}")


def run_groups(twins: Sequence[str], seeds: Sequence[int], folds: int | None) -> list[list[StudyRun]]:
    """The runs in groups that are trained on the same images in the same order: one of each twin.

    >>> [run.name for group in run_groups(["none", "per-stage"], [0], None) for run in group]
    ['none-seed0', 'per-stage-seed0']
    """
    parts = [None] if folds is None else list(range(folds))
    return [[StudyRun(twin, seed, fold) for twin in twins] for seed in seeds for fold in parts]


def turns(steps: int) -> Iterator[int]:
    """The steps up to which the models of a group are trained by turns, the last of them `steps`.

    Choice: a twentieth of the run each, in tens, so that a slow hour falls on all models alike, and after half of the
        time all have made half of their steps.
    """
    size = math.ceil(steps / _TURNS / _RECORD) * _RECORD
    yield from range(size, steps, size)
    yield steps


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
            "folds", f"{len(everything)} images are too few to train and validate on the others", value=count
        )
    dealt = sorted(everything, key=lambda example: (hash_of(example.name), example.name))
    return tuple(tuple(sorted(dealt[fold::count], key=lambda example: example.name)) for fold in range(count))


def remainder(folds: Sequence[Sequence[Example]], fold: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """What a fresh model is trained and validated on that will be tested on a fold: the others, less a tenth."""
    others = [example for number, each in enumerate(folds) if number != fold for example in each]
    return held_out(sorted(others, key=lambda example: example.name))
