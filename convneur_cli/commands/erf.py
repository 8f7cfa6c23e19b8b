"""`convneur erf`: how far information travels to a position of a model's features."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError
from convneur.results import SUFFIXES
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.options.common import CommonOptions, MaxPixels
from convneur_cli.options.data import FollowLinks
from convneur_cli.outputs import FIGURES, check_outputs, write_result

__all__ = ["erf"]

_MODELS = "NAME|FILE|package.module:factory|file.py:factory|timm/NAME"


def erf(
    common: CommonOptions,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", readable=False, help="Two images or more, or folders.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Packaged weights by name, weights, m1 to m4 or a .json file (untrained), or any other model; "
            "the code of a factory is run.",
            metavar=_MODELS,
        ),
    ] = "photos",
    against: Annotated[
        str | None,
        typer.Option(help="A second model, such as photos-local, in the same forms.", metavar=_MODELS),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="A layer by its module's name, such as stages.0 or stages.0.0.global_branch (its gate), or a pattern, "
            "such as layer?; repeat it.",
            metavar="NAME",
            show_default="ConvNeur's four stages; of others the last map",
        ),
    ] = None,
    against_layer: Annotated[
        list[str] | None,
        typer.Option(help="A layer of the second model.", metavar="NAME", show_default="as --layer"),
    ] = None,
    position: Annotated[
        str | None,
        typer.Option(
            help="A pixel of the images as given, which must then be of one size.",
            metavar="ROW,COL",
            show_default="the middle",
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Size that models see, of the images' middle.", metavar="SIDE|HEIGHTxWIDTH")
    ] = "224",
    recipe: Annotated[
        Literal["plain", "replknet"],
        typer.Option("--as", help="Map and area ratios: of the gradient's energy, or by RepLKNet's script."),
    ] = "plain",
    probes: Annotated[
        str,
        typer.Option(help="Random sums of channels for a map, or all: each channel, which is exact.", metavar="N|all"),
    ] = "16",
    factory_arguments: Annotated[
        list[str] | None,
        typer.Option("--set", help="An argument for factories, such as depth=3; repeat it.", metavar="NAME=VALUE"),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Figure (.png, .svg, .pdf), values (.json, .csv, .md, .tex) or maps (.npz); repeat it for more.",
            metavar="FILE",
        ),
    ] = None,
    follow_links: FollowLinks = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> int | None:
    """Show how far information travels to a position: context share and effective receptive field, of any model.

    Context share puts another image in place of all beyond what a local model sees: 0 for a local model. The map is the
    root of the gradient's energy, the mean over images. Models without trained weights are stamped as untrained.

    Example: `convneur erf photo.jpg horse.jpg --against photos-local --layer stages.0 --probes 2`
    """
    from convneur.figures import reach_figure
    from convneur.reach import measure_reach

    printer, outputs = common.printer(), output or []
    for path in outputs:
        check_outputs(("--output", path, (*FIGURES, *SUFFIXES, ".npz")), force=common.force)
    if probes != "all" and not probes.isdecimal():
        raise ConfigError("probes", "give a whole number, or all", value=probes)
    report = measure_reach(
        [existing_path(path) for path in images],
        model=model,
        against=against,
        layer=layer or (),
        against_layer=against_layer or (),
        position=None if position is None else _position(position),
        size=size,
        recipe=recipe,
        probes=None if probes == "all" else int(probes),
        factory_arguments=factory_arguments or (),
        follow_links=follow_links,
        max_pixels=max_pixels,
        progress=printer,
    )
    for path in outputs:
        write_result(report, path, common, printer, figure=reach_figure)
    printer.show(report)
    return FAILED if report.failed else None


def _position(typed: str) -> tuple[int, int]:
    try:
        row, column = map(int, typed.split(","))
    except ValueError:
        raise UsageError(f"--position {typed}: give a pixel's row and column, such as 120,200") from None
    return row, column
