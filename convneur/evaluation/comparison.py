"""Two models on the same images: by how much they differ, and how surely."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.evaluation.model_table import model_table, settings_words
from convneur.evaluation.words import shown
from convneur.formats import plural, short_names
from convneur.metrics.comparison import Comparison as Differences
from convneur.metrics.summary_tables import column_name
from convneur.metrics.tables import Path, compares, is_count, leaves, less_is_better, value_at
from convneur.metrics.words import metric_name
from convneur.results import Result, Table, plain, read_only

__all__ = ["PARTS", "Comparison", "comparison_of"]

PARTS = ("against", "difference", "low", "high")
"""What a comparison adds to a model's own value."""

_FEW = 20  # images, below which a bootstrap interval is too narrow to trust
_NAME_WIDTH = 18


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Differences between two models, the first minus the second, with paired bootstrap intervals over the images.

    overall, groups, per_class (classes that occur): the keys of `Evaluation.overall`; each value is {"value",
    "against", "difference", "low", "high", "resamples"}: the first model's, the second's, the bounds of the interval
    (NaN of one image), and the resamples in which the difference is defined. per_image: each value is the difference.
    moved_most: each value lists the images with the largest differences. first, second: what the models are called;
    settings: of both, see `Evaluation`; images: scored by both; level, seed: of the intervals.

    >>> import shutil, tempfile
    >>> from importlib.resources import files
    >>> from convneur.evaluation import evaluate
    >>> horse = files("convneur") / "data" / "samples" / "horse"
    >>> folder = tempfile.TemporaryDirectory()
    >>> perfect = shutil.copytree(horse / "gt", f"{folder.name}/perfect")
    >>> a, b = (evaluate(maps, horse / "gt", metrics="miou") for maps in (horse / "predictions", perfect))
    >>> found = a.compare(b)
    >>> round(found.overall["miou"]["difference"], 4), found.images
    (-0.0714, 3)
    >>> [row[0] for row in found.paper_table().rows]
    ['predictions', 'perfect', 'difference', '95% interval']
    >>> folder.cleanup()
    """

    first: str
    second: str
    settings: Mapping[str, Any]
    images: int
    level: float
    resamples: int
    seed: int
    overall: Mapping[str, Any]
    groups: Mapping[str, Mapping[str, Any]]
    per_class: tuple[Mapping[str, Any], ...]
    per_image: tuple[Mapping[str, Any], ...]
    moved_most: Mapping[str, Any]
    digits: int | None = None

    @property
    def metrics(self) -> Sequence[str]:
        """In the order of the results."""
        return self.settings["metrics"]

    def __repr__(self) -> str:
        first, second = short_names(self.first, self.second)
        return f"<Comparison of {first} with {second}, {plural(self.images, 'image')}>"

    def to_dict(self) -> dict[str, Any]:
        option = "--{}"  # the schema is older than this class and speaks of the command's options
        return {
            "against": self.second,
            "difference": f"PREDS minus {option.format('against')}",
            "interval": "percentile",
            "images": self.images,
            "level": self.level,
            "resamples": self.resamples,
            "seed": self.seed,
            "overall": plain(self.overall),
            **({"groups": plain(self.groups)} if self.groups else {}),
            "per_class": plain(self.per_class),
            "per_image": plain(self.per_image),
            "moved_most": plain(self.moved_most),
        }

    def tables(self) -> Sequence[Table]:
        """All values overall, then the classes' and the images that moved most by the first metric."""
        columns = [*map(_cut, short_names(self.first, self.second)), "difference", "low", "high", ""]
        overall = [[metric_name(*path), *_cells(path, value)] for path, value in self._main_values()]
        first = self._first_value
        classes = [
            [str(row["class"]), _cut(row["name"]), *_cells(first, value_at(row, first))] for row in self.per_class
        ]
        moved = [f"{row['name']} {signed(row['difference'])}" for row in value_at(self.moved_most, first)]
        by = metric_name(*first)
        return (
            Table("Compared with the second model", ["metric", *columns], overall, dense=True, notes=self.about()),
            Table(
                f"{by} by class",
                ["class", "name", *columns],
                classes,
                left=2,
                dense=True,
                notes=[f"Moved most by {by}: {', '.join(moved) or 'none'}."],
            ),
        )

    def about(self) -> list[str]:
        """What the differences and intervals are, and what they are not."""
        first, second = short_names(self.first, self.second)
        words = [
            f"Differences are {first} minus {second}, over {plural(self.images, 'image')} scored in both. Intervals: "
            f"{self.level:.0%}, percentile, {plural(self.resamples, 'paired resample')} of the images, "
            f"seed {self.seed}."
        ]
        if self.images < 2:
            words.append("One image allows no interval.")
        elif self.images < _FEW:
            words.append(f"With {self.images} images the intervals are too narrow: the true ones are at least as wide.")
        return words

    def paper_table(self) -> Table:
        """A row per model, the better values bold, then the differences and their intervals."""
        first, second = short_names(self.first, self.second)
        values = dict(leaves(self.overall, self.metrics))

        def told(path: Path, value: float) -> str:
            if is_count(path):
                return f"{value:+.0f}"
            return signed(value) if self.digits is None or math.isnan(value) else f"{value:+.{self.digits}f}"

        differences = {path: told(path, value["difference"]) for path, value in values.items()}
        intervals = {
            path: "--" if math.isnan(value["low"]) else f"[{told(path, value['low'])}, {told(path, value['high'])}]"
            for path, value in values.items()
        }
        return model_table(
            {first: _part(self.overall, "value"), second: _part(self.overall, "against")},
            self.settings,
            digits=self.digits,
            notes=[*settings_words(self.images, self.settings), *self.about()],
            more=[("difference", differences), (f"{self.level:.0%} interval", intervals)],
        )

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row overall and one per class: of each value both models', the difference and its interval."""
        rows: list[dict[str, Any]] = [{"class": "", "name": "overall", **self._columns(self.overall, own=True)}]
        rows += [{"class": "", "name": name, **self._columns(row, own=True)} for name, row in self.groups.items()]
        rows += [{"class": row["class"], "name": row["name"], **self._columns(row, own=True)} for row in self.per_class]
        return rows

    def added_columns(self, label: object, name: object) -> dict[str, Any]:
        """What the comparison adds to the row of a class, or of overall or a group under ""; empty where it has none.

        name: of the class or group.
        """
        sets = {("", group): row for group, row in {"overall": self.overall, **self.groups}.items()}
        row = (sets | {(row["class"], row["name"]): row for row in self.per_class}).get((label, name))
        return self._columns(self.overall if row is None else row, own=False, empty=row is None)

    def _columns(self, row: Mapping[str, Any], *, own: bool, empty: bool = False) -> dict[str, Any]:
        found = {}
        for path, value in leaves(row, self.metrics):
            name = column_name(path)
            if own:
                found[name] = _cell(value["value"])
            for part in PARTS:
                found[f"{part}_{name}"] = "" if empty else _cell(value[part])
        return found

    @property
    def _first_value(self) -> Path:
        return next(leaves(self.overall, self.metrics))[0]

    def _main_values(self) -> list[tuple[Path, Any]]:
        """Without counts of classes that were missed, whose differences say little."""
        return [(path, value) for path, value in leaves(self.overall, self.metrics) if compares(path)]


def comparison_of(
    found: Differences, *, first: str, second: str, settings: Mapping[str, Any], digits: int | None = None
) -> Comparison:
    """The result for differences that were computed. first, second: what the models are called."""
    return Comparison(
        first=first,
        second=second,
        settings=settings,
        images=found.images,
        level=found.level,
        resamples=found.resamples,
        seed=found.seed,
        overall=read_only(found.overall),
        groups=read_only(found.groups),
        per_class=read_only(found.per_class),
        per_image=read_only(found.per_image),
        moved_most=read_only(found.moved_most),
        digits=digits,
    )


def _part(values: Any, part: str) -> Any:
    """One number of each comparison, nested as they are."""
    if isinstance(values, Mapping):
        return values[part] if "difference" in values else {key: _part(inner, part) for key, inner in values.items()}
    return [_part(inner, part) for inner in values] if isinstance(values, list | tuple) else values


def signed(value: float) -> str:
    """A difference, with its sign."""
    if math.isnan(value):
        return "-"
    return f"{value:+.4f}" if abs(value) < 100 else f"{value:+.1f}"


def _cells(path: Path, value: Mapping[str, float]) -> list[str]:
    own, parts = ("value", "against"), ("difference", "low", "high")
    if is_count(path):
        cells = [f"{value[part]:.0f}" for part in own]
        cells += ["-" if math.isnan(value[part]) else f"{value[part]:+.0f}" for part in parts]
    else:
        cells = [*(shown(value[part]) for part in own), *(signed(value[part]) for part in parts)]
    return [*cells, _verdict(path, value)]


def _verdict(path: Path, value: Mapping[str, float]) -> str:
    """Whether the interval leaves 0 out; nothing where there is none."""
    low, high = value["low"], value["high"]
    if math.isnan(low) or low == high == 0:
        return ""
    if low <= 0 <= high:
        return "open"
    return "better" if (low > 0) != less_is_better(path) else "worse"


def _cut(name: str) -> str:
    """The end of a name, which tells folders apart."""
    return name if len(name) <= _NAME_WIDTH else f"…{name[-_NAME_WIDTH + 1 :]}"


def _cell(value: float) -> Any:
    return "" if math.isnan(value) else value
