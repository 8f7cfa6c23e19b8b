"""How cost grows with the image: a verdict from the cost per pixel as an image's sides double twice.

Counts are exact, so there is nothing to fit and no interval to give; and a log-log slope below 2 proves nothing: a
model with self-attention passes that between 224 and 512 pixels. x is always the number of pixels, never the side.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "LEAST_PROBE_SIDE",
    "PIXELS",
    "PROBE_SIDE",
    "GrowthAxis",
    "GrowthClass",
    "Prediction",
    "ScalingVerdict",
    "VerdictName",
    "judge_scaling",
    "local_slopes",
    "predict_largest",
    "quadratic_shares",
]

VerdictName = Literal["linear", "subquadratic", "quadratic term present", "undetermined"]

LEAST_PROBE_SIDE = 64  # S where those from PROBE_SIDE would take too long
PROBE_SIDE = 1024
"""S of the verdict on ConvNeur's own models: sides S, 2S, 4S are counted."""

GrowthClass = Literal["constant", "sublinear", "linear", "n log n", "power", "quadratic", "higher"]

# Cost per pixel that rises less than this between 2S and 4S, as a share of it, is constant; so is a whole cost.
_FLAT = 0.005
# Orders between which a cost is neither linear (a logarithm reads 1.0) nor holds a quadratic term (which reads 2.0).
_LINEAR_ORDER, _QUADRATIC_ORDER = 1.1, 1.75
# Above it a cost grows faster than the square.
_HIGHER_ORDER = 2.25
# A cost that grows less than so is sublinear, if its cost per pixel does not fall ever less, as that of a border or of
# a fixed part beside a linear one does.
_SUBLINEAR_ORDER, _EVEN_FALL = 0.9, 1.01
# The cost per pixel of N log N rises by the same at each doubling; of chunks that fill up, by a third.
_EVEN_STEPS = 0.8
# A term below `_FLAT` reads so if it is quadratic: nothing else may be mistaken for it.
_SMALL_QUADRATIC_ORDERS = (1.95, 2.05)


@dataclass(frozen=True)
class GrowthAxis:
    """What a cost grows with, in the words of a verdict: the pixels, or another axis of the inputs by its letter."""

    letter: str | None = None

    @property
    def all(self) -> str:
        return self.letter or "pixels"

    @property
    def one(self) -> str:
        return f"unit of {self.letter}" if self.letter else "pixel"

    @property
    def whole(self) -> str:
        return self.letter or "the pixels"

    @property
    def doubled(self) -> str:
        return self.letter or "the sides"

    @property
    def doubles(self) -> str:
        return f"{self.letter} doubles" if self.letter else "the sides double"


PIXELS = GrowthAxis()


@dataclass(frozen=True)
class ScalingVerdict:
    """Whether cost grows linearly with the pixels, or with another axis.

    growth_class: finer than the verdict; None if undetermined. order: p of the fastest growing term, about N^p; None
    if undetermined. quadratic_coefficient: c of the term c N^2 in multiply-adds per squared pixel; None without one.
    macs_per_pixel: u at S, 2S, 4S; empty if one was refused. why: the finding in a few words. small_quadratic: the
    share at 4S of a quadratic term that is too small to decide the verdict; None without one. axis: that N counts.
    """

    verdict: VerdictName
    growth_class: GrowthClass | None
    order: float | None
    quadratic_coefficient: float | None
    macs_per_pixel: tuple[float, ...]
    why: str
    small_quadratic: float | None = None
    axis: GrowthAxis = PIXELS

    @property
    def growth(self) -> str:
        """The verdict in a few words."""
        power = f"{self.axis.all} to the power {self.order:.2f}" if self.order is not None else ""
        return {
            None: "growth undetermined",
            "constant": f"constant, whatever {self.axis.whole}",
            "sublinear": f"sublinear, {power}",
            "linear": f"linear in {self.axis.all}",
            "n log n": f"N log N in {self.axis.all}",
            "power": f"subquadratic, {power}",
            "quadratic": f"quadratic in {self.axis.all}",
            "higher": f"more than quadratic, {power}",
        }[self.growth_class]

    def __str__(self) -> str:
        if not self.macs_per_pixel:
            return f"{self.growth}: {self.why}"
        first, last = (f"{macs / 1e3:.3g}" for macs in (self.macs_per_pixel[0], self.macs_per_pixel[-1]))
        return f"{self.growth} ({first if first == last else f'{first} to {last}'} kMACs per {self.axis.one})"

    @property
    def is_subquadratic(self) -> bool:
        """Linear or subquadratic: a check that asks for it holds."""
        return self.verdict in ("linear", "subquadratic")


def judge_scaling(macs: Sequence[int], pixels: Sequence[int], axis: GrowthAxis = PIXELS) -> ScalingVerdict:
    """The verdict from three counts at sides S, 2S and 4S.

    Equation: u = macs / pixels; D1 = u(2S) - u(S), D2 = u(4S) - u(2S). D2 <= 0.5 % of u(4S): linear. Else the order
    p = 1 + log_r(D2 / D1), r = 4 the ratio of the pixels: up to 1.1 linear, from 1.75 a quadratic term c N^2 with
    c = D2 / ((r^2 - r) N(S)), subquadratic between. D1 <= 0 with D2 above its bound: undetermined.
    The class: of a linear cost, constant if the whole of it rises by 0.5 % at most; sublinear if the cost per pixel
    falls, by no lesser ratio at the second doubling, with an order 1 + log_r(u(4S) / u(2S)) below 0.9; n log n if the
    cost per pixel rises and D2 / D1 is at least 0.8. Of a quadratic term, quadratic up to order 2.25, then higher,
    which has no c. A subquadratic one: power.
    Args:    macs: at S, 2S, 4S; pixels: N at each, exactly four times the one before; axis: what N counts: of another
        one than the pixels, each is twice the one before, r = 2.
    Raises:  ValueError: not three counts, or pixels that do not quadruple.

    >>> judge_scaling([10, 45, 200], [1, 4, 16]).growth
    'N log N in pixels'
    """
    ratio = 4 if axis == PIXELS else 2
    if len(macs) != 3 or len(pixels) != 3 or pixels[1] != ratio * pixels[0] or pixels[2] != ratio * pixels[1]:
        times = "four times the pixels" if axis == PIXELS else "twice the one before"
        raise ValueError(f"macs at three sizes, each of {times}; got {len(macs)} at {list(pixels)}")
    per_pixel = tuple(count / size for count, size in zip(macs, pixels, strict=True))
    first, second = per_pixel[1] - per_pixel[0], per_pixel[2] - per_pixel[1]
    if second <= _FLAT * per_pixel[2]:
        return _judge_flat(macs, per_pixel, ratio, axis)
    unit = f"the cost per {axis.one}"
    if first <= 0:
        why = f"{unit} falls, then rises, as {axis.doubles}: no order fits that"
        return ScalingVerdict("undetermined", None, None, None, per_pixel, why, axis=axis)
    order = 1 + math.log(second / first, ratio)
    if order <= _LINEAR_ORDER:
        if second >= _EVEN_STEPS * first:
            why = f"{unit} rises by about the same at each doubling of {axis.doubled}"
            return ScalingVerdict("linear", "n log n", order, None, per_pixel, why, axis=axis)
        why = f"{unit} rises ever less as {axis.doubles}"
        return ScalingVerdict("linear", "linear", order, None, per_pixel, why, axis=axis)
    if order > _HIGHER_ORDER:
        why = f"{unit} grows faster than {axis.whole}"
        return ScalingVerdict("quadratic term present", "higher", order, None, per_pixel, why, axis=axis)
    if order >= _QUADRATIC_ORDER:
        why = f"{unit} itself grows with {axis.whole}"
        coefficient = second / ((ratio**2 - ratio) * pixels[0])
        return ScalingVerdict("quadratic term present", "quadratic", order, coefficient, per_pixel, why, axis=axis)
    why = f"{unit} rises, but less than {axis.whole}"
    return ScalingVerdict("subquadratic", "power", order, None, per_pixel, why, axis=axis)


def _judge_flat(macs: Sequence[int], per_pixel: tuple[float, ...], ratio: int, axis: GrowthAxis) -> ScalingVerdict:
    """A cost per pixel that does not rise, or not enough to matter."""
    first, second = per_pixel[1] - per_pixel[0], per_pixel[2] - per_pixel[1]
    if macs[2] <= (1 + _FLAT) * macs[0]:
        why = f"the cost is the same as {axis.doubles}" if macs[2] else "it has no multiply-adds"
        return ScalingVerdict("linear", "constant", 0.0, None, per_pixel, why, axis=axis)
    unit = f"the cost per {axis.one}"
    if second < -_FLAT * per_pixel[2]:
        why = f"{unit} falls as {axis.doubles}"
        ratios = per_pixel[1] / per_pixel[0], per_pixel[2] / per_pixel[1]
        order = 1 + math.log(ratios[1], ratio)
        if order < _SUBLINEAR_ORDER and ratios[1] <= _EVEN_FALL * ratios[0]:
            return ScalingVerdict("linear", "sublinear", max(order, 0.0), None, per_pixel, why, axis=axis)
        return ScalingVerdict("linear", "linear", 1.0, None, per_pixel, why, axis=axis)
    why = f"{unit} stays the same as {axis.doubles}"
    small = None
    least, most = _SMALL_QUADRATIC_ORDERS
    if first > 0 and second > 0 and least <= 1 + math.log(second / first, ratio) <= most:
        small = ratio / (ratio - 1) * second / per_pixel[2]  # of c N: that of the middle probe is in both
        why = f"{unit} stays nearly the same as {axis.doubles}"
    return ScalingVerdict("linear", "linear", 1.0, None, per_pixel, why, small, axis)


def quadratic_shares(
    verdict: ScalingVerdict, pixels: Sequence[int], macs: Sequence[int | None]
) -> tuple[float | None, ...] | None:
    """q(N) = c N^2 / F(N), the quadratic term's share of each count; None without such a term, or without a count.

    None too where it would be above 1: far from the probes, an order that is not quite 2 tells.
    """
    if verdict.quadratic_coefficient is None:
        return None
    shares: list[float | None] = []
    for size, count in zip(pixels, macs, strict=True):
        share = verdict.quadratic_coefficient * size**2 / count if count else None
        shares.append(share if share is not None and share <= 1 else None)
    return tuple(shares)


def local_slopes(pixels: Sequence[int], macs: Sequence[int | None]) -> tuple[float | None, ...]:
    """d log F / d log N between neighbouring sizes: 1 is linear, 2 quadratic.

    None for a pair with equal pixels, a refused size, or no multiply-adds.
    """
    slopes: list[float | None] = []
    for i in range(len(macs) - 1):
        low, high = macs[i], macs[i + 1]
        if not low or not high or pixels[i] == pixels[i + 1]:
            slopes.append(None)
        else:
            slopes.append(math.log(high / low) / math.log(pixels[i + 1] / pixels[i]))
    return tuple(slopes)


@dataclass(frozen=True)
class Prediction:
    """The count at the largest size, predicted from the smaller ones.

    pixels: of that size. macs: predicted. error: (predicted - counted) / counted.
    """

    pixels: int
    macs: float
    error: float


def predict_largest(verdict: ScalingVerdict, pixels: Sequence[int], macs: Sequence[int | None]) -> Prediction | None:
    """Extrapolate from the two sizes below the largest, in the form that the verdict names.

    Choice: linear: a + b N; n log n: b N + c N log N; quadratic: b N + c N^2; else a power of N. From a single
    smaller size only b N of a linear cost, and a constant one. None where too few sizes were counted.
    """
    counted = sorted({size: count for size, count in zip(pixels, macs, strict=True) if count}.items())
    if len(counted) < 2:
        return None
    *smaller, (largest, truth) = counted
    if len(smaller) == 1:
        if verdict.growth_class not in ("linear", "constant"):
            return None
        predicted = smaller[0][1] * (largest / smaller[0][0] if verdict.growth_class == "linear" else 1)
    else:
        (n1, f1), (n2, f2) = smaller[-2:]
        if verdict.growth_class == "n log n":
            u1, u2 = f1 / n1, f2 / n2
            predicted = (u2 + (u2 - u1) / math.log(n2 / n1) * math.log(largest / n2)) * largest
        elif verdict.growth_class in ("linear", "constant"):
            predicted = f2 + (f2 - f1) / (n2 - n1) * (largest - n2)
        elif verdict.growth_class == "quadratic":
            u1, u2 = f1 / n1, f2 / n2
            predicted = (u2 + (u2 - u1) / (n2 - n1) * (largest - n2)) * largest
        else:
            predicted = f2 * (largest / n2) ** (math.log(f2 / f1) / math.log(n2 / n1))
    return Prediction(largest, predicted, predicted / truth - 1)
