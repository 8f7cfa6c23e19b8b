"""Boundary pixels of both maps that have a partner within each radius, counted by class."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.boundaries import MOST_BITS, rank_bits, steps
from convneur.metrics.kernels import Kernels

__all__ = ["F1Matches", "f1_matches"]

IntArray = npt.NDArray[np.int64]
RankMap = npt.NDArray[np.unsignedinteger[Any]]
Bits = npt.NDArray[np.unsignedinteger[Any]]

_ROWS = 128  # at a time: as much as stays in the processor's cache
# Times that a map's numbers are combined, or as long as that takes, besides dilating them: at all, and for each radius.
_PASSES = 60
_PASSES_PER_RADIUS = 20


class F1Matches(NamedTuple):
    """gt, pred: (K,) boundary pixels of either map. matched_gt, matched_pred: (R, K) those with a partner."""

    gt: IntArray
    pred: IntArray
    matched_gt: IntArray
    matched_pred: IntArray


def f1_matches(kernels: Kernels, pred: RankMap, gt: RankMap, count: int, squares: Sequence[int]) -> F1Matches:
    """Count the boundary pixels of boundary F1, and those that have a boundary pixel of their class in the other map.

    Choice: a search for every boundary pixel costs nothing where there is no boundary, which is most of a trained
        model's map. Where boundaries are everywhere, as in noise, the whole map is cheaper: a pixel is one number
        with a bit for each class whose boundary it is on, and all classes are dilated by a disk at once.
    Args:    pred, gt: (H, W) ranks, `count` and above are no class; squares: (R,) of the radii, ascending.
    """
    passes = _PASSES + sum(4 * math.isqrt(square) + _PASSES_PER_RADIUS for square in squares)
    changes = sum(np.count_nonzero(part) for ranks in (pred, gt) for part in steps(ranks))
    if changes * kernels.search_cost > 2 * gt.size * passes * -(-count // MOST_BITS):
        return _of_maps(pred, gt, count, squares)
    points = [kernels.f1_points(ranks, count) for ranks in (gt, pred)]
    radii = list(map(math.sqrt, squares))
    matched = [
        here.by_rank(kernels.matched(here, there, (gt.shape[0], gt.shape[1]), radii))
        for here, there in (points, points[::-1])
    ]
    return F1Matches(points[0].counts(), points[1].counts(), matched[0], matched[1])


def _of_maps(pred: RankMap, gt: RankMap, count: int, squares: Sequence[int]) -> F1Matches:
    found = F1Matches(*np.zeros((2, count), np.int64), *np.zeros((2, len(squares), count), np.int64))
    for first in range(0, count, MOST_BITS):
        group = slice(first, min(first + MOST_BITS, count))
        bits = [_boundary_bits(ranks, group) for ranks in (gt, pred)]
        for side, (here, there) in enumerate((bits, bits[::-1])):
            found[side][group] = _by_bit(here, group)
            for row, square in enumerate(squares):
                if row and (found[2 + side][row - 1, group] == found[side][group]).all():
                    found[2 + side][row, group] = found[side][group]  # all have one within a smaller radius
                    continue
                for rows, near in _dilated(there, square):
                    found[2 + side][row, group] += _by_bit(here[rows] & near, group)
    return found


def _boundary_bits(ranks: RankMap, group: slice) -> Bits:
    """By the definition of `boundaries.f1_points`, bit k for rank group.start + k, (H, W)."""
    bits = rank_bits(group.stop - group.start)
    table = np.zeros(max(int(ranks.max()) + 1, group.stop), bits.dtype)
    table[group] = bits
    mask = table[ranks]
    # Bits that two neighbours have not in common are those of the one and the other class, where they differ.
    boundary = np.zeros_like(mask)
    boundary[:, :-1] |= np.bitwise_xor(mask[:, :-1], mask[:, 1:])
    boundary[:-1] |= np.bitwise_xor(mask[:-1], mask[1:])
    boundary[:-1, :-1] |= np.bitwise_xor(mask[:-1, :-1], mask[1:, 1:])
    return boundary


def _dilated(bits: Bits, square: int) -> Iterator[tuple[slice, Bits]]:
    """The map dilated by a disk, some rows at a time. square: of the disk's radius, pixels."""
    height, width = bits.shape
    reach = math.isqrt(square)
    halves = [math.isqrt(square - offset * offset) for offset in range(reach + 1)]  # widths of the disk's rows
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        above, below = min(reach, top), min(reach, height - bottom)
        row = bits[top - above : bottom + below]  # every pixel with those beside it, as far as `half`
        near = np.zeros((bottom - top, width), bits.dtype)
        half = 0
        for offset in range(reach, -1, -1):
            while half < halves[offset]:
                step = min(halves[offset] - half, 2 * half + 1)
                row = _beside(row, step)
                half += step
            for start in {above - offset, above + offset}:
                first, last = max(start, 0), min(start + bottom - top, len(row))
                if first < last:
                    near[first - start : last - start] |= row[first:last]
        yield slice(top, bottom), near


def _beside(bits: Bits, step: int) -> Bits:
    """Each pixel with the two that are `step` pixels beside it."""
    wider = bits.copy()
    if step < bits.shape[1]:
        wider[:, step:] |= bits[:, :-step]
        wider[:, :-step] |= bits[:, step:]
    return wider


def _by_bit(bits: Bits, group: slice) -> IntArray:
    """How many numbers have each bit, (K,) of the group."""
    counts = np.zeros(8 * bits.itemsize, np.int64)
    for byte, values in enumerate(np.moveaxis(bits.view(np.uint8).reshape(-1, bits.itemsize), 1, 0)):
        place = byte if np.little_endian else bits.itemsize - 1 - byte
        of_byte = np.bincount(values, minlength=256)
        counts[8 * place : 8 * place + 8] = of_byte @ ((np.arange(256)[:, None] >> np.arange(8)) & 1)
    return counts[: group.stop - group.start]
