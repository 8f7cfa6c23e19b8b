"""The loss as sums, so that parts of a batch, on one process or several, add up to the loss of the whole."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from convneur.training.settings import ClassWeights, TrainSettings
from convneur.training.task import Batch

__all__ = ["Targets", "class_weights", "jaccard_loss", "loss_sum", "mixed", "weight_of"]

Targets = Tensor


def class_weights(kind: ClassWeights, counts: Sequence[int]) -> Tensor:
    """What each class counts, (K,), mean 1 over the classes that occur; a class that does not occur counts 1."""
    share = torch.tensor(counts, dtype=torch.float64)
    seen = share > 0
    share = share / share.sum().clamp(min=1)
    weights = torch.ones_like(share)
    if kind != "none":
        weights[seen] = share[seen].pow(-0.5 if kind == "sqrt" else -1)
        weights[seen] /= weights[seen].mean()
    return weights.float()


def weight_of(y: Targets, weights: Tensor) -> Tensor:
    """What the targets of a part of a batch count together; see `loss_sum`."""
    if y.is_floating_point():
        return (y @ weights).sum()
    return weights[y[y >= 0]].sum()


def loss_sum(logits: Tensor, y: Targets, weights: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy summed over pixels or images, each times the weight of its class.

    Args: logits: (B, K, ...); y: class ids, -100 where nothing counts, or (B, K) shares of classes; weights: (K,).
    """
    return F.cross_entropy(logits.float(), y, weights, reduction="sum", label_smoothing=label_smoothing)


def jaccard_loss(logits: Tensor, y: Tensor) -> Tensor:
    """One minus the soft intersection over union, the mean over the classes that the part shows.

    What is reported is IoU, in which a rare class counts as much as a frequent one; cross-entropy counts pixels. With p
    the probabilities and o the truth as 0 or 1: sum(p o) / (sum(p) + sum(o) - sum(p o)) over all pixels of the part
    (Rahman and Wang 2016). Choice: over the classes that occur; of one that does not, every guess would be all wrong.
    Args:    logits: (B, K, ...); y: class ids, -100 where nothing counts.
    Returns: a number from 0 to 1; 0 where nothing counts.
    """
    counts = y.flatten() >= 0
    shares = logits.float().softmax(1).movedim(1, -1).flatten(0, -2)[counts]
    truth = F.one_hot(y.flatten()[counts], logits.shape[1]).to(shares.dtype)
    both, occurring = (shares * truth).sum(0), truth.sum(0)
    seen = occurring > 0
    if not bool(seen.any()):
        return logits.sum() * 0
    return (1 - both / (shares.sum(0) + occurring - both).clamp(min=1))[seen].mean()


class _Mix(NamedTuple):
    share: float
    box: tuple[int, int, int, int] | None


def mixed(batch: Batch, settings: TrainSettings, num_classes: int, random: np.random.Generator) -> Batch:
    """Photos of a part mixed with each other: mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019), by turns.

    The partner of an image is the one as far from the part's end as it is from its beginning, as in timm. Without
    either the batch as it is.
    """
    if not (settings.mixup or settings.cutmix):
        return batch
    x, y = batch
    height, width = x.shape[2:]
    mix = _drawn(settings, height, width, random)
    other = x.flip(0)
    if mix.box is None:
        x = x * mix.share + other * (1 - mix.share)
    else:
        top, bottom, left, right = mix.box
        x = x.clone()
        x[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    shares = F.one_hot(y, num_classes).float()
    return Batch(x.contiguous(memory_format=torch.channels_last), shares * mix.share + shares.flip(0) * (1 - mix.share))


def _drawn(settings: TrainSettings, height: int, width: int, random: np.random.Generator) -> _Mix:
    cut = settings.cutmix > 0 and (settings.mixup == 0 or random.random() < 0.5)
    alpha = settings.cutmix if cut else settings.mixup
    share = float(random.beta(alpha, alpha))
    if not cut:
        return _Mix(share, None)
    h, w = round(height * (1 - share) ** 0.5), round(width * (1 - share) ** 0.5)
    row, column = int(random.integers(height)), int(random.integers(width))
    top, bottom = max(row - h // 2, 0), min(row + h // 2, height)
    left, right = max(column - w // 2, 0), min(column + w // 2, width)
    return _Mix(1 - (bottom - top) * (right - left) / (height * width), (top, bottom, left, right))
