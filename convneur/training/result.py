"""What a run came to, from its end or from its folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convneur.data.examples import Task
from convneur.errors import InputError
from convneur.files import new_file
from convneur.results import ReadOnly, Result, Table
from convneur.training.folder import FIGURE, STATE, WEIGHTS, read_losses
from convneur.training.plan import RunPlan
from convneur.training.state import read_progress

__all__ = ["TrainResult", "read_result", "score_words"]

_METRICS: Mapping[Task, Mapping[str, str]] = {
    "segmentation": {"miou": "mIoU", "pixel_accuracy": "pixel accuracy"},
    "classification": {"top1": "top-1"},
    "detection": {"box_ap": "box AP", "box_ap50": "box AP50", "mask_ap": "mask AP", "mask_ap50": "mask AP50"},
}


@dataclass(frozen=True)
class TrainResult(Result):
    """What a run came to.

    Args:
        folder: of the run, with weights.safetensors, metrics.jsonl and training.png in it.
        title: the model and its data, in words.
        steps: made; precision: of the matrix products.
        validations: a record each, of the averaged weights, in order: step; score, by which weights are chosen;
            segmentation: miou, pixel_accuracy, iou by class (None: does not occur); classification: top1; detection:
            box_ap, box_ap50 and, of objects with masks, mask_ap, mask_ap50; from 0 to 1.
        losses: (step, mean loss of the ten steps up to it).

    >>> records = [{"step": 10, "score": 0.5, "top1": 0.5}, {"step": 20, "score": 0.75, "top1": 0.75}]
    >>> run = TrainResult(Path("runs/pets"), "m1 on pets", "classification", 20, "fp32", tuple(records), ((10, 0.7),))
    >>> run.best["top1"], run.weights.name
    (0.75, 'weights.safetensors')
    >>> print(run)
    Validation of m1 on pets
          step  top-1
    -----------------
    best    20  0.750
    last    20  0.750
    """

    folder: Path
    title: str
    task: Task
    steps: int
    precision: str
    validations: tuple[Mapping[str, Any], ...]
    losses: tuple[tuple[int, float], ...]

    @classmethod
    def of(
        cls,
        folder: Path,
        plan: RunPlan,
        validations: Iterable[Mapping[str, Any]],
        losses: Iterable[tuple[int, float]],
    ) -> "TrainResult":
        """The result of a run whose plan is known."""
        return cls(
            folder=folder,
            title=f"{plan.request.model} on {Path(plan.request.data).name}",
            task=plan.settings.task,
            steps=plan.steps,
            precision=plan.precision,
            validations=tuple(ReadOnly(dict(record)) for record in validations),
            losses=tuple(losses),
        )

    @property
    def weights(self) -> Path:
        """The averaged weights of the best validation, for `convneur.load`."""
        return self.folder / WEIGHTS

    @property
    def figure(self) -> Path:
        """The picture of its curves."""
        return self.folder / FIGURE

    @property
    def best(self) -> Mapping[str, Any]:
        """The validation that the weights are from: the last one of the highest score."""
        return max(self.validations, key=lambda record: (record["score"], record["step"]))

    @property
    def scores(self) -> Mapping[str, Sequence[tuple[int, float]]]:
        """(step, value) of each validation, by the metric's name as it is printed."""
        return {
            name: [(record["step"], record[key]) for record in self.validations] for key, name in self._metrics.items()
        }

    @property
    def _metrics(self) -> Mapping[str, str]:
        """Those that the records hold: of objects without masks none of masks."""
        return {key: name for key, name in _METRICS[self.task].items() if key in self.validations[-1]}

    def draw_curves(self, *, title: str | None = None) -> Path:
        """Write `convneur.figures.training_figure` of the run into its folder; the file."""
        from convneur.figures import save_figure, training_figure

        with new_file(self.figure, force=True) as temporary:
            save_figure(training_figure(self, title=title), temporary, dpi=120)
        return self.figure

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.train/1",
            "run": str(self.folder),
            "weights": str(self.weights),
            "steps": self.steps,
            "precision": self.precision,
            "best": {key: each for key, each in self.best.items() if key != "score"},
            "validations": [dict(record) for record in self.validations],
        }

    def tables(self) -> Sequence[Table]:
        rows = [(which, record) for which, record in (("best", self.best), ("last", self.validations[-1]))]
        return [
            Table(
                f"Validation of {self.title}",
                ("", "step", *self._metrics.values()),
                [
                    (which, str(record["step"]), *(f"{record[key]:.3f}" for key in self._metrics))
                    for which, record in rows
                ],
            )
        ]

    def records(self) -> Sequence[Mapping[str, Any]]:
        keys = ("step", *self._metrics)
        return [{key: record[key] for key in keys} for record in self.validations]


def read_result(folder: str | Path) -> TrainResult:
    """What a finished run came to, from its folder. Raises: InputError: no run in it, or one that is not finished.

    >>> read_result("runs/none")
    Traceback (most recent call last):
    convneur.errors.InputError: runs/none: holds no run
    """
    folder = Path(folder)
    if not RunPlan.is_in(folder):
        raise InputError(folder, "holds no run")
    plan = RunPlan.read(folder)
    progress = read_progress(folder / STATE, plan.steps, plan.settings.task)
    if progress["step"] < plan.steps:
        raise InputError(folder, f"its run is at step {progress['step']} of {plan.steps}; go on with `resume`")
    return TrainResult.of(folder, plan, progress["validations"], read_losses(folder))


def score_words(record: Mapping[str, Any]) -> str:
    """A validation's record in words."""
    return ", ".join(
        f"{name} {record[key]:.3f}" for names in _METRICS.values() for key, name in names.items() if key in record
    )
