"""`convneur figure`: the paper's Figures 1, 2 and 3, drawn anew."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convneur.files import new_file
from convneur_cli.commands.figure_boundaries import boundaries
from convneur_cli.options.common import CommonOptions, Group, register
from convneur_cli.options.model import ModelOptions
from convneur_cli.output import Printer
from convneur_cli.results import FIGURES, check_outputs
from convneur_cli.sizes import parse_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convneur.figures.architecture import NetDrawing
    from convneur.variants import ConvNeurConfig

__all__ = ["app"]

app = typer.Typer(name="figure", cls=Group, help="Draw the paper's Figures 1, 2 and 3 anew.", no_args_is_help=True)


def accuracy(
    common: CommonOptions,
    full: Annotated[
        bool, typer.Option("--full", help="Place ConvNeur's points at their full count, arrows from the printed ones.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The figure: .png, .svg, .pdf.", metavar="FILE")
    ] = Path("accuracy.png"),
) -> None:
    """Draw Figure 1: ImageNet top-1 accuracy against multiply-adds, as printed.

    Example: `convneur figure accuracy --full -o accuracy.svg`
    """
    check_outputs(("--output", output, FIGURES), force=common.force)

    from convneur.figures.accuracy import accuracy_figure
    from convneur.published import published

    printer = common.printer()
    paper = published()
    counted: dict[str, float] | None = None
    if full:
        from convneur.cost import compare_printed, printed_costs

        variants = [printed for printed in printed_costs() if printed.table == "imagenet"]
        counted = {}
        with printer.steps("counting", len(variants)) as advance:
            for printed in variants:
                counted[printed.model] = compare_printed(printed).full_gmacs
                advance(f"counting {printed.model}")
    _save(accuracy_figure(paper.imagenet, paper.others, full_gmacs=counted), output, common, printer)
    printer.json(
        {
            "schema": "convneur.figure-accuracy/1",
            "file": str(output),
            "points": [
                {
                    "model": row.model,
                    "top1": row.top1,
                    "printed_gmacs": float(row.gmacs),
                    "full_gmacs": None if counted is None else counted.get(row.model),
                }
                for row in (*paper.imagenet, *paper.others)
            ],
        }
    )


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
    """Draw Figure 2: the net's stages and its block, with the widths, depths and chunks of a net that is built.

    Example: `convneur figure architecture --model m3 --size 512 --model-preset dense -o m3.svg`
    """
    height, width = parse_size("--size", size)
    check_outputs(("--output", output, FIGURES), force=common.force)
    name, config = model.single()

    from convneur.figures.architecture import architecture_figure

    drawing = _describe(name, config, height, width)
    printer = common.printer()
    _save(architecture_figure(drawing), output, common, printer)
    printer.json(
        {
            "schema": "convneur.figure-architecture/1",
            "file": str(output),
            "name": drawing.name,
            "size": {"height": height, "width": width},
            "params": drawing.params,
            "macs": drawing.macs_full,
            "macs_paper": drawing.macs_paper,
            "stages": [stage._asdict() for stage in drawing.stages],
            "config": config.to_dict(),
        }
    )


for _name, _body in (("accuracy", accuracy), ("architecture", architecture), ("boundaries", boundaries)):
    register(app, _name, _body)


def _save(figure: "Figure", output: Path, common: CommonOptions, printer: Printer) -> None:
    from convneur.figures.style import save_figure

    with new_file(output, force=common.force) as temporary:
        save_figure(figure, temporary)
    printer.note(f"written: {output}")


def _describe(name: str, config: "ConvNeurConfig", height: int, width: int) -> "NetDrawing":
    """What the picture shows, read off the built net; no weight is allocated."""
    import torch

    from convneur.cost import NetCounter
    from convneur.figures.architecture import NetDrawing, StageDrawing
    from convneur.model.network import ConvNeur, stage_sizes

    counter = NetCounter(config)
    cost = counter.at(height, width)
    with torch.device("meta"):
        net = ConvNeur(config)
    stages = []
    for blocks, info, (rows, columns), plan in zip(
        net.stages, net.feature_info, stage_sizes(height, width), net.chunk_plans(height, width), strict=True
    ):
        stages.append(
            StageDrawing(
                stage=info.stage,
                height=rows,
                width=columns,
                channels=info.channels,
                stride=info.stride,
                has_global=tuple(block.global_branch is not None for block in blocks.children()),
                chunks=0 if plan is None else plan.chunks,
                chunk_length=0 if plan is None else plan.length,
            )
        )
    return NetDrawing(
        name=name,
        config=config,
        height=height,
        width=width,
        params=counter.params,
        macs_full=cost.macs_full,
        macs_paper=cost.macs_paper,
        stages=tuple(stages),
    )
