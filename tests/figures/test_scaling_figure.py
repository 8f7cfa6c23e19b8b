"""The cost figure by its data, scales, reference slopes and words."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from convneur.cost.report import CostLine, CostPoint
from convneur.figures import scaling_figure

SIDES = (224, 512, 1024)


def series(model: str = "m1", twin: str | None = None, scale: float = 1, power: float = 1) -> CostLine:
    points = tuple(
        CostPoint(str(side), side**2, round(scale * 15_000 * (side**2) ** power), round(200 * side**2))
        for side in SIDES
    )
    return CostLine(model, twin, "linear" if power == 1 else "quadratic term present", points)


def report(*lines: CostLine, convention: str = "all", counter: str = "dispatch") -> Any:
    """As much of a report as is drawn."""
    return SimpleNamespace(lines=lines, convention=convention, counter=counter)


def references(axes: Any) -> list[Any]:
    return [line for line in axes.lines if line.get_marker() == "None"]


def slope(line: Any) -> float:
    (x0, x1), (y0, y1) = np.log(line.get_xdata()), np.log(line.get_ydata())
    return float((y1 - y0) / (x1 - x0))


def test_both_panels_are_log_log_over_pixels() -> None:
    figure = scaling_figure(report(series()))
    macs, memory = figure.axes
    for axes in (macs, memory):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert list(axes.get_xticks()) == [side**2 for side in SIDES]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["224", "512", "1024"]
    assert list(macs.lines[0].get_xdata()) == [side**2 for side in SIDES]
    assert list(macs.lines[0].get_ydata()) == [15_000 * side**2 for side in SIDES]
    assert list(memory.lines[0].get_ydata()) == [200 * side**2 for side in SIDES]
    assert "everything executed" in macs.get_title(loc="left")
    assert "memory" in memory.get_title(loc="left")


def test_reference_slopes_are_one_and_two_and_named() -> None:
    figure = scaling_figure(report(series(), series(twin="self-attention", power=1.5), convention="paper"))
    for axes in figure.axes:
        assert [slope(line) for line in references(axes)] == pytest.approx([1, 2])
        assert [text.get_text() for text in axes.texts] == ["slope 1", "slope 2"]
    assert "paper" in figure.axes[0].get_title(loc="left")


def test_the_legend_names_models_twins_and_verdicts_outside_the_panels() -> None:
    figure = scaling_figure(report(series(), series(twin="self-attention", power=2), series(twin="local-only")))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "m1: linear",
        "m1's self-attention twin: quadratic term present",
        "m1's local-only twin: linear",
    ]
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert all(axes.get_legend() is None for axes in figure.axes)


def test_words_do_not_run_into_each_other_or_off_the_page() -> None:
    figure = scaling_figure(report(series(), series(twin="self-attention", power=2)))
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in (*axes.texts, *axes.get_xticklabels(), axes.xaxis.label)]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
        assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)


def test_twins_differ_in_dash_and_marker_and_models_in_colour() -> None:
    drawn = report(series("m1"), series("m1", "self-attention"), series("m2"), series("m2", "self-attention"))
    lines = scaling_figure(drawn).axes[0].lines[:4]
    one, twin, other, others_twin = ((line.get_color(), line.get_linestyle(), line.get_marker()) for line in lines)
    assert one[0] == twin[0] != other[0] == others_twin[0]
    assert one[1:] == other[1:] != twin[1:] == others_twin[1:]


def test_sizes_of_equal_pixels_share_a_tick() -> None:
    points = (CostPoint("512x2048", 2**20, 10**9, 10**6), CostPoint("1024", 2**20, 10**9, 10**6))
    axes = scaling_figure(report(CostLine("m1", None, "linear", points))).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["512x2048\n1024"]
    assert [slope(line) for line in references(axes)] == pytest.approx([1, 2])


def test_near_sizes_are_written_slanted() -> None:
    points = tuple(CostPoint(str(side), side**2, side**2, side**2) for side in (224, 230, 1024))
    axes = scaling_figure(report(CostLine("m1", None, "linear", points))).axes[0]
    assert axes.get_xticklabels()[0].get_rotation() == 60


def test_memory_that_was_not_counted_is_said_in_its_panel(tmp_path: Path) -> None:
    points = (CostPoint("224", 224**2, 10**9, None), CostPoint("512", 512**2, 10**10, None))
    figure = scaling_figure(report(CostLine("m1", None, "linear", points), counter="fvcore"))
    macs, memory = figure.axes
    assert len(macs.lines) == 3
    assert len(memory.lines) == 0
    assert [text.get_text() for text in memory.texts] == ["Peak activation memory: not counted"]
    figure.savefig(tmp_path / "cost.png")  # empty log axes fail only when they are drawn


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no counted size"):
        scaling_figure(report(CostLine("m1", None, "linear", ())))


def test_it_draws_without_pyplot_and_changes_no_setting(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    figure = scaling_figure(report(series()))
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "cost.svg")
    assert dict(mpl.rcParams) == before
