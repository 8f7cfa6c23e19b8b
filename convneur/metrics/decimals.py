"""Distances compared with numbers as people write them: 3 pixels of 0.1 are within 0.3.

Distances between pixels are roots of whole numbers times spacings, and floats of both sides are rounded. The numbers
themselves are exact decimals, so comparisons are made between their squares, as fractions.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

__all__ = ["as_written", "ceil_root", "distance_limit", "rounded_root"]

_NEAR = 1e-14  # relative: more than thirty times what a distance and its limit are rounded by


def as_written(number: str | float) -> Fraction:
    """The number that was written: 0.1 is a tenth, not the float beside it.

    >>> as_written(0.1), as_written("0.75")
    (Fraction(1, 10), Fraction(3, 4))
    """
    return Fraction(str(number))


def ceil_root(square: Fraction) -> int:
    """The smallest whole number whose square is at least this one.

    >>> ceil_root(Fraction(49)), ceil_root(Fraction(50))
    (7, 8)
    """
    whole = math.ceil(square)
    return math.isqrt(whole - 1) + 1 if whole > 0 else 0


def rounded_root(square: Fraction) -> int:
    """The root to the nearest whole number, halves to the even one, as `round` does.

    >>> rounded_root(Fraction(25, 4)), rounded_root(Fraction(49, 4)), rounded_root(Fraction(50, 4))
    (2, 4, 4)
    """
    below = math.isqrt(math.floor(square))
    half = Fraction(2 * below + 1, 2) ** 2
    return below + (square > half or (square == half and below % 2 == 1))


def distance_limit(tau: str | float, spacing: Sequence[float], shape: tuple[int, int]) -> float:
    """The largest float that a distance between two pixels may have to be within tau.

    Choice: a float of a distance differs from it by less than 3 units in the last place, relative 4e-16. So only
        offsets between pixels whose distance is next to tau can fall on the wrong side; each of them is compared
        exactly, and the limit is the largest float among those within tau. An offset beyond tau is taken for one within
        only if its distance exceeds tau by less than that rounding, which takes numbers of eight digits or more.
    Args:    tau: in units of spacing; spacing: height and width of a pixel; shape: (H, W) of the image.

    >>> 3 * 0.1 <= 0.3, 3 * 0.1 <= distance_limit(0.3, (0.1, 0.1), (100, 100))
    (False, True)
    """
    return _limit(str(tau), (float(spacing[0]), float(spacing[1])), shape)


@lru_cache(maxsize=256)
def _limit(tau: str, spacing: tuple[float, float], shape: tuple[int, int]) -> float:
    limit = float(tau)
    (height, width), (step_y, step_x) = shape, spacing
    if not 0 < limit <= math.hypot(height * step_y, width * step_x):
        return limit  # 0 is exact, and nothing is as far
    y = np.arange(min(height, int(limit / step_y) + 2))
    offset_y = y * step_y
    across = np.minimum(np.sqrt(np.maximum(limit * limit - offset_y * offset_y, 0)) / step_x, width)
    x = np.floor(across).astype(np.int64)[:, None] + np.arange(-1, 3)
    y = np.broadcast_to(y[:, None], x.shape)
    # As the searches compute it, to the same bits.
    offset_y, offset_x = y * step_y, x * step_x
    distance = np.sqrt(offset_y * offset_y + offset_x * offset_x)
    near = (np.abs(distance - limit) <= _NEAR * limit) & (x >= 0) & (x < width)
    if not near.any():
        return limit
    square, square_y, square_x = (as_written(number) ** 2 for number in (tau, *spacing))
    within = [
        found
        for down, right, found in zip(y[near].tolist(), x[near].tolist(), distance[near].tolist(), strict=True)
        if down * down * square_y + right * right * square_x <= square
    ]
    return max(within) if within else math.nextafter(float(distance[near].min()), 0)
