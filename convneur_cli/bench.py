"""`convneur bench`."""

import csv
import io
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convneur.errors import ConfigError
from convneur.files import new_file, refuse_existing
from convneur.variants import ConvNeurConfig
from convneur_cli.errors import FAILED, UsageError
from convneur_cli.model_options import ModelOptions, foreign_import_notes, load_net
from convneur_cli.options import CommonOptions
from convneur_cli.output import Printer, grouped, significant, to_json
from convneur_cli.sizes import parse_sizes

if TYPE_CHECKING:
    from convneur.cost import BenchCase, BenchPlan, BenchResult, BenchSettings, Contender, RefusedCase, Timing

__all__ = ["bench"]

_PLOTS = (".png", ".svg", ".pdf")
_OUTPUTS = (".json", ".csv", ".md")
_MAX_BATCH = 4096
_BUSY = 0.75  # running processes per core before the run, above which others take time from it
_UNSTEADY = 1.5  # p90 over p50 above which the machine did something else too


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

    Example: `convneur bench --model m1 --against timm/convnext_femto --sizes 224,512 --batch 1,8 --plot time.png`
    """
    wanted = parse_sizes("--sizes", sizes)
    batches = _batches(batch)
    for option, path, suffixes in (("--plot", plot, _PLOTS), ("--output", output, _OUTPUTS)):
        if path is not None and path.suffix.lower() not in suffixes:
            raise UsageError(f"{option} {path}: the name must end in {', '.join(suffixes)}")
    refuse_existing(*(path for path in (plot, output) if path is not None), force=common.force)

    from convneur.cost import BenchCase, BenchSettings, RefusedCase, plan_bench, run_bench

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
        contenders = _contenders(model, peers)
        cases = [BenchCase(*size, number) for size in wanted.values() for number in batches]
        plan = plan_bench(contenders, cases, settings)
        with printer.progress("timing", 1 + len(contenders) * len(cases)) as advance:
            result = run_bench(plan, settings, advance=advance)

    as_json = _to_json(plan, result)
    # Files first: whoever reads stdout may stop reading.
    if output is not None:
        text: dict[str, Callable[[], str]] = {
            ".json": lambda: to_json(as_json) + "\n",
            ".csv": lambda: _to_csv(as_json),
            ".md": lambda: _to_markdown(plan, result),
        }
        with new_file(output, force=common.force) as temporary:
            temporary.write_text(text[output.suffix.lower()](), encoding="utf-8")
        printer.note(f"written: {output}")
    refused = [row for row in result.rows if isinstance(row, RefusedCase)]
    if plot is not None and len(refused) < len(result.rows):
        _draw(plot, plan, result, force=common.force)
        printer.note(f"drawn: {plot}")

    printer.json(as_json)
    _show(printer, plan, result)
    for row in refused:
        printer.error(f"{row.contender} on {_case_name(row.case)}: {row.error}")
    return FAILED if refused else None


def _batches(typed: str) -> list[int]:
    batches = [int(part) if part.strip().isdecimal() else 0 for part in typed.split(",")]
    if not all(1 <= number <= _MAX_BATCH for number in batches):
        raise UsageError(f"--batch {typed!r}: give whole numbers from 1 to {_MAX_BATCH}, such as 1,8")
    return list(dict.fromkeys(batches))


def _contenders(model: ModelOptions, peers: list[str]) -> "list[Contender]":
    """The nets asked for, then their peers; a peer of the same name is told apart, as the options change the first."""
    from convneur.cost import Contender

    if len(set(peers)) < len(peers):
        twice = next(name for name in peers if peers.count(name) > 1)
        raise UsageError(f"--against {twice}: is given twice")
    contenders = [Contender(name, net) for name, net in model.nets().items()]
    for name in peers:
        net = load_net("--against", name)
        twin = next((one for one in contenders if one.name == name), None)
        if twin is not None and (twin.net == net or not isinstance(net, ConvNeurConfig)):
            raise UsageError(f"--against {name}: is timed already, by --model")
        contenders.append(Contender(name if twin is None else f"{name} as it is", net))
    return contenders


# For programs


def _to_json(plan: "BenchPlan", result: "BenchResult") -> dict[str, Any]:
    """The result by the schema convneur.bench/1."""
    settings, machine = result.settings, result.machine
    return {
        "schema": "convneur.bench/1",
        "settings": {
            "device": settings.device,
            "dtype": settings.dtype,
            "memory_format": "channels-last" if settings.channels_last else "contiguous",
            "compile": settings.compile,
            "threads": machine.threads,
            "warmup": settings.warmup,
            "repeats": settings.repeats,
            "seed": settings.seed,
        },
        "machine": {
            "system": machine.system,
            "processor": machine.processor,
            "instructions": machine.instructions,
            "torch_capability": machine.torch_capability,
            "cores": machine.cores,
            "accelerator": machine.accelerator,
            "memory_bytes": machine.memory_bytes,
            "bfloat16_instructions": machine.bfloat16,
            "float32_precision": machine.float32_precision,
            "load_average_before": result.load,
            "matmul_peak_macs_per_second": result.matmul_peak,
        },
        "versions": machine.versions,
        "models": [
            {
                "name": contender.name,
                "params": params,
                "rows": [_row_json(row, result) for row in result.rows if row.contender == contender.name],
                "scaling": [_slope_json(result, contender.name, number) for number in _batches_of(plan)],
            }
            for contender, params in zip(plan.contenders, plan.params, strict=True)
        ],
    }


def _row_json(row: "Timing | RefusedCase", result: "BenchResult") -> dict[str, Any]:
    from convneur.cost import RefusedCase

    keys = (
        *("macs", "p50_seconds", "p10_seconds", "p90_seconds", "samples_seconds", "calls_per_sample", "first_seconds"),
        *("images_per_second", "pixels_per_second", "macs_per_second", "above_matmul_peak", "peak_resident_bytes"),
        *("peak_growth_bytes", "counted_peak_bytes", "peak_ratio", "time_ratio"),
    )
    values: dict[str, Any] = {"height": row.case.height, "width": row.case.width, "batch": row.case.batch}
    if isinstance(row, RefusedCase):
        return values | dict.fromkeys(keys) | {"error": row.error}
    found = (
        *(row.macs, row.p50, row.p10, row.p90, row.samples, row.calls, row.first_seconds),
        *(row.images_per_second, row.pixels_per_second, row.macs_per_second, result.above_peak(row)),
        *(row.peak_resident_bytes, row.peak_growth_bytes, row.counted_peak_bytes, row.peak_ratio),
        _ratio(row, result),
    )
    return values | dict(zip(keys, found, strict=True)) | {"error": None}


def _slope_json(result: "BenchResult", name: str, batch: int) -> dict[str, Any]:
    slope = result.slopes[name, batch]
    values = (None, None) if slope is None else (slope.slope, (slope.low, slope.high))
    return {"batch": batch, "slope": values[0], "interval": values[1]}


def _to_csv(as_json: dict[str, Any]) -> str:
    """A row for each net and case; the columns are the JSON's keys, the samples apart by spaces."""
    rows = [
        {"model": net["name"], "params": net["params"]}
        | row
        | {"samples_seconds": " ".join(map(str, row["samples_seconds"] or ()))}
        for net in as_json["models"]
        for row in net["rows"]
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# For people


def _show(printer: Printer, plan: "BenchPlan", result: "BenchResult") -> None:
    columns, rows = _table(plan, result)
    printer.table(_title(result), columns, rows, dense=True)
    printer.text()
    for sentence in _findings(plan, result):
        printer.sentence(sentence)


def _to_markdown(plan: "BenchPlan", result: "BenchResult") -> str:
    columns, rows = _table(plan, result)
    lines = [[name.replace("\n", " ") for name in columns], [":--", *["--:"] * (len(columns) - 1)], *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    findings = "\n".join(f"- {sentence}" for sentence in _findings(plan, result))
    return f"## {_title(result)}\n\n{table}\n\n{findings}\n"


def _title(result: "BenchResult") -> str:
    return f"Forward pass: {', '.join(_how(result.settings, result))}"


def _how(settings: "BenchSettings", result: "BenchResult") -> list[str]:
    words = [result.machine.accelerator or settings.device, settings.dtype]
    words += ["channels-last"] if settings.channels_last else []
    words += ["compiled"] if settings.compile else []
    if not settings.on_cuda:
        words.append(_several(result.machine.threads, "thread"))
    return [*words, _several(settings.repeats, "repeat")]


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _table(plan: "BenchPlan", result: "BenchResult") -> tuple[list[str], list[list[str]]]:
    from convneur.cost import RefusedCase

    first = plan.contenders[0].name
    columns = [
        *("net", "size", "batch", "p50\nms", "p90\nms", "images\n/s", "ns\n/px", "GMACs\n/s"),
        *("peak\nMB", "of the\ncount", "time to\nthe first"),
    ]
    columns = columns if len(plan.contenders) > 1 else columns[:-1]
    rows = []
    for row in result.rows:
        line = [row.contender, _size_name(row.case), str(row.case.batch)]
        if isinstance(row, RefusedCase):
            rows.append([*line, "refused", *["-"] * (len(columns) - 4)])
            continue
        rate, ratio = row.macs_per_second, row.peak_ratio
        line += [significant(1e3 * row.p50), significant(1e3 * row.p90), significant(row.images_per_second)]
        line.append(significant(1e9 / row.pixels_per_second))
        line.append("-" if rate is None else significant(rate / 1e9) + "!" * result.above_peak(row))
        line.append("-" if row.peak_growth_bytes is None else significant(row.peak_growth_bytes / 1e6))
        line.append("-" if ratio is None else f"{ratio:.2f}x")
        if len(plan.contenders) > 1:
            times = _ratio(row, result)
            line.append("-" if times is None else "1" if row.contender == first else f"{times:.3f}x")
        rows.append(line)
    return columns, rows


def _ratio(row: "Timing", result: "BenchResult") -> float | None:
    """To the first net's time at the same case; None where that was refused."""
    from convneur.cost import Timing, paired_ratio

    first = next(other for other in result.rows if other.case == row.case)
    return paired_ratio(row, first) if isinstance(first, Timing) else None


def _findings(plan: "BenchPlan", result: "BenchResult") -> list[str]:
    from convneur.cost import Timing

    timed = [row for row in result.rows if isinstance(row, Timing)]
    sentences = []
    for contender in plan.contenders:
        for number in _batches_of(plan):
            slope = result.slopes[contender.name, number]
            if slope is not None:
                sentences.append(
                    f"{contender.name}, batch {number}: time grows as the pixels to the power {slope.slope:.2f} "
                    f"(Theil-Sen; 95 % bootstrap interval {slope.low:.2f} to {slope.high:.2f})."
                )
    unsteady = [row for row in timed if row.p90 > _UNSTEADY * row.p50]
    if unsteady:
        worst = max(unsteady, key=lambda row: row.p90 / row.p50)
        sentences.append(
            f"Unsteady: p90 is up to {worst.p90 / worst.p50:.1f} times p50 ({worst.contender} on "
            f"{_case_name(worst.case)}), so something else ran on this machine; more --repeats, or a quieter machine."
        )
    if result.load is not None and result.load > _BUSY * result.machine.cores:
        sentences.append(
            f"The machine was busy before the run began (load {result.load:.1f} on "
            f"{_several(result.machine.cores, 'core')}): these times may be too long."
        )
    if any(result.above_peak(row) for row in timed):
        sentences.append(
            "!: above the device's measured peak of matrix products: suspect the clock, unless an algorithm saves "
            "products."
        )
    return sentences + _machine_sentences(result) + _terms(timed, result)


def _machine_sentences(result: "BenchResult") -> list[str]:
    machine, settings = result.machine, result.settings
    place = [machine.accelerator] if machine.accelerator else []
    place.append(f"{machine.processor or 'an unnamed processor'}, {_several(machine.cores, 'core')}")
    if machine.instructions and not settings.on_cuda:
        place.append(f"with {' '.join(machine.instructions)} (torch's kernels: {machine.torch_capability})")
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    sentences = [f"Machine: {'; '.join(place)}; {machine.system}. Versions: {versions}."]
    if result.matmul_peak is None:
        sentences.append(f"{settings.device} cannot multiply {settings.dtype} matrices, so no peak was measured.")
    else:
        sentences.append(
            f"Measured peak of {settings.dtype} matrix products: {significant(result.matmul_peak / 1e9)} GMACs/s."
        )
    if settings.dtype == "bfloat16" and machine.bfloat16 is False:
        sentences.append("This device has no instructions for bfloat16, which is therefore no faster than float32.")
    return sentences


def _terms(timed: "list[Timing]", result: "BenchResult") -> list[str]:
    terms = ["p50, p90: of the time of one call on a batch. ns/px: nanoseconds per pixel of all images."]
    if any(row.peak_growth_bytes is not None for row in timed):
        held = "torch held on the device" if result.settings.on_cuda else "the process held resident"
        terms.append(
            f"Peak: the most that {held} during a call, above what it held before; of the count: over the activations "
            "that a count foretells, the rest being the kernels' own."
        )
        highest = max(row.peak_resident_bytes or 0 for row in timed)
        terms.append(f"All in all, weights and libraries included, that was {grouped(highest / 1e6)} MB at most.")
    return terms


def _batches_of(plan: "BenchPlan") -> list[int]:
    return list(dict.fromkeys(row[0].case.batch for row in plan.cases))


def _size_name(case: "BenchCase") -> str:
    return str(case.height) if case.height == case.width else f"{case.height}x{case.width}"


def _case_name(case: "BenchCase") -> str:
    return f"{_several(case.batch, 'image')} of {_size_name(case)}"


def _draw(path: Path, plan: "BenchPlan", result: "BenchResult", *, force: bool) -> None:
    from convneur.cost import Timing
    from convneur.figures.latency import LatencyPoint, LatencySeries, latency_figure
    from convneur.figures.style import save_figure

    series = []
    for contender in plan.contenders:
        for number in _batches_of(plan):
            rows = [
                row
                for row in result.rows
                if isinstance(row, Timing) and row.contender == contender.name and row.case.batch == number
            ]
            points = [
                LatencyPoint(_size_name(row.case), row.case.pixels, row.p50, row.p10, row.p90)
                for row in sorted(rows, key=lambda row: row.case.pixels)
            ]
            slope = result.slopes[contender.name, number]
            said = "one size" if slope is None else f"slope {slope.slope:.2f} ({slope.low:.2f} to {slope.high:.2f})"
            series.append(LatencySeries(contender.name, number, said, points))
    figure = latency_figure(series, measured=", ".join(_how(result.settings, result)))
    with new_file(path, force=force) as temporary:
        save_figure(figure, temporary)
