"""`convneur train`: a net trained on a folder of photos."""

import importlib.util
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import convneur
from convneur.errors import ConfigError
from convneur.files import new_file
from convneur.formats import grouped
from convneur.variants import DENSE_HEADS, ConvNeurConfig
from convneur_cli.errors import UsageError, existing_path
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import DataSetOptions, read_class_names
from convneur_cli.options.model import ModelOptions
from convneur_cli.options.training import RecipeOptions, RunOptions
from convneur_cli.output import Printer
from convneur_cli.train_run import SCHEMA, fingerprint, read_config, refuse_changes, run_folder, write_config

if TYPE_CHECKING:
    from convneur.model.network import ConvNeur
    from convneur.training.loop import Data, Pace, Precision, Run
    from convneur.training.scalars import Tell
    from convneur.training.settings import TrainSettings

__all__ = [
    "DEFAULTS",
    "FIGURE",
    "WEIGHTS",
    "asked_to_stop",
    "begin_from",
    "built_net",
    "by_option",
    "draw_curves",
    "looked_through",
    "quicker_precision",
    "recipe_settings",
    "score_words",
    "task_net",
    "train",
]

FIGURE, WEIGHTS = "training.png", "weights.safetensors"
_QUICKER = 0.9  # of fp32's time, from which bf16 is worth its rounding and no chance (Choice)
_SAME = 1.0  # second, within which interrupts are one


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
        "--model": None if model.model is None else model.single()[0],
        "--epochs": epochs,
        "--minutes": minutes,
        **options.asked(),
        **data_set.asked(),
    }
    saved = read_config(out) if resume else None
    if saved is None:
        asked = {**asked, **{option: value for option, value in DEFAULTS.items() if asked[option] is None}}
        settings = recipe_settings(recipe, asked)
        net = task_net(model, settings)
    else:
        typed = {option: value for option, value in asked.items() if value is not None}
        typed |= (
            {"DATA": str(data.resolve())} | by_option(recipe.typed()) | by_option(model.settings(), skip="num_classes")
        )
        begun = {**by_option(saved["net"]), **by_option(saved["settings"]), **saved["asked"]}
        refuse_changes(out, typed, begun)
        asked = saved["asked"]

        from convneur.training.settings import TrainSettings

        settings, net = TrainSettings(**saved["settings"]), ConvNeurConfig.from_dict(saved["net"])

    from convneur.training.loop import STATE, Run, engine, shared

    accelerator = engine(options.device)
    parts = accelerator.num_processes * settings.accumulate
    if settings.batch % parts:
        raise UsageError(f"--batch {settings.batch}: must be a multiple of processes x accumulate, {parts}")
    main = accelerator.is_main_process
    printer = common.printer() if main else Printer(json=True, quiet=True)  # one process speaks for all
    with run_folder(out, resume=resume, force=common.force, alone=main):
        seen = looked_through(printer, data, settings.task, asked, options.workers, begun=saved) if main else None
        looked = shared(accelerator, seen)
        photos = fingerprint([example.name for example in (*looked.train, *looked.val)])
        if saved is not None and saved["photos"] != photos:
            raise UsageError(f"{data}: other photos than the run in {out} was begun with; begin again with --force")
        net = net.replace(num_classes=len(looked.names))
        built = built_net(net, settings.seed)
        going_on = resume and (out / STATE).exists()  # a run may end before its first state
        if asked["--init"] and not going_on:
            begin_from(printer, built, Path(asked["--init"]))
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
                "model": asked["--model"],
                "recipe": asked["--recipe"],
                "init": asked["--init"] and Path(asked["--init"]).name,
            },
        )
        if saved is None:
            _decide(
                printer,
                run,
                minutes=asked["--minutes"],
                precision=str(asked["--precision"]),
                every=options.validate_every,
            )
            asked["--epochs"] = None if asked["--minutes"] else settings.epochs
            config = {
                "schema": SCHEMA,
                "convneur": convneur.__version__,
                "asked": {"DATA": str(data.resolve()), **asked},
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
        rehearsed = saved is None and (asked["--minutes"] or asked["--precision"] == "auto")
        _announce(printer, run, asked["--model"], "the timed steps" if rehearsed else "")
        with printer.steps("training", run.steps) as advance, asked_to_stop(printer) as run.stop:
            run.said = _teller(printer, run, advance)
            with _tensorboard(out, going_on=going_on) if tensorboard and main else nullcontext() as write:
                if write:
                    run.said = _both(run.said, write)
                result = run.go(resume=going_on)
        if main:
            draw_curves(out, f"{asked['--model']} on {data.resolve().name}")
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


DEFAULTS = {"--task": "segmentation", "--model": "m1", "--recipe": "small", "--precision": "auto"}


def recipe_settings(recipe: RecipeOptions, asked: Mapping[str, Any]) -> "TrainSettings":
    """The recipe with what was typed over it. Raises: UsageError: a value that makes no sense."""
    from convneur.training.settings import TrainSettings, read_recipe

    values = {**read_recipe(asked["--recipe"], asked["--task"]), **recipe.typed()}
    if asked["--epochs"] is not None:
        values["epochs"] = asked["--epochs"]
    try:
        return TrainSettings(task=asked["--task"], **values)
    except TypeError as error:  # a recipe of one's own that leaves a value out
        raise UsageError(f"--recipe {asked['--recipe']}: {str(error).partition('__() ')[2]}") from None
    except ConfigError as error:
        name, _, rest = str(error).partition(" ")  # by ConfigError's own form
        raise UsageError(f"{_option(name)} {rest}") from error


def task_net(options: ModelOptions, settings: "TrainSettings") -> ConvNeurConfig:
    """The net that was asked for, with a head for the task."""
    _, net = options.single()
    dense = net.head in DENSE_HEADS
    if settings.task == "segmentation" and not dense:
        if options.head is not None:
            raise UsageError(f"--head {options.head}: labels no pixels; choose {', '.join(DENSE_HEADS)}")
        net = net.replace(head="light-fpn")
    if settings.task == "classification" and net.head != "classifier":
        if options.head is not None:
            raise UsageError(f"--head {options.head}: is not for classification; leave it out")
        net = net.replace(head="classifier")
    return net.replace(drop_path_rate=settings.drop_path)


def looked_through(
    printer: Printer,
    data: Path,
    task: str,
    asked: Mapping[str, Any],
    threads: int,
    begun: Mapping[str, Any] | None = None,
) -> "Data":
    """Find the photos and read each once, or know from the config of a run what that gave when it was begun.

    Raises: InputError: see `find_examples` and `survey`.
    """
    from convneur.data.examples import find_examples, survey
    from convneur.data.reading import Reading
    from convneur.training.loop import Data

    if task == "classification" and (asked["--preset"] or asked["--ignore-index"]):
        raise UsageError("--preset, --ignore-index: are for segmentation; leave them out")
    data_set = DataSetOptions.from_asked(asked)
    reading = Reading(data_set.ignored(), data_set.known())
    found = find_examples(data, "segmentation" if task == "segmentation" else "classification", reading)
    names = tuple(read_class_names(Path(asked["--classes"]))) if asked["--classes"] else found.names
    if task == "classification" and asked["--classes"] and found.names:
        raise UsageError(f"--classes {asked['--classes']}: folders name the classes here; leave it out")
    if found.unpaired:
        more = ", ..." if len(found.unpaired) > 3 else ""
        printer.warn(
            f"{len(found.unpaired)} photos without a label map, left aside: {', '.join(found.unpaired[:3])}{more}"
        )
    if begun is not None:
        unusable = set(begun["left_out"])
        train_kept, val_kept = (
            tuple(each for each in split if each.name not in unusable) for split in (found.train, found.val)
        )
        names, counts = tuple(begun["classes"]), tuple(begun["counts"])
        return Data(train_kept, val_kept, reading, names, counts, asked["--preset"], tuple(begun["left_out"]))
    threads = max(threads, 1)
    with printer.steps("looking through the photos", len(found.train) + len(found.val)) as advance:
        train = survey(found.train, reading, len(names) if names else None, threads=threads, seen=advance)
        names = names or tuple(map(str, range(len(train.counts))))
        val = survey(found.val, reading, len(names), threads=threads, seen=advance)
    for line in (*train.failed, *val.failed):
        printer.error(line)
    if train.failed or val.failed:
        printer.warn(f"{len(train.failed) + len(val.failed)} photos cannot be read and are left out")
    missing = [name for name, count in zip(names, train.counts, strict=True) if not count]
    if missing:
        printer.warn(f"no training photo shows {', '.join(missing)}: the net cannot learn it")
    if len(names) < 2:
        raise ConfigError(
            "data", value=data, problem=f"{len(names)} class; training needs two; check --preset and --ignore-index"
        )
    if not sum(train.counts):
        raise ConfigError("data", value=data, problem="every pixel is ignored; check --preset and --ignore-index")
    printer.note(f"{len(train.examples)} photos to train on, {len(val.examples)} to validate on ({found.val_from})")
    kept = {example.name for example in (*train.examples, *val.examples)}
    left_out = tuple(example.name for example in (*found.train, *found.val) if example.name not in kept)
    return Data(train.examples, val.examples, reading, names, train.counts, asked["--preset"], left_out)


def built_net(net: ConvNeurConfig, seed: int) -> "ConvNeur":
    """The net with its random start."""
    import torch

    from convneur.model.network import ConvNeur

    torch.manual_seed(seed)
    return ConvNeur(net)


def begin_from(printer: Printer, model: "ConvNeur", path: Path) -> None:
    """Give a net the weights in a file, and say which of them it took."""
    from convneur.training.start import start_from

    report = start_from(model, path)
    printer.note(f"{path}: {len(report.taken)} of {len(report.taken) + len(report.fresh)} tensors taken")
    for names, what in ((report.fresh, "begin at random"), (report.unused, "of the file are not used")):
        if names:
            printer.note(f"  {len(names)} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
    for setting, (theirs, ours) in report.otherwise.items():
        printer.warn(f"{path.name} was trained with {setting} {theirs}, this net has {ours}")


def _decide(printer: Printer, run: "Run", *, minutes: float | None, precision: str, every: int | None) -> None:
    """Precision, and steps for a duration, by timed steps on a copy of the net; the main process's times count."""
    import dataclasses

    from convneur.training.loop import TIMED, VALIDATIONS, shared

    run.precision = "bf16" if precision == "bf16" else "fp32"
    if precision == "auto":
        full = shared(run.accelerator, run.rehearse("fp32", 3)).step
        short = shared(run.accelerator, run.rehearse("bf16", 3, limit=2 * full)).step
        run.precision = quicker_precision(printer, full, short)
    run.validate_every = every or math.ceil(run.steps / VALIDATIONS)
    if minutes is not None:
        pace: Pace = shared(run.accelerator, run.rehearse(run.precision, TIMED))
        photos = math.ceil(len(run.data.val) / run.accelerator.num_processes)
        run.steps, run.validate_every = pace.plan(60 * minutes, photos, every)
        run.settings = dataclasses.replace(run.settings, epochs=run.steps * run.settings.batch / len(run.data.train))
        printer.note(f"{minutes:g} min are {run.steps} steps of {pace.step:.3g} s")


def quicker_precision(printer: Printer, full: float, short: float) -> "Precision":
    """fp32, or bf16 if that is a tenth quicker; says so. Args: full, short: seconds of a step in fp32 and in bf16."""
    precision: Precision = "bf16" if short < _QUICKER * full else "fp32"
    printer.note(f"precision {precision}: a step takes {full:.3g} s in fp32, {short:.3g} s in bf16")
    return precision


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
    from convneur.training.loop import STATE
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


def draw_curves(folder: Path, title: str) -> None:
    """Loss and validations of a run's folder, as a picture in it."""
    from convneur.figures.style import save_figure
    from convneur.figures.training import training_figure
    from convneur.training.loop import METRICS

    records = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    with new_file(folder / FIGURE, force=True) as temporary:
        save_figure(training_figure(records, title=title), temporary, dpi=120)


@contextmanager
def asked_to_stop(printer: Printer | None = None) -> Iterator[Callable[[], bool]]:
    """Ctrl-C waits for the end of a step, after which the state is saved; a second one does not wait.

    Args: printer: says so. A launcher hands on the Ctrl-C that its processes had already: that is no second one.
    """
    asked: float | None = None

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked is None:
            asked = time.monotonic()
            if printer:
                printer.note("stopping after this step, to save; Ctrl-C again stops at once")
        elif time.monotonic() - asked > _SAME:
            raise KeyboardInterrupt("the last state is kept; the same command with --resume goes on")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked is not None
    finally:
        signal.signal(signal.SIGINT, before)


def by_option(values: Mapping[str, Any], skip: str = "") -> dict[str, Any]:
    """The same values under the names of their options."""
    return {_option(name): value for name, value in values.items() if name != skip}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
