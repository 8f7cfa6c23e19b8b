"""What the training loop asks of a task: everything else about a run is the same whatever is learned."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from convneur.data.examples import Example
from convneur.detection import Detector
from convneur.model.network import ConvNeur

__all__ = ["Batch", "Trainable", "TrainingTask", "backbone_of"]

Trainable = ConvNeur | Detector


def backbone_of(model: Trainable) -> ConvNeur:
    """The ConvNeur that a model is or holds."""
    return model.backbone if isinstance(model, Detector) else model


class Batch(NamedTuple):
    """x: (B, 3, H, W) float32, normalised. y: what the task is to find in them.

    Segmentation: (B, H, W) labels, the ignored ones -100; classification: (B,) classes; int64. Detection: sizes without
    padding, and objects.
    """

    x: Tensor
    y: Any


class TrainingTask(Protocol):
    """Views of examples as batches, their loss, and what a validation records.

    A view is a function of the seed, the epoch and the index; a loss is a sum over a part of a step's batch, divided by
    what all parts count together, so that parts add up. A view travels between processes.
    """

    def view(self, key: tuple[int, int]) -> Any:
        """A random view of an example by (epoch, index)."""
        ...

    def collate(self, views: Sequence[Any]) -> Batch:
        """Views as one part of a batch."""
        ...

    def prepare(self, part: Batch, device: torch.device, random: np.random.Generator) -> Batch:
        """A part on the device that computes, its images mixed with each other where the settings say so."""
        ...

    def weight(self, part: Batch) -> Tensor:
        """What a part counts."""
        ...

    def forward(self, model: nn.Module, part: Batch) -> Any:
        """What the model gives, in the precision of the run."""
        ...

    def loss(self, outputs: Any, part: Batch, total: Tensor, parts: int) -> Tensor:
        """A part's share of the loss. total: of the weights of all parts of the step; parts: how many there are."""
        ...

    def measure(self, model: Any, examples: Sequence[Example]) -> Any:
        """How a model does on whole images, on this process alone. Raises: InputError: an image cannot be read."""
        ...

    def record(self, measured: Any, accelerator: Accelerator) -> Mapping[str, Any]:
        """What a validation's record holds, of what all processes measured: `score`, by which weights are chosen, and
        the metrics of the task."""
        ...

    def shown(self, measured: Any) -> tuple[int, int] | None:
        """Height and width at which this process showed its images to the model, None where they differed."""
        ...
