"""The loop: steps on Hugging Face Accelerate, validation, and a folder from which a run can go on.

The engine gives the device, the processes and their reduction. Everything that decides what the weights become is
here: order, views and dropout follow from the seed and the step.
"""

import copy
import json
import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from convneur.checkpoints import save_checkpoint
from convneur.data.examples import Example, read_example
from convneur.data.images import MEAN, STD
from convneur.errors import ConfigError, InputError
from convneur.files import new_file
from convneur.inference import class_logits, pixel_logits
from convneur.model.network import ConvNeur, UnreachedParametersWarning
from convneur.progress import Progress, silent
from convneur.training.batches import Batch, Place, Views, batches
from convneur.training.data import TrainingData
from convneur.training.folder import METRICS, STATE, WEIGHTS
from convneur.training.gauges import LARGEST, SATURATED, excess, read_gauges, watched_contexts
from convneur.training.loss import class_weights, jaccard_loss, loss_sum, mixed, weight_of
from convneur.training.settings import TrainSettings
from convneur.training.state import load_state, save_state

__all__ = [
    "TIMED",
    "VALIDATIONS",
    "Pace",
    "Precision",
    "Result",
    "Run",
    "engine",
    "quicker_precision",
    "shared",
]

Precision = Literal["fp32", "bf16"]

TIMED = 20  # steps that a duration is judged by
_WARM = 3  # steps before any is timed
VALIDATIONS = 20  # in a run
_QUICKER = 0.9  # of fp32's time, from which bf16 is worth its rounding and no chance (Choice)
_VALIDATING = 0.2  # of the time, at most, where a run has a duration


@dataclass(frozen=True)
class Pace:
    """How long a step takes in seconds, by the median of a few, and the validation of a photo."""

    step: float
    photo: float

    def plan(self, seconds: float, photos: int, every: int | None = None) -> tuple[int, int]:
        """How many steps fit into a duration, validations of so many photos included, and how many between those.

        Choice: without `every`, 20 validations in a run, or as many as take a fifth of the time.
        """
        validation = self.photo * photos
        if every is not None:  # so many steps and a validation, again and again
            left = seconds * every * self.step / (every * self.step + validation)
            return max(int(left / self.step), 1), every
        validations = max(min(VALIDATIONS, int(_VALIDATING * seconds / validation)), 1)
        steps = max(int((seconds - validations * validation) / self.step), 1)
        return steps, math.ceil(steps / validations)


def quicker_precision(full: float, short: float, progress: Progress = silent) -> Precision:
    """fp32, or bf16 if that is a tenth quicker; says so. Args: full, short: seconds of a step in fp32 and in bf16."""
    precision: Precision = "bf16" if short < _QUICKER * full else "fp32"
    progress.note(f"precision {precision}: a step takes {full:.3g} s in fp32, {short:.3g} s in bf16")
    return precision


@dataclass(frozen=True)
class Result:
    """What a run came to: the validation that its weights are kept from, and all there were."""

    steps: int
    best: Mapping[str, Any]
    validations: tuple[Mapping[str, Any], ...]


@dataclass
class Run:
    """One training run in a folder.

    Args:
        folder: that exists; settings, data: what is trained on and how; model: with its starting weights.
        steps: how many; validate_every, save_every: steps between validations, and between states on disk.
        precision: of the matrix products; workers: processes that decode.
        said: called with the record of each tenth step and each validation, as in metrics.jsonl.
        stop: asked after each step whether to end early, the state saved.
        about: kept in the weights' provenance.
    """

    folder: Path
    settings: TrainSettings
    data: TrainingData
    model: ConvNeur
    accelerator: Accelerator
    steps: int
    validate_every: int
    save_every: int
    precision: Precision = "fp32"
    workers: int = 0
    said: Callable[[Mapping[str, Any]], object] = lambda record: None
    warn: Callable[[str], object] = lambda line: None
    stop: Callable[[], bool] = lambda: False
    about: Mapping[str, Any] = field(default_factory=dict)

    def go(self, *, resume: bool = False) -> Result:
        """Train from the start, or from the state in the folder.

        Raises:
            InputError: the loss or a gradient is no number, or a memory diverges: the step is named and the last
                state stays; a photo cannot be read any more; a file cannot be written; the memory does not suffice.
            KeyboardInterrupt: `stop` said so; the state is saved.
        """
        validations = self._go_to(self.steps, resume)["validations"]
        best = max(validations, key=lambda record: (record["score"], record["step"]))
        return Result(self.steps, best, tuple(validations))

    def go_to(self, step: int, *, resume: bool = False) -> None:
        """The same up to a step, whose state is saved: going on from there is what `go` does with `resume`."""
        self._go_to(min(step, self.steps), resume)

    def _go_to(self, last: int, resume: bool) -> dict[str, Any]:
        with self._enough_memory():
            return self._trained(last, resume)

    def _trained(self, last: int, resume: bool) -> dict[str, Any]:
        learner = _Learner(self.model, self.settings, self.data, self.accelerator, self.precision)
        progress: dict[str, Any] = {"step": 0, "losses": [], "validations": []}
        if resume:
            progress = load_state(
                self.folder / STATE, model=learner.model, average=learner.average.module, optimizer=learner.optimizer
            )
        metrics = _Metrics(self.folder / METRICS, progress["step"], main=self.accelerator.is_main_process)
        self._warned = False
        loader = learner.loader(range(progress["step"], last), self.workers)
        begun = time.perf_counter()
        for step in range(progress["step"], last):
            loss, norm, parts = learner.step(step, self.steps, loader)
            if not math.isfinite(loss) or not math.isfinite(norm):
                raise self._diverged(step, f"the {'loss' if not math.isfinite(loss) else 'gradient'} is no number")
            progress["step"] = done = step + 1
            progress["losses"].append(loss)
            if done % 10 == 0 or done == self.steps:
                seconds, begun = time.perf_counter() - begun, time.perf_counter()
                record = self._record(learner, progress, norm, parts[0].x[:2], seconds)
                progress["losses"] = []
                metrics.add(record)
                self.said(record)
            validated = done % self.validate_every == 0 or done == self.steps
            if validated:
                record = {"step": done, **self._validate(learner.average.module)}
                progress["validations"].append(record)
                metrics.add(record)
                self.said(record)
                if record["score"] >= max(each["score"] for each in progress["validations"]):
                    self._keep(learner.average.module, record)
                begun = time.perf_counter()
            stopping = self._anyone(self.stop())
            if validated or stopping or done % self.save_every == 0 or done == last:
                self._save(learner, progress)
            if stopping and done < self.steps:
                raise KeyboardInterrupt(f"saved at step {done} of {self.steps}; `resume` goes on from there")
        return progress

    def rehearse(self, precision: Precision, steps: int, *, limit: float = math.inf) -> Pace:
        """Time a few steps and the validation of a photo on a copy of the net, which is then forgotten.

        Args:   limit: seconds; a step that takes longer is the last and the only one that counts.
        Raises: InputError: as `go`.
        """
        with self._enough_memory():
            return self._rehearse(precision, steps, limit)

    def _rehearse(self, precision: Precision, steps: int, limit: float) -> Pace:
        learner = _Learner(copy.deepcopy(self.model), self.settings, self.data, self.accelerator, precision)
        total = _WARM + steps
        loader = learner.loader(range(total), self.workers)
        times = []
        for step in range(total):
            begun = time.perf_counter()
            learner.step(step, max(self.steps, total), loader)
            times.append(time.perf_counter() - begun)
            if self._anyone(times[-1] > limit):  # bf16 on a processor without its instructions: 15 times as long
                times = [math.inf] * _WARM + times[-1:]
                break
        photos = self.data.val[:2]
        begun = time.perf_counter()
        self._confusion(learner.average.module, photos)
        photo = (time.perf_counter() - begun) / len(photos)
        self.accelerator.free_memory()  # it keeps what it prepared
        return Pace(statistics.median(times[_WARM:]), photo)

    def _record(
        self, learner: "_Learner", progress: dict[str, Any], norm: float, x: Tensor, seconds: float
    ) -> dict[str, Any]:
        losses, done = progress["losses"], progress["step"]
        learner.model.eval()
        gauges = read_gauges(learner.model, x)
        learner.model.train()
        if gauges.largest > LARGEST:
            raise self._diverged(
                done - 1,
                f"||M||_F by stage {_some(gauges.memory)}, |G| {_some(gauges.context)}, above {LARGEST:g}: the memory "
                "diverges behind its gate",
            )
        if gauges.largest_context > SATURATED and not self._warned:
            self._warned = True
            self.warn(f"step {done}: |G| by stage {_some(gauges.context)}; from {SATURATED:g} on a gate is saturated")
        return {
            "step": done,
            "epoch": round(done * self.settings.batch / len(self.data.train), 3),
            "loss": statistics.fmean(losses),
            "lr": self.settings.lr_at(done - 1, self.steps),
            "gradient_norm": norm,
            "memory_norm": gauges.memory,
            "largest_context": gauges.context,
            "images_per_second": round(len(losses) * self.settings.batch / seconds, 2),
        }

    def _diverged(self, step: int, why: str) -> InputError:
        state = self.folder / STATE
        kept = f"the last good state is kept in {state}" if state.exists() else "no state was saved before it"
        return InputError(None, f"step {step + 1}: {why}; {kept}; train with a smaller `lr` or `precision fp32`")

    def _validate(self, model: nn.Module) -> dict[str, Any]:
        counts = self._confusion(model, self.data.val[self.accelerator.process_index :: self.accelerator.num_processes])
        confusion = self.accelerator.reduce(torch.from_numpy(counts).to(self.accelerator.device), "sum").cpu().numpy()
        right = float(np.trace(confusion) / max(confusion.sum(), 1))
        if self.settings.task == "classification":
            return {"score": right, "top1": right}
        union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
        iou = [float(hit / all_) if all_ else None for hit, all_ in zip(np.diag(confusion), union, strict=True)]
        known = [value for value in iou if value is not None]
        mean = statistics.fmean(known) if known else 0.0
        return {
            "score": mean,
            "miou": mean,
            "pixel_accuracy": right,
            "iou": dict(zip(self.data.names, iou, strict=True)),
        }

    def _confusion(self, model: nn.Module, examples: Sequence[Example]) -> np.ndarray[Any, Any]:
        """Truth by prediction, (K, K), over whole photos, ignored pixels left out."""
        assert isinstance(model, ConvNeur)
        classes = len(self.data.names)
        counts = np.zeros(classes * classes, np.int64)
        for example in examples:
            pixels, target = read_example(example, self.data.reading, classes)
            with _autocast(self.accelerator.device, self.precision):
                if isinstance(target, int):
                    logits = class_logits(model, [pixels], self.settings.crop)
                else:
                    logits = pixel_logits(model, [pixels], scale=self.settings.eval_scale)
            found = logits[0].argmax(0).cpu().numpy()
            labels = np.asarray(target, np.int64)
            ignored = self.data.reading.ignore_index
            valid = np.ones(labels.shape, bool) if ignored is None or labels.ndim == 0 else labels != ignored
            counts += np.bincount((labels * classes + found)[valid].ravel(), minlength=classes * classes)
        return counts.reshape(classes, classes)

    def _keep(self, model: nn.Module, record: Mapping[str, Any]) -> None:
        if not self.accelerator.is_main_process:
            return
        assert isinstance(model, ConvNeur)
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
            "steps": self.steps,
            "precision": self.precision,
            "validation": dict(record),
        }
        save_checkpoint(model, self.folder / WEIGHTS, provenance=provenance, force=True)

    def _save(self, learner: "_Learner", progress: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            save_state(
                self.folder / STATE,
                model=learner.model,
                average=learner.average.module,
                optimizer=learner.optimizer,
                progress=progress,
            )

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(
                words in str(error) for words in ("out of memory", "can't allocate memory")
            ):
                raise
            height, width = self.settings.crop
            raise InputError(
                None,
                f"not enough memory for a step of {self.settings.batch} views of {height}x{width}; choose a smaller "
                "`batch` or `crop`, or a larger `accumulate`",
            ) from None

    def _anyone(self, yes: bool) -> bool:
        """Whether any process said so; all of them hear it."""
        if self.accelerator.num_processes == 1:
            return yes
        return bool(self.accelerator.reduce(torch.tensor(float(yes), device=self.accelerator.device), "sum") > 0)


class _Learner:
    """A net, its optimizer and its moving average, and what one step does to them."""

    def __init__(
        self,
        model: ConvNeur,
        settings: TrainSettings,
        data: TrainingData,
        accelerator: Accelerator,
        precision: Precision,
    ) -> None:
        device = accelerator.device
        self.model = model.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.average = AveragedModel(model, multi_avg_fn=_averaged(settings.ema))
        self.average.eval()
        self.settings, self.data, self.accelerator, self.precision = settings, data, accelerator, precision
        self.place = Place(accelerator.process_index, accelerator.num_processes, settings.accumulate)
        parts = self.place.parts
        if settings.batch % parts:
            raise ConfigError("batch", f"must be a multiple of processes x accumulate, {parts}", value=settings.batch)
        self.optimizer = torch.optim.AdamW(_groups(model, settings), lr=settings.lr)
        self.weights = class_weights(settings.class_weights, data.counts).to(device)
        self.wrapped = accelerator.prepare_model(model) if accelerator.num_processes > 1 else model

    def loader(self, steps: range, workers: int) -> Iterator[Batch]:
        views = Views(self.data.train, self.data.reading, self.settings.augmentation(), self.settings.seed)
        keys = self.place.keys(self.settings.seed, len(self.data.train), self.settings.batch, steps)
        return batches(views, keys, workers)

    def step(self, step: int, steps: int, loader: Iterator[Batch]) -> tuple[float, float, list[Batch]]:
        """One update. Returns the loss, the gradient's norm, this process's parts; no update if either is no number."""
        settings, accelerator = self.settings, self.accelerator
        rank = self.place.rank
        random = np.random.default_rng([settings.seed, step, rank, 1])
        parts = []
        for _ in range(settings.accumulate):
            x, y = next(loader)
            batch = Batch(x.to(accelerator.device), y.to(accelerator.device))
            parts.append(mixed(batch, settings, len(self.data.names), random))
        # What all parts of all processes count together is what each part's sum is divided by, so that they add up.
        total = torch.stack([weight_of(part.y, self.weights) for part in parts]).sum()
        total = self._summed(total).clamp(min=torch.finfo(torch.float32).tiny)
        loss = torch.zeros((), device=accelerator.device)
        # Dropout's numbers; only now, for fetching the parts may draw some.
        torch.manual_seed(int(np.random.SeedSequence([settings.seed, step, rank]).generate_state(1)[0]))
        for number, part in enumerate(parts, start=1):
            with self._alone(number < len(parts)), warnings.catch_warnings():
                warnings.simplefilter("ignore", UnreachedParametersWarning)  # the plan says it
                with _autocast(accelerator.device, self.precision), watched_contexts(self.model) as contexts:
                    logits = self.wrapped(part.x)
                share = loss_sum(logits, part.y, self.weights, settings.label_smoothing) / total
                if settings.jaccard:
                    share = share + settings.jaccard * jaccard_loss(logits, part.y) / self.place.parts
                if settings.context_penalty and contexts:
                    share = share + settings.context_penalty * excess(contexts) / self.place.parts
                # The reduction takes the mean over processes; wanted is the sum.
                (share * accelerator.num_processes).backward()
            loss += share.detach()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip or math.inf))
        value = float(self._summed(loss))
        if math.isfinite(value) and math.isfinite(norm):
            for group in self.optimizer.param_groups:
                group["lr"] = settings.lr_at(step, steps) * group["share"]
            self.optimizer.step()
            self.average.n_averaged.fill_(step)  # 0 copies, so a resumed run needs to be told
            self.average.update_parameters(self.model)
        self.optimizer.zero_grad(set_to_none=True)
        return value, norm, parts

    def _summed(self, value: Tensor) -> Tensor:
        return self.accelerator.reduce(value, "sum") if self.place.processes > 1 else value

    def _alone(self, wanted: bool) -> AbstractContextManager[Any]:
        """Without reduction between processes: only a step's last part reduces."""
        return self.accelerator.no_sync(self.wrapped) if wanted and self.place.processes > 1 else nullcontext()


class _Metrics:
    """metrics.jsonl: a record per line; those after the state that a run goes on from are dropped."""

    def __init__(self, path: Path, step: int, *, main: bool) -> None:
        self._path = path if main else None
        if not main:
            return
        lines = path.read_text(encoding="utf-8").splitlines() if step and path.exists() else []
        with new_file(path, force=True) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines if _before(line, step)), encoding="utf-8")

    def add(self, record: Mapping[str, Any]) -> None:
        if self._path is not None:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            except OSError as error:
                raise InputError(self._path, f"could not be written ({error.strerror})") from None


def _before(line: str, step: int) -> bool:
    try:
        return json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False  # cut off when the run was killed


def engine(device: Literal["auto", "cpu"] = "auto") -> Accelerator:
    """The engine for this process: alone, or one of those that its launcher (or torchrun) started."""
    # A stage of one chunk leaves parameters without a gradient, which the reduction must be told to expect.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(cpu=device == "cpu", mixed_precision="no", kwargs_handlers=[unused])


def shared(accelerator: Accelerator, value: Any) -> Any:
    """What the main process has, in every process."""
    return broadcast_object_list([value])[0] if accelerator.num_processes > 1 else value


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def _groups(model: ConvNeur, settings: TrainSettings) -> list[dict[str, Any]]:
    """Backbone and head, with weight decay and without: biases, norms, scales, and a memory's M_0, where it starts."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and not name.endswith(".initial")
        groups.setdefault((name.startswith("head."), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "share": 1.0 if head else settings.backbone_lr,
        }
        for (head, decays), parameters in groups.items()
    ]


def _averaged(decay: float) -> Callable[..., None]:
    """The moving average, young at first: after n steps the decay is (1 + n) / (10 + n) at most (as TensorFlow's)."""

    @torch.no_grad()
    def update(average: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(list(average), list(current), weight)

    return update


def _some(values: Sequence[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.3g}" for value in values)
