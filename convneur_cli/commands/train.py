"""`convneur train`: a model trained on a folder of images."""

from pathlib import Path
from typing import Annotated

import typer

from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import DataSetOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.options.training import RecipeOptions, RunOptions

__all__ = ["train"]


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
    from convneur import training

    printer = common.printer()
    result = training.train(
        data,
        out=out,
        model=model.model,
        epochs=epochs,
        minutes=minutes,
        save_every=save_every,
        tensorboard=tensorboard,
        resume=resume,
        force=common.force,
        progress=printer,
        **vars(options),
        **vars(data_set),
        **recipe.typed(),
        **model.settings(),
    )
    if training.is_main_process():  # of those that a launcher started
        printer.show(result)
    return None
