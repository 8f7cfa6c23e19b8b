"""COCO's two files, as everybody writes them: ground truth with images, annotations and categories; and results.

Both are read an entry at a time and kept small; masks are decoded when their image is scored.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.json_lists import listed_entries
from convneur.data.limits import MAX_PIXELS, check_pixels
from convneur.data.packed import PackedEntries
from convneur.data.run_lengths import RunMask, mask_of_counts, mask_of_text, masks_of_texts
from convneur.errors import ConfigError, InputError
from convneur.schema import SchemaError, typed

__all__ = [
    "LEAVE_OUT",
    "Box",
    "CocoImage",
    "Detection",
    "GroundTruth",
    "GtObject",
    "StoredMask",
    "best_detections",
    "read_ground_truth",
    "read_results",
    "runs_of",
]

_FEWEST_IN_POLYGON = 6  # numbers: three corners
_ID, _IMAGE, _CATEGORY = "id", "image_id", "category_id"
_LARGEST = 2**63
LEAVE_OUT = "; mend it, or leave such out with `invalid skip`"

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An image of the ground truth."""

    id: int
    height: int
    width: int
    file_name: str = ""

    def __str__(self) -> str:
        return f"image {self.id} ({self.file_name})" if self.file_name else f"image {self.id}"


@dataclass(frozen=True, slots=True)
class StoredMask:
    """A mask as its file holds it: compressed counts, counts, or polygons; shape: (H, W) that the file says."""

    held: bytes | NDArray[np.int64] | tuple[NDArray[np.float64], ...]
    shape: tuple[int, int] | None = None

    def runs(self, image: CocoImage) -> RunMask:
        """The mask in its image. Raises: InputError: it is no mask of such an image."""
        size = image.height, image.width
        if self.shape not in (None, size):
            raise InputError(
                None, f"its mask is for {_by(self.shape)} pixels, its image is {_by(size)} (height x width)"
            )
        if isinstance(self.held, bytes):
            return mask_of_text(self.held, size)
        if isinstance(self.held, tuple):
            return _rasterised(self.held, size)
        return mask_of_counts(self.held, size)


@dataclass(frozen=True, slots=True)
class GtObject:
    """An annotation. area: as the file says, in pixels. box: x, y, width, height."""

    id: int
    image: int
    category: int
    area: float
    crowd: bool
    mask: StoredMask | None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """A result. number: its place in the file, from 0. box: x, y, width, height."""

    number: int
    image: int
    category: int
    score: float
    mask: StoredMask | None
    box: Box | None = None


@dataclass(frozen=True)
class GroundTruth:
    """images and categories (their names) by id, in the order of ids; objects by image, in the order of the file."""

    path: Path
    images: Mapping[int, CocoImage]
    categories: Mapping[int, str]
    objects: Mapping[int, Sequence[GtObject]]


def _aside(count: int) -> None:
    """Where nobody counts what is read."""


def read_ground_truth(
    path: Path,
    *,
    max_pixels: int = MAX_PIXELS,
    skipped: Callable[[str], object] | None = None,
    read: Callable[[int], object] = _aside,
) -> GroundTruth:
    """A file of COCO's instances.

    Choice: an annotation's `area` is needed, `iscrowd` is 0 where it is missing, keys of other uses are left aside.
    Args:   skipped: called with each annotation that cannot be, which is then left out; None: the first one raises.
        read: called with the number of bytes after each part of the file.
    Raises: InputError: no such file, with the annotation and the image in it.
    """
    images: dict[int, CocoImage] = {}
    categories: dict[int, str] = {}
    entries = PackedEntries[GtObject]()
    seen: set[int] = set()
    places = {"images": 0, "annotations": 0, "categories": 0}
    try:
        for key, number, entry in listed_entries(path, places, read=read):
            places[key] = number + 1
            place = f"{key}[{number}]"
            if key == "images":
                image = typed(entry, CocoImage, place, strict=False)
                _check_new(image.id, images, place)
                if min(image.height, image.width) < 1:
                    raise SchemaError(place, f"{image}: {image.height}x{image.width} pixels are no image")
                check_pixels(path, image.height, image.width, max_pixels)
                images[image.id] = image
            elif key == "categories":
                category = typed(entry, _Category, place, strict=False)
                _check_new(category.id, categories, place)
                categories[category.id] = category.name or str(category.id)
            else:
                with _left_out(path, skipped):
                    each = _object(entry, place, images)
                    if each.id in seen:
                        of_image = f"{place} ({images.get(each.image, f'image {each.image}')})"
                        raise SchemaError(of_image, f"annotation id {each.id} stands twice")
                    seen.add(each.id)
                    entries.add(each.image, each)
        for key in ("images", "categories"):
            if not places[key]:
                raise SchemaError(key, "is missing or empty; ground truth of COCO has images, annotations, categories")
        objects = entries if skipped is None else PackedEntries[GtObject]()
        for each in (each for some in entries.values() for each in some):
            with _left_out(path, skipped):
                _check_known(each, images, categories)
                if objects is not entries:
                    objects.add(each.image, each)
    except SchemaError as error:
        raise InputError(path, f"{error}{_kind_hint(error, results=False)}") from None
    return GroundTruth(path, dict(sorted(images.items())), dict(sorted(categories.items())), objects)


def read_results(
    path: Path,
    gt: GroundTruth,
    *,
    most: int | None = None,
    skipped: Callable[[str], object] | None = None,
    read: Callable[[int], object] = _aside,
) -> Mapping[int, Sequence[Detection]]:
    """A file of COCO results by image: a list of objects with image_id, category_id, score, and segmentation.

    Args:
        most: of one category in one image the detections with the highest scores are kept, the first of equals.
        skipped, read: as for `read_ground_truth`.
    Raises: InputError: no such file, or an image or category that the ground truth lacks: with the entry; the first one
        of a file of which every entry is left out.
    """
    found = PackedEntries[Detection](list if most is None else partial(best_detections, most=most))
    first: SchemaError | None = None
    try:
        for _, number, entry in listed_entries(path, ("",), read=read):
            with _left_out(path, skipped):
                try:
                    each = _detection(entry, number, gt)
                except SchemaError as error:
                    first = first or error
                    raise
                found.add(each.image, each)
    except SchemaError as error:
        raise InputError(path, f"{error}{_kind_hint(error, results=True)}") from None
    if first and not found:
        raise InputError(path, f"holds no detection that can be scored; {first}")
    return found


def best_detections(found: Sequence[Detection], most: int) -> list[Detection]:
    """The `most` detections of each category with the highest scores, the highest first."""
    kept, seen = [], dict[int, int]()
    for each in sorted(found, key=lambda each: -each.score):
        seen[each.category] = seen.get(each.category, 0) + 1
        if seen[each.category] <= most:
            kept.append(each)
    return kept


def runs_of(masks: Sequence[StoredMask], image: CocoImage) -> list[RunMask]:
    """Each mask in its image, as `StoredMask.runs` has it; compressed ones are decoded together.

    Raises: InputError: one of them is no mask of such an image; alone it says which.
    """
    size = image.height, image.width
    texts = [mask.held for mask in masks if isinstance(mask.held, bytes) and mask.shape in (None, size)]
    if len(texts) == len(masks):
        return masks_of_texts(texts, size)
    return [mask.runs(image) for mask in masks]


@contextmanager
def _left_out(path: Path, skipped: Callable[[str], object] | None) -> Iterator[None]:
    """Leave out an entry that cannot be, or say how to."""
    try:
        yield
    except SchemaError as error:
        if skipped is None:
            raise SchemaError(error.place, error.problem + LEAVE_OUT) from None
        skipped(f"{path}: {error}")


def _check_known(each: GtObject, images: Mapping[int, CocoImage], categories: Mapping[int, str]) -> None:
    if each.image not in images:
        raise SchemaError("", f"annotation {each.id} is of image {each.image}, which images lacks")
    if each.category not in categories:
        place = f"annotation {each.id} ({images[each.image]})"
        raise SchemaError("", f"{place} is of category {each.category}, which categories lacks")


@dataclass(frozen=True, slots=True)
class _Category:
    id: int
    name: str = ""


def _object(entry: Any, place: str, images: Mapping[int, CocoImage]) -> GtObject:
    if not isinstance(entry, Mapping):
        raise SchemaError(place, "must be an object")
    number = _whole(entry, _ID, place)
    place = f"annotation {number}"
    image = _whole(entry, _IMAGE, place)
    place += f" ({images.get(image, f'image {image}')})"
    if "area" not in entry:
        raise SchemaError(place, "has no area; write the number of pixels of its mask")
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise SchemaError(f"{place}: iscrowd", f"must be 0 or 1, not {str(crowd)[:40]}")
    area = _number(entry, "area", place)
    return GtObject(
        number, image, _whole(entry, _CATEGORY, place), area, bool(crowd), _mask(entry, place), _box(entry, place)
    )


def _detection(entry: Any, number: int, gt: GroundTruth) -> Detection:
    place = f"[{number}]"
    if not isinstance(entry, Mapping):
        raise SchemaError(place, "must be an object")
    if isinstance(entry.get(_IMAGE), str):
        problem = (
            f"must be a whole number, not {json.dumps(entry[_IMAGE][:40])}; `convneur predict` writes numbers if its"
        )
        raise SchemaError(f"{place}: {_IMAGE}", f"{problem} option annotations names this ground truth")
    image = _whole(entry, _IMAGE, place)
    if image not in gt.images:
        raise SchemaError(place, f"is of image {image}, which {gt.path} lacks; give results of the same images")
    of_image = f"{place} ({gt.images[image]})"
    category = _whole(entry, _CATEGORY, of_image)
    if category not in gt.categories:
        known = ", ".join(map(str, list(gt.categories)[:5])) + (", ..." if len(gt.categories) > 5 else "")
        problem = f"is of category {category}, and {gt.path} has {known}; write the category ids of the ground truth, "
        raise SchemaError(of_image, f"{problem}not class numbers")
    score = _number(entry, "score", of_image)
    return Detection(number, image, category, score, _mask(entry, of_image), _box(entry, of_image))


def _whole(entry: Mapping[str, Any], key: str, place: str) -> int:
    value = entry.get(key)
    if type(value) is int and -_LARGEST < value < _LARGEST:  # a results file has a million of them
        return value
    return typed(_present(entry, key, place), int, f"{place}: {key}")


def _number(entry: Mapping[str, Any], key: str, place: str) -> float:
    value = entry.get(key)
    if type(value) is float:
        if not math.isfinite(value):
            raise SchemaError(f"{place}: {key}", f"is {value}; give a finite number")
        return value
    return float(typed(_present(entry, key, place), float, f"{place}: {key}"))


def _present(entry: Mapping[str, Any], key: str, place: str) -> Any:
    if key not in entry:
        raise SchemaError(f"{place}: {key}", "is missing")
    return entry[key]


def _box(entry: Mapping[str, Any], place: str) -> Box | None:
    """The bbox of an entry; None where there is none."""
    value = entry.get("bbox")
    if value is None or value == []:
        return None
    sound = type(value) is list and len(value) == 4 and all(type(each) in (int, float) for each in value)
    if not sound or not all(abs(each) < 1 << 40 for each in value):
        raise SchemaError(f"{place}: bbox", "must be x, y, width and height in pixels")
    if min(value[2:]) < 0:
        raise SchemaError(f"{place}: bbox", f"has a side below 0: {value[2]:g}x{value[3]:g} (width x height)")
    return float(value[0]), float(value[1]), float(value[2]), float(value[3])


def _mask(entry: Mapping[str, Any], place: str) -> StoredMask | None:
    """The segmentation of an entry; None where there is none."""
    value = entry.get("segmentation")
    if value is None or value == []:
        return None
    place = f"{place}: segmentation"
    if isinstance(value, list):
        return StoredMask(tuple(_polygon(each, f"{place}[{number}]") for number, each in enumerate(value)))
    if not isinstance(value, Mapping) or not {"size", "counts"} <= value.keys():
        raise SchemaError(place, "must be run lengths with size and counts, or a list of polygons")
    size = value["size"]
    if type(size) is not list or len(size) != 2 or not type(size[0]) is type(size[1]) is int:
        size = typed(size, tuple[int, int], f"{place}.size")
    shape = size[0], size[1]
    counts = value["counts"]
    if isinstance(counts, str):
        return StoredMask(counts.encode("ascii", "replace"), shape)
    if not isinstance(counts, list) or not all(type(each) is int and abs(each) < 1 << 40 for each in counts):
        raise SchemaError(f"{place}.counts", "must be text or a list of whole numbers")
    return StoredMask(np.array(counts, np.int64), shape)


def _polygon(value: Any, place: str) -> NDArray[np.float64]:
    numbers = isinstance(value, list) and all(type(each) in (int, float) for each in value)
    if not numbers or len(value) < _FEWEST_IN_POLYGON or len(value) % 2:
        raise SchemaError(place, "must be the x and y of three corners or more")
    if not all(abs(each) < 1 << 40 for each in value):
        raise SchemaError(place, "holds a number that lies in no image")
    return np.array(value, np.float64)


def _rasterised(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> RunMask:
    """Polygons as COCO's own code rasterises them, at five times the resolution.

    Choice: corners may lie outside the image, by its size at most: the memory that code takes grows with the distance.
    Raises: InputError: a corner beyond that; ConfigError: pycocotools is not installed.
    """
    try:
        from pycocotools import mask as coco_masks
    except ImportError:
        # No fault of the entry: left out, it would change the scores.
        raise ConfigError("segmentation", "polygons need pycocotools; pip install pycocotools") from None
    height, width = shape
    for corners in polygons:
        for at, side in ((corners[0::2], width), (corners[1::2], height)):
            if at.min() < -side or at.max() > 2 * side:
                raise InputError(None, f"its polygon has a corner far outside its image of {_by(shape)} pixels")
    encoded = coco_masks.merge(coco_masks.frPyObjects([list(each) for each in polygons], height, width))
    return mask_of_text(encoded["counts"], shape)


def _check_new(number: int, known: Mapping[int, Any], place: str) -> None:
    if number in known:
        raise SchemaError(place, f"id {number} stands twice")


def _by(shape: tuple[int, int] | None) -> str:
    return "x".join(map(str, shape or ()))


def _kind_hint(error: SchemaError, *, results: bool) -> str:
    """Results and ground truth are often exchanged."""
    if results and error.problem == "must be a list" and not error.place:
        return "; COCO results are a list; give the results first, then the ground truth"
    if not results and error.problem == "must be an object" and not error.place:
        return "; COCO ground truth is an object; give the results first, then the ground truth"
    return ""
