"""What a detector finds in whole images, in their own pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from convneur.data.images import MEAN, STD, normalise
from convneur.data.run_lengths import RunMask, mask_of_pixels
from convneur.detection.detector import Detections, Detector
from convneur.detection.views import fitted, resized

__all__ = ["FoundObjects", "find_objects"]

Pixels = NDArray[np.uint8]


class FoundObjects(NamedTuple):
    """By falling score. boxes: (N, 4) x1, y1, x2, y2 in pixels of the image; scores: (N,); labels: (N,) class numbers;
    masks: of the image's size, None of a detector without mask heads.

    >>> FoundObjects(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), None).masks is None
    True
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    masks: tuple[RunMask, ...] | None


@torch.no_grad()
def find_objects(
    model: Detector,
    images: Sequence[Pixels],
    sides: tuple[int, int],
    *,
    scale: float = 1.0,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    least_score: float | None = None,
) -> list[FoundObjects]:
    """What a detector finds in images, (H, W, 3) uint8 RGB each.

    Args: sides, scale: that they are brought to, see `fitted`; mean, std: of RGB in 0..1 that the weights were trained
        with. least_score: what is found has more; None: as the detector's settings say.

    >>> from convneur.detection import detector_settings, new_detector
    >>> from convneur.variants import ConvNeurConfig
    >>> config = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8)
    >>> model = new_detector(config, detector_settings("mask-rcnn", num_classes=1, heads="light")).eval()
    >>> (found,) = find_objects(model, [np.zeros((48, 64, 3), np.uint8)], (64, 64))
    >>> found.boxes.shape[1]
    4
    """
    device = next(model.parameters()).device
    seen = [resized(image, *fitted(image.shape[0], image.shape[1], sides, scale)) for image in images]
    sizes = [(each.shape[0], each.shape[1]) for each in seen]
    height, width = (max(side) for side in zip(*sizes, strict=True))
    x = torch.zeros(len(seen), 3, height, width)
    for place, each, (rows, columns) in zip(x, seen, sizes, strict=True):
        place[:, :rows, :columns] = torch.from_numpy(normalise(each, mean, std))
    found = model(x.to(device).contiguous(memory_format=torch.channels_last), sizes, least_score=least_score)
    return [
        _in_image(each, size, (image.shape[0], image.shape[1]))
        for each, size, image in zip(found, sizes, images, strict=True)
    ]


def _in_image(found: Detections, seen: tuple[int, int], size: tuple[int, int]) -> FoundObjects:
    down, across = (whole / part for whole, part in zip(size, seen, strict=True))
    boxes = found.boxes.double().cpu().numpy() * (across, down, across, down)
    masks = None
    if found.masks is not None:
        shares = found.masks.float().cpu()
        masks = tuple(_pasted(share, box, size) for share, box in zip(shares, boxes.tolist(), strict=True))
    return FoundObjects(boxes, found.scores.double().cpu().numpy(), found.labels.cpu().numpy(), masks)


def _pasted(share: torch.Tensor, box: Sequence[float], size: tuple[int, int]) -> RunMask:
    """A mask's probabilities, (S, S), resampled to the pixels of its box, from one half on."""
    height, width = size
    x1, y1, x2, y2 = box
    left, top = max(int(np.floor(x1)), 0), max(int(np.floor(y1)), 0)
    right, bottom = min(int(np.ceil(x2)), width), min(int(np.ceil(y2)), height)
    mask = np.zeros(size, bool)
    if right > left and bottom > top:
        x = (torch.arange(left, right) + 0.5 - x1) / max(x2 - x1, 1e-6) * 2 - 1
        y = (torch.arange(top, bottom) + 0.5 - y1) / max(y2 - y1, 1e-6) * 2 - 1
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None].float()
        values = F.grid_sample(share[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
        mask[top:bottom, left:right] = (values >= 0.5).numpy()
    return mask_of_pixels(mask)
