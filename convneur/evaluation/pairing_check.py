"""Whether predictions were paired with the ground truth of other images, as by a list that is off by one line."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.data.pairs import Pair
from convneur.data.reading import Reading
from convneur.errors import InputError
from convneur.metrics.signs import frame_lag, label_grid, object_agreement, shows_objects

__all__ = ["GOOD_ACCURACY", "NEARLY_ALL", "paired_one_off", "wrong_partners"]

GOOD_ACCURACY = 0.7
"""Accuracy of the objects' pixels from which on pairs need not be doubted, unless they are frames of a sequence."""

NEARLY_ALL = 0.98
"""The same from which on no other pairing could fit better."""

_FRAMES = 12  # of a sequence, looked at
_NUMBERED = re.compile(r"(.*?)(\d+)\D*", re.DOTALL)

_LOOKED_AT = 32  # pairs, of names that follow one another
_FITS = 0.5  # share of the objects' cells that agree, from which on a partner may be the right one
_BETTER, _FAR_BETTER, _FEW = 0.9, 0.6, 6  # its own agreement as a share of the other's, at most; of fewer pairs
_MOST = 0.75  # of the pairs looked at that have a better partner
_EACH_ANOTHER = 0.9  # of these that have one of their own

_ENOUGH = 8  # pairs, from which on it shows whether predictions know their images
_OWN_FITS_BETTER = 0.7  # of the predictions whose own ground truth fits better than others do, at most; by chance 0.5
_ALIKE = 0.8  # agreement of maps of different images, from which on own and others cannot be told apart


class _Grids(NamedTuple):
    pair: Pair
    pred: npt.NDArray[Any]
    gt: npt.NDArray[Any]


def wrong_partners(pairs: Sequence[Pair], reading: Reading) -> str | None:
    """What is wrong with the pairs, in words, None if nothing is sure.

    Choice: of the first pairs every prediction is compared with every ground truth on a coarse grid. It is sure where
        most predictions fit another ground truth than their own, each another one: what a poor model predicts fits many
        alike, or none. Two to five pairs must differ by more, since they agree on partners by chance. It is sure too
        where the ground truths of other images fit as well as the own ones do, though neither all ground truths nor
        all predictions are alike.
    """
    grids = [found for pair in pairs[:_LOOKED_AT] if (found := _grids(pair, reading)) is not None]
    if len(grids) < 2:
        return None
    agreement = np.array([[object_agreement(a.pred, b.gt, reading.ignore_index) for b in grids] for a in grids])
    own, best = agreement.diagonal(), agreement.argmax(axis=1)
    others = agreement[np.arange(len(grids)), best]
    moved = np.flatnonzero((others >= _FITS) & (own <= (_FAR_BETTER if len(grids) < _FEW else _BETTER) * others))
    if len(moved) < max(2, _MOST * len(grids)) or len(set(best[moved].tolist())) < _EACH_ANOTHER * len(moved):
        return _of_no_pair(grids, agreement, reading.ignore_index)
    said = [f"{grids[a].pair.pred} that of {grids[best[a]].pair.gt}" for a in moved[:3].tolist()]
    return (
        f"most predictions fit the ground truth of another image: {', '.join(said)}"
        f"{', ...' if len(moved) > 3 else ''}, with {others[moved].mean():.0%} of the objects (now "
        f"{own[moved].mean():.0%})"
    )


def _of_no_pair(grids: Sequence[_Grids], agreement: npt.NDArray[np.float64], ignored: int | None) -> str | None:
    """Whether predictions fit their own ground truth no better than that of others, in words."""
    telling = [at for at, each in enumerate(grids) if shows_objects(each.gt, ignored)]
    grids, agreement = [grids[at] for at in telling], agreement[np.ix_(telling, telling)]
    count = len(grids)
    if count < _ENOUGH:
        return None
    own = agreement.diagonal()
    others = (agreement.sum(axis=1) - own) / (count - 1)
    if np.mean(own > others) > _OWN_FITS_BETTER:
        return None
    for maps in ([each.gt for each in grids], [each.pred for each in grids]):
        if np.mean([object_agreement(a, b, ignored) for a, b in pairwise(maps)]) >= _ALIKE:
            return None
    return (
        f"predictions fit the ground truth of other images as well as their own (with {others.mean():.0%} of the "
        f"objects, own {own.mean():.0%}): they know nothing of these images, or are of others"
    )


def paired_one_off(pairs: Sequence[Pair], reading: Reading) -> str | None:
    """What is wrong with the pairs if they are frames, numbered, and paired one off, in words; None if it is not sure.

    Choice: frames in the middle of the longest sequence are looked at, since one may begin and end where nothing moves.
    """
    sequences: dict[str, dict[int, Pair]] = {}
    for pair in pairs:
        numbered = _NUMBERED.fullmatch(pair.name)
        if numbered is not None:
            sequences.setdefault(numbered[1], {})[int(numbered[2])] = pair
    if not sequences:
        return None
    frames = [pair for _, pair in sorted(max(sequences.values(), key=len).items())]
    first = max(0, (len(frames) - _FRAMES) // 2)
    grids = [found for pair in frames[first : first + _FRAMES] if (found := _grids(pair, reading)) is not None]
    lag = frame_lag([each.pred for each in grids], [each.gt for each in grids], reading.ignore_index)
    return None if lag is None else str(lag)


def _grids(pair: Pair, reading: Reading) -> _Grids | None:
    try:
        pred, gt, _ = reading.pair(pair)
    except (InputError, MemoryError):
        return None  # said where it was to be scored
    return _Grids(pair, label_grid(pred), label_grid(gt)) if pred.shape == gt.shape else None
