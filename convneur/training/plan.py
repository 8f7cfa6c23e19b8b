"""What a run is begun with, typed; config.json in its folder, from which it can be gone on with."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from convneur.data.examples import Task
from convneur.errors import ConfigError, InputError
from convneur.training.data import IgnoreIndex, TrainingData
from convneur.training.folder import holds_run, read_config
from convneur.training.settings import TrainSettings
from convneur.variants import ConvNeurConfig

__all__ = ["VALIDATIONS", "RunPlan", "RunRequest", "refuse_changes"]

VALIDATIONS = 20  # in a run

_SCHEMA = "convneur.run/2"
_FIRST = "convneur.run/1"  # of version 0.1.0, whose `asked` was keyed by options


@dataclass(frozen=True)
class RunRequest:
    """What was asked for and stays as it is while a run goes on, beside the settings of recipe and model.

    Args:
        data: the folder, absolute; model, recipe: a name or a .json file; a model given as a config is "custom".
        init: the file of weights to begin from, absolute; classes: the file of names, absolute, or the names.
        ignore_index: the label that does not count, "none", or None for the preset's, or 255.
        follow_links: see `prepare_data`.
        epochs: None where minutes say how long the run is; precision, validate_every: before they were decided.

    >>> RunRequest(data="/images", preset="camvid").model
    'm1'
    """

    data: str
    task: Task = "segmentation"
    model: str = "m1"
    recipe: str = "small"
    init: str | None = None
    preset: str | None = None
    classes: str | tuple[str, ...] | None = None
    ignore_index: IgnoreIndex = None
    epochs: float | None = None
    minutes: float | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    validate_every: int | None = None
    follow_links: bool = False

    def about(self) -> dict[str, Any]:
        """What the weights say of where they come from."""
        init = self.init and Path(self.init).name
        return {"convneur": version("convneur"), "model": self.model, "recipe": self.recipe, "init": init}

    def steps_between_validations(self, steps: int) -> int:
        """In a run of so many steps. Choice: a twentieth of them, where it was not asked for."""
        return self.validate_every or math.ceil(steps / VALIDATIONS)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunRequest":
        """What `dataclasses.asdict` gave, after JSON."""
        classes = values["classes"]
        return cls(**{**values, "classes": tuple(classes) if isinstance(classes, list) else classes})

    @classmethod
    def from_options(cls, asked: Mapping[str, Any]) -> "RunRequest":
        """What version 0.1.0 kept: by option, all of it as typed; options of a study are left aside."""
        by_name = {option.removeprefix("--").replace("-", "_").lower(): value for option, value in asked.items()}
        values = {field.name: by_name[field.name] for field in dataclasses.fields(cls) if field.name in by_name}
        ignored = values.get("ignore_index")
        return cls(**{**values, "ignore_index": ignored if ignored in (None, "none") else int(ignored)})


@dataclass(frozen=True)
class RunPlan:
    """All that decides what the weights of a run become.

    Args:
        request: what was asked for; config: the model; settings: how it is trained.
        classes, counts, left_out, binary: see `TrainingData`.
        steps, validate_every, precision: as decided; images: see `TrainingData.fingerprint`.
        version: of the package that began the run.

    >>> RunPlan.read("runs/none")
    Traceback (most recent call last):
    convneur.errors.InputError: runs/none: holds no run to go on with; leave out `resume`
    """

    request: RunRequest
    config: ConvNeurConfig
    settings: TrainSettings
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    left_out: tuple[str, ...]
    steps: int
    validate_every: int
    precision: Literal["fp32", "bf16"]
    images: str
    binary: bool = False
    version: str = dataclasses.field(default_factory=lambda: version("convneur"), compare=False)

    @classmethod
    def of(
        cls,
        request: RunRequest,
        config: ConvNeurConfig,
        settings: TrainSettings,
        data: TrainingData,
        *,
        steps: int,
        validate_every: int,
        precision: Literal["fp32", "bf16"],
    ) -> "RunPlan":
        """The plan of a run on these data."""
        return cls(
            request, config, settings, data.names, data.counts, data.left_out, steps, validate_every, precision,
            data.fingerprint, data.binary,
        )  # fmt: skip

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a run was begun in a folder."""
        return holds_run(folder)

    @classmethod
    def read(cls, folder: str | Path) -> "RunPlan":
        """What the run in a folder was begun with. Raises: InputError: no run, or a damaged config."""
        folder = Path(folder)
        values = read_config(folder, _SCHEMA, _FIRST)
        try:
            return cls.from_dict(values)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(folder, f"its config.json is damaged ({error}); begin again with `force`") from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunPlan":
        """What `to_dict` gave, or version 0.1.0 kept of a run or of a study's runs."""
        first = "net" in values
        asked = values["asked"]
        return cls(
            request=RunRequest.from_options(asked) if first else RunRequest.from_dict(asked),
            config=ConvNeurConfig.from_dict(values["net" if first else "config"]),
            settings=TrainSettings(**values["settings"]),
            classes=tuple(values["classes"]),
            counts=tuple(values["counts"]),
            left_out=tuple(values["left_out"]),
            steps=values["steps"],
            validate_every=values["validate_every"],
            precision=values["precision"],
            images=values["photos" if first else "images"],
            binary=values.get("binary", False),
            version=values["convneur"],
        )

    def to_dict(self) -> dict[str, Any]:
        """What config.json holds."""
        return {
            "schema": _SCHEMA,
            "convneur": self.version,
            "asked": dataclasses.asdict(self.request),
            "config": self.config.to_dict(),
            "settings": self.settings.to_dict(),
            "classes": self.classes,
            "counts": self.counts,
            "left_out": self.left_out,
            "steps": self.steps,
            "validate_every": self.validate_every,
            "precision": self.precision,
            "images": self.images,
            "binary": self.binary,
        }

    def by_name(self) -> dict[str, Any]:
        """Every setting that stays as it is while the run goes on."""
        return {**self.config.to_dict(), **self.settings.to_dict(), **dataclasses.asdict(self.request)}


def refuse_changes(folder: Path, given: Mapping[str, Any], begun: Mapping[str, Any], kind: str = "run") -> None:
    """Raise for a setting that is given with another value than a run or a study was begun with. Both by name.

    Args: kind: which of the two it is.

    Raises: ConfigError: names the first of them.
    """
    for name, value in given.items():
        if _plain(value) != _plain(begun.get(name)):
            raise ConfigError(
                name,
                f"the {kind} in {folder} was begun with {_shown(begun.get(name))}; leave it out, or begin again with "
                "`force`",
                value=_shown(value),
            )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
