"""The fast forms against definitions written out pixel by pixel, on small random maps; and what must not matter."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convneur.metrics import BoundaryAccumulator, BoundarySettings, score_pair
from convneur.results import plain

CLASSES = 3
IGNORE = 255
FOREIGN = 7
TOLERANCES = ("0px", "1px", "2.5px", "6px", "17px", "0.05")
RADII = {"0px": 0, "1px": 1, "2.5px": 2.5, "4px": 4, "6px": 6, "17px": 17}
TAUS = ("0", "1", "2.5")
WIDTHS = (3, 1, 8, 10**30)  # the last wider than any image


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth: noise or coarse blocks, thin or square, also constant; ignored and foreign labels."""
    height, width = draw(st.sampled_from([(1, 1), (1, 9), (7, 1), (5, 8), (8, 5), (9, 9), (3, 40), (34, 4)]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.sampled_from([1, 1, 3, 40]))

    def one(labels: list[int]) -> np.ndarray:
        coarse = random.choice(labels, (math.ceil(height / block), math.ceil(width / block)))
        return coarse.repeat(block, 0).repeat(block, 1)[:height, :width].astype(np.uint8)

    kinds = draw(st.sampled_from([[0, 1, 2], [0, 0, 0, 1], [0, 1, 2, IGNORE], [1]]))
    pred = draw(st.sampled_from([[0, 1, 2], [0, 0, 0, 2], [0, 1, IGNORE, FOREIGN], [1]]))
    return one(pred), one(kinds)


def f1_boundary(mask: np.ndarray) -> list[tuple[int, int]]:
    height, width = mask.shape
    found = []
    for y, x in product(range(height), range(width)):
        last_row, last_column = y == height - 1, x == width - 1
        compared = []
        if not last_column:
            compared.append((y, x + 1))
        if not last_row:
            compared.append((y + 1, x))
        if not last_row and not last_column:
            compared.append((y + 1, x + 1))
        if any(mask[y, x] != mask[other] for other in compared):
            found.append((y, x))
    return found


def border(mask: np.ndarray, connectivity: int) -> list[tuple[int, int]]:
    offsets = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    offsets += [(1, 1), (1, -1), (-1, 1), (-1, -1)] if connectivity == 8 else []
    padded = np.pad(mask, 1)
    return [(y, x) for y, x in np.argwhere(mask) if not all(padded[y + 1 + dy, x + 1 + dx] for dy, dx in offsets)]


def directed(points: list[Any], targets: list[Any], spacing: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    a, b = np.array(points, float).reshape(-1, 1, 2), np.array(targets, float).reshape(1, -1, 2)
    if not a.size or not b.size:
        return np.full(len(a), np.inf)
    return np.sqrt((((a - b) * spacing) ** 2).sum(axis=2)).min(axis=1)


def eroded(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    height, width = mask.shape
    return np.all([padded[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)], axis=0)


def inner_band(mask: np.ndarray, depth: int) -> np.ndarray:
    inside = mask
    for _ in range(depth):
        inside = eroded(inside)
    return mask & ~inside


def masks_of(pred: np.ndarray, gt: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    valid = gt != IGNORE
    return (pred == label) & valid, (gt == label) & valid


@settings(max_examples=120, deadline=None)
@given(
    pairs(),
    st.sampled_from([4, 8]),
    st.sampled_from(["directed", "pooled"]),
    st.sampled_from([(1.0, 1.0), (0.5, 2.0), (3.0, 0.3)]),
    st.sampled_from([0.02, 0.2, 0.6]),
    st.sampled_from([TOLERANCES, ("6px",), ("17px", "6px"), ("4px",)]),
)
def test_by_class(
    maps: tuple[np.ndarray, np.ndarray],
    connectivity: int,
    hd95: str,
    spacing: tuple[float, float],
    ratio: float,
    tolerances: tuple[str, ...],
) -> None:
    pred, gt = maps
    chosen = BoundarySettings(
        num_classes=CLASSES,
        tolerance=tolerances,
        surface_dice_tau=TAUS,
        connectivity=connectivity,
        hd95=hd95,
        spacing=spacing,
        boundary_iou_ratio=ratio,
    )
    scores = score_pair(pred, gt, chosen)
    diagonal = math.hypot(*gt.shape)
    present = [label for label in range(CLASSES) if any(mask.any() for mask in masks_of(pred, gt, label))]
    assert scores.classes.tolist() == present
    for k, label in enumerate(present):
        p, g = masks_of(pred, gt, label)
        both = bool(g.any() and p.any())
        assert scores.confusion.iou()[k] == (g & p).sum() / (g | p).sum()

        a, b = f1_boundary(g), f1_boundary(p)
        assert (scores.boundary_f1.gt[k], scores.boundary_f1.pred[k]) == (len(a), len(b))
        for t, key in enumerate(tolerances):
            radius = RADII.get(key, math.ceil(0.05 * diagonal))
            recall = (directed(a, b) <= radius).mean() if a else 0
            precision = (directed(b, a) <= radius).mean() if b else 0
            f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
            if not a and not b:
                f1 = float(both)
            assert scores.boundary_f1.score[t, k] == pytest.approx(f1, abs=1e-12), key

        a, b = border(g, connectivity), border(p, connectivity)
        ab, ba = directed(a, b, spacing), directed(b, a, spacing)
        for u, tau in enumerate(TAUS):
            within = (ab <= float(tau)).sum() + (ba <= float(tau)).sum()
            assert scores.surface_dice.score[u, k] == within / (len(a) + len(b))
        if both:
            pooled = np.concatenate((ab, ba))
            percentile = max(np.percentile(ab, 95), np.percentile(ba, 95))
            percentile = percentile if hd95 == "directed" else np.percentile(pooled, 95)
            expected = [pooled.max(), percentile, pooled.mean(), (ab.mean() + ba.mean()) / 2]
        else:
            expected = [math.inf] * 4
        assert [values[k] for values in scores.distances] == pytest.approx(expected, abs=1e-9)

        depth = max(1, round(ratio * diagonal))
        a, b = inner_band(g, depth), inner_band(p, depth)
        assert scores.boundary_iou[k] == (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("tolerance", ["2px", "4px", "7px", "17px", "0.03"])
def test_answering_for_a_whole_cell_changes_nothing(tolerance: str, blobs: Callable[..., Any]) -> None:
    """Beside a tolerance of 0 every point is searched for, alone a radius lets one point answer for others."""
    for seed in range(4):
        maps = [blobs(of, height=150, width=180, classes=4)[1] for of in (seed, seed + 100)]
        alone = score_pair(*maps, BoundarySettings(tolerance=(tolerance,))).boundary_f1
        beside = score_pair(*maps, BoundarySettings(tolerance=("0px", tolerance))).boundary_f1
        assert_same(alone.matched_gt[0], beside.matched_gt[1])
        assert_same(alone.matched_pred[0], beside.matched_pred[1])
        assert (alone.matched_gt[0] < alone.gt).any()


@settings(max_examples=80, deadline=None)
@given(pairs(), st.sampled_from(["class", "void"]), st.sampled_from(["square", "disk"]))
def test_trimap(maps: tuple[np.ndarray, np.ndarray], seed: str, shape: str) -> None:
    pred, gt = maps
    valid = gt != IGNORE
    seeds = np.argwhere(~valid)
    if seed == "class":
        padded = np.pad(gt, 1, constant_values=IGNORE)
        height, width = gt.shape
        near = np.zeros(gt.shape, bool)
        for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
            other = padded[dy : dy + height, dx : dx + width]
            near |= (other != gt) & (other != IGNORE)
        seeds = np.argwhere(near & valid)
    chosen = BoundarySettings(
        num_classes=CLASSES, metrics=("trimap_miou",), trimap_width=WIDTHS, trimap_seed=seed, trimap_shape=shape
    )
    scores = score_pair(pred, gt, chosen)
    for row, width in enumerate(WIDTHS):
        band = np.zeros(gt.shape, bool)
        for y, x in np.argwhere(valid):
            offsets = np.abs(seeds - (y, x))
            distance = offsets.max(axis=1) if shape == "square" else np.hypot(*offsets.T)
            band[y, x] = bool((distance <= width).any())
        for k, label in enumerate(scores.classes):
            g, p = (gt == label) & band, (pred == label) & band
            union = (g | p).sum()
            expected = (g & p).sum() / union if union else math.nan
            assert scores.trimap[seed].iou()[row, k] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def by_class(pred: np.ndarray, gt: np.ndarray, **options: Any) -> list[dict[str, Any]]:
    total = BoundaryAccumulator(BoundarySettings(num_classes=CLASSES, tolerance=TOLERANCES, **options))
    total.add("", score_pair(pred, gt, total.settings))
    return total.summary().per_class


def assert_same(ours: Any, theirs: Any) -> None:
    np.testing.assert_equal(plain(ours), plain(theirs))


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_renumbering_the_classes_renumbers_the_figures(maps: tuple[np.ndarray, np.ndarray]) -> None:
    table = np.arange(256, dtype=np.uint8)
    table[:CLASSES] = [2, 0, 1]
    straight, renumbered = by_class(*maps), by_class(*(table[labels] for labels in maps))
    for label in range(CLASSES):
        row = renumbered[table[label]]
        assert_same({**row, "class": label, "name": str(label)}, straight[label])


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_transposing_the_maps_changes_nothing(maps: tuple[np.ndarray, np.ndarray]) -> None:
    straight, turned = by_class(*maps), by_class(*(labels.T.copy() for labels in maps))
    for a, b in zip(straight, turned, strict=True):
        for metric in ("boundary_f1", "trimap_miou", "surface_dice", "boundary_iou", "miou", "presence"):
            assert_same(a[metric], b[metric])
        for metric in ("hausdorff", "hd95", "assd", "masd"):
            assert a[metric] == pytest.approx(b[metric], abs=1e-12, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_distances_and_matches_are_symmetric(maps: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = (labels % CLASSES for labels in maps)
    for a, b in zip(by_class(one, other), by_class(other, one), strict=True):
        for metric in ("boundary_f1", "surface_dice", "boundary_iou", "miou"):
            assert a[metric] == pytest.approx(b[metric], abs=1e-12, nan_ok=True)
        for metric in ("hausdorff", "hd95", "assd", "masd"):
            for mean in ("finite_mean", "penalised_mean"):
                assert a[metric][mean] == pytest.approx(b[metric][mean], abs=1e-12, nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(pairs(), st.integers(0, CLASSES - 1))
def test_emptying_a_prediction_never_helps(maps: tuple[np.ndarray, np.ndarray], label: int) -> None:
    pred, gt = maps
    if not (gt == label).any():
        return
    emptied = np.where(pred == label, np.uint8(FOREIGN), pred)

    def figures(prediction: np.ndarray) -> dict[str, Any]:
        total = BoundaryAccumulator(BoundarySettings(num_classes=CLASSES, tolerance=TOLERANCES))
        total.add("", score_pair(prediction, gt, total.settings))
        return total.summary().overall

    before, after = figures(pred), figures(emptied)
    for metric in ("boundary_f1", "surface_dice"):
        for key, value in after[metric].items():
            assert value <= before[metric][key]
    for metric in ("boundary_iou", "miou"):
        assert after[metric] <= before[metric]
    for metric in ("hausdorff", "hd95", "assd", "masd"):
        assert after[metric]["penalised_mean"] >= before[metric]["penalised_mean"]


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_the_type_of_the_maps_does_not_matter(dtype: Any) -> None:
    random = np.random.default_rng(0)
    gt, pred = random.integers(0, CLASSES, (2, 20, 30), dtype=np.uint8)
    assert_same(by_class(pred, gt), by_class(pred.astype(dtype), gt.astype(dtype)))


def test_labels_far_apart_and_many_classes() -> None:
    """Beyond 255 classes the maps inside are wider; beyond a span of 65536 labels are sorted, not tabled."""
    random = np.random.default_rng(1)
    gt = np.arange(600).reshape(20, 30)
    pred = gt.copy()
    pred[random.random(gt.shape) < 0.2] = 10**9
    chosen = BoundarySettings(num_classes=600, ignore_index=None, metrics=("hausdorff", "miou", "boundary_f1"))
    scores = score_pair(pred, gt, chosen)
    assert scores.classes.tolist() == list(range(600))
    assert scores.invalid_labels == {10**9: int((pred == 10**9).sum())}
    missed = np.isinf(scores.distances.hausdorff)
    assert missed.sum() == scores.invalid_labels[10**9]
    assert (scores.distances.hausdorff[~missed] == 0).all()
    assert (scores.confusion.iou() == ~missed).all()
