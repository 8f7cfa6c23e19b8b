"""`convneur figure`: the paper's Figures 1, 2 and 3, drawn anew."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convneur.files import new_file
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.output import Printer
from convneur_cli.outputs import FIGURES, check_outputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convneur.results import Result

__all__ = ["accuracy", "architecture"]


def accuracy(
    common: CommonOptions,
    full: Annotated[
        bool,
        typer.Option("--full", help="Place ConvNeur's points at their full count, with arrows from the printed ones."),
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The figure: .png, .svg, .pdf.", metavar="FILE")
    ] = Path("accuracy.png"),
) -> None:
    """Draw Figure 1: ImageNet top-1 accuracy against multiply-adds, as printed.

    Example: `convneur figure accuracy --full -o accuracy.svg`
    """
    check_outputs(("--output", output, FIGURES), force=common.force)

    import convneur.cost
    import convneur.figures

    printer = common.printer()
    points = convneur.cost.accuracy_points(full=full, progress=printer)
    _save(convneur.figures.accuracy_figure(points), points, output, common, printer)


def architecture(
    model: ModelOptions,
    common: CommonOptions,
    size: Annotated[
        str, typer.Option(help="Image side in pixels, or HEIGHTxWIDTH: sets maps and chunks.", metavar="SIZE")
    ] = "224",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The figure: .png, .svg, .pdf.", metavar="FILE")
    ] = Path("architecture.png"),
) -> None:
    """Draw Figure 2: a model's stages and its block, with the widths, depths and chunks as they are built.

    Example: `convneur figure architecture --model m3 --size 512 --model-preset dense -o m3.svg`
    """
    check_outputs(("--output", output, FIGURES), force=common.force)

    import convneur.cost
    import convneur.figures

    printer = common.printer()
    described = convneur.cost.describe_architecture(model.model or "m1", size=size, **model.settings())
    _save(convneur.figures.architecture_figure(described), described, output, common, printer)


def _save(figure: "Figure", drawn: "Result", output: Path, common: CommonOptions, printer: Printer) -> None:
    from convneur.figures import save_figure

    with new_file(output, force=common.force) as temporary:
        save_figure(figure, temporary)
    printer.note(f"written: {output}")
    found = drawn.to_dict()
    printer.json({"schema": found["schema"], "file": str(output)} | found)
