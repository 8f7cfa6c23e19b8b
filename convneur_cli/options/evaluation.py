"""The options of eval-boundary in groups; each is an argument of `convneur.evaluation.evaluate`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from convneur_cli.errors import UsageError
from convneur_cli.options.common import option_group
from convneur_cli.options.data import DataSetOptions, whole

__all__ = ["CompareOptions", "InputOptions", "MetricOptions", "PictureOptions", "WorkOptions", "parts"]

_FILES, _METRICS, _SECOND = "Files and classes", "Metrics", "Second model"
_PICTURES, _WORK = "Figures and report", "Long runs"


# readable=False below: a file without permission to read it is a failure of that file, not wrong usage.
@option_group
@dataclasses.dataclass(frozen=True)
class InputOptions(DataSetOptions):
    """What says which files belong together and what they hold; what is typed overrides what a preset says."""

    pred_name: Annotated[
        str | None,
        typer.Option(
            help="Names of prediction files, such as {stem}_leftImg8bit, or {stem}.png for one type of file; **/ in "
            "front: in any folder.",
            metavar="TEMPLATE",
            show_default="the preset's, or {stem}",
            rich_help_panel=_FILES,
        ),
    ] = None
    gt_name: Annotated[
        str | None,
        typer.Option(
            help="Names of ground-truth files; {stem} is what a pair has in common.",
            metavar="TEMPLATE",
            show_default="the preset's, or {stem}",
            rich_help_panel=_FILES,
        ),
    ] = None
    listed: Annotated[
        Path | None,
        typer.Option(
            "--list",
            help="A file of the pairs, one per line: prediction, tab or comma, ground truth. Relative paths start at "
            "PREDS and GT where those are given.",
            metavar="FILE",
            readable=False,
            rich_help_panel=_FILES,
        ),
    ] = None
    num_classes: Annotated[
        int | None,
        typer.Option(
            help="Number of classes, which are numbered from 0.",
            metavar="N",
            show_default="the preset's, or highest label of GT + 1",
        ),
    ] = None
    colours: Annotated[
        Path | None,
        typer.Option(
            help="What the colours of RGB maps mean: a line R G B name each, CSV or JSON.",
            metavar="FILE",
            readable=False,
            rich_help_panel=_FILES,
        ),
    ] = None
    missing: Annotated[
        Literal["error", "skip"],
        typer.Option(help="What to do about a ground truth without a prediction.", rich_help_panel=_FILES),
    ] = "error"
    resize: Annotated[
        Literal["nearest"] | None,
        typer.Option(
            help="Resize predictions whose size differs from the ground truth's.",
            show_default="an error",
            rich_help_panel=_FILES,
        ),
    ] = None
    pred_labels: Annotated[
        str | None,
        typer.Option(
            help="Read predicted labels as others: a shift such as -1, or FROM:TO pairs such as 255:1 or "
            "0-127:0,128-255:1; TO may be ignore.",
            metavar="SHIFT|PAIRS",
            rich_help_panel=_FILES,
        ),
    ] = None
    gt_labels: Annotated[
        str | None,
        typer.Option(
            help="Read ground-truth labels as others, in the same words; before a preset translates ids.",
            metavar="SHIFT|PAIRS",
            rich_help_panel=_FILES,
        ),
    ] = None


@option_group
@dataclasses.dataclass(frozen=True)
class MetricOptions:
    """Which metrics, by which definitions."""

    metrics: Annotated[
        str,
        typer.Option(
            help="all: boundary_f1, trimap_miou, hausdorff, hd95, assd, masd, surface_dice, boundary_iou, miou, "
            "pixel_accuracy; or some of them, dice, objects, cldice (centrelines), component_dice, such as all,dice.",
            metavar="all|LIST",
        ),
    ] = "all"
    tolerance: Annotated[
        str,
        typer.Option(
            help="Tolerances of boundary F1: pixels from 1 on, below 1 a share of the image diagonal; several as "
            "1px,3px,0.75%diag.",
            metavar="LIST",
        ),
    ] = "0.008"
    count_absent: Annotated[
        bool,
        typer.Option(
            "--count-absent",
            help="Count boundary F1, and its curve, of a class in neither map as 1, as DAVIS does.",
            rich_help_panel=_METRICS,
        ),
    ] = False
    trimap_width: Annotated[
        str,
        typer.Option(
            help="Trimap mIoU: how many pixels the band reaches to each side of a boundary.",
            metavar="LIST",
            rich_help_panel=_METRICS,
        ),
    ] = "1,3,5,10"
    trimap_seed: Annotated[
        Literal["auto", "class", "void"],
        typer.Option(
            help="Trimap mIoU: the band lies along class changes (class) or around ignored areas (void, as VOC has "
            "it); auto takes void if class is empty.",
            rich_help_panel=_METRICS,
        ),
    ] = "auto"
    trimap_shape: Annotated[
        Literal["square", "disk"],
        typer.Option(
            help="Trimap mIoU: the band's Chebyshev (square) or Euclidean (disk) distance.", rich_help_panel=_METRICS
        ),
    ] = "square"
    hd95: Annotated[
        Literal["directed", "pooled"],
        typer.Option(
            "--hd95",
            help="HD95: the larger of both directions' percentiles, or the percentile of all distances (medpy).",
            rich_help_panel=_METRICS,
        ),
    ] = "directed"
    connectivity: Annotated[
        Literal["4", "8"],
        typer.Option(
            help="Distances: a pixel is on the border if one of this many neighbours is outside the mask.",
            rich_help_panel=_METRICS,
        ),
    ] = "4"
    surface_dice_tau: Annotated[
        str,
        typer.Option(help="Surface dice: tolerances, in units of --spacing.", metavar="LIST", rich_help_panel=_METRICS),
    ] = "1,2,3"
    spacing: Annotated[
        str,
        typer.Option(help="Distances: height and width of a pixel.", metavar="HEIGHT,WIDTH", rich_help_panel=_METRICS),
    ] = "1,1"
    boundary_iou_ratio: Annotated[
        float,
        typer.Option(
            help="Boundary IoU: width of the band as a share of the image diagonal.", rich_help_panel=_METRICS
        ),
    ] = 0.02
    aggregate: Annotated[
        Literal["mean", "pooled", "images"],
        typer.Option(
            help="Boundary F1, dice, surface dice, component Dice and clDice of a class: mean over images, or from "
            "counts summed over images; images, for dice alone: mean over images of each image's mean over classes.",
            rich_help_panel=_METRICS,
        ),
    ] = "mean"
    mean_over: Annotated[
        str,
        typer.Option(
            help="The classes that overall values are means over: foreground for all but the background, or ids and "
            "names. A class left out is still right or wrong in the maps.",
            metavar="all|foreground|LIST",
        ),
    ] = "all"
    background: Annotated[
        int, typer.Option(min=0, help="The class that foreground leaves out.", metavar="ID", rich_help_panel=_METRICS)
    ] = 0
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            help="Means over more classes, by name: NAME=foreground, or NAME= with ids and names of classes; may be "
            "repeated.",
            metavar="NAME=LIST",
            show_default=False,
            rich_help_panel=_METRICS,
        ),
    ] = None
    hd_percentile: Annotated[
        str | None,
        typer.Option(
            help="Add Hausdorff distances at these percentiles, such as 90,99, in the directions of --hd95.",
            metavar="LIST",
            show_default=False,
            rich_help_panel=_METRICS,
        ),
    ] = None
    tolerance_curve: Annotated[
        str | None,
        typer.Option(
            help="Add boundary F1 at each of these whole radii in pixels, and the area under it: 1:10, or 1:31:3.",
            metavar="FIRST:LAST[:STEP]",
            show_default=False,
            rich_help_panel=_METRICS,
        ),
    ] = None

    object_iou: Annotated[
        float,
        typer.Option(
            help="Objects: two of one class are a pair if their IoU is above this, 0.5 or more.",
            metavar="IOU",
            rich_help_panel=_METRICS,
        ),
    ] = 0.5
    object_connectivity: Annotated[
        Literal["8", "4"],
        typer.Option(
            help="Objects: pixels of a class that have a side (4) or also a corner (8) in common are one.",
            rich_help_panel=_METRICS,
        ),
    ] = "8"

    def settings(self) -> dict[str, Any]:
        """As `evaluate` takes them. Raises: UsageError: what is no list or number."""
        return vars(self) | {
            "metrics": parts(self.metrics),
            "mean_over": _chosen(self.mean_over),
            "groups": _groups(self.groups or ()),
            "hd_percentile": parts(self.hd_percentile) if self.hd_percentile is not None else (),
            "tolerance": parts(self.tolerance),
            "trimap_width": [whole("--trimap-width", part) for part in parts(self.trimap_width)],
            "connectivity": int(self.connectivity),
            "object_connectivity": int(self.object_connectivity),
            "surface_dice_tau": parts(self.surface_dice_tau),
            "spacing": _spacing(self.spacing),
        }


@option_group
@dataclasses.dataclass(frozen=True)
class CompareOptions:
    """A second model to compare with."""

    against: Annotated[
        Path | None,
        typer.Option(
            help="A second model's predictions of the same images: adds differences with paired bootstrap intervals.",
            metavar="PREDS",
            readable=False,
        ),
    ] = None
    resamples: Annotated[
        int,
        typer.Option(
            min=1, max=100_000, help="Resamples of the bootstrap behind the intervals.", rich_help_panel=_SECOND
        ),
    ] = 1000
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Random seed of the bootstrap.", rich_help_panel=_SECOND)
    ] = 0


@option_group
@dataclasses.dataclass(frozen=True)
class PictureOptions:
    """What to draw."""

    figures: Annotated[
        Path | None,
        typer.Option(
            help="Draw the worst, median and best images as PNG files in this folder.",
            metavar="DIR",
            rich_help_panel=_PICTURES,
        ),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(help="Write tables and figures as one HTML page that needs no network.", metavar="FILE.html"),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the images, to be drawn beside the label maps of the same names.",
            metavar="DIR",
            rich_help_panel=_PICTURES,
        ),
    ] = None
    figures_by: Annotated[
        str | None,
        typer.Option(
            help="Which metric ranks the images, such as miou, boundary_f1@3px or hd95@finite_mean.",
            metavar="METRIC",
            show_default="the first metric",
            rich_help_panel=_PICTURES,
        ),
    ] = None
    figures_count: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="How many images to draw of each kind: worst, median, best.",
            rich_help_panel=_PICTURES,
        ),
    ] = 3


@option_group
@dataclasses.dataclass(frozen=True)
class WorkOptions:
    """Where the work is done and where its results go."""

    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the result: .json, or .csv, .md, .tex as a table.", metavar="FILE"),
    ] = None
    digits: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=15,
            help="Decimals of the values in .md and .tex.",
            metavar="N",
            show_default="four significant digits",
            rich_help_panel=_FILES,
        ),
    ] = None
    per_image: Annotated[
        Path | None,
        typer.Option(
            help="Write a row per image and class, all counts included.", metavar="FILE.csv", rich_help_panel=_FILES
        ),
    ] = None
    per_object: Annotated[
        Path | None,
        typer.Option(
            help="Write a row per object, with its box and, of a pair, its values; adds the metric objects.",
            metavar="FILE.csv",
            rich_help_panel=_FILES,
        ),
    ] = None
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that score; 0: one per core. The result is the same.")
    ] = 1
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Score on a Dask cluster instead, which sees the same paths (needs `pip install distributed`).",
            metavar="ADDRESS",
            rich_help_panel=_WORK,
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with an interrupted run: score only what the .partial file beside the output lacks.",
            rich_help_panel=_WORK,
        ),
    ] = False
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Stop at the first pair that cannot be scored; where label maps look wrongly prepared, exit 3 instead "
            "of warning.",
            rich_help_panel=_WORK,
        ),
    ] = False


def parts(typed: str) -> list[str]:
    """What stands between commas."""
    return [part.strip() for part in typed.split(",")]


def _chosen(typed: str) -> str | list[str]:
    return typed if typed in ("all", "foreground") else parts(typed) if typed.strip() else []


def _groups(typed: Sequence[str]) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for each in typed:
        name, equals, classes = each.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--group {each}: give a name and its classes, such as water=3,sea")
        if name.strip() in found:
            raise UsageError(f"--group {each}: give each group a name of its own")
        found[name.strip()] = _chosen(classes)
    return found


def _spacing(typed: str) -> tuple[float, float]:
    try:
        height, width = map(float, typed.split(","))
    except ValueError:
        raise UsageError(f"--spacing {typed}: give the height and the width of a pixel, such as 0.5,0.5") from None
    return height, width
