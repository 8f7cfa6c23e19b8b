"""The audit: count, count again, measure, place, and hold each claim to what was found."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from convneur.auditing.report import AuditReport
from convneur.bench import BenchResult, BenchSettings, run_bench
from convneur.claims import Claim, ClaimCheck, find_claims
from convneur.cost import CostReport, ExternalModel, ModelCost, Models, analyze, find_models
from convneur.errors import ConfigError, InputError
from convneur.formats import significant
from convneur.peers import Frontier, Peers, frontier, read_peers
from convneur.progress import Progress, silent
from convneur.sizes import Size, find_sizes, size_name
from convneur.variants import VARIANTS, ConvNeurConfig

__all__ = ["audit"]

_SIZES = (224, 512, 1024)
_DEPTH = 2
_MOST_TIMED = 60e9  # multiply-adds of a call, which then takes a few seconds
_AT = 224  # what published accuracies and costs are at, unless they say otherwise
_NO_SQUARE = "no square size with multiply-adds was counted, as published costs are of"


def audit(
    model: Models = "m1",
    *,
    claims: str | Iterable[str] = (),
    sizes: Size | Iterable[Size] | None = None,
    inputs: str | Iterable[str] | Callable[..., Any] | None = None,
    input_factory: str | None = None,
    accuracy: float | None = None,
    peers: str | Path = "timm",
    depth: int = _DEPTH,
    measure: bool = True,
    device: str = "cpu",
    threads: int | None = None,
    repeats: int = 10,
    progress: Progress = silent,
    **settings: Any,
) -> AuditReport:
    """Put claims about one model's efficiency to the test, and gather what there is to know of its cost.

    The model is counted at each size and at the larger ones that the verdict needs, at the smallest by fvcore too. It
    is timed at the sizes, whole and by module, against ceilings measured on this machine. Where its top-1 accuracy on
    ImageNet-1K is known it is placed beside published models: as printed for ConvNeur's variants, as published for a
    model of timm that is in `peers`, else as `accuracy` says.

    Args:
        model: one, as `convneur.cost.find_models` takes it.
        claims: as `convneur.claims.find_claims` takes them: "subquadratic", "<= 1.0 GMACs@224", "<= 5 M params",
            "<= 100 MB@224", "<= 10 ms@224", "<= 40 ms@224/8", "frontier@1 points".
        sizes: sides in pixels or (height, width); 224, 512 and 1024 if left out. Sizes of claims are counted too.
        inputs, input_factory: what an external model is called with, as `find_models` takes them.
        accuracy: its top-1 accuracy in percent, at the square size nearest to 224 that is counted.
        peers: published models, as `convneur.peers.read_peers` takes them.
        depth: of the modules that are told apart, in parts of their paths.
        measure: time it. device, threads, repeats: as `convneur.bench.run_bench` takes them.
        progress: what long work reports to.
        settings: as `convneur.variants.find_config` takes them, for a ConvNeur; factory_arguments of another model.
    Returns: the report; a claim that could not be looked into does not hold, and says why.
    Raises:  ConfigError: a wrong argument, by its name; a claim that needs what was left out. InputError: a broken
        file.

    >>> report = audit("m1", claims=["linear", "<= 5 M params"], sizes=64, measure=False, memory="none")
    >>> [claim.holds for claim in report.claims]
    [True, True]
    """
    asserted = find_claims(claims)
    BenchSettings(device=device, threads=threads, repeats=repeats)  # what is wrong is to be told before any work
    if not measure:
        for claim in asserted:
            if claim.quantity == "time":
                raise ConfigError(
                    "claims", "a time is not known with `measure=False`; leave one of them out", value=claim.text
                )
        idle = {"device": (device, "cpu"), "threads": (threads, None), "repeats": (repeats, 10)}
        for setting, (value, usual) in idle.items():
            if value != usual:
                raise ConfigError(setting, "nothing is timed with `measure=False`; leave one of them out", value=value)
    found = find_models(
        model, setting="model", inputs=inputs, input_factory=input_factory, progress=progress, **settings
    )
    if len(found) > 1:
        raise ConfigError("model", "one model is audited at a time", value=", ".join(found))
    ((name, one),) = found.items()
    _check_batches(asserted, one)
    arguments = settings.get("factory_arguments")
    place = _known_accuracy(name, one, accuracy, _listed(peers), changed=bool(arguments))
    if place is None and any(claim.quantity == "frontier" for claim in asserted):
        changed = " with these settings" if name in VARIANTS or arguments else ""
        problem = f"that of {name}{changed} is not known; give its top-1 on ImageNet-1K, in percent"
        raise ConfigError("accuracy", problem)

    counted = [claim.text for claim in asserted if claim.is_counted]
    wanted = find_sizes(_SIZES if sizes is None else sizes)
    cost = analyze(found, sizes=wanted.values(), claims=counted, by="module", depth=depth, progress=progress)
    notes: list[str] = []
    counters = _counted_twice(cost, found, notes, progress)
    times: BenchResult | None = None
    others: tuple[BenchResult, ...] = ()
    if measure:
        timing = {"device": device, "threads": threads, "repeats": repeats, "progress": progress}
        times = _timed(cost.models[0], found, list(wanted.values()), depth, notes, timing)
        others = tuple(_timed_for(asserted, times, found, timing))
    beside = None if place is None else _placed(place, cost.models[0], peers, notes)
    checks = iter(cost.claims)
    judged = tuple(
        next(checks) if claim.is_counted else _judged(claim, name, times, others, beside) for claim in asserted
    )
    if beside is None:
        why = "its accuracy is not known, and was not given" if place is None else _NO_SQUARE
        notes.append(f"No place beside published models: {why}.")
    return AuditReport(judged, cost, counters, times, others, beside, tuple(notes))


def _check_batches(claims: Iterable[Claim], model: object) -> None:
    """Raises: ConfigError: a claim of several images at a time, of a model that is called with inputs of its own."""
    if isinstance(model, ExternalModel) and model.inputs is not None:
        for claim in claims:
            if claim.batch > 1:
                problem = f"`inputs` have their own batch; leave the /{claim.batch} out"
                raise ConfigError("claims", problem, value=claim.text)


def _listed(peers: str | Path) -> Peers:
    """Raises: ConfigError: published models of which none can stand beside another one's accuracy and cost."""
    listed = read_peers(peers)
    if all(peer.distilled for peer in listed.models):
        problem = "holds models that were trained with a teacher alone; name other published models"
        raise ConfigError("peers", problem, value=peers)
    return listed


def _known_accuracy(name: str, model: object, accuracy: float | None, peers: Peers, *, changed: bool) -> Any:
    """A variant's name, a published model, or an accuracy that was given; None where nothing says it.

    changed: whether a model of others is made with arguments, which may be another one then.
    """
    if accuracy is not None:
        if not 0 <= accuracy <= 100:
            raise ConfigError("accuracy", "give a percentage, such as 78.1", value=accuracy)
        return float(accuracy)
    if isinstance(model, ConvNeurConfig):
        return name if VARIANTS.get(name) == model else None
    if changed or not name.startswith("timm/"):
        return None
    asked = name.removeprefix("timm/")
    same = [peer for peer in peers.models if asked in (peer.model, peer.model.partition(".")[0])]
    return min(same, key=lambda peer: abs(peer.size - _AT), default=None)


def _counted_twice(cost: CostReport, found: Any, notes: list[str], progress: Progress) -> CostReport | None:
    """The smallest size by fvcore too."""
    taken = cost.models[0].counted
    if not taken:
        return None
    smallest = min(taken.values(), key=lambda each: each.pixels)
    twice = analyze(found, sizes=[(smallest.height, smallest.width)], counter="both", verdict=False, progress=progress)
    check = twice.models[0].counters
    if check is None or not check.fvcore:
        why = "; ".join(twice.problems) or "it gave no count"
        notes.append(f"Counted once: fvcore could not count it ({why}).")
        return None
    return twice


def _timed(
    model: ModelCost,
    found: Any,
    sizes: list[tuple[int, int]],
    depth: int,
    notes: list[str],
    timing: dict[str, Any],
) -> BenchResult | None:
    """Single images at the sizes that take seconds at most; the smallest in any case."""
    macs = {(each.height, each.width): each.macs for each in model.counted.values()}
    known = sorted((size for size in sizes if size in macs), key=lambda size: macs[size])
    kept = [size for number, size in enumerate(known) if number == 0 or macs[size] <= _MOST_TIMED]
    notes += [
        f"Not timed at {size_name(*size)}: {significant(macs[size] / 1e9)} GMACs a call."
        for size in known
        if size not in kept
    ]
    if not kept:
        notes.append("Not timed: no size was counted.")
        return None
    try:
        return run_bench(found, sizes=sorted(kept), by="module", depth=depth, **timing)
    except InputError as error:  # it does not fit into memory
        notes.append(f"Not timed: {error}.")
        return None


def _timed_for(
    claims: Iterable[Claim], times: BenchResult | None, found: Any, timing: dict[str, Any]
) -> Iterable[BenchResult]:
    """What claims ask for beside: other sizes, and batches."""
    done = set() if times is None else {(row.case.height, row.case.width, row.case.batch) for row in times.rows}
    for claim in claims:
        if claim.quantity == "time" and claim.size is not None and (*claim.size, claim.batch) not in done:
            done.add((*claim.size, claim.batch))
            try:
                yield run_bench(found, sizes=[claim.size], batch=claim.batch, **timing)
            except InputError:
                continue  # the claim says that it was not timed


def _placed(place: Any, model: ModelCost, peers: str | Path, notes: list[str]) -> Frontier | None:
    if isinstance(place, str):
        return frontier(place, peers=peers)
    if isinstance(place, float):
        at = [each for each in model.counted.values() if each.height == each.width and each.macs]
        cost = min(at, key=lambda each: abs(each.height - _AT), default=None)
        if cost is None:
            return None
        if cost.height != _AT:
            notes.append(f"Its accuracy is set against its cost at {cost.height}, the counted side nearest to {_AT}.")
        return frontier("none", peers=peers, add=[(model.name, cost.macs / 1e9, place)])
    return frontier("none", peers=peers, add=[(model.name, place.macs_g, place.top1)], distilled=place.distilled)


def _judged(
    claim: Claim, name: str, times: BenchResult | None, others: Iterable[BenchResult], beside: Frontier | None
) -> ClaimCheck:
    """A claim of time, or of a place beside published models."""
    if claim.quantity == "frontier":
        if beside is None:
            return ClaimCheck(name, claim.text, _NO_SQUARE, False)
        if beside.models[0].points_below is None:
            return ClaimCheck(name, claim.text, "no published model costs as little", True)
        place = beside.models[0]
        return ClaimCheck(name, claim.text, beside.headlines()[0], (place.points_below or 0) <= claim.most)
    measured = [result for result in (times, *others) if result is not None]
    for result in measured:
        for row in result.timed:
            case = row.case
            if (case.height, case.width) == claim.size and case.batch == claim.batch:
                batch = f", {claim.batch} images a call" if claim.batch > 1 else ""
                where = f"{claim.where}{batch}: the median, in torch on {_place(result)} ({result.conditions})"
                return ClaimCheck(name, claim.text, f"{claim.shown(row.p50)}{where}", row.p50 <= claim.most)
    refused = [row.error for result in measured for row in result.refused]
    return ClaimCheck(name, claim.text, f"it was not timed{claim.where}{f': {refused[-1]}' if refused else ''}", False)


def _place(result: BenchResult) -> str:
    return result.machine.accelerator or result.machine.processor or "an unnamed processor"
