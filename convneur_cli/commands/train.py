"""`convneur train`: a model trained on a folder of images."""

from pathlib import Path
from typing import Annotated

import typer

from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import DataSetOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.options.training import RUN, DetectionOptions, RecipeOptions, RunOptions

__all__ = ["train"]


def train(
    data_set: DataSetOptions,
    model: ModelOptions,
    hyperparameters: RecipeOptions,
    options: RunOptions,
    detection: DetectionOptions,
    common: CommonOptions,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            readable=False,
            help="Folder of images: images/SPLIT and masks/SPLIT, or SPLIT/CLASS, or shards SPLIT-*.tar; of detection "
            "images/SPLIT and annotations/SPLIT.json; splits train and, if any, val.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", "--output", help="Folder of the run.", metavar="RUN")],
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training images.", show_default="recipe")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Time for all of it in place of --epochs; becomes a number of steps after up to 20 timed."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the run in --out; options may be left out, not changed; DATA may have moved.",
        ),
    ] = False,
    save_every: Annotated[
        int, typer.Option(min=1, help="Steps between saved training states.", rich_help_panel=RUN)
    ] = 100,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the records to RUN/tensorboard too.", rich_help_panel=RUN)
    ] = False,
) -> int | None:
    """Train a model on a folder of images: segmentation, classification or detection, on one device or several.

    RUN gets weights.safetensors (averaged weights of the best validation), metrics.jsonl, training.png, config.json
    and state.safetensors. A run stopped by Ctrl-C, a crash or kill -9 goes on with --resume; on one process its weights
    are then, bit for bit, those of a run that was never stopped. On several devices the same command runs under
    `accelerate launch --module convneur_cli`.

    Example, after `pip install accelerate`: `convneur train nuclei/ --classes classes.txt --init photos --chunks 4
    --read final --minutes 5 --out runs/nuclei`
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
        **vars(detection),
        **vars(data_set),
        **hyperparameters.typed(),
        **model.settings(),
    )
    if training.is_main_process():  # of those that a launcher started
        printer.show(result)
    return None
