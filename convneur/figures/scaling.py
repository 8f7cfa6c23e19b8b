"""The picture of a net's cost against the image's pixels: multiply-adds and peak memory, log-log."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedFormatter, FixedLocator, NullLocator

__all__ = ["CostPoint", "CostSeries", "scaling_figure"]

# Okabe and Ito's colours, told apart by all eyes; a twin's dash and marker tell it apart without colour.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LOOKS: dict[str | None, tuple[Any, str]] = {
    None: ("-", "o"),
    "self-attention": ((0, (5, 2)), "s"),
    "local-only": ((0, (1, 1.4)), "^"),
}
_INK, _GREY, _GRID = "#222222", "#707070", "#E6E6E6"
_SMALL, _NORMAL, _LARGE = 8.5, 9.5, 12
_BELOW = 0.5  # where the reference slopes start, as a share of the cheapest first value
_CROWDED = 0.06  # neighbouring ticks nearer than this share of the axis are written slanted


class CostPoint(NamedTuple):
    """One image size. label: as the axis shows it. memory: peak bytes, None where it was not counted."""

    label: str
    pixels: int
    macs: int
    memory: int | None


class CostSeries(NamedTuple):
    """A line: the net; which twin of it, None for itself; the verdict on it; its sizes by rising pixels."""

    net: str
    twin: str | None
    verdict: str
    points: Sequence[CostPoint]


def scaling_figure(series: Sequence[CostSeries], *, convention: str) -> Figure:
    """Draw multiply-adds and peak activation memory against pixels, both log-log, with slopes 1 and 2 for reference.

    No pyplot state and no setting of matplotlib is touched.

    Args:    series: at least one with a point; convention: all or paper, named over the multiply-adds.
    Returns: a figure 10 inches wide, higher with more lines in the legend under it; save with `figure.savefig`.
    Raises:  ValueError: nothing to draw.
    """
    series = [line for line in series if line.points]
    if not series:
        raise ValueError("no counted size to draw")
    columns = 1 if len(series) == 1 else 2
    figure = Figure(figsize=(10, 4.7 + 0.21 * math.ceil(len(series) / columns)), layout="constrained")
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.1, wspace=0.04)
    figure.suptitle("Cost against image size", fontsize=_LARGE, fontweight="bold", color=_INK, x=0.015, ha="left")
    macs_axes, memory_axes = figure.subplots(1, 2)

    nets = list(dict.fromkeys(line.net for line in series))
    handles: list[Line2D] = []
    for number, line in enumerate(series):
        dash, marker = _LOOKS.get(line.twin, ("-.", "D"))
        look: dict[str, Any] = {
            # One net: a colour for each twin. Several: a colour for each net.
            "color": _COLOURS[(number if len(nets) == 1 else nets.index(line.net)) % len(_COLOURS)],
            "linestyle": dash,
            "linewidth": 1.8,
            "marker": marker,
            "markersize": 6.5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.8,
        }
        remembered = [point for point in line.points if point.memory]
        macs_axes.plot([point.pixels for point in line.points], [point.macs for point in line.points], **look)
        memory_axes.plot([point.pixels for point in remembered], [point.memory for point in remembered], **look)
        name = line.net if line.twin is None else f"{line.net}'s {line.twin} twin"
        handles.append(Line2D([], [], label=f"{name}: {line.verdict}", **look))

    labels: dict[int, list[str]] = {}
    for line in series:
        for point in line.points:
            if point.label not in labels.setdefault(point.pixels, []):
                labels[point.pixels].append(point.label)
    counted = "everything executed" if convention == "all" else "by the paper's convention"
    _dress(macs_axes, labels, f"Multiply-adds (MACs), {counted}", unit="")
    _dress(memory_axes, labels, "Peak activation memory, one image", unit="B")
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=_NORMAL,
        labelcolor=_INK,
        handlelength=3.6,
        columnspacing=3,
    )
    return figure


def _dress(axes: Axes, labels: dict[int, list[str]], title: str, *, unit: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, fontsize=_NORMAL, color=_INK, loc="left", pad=10)
    axes.set_xlabel("image size, by number of pixels", fontsize=_NORMAL, color=_INK)
    sizes = sorted(labels)
    span = max(sizes[-1] / sizes[0], 4)
    left, right = sizes[0] / span**0.07, sizes[-1] * span**0.2  # room on the right for the slopes' names
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FixedFormatter(["\n".join(labels[size]) for size in sizes]))
    axes.xaxis.set_minor_locator(NullLocator())
    gaps = [math.log(high / low) / math.log(right / left) for low, high in pairwise(sizes)]
    if gaps and min(gaps) < _CROWDED:
        axes.tick_params(axis="x", labelrotation=60)
    axes.yaxis.set_major_formatter(EngFormatter(unit))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(color=_GREY, labelcolor=_INK, labelsize=_SMALL, length=3)
    axes.grid(True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=_GREY)
    _add_references(axes)


def _add_references(axes: Axes) -> None:
    """Slopes 1 and 2 from a little below the cheapest first size, as far as the data reach."""
    points = [(float(x), float(y)) for line in axes.lines for x, y in np.asarray(line.get_xydata())]
    if not points:
        return
    start_x, start_y = min(points)
    start_y *= _BELOW
    last_x = max(max(x for x, _ in points), 4 * start_x)
    top = max(max(y for _, y in points), start_y * last_x / start_x)
    for slope in (1, 2):
        end_x = min(last_x, start_x * (top / start_y) ** (1 / slope))
        end_y = start_y * (end_x / start_x) ** slope
        axes.plot([start_x, end_x], [start_y, end_y], color=_GREY, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        beside = end_x == last_x  # else the line was cut at the top, and its name stands there
        axes.annotate(
            f"slope {slope}",
            (end_x, end_y),
            xytext=(7, 0) if beside else (0, 4),
            textcoords="offset points",
            fontsize=_SMALL,
            color=_GREY,
            ha="left" if beside else "center",
            va="center" if beside else "bottom",
        )
    axes.set_ylim(top=top * 3)
