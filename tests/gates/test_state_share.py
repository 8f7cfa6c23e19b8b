"""The state's share of a gate's variance: against its definition written out, and where it is known."""

import numpy as np
import pytest
import torch

from convneur.gates import inspect_batch
from convneur.gates.capture import branch_of, untrained
from convneur.gates.state_share import StateShares
from convneur.model.memory import NeuralMemory
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig


def lively(config: ConvNeurConfig) -> ConvNeur:
    model = untrained(config, 0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, NeuralMemory):
                module.qkv.weight.normal_()
        for name, parameter in model.named_parameters():
            if "expand" in name:
                parameter.normal_()
    return model


@pytest.mark.parametrize("read", ["before", "final"])
@torch.inference_mode()
def test_it_is_its_definition(config: ConvNeurConfig, read: str) -> None:
    branch = branch_of(lively(config.replace(read=read)), 1, 1)
    assert branch is not None
    memory = branch.mixer
    assert isinstance(memory, NeuralMemory)
    maps = torch.randn(3, 8, 8, 12, generator=torch.Generator().manual_seed(0))
    tokens = maps.flatten(2).transpose(1, 2)
    shares = StateShares({1: branch})
    for one in maps:
        shares.add({1: one[None]})
    gates = np.stack(
        [
            [
                torch.sigmoid(branch.expand(memory.read_from(x[None], memory.states(other[None])).mT[..., None]))
                .squeeze()
                .numpy()
                for other in tokens
            ]
            for x in tokens
        ]
    ).astype(np.float64)  # images, states, channels, positions
    total = gates.var(axis=(0, 1, 3)).sum()
    (found,) = shares.found()
    assert found.share == pytest.approx(gates.var(axis=1).mean(axis=(0, 2)).sum() / total, rel=1e-5)
    assert found.uniform == pytest.approx(gates.mean(axis=3).var(axis=1).mean(axis=0).sum() / total, rel=1e-5)
    assert 0 < (found.uniform or 0) < (found.share or 0) < 1
    assert found.images == 3


def test_where_it_is_known(config: ConvNeurConfig) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8))
    model = lively(config.replace(read="final"))
    batch = inspect_batch(images, weights=model, size=96, stage=(1, 4))
    assert all(0 < (one.share or 0) < 1 for one in batch.states)
    assert batch.to_dict()["stages"][0]["state"]["images"] == 3
    assert "Share of the gate's variance that is the state's, of 3 images" in str(batch)
    copies = inspect_batch([images[0]] * 3, weights=model, size=96, stage=1)
    assert copies.states[0].share == 0
    first_chunk = inspect_batch(images, weights=lively(config.replace(chunk_length=10_000)), size=96, stage=1)
    assert first_chunk.states[0].share == pytest.approx(0, abs=1e-12)  # all read M_0
    (alone,) = inspect_batch(images[:1], weights=model, size=96, stage=1).states
    assert (alone.share, alone.images) == (None, 1)
    assert inspect_batch(images, weights=untrained(config.replace(global_branch="cbam"), 0), stage=1).states == ()
