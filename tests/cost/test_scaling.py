"""The verdict on arithmetic whose order is known, and on our own nets."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from convneur import VARIANTS
from convneur.cost import ModelCounter
from convneur.cost.model_counter import RefusedSize, Scaling, join_scaling, probe_sizes, twin_of
from convneur.cost.scaling import ScalingVerdict, judge_scaling, local_slopes, predict_largest, quadratic_shares

PIXELS = [height * width for height, width in probe_sizes()]
M1 = 15_300  # multiply-adds per pixel of m1, about


def judge(cost: Callable[[float], float]) -> ScalingVerdict:
    return judge_scaling([round(cost(n)) for n in PIXELS], PIXELS)


@pytest.mark.parametrize(
    ("cost", "verdict", "order"),
    [
        (lambda n: M1 * n, "linear", 1.0),
        (lambda n: M1 * n - 2e8, "linear", 1.0),  # chunks still filling up
        (lambda n: M1 * n + 2e8 * n**0.5, "linear", 1.0),  # a border
        (lambda n: M1 * n + 900 * n * math.log2(n), "linear", 1.0),
        (lambda n: M1 * n + 10 * n**1.5, "subquadratic", 1.5),
        (lambda n: M1 * n + 0.67 * n**2, "quadratic term present", 2.0),
        (lambda n: M1 * n + 0.2 * M1 / PIXELS[0] * n**2, "quadratic term present", 2.0),  # hidden beside the rest
    ],
)
def test_verdicts_on_known_orders(cost: Callable[[float], float], verdict: str, order: float) -> None:
    found = judge(cost)
    assert found.verdict == verdict
    assert found.order == pytest.approx(order, abs=0.01)
    assert found.is_subquadratic == (verdict != "quadratic term present")


def test_the_quadratic_term_is_recovered() -> None:
    found = judge(lambda n: M1 * n + 0.67 * n**2)
    assert found.quadratic_coefficient == pytest.approx(0.67, rel=1e-6)
    assert quadratic_shares(found, [1000, 2000], [2_000_000, None]) == pytest.approx((0.335, None))
    assert quadratic_shares(judge(lambda n: M1 * n), [1000], [5]) is None


def test_a_fall_then_a_rise_is_undetermined() -> None:
    found = judge_scaling([100 * PIXELS[0], 90 * PIXELS[1], 100 * PIXELS[2]], PIXELS)
    assert (found.verdict, found.order, found.is_subquadratic) == ("undetermined", None, False)
    assert "falls, then rises" in found.why


@pytest.mark.parametrize(
    ("cost", "growth_class", "order", "verdict"),
    [
        (lambda _: 4e9, "constant", 0, "linear"),
        (lambda n: 4e9 + n / 1e3, "constant", 0, "linear"),
        (lambda _: 0, "constant", 0, "linear"),
        (lambda n: 2e8 * n**0.5, "sublinear", 0.5, "linear"),
        (lambda n: 1e8 * math.log2(n), "sublinear", 0.1, "linear"),
        (lambda n: M1 * n, "linear", 1, "linear"),
        (lambda n: M1 * n + 5e10, "linear", 1, "linear"),  # a fixed part, larger than the rest
        (lambda n: M1 * n + 2e8 * n**0.5, "linear", 1, "linear"),
        (lambda n: M1 * n - 2e9, "linear", 0, "linear"),  # chunks still filling up
        (lambda n: M1 * n + 900 * n * math.log2(n), "n log n", 1, "linear"),
        (lambda n: 900 * n * math.log2(n) - 2e8, "n log n", 1, "linear"),
        (lambda n: M1 * n + 10 * n**1.5, "power", 1.5, "subquadratic"),
        (lambda n: M1 * n + 0.67 * n**2, "quadratic", 2, "quadratic term present"),
        (lambda n: M1 * n + 1e-6 * n**3, "higher", 3, "quadratic term present"),
        (lambda n: 10 * n**2.5, "higher", 2.5, "quadratic term present"),
    ],
)
def test_the_fields_classes(cost: Callable[[float], float], growth_class: str, order: float, verdict: str) -> None:
    found = judge(cost)
    assert (found.growth_class, found.verdict) == (growth_class, verdict)
    assert found.order == pytest.approx(order, abs=0.1)
    assert (found.quadratic_coefficient is None) == (growth_class != "quadratic")


def test_a_small_quadratic_term_is_named_and_decides_nothing() -> None:
    found = judge(lambda n: M1 * n + 3e-6 * n**2)
    assert (found.verdict, found.growth_class, found.order) == ("linear", "linear", 1)
    assert found.small_quadratic == pytest.approx(3e-6 * PIXELS[2] / (M1 + 3e-6 * PIXELS[2]), rel=1e-3)
    assert judge(lambda n: M1 * n).small_quadratic is None
    assert judge(lambda n: M1 * n + n * math.log2(n)).small_quadratic is None


def test_no_share_is_above_one() -> None:
    found = judge(lambda n: n**1.85)
    assert found.growth_class == "quadratic"
    shares = quadratic_shares(found, PIXELS, [round(n**1.85) for n in PIXELS])
    assert shares is not None
    assert all(share is None or share <= 1 for share in shares)
    far = quadratic_shares(found, [PIXELS[2] * 100], [round((PIXELS[2] * 100) ** 1.85)])
    assert far == (None,)


@pytest.mark.parametrize("pixels", [[1, 4], [1, 4, 17], [4, 4, 16]])
def test_probes_must_quadruple(pixels: list[int]) -> None:
    with pytest.raises(ValueError, match="four times the pixels"):
        judge_scaling([1] * len(pixels), pixels)


def test_local_slopes() -> None:
    assert local_slopes([1, 10, 100], [3, 30, 3000]) == pytest.approx((1.0, 2.0))
    assert local_slopes([1, 10, 10, 100], [0, 5, 5, None]) == (None, None, None)
    assert local_slopes([7], [7]) == ()


@pytest.mark.parametrize(
    "cost",
    [
        lambda n: 5 * n - 300,
        lambda n: 5 * n + 99 * n * math.log(n),
        lambda n: 5 * n + 0.25 * n**2,
        lambda n: 40 * n**1.5,
    ],
    ids=["line", "n log n", "square", "power"],
)
def test_the_largest_size_is_foretold_in_the_verdicts_form(cost: Callable[[float], float]) -> None:
    sizes = [6400, 100, 1600]
    found = predict_largest(judge(cost), sizes, [round(cost(n)) for n in sizes])
    assert found is not None
    assert found.pixels == 6400
    assert found.error == pytest.approx(0, abs=1e-4)


def test_a_wrong_foretelling_says_by_how_much() -> None:
    found = predict_largest(judge(lambda n: n), [10, 20, 30], [10, 20, 40])
    assert found is not None
    assert found.error == pytest.approx(-0.25)


def test_too_few_sizes_foretell_nothing() -> None:
    linear, square = judge(lambda n: n), judge(lambda n: n**2)
    assert predict_largest(linear, [10], [10]) is None
    assert predict_largest(linear, [10, 20], [None, 20]) is None
    assert predict_largest(square, [10, 20], [100, 400]) is None
    found = predict_largest(linear, [10, 20], [10, 20])
    assert found is not None
    assert (found.macs, found.error) == (20, 0)


# Our own nets


def scaling_of(variant: str, sizes: tuple[int, ...] = (224, 512, 1024), **settings: Any) -> Scaling:
    net = ModelCounter(VARIANTS[variant].replace(**settings))
    return join_scaling([net.at(*size) for size in probe_sizes()], [net.at(side, side) for side in sizes])


@pytest.mark.parametrize(
    ("variant", "settings"),
    [("m1", {}), ("m4", {"chunk_length": 4096}), ("m4", {"memory": "none"}), ("m1", {"chunks": 4, "read": "final"})],
)
def test_the_memory_is_linear(variant: str, settings: dict[str, Any]) -> None:
    found = scaling_of(variant, **settings)
    assert found.verdict.verdict == "linear"
    assert found.quadratic_share is None
    assert (found.verdict.growth_class, found.verdict.small_quadratic) == ("linear", None)
    assert all(slope == pytest.approx(1, abs=0.03) for slope in found.local_slopes if slope is not None)
    assert found.predicted is not None
    assert abs(found.predicted.error) < 0.02


def test_self_attention_is_not_though_its_slope_is_below_two() -> None:
    found = scaling_of("m1", global_branch="self-attention")
    assert found.verdict.verdict == "quadratic term present"
    assert found.verdict.order == pytest.approx(2, abs=0.001)
    assert found.quadratic_share == pytest.approx((0.70, 0.93, 0.98), abs=0.005)
    assert found.local_slopes[0] == pytest.approx(1.83, abs=0.005)


def test_the_verdict_is_by_the_full_count_in_any_convention() -> None:
    net = ModelCounter(twin_of(VARIANTS["m1"], "self-attention"))
    costs = [net.at(side, side, convention="paper") for side in (224, 512)]
    found = join_scaling([net.at(*size, convention="paper") for size in probe_sizes()], costs)
    assert found.verdict.verdict == "quadratic term present"
    assert found.quadratic_share == pytest.approx((0.70, 0.93), abs=0.005)
    assert found.local_slopes[0] == pytest.approx(1, abs=0.001)


def test_a_refused_probe_leaves_it_undetermined() -> None:
    net = ModelCounter(VARIANTS["m1"].replace(memory="none"))
    found = join_scaling([net.at(1024, 1024), RefusedSize(2048, 2048, "too large")], [net.at(64, 64)])
    assert found.verdict.verdict == "undetermined"
    assert "refuses 2048x2048: too large" in found.verdict.why


def test_a_memory_of_many_short_chunks_gets_its_verdict_at_smaller_sizes() -> None:
    assert ModelCounter(VARIANTS["m1"]).probe_sizes() == probe_sizes()
    short = ModelCounter(VARIANTS["m1"].replace(chunk_length=1))
    assert short.probe_sizes() == ((128, 128), (256, 256), (512, 512))
