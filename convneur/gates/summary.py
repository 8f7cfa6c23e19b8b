"""The figures of many photos: a mean for each stage, and how far another choice of photos would move it."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.gates.measures import RATIOS, SHARES, StageMeasures
from convneur.resampling import percentile_interval, resample_counts

__all__ = ["LEVEL", "RESAMPLES", "SEED", "Estimate", "MeasureTable"]

RESAMPLES, SEED, LEVEL = 1000, 0, 0.95

_FIGURES = (*SHARES, *RATIOS)
_BLOCK = 1 << 22  # counts of resamples held at a time


@dataclass(frozen=True)
class Estimate:
    """A figure's mean over `photos` photos in which it is defined; low, high: its interval, None below two photos."""

    mean: float | None
    low: float | None
    high: float | None
    photos: int

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "photos": self.photos}


class MeasureTable:
    """The figures of photo after photo; of each a few dozen numbers are kept."""

    def __init__(self, stages: Sequence[int]) -> None:
        self.stages = tuple(stages)
        self._values = array("d")

    @property
    def photos(self) -> int:
        """How many were added."""
        return len(self._values) // (len(self.stages) * len(_FIGURES))

    def add(self, measures: Sequence[StageMeasures]) -> None:
        """Take one photo's stages, in the table's order. Raises: ValueError: other stages."""
        if tuple(one.stage for one in measures) != self.stages:
            raise ValueError(f"stages {[one.stage for one in measures]}, not {self.stages}")
        for one in measures:
            figures = one.figures()
            self._values.extend(np.nan if (value := figures[name]) is None else value for name in _FIGURES)

    def estimates(self) -> list[dict[str, Estimate]]:
        """For each stage every figure of `SHARES` and `RATIOS`.

        Choice: shares are averaged, ratios as logarithms (geometric mean), for a doubling and a halving cancel.
            Percentile bootstrap over photos: 1000 resamples, seed 0, 95 %; it answers for the choice of photos alone
            and is too narrow for few of them (below about 20). A photo in which a figure is undefined is left out of
            that figure.
        """
        ratio = np.tile([name in RATIOS for name in _FIGURES], len(self.stages))
        values = np.array(self._values).reshape(-1, len(ratio))
        values[:, ratio] = np.log(values[:, ratio])
        defined = ~np.isnan(values)
        filled, weights = np.where(defined, values, 0.0), defined.astype(np.float64)
        counts = defined.sum(axis=0)
        means = _divided(filled.sum(axis=0), counts)
        low, high, _ = percentile_interval(_resampled(filled, weights), LEVEL)
        low, high = (np.where(counts > 1, bound, np.nan) for bound in (low, high))
        for row in (means, low, high):
            row[ratio] = np.exp(row[ratio])
        found = [Estimate(_plain(means[k]), _plain(low[k]), _plain(high[k]), int(counts[k])) for k in range(len(ratio))]
        width = len(_FIGURES)
        return [dict(zip(_FIGURES, found[start : start + width], strict=True)) for start in range(0, len(found), width)]


def _resampled(filled: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means of each resample, (R, K), NaN where it holds no photo with that figure."""
    photos = len(filled)
    if not photos:
        return np.full((1, filled.shape[1]), np.nan)
    rows = list[NDArray[np.float64]]()
    block: list[NDArray[Any]] = []
    for number, counts in enumerate(resample_counts(photos, RESAMPLES, SEED), start=1):
        block.append(counts)
        if len(block) * photos >= _BLOCK or number == RESAMPLES:
            drawn = np.stack(block).astype(np.float64)
            rows.append(_divided(drawn @ filled, drawn @ weights))
            block.clear()
    return np.concatenate(rows)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _divided(totals: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
