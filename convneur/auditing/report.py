"""What an audit found: the claims first, then the evidence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log
from typing import Any

from convneur.bench import BenchResult, Timing
from convneur.claims import ClaimCheck
from convneur.cost import CostReport, ModelCost
from convneur.formats import plural, significant
from convneur.peers import Frontier
from convneur.results import Result, Table

__all__ = ["AuditReport"]


@dataclass(frozen=True)
class AuditReport(Result):
    """What was claimed of a model, what was found, and the evidence: `to_dict()` has all of it.

    claims: in their order. cost: the model counted at each size, with the tree of its modules. counters: the smallest
    size counted by fvcore too; None where it could not, and why is then in notes. times: measured here, by size and by
    module; None where that was left out. other_times: at the sizes and batches that claims name beside those.
    frontier: the model beside published ones; None where its accuracy is not known. notes: what was left out and why.

    >>> import convneur
    >>> report = convneur.audit("m1", claims="<= 5 M params", sizes=64, measure=False, memory="none")
    >>> print(report.headlines()[0])
    m1 with memory none: its claim holds.
    """

    claims: tuple[ClaimCheck, ...]
    cost: CostReport
    counters: CostReport | None
    times: BenchResult | None
    other_times: tuple[BenchResult, ...]
    frontier: Frontier | None
    notes: tuple[str, ...]

    @property
    def model(self) -> ModelCost:
        return self.cost.models[0]

    @property
    def holds(self) -> bool:
        """Whether every claim does."""
        return all(claim.holds for claim in self.claims)

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for each claim that does not hold."""
        return tuple(f"{one.claim!r} does not hold: {one.found}" for one in self.claims if not one.holds)

    @property
    def timed(self) -> tuple[Timing, ...]:
        """Of single images, by size."""
        return () if self.times is None else self.times.timed

    @property
    def verdict(self) -> str:
        """Whether the claims hold, in a few words."""
        broken = sum(not claim.holds for claim in self.claims)
        if not self.claims:
            return "nothing was claimed"
        if len(self.claims) == 1:
            return f"its claim {'does not hold' if broken else 'holds'}"
        if not broken:
            return f"all {len(self.claims)} claims hold"
        return f"{broken} of {len(self.claims)} claims {'do' if broken > 1 else 'does'} not hold"

    @property
    def title(self) -> str:
        """The model, with what was changed of it."""
        return self.cost.headlines()[0].partition(":")[0] if self.model.config is not None else self.model.name

    def to_dict(self) -> dict[str, Any]:
        """By the schema convneur.audit/1; cost, counters, times and frontier by their own."""
        return {
            "schema": "convneur.audit/1",
            "model": self.model.name,
            "holds": self.holds,
            "claims": [{key: value for key, value in asdict(one).items() if key != "model"} for one in self.claims],
            "cost": self.cost.to_dict(),
            "counters": None if self.counters is None else self.counters.to_dict()["models"][0]["counters"],
            "times": None if self.times is None else self.times.to_dict(),
            "other_times": [times.to_dict() for times in self.other_times],
            "frontier": None if self.frontier is None else self.frontier.to_dict(),
            "notes": list(self.notes),
        }

    def headlines(self) -> Sequence[str]:
        return [f"{self.title}: {self.verdict}."]

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row for each claim."""
        return [asdict(one) for one in self.claims] or [dict.fromkeys(("model", "claim", "found", "holds"))]

    def tables(self) -> Sequence[Table]:
        rows = [[one.claim, "yes" if one.holds else "no", one.found] for one in self.claims]
        claims = [Table("Claims", ["claim", "holds", "found"], rows, left=3)] if rows else []
        (cost, *_) = self.cost.tables()
        tables = [*claims, Table("Cost", cost.columns, cost.rows, left=cost.left, dense=True)]
        if self.times is not None:
            (times, *_) = self.times.tables()
            tables.append(times)
        trees = self.times.trees if self.times is not None else ()
        tables += [table for tree in (trees or self.cost.trees)[:1] for table in tree.tables()]
        if self.frontier is not None:
            tables.append(self.frontier.tables()[0])
        return tables

    def sentences(self) -> Sequence[str]:
        return [
            *self.growth_sentences(),
            *self.counter_sentences(),
            *self.time_sentences(),
            *(() if self.frontier is None else self.frontier.headlines()),
            *self.notes,
        ]

    def growth_sentences(self) -> Sequence[str]:
        """How the cost grows, and what is uncounted or was refused."""
        (whole, *_) = self.cost.verbose().tables()
        return whole.notes

    def counter_sentences(self) -> Iterator[str]:
        """Whether two counters agree."""
        check = None if self.counters is None else self.counters.models[0].counters
        if check is None or check.differences is None:
            return
        size = next(iter(check.fvcore), None)
        if size is None:
            return
        if not check.differences:
            total = significant(sum(check.fvcore[size].values()) / 1e9)
            yield (
                f"Counted twice at {size}: the dispatch counter and fvcore agree on every convolution and matrix "
                f"product, {total} GMACs, module by module."
            )
        for found in check.differences.values():
            for one in found:
                yield (
                    f"Counted twice at {size}: {one.kind} work in {one.module or 'the model itself'} differs: dispatch "
                    f"{significant(one.dispatch / 1e9)}, fvcore {significant(one.fvcore / 1e9)} GMACs."
                )
        if check.unseen:
            yield f"fvcore has no formula for {', '.join(check.unseen)}, and leaves that out."

    def time_sentences(self) -> Iterator[str]:
        """Time against count."""
        if self.times is None:
            return
        (model,) = self.times.models
        slope = model.slopes.get(1)
        counted = self._counted_slope()
        if slope is not None and counted is not None:
            yield (
                f"Over the sizes timed, its multiply-adds grow as the pixels to the power {counted:.2f}, its time to "
                f"the power {slope.slope:.2f} ({slope.low:.2f} to {slope.high:.2f})."
            )
        for row in self.timed:
            peak, rate = self.times.matmul_peak, row.macs_per_second
            if peak and rate:
                yield (
                    f"At {row.case.size} it runs {significant(rate / 1e9)} GMACs/s, {rate / peak:.0%} of the "
                    f"{significant(peak / 1e9)} that this machine reaches in products of matrices."
                )
        yield from (tree.words for tree in self.times.trees)
        yield from self.times.doubts()
        for times in (self.times, *self.other_times):
            yield from (f"Not timed: {refused.case}: {refused.error}." for refused in times.refused)

    def _counted_slope(self) -> float | None:
        """Of the multiply-adds, between the smallest and the largest size that were timed."""
        rows = sorted((row for row in self.timed if row.macs), key=lambda row: row.case.pixels)
        if len(rows) < 2 or rows[0].case.pixels == rows[-1].case.pixels:
            return None
        first, last = rows[0], rows[-1]
        return log((last.macs or 1) / (first.macs or 1)) / log(last.case.pixels / first.case.pixels)

    def machine_words(self) -> str:
        """The machine and the runtime of the times."""
        if self.times is None:
            return ""
        machine = self.times.machine
        versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
        place = machine.accelerator or machine.processor or "an unnamed processor"
        cores = plural(machine.all_cores, "core")
        return f"{self.times.conditions} on {place}, {cores}; {machine.system}; {versions}"
