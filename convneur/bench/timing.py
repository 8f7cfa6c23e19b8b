"""One model at one case, timed or refused, and what is made of its times."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from convneur.bench.modules import TimedTree
from convneur.results import ReadOnly

if TYPE_CHECKING:
    from convneur.bench.plan import BenchCase

__all__ = ["RefusedCase", "TimeSlope", "Timing", "paired_ratio", "time_slope"]

_RESAMPLES, _LEVEL = 500, 0.95
_MOST_PAIRED = 100  # repeats of a size: all pairs of a million would be more than fit anywhere


@dataclass(frozen=True)
class Timing:
    """One model at one case, timed.

    macs: of one image, or of the model's own inputs, by a count; launches: operators that a forward pass launches,
    likewise. own_images: that its own inputs hold, None where it takes a batch of images. samples: seconds of one
    call on the batch, one for each repeat, which is the mean of `calls` calls. first_seconds: the first call of all,
    with compilation where that is on. peak_resident_bytes: the most that the whole process held during a call, as the
    kernel saw it; on CUDA the most that torch held on the device. peak_growth_bytes: that above what was held before
    the call. Both None where the system does not tell. counted_peak_bytes: what a count predicts of the growth.
    uncounted: operators without a formula, which are not in `macs`, with their calls on one image. modules: the time of
    each module, where it was asked for.

    >>> from convneur.bench import BenchCase
    >>> timing = Timing("m1", BenchCase(224, 224, batch=2), 10**9, 250, (0.1, 0.1), 1, 0.2, None, None, None)
    >>> timing.images_per_second
    20.0
    """

    model: str
    case: "BenchCase"
    macs: int | None
    launches: int | None
    samples: tuple[float, ...]
    calls: int
    first_seconds: float
    peak_resident_bytes: int | None
    peak_growth_bytes: int | None
    counted_peak_bytes: int | None
    uncounted: Mapping[str, int] = field(default_factory=lambda: ReadOnly({}))
    modules: TimedTree | None = None
    own_images: int | None = None

    @property
    def images(self) -> int:
        """Of one call."""
        return self.case.batch if self.own_images is None else self.own_images

    @property
    def p50(self) -> float:
        """Median seconds of one call."""
        return statistics.median(self.samples)

    @property
    def p10(self) -> float:
        return _percentile(self.samples, 0.1)

    @property
    def p90(self) -> float:
        return _percentile(self.samples, 0.9)

    @property
    def images_per_second(self) -> float:
        return self.images / self.p50

    @property
    def pixels_per_second(self) -> float:
        return self.case.pixels * self.images_per_second

    @property
    def pixels_per_second_range(self) -> tuple[float, float]:
        """At the slow and at the fast tenth of the repeats."""
        pixels = self.case.pixels * self.images
        return pixels / self.p90, pixels / self.p10

    @property
    def macs_per_second(self) -> float | None:
        return None if self.macs is None else self.macs * self.case.batch / self.p50

    @property
    def peak_ratio(self) -> float | None:
        """Measured growth over the counted one: above 1 is what kernels take for themselves."""
        if self.peak_growth_bytes is None or not self.counted_peak_bytes:
            return None
        return self.peak_growth_bytes / self.counted_peak_bytes


@dataclass(frozen=True)
class RefusedCase:
    """A case that a model failed on, and why.

    >>> from convneur.bench import BenchCase
    >>> RefusedCase("m1", BenchCase(16, 16, batch=1), "too small").error
    'too small'
    """

    model: str
    case: "BenchCase"
    error: str


@dataclass(frozen=True)
class TimeSlope:
    """d log time / d log pixels: 1 is linear. low, high: a 95 % bootstrap interval over the repeats.

    >>> TimeSlope(1.02, low=0.99, high=1.05).slope
    1.02
    """

    slope: float
    low: float
    high: float


def time_slope(
    pixels: Sequence[int], samples: Sequence[Sequence[float]], *, seed: int = 0, resamples: int = _RESAMPLES
) -> TimeSlope | None:
    """Theil and Sen's slope of log time over log pixels, with a bootstrap interval over the repeats.

    Equation: the median of (log t_j - log t_i) / (log N_j - log N_i) over all pairs of repeats at unequal sizes.
    Choice:  of more than 100 repeats their 100 quantiles are paired.
    Args:    pixels: N of each size; samples: seconds at each. seed: of the resampling, which is within each size.
    Returns: None with fewer than two unequal sizes.

    >>> slope = time_slope([100, 400], [[1.0, 1.0], [4.0, 4.0]])
    >>> round(slope.slope, 6)
    1.0
    """
    logs = [torch.tensor(at, dtype=torch.float64).log() for at in samples]
    pairs = [(i, j) for i, j in combinations(range(len(pixels)), 2) if pixels[i] != pixels[j]]
    if not pairs:
        return None

    def slope(drawn: Sequence[Tensor]) -> float:
        drawn = [_thinned(log) for log in drawn]
        between = [((drawn[j][:, None] - drawn[i]) / math.log(pixels[j] / pixels[i])).flatten() for i, j in pairs]
        return _middle(torch.cat(between))

    generator = torch.Generator().manual_seed(seed)
    slopes = [
        slope([log[torch.randint(len(log), (len(log),), generator=generator)] for log in logs])
        for _ in range(resamples)
    ]
    tail = (1 - _LEVEL) / 2
    return TimeSlope(slope(logs), _percentile(slopes, tail), _percentile(slopes, 1 - tail))


def paired_ratio(mine: Timing, theirs: Timing) -> float:
    """How many times as long: the median ratio of repeats that followed each other.

    >>> from convneur.bench import BenchCase
    >>> one = Timing("a", BenchCase(8, 8, 1), 1, 1, (1.0, 2.0), 1, 1.0, None, None, None)
    >>> paired_ratio(one, one)
    1.0
    """
    return statistics.median(a / b for a, b in zip(mine.samples, theirs.samples, strict=True))


def _middle(values: Tensor) -> float:
    ordered = values.sort().values
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _thinned(values: Tensor) -> Tensor:
    """At most _MOST_PAIRED values of the same distribution: the middles of as many equal shares."""
    if len(values) <= _MOST_PAIRED:
        return values
    places = (torch.arange(_MOST_PAIRED, dtype=torch.float64) + 0.5) / _MOST_PAIRED * len(values)
    return values.sort().values[places.long()]


def _percentile(values: Sequence[float], share: float) -> float:
    """Linear between the ordered values."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
