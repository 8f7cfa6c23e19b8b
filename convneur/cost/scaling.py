"""How cost grows with the image: a verdict from the cost per pixel as an image's sides double twice.

Counts are exact, so there is nothing to fit and no interval to give; and a log-log slope below 2 proves nothing: a
model with self-attention passes that between 224 and 512 pixels. x is always the number of pixels, never the side.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "PROBE_SIDE",
    "Prediction",
    "ScalingVerdict",
    "VerdictName",
    "judge_scaling",
    "local_slopes",
    "predict_largest",
    "quadratic_shares",
]

VerdictName = Literal["linear", "subquadratic", "quadratic term present", "undetermined"]

PROBE_SIDE = 1024
"""S of the verdict on ConvNeur's own models: sides S, 2S, 4S are counted."""

# Cost per pixel that rises less than this between 2S and 4S, as a share of it, is constant.
_FLAT = 0.005
# Orders between which a cost is neither linear (a logarithm reads 1.0) nor holds a quadratic term (which reads 2.0).
_LINEAR_ORDER, _QUADRATIC_ORDER = 1.1, 1.75


@dataclass(frozen=True)
class ScalingVerdict:
    """Whether cost grows linearly with the pixels.

    order: p of the fastest growing term, about N^p; None if undetermined. quadratic_coefficient: c of the term c N^2
    in multiply-adds per squared pixel; None without one. macs_per_pixel: u at S, 2S, 4S; empty if one was refused.
    why: the finding in a few words.
    """

    verdict: VerdictName
    order: float | None
    quadratic_coefficient: float | None
    macs_per_pixel: tuple[float, ...]
    why: str

    @property
    def growth(self) -> str:
        """The verdict in a few words."""
        if self.verdict == "quadratic term present":
            return "quadratic in pixels"
        if self.verdict == "subquadratic":
            return f"subquadratic, pixels to the power {self.order:.2f}"
        return "linear in pixels" if self.verdict == "linear" else "growth undetermined"

    def __str__(self) -> str:
        if not self.macs_per_pixel:
            return f"{self.growth}: {self.why}"
        first, last = (f"{macs / 1e3:.3g}" for macs in (self.macs_per_pixel[0], self.macs_per_pixel[-1]))
        return f"{self.growth} ({first if first == last else f'{first} to {last}'} kMACs per pixel)"

    @property
    def is_subquadratic(self) -> bool:
        """Linear or subquadratic: a check that asks for it holds."""
        return self.verdict in ("linear", "subquadratic")


def judge_scaling(macs: Sequence[int], pixels: Sequence[int]) -> ScalingVerdict:
    """The verdict from three counts at sides S, 2S and 4S.

    Equation: u = macs / pixels; D1 = u(2S) - u(S), D2 = u(4S) - u(2S). D2 <= 0.5 % of u(4S): linear. Else the order
    p = 1 + log4(D2 / D1): up to 1.1 linear, from 1.75 a quadratic term c N^2 with c = D2 / (12 S^2), subquadratic
    between. D1 <= 0 with D2 above its bound: undetermined.
    Args:    macs: at S, 2S, 4S; pixels: N at each, exactly four times the one before.
    Raises:  ValueError: not three counts, or pixels that do not quadruple.
    """
    if len(macs) != 3 or len(pixels) != 3 or pixels[1] != 4 * pixels[0] or pixels[2] != 4 * pixels[1]:
        raise ValueError(f"macs at three sizes, each of four times the pixels; got {len(macs)} at {list(pixels)}")
    per_pixel = tuple(count / size for count, size in zip(macs, pixels, strict=True))
    first, second = per_pixel[1] - per_pixel[0], per_pixel[2] - per_pixel[1]
    if second <= _FLAT * per_pixel[2]:
        does = "falls" if second < -_FLAT * per_pixel[2] else "stays the same"
        return ScalingVerdict("linear", 1.0, None, per_pixel, f"the cost per pixel {does} as the sides double")
    if first <= 0:
        why = "the cost per pixel falls, then rises, as the sides double: no order fits that"
        return ScalingVerdict("undetermined", None, None, per_pixel, why)
    order = 1 + math.log(second / first, 4)
    if order <= _LINEAR_ORDER:
        why = "the cost per pixel rises ever less as the sides double"
        return ScalingVerdict("linear", order, None, per_pixel, why)
    if order >= _QUADRATIC_ORDER:
        why = "the cost per pixel itself grows with the pixels"
        return ScalingVerdict("quadratic term present", order, second / (12 * pixels[0]), per_pixel, why)
    why = "the cost per pixel rises, but less than the pixels"
    return ScalingVerdict("subquadratic", order, None, per_pixel, why)


def quadratic_shares(
    verdict: ScalingVerdict, pixels: Sequence[int], macs: Sequence[int | None]
) -> tuple[float | None, ...] | None:
    """q(N) = c N^2 / F(N), the quadratic term's share of each count; None without such a term, or without a count."""
    if verdict.quadratic_coefficient is None:
        return None
    return tuple(
        None if not count else verdict.quadratic_coefficient * size**2 / count
        for size, count in zip(pixels, macs, strict=True)
    )


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

    Choice: linear: a + b N; quadratic term present: b N + c N^2; else a power of N. From a single smaller size only
    b N of a linear cost. None where too few sizes were counted.
    """
    counted = sorted({size: count for size, count in zip(pixels, macs, strict=True) if count}.items())
    if len(counted) < 2:
        return None
    *smaller, (largest, truth) = counted
    if len(smaller) == 1:
        if verdict.verdict != "linear":
            return None
        predicted = smaller[0][1] * largest / smaller[0][0]
    else:
        (n1, f1), (n2, f2) = smaller[-2:]
        if verdict.verdict == "linear":
            predicted = f2 + (f2 - f1) / (n2 - n1) * (largest - n2)
        elif verdict.verdict == "quadratic term present":
            u1, u2 = f1 / n1, f2 / n2
            predicted = (u2 + (u2 - u1) / (n2 - n1) * (largest - n2)) * largest
        else:
            predicted = f2 * (largest / n2) ** (math.log(f2 / f1) / math.log(n2 / n1))
    return Prediction(largest, predicted, predicted / truth - 1)
