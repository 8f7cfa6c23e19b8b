"""Which boxes are to find which object, and which of them a loss is of."""

import torch
from torch import Tensor

from convneur.detection.boxes import overlaps

__all__ = ["best_object", "chosen", "matched_anchors"]

_AT_ONCE = 64  # objects: of a quarter of a million anchors, 64 MiB


def best_object(boxes: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
    """The object that each box overlaps most, and by how much: (N,) each; 0 and 0 where there is no object."""
    best, overlap = boxes.new_zeros(len(boxes), dtype=torch.long), boxes.new_zeros(len(boxes))
    for first in range(0, len(objects), _AT_ONCE):
        found, which = overlaps(boxes, objects[first : first + _AT_ONCE]).max(dim=1)
        better = found > overlap
        overlap = torch.where(better, found, overlap)
        best = torch.where(better, which + first, best)
    return best, overlap


def matched_anchors(anchors: Tensor, objects: Tensor, positive: float, negative: float) -> tuple[Tensor, Tensor]:
    """The object of each anchor, and what the anchor is: 1 an object, 0 background, -1 neither; (N,) each.

    An object that no anchor overlaps enough has those that overlap it most (Ren et al. 2015, 3.1.2).
    """
    best, overlap = best_object(anchors, objects)
    kind = torch.where(overlap >= positive, 1, torch.where(overlap < negative, 0, -1))
    for first in range(0, len(objects), _AT_ONCE):
        found = overlaps(anchors, objects[first : first + _AT_ONCE])
        most = found.max(dim=0).values
        anchor, which = ((found == most) & (most > 0)).nonzero().unbind(1)
        best[anchor] = which + first
        kind[anchor] = 1
    return best, kind


def chosen(positive: Tensor, negative: Tensor, count: int, share: float) -> tuple[Tensor, Tensor]:
    """At most `count` at random, of which a share is positive at most: indices of these and of the negative ones.

    By torch's own random numbers, which a training step seeds.
    """
    some = _some(positive, min(int(count * share), len(positive)))
    return some, _some(negative, min(count - len(some), len(negative)))


def _some(indices: Tensor, count: int) -> Tensor:
    return indices[torch.randperm(len(indices), device=indices.device)[:count]]
