"""One step of training: a model, its optimizer and moving average, and what an update does to them."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from convneur.errors import ConfigError, InputError
from convneur.model.network import ConvNeur, UnreachedParametersWarning
from convneur.training.batches import BatchShard, batches
from convneur.training.data import TrainingData
from convneur.training.detecting import DetectionTask
from convneur.training.diagnostics import excess, watched_contexts
from convneur.training.labelling import LabellingTask
from convneur.training.settings import TrainSettings
from convneur.training.task import Batch, Trainable, TrainingTask, backbone_of

__all__ = ["Learner", "Precision", "autocast", "enough_memory"]

Precision = Literal["fp32", "bf16"]


class Learner:
    """A model, its optimizer and its moving average, and what one step does to them."""

    def __init__(
        self,
        model: Trainable,
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
        kind = DetectionTask if settings.task == "detection" else LabellingTask
        self.task: TrainingTask = kind(data, settings)
        self.shard = BatchShard(accelerator.process_index, accelerator.num_processes, settings.accumulate)
        parts = self.shard.parts
        if settings.batch % parts:
            raise ConfigError(
                "batch", f"must be a multiple of {parts} (processes x `accumulate`)", value=settings.batch
            )
        self.optimizer = torch.optim.AdamW(_groups(model, settings), lr=settings.lr)
        self.wrapped = accelerator.prepare_model(model) if accelerator.num_processes > 1 else model
        self.unreached = backbone_of(model).unreached_parameters(*settings.crop)

    @property
    def averaged(self) -> Trainable:
        """The model of the averaged weights, which is validated and kept."""
        module = self.average.module
        assert isinstance(module, Trainable)
        return module

    def loader(self, steps: range, workers: int) -> Iterator[Batch]:
        keys = self.shard.keys(self.settings.seed, len(self.data.train), self.settings.batch, steps)
        return batches(self.task, keys, workers)

    def step(self, step: int, steps: int, loader: Iterator[Batch]) -> tuple[float, float, list[Batch]]:
        """One update. Returns the loss, the gradient's norm, this process's parts; no update if either is no number."""
        settings, accelerator, task = self.settings, self.accelerator, self.task
        rank = self.shard.rank
        random = np.random.default_rng([settings.seed, step, rank, 1])
        parts = [task.prepare(next(loader), accelerator.device, random) for _ in range(settings.accumulate)]
        # What all parts of all processes count together is what each part's sum is divided by, so that they add up.
        total = torch.stack([task.weight(part) for part in parts]).sum()
        total = self._summed(total).clamp(min=torch.finfo(torch.float32).tiny)
        loss = torch.zeros((), device=accelerator.device)
        # Dropout's numbers; only now, for fetching the parts may draw some.
        torch.manual_seed(int(np.random.SeedSequence([settings.seed, step, rank]).generate_state(1)[0]))
        for number, part in enumerate(parts, start=1):
            with self._alone(number < len(parts)), warnings.catch_warnings():
                warnings.simplefilter("ignore", UnreachedParametersWarning)  # the plan says it
                with autocast(accelerator.device, self.precision), watched_contexts(self.model) as contexts:
                    outputs = task.forward(self.wrapped, part)
                share = task.loss(outputs, part, total, self.shard.parts)
                if settings.context_penalty and contexts:
                    share = share + settings.context_penalty * excess(contexts) / self.shard.parts
                # The reduction takes the mean over processes; wanted is the sum.
                (share * accelerator.num_processes).backward()
            loss += share.detach()
        if self.shard.processes > 1:  # whose reduction makes zeros of no gradient, and AdamW decays where it has zeros
            for parameter in self.unreached:
                parameter.grad = None
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
        return self.accelerator.reduce(value, "sum") if self.shard.processes > 1 else value

    def _alone(self, wanted: bool) -> AbstractContextManager[Any]:
        """Without reduction between processes: only a step's last part reduces."""
        return self.accelerator.no_sync(self.wrapped) if wanted and self.shard.processes > 1 else nullcontext()


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Matrix products in a precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def _groups(model: Trainable, settings: TrainSettings) -> list[dict[str, Any]]:
    """Backbone and head, with weight decay and without: biases, norms, scales, and a memory's M_0, where it starts."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and not name.endswith(".initial")
        head = name.startswith("head.") if isinstance(model, ConvNeur) else not name.startswith("backbone.")
        groups.setdefault((head, decays), []).append(parameter)
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


@contextmanager
def enough_memory(settings: TrainSettings) -> Iterator[None]:
    """Say what takes less where the memory does not suffice. Raises: InputError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(
            words in str(error) for words in ("out of memory", "can't allocate memory")
        ):
            raise
        height, width = settings.crop
        raise InputError(
            None,
            f"not enough memory for a step of {settings.batch} views of {height}x{width}; choose a smaller `batch` or "
            "`crop`, or a larger `accumulate`",
        ) from None
