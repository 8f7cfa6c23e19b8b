"""Boundary pixels of all classes of a label map at once, in one pass over the map."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.label_pair import rank_type

__all__ = ["MOST_BITS", "Coordinates", "Points", "Steps", "border_points", "f1_points", "rank_bits", "steps"]

BoolMap = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
RankMap = npt.NDArray[np.unsignedinteger[Any]]
Coordinates = npt.NDArray[np.int32]


MOST_BITS = 64

_LONG = 2000  # booleans that are added up in the time of a call that counts them, and then counts far faster


class Steps(NamedTuple):
    """Where a map changes: right (H, W - 1) between columns x and x + 1, down (H - 1, W) between rows."""

    right: BoolMap
    down: BoolMap


class Points(NamedTuple):
    """Pixels sorted by rank, then row, then column.

    Choice: 8 bytes a pixel, since in a map of noise every pixel is one.

    starts: (K + 1,), rank k owns starts[k]:starts[k + 1]. y, x: (N,) of 4 bytes.
    """

    starts: IntArray
    y: Coordinates
    x: Coordinates

    @property
    def size(self) -> int:
        """N."""
        return len(self.y)

    @property
    def rank(self) -> RankMap:
        """Of each point, (N,)."""
        none = len(self.starts) - 1
        return np.arange(none, dtype=rank_type(none)).repeat(self.counts())

    def places(self, shape: tuple[int, ...], margin: int = 0) -> IntArray | Coordinates:
        """In the flattened map with a margin around it, (N,)."""
        height, width = (side + 2 * margin for side in shape)
        y: IntArray | Coordinates = self.y if height * width < 1 << 31 else self.y.astype(np.int64)
        return np.asarray((y + margin) * width + (self.x + margin))

    def counts(self) -> IntArray:
        """Points of each rank, (K,)."""
        return np.diff(self.starts)

    def by_rank(self, which: BoolMap) -> IntArray:
        """How many of the points of each rank are chosen by each row of (T, N), (T, K)."""
        counts = np.zeros((len(which), len(self.starts) - 1), np.int64)
        owned = np.flatnonzero(self.counts())  # reduceat has no notion of an empty part
        if _LONG * len(owned) < self.size:
            for k in owned.tolist():
                part = which[:, self.starts[k] : self.starts[k + 1]]
                counts[:, k] = [np.count_nonzero(row) for row in part]
            return counts
        counts[:, owned] = np.add.reduceat(which, self.starts[owned], axis=1, dtype=np.int64)
        return counts


def rank_bits(count: int) -> RankMap:
    """A number with one bit for each of so many ranks, at most `MOST_BITS`, (count,), of the least width."""
    kind = f"u{next(size for size in (1, 2, 4, 8) if count <= 8 * size)}"
    return np.left_shift(1, np.arange(count), dtype=np.uint64, casting="unsafe").astype(kind)


def steps(ranks: RankMap) -> Steps:
    """Where neighbouring pixels differ."""
    return Steps(ranks[:, 1:] != ranks[:, :-1], ranks[1:] != ranks[:-1])


def f1_points(ranks: RankMap, count: int) -> Points:
    """Boundary pixels of every class by the definition of boundary F1.

    Equation: b_c(p) where the mask of c differs between p and its east, south or south-east neighbour; the last
        row compares east only, the last column south only, the corner never (DAVIS). A pixel can belong to the
        boundaries of up to four classes; the image border is no boundary.
    Args:    ranks: (H, W), `count` and above are no class.
    Returns: the points of ranks 0..count - 1.
    """
    height, width = ranks.shape
    changes = steps(ranks)
    edge = np.zeros((height, width), bool)
    edge[:, :-1] |= changes.right
    edge[:-1] |= changes.down
    edge[:-1, :-1] |= ranks[1:, 1:] != ranks[:-1, :-1]
    here = np.flatnonzero(edge)
    y, x = np.divmod(here, width)
    # Beyond the last row or column the neighbour is the pixel itself, which differs from nothing.
    to_east = (x < width - 1).astype(np.int64)
    to_south = np.where(y < height - 1, width, 0)
    flat = ranks.ravel()
    centre = flat[here]
    east, south, corner = flat[here + to_east], flat[here + to_south], flat[here + to_east + to_south]
    new_south = (south != centre) & (south != east)
    new_corner = (corner != centre) & (corner != east) & (corner != south)
    keys = []
    for rank, new in ((centre, None), (east, east != centre), (south, new_south), (corner, new_corner)):
        owned = rank < count if new is None else new & (rank < count)
        keys.append(rank[owned].astype(np.int64) * (height * width) + here[owned])
    ascending = np.sort(np.concatenate(keys))
    starts = np.searchsorted(ascending, np.arange(count + 1) * (height * width))
    return Points(starts, *_coordinates(ascending % (height * width), width))


def border_points(ranks: RankMap, count: int, connectivity: int) -> Points:
    """Border pixels of every class by the definition of the distance metrics.

    Equation: mask & ~erode(mask) with the 4- or 8-neighbour structuring element and background outside, so the
        image border is a border. A pixel belongs to the border of its own class only.
    Args:    ranks: (H, W), `count` and above are no class; connectivity: 4 or 8.
    Returns: the points of ranks 0..count - 1.
    """
    height, width = ranks.shape
    changes = steps(ranks)
    border = np.zeros((height, width), bool)
    border[[0, -1]] = True
    border[:, [0, -1]] = True
    border[:, :-1] |= changes.right
    border[:, 1:] |= changes.right
    border[:-1] |= changes.down
    border[1:] |= changes.down
    if connectivity == 8:
        falling = ranks[1:, 1:] != ranks[:-1, :-1]
        rising = ranks[1:, :-1] != ranks[:-1, 1:]
        border[1:, 1:] |= falling
        border[:-1, :-1] |= falling
        border[1:, :-1] |= rising
        border[:-1, 1:] |= rising
    here = np.flatnonzero(border)
    rank = ranks.ravel()[here]
    here, rank = here[rank < count], rank[rank < count]
    # A stable sort of small integers is linear in NumPy, and keeps the raster order within a class.
    order = np.argsort(rank, kind="stable")
    starts = np.append(0, np.bincount(rank, minlength=count).cumsum())
    return Points(starts, *_coordinates(here[order], width))


def _coordinates(places: IntArray, width: int) -> tuple[Coordinates, Coordinates]:
    """Rows and columns; integers of 4 bytes are divided in half the time."""
    narrow = places.astype(np.int32) if not len(places) or places.max() < 1 << 31 else places
    y = narrow // narrow.dtype.type(width)
    return y.astype(np.int32, copy=False), (narrow - y * narrow.dtype.type(width)).astype(np.int32, copy=False)
