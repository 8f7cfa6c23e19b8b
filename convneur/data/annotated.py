"""Images with objects to learn from: COCO's annotations, checked, with class numbers in place of category ids."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convneur.data.coco import LEAVE_OUT, Box, CocoImage, GroundTruth, GtObject, StoredMask
from convneur.errors import InputError

__all__ = ["AnnotatedImage", "AnnotatedObject", "Invalid", "annotated_images", "box_inside"]

Invalid = Literal["error", "skip"]


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """id: of its annotation; label: class number, from 0; box: x1, y1, x2, y2 inside its image, sides above 0; area: as
    its file says, in pixels; crowd: it stands for many, and is not learned from."""

    id: int
    label: int
    box: tuple[float, float, float, float]
    area: float
    crowd: bool
    mask: StoredMask | None


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image and its objects, in the order of its file."""

    image: CocoImage
    objects: tuple[AnnotatedObject, ...]

    @property
    def learned(self) -> tuple[AnnotatedObject, ...]:
        """Those that are no crowd."""
        return tuple(each for each in self.objects if not each.crowd)

    def digest(self) -> bytes:
        """SHA-256 of all that is learned from it."""
        found = hashlib.sha256()
        for each in self.learned:
            found.update(repr((each.label, each.box)).encode())
            if each.mask is not None:
                held = each.mask.held
                for part in held if isinstance(held, tuple) else (held,):
                    found.update(part if isinstance(part, bytes) else part.tobytes())
        return found.digest()

    def masks(self) -> NDArray[np.bool_]:
        """Of the objects that are learned, (G, H, W)."""
        found = np.zeros((len(self.learned), self.image.height, self.image.width), bool)
        for mask, each in zip(found, self.learned, strict=True):
            if each.mask is not None:
                mask[:] = each.mask.runs(self.image).pixels()
        return found


def annotated_images(
    truth: GroundTruth,
    *,
    masks: bool,
    invalid: Invalid = "error",
    skipped: Callable[[str], object] = lambda line: None,
    seen: Callable[[], object] = lambda: None,
) -> list[AnnotatedImage]:
    """The images of a file of annotations with their objects, each checked.

    Choice: class numbers are 0 to K - 1 in the order of the category ids, whatever these are, 0 and gaps included; a
        box is cut to its image; without a box that of the mask is taken.
    Args:
        masks: every object that is no crowd must have a mask that can be decoded; else masks are left aside.
        invalid: an object that cannot be: raise for the first, or leave it out.
        skipped: called with what is left out; seen: after each image.
    Raises: InputError: with the file, the annotation's id and the image's name.
    """
    labels = {category: label for label, category in enumerate(truth.categories)}
    found = []
    for image in truth.images.values():
        objects = []
        for each in truth.objects.get(image.id, ()):
            try:
                objects.append(_object(each, image, labels, masks=masks))
            except InputError as error:
                line = f"annotation {each.id} of {image}: {error}"
                if invalid == "error":
                    raise InputError(truth.path, line + LEAVE_OUT) from None
                skipped(f"{truth.path}: {line}")
        found.append(AnnotatedImage(image, tuple(objects)))
        seen()
    return found


def _object(each: GtObject, image: CocoImage, labels: dict[int, int], *, masks: bool) -> AnnotatedObject:
    mask, box = each.mask, each.box
    if masks:
        if mask is None:
            raise InputError(None, "has no segmentation, and others have")
        runs = mask.runs(image)
        if not runs.area and not each.crowd:
            raise InputError(None, "its mask is empty")
        box = box or (_box_of(runs.pixels()) if runs.area else None)
    if box is None:
        if each.crowd:
            return AnnotatedObject(each.id, labels[each.category], (0, 0, 1, 1), each.area, True, mask)
        raise InputError(None, "has no bbox")
    inside = box_inside(box, image)
    return AnnotatedObject(each.id, labels[each.category], inside, each.area, each.crowd, mask if masks else None)


def box_inside(box: Box, image: CocoImage) -> Box:
    """x1, y1, x2, y2 of a box cut to its image. Raises: InputError: it has no area there.

    >>> box_inside((-2, 3, 10, 5), CocoImage(1, height=6, width=9))
    (0.0, 3, 8, 6.0)
    """
    x, y, width, height = box
    if not width > 0 or not height > 0:
        raise InputError(None, f"its box of {width:g}x{height:g} pixels (width x height) has no area")
    inside = max(x, 0.0), max(y, 0.0), min(x + width, float(image.width)), min(y + height, float(image.height))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        size = f"{image.width}x{image.height}"
        raise InputError(None, f"its box at {x:g},{y:g} lies outside its image of {size} pixels (width x height)")
    return inside


def _box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = float(rows[0]), float(columns[0])
    return left, top, float(columns[-1]) + 1 - left, float(rows[-1]) + 1 - top
