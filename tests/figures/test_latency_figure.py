"""The latency figure by its data, scales, spread, reference slope and words."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from convneur.bench import BenchCase, BenchResult, BenchSettings, Machine, ModelTimes, RefusedCase, TimeSlope, Timing
from convneur.figures.latency import latency_figure

SIDES = (224, 512, 1024)
MACHINE = Machine("Linux", "a processor", None, "AVX2", 2, 2, 2, None, None, None, "highest", {})


def model(
    name: str = "m1", batches: tuple[int, ...] = (1,), scale: float = 1.0, sides: tuple[int, ...] = SIDES
) -> ModelTimes:
    """Times linear in the pixels; p10 is 0.9 of the median, p90 1.3 times it."""
    rows = [
        timing(name, BenchCase(side, side, batch), scale * batch * 1e-7 * side**2)
        for batch in batches
        for side in sides
    ]
    slope = TimeSlope(1.0, 0.98, 1.01) if len(sides) > 1 else None
    return ModelTimes(name, 1, None, tuple(rows), dict.fromkeys(batches, slope))


def timing(name: str, case: BenchCase, seconds: float) -> Timing:
    samples = tuple(seconds * share for share in (0.9, 0.9, 1, 1.3, 1.3))
    return Timing(name, case, 1, 1, samples, 1, 1.0, None, None, None)


def draw(*models: ModelTimes) -> Figure:
    return latency_figure(BenchResult(BenchSettings(), MACHINE, None, None, models))


def bars(axes: Any) -> list[ErrorbarContainer]:
    return [container for container in axes.containers if isinstance(container, ErrorbarContainer)]


def test_medians_and_spread_in_both_panels() -> None:
    figure = draw(model(batches=(4,)))
    times, rates = figure.axes
    for axes in (times, rates):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["224", "512", "1024"]
    (time_bars,), (rate_bars,) = bars(times), bars(rates)
    pixels = np.array(SIDES) ** 2
    seconds = 4e-7 * pixels
    assert list(time_bars.lines[0].get_xdata()) == list(pixels)
    assert time_bars.lines[0].get_ydata() == pytest.approx(seconds)
    low, high = (caps.get_ydata() for caps in time_bars.lines[1])
    assert low == pytest.approx(0.9 * seconds)
    assert high == pytest.approx(1.3 * seconds)
    assert rate_bars.lines[0].get_ydata() == pytest.approx(np.full(3, 1e7))  # level
    low, high = (caps.get_ydata() for caps in rate_bars.lines[1])
    assert low == pytest.approx(np.full(3, 1e7 / 1.3))
    assert high == pytest.approx(np.full(3, 1e7 / 0.9))
    assert times.get_title(loc="left") == "Time of a call, batch 4: median, p10 to p90"


def test_the_reference_slope_is_one() -> None:
    times, rates = draw(model()).axes
    (line,) = [line for line in times.lines if line.get_marker() == "None"]
    (x0, x1), (y0, y1) = np.log(line.get_xdata()), np.log(line.get_ydata())
    assert (y1 - y0) / (x1 - x0) == pytest.approx(1)
    assert [text.get_text() for text in times.texts] == ["slope 1"]
    assert list(rates.texts) == []


def test_nets_differ_in_colour_and_batches_in_dash_and_marker() -> None:
    figure = draw(model(batches=(1, 8)), model("m2", (1, 8)))
    lines = [container.lines[0] for container in bars(figure.axes[0])]
    assert [line.get_color() for line in lines[:2]] == [lines[0].get_color()] * 2
    assert lines[0].get_color() != lines[2].get_color()
    assert lines[0].get_marker() == lines[2].get_marker() != lines[1].get_marker()
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "cpu, float32, 2 threads, 10 repeats"
    assert legend.get_texts()[1].get_text() == "m1, batch 8: slope 1.00 (0.98 to 1.01)"
    assert figure.axes[0].get_title(loc="left") == "Time of a call: median, p10 to p90"


def test_words_do_not_run_into_each_other_or_off_the_page() -> None:
    figure = draw(model(), model("m2", scale=3))
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in (*axes.texts, *axes.get_xticklabels(), axes.xaxis.label)]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
        assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)
        shown = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
        assert len(shown) >= 2
    box = figure.legends[0].get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)


def test_one_size_draws_and_none_does_not() -> None:
    figure = draw(model(sides=(224,)))
    figure.draw_without_rendering()
    assert figure.legends[0].get_texts()[0].get_text() == "m1: one size"
    refused = RefusedCase("m1", BenchCase(16, 16, 1), "too small")
    with pytest.raises(ValueError, match="no timed size"):
        draw(ModelTimes("m1", 1, None, (refused,), {1: None}))


def test_sizes_of_equal_pixels_share_a_tick_and_near_ones_are_slanted() -> None:
    rows = tuple(timing("m1", BenchCase(*size, 1), 1.0) for size in ((8, 2), (4, 4), (17, 1), (99, 99)))
    axes = draw(ModelTimes("m1", 1, None, rows, {1: None})).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8x2\n4", "17x1", "99"]
    assert {tick.get_rotation() for tick in axes.get_xticklabels()} == {60}


def test_no_setting_of_matplotlib_is_touched(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    draw(model()).savefig(tmp_path / "a.svg")
    assert dict(mpl.rcParams) == before
