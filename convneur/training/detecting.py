"""Detection as a task of the training loop: boxes, classes and masks of an image's objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor, nn

from convneur.data.annotated import AnnotatedImage
from convneur.data.augmentation import random_of
from convneur.data.examples import Example
from convneur.data.images import normalise
from convneur.data.run_lengths import RunMask
from convneur.detection import Detector, FoundObjects, Targets, find_objects, random_view
from convneur.instances import ImageObjects, ObjectTotals
from convneur.training.annotated_data import read_annotated
from convneur.training.data import TrainingData
from convneur.training.settings import TrainSettings
from convneur.training.task import Batch

__all__ = ["DetectionTask"]

_MOST = 100  # detections of a class in an image, as COCO's evaluation takes them


class _Truth(NamedTuple):
    """sizes: height and width of each image of a batch without its padding; targets: its objects."""

    sizes: tuple[tuple[int, int], ...]
    targets: tuple[Targets, ...]


@dataclass(frozen=True)
class _Scored:
    """An image and what was found in it, by the image's id."""

    id: int
    objects: ImageObjects


class DetectionTask:
    """See `TrainingTask`. A part of a batch counts its images: its loss is the mean over its samples, as where each
    device of several has its own (source: MMDetection)."""

    def __init__(self, data: TrainingData, settings: TrainSettings) -> None:
        self._data, self._settings = data, settings
        self._augmentation = settings.augmentation()

    def view(self, key: tuple[int, int]) -> tuple[Tensor, Targets]:
        epoch, index = key
        pixels, annotated = read_annotated(self._data.train[index], max_pixels=self._data.reading.max_pixels)
        found = random_view(
            pixels,
            _boxes(annotated),
            np.array([each.label for each in annotated.learned], np.int64),
            annotated.masks() if self._data.masks else None,
            self._augmentation,
            random_of(self._settings.seed, epoch, index),
        )
        masks = None if found.masks is None else torch.from_numpy(found.masks)
        targets = Targets(torch.from_numpy(found.boxes), torch.from_numpy(found.labels), masks)
        return torch.from_numpy(normalise(found.pixels)), targets

    def collate(self, views: Sequence[tuple[Tensor, Targets]]) -> Batch:
        sizes = tuple((x.shape[1], x.shape[2]) for x, _ in views)
        height, width = (max(side) for side in zip(*sizes, strict=True))
        batch = torch.zeros(len(views), 3, height, width)
        for place, (x, _) in zip(batch, views, strict=True):
            place[:, : x.shape[1], : x.shape[2]] = x
        return Batch(batch, _Truth(sizes, tuple(targets for _, targets in views)))

    def prepare(self, part: Batch, device: torch.device, random: np.random.Generator) -> Batch:
        targets = tuple(
            Targets(*(None if each is None else each.to(device) for each in some))  # type: ignore[arg-type]
            for some in part.y.targets
        )
        return Batch(part.x.to(device), _Truth(part.y.sizes, targets))

    def weight(self, part: Batch) -> Tensor:
        return torch.tensor(float(len(part.x)), device=part.x.device)

    def forward(self, model: nn.Module, part: Batch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = model(part.x, part.y.sizes, part.y.targets)
        return losses

    def loss(self, outputs: dict[str, Tensor], part: Batch, total: Tensor, parts: int) -> Tensor:
        return torch.stack(list(outputs.values())).sum() * len(part.x) / total

    def measure(self, model: Any, examples: Sequence[Example]) -> list[_Scored]:
        assert isinstance(model, Detector)
        settings, found = self._settings, []
        for example in examples:
            pixels, annotated = read_annotated(example, max_pixels=self._data.reading.max_pixels)
            (objects,) = find_objects(model, [pixels], settings.crop, scale=settings.eval_scale)
            found.append(_Scored(annotated.image.id, _compared(objects, annotated, masks=self._data.masks)))
        return found

    def record(self, measured: list[_Scored], accelerator: Accelerator) -> dict[str, Any]:
        everywhere: list[_Scored] = gather_object(measured) if accelerator.num_processes > 1 else measured
        totals = ObjectTotals(range(len(self._data.names)), masks=self._data.masks)
        for each in sorted(everywhere, key=lambda each: each.id):
            totals.add(each.objects)
        values = totals.values()
        record = {f"{kind}_{key}": _known(values[kind][key]) for kind in values for key in ("ap", "ap50")}
        return {"score": record["box_ap"], **record}

    def shown(self, measured: list[_Scored]) -> None:
        return None


def _boxes(annotated: AnnotatedImage) -> NDArray[np.float64]:
    return np.array([each.box for each in annotated.learned], np.float64).reshape(-1, 4)


def _compared(found: FoundObjects, annotated: AnnotatedImage, *, masks: bool) -> ImageObjects:
    """What was found beside the ground truth, as the evaluation takes it: at most 100 of a class."""
    kept = np.concatenate(
        [np.flatnonzero(found.labels == label)[:_MOST] for label in np.unique(found.labels)] or [np.zeros(0, int)]
    )
    kept.sort()
    boxes = found.boxes[kept]
    truths = annotated.objects
    gt_boxes = np.array([each.box for each in truths], np.float64).reshape(-1, 4)
    ours: list[RunMask] = [] if found.masks is None or not masks else [found.masks[number] for number in kept.tolist()]
    theirs = [each.mask.runs(annotated.image) for each in truths if each.mask is not None] if masks else []
    return ImageObjects(
        detections=ours,
        truths=theirs,
        scores=found.scores[kept],
        categories=found.labels[kept],
        areas=np.array([mask.area for mask in ours], float),
        gt_categories=np.array([each.label for each in truths], np.int64),
        gt_areas=np.array([each.area for each in truths], float),
        crowd=np.array([each.crowd for each in truths], bool),
        boxes=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        gt_boxes=np.concatenate([gt_boxes[:, :2], gt_boxes[:, 2:] - gt_boxes[:, :2]], axis=1),
    )


def _known(value: float) -> float:
    """0 where there is no object to find."""
    return 0.0 if value != value else value
