"""The boundary report: one HTML file with its tables, plots and pictures inside, which asks nothing of any network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.class_colours import coloured
from convneur.figures.boundaries import ERROR_COLOURS, Scene, error_layer
from convneur.figures.html_page import data_uri, html_page
from convneur.metrics.picks import error_hotspots, value_at
from convneur.metrics.tables import Path

__all__ = ["MOST_PICTURES", "ReportFigure", "boundary_page", "embedded_picture"]

# What bounds the file: pictures, and the longer side of label maps in pixels.
MOST_PICTURES, _LONGEST_MAP = 12, 2048
_SHOWN = 400  # pixels across at which a whole picture is first seen, about
_SPOTS, _SPOT_SHARE = 5, 6  # places to zoom to, each a sixth of either side


@dataclass(frozen=True)
class ReportFigure:
    """How a figure is shown. short: over a column. lower: less is better. chosen: plots show it first."""

    path: Path
    name: str
    short: str
    definition: str
    lower: bool
    decimals: int
    chosen: bool = False


def embedded_picture(scene: Scene, colours: NDArray[np.uint8]) -> dict[str, Any]:
    """A scene as the page takes it: pictures as data URIs, no more than 2048 pixels on a side.

    Choice: label maps and errors losslessly, the nearest pixel where they are shrunk; the photo as WebP of quality 80.
    """
    height, width = scene.truth.shape
    step = -(-max(height, width) // _LONGEST_MAP)
    spots = error_hotspots(
        scene.predictions[0].errors, max(height // _SPOT_SHARE, 1), max(width // _SPOT_SHARE, 1), _SPOTS
    )
    predictions = []
    for one in scene.predictions:
        labels = coloured(one.labels[::step, ::step], colours, scene.ignored[::step, ::step])
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
        "photo": None if scene.photo is None else data_uri(scene.photo, photo=True),
        "truth": data_uri(coloured(scene.truth[::step, ::step], colours, scene.ignored[::step, ::step])),
        "radius": scene.predictions[0].errors.radius,
        "predictions": predictions,
        "spots": [[y, x, max(height // _SPOT_SHARE, 1), max(width // _SPOT_SHARE, 1)] for y, x in spots],
    }


def boundary_page(
    result: Mapping[str, Any],
    figures: Sequence[ReportFigure],
    *,
    title: str,
    about: Sequence[str],
    notes: Sequence[str],
    models: Sequence[str],
    others: Sequence[Mapping[str, Any]] = (),
    comparison_words: Sequence[str] = (),
    pictures: Sequence[Mapping[str, Any]] = (),
    picture_notes: Sequence[str] = (),
    class_key: Sequence[tuple[str, str]] = (),
    radii: Sequence[float] = (),
) -> str:
    """The page as HTML.

    Args:    result: as `eval-boundary --json` gives it, `comparison` included if there is one; figures: to show, in
        order; about, notes, comparison_words, picture_notes: lines of text; models: what they are called;
        others: the second model's `per_image`; pictures: from `embedded_picture`, at most `MOST_PICTURES`;
        class_key: (colour, name) of the classes in them; radii: of the errors in them, pixels.
    Raises:  ValueError: more pictures.
    """
    if len(pictures) > MOST_PICTURES:
        raise ValueError(f"{len(pictures)} pictures: a page holds at most {MOST_PICTURES}")
    # A tolerance that is a share of the diagonal is another radius in images of another size.
    reach = f"{radii[0]:g} px" if len(radii) == 1 else "the tolerance"
    theirs = {row["name"]: _values(row, figures) for row in others}
    data = {
        "title": title,
        "about": list(about),
        "notes": list(notes),
        "models": list(models),
        "figures": [
            {
                "name": one.name,
                "short": one.short,
                "definition": one.definition,
                "lower": one.lower,
                "decimals": one.decimals,
                "chosen": one.chosen,
            }
            for one in figures
        ],
        "overall": _values(result["overall"], figures),
        "classes": [
            {
                "class": row["class"],
                "name": row["name"],
                "missed": row["presence"]["missed"],
                "spurious": row["presence"]["spurious"],
                "values": _values(row, figures),
            }
            for row in result["per_class"]
            if any(row["presence"][key] for key in ("both", "missed", "spurious"))
        ],
        "images": [
            {"name": row["name"], "values": _values(row, figures), "against": theirs.get(row["name"])}
            for row in result["per_image"]
        ],
        "failed": result["failed"],
        "comparison": _compared(result.get("comparison"), figures, comparison_words),
        "pictures": list(pictures),
        "pictureNotes": list(picture_notes),
        "errorKey": [
            {"colour": ERROR_COLOURS[kind], "words": words}
            for kind, words in (
                ("missed", f"missed: true boundary, no predicted one of its class within {reach}"),
                ("spurious", f"spurious: predicted boundary, no true one within {reach}"),
                ("matched", "matched"),
            )
        ],
        "classKey": [{"colour": colour, "words": name} for colour, name in class_key],
    }
    return html_page(
        "report",
        data,
        title=title,
        generator=f"convneur {result['convneur']}",
        without_script="The tables and pictures of this page are made by its own script; nothing is fetched. Allow "
        "scripts to see them, or read the JSON that convneur eval-boundary -o writes.",
        charts=True,
    )


def _values(row: Mapping[str, Any], figures: Sequence[ReportFigure]) -> list[float | None]:
    return [_plain(value_at(row, one.path)) for one in figures]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _compared(
    comparison: Mapping[str, Any] | None, figures: Sequence[ReportFigure], words: Sequence[str]
) -> dict[str, Any] | None:
    if comparison is None:
        return None

    def leaves(row: Mapping[str, Any]) -> list[dict[str, float | None]]:
        found = (row[one.path[0]] if len(one.path) == 1 else row[one.path[0]][one.path[1]] for one in figures)
        return [{key: _plain(leaf[key]) for key in ("value", "against", "difference", "low", "high")} for leaf in found]

    moved = comparison["moved_most"]
    return {
        "level": f"{comparison['level']:.0%}",
        "words": list(words),
        "overall": leaves(comparison["overall"]),
        "classes": [{"name": row["name"], "values": leaves(row)} for row in comparison["per_class"]],
        "moved": [moved[one.path[0]] if len(one.path) == 1 else moved[one.path[0]][one.path[1]] for one in figures],
    }
