"""`convneur study`: models that differ in one thing, trained alike, and what the difference came to."""

from pathlib import Path
from typing import Annotated

import typer

from convneur_cli.errors import FAILED
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import DataSetOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.options.training import RecipeOptions, RunOptions

__all__ = ["study"]


def study(
    data_set: DataSetOptions,
    model: ModelOptions,
    hyperparameters: RecipeOptions,
    options: RunOptions,
    common: CommonOptions,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", readable=False, help="Folder of images, as `train` takes it; a split test is tested on."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", "--output", help="Folder of the study.", metavar="DIR")],
    twins: Annotated[
        str | None,
        typer.Option(
            help="Models to compare: a placement or a global branch each, then :key=value of model settings. The first "
            "is what the others are compared with.",
            metavar="TWIN,...",
            show_default="none,per-stage,per-stage:min_chunks=4,self-attention",
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="How many seeds, or a list: 0,1,5.", metavar="N|LIST", show_default="3")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Cross-validation: test on each of K folds of train and val, by fresh models.",
            metavar="K",
            rich_help_panel="Data",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split to test on.",
            metavar="NAME",
            show_default="test if there is one, else val",
            rich_help_panel="Data",
        ),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training images.", show_default="by --minutes")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Time of a run, averaged over the twins; becomes a number of steps, equal for all, after up to 20 "
            "timed steps of each.",
            show_default="20",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the study in --out; --twins and --seeds may name more."),
    ] = False,
) -> int | None:
    """Train models that differ in one thing on the same images in the same order, and compare their test scores.

    DIR gets study.html, study.md, study.json and study.csv after each seed, and under runs/ a folder for each twin and
    seed as `train` makes it, with its label maps of the test images. Stopped by Ctrl-C, a crash or kill -9, the study
    goes on with --resume; finished runs are not made again, and the table is the same to the last bit.

    Example, after `pip install accelerate`: `convneur study nuclei/ --classes classes.txt --twins
    none,per-stage,self-attention --seeds 3 --minutes 5 --out studies/nuclei`
    """
    from convneur.study import run_study

    printer = common.printer()
    result = run_study(
        data,
        out=out,
        twins=twins,
        seeds=seeds,
        folds=folds,
        split=split,
        model=model.model,
        epochs=epochs,
        minutes=minutes,
        resume=resume,
        force=common.force,
        progress=printer,
        **vars(options),
        **vars(data_set),
        **hyperparameters.typed(),
        **model.settings(),
    )
    printer.show(result)
    return FAILED if result.failed else None
