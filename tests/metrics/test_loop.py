"""Boundary metrics that are updated batch by batch: no order, batch or merge changes a bit, and nothing is named."""

import json
import multiprocessing
import pickle
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from convneur.errors import ConfigError, InputError
from convneur.metrics import METRICS, BoundaryAccumulator, BoundaryMetrics, BoundarySettings, score_pair
from convneur.metrics.exact import ExactMean, limbs, of_limbs

OPTIONS: dict[str, Any] = {"tolerance": ["1px", 0.01], "surface_dice_tau": "1", "spacing": (0.3, 0.7)}
Pairs = Sequence[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def pairs(blobs: Callable[..., Any]) -> Pairs:
    """Among them a label that is no class, a map that is ignored altogether, and a class too thin for a tolerance."""
    found = [blobs(seed, height=30, width=40) for seed in range(7)]
    found[1][0][5:7, 5:9] = 77
    found[2][1][:] = 255
    found[3][1][found[3][1] == 4] = 0
    found[3][1][20, 3:9] = 4
    return found


def counted(pairs: Pairs, **options: Any) -> BoundaryMetrics:
    metrics = BoundaryMetrics(5, **{**OPTIONS, **options})
    for pred, gt in pairs:
        metrics.update(pred, gt)
    return metrics


LATER = {
    "metrics": ["dice"],
    "hd_percentile": [90],
    "tolerance_curve": "1:5:2",
    "groups": {"some": [1, 3]},
    "names": list("abcde"),
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"aggregate": "pooled"},
        {"count_absent": True},
        {"trimap_seed": "void"},
        LATER | {"aggregate": "pooled", "mean_over": "foreground"},
        LATER | {"aggregate": "images", "mean_over": ["a", "d"]},
    ],
    ids=str,
)
def test_order_batches_and_merges_do_not_change_a_bit(pairs: Pairs, options: dict[str, Any]) -> None:
    expected = counted(pairs, **options).compute()
    shuffled = list(pairs)
    for cut in range(len(pairs) + 1):
        random.Random(cut).shuffle(shuffled)
        one, other = counted(shuffled[:cut], **options), BoundaryMetrics(5, **{**OPTIONS, **options})
        if cut < len(pairs):
            preds, target = (np.stack(side) for side in zip(*shuffled[cut:], strict=True))
            other.update(preds, target)
        one.merge_state(other)
        assert one.compute() == expected
        assert json.dumps(one.compute().to_dict()) == json.dumps(expected.to_dict())


def test_values_are_those_of_named_pairs_and_no_image_is_named(pairs: Pairs) -> None:
    found = counted(pairs).compute()
    total = BoundaryAccumulator(BoundarySettings(num_classes=5, **OPTIONS))
    for number, (pred, gt) in enumerate(pairs):
        total.add(f"pair {number}", score_pair(pred, gt, total.settings))
    expected = total.summary()
    for name, value in vars(found).items():
        if name not in ("per_image", "all_ignored"):
            np.testing.assert_equal(value, getattr(expected, name), err_msg=name)
    assert (found.per_image, found.all_ignored, found.unscored) == ((), (), 1)
    assert "pair" not in str(found)


def test_objects_that_are_too_thin_are_those_of_named_classes() -> None:
    gt = np.zeros((2, 40, 50), np.uint8)
    gt[:, 10:12, 5:45] = 4
    metrics = BoundaryMetrics(5, metrics="boundary_f1", tolerance=("1px", "3px"))
    metrics.update(gt, gt)
    total = BoundaryAccumulator(metrics.settings)
    for number in range(2):
        total.add(f"pair {number}", score_pair(gt[number], gt[number], total.settings))
    assert total.summary().too_thin == dict.fromkeys(("1px", "3px"), (2, 2, ("4",)))
    assert metrics.compute().too_thin == dict.fromkeys(("1px", "3px"), (2, 2, ("4",)))


@pytest.mark.parametrize(("others", "said"), [(98, True), (100, False)])
def test_few_thin_objects_among_many_are_not_warned_of(others: int, said: bool) -> None:
    gt = np.zeros((130, 130), np.uint8)
    for number in range(others):
        y, x = divmod(number, 10)
        gt[12 * y : 12 * y + 10, 13 * x : 13 * x + 10] = 1
    gt[126:128, 20:60] = 2
    metrics = BoundaryMetrics(3, metrics="boundary_f1", tolerance="2px")
    metrics.update(gt, gt)
    assert metrics.compute().too_thin == ({"2px": (1, 1, ("2",))} if said else {})


def test_a_summary_tells_any_two_values_apart_but_not_nan_from_nan(pairs: Pairs) -> None:
    whole = counted(pairs)
    assert whole.compute() == pickle.loads(pickle.dumps(whole)).compute() == whole.compute()
    assert pickle.loads(pickle.dumps(whole.compute())) == whole.compute()
    with pytest.raises(TypeError):
        whole.compute().overall["miou"] = 1.0
    assert whole.compute() != counted(pairs[1:]).compute()
    assert whole.compute() != counted(pairs, trimap_width=2).compute()


def test_resetting_counts_from_nothing(pairs: Pairs) -> None:
    metrics = counted(pairs)
    metrics.reset()
    assert metrics.compute() == counted([]).compute()
    assert metrics.compute().images == 0
    metrics.update(*pairs[0])
    assert metrics.compute() == counted(pairs[:1]).compute()


def test_metrics_come_back_from_worker_processes(pairs: Pairs) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        parts = list(pool.map(counted, [pairs[:3], pairs[3:]]))
    parts[0].merge_state(parts[1])
    assert parts[0].compute() == counted(pairs).compute()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.int32])
def test_tensors_are_label_maps_too(pairs: Pairs, dtype: torch.dtype) -> None:
    preds, target = (torch.from_numpy(np.stack(side)).to(dtype) for side in zip(*pairs, strict=True))
    metrics = BoundaryMetrics(5, **OPTIONS)
    metrics.update(preds.mT.contiguous().mT, target)
    assert metrics.compute() == counted(pairs).compute()


def test_masks_of_booleans_count_as_two_classes() -> None:
    mask = np.eye(9, dtype=bool)
    metrics = BoundaryMetrics(2, None, metrics="miou")
    metrics.update(mask, torch.from_numpy(mask))
    assert metrics.compute().overall["miou"] == 1


MAP = np.zeros((4, 6), int)


@pytest.mark.parametrize(
    ("preds", "target", "said"),
    [
        (MAP / 2, MAP, r"preds: label maps hold integers, not 4x6 float64; .* such as preds > 0\.5$"),
        (torch.zeros(5, 4, 6), MAP, r"preds: .* not 5x4x6 float32; .* best, preds\.argmax\(0\)$"),
        (torch.zeros(2, 5, 4, 6), MAP, r"preds: label maps hold integers, not 2x5x4x6 float32$"),
        (torch.zeros(2, 5, 4, 6), MAP[None], r"preds: .* not 2x5x4x6 float32; .* best, preds\.argmax\(1\)$"),
        (MAP, torch.zeros(4, 6), r"target: label maps hold integers, not 4x6 float32$"),
        (MAP[None, None], MAP, r"preds: label maps are \(H, W\) or \(B, H, W\), not 1x1x4x6 int64"),
        (MAP, MAP[0], r"target: label maps are \(H, W\) or \(B, H, W\), not 6 int64"),
        (MAP, MAP.T, r"preds: 4x6 int64, but target is 6x4 int64"),
        (MAP[None], MAP, r"preds: 1x4x6 int64, but target is 4x6 int64"),
        (MAP[:0], MAP[:0], r"preds: a label map is two-dimensional"),
        (MAP, MAP + 7, r"target: ground-truth label 7 \(100.00% of the pixels\) is no class: classes are 0..1, 255"),
        (np.full((4, 6), 2**63, np.uint64), MAP, r"preds: label 9223372036854775808"),
    ],
)
def test_what_is_no_pair_of_label_maps_is_refused_by_name(preds: Any, target: Any, said: str) -> None:
    metrics = BoundaryMetrics(2)
    with pytest.raises(InputError, match=f"^{said}"):
        metrics.update(preds, target)


def test_a_batch_counts_whole_or_not_at_all() -> None:
    metrics = BoundaryMetrics(2)
    with pytest.raises(InputError, match="target"):
        metrics.update(np.stack([MAP, MAP]), np.stack([MAP, MAP + 7]))
    assert metrics.compute().images == 0
    metrics.update(np.stack([MAP])[:0], np.stack([MAP])[:0])
    assert metrics.compute().images == 0


def test_options_are_those_of_the_settings_and_others_are_refused_by_name() -> None:
    metrics = BoundaryMetrics(np.int64(2), tolerance=1e-3, spacing=np.array([1, 2]), metrics="hd95")
    expected = BoundarySettings(num_classes=2, tolerance=(0.001,), spacing=(1.0, 2.0), metrics=("hd95",))
    assert metrics.settings == expected
    with pytest.raises(ConfigError, match=r"^tolerence: no such option; there are aggregate, "):
        BoundaryMetrics(2, tolerence=1)
    with pytest.raises(ConfigError, match=r"^spacing wide: must be a number"):
        BoundaryMetrics(2, spacing="wide")
    with pytest.raises(ConfigError, match="3 names for 2 classes"):
        BoundaryMetrics(2, names="abc")
    with pytest.raises(ConfigError, match=r"^other: .* make both with the same tolerance, spacing$"):
        metrics.merge_state(BoundaryMetrics(2, metrics="hd95"))
    with pytest.raises(ConfigError, match=r"^other: must be one BoundaryMetrics, not a list"):
        metrics.merge_state([metrics])  # type: ignore[arg-type]
    assert repr(metrics) == "<BoundaryMetrics of 0 images: 2 classes; hd95>"


def test_a_summary_prints_itself_and_is_saved(pairs: Pairs, tmp_path: Path) -> None:
    summary = counted(pairs, names=["road", "sky", "car", "tree", "pole"]).compute()
    for words in ("Boundary F1 @ 1px", "Hausdorff", "road", "7 images scored; 5 classes; 255 ignored.",
                  "1 image ignored altogether", "no class count as wrong: 77 in 1 image."):  # fmt: skip
        assert words in str(summary)
        assert words in summary._repr_html_()
    summary.save(tmp_path / "a.json")
    saved = json.loads((tmp_path / "a.json").read_text())
    assert saved["overall"]["miou"] == summary.overall["miou"]
    assert saved["per_image"] == []
    summary.save(tmp_path / "a.csv")
    header, overall, *classes = (tmp_path / "a.csv").read_text().splitlines()
    assert header.startswith("class,name,boundary_f1[1px],boundary_f1[0.01],trimap_miou[1]")
    assert overall.split(",")[:3] == ["", "overall", str(summary.overall["boundary_f1"]["1px"])]
    assert len(classes) == 5
    for name in ("a.md", "a.tex"):
        summary.save(tmp_path / name)
        assert "Boundary F1" in (tmp_path / name).read_text()


@pytest.mark.parametrize("options", [{}, LATER | {"aggregate": "images"}], ids=["default", "later"])
def test_the_state_as_arrays_adds_up(pairs: Pairs, options: dict[str, Any]) -> None:
    parts = [counted(part, **options).state_arrays() for part in (pairs[:2], pairs[2:3], pairs[3:])]
    whole = counted([], **options)
    whole.load_state_arrays(sum(counts for counts, _ in parts), np.concatenate([rows for _, rows in parts]))
    assert whole.compute() == counted(pairs, **options).compute()
    assert all(counts.dtype == rows.dtype == np.int64 for counts, rows in parts)


@examples(deadline=None)
@given(st.lists(st.lists(st.floats(0, 1.7e308) | st.floats(0, 1e-300), max_size=5), min_size=1, max_size=5))
def test_sums_come_back_from_digits_that_were_added(parts: list[list[float]]) -> None:
    means = [ExactMean() for _ in parts]
    whole = ExactMean()
    for mean, values in zip(means, parts, strict=True):
        for value in values:
            mean.add(value)
            whole.add(value)
    assert of_limbs(sum(limbs(mean.units) for mean in means)) == whole.units


def test_every_metric_alone_can_be_asked_for(pairs: Pairs) -> None:
    needed = {"hd_percentile": {"hd_percentile": 90}, "boundary_f1_curve": {"tolerance_curve": "1:3"}}
    for metric in METRICS:
        options = {"metrics": metric} | needed.get(metric, {})
        assert counted(pairs[:2], **options).compute().overall.keys() == {metric, "presence"}
