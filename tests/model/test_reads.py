"""Where a position's read comes from: it adds up, autograd agrees, and what cannot be seen counts exactly nothing."""

from itertools import product

import pytest
import torch
from torch import nn

from convneur.model.attention import NonLocal, SelfAttention
from convneur.model.global_branches import GlobalBranch
from convneur.model.memory import NeuralMemory
from convneur.model.reads import attention_weights, branch_read, memory_read
from convneur.variants import Order, Read

CASES = list(product(("before", "after", "final"), ("raster", "strided"), (7, 100)))


def memory_of(read: Read, order: Order, length: int, dtype: torch.dtype = torch.float64) -> NeuralMemory:
    torch.manual_seed(0)
    memory = NeuralMemory(6, read=read, order=order, chunk_length=length).to(dtype)
    for tensor in (memory.qkv.weight, memory.initial, memory.write.generator.weight):
        nn.init.normal_(tensor)  # far from where training begins, so that every term counts
    return memory


def tokens(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(30, 6, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("read", "order", "length"), CASES)
def test_the_parts_add_up_to_the_read(read: Read, order: Order, length: int) -> None:
    for dtype, most in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        memory, x = memory_of(read, order, length, dtype), tokens(dtype)
        with torch.no_grad():
            y = memory(x[None])[0]
        for position in (0, 12, 29):
            found = memory_read(memory, x, position)
            assert (found.initial + found.weights @ found.values - y[position]).abs().max() <= most * y.abs().max()


@pytest.mark.parametrize(("read", "order", "length"), CASES)
def test_weights_are_the_derivative_by_each_value(read: Read, order: Order, length: int) -> None:
    """By autograd, through added values that the memory's own projection does not see."""
    memory, x, position = memory_of(read, order, length), tokens(), 12
    found = memory_read(memory, x, position)
    added = torch.zeros(30, 6, dtype=torch.float64, requires_grad=True)
    project = memory._project
    laid = torch.argsort(found.chunk, stable=True)  # the order in which the memory has its tokens
    begin = 0

    def with_values(piece: torch.Tensor, widths: list[int]) -> list[torch.Tensor]:
        nonlocal begin
        q, k, v = project(piece, widths)
        begin, first = begin + piece.shape[1], begin
        return [q, k, v + added[laid][first:begin]]

    memory._project = with_values  # type: ignore[method-assign]
    y = memory(x[None])[0, position]
    for channel in (0, 5):
        (slope,) = torch.autograd.grad(y[channel], added, retain_graph=True, allow_unused=True)
        expected = torch.zeros(30, 6, dtype=torch.float64)
        expected[:, channel] = found.weights
        assert torch.allclose(torch.zeros_like(added) if slope is None else slope, expected, atol=1e-14)


def test_what_a_read_cannot_see_counts_exactly_nothing() -> None:
    for read, seen in (("before", 1), ("after", 2), ("final", 5)):
        found = memory_read(memory_of(read, "raster", 7), tokens(), position=9)  # type: ignore[arg-type]
        assert found.chunk[9] == 1
        assert bool((found.weights[found.chunk >= seen] == 0).all())
        assert bool((found.weights[found.chunk < seen] != 0).all())


def test_parts_of_a_branch_add_up_to_one() -> None:
    torch.manual_seed(0)
    branch = GlobalBranch(10, 6, memory_of("final", "raster", 7, torch.float32))
    read = branch_read(branch, torch.randn(6, 5, 6), position=9)
    assert read.tokens is not None
    assert read.initial is not None
    assert read.own_chunk == pytest.approx(float(read.tokens[7:14].sum()), abs=1e-15)
    assert float(read.tokens.sum()) + read.initial == pytest.approx(1, abs=1e-12)
    nn.init.zeros_(branch.expand.weight)
    assert branch_read(branch, torch.randn(6, 5, 6), position=9).tokens is None  # of nothing there are no parts


def test_attention_is_what_the_twin_mixes_by() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 12, 8)
    attention = SelfAttention(8, num_heads=2)
    with torch.no_grad():
        v = attention.qkv(x).unflatten(-1, (3, 2, -1))[0, :, 2]  # N heads m/heads
        weights = attention_weights(attention, x[0], 5)
        assert float(weights.sum()) == pytest.approx(1)
        attention.proj.weight.copy_(torch.eye(8))
        nn.init.zeros_(attention.proj.bias)
        attention.qkv.weight[:4] = attention.qkv.weight[4:8]  # both heads attend alike, and so as their mean
        attention.qkv.weight[8:12] = attention.qkv.weight[12:16]
        mixed = attention_weights(attention, x[0], 5) @ v.flatten(1)
        assert torch.allclose(mixed, attention(x)[0, 5], atol=1e-6)
        block = NonLocal(8)
        block.w_z.weight.copy_(nn.functional.pad(torch.eye(4), (0, 0, 0, 4)))
        nn.init.zeros_(block.w_z.bias)
        g = block.theta_phi_g(x[0]).chunk(3, dim=-1)[2]
        read = (block(x)[0, 5] - x[0, 5])[:4]
        assert torch.allclose(attention_weights(block, x[0], 5) @ g, read, atol=1e-6)
