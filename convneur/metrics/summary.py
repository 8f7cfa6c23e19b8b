"""From the scores of many pairs to the figures of a data set: overall, by class and by image."""

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError
from convneur.metrics.exact import ExactMean
from convneur.metrics.label_pair import Confusion
from convneur.metrics.scores import Matches, PairScores, f1_score, seeds, surface_dice_score
from convneur.metrics.settings import BoundarySettings
from convneur.metrics.tables import (
    Path,
    Table,
    image_values,
    keys,
    nested,
    over_classes,
    region_values,
    trimap_values,
)

__all__ = ["BoundaryAccumulator", "BoundarySummary", "class_names"]

IntArray = npt.NDArray[np.int64]
Figures = dict[str, Any]

_POOLED_SCORE = {"boundary_f1": f1_score, "surface_dice": surface_dice_score}


@dataclass(frozen=True, kw_only=True)
class BoundarySummary:
    """Boundary metrics of a data set.

    settings: as used; `trimap_seed` is what `auto` came to. images: pairs scored. overall, per_class, per_image: one
    dict, one per class, one per image in the order of their names, with the same keys for the metrics; NaN is
    undefined. presence: images where a class is in both maps, missed, spurious, in neither (images with nothing
    to score left out). labels: map -> label -> pixels; the prediction's where the ground truth is not ignored.
    all_ignored: images without a pixel to score. invalid_labels: prediction labels that are no class -> images that
    have it.
    too_thin: tolerance -> (class regions too thin for it, class regions, an example).
    """

    settings: Figures
    images: int
    overall: Figures
    per_class: list[Figures]
    per_image: list[Figures]
    labels: dict[str, dict[int, int]]
    all_ignored: tuple[str, ...]
    invalid_labels: dict[int, int]
    too_thin: dict[str, tuple[int, int, str]]


def class_names(settings: BoundarySettings, names: Sequence[str] | None) -> list[str]:
    """The names of the classes, their numbers if there are no names.

    Raises: ConfigError: the number of classes is not known, or names are not as many.
    """
    if settings.num_classes is None:
        raise ConfigError("num_classes", "a data set needs it, such as its highest label + 1")
    if names is None:
        return [str(k) for k in range(settings.num_classes)]
    if len(names) != settings.num_classes:
        raise ConfigError("names", f"{len(names)} names for {settings.num_classes} classes")
    return list(names)


class _Image(NamedTuple):
    """What is kept of a pair: its values over its classes, with the trimap's of every seed until one is chosen."""

    name: str
    shape: tuple[int, int]
    pixels: int
    figures: dict[Path, float]
    trimap: dict[str, dict[Path, float]]
    presence: dict[str, int]


class BoundaryAccumulator:
    """Adds up pairs; its memory grows by one row of figures per image and no more.

    Choice: per class the mean over the images where the class is in either map, overall the mean over the classes
        that have a value; trimap mIoU, mIoU and accuracy from one confusion matrix over the data set. Sums are
        exact: the summary is the same to the last bit in whatever order and parts pairs were added.
    Args:   settings: those the pairs were scored with, num_classes given; names: of the classes, for the results.
    Raises: ConfigError: num_classes is missing, or names are not as many.
    """

    def __init__(self, settings: BoundarySettings, names: Sequence[str] | None = None) -> None:
        self.settings = settings
        self.names = class_names(settings, names)
        count = len(self.names)
        self._confusion = _no_pixels(count)
        self._trimap = {seed: _no_pixels(len(settings.trimap_width), count) for seed in seeds(settings)}
        self._matches = {metric: _no_matches(len(keys(metric, settings)), count) for metric in _POOLED_SCORE}
        # path -> class -> mean over the images; only classes that occur.
        self._means: dict[Path, dict[int, ExactMean]] = defaultdict(lambda: defaultdict(ExactMean))
        # (both, missed, spurious) by class: images where it is in both maps, the ground truth or the prediction only.
        self._presence = np.zeros((3, count), np.int64)
        self._images: list[_Image] = []
        self._void_pixels = 0
        self._invalid_pixels: Counter[int] = Counter()
        self._invalid_images: Counter[int] = Counter()
        self._regions = 0
        self._too_thin: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, name: str, scores: PairScores) -> None:
        """Count one pair, named as it is to appear in the results."""
        classes = scores.classes
        table = image_values(scores, self.settings)
        for path, values in table.items():
            means = self._means[path]
            for k, value in zip(classes.tolist(), values.tolist(), strict=True):
                if not math.isnan(value):
                    means[k].add(value)
        _add(self._confusion, scores.confusion, classes)
        for seed, bands in (scores.trimap or {}).items():
            _add(self._trimap[seed], bands, classes)
        for metric, matches in (("boundary_f1", scores.boundary_f1), ("surface_dice", scores.surface_dice)):
            if matches is not None:
                _add(self._matches[metric][:4], matches[:4], classes)
        in_gt, in_pred = scores.confusion.gt > 0, scores.confusion.pred > 0
        presence = np.stack((in_gt & in_pred, in_gt & ~in_pred, in_pred & ~in_gt)).astype(np.int64)
        self._presence[:, classes] += presence
        self._images.append(self._image(name, scores, table, presence))
        self._void_pixels += scores.void_pixels
        self._invalid_pixels.update(scores.invalid_labels)
        self._invalid_images.update(scores.invalid_labels.keys())
        if scores.too_thin is not None:
            self._regions += int(np.count_nonzero(in_gt))
            for key, thin in zip(keys("boundary_f1", self.settings), scores.too_thin, strict=True):
                if thin.any():
                    self._too_thin[key] += int(np.count_nonzero(thin))
                    self._example(key, f"{name}, class {self.names[classes[np.argmax(thin)]]}")

    def merge(self, other: "BoundaryAccumulator") -> None:
        """Count every pair that another accumulator has counted.

        Raises: ConfigError: the settings or the class names differ.
        """
        if other.settings != self.settings or other.names != self.names:
            raise ConfigError("settings", "accumulators of different settings or classes cannot be merged")
        everywhere = np.arange(len(self.names))
        for path, means in other._means.items():
            for k, mean in means.items():
                self._means[path][k].merge(mean)
        _add(self._confusion, other._confusion, everywhere)
        for seed, bands in other._trimap.items():
            _add(self._trimap[seed], bands, everywhere)
        for metric, matches in other._matches.items():
            _add(self._matches[metric][:4], matches[:4], everywhere)
        self._presence += other._presence
        self._images += other._images
        self._void_pixels += other._void_pixels
        self._invalid_pixels.update(other._invalid_pixels)
        self._invalid_images.update(other._invalid_images)
        self._regions += other._regions
        self._too_thin.update(other._too_thin)
        for key, example in other._examples.items():
            self._example(key, example)

    def summary(self) -> BoundarySummary:
        """The figures of everything counted so far."""
        settings = self.settings
        seed = self._seed()
        scored = sum(image.pixels > 0 for image in self._images)
        table = self._by_class(seed, scored)
        presence = [_presence(self._presence[:, k], scored) for k in range(len(self.names))]
        per_class = [
            {
                "class": k,
                "name": name,
                **nested({path: values[k].item() for path, values in table.items()}, settings),
                "presence": presence[k],
            }
            for k, name in enumerate(self.names)
        ]
        overall = nested(over_classes(table, self._confusion), settings)
        overall["presence"] = {key: sum(row[key] for row in presence) for key in presence[0]}
        images = sorted(self._images, key=lambda image: image.name)
        per_image = [
            {
                "name": image.name,
                "height": image.shape[0],
                "width": image.shape[1],
                "pixels": image.pixels,
                **nested(image.figures | image.trimap.get(seed, {}), settings),
                "presence": image.presence,
            }
            for image in images
        ]
        return BoundarySummary(
            settings=dataclasses.asdict(settings) | {"trimap_seed": seed, "trimap_seed_asked": settings.trimap_seed},
            images=len(images),
            overall=overall,
            per_class=per_class,
            per_image=per_image,
            labels=self._labels(),
            all_ignored=tuple(image.name for image in images if not image.pixels),
            invalid_labels=dict(sorted(self._invalid_images.items())),
            too_thin={key: (n, self._regions, self._examples[key]) for key, n in sorted(self._too_thin.items())},
        )

    def _image(self, name: str, scores: PairScores, table: Table, presence: IntArray) -> _Image:
        settings = self.settings
        table = table | region_values(scores.confusion, presence[1], presence[2], settings)
        scored = bool(len(scores.classes))
        if settings.count_absent and scored:
            right = np.ones(len(self.names) - len(scores.classes))
            for path in [path for path in table if path[0] == "boundary_f1"]:
                table[path] = np.concatenate((table[path], right))
        bands = {
            seed: over_classes(trimap_values(band, settings), scores.confusion)
            for seed, band in (scores.trimap or {}).items()
        }
        height, width = scores.shape
        pixels = height * width - scores.void_pixels
        counts = _presence(presence.sum(axis=1), len(self.names) if scored else 0)
        return _Image(name, scores.shape, pixels, over_classes(table, scores.confusion), bands, counts)

    def _by_class(self, seed: str, scored: int) -> Table:
        """path -> (C,), over the data set."""
        settings = self.settings
        count = len(self.names)
        table = region_values(self._confusion, self._presence[1], self._presence[2], settings)
        if "trimap_miou" in settings.metrics:
            table |= trimap_values(self._trimap[seed], settings)
        absent = scored - self._presence.sum(axis=0)
        for path, means in self._means.items():
            values = np.full(count, np.nan)
            for k, mean in means.items():
                values[k] = mean.value()
            if settings.count_absent and path[0] == "boundary_f1":
                values[:] = [means[k].value(ones=int(absent[k])) for k in range(count)]
            table[path] = values
        if settings.aggregate == "pooled":
            for metric, score in _POOLED_SCORE.items():
                for key, pooled in zip(keys(metric, settings), score(self._matches[metric]), strict=True):
                    if (metric, key) in table:
                        # Where no mask of a class has a boundary there is nothing to pool but the images' 0 or 1.
                        table[metric, key] = np.where(np.isnan(pooled), table[metric, key], pooled)
        return table

    def _seed(self) -> str:
        seed = self.settings.trimap_seed
        if seed != "auto":
            return seed
        narrowest = self.settings.trimap_width.index(min(self.settings.trimap_width))
        return "class" if self._trimap["class"].gt[narrowest].any() else "void"

    def _labels(self) -> dict[str, dict[int, int]]:
        labels = []
        for pixels in (self._confusion.gt, self._confusion.pred):
            occurring = np.flatnonzero(pixels)
            labels.append(dict(zip(occurring.tolist(), pixels[occurring].tolist(), strict=True)))
        gt, pred = labels
        if self._void_pixels and self.settings.ignore_index is not None:
            gt[self.settings.ignore_index] = self._void_pixels
        return {
            "ground_truth": dict(sorted(gt.items())),
            "prediction": dict(sorted((pred | self._invalid_pixels).items())),
        }

    def _example(self, key: str, example: str) -> None:
        # The first by name, whatever the order of work.
        self._examples[key] = min(example, self._examples.get(key, example))


def _no_pixels(*shape: int) -> Confusion:
    return Confusion(*(np.zeros(shape, np.int64) for _ in Confusion._fields))


def _no_matches(tolerances: int, count: int) -> Matches:
    def zeros(*shape: int) -> IntArray:
        return np.zeros(shape, np.int64)

    each = (tolerances, count)
    return Matches(zeros(count), zeros(count), zeros(*each), zeros(*each), np.full(each, np.nan))


def _add(totals: Sequence[IntArray], counts: Sequence[IntArray], classes: IntArray) -> None:
    for total, part in zip(totals, counts, strict=True):
        total[..., classes] += part


def _presence(counts: IntArray, chances: int) -> dict[str, int]:
    """counts: (3,) both, missed, spurious, out of so many chances."""
    both, missed, spurious = counts.tolist()
    both_empty = chances - both - missed - spurious
    return {"both": both, "missed": missed, "spurious": spurious, "both_empty": both_empty}
