"""The boundary report: one HTML file with its tables, plots and pictures inside, which asks nothing of any network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.class_colours import coloured
from convneur.figures.boundaries import ERROR_COLOURS, error_layer
from convneur.figures.html_page import data_uri, html_page
from convneur.figures.scene import Scene

__all__ = ["BoundaryReport", "ReportColumn", "ReportComparison", "ReportCurve", "ReportObject", "ReportRow"]

# What bounds the file: pictures, and the longer side of label maps in pixels.
MOST_PICTURES, _LONGEST_MAP = 12, 2048
_LONGEST_OBJECT = 512
_SHOWN = 400  # pixels across at which a whole picture is first seen, about


@dataclass(frozen=True)
class ReportColumn:
    """How a value is shown. short: over a column. lower: less is better. chosen: plots show it first.

    >>> ReportColumn("mIoU", "mIoU", "one matrix over all images", lower=False, decimals=3).chosen
    False
    """

    name: str
    short: str
    definition: str
    lower: bool
    decimals: int
    chosen: bool = False


@dataclass(frozen=True)
class ReportRow:
    """A class or an image, with a value for each column.

    number, missed, spurious: of a class, and in how many images it was so. against: the second model's values of an
    image, None without them.

    >>> ReportRow("road", [0.93], number=0, missed=1).spurious
    0
    """

    name: str
    values: Sequence[float]
    number: int = 0
    missed: int = 0
    spurious: int = 0
    against: Sequence[float] | None = None


@dataclass(frozen=True)
class ReportComparison:
    """Two models. words: what the intervals are. For each column: overall, and by class behind its name, the value,
    against, difference, low and high; moved: the images with the largest differences.

    >>> ReportComparison(level=0.95, words=["paired bootstrap"], overall=[], classes=[], moved=[]).level
    0.95
    """

    level: float
    words: Sequence[str]
    overall: Sequence[Mapping[str, float]]
    classes: Sequence[tuple[str, Sequence[Mapping[str, float]]]]
    moved: Sequence[Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class ReportCurve:
    """Boundary F1 of one model over radii in pixels, with an interval at each, NaN where there is none.

    >>> ReportCurve("mine", [1, 2], [0.5, 0.7], [0.4, 0.6], [0.6, 0.8], area=0.6).radii
    [1, 2]
    """

    title: str
    radii: Sequence[int]
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    area: float


@dataclass(frozen=True, eq=False)
class ReportObject:
    """One object where it lies. kind: worst pair, missed or spurious; words: what and where it is.

    panels: (title, (h, w, 3) picture) of the same part of the image; box: top, left, bottom and right of the object in
    them, pixels.

    >>> part = np.zeros((40, 60, 3), np.uint8)
    >>> ReportObject("missed", "street", "a car of 90 px", [("ground truth", part)], (10, 20, 19, 30)).name
    'street'
    """

    kind: str
    name: str
    words: str
    panels: Sequence[tuple[str, NDArray[np.uint8]]]
    box: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class BoundaryReport:
    """What the page shows beside pictures.

    about, notes: lines of text. models: what they are called. classes: those that occur. failed: (name, why) of pairs
    without scores. class_key: (colour, name) of the classes in the pictures. curves: one for each model. objects: the
    worst of them. groups: of classes, values over each. version: of convneur.

    >>> BoundaryReport(title="Boundaries", version="0.1.0", about=[], notes=[], models=["mine"], columns=[], overall=[],
    ...                classes=[], images=[]).comparison is None
    True
    """

    title: str
    version: str
    about: Sequence[str]
    notes: Sequence[str]
    models: Sequence[str]
    columns: Sequence[ReportColumn]
    overall: Sequence[float]
    classes: Sequence[ReportRow]
    images: Sequence[ReportRow]
    failed: Sequence[tuple[str, str]] = ()
    comparison: ReportComparison | None = None
    class_key: Sequence[tuple[str, str]] = ()
    curves: Sequence[ReportCurve] = ()
    objects: Sequence[ReportObject] = ()
    groups: Sequence[ReportRow] = ()

    def page(self, scenes: Iterable[Scene] = ()) -> str:
        """The page as HTML, with pictures of the first 12 scenes; they may come one at a time, more are not asked for.

        >>> column = ReportColumn("mIoU", "mIoU", "one matrix over all images", lower=False, decimals=3)
        >>> report = BoundaryReport(title="Boundaries", version="0.1.0", about=[], notes=[], models=["mine"],
        ...                         columns=[column], overall=[0.5], classes=[], images=[])
        >>> report.page().startswith("<!DOCTYPE html>")
        True
        """
        pictures, notes = [], []
        for scene in islice(scenes, MOST_PICTURES):
            pictures.append(_embedded(scene))
            notes = list(scene.notes)
        radii = {picture["radius"] for picture in pictures}
        # A tolerance that is a share of the diagonal is another radius in images of another size.
        reach = f"{radii.pop():g} px" if len(radii) == 1 else "the tolerance"
        data = {
            "title": self.title,
            "about": list(self.about),
            "notes": list(self.notes),
            "models": list(self.models),
            "figures": [
                {
                    "name": one.name,
                    "short": one.short,
                    "definition": one.definition,
                    "lower": one.lower,
                    "decimals": one.decimals,
                    "chosen": one.chosen,
                }
                for one in self.columns
            ],
            "overall": _numbers(self.overall),
            "classes": [
                {
                    "class": row.number,
                    "name": row.name,
                    "missed": row.missed,
                    "spurious": row.spurious,
                    "values": _numbers(row.values),
                }
                for row in self.classes
            ],
            "images": [
                {
                    "name": row.name,
                    "values": _numbers(row.values),
                    "against": None if row.against is None else _numbers(row.against),
                }
                for row in self.images
            ],
            "groups": [{"name": row.name, "values": _numbers(row.values)} for row in self.groups],
            "failed": [{"name": name, "why": why} for name, why in self.failed],
            "comparison": None if self.comparison is None else _compared(self.comparison),
            "curves": [
                {
                    "title": one.title,
                    "radii": list(one.radii),
                    "values": _numbers(one.values),
                    "low": _numbers(one.low),
                    "high": _numbers(one.high),
                    "area": _number(one.area),
                }
                for one in self.curves
            ],
            "objects": [_placed(one) for one in self.objects],
            "pictures": pictures,
            "pictureNotes": [
                f"{len(pictures)} of {f'{len(self.images):,}'.replace(',', ' ')} images. {'; '.join(notes)}.",
                "Click into a picture to enlarge that place in all of its panels, drag to move; or, with a panel "
                "focused: plus, minus, arrows, 0 for the whole, n for the next place with errors.",
            ],
            "errorKey": [
                {"colour": ERROR_COLOURS[kind], "words": words}
                for kind, words in (
                    ("missed", f"missed: true boundary, no predicted one of its class within {reach}"),
                    ("spurious", f"spurious: predicted boundary, no true one within {reach}"),
                    ("matched", "matched"),
                )
            ],
            "classKey": [{"colour": colour, "words": name} for colour, name in self.class_key],
        }
        return html_page(
            ("tables", "viewer", "report"),
            data,
            title=self.title,
            generator=f"convneur {self.version}",
            without_script="The tables and pictures of this page are made by its own script; nothing is fetched. Allow "
            "scripts to see them, or read the JSON that convneur eval-boundary -o writes.",
            charts=True,
        )


def _embedded(scene: Scene) -> dict[str, Any]:
    """A scene as the page takes it: pictures as data URIs, no more than 2048 pixels on a side.

    Choice: label maps and errors losslessly, the nearest pixel where they are shrunk; the image as WebP of quality 80.
    """
    height, width = scene.truth.shape
    step = -(-max(height, width) // _LONGEST_MAP)
    ignored = scene.ignored[::step, ::step]
    predictions = []
    for one in scene.predictions:
        labels = coloured(one.labels[::step, ::step], scene.colours, ignored)
        # Lines as thick as the step survive it.
        layers = [error_layer(one.errors, scale)[::step, ::step] for scale in (min(_SHOWN / width, 1), 2.2 / step)]
        thick, fine = (data_uri(layer) for layer in layers)
        predictions.append(
            {"title": one.title, "labels": data_uri(labels), "thick": thick, "fine": fine, "values": list(one.values)}
        )
    return {
        "name": scene.name,
        "heading": scene.heading,
        "size": [height, width],
        "photo": None if scene.image is None else data_uri(scene.image, photo=True),
        "truth": data_uri(coloured(scene.truth[::step, ::step], scene.colours, ignored)),
        "radius": scene.predictions[0].errors.radius,
        "predictions": predictions,
        "spots": [list(spot) for spot in scene.hotspots],
    }


def _placed(one: ReportObject) -> dict[str, Any]:
    """An object's pictures as data URIs, its box in shares of them."""
    height, width, _ = one.panels[0][1].shape
    step = -(-max(height, width) // _LONGEST_OBJECT)
    top, left, bottom, right = one.box
    return {
        "kind": one.kind,
        "name": one.name,
        "words": one.words,
        "size": [height, width],
        "box": [top / height, left / width, (bottom - top) / height, (right - left) / width],
        "panels": [{"title": title, "picture": data_uri(part[::step, ::step])} for title, part in one.panels],
    }


def _compared(comparison: ReportComparison) -> dict[str, Any]:
    def parts(values: Sequence[Mapping[str, float]]) -> list[dict[str, float | None]]:
        keys = ("value", "against", "difference", "low", "high")
        return [{key: _number(value[key]) for key in keys} for value in values]

    return {
        "level": f"{comparison.level:.0%}",
        "words": list(comparison.words),
        "overall": parts(comparison.overall),
        "classes": [{"name": name, "values": parts(values)} for name, values in comparison.classes],
        "moved": [[dict(row) for row in rows] for rows in comparison.moved],
    }


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else None
