"""Heads of one stage: class, box and mask of each proposal, from what the pyramid has under it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convneur.detection.operators import roi_align
from convneur.detection.pyramid import STRIDES
from convneur.detection.settings import DetectorSettings

__all__ = ["BoxHead", "MaskHead", "Stage", "pooled"]

_LEVELS = 4  # that boxes are read from; the fifth is for anchors


class BoxHead(nn.Module):
    """Two linear layers, then scores of the classes and the background, which is the last, and offsets.

    Args:    x: (N, channels, box_side, box_side).
    Returns: (N, K + 1) logits; (N, 4), or (N, 4 (K + 1)) of each class, the background's not used (source: Fast R-CNN's
        code).
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.fc1 = nn.Linear(settings.channels * settings.box_side**2, settings.fc)
        self.fc2 = nn.Linear(settings.fc, settings.fc)
        self.score = nn.Linear(settings.fc, settings.num_classes + 1)
        self.move = nn.Linear(settings.fc, 4 if settings.class_agnostic else 4 * (settings.num_classes + 1))
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.normal_(self.move.weight, std=0.001)
        for layer in (self.fc1, self.fc2, self.score, self.move):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))
        return self.score(x).float(), self.move(x).float()


class MaskHead(nn.Module):
    """3x3 convolutions, a doubling, then a mask for each class (He et al. 2017, figure 4).

    Args:    x: (N, channels, mask_side, mask_side).
    Returns: (N, K, 2 mask_side, 2 mask_side) logits.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        width = settings.mask_channels
        self.convs = nn.ModuleList(
            nn.Conv2d(settings.channels if number == 0 else width, width, kernel_size=3, padding=1)
            for number in range(settings.mask_convs)
        )
        self.upsample = nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)
        self.classify = nn.Conv2d(width, settings.num_classes, kernel_size=1)
        for layer in (*self.convs, self.upsample, self.classify):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x))
        found: Tensor = self.classify(F.relu(self.upsample(x)))
        return found.float()


class Stage(nn.Module):
    """The heads of a stage; `mask` is None where boxes alone are asked for."""

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.box = BoxHead(settings)
        self.mask = MaskHead(settings) if settings.masks else None


def pooled(pyramid: Sequence[Tensor], boxes: Sequence[Tensor], side: int, finest: float) -> Tensor:
    """What the pyramid has under boxes, each from the level of its size: (N, C, side, side) float32.

    Equation: level floor(log2(sqrt(w h) / finest)), from 0 to 3 (Lin et al. 2017, equation 1).
    Args: boxes: of each image, (N_b, 4).
    """
    sides = [((each[:, 2:] - each[:, :2]).clamp(min=0).prod(dim=1)).sqrt() for each in boxes]
    levels = [(each / finest + 1e-6).log2().floor().clamp(0, _LEVELS - 1) for each in sides]
    found, places = [], []
    first = [0]
    for each in boxes:
        first.append(first[-1] + len(each))
    for level in range(_LEVELS):
        own = [(each == level).nonzero()[:, 0] for each in levels]
        if sum(map(len, own)):
            chosen = [each[which] for each, which in zip(boxes, own, strict=True)]
            found.append(roi_align(pyramid[level], chosen, side, STRIDES[level]))
            places += [which + start for which, start in zip(own, first, strict=False)]
    if not found:
        return pyramid[0].new_zeros(0, pyramid[0].shape[1], side, side, dtype=torch.float32)
    return torch.cat(found)[torch.cat(places).argsort()]
