"""`convneur eval-boundary`: boundary metrics of predicted label maps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convneur.results import SUFFIXES
from convneur_cli.errors import FAILED, UsageError
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.evaluation import CompareOptions, InputOptions, MetricOptions, PictureOptions, WorkOptions
from convneur_cli.options.modes import ModeOptions, ProbabilityOptions, refuse_others
from convneur_cli.outputs import check_outputs

if TYPE_CHECKING:
    from convneur.evaluation import ThresholdScores
    from convneur.instances import PanopticScores, SequenceScores
    from convneur_cli.output import Printer

__all__ = ["eval_boundary"]

# The options that say something about sequences and panoptic maps.
_WORK = ("output", "workers", "missing", "max_pixels")
_OF_THRESHOLDS = ("output", "workers", "scheduler", "strict")
_OF_OBJECTS = {"--sequences": (*_WORK, "follow_links"), "--panoptic": _WORK}


# readable=False: a file without permission to read it is a failure of that file, not wrong usage.
def eval_boundary(
    inputs: InputOptions,
    metrics: MetricOptions,
    comparing: CompareOptions,
    work: WorkOptions,
    pictures: PictureOptions,
    modes: ModeOptions,
    probabilities: ProbabilityOptions,
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

    With --sequences objects are followed through frames (J&F), with --panoptic segments are matched (PQ, Boundary PQ).

    Example: `convneur eval-boundary predictions/ labels/ --classes classes.txt --tolerance 1px,3px -o boundary.json`

    Example: `convneur eval-boundary predictions/ labels/ --classes classes.txt --against others/ -o comparison.tex`
    """
    printer = common.printer()
    if modes.name is not None:
        refuse_others(modes.name, (metrics, comparing, pictures, probabilities), kept=())
        refuse_others(modes.name, (inputs, work), _OF_OBJECTS[modes.name])
        check_outputs(("--output", work.output, SUFFIXES), force=common.force)
        if predictions is None or ground_truth is None:
            raise UsageError("PREDS: give the predictions and the ground truth")
        return _objects(predictions, ground_truth, inputs, work, modes, common, printer)

    from convneur.evaluation import Evaluation, evaluate, evaluate_thresholds

    asked = vars(inputs) | metrics.settings() | {"force": common.force, "progress": printer}
    thresholds = probabilities.thresholds()
    result: Evaluation | ThresholdScores
    if len(thresholds) > 1:
        refuse_others("several thresholds", (comparing, pictures), kept=())
        refuse_others("several thresholds", (work,), kept=_OF_THRESHOLDS)
        kept = {name: getattr(work, name) for name in _OF_THRESHOLDS}
        result = evaluate_thresholds(
            predictions, ground_truth, thresholds, best_by=probabilities.best_by, **asked, **kept
        )
    else:
        result = evaluate(
            predictions,
            ground_truth,
            **asked,
            probabilities=probabilities.probabilities,
            threshold=thresholds[0] if thresholds else None,
            **vars(comparing),
            **vars(work),
            **vars(pictures),
        )
    printer.show(result)
    if not result.failed:
        return None
    pairs = result.images + len(result.failed)
    if isinstance(result, Evaluation) and result.against:
        pairs += result.against.images
    printer.error(f"{len(result.failed)} of {pairs} pairs could not be scored and are in none of the values")
    return FAILED


def _objects(
    predictions: Path,
    ground_truth: Path,
    inputs: InputOptions,
    work: WorkOptions,
    modes: ModeOptions,
    common: CommonOptions,
    printer: "Printer",
) -> int | None:
    """Sequences or panoptic maps."""
    from convneur.instances import evaluate_panoptic, evaluate_sequences

    result: SequenceScores | PanopticScores
    asked = {name: getattr(inputs, name) for name in _OF_OBJECTS[str(modes.name)] if hasattr(inputs, name)}
    if modes.sequences:
        result = evaluate_sequences(
            predictions, ground_truth, davis=modes.davis or "semi", **asked, workers=work.workers, progress=printer
        )
    else:
        result = evaluate_panoptic(predictions, ground_truth, **asked, workers=work.workers, progress=printer)
    if work.output is not None:
        result.save(work.output, force=common.force)
        printer.note(f"written: {work.output}")
    printer.show(result)
    if not result.failed:
        return None
    printer.error(f"{result.failed_line()} could not be scored and are in none of the values")
    return FAILED
