"""Which images are shown, and which boundary pixels are called missed, spurious and matched."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from convneur.errors import ConfigError
from convneur.metrics import BoundarySettings, score_pair
from convneur.metrics.picks import BoundaryErrors, boundary_errors, error_hotspots, metric_path, pick_images


def by_hand(mask: np.ndarray) -> np.ndarray:
    """DAVIS boundary of one mask."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    east, south, corner = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    edge = (mask != east) | (mask != south) | (mask != corner)
    edge[-1], edge[:, -1] = (mask != east)[-1], (mask != south)[:, -1]
    return edge


@pytest.mark.parametrize("seed", range(4))
def test_errors_equal_those_of_every_class_by_itself(blobs: Callable[..., Any], seed: int) -> None:
    pred, gt = blobs(seed, height=40, width=57)
    errors = boundary_errors(pred, gt, BoundarySettings(num_classes=5), "2px")
    missed, spurious, either = (np.zeros(gt.shape, bool) for _ in range(3))
    valid = gt != 255
    for k in range(5):
        true, found = by_hand((gt == k) & valid), by_hand((pred == k) & valid)
        near = [
            ndimage.distance_transform_edt(~edge) <= 2 if edge.any() else np.zeros(gt.shape, bool)
            for edge in (true, found)
        ]
        missed |= true & ~near[1]
        spurious |= found & ~near[0]
        either |= (true & near[1]) | (found & near[0])
    np.testing.assert_array_equal(errors.missed, missed)
    np.testing.assert_array_equal(errors.spurious, spurious)
    np.testing.assert_array_equal(errors.matched, either & ~missed & ~spurious)
    assert missed.any()
    assert spurious.any()
    assert errors.radius == 2


def test_one_class_against_another_counts_as_boundary_f1_does() -> None:
    gt = np.zeros((30, 40), np.uint8)
    gt[8:20, 10:25] = 1
    pred = np.roll(gt, 6, 1)
    settings = BoundarySettings(num_classes=2, tolerance=("2px",))
    matches = score_pair(pred, gt, settings).boundary_f1
    assert matches is not None
    errors = boundary_errors(pred, gt, settings, "2px")
    assert errors.missed.sum() == matches.gt[1] - matches.matched_gt[0, 1]
    assert errors.spurious.sum() == matches.pred[1] - matches.matched_pred[0, 1]
    same = boundary_errors(gt, gt, settings, "0.008")
    assert not same.missed.any()
    assert not same.spurious.any()
    assert same.matched.sum() == matches.gt[1]


def test_the_hotspots_hold_the_most_errors_and_do_not_overlap() -> None:
    missed = np.zeros((40, 60), bool)
    missed[5:8, 50:54] = True
    missed[30, 10:14] = True
    nothing = np.zeros_like(missed)
    places = error_hotspots(BoundaryErrors(missed, nothing, nothing, 1.0), 10, 15, 5)
    assert len(places) == 2
    for (y, x), count in zip(places, (12, 4), strict=True):
        assert missed[y : y + 10, x : x + 15].sum() == count
        assert 0 <= y <= 30
        assert 0 <= x <= 45
    assert error_hotspots(BoundaryErrors(nothing, nothing, missed, 1.0), 10, 15, 5) == []


def rows(metric: str, values: list[float]) -> list[dict[str, Any]]:
    return [{"name": f"{k:02}", metric: value} for k, value in enumerate(values)]


def test_worst_median_and_best() -> None:
    found = pick_images(rows("miou", [0.5, math.nan, 0.9, 0.1, 0.3, 0.7, 0.8, 0.2, 0.6]), ("miou",), 2)
    assert [(one.group, one.place, one.name, one.value) for one in found] == [
        ("worst", 1, "03", 0.1), ("worst", 2, "07", 0.2), ("median", 1, "00", 0.5), ("median", 2, "08", 0.6),
        ("best", 1, "02", 0.9), ("best", 2, "06", 0.8),
    ]  # fmt: skip


def test_of_distances_the_largest_is_the_worst() -> None:
    given = [{"name": str(k), "hd95": {"penalised_mean": float(k)}} for k in range(9)]
    found = pick_images(given, ("hd95", "penalised_mean"), 1)
    assert [(one.group, one.name, one.value) for one in found] == [
        ("worst", "8", 8.0), ("median", "4", 4.0), ("best", "0", 0.0),
    ]  # fmt: skip


@pytest.mark.parametrize("count", range(8))
def test_of_few_images_each_is_shown_once(count: int) -> None:
    found = pick_images(rows("miou", [k / 10 for k in range(count)]), ("miou",), 3)
    names = [one.name for one in found]
    assert len(names) == len(set(names)) == min(count, 9)


def test_how_a_figure_is_named() -> None:
    settings = BoundarySettings(tolerance=("0.008", "3px"), metrics=("boundary_f1", "hausdorff", "miou"))
    assert metric_path("boundary_f1", settings) == ("boundary_f1", "0.008")
    assert metric_path("boundary_f1@3px", settings) == ("boundary_f1", "3px")
    assert metric_path("hausdorff", settings) == ("hausdorff", "penalised_mean")
    assert metric_path("miou", settings) == ("miou",)
    for typed in ("boundary_f1@2px", "trimap_miou", "miou@3", "dice", ""):
        with pytest.raises(ConfigError, match="must be"):
            metric_path(typed, settings)
