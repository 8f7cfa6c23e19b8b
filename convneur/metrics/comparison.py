"""Two models on the same images: by how much they differ, and how much of that the choice of images may explain."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError, InputError
from convneur.metrics.class_sets import OVERALL, class_sets, with_ids
from convneur.metrics.label_pair import Confusion, ratio
from convneur.metrics.measure import COUNTS
from convneur.metrics.measures import MEASURES, measures_of
from convneur.metrics.scores import Matches, PairScores, f1_score, seeds, surface_dice_score
from convneur.metrics.settings import BoundarySettings, check_alike
from convneur.metrics.summary import class_names
from convneur.metrics.tables import Path, image_values, is_count, is_right_if_absent, keys, metric_paths, nested
from convneur.resampling import percentile_interval, resample_counts

__all__ = [
    "Comparison",
    "DataSets",
    "ScoreMatrices",
    "ScoreTable",
    "compare",
    "exact_sums",
    "intervals",
    "weighted_sums",
]

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
        self.names = class_names(settings, names)
        self.settings = with_ids(settings, self.names)
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

    overall, groups, per_class (classes that have one): each value is {"value", "against", "difference", "low", "high",
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
    groups: dict[str, Values]
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

    sets: dict[str, dict[Path, Any]] = {name: {} for name in first.sets}
    by_class: list[dict[Path, Any]] = [{} for _ in classes]
    by_image: list[dict[Path, Any]] = [{} for _ in images]
    moved: dict[Path, Any] = {}
    kinds: list[_Sums] = [exact_sums, lambda values: weighted_sums(weights, values), lambda values: values]
    exact, drawn, single = ([DataSets(one, sums) for one in (first, second)] for sums in kinds)
    alone = len(images) < 2  # one image drawn again and again says nothing of others
    for path in first.paths():
        class_values, class_others = (one.by_class(path) for one in exact)
        class_drawn, class_drawn_others = (one.by_class(path) for one in drawn)
        bounds = _bounds(class_drawn - class_drawn_others, level, alone=alone)
        for row, compared in zip(by_class, zip(class_values[0], class_others[0], *bounds, strict=True), strict=True):
            row[path] = _compared(*compared)
        for name, found in sets.items():
            value, other = (float(one.overall(path, name)[0]) for one in exact)
            differences = drawn[0].overall(path, name) - drawn[1].overall(path, name)
            low, high, counts = _bounds(differences[:, None], level, alone=alone)
            found[path] = _compared(value, other, low[0], high[0], counts[0])
        values, others = (one.overall(path, OVERALL) for one in single)
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
        overall=nested(sets.pop(OVERALL), settings),
        groups={name: nested(found, settings) for name, found in sets.items()},
        per_class=[
            {"class": k, "name": table.names[k], **nested(row, settings)}
            for k, row in zip(classes, by_class, strict=True)
        ],
        per_image=[{"name": name, **nested(row, settings)} for name, row in zip(images, by_image, strict=True)],
        moved_most=nested(moved, settings),
    )


def intervals(
    table: ScoreTable, metric: str, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[Path, tuple[float, float, float]]:
    """One model's overall values of a metric, each with the bounds of its bootstrap interval over the images.

    Choice: the draws of `compare`. Bounds are NaN of fewer than two images.

    >>> from convneur.metrics import BoundarySettings, score_pair
    >>> table = ScoreTable(BoundarySettings(num_classes=2, metrics="miou"))
    >>> for name, pred in {"a": [[0, 1]], "b": [[1, 1]]}.items():
    ...     table.add(name, score_pair(pred, [[0, 1]], table.settings))
    >>> value, low, high = intervals(table, "miou")["miou",]
    >>> round(value, 3), low, high
    (0.583, 0.25, 1.0)
    """
    images = table.images
    matrices = ScoreMatrices(table, images, sorted(table.classes()))
    weights = _weights(len(images), resamples, seed)
    exact, drawn = DataSets(matrices, exact_sums), DataSets(matrices, lambda values: weighted_sums(weights, values))
    found = {}
    for path in metric_paths(metric, table.settings):
        low, high, _ = _bounds(drawn.overall(path)[:, None], level, alone=len(images) < 2)
        found[path] = float(exact.overall(path)[0]), float(low[0]), float(high[0])
    return found


class ScoreMatrices:
    """One model's scores as matrices of images and classes.

    sets: set of classes -> which of `classes` are in it, (C,); see `class_sets`.
    """

    def __init__(self, table: ScoreTable, images: Sequence[str], classes: Sequence[int]) -> None:
        self.table, self.images, self.classes = table, images, classes
        self.settings = table.settings
        self.sets = {name: mask[list(classes)] for name, mask in class_sets(self.settings, len(table.names)).items()}
        self.gt = self.counts("pixels", "gt")
        self.pred = self.counts("pixels", "pred")
        self.scored: Array = (self.gt + self.pred).sum(axis=1) > 0
        self.seed = self._seed()

    def paths(self) -> Iterator[Path]:
        """Every value that the settings ask for."""
        for metric in self.settings.metrics:
            yield from metric_paths(metric, self.settings)

    def counts(self, *row: str) -> Array:
        """(n, C) counts or sums, 0 where a class is in neither map."""
        return self.table.matrix(row, self.images, self.classes, 0.0)

    def values(self, path: Path) -> Array:
        """(n, C) values that a data set averages, NaN where a class has none."""
        values = self.table.matrix(("mean", *path), self.images, self.classes, math.nan)
        if is_right_if_absent(path, self.settings):
            values[self.scored[:, None] & (self.gt == 0) & (self.pred == 0)] = 1.0
        return values

    def row(self, name: str) -> Array:
        """(n, C) of one of `PairScores.all_rows`."""
        here, there = (self.gt, self.pred) if name == "missed" else (self.pred, self.gt)
        if name in COUNTS:
            return ((here > 0) & (there == 0)).astype(float)
        if name.endswith("_pixels"):
            return self.counts("pixels", name.removesuffix("_pixels"))
        return self.counts("row", name)

    def _seed(self) -> str:
        """What `auto` comes to over these images."""
        settings = self.settings
        if settings.trimap_seed != "auto" or "trimap_miou" not in settings.metrics:
            return settings.trimap_seed
        narrowest = str(min(settings.trimap_width))
        return "class" if self.counts("trimap class", narrowest, "gt").any() else "void"


class _Summed(Mapping[str, Array]):
    """Rows added up over images, each when it is first read."""

    def __init__(self, matrices: ScoreMatrices, sums: _Sums) -> None:
        self._matrices, self._sums, self._found = matrices, sums, dict[str, Array]()

    def __getitem__(self, name: str) -> Array:
        if name not in self._found:
            self._found[name] = self._sums(self._matrices.row(name))
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class DataSets:
    """The data sets that `sums` makes of a model's images, and their values."""

    def __init__(self, matrices: ScoreMatrices, sums: _Sums) -> None:
        self.matrices, self.settings, self._sums = matrices, matrices.settings, sums
        self._metric, self._of_total = "", dict[Path, Array]()
        self._path, self._by_class = Path(), np.zeros(0)

    def by_class(self, path: Path) -> Array:
        """(rows, C)."""
        if path != self._path:
            self._path, self._by_class = path, self._values(path)
        return self._by_class

    def overall(self, path: Path, name: str = OVERALL) -> Array:
        """(rows,) over the classes of a set."""
        chosen = self.matrices.sets[name]
        if path[0] == "pixel_accuracy":
            agreeing, gt = self._sums(self.matrices.row("agreeing_pixels")), self._sums(self.matrices.gt)
            return ratio(_across(agreeing), _across(gt))
        if path[0] in MEASURES and MEASURES[path[0]].image_means(self.settings):
            means = _mean_of_defined(self.matrices.values(path)[:, chosen])
            return self._mean(means[:, None])[:, 0]
        by_class = self.by_class(path)[:, chosen]
        return _across(by_class) if is_count(path) else _mean_of_defined(by_class)

    def _values(self, path: Path) -> Array:
        metric, key = path[0], path[-1]
        matrices, sums = self.matrices, self._sums
        if metric in MEASURES:
            return self._of_measure(path)
        if metric == "pixel_accuracy":
            return ratio(sums(matrices.row("agreeing_pixels")), sums(matrices.gt))
        if key in COUNTS:
            return sums(matrices.row(key))
        if metric == "miou":
            return self._iou("pixels")
        if metric == "trimap_miou":
            return self._iou(f"trimap {matrices.seed}", key)
        by_class = self._mean(matrices.values(path))
        if self.settings.aggregate == "pooled" and metric in _POOLED_SCORE:
            pooled = self._pooled(path)
            by_class = np.where(np.isnan(pooled), by_class, pooled)
        return by_class

    def _of_measure(self, path: Path) -> Array:
        measure = MEASURES[path[0]]
        if self._metric != path[0]:  # all values of a metric are read from the same rows
            self._metric, self._of_total = path[0], measure.of_total(_Summed(self.matrices, self._sums), self.settings)
        total = self._of_total.get(path)
        if path not in measure.mean_paths(self.settings):
            assert total is not None
            return total
        mean = self._mean(self.matrices.values(path))
        return mean if total is None else np.where(np.isnan(total), mean, total)

    def _mean(self, values: Array) -> Array:
        defined = ~np.isnan(values)
        return ratio(self._sums(np.where(defined, values, 0.0)), self._sums(defined.astype(float)))

    def _iou(self, *row: str) -> Array:
        return Confusion(*(self._sums(self.matrices.counts(*row, part)) for part in Confusion._fields)).iou()

    def _pooled(self, path: Path) -> Array:
        metric, key = path
        gt, pred, matched_gt, matched_pred = (
            self._sums(self.matrices.counts("matches", metric, *row))
            for row in (("gt",), ("pred",), ("gt", key), ("pred", key))
        )
        flat = Matches(gt.ravel(), pred.ravel(), matched_gt.reshape(1, -1), matched_pred.reshape(1, -1), gt)
        return _POOLED_SCORE[metric](flat).reshape(gt.shape)


def _kept(scores: PairScores, settings: BoundarySettings) -> Iterator[tuple[Path, npt.NDArray[Any]]]:
    for part, pixels in scores.confusion._asdict().items():
        yield ("pixels", part), pixels
    for path, values in image_values(scores, settings).items():
        yield ("mean", *path), values
    for seed in seeds(settings) if scores.trimap else ():
        for part, rows in scores.trimap[seed]._asdict().items() if scores.trimap else ():
            for key, pixels in zip(keys("trimap_miou", settings), rows, strict=True):
                yield (f"trimap {seed}", key, part), pixels
    for measure in measures_of(settings):
        if measure.adds_up(settings):
            for name in measure.rows(settings):
                yield ("row", name), scores.rows[name]
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


def _bounds(differences: Array, level: float, *, alone: bool) -> tuple[Array, Array, Array]:
    """Low and high of the interval, and the resamples in which there is a difference, (C,) each."""
    low, high, counts = percentile_interval(differences, level)
    if alone:
        low, high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    return low, high, counts


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
