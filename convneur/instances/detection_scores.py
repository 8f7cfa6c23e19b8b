"""`DetectionScores`: what `evaluate_detection` gives, as words, tables, JSON and a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convneur.files import new_text
from convneur.formats import plural, significant
from convneur.instances.average_precision import NAMES, OF_CLASS, THRESHOLDS
from convneur.instances.detection_report import DetectionSource, ReportPlan, page_of
from convneur.instances.inputs import Failure, shown
from convneur.progress import Progress, silent
from convneur.results import Result, Table, plain

__all__ = ["DetectionScores"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DetectionScores(Result):
    """Average precision of COCO results; made by `evaluate_detection`.

    box, mask, boundary: ap, ap50, ap75, ap_small, ap_medium, ap_large, and ar1, ar10, ar100, ar_small, ar_medium,
    ar_large (the highest recall of so many detections of a class in an image), each 0 to 1, NaN without an object of
    the kind; None where it was not asked for. by_iou: by kind, AP at each IoU from 0.50 to 0.95. per_class: such values
    by category. images: scored, with how many objects and detections. working_point: the score from which on F1 of all
    objects at IoU 0.5 is highest; per_image: what is right and wrong in each image from that score on. against: by
    kind, ap, ap50 and ap75 of the second results, the difference and its interval. failed: images that could not be
    scored and are in no value. skipped: entries that were left out, in words.

    >>> from importlib.resources import files
    >>> from convneur.instances import evaluate_detection
    >>> samples = files("convneur") / "data" / "samples"
    >>> found = evaluate_detection(samples / "detections.json", samples / "instances.json")
    >>> found, round(found.per_class[0]["boundary"]["ap50"], 4)
    (<DetectionScores of 8 images>, 0.6124)
    """

    settings: Mapping[str, Any]
    images: int
    objects: int
    detections: int
    box: Mapping[str, float] | None
    mask: Mapping[str, float] | None
    boundary: Mapping[str, float] | None
    by_iou: Mapping[str, Sequence[float]]
    per_class: tuple[Mapping[str, Any], ...]
    working_point: Mapping[str, Any]
    per_image: tuple[Mapping[str, Any], ...]
    against: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None
    failed: tuple[Failure, ...] = ()
    skipped: tuple[str, ...] = ()
    source: DetectionSource | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<DetectionScores of {plural(self.images, 'image')}>"

    def failed_line(self) -> str:
        """How many could not be scored."""
        return f"{len(self.failed)} of {self.images + len(self.failed)} images"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.detection/1",
            "convneur": version("convneur"),
            "settings": plain(self.settings),
            "images": self.images,
            "objects": self.objects,
            "detections": self.detections,
            "box": plain(self.box),
            "mask": plain(self.mask),
            "boundary": plain(self.boundary),
            "by_iou": {
                kind: {f"{iou:.2f}": value for iou, value in zip(THRESHOLDS.tolist(), values, strict=True)}
                for kind, values in self.by_iou.items()
            },
            "per_class": plain(self.per_class),
            "working_point": plain(self.working_point),
            "per_image": plain(self.per_image),
            **({} if self.against is None else {"against": plain(self.against)}),
            "failed": [{"name": each.name, "why": each.why} for each in self.failed],
            "skipped": list(self.skipped),
        }

    def headlines(self) -> Sequence[str]:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        skipped = f" {plural(len(self.skipped), 'entry', 'entries')} left out." if self.skipped else ""
        return (
            f"{plural(self.images, 'image')} scored{failed}; {plural(self.objects, 'object')} of "
            f"{plural(len(self.per_class), 'class', 'classes')}, {plural(self.detections, 'detection')}.{skipped}",
        )

    def tables(self) -> Sequence[Table]:
        """Overall, and by class."""
        kinds = self._kinds()
        overall = [[name, *(shown(values[key]) for values in kinds.values())] for key, name in NAMES.items()]
        columns = [f"{kind}\n{NAMES[key]}" for kind in kinds for key in OF_CLASS]
        classes = [
            [row["name"], *(str(row[count]) for count in ("objects", "detections")),
             *(shown(row[kind][key]) for kind in kinds for key in OF_CLASS)]
            for row in self.per_class
        ]  # fmt: skip
        compared = [
            [f"{kind} {NAMES[key]}", *(shown(each[name]) for name in ("first", "second")),
             f"{each['difference']:+.4f}", f"{each['low']:+.4f} to {each['high']:+.4f}"]
            for kind, values in (self.against or {}).items()
            for key, each in values.items()
        ]  # fmt: skip
        second = Table("Against the second results", ["", "first", "second", "difference", "95 % interval"], compared)
        return (
            Table("Average precision", ["", *kinds], overall),
            *([second] if compared else []),
            Table("By class", ["class", "objects", "detections", *columns], classes, dense=True),
        )

    def sentences(self) -> Sequence[str]:
        said = [f"{kind}: {words}." for kind, words in self.settings["definitions"].items()]
        point = self.working_point
        if point["score"] is not None:
            said.append(
                f"F1 of {point['kind']} at IoU 0.5 is highest, {shown(point['f1'])}, with the detections from a score "
                f"of {significant(point['score'])} on (chosen on this data): {point['tp']} objects found, "
                f"{point['fn']} missed, {point['fp']} detections of nothing."
            )
        if self.against is not None:
            resamples = self.settings["against"]["resamples"]
            said.append(f"difference: first less second; interval: a paired bootstrap over images, {resamples} draws.")
        return said

    def save_report(
        self,
        path: str | Path,
        *,
        images: str | Path | None = None,
        figures_count: int = 6,
        force: bool = False,
        progress: Progress = silent,
    ) -> None:
        """Write one self-contained HTML page: all tables, AP by IoU, every image, the worst ones drawn.

        Args:   images: the folder of the images, under the ground truth's `file_name`; figures_count: how many to draw.
        Raises: ConfigError: another suffix, no such folder. InputError: the file exists and `force` is off.
        """
        self.write_report(ReportPlan.of(path, images, figures_count, force=force), force=force, progress=progress)

    def write_report(self, plan: ReportPlan, *, force: bool, progress: Progress) -> None:
        """The same, checked before."""
        if self.source is None:
            raise ValueError("these scores were not made by `evaluate_detection`")
        page = page_of(
            self.source,
            plan,
            headline=self.headlines()[0],
            notes=self.sentences(),
            against=self.against or {},
            failed=self.failed,
            skipped=self.skipped,
            progress=progress,
        )
        new_text(plan.path, page, force=force)

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row overall, and one per class."""
        counts = {"objects": self.objects, "detections": self.detections}
        overall = {"class": "overall", "name": "", **counts, **self._kinds()}
        columns = [(kind, key) for kind in self._kinds() for key in NAMES]
        return [
            {key: row[key] for key in ("class", "name", "objects", "detections")}
            | {f"{kind}_{key}": row[kind][key] for kind, key in columns}
            for row in (overall, *self.per_class)
        ]

    def _kinds(self) -> dict[str, Mapping[str, float]]:
        all_ = {"box": self.box, "mask": self.mask, "boundary": self.boundary}
        return {kind: values for kind, values in all_.items() if values is not None}
