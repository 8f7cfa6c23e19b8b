"""`evaluate`: predictions and ground truth to an `Evaluation`."""

import csv
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from convneur.data.colours import ColourTable
from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError, InputError, SuspiciousInputError
from convneur.evaluation.drawing import Drawing
from convneur.evaluation.inputs import (
    Inputs,
    InputSettings,
    Labels,
    Maps,
    Missing,
    file_list,
    found_inputs,
    same_images,
    unpaired,
)
from convneur.evaluation.jobs import Failure, Job, Scored
from convneur.evaluation.object_picks import ObjectPicks
from convneur.evaluation.pairing_check import GOOD_ACCURACY, NEARLY_ALL, paired_one_off, wrong_partners
from convneur.evaluation.partial import finished_pairs, outputs_begun, partial_path, refuse_unfinished
from convneur.evaluation.prepared import setup_lines
from convneur.evaluation.result import Evaluation, Source, evaluation_of
from convneur.evaluation.scoring import count_classes, scored_jobs
from convneur.evaluation.tables import summary_warnings
from convneur.evaluation.workers import worker_map
from convneur.files import new_file, refuse_existing
from convneur.formats import csv_cells
from convneur.metrics import BoundaryAccumulator, BoundarySettings, BoundarySummary, record_columns, records
from convneur.metrics.class_sets import with_ids
from convneur.metrics.comparison import ScoreTable
from convneur.metrics.record_rows import object_record_columns, object_records
from convneur.metrics.settings import MAX_CLASSES, Chosen, Spacing
from convneur.metrics.summary import class_names
from convneur.progress import Progress, silent
from convneur.results import SUFFIXES

__all__ = ["evaluate"]

_RESAMPLES = 1000


def evaluate(
    predictions: Maps | None = None,
    ground_truth: Maps | None = None,
    *,
    num_classes: int | None = None,
    classes: str | Path | Sequence[str] | None = None,
    ignore_index: int | str | None = None,
    preset: str | None = None,
    colours: str | Path | ColourTable | None = None,
    pred_name: str | None = None,
    gt_name: str | None = None,
    listed: str | Path | None = None,
    missing: Missing = "error",
    resize: Literal["nearest"] | None = None,
    pred_labels: Labels | None = None,
    gt_labels: Labels | None = None,
    probabilities: bool = False,
    threshold: float | None = None,
    follow_links: bool = False,
    max_pixels: int = MAX_PIXELS,
    metrics: str | Sequence[str] = "all",
    tolerance: str | float | Sequence[str | float] = ("0.008",),
    count_absent: bool = False,
    trimap_width: int | Sequence[int] = (1, 3, 5, 10),
    trimap_seed: Literal["auto", "class", "void"] = "auto",
    trimap_shape: Literal["square", "disk"] = "square",
    hd95: Literal["directed", "pooled"] = "directed",
    connectivity: int = 4,
    surface_dice_tau: str | float | Sequence[str | float] = ("1", "2", "3"),
    spacing: Spacing = (1.0, 1.0),
    boundary_iou_ratio: float = 0.02,
    aggregate: Literal["mean", "pooled", "images"] = "mean",
    mean_over: Chosen = "all",
    background: int = 0,
    groups: Mapping[str, Chosen] | None = None,
    hd_percentile: str | float | Sequence[str | float] = (),
    tolerance_curve: str | None = None,
    object_connectivity: int = 8,
    object_iou: float = 0.5,
    against: Maps | None = None,
    resamples: int = _RESAMPLES,
    seed: int = 0,
    figures: str | Path | None = None,
    report: str | Path | None = None,
    images: str | Path | None = None,
    figures_by: str | None = None,
    figures_count: int = 3,
    output: str | Path | None = None,
    digits: int | None = None,
    per_image: str | Path | None = None,
    per_object: str | Path | None = None,
    resume: bool = False,
    strict: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Score predicted label maps along their boundaries, overall, by class and by image.

    Definitions: `convneur.metrics`. What data sets, colours, names and lists mean: docs/boundary.md.

    Args:
        predictions, ground_truth: two label maps, two folders (paired by relative path without suffix), or two lists
            of files in the same order. Label maps are PNG, TIFF, NPY or NPZ of one class number per pixel.
        num_classes: classes are 0 to this - 1; None: the preset's, or the highest ground-truth label + 1.
        classes: names of the classes, or a file of them, one per line.
        ignore_index: ground-truth label that does not count, "none" for none; None: the preset's, or 255.
        preset: a data set of `convneur.data.presets.PRESETS`, such as "cityscapes".
        colours: what the colours of RGB maps mean, a `ColourTable` or the file of one.
        pred_name, gt_name: templates of file names, such as "{stem}_leftImg8bit" or "{stem}.png" for one type of
            file; "**/" in front: in any folder.
        listed: a file that lists the pairs, one per line: prediction, tab or comma, ground truth.
        missing: what a ground truth without a prediction is: "error", or "skip".
        resize: "nearest" brings predictions of another size to that of the ground truth; None: an error.
        pred_labels, gt_labels: read labels of either side as others: a shift such as -1, or FROM:TO pairs such as
            "255:1" or "0-127:0,128-255:1"; TO may be "ignore". Before a data set's ids are translated.
        probabilities: predictions are probability maps: floats from 0 to 1 of NPY or NPZ, or grey PNG of 8 or 16 bits.
            (H, W) is class 1 where p >= threshold; (C, H, W) is the class of the highest.
        threshold: see there; None: one half. Several: `evaluate_thresholds`.
        follow_links: read what links lead to that lead out of a folder, or to folders.
        max_pixels: files of more are refused by their headers; scoring takes up to 130 bytes of memory per pixel.
        metrics: "all" for `convneur.metrics.DEFAULT_METRICS`, or some of `METRICS`, `all` among them for one more.
        tolerance, count_absent, trimap_width, trimap_seed, trimap_shape, hd95, connectivity, surface_dice_tau,
            spacing, boundary_iou_ratio, aggregate, mean_over, background, groups, hd_percentile, tolerance_curve,
            object_connectivity, object_iou: see `convneur.metrics.BoundarySettings`.
        against: a second model's predictions of the same images; the result then holds a comparison.
        resamples, seed: of its bootstrap.
        figures, report: draw the images of `Evaluation.picks` into a folder, write an HTML page with all of it.
        images: the folder of images to draw beside the label maps; figures_by, figures_count: see `Evaluation.picks`.
        output: where to save the result: .json, .csv, .md or .tex. per_image: a CSV file, a row per image and class.
        digits: decimals of the values in .md and .tex; None: four significant ones.
        per_object: a CSV file, a row per object; turns the metric `objects` on.
        resume: go on with an interrupted run: score only what the .partial file beside `output` lacks.
        strict: raise at the first pair that cannot be scored, instead of leaving it out, and where the label maps
            look wrongly prepared, such as labels shifted by one, instead of warning.
        workers: processes, 0 for one per core; scheduler: address of a Dask cluster instead. The result is the same.
        force: replace outputs that exist.
    Returns: the result; it holds no label map, and some fifty numbers per image and class that occurs there.
    Raises:  ConfigError: a setting. InputError: a file, an output that exists, or with `strict` a pair.
        SuspiciousInputError: with `strict`, label maps that look wrongly prepared.

    >>> from importlib.resources import files
    >>> horse = files("convneur") / "data" / "samples" / "horse"
    >>> found = evaluate(horse / "predictions", horse / "gt", metrics=("boundary_f1", "miou"), tolerance="3px")
    >>> round(found.overall["boundary_f1"]["3px"], 3), round(found.overall["miou"], 3)
    (0.907, 0.929)
    >>> [(row["name"], round(row["miou"], 3)) for row in found.per_image]
    [('dilated', 0.903), ('shifted', 0.907), ('smoothed', 0.978)]
    """
    asked = InputSettings(
        num_classes=num_classes, classes=classes, ignore_index=ignore_index, preset=preset, colours=colours,
        pred_name=pred_name, gt_name=gt_name, listed=listed, missing=missing, resize=resize, follow_links=follow_links,
        max_pixels=max_pixels,
        pred_labels=pred_labels, gt_labels=gt_labels, probabilities=probabilities, threshold=threshold,
    )  # fmt: skip
    settings = BoundarySettings(
        num_classes=num_classes, ignore_index=asked.ignored(),
        metrics=_several(metrics),
        tolerance=_several(tolerance), count_absent=count_absent, trimap_width=_several(trimap_width),
        trimap_seed=trimap_seed, trimap_shape=trimap_shape, hd95=hd95, connectivity=connectivity,
        surface_dice_tau=_several(surface_dice_tau), spacing=spacing,  # type: ignore[arg-type]  # made two numbers there
        boundary_iou_ratio=boundary_iou_ratio,
        aggregate=aggregate,
        mean_over=mean_over, background=background, groups=groups or {},  # type: ignore[arg-type]  # plain there
        hd_percentile=_several(hd_percentile), tolerance_curve=tolerance_curve,
        object_connectivity=object_connectivity, object_iou=object_iou,
        per_object=per_object is not None,
    )  # fmt: skip
    if report is not None and "objects" in settings.metrics:
        settings = dataclasses.replace(settings, per_object=True)  # the page shows the worst of them
    outputs = _Outputs(_path(output), _path(per_image), _path(per_object))
    force = force or (resume and outputs.begun)
    outputs.check(resume=resume, force=force)
    _check_bootstrap(resamples, seed, compared=against is not None)
    if digits is not None and not 0 <= digits <= 15:
        raise ConfigError("digits", "must be 0 to 15", value=digits)
    drawing = Drawing(_path(figures), _path(report), _path(images), figures_by, figures_count, follow_links)
    drawing.check(settings, force=force)

    inputs = found_inputs(asked, predictions, ground_truth)
    models = [_Model(_title(predictions, listed), inputs)]
    if against is not None:
        if listed is not None and ground_truth is None:
            raise ConfigError(
                "against",
                "with `listed` give `predictions` and `ground_truth` too, and list paths relative to them",
            )
        others = found_inputs(asked, against, ground_truth, setting="against")
        models.append(_Model(_title(against), others, second=True))
        same_images(inputs.pairing, models[1].inputs.pairing, models[1].title)
    warnings = [*settings.unused(), *unpaired(inputs.pairing)]
    if against is not None and _resolved(against) == _resolved(predictions):
        warnings.append("`against` is `predictions` itself; give a second model's")
    for line in warnings:
        progress.warn(line)

    jobs = [Job(pair, number) for number, model in enumerate(models) for pair in model.inputs.pairing.pairs]
    with worker_map(workers, scheduler, len(jobs)) as mapped, ExitStack() as files:
        if inputs.names:
            settings = dataclasses.replace(settings, num_classes=len(inputs.names))
        elif settings.num_classes is None:
            seen = count_classes(inputs.pairing.pairs, mapped, inputs.reading, progress=progress)
            if seen > MAX_CLASSES:
                raise InputError(None, _no_classes(seen - 1, asked))
            settings = dataclasses.replace(settings, num_classes=seen)
        names = class_names(settings, inputs.names)
        settings = with_ids(settings, names)
        for model in models:
            model.begin(settings)
        about = {
            "predictions": _resolved(predictions),
            "ground truth": _resolved(ground_truth),
            "against": _resolved(against),
            **dataclasses.asdict(settings),
            "names": names,
            "preset": preset,
            "colours": _colour_list(inputs),
            "resize": resize,
        } | asked.recorded()
        finished = files.enter_context(
            finished_pairs(outputs.partial, about, jobs, settings, resume=resume, force=force, progress=progress)
        )
        tables = [
            (_table(path, columns(settings), files, force=force), rows_of)
            for path, columns, rows_of in (
                (outputs.per_image, record_columns, records),
                (outputs.per_object, object_record_columns, object_records),
            )
            if path
        ]
        outcomes = scored_jobs(
            jobs, mapped, inputs.reading, settings, finished=finished, strict=strict, progress=progress
        )
        for job, outcome in outcomes:
            models[job.model].add(job, outcome)
            if job.model == 0 and isinstance(outcome, Scored):
                for table, rows_of in tables:
                    table.writerows(map(csv_cells, rows_of(job.pair.name, outcome.scores, settings, names)))
        suspicious = [line for model in models for line in model.suspicious(asked)]
        if strict and suspicious:
            raise SuspiciousInputError(None, "; ".join(suspicious))
        found = _result(models, [*warnings, *suspicious], asked, resamples=resamples, seed=seed, digits=digits)
        if finished is not None:
            finished.outputs_begin()
        written = found.draw(drawing, force=force, progress=progress) if drawing.asked and found.images else []
        if outputs.output:
            found.save(outputs.output, force=force)
    for path in (outputs.output, outputs.per_image, outputs.per_object, *written):
        if path:
            progress.note(f"written: {path}")
    for line in found.warnings[len(warnings) :]:
        progress.warn(line)
    return found


def _table(path: Path, columns: Sequence[str], files: ExitStack, *, force: bool) -> Any:
    """A CSV file with its heading, which is there once `files` are closed."""
    temporary = files.enter_context(new_file(path, force=force))
    opened = temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace")
    rows = csv.writer(files.enter_context(opened), lineterminator="\n")
    rows.writerow(columns)
    return rows


@dataclasses.dataclass(frozen=True)
class _Outputs:
    """The files that scores go to."""

    output: Path | None
    per_image: Path | None
    per_object: Path | None

    @property
    def partial(self) -> Path | None:
        kept = self.output or self.per_image or self.per_object
        return partial_path(kept) if kept else None

    @property
    def begun(self) -> bool:
        """Whether a run was killed while it wrote them."""
        return self.partial is not None and outputs_begun(self.partial)

    def check(self, *, resume: bool, force: bool) -> None:
        """Refuse before any work what cannot be written."""
        if self.output and self.output.suffix.lower() not in SUFFIXES:
            raise ConfigError("output", f"must end in {', '.join(SUFFIXES)}", value=self.output)
        taken: dict[Path, str] = {}
        for setting, path in dataclasses.asdict(self).items():
            if path is None:
                continue
            if setting != "output" and path.suffix.lower() != ".csv":
                raise ConfigError(setting, "must end in .csv", value=path)
            if path.resolve() in taken:
                raise ConfigError(setting, f"is `{taken[path.resolve()]}` too; name two files", value=path)
            taken[path.resolve()] = setting
        refuse_existing(*(path for path in (self.output, self.per_image, self.per_object) if path), force=force)
        if self.partial is not None:
            refuse_unfinished(self.partial, resume=resume, force=force)
        elif resume:
            raise ConfigError(
                "resume", "needs `output`, `per_image` or `per_object`, beside which finished pairs are kept"
            )


class _Model:
    """One model's pairs, and what its scores add up to as they come."""

    def __init__(self, title: str, inputs: Inputs, *, second: bool = False) -> None:
        self.title, self.inputs, self.second = title, inputs, second
        self.failed: list[Failure] = []
        self.resized = 0

    def begin(self, settings: BoundarySettings) -> None:
        """Before the first score."""
        self.settings = settings
        self.total = BoundaryAccumulator(settings, self.inputs.names)
        self.scores = ScoreTable(settings, self.inputs.names)
        self.objects = ObjectPicks()

    def add(self, job: Job, outcome: Scored | Failure) -> None:
        if isinstance(outcome, Failure):
            self.failed.append(outcome)
            return
        self.resized += outcome.resized
        self.total.add(job.pair.name, outcome.scores)
        self.scores.add(job.pair.name, outcome.scores)
        self.objects.add(job.pair.name, outcome.scores)

    def suspicious(self, asked: InputSettings) -> list[str]:
        """What looks wrong in how the label maps were prepared."""
        lines = setup_lines(self.total.setup_warnings(), self.inputs, asked, self.title if self.second else None)
        accuracy = self.total.object_accuracy()
        if lines or accuracy > NEARLY_ALL:
            return lines
        scored = set(self.scores.images)
        pairs = [pair for pair in self.inputs.pairing.pairs if pair.name in scored]
        problem = paired_one_off(pairs, self.inputs.reading)
        if problem is None and accuracy <= GOOD_ACCURACY:
            problem = wrong_partners(pairs, self.inputs.reading)
        if problem is None:
            return lines
        mend = "correct the lines of `listed`" if asked.listed else "name both alike, or list the pairs (`listed`)"
        return [f"{f'`against {self.title}`: ' if self.second else ''}{problem}; {mend}"]

    def source(self, summary: BoundarySummary) -> Source:
        """What the result is made of. summary: of `total`."""
        alone = dataclasses.replace(summary, per_image=[])  # the result has them
        return Source(self.title, self.inputs, self.settings, alone, self.scores, self.objects)


def _result(
    models: Sequence[_Model],
    warnings: Sequence[str],
    asked: InputSettings,
    *,
    resamples: int,
    seed: int,
    digits: int | None,
) -> Evaluation:
    own = {"missing": asked.missing, "preset": asked.preset, "resize": asked.resize} | asked.recorded()
    first, *others = models
    summary = first.total.summary()
    said = summary_warnings(
        summary,
        inferred=first.inputs.class_source == "labels",
        resized=sum(model.resized for model in models),
        preset=asked.preset,
    )
    failed = [failure for model in models for failure in model.failed]
    alone = evaluation_of(summary, first.source(summary), asked=own, failed=failed, warnings=[*warnings, *said],
                          digits=digits)  # fmt: skip
    if not others:
        return alone
    (second,) = others
    own_failures = [dataclasses.replace(failure, model=0) for failure in second.failed]
    theirs = second.total.summary()
    against = evaluation_of(theirs, second.source(theirs), asked=own, failed=own_failures, warnings=())
    both = set(first.scores.images) & set(second.scores.images)
    comparison = alone.compare(against, resamples=resamples, seed=seed) if both else None
    return dataclasses.replace(alone, against=against, comparison=comparison)


def _no_classes(highest: int, asked: InputSettings) -> str:
    mend = (
        ""
        if asked.gt_labels
        else f", or of objects of one class read all labels above 0 as 1 (`gt_labels 1-{highest}:1`)"
    )
    return (
        f"the ground truth holds label {highest}, and classes end at {MAX_CLASSES - 1}: these are ids of objects; give "
        f"maps of classes{mend}"
    )


def _check_bootstrap(resamples: int, seed: int, *, compared: bool) -> None:
    for setting, value, least, default in (("resamples", resamples, 1, _RESAMPLES), ("seed", seed, 0, 0)):
        if value < least:
            raise ConfigError(setting, f"must be at least {least}", value=value)
        if value != default and not compared:
            raise ConfigError(setting, "is for the intervals of a comparison; give `against` too", value=value)


def _several(given: Any) -> tuple[Any, ...]:
    """One value or several as a tuple."""
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def _title(maps: Maps | None, listed: str | Path | None = None) -> str:
    """What a model's predictions are called: the path that was given, of a list of files their folder."""
    files = file_list(maps)
    if files:
        return str(files[0].parent)
    return str(Path(listed if maps is None else maps))  # type: ignore[arg-type]


def _resolved(maps: Maps | None) -> Any:
    """Paths as they can be found again from another folder."""
    files = file_list(maps)
    if files is not None:
        return [str(path.resolve()) for path in files]
    return None if maps is None else str(Path(maps).resolve())  # type: ignore[arg-type]


def _colour_list(inputs: Inputs) -> list[str] | None:
    table = inputs.reading.colours
    return sorted(map(str, table.classes.items())) if table else None


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
