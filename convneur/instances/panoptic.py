"""`evaluate_panoptic`: panoptic maps to panoptic quality and its boundary form."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.data.limits import MAX_PIXELS
from convneur.data.panoptic import PanopticCategory, PanopticFile, PanopticMap, read_panoptic, read_segment_ids
from convneur.errors import InputError
from convneur.evaluation import worker_map
from convneur.formats import plural
from convneur.instances.inputs import Failure, check_choice, check_shapes, existing_file, shown, unpaired
from convneur.instances.overlaps import band_depth
from convneur.metrics.bands import inside
from convneur.metrics.label_pair import rank_type
from convneur.metrics.signs import joint
from convneur.progress import Progress, silent
from convneur.results import Result, Table, plain, read_only

__all__ = ["PanopticScores", "evaluate_panoptic"]

IntArray = npt.NDArray[np.int64]

KINDS = ("pq", "boundary_pq")
_GROUPS = ("all", "things", "stuff")
_VALUES = ("pq", "sq", "rq")
_DEFINITIONS = {
    "pq": "panoptic quality (Kirillov et al., 2019): segments of one category match at an IoU above 0.5 without void; "
    "predictions mostly on void or on a crowd of their category are left out; means over categories",
    "boundary_pq": "Boundary PQ (Cheng et al., 2021): the same with the smaller of IoU and Boundary IoU, whose band is "
    "0.02 of the image diagonal wide",
}


class Counts(NamedTuple):
    """Of one category: matched pairs and their overlaps, what is left of the predictions and of the ground truth."""

    overlaps: tuple[float, ...] = ()
    fp: int = 0
    fn: int = 0

    def values(self) -> dict[str, float]:
        """pq, sq, rq; tp, fp, fn. NaN where there is no segment at all."""
        tp, total = len(self.overlaps), math.fsum(self.overlaps)
        whole = tp + self.fp / 2 + self.fn / 2
        return {
            "pq": total / whole if whole else math.nan,
            "sq": total / tp if tp else 0.0 if whole else math.nan,
            "rq": tp / whole if whole else math.nan,
            "tp": tp,
            "fp": self.fp,
            "fn": self.fn,
        }


ImageCounts = Mapping[str, Mapping[int, Counts]]
"""By kind and category."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PanopticScores(Result):
    """Panoptic quality of a set of images; made by `evaluate_panoptic`.

    pq, boundary_pq: all, things, stuff -> pq, sq, rq, each 0 to 1, NaN where no category of the kind has a segment.
    per_class: both by category, with tp, fp and fn. images: scored. failed: those that could not be.

    >>> import json, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     gt = Path(folder, "gt")
    ...     gt.mkdir()
    ...     Image.new("RGB", (8, 8), (5, 0, 0)).save(gt / "a.png")
    ...     segments = [{"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 5, "category_id": 3}]}]
    ...     about = {"annotations": segments, "categories": [{"id": 3, "name": "sky", "isthing": 0}]}
    ...     _ = gt.with_suffix(".json").write_text(json.dumps(about))
    ...     found = evaluate_panoptic(f"{gt}.json", f"{gt}.json")
    >>> found, found.pq["stuff"]
    (<PanopticScores of 1 image>, {'pq': 1.0, 'sq': 1.0, 'rq': 1.0})
    """

    settings: Mapping[str, Any]
    images: int
    pq: Mapping[str, Mapping[str, float]]
    boundary_pq: Mapping[str, Mapping[str, float]]
    per_class: tuple[Mapping[str, Any], ...]
    failed: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<PanopticScores of {plural(self.images, 'image')}>"

    def failed_line(self) -> str:
        """How many could not be scored."""
        return f"{len(self.failed)} of {self.images + len(self.failed)} images"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.panoptic/1",
            "convneur": version("convneur"),
            "settings": plain(self.settings),
            "images": self.images,
            "pq": plain(self.pq),
            "boundary_pq": plain(self.boundary_pq),
            "per_class": plain(self.per_class),
            "failed": [{"name": each.name, "why": each.why} for each in self.failed],
            "warnings": list(self.warnings),
        }

    def headlines(self) -> Sequence[str]:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return (
            f"{plural(self.images, 'image')} scored{failed}; {plural(len(self.per_class), 'category', 'categories')}.",
        )

    def tables(self) -> Sequence[Table]:
        """All, things and stuff; and by category."""
        columns = ["PQ", "SQ", "RQ", "Boundary\nPQ", "Boundary\nSQ", "Boundary\nRQ"]
        both = (self.pq, self.boundary_pq)
        overall = [[group, *(shown(each[group][key]) for each in both for key in _VALUES)] for group in _GROUPS]
        classes = [
            [row["name"], "thing" if row["thing"] else "stuff"]
            + [shown(row[kind][key]) for kind in KINDS for key in _VALUES]
            + [str(row["pq"][key]) for key in ("tp", "fp", "fn")]
            for row in self.per_class
        ]
        return (
            Table("Panoptic quality", ["", *columns], overall),
            Table("By category", ["category", "kind", *columns, "tp", "fp", "fn"], classes, left=2, dense=True),
        )

    def sentences(self) -> Sequence[str]:
        return [f"{kind}: {words}." for kind, words in self.settings["definitions"].items()]

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row each for all, things and stuff, and one per category."""
        groups = [
            {"class": group, "name": "", "pq": self.pq[group], "boundary_pq": self.boundary_pq[group]}
            for group in _GROUPS
        ]
        keys = [(kind, key) for kind in KINDS for key in (*_VALUES, "tp", "fp", "fn")]
        found = []
        for row in (*groups, *self.per_class):
            values: Mapping[str, Mapping[str, Any]] = {kind: row[kind] for kind in KINDS}
            named = {key if kind == "pq" else f"boundary_{key}": values[kind].get(key, "") for kind, key in keys}
            found.append({"category": row["class"], "name": row["name"], **named})
        return found


def evaluate_panoptic(
    predictions: str | Path,
    ground_truth: str | Path,
    *,
    missing: Literal["error", "skip"] = "error",
    max_pixels: int = MAX_PIXELS,
    workers: int = 1,
    progress: Progress = silent,
) -> PanopticScores:
    """Score panoptic maps: panoptic quality (PQ) and Boundary PQ, for all categories, things and stuff.

    Equation: PQ = sum of IoU over matched pairs / (tp + fp/2 + fn/2) = SQ RQ, from counts pooled over images.
    Choice:   matching, void and crowds as panopticapi (Kirillov et al., 2019); boundaries as boundary-iou-api. An image
        that cannot be scored is left out and named.
    Args:
        predictions, ground_truth: JSON in COCO's panoptic format; the PNG files lie beside it in the folder of its name
            without suffix. Ids are colours, R + 256 G + 65536 B, 0 is void.
        missing: what an image without a prediction is.
        workers: processes, 0 for one per core. The result is the same.
    Returns: the scores, 0 to 1, more is better.
    Raises:  ConfigError: a setting, a path that is not there. InputError: a file that is no such JSON, an image without
        a prediction.

    >>> evaluate_panoptic("nowhere.json", "nowhere.json")
    Traceback (most recent call last):
    convneur.errors.ConfigError: predictions nowhere.json: no such file or folder
    """
    check_choice("missing", missing, ("error", "skip"))
    pred = read_panoptic(existing_file("predictions", predictions), categories=False)
    gt = read_panoptic(existing_file("ground_truth", ground_truth), categories=True)
    warnings = unpaired(pred.path, pred.maps, gt.maps, "image", missing=missing)
    for line in warnings:
        progress.warn(line)
    pairs = [(pred.maps[image], each) for image, each in gt.maps.items() if image in pred.maps]
    totals: dict[str, dict[int, list[Counts]]] = {kind: {} for kind in KINDS}
    failed: list[Failure] = []
    scored = partial(_outcome, pred=_without_maps(pred), gt=_without_maps(gt), max_pixels=max_pixels)
    with worker_map(workers, None, len(pairs)) as mapped, progress.steps("scoring", len(pairs)) as advance:
        for (_, each), outcome in zip(pairs, mapped(scored, pairs), strict=True):
            if isinstance(outcome, str):
                failed.append(Failure(str(each), outcome))
                progress.error(f"{each}: {outcome}")
            else:
                for kind, by_category in outcome.items():
                    for category, counts in by_category.items():
                        totals[kind].setdefault(category, []).append(counts)
            advance()
    rows = [_row(category, {kind: totals[kind].get(category.id, ()) for kind in KINDS})
            for category in gt.categories.values()]  # fmt: skip
    return PanopticScores(
        settings=read_only({"missing": missing, "definitions": _DEFINITIONS}),
        images=len(pairs) - len(failed),
        pq=read_only(_means(rows, "pq")),
        boundary_pq=read_only(_means(rows, "boundary_pq")),
        per_class=read_only(rows),
        failed=tuple(failed),
        warnings=tuple(warnings),
    )


def _without_maps(file: PanopticFile) -> PanopticFile:
    """What a worker needs of a file beside the pair."""
    return PanopticFile(file.path, file.folder, {}, file.categories)


def _row(category: PanopticCategory, counts: Mapping[str, Sequence[Counts]]) -> dict[str, Any]:
    values = {
        kind: Counts(
            tuple(overlap for each in some for overlap in each.overlaps),
            sum(each.fp for each in some),
            sum(each.fn for each in some),
        ).values()
        for kind, some in counts.items()
    }
    name = category.name or str(category.id)
    return {"class": category.id, "name": name, "thing": bool(category.isthing), **values}


def _means(rows: Sequence[Mapping[str, Any]], kind: str) -> dict[str, dict[str, float]]:
    found = {}
    for group in _GROUPS:
        of_group = [row[kind] for row in rows if group == "all" or row["thing"] == (group == "things")]
        found[group] = {
            key: _mean(each[key] for each in of_group if each["tp"] + each["fp"] + each["fn"] > 0) for key in _VALUES
        }
    return found


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(values) / len(values) if values else math.nan


def _outcome(
    pair: tuple[PanopticMap, PanopticMap], *, pred: PanopticFile, gt: PanopticFile, max_pixels: int
) -> ImageCounts | str:
    """Counts of one image, or why there are none."""
    try:
        found, truth = pair
        for file, each in ((pred, found), (gt, truth)):
            for segment in each.segments_info:
                if segment.category_id not in gt.categories:
                    raise InputError(
                        file.path, f"segment {segment.id} is of category {segment.category_id}, which {gt.path} lacks"
                    )
        pred_ids = read_segment_ids(pred, found, max_pixels=max_pixels)
        gt_ids = read_segment_ids(gt, truth, max_pixels=max_pixels)
        check_shapes(pred.folder / found.file_name, pred_ids.shape, gt_ids.shape)
        return _counts(_Side(pred_ids, found), _Side(gt_ids, truth))
    except InputError as error:
        return str(error)
    except MemoryError:
        return "not enough memory to score it"


def _counts(pred: "_Side", gt: "_Side") -> ImageCounts:
    """Match the segments of one image."""
    height, width = pred.ranks.shape
    everywhere = np.ones((height, width), bool)
    common = _Overlaps.of(pred, gt, everywhere, everywhere)
    depth = band_depth((height, width))
    bands = _Overlaps.of(pred, gt, ~inside(pred.ranks, depth), ~inside(gt.ranks, depth))
    plain_iou, band_iou = common.iou(), bands.iou()
    both = {pair: min(value, band_iou.get(pair, 0.0)) for pair, value in plain_iou.items()}
    return {kind: _matched(pred, gt, common, iou) for kind, iou in zip(KINDS, (plain_iou, both), strict=True)}


class _Side:
    """The segments of a map, numbered from 1 in the order of their ids; 0 is void."""

    def __init__(self, ids: npt.NDArray[np.uint32], about: PanopticMap) -> None:
        segments = sorted(about.segments_info, key=lambda segment: segment.id)
        values = np.array([0, *(segment.id for segment in segments)], np.int64)
        self.count = len(values)
        self.ranks = np.searchsorted(values, ids).astype(rank_type(self.count))
        self.category = [-1, *(segment.category_id for segment in segments)]
        self.crowd = [False, *(bool(segment.iscrowd) for segment in segments)]


class _Overlaps(NamedTuple):
    """Pixels of segments, by rank, and of pairs of them: (prediction, ground truth) -> pixels; void is rank 0."""

    pred: IntArray
    gt: IntArray
    common: Mapping[tuple[int, int], int]

    @classmethod
    def of(cls, pred: _Side, gt: _Side, in_pred: npt.NDArray[np.bool_], in_gt: npt.NDArray[np.bool_]) -> "_Overlaps":
        """Of the parts of both maps. Void of the ground truth is void whole: it has no band."""
        both = in_pred & (in_gt | (gt.ranks == 0))
        met = joint(pred.ranks[both], gt.ranks[both], pred.count, gt.count)
        common = {(int(p), int(g)): int(count) for p, g, count in zip(*met, strict=True)}
        return cls(
            np.bincount(pred.ranks[in_pred], minlength=pred.count),
            np.bincount(gt.ranks[in_gt], minlength=gt.count),
            common,
        )

    def iou(self) -> dict[tuple[int, int], float]:
        """Of pairs that meet: |g & p| / (|g| + |p| - |g & p| - |p & void|)."""
        return {
            (p, g): pixels / (int(self.pred[p] + self.gt[g]) - pixels - self.common.get((p, 0), 0))
            for (p, g), pixels in self.common.items()
            if p and g
        }


def _matched(pred: _Side, gt: _Side, pixels: _Overlaps, iou: Mapping[tuple[int, int], float]) -> dict[int, Counts]:
    """Counts by category. At an IoU above one half no segment has two partners."""
    overlaps: dict[int, list[float]] = {}
    left = {side: set(range(1, each.count)) for side, each in (("pred", pred), ("gt", gt))}
    for (p, g), value in iou.items():
        if value > 0.5 and pred.category[p] == gt.category[g] and not gt.crowd[g]:
            overlaps.setdefault(gt.category[g], []).append(value)
            left["pred"].discard(p)
            left["gt"].discard(g)
    crowds: dict[int, list[int]] = {}
    for g in range(1, gt.count):
        if gt.crowd[g]:
            crowds.setdefault(gt.category[g], []).append(g)
    missed = [gt.category[g] for g in left["gt"] if not gt.crowd[g]]
    spurious = [
        pred.category[p]
        for p in left["pred"]
        if 2 * sum(pixels.common.get((p, g), 0) for g in (0, *crowds.get(pred.category[p], ()))) <= pixels.pred[p]
    ]
    return {
        category: Counts(tuple(overlaps.get(category, ())), spurious.count(category), missed.count(category))
        for category in {*overlaps, *missed, *spurious}
    }
