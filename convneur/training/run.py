"""A training run in one call: from a folder of images to weights, or on from where a run stopped."""

import dataclasses
import importlib.util
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from convneur.data.examples import Task
from convneur.errors import ConfigError
from convneur.packaged import packaged_weights, weights_path
from convneur.progress import Progress, silent
from convneur.training.data import IgnoreIndex, TrainingData, prepare_data, reading_of
from convneur.training.folder import STATE, run_folder
from convneur.training.plan import RunPlan, RunRequest, refuse_changes
from convneur.training.settings import TrainSettings, recipe_settings, task_config
from convneur.training.stopping import asked_to_stop
from convneur.variants import ConvNeurConfig, find_config

if TYPE_CHECKING:
    from convneur.training.engine import Device
    from convneur.training.result import TrainResult
    from convneur.training.step import Precision
    from convneur.training.trainer import Trainer

__all__ = ["train"]

_OF_RECIPES = {field.name for field in dataclasses.fields(TrainSettings)} - {"task", "epochs"}
# The classes follow from the data, stochastic depth from the recipe.
_OF_MODELS = {field.name for field in dataclasses.fields(ConvNeurConfig)} - {"num_classes", "drop_path_rate"}
_OF_MODELS |= {"model_preset"}
_CUSTOM = "custom"  # the name of a model that is given as a config


def train(
    data: str | Path,
    *,
    out: str | Path,
    task: Task | None = None,
    model: str | Path | ConvNeurConfig | None = None,
    recipe: str | Path | None = None,
    init: str | Path | None = None,
    preset: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    ignore_index: int | str | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    precision: Literal["auto", "fp32", "bf16"] | None = None,
    device: "Device" = "auto",
    workers: int = 2,
    validate_every: int | None = None,
    save_every: int = 100,
    tensorboard: bool = False,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
    **values: Any,
) -> "TrainResult":
    """Train a model on a folder of images: segmentation or classification, on one processor or several devices.

    `out` gets weights.safetensors (averaged weights of the best validation), metrics.jsonl, training.png, config.json
    and state.safetensors. A run that was stopped, by Ctrl-C, a crash or kill -9, goes on with `resume`, here or by
    `convneur train`; on one process the weights are then, bit for bit, those of a run that was never stopped.

    Args:
        data: folder: images/SPLIT and masks/SPLIT, or SPLIT/CLASS, or shards SPLIT-*.tar; splits train and, if any,
            val.
        out: folder of the run.
        task: segmentation (by default) or classification.
        model: m1 (by default) to m4, a .json file of settings, or a config.
        recipe: small (by default), imagenet, or a .json file of training hyperparameters.
        init: weights to begin from: a file, or packaged ones by name.
        preset: data set: classes, ignored label, what stored ids and colours mean, names of files.
        classes: names of the classes, or a file with one per line.
        ignore_index: ground-truth label that does not count; "none" for none; by default the preset's, or 255.
        epochs, minutes: how often each image is seen (by default the recipe says), or about how long the run takes.
        precision: fp32, bf16, or auto (by default): bf16 if a few timed steps are a tenth faster.
        device: cpu, or auto: an accelerator if there is one.
        workers: processes that decode images; 0: none but this one.
        validate_every: steps between validations; by default a twentieth of the steps.
        save_every: steps between states on disk.
        tensorboard: write the records to `out`/tensorboard too.
        resume: go on with the run in `out`; what is given must be what it was begun with.
        force: begin again where `out` holds a run.
        values: settings of the recipe (see `TrainSettings`; crop may be one number) and of the model (see
            `convneur.variants.find_config`) in place of theirs, such as lr=1e-3, memory="none".
    Raises:
        ConfigError: a value that cannot be, an unknown name, other data than the run was begun with, an extra that is
            not installed.
        InputError: a broken file; `out` holds a run, or none to go on with; the loss is no number or the memory
            diverges; the device's memory does not suffice.
        KeyboardInterrupt: Ctrl-C; the state is saved. Outside Python's main thread Ctrl-C is not taken over.

    >>> train("camvid", out="runs/camvid", learning_rate=0.1)
    Traceback (most recent call last):
    convneur.errors.ConfigError: learning_rate: is no setting of a recipe or a model
    """
    folder, values = Path(out), dict(values)
    if isinstance(values.get("crop"), int):
        values["crop"] = (values["crop"], values["crop"])
    asked: dict[str, Any] = {
        "data": _existing("data", data),
        "task": task,
        "model": _CUSTOM if isinstance(model, ConvNeurConfig) else None if model is None else str(model),
        "recipe": None if recipe is None else str(recipe),
        "init": None if init is None else _weights(init),
        "preset": preset,
        "classes": _classes(classes),
        "ignore_index": _label(ignore_index),
        "epochs": epochs,
        "minutes": minutes,
        "precision": precision,
        "validate_every": validate_every,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    _check(given, values, workers=workers, save_every=save_every)
    _check_extras(tensorboard=tensorboard)
    begun = RunPlan.read(folder) if resume else None
    if begun is None:
        request = RunRequest(**given)
        reading_of(request.task, preset, request.ignore_index)  # refused before anything is written
        config, settings = _from_recipe(request, model, values)
    else:
        _refuse_changes(folder, begun, given, model, values)
        request, config, settings = begun.request, begun.config, begun.settings

    from convneur.training.engine import shared, start_engine
    from convneur.training.report import RecordReport, announce
    from convneur.training.result import TrainResult, read_losses
    from convneur.training.scalars import scalar_writer
    from convneur.training.start import new_model
    from convneur.training.state import read_progress
    from convneur.training.trainer import Trainer

    accelerator = start_engine(device)
    main = accelerator.is_main_process
    if not main:
        progress = silent  # one process speaks for all
    parts = accelerator.num_processes * settings.accumulate
    if settings.batch % parts:
        raise ConfigError("batch", f"must be a multiple of processes x accumulate, {parts}", value=settings.batch)
    with run_folder(folder, resume=resume, force=force, alone=main):
        found = shared(accelerator, _found(data, request, workers, begun, progress) if main else None)
        if begun is not None and begun.images != found.fingerprint:
            raise ConfigError(
                "data", f"other photos than the run in {folder} was begun with; begin again with `force`", value=data
            )
        going_on = resume and (folder / STATE).exists()  # a run may end before its first state
        init = None if going_on else request.init
        trainer = Trainer(
            folder=folder,
            settings=settings,
            data=found,
            model=new_model(config.replace(num_classes=len(found.names)), settings.seed, init=init, progress=progress),
            accelerator=accelerator,
            steps=settings.steps(len(found.train)),
            validate_every=1,
            save_every=save_every,
            workers=workers,
            warn=progress.warn,
            about=request.about(),
        )
        plan = begun or _decided(trainer, request, progress)
        if main and begun is None:
            plan.write(folder)
        trainer.settings, trainer.precision = plan.settings, plan.precision
        trainer.steps, trainer.validate_every = plan.steps, plan.validate_every
        profiled = begun is None and (request.minutes is not None or request.precision == "auto")
        announce(trainer, request.model, progress, profiled=profiled)
        first = read_progress(folder / STATE)["step"] if going_on else 0
        with (
            progress.steps("training", plan.steps) as advance,
            asked_to_stop(progress) as trainer.stop,
            scalar_writer(folder / "tensorboard", first) if tensorboard and main else nullcontext() as write,
        ):
            trainer.listeners = [RecordReport(trainer, progress, advance), *([write] if write else [])]
            validations = trainer.run(resume=going_on)
        losses = shared(accelerator, read_losses(folder) if main else None)
        result = TrainResult.of(folder, plan, validations, losses)
        if main:
            progress.note(f"written: {result.weights}, {result.draw_curves()}")
        return result


def _from_recipe(
    request: RunRequest, model: str | Path | ConvNeurConfig | None, values: Mapping[str, Any]
) -> tuple[ConvNeurConfig, TrainSettings]:
    """The model and how it is trained, by the names that were asked for and the values in place of theirs."""
    of_recipe = {name: value for name, value in values.items() if name in _OF_RECIPES}
    if request.epochs is not None:
        of_recipe["epochs"] = request.epochs
    settings = recipe_settings(request.recipe, request.task, **of_recipe)
    of_model = {name: value for name, value in values.items() if name in _OF_MODELS}
    config = find_config(model if isinstance(model, ConvNeurConfig) else request.model, **of_model)
    return task_config(config, settings, head=values.get("head")), settings


def _refuse_changes(
    folder: Path,
    begun: RunPlan,
    given: Mapping[str, Any],
    model: str | Path | ConvNeurConfig | None,
    values: Mapping[str, Any],
) -> None:
    refuse_changes(folder, {**given, **values}, begun.by_name())
    if isinstance(model, ConvNeurConfig):
        of_model = {name: value for name, value in values.items() if name in _OF_MODELS}
        config = task_config(find_config(model, **of_model), begun.settings)
        if config.replace(num_classes=begun.config.num_classes) != begun.config:
            raise ConfigError("model", f"the run in {folder} was begun with another; leave it out")


def _found(
    data: str | Path, request: RunRequest, workers: int, begun: RunPlan | None, progress: Progress
) -> TrainingData:
    return prepare_data(
        Path(data),
        request.task,
        preset=request.preset,
        classes=request.classes,
        ignore_index=request.ignore_index,
        threads=workers,
        begun=begun,
        progress=progress,
    )


def _decided(trainer: "Trainer", request: RunRequest, progress: Progress) -> RunPlan:
    """Precision, and steps for a duration, by timed steps on a copy of the model; the main process's times count."""
    from convneur.training.engine import shared
    from convneur.training.profile import TIMED, VALIDATIONS, StepTime, faster_precision

    precision: Precision = "bf16" if request.precision == "bf16" else "fp32"
    if request.precision == "auto":
        full = shared(trainer.accelerator, trainer.profile("fp32", 3)).step
        short = shared(trainer.accelerator, trainer.profile("bf16", 3, limit=2 * full)).step
        precision = faster_precision(full, short, progress)
    settings, steps = trainer.settings, trainer.steps
    validate_every = request.validate_every or math.ceil(steps / VALIDATIONS)
    if request.minutes is not None:
        time: StepTime = shared(trainer.accelerator, trainer.profile(precision, TIMED))
        images = math.ceil(len(trainer.data.val) / trainer.accelerator.num_processes)
        steps, validate_every = time.plan(60 * request.minutes, images, request.validate_every)
        settings = dataclasses.replace(settings, epochs=steps * settings.batch / len(trainer.data.train))
        progress.note(f"{request.minutes:g} min are {steps} steps of {time.step:.3g} s")
    return RunPlan.of(
        dataclasses.replace(request, epochs=None if request.minutes else settings.epochs),
        trainer.model.config,
        settings,
        trainer.data,
        steps=steps,
        validate_every=validate_every,
        precision=precision,
    )


def _check(given: Mapping[str, Any], values: Mapping[str, Any], *, workers: int, save_every: int) -> None:
    for name in values:
        if name in ("num_classes", "drop_path_rate"):
            instead = "the data say it; leave it out" if name == "num_classes" else "give `drop_path`"
            raise ConfigError(name, instead)
        if name not in _OF_RECIPES | _OF_MODELS:
            raise ConfigError(name, "is no setting of a recipe or a model")
    for name, choices in {"task": get_args(Task), "precision": ("auto", "fp32", "bf16")}.items():
        if name in given and given[name] not in choices:
            raise ConfigError(name, f"choose {', '.join(choices)}", value=given[name])
    if "epochs" in given and "minutes" in given:
        raise ConfigError("minutes", "is another way to say `epochs`; leave one of them out")
    if not isinstance(given.get("minutes", 1), (int, float)) or not given.get("minutes", 1) > 0:
        raise ConfigError("minutes", "must be above 0", value=given["minutes"])
    least = {"workers": (workers, 0), "save_every": (save_every, 1), "validate_every": (given.get("validate_every"), 1)}
    for name, (value, lowest) in least.items():
        if value is not None and (not isinstance(value, int) or value < lowest):
            raise ConfigError(name, f"must be whole and at least {lowest}", value=value)


def _check_extras(*, tensorboard: bool) -> None:
    if importlib.util.find_spec("accelerate") is None:
        raise ConfigError("train", "needs Hugging Face Accelerate; pip install 'convneur[train]'")
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("tensorboard", "needs TensorBoard; pip install 'convneur[tensorboard]'")


def _existing(name: str, path: str | Path) -> str:
    """A path as a run keeps it, which may be gone on with from another folder."""
    if not Path(path).exists():
        raise ConfigError(name, "no such file or folder", value=path)
    return str(Path(path).resolve())


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
        return int(ignore_index)
    except ValueError:
        raise ConfigError("ignore_index", "must be a whole number", value=ignore_index) from None
