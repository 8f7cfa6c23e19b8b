"""The picture of models' cost against the image's pixels: multiply-adds and peak memory, log-log."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from convneur.figures.style import (
    COLOURS,
    GREY,
    NORMAL,
    drawable,
    dress_pixel_axes,
    legend_below,
    line_look,
    reference_slope,
    sizes_by_pixels,
    two_panels,
)

if TYPE_CHECKING:
    from convneur.cost import CostReport

__all__ = ["scaling_figure"]

# A twin's dash and marker.
_LOOKS: dict[str | None, tuple[Any, str]] = {
    None: ("-", "o"),
    "self-attention": ((0, (5, 2)), "s"),
    "local-only": ((0, (1, 1.4)), "^"),
}
_BELOW = 0.5  # where the reference slopes start, as a share of the cheapest first value


def scaling_figure(report: "CostReport") -> Figure:
    """Draw multiply-adds and peak activation memory against pixels, both log-log, with slopes 1 and 2 for reference.

    No pyplot state and no setting of matplotlib is touched.

    Args:    report: from `convneur.cost.analyze`, with a counted size.
    Returns: a figure 10 inches wide, higher with more lines in the legend under it; save with `figure.savefig`.
    Raises:  ValueError: nothing to draw.

    >>> import convneur.cost
    >>> figure = scaling_figure(convneur.cost.analyze("m1", sizes=[64, 128], memory="none"))
    >>> len(figure.axes)
    2
    """
    series = [line for line in report.lines if line.points]
    if not series:
        raise ValueError("no counted size to draw")
    figure, macs_axes, memory_axes = two_panels("Cost against image size", lines=len(series), height=4.7)

    models = list(dict.fromkeys(line.model for line in series))
    handles: list[Line2D] = []
    for number, line in enumerate(series):
        dash, marker = _LOOKS.get(line.twin, ("-.", "D"))
        # One model: a colour for each twin. Several: a colour for each model.
        colour = COLOURS[(number if len(models) == 1 else models.index(line.model)) % len(COLOURS)]
        look = line_look(colour, dash, marker)
        remembered = [(point.pixels, point.memory) for point in line.points if point.memory]
        macs_axes.plot([point.pixels for point in line.points], [point.macs for point in line.points], **look)
        if remembered:
            memory_axes.plot([pixels for pixels, _ in remembered], [memory for _, memory in remembered], **look)
        name = line.model if line.twin is None else f"{line.model}'s {line.twin} twin"
        handles.append(Line2D([], [], label=drawable(f"{name}: {line.verdict}", dollars=True), **look))

    labels = sizes_by_pixels((point.pixels, point.label) for line in series for point in line.points)
    counted = "everything executed" if report.convention == "all" else "by the paper's convention"
    if report.counter == "fvcore":
        counted = "as fvcore counts"
    dress_pixel_axes(macs_axes, labels, f"Multiply-adds (MACs), {counted}", unit="")
    _add_references(macs_axes)
    if memory_axes.lines:
        dress_pixel_axes(memory_axes, labels, "Peak activation memory, one image", unit="B")
        _add_references(memory_axes)
    else:
        memory_axes.set_axis_off()  # empty axes have no logarithm
        memory_axes.text(0.5, 0.5, "Peak activation memory: not counted", color=GREY, fontsize=NORMAL, ha="center")
    legend_below(figure, handles)
    return figure


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
        beside = end_x == last_x  # else the line was cut at the top, and its name stands there
        reference_slope(axes, slope, (start_x, start_y), end_x, beside=beside)
    axes.set_ylim(top=top * 3)
