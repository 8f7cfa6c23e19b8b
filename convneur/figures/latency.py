"""The picture of measured time against the image's pixels: latency with its spread, and pixels a second."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from convneur.figures.style import (
    COLOURS,
    drawable,
    dress_pixel_axes,
    legend_below,
    line_look,
    reference_slope,
    sizes_by_pixels,
    two_panels,
)

if TYPE_CHECKING:
    from convneur.bench import BenchResult, ModelTimes, TimeSlope, Timing

__all__ = ["latency_figure"]

# A model has a colour, a batch size a dash and a marker.
_LOOKS: tuple[tuple[Any, str], ...] = (("-", "o"), ((0, (5, 2)), "s"), ((0, (1, 1.4)), "^"), ("-.", "D"))
_BELOW = 0.6  # where the reference slope starts, as a share of the shortest first time


def latency_figure(result: "BenchResult") -> Figure:
    """Draw seconds per call and pixels per second against an image's pixels, log-log.

    Bars run from the tenth to the ninetieth percentile. Where time is linear in the pixels, the left panel has slope 1
    and the right panel is level. No pyplot state and no setting of matplotlib is touched.

    Args:    result: with at least one case timed; a model that was timed at no size has no line.
    Returns: a figure 10 inches wide, higher with more lines in the legend under it; save with `figure.savefig`.
    Raises:  ValueError: nothing to draw.

    >>> from convneur.bench import run_bench
    >>> figure = latency_figure(run_bench("m1", sizes=[32, 64], warmup=1, repeats=2, memory="none"))
    >>> [axes.get_xscale() for axes in figure.axes]
    ['log', 'log']
    """
    lines = [
        _Line(model.name, batch, slope, _at(model, batch))
        for model in result.models
        for batch, slope in model.slopes.items()
    ]
    lines = [line for line in lines if line.points]
    if not lines:
        raise ValueError("no timed size to draw")
    figure, time_axes, rate_axes = two_panels("Time against image size", lines=len(lines), height=4.9)

    models = list(dict.fromkeys(line.model for line in lines))
    batches = list(dict.fromkeys(line.batch for line in lines))
    handles: list[Line2D] = []
    for line in lines:
        dash, marker = _LOOKS[batches.index(line.batch) % len(_LOOKS)]
        look = line_look(COLOURS[models.index(line.model) % len(COLOURS)], dash, marker)
        pixels = [point.case.pixels for point in line.points]
        for axes, values in (
            (time_axes, [(point.p50, point.p10, point.p90) for point in line.points]),
            (rate_axes, [(point.pixels_per_second, *point.pixels_per_second_range) for point in line.points]),
        ):
            middle = [value for value, _, _ in values]
            spread = [[value - low for value, low, _ in values], [high - value for value, _, high in values]]
            axes.errorbar(pixels, middle, yerr=spread, elinewidth=1.1, capsize=3, **look)
        of_batch = f", batch {line.batch}" if len(batches) > 1 else ""
        handles.append(Line2D([], [], label=drawable(f"{line.model}{of_batch}: {line.words}", dollars=True), **look))

    labels = sizes_by_pixels((point.case.pixels, point.case.size) for line in lines for point in line.points)
    of_one = f", batch {batches[0]}" if len(batches) == 1 else ""
    _dress(time_axes, labels, f"Time of a call{of_one}: median, p10 to p90", unit="s")
    _dress(rate_axes, labels, "Pixels per second: level where time is linear", unit="px/s")
    _add_reference(time_axes, lines)
    legend_below(figure, handles, title=result.conditions)
    return figure


class _Line(NamedTuple):
    """A model at one batch size, its sizes by rising pixels."""

    model: str
    batch: int
    slope: "TimeSlope | None"
    points: "Sequence[Timing]"

    @property
    def words(self) -> str:
        slope = self.slope
        return "one size" if slope is None else f"slope {slope.slope:.2f} ({slope.low:.2f} to {slope.high:.2f})"


def _at(model: "ModelTimes", batch: int) -> "list[Timing]":
    return sorted((row for row in model.timed if row.case.batch == batch), key=lambda row: row.case.pixels)


def _dress(axes: Axes, labels: dict[int, list[str]], title: str, *, unit: str) -> None:
    dress_pixel_axes(axes, labels, title, unit=unit)
    # Rates of all sizes may lie within one decade, which then needs ticks of its own.
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,)))


def _add_reference(axes: Axes, lines: Sequence[_Line]) -> None:
    """Slope 1 from a little below the shortest first time, as far as the data reach."""
    points = [(point.case.pixels, point.p10) for line in lines for point in line.points]
    start_x, start_y = min(points)
    end_x = max(max(x for x, _ in points), 4 * start_x)
    reference_slope(axes, 1, (start_x, _BELOW * start_y), end_x)
