"""`evaluate_detection`: COCO results and ground truth to `DetectionScores`."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from convneur.data.annotated import Invalid, box_inside
from convneur.data.coco import (
    LEAVE_OUT,
    CocoImage,
    Detection,
    GroundTruth,
    GtObject,
    read_ground_truth,
    read_results,
)
from convneur.data.limits import MAX_PIXELS
from convneur.data.packed import PackedEntries
from convneur.errors import ConfigError, InputError
from convneur.evaluation import worker_map
from convneur.formats import short_names
from convneur.instances.average_precision import MOST_DETECTIONS, AveragePrecision, Matches
from convneur.instances.detection_report import DetectionSource, ReportPlan, ResultsScores
from convneur.instances.detection_scores import DetectionScores
from convneur.instances.image_scores import ImageEntries, ImageScores, ObjectReading, image_scores
from convneur.instances.inputs import Failure, check_choice, existing_file
from convneur.instances.working_point import ImageCounts, Outcome, best_score
from convneur.progress import Progress, silent
from convneur.resampling import percentile_interval, resample_counts
from convneur.results import read_only

__all__ = ["evaluate_detection"]

METRICS = ("box_ap", "mask_ap", "boundary_ap")
_KINDS = {"box_ap": "box", "mask_ap": "mask", "boundary_ap": "boundary"}
_COMPARED = ("ap", "ap50", "ap75")
_LEVEL = 0.95
_RESAMPLES = 1000
_PICTURES = 6
_SEED = 0
_FEW = 3  # lines on what was left out, of many
_MEGABYTE = 1e6
_DEFINITIONS = {
    "box": "COCO's box AP: as mask AP, by the overlap of boxes; a detection without a box has that of its mask, and "
    "its area is the box's",
    "mask": "COCO's mask AP: IoU from 0.50 to 0.95 by 0.05, 101 recalls, 100 detections of a class per image; small "
    "up to 32^2 pixels, medium up to 96^2, by the ground truth's area",
    "boundary": "Boundary AP (Cheng et al., 2021): the same with the smaller of mask IoU and Boundary IoU, whose band "
    "is 0.02 of the image diagonal wide",
}


def evaluate_detection(
    results: str | Path,
    ground_truth: str | Path,
    *,
    metrics: str | Sequence[str] = "all",
    against: str | Path | None = None,
    resamples: int = _RESAMPLES,
    invalid: Invalid = "error",
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    report: str | Path | None = None,
    images: str | Path | None = None,
    figures_count: int = _PICTURES,
    force: bool = False,
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
        invalid: what becomes of an entry that cannot be, such as an object's box without area or a score of NaN:
            error, or skip it alone. A mask that cannot be decoded leaves its image out, or is skipped.
        workers: processes, 0 for one per core. The result is the same.
        max_pixels: larger images are refused by what the ground truth says of them.
        report, images, figures_count, force: see `DetectionScores.save_report`.
    Returns: the scores, 0 to 1, more is better; NaN where there is no object. Empty results score 0.
    Raises:  ConfigError: metrics, a path that is not there. InputError: a file that is no COCO results or ground truth,
        with the annotation and the image.

    >>> from importlib.resources import files
    >>> samples = files("convneur") / "data" / "samples"
    >>> found = evaluate_detection(samples / "detections.json", samples / "instances.json", metrics="mask_ap")
    >>> round(found.mask["ap"], 4), found.boundary is None
    (0.3633, True)
    """
    asked = _asked(metrics)
    check_choice("invalid", invalid, get_args(Invalid))
    if resamples < 1:
        raise ConfigError("resamples", "must be at least 1", value=resamples)
    if resamples != _RESAMPLES and against is None:
        raise ConfigError("resamples", "is for the intervals of a comparison; give `against` too", value=resamples)
    truth_path = existing_file("ground_truth", ground_truth)
    paths = [existing_file("results", results), *([] if against is None else [existing_file("against", against)])]
    plan = None
    if report is not None:
        plan = ReportPlan.of(report, images, figures_count, force=force)
    elif images is not None:
        raise ConfigError("images", "says what is drawn; give `report` too")
    elif figures_count != _PICTURES:
        raise ConfigError("figures_count", "says how much is drawn; give `report` too", value=figures_count)
    if against is not None and paths[1].samefile(paths[0]):
        progress.warn("`against` is `results` itself; give a second model's")
    skipped: list[str] = []
    skip = skipped.append if invalid == "skip" else None
    with _bytes_of(truth_path, progress) as read:
        truth = read_ground_truth(truth_path, max_pixels=max_pixels, skipped=skip, read=read)
    found = []
    for path in paths:
        with _bytes_of(path, progress) as read:
            found.append(read_results(path, truth, most=MOST_DETECTIONS, skipped=skip, read=read))
    asked = asked or _possible(truth, found)
    kinds = [_KINDS[metric] for metric in METRICS if metric in asked]
    if "box" in kinds:
        truth = _with_sound_boxes(truth, skip)
    reading = ObjectReading(truth_path, paths, kinds, invalid)
    totals = [_Totals(truth, kinds) for _ in paths]
    failed: list[Failure] = []
    jobs = (
        ImageEntries(image, truth.objects.get(image.id, ()),
                     [each.get(image.id, ()) for each in found])
        for image in truth.images.values()
    )  # fmt: skip
    count = len(truth.images)
    with worker_map(workers, None, count) as mapped, progress.steps("scoring", count) as advance:
        scored = mapped(partial(image_scores, reading=reading), jobs)
        for image, outcome in zip(truth.images.values(), scored, strict=True):
            if isinstance(outcome, ImageScores):
                skipped += outcome.skipped
                for each, matches in zip(totals, outcome.of_results, strict=True):
                    each.add(image, matches)
            else:
                failed.append(Failure(str(image), outcome))
                progress.error(f"{image}: {outcome}")
            advance()
    _tell(skipped, progress)
    sides = [each.scores(title) for each, title in zip(totals, short_names(*map(str, paths)), strict=True)]
    first = sides[0]
    settings: dict[str, Any] = {
        "metrics": [metric for metric in METRICS if metric in asked],
        "invalid": invalid,
        "definitions": {kind: _DEFINITIONS[kind] for kind in kinds},
    }
    compared = None
    if against is not None:
        settings["against"] = {"results": str(against), "resamples": resamples, "seed": _SEED, "level": _LEVEL}
        compared = _compared(totals[0].precision, totals[1].precision, count - len(failed), resamples)
    scores = DetectionScores(
        settings=read_only(settings),
        images=count - len(failed),
        objects=sum(row["objects"] for row in first.per_class),
        detections=sum(row["detections"] for row in first.per_class),
        box=read_only(first.values.get("box")),
        mask=read_only(first.values.get("mask")),
        boundary=read_only(first.values.get("boundary")),
        by_iou=read_only(first.by_iou),
        per_class=read_only(first.per_class),
        working_point=read_only(first.working_point),
        per_image=read_only(first.per_image),
        against=read_only(compared),
        failed=tuple(failed),
        skipped=tuple(skipped),
        source=DetectionSource(reading, truth, found, sides),
    )
    if plan is not None:
        scores.write_report(plan, force=force, progress=progress)
        progress.note(f"written: {plan.path}")
    return scores


def _asked(metrics: str | Sequence[str]) -> tuple[str, ...]:
    """The metrics by name, none for all that the files allow."""
    if metrics == "all":
        return ()
    asked = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not asked or not set(asked) <= set(METRICS):
        raise ConfigError("metrics", f"choose all, or some of {', '.join(METRICS)}", value=",".join(map(str, asked)))
    return asked


@contextmanager
def _bytes_of(path: Path, progress: Progress) -> Iterator[Callable[[int], None]]:
    """How much of a file is read."""
    size = path.stat().st_size / _MEGABYTE
    with progress.steps(f"reading {path.name}", size or 1) as advance:
        yield lambda count: advance(steps=count / _MEGABYTE)


def _with_sound_boxes(truth: GroundTruth, skip: Callable[[str], object] | None) -> GroundTruth:
    """Without the objects whose box has no area in its image. Raises: InputError: the first one, unless `skip`."""
    kept = PackedEntries[GtObject]()
    for number, some in truth.objects.items():
        for each in some:
            try:
                if each.box is not None and not each.crowd:
                    box_inside(each.box, truth.images[number])
                kept.add(number, each)
            except InputError as error:
                line = f"annotation {each.id} ({truth.images[number]}): {error}"
                if skip is None:
                    raise InputError(truth.path, line + LEAVE_OUT) from None
                skip(f"{truth.path}: {line}")
    return replace(truth, objects=kept)


def _tell(skipped: Sequence[str], progress: Progress) -> None:
    for line in skipped[:_FEW]:
        progress.warn(line)
    if len(skipped) > _FEW:
        progress.warn(f"{len(skipped) - _FEW} more entries left out; the result has them under skipped")


class _Totals:
    """What the images of one of the results come to."""

    def __init__(self, truth: GroundTruth, kinds: Sequence[str]) -> None:
        self._truth = truth
        self._kind = next(kind for kind in ("mask", "boundary", "box") if kind in kinds)
        self.precision = {kind: AveragePrecision(list(truth.categories)) for kind in kinds}
        self._images: list[tuple[CocoImage, ImageCounts]] = []
        self._counts = {category: [0, 0] for category in truth.categories}

    def add(self, image: CocoImage, matches: Mapping[str, Matches]) -> None:
        for kind, total in self.precision.items():
            total.add(matches[kind])
        one = matches[self._kind]
        self._images.append((image, ImageCounts.of(one)))
        for place, categories in enumerate((one.gt_categories, one.categories)):
            for category, count in zip(*np.unique(categories, return_counts=True), strict=True):
                self._counts[int(category)][place] += int(count)

    def scores(self, title: str) -> ResultsScores:
        tables = {kind: total.table() for kind, total in self.precision.items()}
        score = best_score([each for _, each in self._images])
        outcomes = [(image, counts.at(score)) for image, counts in self._images]
        whole = Outcome(*(sum(each[place] for _, each in outcomes) for place in range(3)))
        return ResultsScores(
            title=title,
            values={kind: table.values() for kind, table in tables.items()},
            by_iou={kind: table.by_threshold() for kind, table in tables.items()},
            per_class=[
                {"class": category, "name": name, "objects": self._counts[category][0],
                 "detections": self._counts[category][1]}
                | {kind: table.of_category(number).values() for kind, table in tables.items()}
                for number, (category, name) in enumerate(self._truth.categories.items())
            ],
            working_point={"kind": self._kind, "iou": 0.5, "score": score if math.isfinite(score) else None,
                           **whole._asdict(), "f1": whole.f1},
            per_image=[
                {"image": image.id, "name": image.file_name or str(image.id), "objects": found.tp + found.fn,
                 **found._asdict(), "f1": found.f1}
                for image, found in outcomes
            ],
        )  # fmt: skip


def _possible(truth: GroundTruth, read: Sequence[Mapping[int, Sequence[Detection]]]) -> tuple[str, ...]:
    """The metrics that the files allow: those of masks where every side has masks, of boxes where it has either."""

    def masked(entries: Mapping[int, Sequence[Detection | GtObject]]) -> bool:
        return any(each.mask is not None for some in entries.values() for each in some)

    detected = any(map(masked, read)) if any(read) else True
    return METRICS if not truth.objects or (detected and masked(truth.objects)) else METRICS[:1]


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
