"""Connected objects of all classes of a label map at once, and which of them are thinner than a tolerance reaches."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.bands import inside
from convneur.metrics.boundaries import Points

__all__ = ["ObjectCounts", "Objects", "mostly_thin", "object_counts", "objects_of", "thin_objects"]

BoolMap = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
RankMap = npt.NDArray[np.unsignedinteger[Any]]


class ObjectCounts(NamedTuple):
    """Connected objects of the ground truth by class, (K,), and those thinner than a tolerance reaches, (T + 1, K).

    The last row is that of the smallest surface-dice tau, see `settings.thin_depths`.

    border, thin_border: the pixels on their borders.
    """

    objects: IntArray
    border: IntArray
    thin: IntArray
    thin_border: IntArray


def mostly_thin(counts: ObjectCounts) -> BoolMap:
    """(T + 1, K): at least half of the borders of the class are those of thin objects."""
    return np.asarray((counts.thin_border > 0) & (2 * counts.thin_border >= counts.border))


class Objects(NamedTuple):
    """The connected objects of a map, pixels with a common side or corner, whose M runs of one rank lie in rows.

    With connectivity 4 a common corner is not enough.

    starts: (M,) of the runs in the flattened map, ascending. owner: (M,) object of each run, below N. first: (N,) a run
    of each object. border: (N,) border pixels of each object.
    """

    starts: IntArray
    owner: IntArray
    first: IntArray
    border: IntArray

    def at(self, points: Points, width: int) -> IntArray:
        """The object of each point, (N,). width: of the map, pixels."""
        places = points.y * np.int64(width) + points.x
        if 32 * points.size < self.starts[-1]:
            return self.owner[np.searchsorted(self.starts, places, side="right") - 1]
        last = int(max(places.max(initial=0), self.starts[-1]))
        begins = np.zeros(last + 1, bool)
        begins[self.starts] = True
        return self.owner[np.cumsum(begins, dtype=np.int64 if last >> 31 else np.int32)[places] - 1]

    def lengths(self, pixels: int) -> IntArray:
        """Of the runs, (M,), in a map of so many pixels."""
        return np.diff(self.starts, append=pixels)


def object_counts(
    ranks: RankMap,
    objects: Objects,
    count: int,
    depths: Sequence[int],
    thin_objects: Callable[[RankMap, Objects, int], BoolMap],
) -> ObjectCounts:
    """Count the objects of every class, and those that are thin.

    Choice: an object is thin for a tolerance if no square of 2 depth + 1 pixels fits into it, so that from anywhere in
        it a boundary is about as near as the tolerance; bent and slanting lines are.
    Args:   ranks: (H, W), `count` and above are no class; depths: (T + 1,) pixels; thin_objects: see `kernels`.
    """
    classes = ranks.ravel()[objects.starts[objects.first]]
    kept = classes < count

    def by_class(which: BoolMap, weights: IntArray | None = None) -> IntArray:
        chosen = None if weights is None else weights[which]
        return np.bincount(classes[which], chosen, minlength=count).astype(np.int64)

    thin = [kept & _thin(ranks, objects, depth, thin_objects) for depth in depths]
    rows = [(by_class(row), by_class(row, objects.border)) for row in (kept, *thin)]
    (all_objects, *narrow), (all_border, *thin_border) = zip(*rows, strict=True)
    return ObjectCounts(all_objects, all_border, np.stack(narrow), np.stack(thin_border))


def _thin(
    ranks: RankMap, objects: Objects, depth: int, thin_objects: Callable[[RankMap, Objects, int], BoolMap]
) -> BoolMap:
    if depth < 1:
        return np.zeros(len(objects.first), bool)
    if 2 * depth >= min(ranks.shape):
        return np.ones(len(objects.first), bool)
    return thin_objects(ranks, objects, depth)


def thin_objects(ranks: RankMap, objects: Objects, depth: int) -> BoolMap:
    """Into which objects no square of 2 depth + 1 pixels fits, (N,). depth: pixels, at least 1."""
    has_inside = np.logical_or.reduceat(inside(ranks, depth).ravel(), objects.starts)
    return np.bincount(objects.owner, has_inside, minlength=len(objects.first)) == 0


def objects_of(ranks: RankMap, border: Points, connectivity: int = 8) -> Objects:
    """The objects of all ranks of a map, in the order of their first pixels.

    Args: border: its border points; connectivity: 8, or 4 for pixels with a common side.
    """
    starts, owner, first = _objects(ranks, connectivity)
    found = Objects(starts, owner, first, np.zeros(0, np.int64))
    return found._replace(border=np.bincount(found.at(border, ranks.shape[1]), minlength=len(first)))


def _objects(ranks: RankMap, connectivity: int) -> tuple[IntArray, IntArray, IntArray]:
    """Runs of one rank in the rows, and which of them touch.

    Returns: the first three of `Objects`.
    """
    height, width = ranks.shape
    flat = ranks.ravel()
    begins = np.ones(flat.size, bool)
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[::width] = True
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], flat.size)
    rank = flat[starts]
    first = np.searchsorted(starts, np.arange(height + 1) * width)  # run of each row
    above = np.arange(first[height - 1])  # runs that have a row below
    row = starts[above] // width
    corner = int(connectivity == 8)  # whether runs that have only a corner in common touch
    low = np.maximum(np.searchsorted(ends + corner, starts[above] + width, side="right"), first[row + 1])
    high = np.minimum(np.searchsorted(starts, ends[above] + width + corner), first[row + 2])
    touching = high - low
    a = above.repeat(touching)
    b = np.arange(len(a)) + (low - np.append(0, touching.cumsum()[:-1])).repeat(touching)
    same = rank[a] == rank[b]
    owner = _components(len(starts), a[same], b[same])
    first_run = np.flatnonzero(owner == np.arange(len(owner)))
    return starts, np.searchsorted(first_run, owner), first_run


def _components(count: int, a: IntArray, b: IntArray) -> IntArray:
    """The lowest node of each node's component, (count,), of a graph with edges a-b."""
    root = np.arange(count)
    while len(a):
        a, b = root[a], root[b]
        apart = a != b
        a, b = a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(further := root[root], root):
            root = further
    return root
