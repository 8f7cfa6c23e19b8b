"""Objects and centrelines against definitions written out, in both kernels, and the traps of tools that differ."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import skeletonize

from convneur.metrics import (
    BoundaryAccumulator,
    BoundarySettings,
    PairScores,
    assd,
    dice,
    hausdorff,
    hd95,
    masd,
    score_pair,
    surface_dice,
)
from convneur.metrics.boundaries import border_points
from convneur.metrics.kernels import PLAIN, compiled_kernels
from convneur.metrics.record_rows import object_record_columns, object_records
from convneur.metrics.scores import scored_by
from convneur.metrics.tables import image_values, total_values

IGNORE, CLASSES = 255, 3
KERNELS = [PLAIN, *filter(None, [compiled_kernels()])]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Truth of blobs and specks, and a prediction that is like it but for some pixels; ignored and foreign labels."""
    height, width = draw(st.sampled_from([(1, 7), (6, 1), (9, 9), (8, 14), (20, 17)]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.sampled_from([1, 2, 4]))
    coarse = random.choice([0, 0, 1, 2], (-(-height // block), -(-width // block)))
    gt = coarse.repeat(block, 0).repeat(block, 1)[:height, :width].astype(np.uint8)
    other = random.choice([0, 1, 2, 7], gt.shape).astype(np.uint8)
    pred = np.where(random.random(gt.shape) < draw(st.sampled_from([0, 0.05, 0.3])), other, gt)
    gt[random.random(gt.shape) < draw(st.sampled_from([0, 0.1]))] = IGNORE
    return pred, gt


def objects_of(mask: np.ndarray, connectivity: int) -> list[np.ndarray]:
    structure = np.ones((3, 3)) if connectivity == 8 else None
    found, count = ndimage.label(mask, structure)
    return [found == number for number in range(1, count + 1)]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    pairs(),
    st.sampled_from([4, 8]),
    st.sampled_from([4, 8]),
    st.sampled_from([0.5, 0.7]),
    st.sampled_from(["directed", "pooled"]),
    st.sampled_from([(1.0, 1.0), (0.5, 2.0)]),
)
def test_objects_by_definition(
    maps: tuple[np.ndarray, np.ndarray],
    objects: int,
    borders: int,
    least: float,
    method: Any,
    spacing: tuple[float, float],
) -> None:
    pred, gt = maps
    chosen = BoundarySettings(
        num_classes=CLASSES,
        metrics=(),
        per_object=True,
        object_connectivity=objects,
        object_iou=least,
        connectivity=borders,
        hd95=method,
        spacing=spacing,
        surface_dice_tau=("1",),
    )
    options: dict[str, Any] = {"spacing": spacing, "connectivity": borders}
    for kernels in KERNELS:
        scores = scored_by(kernels, pred, gt, chosen)
        values = total_values(scores.all_rows(), chosen)
        rows = scores.object_rows
        for k, of_class in enumerate(scores.classes.tolist()):
            valid = gt != IGNORE
            truths = objects_of((gt == of_class) & valid, objects)
            found = objects_of((pred == of_class) & valid, objects)
            matched = [
                (g, p, (a & b).sum() / (a | b).sum())
                for g, a in enumerate(truths, 1)
                for p, b in enumerate(found, 1)
                if (a & b).sum() / (a | b).sum() > least
            ]
            tp, fp, fn = len(matched), len(found) - len(matched), len(truths) - len(matched)
            counted = [values["objects", key][k] for key in ("tp", "fp", "fn")]
            assert counted == [tp, fp, fn]
            sq = sum(iou for *_, iou in matched) / tp if tp else 0
            rq = tp / (tp + fp / 2 + fn / 2)
            assert values["objects", "sq"][k] == pytest.approx(sq, abs=1e-12)
            assert values["objects", "rq"][k] == pytest.approx(rq, abs=1e-12)
            assert values["objects", "pq"][k] == pytest.approx(sq * rq, abs=1e-12)
            for key, whole in (("precision", tp + fp), ("recall", tp + fn)):
                expected = tp / whole if whole else math.nan
                assert values["objects", key][k] == pytest.approx(expected, abs=1e-12, nan_ok=True)
            mine = {name: column[rows["class"] == of_class] for name, column in rows.items()}
            pairs = mine["status"] == 0
            assert list(zip(mine["gt_object"][pairs], mine["pred_object"][pairs], strict=True)) == [
                (g, p) for g, p, _ in matched
            ]
            measured = {
                "dice": lambda p, g: dice(p, g),
                "hd": lambda p, g: hausdorff(p, g, **options),
                "hd95": lambda p, g: hd95(p, g, method=method, **options),
                "assd": lambda p, g: assd(p, g, **options),
                "masd": lambda p, g: masd(p, g, **options),
                "surface_dice[1]": lambda p, g: surface_dice(p, g, 1, **options),
            }
            for name, measure in measured.items():
                by_hand = [measure(found[p - 1], truths[g - 1]) for g, p, _ in matched]
                assert mine[name][pairs].tolist() == pytest.approx(by_hand, abs=1e-9), name
            for status, lone, number, area in (
                (1, truths, "gt_object", "gt_area"),
                (2, found, "pred_object", "pred_area"),
            ):
                here = mine["status"] == status
                for at in np.flatnonzero(here):
                    mask = lone[mine[number][at] - 1]
                    y, x = np.nonzero(mask)
                    box = [y.min(), x.min(), y.max() + 1, x.max() + 1]
                    assert [mine[edge][at] for edge in ("top", "left", "bottom", "right")] == box
                    assert mine[area][at] == mask.sum()


@settings(max_examples=30, deadline=None)
@given(pairs())
def test_centrelines_by_definition(maps: tuple[np.ndarray, np.ndarray]) -> None:
    """Of the whole mask, where ours thins the box around it."""
    pred, gt = maps
    chosen = BoundarySettings(num_classes=CLASSES, metrics="cldice")
    scores = score_pair(pred, gt, chosen)
    values = image_values(scores, chosen)
    for k, of_class in enumerate(scores.classes.tolist()):
        a, b = ((each == of_class) & (gt != IGNORE) for each in (gt, pred))
        truth, found = skeletonize(a), skeletonize(b)
        precision = (found & a).sum() / found.sum() if found.any() else math.nan
        sensitivity = (truth & b).sum() / truth.sum() if truth.any() else math.nan
        total = precision + sensitivity
        expected = 2 * precision * sensitivity / total if total > 0 else 0
        assert values["cldice", "tprec"][k] == pytest.approx(precision, abs=1e-12, nan_ok=True)
        assert values["cldice", "tsens"][k] == pytest.approx(sensitivity, abs=1e-12, nan_ok=True)
        assert values["cldice", "cldice"][k] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("block", [1, 3])
def test_components_are_those_of_scikit_image(connectivity: int, block: int) -> None:
    random = np.random.default_rng(connectivity + block)
    ranks = random.integers(0, 3, (30, 40)).astype(np.uint8).repeat(block, 0).repeat(block, 1)
    expected = label(ranks, background=9, connectivity=connectivity // 4)
    for kernels in KERNELS:
        found = kernels.objects_of(ranks, border_points(ranks, 3, 4), connectivity)
        numbers = found.owner.repeat(found.lengths(ranks.size)).reshape(ranks.shape) + 1
        np.testing.assert_array_equal(numbers, expected)


def test_hundreds_of_pairs_are_the_same_in_both_kernels(blobs: Callable[..., Any]) -> None:
    """More than a map of bytes can number."""
    random = np.random.default_rng(0)
    gt = np.kron(random.integers(0, 4, (30, 30)), np.ones((4, 4), np.uint8)).astype(np.uint8)
    pred = np.where(random.random(gt.shape) < 0.02, 1, gt).astype(np.uint8)
    chosen = BoundarySettings(num_classes=4, metrics=(), per_object=True, object_connectivity=4)
    first, *others = (scored_by(kernels, pred, gt, chosen) for kernels in KERNELS)
    assert (first.object_rows["status"] == 0).sum() > 255
    for other in others:
        for name, values in first.object_rows.items():
            np.testing.assert_array_equal(values, other.object_rows[name], err_msg=name)


def scored(pred: Any, gt: Any, **options: Any) -> tuple[PairScores, dict[str, Any]]:
    chosen = BoundarySettings(num_classes=4, metrics="objects", **options)
    scores = score_pair(np.array(pred), np.array(gt), chosen)
    total = BoundaryAccumulator(chosen)
    total.add("", scores)
    return scores, total.summary().per_class[1]["objects"]


def test_an_iou_of_exactly_a_half_is_no_match() -> None:
    """As in Kirillov, MONAI and MetricsReloaded; panoptica's default and COCO say it is."""
    _, found = scored([[1, 0, 0]], [[1, 1, 0]])
    assert (found["tp"], found["fp"], found["fn"], found["pq"]) == (0, 1, 1, 0)
    _, found = scored([[1, 1, 1, 0]], [[1, 1, 1, 1]], object_iou=0.75)
    assert found["tp"] == 0


def test_a_diagonal_is_one_object_or_ten() -> None:
    line = np.eye(10, dtype=int)
    assert scored(line, line)[1]["tp"] == 1
    assert scored(line, line, object_connectivity=4)[1]["tp"] == 10


def test_ignored_pixels_part_objects_before_they_are_counted() -> None:
    gt = [[1, 1, 255, 1, 1]]
    assert scored([[1, 1, 1, 1, 1]], gt)[1]["tp"] == 2
    # A prediction that is left over counts, however much of it was ignored.
    assert scored([[0, 0, 1, 1, 0]], [[0, 0, 255, 0, 0]])[1]["fp"] == 1


def test_objects_that_share_a_side_are_one() -> None:
    _, found = scored([[1, 1, 0, 1, 1]], [[1, 1, 1, 1, 1]])
    assert (found["tp"], found["fp"], found["fn"]) == (0, 2, 1)


def test_a_class_on_one_side_has_no_pairs_and_a_quality_of_0() -> None:
    for maps, counts in (([[[0, 1]], [[0, 0]]], (0, 1, 0)), ([[[0, 0]], [[0, 1]]], (0, 0, 1))):
        _, found = scored(*maps)
        assert (found["tp"], found["fp"], found["fn"]) == counts
        assert (found["rq"], found["sq"], found["pq"]) == (0, 0, 0)
        assert math.isnan(found["pairs"]["dice"])
        assert math.isnan(found["precision"]) != math.isnan(found["recall"])
    assert math.isnan(scored([[0]], [[0]])[1]["pq"])


def test_quality_of_a_set_is_of_its_counts_and_no_mean_of_images() -> None:
    chosen = BoundarySettings(num_classes=2, metrics="objects")
    total = BoundaryAccumulator(chosen)
    perfect, missed = np.array([[0, 1, 0, 1, 0, 1]]), np.array([[0, 1, 0, 0, 0, 0]])
    total.add("a", score_pair(perfect, perfect, chosen))
    total.add("b", score_pair(missed * 0, missed, chosen))
    summary = total.summary()
    assert summary.per_image[1]["objects"]["pq"] == pytest.approx((4 / 6 / 1.5 + 0) / 2)  # of classes 0 and 1
    of_class = summary.per_class[1]["objects"]
    assert (of_class["tp"], of_class["fn"]) == (3, 1)
    assert of_class["pq"] == pytest.approx(3 / 3.5)  # the images' are 1 and 0
    assert summary.overall["objects"]["tp"] == sum(row["objects"]["tp"] for row in summary.per_class)


def test_equal_maps_have_a_quality_of_exactly_1() -> None:
    """MONAI adds 1e-6 to the denominator and finds 0.999999."""
    gt = np.zeros((12, 12), int)
    gt[1:4, 1:4] = gt[6:9, 2:8] = 1
    chosen = BoundarySettings(num_classes=2, metrics="objects")
    total = BoundaryAccumulator(chosen)
    total.add("a", score_pair(gt, gt, chosen))
    found = total.summary().per_class[1]["objects"]
    assert [found[key] for key in ("tp", "rq", "sq", "pq")] == [2, 1, 1, 1]


def test_a_row_per_object() -> None:
    chosen = BoundarySettings(num_classes=2, per_object=True, metrics="miou", surface_dice_tau="1")
    assert chosen.metrics == ("miou", "objects")
    scores = score_pair([[0, 1, 0, 0, 1]], [[0, 1, 0, 0, 0]], chosen)
    columns, names = object_record_columns(chosen), ["x", "y"]
    rows = [dict(zip(columns, row, strict=True)) for row in object_records("a", scores, chosen, names)]
    assert [(row["class"], row["name"], row["status"], row["gt_object"], row["pred_object"]) for row in rows] == [
        (0, "x", "tp", 1, 1),
        (1, "y", "tp", 1, 1),
        (0, "x", "tp", 2, 2),
        (1, "y", "fp", 0, 2),
    ]
    spurious = next(row for row in rows if row["status"] == "fp")
    assert (spurious["left"], spurious["right"], spurious["gt_area"], spurious["pred_area"]) == (4, 5, 0, 1)
    assert spurious["iou"] is spurious["hd"] is None


@pytest.mark.parametrize("least", [0.49, 0, 1, 1.5, math.nan, "half"])
def test_below_a_half_an_object_could_have_several_partners(least: Any) -> None:
    with pytest.raises(ValueError, match="object_iou"):
        BoundarySettings(object_iou=least)


def test_thin_lines_a_pixel_apart_and_a_ring_against_its_disk_score_0() -> None:
    chosen = BoundarySettings(num_classes=2, metrics="cldice")

    def of_mask(pred: np.ndarray, gt: np.ndarray) -> float:
        return float(image_values(score_pair(pred * 1, gt * 1, chosen), chosen)["cldice", "cldice"][-1])

    line = np.zeros((9, 20), bool)
    line[4, 2:18] = True
    assert of_mask(np.roll(line, 1, 0), line) == 0
    y, x = np.indices((41, 41)) - 20
    disk, hole = y * y + x * x <= 18**2, y * y + x * x <= 11**2
    assert of_mask(disk & ~hole, disk) == 0
    assert dice(disk & ~hole, disk) > 0.7
    assert of_mask(disk, disk) == 1


def test_a_bar_of_ignored_pixels_makes_two_centrelines() -> None:
    gt = np.zeros((9, 30), int)
    gt[3:6, 2:28] = 1
    cut = np.where(np.arange(30) == 15, 255, gt)
    chosen = BoundarySettings(num_classes=2, metrics="cldice")
    whole, parts = (score_pair(gt, each, chosen).rows["skeleton_gt"][1] for each in (gt, cut))
    assert parts < whole
    assert label(skeletonize(cut == 1)).max() == 2
    assert score_pair(gt, cut, chosen).rows["skeleton_gt"][1] == skeletonize(cut == 1).sum()


def test_pooled_centrelines_are_of_counts_summed_over_images() -> None:
    chosen = BoundarySettings(num_classes=2, metrics="cldice", aggregate="pooled")
    total = BoundaryAccumulator(chosen)
    thick = np.zeros((7, 20), int)
    thick[2:5, 2:18] = 1
    short = thick * (np.arange(20) < 9)
    rows = []
    for name, pred in (("a", short), ("b", thick)):
        scores = score_pair(pred, thick, chosen)
        names = ("skeleton_gt_hit", "skeleton_gt", "skeleton_pred_hit", "skeleton_pred")
        rows.append([scores.rows[row][1] for row in names])
        total.add(name, scores)
    gt_hit, gt, pred_hit, pred = np.sum(rows, axis=0)
    summary = total.summary()
    sensitivity, precision = gt_hit / gt, pred_hit / pred
    assert summary.per_class[1]["cldice"]["tsens"] == sensitivity
    both = 2 * precision * sensitivity / (precision + sensitivity)
    assert summary.per_class[1]["cldice"]["cldice"] == pytest.approx(both)
    assert summary.settings["skeleton"] == "skimage zhang"


@pytest.mark.parametrize("seed", range(4))
def test_component_dice_by_hand(seed: int) -> None:
    """Every pixel is of the nearest component of its class, of equals the first one."""
    random = np.random.default_rng(seed)
    gt, pred = (ndimage.zoom(random.integers(0, 3, (8, 9)), 2, order=0).astype(np.uint8) for _ in range(2))
    gt[random.random(gt.shape) < 0.2] = 2  # ignored
    scores = score_pair(pred, gt, BoundarySettings(num_classes=2, ignore_index=2, metrics="component_dice"))
    valid, (y, x) = gt != 2, np.indices(gt.shape)
    for at, own in enumerate(scores.classes.tolist()):
        g, p = (gt == own), (pred == own) & valid
        parts, count = ndimage.label(g, np.ones((3, 3)))
        squares = [
            np.min([(y - v) ** 2 + (x - u) ** 2 for v, u in zip(*np.nonzero(parts == k), strict=True)], axis=0)
            for k in range(1, count + 1)
        ]
        region = np.argmin(squares, axis=0) + 1  # the first of equals
        dice = [
            2 * (p & (parts == k)).sum() / ((parts == k).sum() + (p & (region == k)).sum()) for k in range(1, count + 1)
        ]
        assert scores.rows["component_dice_components"][at] == count
        assert scores.rows["component_dice_sum"][at] == pytest.approx(math.fsum(dice), abs=1e-12)


def test_component_dice_of_a_missed_and_a_spurious_class() -> None:
    both, half = np.zeros((2, 6, 9), np.uint8)
    both[0, 0] = both[4:, 4:] = 1
    half[3:, :3] = 2
    scores = score_pair(half, both, BoundarySettings(num_classes=3, metrics="component_dice"))
    assert scores.rows["component_dice_sum"].tolist()[1:] == [0, 0]
    assert scores.rows["component_dice_components"].tolist() == [1, 2, 1]
