"""Accuracy over cost: published models, the frontier that the best of them make, and how far others are below it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from convneur.figures.html_page import html_page
from convneur.figures.style import COLOURS, GREY, GRID, INK, LARGE, NORMAL, SMALL, drawable

if TYPE_CHECKING:
    from convneur.peers import Frontier, FrontierPoint

__all__ = ["AXIS_TITLES", "frontier_data", "frontier_figure", "frontier_page", "log_ticks"]

AXIS_TITLES = {
    "macs": "multiply-adds for one image, billions",
    "params": "parameters, millions",
    "images-per-second": "images per second",
    "latency": "latency of one image, ms",
}
_BLUE, _ORANGE = COLOURS[0], COLOURS[1]
_STEPS = (1, 1.5, 2, 3, 5, 7)
_MOST_TICKS = 9
_NAMES_APART = 0.3  # points of accuracy


@style.context("default")
def frontier_figure(frontier: "Frontier") -> Figure:
    """Draw accuracy against cost on a log scale, the frontier as steps, and each model's distance below it.

    A square is a published model at another size than 224 pixels, a hollow triangle one that was trained with a
    teacher. No pyplot state and no setting of matplotlib is touched; save with `figure.savefig`.

    Args:    frontier: from `convneur.peers.frontier`.
    Returns: a figure 10 inches wide.

    >>> import convneur.peers
    >>> frontier_figure(convneur.peers.frontier("m1,m4")).axes[0].get_xscale()
    'log'
    """
    figure = Figure(figsize=(10, 6.4), facecolor="white", layout="constrained")
    figure.set_layout_engine("constrained", w_pad=0.16, h_pad=0.12)
    axes = figure.subplots()
    left, right = _ends(frontier)
    on_curve = set(frontier.curve)
    looks: tuple[tuple[str, str, Sequence[FrontierPoint]], ...] = (
        ("published, at 224 px", "o", [one for one in frontier.points if one.peer.size == 224]),
        ("published, at another size", "s", [one for one in frontier.points if one.peer.size != 224]),
    )
    for label, marker, points in looks:
        plain = [one for one in points if not one.peer.distilled]
        if plain:
            colours = [_ORANGE if one in on_curve else "#9a9a9a" for one in plain]
            axes.scatter(*_places(plain), s=26, c=colours, marker=marker, alpha=0.9, linewidths=0, zorder=3)
            axes.scatter([], [], s=26, c="#9a9a9a", marker=marker, label=label)
    taught = [one for one in frontier.points if one.peer.distilled]
    if taught:
        edges = [_ORANGE if one in on_curve else "#9a9a9a" for one in taught]
        axes.scatter(*_places(taught), s=30, facecolors="white", edgecolors=edges, marker="^", zorder=3)
        label = "published, with a teacher"
        axes.scatter([], [], s=30, facecolors="white", edgecolors="#9a9a9a", marker="^", label=label)
    x, y = _steps(frontier, right)
    axes.plot(x, y, color=_ORANGE, linewidth=1.6, label="frontier", zorder=2)
    _name_curve(axes, frontier)
    for model in frontier.models:
        if model.best is not None and model.points_below:
            ends = (model.accuracy, model.best.accuracy)
            axes.plot([model.cost] * 2, ends, color=_BLUE, linewidth=1.2, linestyle=(0, (2, 2)), zorder=4)
            below = f"{-model.points_below:+.2f}".replace("-", "\u2212")
            _beside(axes, below, (model.cost, sum(ends) / 2), (5, 0), color=_BLUE)
    if frontier.models:
        axes.scatter(*_places(frontier.models), s=85, c=_BLUE, edgecolors="white", label="compared", zorder=5)
    for model in frontier.models:
        name = drawable(model.name, dollars=True)
        _beside(axes, name, (model.cost, model.accuracy), (7, -7), color=_BLUE, weight="bold")
    _dress(axes, frontier, (left, right))
    return figure


def frontier_page(frontier: "Frontier") -> str:
    """The page as HTML: the same with every point's name and values under the pointer, and as tables.

    >>> import convneur.peers
    >>> "<title>Accuracy against multiply-adds</title>" in frontier_page(convneur.peers.frontier("m1"))
    True
    """
    title = _title(frontier)
    return html_page(
        ("frontier_plot", "frontier"),
        {"title": title, "frontier": frontier_data(frontier)},
        title=title,
        generator="convneur",
        without_script="The plot and the tables of this page are made by its own script; nothing is fetched. Allow "
        "scripts to see them, or write a .md or .csv file.",
        charts=True,
    )


def frontier_data(frontier: "Frontier") -> dict[str, Any]:
    """What the plot of a page takes: also that of an audit."""
    plain = frontier.to_dict()
    return {
        **plain,
        "axis": AXIS_TITLES[frontier.axis],
        "rises": frontier.rises,
        "ticks": log_ticks(*sorted(_ends(frontier))),
        "headlines": list(frontier.headlines()),
        "words": list(frontier.sentences()),
    }


def log_ticks(low: float, high: float) -> list[float]:
    """At most nine round values between two, for a log scale."""
    decades = range(-6, 10)
    for steps in (_STEPS, (1, 2, 5), (1, 3), (1,)):
        ticks = [round(step * 10.0**power, 9) for power in decades for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= _MOST_TICKS:
            return inside
    return inside


def _ends(frontier: "Frontier") -> tuple[float, float]:
    """Of the axis, the cheap one first: with room for names left of the first models."""
    costs = [*(point.cost for point in frontier.points), *(model.cost for model in frontier.models)]
    low, high = min(costs), max(costs)
    reach = (high / low) ** 0.16
    return (high * reach, low / 1.1) if frontier.rises else (low / reach, high * 1.1)


def _title(frontier: "Frontier") -> str:
    words = {"macs": "multiply-adds", "params": "parameters", "latency": "latency"}
    return f"Accuracy against {words.get(frontier.axis, 'images per second')}"


def _places(points: Sequence[Any]) -> tuple[list[float], list[float]]:
    return [point.cost for point in points], [point.accuracy for point in points]


def _steps(frontier: "Frontier", end: float) -> tuple[list[float], list[float]]:
    """The best accuracy at each cost, without interpolation: level until the next better model."""
    x: list[float] = []
    y: list[float] = []
    for point in frontier.curve:
        if y:
            x.append(point.cost)
            y.append(y[-1])
        x.append(point.cost)
        y.append(point.accuracy)
    return [*x, end], [*y, y[-1]]


def _name_curve(axes: Axes, frontier: "Frontier") -> None:
    """Names left of the frontier's steps, where no published model is.

    Where some would meet, those that a model is compared with go first, then the better ones.
    """
    compared = [model.best for model in frontier.models if model.best is not None]
    named: list[float] = []
    for point in (*compared, *reversed(frontier.curve)):
        if any(abs(point.accuracy - other) < _NAMES_APART for other in named):
            continue
        named.append(point.accuracy)
        name = drawable(point.peer.model.partition(".")[0], dollars=True)
        if point.peer.size != 224:
            name += f" {point.peer.size}"
        place = (point.cost, point.accuracy)
        _beside(axes, name, place, (-5, 4), color="#a04000", align="right", size=SMALL - 1)


def _beside(
    axes: Axes,
    words: str,
    place: tuple[float, float],
    shift: tuple[float, float],
    *,
    color: str,
    weight: str = "normal",
    align: Literal["left", "right"] = "left",
    size: float = NORMAL,
) -> None:
    axes.annotate(
        words,
        place,
        xytext=shift,
        textcoords="offset points",
        ha=align,
        va="center" if not shift[1] else "top" if shift[1] < 0 else "bottom",
        color=color,
        fontsize=size,
        fontweight=weight,
        zorder=6,
    )


def _dress(axes: Axes, frontier: "Frontier", ends: tuple[float, float]) -> None:
    axes.set_title(_title(frontier), fontsize=LARGE, fontweight="bold", color=INK, loc="left", pad=12)
    axes.set_xscale("log")
    ticks = log_ticks(min(ends), max(ends))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(*ends)
    accuracies = [*(point.accuracy for point in frontier.points), *(model.accuracy for model in frontier.models)]
    reach = max(accuracies) - min(accuracies) or 1
    axes.set_ylim(min(accuracies) - 0.05 * reach, max(accuracies) + 0.07 * reach)
    axes.set_xlabel(f"{AXIS_TITLES[frontier.axis]} (log scale)", fontsize=NORMAL, color=INK)
    axes.set_ylabel("ImageNet-1K top-1, %", fontsize=NORMAL, color=INK)
    axes.tick_params(color=GREY, labelcolor=INK, labelsize=SMALL, length=3)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False, fontsize=NORMAL, labelcolor=INK)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GREY)
