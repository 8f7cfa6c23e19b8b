"""What `convneur bench` measured, as JSON, CSV, Markdown, a table for people, and lines to draw."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from convneur.cost import BenchCase, BenchPlan, BenchResult, RefusedCase, Timing, paired_ratio
from convneur.formats import csv_table, grouped, markdown_table, significant
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.figures.latency import LatencySeries

__all__ = ["case_name", "how_measured", "show", "time_series", "to_csv", "to_json", "to_markdown", "uncounted_notes"]

_BUSY = 0.75  # running processes per core before the run, above which others take time from it
_UNSTEADY = 1.5  # p90 over p50 above which the machine did something else too


# For programs


def to_json(plan: BenchPlan, result: BenchResult) -> dict[str, Any]:
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
            "all_cores": machine.all_cores,
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


def _row_json(row: Timing | RefusedCase, result: BenchResult) -> dict[str, Any]:
    keys = (
        *("macs", "p50_seconds", "p10_seconds", "p90_seconds", "samples_seconds", "calls_per_sample", "first_seconds"),
        *("images_per_second", "pixels_per_second", "macs_per_second", "above_matmul_peak", "peak_resident_bytes"),
        *("peak_growth_bytes", "counted_peak_bytes", "peak_ratio", "launches", "time_ratio"),
    )
    values: dict[str, Any] = {"height": row.case.height, "width": row.case.width, "batch": row.case.batch}
    if isinstance(row, RefusedCase):
        return values | dict.fromkeys(keys) | {"error": row.error}
    found = (
        *(row.macs, row.p50, row.p10, row.p90, row.samples, row.calls, row.first_seconds),
        *(row.images_per_second, row.pixels_per_second, row.macs_per_second, result.above_peak(row)),
        *(row.peak_resident_bytes, row.peak_growth_bytes, row.counted_peak_bytes, row.peak_ratio),
        *(row.launches, _ratio(row, result)),
    )
    return values | dict(zip(keys, found, strict=True)) | {"error": None}


def _slope_json(result: BenchResult, name: str, batch: int) -> dict[str, Any]:
    slope = result.slopes[name, batch]
    values = (None, None) if slope is None else (slope.slope, (slope.low, slope.high))
    return {"batch": batch, "slope": values[0], "interval": values[1]}


def to_csv(as_json: dict[str, Any]) -> str:
    """A row for each net and case; the columns are the JSON's keys, the samples apart by spaces."""
    return csv_table(
        [{"model": net["name"], "params": net["params"]} | row for net in as_json["models"] for row in net["rows"]]
    )


# For people


def show(printer: Printer, plan: BenchPlan, result: BenchResult) -> None:
    """A table and sentences on stdout."""
    columns, rows = _table(plan, result)
    printer.table(_title(result), columns, rows, dense=True)
    printer.text()
    for sentence in _findings(plan, result):
        printer.sentence(sentence)


def to_markdown(plan: BenchPlan, result: BenchResult) -> str:
    """The same table and sentences."""
    columns, rows = _table(plan, result)
    findings = "\n".join(f"- {sentence}" for sentence in _findings(plan, result))
    return f"## {_title(result)}\n\n{markdown_table(columns, rows)}\n\n{findings}\n"


def _title(result: BenchResult) -> str:
    return f"Forward pass: {how_measured(result)}"


def how_measured(result: BenchResult) -> str:
    """In a few words: cpu, float32, 2 threads, 10 repeats."""
    settings = result.settings
    words = [result.machine.accelerator or settings.device, settings.dtype]
    words += ["channels-last"] if settings.channels_last else []
    words += ["compiled"] if settings.compile else []
    if not settings.on_cuda:
        words.append(_several(result.machine.threads, "thread"))
    return ", ".join([*words, _several(settings.repeats, "repeat")])


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _table(plan: BenchPlan, result: BenchResult) -> tuple[list[str], list[list[str]]]:
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


def _ratio(row: Timing, result: BenchResult) -> float | None:
    """To the first net's time at the same case; None where that was refused."""
    first = next(other for other in result.rows if other.case == row.case)
    return paired_ratio(row, first) if isinstance(first, Timing) else None


def _findings(plan: BenchPlan, result: BenchResult) -> list[str]:
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
    sentences += _fold_sentences(plan, timed)
    sentences += _launch_sentences(plan, timed)
    unsteady = [row for row in timed if row.p90 > _UNSTEADY * row.p50]
    if unsteady:
        worst = max(unsteady, key=lambda row: row.p90 / row.p50)
        sentences.append(
            f"Unsteady: p90 is up to {worst.p90 / worst.p50:.1f} times p50 ({worst.contender} on "
            f"{case_name(worst.case)}), so something else ran on this machine; more --repeats, or a quieter machine."
        )
    if result.load is not None and result.load > _BUSY * result.machine.all_cores:
        sentences.append(
            f"The machine was busy before the run began (load {result.load:.1f} on "
            f"{_several(result.machine.all_cores, 'core')}): these times may be too long."
        )
    if any(result.above_peak(row) for row in timed):
        sentences.append(
            "!: above the device's measured peak of matrix products: suspect the clock, unless an algorithm saves "
            "products."
        )
    return sentences + _machine_sentences(result) + _terms(timed, result)


def uncounted_notes(plan: BenchPlan) -> list[str]:
    """A line for each contender at whose sizes no count foretells whether they fit into memory."""
    blind: dict[str, list[str]] = {}
    for one in (one for row in plan.cases for one in row if one.needed_bytes is None):
        blind.setdefault(one.contender.name, []).append(case_name(one.case))
    return [
        f"{name} cannot be counted on {', '.join(dict.fromkeys(cases))}: nothing foretells if it fits into memory"
        for name, cases in blind.items()
    ]


def _fold_sentences(plan: BenchPlan, timed: list[Timing]) -> list[str]:
    """What each folded net, which comes right behind its own, has before it."""
    rows = {(row.contender, row.case): row for row in timed}
    sentences = []
    for plain, folded in pairwise(plan.contenders):
        for case in (row[0].case for row in plan.cases if folded.folded):
            before, after = rows.get((plain.name, case)), rows.get((folded.name, case))
            if before and after and before.macs and after.macs:
                sentences.append(
                    f"{folded.name} on {case_name(case)}: the same function in {after.macs / before.macs:.1%} of the "
                    f"multiply-adds and {paired_ratio(after, before):.3f} of the time."
                )
    return sentences


def _launch_sentences(plan: BenchPlan, timed: list[Timing]) -> list[str]:
    of_nets = []
    for contender in plan.contenders:
        its = {_size_name(row.case): row.launches for row in timed if row.contender == contender.name and row.launches}
        numbers = set(its.values())
        if len(numbers) == 1:
            of_nets.append(f"{contender.name} {numbers.pop()}")
        elif its:
            of_nets.append(f"{contender.name} {', '.join(f'{number} at {size}' for size, number in its.items())}")
    return [f"Operators launched in a forward pass, by a count: {'; '.join(of_nets)}."] if of_nets else []


def _machine_sentences(result: BenchResult) -> list[str]:
    machine, settings = result.machine, result.settings
    place = [machine.accelerator] if machine.accelerator else []
    cores = _several(machine.all_cores, "core")
    cores = cores if machine.cores == machine.all_cores else f"{machine.cores} of {cores}"
    place.append(f"{machine.processor or 'an unnamed processor'}, {cores}")
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


def _terms(timed: list[Timing], result: BenchResult) -> list[str]:
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


def _batches_of(plan: BenchPlan) -> list[int]:
    return list(dict.fromkeys(row[0].case.batch for row in plan.cases))


def _size_name(case: BenchCase) -> str:
    return str(case.height) if case.height == case.width else f"{case.height}x{case.width}"


def case_name(case: BenchCase) -> str:
    """A case in a sentence: 8 images of 224."""
    return f"{_several(case.batch, 'image')} of {_size_name(case)}"


def time_series(plan: BenchPlan, result: BenchResult) -> "list[LatencySeries]":
    """A line to draw for each net and batch size; one that was timed at no size has no points."""
    from convneur.figures.latency import LatencyPoint, LatencySeries

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
    return series
