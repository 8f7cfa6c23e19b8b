"""The picture of measured time against the image's pixels: latency with its spread, and pixels a second."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedFormatter, FixedLocator, LogLocator, NullLocator

__all__ = ["LatencyPoint", "LatencySeries", "latency_figure"]

# Okabe and Ito's colours, told apart by all eyes: one for each net. A batch size has a dash and a marker.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LOOKS: tuple[tuple[Any, str], ...] = (("-", "o"), ((0, (5, 2)), "s"), ((0, (1, 1.4)), "^"), ("-.", "D"))
_INK, _GREY, _GRID = "#222222", "#707070", "#E6E6E6"
_SMALL, _NORMAL, _LARGE = 8.5, 9.5, 12
_BELOW = 0.6  # where the reference slope starts, as a share of the shortest first time
_CROWDED = 0.06  # neighbouring ticks nearer than this share of the axis are written slanted


class LatencyPoint(NamedTuple):
    """One image size. label: as the axis shows it. seconds of one call: median, tenth and ninetieth percentile."""

    label: str
    pixels: int
    p50: float
    p10: float
    p90: float


class LatencySeries(NamedTuple):
    """A line: the net, its batch size, what to say of its slope, its sizes by rising pixels."""

    net: str
    batch: int
    slope: str
    points: Sequence[LatencyPoint]


def latency_figure(series: Sequence[LatencySeries], *, measured: str) -> Figure:
    """Draw seconds per call and pixels per second against an image's pixels, log-log.

    Bars run from the tenth to the ninetieth percentile. Where time is linear in the pixels, the left panel has slope 1
    and the right panel is level. No pyplot state and no setting of matplotlib is touched.

    Args:    series: at least one with a point; measured: on what and how, for the line under the title.
    Returns: a figure 10 inches wide, higher with more lines in the legend under it; save with `figure.savefig`.
    Raises:  ValueError: nothing to draw.
    """
    series = [line for line in series if line.points]
    if not series:
        raise ValueError("no timed size to draw")
    columns = 1 if len(series) == 1 else 2
    figure = Figure(figsize=(10, 4.9 + 0.21 * math.ceil(len(series) / columns)), layout="constrained")
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.1, wspace=0.04)
    figure.suptitle("Time against image size", fontsize=_LARGE, fontweight="bold", color=_INK, x=0.015, ha="left")
    time_axes, rate_axes = figure.subplots(1, 2)

    nets = list(dict.fromkeys(line.net for line in series))
    batches = list(dict.fromkeys(line.batch for line in series))
    handles: list[Line2D] = []
    for line in series:
        dash, marker = _LOOKS[batches.index(line.batch) % len(_LOOKS)]
        look: dict[str, Any] = {
            "color": _COLOURS[nets.index(line.net) % len(_COLOURS)],
            "linestyle": dash,
            "linewidth": 1.8,
            "marker": marker,
            "markersize": 6.5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.8,
        }
        pixels = [point.pixels for point in line.points]
        for axes, values in (
            (time_axes, [(point.p50, point.p10, point.p90) for point in line.points]),
            (rate_axes, [_rates(point, line.batch) for point in line.points]),
        ):
            middle = [value for value, _, _ in values]
            spread = [[value - low for value, low, _ in values], [high - value for value, _, high in values]]
            axes.errorbar(pixels, middle, yerr=spread, elinewidth=1.1, capsize=3, **look)
        of_batch = f", batch {line.batch}" if len(batches) > 1 else ""
        handles.append(Line2D([], [], label=f"{line.net}{of_batch}: {line.slope}", **look))

    labels: dict[int, list[str]] = {}
    for line in series:
        for point in line.points:
            if point.label not in labels.setdefault(point.pixels, []):
                labels[point.pixels].append(point.label)
    of_one = f", batch {batches[0]}" if len(batches) == 1 else ""
    _dress(time_axes, labels, f"Time of a call{of_one}: median, p10 to p90", unit="s")
    _dress(rate_axes, labels, "Pixels per second: level where time is linear", unit="px/s")
    _add_reference(time_axes, series)
    legend = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=_NORMAL,
        labelcolor=_INK,
        handlelength=3.6,
        columnspacing=3,
        title=measured,
        title_fontsize=_SMALL,
    )
    legend.get_title().set_color(_GREY)
    return figure


def _rates(point: LatencyPoint, batch: int) -> tuple[float, float, float]:
    """Pixels a second: at the median, the least, the most."""
    work = point.pixels * batch
    return work / point.p50, work / point.p90, work / point.p10


def _dress(axes: Axes, labels: dict[int, list[str]], title: str, *, unit: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, fontsize=_NORMAL, color=_INK, loc="left", pad=10)
    axes.set_xlabel("image size, by number of pixels", fontsize=_NORMAL, color=_INK)
    sizes = sorted(labels)
    span = max(sizes[-1] / sizes[0], 4)
    left, right = sizes[0] / span**0.07, sizes[-1] * span**0.2  # room on the right for the slope's name
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FixedFormatter(["\n".join(labels[size]) for size in sizes]))
    axes.xaxis.set_minor_locator(NullLocator())
    gaps = [math.log(high / low) / math.log(right / left) for low, high in pairwise(sizes)]
    if gaps and min(gaps) < _CROWDED:
        axes.tick_params(axis="x", labelrotation=60)
    # Rates of all sizes may lie within one decade, which then needs ticks of its own.
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,)))
    axes.yaxis.set_major_formatter(EngFormatter(unit))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(color=_GREY, labelcolor=_INK, labelsize=_SMALL, length=3)
    axes.grid(True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=_GREY)


def _add_reference(axes: Axes, series: Sequence[LatencySeries]) -> None:
    """Slope 1 from a little below the shortest first time, as far as the data reach."""
    points = [(point.pixels, point.p10) for line in series for point in line.points]
    start_x, start_y = min(points)
    start_y *= _BELOW
    end_x = max(max(x for x, _ in points), 4 * start_x)
    end_y = start_y * end_x / start_x
    axes.plot([start_x, end_x], [start_y, end_y], color=_GREY, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    axes.annotate(
        "slope 1",
        (end_x, end_y),
        xytext=(7, 0),
        textcoords="offset points",
        fontsize=_SMALL,
        color=_GREY,
        ha="left",
        va="center",
    )
