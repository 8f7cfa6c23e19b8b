"""The paper's Figure 1: ImageNet accuracy against multiply-adds, as printed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from convneur.figures.style import COLOURS, GREY, GRID, INK, LARGE, NORMAL, SMALL
from convneur.published import ClassifierRow

if TYPE_CHECKING:
    from convneur.cost import AccuracyPoints

__all__ = ["accuracy_figure"]

_BLUE = COLOURS[0]
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50)

# Where a name stands beside its point: shift in points, alignment. Right of it unless that is where another point is.
_RIGHT = ((8, 0), "left", "center")
_LEFT = ((-8, 0), "right", "center")
_ABOVE = ((-6, 7), "right", "center")
_PLACES = {"SpectFormer-T": _LEFT, "PVT-S": _LEFT, "CrossViT-S": _ABOVE}


@style.context("default")
def accuracy_figure(points: "AccuracyPoints") -> Figure:
    """Draw top-1 accuracy against multiply-adds, these on a log scale, and say on the picture where each comes from.

    No pyplot state and no setting of matplotlib is touched; save with `figure.savefig`.

    Args:    points: from `convneur.cost.accuracy_points`. With full counts ConvNeur's curve stands at those, and arrows
        lead to it from the printed points; other authors' models of one family are joined.
    Returns: a figure 10 inches wide.

    >>> import convneur.cost
    >>> accuracy_figure(convneur.cost.accuracy_points()).axes[0].get_xscale()
    'log'
    """
    curve, others, full_gmacs = points.curve, points.others, points.full_gmacs
    figure = Figure(figsize=(10, 5.8), facecolor="white", layout="constrained")
    figure.set_layout_engine("constrained", w_pad=0.16, h_pad=0.12)
    axes = figure.subplots()
    _titles(axes, counted=full_gmacs is not None)

    families: dict[str, list[ClassifierRow]] = {}
    for row in others:
        families.setdefault(row.model.rpartition("-")[0], []).append(row)
    for family in families.values():
        axes.plot(*_points(family), color=GREY, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6, zorder=2)
    axes.plot(*_points(others), "o", color=GREY, markersize=6, markeredgecolor="white", label="others", zorder=3)
    for row in others:
        _name(axes, row.model, float(row.gmacs), row.top1, _PLACES.get(row.model, _RIGHT), color=GREY)

    printed, top1 = _points(curve)
    x = printed if full_gmacs is None else [full_gmacs[row.model] for row in curve]
    if full_gmacs is not None:
        axes.plot(printed, top1, color=_BLUE, linewidth=1, linestyle=(0, (2, 2)), alpha=0.5, zorder=3)
        axes.plot(printed, top1, "o", color="white", markersize=6, markeredgecolor=_BLUE, label="printed", zorder=4)
        for start, end, y in zip(printed, x, top1, strict=True):
            arrow = {"arrowstyle": "-|>", "color": _BLUE, "linewidth": 1, "shrinkA": 4, "shrinkB": 4}
            axes.annotate("", (end, y), xytext=(start, y), arrowprops=arrow, zorder=4)
    axes.plot(
        x,
        top1,
        "o-",
        color=_BLUE,
        linewidth=2,
        markersize=8.5,
        markeredgecolor="white",
        label="ConvNeur",
        zorder=5,
    )
    for row, start in zip(curve, printed, strict=True):
        _name(axes, f"ConvNeur-{row.model.upper()}", start, row.top1, _ABOVE, color=_BLUE, weight="bold")
    _scales(axes, [*printed, *x, *(float(row.gmacs) for row in others)], [*top1, *(row.top1 for row in others)])
    return figure


def _points(rows: Sequence[ClassifierRow]) -> tuple[list[float], list[float]]:
    return [float(row.gmacs) for row in rows], [row.top1 for row in rows]


def _titles(axes: Axes, *, counted: bool) -> None:
    source = "As printed in the paper; convneur measured none of it."
    if counted:
        source = (
            "Accuracy as printed in the paper. ConvNeur's filled points stand at the count of all that it executes,\n"
            "memory updates in Gram form; the hollow ones, and other models, at the multiply-adds as printed."
        )
    title = "Accuracy against cost on ImageNet-1K"
    axes.set_title(title, fontsize=LARGE, fontweight="bold", color=INK, loc="left", pad=40 if counted else 26)
    axes.text(0, 1.025, source, transform=axes.transAxes, fontsize=NORMAL, color=INK, va="bottom", linespacing=1.35)


def _name(
    axes: Axes,
    name: str,
    x: float,
    y: float,
    place: tuple[tuple[float, float], str, str],
    *,
    color: str,
    weight: str = "normal",
) -> None:
    shift, ha, va = place
    axes.annotate(
        name,
        (x, y),
        xytext=shift,
        textcoords="offset points",
        ha=ha,
        va=va,
        color=color,
        fontsize=NORMAL,
        fontweight=weight,
    )


def _scales(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    axes.set_xscale("log")
    left, right = min(x) / 1.65, max(x) * 1.35  # room for the names beside the outermost points
    ticks = [tick for tick in _TICKS if left < tick < right]
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(min(y) - 0.8, max(y) + 0.8)
    axes.set_xlabel("multiply-adds for one image of 224×224, billions (log scale)", fontsize=NORMAL, color=INK)
    axes.set_ylabel("top-1 accuracy, %", fontsize=NORMAL, color=INK)
    axes.tick_params(color=GREY, labelcolor=INK, labelsize=SMALL, length=3)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GREY)
