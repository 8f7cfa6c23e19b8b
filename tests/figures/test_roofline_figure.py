"""The roofline by its data, its ceilings and its words."""

import pytest

from convneur.bench import (
    BenchCase,
    BenchResult,
    BenchSettings,
    Ceilings,
    ModelTimes,
    ModuleTime,
    TimedTree,
    Timing,
    describe_machine,
)
from convneur.figures import roofline_figure
from convneur.module_tree import ModuleCost
from convneur.results import ReadOnly

CEILINGS = Ceilings(macs_per_second=50e9, memory_bandwidth=10e9, cache_bandwidth=40e9, launch_seconds=1e-6)


def timed(name: str, *parts: tuple[str, float, int, int]) -> ModelTimes:
    """A model by its modules: name, seconds, multiply-adds, bytes."""
    whole = ("", *(sum(part[column] for part in parts) for column in (1, 2, 3)))
    rows = tuple(
        ModuleTime(module, "Linear", len(module[:1]), False, seconds, ModuleCost(
            module, len(module[:1]), "Linear", False, 0, int(macs), 0, int(moved), 1))
        for module, seconds, macs, moved in (whole, *parts)
    )  # fmt: skip
    case = BenchCase(64, 64, batch=1)
    tree = TimedTree(f"{name} on {case}", rows, CEILINGS)
    timing = Timing(name, case, 1, 1, (0.01,), 1, 0.01, None, None, None, modules=tree)
    return ModelTimes(name, 1, None, (timing,), ReadOnly({1: None}))


@pytest.fixture(scope="module")
def result() -> BenchResult:
    models = (
        timed("one", ("body", 0.030, 10**9, 2 * 10**7), ("norm", 0.010, 0, 10**7)),
        timed("$two_$", ("head", 0.005, 10**8, 10**6)),
    )
    return BenchResult(BenchSettings(), describe_machine(), None, 50e9, models, CEILINGS)


def test_dots_stand_at_intensity_and_rate_under_the_measured_ceilings(result: BenchResult) -> None:
    roof, bars = roofline_figure(result).axes
    dots = [tuple(map(float, each.get_offsets()[0])) for each in roof.collections]
    assert dots[0] == pytest.approx((2e9 / 2e7, 2e9 / 0.030))  # the norm has no multiply-adds, and so no place
    assert dots[1] == pytest.approx((2e8 / 1e6, 2e8 / 0.005))
    assert dots[2] == pytest.approx((2e9 / 3e7, 2e9 / 0.040))
    areas = [each.get_sizes()[0] for each in roof.collections]
    assert areas[0] == pytest.approx(0.75 * areas[1])
    slopes = [line.get_ydata()[0] / line.get_xdata()[0] for line in roof.lines[:2]]
    assert slopes == pytest.approx([10e9, 40e9])
    assert list(roof.lines[2].get_ydata()) == [100e9, 100e9]
    widths = [patch.get_width() for patch in bars.patches]
    assert widths == pytest.approx([20, 10, 0.25, 9.75, 2, 3])  # least, and the rest, in milliseconds
    labels = [label.get_text() for label in bars.get_yticklabels()]
    assert labels == ["one: 40.00 ms", "body", "norm", r"\$two\_\$: 5.000 ms".replace(r"\_", "_"), "head"]


def test_without_modules_there_is_nothing_to_draw(result: BenchResult) -> None:
    with pytest.raises(ValueError, match="no timed modules"):
        roofline_figure(BenchResult(BenchSettings(), result.machine, None, None, result.models[:0], CEILINGS))
