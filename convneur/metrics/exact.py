"""Means of floats that depend neither on the order of the values nor on how they were divided among workers."""

import math

__all__ = ["ExactMean"]


class ExactMean:
    """A mean whose sum is exact until it is read.

    Equation: the sum is kept as floats that do not overlap (Shewchuk 1997, as in math.fsum), so adding and merging
        lose nothing and the mean is rounded once.
    """

    __slots__ = ("_parts", "count")

    def __init__(self) -> None:
        self._parts: list[float] = []
        self.count = 0

    def add(self, value: float) -> None:
        """Count a finite value."""
        kept = []
        for part in self._parts:
            if abs(value) < abs(part):
                value, part = part, value
            total = value + part
            lost = part - (total - value)
            if lost:
                kept.append(lost)
            value = total
        self._parts = [*kept, value]
        self.count += 1

    def merge(self, other: "ExactMean") -> None:
        """Count everything that another mean has counted."""
        count = self.count + other.count
        for part in other._parts:
            self.add(part)
        self.count = count

    def value(self, ones: int = 0) -> float:
        """The mean, as if so many ones had been counted too; NaN if nothing was counted."""
        count = self.count + ones
        return math.fsum([*self._parts, ones]) / count if count else math.nan
