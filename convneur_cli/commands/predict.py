"""`convneur predict`: what a trained model says of images."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convneur.data.limits import MAX_PIXELS
from convneur.sizes import find_size
from convneur_cli.errors import FAILED, existing_path
from convneur_cli.options.common import CommonOptions, MaxPixels
from convneur_cli.options.data import FollowLinks

__all__ = ["predict"]


def predict(
    common: CommonOptions,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", readable=False, help="Images, or folders of them.")
    ],
    weights: Annotated[
        str,
        typer.Option(
            help="weights.safetensors of a training run, packaged weights by name (camvid labels street scenes, nuclei "
            "finds cells), or a graph of `convneur export`.",
            metavar="FILE|NAME",
        ),
    ] = "camvid",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            "--output",
            help="Folder for the label maps, or for a classifier's predictions.csv, or for a detector's results.json.",
            metavar="DIR",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Segmentation, detection: factor on an image's sides before the model.",
            show_default="as it was validated",
        ),
    ] = None,
    window: Annotated[
        str,
        typer.Option(
            help="Segmentation: cut larger images into overlapping windows of this size; none shows them whole.",
            metavar="SIZE|none",
        ),
    ] = "1024",
    batch: Annotated[int, typer.Option(min=1, help="Images of one size at once.")] = 1,
    probabilities: Annotated[
        Path | None,
        typer.Option(
            help="Segmentation: folder for NPZ files of probabilities, (classes, H, W) float16.", metavar="DIR"
        ),
    ] = None,
    overlays: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures of the labels, or of the objects, over the image.", metavar="DIR"),
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Detection: least score of an object.", show_default="0.05, in pictures 0.5"),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            help="Detection: COCO file that says the images' ids, which otherwise are their names.",
            metavar="FILE",
            readable=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classification: number of classes listed for each image.")] = 5,
    follow_links: FollowLinks = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    context: Annotated[
        Literal["own", "mean", "other", "start"],
        typer.Option(
            help="State that the memories read from: the image's own, the mean of the images, another image's, or "
            "M_0. eval-boundary --against then says what the images' own context is worth."
        ),
    ] = "own",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of one operator.", show_default="the runtime's own")
    ] = None,
) -> int | None:
    """Label images with a trained model: a label map each, the likeliest classes, or the objects in them.

    Label maps are PNG files of the image's own size with a palette, one class number per pixel, as `eval-boundary`
    reads them. The label map of FOLDER/a/b.jpg is DIR/a/b.png.

    Example: `convneur predict photo.jpg --out labelled`

    Example of a detector: `convneur predict nuclei/images/val/21.jpg --weights nuclei --out cells --overlays cells`

    Example, where the weights name no classes and give their numbers: `convneur predict photo.jpg --weights photos`
    """
    from convneur.inference import predict_folder

    printer = common.printer()
    report = predict_folder(
        [existing_path(path) for path in images],
        weights=weights,
        out=out,
        scale=scale,
        window=None if window == "none" else find_size(window, setting="window", other=", or none"),
        batch=batch,
        probabilities=probabilities,
        overlays=overlays,
        top=top,
        score=score,
        annotations=annotations,
        follow_links=follow_links,
        max_pixels=max_pixels,
        threads=threads,
        context=context,
        force=common.force,
        progress=printer,
    )
    printer.show(report)
    return FAILED if report.failed else None
