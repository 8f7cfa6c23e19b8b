"""`convneur models`."""

from pathlib import Path
from typing import Annotated

import typer

from convneur.packaged import packaged_weights
from convneur.results import SUFFIXES
from convneur_cli.errors import FAILED
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.model import ModelsOptions
from convneur_cli.outputs import check_outputs

__all__ = ["models"]


def models(
    model: ModelsOptions,
    common: CommonOptions,
    size: Annotated[str, typer.Option(help="Image side in pixels, or HEIGHTxWIDTH.", metavar="SIZE")] = "224",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the list: .json, .csv, .md, .tex.", metavar="FILE")
    ] = None,
) -> int | None:
    """List models with their parameters, multiply-adds and chunks; all variants unless --model names some.

    Example: `convneur models --size 512x2048 --model-preset dense`
    """
    check_outputs(("--output", output, SUFFIXES), force=common.force)

    import convneur.cost

    printer = common.printer()
    found = convneur.cost.list_models(model.models, size=size, progress=printer, **model.settings())
    if output is not None:
        found.save(output, force=common.force)
        printer.note(f"written: {output}")
    printer.show(found)
    printer.text(f"Trained weights that come along, for --weights and --init: {', '.join(packaged_weights())}.")
    for problem in found.problems:
        printer.error(problem)
    return FAILED if found.problems else None
