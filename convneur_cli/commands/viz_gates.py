"""`convneur viz-gates`: local features before and after the gate, for images."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError, InputError
from convneur.files import new_file, new_folder, new_text, refuse_existing
from convneur.formats import as_text, plural, to_json
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.options.common import CommonOptions, MaxPixels
from convneur_cli.options.data import FollowLinks
from convneur_cli.options.gates import GateDrawOptions, GateFileOptions, GateLookOptions, LayerOptions, refuse_drawing
from convneur_cli.options.model import LayersModelOptions
from convneur_cli.options.modes import refuse_others
from convneur_cli.output import Printer
from convneur_cli.outputs import check_outputs

if TYPE_CHECKING:
    from convneur.gates import GateResult

__all__ = ["viz_gates"]


# readable=False below: a file without permission to read it is a failure of that file, not wrong usage.
def viz_gates(
    model: LayersModelOptions,
    look: GateLookOptions,
    draw: GateDrawOptions,
    files: GateFileOptions,
    layers: LayerOptions,
    common: CommonOptions,
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE", readable=False, help="Images of any size and format; with --batch folders of them too."
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

    Any model's layers can be drawn, and any gate: a layer whose output multiplies another's. See `--list-layers`.

    Example, after `pip install timm`: `convneur viz-gates photo.jpg --model timm/resnet18 --layer "layer*" -o net.png`

    Example: `convneur viz-gates nuclei/images/val --batch --mask nuclei/masks/val -o gates.csv`
    """
    printer, force, images = common.printer(), common.force, images or []
    _check_images(images, look.mask, batch=batch)
    seen: dict[str, Any] = {**look.settings(), "model": model.model, **model.settings()}
    seen |= {"max_pixels": max_pixels, "follow_links": follow_links}
    by_name = layers.wanted(model.model)
    if not by_name:
        model.single()  # refuses several models
    if batch:
        refuse_drawing("--batch", draw, files, layers)
        return _measure(images, output, seen, printer, force=force)

    if layers.list_layers:
        refuse_drawing("--list-layers", draw, files)
        if output is not None:
            raise UsageError("--output: --list-layers writes no file; leave one of them out")
        refuse_others("--list-layers", [layers], ("list_layers", "factory_arguments"))
        if len(images) > 1:
            raise UsageError(f"{images[1]}: --list-layers takes one image, for its size; leave the others out")

    from convneur.gates import Inspector
    from convneur.gates.layer_inspection import LayerInspector

    inspector: Any
    if by_name:
        refuse_others("layers by name", [look, files], ("weights", "seed", "size", "mask", *_FILES_OF_LAYERS))
        for name in ("stage", "block"):
            del seen[name]
        inspector = LayerInspector(**seen, **layers.settings(draw), progress=printer)
        if layers.list_layers:
            printer.show(inspector.layers(images[0] if images else None))
            return None
    else:
        inspector = Inspector(**seen, **draw.settings())
    if not images:
        raise UsageError("IMAGE: name an image")
    figures = files.figures(images, output)
    if len(images) > 1 and output is not None and not files.together:
        new_folder(output)
    for figure in figures:
        _refuse_existing(figure, files.beside, force=force)
    return _draw(inspector, figures, files, printer, force=force)


_FILES_OF_LAYERS = ("width", "bare", "image_format", "save_arrays", "raw_arrays")


def _measure(
    images: Sequence[Path], output: Path | None, seen: Mapping[str, Any], printer: Printer, *, force: bool
) -> int | None:
    """Many images in numbers."""
    from convneur.gates import inspect_batch

    check_outputs(("--output", output, (".csv",)), force=force)
    found = inspect_batch(images, **seen, progress=printer)
    if found.names and output is not None:
        found.save(output, force=force)
        printer.note(f"written: {output}")
    _sum_up(printer, found.weights.stamp, [each.name for each in found.failed], done=len(found.names))
    printer.show(found) if found.names else printer.json(found.to_dict())
    return FAILED if found.failed else None


def _draw(
    inspector: Any, figures: Mapping[Path, Sequence[Path]], files: GateFileOptions, printer: Printer, *, force: bool
) -> int | None:
    """Each figure from its images, one after the other."""
    records: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    asked, done, refused = sum(map(len, figures.values())), 0, False

    def fail(images: Sequence[Path], error: ConfigError | InputError, *, worked: int) -> None:
        """A ConfigError may be of this image alone, such as a layer that is no map then. It is raised where a second
        image has one too and none has worked."""
        nonlocal refused
        line = str(error)
        if isinstance(error, ConfigError):
            if asked == 1 or (refused and not worked):
                raise error
            refused = True
            value = "" if error.value is None else f" {error.value}"
            line = f"{as_text(images[0])}: `{error.setting}`{value}: {error.problem}"
        failed.extend({"name": as_text(image), "why": str(error)} for image in images)
        printer.error(line)

    with printer.steps("drawing", asked) as advance:
        for figure, images in figures.items():
            results, seen = [], list[Path]()
            for image in images:
                try:
                    results.append(inspector.inspect(image, progress=printer))
                    seen.append(image)
                except (ConfigError, InputError) as error:
                    fail([image], error, worked=done + len(results))
                advance(image.name)
            if not results:
                continue
            try:
                records += _write(results, figure, files, force=force)
                done += len(results)
                printer.note(f"written: {', '.join(map(str, _written(figure, files.beside)))}")
            except ConfigError as error:
                if files.together:  # there is no other figure
                    raise
                fail(seen, error, worked=done)
            except InputError as error:
                fail(seen, error, worked=done)
    _sum_up(printer, inspector.stamp, [each["name"] for each in failed], done=done)
    printer.json({"schema": "convneur.gates/1", "images": records, "failed": failed})
    return FAILED if failed else None


def _written(figure: Path, beside: Sequence[str]) -> list[Path]:
    """The figure and what is written beside it."""
    return [figure, *(figure.with_suffix(suffix) for suffix in beside)]


def _write(results: "list[GateResult]", figure: Path, files: GateFileOptions, *, force: bool) -> list[dict[str, Any]]:
    """Write the files of a figure and give the records of its images; nothing else of them is kept."""
    from convneur.figures import gates_figure, gates_page, save_figure
    from convneur.gates import GateResult, GateSheet

    sheet: GateResult | GateSheet = GateSheet(tuple(results)) if files.together else results[0]
    record = sheet.record_beside(figure, arrays=files.save_arrays, raw_arrays=files.raw_arrays, force=force)
    ours = {path for path in _written(figure, files.beside)[1:] if path.exists()}  # which this figure joins
    with ExitStack() as opened:  # all of them or none: the record is of this figure
        picture, *others = (
            opened.enter_context(new_file(path, force=force or path in ours)) for path in _written(figure, files.beside)
        )
        if figure.suffix.lower() == ".html":
            picture.write_text(gates_page(results[0]), encoding="utf-8", errors="backslashreplace")
        else:
            drawn = gates_figure(sheet, width=files.width, bare=files.bare)
            save_figure(drawn, picture)
            drawn.clear()  # its parts hold each other, and the maps, until a collection happens to come
        for path, kind in zip(others, files.beside, strict=True):
            if kind == ".json":
                new_text(path, to_json(record) + "\n", force=True)
            else:
                sheet.save_arrays(path, raw=kind == ".raw.npz", force=True)
    return [record]


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


def _check_images(images: Sequence[Path], mask: Path | None, *, batch: bool) -> None:
    for image in images:
        if existing_path(image).is_dir() and not batch:
            raise UsageError(f"{image}: is a folder; add --batch to measure its images, or name images to draw")
    if mask is not None and mask.is_file() and len(images) > 1:
        raise UsageError(f"--mask {mask}: is one file; with several images name a folder of masks")
