"""`evaluate_detection`: COCO results and ground truth to `DetectionScores`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.coco import CocoImage, Detection, GroundTruth, GtObject, read_ground_truth, read_results
from convneur.data.limits import MAX_PIXELS
from convneur.data.run_lengths import RunMask, bounding_boxes
from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.instances.average_precision import LEAST_OVERLAP, MOST_DETECTIONS, AveragePrecision, PrecisionTable
from convneur.instances.inputs import Failure, existing_file, shown
from convneur.instances.overlaps import ImageObjects, box_pairs, mask_pairs
from convneur.progress import Progress, silent
from convneur.resampling import percentile_interval, resample_counts
from convneur.results import Result, Table, plain, read_only

__all__ = ["DetectionScores", "evaluate_detection"]

METRICS = ("box_ap", "mask_ap", "boundary_ap")
_KINDS = {"box_ap": "box", "mask_ap": "mask", "boundary_ap": "boundary"}
_NAMES = {
    "ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_small": "AP small", "ap_medium": "AP medium",
    "ap_large": "AP large", "ar1": "AR 1", "ar10": "AR 10", "ar100": "AR 100", "ar_small": "AR small",
    "ar_medium": "AR medium", "ar_large": "AR large",
}  # fmt: skip
_COMPARED = ("ap", "ap50", "ap75")
_LEVEL = 0.95
_SEED = 0
_OF_CLASS = ("ap", "ap50", "ap75")
_DEFINITIONS = {
    "box": "COCO's box AP: as mask AP, by the overlap of boxes; a detection without a box has that of its mask, and "
    "its area is the box's",
    "mask": "COCO's mask AP: IoU from 0.50 to 0.95 by 0.05, 101 recalls, 100 detections of a class per image; small "
    "up to 32^2 pixels, medium up to 96^2, by the ground truth's area",
    "boundary": "Boundary AP (Cheng et al., 2021): the same with the smaller of mask IoU and Boundary IoU, whose band "
    "is 0.02 of the image diagonal wide",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DetectionScores(Result):
    """Average precision of COCO results; made by `evaluate_detection`.

    box, mask, boundary: ap, ap50, ap75, ap_small, ap_medium, ap_large, and ar1, ar10, ar100, ar_small, ar_medium,
    ar_large (the highest recall of so many detections of a class in an image), each 0 to 1, NaN without an object of
    the kind; None where it was not asked for. per_class: such values by category. images: scored, with how many objects
    and detections. against: by kind, ap, ap50 and ap75 of the second results, the difference and its interval. failed:
    images that could not be scored and are in no value.

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
    box: Mapping[str, float] | None
    mask: Mapping[str, float] | None
    boundary: Mapping[str, float] | None
    per_class: tuple[Mapping[str, Any], ...]
    against: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None
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
            "box": plain(self.box),
            "mask": plain(self.mask),
            "boundary": plain(self.boundary),
            "per_class": plain(self.per_class),
            **({} if self.against is None else {"against": plain(self.against)}),
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
        compared = [
            [f"{kind} {_NAMES[key]}", *(shown(each[name]) for name in ("first", "second")),
             f"{each['difference']:+.4f}", f"{each['low']:+.4f} to {each['high']:+.4f}"]
            for kind, values in (self.against or {}).items()
            for key, each in values.items()
        ]  # fmt: skip
        second = Table("Against the second results", ["", "first", "second", "difference", "95 % interval"], compared)
        return (
            Table("Average precision", ["", *kinds], overall),
            *([second] if compared else []),
            Table("By class", ["class", "objects", "detections", *columns], classes, dense=True),
        )

    def sentences(self) -> Sequence[str]:
        said = [f"{kind}: {words}." for kind, words in self.settings["definitions"].items()]
        if self.against is not None:
            resamples = self.settings["against"]["resamples"]
            said.append(f"difference: first less second; interval: a paired bootstrap over images, {resamples} draws.")
        return said

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
        all_ = {"box": self.box, "mask": self.mask, "boundary": self.boundary}
        return {kind: values for kind, values in all_.items() if values is not None}


def evaluate_detection(
    results: str | Path,
    ground_truth: str | Path,
    *,
    metrics: str | Sequence[str] = "all",
    against: str | Path | None = None,
    resamples: int = 1000,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
) -> DetectionScores:
    """Score COCO results: box AP, mask AP and Boundary AP, overall and by class.

    Choice:  as COCO's own evaluation, but that precision is exact, and an image with a mask that cannot be decoded is
        left out as a whole and named (source of Boundary AP: boundary-iou-api).
    Args:
        results: a JSON list of objects with image_id, category_id, score, and bbox or segmentation (run lengths,
            compressed or not, or polygons, which need pycocotools).
        ground_truth: JSON with images, annotations and categories.
        metrics: some of box_ap, mask_ap, boundary_ap, or "all": those of masks where the results have masks.
        against: second results on the same ground truth, compared by a paired bootstrap over images; resamples: its
            draws.
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
    asked: tuple[str, ...] = () if metrics == "all" else (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if metrics != "all" and (not asked or not set(asked) <= set(METRICS)):
        raise ConfigError("metrics", f"choose all, or some of {', '.join(METRICS)}", value=",".join(map(str, asked)))
    truth = read_ground_truth(existing_file("ground_truth", ground_truth), max_pixels=max_pixels)
    if resamples < 1:
        raise ConfigError("resamples", "must be at least 1", value=resamples)
    paths = [existing_file("results", results), *([] if against is None else [existing_file("against", against)])]
    read = [read_results(path, truth) for path in paths]
    asked = asked or _possible(truth, read)
    kinds = [_KINDS[metric] for metric in METRICS if metric in asked]
    every = [{kind: AveragePrecision(list(truth.categories)) for kind in kinds} for _ in paths]
    failed: list[Failure] = []
    counts = {category: [0, 0] for category in truth.categories}
    with progress.steps("scoring", len(truth.images)) as advance:
        for image in truth.images.values():
            try:
                objects = [
                    _objects_of(image, truth, found.get(image.id, ()), path, kinds)
                    for found, path in zip(read, paths, strict=True)
                ]
            except InputError as error:
                failed.append(Failure(str(image), str(error)))
                progress.error(f"{image}: {error}")
            else:
                for totals, each in zip(every, objects, strict=True):
                    _add(totals, each)
                for place, categories in enumerate((objects[0].gt_categories, objects[0].categories)):
                    for category, count in zip(*np.unique(categories, return_counts=True), strict=True):
                        counts[int(category)][place] += int(count)
            advance()
    totals = every[0]
    tables = {kind: total.table() for kind, total in totals.items()}
    values = {kind: table.values() for kind, table in tables.items()}
    settings: dict[str, Any] = {
        "metrics": [metric for metric in METRICS if metric in asked],
        "definitions": {kind: _DEFINITIONS[kind] for kind in totals},
    }
    compared = None
    if against is not None:
        settings["against"] = {"results": str(against), "resamples": resamples, "seed": _SEED, "level": _LEVEL}
        compared = _compared(every[0], every[1], len(truth.images) - len(failed), resamples)
    return DetectionScores(
        settings=read_only(settings),
        images=len(truth.images) - len(failed),
        objects=sum(gt for gt, _ in counts.values()),
        detections=sum(detected for _, detected in counts.values()),
        box=read_only(values.get("box")),
        mask=read_only(values.get("mask")),
        boundary=read_only(values.get("boundary")),
        per_class=read_only(_rows(truth, tables, counts)),
        against=read_only(compared),
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


def _possible(truth: GroundTruth, read: Sequence[Mapping[int, Sequence[Detection]]]) -> tuple[str, ...]:
    """The metrics that the files allow: those of masks where every side has masks, of boxes where it has either."""
    detections = [each for found in read for some in found.values() for each in some]
    objects = [each for some in truth.objects.values() for each in some]
    sides: tuple[Sequence[Detection | GtObject], ...] = (detections or objects, objects)
    masks = all(any(each.mask is not None for each in side) for side in sides)
    return METRICS if masks or not objects else METRICS[:1]


def _compared(
    ours: Mapping[str, AveragePrecision], theirs: Mapping[str, AveragePrecision], images: int, resamples: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Differences and their intervals: the same draws of images for both."""
    counts = np.array(list(resample_counts(images, resamples, _SEED))).reshape(resamples, images)
    found = {}
    for kind, total in ours.items():
        low, high, _ = percentile_interval(total.resampled(counts) - theirs[kind].resampled(counts), _LEVEL)
        first, second = total.table().values(), theirs[kind].table().values()
        found[kind] = {
            key: {"first": first[key], "second": second[key], "difference": first[key] - second[key],
                  "low": float(low[number]), "high": float(high[number])}
            for number, key in enumerate(_COMPARED)
        }  # fmt: skip
    return found


def _add(totals: Mapping[str, AveragePrecision], objects: ImageObjects) -> None:
    if "box" in totals and objects.boxes is not None:
        of_boxes = objects._replace(areas=objects.boxes[:, 2:].prod(axis=1))
        totals["box"].add(of_boxes, box_pairs(objects, LEAST_OVERLAP))
    if totals.keys() <= {"box"}:
        return
    of_mask, of_boundary = mask_pairs(objects, LEAST_OVERLAP, boundary="boundary" in totals)
    for kind, pairs in (("mask", of_mask), ("boundary", of_boundary)):
        if kind in totals and pairs is not None:
            totals[kind].add(objects, pairs)


def _objects_of(
    image: CocoImage, truth: GroundTruth, found: Sequence[Detection], results: Path, kinds: Sequence[str]
) -> ImageObjects:
    """An image with its boxes and masks, as the kinds need them. Raises: InputError: one of them cannot be, with the
    file and the entry."""
    objects = truth.objects.get(image.id, ())
    found = _best(found)
    masked = any(kind != "box" for kind in kinds)
    at_truth = [f"{truth.path}: annotation {each.id}" for each in objects]
    at_found = [f"{results}: [{each.number}]" for each in found]
    truths = [_mask(each, image, where) for each, where in zip(objects, at_truth, strict=True)] if masked else []
    masks = [_mask(each, image, where) for each, where in zip(found, at_found, strict=True)] if masked else []
    gt_boxes = _boxes(objects, truths, image, at_truth) if "box" in kinds else None
    boxes = _boxes(found, masks, image, at_found) if "box" in kinds else None
    return ImageObjects(
        detections=masks,
        truths=truths,
        scores=np.array([each.score for each in found], float),
        categories=np.array([each.category for each in found], np.int64),
        areas=np.array([mask.area for mask in masks], float),
        gt_categories=np.array([each.category for each in objects], np.int64),
        gt_areas=np.array([each.area for each in objects], float),
        crowd=np.array([each.crowd for each in objects], bool),
        boxes=boxes,
        gt_boxes=gt_boxes,
    )


def _boxes(
    objects: Sequence[Detection | GtObject], masks: Sequence[RunMask], image: CocoImage, places: Sequence[str]
) -> NDArray[np.float64]:
    """(N, 4) x, y, width, height: as the file says, or of the mask."""
    found = np.zeros((len(objects), 4))
    for number, each in enumerate(objects):
        if each.box is not None:
            found[number] = each.box
        elif each.mask is not None:
            mask = masks[number] if masks else _mask(each, image, places[number])
            top, bottom, left, right = bounding_boxes([mask])[0].tolist()
            found[number] = left, top, right - left, bottom - top
        else:
            raise InputError(None, f"{places[number]}: has neither bbox nor segmentation")
    return found


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
