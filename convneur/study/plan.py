"""What a study is begun with, typed; config.json in its folder, from which it can be gone on with."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convneur.errors import ConfigError, InputError
from convneur.schema import SchemaError, typed
from convneur.study.runs import StudyRun, run_groups
from convneur.study.twins import read_twins
from convneur.training import RunPlan, StepTime, TrainingData, TrainSettings, read_config
from convneur.variants import ConvNeurConfig

__all__ = ["StudyPlan"]

_SCHEMA = "convneur.study-plan/2"
_FIRST = "convneur.study-plan/1"  # of version 0.1.0: keyed by options, and twins by their names alone


@dataclass(frozen=True)
class StudyPlan:
    """All that a study goes on from.

    Args:
        run: what all runs share; its config is what the twins are changes of, its images are those tested on too.
        twins: their configs. seeds, folds, split: as asked. step_times: by twin.
    """

    run: RunPlan
    twins: Mapping[str, ConvNeurConfig]
    seeds: tuple[int, ...]
    folds: int | None
    split: str | None
    step_times: Mapping[str, StepTime]

    def __post_init__(self) -> None:
        if not self.twins or not self.seeds:
            raise ConfigError("seeds" if self.twins else "twins", "needs one at least")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError("seeds", "needs numbers from 0, each once")
        if self.folds is not None and self.folds < 2:
            raise ConfigError("folds", "must be at least 2", value=self.folds)

    @property
    def groups(self) -> list[list[StudyRun]]:
        """The runs, see `run_groups`."""
        return run_groups(list(self.twins), self.seeds, self.folds)

    def of(self, run: StudyRun, data: TrainingData) -> RunPlan:
        """The plan of one run, as `train` would have it with the same settings."""
        return dataclasses.replace(
            self.run,
            config=self.twins[run.twin],
            settings=self._settings(run),
            counts=data.counts,
            images=data.fingerprint,
            contents=data.contents,
            validated=len(data.val),
        )

    def trains(self, run: StudyRun, kept: RunPlan) -> bool:
        """Whether a plan has a run's model and settings; the images of a fold are not looked at."""
        ours = (self.twins[run.twin], self._settings(run), self.run.precision)
        return (kept.config, kept.settings, kept.precision) == ours

    def _settings(self, run: StudyRun) -> TrainSettings:
        return dataclasses.replace(self.run.settings, seed=run.seed)

    @classmethod
    def read(cls, folder: Path) -> "StudyPlan":
        """What the study in a folder was begun with. Raises: InputError: no study, or a damaged config."""
        kept = read_config(folder, _SCHEMA, _FIRST, kind="study")
        try:
            if kept.pop("schema") == _FIRST:
                kept = _up_to_date(kept)
            elif isinstance(kept.get("run"), dict):
                kept["run"] = RunPlan.up_to_date(kept["run"])
            return typed(kept, cls)
        except SchemaError as error:
            raise InputError(folder / "config.json", f"is damaged ({error}); begin again with `force`") from None

    def to_dict(self) -> dict[str, Any]:
        """What config.json holds."""
        return {
            "schema": _SCHEMA,
            "run": self.run.to_dict(),
            "twins": {name: config.to_dict() for name, config in self.twins.items()},
            "seeds": self.seeds,
            "folds": self.folds,
            "split": self.split,
            "step_times": {name: dataclasses.asdict(each) for name, each in self.step_times.items()},
        }


def _up_to_date(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What version 0.1.0 kept, with the keys of today. Raises: SchemaError: where it is damaged."""
    run = typed(RunPlan.up_to_date(kept), RunPlan)
    asked = {option.lstrip("-"): value for option, value in kept["asked"].items()}
    first = typed({**kept, "asked": asked}, _First, strict=False)
    try:
        twins = read_twins(first.twins, run.config)
    except ConfigError as error:
        raise SchemaError("twins", str(error)) from None
    return {
        "run": RunPlan.up_to_date(run.to_dict()),
        "twins": {name: config.to_dict() for name, config in twins.items()},
        "seeds": first.seeds,
        "folds": first.asked.folds,
        "split": first.asked.split,
        "step_times": {name: {"step": step, "image": image} for name, (step, image) in first.paces.items()},
    }


@dataclass(frozen=True)
class _FirstAsked:
    folds: int | None
    split: str | None


@dataclass(frozen=True)
class _First:
    """What version 0.1.0 kept of a study beside the run."""

    asked: _FirstAsked
    twins: tuple[str, ...]
    seeds: tuple[int, ...]
    paces: Mapping[str, tuple[float, float]]
