"""`convneur flops`."""

import dataclasses
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from convneur.errors import InputError
from convneur.files import new_file
from convneur.progress import Advance
from convneur.variants import ConvNeurConfig
from convneur_cli.errors import CHECK_FAILED, FAILED, UsageError
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.model import ModelOptions, foreign_import_notes
from convneur_cli.results import FIGURES, RESULTS, check_outputs, write_result
from convneur_cli.sizes import parse_sizes

if TYPE_CHECKING:
    from convneur.cost import ForeignCounter, ForeignNet, ImageCost, NetCounter, RefusedSize, TwinName
    from convneur_cli.flops_report import NetReport

__all__ = ["flops"]

_Cost = TypeVar("_Cost")
_Counter = Literal["dispatch", "fvcore", "both"]


def flops(
    model: ModelOptions,
    common: CommonOptions,
    sizes: Annotated[
        str, typer.Option(help="Image sides in pixels, with commas; HEIGHTxWIDTH too.", metavar="SIZES")
    ] = "224,512,1024",
    convention: Annotated[
        Literal["all", "paper"],
        typer.Option(help="all: everything executed. paper: no products of memory updates and self-attention."),
    ] = "all",
    counter: Annotated[
        _Counter,
        typer.Option(help="dispatch: ours, runs nothing. fvcore: a second one, runs the net. both: ours, compared."),
    ] = "dispatch",
    by: Annotated[
        Literal["branch", "module", "operator"] | None, typer.Option(help="Also list multiply-adds by this.")
    ] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Also count a forward and a backward pass, and what they hold.")
    ] = False,
    compare: Annotated[
        str | None, typer.Option(help="Twins of the net to set beside it.", metavar="self-attention,local-only")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw multiply-adds and memory, log-log: .png, .svg, .pdf.", metavar="FILE")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit 3 unless the cost is linear or subquadratic.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 on operators without a formula, or counters that differ.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the result: .json, .csv (of --by's list, if given), .md.", metavar="FILE"
        ),
    ] = None,
) -> int | None:
    """Count what a net costs, and find whether its cost grows with the pixels or with their square.

    Nets are counted on torch's meta device, at any size in no memory: nothing is computed, but by fvcore, and for a net
    of others that cannot run so.

    Any net of three image channels can be counted: `--model package.module:factory` imports the module, which runs
    its code, and calls the factory, with `img_size` where it takes that; `--model timm/NAME` needs `convneur[timm]`.

    Example: `convneur flops --model m1 --sizes 224,512,1024 --compare self-attention --plot cost.png`
    """
    wanted = parse_sizes("--sizes", sizes)
    twins = _twin_names(compare)
    check_outputs(("--plot", plot, FIGURES), ("--output", output, RESULTS), force=common.force)
    for name in model.foreign_names():
        for option, typed in (("--convention", convention == "paper"), ("--by", by == "branch"), ("--compare", twins)):
            if typed:
                raise UsageError(f"{option}: --model {name} has no paper, no branches and no twins; leave it out")
    printer = common.printer()
    for line in foreign_import_notes(model.names()):
        printer.note(line)
    with redirect_stdout(sys.stderr):  # what others' code prints is no part of the result
        asked = model.nets()

    from convneur.cost import probe_sizes, twin_of
    from convneur_cli import flops_report as report

    twins_of: dict[str, dict[TwinName, ConvNeurConfig]] = {}  # before any work, since a net may have no such twin
    for name, net in asked.items():
        with model.naming_options(name):
            twins_of[name] = {twin: twin_of(net, twin) for twin in twins} if isinstance(net, ConvNeurConfig) else {}
    steps = len(wanted) * (1 + (counter != "dispatch") + backward) + len(probe_sizes())
    counting = _Counting(wanted, convention, counter, backward=backward)
    nets: list[NetReport] = []
    with (
        printer.steps("counting", len(asked) * (1 + len(twins)) * steps) as advance,
        redirect_stdout(sys.stderr),
    ):
        for name, one in asked.items():
            counted = counting.net(name, one, advance)
            of_net = {twin: counting.net(name, its, advance, twin=twin) for twin, its in twins_of[name].items()}
            nets.append(dataclasses.replace(counted, twins=of_net))

    as_json = report.to_json(nets, convention, by)
    # Files first: whoever reads stdout may stop reading.
    if output is not None:
        write_result(
            output,
            force=common.force,
            as_json=as_json,
            as_csv=lambda: report.to_csv(nets, by),
            as_markdown=lambda: report.to_markdown(nets, convention, by),
        )
        printer.note(f"written: {output}")
    if plot is not None and any(net.counted for net in nets):
        _draw(plot, nets, "fvcore" if counter == "fvcore" else convention, force=common.force)
        printer.note(f"drawn: {plot}")

    printer.json(as_json)
    report.show(printer, nets, convention, by)
    for problem in counting.problems:
        printer.error(problem)
    if counting.problems:
        return FAILED
    for line in report.check_warnings(nets) if check else []:
        printer.warn(line)
    failures = [*(report.failed_checks(nets) if check else []), *(report.strict_failures(nets) if strict else [])]
    for failure in failures:
        printer.error(failure)
    return CHECK_FAILED if failures else None


def _twin_names(typed: str | None) -> "list[TwinName]":
    known: list[TwinName] = ["self-attention", "local-only"]
    names = [] if typed is None else [name.strip() for name in typed.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"--compare {unknown[0]!r}: choose {', '.join(known)}")
    return [name for name in known if name in names]


class _Counting:
    """Counts nets at the sizes asked for; `problems` are lines for stderr on what was refused."""

    def __init__(
        self,
        wanted: dict[str, tuple[int, int]],
        convention: Literal["all", "paper"],
        counter: _Counter,
        *,
        backward: bool,
    ) -> None:
        self.wanted, self.convention, self.counter, self.backward = wanted, convention, counter, backward
        self.problems: list[str] = []

    def net(
        self,
        name: str,
        net: "ConvNeurConfig | ForeignNet",
        advance: Advance,
        *,
        twin: "TwinName | None" = None,
    ) -> "NetReport":
        from convneur.cost import ForeignCounter, ImageCost, RefusedSize, net_scaling
        from convneur_cli.flops_report import NetReport, compare_counters, net_name, size_name

        shown = net_name(name, twin)
        dispatch = _counter(net)
        costs = complete = self._at(self._by(dispatch), self.wanted, shown, advance)
        self.problems += [
            f"{shown} at {size}: {cost.error}" for size, cost in complete.items() if isinstance(cost, RefusedSize)
        ]
        counters = None
        if self.counter != "dispatch":
            seen = self._at(self._by(_counter(net, "fvcore")), self.wanted, f"{shown} by fvcore", advance)
            self.problems += [
                f"{shown} by fvcore at {size}: {cost.error}"
                for size, cost in seen.items()
                if isinstance(cost, RefusedSize) and isinstance(complete[size], ImageCost)
            ]
            counters = compare_counters(complete if self.counter == "both" else None, seen)
            costs = complete if self.counter == "both" else seen
        training = None
        if self.backward:
            training = self._at(dispatch.training_at, self.wanted, f"{shown}, backward too,", advance)
            self.problems += [
                f"{shown}, backward too, at {size}: {cost.error}"
                for size, cost in training.items()
                if isinstance(cost, RefusedSize) and isinstance(complete[size], ImageCost)
            ]
        # The verdict needs sizes at which running a net takes minutes: it is always found on the meta device.
        probed = {size_name(*size): size for size in _probe_sizes(net, complete)}
        probes = self._at(self._by(dispatch), probed, shown, advance)
        return NetReport(
            name=name,
            twin=twin,
            config=net if isinstance(net, ConvNeurConfig) else None,
            params=dispatch.params,
            source=None if isinstance(net, ConvNeurConfig) else net.source,
            ran_on_zeros=isinstance(dispatch, ForeignCounter) and dispatch.ran_on_zeros,
            built_per_size=not isinstance(net, ConvNeurConfig) and net.takes_size,
            reads_before_write=isinstance(net, ConvNeurConfig) and net.first_chunk_reads_start,
            sizes=costs,
            probes=probes,
            scaling=net_scaling(list(probes.values()), list(costs.values()), complete=list(complete.values())),
            training=training,
            counters=counters,
            twins={},
        )

    def _by(self, counter: "NetCounter | ForeignCounter") -> "Callable[[int, int], ImageCost]":
        from convneur.cost import NetCounter

        return partial(counter.at, convention=self.convention) if isinstance(counter, NetCounter) else counter.at

    def _at(
        self, count: "Callable[[int, int], _Cost]", sizes: dict[str, tuple[int, int]], shown: str, advance: Advance
    ) -> "dict[str, _Cost | RefusedSize]":
        from convneur.cost import RefusedSize

        costs: dict[str, _Cost | RefusedSize] = {}
        for size, (height, width) in sizes.items():
            advance(f"counting {shown} at {size}", 0)
            try:
                costs[size] = count(height, width)
            except InputError as error:
                costs[size] = RefusedSize(height, width, str(error))
            advance()
        return costs


def _counter(
    net: "ConvNeurConfig | ForeignNet", counter: Literal["dispatch", "fvcore"] = "dispatch"
) -> "NetCounter | ForeignCounter":
    from convneur.cost import ForeignCounter, NetCounter

    if isinstance(net, ConvNeurConfig):
        return NetCounter(net, counter=counter)
    return ForeignCounter(net, counter=counter)


def _probe_sizes(
    net: "ConvNeurConfig | ForeignNet", costs: "dict[str, ImageCost | RefusedSize]"
) -> tuple[tuple[int, int], ...]:
    from convneur.cost import ImageCost, foreign_probe_sizes, probe_sizes

    if isinstance(net, ConvNeurConfig):
        return probe_sizes()
    taken = [cost for cost in costs.values() if isinstance(cost, ImageCost)]
    largest = max(taken or costs.values(), key=lambda cost: cost.pixels)
    return foreign_probe_sizes(largest.height, largest.width)


def _draw(path: Path, nets: "list[NetReport]", convention: str, *, force: bool) -> None:
    from convneur.figures.scaling import scaling_figure
    from convneur.figures.style import save_figure
    from convneur_cli.flops_report import cost_series

    figure = scaling_figure(cost_series(nets), convention=convention)
    with new_file(path, force=force) as temporary:
        save_figure(figure, temporary)
