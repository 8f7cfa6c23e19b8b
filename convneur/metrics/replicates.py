"""Two ways of training, several runs of each, on the same images: by how much they differ, and how surely."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError, InputError
from convneur.metrics.comparison import DataSets, ScoreMatrices, ScoreTable, exact_sums, weighted_sums
from convneur.metrics.tables import nested
from convneur.resampling import percentile_interval, resample_counts

__all__ = ["Replicates", "RunsComparison", "compare_runs", "spread"]

# A run's test scores, by seed and then by fold.
Replicates = Sequence[Sequence[ScoreTable]]
_Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RunsComparison:
    """Differences between two ways of training, the first minus the second, under the keys of `BoundarySummary`.

    overall: each value is {"value", "against", "difference", "spread", "low", "high", "resamples"}: means over the
    runs, the standard deviation of the runs' differences, bounds of the interval, and the resamples in which the
    difference is defined; NaN is undefined. images: scored by a seed's runs. seeds: paired. level, seed: of the
    intervals.
    """

    images: int
    seeds: int
    level: float
    resamples: int
    seed: int
    overall: Mapping[str, Any]


def compare_runs(
    runs: Replicates, against: Replicates, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> RunsComparison:
    """Set runs side by side whose seeds and folds are the same.

    Choice: a value is that of each run's test images, aggregated as a data set is, and then the mean over the runs.
        A resample draws seeds with replacement, and images with replacement within each fold, the same ones for every
        seed and both sides; the interval is the percentile interval of the differences. Draws of S seeds have
        (S - 1) / S of the variance that there is between seeds, so a draw's deviation from the mean of all seeds is
        stretched by sqrt(S / (S - 1)). The interval answers for the choice of images and of seeds together; three
        seeds say little of rarer ones. With one seed it answers for the images alone and is that of
        `convneur.metrics.compare`.
    Args:    runs, against: scores of each seed and fold, equally many, with the same settings; seed: of the draw;
        level: of the interval, 0 to 1.
    Raises:  InputError: an image that only one of two runs has, or none. ConfigError: seeds or folds that have no
        partner, different settings.
    """
    if not runs or [len(folds) for folds in runs] != [len(folds) for folds in against]:
        raise ConfigError("runs", "each needs a partner of the same seed and fold")
    tables = [table for side in (runs, against) for folds in side for table in folds]
    if any(table.settings != tables[0].settings or table.names != tables[0].names for table in tables):
        raise ConfigError("settings", "scores of different settings or classes cannot be compared")
    images = [table.images for table in runs[0]]
    if any(table.images != images[fold] for side in (runs, against) for folds in side for fold, table in
           enumerate(folds)):  # fmt: skip
        raise InputError(None, "the runs were tested on different images; test all on the same")
    if not all(images):
        raise InputError(None, "nothing to compare: a run was tested on no image")
    settings = tables[0].settings
    occurring = set().union(*(table.classes() for table in tables))
    classes = range(len(tables[0].names)) if settings.count_absent else sorted(occurring)
    sides = [
        [[ScoreMatrices(table, table.images, classes) for table in folds] for folds in side] for side in (runs, against)
    ]
    # Another seed for each fold, so that folds of equal size are not drawn alike.
    weights = [np.stack(list(resample_counts(len(each), resamples, seed + fold))) for fold, each in enumerate(images)]
    seeds = _drawn_seeds(len(runs), resamples, seed)

    overall: dict[tuple[str, ...], Any] = {}
    for path in sides[0][0][0].paths():
        exact = [[[_overall(one, path) for one in folds] for folds in side] for side in sides]
        differences = [
            np.mean([_drawn(first, path, drawn) - _drawn(second, path, drawn)
                     for first, second, drawn in zip(*pair, weights, strict=True)], axis=0)
            for pair in zip(*sides, strict=True)
        ]  # fmt: skip
        low, high, counts = percentile_interval(_mean_over_seeds(np.stack(differences), seeds)[:, None], level)
        if min(map(len, images)) < 2:  # one image drawn again and again says nothing of others
            low = high = np.array([np.nan])
        values, others = ([value for folds in side for value in folds] for side in exact)
        singles = [value - other for value, other in zip(values, others, strict=True)]
        overall[path] = {
            "value": statistics.fmean(values),
            "against": statistics.fmean(others),
            "difference": statistics.fmean(singles),
            "spread": spread(singles),
            "low": float(low[0]),
            "high": float(high[0]),
            "resamples": int(counts[0]),
        }
    return RunsComparison(
        images=sum(map(len, images)),
        seeds=len(runs),
        level=level,
        resamples=resamples,
        seed=seed,
        overall=nested(overall, settings),
    )


def spread(values: Sequence[float]) -> float:
    """Standard deviation of the population that runs are drawn from (n - 1); NaN for one run."""
    return statistics.stdev(values) if len(values) > 1 and not any(map(math.isnan, values)) else math.nan


def _overall(sets: ScoreMatrices, path: tuple[str, ...]) -> float:
    return float(DataSets(sets, exact_sums).overall(path)[0])


def _drawn(sets: ScoreMatrices, path: tuple[str, ...], weights: npt.NDArray[Any]) -> _Values:
    return np.asarray(DataSets(sets, lambda values: weighted_sums(weights, values)).overall(path))


def _drawn_seeds(seeds: int, resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """How often each resample holds each seed, (R, S)."""
    random = np.random.default_rng([seed, seeds])
    return np.stack(
        [np.bincount(random.integers(seeds, size=seeds), minlength=seeds) for _ in range(resamples)]
    ).astype(np.float64)


def _mean_over_seeds(differences: _Values, counts: npt.NDArray[np.float64]) -> _Values:
    """(S, R) and (R, S) to (R,), see `compare_runs`; NaN where a seed's difference is undefined."""
    count, mean = len(differences), differences.mean(axis=0)
    if count == 1:
        return mean
    drawn = (counts.T * differences).sum(axis=0) / count
    return np.asarray(mean + math.sqrt(count / (count - 1)) * (drawn - mean))
