"""What the HTML report says of an evaluation: its columns, and one list of values for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.evaluation.comparison import Comparison
from convneur.evaluation.scenes import Ranking
from convneur.evaluation.words import occurs
from convneur.figures import ReportColumn, ReportComparison, ReportCurve, ReportRow
from convneur.metrics.comparison import ScoreTable, intervals
from convneur.metrics.measures import MEASURES
from convneur.metrics.tables import Path, compares, leaves, less_is_better
from convneur.metrics.words import SHORT_NAMES, metric_name

__all__ = ["ReportColumns", "curves_of"]


@dataclass(frozen=True)
class ReportColumns:
    """The values that the report shows. columns: how each is shown."""

    paths: Sequence[Path]
    columns: Sequence[ReportColumn]

    @classmethod
    def of(cls, overall: Mapping[str, Any], settings: Mapping[str, Any], ranking: Ranking) -> "ReportColumns":
        """All values but those with a place of their own; plots show the one that images are ranked by first."""
        metrics = settings["metrics"]
        paths = [path for path, _ in leaves(overall, metrics) if compares(path) and not _on_curve(path)]
        return cls(paths, [_column(path, settings, chosen=path == ranking.path) for path in paths])

    def of_row(self, row: Mapping[str, Any]) -> list[Any]:
        """The values of a class, an image or a data set."""
        values = dict(leaves(row, list(dict.fromkeys(metric for metric, *_ in self.paths))))
        return [values[path] for path in self.paths]

    def classes(self, per_class: Sequence[Mapping[str, Any]]) -> list[ReportRow]:
        return [
            ReportRow(
                row["name"],
                self.of_row(row),
                number=row["class"],
                missed=row["presence"]["missed"],
                spurious=row["presence"]["spurious"],
            )
            for row in per_class
            if occurs(row)
        ]

    def images(self, per_image: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> list[ReportRow]:
        """others: the second model's rows."""
        theirs = {row["name"]: self.of_row(row) for row in others}
        return [ReportRow(row["name"], self.of_row(row), against=theirs.get(row["name"])) for row in per_image]

    def comparison(self, found: Comparison) -> ReportComparison:
        return ReportComparison(
            level=found.level,
            words=found.about(),
            overall=self.of_row(found.overall),
            classes=[(row["name"], self.of_row(row)) for row in found.per_class],
            moved=self.of_row(found.moved_most),
        )


def curves_of(title: str, scores: ScoreTable) -> list[ReportCurve]:
    """A model's boundary F1 over the radii, with bootstrap intervals; none where it was not asked for."""
    if not scores.settings.radii or not scores.images:
        return []
    *points, area = intervals(scores, "boundary_f1_curve").values()
    values, low, high = zip(*points, strict=True)
    return [ReportCurve(title, scores.settings.radii, values, low, high, area[0])]


def _column(path: Path, settings: Mapping[str, Any], *, chosen: bool) -> ReportColumn:
    metric, *keys = path
    short, definition = SHORT_NAMES[metric], settings["definitions"][metric]
    lower = less_is_better(path)
    if path[-1] in ("finite_mean", "penalised_mean"):
        penalised = path[-1] == "penalised_mean"
        short = " ".join([MEASURES[metric].value_name(tuple(keys[:-1])) if metric in MEASURES else short,
                          *(["pen."] if penalised else [])])  # fmt: skip
        definition += f"; a missed or spurious class {'counts as the image diagonal' if penalised else 'is left out'}"
    elif keys:
        short = MEASURES[metric].short_value_name(path[1:]) if metric in MEASURES else f"{short}@{keys[0]}"
    decimals = 0 if path[-1] in ("tp", "fp", "fn", "components") else 2 if lower else 4
    return ReportColumn(metric_name(*path), short, definition, lower, decimals, chosen)


def _on_curve(path: Path) -> bool:
    return path[:2] == ("boundary_f1_curve", "f1")
