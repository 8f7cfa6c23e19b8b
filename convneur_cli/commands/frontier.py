"""`convneur frontier`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convneur.results import SUFFIXES
from convneur_cli.errors import UsageError
from convneur_cli.options.common import CommonOptions
from convneur_cli.outputs import DRAWN, check_outputs, write_result

__all__ = ["frontier"]


def frontier(
    common: CommonOptions,
    models: Annotated[
        str, typer.Option("--model", help="ConvNeur's variants, at their printed accuracy: m1 to m4, all, none.")
    ] = "all",
    x: Annotated[
        Literal["macs", "params", "images-per-second", "latency"],
        typer.Option(help="The cost: latency needs --times, the others are as published."),
    ] = "macs",
    peers: Annotated[
        str,
        typer.Option(help="Published models: timm, the packaged list, or a .json or .csv file.", metavar="timm|FILE"),
    ] = "timm",
    add: Annotated[
        list[str] | None,
        typer.Option(
            help="A model of your own, its cost in the unit of --x; with --times NAME::ACCURACY. Repeatable.",
            metavar="NAME:COST:ACCURACY",
        ),
    ] = None,
    times: Annotated[
        list[Path] | None,
        typer.Option(help="What `convneur bench -o` wrote, with published models in it. Repeatable.", metavar="FILE"),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Place ConvNeur at all that it executes, not at the printed multiply-adds.")
    ] = False,
    distilled: Annotated[
        bool, typer.Option("--distilled", help="Published models that were trained with a teacher count too.")
    ] = False,
    size: Annotated[
        int | None, typer.Option(help="Published models at this image side alone.", show_default="all", metavar="SIDE")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Draw it: .png, .svg, .pdf, .html; or write .json, .csv, .md, .tex.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Place models beside published ones: how far below the best accuracy at their cost, and how dear for their own.

    The frontier is of the published models that no cheaper one equals, without interpolation: those of timm, trained on
    ImageNet-1K alone and without a teacher, at every size they were published at. `convneur figure accuracy` draws the
    paper's own chart.

    Example: `convneur frontier --model m1,m4 -o frontier.png`

    Example: `convneur frontier --add mine:0.9:78.1 -o frontier.html`
    """
    check_outputs(("--output", output, (*DRAWN, *SUFFIXES)), force=common.force)
    if x == "latency" and not times:
        raise UsageError("--x latency: is measured; give --times, which `convneur bench -o times.json` writes")

    import convneur.figures
    import convneur.peers

    printer = common.printer()
    found = convneur.peers.frontier(
        models,
        x=x,
        peers=peers,
        full=full,
        distilled=distilled,
        size=size,
        add=add or (),
        times=times or (),
        progress=printer,
    )
    figures = convneur.figures
    write_result(found, output, common, printer, page=figures.frontier_page, figure=figures.frontier_figure)
    printer.show(found)
