"""Average precision as COCO defines it, whatever the overlaps are of."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.instances.overlaps import ImageObjects, Pairs

__all__ = [
    "AREAS",
    "FEWER",
    "LEAST_OVERLAP",
    "MOST_DETECTIONS",
    "NAMES",
    "OF_CLASS",
    "THRESHOLDS",
    "AveragePrecision",
    "Matches",
    "PrecisionTable",
    "matched",
]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
StateArray = npt.NDArray[np.int8]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Names and limits, both included, of the areas in pixels that objects are told apart by."""

MOST_DETECTIONS = 100
"""Of one category in one image."""

FEWER = (1, 10)
"""Of the same, by which average recall is told apart too."""

NAMES = {
    "ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_small": "AP small", "ap_medium": "AP medium",
    "ap_large": "AP large", "ar1": "AR 1", "ar10": "AR 10", "ar100": "AR 100", "ar_small": "AR small",
    "ar_medium": "AR medium", "ar_large": "AR large",
}  # fmt: skip
"""Of the summary's values."""

OF_CLASS = ("ap", "ap50", "ap75")
"""What is told of each category."""

_REACHED = np.minimum(THRESHOLDS, 1 - 1e-10)
LEAST_OVERLAP = float(_REACHED[0])
_LIMITS = np.array(list(AREAS.values()))
_WRONG, _LEFT_OUT, _RIGHT = -1, 0, 1


class Matches(NamedTuple):
    """What the D detections of an image are, and which of its G objects count.

    scores, categories: (D,). states: (A, T, D) by area and threshold: right, wrong or left out. partner: (D,) the
    object that each takes at the lowest threshold, of whatever area, -1 for none. gt_categories: (G,). ignored: (A, G).
    """

    scores: FloatArray
    categories: IntArray
    states: StateArray
    partner: IntArray
    gt_categories: IntArray
    ignored: BoolArray

    @property
    def right(self) -> BoolArray:
        """(D,) at the lowest threshold."""
        return np.asarray(self.states[0, 0] == _RIGHT)

    @property
    def wrong(self) -> BoolArray:
        """(D,) at the lowest threshold."""
        return np.asarray(self.states[0, 0] == _WRONG)

    @property
    def objects(self) -> int:
        """How many count."""
        return int(np.count_nonzero(~self.ignored[0]))


@dataclass(frozen=True)
class PrecisionTable:
    """precision: (A, T, K) average precision by area, threshold and category; recall: the highest, likewise;
    recall_of: (2, T, K) that of fewer detections (`FEWER`), of all areas. NaN where a category has no such object.
    """

    precision: FloatArray
    recall: FloatArray
    recall_of: FloatArray

    def of_category(self, number: int) -> "PrecisionTable":
        """One category alone."""
        chosen = slice(number, number + 1)
        return PrecisionTable(self.precision[..., chosen], self.recall[..., chosen], self.recall_of[..., chosen])

    def by_threshold(self) -> list[float]:
        """Mean over categories at each of `THRESHOLDS`."""
        return [_mean(row) for row in self.precision[0]]

    def values(self) -> dict[str, float]:
        """COCO's summary: means over thresholds and over the categories that have a value."""
        areas, at = list(AREAS), {round(float(value), 2): number for number, value in enumerate(THRESHOLDS)}
        return {
            "ap": _mean(self.precision[0]),
            "ap50": _mean(self.precision[0, at[0.5]]),
            "ap75": _mean(self.precision[0, at[0.75]]),
            **{f"ap_{name}": _mean(self.precision[areas.index(name)]) for name in areas[1:]},
            **{f"ar{most}": _mean(self.recall_of[number]) for number, most in enumerate(FEWER)},
            "ar100": _mean(self.recall[0]),
            **{f"ar_{name}": _mean(self.recall[areas.index(name)]) for name in areas[1:]},
        }


def _mean(values: FloatArray) -> float:
    defined = values[~np.isnan(values)]
    return math.fsum(defined) / len(defined) if len(defined) else math.nan


@dataclass
class AveragePrecision:
    """Adds up images, in the order of their ids.

    Choice: ties and interpolation are those of COCO's evaluation (source: cocoeval.py), but precision is exact where
        that adds 2e-16 to its denominator.
    Args: categories: ids, in the order of the results.
    """

    categories: Sequence[int]
    _scores: dict[int, list[FloatArray]] = field(default_factory=dict)
    _states: dict[int, list[StateArray]] = field(default_factory=dict)
    _objects: dict[int, IntArray] = field(default_factory=dict)
    _places: dict[int, list[IntArray]] = field(default_factory=dict)
    _by_image: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    _images: int = 0

    def add(self, image: Matches) -> None:
        """Add an image."""
        for category in np.unique(image.gt_categories).tolist():
            counted = np.count_nonzero(~image.ignored[:, image.gt_categories == category], axis=1)
            self._objects[category] = self._objects.get(category, 0) + counted
            self._by_image.setdefault(category, []).append((self._images, int(counted[0])))
        for category in np.unique(image.categories).tolist():
            own = image.categories == category
            self._scores.setdefault(category, []).append(image.scores[own])
            self._states.setdefault(category, []).append(image.states[..., own])
            self._places.setdefault(category, []).append(np.full(np.count_nonzero(own), self._images))
        self._images += 1

    def table(self) -> PrecisionTable:
        """What all images come to."""
        shape = len(AREAS), len(THRESHOLDS), len(self.categories)
        precision, recall = np.full(shape, np.nan), np.full(shape, np.nan)
        recall_of = np.full((len(FEWER), *shape[1:]), np.nan)
        none = np.zeros(len(AREAS), np.int64)
        for number, category in enumerate(self.categories):
            objects = self._objects.get(category, none)
            scores = np.concatenate(self._scores.get(category, [np.zeros(0)]))
            order = np.argsort(-scores, kind="stable")
            states = self._states.get(category)
            for area in np.flatnonzero(objects):
                if states is None:
                    precision[area, :, number] = recall[area, :, number] = 0
                    continue
                found = np.concatenate([each[area] for each in states], axis=1)[:, order]
                precision[area, :, number], recall[area, :, number] = _average(found, int(objects[area]))
            if objects[0]:
                for few, most in enumerate(FEWER):
                    hits = [np.count_nonzero(each[0, :, :most] == _RIGHT, axis=1) for each in states or ()]
                    recall_of[few, :, number] = np.sum(hits, axis=0) / objects[0] if hits else 0
        return PrecisionTable(precision, recall, recall_of)

    def resampled(self, counts: npt.NDArray[np.unsignedinteger[Any]]) -> FloatArray:
        """AP, AP50 and AP75 of other draws of the images, (R, 3). counts: (R, images), how often each holds each."""
        values = np.full((len(counts), len(THRESHOLDS), len(self.categories)), np.nan)
        for number, category in enumerate(self.categories):
            per_image = np.zeros(self._images, np.int64)
            for place, objects in self._by_image.get(category, ()):
                per_image[place] = objects
            scores = np.concatenate(self._scores.get(category, [np.zeros(0)]))
            order = np.argsort(-scores, kind="stable")
            places = np.concatenate(self._places.get(category, [np.zeros(0, np.int64)]))[order]
            held_states = [each[0] for each in self._states.get(category, ())] or [_NO_STATE]
            states = np.concatenate(held_states, axis=1)[:, order]
            right, wrong = states == _RIGHT, states == _WRONG
            for draw, held in enumerate(counts):
                total = int(held @ per_image)
                if total:
                    often = held[places].astype(np.int64)
                    values[draw, :, number] = _averages((right * often).cumsum(1), (wrong * often).cumsum(1), total)
        at = {round(float(value), 2): place for place, value in enumerate(THRESHOLDS)}
        parts = (values, values[:, [at[0.5]]], values[:, [at[0.75]]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a draw without any object
            return np.stack([np.nanmean(part, axis=(1, 2)) for part in parts], axis=1)


_NO_STATE = np.zeros((len(THRESHOLDS), 0), np.int8)


def _averages(right: IntArray, wrong: IntArray, objects: int) -> FloatArray:
    """Average precision by threshold of running counts, (T, D) each."""
    if not right.shape[1]:
        return np.zeros(len(right))
    precision = np.divide(right, right + wrong, out=np.zeros(right.shape), where=right > 0)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    found = np.zeros(len(right))
    for threshold, (row, recall) in enumerate(zip(precision, right / objects, strict=True)):
        first = np.searchsorted(recall, RECALLS, side="left")
        found[threshold] = row[first[first < len(recall)]].sum() / len(RECALLS)
    return found


def _out_of_range(areas: FloatArray) -> BoolArray:
    """(A, N): which are not of an area."""
    return np.asarray((areas < _LIMITS[:, :1]) | (areas > _LIMITS[:, 1:]))


def matched(image: ImageObjects, pairs: Pairs) -> Matches:
    """Match an image's detections with its objects by their overlaps.

    Choice: matching and ignored objects are those of COCO's evaluation (source: cocoeval.py).
    """
    ignored = np.asarray(_out_of_range(image.gt_areas) | image.crowd)
    unmatched = np.where(_out_of_range(image.areas), _LEFT_OUT, _WRONG)
    states, partner = _taken(pairs, ignored, image.crowd, unmatched)
    return Matches(image.scores, image.categories, states, partner, image.gt_categories, ignored)


def _taken(
    pairs: Pairs, ignored: BoolArray, crowd: BoolArray, unmatched: npt.NDArray[np.int64]
) -> tuple[StateArray, IntArray]:
    """What each detection is, (A, T, D): right, wrong, or left out; and the object that it takes first of all.

    Each takes the free object that it overlaps most, the later one of equals, one that is ignored if no other fits; a
    crowd stays free.

    Args: ignored: (A, G); crowd: (G,); unmatched: (A, D), what a detection without an object is.
    """
    areas, count = unmatched.shape
    states = np.repeat(unmatched[:, None].astype(np.int8), len(THRESHOLDS), axis=1)
    partner = np.full(count, -1)
    free = np.ones((areas, len(THRESHOLDS), ignored.shape[1]), bool)
    rank = np.arange(areas)[:, None], np.arange(len(THRESHOLDS))[None]
    ends = np.searchsorted(pairs.detection, np.arange(count), side="right")
    for detection in np.unique(pairs.detection).tolist():
        own = slice(ends[detection - 1] if detection else 0, ends[detection])
        truth, overlap = pairs.truth[own], pairs.overlap[own]
        fits = free[..., truth] & (overlap >= _REACHED[:, None])
        counted = fits & ~ignored[:, None, truth]
        fits = np.where(counted.any(axis=-1, keepdims=True), counted, fits)
        best = len(truth) - 1 - np.where(fits, overlap, -1)[..., ::-1].argmax(axis=-1)
        found, taken = np.asarray(fits.any(axis=-1)), truth[best]
        state = np.where(ignored[rank[0], taken], _LEFT_OUT, _RIGHT)
        states[..., detection] = np.where(found, state, states[..., detection])
        free[*rank, taken] &= ~found | crowd[taken]
        if found[0, 0]:
            partner[detection] = taken[0, 0]
    return states, partner


def _average(states: StateArray, objects: int) -> tuple[FloatArray, FloatArray]:
    """Average precision, and the highest recall, by threshold, of states by falling score, (T, D)."""
    precision, highest = np.zeros(len(states)), np.zeros(len(states))
    if states.shape[1] == 0:
        return precision, highest
    right = (states == _RIGHT).cumsum(axis=1)
    wrong = (states == _WRONG).cumsum(axis=1)
    running = np.divide(right, right + wrong, out=np.zeros(right.shape), where=right > 0)
    running = np.maximum.accumulate(running[:, ::-1], axis=1)[:, ::-1]
    recall = right / objects
    for threshold, (row, reached) in enumerate(zip(running, recall, strict=True)):
        first = np.searchsorted(reached, RECALLS, side="left")
        precision[threshold] = math.fsum(row[first[first < len(reached)]]) / len(RECALLS)
    return precision, recall[:, -1]
