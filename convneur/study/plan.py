"""What a study is begun with, as its folder keeps it: it may be gone on with from a command or from Python."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from convneur.errors import InputError
from convneur.study.twins import read_twins
from convneur.training.folder import CONFIG, write_config
from convneur.training.loop import Pace, Precision
from convneur.training.settings import TrainSettings
from convneur.variants import ConvNeurConfig

__all__ = ["Asked", "StudyPlan", "read_plan", "write_plan"]

_SCHEMA = "convneur.study-plan/2"
_FIRST_SCHEMA = "convneur.study-plan/1"  # of 0.1.0: keyed by options, twins by their names alone


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for, beside the model's settings and the recipe's values. Paths are absolute."""

    data: str
    model: str
    task: str
    recipe: str
    precision: Literal["auto", "fp32", "bf16"]
    init: str | None = None
    epochs: float | None = None
    minutes: float | None = None
    validate_every: int | None = None
    preset: str | None = None
    classes: str | None = None
    ignore_index: str | None = None
    folds: int | None = None
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """Everything that a study goes on from.

    Args:
        base: what the twins are changes of. settings: of every run, but for the seed.
        classes, counts, left_out: see `TrainingData`. images: fingerprint of the names of all images.
        steps, validate_every, precision: decided once, for all runs. step_times: by twin.
    """

    asked: Asked
    base: ConvNeurConfig
    settings: TrainSettings
    twins: Mapping[str, ConvNeurConfig]
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    left_out: tuple[str, ...]
    images: str
    steps: int
    validate_every: int
    precision: Precision
    step_times: Mapping[str, Pace]

    def begun_with(self) -> dict[str, Any]:
        """Every setting that cannot change while the study goes on, by its name."""
        return {**self.base.to_dict(), **self.settings.to_dict(), **dataclasses.asdict(self.asked)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "schema": _SCHEMA,
            "convneur": version("convneur"),
            "asked": dataclasses.asdict(self.asked),
            "base": self.base.to_dict(),
            "settings": self.settings.to_dict(),
            "twins": {name: config.to_dict() for name, config in self.twins.items()},
            "seeds": list(self.seeds),
            "classes": list(self.classes),
            "counts": list(self.counts),
            "left_out": list(self.left_out),
            "images": self.images,
            "steps": self.steps,
            "validate_every": self.validate_every,
            "precision": self.precision,
            "step_times": {name: dataclasses.asdict(each) for name, each in self.step_times.items()},
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "StudyPlan":
        """What `to_dict` gave, or the plan of 0.1.0."""
        if kept["schema"] == _FIRST_SCHEMA:
            base = ConvNeurConfig.from_dict(kept["net"])
            asked = {_setting(option): value for option, value in kept["asked"].items()}
            twins = read_twins(kept["twins"], base)
            images, step_times = kept["photos"], {name: Pace(*each) for name, each in kept["paces"].items()}
        else:
            base, asked = ConvNeurConfig.from_dict(kept["base"]), kept["asked"]
            twins = {name: ConvNeurConfig.from_dict(each) for name, each in kept["twins"].items()}
            images, step_times = kept["images"], {name: Pace(**each) for name, each in kept["step_times"].items()}
        return cls(
            asked=Asked(**asked),
            base=base,
            settings=TrainSettings(**kept["settings"]),
            twins=twins,
            seeds=tuple(kept["seeds"]),
            classes=tuple(kept["classes"]),
            counts=tuple(kept["counts"]),
            left_out=tuple(kept["left_out"]),
            images=images,
            steps=kept["steps"],
            validate_every=kept["validate_every"],
            precision=kept["precision"],
            step_times=step_times,
        )


def read_plan(folder: Path) -> StudyPlan:
    """What the study in a folder was begun with. Raises: InputError: none, a damaged one, or something else's."""
    path = folder / CONFIG
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(folder, "holds no run to go on with; leave out `resume`") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error}); begin again with `force`") from None
    if not isinstance(kept, Mapping) or kept.get("schema") not in (_SCHEMA, _FIRST_SCHEMA):
        raise InputError(path, "describes no study; begin again with `force`")
    try:
        return StudyPlan.from_dict(kept)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"is damaged ({error}); begin again with `force`") from None


def write_plan(folder: Path, plan: StudyPlan) -> None:
    """Keep what a study is begun with."""
    write_config(folder, plan.to_dict())


def _setting(option: str) -> str:
    return "data" if option == "DATA" else option.removeprefix("--").replace("-", "_")
