"""The picture of how far information travels: effective receptive fields, and a feature's change with its context."""

from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from convneur.figures.sheet import shortened
from convneur.figures.style import COLOURS, GREY, GRID, INK, LARGE, NORMAL, SMALL, drawable
from convneur.reach import LayerReach, ModelReach, ReachReport

__all__ = ["reach_figure"]

_PANEL, _SIDE, _TOP, _UNDER, _CURVE = 2.35, 0.75, 0.9, 0.98, 1.9  # inches
_FAINTEST = -6  # decades under the maximum
_RED = "#b2182b"


@style.context("default")
def reach_figure(report: ReachReport) -> Figure:
    """A row of maps for each model, a column for each layer; below them the context curves of each column.

    Maps are drawn by log10 of their value over their largest, from -6; what is exactly 0 is grey. RepLKNet's recipe is
    drawn as it defines its map. White lines outline what a local model would see; on the curves a dotted line
    marks the same.

    >>> import numpy as np
    >>> from convneur.reach import LayerReach, ModelReach, ReachReport
    >>> layer = LayerReach("layer4", 8, 2, 2, (1, 1), (16, 16, 32, 32), None, np.ones((32, 32)))
    >>> figure = reach_figure(ReachReport((ModelReach("net", None, (layer,)),), ("a.jpg",), (32, 32)))
    >>> [axes.get_label() for axes in figure.axes if axes.get_label() != "<colorbar>"]
    ['net layer4']
    """
    columns = max(len(model.layers) for model in report.models)
    curves = any(value is not None for model in report.models for layer in model.layers for _, value in layer.curve)
    tall = _PANEL * report.size[0] / report.size[1] + _UNDER
    width = _SIDE + columns * (_PANEL + 0.3) + 0.9
    notes = [f"{model.name}: {model.stamp}" for model in report.models if model.stamp]
    notes += [report.warning] if report.warning else []
    head = _TOP + 0.22 * len(notes)
    height = head + len(report.models) * tall + (_CURVE + 0.75 if curves else 0) + 0.15
    figure = Figure(figsize=(width, height), facecolor="white")

    def axes_at(column: int, top: float, tall: float, label: str) -> Axes:
        left = _SIDE + column * (_PANEL + 0.3)
        return figure.add_axes((left / width, 1 - (top + tall) / height, _PANEL / width, tall / height), label=label)

    figure.text(0.15 / width, 1 - 0.3 / height, "How far information travels", fontsize=LARGE, weight="bold", color=INK)
    seen = f"{len(report.images)} image{'s' * (len(report.images) != 1)} at {report.size[0]} × {report.size[1]}"
    figure.text(
        0.15 / width, 1 - 0.5 / height, f"effective receptive field, mean of {seen}", fontsize=SMALL, color=GREY
    )
    for number, note in enumerate(notes):
        y = 1 - (0.72 + 0.22 * number) / height
        figure.text(0.15 / width, y, drawable(note), fontsize=SMALL, color=_RED, weight="bold", wrap=True)

    drawn = None
    for row, model in enumerate(report.models):
        top = head + row * tall
        for column, layer in enumerate(model.layers):
            axes = axes_at(column, top, tall - _UNDER, f"{model.name} {layer.layer}")
            drawn = _draw(axes, layer, logged=report.recipe == "replknet") or drawn
            title = shortened(drawable(f"{model.name} · {layer.layer}"), _PANEL + 0.2, NORMAL)
            axes.set_title(title, fontsize=NORMAL, color=INK, loc="left", pad=4)
            axes.set_xlabel(_below(layer), fontsize=SMALL, color=GREY, loc="left")
    if drawn is not None:
        place = ((width - 0.8) / width, 1 - (head + tall - _UNDER) / height, 0.12 / width, (tall - _UNDER) / height)
        bar = figure.colorbar(drawn, cax=figure.add_axes(place, label="<colorbar>"))
        words = "RepLKNet's map" if report.recipe == "replknet" else "log10 of the map over its maximum"
        bar.set_label(words, fontsize=SMALL, color=GREY)
        bar.ax.tick_params(labelsize=SMALL, color=GREY, labelcolor=INK)
    if curves:
        for column in range(columns):
            axes = axes_at(column, head + len(report.models) * tall + 0.2, _CURVE, f"context {column}")
            _draw_curves(axes, column, report.models, first=column == 0)
    return figure


def _below(layer: LayerReach) -> str:
    """What was measured, in three lines under a map."""
    ratios = [(share, ratio) for share, ratio in layer.area_ratios.items() if ratio is not None]
    lines = []
    if layer.context_share is not None:
        lines.append(f"context share {_short(layer.context_share)}")
    if ratios:
        lines.append(f"{' / '.join(str(share) for share, _ in ratios)} % of the map within")
        lines.append(f"{' / '.join(_short(100 * ratio) for _, ratio in ratios)} % of the image")
    if layer.beyond_field is not None:
        lines.append(f"{_short(100 * layer.beyond_field)} % of it beyond the local field")
    return "\n".join(lines or ["undefined"])


def _short(value: float) -> str:
    return f"{value:.2g}"


def _draw(axes: Axes, layer: LayerReach, *, logged: bool) -> AxesImage | None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(linewidth=0.5, color=GREY)
    axes.set_facecolor("#bbbbbb")
    if layer.erf is None:
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", fontsize=NORMAL, color=GREY)
        return None
    values, low, high = (layer.erf, 0.0, 1.0) if logged else (_decades(layer.erf), float(_FAINTEST), 0.0)
    image = axes.imshow(values, cmap="viridis", vmin=low, vmax=high, interpolation="nearest", aspect="auto")
    if layer.window is not None:
        top, left, bottom, right = layer.window
        axes.add_patch(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor="white", linewidth=1.2)
        )
    return image


def _decades(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """log10 over the maximum; what is exactly 0 is masked, what is fainter than the scale has its lowest colour."""
    positive = np.ma.masked_less_equal(values, 0)
    return np.ma.maximum(np.ma.log10(positive / values.max()), _FAINTEST)


def _draw_curves(axes: Axes, column: int, models: "tuple[ModelReach, ...]", *, first: bool) -> None:
    """How a feature's change falls with the pixels kept around its position."""
    for number, model in enumerate(models):
        if column >= len(model.layers):
            continue
        layer = model.layers[column]
        points = [(radius, value) for radius, value in layer.curve if value is not None]
        if not points:
            continue
        colour = COLOURS[number % len(COLOURS)]
        x, y = zip(*points, strict=True)
        look: dict[str, Any] = {
            "color": colour,
            "linestyle": "-" if number == 0 else (0, (4, 2)),
            "marker": "os"[number % 2],
        }
        axes.plot(x, y, **look, markersize=3.5, clip_on=False, label=drawable(model.name, dollars=True))
        if layer.window is not None and layer.context_share is not None:
            kept = max(abs(a - b) for a, b in zip(layer.window, layer.cell, strict=True))
            axes.axvline(kept, color=GREY, linewidth=0.8, linestyle=":")
            look = {"marker": "D", "color": colour, "markersize": 5, "markeredgecolor": "white", "clip_on": False}
            axes.plot([kept], [layer.context_share], **look)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("pixels kept around the position", fontsize=SMALL, color=INK)
    if first:
        axes.set_ylabel("change of the feature", fontsize=SMALL, color=INK)
        axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK)
    axes.tick_params(labelsize=SMALL, color=GREY, labelcolor=INK, length=3)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GREY)
