"""Two models on the same images: by how much they differ, and how much of that the choice of images may explain."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError, InputError
from convneur.metrics.label_pair import Confusion, ratio
from convneur.metrics.scores import Matches, PairScores, f1_score, seeds, surface_dice_score
from convneur.metrics.settings import BoundarySettings, check_alike
from convneur.metrics.summary import class_names
from convneur.metrics.tables import Path, image_values, keys, nested
from convneur.resampling import percentile_interval, resample_counts

__all__ = ["Comparison", "ScoreMatrices", "ScoreTable", "compare", "exact_sums", "weighted_sums"]

Array = npt.NDArray[Any]  # counts and values alike: sums of counts are floats too
Values = dict[str, Any]
# Adds up the images of each class, (n, C) -> (rows, C): a row per data set that is made of the images.
_Sums = Callable[[Array], Array]

_BLOCK = 128  # resamples summed at a time: their weights are widened to 8 bytes for the matrix product
_POOLED_SCORE = {"boundary_f1": f1_score, "surface_dice": surface_dice_score}


class ScoreTable:
    """What resampling needs of every image: its values and counts, for the classes that occur in it.

    Choice: counts of pixels and not IoUs are kept, since a data set's IoU is made of its images' counts. Memory grows
        by some fifty numbers per image and class that occurs there.
    Args:   settings: those the pairs were scored with, num_classes given; names: of the classes, for the results.
    Raises: ConfigError: num_classes is missing, or names are not as many.

    >>> from convneur.metrics import BoundarySettings, score_pair
    >>> table = ScoreTable(BoundarySettings(num_classes=2, metrics="miou"))
    >>> table.add("a", score_pair(np.array([[0, 1]]), np.array([[0, 1]]), table.settings))
    >>> table.images
    ('a',)
    """

    def __init__(self, settings: BoundarySettings, names: Sequence[str] | None = None) -> None:
        self.settings = settings
        self.names = class_names(settings, names)
        self._rows: list[Path] = []
        # name -> classes (K,), one row of (K,) values for each of `_rows`
        self._images: dict[str, tuple[npt.NDArray[np.int64], Array]] = {}

    def add(self, name: str, scores: PairScores) -> None:
        """Keep one pair, named as in the results."""
        values = dict(_kept(scores, self.settings))
        self._rows = list(values)
        self._images[name] = scores.classes, np.array(list(values.values()), np.float64)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images, sorted."""
        return tuple(sorted(self._images))

    def only(self, images: Iterable[str]) -> "ScoreTable":
        """The same for some of the images."""
        part = ScoreTable(self.settings, self.names)
        part._rows = self._rows
        part._images = {name: self._images[name] for name in images}
        return part

    def classes(self) -> set[int]:
        """The classes that occur in an image."""
        return {k for classes, _ in self._images.values() for k in classes.tolist()}

    def matrix(self, row: Path, images: Sequence[str], classes: Sequence[int], absent: float) -> Array:
        """One kind of value, (n, C); `absent` where a class is in neither map of an image."""
        at = np.zeros(len(self.names), np.int64)
        at[list(classes)] = np.arange(len(classes))
        found = np.full((len(images), len(classes)), absent)
        for number, name in enumerate(images):
            present, rows = self._images[name]
            found[number, at[present]] = rows[self._rows.index(row)]
        return found


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences between two models, the first minus the second, under the keys of `BoundarySummary`.

    overall, per_class (classes that have one): each value is {"value", "against", "difference", "low", "high",
    "resamples"}; low and high bound the interval, NaN without two images; resamples are those in which the difference
    is defined. per_image: each value is the difference. moved_most: each value lists the images with the largest
    differences, {"name", "value", "against", "difference"}. images: compared. level, seed: of the intervals.

    >>> from convneur.metrics import BoundarySettings, score_pair
    >>> settings = BoundarySettings(num_classes=2, metrics="miou")
    >>> table = ScoreTable(settings)
    >>> table.add("a", score_pair(np.array([[0, 1]]), np.array([[0, 1]]), settings))
    >>> compare(table, table).moved_most["miou"]  # nothing did
    []
    """

    images: int
    level: float
    resamples: int
    seed: int
    overall: Values
    per_class: list[Values]
    per_image: list[Values]
    moved_most: Values


def compare(
    table: ScoreTable,
    against: ScoreTable,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    most: int = 5,
) -> Comparison:
    """Set two models' scores of the same images side by side.

    Choice: paired bootstrap over images. Each resample draws as many images as there are, with replacement, the same
        ones for both models, and aggregates them as a data set is: means over images then classes, IoU and accuracy
        from the drawn images' one confusion matrix. The interval is the percentile interval of the differences
        (Efron and Tibshirani 1993, chapter 13), which is zero wide for two equal models; it answers for the choice of
        images alone, is too narrow for few of them (below about 20), and with many values side by side one in
        twenty misses by chance. A resample in which a value is undefined for either model is left out of its interval.
    Args:    table, against: scored with the same settings; seed: of the draw; level: of the interval, 0 to 1;
        most: how many images to list as moved most, per value.
    Raises:  InputError: an image that only one of them has, or none. ConfigError: different settings; a number.

    >>> from convneur.metrics import BoundarySettings, score_pair
    >>> settings = BoundarySettings(num_classes=2, metrics="pixel_accuracy")
    >>> gt = np.array([[0, 0, 1, 1]])
    >>> first, second = ScoreTable(settings), ScoreTable(settings)
    >>> for name, (pred, other) in {"a": (gt, gt[:, ::-1]), "b": (gt, gt), "c": (gt, 1 - gt)}.items():
    ...     first.add(name, score_pair(pred, gt, settings))
    ...     second.add(name, score_pair(other, gt, settings))
    >>> value = compare(first, second, resamples=100).overall["pixel_accuracy"]
    >>> round(value["difference"], 3), value["low"], value["high"]
    (0.667, 0.0, 1.0)
    """
    check_alike("against", table, against)
    if resamples < 1:
        raise ConfigError("resamples", "must be at least 1", value=resamples)
    if not 0 < level < 1:
        raise ConfigError("level", "must be between 0 and 1, such as 0.95", value=level)
    images = table.images
    if images != against.images:
        raise InputError(None, _mismatch(images, against.images))
    if not images:
        raise InputError(None, "nothing to compare: no image was scored in both sets")
    settings = table.settings
    # A class that occurs nowhere has no value, unless its absence counts as right.
    occurring = table.classes() | against.classes()
    classes = range(len(table.names)) if settings.count_absent else sorted(occurring)
    first, second = (ScoreMatrices(one, images, classes) for one in (table, against))
    weights = _weights(len(images), resamples, seed)

    overall: dict[Path, Any] = {}
    by_class: list[dict[Path, Any]] = [{} for _ in classes]
    by_image: list[dict[Path, Any]] = [{} for _ in images]
    moved: dict[Path, Any] = {}
    for path in first.paths():
        exact = [one.values_of(path, exact_sums) for one in (first, second)]
        drawn = [one.values_of(path, lambda values: weighted_sums(weights, values)) for one in (first, second)]
        single = [one.values_of(path, lambda values: values) for one in (first, second)]
        (class_values, values), (class_others, others) = exact
        class_low, class_high, class_counts = percentile_interval(drawn[0][0] - drawn[1][0], level)
        low, high, counts = percentile_interval((drawn[0][1] - drawn[1][1])[:, None], level)
        if len(images) < 2:  # one image drawn again and again says nothing of others
            low, high, class_low, class_high = (
                np.full_like(bound, np.nan) for bound in (low, high, class_low, class_high)
            )
        overall[path] = _compared(values[0], others[0], low[0], high[0], counts[0])
        for k, row in enumerate(by_class):
            row[path] = _compared(class_values[0, k], class_others[0, k], class_low[k], class_high[k], class_counts[k])
        values, others = single[0][1], single[1][1]
        differences = values - others
        for row, difference in zip(by_image, differences.tolist(), strict=True):
            row[path] = difference
        size = np.nan_to_num(np.abs(differences))
        order = np.argsort(-size, kind="stable")[:most]
        moved[path] = [
            {
                "name": images[i],
                "value": float(values[i]),
                "against": float(others[i]),
                "difference": float(differences[i]),
            }
            for i in order
            if size[i]
        ]
    return Comparison(
        images=len(images),
        level=level,
        resamples=resamples,
        seed=seed,
        overall=nested(overall, settings),
        per_class=[
            {"class": k, "name": table.names[k], **nested(row, settings)}
            for k, row in zip(classes, by_class, strict=True)
        ],
        per_image=[{"name": name, **nested(row, settings)} for name, row in zip(images, by_image, strict=True)],
        moved_most=nested(moved, settings),
    )


class ScoreMatrices:
    """One model's scores as matrices of images and classes, and the values of data sets drawn from them."""

    def __init__(self, table: ScoreTable, images: Sequence[str], classes: Sequence[int]) -> None:
        self.table, self.images, self.classes = table, images, classes
        self.settings = table.settings
        self.gt = self._counts("pixels", "gt")
        self.pred = self._counts("pixels", "pred")
        self.scored: Array = (self.gt + self.pred).sum(axis=1) > 0
        self.seed = self._seed()

    def paths(self) -> Iterator[Path]:
        """Every value that the settings ask for."""
        for metric in self.settings.metrics:
            several = keys(metric, self.settings)
            yield from ((metric, key) for key in several) if several else [(metric,)]

    def values_of(self, path: Path, sums: _Sums) -> tuple[Array, Array]:
        """A value of the data sets that `sums` makes: by class (rows, C), and overall (rows,)."""
        metric, key = path[0], path[-1]
        if metric == "pixel_accuracy":
            agreeing, gt = sums(self._counts("pixels", "agreeing")), sums(self.gt)
            return ratio(agreeing, gt), ratio(_across(agreeing), _across(gt))
        if key in ("missed", "spurious"):
            here, there = (self.gt, self.pred) if key == "missed" else (self.pred, self.gt)
            counts = sums(((here > 0) & (there == 0)).astype(float))
            return counts, _across(counts)
        if metric == "miou":
            by_class = self._iou(sums, "pixels")
        elif metric == "trimap_miou":
            by_class = self._iou(sums, f"trimap {self.seed}", key)
        else:
            by_class = self._mean(path, sums)
            if self.settings.aggregate == "pooled" and metric in _POOLED_SCORE:
                pooled = self._pooled(path, sums)
                by_class = np.where(np.isnan(pooled), by_class, pooled)
        return by_class, _mean_of_defined(by_class)

    def _counts(self, *row: str) -> Array:
        return self.table.matrix(row, self.images, self.classes, 0.0)

    def _mean(self, path: Path, sums: _Sums) -> Array:
        values = self.table.matrix(("mean", *path), self.images, self.classes, math.nan)
        if path[0] == "boundary_f1" and self.settings.count_absent:
            absent = self.scored[:, None] & (self.gt == 0) & (self.pred == 0)
            values[absent] = 1.0
        defined = ~np.isnan(values)
        return ratio(sums(np.where(defined, values, 0.0)), sums(defined.astype(float)))

    def _iou(self, sums: _Sums, *row: str) -> Array:
        return Confusion(*(sums(self._counts(*row, part)) for part in Confusion._fields)).iou()

    def _pooled(self, path: Path, sums: _Sums) -> Array:
        metric, key = path
        gt, pred, matched_gt, matched_pred = (
            sums(self._counts("matches", metric, *row)) for row in (("gt",), ("pred",), ("gt", key), ("pred", key))
        )
        flat = Matches(gt.ravel(), pred.ravel(), matched_gt.reshape(1, -1), matched_pred.reshape(1, -1), gt)
        return _POOLED_SCORE[metric](flat).reshape(gt.shape)

    def _seed(self) -> str:
        """What `auto` comes to over these images."""
        settings = self.settings
        if settings.trimap_seed != "auto" or "trimap_miou" not in settings.metrics:
            return settings.trimap_seed
        narrowest = str(min(settings.trimap_width))
        return "class" if self._counts("trimap class", narrowest, "gt").any() else "void"


def _kept(scores: PairScores, settings: BoundarySettings) -> Iterator[tuple[Path, npt.NDArray[Any]]]:
    for part, pixels in scores.confusion._asdict().items():
        yield ("pixels", part), pixels
    for path, values in image_values(scores, settings).items():
        yield ("mean", *path), values
    for seed in seeds(settings) if scores.trimap else ():
        for part, rows in scores.trimap[seed]._asdict().items() if scores.trimap else ():
            for key, pixels in zip(keys("trimap_miou", settings), rows, strict=True):
                yield (f"trimap {seed}", key, part), pixels
    if settings.aggregate == "pooled":
        for metric, matches in (("boundary_f1", scores.boundary_f1), ("surface_dice", scores.surface_dice)):
            if matches is None:
                continue
            yield ("matches", metric, "gt"), matches.gt
            yield ("matches", metric, "pred"), matches.pred
            for key, in_gt, in_pred in zip(
                keys(metric, settings), matches.matched_gt, matches.matched_pred, strict=True
            ):
                yield ("matches", metric, "gt", key), in_gt
                yield ("matches", metric, "pred", key), in_pred


def _weights(images: int, resamples: int, seed: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """How often each resample holds each image, (R, n)."""
    weights = np.empty((resamples, images), np.min_scalar_type(images))
    for row, counts in zip(weights, resample_counts(images, resamples, seed), strict=True):
        row[:] = counts
    return weights


def weighted_sums(weights: npt.NDArray[Any], values: Array) -> Array:
    """The data sets that resamples are, (R, n) counts of the images, from (n, C): (R, C)."""
    blocks = (weights[start : start + _BLOCK] for start in range(0, len(weights), _BLOCK))
    return np.concatenate([block.astype(np.float64) @ values for block in blocks])


def exact_sums(values: Array) -> Array:
    """The data set itself, (1, C), rounded once as `BoundaryAccumulator` rounds."""
    return np.array([[math.fsum(column) for column in values.T.tolist()]]).reshape(1, values.shape[1])


def _across(by_class: Array) -> Array:
    return np.asarray(by_class.sum(axis=1))


def _mean_of_defined(by_class: Array) -> Array:
    """Mean over the classes that have a value, (rows,)."""
    defined = ~np.isnan(by_class)
    totals = np.array([math.fsum(row) for row in np.where(defined, by_class, 0.0).tolist()])
    return ratio(totals, defined.sum(axis=1))


def _compared(value: float, against: float, low: float, high: float, resamples: int) -> Mapping[str, float]:
    return {
        "value": float(value),
        "against": float(against),
        "difference": float(value - against),
        "low": float(low),
        "high": float(high),
        "resamples": int(resamples),
    }


def _mismatch(images: Sequence[str], others: Sequence[str]) -> str:
    parts = []
    for here, there, words in ((images, others, "only the first has"), (others, images, "only the second has")):
        lone = sorted(set(here) - set(there))
        if lone:
            rest = f" and {len(lone) - 3} more" if len(lone) > 3 else ""
            parts.append(f"{words} {', '.join(lone[:3])}{rest}")
    return f"the two sets hold different images: {'; '.join(parts)}; compare predictions of the same images"
