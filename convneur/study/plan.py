"""What a study is begun with, typed; config.json in its folder, from which it can be gone on with."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convneur.errors import InputError
from convneur.study.runs import StudyRun, run_groups
from convneur.study.twins import read_twins
from convneur.training import RunPlan, StepTime, TrainingData, read_config
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

    @property
    def groups(self) -> list[list[StudyRun]]:
        """The runs, see `run_groups`."""
        return run_groups(list(self.twins), self.seeds, self.folds)

    def of(self, run: StudyRun, data: TrainingData) -> RunPlan:
        """The plan of one run, as `train` would have it with the same settings."""
        return dataclasses.replace(
            self.run,
            config=self.twins[run.twin],
            settings=dataclasses.replace(self.run.settings, seed=run.seed),
            counts=data.counts,
            images=data.fingerprint,
        )

    @classmethod
    def read(cls, folder: Path) -> "StudyPlan":
        """What the study in a folder was begun with. Raises: InputError: no study, or a damaged config."""
        kept = read_config(folder, _SCHEMA, _FIRST, kind="study")
        try:
            if kept["schema"] == _FIRST:
                run = RunPlan.from_dict(kept)
                asked = {option.lstrip("-"): value for option, value in kept["asked"].items()}
                return cls(
                    run=run,
                    twins=read_twins(kept["twins"], run.config),
                    seeds=tuple(kept["seeds"]),
                    folds=asked["folds"],
                    split=asked["split"],
                    step_times={name: StepTime(*each) for name, each in kept["paces"].items()},
                )
            return cls(
                run=RunPlan.from_dict(kept["run"]),
                twins={name: ConvNeurConfig.from_dict(each) for name, each in kept["twins"].items()},
                seeds=tuple(kept["seeds"]),
                folds=kept["folds"],
                split=kept["split"],
                step_times={name: StepTime(**each) for name, each in kept["step_times"].items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(folder, f"its config.json is damaged ({error}); begin again with `force`") from None

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
