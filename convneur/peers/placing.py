"""Where models stand beside published ones: how far below the best at their cost, how dear for their accuracy."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from convneur.errors import ConfigError
from convneur.formats import grouped, plural
from convneur.peers.latency import MeasuredTimes, read_times
from convneur.peers.reading import Peer, Peers, read_peers
from convneur.progress import Progress, silent
from convneur.published import published
from convneur.results import Result, Table

__all__ = ["Axis", "Frontier", "FrontierModel", "FrontierPoint", "frontier"]

Axis = Literal["macs", "params", "images-per-second", "latency"]

# Of each axis: its unit, and the words for its cost.
_UNITS: Mapping[Axis, tuple[str, str]] = {
    "macs": ("GMACs", "multiply-adds"),
    "params": ("M params", "parameters"),
    "images-per-second": ("images/s", "time per image"),
    "latency": ("ms", "latency"),
}


@dataclass(frozen=True)
class FrontierPoint:
    """A published model on the axis asked for. cost: in the axis's unit.

    >>> FrontierPoint(Peer("resnet50", macs_g=4.1, top1=76.1), 4.1).shown
    'resnet50'
    """

    peer: Peer
    cost: float

    @property
    def accuracy(self) -> float:
        return self.peer.top1

    @property
    def shown(self) -> str:
        return self.peer.shown


@dataclass(frozen=True)
class FrontierModel:
    """A model beside the frontier. cost: in the axis's unit. accuracy: percent. origin: where both are from.

    points_below: the best accuracy at no more cost minus its own, below 0 where it is better than all of those; best:
    the model that has it. cost_ratio: its cost over the least with at least its accuracy, which `cheapest` has. None
    where no published model costs as little, or none is as accurate.

    >>> frontier("m1").models[0].best.shown
    'efficientvit_b1.r256_in1k at 256'
    """

    name: str
    cost: float
    accuracy: float
    origin: str
    points_below: float | None
    best: FrontierPoint | None
    cost_ratio: float | None
    cheapest: FrontierPoint | None

    def to_dict(self) -> dict[str, Any]:
        best, cheapest = self.best, self.cheapest
        return {
            "name": self.name,
            "cost": self.cost,
            "accuracy": self.accuracy,
            "origin": self.origin,
            "points_below": self.points_below,
            "frontier_model": None if best is None else best.peer.model,
            "frontier_size": None if best is None else best.peer.size,
            "frontier_accuracy": None if best is None else best.accuracy,
            "frontier_cost": None if best is None else best.cost,
            "cost_ratio": self.cost_ratio,
            "cheapest_model": None if cheapest is None else cheapest.peer.model,
            "cheapest_size": None if cheapest is None else cheapest.peer.size,
            "cheapest_cost": None if cheapest is None else cheapest.cost,
        }


@dataclass(frozen=True)
class Frontier(Result):
    """Models beside the frontier of published ones: those that no cheaper one equals in accuracy.

    axis: what costs are of. models: as asked for. points: the published ones that were compared. curve: those of them
    on the frontier, by rising cost. peers: the list that they are from. distilled: whether models trained with a
    teacher count. notes: what to know of the values.

    >>> print(frontier("m4").headlines()[0])
    m4 (81.5 % at 3.06 GMACs): 1.21 points below efficientvit_b2.r256_in1k at 256 (82.71 at 2.09), at 1.91 times the \
multiply-adds of efficientvit_b2.r224_in1k
    """

    axis: Axis
    models: tuple[FrontierModel, ...]
    points: tuple[FrontierPoint, ...]
    curve: tuple[FrontierPoint, ...]
    peers: Peers
    distilled: bool
    notes: tuple[str, ...]

    @property
    def unit(self) -> str:
        return _UNITS[self.axis][0]

    @property
    def rises(self) -> bool:
        """Whether a higher value is the cheaper one."""
        return self.axis == "images-per-second"

    def headlines(self) -> Sequence[str]:
        return [self._headline(model) for model in self.models]

    def _headline(self, model: FrontierModel) -> str:
        said = f"{model.name} ({model.accuracy:g} % at {_short(model.cost)} {self.unit})"
        if model.best is None or model.points_below is None:
            said += ": no published model costs as little"
        else:
            away = "below" if model.points_below >= 0 else "above"
            said += (
                f": {abs(model.points_below):.2f} points {away} {model.best.shown} ({model.best.accuracy:g} at "
                f"{_short(model.best.cost)})"
            )
        if model.cheapest is None or model.cost_ratio is None:
            return f"{said}; none is as accurate"
        return f"{said}, at {model.cost_ratio:.2f} times the {_UNITS[self.axis][1]} of {model.cheapest.shown}"

    def to_dict(self) -> dict[str, Any]:
        """By the schema convneur.frontier/1."""
        on_curve = set(self.curve)
        return {
            "schema": "convneur.frontier/1",
            "x": self.axis,
            "unit": self.unit,
            "models": [model.to_dict() for model in self.models],
            "frontier": [_point_dict(point) for point in self.curve],
            "peers": [_point_dict(point) | {"on_frontier": point in on_curve} for point in self.points],
            "source": self.peers.source or self.peers.name,
            "distilled": self.distilled,
            "notes": list(self.notes),
        }

    def records(self) -> list[dict[str, Any]]:
        """A row for each model asked for."""
        return [model.to_dict() for model in self.models]

    def tables(self) -> Sequence[Table]:
        columns = ["model", "top-1\n%", self.unit, "points\nbelow", "frontier model", "its\ntop-1", f"its\n{self.unit}"]
        columns += ["cost\nratio", "cheapest as accurate", f"its \n{self.unit}"]
        rows = []
        for model in self.models:
            best, cheapest = model.best, model.cheapest
            row = [model.name, f"{model.accuracy:g}", _short(model.cost)]
            row += ["-" if model.points_below is None else f"{model.points_below:z.2f}"]
            row += ["-"] * 3 if best is None else [best.shown, f"{best.accuracy:g}", _short(best.cost)]
            row += ["-" if model.cost_ratio is None else f"{model.cost_ratio:.2f}"]
            row += ["-"] * 2 if cheapest is None else [cheapest.shown, _short(cheapest.cost)]
            rows.append(row)
        columns_of = ["frontier", "top-1\n%", self.unit]
        on_it = [[point.shown, f"{point.accuracy:g}", _short(point.cost)] for point in self.curve]
        title = f"{len(self.curve)} of {plural(len(self.points), 'published model')} are on the frontier"
        beside = [Table("Beside the frontier", columns, rows, left={0, 4, 8}, dense=True)] if rows else []
        return [*beside, Table(title, columns_of, on_it, dense=True)]

    def sentences(self) -> Sequence[str]:
        cost = _UNITS[self.axis][1]
        return [
            f"Points below: the best published accuracy at no more {cost}, minus the model's own. Cost ratio: its "
            f"{cost} over the least of a published model that is at least as accurate. Nothing is interpolated.",
            *self.notes,
        ]


def frontier(
    models: str | Iterable[str] = "all",
    *,
    x: Axis = "macs",
    peers: str | Path = "timm",
    full: bool = False,
    distilled: bool = False,
    size: int | None = None,
    add: str | Iterable[str | tuple[str, float, float]] = (),
    times: str | Path | Result | Iterable[str | Path | Result] = (),
    progress: Progress = silent,
) -> Frontier:
    """Place models beside the published ones: accuracy on ImageNet-1K over a cost.

    Args:
        models: ConvNeur's variants at their printed accuracy: "all", "m1,m4", "none".
        x: macs: multiply-adds as printed; params: parameters; images-per-second: as published, of ConvNeur's authors'
            own code; latency: as `times` has it.
        peers: as `read_peers` takes them.
        full: place ConvNeur at all the multiply-adds that it executes, as counted here.
        distilled: published models that were trained with a teacher count too.
        size: published models at this image side alone; all of them if left out.
        add: one's own, as "NAME:COST:ACCURACY" in the axis's unit and percent, or (name, cost, accuracy); for a latency
            "NAME::ACCURACY" of a model in `times`.
        times: of `convneur.bench`: results, or their JSON files, with published models among them.
        progress: what counting reports to.
    Raises: ConfigError: a wrong argument, by its name; nothing to compare. InputError: a file that does not fit.

    >>> m1 = frontier("m1").models[0]
    >>> round(m1.points_below, 2), round(m1.cost_ratio, 2)
    (4.33, 3.09)
    """
    if x not in get_args(Axis):
        raise ConfigError("x", f"choose {', '.join(get_args(Axis))}", value=repr(x))
    if full and x != "macs":
        raise ConfigError("full", "counts multiply-adds; leave it out, or `x` macs")
    if full and models == "none":
        raise ConfigError("full", "is for ConvNeur's own points; leave it out, or name `models`")
    listed = read_peers(peers)
    measured = _measured(x, times)
    points = _points(x, listed, measured, distilled=distilled, size=size)
    asked = [part.strip().casefold() for part in (models.split(",") if isinstance(models, str) else models)]
    variants = _variants(asked)
    if measured is not None and asked != ["all"]:
        measured.check_timed(variants)
    judged = [*_own(x, variants, measured, full=full, progress=progress), *_added(add, measured)]
    names = [name for name, *_ in judged]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError("add", "is there already; choose another name", value=doubled)
    curve = tuple(_curve(x, points))
    placed = tuple(_placed(x, points, *one) for one in judged)
    notes = tuple(_notes(x, listed, measured, points, distilled=distilled, full=full, variants=variants, own=placed))
    return Frontier(x, placed, points, curve, listed, distilled, notes)


def _point_dict(point: FrontierPoint) -> dict[str, Any]:
    peer = point.peer
    return {
        "name": peer.model,
        "cost": point.cost,
        "accuracy": point.accuracy,
        "size": peer.size,
        "distilled": peer.distilled,
        "params_m": peer.params_m,
    }


def _price(x: Axis, value: float) -> float:
    """What is less where it is cheaper."""
    return 1 / value if x == "images-per-second" else value


def _points(
    x: Axis, peers: Peers, measured: MeasuredTimes | None, *, distilled: bool, size: int | None
) -> tuple[FrontierPoint, ...]:
    allowed = [peer for peer in peers.models if distilled or not peer.distilled]
    if not allowed:
        problem = "holds models that were trained with a teacher alone; take them with `distilled`"
        raise ConfigError("peers", problem, value=peers.name)
    kept = [peer for peer in allowed if size in (None, peer.size)]
    if not kept:
        teacher = ", or `distilled`" if any(peer.size == size for peer in peers.models) else ""
        known = ", ".join(map(str, sorted({peer.size for peer in allowed})))
        raise ConfigError("size", f"{peers.name} has no model at this side; choose {known}{teacher}", value=size)
    found: list[FrontierPoint] = []
    for peer in kept:
        value = {"macs": peer.macs_g, "params": peer.params_m, "images-per-second": peer.images_per_s}.get(x)
        if measured is not None:
            value = measured.of_peer(peer)
        if value is not None:
            found.append(FrontierPoint(peer, value))
    if not found and measured is not None:
        one = f"{'timm/' if peers.name == 'timm' else ''}{kept[0].model} at {kept[0].size} px"
        problem = f"has none of the published models; time some too, such as {one}"
        raise ConfigError("times", problem, value=measured.source)
    if not found:
        raise ConfigError("peers", f"says nothing of {_UNITS[x][1]}; choose another `x`", value=peers.name)
    return tuple(found)


def _curve(x: Axis, points: Iterable[FrontierPoint]) -> Iterator[FrontierPoint]:
    best = -math.inf
    for point in sorted(points, key=lambda point: (_price(x, point.cost), -point.accuracy)):
        if point.accuracy > best:
            best = point.accuracy
            yield point


def _placed(
    x: Axis, points: Iterable[FrontierPoint], name: str, cost: float, accuracy: float, origin: str
) -> FrontierModel:
    price = _price(x, cost)
    affordable = [point for point in points if _price(x, point.cost) <= price]
    as_good = [point for point in points if point.accuracy >= accuracy]
    # Of equals the cheaper, then the better one.
    best = max(affordable, key=lambda point: (point.accuracy, -_price(x, point.cost)), default=None)
    cheapest = min(as_good, key=lambda point: (_price(x, point.cost), -point.accuracy), default=None)
    below = None if best is None else round(best.accuracy - accuracy, 6)
    ratio = None if cheapest is None else price / _price(x, cheapest.cost)
    return FrontierModel(name, cost, accuracy, origin, below, best, ratio, cheapest)


def _variants(asked: Sequence[str]) -> list[str]:
    """The variants that are asked for, which have a printed accuracy."""
    known = [row.model for row in published().imagenet]
    names = known if asked == ["all"] else [] if asked == ["none"] else list(dict.fromkeys(asked))
    for name in names:
        if name not in known:
            problem = f"choose {', '.join(known)}, all or none; others have no printed accuracy: `add` them"
            raise ConfigError("models", problem, value=name or repr(name))
    return names


def _own(
    x: Axis, names: Sequence[str], measured: MeasuredTimes | None, *, full: bool, progress: Progress
) -> Iterator[tuple[str, float, float, str]]:
    paper = published()
    rows = {row.model: row for row in paper.imagenet}
    if measured is not None:
        for name, variant, value in measured.of_variants(names):
            yield name, value, rows[variant].top1, "accuracy as printed, latency measured"
        return
    counted: Mapping[str, float] = {}
    if full and names:
        from convneur.cost import accuracy_points  # torch, which the printed points need not

        counted = accuracy_points(full=True, progress=progress).full_gmacs or {}
    for name in names:
        row = rows[name]
        if x == "params":
            yield name, float(row.params_m or math.nan), row.top1, "as printed"
        elif x == "images-per-second":
            yield name, paper.images_per_s[name], row.top1, "accuracy as printed, images/s as others measured"
        else:
            origin = "accuracy as printed, all multiply-adds as counted" if full else "as printed"
            yield name, counted.get(name, float(row.gmacs)), row.top1, origin


def _added(
    add: str | Iterable[str | tuple[str, float, float]], measured: MeasuredTimes | None
) -> Iterator[tuple[str, float, float, str]]:
    for one in [add] if isinstance(add, str) else add:
        parts = one.rsplit(":", 2) if isinstance(one, str) else one
        form = "give NAME:COST:ACCURACY, such as mine:0.9:78.1"
        if len(parts) != 3 or not parts[0]:
            raise ConfigError("add", form, value=repr(one))
        name = str(parts[0])
        if parts[1] == "":
            if measured is None:
                raise ConfigError("add", f"{form}; only a latency can be left out, with `times`", value=repr(one))
            cost = measured.of_name(name)
        else:
            cost = _number(parts[1], form, one)
        accuracy = _number(parts[2], form, one)
        if not 0 < cost < math.inf:
            raise ConfigError("add", "the cost must be above 0", value=repr(one))
        if not 0 <= accuracy <= 100:
            raise ConfigError("add", "the accuracy must be a percentage", value=repr(one))
        yield name, cost, accuracy, "added"


def _number(part: str | float, form: str, one: object) -> float:
    try:
        return float(part)
    except ValueError:
        raise ConfigError("add", form, value=repr(one)) from None


def _measured(x: Axis, times: str | Path | Result | Iterable[str | Path | Result]) -> MeasuredTimes | None:
    given = [times] if isinstance(times, (str, Path, Result)) else list(times)
    if x != "latency":
        if given:
            raise ConfigError("times", "are for a latency; set `x` latency, or leave them out")
        return None
    if not given:
        raise ConfigError("x", "is measured: give `times`, a result of `convneur bench`", value="latency")
    return read_times(given)


def _notes(
    x: Axis,
    peers: Peers,
    measured: MeasuredTimes | None,
    points: Sequence[FrontierPoint],
    *,
    distilled: bool,
    full: bool,
    variants: Sequence[str],
    own: Sequence[FrontierModel],
) -> Iterator[str]:
    printed = any(model.origin != "added" for model in own)
    if printed:
        yield "ConvNeur's accuracies are as its paper prints them; convneur did not train these models."
    if x == "macs" and printed:
        if full:
            yield "ConvNeur stands at everything that it executes; the published multiply-adds are their sources'."
        else:
            yield (
                "ConvNeur's multiply-adds are as printed, without the products of the memory's update: the full count "
                "is 7 to 11 % higher."
            )
    if x == "images-per-second" and printed:
        yield (
            f"ConvNeur: {published().throughput_note}. The published models: {peers.source or peers.name}. Both on an "
            "RTX 4090, but not measured alike: read factors, not percents."
        )
    if measured is not None:
        yield from measured.sentences
        left_out = measured.other_forms(variants)
        if left_out:
            yield f"Not placed, for the printed accuracy is of another form: {', '.join(left_out)}."
    sizes = sorted({point.peer.size for point in points})
    teacher = "models trained with a teacher included" if distilled else "without models trained with a teacher"
    entries = plural(len(points), "entry", "entries")
    yield f"Published: {entries} at {_list(sizes)} px, {teacher}; {peers.source or peers.name}."
    if peers.note:
        yield peers.note


def _short(value: float) -> str:
    """At most four figures: published values have two or three."""
    return grouped(value) if value >= 1000 else f"{value:.4g}"


def _list(words: Sequence[object]) -> str:
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last
