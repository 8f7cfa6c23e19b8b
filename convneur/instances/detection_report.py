"""What the page of an evaluation of COCO results shows: which images, their objects as drawn, its tables."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.coco import CocoImage, Detection, GroundTruth
from convneur.data.image_folder import ImageFolder
from convneur.data.images import read_photo
from convneur.data.limits import MAX_PIXELS
from convneur.data.run_lengths import RunMask
from convneur.errors import ConfigError, InputError
from convneur.files import refuse_existing
from convneur.formats import plural, significant
from convneur.instances.average_precision import NAMES, OF_CLASS, THRESHOLDS, Matches
from convneur.instances.image_scores import ImageEntries, ObjectReading, matches_of
from convneur.instances.inputs import Failure, existing_file, shown
from convneur.instances.overlaps import ImageObjects
from convneur.progress import Progress

if TYPE_CHECKING:
    from convneur.figures import ObjectScene, ReportTable, SceneObject

__all__ = ["DetectionSource", "ReportPlan", "ResultsScores", "page_of"]

_MOST_NAMED = 3


@dataclass(frozen=True)
class ResultsScores:
    """What one of the results comes to; see `DetectionScores`."""

    title: str
    values: Mapping[str, Mapping[str, float]]
    by_iou: Mapping[str, Sequence[float]]
    per_class: Sequence[Mapping[str, Any]]
    working_point: Mapping[str, Any]
    per_image: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class DetectionSource:
    """What the scores were made of. found: by results, then by image. sides: the results, then the second ones."""

    reading: ObjectReading
    truth: GroundTruth
    found: Sequence[Mapping[int, Sequence[Detection]]]
    sides: Sequence[ResultsScores]


@dataclass(frozen=True)
class ReportPlan:
    """A page to be written, checked before any work."""

    path: Path
    images: ImageFolder | None
    count: int

    @classmethod
    def of(cls, path: str | Path, images: str | Path | None, figures_count: int, *, force: bool) -> "ReportPlan":
        """Raises: ConfigError: another suffix than .html, no such folder. InputError: the file exists."""
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ConfigError("report", "must end in .html", value=path)
        if figures_count < 1:
            raise ConfigError("figures_count", "must be at least 1", value=figures_count)
        refuse_existing(path, force=force)
        folder = None
        if images is not None:
            if not existing_file("images", images).is_dir():
                raise ConfigError("images", "is a file; give a folder of images", value=images)
            folder = ImageFolder(Path(images))
        return cls(path, folder, figures_count)


def page_of(
    source: DetectionSource,
    plan: ReportPlan,
    *,
    headline: str,
    notes: Sequence[str],
    against: Mapping[str, Mapping[str, Mapping[str, float]]],
    failed: Sequence[Failure],
    skipped: Sequence[str],
    progress: Progress,
) -> str:
    """The page as HTML, with pictures of the images with the lowest F1."""
    from convneur.figures import DetectionReport

    sides = source.sides
    second = f" Compared with {sides[1].title}." if len(sides) > 1 else ""
    worst = _worst(sides[0].per_image)[: plan.count]
    drawing = _Drawing(source, plan.images, sides[0].working_point["kind"])
    report = DetectionReport(
        title=f"Detections of {sides[0].title}",
        version=version("convneur"),
        about=[f"{headline}{second} Made by convneur {version('convneur')}."],
        notes=notes,
        models=[side.title for side in sides],
        overall=[_overall(sides), *_compared(sides, against)],
        ious=THRESHOLDS.tolist(),
        curves=[(number, kind, values) for number, side in enumerate(sides) for kind, values in side.by_iou.items()],
        classes=_classes(sides),
        images=_images(sides),
        failed=[(each.name, each.why) for each in failed],
        skipped=skipped,
    )
    with progress.steps("drawing", len(worst)) as advance:

        def scenes() -> Iterator["ObjectScene"]:
            for place, row in enumerate(worst, start=1):
                heading = f"worst {place} of {len(sides[0].per_image)}: F1 {shown(row['f1'])}"
                yield drawing.scene(source.truth.images[row["image"]], heading)
                advance(row["name"])

        page = report.page(scenes())
    if drawing.without_image:
        names = ", ".join(drawing.without_image[:_MOST_NAMED]) + (
            ", ..." if len(drawing.without_image) > _MOST_NAMED else ""
        )
        progress.warn(f"`images`: no image of the same name and size for {names}")
    return page


def _worst(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By rising F1, of equals the one with more errors first; without those where all is right."""
    wrong = [row for row in rows if row["f1"] < 1]
    return sorted(wrong, key=lambda row: (row["f1"], -row["fp"] - row["fn"], row["image"]))


def _overall(sides: Sequence[ResultsScores]) -> "ReportTable":
    """Each value of the summary, of each of the results."""
    from convneur.figures import ReportTable

    several = len(sides) > 1
    columns = [(f"{kind}\n{side.title}" if several else kind, "value") for kind in sides[0].values for side in sides]
    rows = [
        [name, *(side.values[kind][key] for kind in sides[0].values for side in sides)] for key, name in NAMES.items()
    ]
    return ReportTable("Average precision and recall", [("", "text"), *columns], rows)


def _compared(
    sides: Sequence[ResultsScores], against: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> "list[ReportTable]":
    """Differences with their intervals."""
    from convneur.figures import ReportTable

    if not against:
        return []
    first, second = (side.title for side in sides)
    rows = [
        [f"{kind} {NAMES[key]}", *(each[name] for name in ("first", "second", "difference", "low", "high"))]
        for kind, values in against.items()
        for key, each in values.items()
    ]
    columns = [("", "text"), (first, "value"), (second, "value"), ("difference", "difference"),
               ("95 % interval\nfrom", "difference"), ("to", "difference")]  # fmt: skip
    return [ReportTable("Difference", columns, rows)]


def _classes(sides: Sequence[ResultsScores]) -> "ReportTable":
    from convneur.figures import ReportTable

    kinds, other = list(sides[0].values), sides[1].per_class if len(sides) > 1 else ()
    columns = [("class", "text"), ("objects", "count"), ("detections", "count")]
    columns += [(f"{kind}\n{NAMES[key]}", "value") for kind in kinds for key in OF_CLASS]
    rows = [[row["name"], row["objects"], row["detections"], *(row[kind][key] for kind in kinds for key in OF_CLASS)]
            for row in sides[0].per_class]  # fmt: skip
    if other:
        columns += [(f"{kind} AP\ndifference", "difference") for kind in kinds]
        for cells, row, theirs in zip(rows, sides[0].per_class, other, strict=True):
            cells += [row[kind]["ap"] - theirs[kind]["ap"] for kind in kinds]
    return ReportTable(plural(len(rows), "class", "classes"), columns, rows)


def _images(sides: Sequence[ResultsScores]) -> "ReportTable":
    from convneur.figures import ReportTable

    columns = [("image", "text"), ("objects", "count"), ("found", "count"), ("missed", "count"), ("spurious", "count"),
               ("F1", "value")]  # fmt: skip
    rows = [[row[key] for key in ("name", "objects", "tp", "fn", "fp", "f1")] for row in sides[0].per_image]
    if len(sides) > 1:
        columns += [(f"F1\n{sides[1].title}", "value"), ("difference", "difference")]
        for cells, row, theirs in zip(rows, sides[0].per_image, sides[1].per_image, strict=True):
            cells += [theirs["f1"], row["f1"] - theirs["f1"]]
    return ReportTable(plural(len(rows), "image"), columns, rows)


class _Drawing:
    """Images with what is right and wrong in them. without_image: names of those whose picture was not found."""

    def __init__(self, source: DetectionSource, images: ImageFolder | None, kind: str) -> None:
        self._source, self._images, self._kind = source, images, kind
        self.without_image: list[str] = []

    def scene(self, image: CocoImage, heading: str) -> "ObjectScene":
        """An image, its entries read again."""
        from convneur.figures import ObjectScene

        source = self._source
        found = [each.get(image.id, ()) for each in source.found]
        entries = ImageEntries(image, source.truth.objects.get(image.id, ()), found)
        objects = source.reading.objects(entries, [])
        matches = [matches_of(each, source.reading.kinds)[self._kind] for each in objects]
        panels = []
        for side, each, matched in zip(source.sides, objects, matches, strict=True):
            score = side.working_point["score"]
            shown_ones = each.scores >= (math.inf if score is None else score)
            taken = set(matched.partner[shown_ones].tolist()) - {-1}
            truth = f"ground truth, found by {side.title} or not" if len(matches) > 1 else "ground truth"
            panels.append((truth, self._truths(each, taken)))
            panels.append((side.title, self._detections(each, matched, shown_ones)))
        name = image.file_name or str(image.id)
        return ObjectScene(name, heading, (image.height, image.width), self._picture(image), panels)

    def _truths(self, objects: ImageObjects, taken: set[int]) -> "list[SceneObject]":
        from convneur.figures import SceneObject

        made = []
        for number, category in enumerate(objects.gt_categories.tolist()):
            kind = "left out" if objects.crowd[number] else "matched" if number in taken else "missed"
            box, mask = _shape(objects.gt_boxes, objects.truths, number)
            made.append(SceneObject(kind, f"{self._source.truth.categories[category]}, {kind}", box, mask))
        return made

    def _detections(
        self, objects: ImageObjects, matched: Matches, shown_ones: NDArray[np.bool_]
    ) -> "list[SceneObject]":
        from convneur.figures import SceneObject

        made = []
        for number in np.flatnonzero(shown_ones).tolist():
            kind = "matched" if matched.right[number] else "spurious" if matched.wrong[number] else "left out"
            box, mask = _shape(objects.boxes, objects.detections, number)
            name = self._source.truth.categories[int(objects.categories[number])]
            made.append(SceneObject(kind, f"{name} {significant(objects.scores[number])}, {kind}", box, mask))
        return made

    def _picture(self, image: CocoImage) -> "NDArray[np.uint8] | None":
        if self._images is None:
            return None
        path = self._images.find(PurePosixPath(image.file_name).with_suffix("").as_posix()) if image.file_name else None
        try:
            # The ground truth's sizes were held against the limit that was asked for.
            most = max(MAX_PIXELS, image.height * image.width)
            pixels = read_photo(path, long_side=None, max_pixels=most).pixels if path else None
        except InputError as error:  # the others are drawn on theirs all the same
            self.without_image.append(f"{image} ({error})")
            return None
        if pixels is None or pixels.shape[:2] != (image.height, image.width):
            self.without_image.append(str(image))
            return None
        return pixels


def _shape(
    boxes: NDArray[np.float64] | None, masks: Sequence[RunMask], number: int
) -> tuple[tuple[float, ...] | None, RunMask | None]:
    return None if boxes is None else tuple(boxes[number].tolist()), masks[number] if masks else None
