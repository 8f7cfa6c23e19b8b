"""A training run in one call: from a folder of images to weights, or on from where a run stopped."""

import dataclasses
import importlib.util
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from convneur.data.annotated import Invalid
from convneur.data.examples import Task
from convneur.data.limits import MAX_PIXELS
from convneur.detection import DetectorKind, Heads
from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.progress import Progress, silent
from convneur.training.asked import Asked, check_whole
from convneur.training.data import TrainingData, prepare_data
from convneur.training.folder import STATE, WEIGHTS, read_losses, run_folder
from convneur.training.plan import RunPlan, RunRequest
from convneur.training.stopping import asked_to_stop
from convneur.variants import CHUNK_SETTINGS, VARIANTS, ConvNeurConfig

if TYPE_CHECKING:
    from convneur.training.engine import Device
    from convneur.training.result import TrainResult
    from convneur.training.step import Precision
    from convneur.training.trainer import Trainer

__all__ = ["train"]


def train(
    data: str | Path,
    *,
    out: str | Path,
    task: Task | None = None,
    detector: DetectorKind | None = None,
    detector_heads: Heads | None = None,
    annotations: str | None = None,
    invalid: Invalid | None = None,
    model: str | Path | ConvNeurConfig | None = None,
    recipe: str | Path | None = None,
    init: str | Path | None = None,
    preset: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    ignore_index: int | str | None = None,
    colours: str | Path | None = None,
    follow_links: bool = False,
    epochs: float | None = None,
    minutes: float | None = None,
    precision: Literal["auto", "fp32", "bf16"] | None = None,
    device: "Device" = "auto",
    workers: int = 2,
    max_pixels: int = MAX_PIXELS,
    validate_every: int | None = None,
    save_every: int = 100,
    tensorboard: bool = False,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
    **values: Any,
) -> "TrainResult":
    """Train a model on a folder of images: segmentation, classification or detection, on one processor or several
    devices.

    `out` gets weights.safetensors (averaged weights of the best validation), metrics.jsonl, training.png, config.json
    and state.safetensors. A run that was stopped, by Ctrl-C, a crash or kill -9, goes on with `resume`, here or by
    `convneur train`; on one process the weights are then, bit for bit, those of a run that was never stopped.

    Args:
        data: folder: images/SPLIT and masks/SPLIT, or SPLIT/CLASS, or shards SPLIT-*.tar; of detection images/SPLIT
            and annotations/SPLIT.json; splits train and, if any, val.
        out: folder of the run.
        task: segmentation (by default), classification or detection.
        detector: cascade (by default) or mask-rcnn; detector_heads: light or standard, see `detector_settings`; light
            by default with the recipe small.
        annotations: of detection, the files inside `data`, SPLIT standing for train and val.
        invalid: what becomes of an object that cannot be, such as a box without area: error (by default) or skip.
        model: m1 (by default) to m4, a .json file of settings, or a config.
        recipe: small (by default), imagenet, coco-1x, or a .json file of training hyperparameters.
        init: weights to begin from: a file, or packaged ones by name.
        preset: data set: classes, ignored label, what stored ids and colours mean, names of files.
        classes: names of the classes, or a file with one per line.
        ignore_index: ground-truth label that does not count; "none" for none; by default the preset's, or 255.
        colours: file that says what the colours of RGB label maps mean, see `convneur.data.colours`.
        follow_links: read what links lead to that lead out of the folder, or to folders.
        epochs, minutes: passes over the training images (by default the recipe's), or about how long the run takes.
        precision: fp32, bf16, or auto (by default): bf16 if a few timed steps are a tenth faster.
        device: cpu, or auto: an accelerator if there is one.
        workers: processes that decode images, at most one for each core; 0: none but this one.
        max_pixels: images and label maps of more are refused by their headers.
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

    >>> train(".", out="runs/new", learning_rate=0.1)
    Traceback (most recent call last):
    convneur.errors.ConfigError: learning_rate: is not a setting of the recipe or the model
    """
    started = time.perf_counter()
    check_whole(1, save_every=save_every)
    asked = Asked.of(
        data=data,
        out=out,
        task=task,
        detector=detector,
        detector_heads=detector_heads,
        annotations=annotations,
        invalid=invalid,
        model=model,
        recipe=recipe,
        init=init,
        preset=preset,
        classes=classes,
        ignore_index=ignore_index,
        colours=colours,
        follow_links=follow_links,
        epochs=epochs,
        minutes=minutes,
        precision=precision,
        validate_every=validate_every,
        workers=workers,
        resume=resume,
        force=force,
        **values,
    )
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("tensorboard", "needs TensorBoard; pip install tensorboard")
    folder = Path(out)
    begun = RunPlan.read(folder) if resume else None
    if begun is None:
        request, config, settings = asked.begin()
    else:
        asked.refuse_changes(folder, begun)
        request, config, settings = begun.request, begun.config, begun.settings

    from convneur.training.engine import shared, start_engine
    from convneur.training.report import RecordReport, announce
    from convneur.training.result import TrainResult
    from convneur.training.scalars import scalar_writer
    from convneur.training.start import new_model
    from convneur.training.state import refuse_other_model
    from convneur.training.trainer import Trainer

    accelerator = start_engine(device)
    main = accelerator.is_main_process
    if not main:
        progress = silent  # one process speaks for all
    parts = accelerator.num_processes * settings.accumulate
    if settings.batch % parts:
        raise ConfigError("batch", f"must be a multiple of {parts} (processes x `accumulate`)", value=settings.batch)
    with run_folder(folder, resume=resume, force=force) if main else nullcontext() as held:
        # Data that have moved may be linked where they were not.
        linked = dataclasses.replace(request, follow_links=follow_links or request.follow_links)
        found = shared(accelerator, _found(data, linked, workers, max_pixels, begun, progress) if main else None)
        if begun is not None:
            begun.refuse_other_images(folder, found, data)
        heads = request.detector_of(found) if begun is None else begun.detector
        going_on = resume and (folder / STATE).exists()  # a run may end before its first state
        if going_on:
            refuse_other_model(folder / STATE, config.replace(num_classes=len(found.names)), heads)
        init = None if going_on else asked.given.get("init", request.init)
        if begun is None and init is None:
            progress.note(_from_nothing(config))
        trainer = Trainer(
            folder=folder,
            settings=settings,
            data=found,
            model=new_model(
                config.replace(num_classes=len(found.names)),
                settings.seed,
                detector=heads,
                init=init,
                progress=progress,
            ),
            accelerator=accelerator,
            steps=settings.steps(len(found.train)),
            validate_every=request.steps_between_validations(settings.steps(len(found.train))),
            save_every=save_every,
            workers=workers,
            warn=progress.warn,
            about=request.about(),
        )
        if begun is not None:
            trainer.follow(begun)
        announce(trainer, request, progress, decided=begun is not None)
        plan = begun or _decided(trainer, request, started, progress)
        trainer.follow(plan)
        if held is not None and begun is None:
            trainer.save_start(held.first_state)
            held.begin(plan.to_dict())
        first = _going_on_at(folder, plan) if going_on else 0
        if first >= plan.steps:
            progress.note(
                f"the run has had its {plan.steps} steps; to train its weights on, begin one in another `out` with "
                f"`init {folder / WEIGHTS}`"
            )
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


def _found(
    data: str | Path,
    request: RunRequest,
    workers: int,
    max_pixels: int,
    begun: RunPlan | None,
    progress: Progress,
) -> TrainingData:
    if request.task == "detection":
        from convneur.training.annotated_data import prepare_annotated

        return prepare_annotated(
            Path(data), request.annotations, invalid=request.invalid, follow_links=request.follow_links,
            threads=workers, max_pixels=max_pixels, begun=begun, progress=progress,
        )  # fmt: skip
    return prepare_data(
        Path(data),
        request.task,
        preset=request.preset,
        classes=request.classes,
        ignore_index=request.ignore_index,
        colours=request.colour_table,
        follow_links=request.follow_links,
        threads=workers,
        max_pixels=max_pixels,
        begun=begun,
        progress=progress,
    )


def _going_on_at(folder: Path, plan: RunPlan) -> int:
    """The step that the run has come to. Raises: InputError: a damaged state, or the best weights so far are lost."""
    from convneur.tensor_files import open_tensors
    from convneur.training.state import read_progress

    done = read_progress(folder / STATE, plan.steps, plan.settings.task)
    if done["validations"]:
        try:
            open_tensors(folder / WEIGHTS)
        except InputError as error:
            problem = "the run's best weights are lost; put them back, or begin again with `force` in place of `resume`"
            raise InputError(folder / WEIGHTS, problem) from error
    return done["step"]


_PHOTOS = MappingProxyType({"chunks": 4, "read": "final"})  # how these weights were trained
_FREE = ("head", "num_classes", "memory", "drop_path_rate", *CHUNK_SETTINGS)  # what any weights may be used with


def _from_nothing(config: ConvNeurConfig) -> str:
    """That a run has no weights to begin from, and which backbone fits it, with the settings that it needs."""
    known = VARIANTS["m1"].replace(**{name: getattr(config, name) for name in _FREE})
    if config != known:
        return "begins from random weights"
    asked = ["`init photos-local`"]
    if config.memory != "none":
        others = [f"`{name} {value}`" for name, value in _PHOTOS.items() if getattr(config, name) != value]
        asked = ["`init photos`", *others]
        own = [
            name for name in ("chunk_length", "min_chunks") if getattr(config, name) != getattr(VARIANTS["m1"], name)
        ]
        if own and not config.chunks:
            asked.append(f"in place of {' and '.join(f'`{name}`' for name in own)}")
    return f"begins from random weights; on a new data set {' '.join(asked)} learns more in less time"


def _decided(trainer: "Trainer", request: RunRequest, started: float, progress: Progress) -> RunPlan:
    """Precision, and steps for a duration, by timed steps on a copy of the model; the main process's times count.

    Args: started: when the call began; what has passed since is part of the duration.
    """
    from convneur.training.engine import shared
    from convneur.training.profile import StepTime, faster_precision
    from convneur.training.report import peak_memory

    times: dict[Precision, float] = {}

    def step_time(precision: "Precision") -> float:
        limit = 2 * times.get("fp32", math.inf)
        profile = trainer.profile(precision, 3, limit=limit, progress=progress)
        times[precision] = shared(trainer.accelerator, profile).step
        return times[precision]

    precision: Precision = "bf16" if request.precision == "bf16" else "fp32"
    if request.precision == "auto":
        precision = faster_precision(trainer.accelerator, step_time, progress)
    settings, steps = trainer.settings, trainer.steps
    validate_every = request.steps_between_validations(steps)
    if request.minutes is not None:
        profile = trainer.profile(precision, minutes=request.minutes, progress=progress)
        one: StepTime = shared(trainer.accelerator, profile)
        images = math.ceil(len(trainer.data.val) / trainer.accelerator.num_processes)
        left = shared(trainer.accelerator, 60 * request.minutes - (time.perf_counter() - started))
        steps, validate_every = one.plan(left, images, request.validate_every)
        settings = dataclasses.replace(settings, epochs=steps * settings.batch / len(trainer.data.train))
        progress.note(
            f"{request.minutes:g} min hold {plural(steps, 'step')} of {one.step:.3g} s, {settings.epochs:.3g} epochs, "
            f"validated every {validate_every}"
        )
    if trainer.profiled:
        progress.note(f"{peak_memory(trainer.accelerator)} in use after the timed steps")
    return RunPlan.of(
        dataclasses.replace(request, epochs=None if request.minutes else settings.epochs),
        trainer.model.config,
        settings,
        trainer.data,
        steps=steps,
        validate_every=validate_every,
        precision=precision,
    )
