"""`convneur figure boundaries`: the paper's Figure 3 from folders of predictions."""

from pathlib import Path
from typing import Annotated

import typer

from convneur_cli.options.common import CommonOptions
from convneur_cli.options.evaluation import InputOptions, parts

__all__ = ["boundaries"]


def boundaries(
    inputs: InputOptions,
    common: CommonOptions,
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDS", readable=False, help="Folder of ConvNeur's label maps.")
    ],
    ground_truth: Annotated[
        Path, typer.Argument(metavar="GT", readable=False, help="Folder of the ground truth, of the same names.")
    ],
    twin: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the local-only twin's label maps, drawn before PREDS.", metavar="DIR", readable=False
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, of the same names.", metavar="DIR", readable=False)
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            help="Images to draw, by relative path without suffix, with commas.",
            metavar="A,B,...",
            show_default="worst, median and best",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(help="Which metric of PREDS ranks the images, such as miou or boundary_f1@3px.", metavar="METRIC"),
    ] = "boundary_f1",
    count: Annotated[int, typer.Option(min=1, max=20, help="How many of the worst, median and best each.")] = 1,
    tolerance: Annotated[
        str, typer.Option(help="Tolerance of boundary F1: pixels, or below 1 a share of the image diagonal.")
    ] = "0.008",
    titles: Annotated[
        str | None,
        typer.Option(help="Titles of the columns of predictions, with a comma.", show_default="the folders' names"),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that score; 0: one per core.")] = 1,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The figure: .png, .svg, .pdf.", metavar="FILE")
    ] = Path("boundaries.png"),
) -> None:
    """Draw Figure 3: image, ground truth, local-only twin and ConvNeur, with their boundary scores.

    Boundary F1, trimap mIoU and Hausdorff distance of that image, as eval-boundary defines them; the trimap is 3
    pixels wide to each side (Choice).

    Example: `convneur figure boundaries predictions/ labels/ --twin others/ --images nuclei/images/val
    --classes classes.txt -o boundaries.png`
    """
    from convneur.evaluation import select_scenes

    printer = common.printer()
    selection = select_scenes(
        predictions,
        ground_truth,
        **vars(inputs),
        twin=twin,
        images=images,
        names=parts(names) if names else None,
        by=by,
        count=count,
        tolerance=tolerance,
        titles=parts(titles) if titles else None,
        workers=workers,
        output=output,
        force=common.force,
        progress=printer,
    )
    printer.show(selection)
