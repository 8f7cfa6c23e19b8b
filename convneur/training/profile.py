"""The profile of a run: how long a step takes, measured on a copy of the model, and what follows from that."""

import copy
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from convneur.progress import Progress, silent
from convneur.training.data import TrainingData
from convneur.training.diagnostics import read_diagnostics
from convneur.training.engine import anyone, shared
from convneur.training.plan import VALIDATIONS
from convneur.training.settings import TrainSettings
from convneur.training.state import save_state
from convneur.training.step import Learner, Precision, autocast, enough_memory
from convneur.training.task import Trainable, backbone_of

__all__ = ["RECORD_EVERY", "TIMED", "StepTime", "faster_precision", "profile_steps"]

RECORD_EVERY = 10  # steps
TIMED = 20  # steps that a duration is judged by, at most
_WARM = 3  # steps before any is timed
_ENOUGH = 3  # timed steps, at the least, where they may not take longer than a given time
_PROFILING = 0.1  # of a duration, about, for the steps that it is judged by (Choice)
_VALIDATING = 0.2  # of the time, at most, where a run has a duration
_HOPELESS = 4.0  # times fp32's time of a product, from which no step is tried in bf16 (Choice)
_FASTER = 0.9  # of fp32's time, from which bf16 is worth its rounding and no chance (Choice)


@dataclass(frozen=True)
class StepTime:
    """How long a step takes in seconds, by the median of a few, and the validation of an image; each with its share of
    what is recorded and saved, where a duration is planned.

    >>> StepTime(step=0.5, image=0.1).plan(60, images=20)
    (96, 16)
    """

    step: float
    image: float

    def plan(self, seconds: float, images: int, every: int | None = None) -> tuple[int, int]:
        """How many steps fit into a duration, validations of so many images included, and how many between those.

        Choice: without `every`, 20 validations in a run, or as many as take a fifth of the time.
        """
        validation = self.image * images
        if every is not None:  # so many steps and a validation, again and again
            left = seconds * every * self.step / (every * self.step + validation)
            return max(int(left / self.step), 1), every
        validations = max(min(VALIDATIONS, int(_VALIDATING * seconds / validation)), 1)
        steps = max(int((seconds - validations * validation) / self.step), 1)
        return steps, math.ceil(steps / validations)


def _bf16_may_pay(device: torch.device) -> bool:
    """Whether a step is worth timing in bf16.

    A CPU without bf16 instructions multiplies 15 or more times slower in it: a step could take minutes, a small product
    tells in milliseconds.
    """
    if device.type != "cpu":
        return True
    seconds = {}
    for kind in (torch.float32, torch.bfloat16):
        x = torch.ones(192, 192, dtype=kind)
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            torch.mm(x, x)
            times.append(time.perf_counter() - begun)
        seconds[kind] = min(times)
    return seconds[torch.bfloat16] < _HOPELESS * seconds[torch.float32]


def faster_precision(
    accelerator: Accelerator, step_time: Callable[[Precision], float], progress: Progress = silent
) -> Precision:
    """fp32, or bf16 if that is a tenth faster; says so.

    Args: step_time: the seconds of a step in a precision, asked for fp32 first; not at all where bf16 is hopeless.

    >>> seconds = {"fp32": 0.5, "bf16": 0.49}
    >>> faster_precision(Accelerator(cpu=True), seconds.__getitem__)
    'fp32'
    """
    if not shared(accelerator, _bf16_may_pay(accelerator.device)):
        progress.note("precision fp32: this processor is far slower in bf16")
        return "fp32"
    full, short = step_time("fp32"), step_time("bf16")
    precision: Precision = "bf16" if short < _FASTER * full else "fp32"
    progress.note(f"precision {precision}: a step takes {full:.3g} s in fp32, {short:.3g} s in bf16")
    return precision


def profile_steps(
    model: Trainable,
    settings: TrainSettings,
    data: TrainingData,
    accelerator: Accelerator,
    precision: Precision,
    *,
    steps: int,
    run: int,
    save_every: int,
    workers: int,
    limit: float = math.inf,
    minutes: float | None = None,
    progress: Progress = silent,
) -> StepTime:
    """Time a few steps and the validation of an image on a copy of a model, which is then forgotten.

    Args:
        steps: how many; run: steps of the run that they are of.
        minutes: how long the run shall take: about a tenth of that is enough, with fewer steps than `steps`.
        limit: seconds; a step that takes longer is the last and the only one that counts.
    Raises: InputError: as `Trainer.run`.
    """
    with enough_memory(settings):
        learner = Learner(copy.deepcopy(model), settings, data, accelerator, precision)
        total = _WARM + steps
        loader = learner.loader(range(total), workers)
        enough = math.inf if minutes is None else _PROFILING * 60 * minutes
        times: list[float] = []
        with progress.steps(f"timing steps in {precision}", total) as advance:
            for step in range(total):
                begun = time.perf_counter()
                _, _, parts = learner.step(step, max(run, total), loader)
                times.append(time.perf_counter() - begun)
                advance()
                if anyone(accelerator, times[-1] > limit):
                    times = [math.inf] * _WARM + times[-1:]
                    break
                if anyone(accelerator, step + 1 >= _WARM + _ENOUGH and sum(times) > enough):
                    break
        images = data.val[:2]
        begun = time.perf_counter()
        with autocast(accelerator.device, precision):
            learner.task.measure(learner.averaged, images)
        image = (time.perf_counter() - begun) / len(images)
        each = statistics.median(times[_WARM:])
        if minutes is not None:
            recording, saving = _around(learner, parts[0].x[:2])
            each += recording / RECORD_EVERY + saving / save_every
            image += saving / len(data.val)
        accelerator.free_memory()  # it keeps what it prepared
        return StepTime(each, image)


def _around(learner: Learner, x: Tensor) -> tuple[float, float]:
    """Seconds of a record's diagnostics, and of writing a state."""
    begun = time.perf_counter()
    read_diagnostics(backbone_of(learner.model), x)
    read = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        parts = {"model": learner.model, "average": learner.averaged, "optimizer": learner.optimizer}
        save_state(Path(folder) / "state.safetensors", **parts, progress={"step": 0, "losses": [], "validations": []})
    return read - begun, time.perf_counter() - read
