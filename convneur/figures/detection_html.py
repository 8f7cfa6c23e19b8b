"""The page of an evaluation of detections: one HTML file with its tables, plots and pictures inside."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convneur.data.run_lengths import RunMask
from convneur.figures.boundaries import ERROR_COLOURS
from convneur.figures.html_page import data_uri, html_page

__all__ = ["DetectionReport", "ObjectScene", "ReportTable", "SceneObject"]

_LONGEST = 1280  # pixels of the longer side of masks
_MOST_SPOTS, _CLOSEST = 20, 12  # places to go to; the smallest reaches a twelfth of the shorter side each way
_FILL = 90  # of 255, how opaque a mask is inside its rim
_COLOURS = {"missed": ERROR_COLOURS["missed"], "spurious": ERROR_COLOURS["spurious"], "matched": "#009E73",
            "left out": "#8a8a8a"}  # fmt: skip
_WORDS = {
    "missed": "missed: an object that no detection found",
    "spurious": "spurious: a detection of nothing",
    "matched": "matched, from IoU 0.5 on",
    "left out": "does not count: a crowd, or a detection on it",
}


class SceneObject(NamedTuple):
    """kind: matched, missed, spurious or left out; words: of it; box: x, y, width, height in pixels.

    >>> SceneObject("missed", "car, missed", (2, 3, 10, 8), None).kind
    'missed'
    """

    kind: str
    words: str
    box: Sequence[float] | None
    mask: RunMask | None


@dataclass(frozen=True, eq=False)
class ObjectScene:
    """An image to be drawn. size: (H, W); image: (H, W, 3) or None; panels: title and objects of each.

    >>> ObjectScene("a.jpg", "worst 1 of 3: F1 0.5000", (40, 60), None, [("ground truth", [])]).size
    (40, 60)
    """

    name: str
    heading: str
    size: tuple[int, int]
    image: NDArray[np.uint8] | None
    panels: Sequence[tuple[str, Sequence[SceneObject]]]


@dataclass(frozen=True)
class ReportTable:
    """columns: title and kind: text, count, value or difference; rows: cells, NaN for an undefined value.

    >>> ReportTable("2 classes", [("class", "text"), ("AP", "value")], [["car", 0.5], ["bus", 0.25]]).title
    '2 classes'
    """

    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class DetectionReport:
    """What the page shows beside pictures. models: what the results are called; curves: model's number, kind, and AP at
    each of the IoUs; failed: (name, why) of images; skipped: entries that were left out, in words.

    >>> table = ReportTable("1 image", [("image", "text")], [["a.jpg"]])
    >>> report = DetectionReport(title="Detections", version="0.1.0", about=[], notes=[], models=["mine"], overall=[],
    ...                          ious=[0.5], curves=[(0, "mask", [0.25])], classes=table, images=table)
    >>> report.page([]).startswith("<!DOCTYPE html>")
    True
    """

    title: str
    version: str
    about: Sequence[str]
    notes: Sequence[str]
    models: Sequence[str]
    overall: Sequence[ReportTable]
    ious: Sequence[float]
    curves: Sequence[tuple[int, str, Sequence[float]]]
    classes: ReportTable
    images: ReportTable
    failed: Sequence[tuple[str, str]] = ()
    skipped: Sequence[str] = ()

    def page(self, scenes: Iterable[ObjectScene]) -> str:
        """The page as HTML; scenes may come one at a time."""
        data = {
            "title": self.title,
            "about": list(self.about),
            "notes": list(self.notes),
            "overall": [_plain(table) for table in self.overall],
            "ious": list(self.ious),
            "curves": [
                {
                    "title": kind if len(self.models) == 1 else f"{kind}, {self.models[model]}",
                    "kind": kind,
                    "model": model,
                    "values": [_number(value) for value in values],
                }
                for model, kind, values in self.curves
            ],
            "classes": _plain(self.classes),
            "images": _plain(self.images),
            "failed": [{"name": name, "why": why} for name, why in self.failed],
            "skipped": list(self.skipped),
            "pictures": [_embedded(scene) for scene in scenes],
            "key": [{"colour": colour, "words": _WORDS[kind]} for kind, colour in _COLOURS.items()],
            "colours": _COLOURS,
        }
        return html_page(
            ("tables", "viewer", "detection"),
            data,
            title=self.title,
            generator=f"convneur {self.version}",
            without_script="The tables and pictures of this page are made by its own script; nothing is fetched. Allow "
            "scripts to see them, or read the JSON that convneur eval-detection -o writes.",
            charts=True,
        )


def _embedded(scene: ObjectScene) -> dict[str, Any]:
    return {
        "name": scene.name,
        "heading": scene.heading,
        "size": list(scene.size),
        "spots": _spots(scene),
        "photo": None if scene.image is None else data_uri(scene.image, photo=True),
        "panels": [
            {
                "title": title,
                "masks": _masks(objects, scene.size),
                "objects": [
                    {"kind": each.kind, "words": each.words, "box": None if each.box is None else list(each.box)}
                    for each in objects
                ],
            }
            for title, objects in scene.panels
        ],
    }


def _spots(scene: ObjectScene) -> list[list[float]]:
    """Where to look for what is wrong: y, x, height and width around each such object, the largest first."""
    height, width = scene.size
    found = []
    for kind, box in {
        (each.kind, tuple(each.box)) for _, some in scene.panels for each in some if each.box is not None
    }:
        if kind in ("missed", "spurious"):
            x, y, wide, tall = box
            room = max(wide, tall, min(height, width) / _CLOSEST)
            found.append([y + tall / 2 - room, x + wide / 2 - room, 2 * room, 2 * room])
    return sorted(found, key=lambda spot: (-spot[2], spot))[:_MOST_SPOTS]


def _masks(objects: Sequence[SceneObject], size: tuple[int, int]) -> str | None:
    """All masks of a panel as one picture, each with a rim; those that are right below those that are wrong."""
    masks = [each for each in objects if each.mask is not None]
    if not masks:
        return None
    step = -(-max(size) // _LONGEST)
    layer = np.zeros((*size, 4), np.uint8)[::step, ::step].copy()
    for each in sorted(masks, key=lambda each: each.kind not in ("left out", "matched")):
        if each.mask is not None:
            pixels = each.mask.pixels()[::step, ::step]
            colour = [*bytes.fromhex(_COLOURS[each.kind][1:])]
            layer[pixels] = [*colour, _FILL]
            layer[pixels & ~_shrunk(pixels)] = [*colour, 255]
    return data_uri(layer)


def _shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without the pixels beside the background."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & mask


def _plain(table: ReportTable) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": [{"title": title, "kind": kind} for title, kind in table.columns],
        "rows": [[_number(cell) for cell in row] for row in table.rows],
    }


def _number(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
