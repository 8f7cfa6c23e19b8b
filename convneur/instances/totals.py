"""Average precision of images that are added one after another, from memory, as training validates by it."""

from collections.abc import Sequence

from convneur.instances.average_precision import LEAST_OVERLAP, AveragePrecision, matched
from convneur.instances.overlaps import ImageObjects, box_pairs, mask_pairs

__all__ = ["ObjectTotals"]


class ObjectTotals:
    """Adds up images in the order of their ids; the values are those of `evaluate_detection`.

    Args: categories: ids; masks: whether masks are compared as well as boxes.

    >>> import numpy as np
    >>> one, box = np.ones(1), np.array([[2.0, 3.0, 10.0, 8.0]])
    >>> totals = ObjectTotals([1], masks=False)
    >>> totals.add(ImageObjects([], [], one, one.astype(int), one, one.astype(int), one * 80, one < 1, box, box))
    >>> round(totals.values()["box"]["ap"], 6)
    1.0
    """

    def __init__(self, categories: Sequence[int], *, masks: bool) -> None:
        self._boxes = AveragePrecision(categories)
        self._masks = AveragePrecision(categories) if masks else None

    def add(self, image: ImageObjects) -> None:
        """Match an image's detections, at most 100 of a category, with its objects."""
        if image.boxes is None:
            raise ValueError("the image's boxes are missing")
        of_boxes = image._replace(areas=image.boxes[:, 2:].prod(axis=1))
        self._boxes.add(matched(of_boxes, box_pairs(image, LEAST_OVERLAP)))
        if self._masks is not None:
            self._masks.add(matched(image, mask_pairs(image, LEAST_OVERLAP, boundary=False)[0]))

    def values(self) -> dict[str, dict[str, float]]:
        """By box and mask, the values of `DetectionScores`."""
        found = {"box": self._boxes.table().values()}
        return found if self._masks is None else {**found, "mask": self._masks.table().values()}
