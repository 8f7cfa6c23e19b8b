"""What a pair shows of how it was prepared, counted beside the scores: labels against labels, grain, orientation.

One pair proves nothing; `setup_checks` judges what a whole set adds up to.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "ORIENTATIONS",
    "TURNED",
    "PairSigns",
    "grain",
    "joint",
    "label_grid",
    "oriented_agreement",
    "surely_turned",
]

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
Joint = Mapping[tuple[int, int], int]

Undo = Callable[[Array], Array]

# What may have been done to a prediction, by what undoes it, in the words of NumPy.
_FLIPPED: dict[str, Undo] = {
    "pred": lambda a: a,
    "pred[:, ::-1]": lambda a: a[:, ::-1],
    "pred[::-1]": lambda a: a[::-1],
    "pred[::-1, ::-1]": lambda a: a[::-1, ::-1],
}
TURNED: dict[str, Undo] = {
    "pred.T": lambda a: a.T,
    "np.rot90(pred)": np.rot90,
    "np.rot90(pred, -1)": lambda a: np.rot90(a, -1),
    "pred[::-1, ::-1].T": lambda a: a[::-1, ::-1].T,
}
"""Those that exchange height and width."""

ORIENTATIONS = (*_FLIPPED, *TURNED)
_SIDE = 32  # pixels of the grid on which orientations are compared
_SURE = 60  # cells of it with an object, from which on one image is a sign
_UPRIGHT = 0.75  # share of the objects' pixels that agree, from which on no other orientation is tried
_GRAIN = 1 << 13  # pixels looked at for grain
_RARE = 0.01
_DENSE = 1 << 20  # pairs of labels counted in a table; more are sorted


class PairSigns(NamedTuple):
    """joint: (ground-truth label, predicted label) -> pixels, ignored pixels and labels that are no class included.

    grain: (2, 4) of prediction and ground truth: labels, those of them that are rare and scattered; changes of label
    in some rows, and pixels between two changes whose label lies between those beside it.
    oriented: (2, 8) for each of `ORIENTATIONS`, pixels of a grid that are of one class in both maps, not the ground
    truth's most frequent one, and those that are so in either; only the first where most of them agree as they lie.
    """

    joint: Joint
    grain: IntArray
    oriented: IntArray


def joint(a: Array, b: Array, a_count: int, b_count: int) -> tuple[IntArray, IntArray, IntArray]:
    """How often codes of two arrays meet: codes of a and of b, below their counts, and how often, (n,) each."""
    codes = a.astype(np.int64) * b_count + b
    if a_count * b_count <= _DENSE:
        table = np.bincount(codes.ravel(), minlength=1)
        met = np.flatnonzero(table)
        counts = table[met]
    else:
        met, counts = np.unique(codes, return_counts=True)
    return met // b_count, met % b_count, counts


def grain(codes: Array, count: int) -> tuple[int, int, int, int]:
    """`PairSigns.grain` of one map.

    Choice: a label is scattered if at least half of its pixels are part of no run of two in one of the directions,
        rows or columns: so are noise of compression and the levels of probabilities, but no region. Of large maps some
        rows are looked at.
    Args: codes: (H, W) below count.
    """
    height, width = codes.shape
    if height < 3 or width < 3:
        return len(np.unique(codes)), 0, 0, 0
    step = -(-(height - 2) // max(_GRAIN // width, 16))
    here, above, below = codes[1:-1:step], codes[:-2:step], codes[2::step]
    changes = here[:, 1:] != here[:, :-1]
    alone_in_row = changes[:, 1:] & changes[:, :-1]
    alone_in_column = (here != above) & (here != below)
    inner = here[:, 1:-1]
    pixels = np.bincount(inner.ravel(), minlength=count)
    alone = np.bincount(inner[alone_in_row | alone_in_column[:, 1:-1]], minlength=count)
    scattered = (pixels > 0) & (pixels < _RARE * inner.size) & (2 * alone >= pixels)
    left, middle, right = (side[alone_in_row] for side in (here[:, :-2], inner, here[:, 2:]))
    between = np.count_nonzero((left < middle) == (middle < right))
    return int(np.count_nonzero(pixels)), int(np.count_nonzero(scattered)), int(np.count_nonzero(changes)), int(between)


def label_grid(labels: Array) -> Array:
    """Every so many pixels of a map, (S, S), S at most 32."""
    side = min(_SIDE, *labels.shape)
    rows, columns = (((2 * np.arange(side) + 1) * length) // (2 * side) for length in labels.shape)
    return np.asarray(labels[rows[:, None], columns])


def surely_turned(oriented: IntArray) -> int | None:
    """Which of `ORIENTATIONS` one image shows beyond doubt; None for none. oriented: see `PairSigns`.

    Choice: less than 60 % of the objects agree as they lie, and turned three times fewer disagree.
    """
    agreeing, either = oriented
    wrong = 1 - agreeing / np.maximum(either, 1)
    best = int(np.argmin(np.where(either, wrong, 1)))
    sure = best and either[0] >= _SURE and wrong[0] >= 0.4 and wrong[best] <= min(wrong[0] / 3, wrong[0] - 0.3)
    return best if sure else None


def oriented_agreement(pred: Array, gt: Array, none: int) -> IntArray:
    """`PairSigns.oriented` of two maps of ranks, (2, 8); of shapes whose sides differ the last four are 0."""
    gt_grid, pred_grid = label_grid(gt), label_grid(pred)
    counts = np.bincount(gt_grid.ravel(), minlength=none + 1)
    counts[none] = 0
    common = int(np.argmax(counts))
    found = np.zeros((2, len(ORIENTATIONS)), np.int64)
    valid, object_gt = gt_grid != none, gt_grid != common
    square = gt.shape[0] == gt.shape[1]
    for k, undo in enumerate([*_FLIPPED.values(), *(TURNED.values() if square else ())]):
        turned = undo(pred_grid)
        either = valid & (turned != none) & (object_gt | (turned != common))
        agreeing, pixels = found[:, k] = np.count_nonzero(either & (turned == gt_grid)), np.count_nonzero(either)
        if k == 0 and agreeing >= _UPRIGHT * pixels:
            break
    return found
