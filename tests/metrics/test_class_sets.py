"""Means over chosen classes, Dice, percentiles and curves: against the definitions written out, and their traps."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convneur.metrics import (
    BoundaryAccumulator,
    BoundaryMetrics,
    BoundarySettings,
    BoundarySummary,
    boundary_f1,
    boundary_f1_area,
    dice,
    hausdorff,
    hausdorff_percentile,
    hd95,
    score_pair,
)

IGNORE = 255


def summed(pairs: list[tuple[Any, Any]], count: int = 4, **options: Any) -> BoundarySummary:
    total = BoundaryAccumulator(BoundarySettings(num_classes=count, **options))
    for number, (pred, gt) in enumerate(pairs):
        total.add(f"{number}", score_pair(np.array(pred), np.array(gt), total.settings))
    return total.summary()


def defined_mean(values: list[float]) -> float:
    found = [value for value in values if not math.isnan(value)]
    return sum(found) / len(found) if found else math.nan


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sets(st.integers(0, 3), min_size=1))
def test_dice_in_three_orders_by_hand(seed: int, chosen: set[int]) -> None:
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(3):
        pred, gt = random.integers(0, random.integers(1, 5), (2, 4, 5))
        gt[random.random(gt.shape) < 0.2] = IGNORE
        pairs.append((pred, gt))

    def counts(pred: np.ndarray, gt: np.ndarray, k: int) -> tuple[int, int]:
        valid = gt != IGNORE
        a, b = (pred == k) & valid, (gt == k) & valid
        return 2 * (a & b).sum(), a.sum() + b.sum()

    def value(parts: list[tuple[int, int]]) -> float:
        common, both = (sum(side) for side in zip(*parts, strict=True))
        return common / both if both else math.nan

    each = [[value([counts(*pair, k)]) for k in range(4)] for pair in pairs]
    by_class = [defined_mean([row[k] for row in each]) for k in range(4)]
    pooled = [value([counts(*pair, k) for pair in pairs]) for k in range(4)]
    expected = {
        "mean": defined_mean([by_class[k] for k in chosen]),
        "pooled": defined_mean([pooled[k] for k in chosen]),
        "images": defined_mean([defined_mean([row[k] for k in chosen]) for row in each]),
    }
    for aggregate, mean in expected.items():
        summary = summed(pairs, metrics="dice", aggregate=aggregate, groups={"chosen": sorted(chosen)})
        assert summary.groups["chosen"]["dice"] == pytest.approx(mean, abs=1e-12, nan_ok=True), aggregate
        for k, row in enumerate(summary.per_class):
            of_class = pooled[k] if aggregate == "pooled" else by_class[k]
            assert row["dice"] == pytest.approx(of_class, abs=1e-12, nan_ok=True)


def test_a_class_left_out_of_the_mean_is_still_right_or_wrong() -> None:
    pair = ([[0, 3, 1, 1]], [[0, 0, 1, 1]])
    whole, part = summed([pair]), summed([pair], mean_over="foreground")
    assert repr(part.per_class) == repr(whole.per_class)
    assert part.overall["miou"] == 0.5  # class 1 is right, class 3 was predicted on the background
    assert part.overall["presence"] == {"both": 1, "missed": 0, "spurious": 1, "both_empty": 1}
    assert part.overall["hausdorff"]["spurious"] == 1
    assert part.overall["pixel_accuracy"] == whole.overall["pixel_accuracy"] == 0.75
    # That is not ignoring the background, where the false class 3 would cost nothing.
    ignoring = summed([([[0, 3, 1, 1]], [[255, 255, 1, 1]])])
    assert ignoring.overall["miou"] == 1


def test_foreground_leaves_out_the_background_that_is_named() -> None:
    pair = ([[0, 1, 2, 2]], [[0, 1, 1, 2]])
    by_class = [row["miou"] for row in summed([pair]).per_class]
    assert summed([pair], mean_over="foreground", background=2).overall["miou"] == pytest.approx(sum(by_class[:2]) / 2)
    assert summed([pair], mean_over=[0]).per_image[0]["miou"] == by_class[0]


@pytest.mark.parametrize("metric", ["miou", "trimap_miou", "boundary_iou", "boundary_f1", "surface_dice", "dice"])
def test_a_set_of_classes_without_a_value_has_no_mean(metric: str) -> None:
    summary = summed([([[0, 1]], [[0, 1]])], metrics=metric, mean_over=[3], groups={"two": [2]})
    for values in (summary.overall, summary.groups["two"], summary.per_image[0]):
        value = values[metric]
        assert all(map(math.isnan, value.values() if isinstance(value, dict) or hasattr(value, "values") else [value]))
    assert "Mean_over: class 3 occurs in no map and is left out of its means." in summary.sentences()
    assert "Group two: class 2 occurs in no map and is left out of its means." in summary.sentences()


def test_counted_absences_are_those_of_the_chosen_classes() -> None:
    summary = summed([([[0, 0]], [[0, 0]])], metrics="boundary_f1", count_absent=True, mean_over=[1, 2])
    assert summary.per_image[0]["boundary_f1"]["0.008"] == summary.overall["boundary_f1"]["0.008"] == 1


def test_a_spurious_class_costs_dice() -> None:
    """MONAI leaves out a class whose truth is empty, so that predicting it costs nothing."""
    summary = summed([([[0, 1, 2, 2]], [[0, 1, 1, 1]])], metrics="dice")
    assert [row["dice"] for row in summary.per_class[:3]] == [1, 0.5, 0]
    assert math.isnan(summary.per_class[3]["dice"])
    assert dice(np.array([[True]]), np.array([[False]])) == 0
    assert math.isnan(dice(np.array([[False]]), np.array([[False]])))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 100), st.sampled_from(["directed", "pooled"]))
def test_percentiles_by_definition(seed: int, percentile: float, method: Any) -> None:
    pred, gt = np.random.default_rng(seed).random((2, 6, 9)) < 0.3
    pred[0, 0] = gt[5, 8] = True
    borders = [np.argwhere(mask & ~eroded(mask)) for mask in (pred, gt)]
    apart = np.sqrt(((borders[0][:, None] - borders[1][None]) ** 2).sum(axis=2))
    there, back = apart.min(axis=1), apart.min(axis=0)
    if method == "pooled":
        expected = np.percentile(np.concatenate((there, back)), percentile)
    else:
        expected = max(np.percentile(there, percentile), np.percentile(back, percentile))
    assert hausdorff_percentile(pred, gt, percentile, method=method) == pytest.approx(expected, abs=1e-9)
    assert hausdorff_percentile(pred, gt, 100, method=method) == hausdorff(pred, gt)
    assert hausdorff_percentile(pred, gt, 95, method=method) == hd95(pred, gt, method=method)


def eroded(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def test_hd95_is_the_percentile_95_to_the_last_bit(blobs: Callable[..., Any]) -> None:
    pairs = [blobs(seed) for seed in range(4)]
    for method in ("directed", "pooled"):
        overall = summed(pairs, 5, metrics="hd95", hd_percentile=("95", 100), hd95=method).overall
        assert overall["hd_percentile"]["95"] == overall["hd95"]
        whole = summed(pairs, 5, metrics="hausdorff", hd_percentile=("95", 100), hd95=method).overall
        assert whole["hd_percentile"]["100"] == whole["hausdorff"]


def test_a_missed_class_counts_as_the_diagonal_at_every_percentile() -> None:
    overall = summed([([[0, 0, 0, 0]] * 3, [[0, 0, 0, 1]] * 3)], metrics="miou", hd_percentile=50).overall
    assert overall["hd_percentile"]["50"] == {
        "finite_mean": 0,
        "penalised_mean": 2.5,
        "missed": 1,
        "spurious": 0,
    }


def test_the_curve_is_boundary_f1_at_each_radius_and_the_area_its_trapezoids(blobs: Callable[..., Any]) -> None:
    pairs = [blobs(seed) for seed in range(4)]
    radii = (1, 3, 5, 7)
    for aggregate in ("mean", "pooled"):
        options: dict[str, Any] = {"metrics": "boundary_f1", "tolerance": [f"{r}px" for r in radii]}
        summary = summed(pairs, 5, tolerance_curve="1:7:2", aggregate=aggregate, **options)
        assert summary == summed(pairs, 5, tolerance_curve="1:7:2", aggregate=aggregate, **options)
        for row in (summary.overall, *summary.per_class, *summary.per_image):
            curve = row["boundary_f1_curve"]
            assert curve["radii_px"] == radii
            assert list(curve["f1"]) == pytest.approx(list(row["boundary_f1"].values()), abs=1e-15)
            assert list(curve["f1"]) == sorted(curve["f1"])
            a, b, c, d = curve["f1"]
            assert curve["area"] == pytest.approx(((a + b) + (b + c) + (c + d)) / 6, abs=1e-12)
    alone = summed(pairs, 5, metrics="miou", tolerance_curve="3:3").overall["boundary_f1_curve"]
    assert alone["area"] == alone["f1"][0]


def test_the_curve_beside_other_tolerances_changes_neither(blobs: Callable[..., Any]) -> None:
    """One search serves all radii."""
    pairs = [blobs(seed) for seed in range(3)]
    both = summed(pairs, 5, metrics="boundary_f1", tolerance=("0.008", "12px"), tolerance_curve="2:9").overall
    assert (
        both["boundary_f1"]
        == summed(pairs, 5, metrics="boundary_f1", tolerance=("0.008", "12px")).overall["boundary_f1"]
    )
    assert both["boundary_f1_curve"] == summed(pairs, 5, metrics=(), tolerance_curve="2:9").overall["boundary_f1_curve"]


def test_the_curve_of_masks_that_fill_the_image_or_are_missing() -> None:
    full, empty = np.ones((2, 6, 6), bool) & np.array([True, False])[:, None, None]
    half = np.tile(np.arange(6) < 3, (6, 1))
    assert boundary_f1_area(full, full) == 1
    assert boundary_f1_area(full, empty) == boundary_f1_area(half, empty) == boundary_f1_area(full, half) == 0
    assert math.isnan(boundary_f1_area(empty, empty))
    pooled = summed([(full * 1, full * 1)], 2, metrics=(), tolerance_curve="1:2", aggregate="pooled")
    assert pooled.per_class[1]["boundary_f1_curve"]["f1"] == (1, 1)


def test_radii_between_whole_ones_grow_the_score() -> None:
    """DAVIS builds a kernel of the wrong size for them, and finds F(1.5) below F(1)."""
    random = np.random.default_rng(3)
    for _ in range(20):
        pred, gt = random.random((2, 9, 9)) < 0.4
        scores = [boundary_f1(pred, gt, f"{radius}px") for radius in (1, 1.5, 2, 2.5, 3)]
        assert scores == sorted(scores)


def test_in_a_loop_names_are_known_and_groups_are_in_the_summary() -> None:
    metrics = BoundaryMetrics(
        3, metrics=["miou"], names=["sky", "sea", "land"], groups={"wet": ["sea"]}, mean_over=["sky"]
    )
    metrics.update([[0, 1, 2]], [[0, 1, 1]])
    summary = metrics.compute()
    assert (summary.overall["miou"], summary.groups["wet"]["miou"]) == (1, 0.5)
    assert summary.to_dict()["groups"]["wet"]["miou"] == 0.5
    assert "wet" in str(summary)
    assert [row["name"] for row in summary.records()] == ["overall", "wet", "sky", "sea", "land"]
