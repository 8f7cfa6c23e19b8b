"""Boundary metrics as a torchmetrics.Metric: the same bits in one process and in two."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing

pytest.importorskip("torchmetrics")  # the extra `torchmetrics`

from torchmetrics import MetricCollection

from convneur.errors import ConfigError, InputError
from convneur.metrics import BoundaryMetrics, BoundarySettings
from convneur.metrics.tables import metric_paths
from convneur.torchmetrics import BoundaryMetric

OPTIONS: dict[str, Any] = {"tolerance": ["1px", 0.01], "spacing": (0.3, 0.7), "trimap_width": (1, 3)}


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Blocks of four classes, some ignored, and predictions that are wrong here and there, some by no class at all."""
    random = np.random.default_rng(seed)
    target = np.kron(random.choice([0, 1, 2, 3, 255], (3, 3, 4)), np.ones((6, 7), int))
    noise = random.random(target.shape)
    preds = np.where(noise < 0.1, random.integers(0, 4, target.shape), np.roll(target, 1, 2))
    return torch.from_numpy(np.where(noise > 0.99, 40 + seed, preds)), torch.from_numpy(target)


def worker(rank: int, folder: str, batches: list[list[int]]) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=len(batches)
    )
    try:
        metric = BoundaryMetric(4, **OPTIONS)
        for seed in batches[rank]:
            metric.update(*batch(seed))
        values, summary = metric.compute(), metric.summary()
        again = metric.summary()  # what was gathered is forgotten before the next
        Path(folder, str(rank)).write_bytes(pickle.dumps((values, summary, again)))
    finally:
        torch.distributed.destroy_process_group()


def alone(seeds: list[int]) -> BoundaryMetric:
    metric = BoundaryMetric(4, **OPTIONS)
    for seed in seeds:
        metric.update(*batch(seed))
    return metric


def bits(values: dict[str, torch.Tensor]) -> dict[str, str]:
    return {name: value.numpy().tobytes().hex() for name, value in values.items()}


@pytest.mark.parametrize("parts", [[[0, 3, 4], [1, 2]], [[], [0, 1, 2, 3, 4]]], ids=["three and two", "none and five"])
def test_two_processes_equal_one_to_the_last_bit(parts: list[list[int]], tmp_path: Path) -> None:
    torch.multiprocessing.spawn(worker, (str(tmp_path), parts), nprocs=2)
    expected = alone([0, 1, 2, 3, 4])
    for rank in range(2):
        values, summary, again = pickle.loads((tmp_path / str(rank)).read_bytes())
        assert bits(values) == bits(expected.compute())
        assert summary == again == expected.summary()
    assert expected.summary().images == 15
    assert expected.summary().invalid_labels.keys() >= {40, 44}


def test_values_are_those_of_the_metrics_without_it() -> None:
    metrics = BoundaryMetrics(4, **OPTIONS)
    for seed in range(2):
        metrics.update(*batch(seed))
    metric = alone([0, 1])
    assert metric.summary() == metrics.compute()
    overall = metrics.compute().overall
    values = metric.compute()
    assert values["miou"].item() == overall["miou"]
    assert values["boundary_f1/0.01"].item() == overall["boundary_f1"]["0.01"]
    assert values["hausdorff/missed"].item() == overall["hausdorff"]["missed"]
    settings = BoundarySettings(num_classes=4, **OPTIONS)
    assert len(values) == sum(len(metric_paths(metric, settings)) for metric in settings.metrics)
    assert all(value.dtype == torch.float64 and value.ndim == 0 for value in values.values())


def test_metrics_that_are_added_by_name_and_groups_are_gathered_too() -> None:
    options: dict[str, Any] = {
        "metrics": ["dice", "objects", "cldice"],
        "hd_percentile": 90,
        "tolerance_curve": "1:3",
        "groups": {"some": [1, 2]},
    }
    parts = [BoundaryMetric(4, **options) for _ in range(3)]
    for seed, metric in enumerate(parts[:2]):
        metric.update(*batch(seed))
        parts[2].update(*batch(seed))
    parts[0].merge_state(parts[1])
    values = parts[2].compute()
    assert bits(parts[0].compute()) == bits(values)
    assert {
        "dice", "objects/pq", "objects/pairs/surface_dice/1", "hd_percentile/90/missed", "boundary_f1_curve/f1/2",
        "boundary_f1_curve/area", "groups/some/cldice/tprec",
    } <= values.keys()  # fmt: skip


def test_forward_gives_a_batch_and_counts_it() -> None:
    metric = BoundaryMetric(4, **OPTIONS)
    for seed in range(3):
        assert bits(metric(*batch(seed))) == bits(alone([seed]).compute())
    assert bits(metric.compute()) == bits(alone([0, 1, 2]).compute())
    assert len(metric.invalid) == 1
    metric.reset()
    metric.update(*batch(1))
    assert metric.summary() == alone([1]).summary()


def test_merging_cloning_pickling_and_precision_keep_the_bits() -> None:
    expected = alone([0, 1]).summary()
    merged = alone([0])
    merged.merge_state(alone([1]))
    assert merged.summary() == expected
    whole = alone([0, 1])
    assert whole.clone().summary() == pickle.loads(pickle.dumps(whole)).summary() == expected
    assert whole.half().set_dtype(torch.float16).summary() == expected
    restored = alone([2])
    whole.persistent(True)
    restored.load_state_dict(whole.state_dict())
    assert restored.summary() == expected


def test_in_a_collection() -> None:
    metrics = MetricCollection({"fine": BoundaryMetric(4, tolerance="1px", metrics="boundary_f1"),
                                "coarse": BoundaryMetric(4, tolerance="5px", metrics="boundary_f1")})  # fmt: skip
    for seed in range(2):
        metrics.update(*batch(seed))
    values = metrics.compute()
    assert values.keys() == {"boundary_f1/1px", "boundary_f1/5px"}
    assert 0 < values["boundary_f1/1px"] < values["boundary_f1/5px"]


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^spacing"):
        BoundaryMetric(4, spacing=-1)
    with pytest.raises(ValueError, match="tolerence"):
        BoundaryMetric(4, tolerence=1)
    with pytest.raises(InputError, match=r"^preds: label maps hold integers"):
        BoundaryMetric(4).update(torch.zeros(2, 4, 5, 5), torch.zeros(2, 5, 5, dtype=torch.long))
