"""`convneur train`: a net trained on a folder of photos."""

import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import convneur
from convneur.formats import grouped
from convneur.training.folder import (
    FIGURE,
    SCHEMA,
    STATE,
    WEIGHTS,
    as_options,
    asked_of,
    begun_with,
    draw_curves,
    fingerprint,
    read_config,
    refuse_changes,
    run_folder,
    write_config,
)
from convneur.variants import ConvNeurConfig
from convneur_cli.errors import UsageError, existing_path
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import DataSetOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.options.training import RecipeOptions, RunOptions
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.training.loop import Pace, Run
    from convneur.training.scalars import Tell
    from convneur.training.settings import TrainSettings

__all__ = ["DEFAULTS", "asked_settings", "begun_as_typed", "train"]


def train(
    model: ModelOptions,
    options: RunOptions,
    recipe: RecipeOptions,
    data_set: DataSetOptions,
    common: CommonOptions,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            readable=False,
            help="Folder: images/SPLIT and masks/SPLIT, or SPLIT/CLASS, or shards SPLIT-*.tar; splits train and, if "
            "any, val.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", "--output", help="Folder of the run.", metavar="RUN")],
    epochs: Annotated[float | None, typer.Option(help="How often each photo is seen.", show_default="recipe")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Instead: about how long; made a number of steps after 20 timed ones.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the records to RUN/tensorboard too.")
    ] = False,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between states on disk.")] = 100,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in --out; what is typed must be what it was begun with."),
    ] = False,
) -> int | None:
    """Train a net on a folder: segmentation or classification, on one processor or several devices.

    RUN gets weights.safetensors (averaged weights of the best validation), metrics.jsonl, training.png, config.json
    and state.safetensors. Stopped by Ctrl-C, a crash or kill -9, it goes on with --resume; on one process the weights
    are then, bit for bit, those of a run that was never stopped. On several devices the same command runs under
    `accelerate launch --module convneur_cli`.

    Example: `convneur train nuclei/ --classes classes.txt --minutes 5 --out runs/nuclei`
    """
    if epochs is not None and minutes is not None:
        raise UsageError("--minutes: is another way to say --epochs; leave one of them out")
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes {minutes}: must be above 0")
    for path in (data, data_set.classes):
        if path is not None:
            existing_path(path)
    if importlib.util.find_spec("accelerate") is None:
        raise UsageError("train: needs Hugging Face Accelerate; pip install 'convneur[train]'")
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise UsageError("--tensorboard: needs TensorBoard; pip install 'convneur[tensorboard]'")
    asked: dict[str, Any] = {
        "model": None if model.model is None else model.single()[0],
        "epochs": epochs,
        "minutes": minutes,
        **options.asked(),
        **data_set.asked(),
    }
    from convneur.training.settings import TrainSettings, task_config

    saved = read_config(out) if resume else None
    if saved is None:
        asked = {**asked, **{option: value for option, value in DEFAULTS.items() if asked[option] is None}}
        settings = asked_settings(recipe, asked)
        net = task_config(model.single()[1], settings, head=model.head)
    else:
        typed = {name: value for name, value in asked.items() if value is not None}
        typed |= {"data": str(data.resolve())} | recipe.typed() | begun_as_typed(model)
        refuse_changes(out, typed, begun_with(saved))
        asked = asked_of(saved)
        settings, net = TrainSettings(**saved["settings"]), ConvNeurConfig.from_dict(saved["net"])

    from convneur.training.data import prepare_data
    from convneur.training.loop import Run, engine, shared
    from convneur.training.start import begin_from, new_model
    from convneur.training.stopping import asked_to_stop

    accelerator = engine(options.device)
    parts = accelerator.num_processes * settings.accumulate
    if settings.batch % parts:
        raise UsageError(f"--batch {settings.batch}: must be a multiple of processes x accumulate, {parts}")
    main = accelerator.is_main_process
    printer = common.printer() if main else Printer(json=True, quiet=True)  # one process speaks for all
    with run_folder(out, resume=resume, force=common.force, alone=main):
        seen = (
            prepare_data(
                data,
                settings.task,
                preset=asked["preset"],
                classes=asked["classes"],
                ignore_index=asked["ignore_index"],
                threads=options.workers,
                known=(saved["classes"], saved["counts"], saved["left_out"]) if saved else None,
                progress=printer,
            )
            if main
            else None
        )
        looked = shared(accelerator, seen)
        photos = fingerprint([example.name for example in (*looked.train, *looked.val)])
        if saved is not None and saved["photos"] != photos:
            raise UsageError(f"{data}: other photos than the run in {out} was begun with; begin again with --force")
        net = net.replace(num_classes=len(looked.names))
        built = new_model(net, settings.seed)
        going_on = resume and (out / STATE).exists()  # a run may end before its first state
        if asked["init"] and not going_on:
            begin_from(built, Path(asked["init"]), printer)
        run = Run(
            folder=out,
            settings=settings,
            data=looked,
            model=built,
            accelerator=accelerator,
            steps=settings.steps(len(looked.train)),
            validate_every=1,
            save_every=save_every,
            workers=options.workers,
            warn=printer.warn,
            about={
                "convneur": convneur.__version__,
                "model": asked["model"],
                "recipe": asked["recipe"],
                "init": asked["init"] and Path(asked["init"]).name,
            },
        )
        if saved is None:
            _decide(
                printer,
                run,
                minutes=asked["minutes"],
                precision=str(asked["precision"]),
                every=options.validate_every,
            )
            asked["epochs"] = None if asked["minutes"] else settings.epochs
            config = {
                "schema": SCHEMA,
                "convneur": convneur.__version__,
                "asked": as_options({"data": str(data.resolve()), **asked}),
                "net": net.to_dict(),
                "settings": run.settings.to_dict(),
                "classes": looked.names,
                "counts": looked.counts,
                "left_out": looked.left_out,
                "steps": run.steps,
                "validate_every": run.validate_every,
                "precision": run.precision,
                "photos": photos,
            }
            if main:
                write_config(out, config)
        else:
            run.steps, run.validate_every, run.precision = (
                saved[key] for key in ("steps", "validate_every", "precision")
            )
        rehearsed = saved is None and (asked["minutes"] or asked["precision"] == "auto")
        _announce(printer, run, asked["model"], "the timed steps" if rehearsed else "")
        with printer.steps("training", run.steps) as advance, asked_to_stop(printer) as run.stop:
            run.said = _teller(printer, run, advance)
            with _tensorboard(out, going_on=going_on) if tensorboard and main else nullcontext() as write:
                if write:
                    run.said = _both(run.said, write)
                result = run.go(resume=going_on)
        if main:
            draw_curves(out, f"{asked['model']} on {data.resolve().name}")
            score = {key: value for key, value in result.best.items() if key not in ("score", "step")}
            printer.text(f"best validation at step {result.best['step']}: {score_words(result.best)}")
            printer.note(f"written: {out / WEIGHTS}, {out / FIGURE}")
            printer.json(
                {
                    "schema": "convneur.train/1",
                    "run": str(out),
                    "weights": str(out / WEIGHTS),
                    "steps": result.steps,
                    "precision": run.precision,
                    "best": {"step": result.best["step"], **score},
                    "validations": [dict(record) for record in result.validations],
                }
            )
    return None


DEFAULTS = {"task": "segmentation", "model": "m1", "recipe": "small", "precision": "auto"}


def asked_settings(recipe: RecipeOptions, asked: Mapping[str, Any]) -> "TrainSettings":
    """The recipe with what was typed over it."""
    from convneur.training.settings import recipe_settings

    epochs = {} if asked["epochs"] is None else {"epochs": asked["epochs"]}
    return recipe_settings(asked["recipe"], asked["task"], **recipe.typed(), **epochs)


def begun_as_typed(model: ModelOptions) -> dict[str, Any]:
    """The settings of the net that were typed; how many classes there are is not typed here."""
    return {name: value for name, value in model.settings().items() if name != "num_classes"}


def _decide(printer: Printer, run: "Run", *, minutes: float | None, precision: str, every: int | None) -> None:
    """Precision, and steps for a duration, by timed steps on a copy of the net; the main process's times count."""
    import dataclasses

    from convneur.training.loop import TIMED, VALIDATIONS, quicker_precision, shared

    run.precision = "bf16" if precision == "bf16" else "fp32"
    if precision == "auto":
        full = shared(run.accelerator, run.rehearse("fp32", 3)).step
        short = shared(run.accelerator, run.rehearse("bf16", 3, limit=2 * full)).step
        run.precision = quicker_precision(full, short, printer)
    run.validate_every = every or math.ceil(run.steps / VALIDATIONS)
    if minutes is not None:
        pace: Pace = shared(run.accelerator, run.rehearse(run.precision, TIMED))
        photos = math.ceil(len(run.data.val) / run.accelerator.num_processes)
        run.steps, run.validate_every = pace.plan(60 * minutes, photos, every)
        run.settings = dataclasses.replace(run.settings, epochs=run.steps * run.settings.batch / len(run.data.train))
        printer.note(f"{minutes:g} min are {run.steps} steps of {pace.step:.3g} s")


def _announce(printer: Printer, run: "Run", name: str, rehearsed: str) -> None:
    """The plan, before the first step. Args: rehearsed: what the peak memory was measured over, if it was."""
    settings, net = run.settings, run.model.config
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    chunks, unreached = run.model.chunks(*settings.crop), run.model.unreached(*settings.crop)
    processes = run.accelerator.num_processes
    rows = [
        ("net", f"{name}, memory {net.memory}, head {net.head}, {parameters / 1e6:.2f} M parameters"),
        ("photos", f"{len(run.data.train)} to train, {len(run.data.val)} to validate, {len(run.data.names)} classes"),
        ("steps", f"{grouped(run.steps)} of {settings.batch} views of {settings.crop[0]}x{settings.crop[1]}, "
                  f"{settings.epochs:.3g} epochs, validated every {run.validate_every}"),
        ("on", f"{processes} x {run.accelerator.device.type}, {run.precision}"),
        # Weights, their average, gradients and two moments; what activations take shows once steps have been made.
        ("memory", f"{_peak(run)} in use after {rehearsed}" if rehearsed else
                   f"{5 * 4 * parameters / 2**20:.0f} MiB for weights and optimizer; with activations after 20 steps"),
    ]  # fmt: skip
    if any(chunks):
        few = [f"{what} of stage {', '.join(map(str, stages))}" for what, stages in unreached.items()]
        learn = f"too few for a gradient of {' and '.join(few)} (--min-chunks)" if few else "all parameters learn"
        rows.insert(1, ("chunks", f"{', '.join(map(str, chunks))} in stages 1 to 4 at this size: {learn}"))
    for what, words in rows:
        printer.note(f"{what:8}{words}")


def _teller(printer: Printer, run: "Run", advance: Callable[..., None]) -> Callable[[Mapping[str, Any]], None]:
    """What tells of each record: the bar of the loss, a line of each validation, once of the time all will take."""
    from convneur.training.loop import TIMED

    told = {"step": 0, "first": 0, "timed": False}
    loss = ""

    def tell(record: Mapping[str, Any]) -> None:
        nonlocal loss
        step = record["step"]
        if "loss" in record:
            loss = f"loss {record['loss']:.3f}, "
            rate = record["images_per_second"]
            advance(f"{loss}{rate:.3g} images/s", step - told["step"])
            if not told["first"]:
                told["first"] = step
            elif not told["timed"] and step - told["first"] >= TIMED - 10:
                told["timed"] = True
                left = (run.steps - step) * run.settings.batch / rate
                printer.note(f"step {step}: {rate:.3g} images/s, {left / 60:.3g} min of steps, {_peak(run)} in use")
            told["step"] = step
        else:
            printer.note(f"step {step}/{run.steps}: {loss}{score_words(record)}")

    return tell


def _tensorboard(folder: Path, *, going_on: bool) -> "AbstractContextManager[Tell]":
    from convneur.training.scalars import tensorboard
    from convneur.training.state import read_progress

    return tensorboard(folder / "tensorboard", read_progress(folder / STATE)["step"] if going_on else 0)


def _both(one: "Tell", other: "Tell") -> "Tell":
    def tell(record: Mapping[str, Any]) -> None:
        one(record)
        other(record)

    return tell


def _peak(run: "Run") -> str:
    import resource

    import torch

    if run.accelerator.device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 2**30:.3g} GiB"
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.3g} GiB"


def score_words(record: Mapping[str, Any]) -> str:
    """What a validation came to."""
    if "top1" in record:
        return f"top-1 {record['top1']:.3f}"
    return f"mIoU {record['miou']:.3f}, pixel accuracy {record['pixel_accuracy']:.3f}"
