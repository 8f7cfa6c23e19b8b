"""`convneur tables`."""

from pathlib import Path
from typing import Annotated

import typer

from convneur.results import SUFFIXES
from convneur_cli.options.common import CommonOptions
from convneur_cli.outputs import check_outputs

__all__ = ["tables"]


def tables(
    common: CommonOptions,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the tables: .json, .csv, .md, .tex.", metavar="FILE")
    ] = None,
) -> None:
    """Set every cost that the paper prints of ConvNeur and its ablations beside what the models here cost.

    Each model is built and counted on torch's meta device, by the paper's convention and in full; nothing is computed.

    Example: `convneur tables -o tables.md`
    """
    check_outputs(("--output", output, SUFFIXES), force=common.force)

    import convneur.cost

    printer = common.printer()
    result = convneur.cost.paper_tables(progress=printer)
    if output is not None:
        result.save(output, force=common.force)
        printer.note(f"written: {output}")
    printer.show(result)
