"""`convneur eval-boundary`: boundary metrics of predicted label maps."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from convneur.results import SUFFIXES
from convneur_cli.errors import UsageError
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.evaluation import CompareOptions, InputOptions, MetricOptions, PictureOptions, WorkOptions
from convneur_cli.options.modes import ModeOptions, ProbabilityOptions, refuse_others
from convneur_cli.outputs import check_outputs

__all__ = ["eval_boundary"]

# The options that say something about sequences and panoptic maps.
_WORK = ("workers", "missing", "max_pixels")
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
        refuse_others(modes.name, (inputs, work), (*_OF_OBJECTS[modes.name], "output"))
        check_outputs(("--output", work.output, SUFFIXES), force=common.force)
        if predictions is None or ground_truth is None:
            raise UsageError("PREDS: give the predictions and the ground truth")

        from convneur.instances import evaluate_panoptic, evaluate_sequences

        kept = {name: (vars(inputs) | vars(work))[name] for name in _OF_OBJECTS[modes.name]}
        of_mode = partial(evaluate_sequences, davis=modes.davis or "semi") if modes.sequences else evaluate_panoptic
        found = of_mode(predictions, ground_truth, **kept, progress=printer)
        if work.output is not None:
            found.save(work.output, force=common.force)
            printer.note(f"written: {work.output}")
        return printer.finish(found)

    if predictions is not None and predictions.suffix.lower() == ".json":
        raise UsageError(
            f"PREDS {predictions}: is no label map; add --panoptic, or score COCO results by eval-detection"
        )
    if work.digits is not None and (work.output is None or work.output.suffix.lower() not in (".md", ".tex")):
        raise UsageError("--digits: is for .md and .tex; name such a file with --output")

    from convneur.evaluation import evaluate, evaluate_thresholds

    asked = vars(inputs) | metrics.settings() | {"force": common.force, "progress": printer}
    thresholds = probabilities.thresholds()
    if len(thresholds) > 1:
        refuse_others("several thresholds", (comparing, pictures), kept=())
        refuse_others("several thresholds", (work,), kept=_OF_THRESHOLDS)
        asked |= {"best_by": probabilities.best_by} | {name: getattr(work, name) for name in _OF_THRESHOLDS}
        return printer.finish(evaluate_thresholds(predictions, ground_truth, thresholds, **asked))
    asked |= {"probabilities": probabilities.probabilities, "threshold": thresholds[0] if thresholds else None}
    asked |= vars(comparing) | vars(work) | vars(pictures)
    return printer.finish(evaluate(predictions, ground_truth, **asked))
