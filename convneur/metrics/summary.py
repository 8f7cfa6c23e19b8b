"""From the scores of many pairs to the values of a data set: overall, by class and by image."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError
from convneur.formats import plural
from convneur.metrics.class_sets import OVERALL, with_ids
from convneur.metrics.measures import measures_of
from convneur.metrics.objects import mostly_thin
from convneur.metrics.scores import PairScores
from convneur.metrics.settings import BoundarySettings
from convneur.metrics.setup_checks import LAST_LABEL, SetupWarning, setup_warnings
from convneur.metrics.summary_tables import class_records, class_table, group_tables, overall_table, summary_sentences
from convneur.metrics.tables import (
    ClassValues,
    Path,
    filled_in,
    image_values,
    is_right_if_absent,
    keys,
    mean_over_classes,
    nested,
    over_classes,
    region_values,
    total_values,
    trimap_values,
)
from convneur.metrics.totals import Totals, presence_of
from convneur.metrics.words import definitions
from convneur.results import ReadOnly, Result, Table, plain, read_only

__all__ = ["BoundaryAccumulator", "BoundarySummary", "class_names", "summary_of"]

IntArray = npt.NDArray[np.int64]
Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BoundarySummary(Result):
    """Boundary metrics of a data set. Two summaries are equal if all their values are, NaN among them.

    settings: as used; `trimap_seed` is what `auto` came to. images: pairs scored. overall, per_class, per_image: one
    mapping, one per class, one per image in the order of their names (none where images have no names), with the same
    keys for the metrics; NaN is undefined. presence: images where a class is in both maps, missed, spurious, in
    neither (images with nothing to score left out). labels: map -> label -> pixels; the prediction's where the ground
    truth is not ignored. groups: name -> the keys of overall, as means over those classes. unscored: images without a
    pixel to score; all_ignored: their names. invalid_labels:
    prediction labels that are no class -> images that have it. too_thin: tolerance that reaches across most of a class
    -> (ground-truth objects of such classes too thin for it, their objects, their names); tau_too_thin: the same of
    the smallest surface-dice tau, None where it is fine. wide: tolerances of more than 1 pixel. warnings: what looks
    wrong in how the label maps were prepared.

    >>> from convneur.metrics import BoundaryMetrics
    >>> metrics = BoundaryMetrics(num_classes=2, metrics="miou")
    >>> metrics.update([[0, 1]], [[0, 1]])
    >>> print(metrics.compute())
    Overall
    metric  definition                   mean
    -----------------------------------------
    mIoU    one matrix over all images  1.000
    <BLANKLINE>
    By class
    class    IoU  missed  spur.
    ---------------------------
    0      1.000       0      0
    1      1.000       0      0
    <BLANKLINE>
    1 image scored; 2 classes; 255 ignored.
    Class in both maps 2 times, missed 0, spurious 0, in neither 0 (left out).
    """

    settings: ReadOnly[str, Any]
    images: int
    overall: Values
    per_class: Sequence[Values]
    per_image: Sequence[Values]
    labels: Mapping[str, Mapping[int, int]]
    unscored: int
    all_ignored: tuple[str, ...]
    invalid_labels: Mapping[int, int]
    too_thin: Mapping[str, tuple[int, int, tuple[str, ...]]]
    tau_too_thin: tuple[int, int, tuple[str, ...]] | None = None
    wide: frozenset[str] = frozenset()
    groups: Mapping[str, Values] = field(default_factory=dict)
    warnings: tuple[SetupWarning, ...] = ()

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            object.__setattr__(self, name, read_only(value))

    def __repr__(self) -> str:
        classes = plural(self.settings["num_classes"], "class", "classes")
        return f"<BoundarySummary of {plural(self.images, 'image')}, {classes}>"

    def __eq__(self, other: object) -> bool:
        # As text, which tells apart any two floats but not one undefined value from another.
        return isinstance(other, BoundarySummary) and repr(vars(self)) == repr(vars(other))

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        labels = {
            name: {
                label: {"pixels": pixels, "share": pixels / sum(counts.values())} for label, pixels in counts.items()
            }
            for name, counts in self.labels.items()
        }
        return {
            "settings": {**self.settings, "definitions": definitions(self.settings)},
            "images": self.images,
            "overall": plain(self.overall),
            **({"groups": plain(self.groups)} if self.groups else {}),
            "per_class": plain(self.per_class),
            "per_image": plain(self.per_image),
            "labels": labels,
            "warnings": [str(warning) for warning in self.warnings],
        }

    def tables(self) -> Sequence[Table]:
        return (overall_table(self), *group_tables(self), class_table(self))

    def sentences(self) -> Sequence[str]:
        return summary_sentences(self)

    def records(self) -> Sequence[Mapping[str, Any]]:
        return class_records(self)


def class_names(settings: BoundarySettings, names: Sequence[str] | None) -> list[str]:
    """The names of the classes, their numbers if there are no names.

    Raises: ConfigError: the number of classes is not known, or names are not as many.
    """
    if settings.num_classes is None:
        raise ConfigError("num_classes", "a data set needs it, such as its highest label + 1")
    if names is None:
        return [str(k) for k in range(settings.num_classes)]
    if len(names) != settings.num_classes:
        raise ConfigError(
            "names", f"{plural(len(names), 'name')} for {plural(settings.num_classes, 'class', 'classes')}"
        )
    return list(names)


class _Image(NamedTuple):
    """What is kept of a pair: its values over its classes, with the trimap's of every seed until one is chosen."""

    name: str
    shape: tuple[int, int]
    pixels: int
    values: dict[Path, float]
    trimap: dict[str, dict[Path, float]]
    presence: dict[str, int]


class BoundaryAccumulator:
    """Adds up named pairs; its memory grows by one row of values per image and no more.

    Choice: per class the mean over the images where the class is in either map, overall the mean over the classes
        that have a value; trimap mIoU, mIoU and accuracy from one confusion matrix over the data set. Sums are
        exact: the summary is the same to the last bit in whatever order and parts pairs were added.
    Args:   settings: those the pairs were scored with, num_classes given; names: of the classes, for the results.
    Raises: ConfigError: num_classes is missing, or names are not as many.

    >>> import numpy as np
    >>> from convneur.metrics import BoundarySettings, score_pair
    >>> total = BoundaryAccumulator(BoundarySettings(num_classes=2, metrics="miou"))
    >>> total.add("a", score_pair(np.array([[0, 1]]), np.array([[0, 1]]), total.settings))
    >>> total.add("b", score_pair(np.array([[0, 0]]), np.array([[0, 1]]), total.settings))
    >>> summary = total.summary()
    >>> summary.overall["miou"], [(row["name"], row["miou"]) for row in summary.per_image]
    (0.5833333333333333, [('a', 1.0), ('b', 0.25)])
    """

    def __init__(self, settings: BoundarySettings, names: Sequence[str] | None = None) -> None:
        self.names = class_names(settings, names)
        self.settings = with_ids(settings, self.names)
        settings = self.settings
        self._totals = Totals(settings, len(self.names))
        self._images: list[_Image] = []

    def add(self, name: str, scores: PairScores) -> None:
        """Count one pair, named as it is to appear in the results."""
        table = image_values(scores, self.settings)
        self._totals.add(scores, table)
        self._images.append(self._image(name, scores, table))

    def merge(self, other: "BoundaryAccumulator") -> None:
        """Count every pair that another accumulator has counted.

        Raises: ConfigError: the settings or the class names differ.
        """
        if other.settings != self.settings or other.names != self.names:
            raise ConfigError("settings", "accumulators of different settings or classes cannot be merged")
        self._totals.merge(other._totals)
        self._images += other._images

    def setup_warnings(self) -> tuple[SetupWarning, ...]:
        """What looks wrong in how the label maps counted so far were prepared; also in the summary."""
        return setup_warnings(self._totals)

    def object_accuracy(self) -> float:
        """Share of the pixels outside each image's most frequent class that agree; 1 where there are none."""
        pixels, agreeing, _ = self._totals.objects_met.tolist()
        return agreeing / pixels if pixels else 1.0

    def summary(self) -> BoundarySummary:
        """The values of everything counted so far."""
        settings, seed = self.settings, self._totals.seed()
        images = sorted(self._images, key=lambda image: image.name)
        per_image = [
            {
                "name": image.name,
                "height": image.shape[0],
                "width": image.shape[1],
                "pixels": image.pixels,
                **nested(image.values | image.trimap.get(seed, {}), settings),
                "presence": image.presence,
            }
            for image in images
        ]
        return dataclasses.replace(
            summary_of(self._totals, self.names),
            per_image=per_image,
            all_ignored=tuple(image.name for image in images if not image.pixels),
        )

    def _image(self, name: str, scores: PairScores, table: ClassValues) -> _Image:
        settings, presence = self.settings, presence_of(scores)
        table = table | region_values(scores.confusion, presence[1], presence[2], settings)
        table |= filled_in(total_values(scores.all_rows(), settings), table)
        scored = bool(len(scores.classes))
        chosen = self._totals.sets[OVERALL]
        here = chosen[scores.classes]
        bands = {
            seed: over_classes(trimap_values(band, settings), scores.confusion, here)
            for seed, band in (scores.trimap or {}).items()
        }
        values = over_classes(table, scores.confusion, here)
        if scored:
            right = np.ones(int(chosen.sum() - here.sum()))
            for path in [path for path in table if is_right_if_absent(path, settings)]:
                values[path] = mean_over_classes(np.concatenate((table[path][here], right)))
        height, width = scores.shape
        pixels = height * width - scores.void_pixels
        counts = _presence(presence[:, here].sum(axis=1), int(chosen.sum()) if scored else 0)
        return _Image(name, scores.shape, pixels, values, bands, counts)


def summary_of(totals: Totals, names: Sequence[str]) -> BoundarySummary:
    """The values of a data set, without a word of its images."""
    settings, seed = totals.settings, totals.seed()
    table = totals.by_class()
    presence = [_presence(counts, totals.scored) for counts in totals.presence.T]
    per_class = [
        {
            "class": k,
            "name": name,
            **nested({path: values[k].item() for path, values in table.items()}, settings),
            "presence": presence[k],
        }
        for k, name in enumerate(names)
    ]
    tolerances, thin = keys("boundary_f1", settings), _too_thin(totals, names)
    means = {}
    for name, values in totals.overall(table).items():
        chosen = np.flatnonzero(totals.sets[name]).tolist()
        present = {key: sum(presence[k][key] for k in chosen) for key in presence[0]}
        means[name] = {**nested(values, settings), "presence": present}
    return BoundarySummary(
        settings=ReadOnly(
            dataclasses.asdict(settings)
            | {"trimap_seed": seed, "trimap_seed_asked": settings.trimap_seed}
            | {key: value for measure in measures_of(settings) for key, value in measure.stated().items()}
        ),
        images=totals.images,
        overall=means.pop(OVERALL),
        groups=means,
        per_class=per_class,
        per_image=[],
        labels=totals.labels(),
        unscored=totals.images - totals.scored,
        all_ignored=(),
        invalid_labels=dict(sorted(totals.invalid_images.items())),
        too_thin=dict(sorted((key, each) for key, each in zip(tolerances, thin, strict=False) if each)),
        tau_too_thin=thin[-1],
        wide=frozenset(key for key, images in zip(tolerances, totals.wide, strict=True) if images),
        # In a loop the number of classes is given, and a young model may never predict the last one.
        warnings=tuple(each for each in setup_warnings(totals) if each.kind != LAST_LABEL),
    )


def _too_thin(totals: Totals, names: Sequence[str]) -> list[tuple[int, int, tuple[str, ...]] | None]:
    """Of each tolerance and the smallest tau that reaches across most of a class, (objects too thin for it, objects,
    names) of such classes, else None.

    Choice: most of a class is half of its borders, not of its objects: specks beside a large object mean nothing. Nor
    do fewer than ten objects that are less than 1 % of all.
    """
    found: list[tuple[int, int, tuple[str, ...]] | None] = []
    for thin, mostly in zip(totals.objects.thin, mostly_thin(totals.objects), strict=True):
        counts = int(thin[mostly].sum()), int(totals.objects.objects[mostly].sum())
        matters = mostly.any() and (counts[0] >= 10 or 100 * counts[0] >= totals.objects.objects.sum())
        found.append((*counts, tuple(names[k] for k in np.flatnonzero(mostly).tolist())) if matters else None)
    return found


def _presence(counts: IntArray, chances: int) -> dict[str, int]:
    """counts: (3,) both, missed, spurious, out of so many chances."""
    both, missed, spurious = counts.tolist()
    both_empty = chances - both - missed - spurious
    return {"both": both, "missed": missed, "spurious": spurious, "both_empty": both_empty}
