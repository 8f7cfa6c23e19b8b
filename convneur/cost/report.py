"""What `analyze` gives back: prints itself, saves itself, says what fails a check."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from convneur.claims import ClaimCheck
from convneur.cost import checks, cost_text
from convneur.cost.baseline import BaselineCheck
from convneur.cost.conventions import Convention
from convneur.cost.model_cost import By, ModelCost, split_by
from convneur.cost.model_counter import ImageCost, TwinName
from convneur.cost.scaling import ScalingVerdict, VerdictName
from convneur.module_tree import ModuleTree, tree_terms
from convneur.results import ReadOnly, Result, Table

__all__ = ["CostLine", "CostPoint", "CostReport", "CounterName"]

CounterName = Literal["dispatch", "fvcore", "both"]


class CostPoint(NamedTuple):
    """One image size of a line. label: its name. memory: peak bytes, None where it was not counted."""

    label: str
    pixels: int
    macs: int
    memory: int | None


class CostLine(NamedTuple):
    """What is drawn of a model or of one of its twins: its sizes by rising pixels, the verdict on it."""

    model: str
    twin: TwinName | None
    verdict: VerdictName
    points: tuple[CostPoint, ...]


@dataclass(frozen=True)
class CostReport(Result):
    """What models cost and how that grows; `print(report)` is short, `print(report.verbose())` tells everything.

    models: in the order in which they were asked for, each with its twins. convention: whose multiply-adds the sizes
    hold. counter: what counted them. by: what they are also split by; depth: of the tree of modules, None for a flat
    list. claims: what was found of each. baseline: each quantity beside an earlier report's.

    >>> import convneur
    >>> report = convneur.cost.analyze("m1", sizes=[64, 128], memory="none")
    >>> print(report.verdict)
    linear in pixels (11.2 kMACs per pixel)
    >>> report.check_failures
    ()
    """

    models: tuple[ModelCost, ...]
    convention: Convention = "all"
    counter: CounterName = "dispatch"
    by: By | None = None
    claims: tuple[ClaimCheck, ...] = ()
    depth: int | None = None
    baseline: tuple[BaselineCheck, ...] = ()

    @property
    def trees(self) -> tuple[ModuleTree, ...]:
        """The modules of each model and twin at each size, where a depth was asked for."""
        named = [(f"{model.shown} at {size}: cost by module", tree) for model, size, tree in self._trees()]
        return tuple(dataclasses.replace(tree, title=title) for title, tree in named)

    @property
    def verdict(self) -> ScalingVerdict:
        """How the model's cost grows. Raises: ValueError: there are several models; `verdicts` has one for each."""
        if len(self.models) > 1:
            raise ValueError("several models were counted; `verdicts` has one for each")
        return self.models[0].scaling.verdict

    @property
    def verdicts(self) -> Mapping[str, ScalingVerdict]:
        """How each model's cost grows, by its name; a twin's name is such as "m1's self-attention twin"."""
        return ReadOnly({model.shown: model.scaling.verdict for model in self.with_twins})

    @property
    def with_twins(self) -> tuple[ModelCost, ...]:
        """Each model, followed by its twins."""
        return tuple(each for model in self.models for each in (model, *model.twins))

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each reason for which a model refused sizes."""
        return tuple(line for model in self.with_twins for line in model.problems)

    @property
    def other_inputs_may_help(self) -> bool:
        """Whether a model of others was counted at no size, which its inputs may be the reason of."""
        refused = (model for model in self.models if model.source and not model.counted)
        return any(not getattr(cost, "by_formula", False) for model in refused for cost in model.sizes.values())

    @property
    def check_failures(self) -> tuple[str, ...]:
        """A line for each model whose cost is not known to be linear or subquadratic; twins are not held to that."""
        return checks.growth_failures(self.models)

    @property
    def check_warnings(self) -> tuple[str, ...]:
        """A line for each model that passes although a part of its work is not known to."""
        return checks.growth_warnings(self.models)

    @property
    def strict_failures(self) -> tuple[str, ...]:
        """A line for each model or twin with operators that no formula covers, or on which the counters differ."""
        return checks.strict_failures(self.with_twins)

    @property
    def claim_failures(self) -> tuple[str, ...]:
        """A line for each claim that does not hold."""
        return tuple(f"{one.model}: {one.claim!r} does not hold: {one.found}" for one in self.claims if not one.holds)

    @property
    def baseline_failures(self) -> tuple[str, ...]:
        """A line for each quantity that is dearer than the baseline's by more than the tolerance."""
        return tuple(str(one) for one in self.baseline if not one.holds)

    @property
    def lines(self) -> tuple[CostLine, ...]:
        """What there is to draw: each model's and twin's sizes, the verdict's own among them."""
        return tuple(_line(model) for model in self.with_twins)

    def verbose(self) -> Result:
        """The same with every table and sentence: slopes, chunks, ratios to twins, launches, what is left out."""
        return _Detailed(self)

    def to_dict(self) -> dict[str, Any]:
        """By the schema convneur.flops/1."""
        models = [model.to_dict(self.by, self.depth) for model in self.models]
        values: dict[str, Any] = {"schema": "convneur.flops/1", "convention": self.convention, "models": models}
        if self.counter != "dispatch":
            values["counter"] = self.counter
        if self.claims:
            values["claims"] = [asdict(claim) for claim in self.claims]
        if self.baseline:
            values["baseline"] = [asdict(one) | {"change": one.change} for one in self.baseline]
        return values

    def headlines(self) -> Sequence[str]:
        said = [str(one) for one in self.claims]
        said += [f"{one}{'' if one.holds else ': above the tolerance'}" for one in self.baseline if one.change]
        if self.baseline and not any(one.change for one in self.baseline):
            said.append("No cost differs from the baseline's.")
        return [*cost_text.headlines(self.with_twins), *said]

    def tables(self) -> Sequence[Table]:
        return [*cost_text.short_tables(self.with_twins, self.convention, self._split), *self._tree_tables()]

    def sentences(self) -> Sequence[str]:
        return [*cost_text.short_sentences(self.with_twins, self.convention), *self._tree_terms()]

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row for each model, twin and size; with `by`, for each of its names too."""
        if self.depth is not None:
            return [
                {"model": model.name, "twin": model.twin, "size": size, **row}
                for model, size, tree in self._trees()
                for row in tree.records()
            ] or [dict.fromkeys(("model", "twin", "size", "module", "macs"))]
        if self.by is None:
            return [row for model in self.with_twins for row in model.records()]
        return [
            {"model": model.name, "twin": model.twin, "size": size, self.by: name, "macs": macs}
            for model in self.with_twins
            for size, cost in model.counted.items()
            for name, macs in split_by(cost, self.by).items()
        ] or [dict.fromkeys(("model", "twin", "size", self.by, "macs"))]

    @property
    def _split(self) -> By | None:
        """What one table of multiply-adds shows; a tree shows more."""
        return self.by if self.depth is None else None

    def _tree_tables(self) -> list[Table]:
        return [table for tree in self.trees for table in tree.tables()]

    def _tree_terms(self) -> list[str]:
        return tree_terms() if self.trees else []

    def _trees(self) -> Iterator[tuple[ModelCost, str, ModuleTree]]:
        if self.depth is None:
            return
        for model in self.with_twins:
            for size, cost in model.counted.items():
                tree = cost.tree(self.depth)
                if tree is not None:
                    yield model, size, tree

    def _markdown(self) -> str:
        return self.verbose()._markdown()


@dataclass(frozen=True)
class _Detailed(Result):
    """A report in full."""

    report: CostReport

    def to_dict(self) -> dict[str, Any]:
        return self.report.to_dict()

    def headlines(self) -> Sequence[str]:
        return self.report.headlines()

    def tables(self) -> Sequence[Table]:
        report = self.report
        tables = cost_text.long_tables(report.with_twins, report.convention, report._split)
        return [*tables, *report._tree_tables()]

    def sentences(self) -> Sequence[str]:
        return [*cost_text.terms(self.report.with_twins, self.report.convention), *self.report._tree_terms()]

    def records(self) -> Sequence[Mapping[str, Any]]:
        return self.report.records()

    def paper_table(self) -> Table:
        return self.report.paper_table()


def _line(model: ModelCost) -> CostLine:
    # The probes are the dispatch counter's: no line joins them to what fvcore alone has counted.
    shown = model.sizes if model.by_fvcore else {**model.probes, **model.sizes}
    counted = {size: cost for size, cost in shown.items() if isinstance(cost, ImageCost)}
    points = tuple(
        CostPoint(size, cost.pixels, cost.macs, cost.count.peak_activation_bytes)
        for size, cost in sorted(counted.items(), key=lambda item: item[1].pixels)
    )
    return CostLine(model.name, model.twin, model.scaling.verdict.verdict, points)
