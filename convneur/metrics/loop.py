"""Boundary metrics of a training loop: batches in, one summary out."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.metrics.arrays import as_array
from convneur.metrics.class_sets import with_ids
from convneur.metrics.label_pair import describe
from convneur.metrics.scores import score_pair
from convneur.metrics.settings import BoundarySettings, check_alike
from convneur.metrics.summary import BoundarySummary, class_names, summary_of
from convneur.metrics.tables import image_values
from convneur.metrics.totals import Totals

__all__ = ["BoundaryMetrics"]


class BoundaryMetrics:
    """Boundary metrics of label maps that come in batches, over a data set, without a name for any image.

    Choice: as `BoundaryAccumulator`: per class the mean over the images where the class is in either map, overall the
        mean over the classes that have a value; trimap mIoU, mIoU and accuracy from one confusion matrix over
        everything. What is kept is whole numbers (`Totals`), so `compute()` gives the same bits in whatever order,
        batches and parts the same pairs were counted. It pickles, and its size does not grow with the images.
    Args:
        num_classes: classes are 0..num_classes - 1. ignore_index: label of the target left out of everything, or None.
        names: of the classes, for the summary.
        options: the other settings, as in `BoundarySettings`: metrics, tolerance, trimap_width, spacing and so on.
    Raises: ConfigError: a setting, by its name.

    >>> import numpy as np
    >>> target = np.zeros((2, 30, 40), int)  # or tensors, on any device
    >>> target[:, 10:20, 10:30] = 1
    >>> metrics = BoundaryMetrics(num_classes=2, metrics=["boundary_f1", "miou"], tolerance=["1px", "3px"])
    >>> metrics.update(np.roll(target, 2, axis=2), target)
    >>> summary = metrics.compute()
    >>> summary.images, round(summary.overall["miou"], 3), summary.overall["boundary_f1"]
    (2, 0.889, {'1px': 0.7, '3px': 1.0})
    """

    def __init__(
        self,
        num_classes: int,
        ignore_index: int | None = 255,
        *,
        names: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        known = {field.name for field in dataclasses.fields(BoundarySettings)}
        for name in options.keys() - known:
            raise ConfigError(name, f"no such option; there are {', '.join(sorted(known))}")
        settings = BoundarySettings(num_classes=num_classes, ignore_index=ignore_index, **options)
        self.names = class_names(settings, names)
        self.settings = with_ids(settings, self.names)
        self.reset()

    def __repr__(self) -> str:
        settings = self.settings
        return (
            f"<BoundaryMetrics of {plural(self._totals.images, 'image')}: "
            f"{plural(len(self.names), 'class', 'classes')}; {', '.join(settings.metrics)}>"
        )

    def update(self, preds: Any, target: Any) -> None:
        """Count one pair or a batch of pairs.

        Args:   preds, target: (H, W) or (B, H, W) of integers, NumPy or tensors on any device.
        Raises: InputError: not label maps of one shape, or a target label that is neither a class nor ignored; then
            nothing of the batch is counted.
        """
        scores = [self._score(*pair) for pair in _pairs(preds, target)]
        for one in scores:
            self._totals.add(one, image_values(one, self.settings))

    def compute(self) -> BoundarySummary:
        """The values of everything counted so far; NaN where nothing was.

        What looks wrong in how the label maps were prepared, such as labels shifted by one, is a Python warning and in
        the summary's `warnings`.
        """
        summary = summary_of(self._totals, self.names)
        for warning in summary.warnings:
            warnings.warn(str(warning), UserWarning, stacklevel=2)
        return summary

    def reset(self) -> None:
        """Count from nothing again."""
        self._totals = Totals(self.settings, len(self.names))

    def merge_state(self, other: "BoundaryMetrics") -> None:
        """Count every pair that other metrics, of another process or another part of the data, have counted.

        Raises: ConfigError: the settings or the class names differ, or it is something else.
        """
        if not isinstance(other, BoundaryMetrics):
            raise ConfigError("other", f"must be one BoundaryMetrics, not a {type(other).__name__}")
        check_alike("other", self, other)
        self._totals.merge(other._totals)

    def state_arrays(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """What was counted, for a library that adds and gathers arrays.

        Returns: counts (N,), whose sums are those of all the pairs, N fixed by the settings; rows (n, 3) of predicted
            labels that are no class, which may be put behind each other.
        """
        return self._totals.to_arrays()

    def load_state_arrays(self, counts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> None:
        """Count what `state_arrays` of the same settings hold, and nothing else."""
        self._totals = Totals.from_arrays(self.settings, len(self.names), counts, rows)

    def _score(self, pred: npt.NDArray[Any], gt: npt.NDArray[Any]) -> Any:
        try:
            return score_pair(pred, gt, self.settings)
        except InputError as error:
            raise InputError("preds" if error.path == "pred" else "target", error.problem) from None


def _pairs(preds: Any, target: Any) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    maps = {"preds": as_array(preds), "target": as_array(target)}
    for name, labels in maps.items():
        if labels.dtype.kind not in "bui":
            mend = _of_scores(labels.ndim, maps["target"].ndim) if name == "preds" else ""
            raise InputError(name, f"label maps hold integers, not {describe(labels)}{mend}")
        if labels.ndim not in (2, 3):
            raise InputError(name, f"label maps are (H, W) or (B, H, W), not {describe(labels)}")
    pred, gt = maps.values()
    if pred.shape != gt.shape:
        raise InputError("preds", f"{describe(pred)}, but target is {describe(gt)}; give label maps of one shape")
    return [(pred, gt)] if pred.ndim == 2 else list(zip(pred, gt, strict=True))


def _of_scores(preds: int, target: int) -> str:
    """How scores become label maps. Args: how many axes both have."""
    if preds == target + 1:
        return f"; of scores by class take the best, preds.argmax({preds - 3})"
    return "; of probabilities of one class take those that are high, such as preds > 0.5" if preds == target else ""
