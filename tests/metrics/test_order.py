"""Predictions come before the truth. Most metrics are symmetric, so each test here has a case that is not."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from convneur.data.pairs import Pair
from convneur.data.reading import Reading
from convneur.metrics import (
    BoundaryAccumulator,
    BoundarySettings,
    assd,
    boundary_f1,
    boundary_iou,
    hausdorff,
    hd95,
    masd,
    mean_iou,
    pixel_accuracy,
    score_pair,
    surface_dice,
    trimap_miou,
)
from convneur.metrics.picks import boundary_errors

GT = np.zeros((12, 20), np.uint8)
GT[2:8, 3:9] = 1
GT[:, 18:] = 255
PRED = np.zeros_like(GT)
PRED[2:8, 4:9] = 1
PRED[9:11, 12:15] = 2


def test_a_pair_is_scored_as_prediction_and_ground_truth() -> None:
    scores = score_pair(PRED, GT, BoundarySettings(num_classes=3))
    assert scores.void_pixels == 24
    assert scores.confusion.gt.tolist() == [216 - 36, 36, 0]
    assert scores.confusion.pred.tolist() == [216 - 36, 30, 6]
    assert scores.boundary_f1.gt[2] == 0 < scores.boundary_f1.pred[2]
    # The band lies along the truth's class change: nothing of the spurious class is near it.
    assert scores.trimap["class"].pred[0, 2] == 0 < scores.trimap["class"].pred[2, 2]


def test_missed_and_spurious_are_not_exchanged() -> None:
    total = BoundaryAccumulator(BoundarySettings(num_classes=4))
    total.add("a", score_pair(PRED, np.where(PRED == 2, 3, GT), total.settings))
    presence = [row["presence"] for row in total.summary().per_class]
    assert [row["spurious"] for row in presence] == [0, 0, 1, 0]
    assert [row["missed"] for row in presence] == [0, 0, 0, 1]
    assert total.summary().overall["hausdorff"]["missed"] == 1


def test_boundary_errors() -> None:
    errors = boundary_errors(PRED, GT, BoundarySettings(num_classes=3), "1px")
    assert errors.spurious[10, 14]
    assert not errors.missed.any()
    assert boundary_errors(GT % 255, np.where(GT == 255, 0, PRED), BoundarySettings(num_classes=3), "1px").missed[
        10, 14
    ]


def test_region_metrics_leave_out_what_the_truth_ignores() -> None:
    assert pixel_accuracy(PRED, GT) == (216 - 6 - 6) / 216
    assert mean_iou(PRED, GT, num_classes=3) == (174 / 186 + 30 / 36 + 0) / 3
    # 24 pixels predicted as ignored are false negatives, not left out.
    assert pixel_accuracy(GT, PRED) == (240 - 24 - 6 - 6) / 240


def test_the_trimap_follows_the_truth() -> None:
    truth = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 1]])
    prediction = np.array([[1, 0, 0, 0, 0, 0, 1, 1, 1]])
    assert trimap_miou(prediction, truth, width=1) == 1
    assert trimap_miou(truth, prediction, width=1) < 1
    void = np.where(truth == 0, 255, truth)
    assert trimap_miou(prediction, void, seed="void", width=1, num_classes=2) == 1
    assert math.isnan(trimap_miou(void, prediction, seed="void", width=1, num_classes=2))


def test_the_names_of_the_arguments_are_in_this_order() -> None:
    """Boundary metrics of two masks are symmetric: what they share in `(pred, gt)` is the name of the argument."""
    for metric in (boundary_f1, hausdorff, hd95, assd, masd, surface_dice, boundary_iou):
        code = metric.__code__
        assert code.co_varnames[:2] == ("pred", "gt"), metric.__name__


def test_a_pair_of_files_is_read_in_this_order(tmp_path: Path) -> None:
    for name, labels in (("pred", PRED), ("gt", GT)):
        Image.fromarray(labels).save(tmp_path / f"{name}.png")
    pred, gt, _ = Reading().pair(Pair("a", tmp_path / "pred.png", tmp_path / "gt.png"))
    np.testing.assert_array_equal(pred, PRED)
    np.testing.assert_array_equal(gt, GT)
