"""What was measured, as tables and sentences, JSON and files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convneur.bench.ceilings import Ceilings
from convneur.bench.machine import Machine
from convneur.bench.modules import TimedTree, tree_terms
from convneur.bench.plan import BenchCase
from convneur.bench.settings import BenchSettings
from convneur.bench.timing import RefusedCase, TimeSlope, Timing, paired_ratio
from convneur.formats import grouped, plural, significant
from convneur.inference import Agreement
from convneur.results import Result, Table
from convneur.sizes import size_name

__all__ = ["BenchResult", "LabelsBeside", "ModelTimes"]

_BUSY = 0.75  # running processes per core before the run, above which others take time from it
_UNSTEADY = 1.5  # p90 over p50 above which the machine did something else too

# The values of a row of the JSON, after its case.
_ROW_KEYS = (
    *("macs", "p50_seconds", "p10_seconds", "p90_seconds", "samples_seconds", "calls_per_sample", "first_seconds"),
    *("images_per_second", "pixels_per_second", "macs_per_second", "above_matmul_peak", "peak_resident_bytes"),
    *("peak_growth_bytes", "counted_peak_bytes", "peak_ratio", "launches", "time_ratio"),
)


@dataclass(frozen=True)
class LabelsBeside:
    """How a model agrees with another one of the same weights, on packaged images at the timed sizes."""

    model: str
    agreement: Agreement

    def to_dict(self) -> dict[str, Any]:
        return {"beside": self.model, **self.agreement.to_dict()}


@dataclass(frozen=True)
class ModelTimes:
    """One model's times.

    params: None where no size could be counted. folded_from: the model whose folded form this is. rows: one for each
    case. slopes: by batch size, how the time grows with the pixels; None with fewer than two sizes timed. runtime: the
    package that ran it: torch, onnxruntime, openvino. labels: beside the first model of the same weights, if any.
    changes: of the variant that it is named after, in words. external: a model of others, called with one image of
    three channels or what was given.

    >>> ModelTimes("m1", 4317092, folded_from=None, rows=(), slopes={}).timed
    ()
    """

    name: str
    params: int | None
    folded_from: str | None
    rows: tuple[Timing | RefusedCase, ...]
    slopes: Mapping[int, TimeSlope | None]
    runtime: str = "torch"
    labels: LabelsBeside | None = None
    changes: tuple[str, ...] = ()
    external: bool = False

    @property
    def timed(self) -> tuple[Timing, ...]:
        return tuple(row for row in self.rows if isinstance(row, Timing))


@dataclass(frozen=True)
class BenchResult(Result):
    """All that was measured.

    load: how many processes the machine ran on average in the minute before; None where the system does not tell.
    matmul_peak: multiply-adds a second, None where the device cannot multiply the dtype. models: all of the same cases.
    ceilings: of the device, where modules were timed, too.

    >>> from convneur.bench import run_bench
    >>> result = run_bench("m1", sizes=[32], warmup=1, repeats=2, memory="none")
    >>> print(str(result).split(", ")[0])
    Forward pass: cpu
    """

    settings: BenchSettings
    machine: Machine
    load: float | None
    matmul_peak: float | None
    models: tuple[ModelTimes, ...]
    ceilings: Ceilings | None = None

    @property
    def trees(self) -> tuple[TimedTree, ...]:
        """The times of modules, of each model on each case, where they were asked for."""
        return tuple(row.modules for row in self.timed if row.modules is not None)

    @property
    def rows(self) -> tuple[Timing | RefusedCase, ...]:
        """Models within cases."""
        return tuple(row for of_case in zip(*(model.rows for model in self.models), strict=True) for row in of_case)

    @property
    def timed(self) -> tuple[Timing, ...]:
        return tuple(row for row in self.rows if isinstance(row, Timing))

    @property
    def refused(self) -> tuple[RefusedCase, ...]:
        return tuple(row for row in self.rows if isinstance(row, RefusedCase))

    @property
    def other_inputs_may_help(self) -> bool:
        """Whether a model of others was timed at no case, which its inputs may be the reason of."""
        return any(model.external and not model.timed for model in self.models)

    @property
    def conditions(self) -> str:
        """In a few words: cpu, float32, 2 threads, 10 repeats."""
        settings = self.settings
        words = [self.machine.accelerator or settings.device, settings.dtype]
        words += ["channels-last"] if settings.memory_format == "channels-last" else []
        words += ["compiled"] if settings.compile else []
        if not settings.on_cuda:
            words.append(plural(self.machine.threads, "thread"))
        return ", ".join([*words, plural(settings.repeats, "repeat")])

    def above_peak(self, row: Timing) -> bool:
        """Whether a row's rate is above the device's own: then a clock did not wait, or products were saved."""
        return bool(self.matmul_peak and row.macs_per_second and row.macs_per_second > self.matmul_peak)

    def time_ratio(self, row: Timing) -> float | None:
        """How many times as long as the first model at the same case; None where that was refused."""
        first = next(other for other in self.models[0].rows if other.case == row.case)
        return paired_ratio(row, first) if isinstance(first, Timing) else None

    # For programs

    def to_dict(self) -> dict[str, Any]:
        settings, machine = self.settings, self.machine
        return {
            "schema": "convneur.bench/1",
            "settings": {
                "device": settings.device,
                "dtype": settings.dtype,
                "memory_format": settings.memory_format,
                "compile": settings.compile,
                "threads": machine.threads,
                "warmup": settings.warmup,
                "repeats": settings.repeats,
                "seed": settings.seed,
                **({} if settings.depth is None else {"depth": settings.depth}),
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
                "load_average_before": self.load,
                "matmul_peak_macs_per_second": self.matmul_peak,
                **({} if self.ceilings is None else self.ceilings.to_dict()),
            },
            "versions": dict(machine.versions),
            "models": [
                {
                    "name": model.name,
                    "params": model.params,
                    "runtime": model.runtime,
                    **({"changes": list(model.changes)} if model.changes else {}),
                    "labels": None if model.labels is None else model.labels.to_dict(),
                    "rows": [self._row_dict(row) | _modules_dict(row) for row in model.rows],
                    "scaling": [_slope_dict(batch, slope) for batch, slope in model.slopes.items()],
                }
                for model in self.models
            ],
        }

    def _row_dict(self, row: Timing | RefusedCase) -> dict[str, Any]:
        values = _case_dict(row.case)
        if isinstance(row, RefusedCase):
            return values | dict.fromkeys(_ROW_KEYS) | {"uncounted_operators": None, "error": row.error}
        values["batch"] = row.images
        found = (
            *(row.macs, row.p50, row.p10, row.p90, row.samples, row.calls, row.first_seconds),
            *(row.images_per_second, row.pixels_per_second, row.macs_per_second, self.above_peak(row)),
            *(row.peak_resident_bytes, row.peak_growth_bytes, row.counted_peak_bytes, row.peak_ratio),
            *(row.launches, self.time_ratio(row)),
        )
        uncounted = {"uncounted_operators": dict(row.uncounted), "error": None}
        return values | dict(zip(_ROW_KEYS, found, strict=True)) | uncounted

    def records(self) -> list[dict[str, Any]]:
        """A row for each model and case, or for each of its modules; the columns are the JSON's keys."""
        if self.trees:
            return [
                {"model": row.model, **_case_dict(row.case), **module}
                for row in self.timed
                if row.modules is not None
                for module in row.modules.records()
            ]
        return [
            {"model": model.name, "params": model.params, "runtime": model.runtime, **self._row_dict(row)}
            for model in self.models
            for row in model.rows
        ]

    # For people

    def tables(self) -> tuple[Table, ...]:
        runtimes = any(model.runtime != "torch" for model in self.models)
        runtime_of = {model.name: model.runtime for model in self.models}
        columns = [
            *(("model", "runtime") if runtimes else ("model",)),
            *("size", "batch", "p50\nms", "p90\nms", "images\n/s", "ns\n/px", "GMACs\n/s"),
            *("peak\nMB", "of the\ncount", "time vs\nthe first"),
        ]
        several = len(self.models) > 1
        columns = columns if several else columns[:-1]
        rows = []
        for row in self.rows:
            images = row.images if isinstance(row, Timing) else row.case.batch
            line = [row.model, *([runtime_of[row.model]] if runtimes else []), row.case.size, str(images)]
            if isinstance(row, RefusedCase):
                rows.append([*line, "refused", *["-"] * (len(columns) - len(line) - 1)])
                continue
            line += self._values(row)
            if several:
                ratio = self.time_ratio(row)
                first = row.model == self.models[0].name
                line.append("-" if ratio is None else "1" if first else f"{ratio:.3f}x")
            rows.append(line)
        times = Table(f"Forward pass: {self.conditions}", columns, rows, left=1 + runtimes, dense=True)
        return (times, *(table for tree in self.trees for table in tree.tables()))

    def _values(self, row: Timing) -> list[str]:
        rate, growth, ratio = row.macs_per_second, row.peak_growth_bytes, row.peak_ratio
        return [
            significant(1e3 * row.p50),
            significant(1e3 * row.p90),
            significant(row.images_per_second),
            significant(1e9 / row.pixels_per_second),
            "-" if rate is None else significant(rate / 1e9) + "!" * self.above_peak(row),
            "-" if growth is None else significant(growth / 1e6),
            "-" if ratio is None else f"{ratio:.2f}x",
        ]

    def sentences(self) -> tuple[str, ...]:
        return (
            *self._refusals(),
            *self._changes(),
            *self._growth(),
            *self._folding(),
            *self._labels(),
            *self._launches(),
            *self._lacks(),
            *self._by_module(),
            *self.doubts(),
            *self._machine(),
            *self._terms(),
        )

    def _refusals(self) -> Iterator[str]:
        for row in self.refused:
            yield f"Refused: {row.model} on {row.case}: {row.error}."

    def _changes(self) -> Iterator[str]:
        for model in self.models:
            if model.changes:
                yield f"{model.name} has {', '.join(model.changes)}; the variant itself has not."

    def _growth(self) -> Iterator[str]:
        for model in self.models:
            for batch, slope in model.slopes.items():
                if slope is not None:
                    yield (
                        f"{model.name}, batch {batch}: time grows as the pixels to the power {slope.slope:z.2f} "
                        f"(Theil-Sen; 95 % bootstrap interval {slope.low:z.2f} to {slope.high:z.2f})."
                    )

    def _folding(self) -> Iterator[str]:
        """What each folded model has before the one it was made from."""
        named = {model.name: model for model in self.models}
        for folded in self.models:
            if folded.folded_from is None:
                continue
            for before, after in zip(named[folded.folded_from].rows, folded.rows, strict=True):
                if isinstance(before, Timing) and isinstance(after, Timing) and before.macs and after.macs:
                    yield (
                        f"{folded.name} on {after.case}: the same function in {after.macs / before.macs:.1%} of the "
                        f"multiply-adds and {paired_ratio(after, before):.3f} of the time."
                    )

    def _labels(self) -> Iterator[str]:
        """Whether models of the same weights say the same, and which graphs have nothing beside them to ask."""
        for model in self.models:
            if model.labels is None:
                continue
            seen = model.labels.agreement
            sizes = ", ".join(size_name(*size) for size in seen.sizes)
            same = "" if seen.labels_equal is None else f"{seen.labels_equal:.3%} of the labels equal, "
            images = plural(seen.images, "packaged image")
            yield (
                f"{model.name} beside {model.labels.model}, on {images} at {sizes}: {same}"
                f"values apart by {seen.difference:.1e} of their standard deviation."
            )
        beside = {model.labels.model for model in self.models if model.labels is not None}
        alone = [
            model.name
            for model in self.models
            if model.runtime != "torch" and model.labels is None and model.name not in beside and model.timed
        ]
        if alone:
            yield f"Nothing was compared with {', '.join(alone)}: time the weights behind it as well."

    def _launches(self) -> Iterator[str]:
        of_models = []
        for model in self.models:
            its = {row.case.size: row.launches for row in model.timed if row.launches}
            numbers = set(its.values())
            if len(numbers) == 1:
                of_models.append(f"{model.name} {numbers.pop()}")
            elif its:
                of_models.append(f"{model.name} {', '.join(f'{number} at {size}' for size, number in its.items())}")
        if of_models:
            yield f"Operators launched in a forward pass, by a count: {'; '.join(of_models)}."

    def _lacks(self) -> Iterator[str]:
        """What the counted multiply-adds leave out."""
        for model in self.models:
            calls: dict[str, int] = {}
            for row in model.timed:
                for operator, number in row.uncounted.items():
                    calls[operator] = max(calls.get(operator, 0), number)
            if calls:
                named = ", ".join(f"{operator} ({plural(number, 'call')})" for operator, number in calls.items())
                yield f"The count of {model.name} lacks what has no formula: {named}."
            elif model.timed and all(row.macs is None for row in model.timed):
                yield f"{model.name} could not be counted: its rates and its memory stand beside no count."

    def _by_module(self) -> Iterator[str]:
        if self.ceilings is None:
            return
        graphs = [model.name for model in self.models if model.runtime != "torch"]
        if graphs:
            yield f"By module: {', '.join(graphs)} runs as one graph, of which no part is timed."
        for row in self.timed:
            if row.modules is not None:
                yield row.modules.words
                yield from self._beside_first(row)
        yield from tree_terms(self.ceilings)

    def _beside_first(self, row: Timing) -> Iterator[str]:
        """What a model has of each amount, in times of what the first one has."""
        first = next(other for other in self.models[0].rows if other.case == row.case)
        if first is row or isinstance(first, RefusedCase) or row.modules is None or first.modules is None:
            return
        mine, theirs = row.modules.whole.cost, first.modules.whole.cost
        if mine is not None and theirs is not None:
            amounts = {
                "multiply-adds": (mine.macs, theirs.macs),
                "bytes": (mine.moved_bytes, theirs.moved_bytes),
                "launches": (mine.launches, theirs.launches),
            }
            ratios = [f"{a / b:.3g} times the {word}" for word, (a, b) in amounts.items() if b]
            yield (
                f"{row.model} beside {first.model} on {row.case}: {self.time_ratio(row):.3g} times the time with "
                f"{', '.join(ratios)}."
            )

    def doubts(self) -> Iterator[str]:
        """What makes these times less sure: an unsteady or busy machine, rates above the peak."""
        unsteady = [row for row in self.timed if row.p90 > _UNSTEADY * row.p50]
        if unsteady:
            worst = max(unsteady, key=lambda row: row.p90 / row.p50)
            yield (
                f"Unsteady: p90 is up to {worst.p90 / worst.p50:.1f} times p50 ({worst.model} on {worst.case}). "
                "Something else ran on this machine: take more repeats or a quieter machine."
            )
        if self.load is not None and self.load > _BUSY * self.machine.all_cores:
            yield (
                f"The machine was busy before the run began (load {self.load:.1f} on "
                f"{plural(self.machine.all_cores, 'core')}): these times may be too long."
            )
        if any(self.above_peak(row) for row in self.timed):
            yield (
                "!: above the device's measured peak of matrix products. Suspect the clock, unless an algorithm saves "
                "products."
            )

    def _machine(self) -> Iterator[str]:
        machine, settings = self.machine, self.settings
        place = [machine.accelerator] if machine.accelerator else []
        cores = plural(machine.all_cores, "core")
        cores = cores if machine.cores == machine.all_cores else f"{machine.cores} of {cores}"
        place.append(f"{machine.processor or 'an unnamed processor'}, {cores}")
        if machine.instructions and not settings.on_cuda:
            place.append(f"with {' '.join(machine.instructions)} (torch's kernels: {machine.torch_capability})")
        versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
        yield f"Machine: {'; '.join(place)}; {machine.system}. Versions: {versions}."
        if self.matmul_peak is None:
            yield f"No peak was measured: {settings.device} cannot multiply {settings.dtype} matrices."
        else:
            yield f"Measured peak of {settings.dtype} matrix products: {significant(self.matmul_peak / 1e9)} GMACs/s."
        if settings.dtype == "bfloat16" and machine.bfloat16 is False:
            yield "This device has no instructions for bfloat16, which is therefore no faster than float32."

    def _terms(self) -> Iterator[str]:
        yield "p50, p90: median and 90th percentile of the time of a call on one batch. ns/px: nanoseconds per pixel."
        if any(row.peak_growth_bytes is not None for row in self.timed):
            holder = "torch, on the device," if self.settings.on_cuda else "the process"
            yield (
                f"Peak: the most memory that {holder} held during a call above what it held before. Of the count: that "
                "peak over the predicted activations; what is above 1 is the kernels' own."
            )
            highest = max(row.peak_resident_bytes or 0 for row in self.timed)
            yield f"With weights and libraries {holder} held {grouped(highest / 1e6)} MB at most."


def _case_dict(case: BenchCase) -> dict[str, Any]:
    return {"height": case.height, "width": case.width, "batch": case.batch}


def _modules_dict(row: Timing | RefusedCase) -> dict[str, Any]:
    """New keys of a row where modules were timed, too."""
    return {"modules": row.modules.records()} if isinstance(row, Timing) and row.modules is not None else {}


def _slope_dict(batch: int, slope: TimeSlope | None) -> dict[str, Any]:
    return {
        "batch": batch,
        "slope": None if slope is None else slope.slope,
        "interval": None if slope is None else (slope.low, slope.high),
    }
