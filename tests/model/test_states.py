"""Reads from other states: the own ones change no bit, another image's do, and what nobody reads changes nothing."""

from itertools import product

import pytest
import torch
from torch import nn

from convneur.gates.capture import untrained
from convneur.model.folding import fold
from convneur.model.memory import NeuralMemory
from convneur.model.network import ConvNeur
from convneur.model.states import given_states, recorded_states, start_states
from convneur.variants import ConvNeurConfig

TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, num_classes=3, chunk_length=20)
IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def lively(config: ConvNeurConfig) -> ConvNeur:
    """Of weights far from where training begins, where a memory moves hardly anything."""
    model = untrained(config, 0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, NeuralMemory):
                module.qkv.weight.normal_()
    return model


@pytest.mark.parametrize(
    ("read", "order", "layers", "folded"),
    [*product(("before", "after", "final"), ("raster", "strided"), (1,), (False,)), ("final", "raster", 2, False),
     ("before", "raster", 1, True)],
)  # fmt: skip
@torch.inference_mode()
def test_own_states_change_no_bit_and_others_do(read: str, order: str, layers: int, folded: bool) -> None:
    model = lively(TINY.replace(read=read, order=order, memory_layers=layers))
    model = fold(model) if folded else model
    for images in (IMAGES, IMAGES[:1]):
        expected = model(images)
        with recorded_states(model) as own:
            assert torch.equal(model(images), expected)
        with given_states(model, own):
            assert torch.equal(model(images), expected)
    with recorded_states(model) as others:
        model(IMAGES[1:2])
    with given_states(model, others):
        assert not torch.equal(model(IMAGES[:1]), expected)
    assert torch.equal(model(IMAGES[:1]), expected)  # nothing of it stays


@torch.inference_mode()
def test_states_are_those_of_each_write() -> None:
    memory = lively(TINY).stages[0][0].global_branch.mixer  # type: ignore[index,union-attr]
    x = torch.randn(1, 50, 8)  # chunks of 20, 20 and 10
    before = memory.states(x)  # type: ignore[operator]
    assert torch.equal(before[0, 0], memory.initial)  # type: ignore[arg-type,operator]
    assert torch.equal(before[:, 1], memory.stream(x[:, :20]).state.memory)  # type: ignore[operator]
    assert torch.allclose(before[:, 2], memory.stream(x[:, :40]).state.memory, atol=1e-6)  # type: ignore[operator]


@torch.inference_mode()
def test_what_nobody_reads_changes_nothing() -> None:
    one_chunk = lively(TINY.replace(chunk_length=10_000))
    with recorded_states(one_chunk) as others:
        one_chunk(IMAGES[1:2])
    expected = one_chunk(IMAGES[:1])
    with given_states(one_chunk, others):
        assert torch.equal(one_chunk(IMAGES[:1]), expected)
    still = lively(TINY.replace(read="final"))
    for module in still.modules():
        if isinstance(module, NeuralMemory):
            nn.init.constant_(module.write.generator.weight, 0)
            module.write.generator.bias.copy_(torch.tensor([-1e9, 0, -1e9]))  # theta, alpha 0: it writes nothing
    expected = still(IMAGES[:1])
    with given_states(still, start_states(still)):
        assert torch.equal(still(IMAGES[:1]), expected)


def test_states_of_another_number_of_chunks() -> None:
    memory = NeuralMemory(8, chunk_length=10)
    with pytest.raises(ValueError, match="states of 2 chunks for a run of 3"):
        memory.read_from(torch.randn(1, 30, 8), memory.states(torch.randn(1, 20, 8)))
