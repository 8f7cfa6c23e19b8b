"""Claims about a model as people write them: `subquadratic`, `<= 1.0 GMACs@224`, `10 ms@224`, `frontier@1 points`."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from convneur.errors import ConfigError
from convneur.formats import significant
from convneur.sizes import find_size, size_name

__all__ = ["GROWTH", "Claim", "ClaimCheck", "find_claims"]

Quantity = Literal["growth", "macs", "flops", "params", "peak", "time", "frontier"]

GROWTH: dict[str, tuple[str, ...]] = {
    "constant": ("constant",),
    "sublinear": ("constant", "sublinear"),
    "linear": ("constant", "sublinear", "linear"),
    "n log n": ("constant", "sublinear", "linear", "n log n"),
    "subquadratic": ("constant", "sublinear", "linear", "n log n", "power"),
    "quadratic": ("constant", "sublinear", "linear", "n log n", "power", "quadratic"),
}
"""What each class of growth claims, by the classes that fulfil it."""

_LIMIT = re.compile(
    r"(?:<=|≤)?\s*(?P<most>\d+(?:\.\d+)?)\s*(?P<unit>[kMGTmµu]?)\s*(?P<what>macs|flops|b|params|parameters|s)"
    r"(?:\s*@\s*(?P<size>\d+(?:x\d+)?)(?:\s*/\s*(?P<batch>\d+))?)?",
    re.IGNORECASE | re.ASCII,
)
_FRONTIER = re.compile(r"frontier\s*@\s*(?P<most>\d+(?:\.\d+)?)\s*points?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_SECONDS = {"": 1, "m": 1e-3, "µ": 1e-6, "u": 1e-6}
_QUANTITIES: dict[str, Quantity] = {
    "macs": "macs", "flops": "flops", "params": "params", "parameters": "params", "b": "peak", "s": "time"
}  # fmt: skip
_NOUNS = {"macs": "MACs", "flops": "FLOPs", "params": "params", "peak": "B", "time": "s"}
_LIMITS = "1.0 GMACs@224, 2 GFLOPs@512x1024, 100 MB@224, 5 M params, 10 ms@224, 40 ms@224/8 or frontier@1 points"
_MOST_BATCH = 4096


@dataclass(frozen=True)
class Claim:
    """One claim. text: as given. most: the limit, in single units; unit: k, m, g, t or "", as
    it was given in; size: at which it holds, None for any; batch: images of a call that is timed."""

    text: str
    quantity: Quantity
    growth: str | None = None
    most: float = math.inf
    unit: str = ""
    size: tuple[int, int] | None = None
    batch: int = 1

    @property
    def is_counted(self) -> bool:
        """Whether a count decides it; a time is measured, and a frontier needs an accuracy."""
        return self.quantity not in ("time", "frontier")

    @property
    def where(self) -> str:
        """` at 224`; "" for any size."""
        return "" if self.size is None else f" at {size_name(*self.size)}"

    def shown(self, value: float) -> str:
        """A value in the claim's own unit, that the two compare at sight."""
        scale = (_SECONDS if self.quantity == "time" else _UNITS)[self.unit]
        words = significant(value / scale)
        if value > self.most and words == significant(self.most / scale):
            words = f"{value / scale:.12g}"  # the limit's own digits would say that it is met
        if self.quantity == "time":
            return f"{words} {self.unit}s"
        noun = _NOUNS[self.quantity]
        unit = self.unit if self.unit == "k" else self.unit.upper()
        joined = f"{unit} {noun}".strip() if self.quantity == "params" else f"{unit}{noun}"
        return f"{words} {joined}"


@dataclass(frozen=True)
class ClaimCheck:
    """What was found of a claim about one model. holds: False too where it could not be counted."""

    model: str
    claim: str
    found: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.model}: {self.claim}: {'holds' if self.holds else 'does not hold'}: {self.found}"


def find_claims(claims: str | Iterable[str]) -> tuple[Claim, ...]:
    """Claims from their words.

    Args:   claims: each a class of growth (constant, sublinear, linear, n log n, subquadratic, quadratic), or a limit:
        X GMACs@SIZE, X GFLOPs@SIZE, X MB@SIZE of activations, X M params, X ms@SIZE or X ms@SIZE/BATCH for a call;
        "<=" is understood. frontier@X points: at most X points of accuracy below the frontier.
    Raises: ConfigError: a claim of another form.

    >>> find_claims("<= 1.0 GMACs@224")[0].most
    1000000000.0
    """
    return tuple(_parse(text) for text in ([claims] if isinstance(claims, str) else claims))


def _parse(text: str) -> Claim:
    words = " ".join(text.split())
    if words.casefold() in GROWTH:
        return Claim(words, "growth", growth=words.casefold())
    if match := _FRONTIER.fullmatch(words):
        return Claim(words, "frontier", most=float(match["most"]))
    match = _LIMIT.fullmatch(words)
    if match is None:
        problem = f"give {', '.join(GROWTH)}, or a limit such as {_LIMITS}"
        raise ConfigError("claims", problem, value=repr(text))
    quantity, unit = _QUANTITIES[match["what"].casefold()], match["unit"].casefold()
    if unit not in (_SECONDS if quantity == "time" else _UNITS):
        problem = f"{match['unit']}{match['what']} is no unit; give a limit such as {_LIMITS}"
        raise ConfigError("claims", problem, value=repr(text))
    if (quantity == "params") == (match["size"] is not None):
        problem = "parameters need no size" if quantity == "params" else "say at which size, such as @224"
        raise ConfigError("claims", problem, value=repr(text))
    batch = 1 if match["batch"] is None else int(match["batch"][:8])
    if (batch != 1 and quantity != "time") or not 1 <= batch <= _MOST_BATCH:
        raise ConfigError("claims", f"only a time has a batch, of up to {_MOST_BATCH} images", value=repr(text))
    size = find_size(match["size"], setting="claims") if match["size"] else None
    scale = _SECONDS[unit] if quantity == "time" else _UNITS[unit]
    return Claim(words, quantity, most=float(match["most"]) * scale, unit=unit, size=size, batch=batch)
