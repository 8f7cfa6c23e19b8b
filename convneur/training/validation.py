"""How well a model does on whole images: a confusion matrix, and the scores that follow from it."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convneur.data.examples import Example, read_example
from convneur.data.reading import Reading
from convneur.inference import class_logits, pixel_logits, size_seen
from convneur.model.network import ConvNeur
from convneur.training.settings import TrainSettings

__all__ = ["Validated", "confusion_matrix", "validation_scores"]


class Validated(NamedTuple):
    """confusion: truth by prediction, (K, K); size: height and width of all that the model was shown, None where they
    differ."""

    confusion: NDArray[np.int64]
    size: tuple[int, int] | None


def confusion_matrix(
    model: ConvNeur, examples: Sequence[Example], reading: Reading, classes: int, settings: TrainSettings
) -> Validated:
    """Truth by prediction over whole images, ignored pixels left out. Raises: InputError: see `read_example`.

    Args: settings: the size that a classifier sees, the scale at which a model labels pixels.
    """
    counts = np.zeros(classes * classes, np.int64)
    sizes = set()
    for example in examples:
        pixels, target = read_example(example, reading, classes)
        if isinstance(target, int):
            logits = class_logits(model, [pixels], settings.crop)
            sizes.add(settings.crop)
        else:
            logits = pixel_logits(model, [pixels], scale=settings.eval_scale)
            sizes.add(size_seen(pixels.shape[0], pixels.shape[1], settings.eval_scale))
        found = logits[0].argmax(0).cpu().numpy()
        labels = np.asarray(target, np.int64)
        ignored = reading.ignore_index
        valid = np.ones(labels.shape, bool) if ignored is None or labels.ndim == 0 else labels != ignored
        counts += np.bincount((labels * classes + found)[valid].ravel(), minlength=classes * classes)
    return Validated(counts.reshape(classes, classes), sizes.pop() if len(sizes) == 1 else None)


def validation_scores(confusion: NDArray[np.int64], settings: TrainSettings, classes: Sequence[str]) -> dict[str, Any]:
    """What a validation's record holds: `score`, by which weights are chosen, and the metrics of the task.

    Classification: top1. Segmentation: miou over the classes that occur, pixel_accuracy, iou by class (None: does not
    occur).
    """
    right = float(np.trace(confusion) / max(confusion.sum(), 1))
    if settings.task == "classification":
        return {"score": right, "top1": right}
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    iou = [float(hit / all_) if all_ else None for hit, all_ in zip(np.diag(confusion), union, strict=True)]
    known = [value for value in iou if value is not None]
    mean = statistics.fmean(known) if known else 0.0
    return {"score": mean, "miou": mean, "pixel_accuracy": right, "iou": dict(zip(classes, iou, strict=True))}
