"""The picture of where a model's time goes: modules on a roofline, and their times beside what they take at least."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, NullLocator

from convneur.figures.style import COLOURS, GREY, GRID, INK, LARGE, NORMAL, SMALL, drawable
from convneur.formats import significant

if TYPE_CHECKING:
    from convneur.bench import BenchResult, Ceilings, ModuleTime, TimedTree

__all__ = ["roofline_figure"]

_MOST_BARS = 14  # of a model
_LARGEST_DOT = 420  # points^2, of a module that takes all the time
_BAR = 0.27  # inches
_PALE = 0.4  # opacity of the time beyond the least


def roofline_figure(result: "BenchResult") -> Figure:
    """Draw each model's modules on a roofline, and beside it the time of each with what its work takes at least.

    Left, both axes logarithmic: FLOPs a second over FLOPs for each byte moved, under the ceilings measured on the
    device; a dot's area is its share of the model's time, a diamond is the whole model. A module without multiply-adds
    has no place there. Right: each module's time; the full part is what its work takes at least by the ceilings. Of a
    model with many modules those that take the most time, in the model's order. A row of panels for each case. No
    pyplot state and no setting of matplotlib is touched.

    Args:    result: from `convneur.bench.run_bench` with `by` module.
    Returns: a figure 11 inches wide; save with `figure.savefig`.
    Raises:  ValueError: nothing to draw.

    >>> from convneur.bench import run_bench
    >>> figure = roofline_figure(run_bench("m1", sizes=32, warmup=1, repeats=2, by="module", memory="none"))
    >>> figure.axes[0].get_xscale(), figure.axes[1].get_xscale()
    ('log', 'linear')
    """
    timed = sorted((row for row in result.timed if row.modules is not None), key=lambda row: _order(result, row.case))
    cases = [(str(case), list(rows)) for case, rows in groupby(timed, key=lambda row: row.case)]
    if not cases or result.ceilings is None:
        raise ValueError("no timed modules to draw")
    names = [model.name for model in result.models]
    rows = [
        (case, [(row.model, COLOURS[names.index(row.model) % len(COLOURS)], row.modules) for row in its if row.modules])
        for case, its in cases
    ]
    heights = [max(3.4, 1.2 + _BAR * sum(len(_bars(tree)) + 1 for _, _, tree in trees)) for _, trees in rows]
    figure = Figure(figsize=(11, 0.9 + sum(heights)), layout="constrained")
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.1, wspace=0.04)
    figure.suptitle(
        f"Where the time goes: {drawable(result.conditions, dollars=True)}",
        fontsize=LARGE, fontweight="bold", color=INK, x=0.015, ha="left",
    )  # fmt: skip
    panels = figure.subplots(len(rows), 2, squeeze=False, height_ratios=heights, width_ratios=(1, 1.15))
    for (case, trees), (roof, bars) in zip(rows, panels, strict=True):
        _draw_roof(roof, result.ceilings, trees)
        roof.set_title(f"Roofline, {case}", fontsize=NORMAL, color=INK, loc="left", pad=10)
        _draw_bars(bars, result.ceilings, trees)
        bars.set_title(f"Time by module, {case}", fontsize=NORMAL, color=INK, loc="left", pad=10)
    return figure


_Trees = Sequence[tuple[str, str, "TimedTree"]]
"""Models on a case: name, colour, modules."""


def _order(result: "BenchResult", case: object) -> int:
    return next(number for number, row in enumerate(result.rows) if row.case == case)


def _draw_roof(axes: Axes, ceilings: "Ceilings", trees: _Trees) -> None:
    dots = [(colour, row, tree) for _, colour, tree in trees for row in tree.leaves if _is_drawn(row)]
    wholes = [(name, colour, tree.whole) for name, colour, tree in trees if _is_drawn(tree.whole)]
    shown = [*(row for _, row, _ in dots), *(row for _, _, row in wholes)]
    intensities = [_intensity(row) for row in shown] or [1.0]
    left, right = min(intensities) / 3, max(*intensities, 30.0) * 3
    peak = 2 * (ceilings.macs_per_second or 0)  # FLOPs a second
    for bandwidth, words, dash in (
        (ceilings.memory_bandwidth, "memory", "-"),
        (ceilings.cache_bandwidth, "cache", (0, (4, 2))),
    ):
        end = min(right, peak / bandwidth) if peak else right
        axes.plot([left, end], [left * bandwidth, end * bandwidth], color=INK, linewidth=1.3, linestyle=dash, zorder=2)
        if end > left:
            _beside_slope(axes, f"{words}: {bandwidth / 1e9:.3g} GB/s", left * (end / left) ** 0.1, bandwidth)
    if peak:
        start = max(left, peak / ceilings.cache_bandwidth)
        axes.plot([start, right], [peak, peak], color=INK, linewidth=1.3, zorder=2)
        words = f"products of matrices: {peak / 1e9:.3g} GFLOP/s"
        axes.annotate(words, (right, peak), xytext=(-2, 4), textcoords="offset points", ha="right", fontsize=SMALL)
    for colour, row, tree in dots:
        area = max(12.0, _LARGEST_DOT * row.seconds / (tree.whole.seconds or 1))
        axes.scatter(_intensity(row), _rate(row), s=area, color=colour, alpha=0.55, linewidths=0.5, zorder=3)
    for _, colour, row in wholes:
        axes.scatter(_intensity(row), _rate(row), s=70, color=colour, marker="D", edgecolors=INK, zorder=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    rates = [_rate(row) for row in shown] or [peak or 1e9]
    axes.set_ylim(min(rates) / 3, 2.5 * max(peak, *rates))
    axes.set_xlabel("arithmetic intensity: FLOPs per byte moved", fontsize=NORMAL, color=INK)
    axes.set_ylabel("FLOPs a second", fontsize=NORMAL, color=INK)
    axes.yaxis.set_major_formatter(EngFormatter("FLOP/s"))
    axes.xaxis.set_major_formatter("{x:g}")
    handles = [_dot(colour, drawable(name, dollars=True)) for name, colour, _ in trees]
    axes.legend(handles=handles, loc="lower right", frameon=False, fontsize=SMALL, labelcolor=INK)
    _dress(axes)


def _draw_bars(axes: Axes, ceilings: "Ceilings", trees: _Trees) -> None:
    place, ticks, labels = 0.0, [], []
    for name, colour, tree in trees:
        ticks.append(place)
        labels.append(drawable(f"{name}: {significant(1e3 * tree.whole.seconds)} ms", dollars=True))
        place += 1
        for row in _bars(tree):
            bound = row.bound(ceilings)
            least = min(row.seconds, bound[0]) if bound else 0.0
            axes.barh(place, 1e3 * least, color=colour, height=0.72)
            axes.barh(place, 1e3 * (row.seconds - least), left=1e3 * least, color=colour, alpha=_PALE, height=0.72)
            words = f" {significant(1e3 * row.seconds)}"
            axes.text(1e3 * row.seconds, place, words, fontsize=SMALL - 1, color=GREY, va="center")
            ticks.append(place)
            labels.append(drawable(row.label, dollars=True))
            place += 1
    axes.set_yticks(ticks, labels)
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set_fontweight("bold" if label.endswith(" ms") else "normal")
    axes.set_ylim(place - 0.4, -0.6)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.18)  # room for the words
    axes.set_xlabel("milliseconds", fontsize=NORMAL, color=INK)
    full = Patch(color=GREY, label="at least, by the ceilings")
    rest = Patch(color=GREY, alpha=_PALE, label="measured")
    axes.legend(handles=[full, rest], loc="lower right", frameon=False, fontsize=SMALL, labelcolor=INK)
    _dress(axes)
    axes.tick_params(axis="y", length=0)


def _bars(tree: "TimedTree") -> list["ModuleTime"]:
    """The parts that take the most time, in the model's order."""
    longest = sorted(tree.leaves, key=lambda row: -row.seconds)[:_MOST_BARS]
    return [row for row in tree.leaves if any(row is one for one in longest)]


def _is_drawn(row: "ModuleTime") -> bool:
    return row.cost is not None and bool(row.cost.macs and row.cost.moved_bytes and row.seconds)


def _intensity(row: "ModuleTime") -> float:
    assert row.cost is not None
    return row.cost.intensity or 0.0


def _rate(row: "ModuleTime") -> float:
    return 2 * (row.macs_per_second or 0.0)


def _beside_slope(axes: Axes, words: str, x: float, bandwidth: float) -> None:
    axes.annotate(
        words, (x, x * bandwidth), xytext=(-6, 2), textcoords="offset points", fontsize=SMALL, color=INK,
        rotation=45, rotation_mode="anchor", transform_rotates_text=True, va="bottom",
    )  # fmt: skip


def _dot(colour: str, label: str) -> Line2D:
    return Line2D([], [], color=colour, marker="D", markeredgecolor=INK, linestyle="none", label=label)


def _dress(axes: Axes) -> None:
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(color=GREY, labelcolor=INK, labelsize=SMALL, length=3)
    axes.grid(True, axis="both" if axes.get_xscale() == "log" else "x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GREY)
