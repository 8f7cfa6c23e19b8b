"""fvcore beside the dispatch counter."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from convneur import VARIANTS
from convneur.cost import CountingError, ModelCounter, count
from convneur.cost.fvcore_counter import count_differences, count_with_fvcore


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"memory": "per-layer", "fusion": "concat", "chunk_length": 64},
        {"read": "after", "min_chunks": 3},
        {"read": "final", "chunks": 5, "fusion": "addition"},
        {"global_branch": "self-attention"},
    ],
)
def test_both_count_the_same_convolutions_and_products(settings: dict[str, Any]) -> None:
    config = VARIANTS["m1"].replace(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its deprecation warnings stay inside
        first, second = (ModelCounter(config, counter=name).at(96, 64).count for name in ("dispatch", "fvcore"))
    assert count_differences(first, second) == ()
    assert first.params == second.params
    attention = [entry for entry in first.work if entry.kind == "attention"]
    unseen = {entry.operator for entry in second.uncounted}
    assert unseen == ({"scaled_dot_product_attention"} if attention else set())


def test_a_difference_is_told_by_module(meta_net: Any) -> None:
    counted = count(meta_net("m1"), torch.empty(1, 3, 64, 64, device="meta"))
    first, *rest = counted.work
    (found,) = count_differences(counted, dataclasses.replace(counted, work=tuple(rest)))
    assert (found.module, found.kind, found.dispatch, found.fvcore) == (first.module, first.kind, first.macs, 0)


def test_what_it_drops_is_named(calling: Callable[..., nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(6, 6), calling(lambda x: torch.baddbmm(x, x, x) + 1))
    counted = count_with_fvcore(model, torch.ones(2, 6, 6))
    assert counted.macs == 2 * 6 * 36
    assert [(entry.module, entry.operator, entry.calls) for entry in counted.uncounted] == [("1", "baddbmm", 1)]
    assert count(model, torch.ones(2, 6, 6)).macs == 2 * counted.macs


def test_a_failed_trace_leaves_no_hooks() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 4)).train()
    with pytest.raises(CountingError, match=r"\(input 2x4\)$"):
        count_with_fvcore(model, torch.ones(2, 4))
    assert all(not m._forward_hooks and not m._forward_pre_hooks and m.training for m in model.modules())


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect"])
def test_padding_by_name_is_a_convolution_like_any_other(mode: str) -> None:
    layer = nn.Conv2d(4, 8, 3, padding="same", groups=2, padding_mode=mode)
    counted = count_with_fvcore(layer, torch.zeros(1, 4, 8, 8))
    assert (counted.macs, counted.uncounted) == (8 * 64 * 2 * 9, ())
    assert count_differences(count(layer, torch.zeros(1, 4, 8, 8)), counted) == ()
