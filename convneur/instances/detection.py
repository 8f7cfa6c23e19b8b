"""`evaluate_detection`: COCO results and ground truth to `DetectionScores`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from convneur.data.coco import CocoImage, Detection, GroundTruth, GtObject, read_ground_truth, read_results
from convneur.data.limits import MAX_PIXELS
from convneur.data.run_lengths import RunMask
from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.instances.average_precision import LEAST_OVERLAP, MOST_DETECTIONS, AveragePrecision, PrecisionTable
from convneur.instances.inputs import Failure, existing_file, shown
from convneur.instances.overlaps import ImageObjects, mask_pairs
from convneur.progress import Progress, silent
from convneur.results import Result, Table, plain, read_only

__all__ = ["DetectionScores", "evaluate_detection"]

METRICS = ("mask_ap", "boundary_ap")
_KINDS = {"mask_ap": "mask", "boundary_ap": "boundary"}
_NAMES = {
    "ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_small": "AP small", "ap_medium": "AP medium",
    "ap_large": "AP large", "ar100": "AR 100",
}  # fmt: skip
_OF_CLASS = ("ap", "ap50", "ap75")
_DEFINITIONS = {
    "mask": "COCO's mask AP: IoU from 0.50 to 0.95 by 0.05, 101 recalls, 100 detections of a class per image; small "
    "up to 32^2 pixels, medium up to 96^2, by the ground truth's area",
    "boundary": "Boundary AP (Cheng et al., 2021): the same with the smaller of mask IoU and Boundary IoU, whose band "
    "is 0.02 of the image diagonal wide",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DetectionScores(Result):
    """Average precision of COCO results; made by `evaluate_detection`.

    mask, boundary: ap, ap50, ap75, ap_small, ap_medium, ap_large, ar100, each 0 to 1, NaN without an object of the
    kind; None where it was not asked for. per_class: such values by category. images: scored, with how many objects and
    detections. failed: images that could not be scored and are in no value.

    >>> from importlib.resources import files
    >>> from convneur.instances import evaluate_detection
    >>> samples = files("convneur") / "data" / "samples"
    >>> found = evaluate_detection(samples / "detections.json", samples / "instances.json")
    >>> found, round(found.per_class[0]["boundary"]["ap50"], 4)
    (<DetectionScores of 8 images>, 0.6124)
    """

    settings: Mapping[str, Any]
    images: int
    objects: int
    detections: int
    mask: Mapping[str, float] | None
    boundary: Mapping[str, float] | None
    per_class: tuple[Mapping[str, Any], ...]
    failed: tuple[Failure, ...] = ()

    def __repr__(self) -> str:
        return f"<DetectionScores of {plural(self.images, 'image')}>"

    def failed_line(self) -> str:
        """How many could not be scored."""
        return f"{len(self.failed)} of {self.images + len(self.failed)} images"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.detection/1",
            "convneur": version("convneur"),
            "settings": plain(self.settings),
            "images": self.images,
            "objects": self.objects,
            "detections": self.detections,
            "mask": plain(self.mask),
            "boundary": plain(self.boundary),
            "per_class": plain(self.per_class),
            "failed": [{"name": each.name, "why": each.why} for each in self.failed],
        }

    def headlines(self) -> Sequence[str]:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return (
            f"{plural(self.images, 'image')} scored{failed}; {plural(self.objects, 'object')} of "
            f"{plural(len(self.per_class), 'class', 'classes')}, {plural(self.detections, 'detection')}.",
        )

    def tables(self) -> Sequence[Table]:
        """Overall, and by class."""
        kinds = self._kinds()
        overall = [[name, *(shown(values[key]) for values in kinds.values())] for key, name in _NAMES.items()]
        columns = [f"{kind}\n{_NAMES[key]}" for kind in kinds for key in _OF_CLASS]
        classes = [
            [row["name"], *(str(row[count]) for count in ("objects", "detections")),
             *(shown(row[kind][key]) for kind in kinds for key in _OF_CLASS)]
            for row in self.per_class
        ]  # fmt: skip
        return (
            Table("Average precision", ["", *kinds], overall),
            Table("By class", ["class", "objects", "detections", *columns], classes, dense=True),
        )

    def sentences(self) -> Sequence[str]:
        return [f"{kind}: {words}." for kind, words in self.settings["definitions"].items()]

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row overall, and one per class."""
        counts = {"objects": self.objects, "detections": self.detections}
        overall = {"class": "overall", "name": "", **counts, **self._kinds()}
        columns = [(kind, key) for kind in self._kinds() for key in _NAMES]
        return [
            {key: row[key] for key in ("class", "name", "objects", "detections")}
            | {f"{kind}_{key}": row[kind][key] for kind, key in columns}
            for row in (overall, *self.per_class)
        ]

    def _kinds(self) -> dict[str, Mapping[str, float]]:
        both = {"mask": self.mask, "boundary": self.boundary}
        return {kind: values for kind, values in both.items() if values is not None}


def evaluate_detection(
    results: str | Path,
    ground_truth: str | Path,
    *,
    metrics: str | Sequence[str] = METRICS,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
) -> DetectionScores:
    """Score COCO results with masks: mask AP and Boundary AP, overall and by class.

    Choice:  as COCO's own evaluation, but that precision is exact, and an image with a mask that cannot be decoded is
        left out as a whole and named (source of Boundary AP: boundary-iou-api).
    Args:
        results: a JSON list of objects with image_id, category_id, score and segmentation (run lengths, compressed or
            not, or polygons, which need pycocotools).
        ground_truth: JSON with images, annotations and categories.
        metrics: "all", or some of mask_ap, boundary_ap.
        max_pixels: larger images are refused by what the ground truth says of them.
    Returns: the scores, 0 to 1, more is better; NaN where there is no object. Empty results score 0.
    Raises:  ConfigError: metrics, a path that is not there. InputError: a file that is no COCO results or ground truth,
        with the annotation and the image.

    >>> from importlib.resources import files
    >>> samples = files("convneur") / "data" / "samples"
    >>> found = evaluate_detection(samples / "detections.json", samples / "instances.json", metrics="mask_ap")
    >>> round(found.mask["ap"], 4), found.boundary is None
    (0.3633, True)
    """
    asked = METRICS if metrics == "all" else (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not asked or not set(asked) <= set(METRICS):
        raise ConfigError("metrics", f"choose all, or some of {', '.join(METRICS)}", value=",".join(map(str, asked)))
    truth = read_ground_truth(existing_file("ground_truth", ground_truth), max_pixels=max_pixels)
    found = read_results(existing_file("results", results), truth)
    totals = {_KINDS[metric]: AveragePrecision(list(truth.categories)) for metric in METRICS if metric in asked}
    failed: list[Failure] = []
    counts = {category: [0, 0] for category in truth.categories}
    with progress.steps("scoring", len(truth.images)) as advance:
        for image in truth.images.values():
            try:
                objects = _objects_of(image, truth, found.get(image.id, ()), Path(results))
            except InputError as error:
                failed.append(Failure(str(image), str(error)))
                progress.error(f"{image}: {error}")
            else:
                _add(totals, objects)
                for place, categories in enumerate((objects.gt_categories, objects.categories)):
                    for category, count in zip(*np.unique(categories, return_counts=True), strict=True):
                        counts[int(category)][place] += int(count)
            advance()
    tables = {kind: total.table() for kind, total in totals.items()}
    values = {kind: table.values() for kind, table in tables.items()}
    return DetectionScores(
        settings=read_only(
            {"metrics": [metric for metric in METRICS if metric in asked],
             "definitions": {kind: _DEFINITIONS[kind] for kind in totals}}
        ),
        images=len(truth.images) - len(failed),
        objects=sum(gt for gt, _ in counts.values()),
        detections=sum(detected for _, detected in counts.values()),
        mask=read_only(values.get("mask")),
        boundary=read_only(values.get("boundary")),
        per_class=read_only(_rows(truth, tables, counts)),
        failed=tuple(failed),
    )  # fmt: skip


def _rows(
    truth: GroundTruth, tables: Mapping[str, PrecisionTable], counts: Mapping[int, Sequence[int]]
) -> list[dict[str, Any]]:
    return [
        {"class": category, "name": name, "objects": counts[category][0], "detections": counts[category][1]}
        | {kind: table.of_category(number).values() for kind, table in tables.items()}
        for number, (category, name) in enumerate(truth.categories.items())
    ]


def _add(totals: Mapping[str, AveragePrecision], objects: ImageObjects) -> None:
    of_mask, of_boundary = mask_pairs(objects, LEAST_OVERLAP, boundary="boundary" in totals)
    for kind, pairs in (("mask", of_mask), ("boundary", of_boundary)):
        if kind in totals and pairs is not None:
            totals[kind].add(objects, pairs)


def _objects_of(image: CocoImage, truth: GroundTruth, found: Sequence[Detection], results: Path) -> ImageObjects:
    """An image with its masks decoded. Raises: InputError: one of them cannot be, with the file and the entry."""
    objects = truth.objects.get(image.id, ())
    found = _best(found)
    truths = [_mask(each, image, f"{truth.path}: annotation {each.id}") for each in objects]
    masks = [_mask(each, image, f"{results}: [{each.number}]") for each in found]
    return ImageObjects(
        detections=masks,
        truths=truths,
        scores=np.array([each.score for each in found], float),
        categories=np.array([each.category for each in found], np.int64),
        areas=np.array([mask.area for mask in masks], float),
        gt_categories=np.array([each.category for each in objects], np.int64),
        gt_areas=np.array([each.area for each in objects], float),
        crowd=np.array([each.crowd for each in objects], bool),
    )


def _best(found: Sequence[Detection]) -> list[Detection]:
    """Sorted by score, highest first, with a limit for each category."""
    kept, seen = [], dict[int, int]()
    for each in sorted(found, key=lambda each: -each.score):
        seen[each.category] = seen.get(each.category, 0) + 1
        if seen[each.category] <= MOST_DETECTIONS:
            kept.append(each)
    return kept


def _mask(each: Detection | GtObject, image: CocoImage, where: str) -> RunMask:
    if each.mask is None:
        raise InputError(None, f"{where}: has no segmentation, and mask AP is of masks")
    try:
        return each.mask.runs(image)
    except InputError as error:
        raise InputError(None, f"{where}: {error}") from None
