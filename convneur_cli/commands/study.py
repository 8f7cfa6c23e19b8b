"""`convneur study`: nets that differ in one thing, trained alike, and what the difference came to."""

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import typer

from convneur.variants import ConvNeurConfig
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import DataSetOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.options.training import RecipeOptions, RunOptions

__all__ = ["study"]

TWINS = "none,per-stage,per-stage:min_chunks=4,self-attention"

_MINUTES = 20.0


def study(
    model: ModelOptions,
    options: RunOptions,
    recipe: RecipeOptions,
    data_set: DataSetOptions,
    common: CommonOptions,
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", readable=False, help="Folder, as train takes it; split test is tested on."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", "--output", help="Folder of the study.", metavar="DIR")],
    twins: Annotated[
        str | None,
        typer.Option(
            help="Nets: a placement or a branch each, then :key=value of model options; the first is what the others "
            "are compared with.",
            metavar="TWIN,...",
            show_default=TWINS,
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="How many, or a list: 0,1,5.", metavar="N|LIST", show_default="3")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Test on each of K folds of train and val in turn, by fresh nets.", metavar="K")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Test on this split.", metavar="NAME", show_default="test if there is one, else val"),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="How often each photo is seen.", show_default="by --minutes")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="About how long a run takes, on the mean of the twins: made a number of steps, equal for all, after "
            "20 timed ones of each.",
            show_default="20",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the study in --out; --twins and --seeds may name more."),
    ] = False,
) -> int | None:
    """Train nets that differ in one thing on the same photos in the same order, by turns, and compare their tests.

    DIR gets study.html, study.md, study.json and study.csv after each seed, and under runs/ a folder for each net and
    seed as `train` makes it, with its label maps of the test photos. Stopped by Ctrl-C, a crash or kill -9, the study
    goes on with --resume; finished runs are not made again, and the table is the same to the last bit.

    Example: `convneur study nuclei/ --classes classes.txt --twins none,per-stage --minutes 5 --out studies/nuclei`
    """
    from convneur.training.folder import asked_of, begun_with, read_config, refuse_changes, run_folder, write_config
    from convneur_cli.commands.train import DEFAULTS, asked_settings, begun_as_typed
    from convneur_cli.study_report import REPORTS, print_result
    from convneur_cli.study_scores import find_test_photos
    from convneur_cli.study_twins import TWINS, read_seeds, read_twins, same_nets
    from convneur_cli.study_work import PLAN, Study

    if epochs is not None and minutes is not None:
        raise UsageError("--minutes: is another way to say --epochs; leave one of them out")
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes {minutes}: must be above 0")
    if recipe.seed is not None:
        raise UsageError(f"--seed {recipe.seed}: a study has several; name them with --seeds")
    if folds is not None and split is not None:
        raise UsageError(f"--split {split}: with --folds each fold is tested on; leave one of them out")
    if folds is not None and folds < 2:
        raise UsageError(f"--folds {folds}: must be at least 2")
    for path in (data, data_set.classes):
        if path is not None:
            existing_path(path)
    if importlib.util.find_spec("accelerate") is None:
        raise UsageError("study: needs Hugging Face Accelerate; pip install 'convneur[train]'")
    asked: dict[str, Any] = {
        "model": None if model.model is None else model.single()[0],
        "epochs": epochs,
        "minutes": minutes,
        **options.asked(),
        **data_set.asked(),
        "folds": folds,
        "split": split,
    }
    from convneur.training.settings import TrainSettings, task_config

    saved = read_config(out, PLAN) if resume else None
    if saved is None:
        asked = {**asked, **{option: value for option, value in DEFAULTS.items() if asked[option] is None}}
        asked["minutes"] = _MINUTES if epochs is None and minutes is None else minutes
        settings = asked_settings(recipe, asked)
        net = task_config(model.single()[1], settings, head=model.head)
        nets, drawn = read_twins(twins or TWINS, net), read_seeds(seeds or "3")
    else:
        typed = {name: value for name, value in asked.items() if value is not None}
        typed |= {"data": str(data.resolve())} | recipe.typed() | begun_as_typed(model)
        refuse_changes(out, typed, begun_with(saved))
        asked = asked_of(saved)
        settings, net = TrainSettings(**saved["settings"]), ConvNeurConfig.from_dict(saved["net"])
        more = read_twins(twins, net) if twins else {}
        nets = {**read_twins(",".join(saved["twins"]), net), **more}
        drawn = tuple(dict.fromkeys((*saved["seeds"], *(read_seeds(seeds) if seeds else ()))))

    from convneur.training.loop import engine

    from convneur.training.data import prepare_data

    printer = common.printer()
    for one, other in same_nets(nets):
        printer.warn(f"--twins {one} and {other}: are the same net")
    accelerator = engine(options.device)
    if accelerator.num_processes > 1:
        raise UsageError("study: runs in one process; start it without the launcher")
    if settings.batch % settings.accumulate:
        raise UsageError(f"--batch {settings.batch}: must be a multiple of --accumulate, {settings.accumulate}")
    with run_folder(out, resume=resume, force=common.force, alone=True):
        looked = prepare_data(
            data,
            settings.task,
            preset=asked["preset"],
            classes=asked["classes"],
            ignore_index=asked["ignore_index"],
            threads=options.workers,
            known=(saved["classes"], saved["counts"], saved["left_out"]) if saved else None,
            progress=printer,
        )
        test = find_test_photos(
            printer,
            data,
            looked,
            settings.task,
            split=asked["split"],
            folds=asked["folds"],
            threads=options.workers,
        )
        made = Study(
            printer=printer,
            out=out,
            asked={"data": str(data.resolve()), **asked},
            data=looked,
            test=test,
            settings=settings,
            twins={name: each.replace(num_classes=len(looked.names)) for name, each in nets.items()},
            seeds=drawn,
            accelerator=accelerator,
            workers=options.workers,
        )
        made.count_costs()
        if saved is None:
            made.clear(force=common.force)
            made.decide()
        else:
            made.recall(saved)
        write_config(out, made.plan(net))
        made.announce()
        made.go()
    result = made.result()
    print_result(printer, result)
    for file in REPORTS:
        printer.note(f"written: {out / file}")
    printer.json(result)
    return FAILED if made.failed else None
