"""Segmentation and classification as tasks of the training loop: a label for every pixel, or for the image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import default_collate

from convneur.data.augmentation import random_of
from convneur.data.examples import Example, read_example
from convneur.data.images import normalise
from convneur.training.data import TrainingData
from convneur.training.loss import class_weights, jaccard_loss, loss_sum, mixed, weight_of
from convneur.training.settings import TrainSettings
from convneur.training.task import Batch
from convneur.training.validation import Validated, confusion_matrix, validation_scores

__all__ = ["LabellingTask"]


class LabellingTask:
    """See `TrainingTask`."""

    def __init__(self, data: TrainingData, settings: TrainSettings) -> None:
        self._data, self._settings = data, settings
        self._augmentation = settings.augmentation()
        self._weights = class_weights(settings.class_weights, data.counts)

    def view(self, key: tuple[int, int]) -> Batch:
        epoch, index = key
        reading = self._data.reading
        random = random_of(self._settings.seed, epoch, index)
        pixels, target = read_example(self._data.train[index], reading, len(self._data.names))
        if isinstance(target, (int, np.integer)):
            return Batch(
                torch.from_numpy(normalise(self._augmentation.classification(pixels, random))), torch.tensor(target)
            )
        ignored = reading.ignore_index
        around = -1 if ignored is None else ignored
        view, labels = self._augmentation.segmentation(pixels, target, random, around)
        y = torch.from_numpy(labels.astype(np.int64))
        y[y == around] = -100  # cross_entropy's
        return Batch(torch.from_numpy(normalise(view)), y)

    def collate(self, views: Sequence[Batch]) -> Batch:
        return Batch(*default_collate(list(views)))

    def prepare(self, part: Batch, device: torch.device, random: np.random.Generator) -> Batch:
        return mixed(Batch(part.x.to(device), part.y.to(device)), self._settings, len(self._data.names), random)

    def weight(self, part: Batch) -> Tensor:
        return weight_of(part.y, self._weights.to(part.y.device))

    def forward(self, model: nn.Module, part: Batch) -> Tensor:
        logits: Tensor = model(part.x)
        return logits

    def loss(self, outputs: Tensor, part: Batch, total: Tensor, parts: int) -> Tensor:
        settings = self._settings
        weights = self._weights.to(part.y.device)
        share = loss_sum(outputs, part.y, weights, settings.label_smoothing) / total
        if settings.jaccard:
            share = share + settings.jaccard * jaccard_loss(outputs, part.y) / parts
        return share

    def measure(self, model: Any, examples: Sequence[Example]) -> Validated:
        return confusion_matrix(model, examples, self._data.reading, len(self._data.names), self._settings)

    def record(self, measured: Validated, accelerator: Accelerator) -> dict[str, object]:
        counts = torch.from_numpy(measured.confusion).to(accelerator.device)
        confusion = accelerator.reduce(counts, "sum").cpu().numpy()
        return validation_scores(confusion, self._settings, self._data.names)

    def shown(self, measured: Validated) -> tuple[int, int] | None:
        return measured.size
