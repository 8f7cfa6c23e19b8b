"""An evaluation: the values of a data set overall, by class and by image, and what can be made of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convneur.errors import ConfigError, InputError
from convneur.evaluation.comparison import Comparison, comparison_of
from convneur.evaluation.drawing import PAGE_SUFFIXES, Drawing, drawn
from convneur.evaluation.inputs import ClassSource, Inputs, same_images
from convneur.evaluation.jobs import Failure
from convneur.evaluation.model_table import model_table, settings_words
from convneur.evaluation.object_picks import ObjectPicks
from convneur.evaluation.scenes import ImagePick, SceneModel, Scenes, image_folder, picked, ranking_by
from convneur.evaluation.tables import labels_line, presence_line, tables_of
from convneur.evaluation.words import occurs
from convneur.figures import Scene
from convneur.files import new_text
from convneur.formats import grouped, markdown_table, plural, short_names
from convneur.metrics import BoundarySettings, BoundarySummary
from convneur.metrics.comparison import ScoreTable, compare
from convneur.metrics.settings import check_alike
from convneur.metrics.tables import value_at
from convneur.metrics.words import definitions
from convneur.progress import Progress, silent
from convneur.results import Result, Table, plain, read_only

__all__ = ["Evaluation", "Source", "evaluation_of"]


@dataclass(frozen=True, eq=False)
class Source:
    """What an evaluation was made of.

    title: what the predictions are called. summary: of all images, with no row per image. scores: of each image, as
    far as comparing needs them. objects: the worst, with `per_object`.
    """

    title: str
    inputs: Inputs
    settings: BoundarySettings
    summary: BoundarySummary
    scores: ScoreTable
    objects: ObjectPicks = field(default_factory=ObjectPicks)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Evaluation(Result):
    """Boundary metrics of one model's predictions; made by `evaluate`.

    overall: metric -> value, or -> key -> value for metrics with several settings (`overall["boundary_f1"]["3px"]`);
    groups: name -> one such mapping, over those classes; per_class, per_image: one per class, and per image in the
    order of their names. NaN is undefined.
    images: pairs scored. failed: pairs that were not. labels: map -> label -> pixels. settings: as used, with the
    definition of each metric. warnings: what should not be missed. against: the second model's evaluation, if there
    was one; comparison: with it, None if no image was scored in both. digits: decimals in the table that LaTeX and
    Markdown files hold, None for four significant ones.

    >>> from importlib.resources import files
    >>> from convneur.evaluation import evaluate
    >>> horse = files("convneur") / "data" / "samples" / "horse"
    >>> found = evaluate(horse / "predictions", horse / "gt", metrics="miou")
    >>> found
    <Evaluation of 3 images in predictions>
    >>> print(str(found).splitlines()[0])
    3 pairs scored; 2 classes (highest ground-truth label + 1); 255 ignored.
    >>> [pick.name for pick in found.picks(figures_count=1)]
    ['dilated', 'shifted', 'smoothed']
    """

    settings: Mapping[str, Any]
    images: int
    overall: Mapping[str, Any]
    groups: Mapping[str, Mapping[str, Any]]
    per_class: tuple[Mapping[str, Any], ...]
    per_image: tuple[Mapping[str, Any], ...]
    labels: Mapping[str, Mapping[int, int]]
    failed: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    comparison: Comparison | None = None
    against: "Evaluation | None" = None
    digits: int | None = None
    source: Source = field(repr=False)

    def __repr__(self) -> str:
        return f"<Evaluation of {plural(self.images, 'image')} in {short_names(self.source.title)[0]}>"

    def failed_line(self) -> str:
        """How many pairs could not be scored."""
        pairs = self.images + len(self.failed) + (self.against.images if self.against else 0)
        return f"{len(self.failed)} of {pairs} pairs"

    def to_dict(self) -> dict[str, Any]:
        shares = {}
        for name, counts in self.labels.items():
            pixels = sum(counts.values())
            shares[name] = {label: {"pixels": count, "share": count / pixels} for label, count in counts.items()}
        found = {
            "schema": "convneur.boundary/1",
            "convneur": version("convneur"),
            "settings": plain(self.settings),
            "images": self.images,
            "overall": plain(self.overall),
            **({"groups": plain(self.groups)} if self.groups else {}),
            "per_class": plain(self.per_class),
            "per_image": plain(self.per_image),
            "labels": shares,
            "failed": [{"name": failure.title, "why": failure.why} for failure in self.failed],
            "warnings": list(self.warnings),
        }
        if self.against is not None:
            found["comparison"] = self.comparison and self.comparison.to_dict()
        return found

    def headlines(self) -> Sequence[str]:
        """How much was scored, and the labels there were."""
        if not self.images:
            return (self._scored_line(),)
        ignored = self.settings["ignore_index"]
        return (
            self._scored_line(),
            labels_line("Labels in the ground truth", self.labels["ground_truth"], ignored),
            labels_line("Labels predicted there", self.labels["prediction"], None),
        )

    def tables(self) -> Sequence[Table]:
        """Overall, by class, and the comparison's; none where no pair was scored."""
        if not self.images:
            return ()
        return (*tables_of(self.source.summary), *(self.comparison.tables() if self.comparison else ()))

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row overall and one per class; with a second model also its values, the differences and intervals."""
        rows = self.source.summary.records()
        if self.comparison is None:
            return rows
        return [{**row, **self.comparison.added_columns(row["class"], row["name"])} for row in rows]

    def paper_table(self) -> Table:
        """A row per model, a column per value; with a second model the differences and their intervals below."""
        if self.comparison:
            return self.comparison.paper_table()
        title = short_names(self.source.title)[0]
        words = settings_words(self.images, self.settings)
        return model_table({title: self.overall}, self.settings, digits=self.digits, notes=words)

    def _markdown(self) -> str:
        table = self.paper_table()
        of_models = markdown_table(table.columns, table.rows, left=table.left, bold=table.bold)
        return f"{of_models}\n\n{super()._markdown()}"

    def compare(self, other: "Evaluation", *, resamples: int = 1000, seed: int = 0) -> Comparison:
        """This model minus another one, on the images that both were scored on, with paired bootstrap intervals.

        Args:   other: of the same images by the same settings; resamples, seed: of the bootstrap.
        Raises: InputError: an image that only one of them has, or none scored in both. ConfigError: other settings.
        """
        if not isinstance(other, Evaluation):
            raise ConfigError("other", f"must be an Evaluation, not a {type(other).__name__}")
        ours, theirs = self.source, other.source
        same_images(ours.inputs.pairing, theirs.inputs.pairing, theirs.title)
        check_alike("other", ours.scores, theirs.scores)
        both = set(ours.scores.images) & set(theirs.scores.images)
        if not both:
            raise InputError(None, "nothing to compare: no image was scored in both sets")
        found = compare(ours.scores.only(both), theirs.scores.only(both), resamples=resamples, seed=seed)
        return comparison_of(found, first=ours.title, second=theirs.title, settings=self.settings, digits=self.digits)

    def picks(self, *, figures_by: str | None = None, figures_count: int = 3) -> Sequence[ImagePick]:
        """The images to look at: the worst, median and best, and those that moved most if models were compared.

        Args:   figures_by: what makes an image good, such as miou, boundary_f1@3px or hd95@finite_mean; the first
                    metric for None. figures_count: how many of each.
        Raises: ConfigError: a metric that was not computed.
        """
        ranking = ranking_by("figures_by", figures_by, self.source.settings)
        moved = value_at(self.comparison.moved_most, ranking.path) if self.comparison else ()
        return picked(self.per_image, ranking, figures_count, moved)

    def scene(
        self, name: str, heading: str = "", *, images: str | Path | None = None, figures_by: str | None = None
    ) -> Scene:
        """One image with its maps and errors, for `convneur.figures.boundary_figure`.

        Args:   name: as in `per_image`; images: the folder of images; figures_by: whose tolerance errors take.
        Raises: InputError: no such image was scored, or a file that cannot be read any more.
        """
        if not any(row["name"] == name for row in self.per_image):
            raise InputError(name, "no image of this name was scored; `per_image` names them")
        return self._scenes(figures_by, images).scene(name, heading)

    def save_figures(
        self,
        folder: str | Path,
        *,
        images: str | Path | None = None,
        figures_by: str | None = None,
        figures_count: int = 3,
        force: bool = False,
        progress: Progress = silent,
    ) -> None:
        """Draw the images of `picks` as PNG files in a folder.

        Args:   images: the folder of images, drawn beside the label maps of the same names.
        Raises: ConfigError: see `picks`. InputError: the folder is not empty and `force` is off.
        """
        drawing = Drawing(Path(folder), None, _path(images), figures_by, figures_count, self.source.inputs.follow_links)
        self.draw(drawing, force=force, progress=progress)

    def save_report(
        self,
        path: str | Path,
        *,
        images: str | Path | None = None,
        figures_by: str | None = None,
        figures_count: int = 3,
        force: bool = False,
        progress: Progress = silent,
    ) -> None:
        """Write one self-contained HTML page: all tables, the spread of the images, the first 12 of `picks`.

        Args:   images: the folder of images, shown beside the label maps of the same names.
        Raises: ConfigError: see `picks`, or another suffix. InputError: the file exists and `force` is off.
        """
        if Path(path).suffix.lower() not in PAGE_SUFFIXES:
            raise ConfigError("path", "the name must end in .html", value=path)
        drawing = Drawing(None, Path(path), _path(images), figures_by, figures_count, self.source.inputs.follow_links)
        self.draw(drawing, force=force, progress=progress)

    def draw(self, drawing: Drawing, *, force: bool = False, progress: Progress = silent) -> list[str]:
        """Write figures and report in one go, each image read once. Returns: what was written, for people."""
        drawing.check(self.source.settings, force=force)
        scenes = self._scenes(drawing.figures_by, drawing.images)
        picks = self.picks(figures_by=drawing.figures_by, figures_count=drawing.figures_count)
        written, page = [], None
        with closing(drawn(scenes, picks, drawing, force=force, progress=progress)) as made:
            if drawing.report is not None:
                page = self._page(scenes, made, drawing.figures_by)
            if drawing.figures is not None:
                for _ in made:  # those that the page has no room for are drawn all the same
                    pass
                written.append(f"{drawing.figures} ({plural(len(picks), 'picture')})")
        if scenes.without_image:
            names = ", ".join(scenes.without_image[:3]) + (", ..." if len(scenes.without_image) > 3 else "")
            progress.warn(f"`images {drawing.images}`: no image of the same name and shape for {names}")
            for line in scenes.unread:
                progress.warn(line)
        if drawing.report is not None and page is not None:
            new_text(drawing.report, page, force=force)
            written.append(str(drawing.report))
        return written

    def _scored_line(self) -> str:
        failed = sum(failure.model == 0 for failure in self.failed)
        classes, ignored = self.settings["num_classes"], self.settings["ignore_index"]
        return (
            f"{plural(self.images, 'pair')} scored{f', {grouped(failed)} failed' if failed else ''}; "
            f"{plural(classes, 'class', 'classes')} "
            f"({_class_words(self.source.inputs.class_source, self.settings['preset'])}); "
            f"{'nothing' if ignored is None else ignored} ignored."
        )

    def _models(self) -> "list[Evaluation]":
        """Those that are drawn: the second only if it can be compared."""
        return [self, self.against] if self.against and self.comparison else [self]

    def _scenes(self, figures_by: str | None, images: str | Path | None) -> Scenes:
        models = self._models()
        titles = short_names(*(model.source.title for model in models))
        return Scenes(
            [
                SceneModel(
                    title,
                    {pair.name: pair for pair in model.source.inputs.pairing.pairs},
                    {row["name"]: row for row in model.per_image},
                )
                for title, model in zip(titles, models, strict=True)
            ],
            self.source.inputs,
            self.source.settings,
            ranking_by("figures_by", figures_by, self.source.settings),
            self.source.scores.names,
            image_folder(images, follow_links=self.source.inputs.follow_links),
        )

    def _page(self, scenes: Scenes, made: Iterator[Scene], figures_by: str | None) -> str:
        from convneur.evaluation.report import ReportColumns, curves_of
        from convneur.figures import BoundaryReport, ReportRow

        columns = ReportColumns.of(
            self.overall, self.settings, ranking_by("figures_by", figures_by, self.source.settings)
        )
        compared = f" Compared with {self.comparison.second}." if self.comparison else ""
        others = self.against.per_image if self.against and self.comparison else ()
        report = BoundaryReport(
            title=f"Boundaries of {self.source.title}",
            version=version("convneur"),
            about=[f"{self._scored_line()}{compared} Made by convneur {version('convneur')}."],
            notes=[presence_line(self.overall)],
            models=[model.title for model in scenes.models],
            columns=columns.columns,
            overall=columns.of_row(self.overall),
            classes=columns.classes(self.per_class),
            images=columns.images(self.per_image, others),
            failed=[(failure.title, failure.why) for failure in self.failed],
            comparison=columns.comparison(self.comparison) if self.comparison else None,
            class_key=[
                ("#" + bytes(scenes.colours[row["class"]]).hex(), row["name"]) for row in self.per_class if occurs(row)
            ],
            curves=[
                curve
                for drawn_model, model in zip(scenes.models, self._models(), strict=True)
                for curve in curves_of(drawn_model.title, model.source.scores)
            ],
            objects=scenes.objects(self.source.objects),
            groups=[ReportRow(name, columns.of_row(row)) for name, row in self.groups.items()],
        )
        return report.page(made)


def evaluation_of(
    summary: BoundarySummary,
    source: Source,
    *,
    asked: Mapping[str, Any],
    failed: Sequence[Failure],
    warnings: Sequence[str],
    comparison: Comparison | None = None,
    against: Evaluation | None = None,
    digits: int | None = None,
) -> Evaluation:
    """The result of scores that were added up. asked: what else the settings are to hold."""
    class_source = _class_source(source.inputs.class_source, asked["preset"])
    if source.inputs.class_source == "labels":
        # Nobody said how many classes there are: of instance ids, say, 26 002.
        source = replace(source, summary=_of_occurring(source.summary))
        summary = _of_occurring(summary)
    settings = summary.settings | {"num_classes_from": class_source, **asked}
    return Evaluation(
        settings=read_only(settings | {"definitions": definitions(settings)}),
        images=summary.images,
        overall=read_only(summary.overall),
        groups=read_only(summary.groups),
        per_class=read_only(summary.per_class),
        per_image=read_only(summary.per_image),
        labels=read_only(summary.labels),
        failed=tuple(failed),
        warnings=tuple(warnings),
        comparison=comparison,
        against=against,
        digits=digits,
        source=source,
    )


def _of_occurring(summary: BoundarySummary) -> BoundarySummary:
    return replace(summary, per_class=[row for row in summary.per_class if occurs(row)])


def _class_source(source: ClassSource, preset: str | None) -> str:
    """What says how many classes there are, as the JSON has it, whose words are older than the library's."""
    if source == "labels":
        return "highest ground-truth label + 1"
    return f"--{source.replace('_', '-')}" + (f" {preset}" if source == "preset" else "")


def _class_words(source: ClassSource, preset: str | None) -> str:
    return {
        "labels": "highest ground-truth label + 1",
        "num_classes": "as given",
        "classes": "as named",
        "colours": "of the colour table",
        "preset": str(preset),
    }[source]


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
