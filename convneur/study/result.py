"""The result of a study: tables and sentences for people, a row per run for spreadsheets, JSON for programs."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from convneur.data.examples import Task
from convneur.formats import csv_table, grouped, markdown_table, millions, plural, printable
from convneur.published import published
from convneur.results import ReadOnly, Result, Table
from convneur.study.findings import LEVEL, RESAMPLES, RESAMPLING_SEED, Finding, ReportedMetric
from convneur.study.runs import StudyRun
from convneur.training import TrainSettings

__all__ = ["METRICS", "RunResult", "StudyResult"]

_SCHEMA = "convneur.study/1"
_FEW = 20  # images, below which a bootstrap interval is too narrow to trust

METRICS: Mapping[Task, Mapping[str, ReportedMetric]] = ReadOnly(
    {
        "segmentation": ReadOnly(
            {
                "miou": ReportedMetric(
                    ("miou",), "mIoU", "mIoU", "one confusion matrix over the test images, ignored pixels left out"
                ),
                "boundary_f1": ReportedMetric(
                    ("boundary_f1", "0.008"),
                    "Boundary F1 @ 0.008",
                    "B",
                    "DAVIS boundary, matched within 0.008 of the diagonal",
                ),
                "trimap_miou": ReportedMetric(
                    ("trimap_miou", "3"),
                    "Trimap mIoU @ 3 px",
                    "T",
                    "mIoU within 3 pixels of the true boundaries, one matrix",
                ),
                "pixel_accuracy": ReportedMetric(
                    ("pixel_accuracy",), "Pixel accuracy", "accuracy", "share of the pixels that are right"
                ),
            }
        ),
        "classification": ReadOnly(
            {"top1": ReportedMetric(("pixel_accuracy",), "Top-1", "top-1", "share of the images that are right")}
        ),
    }
)


@dataclass(frozen=True)
class RunResult:
    """A run that came to its end.

    Args:
        images: that it was tested on. best_step, validation: of the validation that its weights are kept from.
        scores: by metric. iou: by class, None of a classifier.

    >>> RunResult(StudyRun("none", 0), images=233, best_step=320, validation=0.41, scores={"miou": 0.36}).folder
    'runs/none-seed0'
    """

    run: StudyRun
    images: int
    best_step: int
    validation: float
    scores: Mapping[str, float]
    iou: Mapping[str, float] | None = None

    @property
    def folder(self) -> str:
        """In the folder of the study."""
        return f"runs/{self.run.name}"


@dataclass(frozen=True, kw_only=True)
class StudyResult(Result):
    """What a study came to by now.

    Args:
        data: name of the folder; model, recipe: as they were named; init: name of the file of starting weights.
        precision, steps, settings: the same for all runs, but for the settings' seed.
        split: that was tested on, None for folds; folds: how many, None for a split.
        planned: runs; failed: why each of those that did not come to its end did not.
        twins: a finding each, the first of what the others are compared with; runs: those that came to their end.

    >>> from convneur import VARIANTS
    >>> from convneur.study import Finding, RunResult, StudyResult, StudyRun, Twin
    >>> from convneur.training.settings import recipe_settings
    >>> local = Twin("none", VARIANTS["m1"].replace(memory="none"), params=3_940_000, macs=518_000_000)
    >>> result = StudyResult(
    ...     data="flowers", model="m1", recipe="small", init=None, precision="fp32", steps=400,
    ...     settings=recipe_settings("small", "classification"), classes=("daisy", "rose"), split="test", folds=None,
    ...     seeds=(0,), planned=1, failed={},
    ...     twins=(Finding(local, 1, {"top1": 0.9}, {"top1": float("nan")}, (), None, None),),
    ...     runs=(RunResult(StudyRun("none", 0), 50, 320, 0.92, {"top1": 0.9}),),
    ... )
    >>> result.twins[0].mean["top1"], result.to_dict()["runs"][0]["best_step"]
    (0.9, 320)
    >>> print(result.tables()[0].rows)
    [['none', '1', '3.94', '0.518', '0.9000']]
    """

    data: str
    model: str
    recipe: str
    init: str | None
    precision: str
    steps: int
    settings: TrainSettings
    classes: tuple[str, ...]
    split: str | None
    folds: int | None
    seeds: tuple[int, ...]
    planned: int
    twins: tuple[Finding, ...]
    runs: tuple[RunResult, ...]
    failed: Mapping[StudyRun, str]

    @property
    def metrics(self) -> Mapping[str, ReportedMetric]:
        """What is reported, by key."""
        return METRICS[self.settings.task]

    @property
    def reference(self) -> str:
        """The twin that the others are compared with."""
        return self.twins[0].twin.name

    @property
    def images(self) -> int:
        """How many a seed's runs of one twin are tested on, over all folds."""
        first = self.runs[0].run
        return sum(each.images for each in self.runs if (each.run.twin, each.run.seed) == (first.twin, first.seed))

    @property
    def title(self) -> str:
        return f"Study of {plural(len(self.twins), 'model')} on {self.data}"

    def to_dict(self) -> dict[str, Any]:
        """The result as `convneur study` prints it as JSON and study.json holds it."""
        return {
            "schema": _SCHEMA,
            "convneur": version("convneur"),
            "data": self.data,
            "model": self.model,
            "init": self.init,
            "recipe": self.recipe,
            "precision": self.precision,
            "steps": self.steps,
            "settings": {key: value for key, value in self.settings.to_dict().items() if key != "seed"},
            "classes": list(self.classes),
            "task": self.settings.task,
            "tested_on": self.split or "folds",
            "images": self.images,
            "seeds": list(self.seeds),
            "folds": self.folds,
            "figures": {
                name: {"name": metric.name, "definition": metric.definition} for name, metric in self.metrics.items()
            },
            "interval": {"level": LEVEL, "resamples": RESAMPLES, "seed": RESAMPLING_SEED, "kind": "percentile"},
            "reference": self.reference,
            "planned": self.planned,
            "twins": [_finding_row(each) for each in self.twins],
            "runs": [_run_row(each) for each in self.runs],
            "failed": [{"run": run.name, "why": why} for run, why in self.failed.items()],
        }

    def tables(self) -> list[Table]:
        """The twins' scores, and their differences from the first twin's."""
        height, width = self.settings.crop
        shorts = [metric.short for metric in self.metrics.values()]
        means = [
            [
                each.twin.name,
                str(each.runs),
                millions(each.twin.params),
                f"{each.twin.macs / 1e9:.3g}",
                *(_spread(each.mean[name], each.spread[name]) for name in self.metrics),
            ]
            for each in self.twins
        ]
        heads = ["twin", "runs", "M params", f"GMACs {height}x{width}", *shorts]
        found = [Table(f"Mean of the runs ± standard deviation, {self._tested()}", heads, means, dense=True)]
        if len(self.twins) > 1:
            differences = [
                [
                    each.twin.name,
                    str(len(each.seeds)),
                    *(_difference(each, name) for name in self.metrics),
                    "-" if each.printed_difference is None else f"{each.printed_difference:+.1f} points",
                ]
                for each in self.twins[1:]
            ]
            title = f"Minus {self.reference}, with {LEVEL:.0%} intervals"
            found.append(Table(title, ["twin", "seeds", *shorts, "printed, top-1"], differences, dense=True))
        return found

    def sentences(self) -> list[str]:
        """What the values and intervals are, and what they are not."""
        seeds = len(self.seeds)
        definitions = "; ".join(f"{each.short}: {each.definition}" for each in self.metrics.values())
        words = [
            f"{definitions}. GMACs: multiply-adds executed for one image of the training views' size, in billions.",
            f"For each seed all models were trained for {plural(self.steps, 'step')} on the same images in the same "
            "order; each is tested with the averaged weights of its best validation.",
        ]
        if len(self.twins) > 1:
            over = "the test images" if seeds == 1 else "the test images and the seeds"
            words.append(
                f"Intervals are {LEVEL:.0%} percentile intervals of {grouped(RESAMPLES)} paired resamples of {over}, "
                "each aggregated like the whole set. With several metrics side by side, one interval in twenty misses "
                "by chance."
            )
            if seeds == 1:
                words.append("One seed: nothing here says how much another random start would change.")
            else:
                words.append(
                    f"Deviations between seeds are scaled by sqrt({seeds}/{seeds - 1}), since resamples of {seeds} "
                    f"seeds vary too little; {seeds} seeds still say little about rare ones."
                )
            if self.images < _FEW:
                words.append(
                    f"With {self.images} test images the intervals are too narrow; take them as a lower bound."
                )
            if any(each.printed_difference is not None for each in self.twins):
                words.append(
                    "Printed: the difference in top-1 for the same change to m3 on ImageNet-1K at 224x224 in "
                    f"{published().paper}: another task, other data, another length of training."
                )
        if self.split == "val":
            words.append("Tested on the images that the weights are chosen on: all values are a little too good.")
        if len(self.runs) < self.planned:
            words.append(f"{len(self.runs)} of {self.planned} runs are finished.")
        words += [f"Failed: {run.name}: {why}" for run, why in self.failed.items()]
        return words

    def records(self) -> list[dict[str, Any]]:
        """A row per run; each class's IoU is a column."""
        return [
            {key: value for key, value in row.items() if key != "iou"}
            | {f"iou[{name}]": value for name, value in row.get("iou", {}).items()}
            for row in map(_run_row, self.runs)
        ]

    def _csv(self) -> str:
        # An empty cell is what spreadsheets take for undefined.
        rows = [{key: None if value != value else value for key, value in row.items()} for row in self.records()]
        return csv_table(rows)

    def _markdown(self) -> str:
        parts = [f"# {printable(self.title)}"]
        for table in self.tables():
            parts += [f"{printable(table.title)}:", markdown_table(table.columns, table.rows)]
        parts += map(printable, self.sentences())
        columns = ["run", "best step", "validation", *(metric.short for metric in self.metrics.values())]
        rows = [
            [each.run.name, str(each.best_step), f"{each.validation:.4f}",
             *(_spread(each.scores[name], math.nan) for name in self.metrics)]
            for each in self.runs
        ]  # fmt: skip
        parts += ["## Runs", markdown_table(columns, rows)]
        return "\n\n".join(parts) + "\n"

    def _tested(self) -> str:
        images = f"{grouped(self.images)} images"
        return f"tested on {images} in {self.folds} folds" if self.folds else f"{images} of {self.split}"


def _finding_row(finding: Finding) -> dict[str, Any]:
    twin, difference = finding.twin, finding.difference
    return {
        "twin": twin.name,
        "net": twin.config.to_dict(),
        "params": twin.params,
        "macs": twin.macs,
        "runs": finding.runs,
        "mean": dict(finding.mean),
        "spread": dict(finding.spread),
        "seeds": list(finding.seeds),
        "difference": difference and {name: dataclasses.asdict(each) for name, each in difference.items()},
        "printed_top1": twin.printed_top1,
        "printed_difference": finding.printed_difference,
    }


def _run_row(result: RunResult) -> dict[str, Any]:
    row = {
        **dataclasses.asdict(result.run),
        "folder": result.folder,
        "images": result.images,
        "best_step": result.best_step,
        "validation": result.validation,
        **result.scores,
    }
    return row if result.iou is None else {**row, "iou": dict(result.iou)}


def _spread(mean: float, spread: float) -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:.4f}" if math.isnan(spread) else f"{mean:.4f} ± {spread:.4f}"


def _difference(finding: Finding, name: str) -> str:
    if finding.difference is None or math.isnan(finding.difference[name].difference):
        return "-"
    found = finding.difference[name]
    if math.isnan(found.low):
        return f"{found.difference:+.4f}"
    return f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
