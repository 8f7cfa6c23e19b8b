"""Whether predictions were paired with the ground truth of other images, as by a list that is off by one line."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.data.pairs import Pair
from convneur.data.reading import Reading
from convneur.errors import InputError
from convneur.metrics.signs import label_grid

__all__ = ["wrong_partners"]

_LOOKED_AT = 32  # pairs, of names that follow one another
_FEWEST_CELLS = 30  # of a grid, that show objects
_FITS = 0.6  # share of the objects' cells that agree, from which on a partner is the right one
_MUCH_BETTER = 0.6  # its own agreement as a share of the other's, at most
_MOST = 0.6  # of the pairs looked at that have a better partner


class _Grids(NamedTuple):
    pair: Pair
    pred: npt.NDArray[Any]
    gt: npt.NDArray[Any]


def wrong_partners(pairs: Sequence[Pair], reading: Reading) -> str | None:
    """What is wrong with the pairs, in words, None if nothing is sure.

    Choice: of the first pairs every prediction is compared with every ground truth on a coarse grid. It is sure where
        most predictions fit another one's ground truth far better than their own, each another.
    """
    grids = [found for pair in pairs[:_LOOKED_AT] if (found := _grids(pair, reading)) is not None]
    if len(grids) < 2:
        return None
    agreement = np.array([[_agreement(a.pred, b.gt, reading.ignore_index) for b in grids] for a in grids])
    own, best = agreement.diagonal(), agreement.argmax(axis=1)
    others = agreement[np.arange(len(grids)), best]
    moved = np.flatnonzero((others >= _FITS) & (own <= _MUCH_BETTER * others))
    if len(moved) < max(2, _MOST * len(grids)) or len(set(best[moved].tolist())) < len(moved):
        return None
    said = [f"{grids[a].pair.pred} that of {grids[best[a]].pair.gt}" for a in moved[:3].tolist()]
    return (
        f"most predictions fit the ground truth of another image: {', '.join(said)}"
        f"{', ...' if len(moved) > 3 else ''}, with {others[moved].mean():.0%} of the objects (now "
        f"{own[moved].mean():.0%})"
    )


def _grids(pair: Pair, reading: Reading) -> _Grids | None:
    try:
        pred, gt, _ = reading.pair(pair)
    except (InputError, MemoryError):
        return None  # said where it was to be scored
    return _Grids(pair, label_grid(pred), label_grid(gt)) if pred.shape == gt.shape else None


def _agreement(pred: npt.NDArray[Any], gt: npt.NDArray[Any], ignored: int | None) -> float:
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
