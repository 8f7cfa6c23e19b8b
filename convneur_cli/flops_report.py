"""What `convneur flops` found, as JSON, CSV, Markdown, tables for people, and lines to draw."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from convneur.cost import (
    BRANCHES,
    Branch,
    CostCount,
    CountDifference,
    ImageCost,
    RefusedSize,
    Scaling,
    ScalingVerdict,
    SizeCost,
    TrainingCount,
    TwinName,
    Uncounted,
    WorkKind,
    count_differences,
)
from convneur.formats import csv_table, grouped, markdown_table, significant
from convneur.variants import VARIANTS, ConvNeurConfig
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.figures.scaling import CostSeries

__all__ = [
    "CounterCheck",
    "NetReport",
    "compare_counters",
    "cost_series",
    "failed_checks",
    "net_name",
    "show",
    "size_name",
    "strict_failures",
    "to_csv",
    "to_json",
    "to_markdown",
]

_KINDS: tuple[WorkKind, ...] = ("convolution", "matmul", "attention")
_BY: Mapping[str, Callable[[ImageCost], Mapping[str, int]]] = {
    "branch": lambda cost: {str(branch): macs for branch, macs in _branches(cost).items()},
    "module": ImageCost.by_module,
    "operator": ImageCost.by_operator,
}
_COUNTED = (
    "macs",
    "flops",
    "macs_paper",
    "macs_per_pixel",
    "branches",
    "peak_activation_bytes",
    "chunks",
    "uncounted_operators",
    "uncounted_in",
    "launches",
    "branch_launches",
)
By = Literal["branch", "module", "operator"]


@dataclass(frozen=True)
class CounterCheck:
    """Two counters' multiply-adds by kind of work, for each size as typed.

    dispatch and differences are None where fvcore counted alone; unseen: operators that fvcore leaves out, with calls.
    """

    dispatch: dict[str, dict[WorkKind, int]] | None
    fvcore: dict[str, dict[WorkKind, int]]
    differences: dict[str, tuple[CountDifference, ...]] | None
    unseen: dict[str, int]


@dataclass(frozen=True)
class NetReport:
    """One net, counted.

    sizes, probes and training are by size as typed; training: None where the backward pass was not asked for. twin:
    None for the net itself. config: None for a net that is no ConvNeur. params: None where such a net was refused at
    every size. source: where such a net comes from, None for a ConvNeur. ran_on_zeros: the meta device could
    not run it. built_per_size: it is another net, with other parameters, at each size.
    """

    name: str
    twin: TwinName | None
    config: ConvNeurConfig | None
    params: int | None
    source: str | None
    ran_on_zeros: bool
    built_per_size: bool
    reads_before_write: bool
    sizes: dict[str, ImageCost | RefusedSize]
    probes: dict[str, ImageCost | RefusedSize]
    scaling: Scaling
    training: dict[str, TrainingCount | RefusedSize] | None
    counters: CounterCheck | None
    twins: "dict[TwinName, NetReport]"

    @property
    def shown(self) -> str:
        return net_name(self.name, self.twin)

    @property
    def by_fvcore(self) -> bool:
        """Whether fvcore alone counted the sizes."""
        return self.counters is not None and self.counters.dispatch is None

    @property
    def hidden(self) -> ScalingVerdict | None:
        """The verdict on element-wise results, where that on multiply-adds is good and this is not."""
        elementwise = self.scaling.elementwise
        hides = elementwise is not None and not elementwise.is_subquadratic and self.scaling.verdict.is_subquadratic
        return elementwise if hides else None

    @property
    def counted(self) -> dict[str, ImageCost]:
        """The sizes that were not refused."""
        return {size: cost for size, cost in self.sizes.items() if isinstance(cost, ImageCost)}

    @property
    def trained(self) -> dict[str, TrainingCount]:
        """Likewise the sizes counted forward and backward."""
        return {size: cost for size, cost in (self.training or {}).items() if isinstance(cost, TrainingCount)}


def net_name(name: str, twin: TwinName | None) -> str:
    """How a net is called in a sentence."""
    return name if twin is None else f"{name}'s {twin} twin"


def size_name(height: int, width: int) -> str:
    """A size as it would be typed."""
    return str(height) if height == width else f"{height}x{width}"


def compare_counters(
    dispatch: Mapping[str, ImageCost | RefusedSize] | None, fvcore: Mapping[str, ImageCost | RefusedSize]
) -> CounterCheck:
    """Set fvcore's counts beside the dispatch counter's, None where only fvcore was asked for."""

    def by_kind(count: CostCount) -> dict[WorkKind, int]:
        return {kind: sum(entry.macs for entry in count.work if entry.kind == kind) for kind in _KINDS}

    second = {size: cost.count for size, cost in fvcore.items() if isinstance(cost, ImageCost)}
    unseen: dict[str, int] = {}
    for count in second.values():
        for operator, calls in count.uncounted_operators().items():
            unseen[operator] = unseen.get(operator, 0) + calls
    first = None
    differences = None
    if dispatch is not None:
        first = {size: cost.count for size, cost in dispatch.items() if isinstance(cost, ImageCost)}
        compared = {size: count_differences(first[size], second[size]) for size in first.keys() & second.keys()}
        differences = {size: compared[size] for size in first if compared.get(size)}
    return CounterCheck(
        dispatch=None if first is None else {size: by_kind(count) for size, count in first.items()},
        fvcore={size: by_kind(count) for size, count in second.items()},
        differences=differences,
        unseen=unseen,
    )


# Checks


def failed_checks(nets: Iterable[NetReport]) -> list[str]:
    """A line for each net whose cost is not known to be linear or subquadratic; its twins are not held to that."""
    return [
        f"--check: {net.shown}: {net.scaling.verdict.verdict}: {net.scaling.verdict.why}"
        for net in nets
        if not net.scaling.verdict.is_subquadratic
    ]


def check_warnings(nets: Iterable[NetReport]) -> list[str]:
    """A line for each net that passes although a part of its work is not known to."""
    warnings = []
    for net in nets:
        if not net.scaling.verdict.is_subquadratic:
            continue
        if net.hidden is not None:
            warnings.append(
                f"--check: {net.shown}: holds for multiply-adds alone; element-wise results: {net.hidden.verdict}"
            )
        taken = [cost for cost in (*net.counted.values(), *net.probes.values()) if isinstance(cost, ImageCost)]
        names = sorted({entry.operator for cost in taken for entry in cost.count.uncounted})
        if names:
            warnings.append(f"--check: {net.shown}: holds apart from {', '.join(names)}, which no formula covers")
    return warnings


def strict_failures(nets: Iterable[NetReport]) -> list[str]:
    """A line for each net with operators that no formula covers, or on which the counters differ."""
    failures = []
    for net in _with_twins(nets):
        forward = {entry.operator for cost in net.counted.values() for entry in cost.count.uncounted}
        names = sorted(forward | {entry.operator for cost in net.trained.values() for entry in cost.uncounted})
        if names:
            failures.append(f"--strict: {net.shown}: no formula for {', '.join(names)}")
        if net.counters is not None and net.counters.differences:
            failures.append(f"--strict: {net.shown}: the counters differ at {', '.join(net.counters.differences)}")
    return failures


def _with_twins(nets: Iterable[NetReport]) -> list[NetReport]:
    return [one for net in nets for one in (net, *net.twins.values())]


# For programs


def to_json(nets: Iterable[NetReport], convention: str, by: By | None) -> dict[str, Any]:
    """The result by the schema convneur.flops/1."""
    return {
        "schema": "convneur.flops/1",
        "convention": convention,
        "models": [_net_json(net, by) for net in nets],
    }


def _net_json(net: NetReport, by: By | None) -> dict[str, Any]:
    scaling, verdict, predicted = net.scaling, net.scaling.verdict, net.scaling.predicted
    values: dict[str, Any] = {
        "name": net.twin or net.name,
        "config": None if net.config is None else net.config.to_dict(),
        "params": net.params,
        "ran_on_zeros": net.ran_on_zeros,
        "sizes": [_size_json(cost) for cost in net.sizes.values()],
        "scaling": {
            "verdict": verdict.verdict,
            "order": verdict.order,
            "quadratic_share": scaling.quadratic_share,
            "macs_per_pixel": verdict.macs_per_pixel,
            "elementwise": scaling.elementwise
            and {
                "verdict": scaling.elementwise.verdict,
                "order": scaling.elementwise.order,
                "results_per_pixel": scaling.elementwise.macs_per_pixel,
            },
            "local_slopes": scaling.local_slopes,
            "global_local_slopes": scaling.global_local_slopes,
            "predicted": predicted
            and {"pixels": predicted.pixels, "macs": predicted.macs, "relative_error": predicted.error},
        },
    }
    if net.twins:
        values["twins"] = [_net_json(twin, by) for twin in net.twins.values()]
    if net.counters is not None:
        differences = net.counters.differences
        values["counters"] = {
            "dispatch": net.counters.dispatch,
            "fvcore": net.counters.fvcore,
            "differences": None
            if differences is None
            else [
                {"size": size, "module": d.module, "work": d.kind, "dispatch": d.dispatch, "fvcore": d.fvcore}
                for size, found in differences.items()
                for d in found
            ],
        }
    if by is not None:
        values["by"] = {by: {size: _BY[by](cost) for size, cost in net.counted.items()}}
    if net.training is not None:
        values["backward"] = {size: _training_json(cost) for size, cost in net.training.items()}
    return values


def _training_json(cost: TrainingCount | RefusedSize) -> dict[str, Any]:
    keys = ("macs", "flops", "saved_bytes", "peak_bytes", "parameter_bytes")
    if isinstance(cost, RefusedSize):
        return dict.fromkeys((*keys, "uncounted_operators")) | {"error": cost.error}
    return {key: getattr(cost, key) for key in keys} | {
        "uncounted_operators": cost.uncounted_operators(),
        "error": None,
    }


def _branches(cost: ImageCost) -> dict[Branch, int]:
    return cost.branches if isinstance(cost, SizeCost) else {}


def _size_json(cost: ImageCost | RefusedSize) -> dict[str, Any]:
    values: dict[str, Any] = {"height": cost.height, "width": cost.width}
    if isinstance(cost, RefusedSize):
        return values | dict.fromkeys(_COUNTED) | {"error": cost.error}
    own = cost if isinstance(cost, SizeCost) else None
    found = (
        cost.macs,
        cost.flops,
        None if own is None else own.macs_paper,
        cost.macs_per_pixel,
        None if own is None else own.branches,
        cost.count.peak_activation_bytes,
        None if own is None else own.chunks,
        cost.count.uncounted_operators(),
        _places(cost.count.uncounted),
        cost.count.launches,
        None if own is None else own.branch_launches,
    )
    return values | dict(zip(_COUNTED, found, strict=True)) | {"error": None}


def _places(uncounted: Iterable[Uncounted]) -> dict[str, list[str]]:
    """The modules, by path, in which each operator without a formula ran."""
    places: dict[str, list[str]] = {}
    for entry in uncounted:
        of_operator = places.setdefault(entry.operator, [])
        if entry.module not in of_operator:
            of_operator.append(entry.module)
    return places


def to_csv(nets: Iterable[NetReport], by: By | None) -> str:
    """A row for each net, twin and size; the columns are the JSON's keys. By something: a row for each of those."""
    if by is not None:
        return csv_table(
            [
                {"model": net.name, "twin": net.twin, "size": size, by: name, "macs": macs}
                for net in _with_twins(nets)
                for size, cost in net.counted.items()
                for name, macs in _BY[by](cost).items()
            ]
            or [dict.fromkeys(("model", "twin", "size", by, "macs"))]
        )
    rows: list[dict[str, Any]] = []
    for net in _with_twins(nets):
        for size, cost in net.sizes.items():
            values = _size_json(cost)
            branches = values.pop("branches") or {}
            launches = values.pop("branch_launches") or {}
            del values["uncounted_in"]
            values["uncounted_operators"] = list(values["uncounted_operators"] or ())
            params = cost.count.params if isinstance(cost, ImageCost) else net.params
            row = (
                {"model": net.name, "twin": net.twin, "size": size, "params": params}
                | values
                | {branch: branches.get(branch) for branch in BRANCHES}
                | {f"{branch}_launches": launches.get(branch) for branch in BRANCHES}
                | {"verdict": net.scaling.verdict.verdict, "order": net.scaling.verdict.order}
            )
            if net.training is not None:
                training = _training_json(net.training[size])
                training["uncounted_operators"] = list(training["uncounted_operators"] or ())
                row |= {f"backward_{key}": value for key, value in training.items()}
            rows.append(row)
    return csv_table(rows)


# For people


def show(printer: Printer, nets: Iterable[NetReport], convention: str, by: By | None) -> None:
    """Tables and sentences on stdout."""
    nets = list(nets)
    for net in _with_twins(nets):
        columns, rows = _cost_table(net, convention)
        printer.table(_title(net), columns, rows, dense=True)
        if net.training is not None:
            columns, rows = _training_table(net)
            printer.text()
            printer.table(f"{net.shown}: forward and backward", columns, rows, dense=True)
        if by is not None and net.counted:
            columns, rows = _by_table(net, by)
            printer.text()
            printer.table(f"{net.shown}: MMACs by {by}", columns, rows, dense=True)
        printer.text()
        for sentence in _findings(net):
            printer.sentence(sentence)
        printer.text()
    for sentence in _terms(nets, convention):
        printer.sentence(sentence)


def to_markdown(nets: Iterable[NetReport], convention: str, by: By | None) -> str:
    """The same tables and sentences."""
    nets = list(nets)
    parts: list[str] = []
    for net in _with_twins(nets):
        parts.append(f"## {_title(net)}")
        parts.append(markdown_table(*_cost_table(net, convention)))
        if net.training is not None:
            parts += ["Forward and backward:", markdown_table(*_training_table(net))]
        if by is not None and net.counted:
            parts += [f"MMACs by {by}:", markdown_table(*_by_table(net, by))]
        parts.append("\n".join(f"- {sentence}" for sentence in _findings(net)))
    parts.append("\n".join(_terms(nets, convention)))
    return "\n\n".join(parts) + "\n"


def cost_series(nets: Iterable[NetReport]) -> "list[CostSeries]":
    """A line to draw for each net and twin, through the sizes asked for and the verdict's probes."""
    from convneur.figures.scaling import CostPoint, CostSeries

    series = []
    for net in _with_twins(nets):
        # The probes are the dispatch counter's: no line joins them to what fvcore alone has counted.
        shown = net.sizes if net.by_fvcore else net.probes | net.sizes
        counted = {size: cost for size, cost in shown.items() if isinstance(cost, ImageCost)}
        points = [
            CostPoint(size, cost.pixels, cost.macs, cost.count.peak_activation_bytes)
            for size, cost in sorted(counted.items(), key=lambda item: item[1].pixels)
        ]
        series.append(CostSeries(net.name, net.twin, net.scaling.verdict.verdict, points))
    return series


def _title(net: NetReport) -> str:
    if net.params is None:
        return f"{net.shown}: no size was counted"
    if net.built_per_size:
        return f"{net.shown}: {grouped(net.params)} parameters at {next(iter(net.counted))}, built for each size"
    return f"{net.shown}: {grouped(net.params)} parameters{''.join(f', {change}' for change in _changes(net))}"


def _changes(net: NetReport) -> list[str]:
    """What was changed of the variant that a net goes by; a twin's own name says the rest."""
    variant = VARIANTS.get(net.name)
    if net.config is None or variant is None or net.twin is not None:
        return []
    given, own = net.config.to_dict(), variant.to_dict()
    return [f"{name.replace('_', '-')} {given[name]}" for name in own if given[name] != own[name]]


def _list(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _cost_table(net: NetReport, convention: str) -> tuple[list[str], list[list[str]]]:
    other = "paper" if convention == "all" else "full"
    is_own = net.source is None
    columns = ["size", "pixel\nratio", "GMACs", "GFLOPs"]
    columns += [f"{other}\nGMACs"] * is_own
    columns += ["kMACs\n/px", "slope"]
    columns += ["global\nshare"] * is_own
    columns += [f"of {twin}".replace("-", "-\n") for twin in net.twins]
    columns += ["peak\nMB"]
    columns += ["chunks in\nstages 1-4"] * is_own
    slopes = dict(zip(list(net.sizes)[1:], net.scaling.local_slopes, strict=True))
    unit = next(iter((net.counted or net.sizes).values())).pixels
    rows = []
    for size, cost in net.sizes.items():
        row = [size, f"{cost.pixels / unit:.3g}x"]
        if isinstance(cost, RefusedSize):
            rows.append([*row, "refused", *["-"] * (len(columns) - 3)])
            continue
        row += [significant(cost.macs / 1e9), significant(cost.flops / 1e9)]
        if isinstance(cost, SizeCost):
            row.append(significant((cost.macs_paper if convention == "all" else cost.macs_full) / 1e9))
        row.append(significant(cost.macs_per_pixel / 1e3))
        slope = slopes.get(size)
        row.append("-" if slope is None else f"{slope:.3f}")
        if isinstance(cost, SizeCost):
            row.append(f"{cost.global_share:.1%}")
        for twin in net.twins.values():
            theirs = twin.counted.get(size)
            row.append("-" if theirs is None else f"{cost.macs / theirs.macs:.3f}x")
        peak = cost.count.peak_activation_bytes
        row.append("-" if peak is None else significant(peak / 1e6))
        if isinstance(cost, SizeCost):
            row.append(" ".join(map(str, cost.chunks)) if any(cost.chunks) else "-")
        rows.append(row)
    return columns, rows


def _training_table(net: NetReport) -> tuple[list[str], list[list[str]]]:
    columns = ["size", "GMACs", "GFLOPs", "of the\nforward", "saved\nMB", "peak\nMB", "parameters\nMB"]
    rows = []
    for size, cost in (net.training or {}).items():
        if isinstance(cost, RefusedSize):
            rows.append([size, "refused", *["-"] * (len(columns) - 2)])
            continue
        forward = net.counted.get(size)
        rows.append(
            [
                size,
                significant(cost.macs / 1e9),
                significant(cost.flops / 1e9),
                "-" if forward is None or not forward.macs_full else f"{cost.macs / forward.macs_full:.2f}x",
                *(significant(held / 1e6) for held in (cost.saved_bytes, cost.peak_bytes, cost.parameter_bytes)),
            ]
        )
    return columns, rows


def _by_table(net: NetReport, by: By) -> tuple[list[str], list[list[str]]]:
    split = {size: _BY[by](cost) for size, cost in net.counted.items()}
    columns = [by, *[column for size in split for column in (size, "share")]]
    rows = []
    for name in dict.fromkeys(name for macs in split.values() for name in macs):
        row = [name or "(the net itself)"]
        for size, macs in split.items():
            value = macs.get(name, 0)
            row += [significant(value / 1e6), f"{value / (net.counted[size].macs or 1):.1%}"]
        rows.append(row)
    total = ["total"]
    for macs in split.values():
        total += [significant(sum(macs.values()) / 1e6), "100.0%"]
    return columns, [*rows, total]


def _findings(net: NetReport) -> list[str]:
    sentences = [_verdict_sentence(net), *_elementwise_sentence(net)]
    if net.source is not None:
        how = "built for each size, as its factory takes img_size" if net.built_per_size else "one net for all sizes"
        sentences.append(f"From {net.source}; {how}.")
    if net.ran_on_zeros:
        sentences.append(
            "The meta device cannot run it, which asks for values or makes tensors elsewhere, so it was run, on zeros: "
            "what it decides by values it decided by those, and what it computes outside torch, in NumPy say, is in no "
            "total."
        )
    slopes = [f"{slope:.3f}" for slope in net.scaling.global_local_slopes if slope is not None]
    if slopes:
        sentences.append(f"Between the sizes, the global branches alone grow with slope {_list(slopes)}.")
    predicted = net.scaling.predicted
    if predicted is not None:
        size = next(size for size, cost in net.counted.items() if cost.pixels == predicted.pixels)
        off = f"{abs(predicted.error):.2%} too {'many' if predicted.error > 0 else 'few'}"
        sentences.append(
            f"Foretold for {size} from the smaller sizes: {significant(predicted.macs / 1e9)} GMACs, "
            f"{off if abs(predicted.error) >= 5e-5 else 'which is right'}."
        )
    if net.reads_before_write:
        for size, cost in net.counted.items():
            chunks_of = cost.chunks if isinstance(cost, SizeCost) else ()
            single = [str(stage) for stage, chunks in enumerate(chunks_of, start=1) if chunks == 1]
            if single:
                sentences.append(
                    f"At {size}, {'stages' if single[1:] else 'stage'} {_list(single)} "
                    f"{'have' if single[1:] else 'has'} one chunk, which reads the learned M_0 alone: the same for "
                    "every image."
                )
    beside = {size: cost.count for size, cost in net.counted.items()}
    if any(count.elementwise is not None for count in beside.values()):
        sentences += [
            f"Beside the MACs: {_list(significant((count.elementwise or 0) / 1e6) for count in beside.values())} M "
            f"element-wise results at {_list(beside)}.",
            f"Operators launched, views left out: {_list(_launched(*item) for item in net.counted.items())}.",
        ]
    sentences += _uncounted_sentences(beside, "the net itself")
    sentences += _uncounted_sentences(net.trained, "the backward pass", counted=", forward and backward")
    return sentences + _counter_sentences(net)


def _launched(size: str, cost: ImageCost) -> str:
    """`249 at 224 (local 75, global 140, ...)`; branches that launch nothing are left out."""
    of = (cost.branch_launches or {}) if isinstance(cost, SizeCost) else {}
    split = ", ".join(f"{branch} {number}" for branch, number in of.items() if number)
    return f"{cost.count.launches} at {size}{f' ({split})' if split else ''}"


def _uncounted_sentences(
    counts: Mapping[str, CostCount | TrainingCount], nowhere: str, *, counted: str = ""
) -> list[str]:
    """A sentence for each operator without a formula; nowhere: what ran it if no submodule did."""
    sentences = []
    for operator in dict.fromkeys(entry.operator for count in counts.values() for entry in count.uncounted):
        calls = [str(count.uncounted_operators().get(operator, 0)) for count in counts.values()]
        places = dict.fromkeys(
            path or nowhere for count in counts.values() for path in _places(count.uncounted).get(operator, ())
        )
        sentences.append(
            f"No formula for {operator}, which is in no total: {_list(calls)} calls at {_list(counts)}"
            f"{counted}, in {_list(places)}."
        )
    return sentences


def _verdict_sentence(net: NetReport) -> str:
    verdict, shares = net.scaling.verdict, net.scaling.quadratic_share
    order = f"{verdict.order:.2f}" if verdict.order is not None else ""
    cost, alone = "its multiply-adds", ""
    if net.hidden is not None:
        cost, alone = "they", " in its multiply-adds alone"
    elif any(cost.count.uncounted for cost in net.counted.values()):
        alone = " as far as formulas go"
    answer = {
        "linear": f"{net.shown} is subquadratic{alone}: {cost} grow linearly with the pixels.",
        "subquadratic": f"{net.shown} is subquadratic{alone}: {cost} grow as the pixels to the power {order}.",
        "quadratic term present": f"{net.shown} is not subquadratic: {cost} have a term quadratic in the pixels.",
        "undetermined": f"Whether {net.shown} is subquadratic is undetermined.",
    }[verdict.verdict]
    found = verdict.why[0].upper() + verdict.why[1:]
    if verdict.macs_per_pixel:
        per_pixel = _list(significant(macs / 1e3) for macs in verdict.macs_per_pixel)
        found += f": {per_pixel} kMACs at {_list(net.probes)}, by the full count"
    if shares is not None:
        known = {size: share for size, share in zip(net.sizes, shares, strict=True) if share is not None}
        if known:
            found += f"; that term is {_list(f'{share:.0%}' for share in known.values())} at {_list(known)}"
    return f"{answer} {found}."


def _elementwise_sentence(net: NetReport) -> list[str]:
    """What a verdict on multiply-adds would hide."""
    if net.hidden is None:
        return []
    per_pixel = _list(significant(results / 1e3) for results in net.hidden.macs_per_pixel)
    how = "have a term quadratic in the pixels" if net.hidden.order is not None else "grow in no order that fits"
    return [
        f"Its element-wise results, which are no multiply-adds, {how}: {per_pixel} thousand a pixel at "
        f"{_list(net.probes)}."
    ]


def _counter_sentences(net: NetReport) -> list[str]:
    check = net.counters
    if check is None:
        return []
    sentences = []
    if check.fvcore and check.differences is not None and not check.differences:
        sentences.append("fvcore and the dispatch counter agree on every convolution and matrix product.")
    for size, found in (check.differences or {}).items():
        sentences += [
            f"At {size}, the counters differ on {one.kind} work in {one.module or 'the net itself'}: "
            f"dispatch {grouped(one.dispatch)}, fvcore {grouped(one.fvcore)} MACs."
            for one in found
        ]
    if check.unseen and check.dispatch is not None:
        sentences.append(f"fvcore has no formula for {_list(check.unseen)} and leaves that out.")
    return sentences


def _has_linear_memory(net: NetReport) -> bool:
    linear = net.config is not None and net.config.memory_layers == 1
    return linear and any(isinstance(cost, SizeCost) and any(cost.chunks) for cost in net.counted.values())


def _terms(nets: list[NetReport], convention: str) -> list[str]:
    """What the figures mean."""
    left_out = "the products of the memory's update and of self-attention"
    counted = "everything executed" if convention == "all" else f"the paper's convention, without {left_out}"
    if any(net.by_fvcore for net in nets):
        counted += ", as far as fvcore has a formula; the verdict is by the dispatch counter"
    beside = f"paper GMACs: without {left_out}" if convention == "all" else "full GMACs: everything executed"
    terms = [f"GMACs: billions of multiply-adds, {counted}; GFLOPs: two for each."]
    if any(net.source is None for net in nets):
        terms[0] += f" {beside}."
    if any(_has_linear_memory(net) for net in nets):
        terms.append(
            "A linear memory's update is executed, and counted, in Gram form: k^T k, k^T v, then one m x m product a "
            "chunk."
        )
    terms.append("Peak: the most that one image's activations hold at one time; parameters and the image itself apart.")
    if any(net.training is not None for net in nets):
        terms.append(
            "Forward and backward: everything executed. Saved: what the forward pass keeps for the backward one; its "
            "peak includes the gradients. Parameters: in float32, once; an optimizer's state is its own."
        )
    return terms
