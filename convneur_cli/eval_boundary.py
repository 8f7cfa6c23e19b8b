"""`convneur eval-boundary`: boundary metrics of predicted label maps."""

import csv
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convneur.errors import InputError
from convneur.files import new_file, refuse_existing
from convneur_cli.boundary_report import as_dict, class_rows, print_report, warnings_of
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.options import CommonOptions
from convneur_cli.output import Printer, to_json

if TYPE_CHECKING:
    from convneur.data.pairs import Pair, Pairing
    from convneur.metrics import BoundaryAccumulator, BoundarySettings, PairScores

__all__ = ["eval_boundary"]

_Map = Callable[..., Iterator[Any]]


# readable=False below: a file without permission to read it is a failure of that file, not wrong usage.
def eval_boundary(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDS", readable=False, help="Predicted label map, or a folder of them.")
    ],
    ground_truth: Annotated[
        Path, typer.Argument(metavar="GT", readable=False, help="Ground truth of the same names but for the suffix.")
    ],
    common: CommonOptions,
    num_classes: Annotated[
        int | None,
        typer.Option(
            help="Classes are 0 to this - 1.",
            metavar="N",
            show_default="highest ground-truth label + 1",
        ),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Names of the classes, one per line.", metavar="FILE", readable=False)
    ] = None,
    ignore_index: Annotated[
        str, typer.Option(help="Ground-truth label that does not count.", metavar="LABEL|none")
    ] = "255",
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
    missing: Annotated[Literal["error", "skip"], typer.Option(help="A ground truth without a prediction.")] = "error",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core. Results are the same.")] = 1,
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

    Label maps hold one class id per pixel: grey or palette PNG, TIFF, NPY or NPZ. Each metric equals a known tool's
    in a stated configuration; the output names the definitions. Distances skip missed and spurious classes in one
    mean and count them as the image diagonal in the other. A pair that cannot be scored is reported and left out.

    Example: `convneur eval-boundary predictions/ labels/ --num-classes 19 --tolerance 1px,3px -o boundary.json`
    """
    settings = _settings(
        num_classes=num_classes,
        ignore_index=_ignored(ignore_index),
        metrics=metrics,
        tolerance=tuple(_parts(tolerance)),
        count_absent=count_absent,
        trimap_width=tuple(_whole("--trimap-width", part) for part in _parts(trimap_width)),
        trimap_seed=trimap_seed,
        trimap_shape=trimap_shape,
        hd95=hd95,
        connectivity=int(connectivity),
        surface_dice_tau=tuple(_parts(surface_dice_tau)),
        spacing=_spacing(spacing),
        boundary_iou_ratio=boundary_iou_ratio,
        aggregate=aggregate,
    )
    _check_outputs(output, per_image, force=common.force)
    existing_path(predictions)
    existing_path(ground_truth)
    names = _class_names(existing_path(classes)) if classes else None
    if names and num_classes not in (None, len(names)):
        raise UsageError(f"--num-classes {num_classes}: {classes} names {len(names)}; leave one of them out")

    from convneur.data.pairs import find_pairs
    from convneur.metrics import BoundaryAccumulator, record_columns

    printer = common.printer()
    pairing = find_pairs(predictions, ground_truth, missing=missing)
    _warn_of_unpaired(printer, pairing)
    pairs = pairing.pairs
    with _mapping(workers, len(pairs)) as mapped, ExitStack() as files:
        source = "--classes" if names else "--num-classes" if num_classes else "highest ground-truth label + 1"
        if settings.num_classes is None:
            count = len(names) if names else _classes_seen(printer, mapped, pairs, settings.ignore_index)
            settings = replace(settings, num_classes=count)
        total = BoundaryAccumulator(settings, names)
        rows = None
        if per_image:
            temporary = files.enter_context(new_file(per_image, force=common.force))
            rows = csv.writer(files.enter_context(temporary.open("w", newline="", encoding="utf-8")))
            rows.writerow(record_columns(settings))
        failed = _score_all(printer, mapped, pairs, total, rows, strict=strict)
        summary = total.summary()
        result = as_dict(summary, failed, {"num_classes_from": source, "missing": missing})
        if output:
            with new_file(output, force=common.force) as temporary:
                _write(temporary, result)
    for path in (output, per_image):
        if path:
            printer.note(f"written: {path}")
    for words in warnings_of(summary, inferred=source.startswith("highest")):
        printer.warn(words)
    if len(failed) < len(pairs):
        print_report(printer, summary, source)
    printer.json(result)
    if failed:
        printer.error(f"{len(failed)} of {len(pairs)} pairs could not be scored and are in none of the figures")
        return FAILED
    return None


def _settings(*, metrics: str, **typed: Any) -> "BoundarySettings":
    from convneur.metrics import METRICS, BoundarySettings

    return BoundarySettings(metrics=METRICS if metrics == "all" else tuple(_parts(metrics)), **typed)


def _parts(typed: str) -> list[str]:
    return [part.strip() for part in typed.split(",")]


def _whole(option: str, typed: str) -> int:
    try:
        return int(typed)
    except ValueError:
        raise UsageError(f"{option} {typed}: must be a whole number") from None


def _ignored(typed: str) -> int | None:
    return None if typed == "none" else _whole("--ignore-index", typed)


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


def _class_names(path: Path) -> list[str]:
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; write one class name per line") from None
    if not names:
        raise InputError(f"{path}: is empty; write one class name per line")
    for number, name in enumerate(names, start=1):
        if not name or name in names[: number - 1]:
            raise InputError(f"{path}: line {number} is {'a repetition' if name else 'empty'}; name each class once")
    return names


def _warn_of_unpaired(printer: Printer, pairing: "Pairing") -> None:
    for names, one, several in (
        (
            pairing.without_gt,
            "prediction without a ground truth, ignored",
            "predictions without a ground truth, ignored",
        ),
        (
            pairing.without_pred,
            "ground truth without a prediction, skipped",
            "ground truths without a prediction, skipped",
        ),
        (
            tuple(map(str, pairing.links)),
            "link out of the folder, not followed",
            "links out of the folder, not followed",
        ),
    ):
        if names:
            words = one if len(names) == 1 else several
            printer.warn(f"{len(names)} {words}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")


@contextmanager
def _mapping(workers: int, jobs: int) -> Iterator[_Map]:
    """Yield a `map` in this process or over several; its results come in the order of the jobs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(workers or cores, jobs)
    if workers <= 1:
        yield map
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Not forked: the progress bar has a thread. Ctrl-C is for this process to handle.
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield pool.map
    except BrokenProcessPool:
        raise InputError("a worker process ended early, perhaps for lack of memory; use fewer --workers") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _classes_seen(printer: Printer, mapped: _Map, pairs: Sequence["Pair"], ignore_index: int | None) -> int:
    highest = 0
    with printer.progress("finding the classes", len(pairs)) as advance:
        for label in mapped(partial(_highest_class, ignore_index=ignore_index), pairs):
            highest = max(highest, label)
            advance()
    return highest + 1


def _highest_class(pair: "Pair", ignore_index: int | None) -> int:
    from convneur.data.labels import read_label_map
    from convneur.metrics import highest_class

    try:
        return highest_class(read_label_map(pair.gt), ignore_index)
    except InputError:
        return 0  # reported when the pair is scored


def _score_all(
    printer: Printer,
    mapped: _Map,
    pairs: Sequence["Pair"],
    total: "BoundaryAccumulator",
    rows: Any,
    *,
    strict: bool,
) -> list[dict[str, str]]:
    """Add every pair to `total`, and its rows to `rows` if there are any; returns the pairs that failed."""
    from convneur.metrics import records

    failed = []
    with printer.progress("scoring", len(pairs)) as advance:
        outcomes = mapped(partial(_score, settings=total.settings), pairs)
        for pair, outcome in zip(pairs, outcomes, strict=True):
            if isinstance(outcome, str):
                if strict:
                    raise InputError(f"{pair.name}: {outcome}")
                failed.append({"name": pair.name, "why": outcome})
                printer.error(f"{pair.name}: {outcome}")
            else:
                total.add(pair.name, outcome)
                if rows:
                    rows.writerows(records(pair.name, outcome, total.settings, total.names))
            advance()
    return failed


def _score(pair: "Pair", settings: "BoundarySettings") -> "PairScores | str":
    """The scores of a pair, or why it has none."""
    from convneur.data.labels import read_label_map
    from convneur.metrics import score_pair

    try:
        return score_pair(read_label_map(pair.gt), read_label_map(pair.pred), settings)
    except InputError as error:
        return str(error)
    except MemoryError:
        return "not enough memory to score it"


def _write(path: Path, result: dict[str, Any]) -> None:
    if path.suffix.lower() == ".json":
        path.write_text(to_json(result) + "\n", encoding="utf-8")
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(class_rows(result))
