"""`eval-boundary --against`: a second set of predictions, scored on the same pairs, and what differs."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convneur.errors import InputError
from convneur.formats import grouped, significant
from convneur_cli.boundary_report import METRIC_NAMES
from convneur_cli.errors import UsageError
from convneur_cli.options.boundary_inputs import InputOptions, Inputs
from convneur_cli.options.common import option_group
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.data.pairs import Pair
    from convneur.metrics import BoundarySettings, BoundarySummary, PairScores
    from convneur.metrics.comparison import Comparison

__all__ = [
    "CompareOptions",
    "Rival",
    "comparison_words",
    "dict_at",
    "figure_name",
    "figure_rows",
    "print_comparison",
    "short_names",
    "with_comparison",
]

_MARK = " (against)"  # behind the names of the second set's pairs, where both sets' pairs are worked on together
_DISTANCES = ("hausdorff", "hd95", "assd", "masd")
_FEW = 20  # images, below which a bootstrap interval is too narrow to trust
_PARTS = ("against", "difference", "low", "high")
_NAME_WIDTH = 18


@option_group
@dataclasses.dataclass(frozen=True)
class CompareOptions:
    """A second set of predictions to compare with."""

    against: Annotated[
        Path | None,
        typer.Option(
            help="Predictions of another model for the same images: differences with paired bootstrap intervals.",
            metavar="PREDS",
            readable=False,
        ),
    ] = None
    resamples: Annotated[int, typer.Option(min=1, max=100_000, help="Of the bootstrap, with --against.")] = 1000
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of the bootstrap, with --against.")] = 0

    def open(self, inputs: InputOptions, ground_truth: Path | None, first: Inputs) -> "Rival | None":
        """The second set, None without --against. Raises: InputError: an image that only one of the sets has."""
        if self.against is None:
            return None
        if inputs.listed and ground_truth is None:
            raise UsageError("--against: with --list give PREDS and GT too, so that relative paths lead elsewhere")
        pairs = inputs.open(self.against, ground_truth).pairing.pairs
        names, others = {pair.files for pair in first.pairing.pairs}, {pair.files for pair in pairs}
        for lone, words in ((names - others, f"not in --against {self.against}"), (others - names, "only there")):
            if lone:
                listed = ", ".join(sorted(lone)[:3]) + (f" and {len(lone) - 3} more" if len(lone) > 3 else "")
                raise InputError(
                    None,
                    f"--against {self.against}: other images than PREDS ({listed}: {words}); compare the same ones",
                )
        return Rival(self.against, self.resamples, self.seed, pairs)


class Rival:
    """The second set: its pairs, and the scores of both sets as they come."""

    def __init__(self, against: Path, resamples: int, seed: int, pairs: Sequence["Pair"]) -> None:
        self.path = str(against)
        self.resamples, self.seed = resamples, seed
        # Under names of their own, so that one run, one progress bar and one --resume file serve both sets.
        self.jobs = [dataclasses.replace(pair, name=f"{pair.name}{_MARK}") for pair in pairs]
        self._names = {job.name: pair.name for job, pair in zip(self.jobs, pairs, strict=True)}
        self.pairs = {pair.name: pair for pair in pairs}

    def begin(self, settings: "BoundarySettings", names: Sequence[str]) -> None:
        """Before the first score."""
        from convneur.metrics import BoundaryAccumulator
        from convneur.metrics.comparison import ScoreTable

        self._total = BoundaryAccumulator(settings, names)
        self._first, self._second = ScoreTable(settings, names), ScoreTable(settings, names)

    def add(self, pair: "Pair", scores: "PairScores") -> bool:
        """Keep the scores of either set's pair; whether it is the second set's."""
        if pair.name not in self._names:
            self._first.add(pair.name, scores)
            return False
        name = self._names[pair.name]
        self._second.add(name, scores)
        self._total.add(name, scores)
        return True

    def summary(self) -> "BoundarySummary":
        """Of the second set."""
        return self._total.summary()

    def comparison(self) -> dict[str, Any] | None:
        """For the JSON result; None if no image was scored in both sets."""
        from convneur.metrics.comparison import compare

        both = set(self._first.images) & set(self._second.images)
        if not both:
            return None
        found: Comparison = compare(
            self._first.only(both), self._second.only(both), resamples=self.resamples, seed=self.seed
        )
        said = {"against": self.path, "difference": "PREDS minus --against", "interval": "percentile"}
        return said | dataclasses.asdict(found)


def figure_rows(row: Mapping[str, Any], metrics: Sequence[str]) -> list[tuple[str, str | None, Any]]:
    """(metric, key or None, figure) of nested figures, in order."""
    found: list[tuple[str, str | None, Any]] = []
    for metric in metrics:
        value = row[metric]
        nested = isinstance(value, Mapping) and "difference" not in value
        found += [(metric, key, inner) for key, inner in value.items()] if nested else [(metric, None, value)]
    return found


def short_names(*paths: str) -> list[str]:
    """As much of each path's end as tells them apart."""
    for most in range(1, max(len(Path(path).parts) for path in paths)):
        names = [str(Path(*Path(path).parts[-most:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return list(paths)


def comparison_words(comparison: Mapping[str, Any], predictions: str) -> list[str]:
    """What the differences and intervals are, and what they are not."""
    images = comparison["images"]
    first, second = short_names(predictions, comparison["against"])
    words = [
        f"Differences are {first} minus {second}, over {grouped(images)} "
        f"{'image' if images == 1 else 'images'} scored in both. Intervals: {comparison['level']:.0%}, percentile, "
        f"{grouped(comparison['resamples'])} paired resamples of the images, seed {comparison['seed']}."
    ]
    if images < 2:
        words.append("One image allows no interval.")
    elif images < _FEW:
        words.append(f"Of {images} images the intervals are too narrow: take them as a lower bound.")
    return words


def print_comparison(
    printer: Printer, comparison: Mapping[str, Any], settings: Mapping[str, Any], predictions: str
) -> None:
    """Overall differences with their intervals, the classes' for the first metric, the images that moved most."""
    printer.text()
    for words in comparison_words(comparison, predictions):
        printer.sentence(words)
    rows = [
        [
            figure_name(metric, key),
            significant(figure["value"]),
            significant(figure["against"]),
            *_difference(figure),
            _verdict(metric, figure),
        ]
        for metric, key, figure in figure_rows(comparison["overall"], settings["metrics"])
        if key not in ("missed", "spurious")
    ]
    first, second = map(_short, short_names(predictions, comparison["against"]))
    columns = ["metric", first, second, "difference", "low", "high", ""]
    printer.text()
    printer.table("Against another model", columns, rows, dense=True)

    metric, key, _ = figure_rows(comparison["overall"], settings["metrics"])[0]
    by_class = [(row, dict_at(row, metric, key)) for row in comparison["per_class"]]
    rows = [
        [str(row["class"]), _short(row["name"]), *(significant(figure[part]) for part in ("value", "against")),
         *_difference(figure), _verdict(metric, figure)]
        for row, figure in by_class
    ]  # fmt: skip
    printer.text()
    printer.table(f"{figure_name(metric, key)} by class", ["class", "name", *columns[1:]], rows, left=2, dense=True)
    moved = [f"{row['name']} {_signed(row['difference'])}" for row in dict_at(comparison["moved_most"], metric, key)]
    printer.sentence(f"Moved most by {figure_name(metric, key)}: {', '.join(moved) or 'none'}.")


def with_comparison(rows: list[list[Any]], comparison: Mapping[str, Any], metrics: Sequence[str]) -> list[list[Any]]:
    """`class_rows` with four more columns for every figure."""
    by_class = {"": comparison["overall"]} | {row["class"]: row for row in comparison["per_class"]}
    header = [
        f"{part}_{metric}" + (f"[{key}]" if key is not None else "")
        for metric, key, _ in figure_rows(comparison["overall"], metrics)
        for part in _PARTS
    ]
    extended = [rows[0] + header]
    for row in rows[1:]:
        found = by_class.get(row[0])
        cells = (
            [_cell(figure[part]) for _, _, figure in figure_rows(found, metrics) for part in _PARTS]
            if found
            else [""] * len(header)
        )
        extended.append(row + cells)
    return extended


def dict_at(row: Mapping[str, Any], metric: str, key: str | None) -> Any:
    """One figure of nested figures."""
    return row[metric] if key is None else row[metric][key]


def figure_name(metric: str, key: str | None) -> str:
    """What people call one figure: Boundary F1 @ 3px."""
    if metric in _DISTANCES:
        return f"{METRIC_NAMES[metric]}, {str(key).replace('_', ' ')}"
    return METRIC_NAMES[metric] + ("" if key is None else f" @ {key}{' px' if metric == 'trimap_miou' else ''}")


def _difference(figure: Mapping[str, float]) -> list[str]:
    return [_signed(figure[part]) for part in ("difference", "low", "high")]


def _signed(value: float) -> str:
    if value != value:
        return "-"
    return f"{value:+.4f}" if abs(value) < 100 else f"{value:+.1f}"


def _verdict(metric: str, figure: Mapping[str, float]) -> str:
    """Whether the interval leaves 0 out; nothing where there is none."""
    low, high = figure["low"], figure["high"]
    if low != low or low == high == 0:
        return ""
    if low <= 0 <= high:
        return "open"
    return "better" if (low > 0) != (metric in _DISTANCES) else "worse"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"…{name[-_NAME_WIDTH + 1 :]}"


def _cell(value: float) -> Any:
    return "" if value != value else value
