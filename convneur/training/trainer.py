"""A training run from step to step: updates, records, validations, and a state from which it can go on.

Everything that decides what the weights become is here and in `step`: order, views and dropout follow from the seed and
the step.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from convneur.checkpoints import save_checkpoint
from convneur.data.images import MEAN, STD
from convneur.detection import save_detector
from convneur.errors import InputError
from convneur.model.network import ConvNeur
from convneur.progress import Progress, silent
from convneur.training.data import TrainingData
from convneur.training.diagnostics import LARGEST, SATURATED, read_diagnostics
from convneur.training.engine import anyone
from convneur.training.folder import METRICS, STATE, WEIGHTS, RecordLog
from convneur.training.plan import RunPlan
from convneur.training.profile import RECORD_EVERY, TIMED, StepTime, profile_steps
from convneur.training.settings import TrainSettings
from convneur.training.state import RunProgress, Validation, load_state, save_state, steps_done
from convneur.training.step import Learner, Precision, autocast, enough_memory
from convneur.training.task import Trainable, backbone_of

__all__ = ["Trainer"]


@dataclass
class Trainer:
    """One training run in a folder.

    Args:
        folder: that exists; settings, data: what is trained on and how; model: with its starting weights.
        steps: how many; validate_every, save_every: steps between validations, and between states on disk.
        precision: of the matrix products; workers: processes that decode.
        listeners: called with the record of each tenth step and each validation, as in metrics.jsonl.
        stop: asked after each step whether to end early, the state saved.
        about: kept in the weights' provenance. profiled: whether steps were timed, on a copy of the model.

    What `train` does with a recipe, a plan in the folder and a report, by hand:

    >>> import tempfile
    >>> from importlib.resources import files
    >>> from convneur.training import new_model, prepare_data, start_engine
    >>> from convneur.training.settings import recipe_settings
    >>> from convneur.variants import ConvNeurConfig
    >>> nuclei = Path(str(files("convneur") / "data" / "samples" / "nuclei"))
    >>> data = prepare_data(nuclei, "segmentation", classes=["background", "nucleus"])
    >>> settings = recipe_settings("small", "segmentation", crop=(32, 32), batch=2)
    >>> tiny = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, head="light-fpn", num_classes=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trainer = Trainer(Path(folder), settings, data, new_model(tiny, seed=0), start_engine("cpu"), steps=1,
    ...                       validate_every=1, save_every=1)
    ...     (record,) = trainer.run()
    >>> list(record)
    ['step', 'score', 'miou', 'pixel_accuracy', 'iou']
    """

    folder: Path
    settings: TrainSettings
    data: TrainingData
    model: Trainable
    accelerator: Accelerator
    steps: int
    validate_every: int
    save_every: int
    precision: Precision = "fp32"
    workers: int = 0
    listeners: Sequence[Callable[[Mapping[str, Any]], object]] = ()
    warn: Callable[[str], object] = lambda line: None
    stop: Callable[[], bool] = lambda: False
    about: Mapping[str, Any] = field(default_factory=dict)
    profiled: bool = False

    def follow(self, plan: RunPlan) -> None:
        """Do what a plan has decided."""
        self.settings, self.precision = plan.settings, plan.precision
        self.steps, self.validate_every = plan.steps, plan.validate_every

    def run(self, *, resume: bool = False) -> tuple[Mapping[str, Any], ...]:
        """Train from the start, or from the state in the folder; the record of each validation.

        Raises:
            InputError: the loss or a gradient is no number, or a memory diverges: the step is named and the last
                state stays; an image cannot be read any more; a file cannot be written; the memory does not suffice.
            KeyboardInterrupt: `stop` said so; the state is saved.
        """
        return tuple(self._run_to(self.steps, resume)["validations"])

    def run_to(self, step: int, *, resume: bool = False) -> None:
        """The same up to a step, whose state is saved: going on from there is what `run` does with `resume`."""
        self._run_to(min(step, self.steps), resume)

    def _run_to(self, last: int, resume: bool) -> RunProgress:
        with enough_memory(self.settings):
            return self._trained(last, resume)

    def _trained(self, last: int, resume: bool) -> RunProgress:
        learner = Learner(self.model, self.settings, self.data, self.accelerator, self.precision)
        progress: RunProgress = {"step": 0, "losses": [], "validations": []}
        if resume:
            progress = load_state(
                self.folder / STATE,
                model=learner.model,
                average=learner.averaged,
                optimizer=learner.optimizer,
                steps=self.steps,
                task=self.settings.task,
            )
        metrics = RecordLog(self.folder / METRICS, progress["step"], main=self.accelerator.is_main_process)
        self._warned = False
        loader = learner.loader(range(progress["step"], last), self.workers)
        begun = time.perf_counter()
        for step in range(progress["step"], last):
            loss, norm, parts = learner.step(step, self.steps, loader)
            if not math.isfinite(loss) or not math.isfinite(norm):
                raise self._diverged(step, f"the {'loss' if not math.isfinite(loss) else 'gradient'} is no number")
            progress["step"] = done = step + 1
            progress["losses"].append(loss)
            if done % RECORD_EVERY == 0 or done == self.steps:
                seconds, begun = time.perf_counter() - begun, time.perf_counter()
                record = self._record(learner, progress, norm, parts[0].x[:2], seconds)
                progress["losses"] = []
                metrics.add(record)
                self._tell(record)
            validated = done % self.validate_every == 0 or done == self.steps
            if validated:
                scores, size = self._validate(learner)
                validation: Validation = {"step": done, **scores}  # type: ignore[typeddict-item]
                progress["validations"].append(validation)
                metrics.add(validation)
                self._tell(validation)
                if validation["score"] >= max(each["score"] for each in progress["validations"]):
                    self._keep(learner.averaged, validation, size)
                begun = time.perf_counter()
            stopping = anyone(self.accelerator, self.stop())
            if validated or stopping or done % self.save_every == 0 or done == last:
                self._save(learner, progress)
            if stopping and done < self.steps:
                raise KeyboardInterrupt(f"saved at step {done} of {self.steps}; `resume` goes on from there")
        return progress

    def profile(
        self,
        precision: Precision,
        steps: int = TIMED,
        *,
        limit: float = math.inf,
        minutes: float | None = None,
        progress: Progress = silent,
    ) -> StepTime:
        """Time a few steps of the run and the validation of an image on a copy of the model; see `profile_steps`."""
        self.profiled = True
        return profile_steps(
            self.model, self.settings, self.data, self.accelerator, precision, steps=steps, run=self.steps,
            save_every=self.save_every, workers=self.workers, limit=limit, minutes=minutes, progress=progress,
        )  # fmt: skip

    def save_start(self, path: Path) -> None:
        """Write the state before the first step, from which a run goes on too."""
        progress: RunProgress = {"step": 0, "losses": [], "validations": []}
        save_state(path, model=self.model, average=self.model, optimizer=None, progress=progress)

    def _tell(self, record: Mapping[str, Any]) -> None:
        for listener in self.listeners:
            listener(record)

    def _record(
        self, learner: Learner, progress: RunProgress, norm: float, x: Tensor, seconds: float
    ) -> dict[str, Any]:
        losses, done = progress["losses"], progress["step"]
        learner.model.eval()
        found = read_diagnostics(backbone_of(learner.model), x)
        learner.model.train()
        if found.largest > LARGEST:
            raise self._diverged(
                done - 1,
                f"||M||_F by stage {_some(found.memory)}, |G| {_some(found.context)}, above {LARGEST:g}: the memory "
                "diverges behind its gate",
            )
        if found.largest_context > SATURATED and not self._warned:
            self._warned = True
            self.warn(f"step {done}: |G| by stage {_some(found.context)}; from {SATURATED:g} on a gate is saturated")
        return {
            "step": done,
            "epoch": round(done * self.settings.batch / len(self.data.train), 3),
            "loss": statistics.fmean(losses),
            "lr": self.settings.lr_at(done - 1, self.steps),
            "gradient_norm": norm,
            "memory_norm": found.memory,
            "largest_context": found.context,
            "images_per_second": round(len(losses) * self.settings.batch / seconds, 2),
        }

    def _diverged(self, step: int, why: str) -> InputError:
        state = self.folder / STATE
        kept = f"the last good state is kept in {state}" if steps_done(self.folder) else "no state was saved before it"
        exact = "" if self.precision == "fp32" else ", or with `precision` fp32"
        return InputError(None, f"step {step + 1}: {why}; {kept}; train with a smaller `lr`{exact}")

    def _validate(self, learner: Learner) -> tuple[Mapping[str, Any], tuple[int, int] | None]:
        """Scores, and the size at which this process showed its images, where it was one."""
        accelerator = self.accelerator
        mine = self.data.val[accelerator.process_index :: accelerator.num_processes]
        with autocast(accelerator.device, self.precision):
            measured = learner.task.measure(learner.averaged, mine)
        return learner.task.record(measured, accelerator), learner.task.shown(measured)

    def _keep(self, model: Trainable, record: Mapping[str, Any], size: tuple[int, int] | None) -> None:
        if not self.accelerator.is_main_process:
            return
        ignored = self.data.reading.ignore_index
        provenance = {
            **self.about,
            "task": self.settings.task,
            "classes": list(self.data.names),
            "preset": self.data.preset,
            "ignore_index": ignored,
            "mean": MEAN,
            "std": STD,
            "settings": self.settings.to_dict(),
            **({"validated_size": size} if size else {}),
            **({"categories": list(self.data.categories)} if self.data.categories else {}),
            "steps": self.steps,
            "precision": self.precision,
            "validation": dict(record),
        }
        path = self.folder / WEIGHTS
        if isinstance(model, ConvNeur):
            save_checkpoint(model, path, provenance=provenance, force=True)
        else:
            save_detector(model, path, provenance=provenance, force=True)

    def _save(self, learner: Learner, progress: RunProgress) -> None:
        if self.accelerator.is_main_process:
            save_state(
                self.folder / STATE,
                model=learner.model,
                average=learner.averaged,
                optimizer=learner.optimizer,
                progress=progress,
            )


def _some(values: Sequence[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.3g}" for value in values)
