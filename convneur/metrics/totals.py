"""What many pairs add up to, in whole numbers only."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.metrics.class_sets import class_sets
from convneur.metrics.exact import LIMBS, ExactMean, limbs, of_limbs
from convneur.metrics.label_pair import Confusion
from convneur.metrics.measures import measures_of
from convneur.metrics.objects import ObjectCounts
from convneur.metrics.scores import Matches, PairScores, f1_score, seeds, surface_dice_score
from convneur.metrics.settings import BoundarySettings, tolerance_radius
from convneur.metrics.signs import ORIENTATIONS, Joint, surely_turned
from convneur.metrics.tables import (
    ClassValues,
    Path,
    filled_in,
    is_right_if_absent,
    keys,
    mean_over_classes,
    mean_paths,
    over_classes,
    region_values,
    total_values,
    trimap_values,
)

__all__ = ["Totals", "presence_of"]

IntArray = npt.NDArray[np.int64]

_MOST_PAIRS = 1 << 17  # of labels, whose pixels are counted
_PIXELS, _IMAGES = -(1 << 62), -(1 << 62) + 1  # in the place of a ground-truth label, which none has

_POOLED_SCORE = {"boundary_f1": f1_score, "surface_dice": surface_dice_score}


class Totals:
    """Counts of pixels, boundary pixels and images by class, and exact sums of the images' values.

    Choice: all of it is whole numbers (see `ExactMean` for the values), and integers may be added in any order and any
        grouping. So what is read from them is the same to the last bit however the pairs were ordered, batched,
        divided among processes and merged.
    Args: settings: those the pairs were scored with, num_classes given; count: C, the number of classes.
    """

    def __init__(self, settings: BoundarySettings, count: int) -> None:
        self.settings, self.count = settings, count
        self.images = self.scored = self.void_pixels = 0
        self.confusion = _no_pixels(count)
        self.trimap = {seed: _no_pixels(len(settings.trimap_width), count) for seed in seeds(settings)}
        self.matches = {metric: _no_matches(len(keys(metric, settings)), count) for metric in _POOLED_SCORE}
        # (both, missed, spurious) by class: images where it is in both maps, the ground truth or the prediction only.
        self.presence = np.zeros((3, count), np.int64)
        tolerances = len(settings.tolerance)
        self.objects = ObjectCounts(
            *(np.zeros(shape, np.int64) for shape in [(count,)] * 2 + [(tolerances + 1, count)] * 2)
        )
        # Of how the pairs were prepared, see `PairSigns`.
        self.joint: Counter[tuple[int, int]] = Counter()
        self.grain = np.zeros((2, 4), np.int64)
        self.oriented = np.zeros((2, len(ORIENTATIONS)), np.int64)
        # Images that are beyond doubt turned, by orientation.
        self.turned = np.zeros(len(ORIENTATIONS), np.int64)
        # Pixels outside each image's most frequent class: all, agreeing, and in the class where their label mostly is.
        self.objects_met = np.zeros(3, np.int64)
        # Images by what predictions and ground truth hold beside 0: 1 alone, another label alone, anything else.
        self.beside_zero = np.zeros((2, 3), np.int64)
        # Images in which an F1 tolerance is more than 1 pixel.
        self.wide = np.zeros(tolerances, np.int64)
        # path -> class -> mean over the images; only classes that occur.
        self.means: dict[Path, dict[int, ExactMean]] = {path: defaultdict(ExactMean) for path in mean_paths(settings)}
        # Rows of the metrics in `measures` that add up: whole numbers, (C,), and floats.
        kinds = [item for measure in measures_of(settings) for item in measure.rows(settings).items()]
        self.counts = {name: np.zeros(count, np.int64) for name, kind in kinds if kind == "count"}
        self.sums: dict[str, dict[int, ExactMean]] = {
            name: defaultdict(ExactMean) for name, kind in kinds if kind == "sum"
        }
        # Set of classes -> path -> mean over the images of each image's mean over those classes.
        self.sets = class_sets(settings, count)
        paths = [
            path
            for measure in measures_of(settings)
            if measure.image_means(settings)
            for path in measure.paths(settings)
        ]
        self.image_means = {name: {path: ExactMean() for path in paths} for name in self.sets}
        self.invalid_pixels: Counter[int] = Counter()
        self.invalid_images: Counter[int] = Counter()

    def add(self, scores: PairScores, table: ClassValues) -> None:
        """Count one pair. table: its `image_values`."""
        classes = scores.classes
        self.images += 1
        self.scored += bool(len(classes))
        self.void_pixels += scores.void_pixels
        for path, values in table.items():
            means = self.means[path]
            for k, value in zip(classes.tolist(), values.tolist(), strict=True):
                if not math.isnan(value):
                    means[k].add(value)
        for name, chosen in self.sets.items():
            for path, mean in self.image_means[name].items():
                value = mean_over_classes(table[path][chosen[classes]])
                if not math.isnan(value):
                    mean.add(value)
        for row, count in self.counts.items():
            count[classes] += scores.rows[row]
        for row, sums in self.sums.items():
            for k, value in zip(classes.tolist(), scores.rows[row].tolist(), strict=True):
                sums[k].add(value)
        _add(self.confusion, scores.confusion, classes)
        for seed, bands in (scores.trimap or {}).items():
            _add(self.trimap[seed], bands, classes)
        for metric, matches in (("boundary_f1", scores.boundary_f1), ("surface_dice", scores.surface_dice)):
            if matches is not None:
                _add(self.matches[metric][:4], matches[:4], classes)
        self.presence[:, classes] += presence_of(scores)
        if scores.objects is not None:
            _add(self.objects, scores.objects, classes)
            self.wide += [tolerance_radius(tolerance, *scores.shape) >= 2 for tolerance in self.settings.tolerance]
        if scores.signs is not None:
            self._count_joint(scores.signs.joint)
            self.grain += scores.signs.grain
            self.oriented += scores.signs.oriented
            turned = surely_turned(scores.signs.oriented)
            if turned is not None:
                self.turned[turned] += 1
            self.objects_met += _objects_met(scores)
            self.beside_zero += _beside_zero(scores.signs.joint)
        self.invalid_pixels.update(scores.invalid_labels)
        self.invalid_images.update(scores.invalid_labels.keys())

    def merge(self, other: "Totals") -> None:
        """Count everything that other totals of the same settings have counted."""
        self.images += other.images
        self.scored += other.scored
        self.void_pixels += other.void_pixels
        for array, others in zip(self._arrays(), other._arrays(), strict=True):
            array += others
        for mine, theirs in zip(self._means(), other._means(), strict=True):
            for k, mean in theirs.items():
                mine[k].merge(mean)
        self._count_joint(other.joint)
        self.invalid_pixels.update(other.invalid_pixels)
        self.invalid_images.update(other.invalid_images)

    def _arrays(self) -> Iterator[IntArray]:
        yield from self.confusion
        for bands in self.trimap.values():
            yield from bands
        for matches in self.matches.values():
            yield from matches[:4]
        yield self.presence
        yield from self.objects
        yield self.grain
        yield self.oriented
        yield self.turned
        yield self.objects_met
        yield self.beside_zero
        yield self.wide
        yield from self.counts.values()

    def _means(self) -> Iterator[dict[Any, ExactMean]]:
        """Every mean and sum that is made of floats, by class or path."""
        yield from self.means.values()
        yield from self.sums.values()
        yield from self.image_means.values()

    def _places(self) -> Iterator[tuple[dict[Any, ExactMean], Any]]:
        """Where each of those means stands, or would: as many as settings and number of classes make."""
        for means in (*self.means.values(), *self.sums.values()):
            yield from ((means, k) for k in range(self.count))
        for by_path in self.image_means.values():
            yield from ((by_path, path) for path in by_path)

    def _count_joint(self, joint: Joint) -> None:
        # So many labels are no classes; what there is by then tells.
        if len(self.joint) < _MOST_PAIRS:
            self.joint.update(joint)

    def to_arrays(self) -> tuple[IntArray, IntArray]:
        """All of it as whole numbers for a library that adds and gathers arrays.

        Returns: counts (N,), which add up, N given by the settings and the number of classes; rows (n, 3) that may be
            put behind each other: ground-truth label, predicted label and pixels, or for an invalid label two marks in
            front of it: its pixels, its images.
        """
        means = [means.get(place, ExactMean()) for means, place in self._places()]
        rows = [(*labels, pixels) for labels, pixels in self.joint.items()]
        for mark, counter in ((_PIXELS, self.invalid_pixels), (_IMAGES, self.invalid_images)):
            rows += [(mark, label, count) for label, count in counter.items()]
        counts = [
            np.array([self.images, self.scored, self.void_pixels]),
            *(array.ravel() for array in self._arrays()),
            np.array([mean.count for mean in means], np.int64),
            *(limbs(mean.units) for mean in means),
        ]
        return np.concatenate(counts), np.array(rows, np.int64).reshape(-1, 3)

    @classmethod
    def from_arrays(cls, settings: BoundarySettings, count: int, counts: IntArray, rows: IntArray) -> "Totals":
        """The way back from `to_arrays`, or from several of them added up and put behind each other."""
        total = cls(settings, count)
        total.images, total.scored, total.void_pixels = counts[:3].tolist()
        at = 3
        for array in total._arrays():
            array[...] = counts[at : at + array.size].reshape(array.shape)
            at += array.size
        places = list(total._places())
        numbers = counts[at : at + len(places)].tolist()
        units = counts[at + len(places) :].reshape(len(places), LIMBS)
        for (means, place), number, unit in zip(places, numbers, units, strict=True):
            if number:
                means[place] = ExactMean(of_limbs(unit), number)
        for gt, pred, number in rows.tolist():
            if gt == _PIXELS:
                total.invalid_pixels[pred] += number
            elif gt == _IMAGES:
                total.invalid_images[pred] += number
            else:
                total._count_joint({(gt, pred): number})
        return total

    def by_class(self) -> ClassValues:
        """path -> (C,), over the data set."""
        settings = self.settings
        table = region_values(self.confusion, self.presence[1], self.presence[2], settings)
        if "trimap_miou" in settings.metrics:
            table |= trimap_values(self.trimap[self.seed()], settings)
        absent = self.scored - self.presence.sum(axis=0)
        for path, means in self.means.items():
            values = np.full(self.count, np.nan)
            for k, mean in means.items():
                values[k] = mean.value()
            if is_right_if_absent(path, settings):
                nothing = ExactMean()
                values[:] = [means.get(k, nothing).value(ones=int(absent[k])) for k in range(self.count)]
            table[path] = values
        if settings.aggregate == "pooled":
            for metric, score in _POOLED_SCORE.items():
                for key, pooled in zip(keys(metric, settings), score(self.matches[metric]), strict=True):
                    if (metric, key) in table:
                        # Where no mask of a class has a boundary there is nothing to pool but the images' 0 or 1.
                        table |= filled_in({(metric, key): pooled}, table)
        return table | filled_in(total_values(self.rows(), settings), table)

    def rows(self) -> dict[str, npt.NDArray[Any]]:
        """What the rows of the pairs add up to, (C,) each; see `PairScores.all_rows`."""
        sums = {name: np.zeros(self.count) for name in self.sums}
        for name, added in self.sums.items():
            for k, total in added.items():
                sums[name][k] = total.total()
        _, missed, spurious = self.presence
        gt, pred, agreeing = self.confusion
        pixels = {"gt_pixels": gt, "pred_pixels": pred, "agreeing_pixels": agreeing}
        return {**pixels, "missed": missed, "spurious": spurious, **self.counts, **sums}

    def overall(self, table: ClassValues) -> dict[str, dict[Path, float]]:
        """Set of classes -> path -> its value over those classes. table: `by_class`."""
        return {
            name: over_classes(table, self.confusion, chosen)
            | {path: mean.value() for path, mean in self.image_means[name].items()}
            for name, chosen in self.sets.items()
        }

    def seed(self) -> str:
        """Where the trimap lies; what `auto` comes to shows only over the whole data set."""
        seed = self.settings.trimap_seed
        if seed != "auto":
            return seed
        narrowest = self.settings.trimap_width.index(min(self.settings.trimap_width))
        return "class" if self.trimap["class"].gt[narrowest].any() else "void"

    def labels(self) -> dict[str, dict[int, int]]:
        """map -> label -> pixels; the prediction's where the ground truth is not ignored."""
        labels = []
        for pixels in (self.confusion.gt, self.confusion.pred):
            occurring = np.flatnonzero(pixels)
            labels.append(dict(zip(occurring.tolist(), pixels[occurring].tolist(), strict=True)))
        gt, pred = labels
        if self.void_pixels and self.settings.ignore_index is not None:
            gt[self.settings.ignore_index] = self.void_pixels
        return {
            "ground_truth": dict(sorted(gt.items())),
            "prediction": dict(sorted((pred | self.invalid_pixels).items())),
        }


def presence_of(scores: PairScores) -> IntArray:
    """Whether a class is in both maps, missed, spurious, (3, K)."""
    in_gt, in_pred = scores.confusion.gt > 0, scores.confusion.pred > 0
    return np.stack((in_gt & in_pred, in_gt & ~in_pred, in_pred & ~in_gt)).astype(np.int64)


def _objects_met(scores: PairScores) -> tuple[int, int, int]:
    """What `Totals.objects_met` adds up."""
    gt = scores.confusion.gt
    if scores.signs is None or not gt.any():
        return 0, 0, 0
    common = int(scores.classes[np.argmax(gt)])
    best: dict[int, int] = {}
    classes = set(scores.classes.tolist())  # and not the ignored label
    for (true, pred), pixels in scores.signs.joint.items():
        if true != common and true in classes:
            best[pred] = max(best.get(pred, 0), pixels)
    agreeing = int(scores.confusion.agreeing.sum() - scores.confusion.agreeing[np.argmax(gt)])
    return int(gt.sum() - gt.max()), agreeing, sum(best.values())


def _beside_zero(joint: Joint) -> IntArray:
    """What `Totals.beside_zero` adds up."""
    found = np.zeros((2, 3), np.int64)
    for side, labels in enumerate(({pred for _, pred in joint}, {gt for gt, _ in joint})):
        others = labels - {0}
        if others:
            found[side, 0 if others == {1} else 1 if len(others) == 1 else 2] = 1
    return found


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
