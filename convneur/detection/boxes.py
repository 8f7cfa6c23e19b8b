"""Boxes as (x1, y1, x2, y2) in pixels, x2 and y2 one beyond: overlaps, offsets between boxes, suppression."""

import math

import numpy as np
import torch
from torch import Tensor

from convneur.detection.operators import compiled_operators

__all__ = ["apply_offsets", "area", "batched_nms", "clipped", "nms", "offsets", "overlaps"]

_MOST_GROWTH = abs(math.log(16 / 1000))  # of a side, as its logarithm (source: Faster R-CNN's code; MMDetection)


def area(boxes: Tensor) -> Tensor:
    """(N, 4) -> (N,)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """IoU of each of a, (N, 4), with each of b, (M, 4): (N, M); 0 where both are empty."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (high - low).clamp(min=0).prod(dim=2)
    either = area(a)[:, None] + area(b)[None] - common
    return common / either.clamp(min=1e-9)


def offsets(boxes: Tensor, targets: Tensor, stds: tuple[float, ...]) -> Tensor:
    """What `apply_offsets` makes the targets of. (N, 4), sides above 0, all of them.

    Equation: (dx / w, dy / h, log(w' / w), log(h' / h)) over the stds (Girshick et al. 2014).
    """
    sides, wanted = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    moved = (targets[:, :2] + targets[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2
    found = torch.cat([moved / sides, (wanted / sides).log()], dim=1)
    return found / found.new_tensor(stds)


def apply_offsets(boxes: Tensor, moves: Tensor, stds: tuple[float, ...]) -> Tensor:
    """Boxes (N, 4) moved by offsets (N, 4)."""
    moves = moves * moves.new_tensor(stds)
    sides = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + moves[:, :2] * sides
    half = sides * moves[:, 2:].clamp(-_MOST_GROWTH, _MOST_GROWTH).exp() / 2
    return torch.cat([centre - half, centre + half], dim=1)


def clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes cut to an image of (height, width)."""
    height, width = size
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([width, height, width, height]))


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression: indices of what is kept, by falling score, equal scores in their order.

    A box goes where its IoU with a kept one of a higher score is above the threshold.

    >>> boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10.0]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.1]), 0.5).tolist()
    [1, 2]
    """
    compiled = compiled_operators()
    if compiled is not None:
        kept: Tensor = compiled.nms(boxes.float(), scores.float(), threshold)
        return kept
    order = scores.argsort(descending=True, stable=True)
    above = (overlaps(boxes[order], boxes[order]) > threshold).cpu().numpy()
    alive = np.ones(len(order), bool)
    for at in range(len(order)):
        if alive[at]:
            alive[at + 1 :] &= ~above[at, at + 1 :]
    return order[torch.from_numpy(alive).to(order.device)]


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float, most: int) -> Tensor:
    """`nms` within each group, such as a class or a level: indices of at most so many, by falling score."""
    kept = []
    for group in groups.unique().tolist():
        own = (groups == group).nonzero()[:, 0]
        kept.append(own[nms(boxes[own], scores[own], threshold)])
    if not kept:
        return groups.new_zeros(0)
    found = torch.cat(kept)
    return found[scores[found].argsort(descending=True, stable=True)][:most]
