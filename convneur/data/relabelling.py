"""Labels read as other labels: a shift, or a table of which becomes which."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from convneur.data.labels import LabelMap
from convneur.errors import ConfigError, InputError

__all__ = ["Relabelling", "relabelling"]

# Labels are int64; eighteen digits cannot leave it, a sum of two neither.
_SHIFT = re.compile(r"[+-]\d{1,18}", re.ASCII)
_PART = re.compile(
    r"(?P<low>-?\d{1,18})(-(?P<high>\d{1,18}))?:((?P<to>-?\d{1,18})(-(?P<last>\d{1,18}))?|ignore)", re.ASCII
)
_MOST_LABELS = 1000  # in a table of two, one after the other
_FORM = "must be a shift, such as -1, or FROM:TO pairs, such as 255:1 or 0-127:0,128-255:1"


@dataclass(frozen=True)
class Relabelling:
    """shift: added to every label; or ranges: (first, last, what the first becomes, None for the ignored label, what is
    added for each label further).
    """

    shift: int = 0
    ranges: tuple[tuple[int, int, int | None, int], ...] = ()

    def __str__(self) -> str:
        if not self.ranges:
            return f"{self.shift:+d}"
        parts = []
        for first, last, to, step in self.ranges:
            known = str(first) if first == last else f"{first}-{last}"
            parts.append(f"{known}:{'ignore' if to is None else f'{to}-{to + last - first}' if step else to}")
        return ",".join(parts)

    def followed_by(self, then: "Relabelling") -> "Relabelling | None":
        """The one that does what both do, one after the other; None where no shift and no table does.

        >>> print(relabelling("pred_labels", "255:1").followed_by(relabelling("pred_labels", "0:1,1:0")))
        0:1,1:0,255:0
        """
        if not self.ranges or not then.ranges:
            return Relabelling(shift=self.shift + then.shift) if not self.ranges and not then.ranges else None
        table = then.table()
        mine = self.table()
        if table is None or mine is None:
            return None
        both = table | {label: to if to is None else table.get(to, to) for label, to in mine.items()}
        return relabelling("labels", {label: to for label, to in both.items() if label != to})

    @property
    def ignores(self) -> bool:
        """Whether it says of labels that they are ignored."""
        return any(to is None for _, _, to, _ in self.ranges)

    def table(self) -> dict[int, int | None] | None:
        """label -> as what it is read; None for more labels than anybody writes out."""
        if sum(last - first + 1 for first, last, _, _ in self.ranges) > _MOST_LABELS:
            return None
        return {
            first + k: None if to is None else to + step * k
            for first, last, to, step in self.ranges
            for k in range(last - first + 1)
        }

    def applied(self, labels: LabelMap, ignore_index: int | None, *, truth: bool) -> LabelMap:
        """The labels, (H, W), as they are to be read.

        Choice: in ground truth a shift leaves the ignored label as it is, and what it moves below 0 is ignored, as in
            ADE20K's annotations. In predictions it moves every label: with classes 0 to 10, of which 11 is the ignored
            one, predictions of 1 to 11 hold 11 for a class.
        Args:   truth: of ground truth, not of predictions.
        Raises: InputError: a shift moves a label onto the ignored one, or below 0 where no label is ignored.
        """
        moved = labels.astype(np.int64)
        if not self.ranges:
            kept = moved == ignore_index if truth and ignore_index is not None else np.zeros(labels.shape, bool)
            moved += np.where(kept, 0, self.shift)
            below = (moved < 0) & ~kept
            if truth and ignore_index is not None and (((moved == ignore_index) & ~kept).any()):
                problem = f"label {ignore_index - self.shift} would become the ignored label {ignore_index}"
                raise InputError(None, f"{problem}; ignore another one (`ignore_index`)")
            if truth and below.any():
                moved[below] = _ignored(ignore_index)
            return moved
        for first, last, to, step in self.ranges:
            here = (labels >= first) & (labels <= last)
            if here.any():
                found = labels[here].astype(np.int64)
                moved[here] = _ignored(ignore_index) if to is None else to + step * (found - first)
        return moved


def _ignored(ignore_index: int | None) -> int:
    if ignore_index is None:
        raise InputError(None, "labels are to be ignored, and none is the ignored one; give `ignore_index` a number")
    return ignore_index


def relabelling(setting: str, given: str | int | Mapping[int, int | None] | None) -> Relabelling | None:
    """What was given: a shift, `-1`; pairs, `255:1,7:ignore`, of which either may be a range; or such a mapping.

    Raises: ConfigError: anything else, or a label that stands twice.

    >>> print(relabelling("pred_labels", "0-127:0,128-255:1"), relabelling("pred_labels", {255: 1, 7: None}))
    0-127:0,128-255:1 7:ignore,255:1
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        pairs = [(int(label), None if to is None else int(to)) for label, to in sorted(given.items())]
        given = ",".join(f"{label}:{'ignore' if to is None else to}" for label, to in pairs)
    typed = f"{given:+d}" if isinstance(given, int) else given.strip()
    if _SHIFT.fullmatch(typed) and ":" not in typed:
        return Relabelling(shift=int(typed))
    ranges = []
    for part in typed.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ConfigError(setting, _FORM, value=given)
        first, to = int(match["low"]), None if match["to"] is None else int(match["to"])
        last = first if match["high"] is None else int(match["high"])
        step = 0 if match["last"] is None else 1
        if last < first or (step and (to is None or int(match["last"]) - to != last - first)):
            raise ConfigError(setting, f"{part.strip()}: both ranges must ascend and be as long", value=given)
        ranges.append((first, last, to, step))
    ranges.sort()
    if any(following[0] <= earlier[1] for earlier, following in pairwise(ranges)):
        raise ConfigError(setting, "a label stands in it twice; name each once", value=given)
    return Relabelling(ranges=tuple(ranges))
