"""The kernels compiled by Numba: the same results as the functions of the same names in NumPy, bit for bit.

Kept on disk beside this file or, where that is not writable, in the user's cache folder; where neither is, they are
compiled anew in every process.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from convneur.metrics import bands, label_pair
from convneur.metrics.boundaries import Coordinates, Points
from convneur.metrics.distances import rings, squares_are_exact
from convneur.metrics.label_pair import Confusion
from convneur.metrics.objects import Objects

__all__ = [
    "border_points",
    "disagreements",
    "f1_points",
    "inner_band_counts",
    "matched",
    "nearest",
    "objects_of",
    "occurrences",
    "thin_objects",
    "trimap_counts",
]

BoolMap = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
RankMap = npt.NDArray[np.unsignedinteger[Any]]
Owned = npt.NDArray[np.int32]
Line = npt.NDArray[np.int16]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_NEAR = 5  # pixels around a point that are looked up before rows are searched; measured
_NOBODY = 255  # in a map of ranks, whose numbers are less
_WIDEST_TABLE = 1024  # classes in one image for which a table of all against all is small
_WIDEST = 127  # pixels: the widest trimap whose squared distances fit into 16 bits


def _compiled(function: _Function) -> _Function:
    kernel: Any
    try:
        kernel = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder to keep it in
        kernel = numba.njit(nogil=True)(function)
    return kernel


def occurrences(codes: npt.NDArray[Any], length: int) -> IntArray:
    if codes.dtype != np.uint8:
        return label_pair.occurrences(codes, length)
    return _occurrences(codes.ravel(), length)


@_compiled
def _occurrences(codes: npt.NDArray[np.uint8], length: int) -> IntArray:
    # Four tables: in runs of one label every addition would wait for the one before.
    tables = np.zeros((4, length), np.int64)
    fours = len(codes) // 4 * 4
    for i in range(0, fours, 4):
        for lane in range(4):
            tables[lane, codes[i + lane]] += 1
    for i in range(fours, len(codes)):
        tables[0, codes[i]] += 1
    return tables.sum(axis=0)


def disagreements(pred: RankMap, gt: RankMap, length: int) -> tuple[IntArray, IntArray, IntArray]:
    if length > _WIDEST_TABLE:
        return label_pair.disagreements(pred, gt, length)
    table = _disagreements(pred, gt, length)
    in_pred, in_gt = np.nonzero(table)
    return in_pred, in_gt, table[in_pred, in_gt]


@_compiled
def _disagreements(pred: RankMap, gt: RankMap, length: int) -> IntArray:
    table = np.zeros((length, length), np.int64)
    for y in range(gt.shape[0]):
        for x in range(gt.shape[1]):
            if gt[y, x] != pred[y, x]:
                table[pred[y, x], gt[y, x]] += 1
    return table


def f1_points(ranks: RankMap, count: int) -> Points:
    return Points(*_by_rank(_f1_owners(ranks), count))


@_compiled
def _f1_owners(ranks: RankMap) -> Owned:
    """Class, row and column of every boundary pixel, (M, 3), in raster order; up to four classes own a pixel."""
    height, width = ranks.shape
    flags = np.zeros(-(-width // 8) * 8, np.uint8)
    eights = flags.view(np.uint64)
    flagged = 0
    for y in range(height):
        _flag_f1(ranks, y, flags)
        flagged += flags.sum()
    owned = np.empty((4 * flagged, 3), np.int32)
    count = 0
    for y in range(height):
        _flag_f1(ranks, y, flags)
        # Few pixels are on a boundary: they are looked for eight at a time.
        for eight in range(len(eights)):
            if not eights[eight]:
                continue
            for x in range(8 * eight, min(8 * eight + 8, width)):
                if not flags[x]:
                    continue
                south, east = min(y + 1, height - 1), min(x + 1, width - 1)
                a, b, c, d = ranks[y, x], ranks[y, east], ranks[south, x], ranks[south, east]
                if south == y or east == x:
                    d = a
                for new, rank in (
                    (True, a),
                    (b != a, b),
                    (c != a and c != b, c),
                    (d != a and d != b and d != c, d),
                ):
                    if new:
                        owned[count, 0], owned[count, 1], owned[count, 2] = rank, y, x
                        count += 1
    return owned[:count]


@_compiled
def _flag_f1(ranks: RankMap, y: int, flags: npt.NDArray[np.uint8]) -> None:
    # Beyond the last row or column the neighbour is the pixel itself, which differs from nothing.
    height, width = ranks.shape
    row, south = ranks[y], ranks[min(y + 1, height - 1)]
    inner = y < height - 1
    for x in range(width - 1):
        flags[x] = (row[x + 1] != row[x]) | (south[x] != row[x]) | (inner & (south[x + 1] != row[x]))
    flags[width - 1] = south[width - 1] != row[width - 1]


def border_points(ranks: RankMap, count: int, connectivity: int) -> Points:
    return Points(*_by_rank(_border(ranks, connectivity), count))


@_compiled
def _border(ranks: RankMap, connectivity: int) -> Owned:
    """Class, row and column of every border pixel, (M, 3), in raster order."""
    height, width = ranks.shape
    flags = np.zeros(-(-width // 8) * 8, np.uint8)
    eights = flags.view(np.uint64)
    flagged = 0
    for y in range(height):
        _flag_border(ranks, y, connectivity, flags)
        flagged += flags.sum()
    owned = np.empty((flagged, 3), np.int32)
    count = 0
    for y in range(height):
        _flag_border(ranks, y, connectivity, flags)
        for eight in range(len(eights)):
            if eights[eight]:
                for x in range(8 * eight, min(8 * eight + 8, width)):
                    if flags[x]:
                        owned[count, 0], owned[count, 1], owned[count, 2] = ranks[y, x], y, x
                        count += 1
    return owned


@_compiled
def _flag_border(ranks: RankMap, y: int, connectivity: int, flags: npt.NDArray[np.uint8]) -> None:
    height, width = ranks.shape
    if y in (0, height - 1):
        flags[:width] = 1
        return
    row, north, south = ranks[y], ranks[y - 1], ranks[y + 1]
    for x in range(1, width - 1):
        a = row[x]
        flags[x] = (row[x - 1] != a) | (row[x + 1] != a) | (north[x] != a) | (south[x] != a)
    if connectivity == 8:
        for x in range(1, width - 1):
            a = row[x]
            flags[x] |= (north[x - 1] != a) | (north[x + 1] != a) | (south[x - 1] != a) | (south[x + 1] != a)
    flags[0] = flags[width - 1] = 1


@_compiled
def _by_rank(owned: Owned, count: int) -> tuple[IntArray, Coordinates, Coordinates]:
    """The fields of `Points`: a counting sort, which keeps the raster order within a rank."""
    starts = np.zeros(count + 1, np.int64)
    for i in range(len(owned)):
        if owned[i, 0] < count:
            starts[owned[i, 0] + 1] += 1
    for k in range(count):
        starts[k + 1] += starts[k]
    total = starts[count]
    rows, columns = np.empty(total, np.int32), np.empty(total, np.int32)
    following = starts.copy()
    for i in range(len(owned)):
        rank = np.int64(owned[i, 0])
        if rank < count:
            at = following[rank]
            following[rank] += 1
            rows[at], columns[at] = owned[i, 1], owned[i, 2]
    return starts, rows, columns


def nearest(
    points: Points, targets: Points, shape: tuple[int, int], spacing: tuple[float, float] = (1.0, 1.0)
) -> FloatArray:
    around = [(dy, dx, distance) for distance, offsets in rings(spacing, _NEAR) for dy, dx in offsets]
    if len(targets.starts) - 1 <= _NOBODY:
        found = _looked_up(points, targets, np.array(around), shape[0], shape[1])
    else:
        found = np.full(len(points.y), math.inf)  # more ranks than a map of bytes can name
    exact = squares_are_exact(shape, spacing)
    _search(found, points, targets, spacing[0], spacing[1], math.inf, 0.0, 0.5 if exact else math.inf)
    if exact:
        _transform(found, points, targets, spacing[0], spacing[1], shape[1])
    return found


def matched(points: Points, targets: Points, shape: tuple[int, int], radii: list[float]) -> BoolMap:
    found = np.full(len(points.y), math.inf)
    # Squared distances are whole numbers. A point within the smallest radius is within all of them.
    bound, enough = _square(max(radii), shape) + 1.0, float(_square(min(radii), shape))
    _search(found, points, targets, 1.0, 1.0, bound, enough, math.inf)
    return np.stack([found <= radius for radius in radii])


def _square(radius: float, shape: tuple[int, int]) -> int:
    """The largest whole number whose root is at most the radius; beyond the image any will do."""
    radius = min(radius, sum(shape))
    square = int(radius * radius) + 1
    while math.sqrt(square) > radius:
        square -= 1
    return square


@_compiled
def _looked_up(points: Points, targets: Points, around: FloatArray, height: int, width: int) -> FloatArray:
    """Distances to targets within the offsets `around`, (n, 3) dy, dx, distance, nearest first; inf elsewhere."""
    margin = 0
    for i in range(len(around)):
        margin = max(margin, int(abs(around[i, 0])), int(abs(around[i, 1])))
    row = width + 2 * margin
    owner = np.full((height + 2 * margin) * row, np.uint8(_NOBODY))
    for rank in range(len(targets.starts) - 1):
        for i in range(targets.starts[rank], targets.starts[rank + 1]):
            owner[(targets.y[i] + margin) * row + targets.x[i] + margin] = rank
    steps = np.empty(len(around), np.int64)
    for i in range(len(around)):
        steps[i] = int(around[i, 0]) * row + int(around[i, 1])
    found = np.full(len(points.y), math.inf)
    for rank in range(len(points.starts) - 1):
        for i in range(points.starts[rank], points.starts[rank + 1]):
            at = (points.y[i] + margin) * row + points.x[i] + margin
            for j in range(len(steps)):
                if owner[at + steps[j]] == rank:
                    found[i] = around[j, 2]
                    break
    return found


@_compiled
def _search(
    found: FloatArray,
    points: Points,
    targets: Points,
    step_y: float,
    step_x: float,
    bound: float,
    enough: float,
    patience: float,
) -> None:
    """Write into `found`, where it is inf, the distance to the nearest target of the class.

    Row by row outward from the point, as long as a row can be nearer than the best so far.
    Args: step_y, step_x: height and width of a pixel; bound: squared distances from here on are not wanted; enough:
        nor does anything nearer need to be found than this squared distance; patience: after this many rows for each
        pixel of the box around a class's targets the rest of its points is left as it is.
    """
    row_y, row_start, rows_of_class = _rows(targets)
    places = row_start.copy()  # where in a row a point was last looked for: the next one is often beside it
    for rank in range(len(points.starts) - 1):
        top, bottom = rows_of_class[rank], rows_of_class[rank + 1]
        rows_left = math.inf
        if patience < math.inf and top < bottom:
            across = targets.x[targets.starts[rank] : targets.starts[rank + 1]]
            rows_left = patience * (row_y[bottom - 1] - row_y[top] + 1) * (across.max() - across.min() + 1)
        below = top
        near = -1  # the target found last, which is often near the next point too
        for i in range(points.starts[rank], points.starts[rank + 1]):
            if top == bottom or found[i] < math.inf:
                continue
            if rows_left < 0:
                break
            y, x = points.y[i], points.x[i]
            while below < bottom and row_y[below] < y:
                below += 1
            best = bound
            if near >= 0:
                offset_y, offset_x = (targets.y[near] - y) * step_y, (targets.x[near] - x) * step_x
                best = min(best, offset_y * offset_y + offset_x * offset_x)
            up, down = below - 1, below
            while best > enough:
                offset_up = (y - row_y[up]) * step_y if up >= top else math.inf
                offset_down = (row_y[down] - y) * step_y if down < bottom else math.inf
                if offset_down <= offset_up:
                    row, offset_y = down, offset_down
                    down += 1
                else:
                    row, offset_y = up, offset_up
                    up -= 1
                if offset_y * offset_y >= best:
                    break
                rows_left -= 1
                start, stop, place = row_start[row], row_start[row + 1], places[row]
                if (place > start and targets.x[place - 1] >= x) or (place < stop and targets.x[place] < x):
                    place, high = start, stop
                    while place < high:
                        middle = (place + high) // 2
                        if targets.x[middle] < x:
                            place = middle + 1
                        else:
                            high = middle
                    places[row] = place
                for candidate in range(max(place - 1, start), min(place + 1, stop)):
                    offset_x = (targets.x[candidate] - x) * step_x
                    square = offset_y * offset_y + offset_x * offset_x
                    if square < best:
                        best, near = square, candidate
            if best < bound:
                found[i] = math.sqrt(best)


@_compiled
def _transform(found: FloatArray, points: Points, targets: Points, step_y: float, step_x: float, width: int) -> None:
    """`_search` at a cost that does not grow with the distances: that of an exact distance transform by class.

    Equation: in every row of points, of each column the squared distance to its nearest target up or down, and over the
        columns the lower envelope of the parabolas that stand on these (Meijster, Roerdink and Hesselink 2000).
    Args: step_y, step_x: such that squares are whole numbers of a 256th, see `squares_are_exact`; width: of the map.
    """
    unit_y, unit_x = np.int64(256 * step_y * step_y), np.int64(256 * step_x * step_x)
    starts = np.empty(width + 1, np.int64)  # of each column's targets in `rows`
    columns, first, away = np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.int64)
    best, begins = np.empty(width, np.int64), np.empty(width, np.int64)  # the envelope's columns and where it has them
    for rank in range(len(points.starts) - 1):
        last = points.starts[rank + 1]
        i = points.starts[rank]
        while i < last and found[i] < math.inf:
            i += 1
        low, high = targets.starts[rank], targets.starts[rank + 1]
        if i == last or low == high:
            continue
        starts[:] = 0
        for k in range(low, high):
            starts[targets.x[k] + 1] += 1
        count = 0
        for x in range(width):
            if starts[x + 1]:
                columns[count], first[count] = x, starts[x]
                count += 1
            starts[x + 1] += starts[x]
        rows = np.empty(high - low, np.int64)
        following = starts[:-1].copy()
        for k in range(low, high):
            rows[following[targets.x[k]]] = targets.y[k]
            following[targets.x[k]] += 1
        while i < last:
            y = points.y[i]
            end = i
            while end < last and points.y[end] == y:
                end += 1
            for j in range(count):
                at, stop = first[j], starts[columns[j] + 1]
                while at < stop and rows[at] < y:
                    at += 1
                first[j] = at
                near = rows[at] - y if at < stop else rows[at - 1] - y
                if at > starts[columns[j]] and y - rows[at - 1] < abs(near):
                    near = rows[at - 1] - y
                away[j] = near
            top = -1
            for j in range(count):
                square = unit_y * away[j] * away[j]
                while top >= 0:
                    k, x = best[top], begins[top]
                    to_k, to_j = x - columns[k], x - columns[j]
                    if unit_y * away[k] * away[k] + unit_x * to_k * to_k <= square + unit_x * to_j * to_j:
                        break
                    top -= 1
                begin = np.int64(0)
                if top >= 0:
                    k = best[top]
                    between = columns[j] - columns[k]
                    sum_of_both = columns[j] + columns[k]
                    more = square - unit_y * away[k] * away[k] + unit_x * between * sum_of_both
                    begin = more // (2 * unit_x * between) + 1
                if begin < width:
                    top += 1
                    best[top], begins[top] = j, begin
            for k in range(end - 1, i - 1, -1):
                while begins[top] > points.x[k]:
                    top -= 1
                if found[k] == math.inf:
                    offset_y = away[best[top]] * step_y
                    offset_x = (columns[best[top]] - points.x[k]) * step_x
                    found[k] = math.sqrt(offset_y * offset_y + offset_x * offset_x)
            i = end


@_compiled
def _rows(points: Points) -> tuple[IntArray, IntArray, IntArray]:
    """Rows that have a point, class by class: y, first point, and the first row of every class."""
    classes, count = len(points.starts) - 1, len(points.y)
    row_y, row_start = np.empty(count, np.int64), np.empty(count + 1, np.int64)
    rows_of_class = np.empty(classes + 1, np.int64)
    rows = 0
    for rank in range(classes):
        rows_of_class[rank] = rows
        for i in range(points.starts[rank], points.starts[rank + 1]):
            if i == points.starts[rank] or points.y[i] != points.y[i - 1]:
                row_y[rows], row_start[rows] = points.y[i], i
                rows += 1
    rows_of_class[classes] = rows
    row_start[rows] = count
    return row_y[:rows], row_start[: rows + 1], rows_of_class


def trimap_counts(pred: RankMap, gt: RankMap, seed: str, widths: tuple[int, ...], shape: str, count: int) -> Confusion:
    if widths[-1] > _WIDEST:
        return bands.trimap_counts(pred, gt, seed, widths, shape, count)
    edges, disk = np.array(widths), shape == "disk"
    edges = edges * edges if disk else edges
    ring = np.searchsorted(edges, np.arange(edges[-1] + 2))
    start = _class_seed(gt, count) if seed == "class" else gt == count
    counts = _ring_counts(pred, gt, start, widths[-1], disk, ring, len(widths), count)
    only_gt, only_pred, agreeing = counts.cumsum(axis=1)[:, :, :count]
    return Confusion(only_gt + agreeing, only_pred + agreeing, agreeing)


@_compiled
def _class_seed(gt: RankMap, count: int) -> BoolMap:
    height, width = gt.shape
    none = gt.dtype.type(count)
    seed = np.zeros((height, width), np.bool_)
    for y in range(height):
        for other in (max(y - 1, 0), min(y + 1, height - 1)):
            for x in range(width):
                seed[y, x] |= (gt[other, x] != gt[y, x]) & (gt[other, x] != none)
        for x in range(width - 1):
            seed[y, x] |= (gt[y, x + 1] != gt[y, x]) & (gt[y, x + 1] != none)
        for x in range(1, width):
            seed[y, x] |= (gt[y, x - 1] != gt[y, x]) & (gt[y, x - 1] != none)
        for x in range(width):
            seed[y, x] &= gt[y, x] != none
    return seed


@_compiled
def _ring_counts(
    pred: RankMap, gt: RankMap, seed: BoolMap, reach: int, disk: bool, ring: IntArray, rings: int, count: int
) -> IntArray:
    """Pixels not ignored, by what they are (gt only, pred only, agreeing), ring and class, (3, rings, count + 1).

    Distances to the seed, first along columns, then along rows; `ring` gives the ring of a distance, of a squared one
    for disks. Distances beyond the reach are all the same.
    """
    height, width = gt.shape
    counts = np.zeros((3, rings, count + 1), np.int64)
    if not seed.any():
        return counts
    far = np.int16(reach + 1)
    beyond = np.int16(len(ring) - 1)
    above = np.empty((height, width), np.int16)
    for x in range(width):
        above[0, x] = 0 if seed[0, x] else far
    for y in range(1, height):
        for x in range(width):
            last = above[y - 1, x]
            above[y, x] = 0 if seed[y, x] else last + (last < far)
    under = np.full(width, far)
    line = np.full(width + 2 * reach, beyond)
    distances = np.empty(width, np.int16)
    for y in range(height - 1, -1, -1):
        for x in range(width):
            last = under[x]
            under[x] = min(above[y, x], np.int16(last + (last < far)))
        if under.min() == far:
            continue
        distances[:] = np.minimum(under * under, beyond) if disk else under
        line[reach : reach + width] = distances
        if disk:
            _nearest_in_disk(line, distances, reach)
        else:
            _nearest_in_square(line, distances, reach)
        for x in range(width):
            if distances[x] < beyond:
                at, a, b = ring[distances[x]], gt[y, x], pred[y, x]
                if a == b:
                    counts[2, at, a] += 1
                elif a < count:
                    counts[0, at, a] += 1
                    counts[1, at, b] += 1
    return counts


@_compiled
def _nearest_in_square(line: Line, distances: Line, reach: int) -> None:
    """From distances along columns, with a margin, to Chebyshev distances, (W,)."""
    for dx in range(1, reach + 1):
        left, right, offset = line[reach - dx :], line[reach + dx :], np.int16(dx)
        for x in range(len(distances)):
            distances[x] = min(distances[x], max(min(left[x], right[x]), offset))


@_compiled
def _nearest_in_disk(line: Line, distances: Line, reach: int) -> None:
    """From squared distances along columns, with a margin, to squared Euclidean ones, (W,)."""
    for dx in range(1, reach + 1):
        left, right, offset = line[reach - dx :], line[reach + dx :], np.int16(dx * dx)
        for x in range(len(distances)):
            distances[x] = min(distances[x], np.int16(min(left[x], right[x]) + offset))


def inner_band_counts(pred: RankMap, gt: RankMap, depth: int, count: int) -> Confusion:
    only_gt, only_pred, both = _band_counts(pred, gt, inside(pred, depth), inside(gt, depth), count)[:, :count]
    return Confusion(only_gt + both, only_pred + both, both)


def objects_of(ranks: RankMap, border: Points, connectivity: int = 8) -> Objects:
    return Objects(*_objects(ranks, border, connectivity == 8))


@_compiled
def _objects(ranks: RankMap, border: Points, corners: bool) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    height, width = ranks.shape
    starts, rows = _runs(ranks)
    count = rows[height]
    owned = np.empty(count, ranks.dtype)
    for y in range(height):
        for i in range(rows[y], rows[y + 1]):
            owned[i] = ranks[y, starts[i] - y * width]
    parent = np.arange(np.int64(count))
    for y in range(1, height):
        i, j = rows[y - 1], rows[y]
        while i < rows[y] and j < rows[y + 1]:
            above, below = starts[i + 1] + width, starts[j + 1]
            if owned[i] == owned[j]:
                _join(parent, i, j)
            if corners and above == below and j + 1 < rows[y + 1]:
                if owned[i] == owned[j + 1]:
                    _join(parent, i, j + 1)
                if owned[i + 1] == owned[j]:
                    _join(parent, i + 1, j)
            i += above <= below
            j += below <= above
    first = np.empty(count, np.int64)
    objects = 0
    for i in range(count):
        if parent[i] == i:
            first[objects] = i
            parent[i] = objects
            objects += 1
        else:
            parent[i] = parent[parent[i]]  # an earlier run, whose object is known
    pixels = np.zeros(objects, np.int64)
    i = y = 0
    for k in range(len(border.y)):
        place = border.y[k] * width + border.x[k]
        if border.y[k] != y or starts[i] > place:
            y = border.y[k]
            i = rows[y]
        while starts[i + 1] <= place:
            i += 1
        pixels[parent[i]] += 1
    return starts[:count], parent, first[:objects].copy(), pixels


def thin_objects(ranks: RankMap, objects: Objects, depth: int) -> BoolMap:
    height, width = ranks.shape
    return _thin_objects(objects.starts, objects.owner, len(objects.first), height, width, 2 * depth + 1)


@_compiled
def _thin_objects(starts: IntArray, owner: IntArray, objects: int, height: int, width: int, side: int) -> BoolMap:
    """Runs alone are looked at, pixels only of those that are as long as the square, until one fits into the object."""
    thin = np.ones(objects, np.bool_)
    # By column, of the square's row of pixels that begins there: rows of one object that end here, which, and where.
    rows, of, last = np.zeros(width, np.int32), np.zeros(width, np.int64), np.full(width, -2)
    y = 0
    for i in range(len(starts)):
        k = owner[i]
        y += starts[i] == (y + 1) * width
        if thin[k]:
            end = starts[i + 1] if i + 1 < len(starts) else height * width
            for x in range(starts[i] - y * width, end - y * width - side + 1):
                rows[x] = rows[x] + 1 if last[x] == y - 1 and of[x] == k else 1
                of[x], last[x] = k, y
                if rows[x] == side:
                    thin[k] = False
                    break
    return thin


@_compiled
def _runs(ranks: RankMap) -> tuple[IntArray, IntArray]:
    """Where runs of one rank start in the flattened map, the map's end behind them; the first run of each row."""
    height, width = ranks.shape
    flags = np.zeros(-(-width // 8) * 8, np.uint8)
    eights = flags.view(np.uint64)
    starts, rows = np.empty(16 * height + width + 1, np.int64), np.empty(height + 1, np.int64)
    count = 0
    for y in range(height):
        row = ranks[y]
        flags[0] = 1
        for x in range(1, width):
            flags[x] = row[x] != row[x - 1]
        rows[y] = count
        if count + width >= len(starts):
            longer = np.empty(2 * len(starts), np.int64)
            longer[:count] = starts[:count]
            starts = longer
        for eight in range(len(eights)):
            if eights[eight]:
                for x in range(8 * eight, min(8 * eight + 8, width)):
                    if flags[x]:
                        starts[count] = y * width + x
                        count += 1
    rows[height] = count
    starts[count] = height * width
    return starts[: count + 1], rows


@_compiled
def _join(parent: IntArray, i: int, j: int) -> None:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    while parent[j] != j:
        parent[j] = parent[parent[j]]
        j = parent[j]
    if i < j:
        parent[j] = i
    elif j < i:
        parent[i] = j


@_compiled
def inside(ranks: RankMap, depth: int) -> BoolMap:
    """Pixels whose (2 depth + 1)-wide window lies in the image and holds one label, (H, W)."""
    height, width = ranks.shape
    found = np.zeros((height, width), np.bool_)
    even = np.empty(width, np.bool_)  # the window's row is of one label
    rows = np.zeros(width, np.int32)  # so many such rows of the same label end here
    side = np.int32(2 * depth + 1)
    flags = np.zeros(-(-width // 8) * 8, np.uint8)
    eights = flags.view(np.uint64)
    for y in range(height):
        row, above = ranks[y], ranks[max(y - 1, 0)]
        for x in range(width - 1):
            flags[x] = row[x + 1] != row[x]
        flags[width - 1] = 1
        even[:] = False
        start = 0
        for eight in range(len(eights)):
            if eights[eight]:
                for x in range(8 * eight, min(8 * eight + 8, width)):
                    if flags[x]:
                        even[start + depth : max(x + 1 - depth, start + depth)] = True
                        start = x + 1
        for x in range(width):
            grown = rows[x] + 1 if above[x] == row[x] else 1
            rows[x] = grown if even[x] else 0
        if y >= 2 * depth:
            for x in range(width):
                found[y - depth, x] = rows[x] >= side
    return found


@_compiled
def _band_counts(pred: RankMap, gt: RankMap, pred_inside: BoolMap, gt_inside: BoolMap, count: int) -> IntArray:
    """Pixels by what they are, (3, count + 1): in the gt's band only, in the prediction's only, in both of a class."""
    counts = np.zeros((3, count + 1), np.int64)
    for y in range(gt.shape[0]):
        for x in range(gt.shape[1]):
            a, b, in_gt, in_pred = gt[y, x], pred[y, x], not gt_inside[y, x], not pred_inside[y, x]
            if in_gt and in_pred and a == b:
                counts[2, a] += 1
            else:
                if in_gt:
                    counts[0, a] += 1
                if in_pred:
                    counts[1, b] += 1
    return counts
