"""What a run says while it goes on: its plan, how long it will take, each validation."""

import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator

from convneur.detection import Detector
from convneur.formats import grouped, millions
from convneur.progress import Advance, Progress
from convneur.training.plan import VALIDATIONS, RunRequest
from convneur.training.profile import RECORD_EVERY, TIMED
from convneur.training.result import score_words
from convneur.training.task import backbone_of
from convneur.training.trainer import Trainer

__all__ = ["RecordReport", "announce", "peak_memory"]


def announce(trainer: Trainer, request: RunRequest, progress: Progress, *, decided: bool) -> None:
    """Say the plan, before any step. Args: decided: steps and precision are, else they will be by timed steps."""
    settings, config, data = trainer.settings, trainer.model.config, trainer.data
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    backbone = backbone_of(trainer.model)
    chunks, unreached = backbone.chunks(*settings.crop), backbone.unreached(*settings.crop)
    accelerator = trainer.accelerator
    device = f"{accelerator.num_processes} x {accelerator.device.type}"
    views = f"{settings.batch} views of {settings.crop[0]}x{settings.crop[1]}"
    if decided or request.minutes is None:
        steps = f"{grouped(trainer.steps)} of {views}, {settings.epochs:.3g} epochs"
        often = f"validated every {trainer.validate_every}"
    else:
        steps = f"as many as {request.minutes:g} min hold, of {views}"
        every = request.validate_every
        often = f"validated every {every}" if every else f"validated {VALIDATIONS} times at most"
    precision: str = trainer.precision if decided else request.precision
    if precision == "auto":
        precision = "fp32 or bf16, by timed steps"
    head = f"head {config.head}"
    if isinstance(trainer.model, Detector):
        head = f"{trainer.model.settings.title} of {trainer.model.settings.channels} channels"
    rows = [
        ("model", f"{request.model}, memory {config.memory}, {head}, {millions(parameters)} M parameters"),
        ("images", f"{len(data.train)} to train, {len(data.val)} to validate, {len(data.names)} classes"),
        ("steps", f"{steps}, {often}"),
        ("on", f"{device}, {precision}"),
        # Weights, their average, gradients and two moments; what activations take shows once steps have been made.
        ("memory", f"{5 * 4 * parameters / 2**20:.0f} MiB for weights and optimizer; activations not counted yet"),
    ]  # fmt: skip
    if any(chunks):
        few = [f"{what} in {_stages(stages)}" for what, stages in unreached.items()]
        learn = "all parameters learn"
        if few:
            more = "" if config.chunks else "see `min_chunks`, or "  # a fixed number of them has no minimum
            learn = f"too few to train {', and '.join(few)}; {more}take a larger `crop`"
        rows.insert(1, ("chunks", f"{', '.join(map(str, chunks))} in stages 1 to 4 at this size: {learn}"))
    for what, words in rows:
        progress.note(f"{what:8}{words}")


class RecordReport:
    """Reports each record: the loss beside the bar, a line for each validation, once the time all will take."""

    def __init__(self, trainer: Trainer, progress: Progress, advance: Advance) -> None:
        self._trainer, self._progress, self._advance = trainer, progress, advance
        self._step = self._first = 0
        self._timed = False
        self._loss = ""

    def __call__(self, record: Mapping[str, Any]) -> None:
        trainer, step = self._trainer, record["step"]
        if "loss" not in record:
            self._progress.note(f"step {step}/{trainer.steps}: {self._loss}{score_words(record)}")
            return
        rate = record["images_per_second"]
        self._loss = f"loss {record['loss']:.3f}, "
        self._advance(f"{self._loss}{rate:.3g} images/s", step - self._step)
        self._step = step
        self._first = self._first or step
        if not self._timed and step - self._first >= TIMED - RECORD_EVERY:
            self._timed = True
            left = (trainer.steps - step) * trainer.settings.batch / rate
            used = peak_memory(trainer.accelerator)
            self._progress.note(
                f"step {step}: {rate:.3g} images/s, about {left / 60:.3g} min of steps left, {used} in use"
            )


def _stages(stages: Sequence[int]) -> str:
    *first, last = map(str, stages)
    return f"stages {', '.join(first)} and {last}" if first else f"stage {last}"


def peak_memory(accelerator: Accelerator) -> str:
    """The most that this process has used."""
    if accelerator.device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 2**30:.3g} GiB"
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.3g} GiB"
