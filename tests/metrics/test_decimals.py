"""Distances against numbers as they are written, by whole numbers throughout."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from convneur.metrics import BoundarySettings, boundary_f1, boundary_iou, surface_dice
from convneur.metrics.decimals import distance_limit, rounded_root
from convneur.metrics.kernels import PLAIN, compiled_kernels
from convneur.metrics.scores import scored_by
from convneur.metrics.settings import tolerance_radius, tolerance_square


@pytest.mark.parametrize(
    ("step", "pixels", "tau"), [(0.1, 3, 0.3), (0.2, 3, 0.6), (0.7, 3, 2.1), (0.3, 3, 0.9), (0.1, 7, 0.7)]
)
def test_a_shift_of_so_many_pixels_is_within_so_many_pixels(step: float, pixels: int, tau: float) -> None:
    gt = np.zeros((20, 40), bool)
    gt[5:15, 5:20] = True
    pred = np.roll(gt, pixels, 1)
    assert surface_dice(pred, gt, tau, spacing=step) == 1
    assert surface_dice(pred, gt, math.nextafter(tau, 0), spacing=step) < 1


def border(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask & ~binary_erosion(mask))


@pytest.mark.parametrize("spacing", [("0.1", "0.1"), ("0.3", "0.1"), ("0.7", "1.1"), ("1.2", "0.05")])
def test_surface_dice_is_that_of_whole_numbers(spacing: tuple[str, str]) -> None:
    random = np.random.default_rng(3)
    steps = [int(Fraction(step) * 100) for step in spacing]
    for _ in range(12):
        pred, gt = random.random((2, 14, 17)) < 0.2
        in_pred, in_gt = border(pred), border(gt)
        offsets = (in_pred[:, None] - in_gt[None]) * steps
        squares = (offsets**2).sum(axis=2)  # in hundredths, squared
        for tau in ("0.3", "0.5", "0.6", "1.3", "2.1", "2.5"):
            limit = int(Fraction(tau) * 100) ** 2
            close = squares <= limit
            expected = (close.any(axis=1).sum() + close.any(axis=0).sum()) / (len(in_pred) + len(in_gt))
            assert surface_dice(pred, gt, tau, spacing=tuple(map(float, spacing))) == expected


@pytest.mark.slow
def test_both_kernels_take_the_same_limit() -> None:
    compiled = compiled_kernels()
    if compiled is None:
        pytest.skip("no Numba here")
    pred, gt = np.random.default_rng(0).integers(0, 3, (2, 60, 50)).repeat(3, axis=1)
    settings = BoundarySettings(num_classes=3, metrics="surface_dice", surface_dice_tau=(0.3, 0.6), spacing=0.1)
    found = [scored_by(kernels, pred, gt, settings).surface_dice for kernels in (PLAIN, compiled)]
    assert found[0].score.tolist() == found[1].score.tolist()
    wide = scored_by(PLAIN, pred, gt, BoundarySettings(num_classes=3, metrics="surface_dice", surface_dice_tau=(3, 6)))
    assert found[0].score.tolist() == wide.surface_dice.score.tolist()


@pytest.mark.parametrize("tau", [0, 1e-300, 1e300, "1e-999999999"])
def test_limits_that_nothing_is_next_to(tau: float | str) -> None:
    assert distance_limit(tau, (0.1, 0.1), (30, 40)) == float(tau)


def test_spacings_of_any_size() -> None:
    assert distance_limit(3e9, (1e9, 1e9), (30, 40)) == 3e9


def test_a_share_of_the_diagonal_is_rounded_up_exactly() -> None:
    assert math.ceil(0.07 * 100) == 8, "what floats give"
    assert tolerance_radius(0.07, 60, 80) == tolerance_radius("7%diag", 60, 80) == 7
    assert tolerance_radius("0.0700001", 60, 80) == 8
    gt = np.zeros((60, 80), bool)
    gt[20:40, 20:60] = True
    assert boundary_f1(np.roll(gt, 7, 0), gt, 0.07) == 1 > boundary_f1(np.roll(gt, 8, 0), gt, 0.07)


def test_tolerances_between_pixels() -> None:
    assert tolerance_square("1.4142135623730951px", 9, 9) == 2, "the root of 2, rounded up"
    assert tolerance_square("1.414213562373095px", 9, 9) == 1, "and a little less"
    pred, gt = np.zeros((2, 12, 12), bool)
    gt[4, 4] = pred[5, 5] = True
    assert boundary_f1(pred, gt, "1.4142135623730951px") == 1
    assert boundary_f1(pred, gt, "1.414213562373095px") < 1


def test_the_band_of_boundary_iou_is_rounded_exactly() -> None:
    assert round(0.07 * 50) == 4 == rounded_root(Fraction(7, 100) ** 2 * 50**2), "3.5, to even"
    assert round(0.07 * 150) == 11
    assert rounded_root(Fraction(7, 100) ** 2 * 150**2) == 10, "10.5, to even"
    gt = np.zeros((90, 120), bool)
    gt[20:70, 20:100] = True
    pred = np.roll(gt, 1, 0)
    assert boundary_iou(pred, gt, 0.07) == boundary_iou(pred, gt, 10 / 150)
    assert boundary_iou(pred, gt, 0.07) != boundary_iou(pred, gt, 11 / 150)
