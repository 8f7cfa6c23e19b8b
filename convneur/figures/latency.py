"""The picture of measured time against the image's pixels: latency with its spread, and pixels a second."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from convneur.figures.style import (
    COLOURS,
    dress_pixel_axes,
    legend_below,
    line_look,
    reference_slope,
    sizes_by_pixels,
    two_panels,
)

__all__ = ["LatencyPoint", "LatencySeries", "latency_figure"]

# A net has a colour, a batch size a dash and a marker.
_LOOKS: tuple[tuple[Any, str], ...] = (("-", "o"), ((0, (5, 2)), "s"), ((0, (1, 1.4)), "^"), ("-.", "D"))
_BELOW = 0.6  # where the reference slope starts, as a share of the shortest first time


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
    figure, time_axes, rate_axes = two_panels("Time against image size", lines=len(series), height=4.9)

    nets = list(dict.fromkeys(line.net for line in series))
    batches = list(dict.fromkeys(line.batch for line in series))
    handles: list[Line2D] = []
    for line in series:
        dash, marker = _LOOKS[batches.index(line.batch) % len(_LOOKS)]
        look = line_look(COLOURS[nets.index(line.net) % len(COLOURS)], dash, marker)
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

    labels = sizes_by_pixels((point.pixels, point.label) for line in series for point in line.points)
    of_one = f", batch {batches[0]}" if len(batches) == 1 else ""
    _dress(time_axes, labels, f"Time of a call{of_one}: median, p10 to p90", unit="s")
    _dress(rate_axes, labels, "Pixels per second: level where time is linear", unit="px/s")
    _add_reference(time_axes, series)
    legend_below(figure, handles, title=measured)
    return figure


def _rates(point: LatencyPoint, batch: int) -> tuple[float, float, float]:
    """Pixels a second: at the median, the least, the most."""
    work = point.pixels * batch
    return work / point.p50, work / point.p90, work / point.p10


def _dress(axes: Axes, labels: dict[int, list[str]], title: str, *, unit: str) -> None:
    dress_pixel_axes(axes, labels, title, unit=unit)
    # Rates of all sizes may lie within one decade, which then needs ticks of its own.
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,)))


def _add_reference(axes: Axes, series: Sequence[LatencySeries]) -> None:
    """Slope 1 from a little below the shortest first time, as far as the data reach."""
    points = [(point.pixels, point.p10) for line in series for point in line.points]
    start_x, start_y = min(points)
    end_x = max(max(x for x, _ in points), 4 * start_x)
    reference_slope(axes, 1, (start_x, _BELOW * start_y), end_x)
