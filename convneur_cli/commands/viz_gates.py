"""`convneur viz-gates`: local features before and after the gate, for images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convneur.errors import InputError
from convneur.files import new_file, new_folder, refuse_existing
from convneur.formats import as_text, plural
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.output import Printer
from convneur_cli.results import check_outputs

if TYPE_CHECKING:
    from convneur.gates import GateResult

__all__ = ["viz_gates"]

_FORMATS = ("png", "svg", "pdf", "html")


# readable=False below: a file without permission to read it is a failure of that file, not wrong usage.
def viz_gates(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE", readable=False, help="Photos of any size and format; with --batch folders of them too."
        ),
    ],
    model: ModelOptions,
    common: CommonOptions,
    stage: Annotated[str, typer.Option(help="Which stages: all, or some of 1,2,3,4.", metavar="all|1,3")] = "all",
    weights: Annotated[
        str | None,
        typer.Option(
            help="A .safetensors file, packaged weights by name, or none: an untrained net of --model with --seed.",
            metavar="FILE|NAME|none",
            show_default="photos; none if other options ask for another net",
        ),
    ] = None,
    local_weights: Annotated[
        str | None,
        typer.Option(
            help="A net trained without memory, for row 1; same: the same weights, memory off.",
            metavar="FILE|NAME|same",
            show_default="the twin of packaged weights, else same",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Of an untrained net.", show_default="0")
    ] = None,
    size: Annotated[str, typer.Option(help="Long side in pixels, or native.", metavar="PIXELS|native")] = "512",
    reduce: Annotated[
        Literal["rms", "mean", "absmean", "max", "pca"], typer.Option(help="Over channels, on every row.")
    ] = "rms",
    scale: Annotated[
        str,
        typer.Option(
            help="Colour limits. paired: rows before and after the gate share in each stage. column: all feature rows "
            "of a stage. map: each panel its own. LO:HI: these.",
            metavar="paired|column|map|LO:HI",
        ),
    ] = "paired",
    row3: Annotated[
        Literal["output", "gated"],
        typer.Option("--row3", help="F_out, which contains the block's input, or sigmoid(G) * F_loc."),
    ] = "output",
    gate: Annotated[bool, typer.Option(help="Draw the gate's own row.")] = True,
    surprise: Annotated[bool, typer.Option("--surprise", help="Draw the memory's surprise at each position.")] = False,
    block: Annotated[int, typer.Option(help="Which block of each stage, from 1.")] = 1,
    overlay: Annotated[bool, typer.Option("--overlay", help="Lay the maps over the photo in grey.")] = False,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="What the numbers are measured against: a label map or binary mask of the photo, 0 the background; "
            "of several photos a folder of masks with their names.",
            metavar="FILE|DIR",
            readable=False,
            show_default="image gradients",
        ),
    ] = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch", help="No pictures: the numbers over many photos, with intervals; -o FILE.csv for each."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The figure, .png, .svg or .pdf, or a page to look around in, .html; with several images a folder; "
            "with --batch a .csv file.",
            show_default="IMAGE-gates.png in this folder",
        ),
    ] = None,
    image_format: Annotated[
        Literal["png", "svg", "pdf", "html"] | None,
        typer.Option("--format", help="Where -o names no file.", show_default="png"),
    ] = None,
    save_arrays: Annotated[bool, typer.Option("--save-arrays", help="Write the drawn maps as .npz too.")] = False,
) -> int | None:
    """See what the gate does: local features before and after it, in each stage, beside the photo.

    Rows: the local features of a net without a global path; ConvNeur's before the gate; the gate; the block's output.
    Beside the figure lies its record, a .json with recipe, colour limits, the weights' SHA-256 and versions. Reads
    any photo: turned by its EXIF tag, transparent parts on white, 16 bits as 8. An untrained net's picture says
    so.

    Numbers under the maps: shares of gate values below .25 and above .75; by how much the gate suppresses the
    background and sharpens edges.

    Example: `convneur viz-gates photo.jpg --row3 gated -o photo-gates.png`

    Example: `convneur viz-gates horse.jpg --mask horse-mask.png -o horse-gates.html`

    Example: `convneur viz-gates nuclei/images/val --batch --mask nuclei/masks/val -o gates.csv`
    """
    from convneur.gates import Inspector, inspect_batch

    printer, force = common.printer(), common.force
    model.single()  # refuses several models, and those of others
    look: dict[str, Any] = {"weights": weights, "model": model.model, "seed": seed, "block": block, "mask": mask}
    look |= {"stage": _stages(stage), "size": int(size) if size.isdecimal() else size, **model.settings()}
    drawn: dict[str, Any] = {"reduce": reduce, "scale": _scale(scale), "row3": row3, "gate": gate}
    drawn |= {"surprise": surprise, "overlay": overlay, "local_weights": local_weights}
    _check_images(images, mask, batch=batch)
    if batch:
        _refuse_drawing({**drawn, "format": image_format, "save_arrays": save_arrays})
        check_outputs(("--output", output, (".csv",)), force=force)
        found = inspect_batch(images, **look, progress=printer)
        if found.names and output is not None:
            found.save(output, force=force)
            printer.note(f"written: {output}")
        _sum_up(printer, found.weights.stamp, [each.name for each in found.failed], done=len(found.names))
        if found.names:
            printer.show(found)
        else:
            printer.json(found.to_dict())
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

    with new_file(figure, force=force) as temporary:
        if figure.suffix.lower() == ".html":
            temporary.write_text(gates_page(result), encoding="utf-8")
        else:
            picture = gates_figure(result)
            save_figure(picture, temporary)
            picture.clear()  # its parts hold each other, and the maps, until a collection happens to come
    if ".npz" in beside:
        result.save_arrays(figure.with_suffix(".npz"), force=force)
    result.save(figure.with_suffix(".json"), force=force)
    return result.to_dict()


def _sum_up(printer: Printer, stamp: str | None, failed: Sequence[str], *, done: int) -> None:
    """What is said once, after all images."""
    if stamp and done:
        printer.note(f"{stamp}: this shows the architecture, nothing learned; give --weights")
    if failed and done + len(failed) > 1:
        names = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
        printer.error(f"{len(failed)} of {plural(done + len(failed), 'image')} failed: {names}")


def _refuse_existing(figure: Path, beside: Sequence[str], *, force: bool) -> None:
    record = figure.with_suffix(".json")
    if record.exists() and not figure.exists() and not force:  # one.svg before, one.pdf now
        raise InputError(
            record,
            f"exists already, the record of another figure; choose another stem than {figure.stem}, or add --force",
        )
    refuse_existing(*_written(figure, beside), force=force)


_LEFT_OUT = {
    "reduce": "rms",
    "scale": "paired",
    "row3": "output",
    "gate": True,
    "surprise": False,
    "overlay": False,
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
            raise UsageError(f"{image}: is a folder; add --batch for the numbers of its photos, or name photos to draw")
    if mask is not None and mask.is_file() and len(images) > 1:
        raise UsageError(f"--mask {mask}: is one file; with several photos name a folder of masks")


def _scale(typed: str) -> str | tuple[float, float]:
    if typed in ("paired", "column", "map"):
        return typed
    try:
        low, high = map(float, typed.split(":"))
    except ValueError:
        raise UsageError(f"--scale {typed}: choose paired, column, map, or LOW:HIGH such as 0:0.05") from None
    return low, high


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
        if suffix not in _FORMATS and named:
            raise UsageError(f"--output {output}: end it in .{', .'.join(_FORMATS)}")
        if image_format not in (None, suffix):
            raise UsageError(f"--format {image_format}: --output {output} says another")
        figures = [output]
    else:
        if suffix in _FORMATS and named:
            raise UsageError(f"--output {output}: with several images name a folder")
        figures = [(output or Path()) / f"{stem}-gates.{image_format or 'png'}" for stem in stems]
    photos = {image.resolve() for image in images}
    for figure in figures:
        if figure.resolve() in photos:
            raise UsageError(f"--output {figure}: is one of the images; choose another name")
    return figures
