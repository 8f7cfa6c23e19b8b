"""One image of COCO results: its entries become masks and boxes, these are matched; in a worker or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from convneur.data.annotated import Invalid
from convneur.data.coco import LEAVE_OUT, Box, CocoImage, Detection, GtObject, runs_of
from convneur.data.run_lengths import RunMask, bounding_boxes, pixel_counts
from convneur.errors import InputError
from convneur.instances.average_precision import LEAST_OVERLAP, Matches, matched
from convneur.instances.overlaps import ImageObjects, box_pairs, mask_pairs

__all__ = ["ImageEntries", "ImageScores", "ObjectReading", "image_scores", "matches_of"]

_Entry = TypeVar("_Entry", Detection, GtObject)


class ImageEntries(NamedTuple):
    """An image, what the ground truth has in it, and what each of the results has: by falling score, at most 100 of a
    category."""

    image: CocoImage
    objects: Sequence[GtObject]
    found: Sequence[Sequence[Detection]]


class ImageScores(NamedTuple):
    """By results, then by kind: how detections and objects match. skipped: entries that were left out, in words."""

    of_results: Sequence[dict[str, Matches]]
    skipped: Sequence[str]


@dataclass(frozen=True)
class ObjectReading:
    """How entries become what is compared. truth, results: their files; kinds: what is compared, some of box, mask and
    boundary; invalid: what becomes of an entry that cannot be: its image is left out, or it alone."""

    truth: Path
    results: Sequence[Path]
    kinds: Sequence[str]
    invalid: Invalid = "error"

    def objects(self, entries: ImageEntries, skipped: list[str]) -> list[ImageObjects]:
        """An image with each of the results. Raises: InputError: an entry that cannot be, with its file and place."""
        truth, gt_masks, gt_boxes = self._read(self.truth, entries.objects, entries.image, skipped)
        made = []
        for path, detections in zip(self.results, entries.found, strict=True):
            found, masks, boxes = self._read(path, detections, entries.image, skipped)
            made.append(
                ImageObjects(
                    detections=masks,
                    truths=gt_masks,
                    scores=np.array([each.score for each in found], float),
                    categories=np.array([each.category for each in found], np.int64),
                    areas=pixel_counts(masks).astype(float),
                    gt_categories=np.array([each.category for each in truth], np.int64),
                    gt_areas=np.array([each.area for each in truth], float),
                    crowd=np.array([each.crowd for each in truth], bool),
                    boxes=boxes,
                    gt_boxes=gt_boxes,
                )
            )
        return made

    def _read(
        self, file: Path, entries: Sequence[_Entry], image: CocoImage, skipped: list[str]
    ) -> tuple[Sequence[_Entry], Sequence[RunMask], NDArray[np.float64] | None]:
        """The entries that can be, with their masks and boxes, as far as they are compared."""
        masked, boxed = any(kind != "box" for kind in self.kinds), "box" in self.kinds
        stored = [each.mask for each in entries if each.mask is not None]
        if (not masked or len(stored) == len(entries)) and (not boxed or all(each.box is not None for each in entries)):
            try:  # all together, which is many times as fast
                masks = runs_of(stored, image) if masked else []
            except InputError:
                pass
            else:
                return entries, masks, _boxes([each.box for each in entries]) if boxed else None
        kept, masks, boxes = list[_Entry](), list[RunMask](), list[Box | None]()
        for each in entries:
            try:
                mask = _mask(each, image, masked=masked)
            except InputError as error:
                place = f"annotation {each.id}" if isinstance(each, GtObject) else f"[{each.number}]"
                if self.invalid == "error":
                    raise InputError(None, f"{file}: {place}: {error}{LEAVE_OUT}") from None
                skipped.append(f"{file}: {place} ({image}): {error}")
                continue
            kept.append(each)
            boxes.append(each.box or (None if mask is None else _box_of(mask)))
            if masked and mask is not None:
                masks.append(mask)
        return kept, masks, _boxes(boxes) if boxed else None


def image_scores(entries: ImageEntries, *, reading: ObjectReading) -> ImageScores | str:
    """Match an image, for each of the results; or say why it cannot be scored."""
    skipped: list[str] = []
    try:
        found = [matches_of(objects, reading.kinds) for objects in reading.objects(entries, skipped)]
    except InputError as error:
        return str(error)
    except MemoryError:
        return "not enough memory to score it"
    return ImageScores(found, skipped)


def matches_of(objects: ImageObjects, kinds: Sequence[str]) -> dict[str, Matches]:
    """By kind."""
    found = {}
    if "box" in kinds and objects.boxes is not None:
        of_boxes = objects._replace(areas=objects.boxes[:, 2:].prod(axis=1))
        found["box"] = matched(of_boxes, box_pairs(objects, LEAST_OVERLAP))
    if set(kinds) <= {"box"}:
        return found
    of_mask, of_boundary = mask_pairs(objects, LEAST_OVERLAP, boundary="boundary" in kinds)
    for kind, pairs in (("mask", of_mask), ("boundary", of_boundary)):
        if kind in kinds and pairs is not None:
            found[kind] = matched(objects, pairs)
    return found


def _mask(each: Detection | GtObject, image: CocoImage, *, masked: bool) -> RunMask | None:
    """Its mask where that is compared, or where its box is of it."""
    if each.mask is None and (masked or each.box is None):
        raise InputError(
            None, "has no segmentation, and mask AP is of masks" if masked else "has neither bbox nor segmentation"
        )
    return each.mask.runs(image) if each.mask is not None and (masked or each.box is None) else None


def _boxes(boxes: Sequence[Box | None]) -> NDArray[np.float64]:
    """(N, 4) x, y, width, height."""
    return np.array(boxes, float).reshape(len(boxes), 4)


def _box_of(mask: RunMask) -> Box:
    top, bottom, left, right = bounding_boxes([mask])[0].tolist()
    return left, top, right - left, bottom - top
