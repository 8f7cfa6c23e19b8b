"""Claims about a model's cost, put to the test: `subquadratic`, `<= 1.0 GMACs@224`, `<= 5 M params`."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from convneur.cost.model_cost import ModelCost
from convneur.cost.model_counter import ImageCost
from convneur.errors import ConfigError
from convneur.formats import significant
from convneur.sizes import find_size, size_name

__all__ = ["Claim", "ClaimCheck", "check_claim", "find_claims"]

Quantity = Literal["growth", "macs", "flops", "params", "peak"]

_LIMIT = re.compile(
    r"(?:<=|≤)?\s*(?P<most>\d+(?:\.\d+)?)\s*(?P<unit>[kMGT]?)\s*(?P<what>macs|flops|b|params|parameters)"
    r"(?:\s*@\s*(?P<size>\d+(?:x\d+)?))?",
    re.IGNORECASE | re.ASCII,
)
_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_QUANTITIES: dict[str, Quantity] = {
    "macs": "macs", "flops": "flops", "params": "params", "parameters": "params", "b": "peak"
}  # fmt: skip
# What each class of growth claims, by the classes that fulfil it.
_GROWTH: dict[str, tuple[str, ...]] = {
    "constant": ("constant",),
    "sublinear": ("constant", "sublinear"),
    "linear": ("constant", "sublinear", "linear"),
    "n log n": ("constant", "sublinear", "linear", "n log n"),
    "subquadratic": ("constant", "sublinear", "linear", "n log n", "power"),
    "quadratic": ("constant", "sublinear", "linear", "n log n", "power", "quadratic"),
}


@dataclass(frozen=True)
class Claim:
    """One claim. text: as given. most: the limit, in single units; unit: k, m, g, t or "", as
    it was given in; size: at which it holds, None for any."""

    text: str
    quantity: Quantity
    growth: str | None = None
    most: float = math.inf
    unit: str = ""
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class ClaimCheck:
    """What was found of a claim about one model. holds: False too where it could not be counted."""

    model: str
    claim: str
    found: str
    holds: bool


def find_claims(claims: str | Iterable[str]) -> tuple[Claim, ...]:
    """Claims from their words.

    Args:   claims: each a class of growth (constant, sublinear, linear, n log n, subquadratic, quadratic), or a limit:
        X GMACs@SIZE, X GFLOPs@SIZE, X MB@SIZE of activations, X M params; "<=" is understood.
    Raises: ConfigError: a claim of another form.

    >>> find_claims("<= 1.0 GMACs@224")[0].most
    1000000000.0
    """
    return tuple(_parse(text) for text in ([claims] if isinstance(claims, str) else claims))


def _parse(text: str) -> Claim:
    words = " ".join(text.split())
    if words.casefold() in _GROWTH:
        return Claim(words, "growth", growth=words.casefold())
    match = _LIMIT.fullmatch(words)
    if match is None:
        raise ConfigError(
            "claims",
            f"give {', '.join(_GROWTH)}, or a limit such as 1.0 GMACs@224, 2 GFLOPs@512x1024, 100 MB@224 or 5 M params",
            value=repr(text),
        )
    quantity = _QUANTITIES[match["what"].casefold()]
    if (quantity == "params") == (match["size"] is not None):
        problem = "parameters need no size" if quantity == "params" else "say at which size, such as @224"
        raise ConfigError("claims", problem, value=repr(text))
    size = find_size(match["size"], setting="claims") if match["size"] else None
    unit = match["unit"].casefold()
    return Claim(words, quantity, most=float(match["most"]) * _UNITS[unit], unit=unit, size=size)


def check_claim(claim: Claim, model: ModelCost) -> ClaimCheck:
    """Whether a claim holds of a model, whose sizes must hold the claim's.

    Choice: a limit is met to the digits that it is given with: 1.04 GMACs are not at most 1.0.
    """
    if claim.quantity == "growth":
        growth = model.scaling.verdict
        return ClaimCheck(model.shown, claim.text, str(growth), growth.growth_class in _GROWTH[claim.growth or ""])
    value: float | None
    where = ""
    if claim.quantity == "params":
        value = model.params
    else:
        assert claim.size is not None
        where = f" at {size_name(*claim.size)}"
        costs = {(cost.height, cost.width): cost for cost in model.sizes.values()}
        cost = costs.get(claim.size)
        if not isinstance(cost, ImageCost):
            why = "it was not counted" if cost is None else f"refused: {cost.error}"
            return ClaimCheck(model.shown, claim.text, f"{why}{where}", False)
        value = {"macs": cost.macs, "flops": cost.flops, "peak": cost.count.peak_activation_bytes}[claim.quantity]
    if value is None:
        return ClaimCheck(model.shown, claim.text, f"it was not counted{where}", False)
    return ClaimCheck(model.shown, claim.text, f"{_shown(claim, value)}{where}", value <= claim.most)


def _shown(claim: Claim, value: float) -> str:
    """In the claim's own unit, that the two compare at sight."""
    noun = {"macs": "MACs", "flops": "FLOPs", "params": "params", "peak": "B"}[claim.quantity]
    unit = claim.unit if claim.unit == "k" else claim.unit.upper()
    joined = f"{unit} {noun}".strip() if claim.quantity == "params" else f"{unit}{noun}"
    return f"{significant(value / _UNITS[claim.unit])} {joined}"
