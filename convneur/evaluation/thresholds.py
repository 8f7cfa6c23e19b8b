"""`evaluate_thresholds`: probability maps at several thresholds, and which of them is best on these images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convneur.errors import ConfigError, SuspiciousInputError
from convneur.evaluation.inputs import Maps
from convneur.evaluation.jobs import Failure
from convneur.evaluation.result import Evaluation
from convneur.evaluation.run import evaluate
from convneur.evaluation.scenes import ranking_by
from convneur.evaluation.words import shown
from convneur.files import refuse_existing
from convneur.metrics import BoundarySettings
from convneur.metrics.tables import Path as ValuePath
from convneur.metrics.tables import leaves, less_is_better, value_at
from convneur.metrics.words import metric_name
from convneur.progress import Progress, silent
from convneur.results import SUFFIXES, ReadOnly, Result, Table

__all__ = ["ThresholdScores", "evaluate_thresholds"]

_WITH_METRICS = ("hd_percentile", "tolerance_curve")  # settings that each bring a metric
_CHOSEN = "chosen on this data: for a fair value score it on other images"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ThresholdScores(Result):
    """Evaluations of the same probability maps at several thresholds; made by `evaluate_thresholds`.

    evaluations: by threshold. best_by: metric, or metric@key; best: the threshold of its best value over the set, the
    first of equals, None where it has no value.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pred, gt = Path(folder, "pred.npy"), Path(folder, "gt.npy")
    ...     np.save(pred, np.linspace(0, 1, 100).reshape(10, 10))
    ...     np.save(gt, np.arange(100).reshape(10, 10) // 70)
    ...     found = evaluate_thresholds(pred, gt, [0.3, 0.7, 0.9], metrics=("miou",))
    >>> found, {threshold: round(each.overall["miou"], 3) for threshold, each in found.evaluations.items()}
    (<ThresholdScores of 0.3, 0.7, 0.9>, {0.3: 0.429, 0.7: 1.0, 0.9: 0.556})
    >>> found.best, found.best_by
    (0.7, 'miou')
    """

    evaluations: Mapping[float, Evaluation]
    best_by: str
    best: float | None

    def __repr__(self) -> str:
        return f"<ThresholdScores of {', '.join(map(str, self.evaluations))}>"

    @property
    def images(self) -> int:
        """Pairs scored."""
        return self._first.images

    @property
    def failed(self) -> tuple[Failure, ...]:
        """Pairs that could not be scored at one of the thresholds."""
        found = {failure.name: failure for each in self.evaluations.values() for failure in each.failed}
        return tuple(found.values())

    def failed_line(self) -> str:
        """How many pairs could not be scored."""
        return f"{len(self.failed)} of {self.images + len(self.failed)} pairs"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.thresholds/1",
            "convneur": version("convneur"),
            "best": {"threshold": self.best, "by": self.best_by, "chosen_on": "this data"},
            "thresholds": [
                {"threshold": threshold, "evaluation": each.to_dict()} for threshold, each in self.evaluations.items()
            ],
        }

    def headlines(self) -> Sequence[str]:
        return self._first.headlines()[:1]

    def tables(self) -> Sequence[Table]:
        """A row per threshold, the best one marked."""
        rows = [
            [f"{threshold} *" if threshold == self.best else str(threshold), *(shown(value) for _, value in values)]
            for threshold, values in self._values()
        ]
        (_, named), *_ = self._values()
        columns = ["threshold", *(metric_name(*path) for path, _ in named)]
        notes = [f"* best by {self.best_by}, {_CHOSEN}."] if self.best is not None else []
        return (Table("Overall, by threshold", columns, rows, dense=True, notes=notes),)

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row per threshold."""
        return [
            {"threshold": threshold, "best_on_this_data": int(threshold == self.best)}
            | {"@".join(path): value for path, value in values}
            for threshold, values in self._values()
        ]

    def _values(self) -> list[tuple[float, list[tuple[ValuePath, Any]]]]:
        return [
            (threshold, list(leaves(each.overall, each.settings["metrics"])))
            for threshold, each in self.evaluations.items()
        ]

    @property
    def _first(self) -> Evaluation:
        return next(iter(self.evaluations.values()))


class _AtThreshold:
    """Progress of scoring the files at one of several thresholds: what was not said before, by the threshold."""

    def __init__(self, progress: Progress, threshold: float, said: set[str]) -> None:
        self.steps, self._progress, self._threshold, self._said = progress.steps, progress, threshold, said

    def _new(self, line: str) -> bool:
        known = line in self._said
        self._said.add(line)
        return not known

    def note(self, line: str) -> None:
        if self._new(line):
            self._progress.note(line)

    def warn(self, line: str) -> None:
        if self._new(line):
            self._progress.warn(f"threshold {self._threshold:g}: {line}")

    def error(self, line: str) -> None:
        if self._new(line):
            self._progress.error(line)


def evaluate_thresholds(
    predictions: Maps | None,
    ground_truth: Maps | None,
    thresholds: Sequence[float],
    *,
    best_by: str | None = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    **settings: Any,
) -> ThresholdScores:
    """Score probability maps at each of several thresholds.

    Choice: the best threshold has the best value over all of the images, of two that are equal the first one. It was
        chosen on the images that it is scored on, so that its value is too good.
    Args:
        predictions: probability maps of one class, see `evaluate`; thresholds: from 0 to 1.
        best_by: a metric such as miou, boundary_f1@0.008 or hd95@finite_mean; None: the first metric.
        output: where to save the result; force: replace it. settings: others of `evaluate`.
    Raises: as `evaluate`; ConfigError: fewer than one threshold, one twice, a metric that was not computed.

    >>> evaluate_thresholds("preds", "gts", [])
    Traceback (most recent call last):
    convneur.errors.ConfigError: threshold: give one or more, each once
    """
    if not thresholds or len(set(thresholds)) < len(thresholds):
        raise ConfigError("threshold", "give one or more, each once")
    asked = {name: settings[name] for name in ("metrics", *_WITH_METRICS) if name in settings}
    # Its key is known once all settings are.
    if best_by is not None and best_by.partition("@")[0] not in BoundarySettings(**asked).metrics:
        raise ConfigError("best_by", "must be one of the metrics that are computed", value=best_by)
    if output is not None:
        if Path(output).suffix.lower() not in SUFFIXES:
            raise ConfigError("output", f"must end in {', '.join(SUFFIXES)}", value=output)
        refuse_existing(Path(output), force=force)
    evaluations: dict[float, Evaluation] = {}
    said: set[str] = set()
    for threshold in thresholds:
        at = progress if len(thresholds) == 1 else _AtThreshold(progress, threshold, said)
        try:
            found = evaluate(
                predictions, ground_truth, **settings, probabilities=True, threshold=threshold, progress=at
            )
        except SuspiciousInputError as error:
            if len(thresholds) == 1:
                raise
            raise SuspiciousInputError(error.path, f"threshold {threshold:g}: {error.problem}") from None
        evaluations[threshold] = found
        ranking = ranking_by("best_by", best_by, found.source.settings)  # before the others are scored
    values = {at: float(value_at(each.overall, ranking.path)) for at, each in evaluations.items()}
    sign = -1 if less_is_better(ranking.path) else 1
    best = max((at for at in values if not math.isnan(values[at])), key=lambda at: sign * values[at], default=None)
    scores = ThresholdScores(evaluations=ReadOnly(evaluations), best_by="@".join(ranking.path), best=best)
    if output is not None:
        scores.save(output, force=force)
        progress.note(f"written: {output}")
    return scores
