"""What a caller asks of a run, or of a study for all of its runs: checked, and made what its folder keeps."""

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from convneur.data.annotated import Invalid
from convneur.data.class_names import read_class_names
from convneur.data.colours import read_colour_table
from convneur.data.examples import Task
from convneur.detection import DetectorKind, Heads
from convneur.errors import ConfigError
from convneur.packaged import packaged_weights, weights_path
from convneur.training.data import IgnoreIndex
from convneur.training.plan import RunPlan, RunRequest, refuse_changes, weights_sha256
from convneur.training.settings import TrainSettings, recipe_settings, task_config
from convneur.variants import PRESETS, ConvNeurConfig, find_config

__all__ = ["Asked", "check_whole"]

_OF_RECIPES = {field.name for field in dataclasses.fields(TrainSettings)} - {"task", "epochs"}
_REAL = {field.name for field in dataclasses.fields(TrainSettings) if field.type is float} | {"minutes"}
# The classes follow from the data, stochastic depth from the recipe.
_OF_MODELS = {field.name for field in dataclasses.fields(ConvNeurConfig)} - {"num_classes", "drop_path_rate"}
_OF_MODELS |= {"model_preset"}
_MOST_MINUTES = 1_000_000  # two years
_MOST_LABEL = 2**31 - 1
_CUSTOM = "custom"  # the name of a model that is given as a config


@dataclass(frozen=True)
class Asked:
    """What was given, nothing filled in.

    Args:
        given: fields of `RunRequest`; model: as it was given; values: settings of the recipe and of the model.

    >>> Asked.of(data="camvid", learning_rate=0.1)
    Traceback (most recent call last):
    convneur.errors.ConfigError: learning_rate: is not a setting of the recipe or the model
    """

    given: Mapping[str, Any]
    model: str | Path | ConvNeurConfig | None
    values: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        *,
        data: str | Path,
        out: str | Path | None = None,
        model: str | Path | ConvNeurConfig | None = None,
        recipe: str | Path | None = None,
        init: str | Path | None = None,
        classes: str | Path | Sequence[str] | None = None,
        ignore_index: int | str | None = None,
        colours: str | Path | None = None,
        follow_links: bool = False,
        workers: int = 0,
        resume: bool = False,
        force: bool = False,
        **more: Any,
    ) -> "Asked":
        """Check what can be checked before any work; paths become absolute, None is what was left out.

        Args:   more: the other fields of `RunRequest`, and settings of the recipe and of the model.
        Raises: ConfigError: names the first that cannot be, or an extra that is not installed.
        """
        names = {field.name for field in dataclasses.fields(RunRequest)}
        values = {name: value for name, value in more.items() if name not in names}
        _check_names(values)
        if resume and force:
            raise ConfigError("force", "begins again, and `resume` goes on; leave one of them out")
        if isinstance(values.get("crop"), int):
            values["crop"] = (values["crop"], values["crop"])
        asked: dict[str, Any] = {
            "data": _existing("data", data),
            "model": _CUSTOM if isinstance(model, ConvNeurConfig) else None if model is None else str(model),
            "recipe": None if recipe is None else str(recipe),
            "init": None if init is None else _weights(init),
            "classes": _classes(classes),
            "ignore_index": _label(ignore_index),
            "colours": None if colours is None else read_colour_table(_found("colours", colours)).rows,
            "follow_links": follow_links or None,
            **{name: value for name, value in more.items() if name in names},
        }
        given = {name: value for name, value in asked.items() if value is not None}
        _check(given)
        if out is not None and not resume:
            _refuse_among_images(Path(out), Path(data), given.get("task", "segmentation"))
        check_whole(0, workers=workers)
        if importlib.util.find_spec("accelerate") is None:
            raise ConfigError("train", "needs Hugging Face Accelerate; pip install accelerate")
        return cls(given, model, values)

    def begin(self, **defaults: Any) -> tuple[RunRequest, ConvNeurConfig, TrainSettings]:
        """What a run is begun with. Args: defaults: of fields of `RunRequest`, where they are not its own."""
        request = RunRequest(**_real({**defaults, **self.given}))
        of_recipe = self._of_recipe()
        if request.epochs is not None:
            of_recipe["epochs"] = request.epochs
        settings = recipe_settings(request.recipe, request.task, **of_recipe)
        config = find_config(
            self.model if isinstance(self.model, ConvNeurConfig) else request.model, **self._of_model()
        )
        if request.task == "detection" and not self.values.keys() & {"chunk_length", "chunks", "model_preset"}:
            config = config if isinstance(self.model, ConvNeurConfig) else find_config(config, model_preset="dense")
        self._refuse_idle(config, settings)
        return request, task_config(config, settings, head=self.values.get("head")), settings

    def _refuse_idle(self, config: ConvNeurConfig, settings: TrainSettings) -> None:
        """Raise ConfigError for a setting that others leave without effect; in a recipe it does no harm."""
        gate = config.memory != "none" and config.fusion == "gating"
        idle = {
            "min_lr": "is of the cosine, whose place the recipe's milestones take" if settings.milestones else None,
            "eval_scale": "is not for classification" if settings.task == "classification" else None,
            "context_penalty": None if gate else "this model has no gate to penalise",
        }
        for name, why in idle.items():
            if why is not None and name in self.values:
                raise ConfigError(name, f"{why}; leave it out", value=self.values[name])

    def refuse_overridden(self, made: Callable[[ConvNeurConfig], object], what: str) -> None:
        """Raise ConfigError for a setting of the model that changes nothing of what is made of it, in words."""
        model = self.model if isinstance(self.model, ConvNeurConfig) else self.given.get("model", "m1")
        given = self._of_model()
        whole = find_config(model, **given)
        for name, value in given.items():
            plain = find_config(model, **{other: each for other, each in given.items() if other != name})
            if plain != whole and made(plain) == made(whole):
                raise ConfigError(
                    name, f"changes none of the {what}, which set it themselves; leave it out", value=value
                )

    def refuse_changes(self, folder: Path, begun: RunPlan, kind: str = "run", **more: tuple[Any, Any]) -> None:
        """Raise ConfigError for what is given with another value than the run in a folder was begun with.

        Where files lie may change: data are known by `RunPlan.refuse_other_images`, classes by their names,
        starting weights, model and recipe by what they hold.

        Args: kind: run or study. more: what is no part of a run's plan: what is given or None, what it was begun with.
        """
        given = {name: value for name, value in self.given.items() if name not in ("data", "follow_links")}
        then = begun.by_name()
        if "classes" in given:
            classes = given["classes"]
            given["classes"] = read_class_names(Path(classes)) if isinstance(classes, str) else classes
            then["classes"] = begun.classes
        if "init" in given:
            given["init"], then["init"] = (each and Path(each).name for each in (given["init"], then["init"]))
        if given.get("model", then["model"]) != then["model"] and self._gives_config(begun):
            given["model"] = then["model"]
        if given.get("recipe", then["recipe"]) != then["recipe"] and self._gives_settings(begun):
            given["recipe"] = then["recipe"]
        values = dict(self.values)
        preset = values.pop("model_preset", None)
        if preset in PRESETS:  # the plan holds the chunk length in its place
            values = {**PRESETS[preset], **values}
        also = {name: value for name, (value, _) in more.items() if value is not None}
        known = {name: value for name, (_, value) in more.items()}
        refuse_changes(folder, {**given, **values, **also}, {**then, **known}, kind)
        for name, same in (("model", self._gives_config), ("recipe", self._gives_settings)):
            file = given.get(name)
            if isinstance(file, str) and file.endswith(".json") and not same(begun):
                raise ConfigError(name, f"holds other settings than the {kind} in {folder} was begun with", value=file)
        if given.get("init") and begun.init_sha256 not in (None, weights_sha256(Path(self.given["init"]))):
            problem = f"holds other weights than the {kind} in {folder} was begun from; leave it out"
            raise ConfigError("init", problem, value=self.given["init"])
        if self._of_model():  # settings of the same value as in the plan, that would change others
            asked = find_config(begun.config, **self._of_model()).replace(num_classes=begun.config.num_classes)
            if asked != begun.config:
                name, value = next(iter(self._of_model().items()))
                problem = f"changes how the {kind} in {folder} was begun; leave it out"
                raise ConfigError(name, problem, value=value)
        if isinstance(self.model, ConvNeurConfig) and not self._gives_config(begun):
            raise ConfigError("model", f"the {kind} in {folder} was begun with another; leave it out")

    def _gives_config(self, begun: RunPlan) -> bool:
        """Whether the model that is given is the one that a run was begun with."""
        model = self.model if isinstance(self.model, ConvNeurConfig) else self.given["model"]
        config = task_config(find_config(model, **self._of_model()), begun.settings, head=self.values.get("head"))
        return config.replace(num_classes=begun.config.num_classes) == begun.config

    def _gives_settings(self, begun: RunPlan) -> bool:
        """Whether the recipe that is given makes the settings that a run was begun with, but for its length."""
        settings = recipe_settings(self.given["recipe"], begun.settings.task, **self._of_recipe())
        return dataclasses.replace(settings, epochs=begun.settings.epochs) == begun.settings

    def _of_recipe(self) -> dict[str, Any]:
        return _real({name: value for name, value in self.values.items() if name in _OF_RECIPES})

    def _of_model(self) -> dict[str, Any]:
        return {name: value for name, value in self.values.items() if name in _OF_MODELS}


def check_whole(lowest: int, **values: Any) -> None:
    """Raise ConfigError for a value, by its name, that is no whole number of at least `lowest`; None is none."""
    for name, value in values.items():
        if value is not None and (not isinstance(value, int) or value < lowest):
            raise ConfigError(name, f"must be whole and at least {lowest}", value=value)


def _real(values: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers as the command line gives them: what is written of a run tells 8 and 8.0 apart."""
    return {name: float(value) if name in _REAL and type(value) is int else value for name, value in values.items()}


def _check_names(values: Mapping[str, Any]) -> None:
    for name in values:
        if name in ("num_classes", "drop_path_rate"):
            instead = "the data say it; leave it out" if name == "num_classes" else "give `drop_path`"
            raise ConfigError(name, instead)
        if name not in _OF_RECIPES | _OF_MODELS:
            raise ConfigError(name, "is not a setting of the recipe or the model")


def _check(given: Mapping[str, Any]) -> None:
    named = {
        "task": get_args(Task),
        "precision": ("auto", "fp32", "bf16"),
        "detector": get_args(DetectorKind),
        "detector_heads": get_args(Heads),
        "invalid": get_args(Invalid),
    }
    for name, choices in named.items():
        if name in given and given[name] not in choices:
            raise ConfigError(name, f"choose {', '.join(choices)}", value=given[name])
    if "epochs" in given and "minutes" in given:
        raise ConfigError("minutes", "cannot be combined with `epochs`; leave one of them out")
    if not isinstance(given.get("minutes", 1), (int, float)) or not 0 < given.get("minutes", 1) <= _MOST_MINUTES:
        raise ConfigError("minutes", f"must be above 0 and at most {_MOST_MINUTES}", value=given["minutes"])
    check_whole(1, validate_every=given.get("validate_every"))


def _found(name: str, path: str | Path) -> Path:
    if not Path(path).exists():
        raise ConfigError(name, "no such file or folder", value=path)
    return Path(path)


def _refuse_among_images(out: Path, data: Path, task: Task) -> None:
    """A run's figure would be one of the images of the next run."""
    read = ("train", "val", "test") if task == "classification" else ("images", "masks")
    inside = (data / name for name in read)
    if any(out.resolve().is_relative_to(folder.resolve()) for folder in inside):
        raise ConfigError("out", "lies among the images; choose another", value=out)


def _existing(name: str, path: str | Path) -> str:
    """A path as a run keeps it, which may be gone on with from another folder."""
    return str(_found(name, path).resolve())


def _weights(init: str | Path) -> str:
    path = weights_path(init)
    if not path.exists():
        raise ConfigError("init", f"no such file; packaged weights are {', '.join(packaged_weights())}", value=init)
    return str(path.resolve())


def _classes(classes: str | Path | Sequence[str] | None) -> str | tuple[str, ...] | None:
    if classes is None:
        return None
    if isinstance(classes, (str, Path)):
        return _existing("classes", classes)
    if len(set(classes)) < len(classes) or not all(classes):
        raise ConfigError("classes", "name each class once", value=", ".join(map(str, classes)))
    return tuple(classes)


def _label(ignore_index: int | str | None) -> IgnoreIndex:
    if ignore_index is None:
        return None
    if ignore_index == "none":
        return "none"
    try:
        label = int(ignore_index)
    except ValueError:
        raise ConfigError("ignore_index", "must be a whole number", value=ignore_index) from None
    if abs(label) > _MOST_LABEL:
        raise ConfigError("ignore_index", f"must be at most {_MOST_LABEL}", value=ignore_index)
    return label
