"""Overlaps of detections and ground-truth objects of one image: what average precision is made of.

An overlap function gives the pairs worth matching with their values; what follows is the same for masks, their
boundaries and boxes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.data.run_lengths import RunMask, bounding_boxes, inner_band, intersections, pixel_counts

__all__ = ["ImageObjects", "Pairs", "band_depth", "box_pairs", "mask_pairs"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class ImageObjects(NamedTuple):
    """The D detections of an image and its G ground-truth objects.

    detections, truths: their masks. scores: (D,), falling. categories, areas: (D,). gt_categories, gt_areas, crowd:
    (G,), areas in pixels. boxes, gt_boxes: (D, 4) and (G, 4) x, y, width, height, None where they are not asked for.

    >>> none = np.zeros(0)
    >>> ImageObjects([], [], none, none.astype(int), none, none.astype(int), none, none > 0).boxes is None
    True
    """

    detections: Sequence[RunMask]
    truths: Sequence[RunMask]
    scores: FloatArray
    categories: IntArray
    areas: FloatArray
    gt_categories: IntArray
    gt_areas: FloatArray
    crowd: BoolArray
    boxes: FloatArray | None = None
    gt_boxes: FloatArray | None = None


class Pairs(NamedTuple):
    """Detections and objects of one category that overlap: detection, object, overlap 0 to 1, (N,) each; by detection,
    then object."""

    detection: IntArray
    truth: IntArray
    overlap: FloatArray

    def only(self, kept: BoolArray) -> "Pairs":
        return Pairs(self.detection[kept], self.truth[kept], self.overlap[kept])


def mask_pairs(image: ImageObjects, least: float, *, boundary: bool) -> tuple[Pairs, Pairs | None]:
    """Mask overlaps of an image, and those of Boundary AP.

    Equation: v = |g & p| / |g | p|; for a crowd g v = |g & p| / |p|. Boundary: v = min(mask IoU, IoU of the inner
        bands); for a crowd the mask's alone (source: boundary-iou-api).
    Args:     least: pairs below are left out.
    """
    of_mask = _mask_overlaps(image, least)
    if not boundary:
        return of_mask, None
    at_d, at_g, overlap = of_mask
    plain = ~image.crowd[at_g]
    depth = band_depth(image.detections[0].shape) if len(at_d) else 0
    bands = [
        {number: inner_band(masks[number], depth) for number in np.unique(which[plain]).tolist()}
        for masks, which in ((image.detections, at_d), (image.truths, at_g))
    ]
    ours, theirs = (list(each.values()) for each in bands)
    rows = [np.searchsorted(list(each), which[plain]) for each, which in zip(bands, (at_d, at_g), strict=True)]
    common = intersections(ours, theirs, *rows)
    sizes = [pixel_counts(each) for each in (ours, theirs)]
    overlap = overlap.copy()
    if len(common):
        band_iou = common / (sizes[0][rows[0]] + sizes[1][rows[1]] - common)
        overlap[plain] = np.minimum(overlap[plain], band_iou)
    found = Pairs(at_d, at_g, overlap)
    return of_mask, found.only(overlap >= least)


def box_pairs(image: ImageObjects, least: float) -> Pairs:
    """Overlaps of the boxes of an image.

    Equation: v = |g & p| / |g | p| of areas; for a crowd g v = |g & p| / |p| (source: pycocotools' bbIou).
    Args:     least: pairs below are left out.
    """
    assert image.boxes is not None
    assert image.gt_boxes is not None
    at_d, at_g = np.nonzero(image.categories[:, None] == image.gt_categories[None])
    ours, theirs = image.boxes[at_d], image.gt_boxes[at_g]
    low = np.maximum(ours[:, :2], theirs[:, :2])
    high = np.minimum(ours[:, :2] + ours[:, 2:], theirs[:, :2] + theirs[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=1)
    area, gt_area = ours[:, 2:].prod(axis=1), theirs[:, 2:].prod(axis=1)
    whole = np.where(image.crowd[at_g], area, area + gt_area - common)
    overlap = np.divide(common, whole, out=np.zeros(len(common)), where=whole > 0)
    return Pairs(at_d, at_g, overlap).only(overlap >= least)


def band_depth(shape: tuple[int, int]) -> int:
    """Erosions of Boundary IoU's band: max(1, round(0.02 diagonal)) pixels."""
    return max(1, round(0.02 * float(np.hypot(*shape))))


def _mask_overlaps(image: ImageObjects, least: float) -> Pairs:
    near = image.categories[:, None] == image.gt_categories[None]
    ours, theirs = bounding_boxes(image.detections), bounding_boxes(image.truths)
    for low in (0, 2):
        near &= ours[:, None, low] < theirs[None, :, low + 1]
        near &= theirs[None, :, low] < ours[:, None, low + 1]
    at_d, at_g = np.nonzero(near)
    areas, gt_areas = pixel_counts(image.detections), pixel_counts(image.truths)
    common = intersections(image.detections, image.truths, at_d, at_g)
    whole = np.where(image.crowd[at_g], areas[at_d], areas[at_d] + gt_areas[at_g] - common)
    overlap = np.divide(common, whole, out=np.zeros(len(common)), where=whole > 0)
    return Pairs(at_d, at_g, overlap).only(overlap >= least)
