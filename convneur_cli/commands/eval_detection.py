"""`convneur eval-detection`: COCO results."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convneur.data.limits import MAX_PIXELS
from convneur.results import SUFFIXES
from convneur_cli.options.common import CommonOptions, MaxPixels
from convneur_cli.options.evaluation import parts
from convneur_cli.outputs import check_outputs

__all__ = ["eval_detection"]


# readable=False: a file without permission to read it is a failure of that file, not wrong usage.
def eval_detection(
    common: CommonOptions,
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS.json", readable=False, help="COCO results: a list with bbox or segmentation."),
    ],
    ground_truth: Annotated[
        Path,
        typer.Argument(metavar="GT.json", readable=False, help="COCO ground truth of the same images."),
    ],
    metrics: Annotated[
        str, typer.Option(help="all, or some of box_ap, mask_ap, boundary_ap.", metavar="all|LIST")
    ] = "all",
    against: Annotated[
        Path | None,
        typer.Option(
            help="Second results on the same ground truth, compared by a paired bootstrap over images.",
            metavar="RESULTS.json",
            readable=False,
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Draws of the bootstrap.")] = 1000,
    invalid: Annotated[
        Literal["error", "skip"],
        typer.Option(help="What becomes of an entry that cannot be, such as a box without area or a score of NaN."),
    ] = "error",
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that score; 0: one per core. The result is the same.")
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option(help="Write tables and figures as one HTML page that needs no network.", metavar="FILE.html"),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="The folder of the images, to be drawn in the report.", metavar="DIR", readable=False),
    ] = None,
    figures_count: Annotated[
        int, typer.Option(min=1, max=1000, help="How many images to draw in the report, the worst first.")
    ] = 6,
    max_pixels: MaxPixels = MAX_PIXELS,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the result: .json, or .csv, .md, .tex as a table.", metavar="FILE"),
    ] = None,
) -> int | None:
    """Score COCO results: box AP, mask AP and Boundary AP, overall and by class.

    The values are those of pycocotools and of boundary-iou-api. Masks are run lengths, compressed or not, or polygons,
    which need `pip install pycocotools`. An image with a mask that cannot be decoded is reported and left out.

    Example: `convneur eval-detection detections.json instances.json -o scores.json`

    Example: `convneur eval-detection detections.json instances.json --report detections.html`
    """
    check_outputs(("--output", output, SUFFIXES), ("--report", report, (".html", ".htm")), force=common.force)

    from convneur.instances import evaluate_detection

    printer = common.printer()
    scores = evaluate_detection(
        results,
        ground_truth,
        metrics="all" if metrics == "all" else parts(metrics),
        against=against,
        resamples=resamples,
        invalid=invalid,
        workers=workers,
        max_pixels=max_pixels,
        report=report,
        images=images,
        figures_count=figures_count,
        force=common.force,
        progress=printer,
    )
    if output is not None:
        scores.save(output, force=common.force)
        printer.note(f"written: {output}")
    return printer.finish(scores)
