"""A count held against one that was saved before: what became dearer, by more than a tolerance."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convneur.cost.conventions import Convention
from convneur.cost.model_cost import ModelCost
from convneur.errors import ConfigError, InputError
from convneur.formats import significant
from convneur.schema import read_json
from convneur.sizes import size_name

__all__ = [
    "Baseline",
    "BaselineCheck",
    "check_baseline",
    "find_tolerance",
    "match_baseline",
    "read_baseline",
    "swept_size",
]

Quantity = Literal["params", "macs", "peak_activation_bytes"]
_SHOWN: Mapping[Quantity, tuple[str, float]] = {
    "params": ("M params", 1e6),
    "macs": ("GMACs", 1e9),
    "peak_activation_bytes": ("MB of activations", 1e6),
}
_TOLERANCE = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_MEND = "write it anew: the JSON of an earlier count of the same models"


@dataclass(frozen=True)
class Baseline:
    """What models cost before. costs: by model, size and quantity; the size of parameters is "" where all have the
    same.

    by_fvcore: whether fvcore alone counted it.
    """

    path: Path
    convention: str
    by_fvcore: bool
    costs: Mapping[str, Mapping[tuple[str, Quantity], float]]


@dataclass(frozen=True)
class BaselineCheck:
    """One quantity of a model, before and now. size: "" of parameters. holds: no dearer than the tolerance allows."""

    model: str
    size: str
    quantity: Quantity
    before: float
    now: float
    holds: bool

    @property
    def change(self) -> float:
        """As a share of what it was; infinite from 0."""
        return (self.now / self.before - 1) if self.before else math.inf if self.now else 0.0

    def __str__(self) -> str:
        unit, scale = _SHOWN[self.quantity]
        where = f" at {self.size}" if self.size else ""
        now, before = significant(self.now / scale), significant(self.before / scale)
        moved = f"{abs(self.change):.2%} {'more' if self.change > 0 else 'less'} than" if self.change else "as"
        return f"{self.model}{where}: {now} {unit}, {moved} the baseline's {before}"


def find_tolerance(tolerance: str | float) -> float:
    """How much dearer a model may become, as a share: "2%", or 0.02.

    Raises: ConfigError: neither, or a share below 0.

    >>> find_tolerance("2%")
    0.02
    """
    if isinstance(tolerance, str):
        match = _TOLERANCE.fullmatch(tolerance.strip())
        if match is None:
            raise ConfigError("tolerance", "give a percentage, such as 2%", value=repr(tolerance))
        return float(match[1]) / 100
    if not 0 <= tolerance < math.inf:
        raise ConfigError("tolerance", "give a share of at least 0, such as 0.02", value=tolerance)
    return tolerance


def read_baseline(path: str | Path) -> Baseline:
    """The counts in a report that was saved as JSON.

    Raises: ConfigError: no such file. InputError: one that holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError("baseline", "no such file; save a count as JSON first", value=path)
    found = read_json(path, dict[str, object], mend=_MEND)
    if found.get("schema") != "convneur.flops/1":
        raise InputError(path, f"is no count of convneur (schema convneur.flops/1); {_MEND}")
    try:
        costs = {str(model["name"]): dict(_costs(model)) for model in _rows(found["models"])}
        return Baseline(path, str(found["convention"]), found.get("counter") == "fvcore", costs)
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is damaged ({error})"
        raise InputError(path, f"{what}; {_MEND}") from None


def _rows(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise TypeError("models and sizes must be lists of objects")
    return value


def _costs(model: Mapping[str, Any]) -> Iterator[tuple[tuple[str, Quantity], float]]:
    if model["params"] is not None:
        yield (model.get("params_at") or "", "params"), _number(model["params"])
    for row in _rows(model["sizes"]):
        quantity: Quantity
        for quantity in ("macs", "peak_activation_bytes"):
            if row[quantity] is not None:
                yield (_size_of(row), quantity), _number(row[quantity])


def _size_of(row: Mapping[str, Any]) -> str:
    """As messages name it, the same however it was typed."""
    swept = row.get("swept")
    if swept is not None:
        named = ", ".join(f"{axis}={value}" for axis, value in dict(swept).items())
        return swept_size(named, (row["height"], row["width"]))
    return size_name(row["height"], row["width"])


def swept_size(name: str, image: tuple[int, int]) -> str:
    """A value of a swept axis, T=16, with the image's size, on which the cost may depend."""
    return f"{name} on {size_name(*image)}"


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return value


def match_baseline(
    baseline: Baseline, names: Iterable[str], sizes: Iterable[str], convention: Convention, *, by_fvcore: bool
) -> None:
    """See that there is something to compare, before anything is counted. names, sizes: of the count to come.

    Raises: InputError: another convention or counter, a model that it does not have, or none of the sizes.
    """
    if baseline.convention != convention:
        problem = f"counts by convention {baseline.convention}, and this counts by {convention}; {_MEND}"
        raise InputError(baseline.path, problem)
    if baseline.by_fvcore != by_fvcore:
        by = ("by fvcore", "by the dispatch counter")
        first, second = by if baseline.by_fvcore else by[::-1]
        raise InputError(baseline.path, f"is counted {first}, and this is {second}, which sees other work; {_MEND}")
    sizes = list(sizes)
    for name in names:
        before = baseline.costs.get(name)
        if before is None:
            known = ", ".join(baseline.costs)
            raise InputError(baseline.path, f"has no model {name}, it has {known}; {_MEND}")
        known_sizes = dict.fromkeys(size for size, _ in before if size)
        if not known_sizes.keys() & set(sizes):
            its = ", ".join(known_sizes) or "none"
            raise InputError(baseline.path, f"has no {' or '.join(sizes)} of {name}, its sizes are {its}; {_MEND}")


def check_baseline(baseline: Baseline, models: Iterable[ModelCost], tolerance: float) -> tuple[BaselineCheck, ...]:
    """Each quantity that a model has now and had before; twins are not held to theirs."""
    checks: list[BaselineCheck] = []
    for model in models:
        before = baseline.costs[model.name]
        checks += [
            BaselineCheck(model.name, size, quantity, before[key], value, value <= (1 + tolerance) * before[key])
            for key, value in _costs(model.to_dict())
            for size, quantity in [key]
            if key in before
        ]
    return tuple(checks)
