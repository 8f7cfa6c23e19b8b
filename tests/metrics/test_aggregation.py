"""From pairs to a data set: which means, from what, and that neither order nor workers matter."""

import itertools
import math
import random
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convneur.errors import ConfigError
from convneur.metrics import BoundaryAccumulator, BoundarySettings, BoundarySummary, PairScores, score_pair
from convneur.metrics.exact import ExactMean

SETTINGS = BoundarySettings(num_classes=5, tolerance=("1px", "3px"), surface_dice_tau=("1",), spacing=(2.0, 0.5))


def mask(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (30, 40)) -> np.ndarray:
    """Class 1 in boxes of y, x, height, width, on class 0."""
    labels = np.zeros(shape, np.uint8)
    for y, x, height, width in boxes:
        labels[y : y + height, x : x + width] = 1
    return labels


def summed(pairs: list[tuple[np.ndarray, np.ndarray]], **options: Any) -> BoundarySummary:
    total = BoundaryAccumulator(BoundarySettings(**{"num_classes": 2, **options}))
    for number, (pred, gt) in enumerate(pairs):
        total.add(f"pair {number}", score_pair(pred, gt, total.settings))
    return total.summary()


@pytest.fixture(scope="module")
def scored(blobs: Callable[..., Any]) -> list[tuple[str, PairScores]]:
    return [(f"image {seed}", score_pair(*blobs(seed), SETTINGS)) for seed in range(6)]


def accumulated(scored: list[tuple[str, PairScores]]) -> BoundaryAccumulator:
    total = BoundaryAccumulator(SETTINGS)
    for name, scores in scored:
        total.add(name, scores)
    return total


def test_order_and_division_do_not_change_a_bit(scored: list[tuple[str, PairScores]]) -> None:
    expected = accumulated(scored).summary()
    shuffled = scored.copy()
    for cut in range(7):
        random.Random(cut).shuffle(shuffled)
        parts = accumulated(shuffled[:cut])
        parts.merge(accumulated(shuffled[cut:]))
        assert parts.summary() == expected


def test_accumulators_of_different_settings_do_not_merge(scored: list[tuple[str, PairScores]]) -> None:
    total = accumulated(scored)
    for other in (BoundaryAccumulator(BoundarySettings(num_classes=5)), BoundaryAccumulator(SETTINGS, list("abcde"))):
        with pytest.raises(ConfigError, match="cannot be merged"):
            total.merge(other)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.integers(0, 40))
def test_the_mean_is_exact_until_it_is_read(values: list[float], cut: int) -> None:
    one, other = ExactMean(), ExactMean()
    for value in values[:cut]:
        one.add(value)
    for value in values[cut:]:
        other.add(value)
    one.merge(other)
    assert one.count == len(values)
    assert one.value() == float(sum(map(Fraction, values))) / len(values)
    assert one.value(ones=3) == float(sum(map(Fraction, values), Fraction(3))) / (len(values) + 3)
    assert math.isnan(ExactMean().value())


def test_a_class_is_averaged_over_the_images_that_have_it() -> None:
    present, absent = mask((5, 5, 9, 9)), mask()
    moved = mask((5, 7, 9, 9))
    summary = summed([(moved, present), (absent, absent), (present, present)])
    one = summary.per_class[1]
    alone = [summed([pair]).per_class[1] for pair in ((moved, present), (present, present))]
    for metric, key in (("boundary_f1", "0.008"), ("surface_dice", "1"), ("hausdorff", "finite_mean")):
        assert one[metric][key] == pytest.approx((alone[0][metric][key] + alone[1][metric][key]) / 2)
    assert one["presence"] == {"both": 2, "missed": 0, "spurious": 0, "both_empty": 1}
    zero = summary.per_class[0]
    for metric in ("boundary_f1", "surface_dice"):
        for key, value in summary.overall[metric].items():
            assert value == pytest.approx((zero[metric][key] + one[metric][key]) / 2)


def test_region_metrics_come_from_one_confusion_matrix() -> None:
    large, small = mask((2, 2, 20, 30)), mask((5, 5, 2, 2))
    pairs = [(large, large), (mask((5, 6, 2, 2)), small)]
    summary = summed(pairs)
    assert summary.per_class[1]["miou"] == (600 + 2) / (600 + 6)
    assert summary.overall["pixel_accuracy"] == (2400 - 4) / 2400
    assert summary.per_image[1]["miou"] == pytest.approx((2 / 6 + 1194 / 1198) / 2)
    assert summary.per_image[1]["pixel_accuracy"] == 1196 / 1200
    seen = [score_pair(*pair, BoundarySettings(num_classes=2)).trimap["class"] for pair in pairs]
    joint = sum(bands.agreeing[1] for bands in seen) / sum(
        bands.gt[1] + bands.pred[1] - bands.agreeing[1] for bands in seen
    )
    assert summary.overall["trimap_miou"]["3"] == pytest.approx(joint.mean())


def test_missed_and_spurious_count_as_the_diagonal_of_their_image() -> None:
    there, nowhere = mask((5, 5, 4, 4)), mask()
    flat = mask(shape=(10, 20))
    spurious = mask((0, 0, 2, 2), shape=(10, 20))
    moved = mask((5, 8, 4, 4))
    summary = summed([(nowhere, there), (spurious, flat), (moved, there)], spacing=(3.0, 0.5))
    diagonals = math.hypot(30 * 3, 40 * 0.5), math.hypot(10 * 3, 20 * 0.5)
    for metric in ("hausdorff", "hd95", "assd", "masd"):
        figures = summary.per_class[1][metric]
        assert (figures["missed"], figures["spurious"]) == (1, 1)
        assert figures["penalised_mean"] == pytest.approx((sum(diagonals) + figures["finite_mean"]) / 3)
    assert summary.per_class[1]["hausdorff"]["finite_mean"] == 1.5
    assert summary.overall["hausdorff"]["missed"] == 1
    for metric, key in (("boundary_f1", "0.008"), ("surface_dice", "1")):
        last = summed([(moved, there)], spacing=(3.0, 0.5)).per_class[1][metric][key]
        assert summary.per_class[1][metric][key] == pytest.approx(last / 3)


def test_a_class_with_no_finite_distance_has_a_penalised_mean_only() -> None:
    figures = summed([(mask(), mask((5, 5, 4, 4)))]).per_class[1]["hausdorff"]
    assert math.isnan(figures["finite_mean"])
    assert figures["penalised_mean"] == 50


def test_pooled_counts() -> None:
    pairs = [
        (mask((5, 7, 9, 9)), mask((5, 5, 9, 9))),
        (mask((9, 9, 12, 12)), mask((5, 5, 3, 3))),
        (mask(), mask((2, 2, 3, 3))),
    ]
    options = {"tolerance": ("1px",), "surface_dice_tau": ("1",)}
    pooled, mean = summed(pairs, aggregate="pooled", **options), summed(pairs, **options)
    settings = BoundarySettings(num_classes=2, **options)
    f1 = [score_pair(*pair, settings).boundary_f1 for pair in pairs]
    nsd = [score_pair(*pair, settings).surface_dice for pair in pairs]

    def total(matches: list[Any], field: str) -> int:
        return sum(int(getattr(one, field)[..., 1].sum()) for one in matches)

    precision = total(f1, "matched_pred") / total(f1, "pred")
    recall = total(f1, "matched_gt") / total(f1, "gt")
    one = pooled.per_class[1]
    assert one["boundary_f1"]["1px"] == pytest.approx(2 * precision * recall / (precision + recall))
    within = total(nsd, "matched_gt") + total(nsd, "matched_pred")
    assert one["surface_dice"]["1"] == pytest.approx(within / (total(nsd, "gt") + total(nsd, "pred")))
    assert one["boundary_f1"] != mean.per_class[1]["boundary_f1"]
    for metric in ("hausdorff", "hd95", "assd", "masd", "boundary_iou", "miou"):
        np.testing.assert_equal(pooled.overall[metric], mean.overall[metric])


def test_pooling_where_no_mask_has_a_boundary() -> None:
    full = np.ones((6, 6), np.uint8)
    for pred, expected in ((full, 1.0), (full * 0, 0.0)):
        assert summed([(pred, full)], aggregate="pooled").per_class[1]["boundary_f1"]["0.008"] == expected


def test_counting_absent_classes_as_davis_does() -> None:
    there, nowhere = mask((5, 5, 4, 4)), mask()
    moved = mask((5, 12, 4, 4))
    summary = summed([(moved, there), (nowhere, nowhere)], count_absent=True, tolerance=("1px",))
    f1 = summed([(moved, there)], tolerance=("1px",)).per_class[1]["boundary_f1"]["1px"]
    assert summary.per_class[1]["boundary_f1"]["1px"] == pytest.approx((f1 + 1) / 2)
    assert summary.per_image[1]["boundary_f1"]["1px"] == 1
    assert math.isnan(summed([(nowhere, nowhere)]).per_class[1]["boundary_f1"]["0.008"])
    assert summed([(nowhere, nowhere)], count_absent=True).per_class[1]["boundary_f1"]["0.008"] == 1


@pytest.mark.parametrize("aggregate", ["mean", "pooled"])
@pytest.mark.parametrize("count_absent", [False, True])
def test_the_curve_is_boundary_f1_at_each_radius(aggregate: str, *, count_absent: bool) -> None:
    full, there, nowhere = np.ones((30, 40), np.uint8), mask((5, 5, 4, 4)), mask()
    pairs = [(mask((6, 5, 4, 4)), there), (nowhere, nowhere), (full, full), (full, nowhere)]
    found = summed(pairs, metrics="boundary_f1", tolerance=("2px",), tolerance_curve="2:2", aggregate=aggregate,
                   count_absent=count_absent, num_classes=4)  # fmt: skip
    for row in (found.overall, *found.per_class, *found.per_image):
        curve = row["boundary_f1_curve"]
        np.testing.assert_equal((curve["f1"][0], curve["area"]), (row["boundary_f1"]["2px"],) * 2)


def test_an_all_ignored_image_is_counted_and_adds_nothing() -> None:
    there, moved = mask((5, 5, 4, 4)), mask((6, 5, 4, 4))
    void = np.full((30, 40), 255, np.uint8)
    for options in ({}, {"count_absent": True}):
        with_void, without = summed([(moved, there), (there, void)], **options), summed([(moved, there)], **options)
        assert (with_void.images, without.images) == (2, 1)
        assert with_void.all_ignored == ("pair 1",)
        np.testing.assert_equal(with_void.per_class, without.per_class)
        np.testing.assert_equal(with_void.overall, without.overall)
        assert math.isnan(with_void.per_image[1]["miou"])


def test_auto_chooses_the_seed_over_the_whole_set() -> None:
    void_between = np.zeros((10, 30), np.uint8)
    void_between[:, 15:] = 1
    without_void = void_between.copy()
    void_between[:, 12:18] = 255
    only_void, mixed = summed([(void_between,) * 2]), summed([(void_between,) * 2, (without_void,) * 2])
    assert (only_void.settings["trimap_seed"], mixed.settings["trimap_seed"]) == ("void", "class")
    assert only_void.settings["trimap_seed_asked"] == "auto"
    assert only_void.per_image[0]["trimap_miou"]["1"] == 1
    assert math.isnan(mixed.per_image[0]["trimap_miou"]["1"])
    assert mixed.overall["trimap_miou"]["1"] == 1


def test_label_shares_and_invalid_labels() -> None:
    gt, pred = mask((0, 0, 2, 40)), mask((0, 0, 1, 40))
    gt[-1], pred[-2:] = 255, 7
    summary = summed([(pred, gt)])
    assert summary.labels["ground_truth"] == {0: 27 * 40, 1: 80, 255: 40}
    assert summary.labels["prediction"] == {0: 27 * 40, 1: 40, 7: 40}
    assert summary.invalid_labels == {7: 1}


def test_thin_regions_are_counted_with_an_example() -> None:
    thin = mask((5, 5, 2, 30))
    assert summed([(thin, thin)], tolerance=("1px", "0px")).too_thin == {"1px": (1, 1, ("1",))}


def test_every_summary_has_the_same_keys() -> None:
    empty = summed([])
    full = summed([(mask((5, 5, 4, 4)), mask((5, 5, 4, 4)))])
    assert empty.overall.keys() == full.overall.keys()
    assert full.per_class[0].keys() - {"class", "name"} == full.overall.keys()
    assert full.per_image[0].keys() - {"name", "height", "width", "pixels"} == full.overall.keys()
    assert all(math.isnan(value) for value in empty.overall["boundary_f1"].values())
    some = summed([(mask(), mask())], metrics=("miou", "hd95"))
    assert list(some.overall) == ["hd95", "miou", "presence"]


def test_memory_hardly_grows_with_the_images(scored: list[tuple[str, PairScores]]) -> None:
    total = BoundaryAccumulator(SETTINGS)
    pairs = itertools.cycle(scored)
    tracemalloc.start()
    for _ in range(50):
        total.add(*next(pairs))
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(450):
        total.add(*next(pairs))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown / 450 < 6000  # bytes: a row of figures


def test_a_data_set_needs_its_classes() -> None:
    with pytest.raises(ConfigError, match="num_classes"):
        BoundaryAccumulator(BoundarySettings())
    with pytest.raises(ConfigError, match="3 names for 2 classes"):
        BoundaryAccumulator(BoundarySettings(num_classes=2), ["a", "b", "c"])
