"""`convneur viz-gates`: local features before and after the gate, for images."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convneur.data.limits import MAX_PIXELS
from convneur.errors import InputError
from convneur.files import new_file, new_folder, new_text, output_path, refuse_existing
from convneur.formats import as_text, plural, to_json
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.options.common import CommonOptions, MaxPixels
from convneur_cli.options.data import FollowLinks
from convneur_cli.options.model import ModelOptions
from convneur_cli.output import Printer
from convneur_cli.outputs import check_outputs

if TYPE_CHECKING:
    from convneur.gates import GateResult

__all__ = ["viz_gates"]

_FORMATS = ("png", "svg", "pdf", "html")


# readable=False below: a file without permission to read it is a failure of that file, not wrong usage.
def viz_gates(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE", readable=False, help="Images of any size and format; with --batch folders of them too."
        ),
    ],
    model: ModelOptions,
    common: CommonOptions,
    stage: Annotated[str, typer.Option(help="Stages to look at: all, or some of 1,2,3,4.", metavar="all|1,3")] = "all",
    weights: Annotated[
        str | None,
        typer.Option(
            help="A .safetensors file, packaged weights by name, or none for an untrained model (see --model, --seed).",
            metavar="FILE|NAME|none",
            show_default="photos; none if other options ask for another model",
        ),
    ] = None,
    local_weights: Annotated[
        str | None,
        typer.Option(
            help="Weights of a model without a global path, for row 1; same takes those of --weights, memory off.",
            metavar="FILE|NAME|same",
            show_default="the twin of packaged weights, else same",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of an untrained model.", show_default="0")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Long side in pixels that images are scaled to, native, or validation: as large as the weights saw "
            "images when they were validated.",
            metavar="PIXELS|native|validation",
            show_default="validation where the weights' file says it, else 512",
        ),
    ] = None,
    reduce: Annotated[
        Literal["rms", "mean", "absmean", "max", "pca"],
        typer.Option(help="How the channels of a feature become one map, on every row."),
    ] = "rms",
    scale: Annotated[
        str,
        typer.Option(
            help="Colour limits. paired: the rows before and after the gate share theirs in each stage. column: all "
            "feature rows of a stage share theirs. map: each map has its own. LO:HI: these limits, for the gate too.",
            metavar="paired|column|map|LO:HI",
        ),
    ] = "paired",
    gate_scale: Annotated[
        str | None,
        typer.Option(
            help="Colour limits of the gate: own in each stage, shared by the stages of an image, or LO:HI for all.",
            metavar="own|shared|LO:HI",
            show_default="own, or the limits of --scale",
        ),
    ] = None,
    row3: Annotated[
        Literal["output", "gated"],
        typer.Option(
            "--row3", help="After the gate: the block's output F_out, which contains its input, or sigmoid(G) * F_loc."
        ),
    ] = "output",
    gate: Annotated[bool, typer.Option(help="Draw the gate's own row.")] = True,
    surprise: Annotated[bool, typer.Option("--surprise", help="Draw the memory's surprise at each position.")] = False,
    block: Annotated[int, typer.Option(help="Block of each stage to look at, from 1.")] = 1,
    overlay: Annotated[bool, typer.Option("--overlay", help="Lay the maps over the image in grey.")] = False,
    chunk_borders: Annotated[
        bool, typer.Option("--chunk-borders", help="Outline the memory's chunks on the maps.")
    ] = False,
    reads: Annotated[
        str | None,
        typer.Option(
            help="Draw where the read of one position comes from: a pixel of the image, such as its middle.",
            metavar="ROW,COL",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Object mask that gates are measured against: a label map, a binary or a grey mask, 0 the background; "
            "with several images a folder of masks with the images' names.",
            metavar="FILE|DIR",
            readable=False,
            show_default="image gradients",
        ),
    ] = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch", help="Measure many images and draw none: means with intervals; -o FILE.csv for each image."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Figure (.png, .svg, .pdf) or page to explore (.html); with several images a folder; with --batch a "
            ".csv file.",
            show_default="IMAGE-gates.png in this folder",
        ),
    ] = None,
    image_format: Annotated[
        Literal["png", "svg", "pdf", "html"] | None,
        typer.Option("--format", help="Format of the figures where -o names no file.", show_default="png"),
    ] = None,
    save_arrays: Annotated[bool, typer.Option("--save-arrays", help="Write the drawn maps as .npz too.")] = False,
    follow_links: FollowLinks = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> int | None:
    """Draw what the gate does: local features before and after it, stage by stage, beside the image.

    Rows from the top: the local features of a model without a global path; ConvNeur's before the gate; the gate; the
    block's output. Beside the figure lies its record, a .json file with colour limits, weights (SHA-256) and versions.

    Under the maps: the shares of gate values below .25 and above .75, and by how much the gate suppresses the
    background and sharpens edges, by its channels and by place.

    Example: `convneur viz-gates photo.jpg --row3 gated -o photo-gates.png`

    Example: `convneur viz-gates horse.jpg --mask horse-mask.png -o horse-gates.html`

    Example: `convneur viz-gates nuclei/images/val --batch --mask nuclei/masks/val -o gates.csv`
    """
    from convneur.gates import Inspector, inspect_batch

    printer, force = common.printer(), common.force
    model.single()  # refuses several models, and those of others
    look: dict[str, Any] = {"weights": weights, "model": model.model, "seed": seed, "block": block, "mask": mask}
    look |= {"stage": _stages(stage), "size": int(size) if size and size.isdecimal() else size}
    look |= {"max_pixels": max_pixels, "follow_links": follow_links, **model.settings()}
    limits = _limits("--scale", scale, "paired", "column", "map"), _limits("--gate-scale", gate_scale, "own", "shared")
    drawn: dict[str, Any] = {"reduce": reduce, "scale": limits[0], "gate_scale": limits[1], "row3": row3, "gate": gate}
    drawn |= {"surprise": surprise, "overlay": overlay, "chunk_borders": chunk_borders, "local_weights": local_weights}
    drawn |= {"reads": None if reads is None else _position(reads)}
    _check_images(images, mask, batch=batch)
    if batch:
        _refuse_drawing({**drawn, "format": image_format, "save_arrays": save_arrays})
        check_outputs(("--output", output, (".csv",)), force=force)
        found = inspect_batch(images, **look, progress=printer)
        if found.names and output is not None:
            found.save(output, force=force)
            printer.note(f"written: {output}")
        _sum_up(printer, found.weights.stamp, [each.name for each in found.failed], done=len(found.names))
        printer.show(found) if found.names else printer.json(found.to_dict())
        return FAILED if found.failed else None

    figures = _figures(images, output, image_format)
    inspector = Inspector(**look, **drawn)
    beside = (".json", ".npz") if save_arrays else (".json",)
    if len(images) > 1 and output is not None:
        new_folder(output)
    for figure in figures:
        _refuse_existing(figure, beside, force=force)
    records: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with printer.steps("drawing", len(images)) as advance:
        for image, figure in zip(images, figures, strict=True):
            try:
                records.append(_write(inspector.inspect(image, progress=printer), figure, beside, force=force))
            except InputError as error:
                failed.append({"name": as_text(image), "why": str(error)})
                printer.error(str(error))
            else:
                printer.note(f"written: {', '.join(map(str, _written(figure, beside)))}")
            advance(image.name)
    _sum_up(printer, inspector.weights.stamp, [each["name"] for each in failed], done=len(records))
    printer.json({"schema": "convneur.gates/1", "images": records, "failed": failed})
    return FAILED if failed else None


def _written(figure: Path, beside: Sequence[str]) -> list[Path]:
    """The figure and what is written beside it."""
    return [figure, *(figure.with_suffix(suffix) for suffix in beside)]


def _write(result: "GateResult", figure: Path, beside: Sequence[str], *, force: bool) -> dict[str, Any]:
    """Write one image's files and give its record; nothing else of the image is kept."""
    from convneur.figures import gates_figure, gates_page, save_figure

    record = result.record_beside(figure, arrays=".npz" in beside, force=force)
    ours = {path for path in _written(figure, beside)[1:] if path.exists()}  # which this figure joins
    with ExitStack() as files:  # all of them or none: the record is of this figure
        picture, *others = (
            files.enter_context(new_file(path, force=force or path in ours)) for path in _written(figure, beside)
        )
        if figure.suffix.lower() == ".html":
            picture.write_text(gates_page(result), encoding="utf-8", errors="backslashreplace")
        else:
            drawn = gates_figure(result)
            save_figure(drawn, picture)
            drawn.clear()  # its parts hold each other, and the maps, until a collection happens to come
        for path in others:
            if path.suffix == ".npz":
                result.save_arrays(path, force=True)
            else:
                new_text(path, to_json(record) + "\n", force=True)
    return record


def _sum_up(printer: Printer, stamp: str | None, failed: Sequence[str], *, done: int) -> None:
    """What is said once, after all images."""
    if stamp and done:
        printer.note(f"{stamp}: this shows the architecture, nothing learned; give --weights")
    if failed and done + len(failed) > 1:
        names = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
        printer.error(f"{len(failed)} of {plural(done + len(failed), 'image')} failed: {names}")


def _refuse_existing(figure: Path, beside: Sequence[str], *, force: bool) -> None:
    if figure.with_suffix(".json").exists() and not figure.exists():  # one.svg before, one.pdf now: known when drawn
        refuse_existing(figure, force=force)
    else:
        refuse_existing(*_written(figure, beside), force=force)


_LEFT_OUT = {
    "reduce": "rms",
    "scale": "paired",
    "gate_scale": None,
    "row3": "output",
    "gate": True,
    "surprise": False,
    "overlay": False,
    "chunk_borders": False,
    "reads": None,
    "local_weights": None,
    "format": None,
    "save_arrays": False,
}


def _refuse_drawing(options: Mapping[str, Any]) -> None:
    """Raises: UsageError: something was asked of pictures that --batch does not draw."""
    for name, typed in options.items():
        if typed != _LEFT_OUT[name]:
            option = "--no-gate" if name == "gate" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{option}: --batch draws no pictures; leave one of them out")


def _check_images(images: Sequence[Path], mask: Path | None, *, batch: bool) -> None:
    for image in images:
        if existing_path(image).is_dir() and not batch:
            raise UsageError(f"{image}: is a folder; add --batch to measure its images, or name images to draw")
    if mask is not None and mask.is_file() and len(images) > 1:
        raise UsageError(f"--mask {mask}: is one file; with several images name a folder of masks")


def _limits(option: str, typed: str | None, *words: str) -> str | tuple[float, float] | None:
    """One of the words as it is, LOW:HIGH as two numbers."""
    if typed is None or typed in words:
        return typed
    try:
        low, high = map(float, typed.split(":"))
    except ValueError:
        raise UsageError(f"{option} {typed}: choose {', '.join(words)}, or LOW:HIGH such as 0:0.05") from None
    return low, high


def _position(typed: str) -> tuple[int, int]:
    try:
        row, column = map(int, typed.split(","))
    except ValueError:
        raise UsageError(f"--reads {typed}: give a pixel's row and column, such as 120,200") from None
    return row, column


def _stages(typed: str) -> str | list[int]:
    try:
        return typed if typed == "all" else [int(part) for part in typed.split(",")]
    except ValueError:
        raise UsageError(f"--stage {typed}: choose all, or some of 1,2,3,4 with commas between") from None


def _figures(images: Sequence[Path], output: Path | None, image_format: str | None) -> list[Path]:
    """Where each image's figure goes."""
    stems: dict[str, Path] = {}
    for image in images:
        if image.stem in stems:
            raise UsageError(f"{stems[image.stem]} and {image}: equal names but for folder and suffix; run them apart")
        stems[image.stem] = image
    named = output is not None and not output.is_dir()
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    if len(images) == 1 and output is not None:
        if not output.name:  # "." or "/", which nothing can be written beside
            raise UsageError(f"--output {output}: is a folder; name a file")
        if suffix not in _FORMATS and named:
            raise UsageError(f"--output {output}: end it in .{', .'.join(_FORMATS)}")
        if image_format not in (None, suffix):
            raise UsageError(f"--format {image_format}: --output {output} says another")
        figures = [output]
    else:
        if suffix in _FORMATS and named:
            raise UsageError(f"--output {output}: with several images name a folder")
        figures = [output_path(output or Path(), f"{stem}-gates", f".{image_format or 'png'}") for stem in stems]
    inputs = {image.resolve() for image in images}
    for figure in figures:
        if figure.resolve() in inputs:
            raise UsageError(f"--output {figure}: is one of the images; choose another name")
    return figures
