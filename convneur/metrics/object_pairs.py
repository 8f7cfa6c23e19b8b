"""Connected objects of ground truth and prediction, which of them are pairs, and the measures of each pair."""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.boundaries import Points, border_points
from convneur.metrics.decimals import distance_limit
from convneur.metrics.distances import SurfaceDistances, distances_by_rank
from convneur.metrics.measure import PairGeometry
from convneur.metrics.objects import Objects
from convneur.metrics.settings import BoundarySettings

__all__ = [
    "STATUS",
    "ClassObjects",
    "ObjectPairs",
    "class_objects",
    "object_boxes",
    "object_columns",
    "object_pairs",
    "object_rows",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_SIDES: tuple[Literal["gt", "pred"], ...] = ("gt", "pred")

STATUS = ("tp", "fn", "fp")
"""Of an object, in the order of the numbers in `object_rows`."""


class ClassObjects(NamedTuple):
    """The N objects of one map that are of a class, in the order of their first pixels.

    objects: of the map, those of no class among them. number: (M,) which of the N each of those is, -1 for no class.
    rank: (N,) of their classes. area: (N,) pixels.
    """

    objects: Objects
    number: IntArray
    rank: IntArray
    area: IntArray

    def map(self, shape: tuple[int, ...]) -> IntArray:
        """The number of every pixel's object, -1 for none, (H, W)."""
        lengths = self.objects.lengths(shape[0] * shape[1])
        return self.number[self.objects.owner].repeat(lengths).reshape(shape)


class ObjectPairs(NamedTuple):
    """gt, pred: the objects of both maps. of_gt, of_pred: (P,) the objects of each pair. iou, dice: (P,) of a pair.

    distances, surface_dice: of a pair alone, (P,) and (T, P).
    """

    gt: ClassObjects
    pred: ClassObjects
    of_gt: IntArray
    of_pred: IntArray
    iou: FloatArray
    dice: FloatArray
    distances: SurfaceDistances
    surface_dice: FloatArray


def object_pairs(geometry: PairGeometry) -> ObjectPairs:
    """Match the objects of a pair of label maps.

    Equation: a pair are two objects of one class whose IoU is above `object_iou`, strictly. From 0.5 on an object has
        at most one such partner, so there is nothing to assign.
    """
    settings = geometry.settings
    gt, pred = (class_objects(geometry, side, settings.object_connectivity) for side in _SIDES)
    of_gt, of_pred, common = _overlaps(gt, pred, geometry.pair.gt.size)
    areas = gt.area[of_gt] + pred.area[of_pred]
    iou, dice = common / (areas - common), 2 * common / areas
    match = iou > settings.object_iou
    of_gt, of_pred = of_gt[match], of_pred[match]
    distances, surface_dice = _between_borders(geometry, gt, pred, of_gt, of_pred)
    return ObjectPairs(gt, pred, of_gt, of_pred, iou[match], dice[match], distances, surface_dice)


def class_objects(geometry: PairGeometry, side: Literal["gt", "pred"], connectivity: int) -> ClassObjects:
    """The objects of a map that are of a class."""
    ranks = geometry.pair.gt if side == "gt" else geometry.pair.pred
    objects = geometry.objects(side, connectivity)
    rank = ranks.ravel()[objects.starts[objects.first]].astype(np.int64)
    area = np.bincount(objects.owner, objects.lengths(ranks.size), len(rank)).astype(np.int64)
    a_class = rank < geometry.count
    number = np.where(a_class, np.cumsum(a_class) - 1, -1)
    return ClassObjects(objects, number, rank[a_class], area[a_class])


def _overlaps(gt: ClassObjects, pred: ClassObjects, pixels: int) -> tuple[IntArray, IntArray, IntArray]:
    """Which objects of one class overlap, sorted, and in how many pixels, (n,) each."""
    starts = np.union1d(gt.objects.starts, pred.objects.starts)  # between them both maps have one object each
    lengths = np.diff(starts, append=pixels)
    a, b = (
        each.number[each.objects.owner[np.searchsorted(each.objects.starts, starts, side="right") - 1]]
        for each in (gt, pred)
    )
    met = (a >= 0) & (b >= 0)
    met[met] = gt.rank[a[met]] == pred.rank[b[met]]
    codes, inverse = np.unique(a[met] * len(pred.area) + b[met], return_inverse=True)
    common = np.bincount(inverse, lengths[met], len(codes)).astype(np.int64)
    return codes // max(len(pred.area), 1), codes % max(len(pred.area), 1), common


def _between_borders(
    geometry: PairGeometry, gt: ClassObjects, pred: ClassObjects, of_gt: IntArray, of_pred: IntArray
) -> tuple[SurfaceDistances, FloatArray]:
    settings, shape, count = geometry.settings, geometry.shape, len(of_gt)
    taus = settings.surface_dice_tau
    if not count:
        return SurfaceDistances(*np.zeros((len(SurfaceDistances._fields), 0))), np.zeros((len(taus), 0))
    gt_border = _borders(geometry, geometry.gt_border, gt, of_gt)
    pred_border = _borders(geometry, geometry.pred_border, pred, of_pred)
    from_gt = geometry.kernels.nearest(gt_border, pred_border, shape, settings.spacing)
    from_pred = geometry.kernels.nearest(pred_border, gt_border, shape, settings.spacing)
    distances = distances_by_rank(from_gt, gt_border.starts, from_pred, pred_border.starts, settings.hd95)
    limits = np.array([[distance_limit(tau, settings.spacing, shape)] for tau in taus])
    within = gt_border.by_rank(from_gt <= limits) + pred_border.by_rank(from_pred <= limits)
    return distances, within / (gt_border.counts() + pred_border.counts())


def _borders(geometry: PairGeometry, border: Points, side: ClassObjects, chosen: IntArray) -> Points:
    """The border points of the chosen objects, each object a rank of its own."""
    (height, width), settings = geometry.shape, geometry.settings
    if settings.connectivity > settings.object_connectivity:
        # Another object of the class may lie across a corner: its pixels are outside then.
        numbers, count = side.map((height, width)), len(side.area)
        border = border_points(np.where(numbers < 0, count, numbers).astype(np.uint32), count, settings.connectivity)
    rank = np.full(len(side.area), len(chosen))
    rank[chosen] = np.arange(len(chosen))
    number = side.number[side.objects.at(border, width)]
    of_pair = np.where(number < 0, len(chosen), rank[number])
    kept = np.flatnonzero(of_pair < len(chosen))
    kept = kept[np.argsort(of_pair[kept], kind="stable")]  # within an object they are in raster order already
    starts = np.searchsorted(of_pair[kept], np.arange(len(chosen) + 1))
    return Points(starts, border.y[kept], border.x[kept])


def object_columns(settings: BoundarySettings) -> dict[str, type[np.int64] | type[np.float64]]:
    """The columns of `object_rows`.

    status: place in `STATUS`. gt_object, pred_object: number within the class, from 1 in the order of first pixels, 0
    for none. top to right: of the ground truth's object, of the predicted one if there is no other, the last two beyond
    it.
    """
    numbers = ["class", "status", "gt_object", "pred_object", "gt_area", "pred_area", "top", "left", "bottom", "right"]
    values = [
        "iou",
        "dice",
        "hd",
        "hd95",
        "assd",
        "masd",
        *(f"surface_dice[{tau}]" for tau in settings.surface_dice_tau),
    ]
    return dict.fromkeys(numbers, np.int64) | dict.fromkeys(values, np.float64)


def object_rows(geometry: PairGeometry) -> dict[str, npt.NDArray[Any]]:
    """A row per object, pairs first, then what is missed, then spurious, (n,) under each of `object_columns`."""
    pairs, (height, width) = geometry.once(object_pairs), geometry.shape
    missed, spurious = (
        np.setdiff1d(np.arange(len(side.area)), found, assume_unique=True)
        for side, found in ((pairs.gt, pairs.of_gt), (pairs.pred, pairs.of_pred))
    )
    gt, pred = np.concatenate((pairs.of_gt, missed)), np.concatenate((pairs.of_pred, spurious))
    alone = len(missed), len(spurious)

    def of_gt(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate((values[gt], np.zeros(alone[1], values.dtype)))

    def of_pred(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        pair, lone = values[pred[: len(pairs.of_pred)]], values[spurious]
        return np.concatenate((pair, np.zeros(alone[0], values.dtype), lone))

    def of_pair(values: FloatArray) -> FloatArray:
        return np.concatenate((values, np.full(sum(alone), np.nan)))

    status = np.arange(3).repeat((len(pairs.of_gt), *alone))
    spurious_only = status == STATUS.index("fp")
    ranks = np.where(spurious_only, of_pred(pairs.pred.rank), of_gt(pairs.gt.rank))
    gt_boxes, pred_boxes = (object_boxes(side, width, height * width) for side in (pairs.gt, pairs.pred))
    columns = [
        geometry.pair.classes[ranks],
        status,
        of_gt(_number_in_class(pairs.gt.rank)),
        of_pred(_number_in_class(pairs.pred.rank)),
        of_gt(pairs.gt.area),
        of_pred(pairs.pred.area),
        *(np.where(spurious_only, of_pred(b), of_gt(a)) for a, b in zip(gt_boxes, pred_boxes, strict=True)),
        *map(of_pair, (pairs.iou, pairs.dice, *pairs.distances, *pairs.surface_dice)),
    ]
    return dict(zip(object_columns(geometry.settings), columns, strict=True))


def _number_in_class(rank: IntArray) -> IntArray:
    """Of each object within its class, from 1, (N,)."""
    order = np.argsort(rank, kind="stable")
    starts = np.searchsorted(rank[order], rank[order])
    number = np.empty(len(rank), np.int64)
    number[order] = np.arange(len(rank)) - starts + 1
    return number


def object_boxes(side: ClassObjects, width: int, pixels: int) -> IntArray:
    """Top, left, bottom and right of every object, the last two beyond it, (4, N)."""
    starts, number = side.objects.starts, side.number[side.objects.owner]
    of_class = number >= 0
    y, x = np.divmod(starts[of_class], width)
    ends = x + side.objects.lengths(pixels)[of_class]
    order = np.argsort(number[of_class], kind="stable")
    first = np.searchsorted(number[of_class][order], np.arange(len(side.area)))
    if not len(first):
        return np.zeros((4, 0), np.int64)
    y, x, ends = y[order], x[order], ends[order]
    edges = (np.minimum.reduceat(y, first), np.minimum.reduceat(x, first))
    return np.stack([*edges, np.maximum.reduceat(y, first) + 1, np.maximum.reduceat(ends, first)])
