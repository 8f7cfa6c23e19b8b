"""What was measured over many images: a mean for each stage, and how far another choice of images would move it."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.gates.measures import CONTRASTS, LEVEL, MEASURES, RATIOS, ROUNDING, SHARES, StageMeasures
from convneur.resampling import percentile_interval, resample_counts

__all__ = ["RESAMPLES", "SEED", "ContrastEstimate", "Estimate", "MeasureTable", "StageEstimates"]

RESAMPLES, SEED = 1000, 0

_BLOCK = 1 << 22  # counts of resamples held at a time


@dataclass(frozen=True)
class Estimate:
    """A mean over `images` images in which a value is defined; low, high: its interval, None below two images.

    >>> Estimate(mean=1.2, low=1.1, high=1.3, images=40).record()
    {'mean': 1.2, 'low': 1.1, 'high': 1.3, 'photos': 40}
    """

    mean: float | None
    low: float | None
    high: float | None
    images: int

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "photos": self.images}


@dataclass(frozen=True)
class ContrastEstimate:
    """`Contrast` over many images.

    null: where 95 % of the mean place parts lie of the same gates laid elsewhere, each on its own image; None where no
    image has draws enough.
    """

    before: Estimate
    after: Estimate
    change: Estimate
    channels: Estimate
    place: Estimate
    null: tuple[float, float] | None = None

    def record(self) -> dict[str, Any]:
        """For JSON."""
        low, high = self.null or (None, None)
        return {
            "before": self.before.record(),
            "after": self.after.record(),
            "change": self.change.record(),
            "channel_part": self.channels.record(),
            "place_part": self.place.record(),
            "null_low": low,
            "null_high": high,
        }


@dataclass(frozen=True)
class StageEstimates:
    """`StageMeasures` over many images.

    >>> one = Estimate(0.5, 0.4, 0.6, images=40)
    >>> StageEstimates(1, one, one, one, one, *2 * [ContrastEstimate(*5 * [one])]).edge_contrast.change.mean
    0.5
    """

    stage: int
    closed: Estimate
    open: Estimate
    foreground_share: Estimate
    edge_share: Estimate
    background_suppression: ContrastEstimate
    edge_contrast: ContrastEstimate

    def record(self) -> dict[str, Any]:
        """For JSON."""
        shares = (self.closed, self.open, self.foreground_share, self.edge_share)
        return {
            **{name: share.record() for name, share in zip(SHARES, shares, strict=True)},
            "background_suppression": self.background_suppression.record(),
            "edge_contrast": self.edge_contrast.record(),
        }


class MeasureTable:
    """What was measured of image after image; of each a few dozen numbers are kept."""

    def __init__(self, stages: Sequence[int]) -> None:
        self.stages = tuple(stages)
        self._values = array("d")
        # Of the images' draws, combined at random, the sums of their logarithms, and how many images have any.
        self._nulls = np.zeros((len(self.stages), len(CONTRASTS), RESAMPLES))
        self._drawn = np.zeros((len(self.stages), len(CONTRASTS)), np.int64)
        self._random = np.random.default_rng(SEED)

    @property
    def images(self) -> int:
        """How many were added."""
        return len(self._values) // (len(self.stages) * len(MEASURES))

    def add(self, measures: Sequence[StageMeasures]) -> None:
        """Take one image's stages, in the table's order. Raises: ValueError: other stages."""
        if tuple(one.stage for one in measures) != self.stages:
            raise ValueError(f"stages {[one.stage for one in measures]}, not {self.stages}")
        for one in measures:
            self._values.extend(np.nan if value is None else value for value in one.values().values())
        for stage, one in enumerate(measures):
            for number, name in enumerate(CONTRASTS):
                contrast = getattr(one, name)
                if contrast.null is not None:
                    self._nulls[stage, number] += np.log(self._random.choice(contrast.nulls, RESAMPLES))
                    self._drawn[stage, number] += 1

    def values(self) -> NDArray[np.float64]:
        """(images, stages, measures): what was added, measures in the order of `MEASURES`, NaN where undefined."""
        return np.array(self._values).reshape(-1, len(self.stages), len(MEASURES))

    def estimates(self) -> tuple[StageEstimates, ...]:
        """The means of each stage and their intervals.

        Choice: shares are averaged, ratios as logarithms (geometric mean), for a doubling and a halving cancel.
            Percentile bootstrap over images: 1000 resamples, seed 0, 95 %; it answers for the choice of images alone
            and is too narrow for few of them (below about 20). An image in which a value is undefined is left out of
            that value. The null interval combines a draw of each image 1000 times: of an average over many images
            chance leaves little.
        """
        ratio = np.tile([name in RATIOS for name in MEASURES], len(self.stages))
        values = self.values().reshape(-1, len(ratio))
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
        return tuple(
            self._stage(number, dict(zip(MEASURES, found[number * len(MEASURES) :], strict=False)))
            for number in range(len(self.stages))
        )

    def _stage(self, number: int, found: Mapping[str, Estimate]) -> StageEstimates:
        closed, opened, foreground, edges = (found[name] for name in SHARES)
        suppression, sharpening = (
            ContrastEstimate(
                before=found[f"{name}_before"],
                after=found[f"{name}_after"],
                change=found[f"{name}_change"],
                channels=found[f"{name}_channel_part"],
                place=found[f"{name}_place_part"],
                null=self._null(number, contrast),
            )
            for contrast, name in enumerate(CONTRASTS)
        )
        return StageEstimates(self.stages[number], closed, opened, foreground, edges, suppression, sharpening)

    def _null(self, stage: int, contrast: int) -> tuple[float, float] | None:
        images = self._drawn[stage, contrast]
        if not images:
            return None
        low, high, _ = percentile_interval(self._nulls[stage, contrast][:, None] / images, LEVEL)
        return float(np.exp(low[0])) * (1 - ROUNDING), float(np.exp(high[0])) * (1 + ROUNDING)


def _resampled(filled: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means of each resample, (R, K), NaN where it holds no image with that value."""
    images = len(filled)
    if not images:
        return np.full((1, filled.shape[1]), np.nan)
    rows = list[NDArray[np.float64]]()
    block: list[NDArray[Any]] = []
    for number, counts in enumerate(resample_counts(images, RESAMPLES, SEED), start=1):
        block.append(counts)
        if len(block) * images >= _BLOCK or number == RESAMPLES:
            drawn = np.stack(block).astype(np.float64)
            rows.append(_divided(drawn @ filled, drawn @ weights))
            block.clear()
    return np.concatenate(rows)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _divided(totals: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
