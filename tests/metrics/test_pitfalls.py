"""What tools in use get wrong, one test each; and what empty, full and ignored masks give."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from convneur.errors import ConfigError, InputError
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

EMPTY = np.zeros((6, 9), bool)
FULL = np.ones((6, 9), bool)
DOT = EMPTY.copy()
DOT[2, 3] = True


def drawn(*rows: str) -> np.ndarray:
    """Rows of digits as a label map; a dot is the ignore label."""
    return np.array([[255 if sign == "." else int(sign) for sign in row] for row in rows], np.uint8)


def overall(pred: np.ndarray, gt: np.ndarray, num_classes: int, **options: Any) -> dict[str, Any]:
    total = BoundaryAccumulator(BoundarySettings(num_classes=num_classes, **options))
    total.add("", score_pair(pred, gt, total.settings))
    return total.summary().overall


def test_height_and_width_are_not_swapped() -> None:
    gt, pred = np.zeros((2, 50), bool), np.zeros((2, 50), bool)
    gt[0, 3], pred[0, 45] = True, True
    assert hausdorff(pred, gt) == 42
    assert hausdorff(pred.T, gt.T) == 42
    assert hausdorff(pred, gt, spacing=(10.0, 0.5)) == 21


def test_an_empty_prediction_is_not_the_best_possible() -> None:
    gt = drawn("0000", "0110", "0110", "0000")
    figures = overall(np.zeros_like(gt), gt, 2)
    assert figures["hausdorff"]["missed"] == 1
    background_only = overall(np.zeros_like(gt), np.zeros_like(gt), 2)["hausdorff"]["penalised_mean"]
    assert figures["hausdorff"]["penalised_mean"] > background_only == 0
    assert figures["boundary_f1"]["0.008"] == 0
    assert hausdorff(gt == 7, gt == 1) == math.inf


def test_classes_absent_from_both_maps_are_left_out() -> None:
    pred, gt = drawn("0001", "0011"), drawn("0011", "0011")
    for metric in ("boundary_f1", "surface_dice", "trimap_miou", "boundary_iou", "miou"):
        np.testing.assert_equal(overall(pred, gt, 2)[metric], overall(pred, gt, 150)[metric])
    few, many = (overall(pred, gt, count, count_absent=True)["boundary_f1"]["0.008"] for count in (2, 150))
    assert many == pytest.approx((2 * few + 148) / 150)


def test_distances_are_between_borders_not_masks() -> None:
    gt, pred = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    gt[5:35, 5:35] = True
    pred[5:35, 5:35] = True
    pred[18:22, 18:22] = False  # a hole, whose rim (rows and columns 17 and 22) is 12 pixels from the outline
    assert hausdorff(pred, gt) == 12  # between the masks it would be 2: every pixel of the rim is in both


def test_hd95_directed_and_pooled_are_different_and_named() -> None:
    gt, pred = np.zeros((20, 90), bool), np.zeros((20, 90), bool)
    gt[4:16, 4:80] = True
    pred[4:16, 4:80] = True
    pred[9:12, 84:88] = True
    gt[:, 88:] = False
    assert hd95(pred, gt) != hd95(pred, gt, method="pooled")
    chosen = BoundarySettings(num_classes=2, hd95="pooled")
    assert BoundaryAccumulator(chosen).summary().settings["hd95"] == "pooled"


def test_a_label_map_is_not_taken_for_a_mask() -> None:
    labels = drawn("012", "012")
    for function in (boundary_f1, hausdorff, hd95, assd, masd, boundary_iou):
        with pytest.raises(InputError, match=r"a mask is an array of booleans, not 2x3 uint8"):
            function(labels, labels)
    with pytest.raises(InputError, match=r"^gt: a mask is an array of booleans, not 2x3 uint8; .* \(gt == 3\)"):
        surface_dice(labels == 1, labels, 1)
    figures = overall(drawn("012", "021"), labels, 3)
    assert figures["presence"]["both"] == 3


def test_one_absent_class_does_not_make_the_mean_undefined() -> None:
    figures = overall(drawn("0111"), drawn("0011"), 5)
    for metric in ("boundary_f1", "surface_dice", "trimap_miou"):
        assert not any(math.isnan(value) for value in figures[metric].values())
    assert not math.isnan(figures["hausdorff"]["finite_mean"])


def test_distances_are_exact_at_any_length() -> None:
    for y, x in ((37, 91), (80, 80), (1, 99), (6, 6), (7, 1)):
        gt, pred = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
        gt[0, 0], pred[y, x] = True, True
        assert hausdorff(pred, gt) == math.sqrt(y * y + x * x)
        assert boundary_f1(pred, gt, f"{math.hypot(y, x) + 1e-9}px") > 0
        assert hausdorff(pred, gt, spacing=(0.1, 0.7)) == pytest.approx(math.hypot(0.1 * y, 0.7 * x), abs=1e-12)


def test_empty_masks() -> None:
    for function in (hausdorff, hd95, assd, masd):
        assert math.isnan(function(EMPTY, EMPTY))
        assert function(DOT, EMPTY) == function(EMPTY, DOT) == math.inf
        assert function(DOT, DOT) == 0
    assert math.isnan(surface_dice(EMPTY, EMPTY, 1))
    assert surface_dice(DOT, EMPTY, 1) == surface_dice(EMPTY, DOT, 1) == 0
    for function in (boundary_f1, boundary_iou):
        assert math.isnan(function(EMPTY, EMPTY))
        assert function(DOT, EMPTY) == function(EMPTY, DOT) == 0
        assert function(DOT, DOT) == 1


def test_boundary_f1_of_masks_that_fill_the_image() -> None:
    assert boundary_f1(FULL, FULL) == 1  # neither has a boundary
    assert boundary_f1(FULL, DOT) == boundary_f1(DOT, FULL) == 0  # one has none
    assert boundary_f1(FULL, EMPTY) == boundary_f1(EMPTY, FULL) == 0  # DAVIS gives 1


def test_the_image_border_is_a_border_for_distances_and_none_for_boundary_f1() -> None:
    left = np.zeros((5, 30), bool)
    left[:, :10] = True
    assert hausdorff(left, FULL[:5, :1].repeat(30, 1)) == 20
    wider = np.zeros((5, 30), bool)
    wider[:, :11] = True
    assert boundary_f1(left, wider, "0px") == 0
    assert boundary_f1(left, wider, "1px") == 1
    assert surface_dice(left, wider, 0) > 0.5  # the borders along the image's edge coincide


def test_surface_dice_is_not_boundary_f1() -> None:
    gt, pred = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    gt[2:10, 2:10], pred[2:6, 2:10] = True, True
    assert surface_dice(pred, gt, 1) != pytest.approx(boundary_f1(pred, gt, "1px"), abs=1e-3)


def test_ignored_pixels_leave_both_maps() -> None:
    gt = drawn("00..11", "00..11", "00..11")
    for behind in (0, 1, 2, 255):
        pred = np.where(gt == 255, np.uint8(behind), gt)
        figures = overall(pred, gt, 3)
        assert figures["boundary_f1"]["0.008"] == figures["miou"] == figures["pixel_accuracy"] == 1
        assert figures["hausdorff"]["finite_mean"] == 0
        assert figures["presence"] == {"both": 2, "missed": 0, "spurious": 0, "both_empty": 1}


def test_predicting_ignore_or_a_foreign_label_is_a_false_negative() -> None:
    gt = drawn("0011", "0011")
    for label in (255, 9):
        pred = np.where(gt == 1, np.uint8(label), gt)
        scores = score_pair(pred, gt, BoundarySettings(num_classes=2))
        assert scores.invalid_labels == {label: 4}
        assert scores.confusion.iou().tolist() == [1, 0]
        assert scores.distances.hausdorff.tolist() == [0, math.inf]
        assert scores.trimap["class"].iou()[0].tolist() == [1, 0]


def test_the_ignore_label_may_be_a_class_number() -> None:
    pred, gt = drawn("0001", "1111"), drawn("0011", "0011")
    figures = overall(pred, gt, 2, ignore_index=0)
    assert figures["miou"] == 3 / 4  # predicting 0 is a false negative, not a spurious class
    assert figures["presence"] == {"both": 1, "missed": 0, "spurious": 0, "both_empty": 1}


@pytest.mark.parametrize("ignore", [None, 255])
def test_a_ground_truth_label_that_is_no_class_is_refused(ignore: int | None) -> None:
    gt = drawn("0017", "0011")
    settings = BoundarySettings(num_classes=2, ignore_index=ignore)
    with pytest.raises(InputError, match=r"label 7 \(12\.50% of the pixels\) is no class: classes are 0\.\.1") as error:
        score_pair(gt, gt, settings)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"labels 2, 3, 4, 5, 6 and 3 more \(80\.00% of the pixels\) are no classes"):
        score_pair(np.zeros((2, 5), int), np.arange(10).reshape(2, 5), settings)
    with pytest.raises(InputError, match="label -1"):
        score_pair(gt, np.where(gt == 7, -1, 0), settings)
    with pytest.raises(
        InputError,
        match=r"of a mask read 65535 as 1, else correct `num_classes`, .* `ignore_index`$",
    ):
        score_pair(gt, np.where(gt == 7, 65535, 0), settings)
    with pytest.raises(InputError, match=r"label 7001.*; instance ids"):
        score_pair(gt, np.where(gt == 7, 7001, 0), settings)


def test_negative_labels_can_be_ignored() -> None:
    gt = np.array([[0, 1, -1, 1]])
    figures = overall(np.array([[0, 1, 0, -5]]), gt, 2, ignore_index=-1)
    assert figures["pixel_accuracy"] == pytest.approx(2 / 3)


def test_maps_of_two_sizes_or_kinds_are_refused() -> None:
    gt = drawn("0011", "0011")
    settings = BoundarySettings(num_classes=2)
    with pytest.raises(InputError, match=r"prediction is 4x2 but the ground truth 2x4 \(height x width\)"):
        score_pair(gt.T, gt, settings)
    for wrong in (gt.astype(float), gt[None], gt[:0]):
        with pytest.raises(InputError, match=r"^pred: a label map is two-dimensional and of integers"):
            score_pair(wrong, gt, settings)
        with pytest.raises(InputError, match=r"^gt: a label map is two-dimensional and of integers"):
            mean_iou(gt, wrong)
    for wrong in (DOT.astype(float), DOT * 1):
        with pytest.raises(InputError, match=r"^pred: a mask is an array of booleans"):
            hausdorff(wrong, DOT)
    with pytest.raises(InputError, match="no class id is as high"):
        score_pair(gt.astype(np.uint64) + np.uint64(2**63), gt, settings)


def test_tensors_and_nested_lists_are_maps_and_masks() -> None:
    gt, pred = drawn("0011", "0011", "00.1"), drawn("0001", "0011", "0011")
    for function in (mean_iou, pixel_accuracy, trimap_miou):
        expected = function(pred, gt, num_classes=2)
        assert function(torch.from_numpy(pred), torch.from_numpy(gt), num_classes=2) == expected
        assert function(pred.tolist(), gt.tolist()) == expected
    for function in (boundary_f1, hausdorff, hd95, assd, masd, boundary_iou):
        masks = pred == 1, gt == 1
        assert function(*map(torch.from_numpy, masks)) == function(*masks) == function(*(one.tolist() for one in masks))
    scores = score_pair(torch.from_numpy(pred), torch.from_numpy(gt), BoundarySettings(num_classes=2))
    assert scores.void_pixels == 1


def test_what_a_function_does_not_take_is_called_as_its_argument_is() -> None:
    for name, call in (
        ("tau", lambda: surface_dice(DOT, DOT, "wide")),
        ("ratio", lambda: boundary_iou(DOT, DOT, ratio=2)),
        ("method", lambda: hd95(DOT, DOT, method="mean")),
        ("width", lambda: trimap_miou(DOT, DOT, width=0)),
        ("seed", lambda: trimap_miou(DOT, DOT, seed="edge")),
        ("shape", lambda: trimap_miou(DOT, DOT, shape="round")),
        ("spacing", lambda: assd(DOT, DOT, spacing=[1, 2, 3])),
        ("tolerance", lambda: boundary_f1(DOT, DOT, tolerance=-1)),
        ("connectivity", lambda: masd(DOT, DOT, connectivity=6)),
    ):
        with pytest.raises(ConfigError, match=rf"^{name} "):
            call()
    assert hausdorff(DOT, np.roll(DOT, 2, 0), spacing=[3, 1]) == hausdorff(DOT, np.roll(DOT, 2, 0), spacing=3) == 6


def test_an_empty_trimap_is_undefined_and_auto_falls_back_to_void() -> None:
    one_class = drawn("0000", "0000")
    assert math.isnan(trimap_miou(one_class, one_class))
    voc = drawn("00....11", "00....11")  # void between all classes, as VOC has it
    pred = drawn("00000111", "00000111")
    assert math.isnan(trimap_miou(pred, voc, seed="class", width=1))
    assert trimap_miou(pred, voc, seed="void", width=1) == 1
    assert trimap_miou(pred, voc, width=1) == 1
    without_void = drawn("00001111", "00001111")
    assert math.isnan(trimap_miou(pred, without_void, seed="void"))
    assert trimap_miou(pred, without_void, width=1) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_number_of_classes_comes_from_the_ground_truth_if_not_given() -> None:
    pred, gt = drawn("0213"), drawn("0011")
    assert mean_iou(pred, gt) == mean_iou(pred, gt, num_classes=2)
    assert score_pair(pred, gt, BoundarySettings()).invalid_labels == {2: 1, 3: 1}


@pytest.mark.parametrize(
    ("tau", "spacing", "thin"),
    [("5", 1.0, True), (("5", "1"), 1.0, False), ("5", 10.0, False), ("0.5", 0.1, True), ("1", 1.0, False)],
)
def test_a_tau_wider_than_objects_is_noticed(tau: Any, spacing: float, thin: bool) -> None:
    gt = np.zeros((60, 60), np.uint8)
    gt[10:50:8, 10:50:8] = 1
    gt = np.maximum(gt, np.roll(gt, 1, axis=0))
    settings = BoundarySettings(num_classes=2, metrics=("surface_dice",), surface_dice_tau=tau, spacing=spacing)
    total = BoundaryAccumulator(settings)
    total.add("a", score_pair(gt, gt, settings))
    summary = total.summary()
    assert summary.tau_too_thin == ((25, 25, ("1",)) if thin else None)
    said = [line for line in summary.sentences() if "tau" in line]
    assert len(said) == thin
    if thin:  # what is advised is not warned of
        finer = said[0].removesuffix(".").rpartition(" ")[2]
        again = BoundarySettings(
            num_classes=2, metrics=("surface_dice",), surface_dice_tau=(tau, finer), spacing=spacing
        )
        more = BoundaryAccumulator(again)
        more.add("a", score_pair(gt, gt, again))
        assert more.summary().tau_too_thin is None


def test_a_region_thinner_than_the_tolerance_is_noticed() -> None:
    gt = np.zeros((100, 100), np.uint8)
    gt[40:44, 10:90] = 1
    gt[60:95, 10:90] = 2
    scores = score_pair(gt, gt, BoundarySettings(num_classes=3, tolerance=("1px", "2px")))
    assert scores.objects.objects.tolist() == [1, 1, 1]
    assert scores.objects.thin.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]  # tau 1 is as fine as it gets
