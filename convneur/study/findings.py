"""What a study came to: each twin's test scores over its runs, and how they differ from the first twin's."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.metrics import ScoreTable
from convneur.metrics.replicates import compare_runs, spread
from convneur.published import published
from convneur.results import ReadOnly
from convneur.study.runs import StudyRun
from convneur.variants import PRESETS, VARIANTS, ConvNeurConfig

__all__ = ["Difference", "Finding", "ReportedMetric", "Twin", "findings"]

_WIDTHS = [variant.dims for variant in VARIANTS.values()]
RESAMPLES, RESAMPLING_SEED, LEVEL = 1000, 0, 0.95  # of the bootstrap, as eval-boundary's


@dataclass(frozen=True)
class ReportedMetric:
    """A metric that a study reports. path: where it stands in a summary's `overall`; short: over a column.

    >>> metric = ReportedMetric(("trimap_miou", "3"), "Trimap mIoU @ 3 px", "T", "mIoU within 3 pixels")
    >>> metric.of({"miou": 0.6, "trimap_miou": {"3": 0.4}})
    0.4
    """

    path: tuple[str, ...]
    name: str
    short: str
    definition: str

    def of(self, values: Mapping[str, Any]) -> Any:
        """This metric's entry in nested values."""
        found: Any = values
        for key in self.path:
            found = found[key]
        return found


@dataclass(frozen=True)
class Twin:
    """A model of a study and its cost. macs: multiply-adds executed for one image of the training views' size.

    >>> from convneur import VARIANTS
    >>> Twin("none", VARIANTS["m1"].replace(memory="none"), params=3_940_000, macs=518_000_000).printed_top1
    78.2
    """

    name: str
    config: ConvNeurConfig
    params: int
    macs: int

    @property
    def printed_top1(self) -> float | None:
        """The paper's top-1 of m3 with this placement, branch, fusion and, of m3 itself, mem_dim, in percent.

        None where the paper prints none, and for a model with an option of our own.
        """
        config = self.config
        variant = next((each for each in VARIANTS.values() if each.dims == config.dims), None)
        usual = variant or ConvNeurConfig(dims=config.dims, mem_dim=config.mem_dim)
        own = ["kernel_size", "mlp_ratio", "num_heads"]
        if config.memory != "none" and config.global_branch in ("neural-memory", "titans"):
            if config.chunk_length not in [preset["chunk_length"] for preset in PRESETS.values()]:
                return None
            own += ["min_chunks", "chunks", "read", "order", "memory_layers", "step_size", "max_state_norm"]
        if any(getattr(config, name) != getattr(usual, name) for name in own):
            return None
        if config.memory != "none" and config.mem_dim != usual.mem_dim:
            whole = (config.memory, config.global_branch, config.fusion) == ("per-stage", "neural-memory", "gating")
            rows = published().mem_dim if whole and variant == VARIANTS["m3"] else ()
            return next((row.top1 for row in rows if row.setting == str(config.mem_dim)), None)
        return published().ablated_top1(memory=config.memory, global_branch=config.global_branch, fusion=config.fusion)

    def printed_difference(self, first: "Twin") -> float | None:
        """`printed_top1` less the first twin's, in points; None where either is unknown."""
        widths = {config.mem_dim for config in (self.config, first.config) if config.memory != "none"}
        printed, reference = self.printed_top1, first.printed_top1
        # Which mem_dim is the usual one is known of the paper's variants alone.
        if printed is None or reference is None or (len(widths) > 1 and self.config.dims not in _WIDTHS):
            return None
        return round(printed - reference, 1)


@dataclass(frozen=True)
class Difference:
    """A twin minus the first one in one metric; undefined values are NaN.

    value, against: means over the compared runs of this twin and of the first; spread: standard deviation (n - 1) of
    the runs' differences; low, high: bounds of the interval; resamples: those in which the difference is defined.

    >>> found = Difference(0.43, 0.40, difference=0.03, spread=0.01, low=0.01, high=0.05, resamples=1000)
    >>> found.low > 0  # the interval leaves out 0
    True
    """

    value: float
    against: float
    difference: float
    spread: float
    low: float
    high: float
    resamples: int


@dataclass(frozen=True)
class Finding:
    """What one twin came to.

    Args:
        runs: how many came to their end.
        mean, spread: by metric, over those runs; the spread (standard deviation, n - 1) is NaN for one.
        seeds: those that are compared with the first twin: all runs of both came to their end.
        difference: by metric; None for the first twin, and without such a seed.
        printed_difference: in top-1, in points, that the paper prints for the same change to m3.

    >>> from convneur import VARIANTS
    >>> twin = Twin("none", VARIANTS["m1"].replace(memory="none"), params=3_940_000, macs=518_000_000)
    >>> first = Finding(twin, 3, {"miou": 0.36}, {"miou": 0.005}, seeds=(), difference=None, printed_difference=None)
    >>> first.twin.name, first.mean["miou"]
    ('none', 0.36)
    """

    twin: Twin
    runs: int
    mean: Mapping[str, float]
    spread: Mapping[str, float]
    seeds: tuple[int, ...]
    difference: Mapping[str, Difference] | None
    printed_difference: float | None


def findings(
    twins: Sequence[Twin],
    groups: Sequence[Sequence[StudyRun]],
    tables: Mapping[StudyRun, ScoreTable],
    metrics: Mapping[str, ReportedMetric],
    overall: Mapping[StudyRun, Mapping[str, Any]],
) -> list[Finding]:
    """The findings of each twin, the first as what the others are compared with.

    Choice: see `compare_runs`: 95 % percentile intervals of 1000 paired resamples of images and seeds.
    Args: groups: the runs, see `run_groups`; tables, overall: test scores of those that came to their end.
    """
    found = []
    first = twins[0]
    for twin in twins:
        mine = [run for group in groups for run in group if run.twin == twin.name]
        done = [run for run in mine if run in overall]
        values = {name: [metric.of(overall[run]) for run in done] for name, metric in metrics.items()}
        pairs = {} if twin is first else _pairs(mine, first.name, tables)
        difference = None
        if pairs:
            ours, theirs = zip(*pairs.values(), strict=True)
            compared = compare_runs(ours, theirs, resamples=RESAMPLES, seed=RESAMPLING_SEED, level=LEVEL).overall
            difference = ReadOnly({name: Difference(**metric.of(compared)) for name, metric in metrics.items()})
        found.append(
            Finding(
                twin=twin,
                runs=len(done),
                mean=ReadOnly(
                    {name: statistics.fmean(each) if each else float("nan") for name, each in values.items()}
                ),
                spread=ReadOnly({name: spread(each) for name, each in values.items()}),
                seeds=tuple(pairs),
                difference=difference,
                printed_difference=None if twin is first else twin.printed_difference(first),
            )
        )
    return found


def _pairs(
    mine: Sequence[StudyRun], first: str, tables: Mapping[StudyRun, ScoreTable]
) -> dict[int, tuple[list[ScoreTable], list[ScoreTable]]]:
    """Scores of both twins, a table for each fold, by seed; seeds that lack a run are left out."""
    pairs: dict[int, tuple[list[ScoreTable], list[ScoreTable]]] = {}
    for seed in dict.fromkeys(run.seed for run in mine):
        ours = [run for run in mine if run.seed == seed]
        theirs = [StudyRun(first, run.seed, run.fold) for run in ours]
        if all(run in tables for run in (*ours, *theirs)):
            pairs[seed] = [tables[run] for run in ours], [tables[run] for run in theirs]
    return pairs
