"""The paper's Figure 3 for any image: truth and predictions, what they miss of the boundary, B, T and H under each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from convneur.data.class_colours import IGNORED, coloured
from convneur.figures.scene import Scene
from convneur.figures.style import GREY, INK, LARGE, NORMAL, SMALL, drawable
from convneur.formats import printable
from convneur.metrics.picks import BoundaryErrors

__all__ = [
    "ERROR_COLOURS",
    "boundary_figure",
    "error_layer",
    "faded",
    "paper_figure",
    "thickened",
]

# Okabe and Ito's vermillion and blue on a pale ground, dark grey for what is right: apart for all eyes.
ERROR_COLOURS = {"missed": "#D55E00", "spurious": "#0072B2", "matched": "#3C3C3C"}
DPI = 150
_MARGIN, _GUTTER = 0.2, 0.12  # inches, as all below
_PANEL = 3.1
_SMALL_PANEL = 2.3  # of `paper_figure`
_TALLEST = 3.6
_TITLE, _HEAD, _VALUES, _LEGEND_ROW = 0.5, 0.26, 0.38, 0.22
_LINE = 3  # pixels of a printed line of errors, at least
_MOST_CLASSES = 40


@style.context("default")
def boundary_figure(scene: Scene) -> Figure:
    """Draw an image: itself, truth, each prediction and its boundary errors; below, the place with the most errors.

    Errors are drawn as lines that can be seen at the figure's size, over the image or the truth, faded. No pyplot
    state and no setting of matplotlib is touched; save with `save_figure`.

    Returns: a figure a little over 3 inches wide per panel.

    >>> from pathlib import Path
    >>> import convneur
    >>> samples = Path(convneur.__file__).parent / "data" / "samples"
    >>> found = convneur.evaluation.evaluate(samples / "predictions", samples / "labels", metrics="boundary_f1")
    >>> boundary_figure(found.scene("21")).texts[0].get_text()
    '21'
    """
    panels = _panels(scene)
    height, width = scene.truth.shape
    panel_width = min(_PANEL, _TALLEST * width / height)
    panel_height = panel_width * height / width
    window = scene.zoom
    occurring = _occurring(scene)
    page_width = max(2 * _MARGIN + len(panels) * (panel_width + _GUTTER) - _GUTTER, 7.5)
    per_row = max(int((page_width - 2 * _MARGIN) / 1.3), 1)
    legend_rows = 1 + -(-min(len(occurring), _MOST_CLASSES + 1) // per_row)
    rows = 1 if window is None else 2
    page_height = (
        2 * _MARGIN + _TITLE + _HEAD + rows * (panel_height + _GUTTER) + _VALUES + (legend_rows + 1.4) * _LEGEND_ROW
    )
    figure = Figure(figsize=(page_width, page_height), dpi=DPI, facecolor="white")

    def at(x: float, y: float) -> tuple[float, float]:
        """Inches from the top left as matplotlib's shares from the bottom left."""
        return x / page_width, 1 - y / page_height

    figure.text(
        *at(_MARGIN, _MARGIN),
        _fitted(scene.name, _room(page_width - 2 * _MARGIN, LARGE)),
        fontsize=LARGE,
        fontweight="bold",
        color=INK,
        va="top",
    )
    figure.text(*at(_MARGIN, _MARGIN + 0.26), scene.heading, fontsize=NORMAL, color=GREY, va="top")
    top = _MARGIN + _TITLE + _HEAD
    for number, (title, picture, errors, values) in enumerate(panels):
        x = _MARGIN + number * (panel_width + _GUTTER)
        figure.text(*at(x, top - 0.07), _fitted(title, _room(panel_width, NORMAL)), fontsize=NORMAL, color=INK)
        for row, box in enumerate([(0, 0, height, width), window][:rows]):
            y = top + row * (panel_height + _GUTTER)
            left, bottom = at(x, y + panel_height)
            place = (left, bottom, panel_width / page_width, panel_height / page_height)
            axes = figure.add_axes(place, label=f"{title} {('whole', 'zoom')[row]}")
            _draw(axes, picture, errors, box or (0, 0, height, width), panel_width * DPI)
            if row == 0 and window is not None:
                _frame(axes, window)
        words = "   ".join(f"{name} {value}" for name, value in values)
        y = top + rows * (panel_height + _GUTTER)
        figure.text(*at(x, y + 0.08), words, fontsize=NORMAL, color=INK, va="top", fontweight="bold")

    y = top + rows * (panel_height + _GUTTER) + _VALUES
    _legends(figure, scene, occurring, per_row, lambda down: at(_MARGIN, y + down))
    _last_line(figure, scene, at(_MARGIN, page_height - _MARGIN))
    return figure


@style.context("default")
def paper_figure(scenes: Sequence[Scene]) -> Figure:
    """The paper's Figure 3: a row per image of itself, truth and predictions, B, T and H under each of those.

    Args:    scenes: of one data set, with the same models in the same order.
    Returns: a figure a little over 2 inches wide per panel.

    >>> from pathlib import Path
    >>> import convneur
    >>> samples = Path(convneur.__file__).parent / "data" / "samples"
    >>> found = convneur.evaluation.evaluate(samples / "predictions", samples / "labels", metrics="boundary_f1")
    >>> len(paper_figure([found.scene("21"), found.scene("23")]).axes)
    4
    """
    colours, names = scenes[0].colours, scenes[0].class_names
    rows = [_plain_panels(scene) for scene in scenes]
    columns = len(rows[0])
    shapes = [scene.truth.shape for scene in scenes]
    heights = [min(_SMALL_PANEL * height / width, _TALLEST) for height, width in shapes]
    occurring = [k for k in range(len(colours)) if any(k in scene.classes() for scene in scenes)]
    page_width = 2 * _MARGIN + columns * (_SMALL_PANEL + _GUTTER) - _GUTTER
    per_row = max(int((page_width - 2 * _MARGIN) / 1.3), 1)
    legend_rows = -(-min(len(occurring) + 1, _MOST_CLASSES + 1) // per_row)
    under = 2 * _LEGEND_ROW
    body = sum(heights) + len(scenes) * under
    page_height = 2 * _MARGIN + _HEAD + body + (legend_rows + 1.2) * _LEGEND_ROW
    figure = Figure(figsize=(page_width, page_height), dpi=DPI, facecolor="white")

    def at(x: float, y: float) -> tuple[float, float]:
        return x / page_width, 1 - y / page_height

    top = _MARGIN + _HEAD
    for title, x in zip((title for title, _, _ in rows[0]), _lefts(columns), strict=True):
        figure.text(*at(x, top - 0.07), _fitted(title, _room(_SMALL_PANEL, NORMAL)), fontsize=NORMAL, color=INK)
    for scene, panels, panel_height in zip(scenes, rows, heights, strict=True):
        height, width = scene.truth.shape
        panel_width = panel_height * width / height
        for (title, picture, values), x in zip(panels, _lefts(columns), strict=True):
            left, bottom = at(x, top + panel_height)
            place = (left, bottom, panel_width / page_width, panel_height / page_height)
            axes = figure.add_axes(place, label=f"{scene.name}: {title}")
            _draw(axes, picture, None, (0, 0, height, width), panel_width * DPI)
            words = "   ".join(f"{name} {value}" for name, value in values)
            figure.text(*at(x, top + panel_height + 0.06), words, fontsize=SMALL, color=INK, va="top", weight="bold")
        words = _fitted(f"{scene.name}: {scene.heading}", _room(2 * _SMALL_PANEL, SMALL))
        figure.text(*at(_MARGIN, top + panel_height + 0.06), words, fontsize=SMALL, color=GREY, va="top")
        top += panel_height + under
    handles = [_patch(colours[k], _fitted(names[k], 18)) for k in occurring[:_MOST_CLASSES]]
    if any(scene.ignored.any() for scene in scenes):
        handles.append(_patch(IGNORED, "ignored"))
    figure.legend(
        handles=handles, bbox_to_anchor=at(_MARGIN, top), ncols=min(len(handles), per_row), frameon=False,
        fontsize=SMALL, labelcolor=INK, handlelength=1.2, handleheight=0.9, borderpad=0, borderaxespad=0,
        loc="upper left",
    )  # fmt: skip
    _last_line(figure, scenes[0], at(_MARGIN, page_height - _MARGIN))
    return figure


def _last_line(figure: Figure, scene: Scene, at: tuple[float, float]) -> None:
    figure.text(*at, drawable("   ".join(scene.notes), dollars=True), fontsize=SMALL, color=GREY)


def _lefts(columns: int) -> list[float]:
    return [_MARGIN + number * (_SMALL_PANEL + _GUTTER) for number in range(columns)]


def _plain_panels(scene: Scene) -> list[tuple[str, NDArray[np.uint8], Sequence[tuple[str, str]]]]:
    """(title, picture, values to print under it), from left to right."""
    panels: list[tuple[str, NDArray[np.uint8], Sequence[tuple[str, str]]]] = []
    if scene.image is not None:
        panels.append(("image", scene.image, ()))
    panels.append(("ground truth", coloured(scene.truth, scene.colours, scene.ignored), ()))
    panels += [
        (each.title, coloured(each.labels, scene.colours, scene.ignored), each.values) for each in scene.predictions
    ]
    return panels


def faded(scene: Scene) -> NDArray[np.uint8]:
    """What errors are drawn on, (H, W, 3): the image in grey, or the truth, mixed with white."""
    if scene.image is None:
        return coloured(scene.truth, _pale(scene.colours, 0.3), scene.ignored)
    # In bytes and by a table: an image may have 50 million pixels. Luminance by ITU-R BT.601, in 256ths.
    grey = np.zeros(scene.image.shape[:2], np.uint16)
    for channel, weight in enumerate((77, 150, 29)):
        grey += scene.image[..., channel] * np.uint16(weight)
    shades = _pale(np.arange(256), 0.4)[grey >> 8]
    return np.broadcast_to(shades[..., None], scene.image.shape)


def _pale(colours: NDArray[Any], share: float) -> NDArray[np.uint8]:
    return np.asarray(255 - share * (255 - colours.astype(float)), np.uint8)


def error_layer(errors: BoundaryErrors, pixels_per_pixel: float) -> NDArray[np.uint8]:
    """Errors as a transparent picture, (H, W, 4), missed over spurious over matched.

    Args: pixels_per_pixel: how large an image pixel will be shown; lines are made thick enough for it.
    """
    layer = np.zeros((*errors.missed.shape, 4), np.uint8)
    for kind in ("matched", "spurious", "missed"):
        # What matches steps back behind what does not.
        mask = thickened(getattr(errors, kind), pixels_per_pixel * (2 if kind == "matched" else 1))
        layer[mask] = (*bytes.fromhex(ERROR_COLOURS[kind][1:]), 255)
    return layer


def thickened(mask: NDArray[np.bool_], pixels_per_pixel: float) -> NDArray[np.bool_]:
    """A mask grown until a line of it is wide enough to be seen once it is shown smaller."""
    grow = round((_LINE / pixels_per_pixel - 1) / 2)
    if grow < 1:
        return mask
    grown = mask.copy()
    for axis in (0, 1):
        line = grown.copy()
        for step in range(1, min(grow, mask.shape[axis] - 1) + 1):
            ahead, back = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], back[axis] = slice(step, None), slice(None, -step)
            grown[tuple(ahead)] |= line[tuple(back)]
            grown[tuple(back)] |= line[tuple(ahead)]
    return grown


def _panels(
    scene: Scene,
) -> list[tuple[str, NDArray[np.uint8], BoundaryErrors | None, Sequence[tuple[str, str]]]]:
    """(title, picture, errors to draw over it, values to print under it), from left to right."""
    panels: list[tuple[str, NDArray[np.uint8], BoundaryErrors | None, Sequence[tuple[str, str]]]] = []
    if scene.image is not None:
        panels.append(("image", scene.image, None, ()))
    panels.append(("ground truth", coloured(scene.truth, scene.colours, scene.ignored), None, ()))
    ground = faded(scene)
    for prediction in scene.predictions:
        panels.append(
            (prediction.title, coloured(prediction.labels, scene.colours, scene.ignored), None, prediction.values)
        )
        panels.append((f"boundary errors, {prediction.title}", ground, prediction.errors, ()))
    return panels


def _draw(
    axes: Axes,
    picture: NDArray[np.uint8],
    errors: BoundaryErrors | None,
    box: tuple[int, int, int, int],
    shown: float,
) -> None:
    """A part of a picture, box = (y, x, height, width), on `shown` printed pixels across."""
    y, x, height, width = box
    part = (slice(y, y + height), slice(x, x + width))
    magnified = shown / width
    extent = (x - 0.5, x + width - 0.5, y + height - 0.5, y - 0.5)
    step = max(int(0.5 / magnified), 1)  # two pixels for each that is printed are enough, and bound the memory
    axes.imshow(
        picture[part][::step, ::step],
        extent=extent,
        aspect="auto",
        interpolation="nearest" if magnified > 1 else "antialiased",
    )
    if errors is not None:
        cut = errors._replace(missed=errors.missed[part], spurious=errors.spurious[part], matched=errors.matched[part])
        axes.imshow(error_layer(cut, magnified)[::step, ::step], extent=extent, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=GREY, linewidth=0.5)


def _frame(axes: Axes, window: tuple[int, int, int, int]) -> None:
    y, x, height, width = window
    for colour, line in (("white", 2.6), (INK, 1.1)):
        axes.add_patch(
            Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor=colour, linewidth=line, clip_on=True)
        )


def _occurring(scene: Scene) -> list[int]:
    """Classes in the truth or a prediction, the most frequent of the truth first."""
    count = len(scene.colours)
    pixels = np.zeros(count, np.int64)
    for weight, labels in ((1 << 20, scene.truth), *((1, one.labels) for one in scene.predictions)):
        counted = labels[~scene.ignored & (labels >= 0) & (labels < count)]
        pixels += weight * np.bincount(counted, minlength=count)[:count]
    order = np.argsort(-pixels, kind="stable")
    return [int(k) for k in order if pixels[k]]


def _legends(
    figure: Figure,
    scene: Scene,
    occurring: Sequence[int],
    per_row: int,
    at: Any,
) -> None:
    radius = scene.predictions[0].errors.radius
    kinds = {
        "missed": f"missed: true boundary, no predicted one of its class within {radius:g} px",
        "spurious": f"spurious: predicted boundary, no true one within {radius:g} px",
        "matched": "matched",
    }
    look: dict[str, Any] = {"frameon": False, "fontsize": SMALL, "labelcolor": INK, "handlelength": 1.2,
                            "handleheight": 0.9, "borderpad": 0, "borderaxespad": 0, "loc": "upper left"}  # fmt: skip
    figure.legend(
        handles=[Patch(color=ERROR_COLOURS[kind], label=words) for kind, words in kinds.items()],
        bbox_to_anchor=at(0),
        ncols=3,
        **look,
    )
    handles = [_patch(scene.colours[k], _fitted(scene.class_names[k], 18)) for k in occurring[:_MOST_CLASSES]]
    if scene.ignored.any():
        handles.append(_patch(IGNORED, "ignored"))
    figure.legend(handles=handles, bbox_to_anchor=at(1.15 * _LEGEND_ROW), ncols=min(len(handles), per_row), **look)


def _patch(colour: Sequence[int], label: str) -> Patch:
    red, green, blue = (int(part) / 255 for part in colour)
    return Patch(facecolor=(red, green, blue), edgecolor=GREY, linewidth=0.5, label=label)


def _room(inches: float, size: float) -> int:
    """Characters of a type size that surely fit."""
    return max(int(inches * 72 / (0.66 * size)), 8)


def _fitted(words: str, most: int) -> str:
    """Cut in the middle where too long, and never read as mathematics."""
    words = printable(words)
    if len(words) > most:
        words = f"{words[: most // 2]}…{words[-(most // 2 - 1) :]}"
    return drawable(words, dollars=True)
