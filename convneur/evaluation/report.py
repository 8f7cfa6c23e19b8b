"""What the HTML report says of an evaluation: its columns, and one list of values for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.evaluation.comparison import Comparison
from convneur.evaluation.scenes import Ranking
from convneur.evaluation.words import all_values, occurs, value_in
from convneur.figures import ReportColumn, ReportComparison, ReportRow
from convneur.metrics.scores import DISTANCES
from convneur.metrics.words import SHORT_NAMES, metric_name

__all__ = ["ReportColumns"]


@dataclass(frozen=True)
class ReportColumns:
    """The values that the report shows. paths: (metric, key or None) of each; columns: how it is shown."""

    paths: Sequence[tuple[str, str | None]]
    columns: Sequence[ReportColumn]

    @classmethod
    def of(cls, overall: Mapping[str, Any], settings: Mapping[str, Any], ranking: Ranking) -> "ReportColumns":
        """All values of a result but counts; plots show the one that images are ranked by first."""
        values = all_values(overall, settings["metrics"])
        paths = [(metric, key) for metric, key, _ in values if key not in ("missed", "spurious")]
        chosen = (ranking.metric, ranking.key)
        return cls(paths, [_column(*path, settings, chosen=path == chosen) for path in paths])

    def of_row(self, row: Mapping[str, Any]) -> list[Any]:
        """The values of a class, an image or a data set."""
        return [value_in(row, *path) for path in self.paths]

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


def _column(metric: str, key: str | None, settings: Mapping[str, Any], *, chosen: bool) -> ReportColumn:
    distance = metric in DISTANCES
    short, definition = SHORT_NAMES[metric], settings["definitions"][metric]
    if distance:
        penalised = key == "penalised_mean"
        short += " pen." if penalised else ""
        definition += f"; a missed or spurious class {'counts as the image diagonal' if penalised else 'is left out'}"
    elif key is not None:
        short += f"@{key}"
    return ReportColumn(metric_name(metric, key), short, definition, distance, 2 if distance else 4, chosen)
