"""Masks as run lengths, as COCO stores them: pixels column by column, background and object runs alternating.

A mask stays runs all the way: an object of some hundred runs in an image of a million pixels costs as much as its runs.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convneur.errors import InputError

__all__ = [
    "RunMask",
    "bounding_boxes",
    "inner_band",
    "intersections",
    "mask_of_counts",
    "mask_of_pixels",
    "mask_of_text",
    "masks_of_texts",
    "pixel_counts",
]

IntArray = NDArray[np.int64]

_LONGEST_NUMBER = 7  # groups of five bits: more than any image has pixels


class RunMask(NamedTuple):
    """shape: (H, W). starts, ends: (R,) ascending positions x * H + y, each run [start, end); no two touch.

    >>> mask = mask_of_counts([2, 3, 4], (3, 3))
    >>> mask.starts.tolist(), mask.ends.tolist(), mask.area
    ([2], [5], 3)
    """

    shape: tuple[int, int]
    starts: IntArray
    ends: IntArray

    @property
    def area(self) -> int:
        return int((self.ends - self.starts).sum())

    def text(self) -> str:
        """Compressed `counts`, as pycocotools writes them.

        >>> mask_of_text("13", (2, 2)).text()
        '13'
        """
        height, width = self.shape
        bounds = np.stack([self.starts, self.ends], axis=1).ravel()
        bounds = np.concatenate([[0], bounds, [height * width]])
        counts = np.diff(bounds)
        if len(counts) > 1 and counts[-1] == 0:
            counts = counts[:-1]
        numbers = counts.copy()
        numbers[3:] -= counts[1:-2]
        written = []
        for number in numbers.tolist():
            while True:
                group, number = number & 31, number >> 5
                more = number != (-1 if group & 16 else 0)
                written.append(chr(48 + (group | 32 * more)))
                if not more:
                    break
        return "".join(written)

    def pixels(self) -> NDArray[np.bool_]:
        """The mask, (H, W)."""
        height, width = self.shape
        change = np.zeros(height * width + 1, np.int8)
        change[self.starts] = 1
        change[self.ends] -= 1
        return change[:-1].cumsum(dtype=np.int8).view(np.bool_).reshape(width, height).T

    def columns(self) -> tuple[slice, NDArray[np.bool_]]:
        """The image's columns between the first and the last that it has pixels in, and its pixels there, (H, W').

        >>> mask_of_counts([2, 3, 4], (3, 3)).columns()[0]
        slice(0, 2, None)
        """
        height = self.shape[0]
        if len(self.starts) == 0:
            return slice(0, 0), np.zeros((height, 0), np.bool_)
        first, last = int(self.starts[0]) // height, (int(self.ends[-1]) - 1) // height
        shift = first * height
        part = RunMask((height, last - first + 1), self.starts - shift, self.ends - shift)
        return slice(first, last + 1), part.pixels()


def mask_of_text(text: str | bytes, shape: tuple[int, int]) -> RunMask:
    """The mask of compressed `counts`.

    Equation: per number groups of five bits, lowest first, as characters from 48 on; bit 32: more follow; bit 16 of the
        last: negative. From the fourth number on the number two before is added.
    Raises: InputError: no such text, or not as many pixels as the image has.

    >>> mask_of_text("23", (2, 2)) == mask_of_text(b"23", (2, 2))
    Traceback (most recent call last):
    convneur.errors.InputError: its runs have 5 pixels, its image 4 (2x2)
    >>> mask_of_text("13", (2, 2)).pixels().astype(int).tolist()
    [[0, 1], [1, 1]]
    """
    if isinstance(text, str):
        text = text.encode("ascii", "replace")
    return masks_of_texts([text], shape)[0]


def masks_of_texts(texts: Sequence[bytes], shape: tuple[int, int]) -> list[RunMask]:
    """The masks of several `counts` of one image as `mask_of_text` has them, decoded together.

    Raises: InputError: one of them is none; alone it says which.

    >>> [mask.area for mask in masks_of_texts([b"13", b"04"], (2, 2))]
    [3, 4]
    """
    lengths = np.array([len(text) for text in texts])
    if len(lengths) == 0:
        return []
    codes = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64) - 48
    stops = lengths.cumsum() - 1
    if lengths.min() == 0 or codes.min() < 0 or codes.max() > 63 or (codes[stops] & 32).any():
        raise InputError(None, "its counts are no run lengths as COCO compresses them")
    last = np.flatnonzero(codes & 32 == 0)
    first = np.append(0, last[:-1] + 1)
    groups = last - first + 1
    if groups.max() > _LONGEST_NUMBER:
        raise InputError(None, "its counts hold a run of more pixels than any image has")
    place = np.arange(codes.size) - first.repeat(groups)
    numbers = np.add.reduceat((codes & 31) << 5 * place, first)
    numbers -= (codes[last] >> 4 & 1) << 5 * groups
    # A row is a background run and the object run behind it; a mask without the last one has a 0 there.
    counts = np.diff(np.append(0, np.searchsorted(last, stops, side="right")))
    rows = (counts + 1) // 2
    begin = rows.cumsum() - rows
    table = np.zeros((int(rows.sum()), 2), np.int64)
    odd = counts % 2 == 1
    held = np.ones(table.shape, bool)
    held[(begin + rows - 1)[odd], 1] = False
    table[held] = numbers
    background = table[begin, 0]
    table[begin, 0] = 0  # the first number is added to none
    before = np.concatenate([np.zeros((1, 2), np.int64), table.cumsum(axis=0)])
    table = before[1:] - before[begin].repeat(rows, axis=0)
    table[begin, 0] = background
    table[~held] = 0
    return _masks_of(table, rows, shape)


def mask_of_counts(counts: Sequence[int] | IntArray, shape: tuple[int, int]) -> RunMask:
    """The mask of run lengths as numbers, the first of background. Raises: InputError: as `mask_of_text`."""
    numbers = np.asarray(counts, np.int64)
    rows = max((len(numbers) + 1) // 2, 1)
    table = np.zeros(2 * rows, np.int64)
    table[: len(numbers)] = numbers
    return _masks_of(table.reshape(rows, 2), np.array([rows]), shape)[0]


def mask_of_pixels(mask: NDArray[np.bool_]) -> RunMask:
    """A mask (H, W) as runs."""
    flat = np.zeros(mask.size + 2, np.int8)
    flat[1:-1] = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat))
    return RunMask((mask.shape[0], mask.shape[1]), changes[::2], changes[1::2])


def _masks_of(table: IntArray, rows: IntArray, shape: tuple[int, int]) -> list[RunMask]:
    """The masks of runs in turn, (R, 2) of background and object; rows: how many each mask has."""
    height, width = shape
    pixels = height * width
    if table.min() < 0 or table.max() > pixels:
        run = table.min() if table.min() < 0 else table.max()
        raise InputError(None, f"its runs hold one of {run} pixels, its image {pixels} ({height}x{width})")
    ends = table.ravel().cumsum().reshape(table.shape)
    totals = np.diff(np.append(0, ends[rows.cumsum() - 1, 1]))
    if (totals != pixels).any():
        total = int(totals[totals != pixels][0])
        raise InputError(None, f"its runs have {total} pixels, its image {pixels} ({height}x{width})")
    mask = np.arange(len(rows)).repeat(rows)
    starts, ends = (ends - (mask * pixels)[:, None]).T
    kept = ends > starts
    starts, ends, mask = starts[kept], ends[kept], mask[kept]
    apart = (starts[1:] > ends[:-1]) | (mask[1:] != mask[:-1])  # runs with none between them are one
    first, last = np.append(True, apart)[: len(mask)], np.append(apart, True)[: len(mask)]
    starts, ends, mask = starts[first], ends[last], mask[first]
    bounds = np.searchsorted(mask, np.arange(len(rows) + 1)).tolist()
    return [RunMask(shape, starts[a:b], ends[a:b]) for a, b in pairwise(bounds)]


def pixel_counts(masks: Sequence[RunMask]) -> IntArray:
    """The areas of masks, (N,)."""
    if not masks:
        return np.zeros(0, np.int64)
    starts, ends, counts = _joined(masks, 0)
    before = np.append(0, (ends - starts).cumsum())
    return np.diff(before[np.append(0, counts.cumsum())])


def bounding_boxes(masks: Sequence[RunMask]) -> IntArray:
    """Rows and columns of each mask, (N, 4): top, bottom, left, right, the last of each one beyond; empty masks 0s."""
    found = np.zeros((len(masks), 4), np.int64)
    filled = [number for number, mask in enumerate(masks) if len(mask.starts)]
    if not filled:
        return found
    height = masks[0].shape[0]
    starts = np.concatenate([masks[number].starts for number in filled])
    lasts = np.concatenate([masks[number].ends for number in filled]) - 1
    first = np.cumsum([0, *(len(masks[number].starts) for number in filled[:-1])])
    left, top = np.divmod(starts, height)
    right, bottom = np.divmod(lasts, height)
    over = right > left  # a run from one column into the next touches both ends of columns
    top[over], bottom[over] = 0, height - 1
    found[filled] = np.stack(
        [
            np.minimum.reduceat(top, first),
            np.maximum.reduceat(bottom, first) + 1,
            np.minimum.reduceat(left, first),
            np.maximum.reduceat(right, first) + 1,
        ],
        axis=1,
    )
    return found


def intersections(a: Sequence[RunMask], b: Sequence[RunMask], at_a: IntArray, at_b: IntArray) -> IntArray:
    """Common pixels of pairs of masks of one image: of a[at_a[n]] and b[at_b[n]], (N,).

    Equation: with F(x) the pixels of b before position x, the sum of F(end) - F(start) over the runs of a.
    """
    if len(at_a) == 0:
        return np.zeros(0, np.int64)
    pixels = a[0].shape[0] * a[0].shape[1]
    starts, ends, _ = _joined(b, pixels + 1)
    before = np.append(0, (ends - starts).cumsum())
    ours = [a[number] for number in at_a]
    counts = np.array([len(mask.starts) for mask in ours])
    shift = (at_b * (pixels + 1)).repeat(counts)

    def up_to(position: IntArray) -> IntArray:
        """Pixels of all of b up to a position there."""
        run = np.searchsorted(starts, position, side="right")
        beyond = np.append(0, ends)[run] - position
        return before[run] - np.maximum(beyond, 0)

    common = up_to(np.concatenate([mask.ends for mask in ours]) + shift)
    common -= up_to(np.concatenate([mask.starts for mask in ours]) + shift)
    sums = np.append(0, common.cumsum())
    return np.diff(sums[np.append(0, counts.cumsum())])


def _joined(masks: Sequence[RunMask], step: int) -> tuple[IntArray, IntArray, IntArray]:
    """All runs of several masks, those of mask k moved by k steps; how many each mask has."""
    counts = np.array([len(mask.starts) for mask in masks])
    shift = (np.arange(len(masks)) * step).repeat(counts)
    starts, ends = (np.concatenate([mask[side] for mask in masks]) + shift for side in (1, 2))
    return starts, ends, counts


def inner_band(mask: RunMask, depth: int) -> RunMask:
    """The band of Boundary IoU: the mask without what `depth` erosions by 3x3 leave, background outside the image."""
    starts, ends = _eroded(mask, depth)
    if len(starts) == 0:
        return mask
    # What is left lies within runs and touches none of their ends.
    bounds = np.sort(np.concatenate([mask.starts, mask.ends, starts, ends]))
    return RunMask(mask.shape, bounds[::2], bounds[1::2])


def _eroded(mask: RunMask, depth: int) -> tuple[IntArray, IntArray]:
    """Runs of the pixels whose (2 depth + 1)-wide window lies in the mask."""
    height = mask.shape[0]
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if len(mask.starts) == 0:
        return none
    # Along columns a run loses its ends.
    column, last = mask.starts // height, (mask.ends - 1) // height
    parts = last - column + 1
    column = column.repeat(parts)
    column += np.arange(len(column)) - (np.append(0, parts.cumsum()[:-1])).repeat(parts)
    top = np.maximum(mask.starts.repeat(parts) - column * height, 0) + depth
    bottom = np.minimum(mask.ends.repeat(parts) - column * height, height) - depth
    left = bottom > top
    column, top, bottom = column[left], top[left], bottom[left]
    if len(column) == 0:
        return none
    begin, across = int(column[0]), int(column[-1] - column[0]) + 1
    if across <= 2 * depth:
        return none
    # Along rows: columns side by side, cut to the rows that are left.
    low = int(top.min())
    high = int(bottom.max()) - low + 1  # a row of background between one column and the next
    change = np.zeros(across * high + 1, np.int8)
    place = (column - begin) * high - low
    change[place + top] = 1
    change[place + bottom] = -1
    kept = change[:-1].cumsum(dtype=np.int8).reshape(across, high)
    span, length = 1, 2 * depth + 1
    while span < length:
        step = min(span, length - span)
        kept = kept[:-step] & kept[step:]
        span += step
    flat = kept.ravel()
    steps = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        steps = np.append(0, steps)
    column, row = np.divmod(steps, high)
    bounds = (column + begin + depth) * height + row + low
    return bounds[::2], bounds[1::2]
