"""What a pair shows of how it was prepared, counted beside the scores: labels against labels, grain, orientation.

One pair proves nothing; `setup_checks` judges what a whole set adds up to.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "ORIENTATIONS",
    "TURNED",
    "Lag",
    "PairSigns",
    "frame_lag",
    "grain",
    "joint",
    "label_grid",
    "object_agreement",
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
_FEWEST_CELLS = 30  # of a grid, that show objects
_FEWEST_FRAMES, _MOST_FRAMES = 7, 0.9  # frames with a neighbour, and the share of them that fit it better
_BETTER, _BETTER_ALL, _LEAST = 1.1, 1.25, 0.02  # how many times less of a frame, and of all, is wrong; by at least


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


def shows_objects(gt: Array, ignored: int | None) -> bool:
    """Whether a grid has enough cells with an object for `object_agreement` to compare it with others."""
    _, counts = np.unique(gt if ignored is None else gt[gt != ignored], return_counts=True)
    return bool(counts.size and counts.sum() - counts.max() >= _FEWEST_CELLS)


def object_agreement(pred: Array, gt: Array, ignored: int | None) -> float:
    """Share of a grid's cells that agree, of those that show an object in either map; 0 of too few."""
    if pred.shape != gt.shape:
        return 0.0
    valid = np.ones(gt.shape, bool) if ignored is None else gt != ignored
    labels, counts = np.unique(gt[valid], return_counts=True)
    if not labels.size:
        return 0.0
    common = labels[counts.argmax()]
    either = valid & ((gt != common) | (pred != common))
    cells = np.count_nonzero(either)
    return float(np.count_nonzero(either & (pred == gt)) / cells) if cells >= _FEWEST_CELLS else 0.0


class Lag(NamedTuple):
    """step: -1, the frame before fits, or 1, the frame after; fits, own: agreement with it, and with the own frame."""

    step: int
    fits: float
    own: float

    def __str__(self) -> str:
        where = "before" if self.step < 0 else "after"
        return (
            f"nearly all predictions fit the ground truth of the frame {where} better than their own, with "
            f"{self.fits:.0%} of the objects (now {self.own:.0%}): the frames are paired one off"
        )


def frame_lag(preds: Sequence[Array], gts: Sequence[Array], ignored: int | None = None) -> Lag | None:
    """Whether frames that follow one another are paired one off; None if that is not sure.

    Choice: nine frames of ten must fit the neighbour on the same side by a clear margin. Where little moves both fit
        alike, and of a model that errs the own frame still fits best: on CamVid's sequences, 2 to 30 frames apart and
        with up to half of the objects wrong, no frame of those paired rightly fits a neighbour better.
    Args: preds, gts: grids of frames in their order (`label_grid`).
    """
    for step in (-1, 1):
        at = range(max(0, -step), len(gts) - max(0, step))
        own, fits = (np.array([object_agreement(preds[i], gts[i + by], ignored) for i in at]) for by in (0, step))
        if len(at) < _FEWEST_FRAMES or fits.mean() < own.mean() + _LEAST:
            continue
        better = np.mean((1 - own) > _BETTER * (1 - fits))
        if better >= _MOST_FRAMES and (1 - own).mean() >= _BETTER_ALL * (1 - fits).mean():
            return Lag(step, float(fits.mean()), float(own.mean()))
    return None


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
