"""`convneur eval-boundary`: boundary metrics of predicted label maps."""

import csv
import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convneur.files import new_file, refuse_existing
from convneur.formats import to_json
from convneur_cli.boundary_compare import CompareOptions, print_comparison, with_comparison
from convneur_cli.boundary_pictures import PictureOptions
from convneur_cli.boundary_report import as_dict, class_rows, print_report, warnings_of
from convneur_cli.boundary_state import kept_on_disk, refuse_unfinished, state_path
from convneur_cli.boundary_work import classes_seen, engine, scored_pairs
from convneur_cli.errors import FAILED, UsageError
from convneur_cli.options.boundary_inputs import InputOptions, warn_of_unpaired
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import whole

if TYPE_CHECKING:
    from convneur.metrics import BoundarySettings

__all__ = ["eval_boundary"]


# readable=False: a file without permission to read it is a failure of that file, not wrong usage.
def eval_boundary(
    inputs: InputOptions,
    comparing: CompareOptions,
    pictures: PictureOptions,
    common: CommonOptions,
    predictions: Annotated[
        Path | None, typer.Argument(metavar="PREDS", readable=False, help="Predicted label map, or a folder of them.")
    ] = None,
    ground_truth: Annotated[
        Path | None,
        typer.Argument(metavar="GT", readable=False, help="Ground truth of the same names but for the suffix."),
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(
            help="all, or some of boundary_f1, trimap_miou, hausdorff, hd95, assd, masd, surface_dice, boundary_iou, "
            "miou, pixel_accuracy.",
            metavar="all|LIST",
        ),
    ] = "all",
    tolerance: Annotated[
        str,
        typer.Option(
            help="Boundary F1: pixels from 1 on, below 1 a share of the diagonal; several as 1px,3px,0.75%diag.",
            metavar="LIST",
        ),
    ] = "0.008",
    count_absent: Annotated[
        bool, typer.Option("--count-absent", help="Boundary F1 of a class in neither map is 1, as DAVIS has it.")
    ] = False,
    trimap_width: Annotated[
        str,
        typer.Option(
            help="Trimap: by how many pixels the band grows from the pixels along a boundary.", metavar="LIST"
        ),
    ] = "1,3,5,10",
    trimap_seed: Annotated[
        Literal["auto", "class", "void"],
        typer.Option(help="Trimap: along class changes, around ignored areas (VOC), or auto: void if class is empty."),
    ] = "auto",
    trimap_shape: Annotated[
        Literal["square", "disk"], typer.Option(help="Trimap: Chebyshev or Euclidean distance.")
    ] = "square",
    hd95: Annotated[
        Literal["directed", "pooled"],
        typer.Option("--hd95", help="HD95: larger of both directions' percentiles, or of all distances (medpy)."),
    ] = "directed",
    connectivity: Annotated[
        Literal["4", "8"], typer.Option(help="Distances: neighbours that make a border pixel.")
    ] = "4",
    surface_dice_tau: Annotated[
        str, typer.Option(help="Surface dice: tolerances in units of --spacing.", metavar="LIST")
    ] = "1,2,3",
    spacing: Annotated[
        str, typer.Option(help="Distances: height and width of a pixel.", metavar="HEIGHT,WIDTH")
    ] = "1,1",
    boundary_iou_ratio: Annotated[
        float, typer.Option(help="Boundary IoU: band width as a share of the diagonal.")
    ] = 0.02,
    aggregate: Annotated[
        Literal["mean", "pooled"],
        typer.Option(help="Boundary F1 and surface dice of a class: mean over images, or from pooled counts."),
    ] = "mean",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core. Results are the same.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Work on a Dask cluster instead, which sees the same paths.", metavar="ADDRESS")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with an interrupted run: score only what its .partial file lacks."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first pair that cannot be scored.")] = False,
    per_image: Annotated[
        Path | None,
        typer.Option(help="Write a row per image and class, all counts included.", metavar="FILE.csv"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the result: .json all of it, .csv overall and by class."),
    ] = None,
) -> int | None:
    """Score predicted label maps along their boundaries: boundary F1, trimap mIoU, Hausdorff, Boundary IoU.

    Label maps hold one class id per pixel: grey or palette PNG, TIFF (of several pages each is an image), NPY or NPZ;
    or colours, with --colours. Each metric equals a known tool's in a stated configuration; the output names the
    definitions. Distances skip missed and spurious classes in one mean and count them as the image diagonal in the
    other. A pair that cannot be scored is reported and left out.

    Example: `convneur eval-boundary predictions/ labels/ --classes classes.txt --tolerance 1px,3px -o boundary.json`
    """
    settings = _settings(
        num_classes=inputs.num_classes,
        ignore_index=inputs.ignored(),
        metrics=metrics,
        tolerance=tuple(_parts(tolerance)),
        count_absent=count_absent,
        trimap_width=tuple(whole("--trimap-width", part) for part in _parts(trimap_width)),
        trimap_seed=trimap_seed,
        trimap_shape=trimap_shape,
        hd95=hd95,
        connectivity=int(connectivity),
        surface_dice_tau=tuple(_parts(surface_dice_tau)),
        spacing=_spacing(spacing),
        boundary_iou_ratio=boundary_iou_ratio,
        aggregate=aggregate,
    )
    kept = output or per_image
    partial = state_path(kept) if kept else None
    _check_outputs(output, per_image, force=common.force)
    if partial is not None:
        refuse_unfinished(partial, resume=resume, force=common.force)
    elif resume:
        raise UsageError("--resume: needs -o or --per-image, beside which finished pairs are kept")
    if scheduler and workers != 1:
        raise UsageError("--workers: the scheduler's workers do the work; leave it out")
    pictures.check(settings, force=common.force)
    found = inputs.open(predictions, ground_truth)
    rival = comparing.open(inputs, ground_truth, found)
    printer = common.printer()
    warn_of_unpaired(printer, found.pairing)

    from convneur.metrics import BoundaryAccumulator, record_columns, records

    pairs, reading, source = found.pairing.pairs, found.reading, found.classes_from
    jobs = [*pairs, *(rival.jobs if rival else ())]
    with engine(workers, scheduler, len(jobs)) as mapped, ExitStack() as files:
        if found.names:
            settings = dataclasses.replace(settings, num_classes=len(found.names))
        elif settings.num_classes is None:
            settings = dataclasses.replace(settings, num_classes=classes_seen(printer, mapped, pairs, reading))
        total = BoundaryAccumulator(settings, found.names)
        if rival:
            rival.begin(settings, total.names)
        about = {
            "predictions": str(predictions and predictions.resolve()),
            "ground truth": str(ground_truth and ground_truth.resolve()),
            "against": str(comparing.against and comparing.against.resolve()),
            **dataclasses.asdict(settings),
            "names": total.names,
            "preset": inputs.preset,
            "colours": sorted(map(str, reading.colours.classes.items())) if reading.colours else None,
            "resize": inputs.resize,
        }
        state = files.enter_context(kept_on_disk(printer, partial, about, len(jobs), resume=resume, force=common.force))
        rows = None
        if per_image:
            temporary = files.enter_context(new_file(per_image, force=common.force))
            rows = csv.writer(files.enter_context(temporary.open("w", newline="", encoding="utf-8")))
            rows.writerow(record_columns(settings))
        failed, resized = [], 0
        for pair, outcome in scored_pairs(printer, mapped, jobs, reading, settings, state=state, strict=strict):
            if isinstance(outcome, str):
                failed.append({"name": pair.name, "why": outcome})
                continue
            resized += outcome.resized
            if rival and rival.add(pair, outcome.scores):
                continue
            total.add(pair.name, outcome.scores)
            if rows:
                rows.writerows(records(pair.name, outcome.scores, settings, total.names))
        summary = total.summary()
        more = {"num_classes_from": source, "missing": inputs.missing, "preset": inputs.preset, "resize": inputs.resize}
        result = as_dict(summary, failed, more)
        if rival:
            result["comparison"] = rival.comparison()
        shown = str(predictions or inputs.listed)
        drawn: list[str] = []
        if pictures.asked and summary.images:
            drawn = pictures.draw(
                printer, found, settings, summary, result, rival, predictions=shown, force=common.force
            )
        if output:
            with new_file(output, force=common.force) as temporary:
                _write(temporary, result)
    for path in (output, per_image, *drawn):
        if path:
            printer.note(f"written: {path}")
    for words in warnings_of(summary, inferred=source.startswith("highest"), resized=resized, preset=inputs.preset):
        printer.warn(words)
    if summary.images:
        print_report(printer, summary, source)
    if result.get("comparison"):
        print_comparison(printer, result["comparison"], summary.settings, shown)
    printer.json(result)
    if failed:
        printer.error(f"{len(failed)} of {len(jobs)} pairs could not be scored and are in none of the figures")
        return FAILED
    return None


def _settings(*, metrics: str, **typed: Any) -> "BoundarySettings":
    from convneur.metrics import METRICS, BoundarySettings

    return BoundarySettings(metrics=METRICS if metrics == "all" else tuple(_parts(metrics)), **typed)


def _parts(typed: str) -> list[str]:
    return [part.strip() for part in typed.split(",")]


def _spacing(typed: str) -> tuple[float, float]:
    try:
        height, width = map(float, typed.split(","))
    except ValueError:
        raise UsageError(f"--spacing {typed}: give the height and the width of a pixel, such as 0.5,0.5") from None
    return height, width


def _check_outputs(output: Path | None, per_image: Path | None, *, force: bool) -> None:
    if output and output.suffix.lower() not in (".json", ".csv"):
        raise UsageError(f"--output {output}: must end in .json or .csv")
    if per_image and per_image.suffix.lower() != ".csv":
        raise UsageError(f"--per-image {per_image}: must end in .csv")
    if output and per_image and output.resolve() == per_image.resolve():
        raise UsageError(f"--per-image {per_image}: is --output too; name two files")
    refuse_existing(*(path for path in (output, per_image) if path), force=force)


def _write(path: Path, result: dict[str, Any]) -> None:
    if path.suffix.lower() == ".json":
        path.write_text(to_json(result) + "\n", encoding="utf-8")
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = class_rows(result)
        if result.get("comparison"):
            rows = with_comparison(rows, result["comparison"], result["settings"]["metrics"])
        csv.writer(file).writerows(rows)
