"""Component Dice: Dice of every connected component of the ground truth, in the region that is nearest to it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.metrics.label_pair import ratio
from convneur.metrics.measure import ClassValues, Kind, Measure, PairGeometry, Path, Rows
from convneur.metrics.object_pairs import class_objects
from convneur.metrics.settings import BoundarySettings

__all__ = ["ComponentDice", "component_scores"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_ROWS: dict[str, Kind] = {"component_dice_sum": "sum", "component_dice_components": "count"}


class ComponentDice(Measure):
    """Mean Dice over the components of a class, so that small ones count as much as large ones.

    Jaus et al., CC-Metrics (arXiv 2410.18684); MONAI's Dice with `per_component`.
    Choice: a pixel as near to two components is of the one that comes first; MONAI leaves that to the order of a scan.
    """

    metric, name, short = "component_dice", "Component Dice", "comp. Dice"

    def paths(self, settings: BoundarySettings) -> list[Path]:
        return [(self.metric, "dice"), (self.metric, "components")]

    def mean_paths(self, settings: BoundarySettings) -> list[Path]:
        return [(self.metric, "dice")]

    def rows(self, settings: BoundarySettings) -> Mapping[str, Kind]:
        return _ROWS

    def measure(self, geometry: PairGeometry) -> Rows:
        rank, scores = component_scores(geometry)
        count = np.bincount(rank, minlength=geometry.count)[geometry.present]
        sums = np.array([math.fsum(scores[rank == k]) for k in geometry.present.tolist()])
        return dict(zip(_ROWS, (sums, np.maximum(count, 1)), strict=True))  # a spurious class is one entry of 0

    def adds_up(self, settings: BoundarySettings) -> bool:
        return True

    def of_image(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> ClassValues:
        return {(self.metric, "dice"): ratio(*(rows[name] for name in _ROWS))}

    def of_total(self, rows: Rows, settings: BoundarySettings) -> ClassValues:
        found = {(self.metric, "components"): rows["component_dice_components"]}
        return found | (self.of_image(rows, settings, 0) if settings.aggregate == "pooled" else {})

    def definition(self, settings: Mapping[str, Any], unit: str) -> str:
        return "mean over components" + ("" if settings["aggregate"] == "pooled" else " of an image, then over images")

    def headline(self, settings: BoundarySettings) -> Path:
        return (self.metric, "dice")

    def columns(self, paths: Sequence[Path]) -> list[Path]:
        return [(self.metric, "dice")]

    def value_name(self, keys: Path) -> str:
        return "Component Dice, components" if keys == ("components",) else self.name

    def short_value_name(self, keys: Path) -> str:
        return "components" if keys == ("components",) else self.short


def component_scores(geometry: PairGeometry) -> tuple[IntArray, FloatArray]:
    """Rank and Dice of each component of the ground truth, in the order of their first pixels, (N,).

    Equation: Dice of component k = 2 |G_k and P| / (|G_k| + |P in region k|); a region is what is nearer to its
        component than to any other of the class. Only pixels of P outside G have to be assigned.
    """
    gt, pred = geometry.pair.gt, geometry.pair.pred
    objects = class_objects(geometry, "gt", 8)
    numbers = objects.map(gt.shape)
    common = np.bincount(numbers[(gt == pred) & (numbers >= 0)], minlength=len(objects.area))
    predicted = common.copy()
    for rank in np.unique(objects.rank).tolist():
        own = np.flatnonzero(objects.rank == rank)
        outside = (pred == rank) & (gt != rank)
        if len(own) == 1:
            predicted[own] += np.count_nonzero(outside)
        elif outside.any():
            predicted += np.bincount(_nearest(numbers, gt == rank, outside), minlength=len(predicted))
    return objects.rank, 2 * common / (objects.area + predicted)


def _nearest(numbers: IntArray, components: npt.NDArray[np.bool_], asking: npt.NDArray[np.bool_]) -> IntArray:
    """The lowest number of the nearest components of each pixel that asks."""
    from scipy.ndimage import distance_transform_edt

    height, width = numbers.shape
    y, x = np.nonzero(asking)
    near = distance_transform_edt(~components, return_distances=False, return_indices=True)[:, y, x]
    squares = (near[0] - y).astype(np.int64) ** 2 + (near[1] - x).astype(np.int64) ** 2
    found = numbers[near[0], near[1]]
    # Of all pixels that are exactly as far the transform names any one.
    distinct, of_pixel = np.unique(squares, return_inverse=True)
    starts, sides = _sums_of_squares(distinct)
    for number in range(int(np.diff(starts).max(initial=0))):
        chosen = np.flatnonzero(starts[of_pixel] + number < starts[of_pixel + 1])
        offset_y, offset_x = sides[:, starts[of_pixel[chosen]] + number]
        for sign_y, sign_x in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            at_y, at_x = y[chosen] + sign_y * offset_y, x[chosen] + sign_x * offset_x
            there = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
            there[there] = components[at_y[there], at_x[there]]
            found[chosen[there]] = np.minimum(found[chosen[there]], numbers[at_y[there], at_x[there]])
    return np.asarray(found)


def _sums_of_squares(sums: IntArray) -> tuple[IntArray, IntArray]:
    """All (a, b) from 0 with a^2 + b^2 = sums[i], as columns starts[i]:starts[i + 1] of an array (2, M).

    Args: sums: ascending.
    """
    which, roots = [], []
    for a in range(math.isqrt(int(sums[-1])) + 1 if len(sums) else 0):
        first = int(np.searchsorted(sums, a * a))
        rest = sums[first:] - a * a
        b = np.rint(np.sqrt(rest)).astype(np.int64)
        hit = np.flatnonzero(b * b == rest)
        which.append(first + hit)
        roots.append(np.stack((np.full(len(hit), a), b[hit])))
    if not which:
        return np.zeros(1, np.int64), np.zeros((2, 0), np.int64)
    sums_of = np.concatenate(which)
    starts = np.append(0, np.bincount(sums_of, minlength=len(sums)).cumsum())
    return starts, np.concatenate(roots, axis=1)[:, np.argsort(sums_of, kind="stable")]
