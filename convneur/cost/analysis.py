"""Models counted at several sizes, and what their cost grows with."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from convneur.claims import find_claims
from convneur.cost.baseline import check_baseline, find_tolerance, match_baseline, read_baseline, swept_size
from convneur.cost.claims import check_claim
from convneur.cost.conventions import Convention
from convneur.cost.external import (
    ExternalCounter,
    ExternalModel,
    external_probe_sizes,
    smaller_probe_sizes,
)
from convneur.cost.inputs import ModelInputs, Sweep, find_sweep
from convneur.cost.lookup import AnyModel, Models, blaming, called_with, find_models
from convneur.cost.model_cost import By, ModelCost, compare_counters, model_name
from convneur.cost.model_counter import (
    TWINS,
    ImageCost,
    ModelCounter,
    RefusedSize,
    TwinName,
    join_scaling,
    probe_sizes,
    twin_of,
)
from convneur.cost.operators import FormulaError
from convneur.cost.report import CostReport, CounterName
from convneur.cost.scaling import PIXELS, GrowthAxis
from convneur.errors import ConfigError, InputError
from convneur.module_tree import MOST_DEPTH
from convneur.progress import Advance, Progress, silent
from convneur.results import ReadOnly
from convneur.sizes import MAX_SIDE, Size, find_sizes, size_name
from convneur.variants import ConvNeurConfig

__all__ = ["analyze"]

_Cost = TypeVar("_Cost")
_Sizes = Mapping[str, tuple[int, int]]
_Probes = tuple[tuple[int, int], ...]

_PROBE_ATTEMPTS = 4


def analyze(
    models: Models = "m1",
    *,
    sizes: Size | Iterable[Size] | None = None,
    convention: Convention = "all",
    counter: CounterName = "dispatch",
    by: By | None = None,
    depth: int | None = None,
    backward: bool = False,
    compare: str | Iterable[str] = (),
    inputs: str | Iterable[str] | Callable[..., Any] | None = None,
    input_factory: str | None = None,
    sweep: str | None = None,
    claims: str | Iterable[str] = (),
    baseline: str | Path | None = None,
    tolerance: str | float = 0,
    probe: Size | Iterable[Size] | None = None,
    verdict: bool = True,
    progress: Progress = silent,
    **settings: Any,
) -> CostReport:
    """Count what models execute for one image of each size, and find how their cost grows with the pixels.

    Nothing is computed: models run on torch's meta device, but by fvcore, and where a model of others cannot run so. A
    model that is given is left as it was: a copy is counted.

    Args:
        models: as `find_models` takes them: "m1", "all", "m1,m3", a .json file, a `ConvNeurConfig`,
            "package.module:factory", "timm/NAME", a `torch.nn.Module`, a function or class that makes one; a list of
            those, or a dict from names to them.
        sizes: sides in pixels or (height, width), or a text such as "224,512x2048"; 224, 512 and 1024 if left out. One
            of them, 224 if left out, with `sweep`.
        convention: all: everything executed. paper: without the products of memory updates and of self-attention.
        counter: dispatch: ours. fvcore: a second one, which runs the model. both: ours, compared with fvcore's.
        by: also split multiply-adds by branch, module or operator.
        depth: with `by` module, a tree of the modules down to this many parts of their paths, each with all that it
            holds: parameters, multiply-adds, bytes moved, arithmetic intensity, launches. `report.trees` has them.
        backward: also count a forward and a backward pass, and what they hold.
        compare: twins of each ConvNeur to count beside it: self-attention, local-only.
        inputs: what an external model is called with, as `convneur.cost.inputs.find_inputs` takes it: "1x1xHxW",
            ["image=1x3xHxW", "ids=1x77:int64"], or a function of height and width. Left out: one image of 3 channels.
        input_factory: such a function by its name, "package.module:function".
        sweep: another axis of the inputs than the image's, with its values, such as "T=16,32,64" for "1x3xTxHxW": what
            the counts differ in, and the verdict speaks of, at one image size.
        claims: what is to hold of each model, as `convneur.claims.find_claims` takes them: "subquadratic",
            "<= 1.0 GMACs@224", "<= 5 M params"; their sizes are counted too. `report.claims` has what was found.
        baseline: an earlier report, saved as JSON: parameters, multiply-adds and memory at its sizes are set against it
            in `report.baseline`. tolerance: how much dearer they may be, as "2%" or 0.02.
        probe: the sizes that the verdict is found from: three, each of twice the sides of the last; or the first. With
            `sweep`: three values of its axis, each twice the last.
        verdict: find how the cost grows, which takes counts at larger sizes; False leaves that out.
        progress: what long work reports to.
        settings: as `convneur.variants.find_config` takes them, for every ConvNeur: memory, chunks, model_preset, ...;
            factory_arguments, as `find_models` takes them.
    Returns: the report; a size that a model refuses is a row of it with the reason.
    Raises:  ConfigError: a wrong argument, by its name. InputError: a broken file or module.

    >>> import convneur
    >>> report = convneur.cost.analyze("m1", sizes=[224, (512, 768)], memory="none")
    >>> print(report.verdict)
    linear in pixels (11.2 kMACs per pixel)
    >>> {size: cost.macs for size, cost in report.models[0].sizes.items()}
    {'224': 560237120, '512x768': 4388241920}
    """
    _choose("convention", convention, get_args(Convention))
    _choose("counter", counter, get_args(CounterName))
    if by is not None:
        _choose("by", by, get_args(By))
    if depth is not None:
        _check_depth(depth, by, counter)
    swept = None if sweep is None else find_sweep(sweep, _one_image(sizes))
    wanted = find_sizes((224, 512, 1024) if sizes is None else sizes) if swept is None else swept.sizes
    asserted = find_claims(claims)
    for claim in asserted:
        if not claim.is_counted:
            how = "a time is measured" if claim.quantity == "time" else "a frontier needs an accuracy"
            raise ConfigError("claims", f"{how}, and this only counts; `convneur audit` does it", value=claim.text)
    if swept is not None and any(claim.size is not None for claim in asserted):
        raise ConfigError("claims", "a limit at an image size cannot be held to a `sweep`; leave one of them out")
    for claim in asserted:
        if claim.size is not None and claim.size not in wanted.values():
            wanted[size_name(*claim.size)] = claim.size
    if not verdict and any(claim.quantity == "growth" for claim in asserted):
        raise ConfigError("claims", "growth needs a verdict; leave `verdict` on")
    probed = _probes(probe, swept) if verdict else ()
    twins = _twins(compare)
    found = find_models(models, progress=progress, **settings)
    external = [name for name, model in found.items() if isinstance(model, ExternalModel)]
    given = called_with(inputs, input_factory, swept)
    if given is not None and (swept or not external):
        own = next((name for name, model in found.items() if isinstance(model, ConvNeurConfig)), None)
        if own is not None:
            setting = "sweep" if swept else "inputs" if input_factory is None else "input_factory"
            raise ConfigError(setting, "a ConvNeur takes one image; leave it out")
    if external and convention == "paper":
        raise ConfigError("convention", f"the paper's is for ConvNeur alone, and {external[0]} is another model")
    if external and by == "branch":
        raise ConfigError("by", f"only a ConvNeur has branches, and {external[0]} is another model")
    if twins and len(external) == len(found):
        raise ConfigError("compare", f"only a ConvNeur has twins, and {external[0]} is another model; leave it out")
    before = None if baseline is None else read_baseline(baseline)
    dearer = find_tolerance(tolerance)
    if before is not None:
        if swept is None:
            sizes_named = [size_name(*size) for size in wanted.values()]
        else:
            sizes_named = [swept_size(name, swept.image) for name in wanted]
        match_baseline(before, found, sizes_named, convention, by_fvcore=counter == "fvcore")
    twins_of: dict[str, dict[TwinName, ConvNeurConfig]] = {}  # before any work, since a model may have no such twin
    for name, model in found.items():
        with blaming(name, "models", settings):
            twins_of[name] = {twin: twin_of(model, twin) for twin in twins} if isinstance(model, ConvNeurConfig) else {}

    steps = len(wanted) * (1 + (counter != "dispatch") + backward) + len(probe_sizes())
    with progress.steps("counting", len(found) * (1 + len(twins)) * steps) as advance:
        count = partial(
            _count,
            sizes=wanted,
            probed=probed,
            inputs=given,
            convention=convention,
            counter=counter,
            backward=backward,
            advance=advance,
        )
        counted = tuple(
            dataclasses.replace(
                count(name, model),
                twins=tuple(count(name, config, twin=twin) for twin, config in twins_of[name].items()),
            )
            for name, model in found.items()
        )
    checked = tuple(check_claim(claim, model) for model in counted for claim in asserted)
    compared = () if before is None else check_baseline(before, counted, dearer)
    return CostReport(counted, convention, counter, by, checked, depth, compared)


def _one_image(sizes: Size | Iterable[Size] | None) -> tuple[int, int]:
    """The image size of a sweep."""
    found = find_sizes(224 if sizes is None else sizes)
    if len(found) > 1:
        raise ConfigError("sweep", "is at one image size; give one in `sizes`")
    return next(iter(found.values()))


def _check_depth(depth: int, by: By | None, counter: CounterName) -> None:
    if by != "module":
        raise ConfigError("depth", "is of a tree of modules; set `by` to module", value=depth)
    if counter == "fvcore":
        raise ConfigError("depth", "needs the dispatch counter; fvcore sees no bytes and no launches", value=depth)
    if not 0 <= depth <= MOST_DEPTH:
        raise ConfigError("depth", f"must be 0 to {MOST_DEPTH}", value=depth)


def _choose(setting: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(setting, f"choose {', '.join(choices)}", value=repr(value))


def _twins(compare: str | Iterable[str]) -> list[TwinName]:
    if isinstance(compare, str):
        compare = [part.strip() for part in compare.split(",")] if compare else []
    names = list(compare)
    for name in names:
        _choose("compare", name, TWINS)
    return [twin for twin in TWINS if twin in names]


def _count(
    name: str,
    model: AnyModel,
    *,
    twin: TwinName | None = None,
    sizes: _Sizes,
    probed: _Probes | None,
    inputs: ModelInputs | None,
    convention: Convention,
    counter: CounterName,
    backward: bool,
    advance: Advance,
) -> ModelCost:
    shown = model_name(name, twin)
    dispatch = _counter(model, inputs)
    costs = complete = _at(_by(dispatch, convention), sizes, shown, advance)
    problems = _refusals(shown, complete)

    def told(how: str, others: Mapping[str, Any]) -> None:
        """What was refused that the first count took."""
        taken = {size: cost for size, cost in others.items() if isinstance(complete[size], ImageCost)}
        problems.extend(_refusals(f"{shown}{how}", taken))

    counters = None
    if counter != "dispatch":
        seen = _at(_by(_counter(model, inputs, "fvcore"), convention), sizes, f"{shown} by fvcore", advance)
        told(" by fvcore", seen)
        counters = compare_counters(complete if counter == "both" else None, seen)
        costs = complete if counter == "both" else seen
    training = None
    if backward:
        training = _at(dispatch.training_at, sizes, f"{shown}, backward too,", advance)
        told(", backward too,", training)
    # The verdict needs sizes at which running a model takes minutes: it is found on the meta device where that can be.
    sweep = None if inputs is None else inputs.sweep
    axis = PIXELS if sweep is None else GrowthAxis(sweep.axis)
    if probed is not None:
        probes = _at(_by(dispatch, convention), _named(probed, sweep), shown, advance)
    elif isinstance(dispatch, ExternalCounter):
        probes = _probe_external(dispatch, complete, sweep, shown, advance)
    else:
        probes = _at(_by(dispatch, convention), _named(dispatch.probe_sizes()), shown, advance)
    own = model if isinstance(model, ConvNeurConfig) else None
    return ModelCost(
        name=name,
        twin=twin,
        config=own,
        params=dispatch.params,
        source=model.source if isinstance(model, ExternalModel) else None,
        ran_on_zeros=isinstance(dispatch, ExternalCounter) and dispatch.ran_on_zeros,
        built_for_real=dispatch.built_for_real if isinstance(dispatch, ExternalCounter) else None,
        built_per_size=isinstance(model, ExternalModel) and model.takes_size,
        reads_before_write=own is not None and own.first_chunk_reads_start,
        sizes=ReadOnly(costs),
        probes=ReadOnly(probes),
        scaling=join_scaling(list(probes.values()), list(costs.values()), complete=list(complete.values()), axis=axis),
        training=None if training is None else ReadOnly(training),
        counters=counters,
        problems=tuple(problems),
        sweep=sweep,
    )


def _refusals(what: str, costs: Mapping[str, Any]) -> list[str]:
    """A line for each reason, since a factory that fails does so at every size."""
    sizes_of: dict[str, list[str]] = {}
    for size, cost in costs.items():
        if isinstance(cost, RefusedSize):
            sizes_of.setdefault(cost.error, []).append(size)
    return [f"{what} at {', '.join(sizes)}: {error}" for error, sizes in sizes_of.items()]


def _counter(
    model: AnyModel, inputs: ModelInputs | None, counter: Literal["dispatch", "fvcore"] = "dispatch"
) -> ModelCounter | ExternalCounter:
    if isinstance(model, ConvNeurConfig):
        return ModelCounter(model, counter=counter)
    return ExternalCounter(model, counter=counter, inputs=inputs)


def _by(counter: ModelCounter | ExternalCounter, convention: Convention) -> Callable[[int, int], ImageCost]:
    return partial(counter.at, convention=convention) if isinstance(counter, ModelCounter) else counter.at


def _at(
    count: Callable[[int, int], _Cost], sizes: _Sizes, shown: str, advance: Advance, *, all_or_none: bool = False
) -> dict[str, _Cost | RefusedSize]:
    """What was counted at each size, or why not. all_or_none: one that is refused leaves out those after it."""
    costs: dict[str, _Cost | RefusedSize] = {}
    for size, (height, width) in sizes.items():
        advance(f"counting {shown} at {size}", 0)
        try:
            costs[size] = count(height, width)
        except InputError as error:
            costs[size] = RefusedSize(height, width, str(error), by_formula=_is_of_formula(error))
            if all_or_none:
                advance(None, len(sizes) - len(costs))
                break
        finally:
            advance()
    return costs


def _is_of_formula(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, FormulaError):
        error = error.__cause__
    return error is not None


def _probes(asked: Size | Iterable[Size] | None, sweep: Sweep | None) -> _Probes | None:
    """The three sizes asked for, None to choose some."""
    if asked is None:
        return None
    sizes = tuple(find_sizes(asked, setting="probe").values())
    found = probe_sizes(*sizes[0])
    if sweep is not None:
        found = tuple((height, 1) for height, _ in found)
        sizes = tuple((height, 1) for height, _ in sizes)
    if len(sizes) == 1 and (sweep or max(found[-1]) <= MAX_SIDE):
        return found
    if sizes != found:
        shown = ",".join(size_name(*size) if sweep is None else str(size[0]) for size in sizes)
        problem = "give three sizes, each with twice the sides of the one before"
        if sweep is not None:
            problem = f"give three values of {sweep.axis}, each twice the one before"
        raise ConfigError("probe", problem, value=shown)
    return found


def _named(sizes: Iterable[tuple[int, int]], sweep: Sweep | None = None) -> dict[str, tuple[int, int]]:
    return {size_name(*size) if sweep is None else sweep.name(size[0]): size for size in sizes}


def _probe_external(
    counter: ExternalCounter,
    costs: Mapping[str, ImageCost | RefusedSize],
    sweep: Sweep | None,
    shown: str,
    advance: Advance,
) -> dict[str, ImageCost | RefusedSize]:
    """The counts that a verdict is found from, at the largest sizes that the model takes and can be counted at soon."""
    taken = [cost for cost in costs.values() if isinstance(cost, ImageCost)]
    largest = max(taken or costs.values(), key=lambda cost: cost.pixels)
    first = None
    sizes: _Probes | None = external_probe_sizes(largest.height, largest.width)
    if sweep is not None:
        sizes = _steps(largest.height)
    for _ in range(_PROBE_ATTEMPTS):
        if sizes is None:
            break
        at_work = advance if first is None else _uncounted(advance)
        probes = _at(counter.at_if_soon, _named(sizes, sweep), shown, at_work, all_or_none=True)
        if not any(isinstance(probe, RefusedSize) for probe in probes.values()):
            return probes
        first = first or probes
        if not taken:
            break
        sizes = smaller_probe_sizes(*sizes[0]) if sweep is None else _steps(sizes[0][0] // 2)
    return first or {}


def _steps(first: int) -> _Probes | None:
    """A swept axis's probes from a value on; None where that is nothing."""
    return ((first, 1), (2 * first, 1), (4 * first, 1)) if first else None


def _uncounted(advance: Advance) -> Advance:
    """Of work that the total of steps does not hold."""
    return lambda now=None, steps=1: advance(now, 0)
