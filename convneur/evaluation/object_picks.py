"""The objects of a data set that are worth a look: matched worst, missed, predicted in vain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convneur.metrics import PairScores
from convneur.metrics.object_pairs import STATUS

__all__ = ["ObjectPick", "ObjectPicks"]

_MOST = 6  # of each kind

_KINDS = {"tp": "worst pair", "fn": "missed", "fp": "spurious"}


@dataclass(frozen=True)
class ObjectPick:
    """kind: worst pair, missed or spurious; image: its name; label: the class; number: of the object within it.

    area: pixels; iou: of a pair, else NaN; box: top, left, bottom, right.
    """

    kind: str
    image: str
    label: int
    number: int
    area: int
    iou: float
    box: tuple[int, int, int, int]


class ObjectPicks:
    """Adds up the objects of pairs; keeps a few: pairs of lowest IoU, the largest missed and spurious objects.

    Choice: of objects as good or as large as each other the first in the order of the images' names.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[float, ObjectPick]]] = {status: [] for status in STATUS}

    def add(self, name: str, scores: PairScores) -> None:
        """Look at one image, scored with `per_object`."""
        rows = scores.object_rows
        if rows is None:
            return
        for number, status in enumerate(STATUS):
            side = "pred" if status == "fp" else "gt"
            chosen = np.flatnonzero(rows["status"] == number)
            badness = rows["iou"][chosen] if status == "tp" else -rows[f"{side}_area"][chosen].astype(float)
            for at in np.argsort(badness, kind="stable")[:_MOST]:
                row = {column: values[chosen[at]].item() for column, values in rows.items()}
                box = row["top"], row["left"], row["bottom"], row["right"]
                pick = ObjectPick(
                    _KINDS[status], name, row["class"], row[f"{side}_object"], row[f"{side}_area"], row["iou"], box
                )
                self._kept[status].append((badness[at].item(), pick))
            self._kept[status].sort(key=lambda each: (each[0], each[1].image, each[1].label, each[1].number))
            del self._kept[status][_MOST:]

    def picks(self) -> Sequence[ObjectPick]:
        """Pairs first, worst of each kind first."""
        return [pick for status in STATUS for _, pick in self._kept[status]]

    def of_images(self) -> Iterator[tuple[str, list[int]]]:
        """Each image with the places of its objects in `picks`, so that it is read once."""
        places: dict[str, list[int]] = {}
        for place, pick in enumerate(self.picks()):
            places.setdefault(pick.image, []).append(place)
        yield from places.items()
