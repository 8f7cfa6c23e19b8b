"""`convneur bench`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convneur.errors import ConfigError
from convneur.files import new_file
from convneur.variants import ConvNeurConfig
from convneur_cli.errors import FAILED, UsageError
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.model import ModelOptions, foreign_import_notes, load_net
from convneur_cli.results import FIGURES, RESULTS, check_outputs, write_result
from convneur_cli.sizes import parse_sizes

if TYPE_CHECKING:
    from convneur.cost import BenchPlan, BenchResult, Contender

__all__ = ["bench"]

_MAX_BATCH = 4096


def bench(
    model: ModelOptions,
    common: CommonOptions,
    sizes: Annotated[
        str, typer.Option(help="Image sides in pixels, with commas; HEIGHTxWIDTH too.", metavar="SIZES")
    ] = "224,512,1024",
    batch: Annotated[str, typer.Option(help="Images per call, with commas.", metavar="COUNTS")] = "1",
    against: Annotated[
        str | None,
        typer.Option(help="Nets to time in turn with --model's, as they are.", metavar="m2,timm/convnext_femto"),
    ] = None,
    fold: Annotated[
        bool, typer.Option("--fold", help="Time each ConvNeur of --model that can be folded for inference so, too.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Of weights and images.")
    ] = "float32",
    memory_format: Annotated[
        Literal["contiguous", "channels-last"], typer.Option(help="Of weights and images.")
    ] = "contiguous",
    compile_: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Through torch.compile, for each size anew.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(help="For one operator, on the processor.", show_default="torch's own")
    ] = None,
    warmup: Annotated[int, typer.Option(help="Calls before any is timed.")] = 3,
    repeats: Annotated[int, typer.Option(help="Timed calls of each net at each size, in turns.")] = 10,
    seed: Annotated[int, typer.Option(help="Of weights, images and the bootstrap.")] = 0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw time and pixels a second: .png, .svg, .pdf.", metavar="FILE")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the result: .json, .csv, .md.", metavar="FILE")
    ] = None,
) -> int | None:
    """Time nets side by side: latency, throughput and peak memory over image and batch sizes.

    Nets take turns (A B C A B C), so that what disturbs one disturbs all; times are medians with their spread, of the
    forward pass alone, with random weights. Other nets than ours: `package.module:factory`, which imports the module
    and so runs its code, and `timm/NAME`, which needs `convneur[timm]`.

    `--fold` sets the same net beside it with constant products multiplied out beforehand (`convneur.fold`): fewer
    multiply-adds, the same output but for rounding.

    Example: `convneur bench --model m1 --against m2 --sizes 224,512 --batch 1,8 --plot time.png`

    Example, with `convneur[timm]`: `convneur bench --against timm/convnext_femto --threads 1 -o times.md`
    """
    wanted = parse_sizes("--sizes", sizes)
    batches = _batches(batch)
    check_outputs(("--plot", plot, FIGURES), ("--output", output, RESULTS), force=common.force)

    from convneur.cost import BenchCase, BenchSettings, RefusedCase, plan_bench, run_bench
    from convneur_cli import bench_report as report

    try:
        settings = BenchSettings(
            device, dtype, memory_format == "channels-last", compile_, threads, warmup, repeats, seed
        )
    except ConfigError as error:
        raise UsageError(f"--{error}") from error
    printer = common.printer()
    peers = [] if against is None else [name.strip() for name in against.split(",")]
    for line in foreign_import_notes([*model.names(), *peers]):
        printer.note(line)
    with redirect_stdout(sys.stderr):  # what others' code prints is no part of the result
        contenders = _contenders(model, peers, fold=fold)
        cases = [BenchCase(*size, number) for size in wanted.values() for number in batches]
        plan = plan_bench(contenders, cases, settings)
        for line in report.uncounted_notes(plan):
            printer.note(line)
        with printer.steps("timing", 1 + len(contenders) * len(cases)) as advance:
            result = run_bench(plan, settings, advance=advance)

    as_json = report.to_json(plan, result)
    # Files first: whoever reads stdout may stop reading.
    if output is not None:
        write_result(
            output,
            force=common.force,
            as_json=as_json,
            as_csv=lambda: report.to_csv(as_json),
            as_markdown=lambda: report.to_markdown(plan, result),
        )
        printer.note(f"written: {output}")
    refused = [row for row in result.rows if isinstance(row, RefusedCase)]
    if plot is not None and len(refused) < len(result.rows):
        _draw(plot, plan, result, force=common.force)
        printer.note(f"drawn: {plot}")

    printer.json(as_json)
    report.show(printer, plan, result)
    for row in refused:
        printer.error(f"{row.contender} on {report.case_name(row.case)}: {row.error}")
    return FAILED if refused else None


def _batches(typed: str) -> list[int]:
    batches = [int(part) if part.strip().isdecimal() else 0 for part in typed.split(",")]
    if not all(1 <= number <= _MAX_BATCH for number in batches):
        raise UsageError(f"--batch {typed!r}: give whole numbers from 1 to {_MAX_BATCH}, such as 1,8")
    return list(dict.fromkeys(batches))


def _contenders(model: ModelOptions, peers: list[str], *, fold: bool) -> "list[Contender]":
    """The nets asked for, then their peers; a peer of the same name is told apart, as the options change the first."""
    from convneur.cost import Contender
    from convneur.model.folding import folds

    if len(set(peers)) < len(peers):
        twice = next(name for name in peers if peers.count(name) > 1)
        raise UsageError(f"--against {twice}: is given twice")
    contenders = []
    for name, net in model.nets().items():
        contenders.append(Contender(name, net))
        if fold and isinstance(net, ConvNeurConfig) and any(folds(net, stage) for stage in range(1, 5)):
            contenders.append(Contender(f"{name} folded", net, folded=True))
    if fold and not any(contender.folded for contender in contenders):
        raise UsageError(
            f"--fold: nothing in {', '.join(model.names())} can be folded: that takes a ConvNeur with a neural memory "
            "of one layer, without max_state_norm, in a stage no wider than C_m"
        )
    for name in peers:
        net = load_net("--against", name)
        twin = next((one for one in contenders if one.name == name), None)
        if twin is not None and (twin.net == net or not isinstance(net, ConvNeurConfig)):
            raise UsageError(f"--against {name}: is timed already, by --model")
        contenders.append(Contender(name if twin is None else f"{name} as it is", net))
    return contenders


def _draw(path: Path, plan: "BenchPlan", result: "BenchResult", *, force: bool) -> None:
    from convneur.figures.latency import latency_figure
    from convneur.figures.style import save_figure
    from convneur_cli.bench_report import how_measured, time_series

    figure = latency_figure(time_series(plan, result), measured=how_measured(result))
    with new_file(path, force=force) as temporary:
        save_figure(figure, temporary)
