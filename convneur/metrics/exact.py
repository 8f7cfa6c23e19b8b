"""Means of floats that depend neither on the order of the values nor on how they were divided among workers."""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["LIMBS", "ExactMean", "limbs", "of_limbs"]

_UNIT = 1074  # every finite float is a whole multiple of 2 ** -1074

LIMBS = 68
"""Of 32 bits each: as many as the sum of 2 ** 78 of the largest floats has."""


class ExactMean:
    """A mean whose sum is exact until it is read.

    Choice: floating additions round, so their sum depends on the order. The sum is kept as a whole number of units of
        2 ** -1074 instead, in which every float is one: adding and merging are additions of integers, which lose
        nothing and may be exchanged. The sum is rounded once when it is read, and the mean once more.
    """

    __slots__ = ("count", "units")

    def __init__(self, units: int = 0, count: int = 0) -> None:
        self.units, self.count = units, count

    def add(self, value: float) -> None:
        """Count a finite value."""
        numerator, denominator = value.as_integer_ratio()  # the denominator is a power of two
        self.units += numerator << (_UNIT + 1 - denominator.bit_length())
        self.count += 1

    def merge(self, other: "ExactMean") -> None:
        """Count everything that another mean has counted."""
        self.units += other.units
        self.count += other.count

    def total(self) -> float:
        """The sum."""
        return self.units / (1 << _UNIT)

    def value(self, ones: int = 0) -> float:
        """The mean, as if so many ones had been counted too; NaN if nothing was counted."""
        count = self.count + ones
        # Python rounds the quotient of two integers correctly, however long they are.
        return (self.units + (ones << _UNIT)) / (1 << _UNIT) / count if count else math.nan


def limbs(units: int) -> npt.NDArray[np.int64]:
    """A sum as digits of base 2 ** 32, lowest first, (LIMBS,): arrays of those may be added up to 2 ** 31 times."""
    return np.frombuffer(units.to_bytes(4 * LIMBS, "little"), "<u4").astype(np.int64)


def of_limbs(added: npt.NDArray[np.int64]) -> int:
    """The sum that so many arrays of `limbs`, added up, stand for."""
    low, high = (int.from_bytes(part.astype("<u4").tobytes(), "little") for part in (added & 0xFFFFFFFF, added >> 32))
    return low + (high << 32)
