"""Models timed side by side: looked up, planned, run, and made a result of."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import nn

from convneur.bench.ceilings import measure_ceilings
from convneur.bench.machine import describe_machine
from convneur.bench.peak import matmul_peak
from convneur.bench.plan import AS_IT_IS, BenchCase, BenchEntry, BenchPlan, plan_bench
from convneur.bench.result import BenchResult, LabelsBeside, ModelTimes
from convneur.bench.settings import BenchSettings, DtypeName, MemoryFormat
from convneur.bench.timing import RefusedCase, Timing, time_slope
from convneur.bench.trained import agreement_with, with_trained
from convneur.bench.turns import thread_limit, time_case
from convneur.cost import ExternalModel, Models, find_models
from convneur.errors import ConfigError
from convneur.inference import Predictor
from convneur.model.folding import folds
from convneur.progress import Progress, silent
from convneur.results import ReadOnly
from convneur.sizes import Size, find_sizes
from convneur.variants import ConvNeurConfig

__all__ = ["run_bench", "run_plan"]

_MAX_BATCH = 4096
_DEPTH = 2


def run_bench(
    models: Models | Predictor | Iterable[Models | Predictor] | Mapping[str, Models | Predictor] = "m1",
    *,
    sizes: Size | Iterable[Size] = (224, 512, 1024),
    batch: int | str | Iterable[int] = 1,
    against: Models | Predictor | Iterable[Models | Predictor] | Mapping[str, Models | Predictor] | None = None,
    fold: bool = False,
    by: Literal["module"] | None = None,
    depth: int | None = None,
    device: str = "cpu",
    dtype: DtypeName = "float32",
    memory_format: MemoryFormat = "contiguous",
    compile: bool = False,
    threads: int | None = None,
    warmup: int = 3,
    repeats: int = 10,
    seed: int = 0,
    progress: Progress = silent,
    **settings: Any,
) -> BenchResult:
    """Time the forward pass of models side by side: latency, throughput and peak memory over image and batch sizes.

    Models take turns, without gradients, on random images. A model that fails on a case is a row with its error; the
    others go on. torch's number of threads and its random state are afterwards as they were. Models of the same weights
    are compared with the first of them on packaged images, so that a faster one is known to say the same.

    Args:
        models: as `convneur.cost.find_models` takes them: "m1", "m1,m3", a .json file, a `ConvNeurConfig`,
            "package.module:factory", "timm/NAME", a `torch.nn.Module` (a copy of it is timed), a function or class that
            makes one. Trained ones, too: packaged weights by name, a .safetensors file, a graph that `convneur.export`
            wrote (.onnx, .xml), what `convneur.load` gives. A list of those, or a dict from names to them.
        sizes: of images: sides in pixels or (height, width), or a text such as "224,512x2048".
        batch: images per call: one number, several, or a text with commas.
        against: likewise models, to time in turn with these as they are: without `settings`.
        fold: time each ConvNeur of `models` that can be folded for inference so, too.
        by: module: also time each module, against ceilings that are measured on this device: where the time goes.
        depth: of modules that are timed, in parts of their paths; 2 if left out.
        device, dtype, memory_format, compile, threads, warmup, repeats, seed: see `BenchSettings`.
        progress: what long work reports to.
        settings: as `convneur.variants.find_config` takes them, for every ConvNeur of `models`; inputs, input_factory
            and factory_arguments, as `convneur.cost.find_models` takes them, for the others: inputs are zeros.
    Returns: the times, with the machine they were measured on.
    Raises:  ConfigError: a wrong argument, by its name. InputError: a broken file or module, or a case that needs more
        memory than is free.

    >>> result = run_bench("m1", sizes=32, warmup=1, repeats=2, memory="none")
    >>> result.models[0].rows[0].macs_per_second > 0
    True
    """
    if by not in (None, "module"):
        raise ConfigError("by", "choose module", value=repr(by))
    if by is None and depth is not None:
        raise ConfigError("depth", "is of a tree of modules; set `by` to module", value=depth)
    depth = _DEPTH if by == "module" and depth is None else depth
    how = BenchSettings(device, dtype, memory_format, compile, threads, warmup, repeats, seed, depth)
    cases = [BenchCase(*size, count) for size in find_sizes(sizes).values() for count in _find_batches(batch)]
    entries = _entries(find_models(with_trained(models, how), progress=progress, **settings), fold=fold)
    if against is not None:
        peers = with_trained(against, how, setting="against")
        entries = _with_peers(entries, find_models(peers, setting="against", progress=progress))
    if by is not None and all(entry.is_graph for entry in entries):
        raise ConfigError("by", "an exported graph has no modules; time the weights that it was made from", value=by)
    if any(case.batch > 1 for case in cases) and not all(entry.takes_images for entry in entries):
        raise ConfigError("batch", "`inputs` have their own batch; leave it out")
    plan = plan_bench(entries, cases, how)
    for name, uncounted in plan.uncounted().items():
        cases_named = ", ".join(map(str, uncounted))
        progress.note(f"{name} cannot be counted on {cases_named}: whether it fits into memory is not known beforehand")
    result = run_plan(plan, how, progress=progress)
    for row in result.refused:
        progress.error(f"{row.model} on {row.case}: {row.error}")
    return result


def run_plan(plan: BenchPlan, settings: BenchSettings, *, progress: Progress = silent) -> BenchResult:
    """Time what was planned, see `run_bench`."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before this run adds its own
    random_state = torch.random.fork_rng([settings.device] if settings.on_cuda else [])
    steps = progress.steps("timing", 1 + sum(len(row) for row in plan.cases))
    with thread_limit(settings.threads), random_state, torch.no_grad(), steps as advance:
        torch.manual_seed(settings.seed)
        advance("the device's peak", 0)
        peak = matmul_peak(settings)
        ceilings = None if settings.depth is None else measure_ceilings(settings, peak=peak)
        advance()
        kept: dict[str, nn.Module] = {}
        rows = [time_case(planned, settings, kept, advance, ceilings) for planned in plan.cases]
        labels = _labels_beside(plan, kept, settings)
        runtimes = [entry.trained.runtime for entry in plan.entries if entry.trained is not None and entry.is_graph]
        machine = describe_machine(settings.device, packages=("timm", *runtimes))  # here, since it tells the threads
    models = tuple(
        _times_of(entry, params, [row[number] for row in rows], settings.seed, labels.get(entry.name))
        for number, (entry, params) in enumerate(zip(plan.entries, plan.params, strict=True))
    )
    return BenchResult(settings, machine, load, peak, models, ceilings)


def _labels_beside(
    plan: BenchPlan, modules: Mapping[str, nn.Module], settings: BenchSettings
) -> dict[str, LabelsBeside]:
    """By the entry's name, how a model that was timed agrees with the first one of the same weights."""
    found = {}
    sizes = list(dict.fromkeys((row[0].case.height, row[0].case.width) for row in plan.cases))
    timed = [(entry.name, entry.trained) for entry in plan.entries if entry.trained is not None]
    timed = [(name, trained) for name, trained in timed if name in modules]
    for number, (name, trained) in enumerate(timed):
        same = [(other, first) for other, first in timed[:number] if trained.has_weights_of(first)]
        if not same:
            continue
        other, first = same[0]
        seen = agreement_with(first, trained, (modules[other], modules[name]), sizes, settings)
        if seen is not None:
            found[name] = LabelsBeside(other, seen)
    return found


def _times_of(
    entry: BenchEntry,
    params: int | None,
    rows: list[Timing | RefusedCase],
    seed: int,
    labels: LabelsBeside | None,
) -> ModelTimes:
    timed: dict[int, list[Timing]] = {row.case.batch: [] for row in rows}
    for row in rows:
        if isinstance(row, Timing):
            timed[row.case.batch].append(row)
    slopes = {
        batch: time_slope([row.case.pixels for row in its], [row.samples for row in its], seed=seed)
        for batch, its in timed.items()
    }
    runtime = "torch" if entry.trained is None else entry.trained.runtime
    return ModelTimes(
        entry.name,
        params,
        entry.folded_from,
        tuple(rows),
        ReadOnly(slopes),
        runtime,
        labels,
        changes=tuple(entry.changes),
        external=entry.config is None and entry.trained is None,
    )


def _find_batches(batch: int | str | Iterable[int]) -> list[int]:
    """Batch sizes, each once. Raises: ConfigError."""
    if isinstance(batch, str):
        given = [int(part) if part.strip().isdecimal() else 0 for part in batch.split(",")]
    else:
        given = [batch] if isinstance(batch, int) else list(batch)
    if not given or not all(isinstance(number, int) and 1 <= number <= _MAX_BATCH for number in given):
        raise ConfigError("batch", f"give whole numbers from 1 to {_MAX_BATCH}, such as 1,8", value=repr(batch))
    return list(dict.fromkeys(given))


def _entries(models: Mapping[str, ConvNeurConfig | ExternalModel], *, fold: bool) -> list[BenchEntry]:
    """The models asked for, each that can be folded followed by its folded form."""
    entries = []
    for name, model in models.items():
        entry = BenchEntry(name, model)
        entries.append(entry)
        config = None if entry.is_graph else entry.config
        if fold and config is not None and any(folds(config, stage) for stage in range(1, 5)):
            entries.append(BenchEntry(f"{name} folded", model, folded_from=name))
    if fold and not any(entry.folded_from for entry in entries):
        raise ConfigError(
            "fold",
            f"nothing in {', '.join(models)} can be folded: that takes a ConvNeur with a neural memory of one layer, "
            "without max_state_norm, in a stage no wider than C_m",
        )
    return entries


def _with_peers(entries: list[BenchEntry], peers: Mapping[str, ConvNeurConfig | ExternalModel]) -> list[BenchEntry]:
    """A peer of an entry's name is told apart, as settings change the first."""
    named = {entry.name: entry for entry in entries}
    peer_entries = []
    for name, model in peers.items():
        same = named.get(name)
        if same is not None and (same.model == model or not isinstance(model, ConvNeurConfig)):
            raise ConfigError("against", "is timed already, by `models`", value=name)
        peer_entries.append(BenchEntry(name if same is None else f"{name}{AS_IT_IS}", model))
    return [*entries, *peer_entries]
