"""`convneur eval-boundary`: boundary metrics of predicted label maps."""

from pathlib import Path
from typing import Annotated

import typer

from convneur_cli.errors import FAILED
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.evaluation import CompareOptions, InputOptions, MetricOptions, PictureOptions, WorkOptions

__all__ = ["eval_boundary"]


# readable=False: a file without permission to read it is a failure of that file, not wrong usage.
def eval_boundary(
    inputs: InputOptions,
    metrics: MetricOptions,
    comparing: CompareOptions,
    work: WorkOptions,
    pictures: PictureOptions,
    common: CommonOptions,
    predictions: Annotated[
        Path | None, typer.Argument(metavar="PREDS", readable=False, help="Predicted label map, or a folder of them.")
    ] = None,
    ground_truth: Annotated[
        Path | None,
        typer.Argument(metavar="GT", readable=False, help="Ground truth of the same names but for the suffix."),
    ] = None,
) -> int | None:
    """Score predicted label maps along their boundaries: boundary F1, trimap mIoU, Hausdorff, Boundary IoU.

    Label maps hold one class number per pixel: grey or palette PNG, TIFF (each page is an image), NPY or NPZ; or
    colours, with --colours. Each metric equals a known tool's in a stated configuration; the output names the
    definitions. Distances have two means: without missed and spurious classes, and with the image diagonal for them. A
    pair that cannot be scored is reported and left out.

    Example: `convneur eval-boundary predictions/ labels/ --classes classes.txt --tolerance 1px,3px -o boundary.json`

    Example: `convneur eval-boundary predictions/ labels/ --classes classes.txt --against others/ -o comparison.tex`
    """
    from convneur.evaluation import evaluate

    printer = common.printer()
    result = evaluate(
        predictions,
        ground_truth,
        **vars(inputs),
        **metrics.settings(),
        **vars(comparing),
        **vars(work),
        **vars(pictures),
        force=common.force,
        progress=printer,
    )
    printer.show(result)
    if not result.failed:
        return None
    pairs = result.images + len(result.failed) + (result.against.images if result.against else 0)
    printer.error(f"{len(result.failed)} of {pairs} pairs could not be scored and are in none of the values")
    return FAILED
