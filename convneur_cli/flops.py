"""`convneur flops`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convneur.files import new_file, refuse_existing
from convneur.variants import ConvNeurConfig
from convneur_cli.errors import CHECK_FAILED, FAILED, UsageError
from convneur_cli.model_options import ModelOptions
from convneur_cli.options import CommonOptions
from convneur_cli.output import Advance, to_json
from convneur_cli.sizes import parse_sizes

if TYPE_CHECKING:
    from convneur.cost import NetCounter, RefusedSize, SizeCost, TwinName
    from convneur_cli.flops_report import NetReport

__all__ = ["flops"]

_Counter = Literal["dispatch", "fvcore", "both"]
_PLOTS = (".png", ".svg", ".pdf")
_OUTPUTS = (".json", ".csv", ".md")


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
        Path | None, typer.Option("--output", "-o", help="Write the result: .json, .csv, .md.", metavar="FILE")
    ] = None,
) -> int | None:
    """Count what a net costs, and find whether its cost grows with the pixels or with their square.

    Nothing is computed (unless by fvcore): nets are counted on torch's meta device, at any size in no memory.

    Example: `convneur flops --model m1 --sizes 224,512,1024 --compare self-attention --plot cost.png`
    """
    wanted = parse_sizes("--sizes", sizes)
    twins = _twin_names(compare)
    for option, path, suffixes in (("--plot", plot, _PLOTS), ("--output", output, _OUTPUTS)):
        if path is not None and path.suffix.lower() not in suffixes:
            raise UsageError(f"{option} {path}: the name must end in {', '.join(suffixes)}")
    refuse_existing(*(path for path in (plot, output) if path is not None), force=common.force)
    configs = model.configs()

    from convneur.cost import probe_sizes, twin_of
    from convneur_cli import flops_report as report

    # Before any work, since a net may have no such twin.
    twins_of = {name: {twin: twin_of(config, twin) for twin in twins} for name, config in configs.items()}
    printer = common.printer()
    steps = len(wanted) * (1 if counter == "dispatch" else 2) + len(probe_sizes())
    counting = _Counting(wanted, convention, counter)
    nets: list[NetReport] = []
    with printer.progress("counting", len(configs) * (1 + len(twins)) * steps) as advance:
        for name, config in configs.items():
            net = counting.net(name, config, advance)
            of_net = {twin: counting.net(name, its, advance, twin=twin) for twin, its in twins_of[name].items()}
            nets.append(dataclasses.replace(net, twins=of_net))

    as_json = report.to_json(nets, convention, by)
    # Files first: whoever reads stdout may stop reading.
    if output is not None:
        text = {
            ".json": lambda: to_json(as_json) + "\n",
            ".csv": lambda: report.to_csv(nets),
            ".md": lambda: report.to_markdown(nets, convention, by),
        }[output.suffix.lower()]()
        with new_file(output, force=common.force) as temporary:
            temporary.write_text(text, encoding="utf-8")
        printer.note(f"written: {output}")
    if plot is not None and any(net.counted for net in nets):
        _draw(plot, nets, convention, force=common.force)
        printer.note(f"drawn: {plot}")

    printer.json(as_json)
    report.show(printer, nets, convention, by)
    for problem in counting.problems:
        printer.error(problem)
    if counting.problems:
        return FAILED
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
        self, wanted: dict[str, tuple[int, int]], convention: Literal["all", "paper"], counter: _Counter
    ) -> None:
        self.wanted, self.convention, self.counter = wanted, convention, counter
        self.problems: list[str] = []

    def net(
        self,
        name: str,
        config: ConvNeurConfig,
        advance: Advance,
        *,
        twin: "TwinName | None" = None,
    ) -> "NetReport":
        from convneur.cost import NetCounter, RefusedSize, SizeCost, net_scaling, probe_sizes
        from convneur_cli.flops_report import NetReport, compare_counters, net_name, size_name

        shown = net_name(name, twin)
        dispatch = NetCounter(config)
        costs = complete = self._at(dispatch, self.wanted, shown, advance)
        self.problems += [
            f"{shown} at {size}: {cost.error}" for size, cost in complete.items() if isinstance(cost, RefusedSize)
        ]
        counters = None
        if self.counter != "dispatch":
            seen = self._at(NetCounter(config, counter="fvcore"), self.wanted, f"{shown} by fvcore", advance)
            self.problems += [
                f"{shown} by fvcore at {size}: {cost.error}"
                for size, cost in seen.items()
                if isinstance(cost, RefusedSize) and isinstance(complete[size], SizeCost)
            ]
            counters = compare_counters(complete if self.counter == "both" else None, seen)
            costs = complete if self.counter == "both" else seen
        # The verdict needs sizes at which running a net takes minutes: it is always found on the meta device.
        probes = self._at(dispatch, {size_name(*size): size for size in probe_sizes()}, shown, advance)
        return NetReport(
            name=name,
            twin=twin,
            params=dispatch.params,
            reads_before_write=config.read == "before",
            sizes=costs,
            probes=probes,
            scaling=net_scaling(list(probes.values()), list(costs.values()), complete=list(complete.values())),
            counters=counters,
            twins={},
        )

    def _at(
        self, net: "NetCounter", sizes: dict[str, tuple[int, int]], shown: str, advance: Advance
    ) -> "dict[str, SizeCost | RefusedSize]":
        from convneur.cost import CountingError, RefusedSize

        costs: dict[str, SizeCost | RefusedSize] = {}
        for size, (height, width) in sizes.items():
            advance(f"counting {shown} at {size}", 0)
            try:
                costs[size] = net.at(height, width, convention=self.convention)
            except CountingError as error:
                costs[size] = RefusedSize(height, width, str(error))
            advance()
        return costs


def _draw(path: Path, nets: "list[NetReport]", convention: str, *, force: bool) -> None:
    from convneur.figures.gates import save_figure
    from convneur.figures.scaling import scaling_figure
    from convneur_cli.flops_report import cost_series

    figure = scaling_figure(cost_series(nets), convention=convention)
    with new_file(path, force=force) as temporary:
        save_figure(figure, temporary)
