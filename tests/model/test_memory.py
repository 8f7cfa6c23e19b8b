"""The closed form against a transcription of the equations with autograd, and the bounds that keep it stable."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from convneur.model.memory import MemoryState, NeuralMemory, _mlp_gradient, plan_chunks


def by_equations(memory: NeuralMemory, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, token surprise, M_T, S_T, gradient norms of ONE image, token lists and autograd only; x: (N, m)."""
    tokens, m = x.shape
    length = memory.chunk_length if memory.chunks is None else -(-tokens // memory.chunks)
    length = min(length, -(-tokens // memory.min_chunks)) if memory.chunks is None else length
    count = -(-tokens // length)
    if memory.order == "raster":
        members = [list(range(t * length, min((t + 1) * length, tokens))) for t in range(count)]
    else:
        members = [list(range(t, tokens, count)) for t in range(count)]

    def recall(tokens: Tensor, state: Tensor) -> Tensor:
        return tokens @ state if len(state) == m else F.gelu(tokens @ state[:m]) @ state[m:]

    w_q, w_k, w_v = memory.qkv.weight.split(m)
    generator = memory.write.generator
    state, momentum = memory.initial, torch.zeros_like(memory.initial)
    y, surprise = torch.zeros_like(x), torch.zeros(tokens, dtype=x.dtype)
    norms = []
    for chunk in members:
        piece = x[chunk]
        q, k, v = F.normalize(piece @ w_q.T, dim=-1), F.normalize(piece @ w_k.T, dim=-1), piece @ w_v.T
        if memory.read == "before":
            y = y.index_copy(0, torch.tensor(chunk), recall(q, state))
        surprise = surprise.index_copy(0, torch.tensor(chunk), ((recall(k, state) - v) ** 2).sum(-1))

        at = state.detach().requires_grad_() if not state.requires_grad else state
        loss = ((recall(k, at) - v) ** 2).sum(-1).mean() / 2
        (gradient,) = torch.autograd.grad(loss, at, create_graph=True)
        norms.append(gradient.square().sum().sqrt())
        raw = piece.mean(0) @ generator.weight.T + generator.bias
        theta = generator.step_size / (1 + torch.exp(-raw[0]))
        eta = 0.5 / (1 + torch.exp(-raw[1]))
        alpha = 1 / (1 + torch.exp(-raw[2]))
        momentum = eta * momentum - theta * gradient
        state = (1 - alpha) * state + momentum
        if memory.read == "after":
            y = y.index_copy(0, torch.tensor(chunk), recall(q, state))
    if memory.read == "final":
        y = recall(F.normalize(x @ w_q.T, dim=-1), state)
    return y, surprise, state, momentum, torch.stack(norms)


def a_memory(m: int = 6, **options: object) -> NeuralMemory:
    torch.manual_seed(3)
    memory = NeuralMemory(m, **options).double()  # type: ignore[arg-type]
    with torch.no_grad():  # far from its start, so that no term is small
        memory.initial.normal_()
        memory.write.generator.weight.normal_()
        memory.write.generator.bias.normal_()
    return memory


CASES = [
    *({"chunk_length": length} for length in (1, 4, 5, 19, 20, 100)),
    *({"chunk_length": 7, "read": read, "order": order}
      for read, order in itertools.product(("before", "after", "final"), ("raster", "strided"))),
    {"chunk_length": 100, "min_chunks": 3},
    {"chunk_length": 100, "chunks": 4, "order": "strided"},
    {"chunk_length": 2, "chunks": 3, "read": "after"},
    {"chunk_length": 3, "step_size": 0.4},
    {"chunk_length": 6, "layers": 2},
    {"chunk_length": 6, "layers": 2, "read": "final", "order": "strided"},
    {"chunk_length": 20, "layers": 2, "read": "after"},
]  # fmt: skip


@pytest.mark.parametrize("segment", [4096, 9, 1])
@pytest.mark.parametrize("options", CASES, ids=str)
def test_the_closed_form_is_the_equations(
    options: dict[str, object], segment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convneur.model.memory.SEGMENT", segment)
    memory = a_memory(**options)
    x = torch.randn(2, 20, 6, dtype=torch.float64)
    y, surprise, state = memory.stream(x)
    for image in range(2):
        wanted = by_equations(memory, x[image])
        got = (y[image], surprise[image], state.memory[image], state.momentum[image], state.surprise[image])
        for mine, theirs in zip(got, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", CASES, ids=str)
def test_gradients_are_those_of_the_equations(options: dict[str, object]) -> None:
    memory = a_memory(**options)
    x = torch.randn(1, 20, 6, dtype=torch.float64)
    towards = torch.randn(20, 6, dtype=torch.float64)
    gradients = []
    for y in (memory(x)[0], by_equations(memory, x[0])[0]):
        parameters = list(memory.parameters())
        found = torch.autograd.grad((y * towards).sum(), parameters, allow_unused=True)
        gradients.append([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)])
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-9)


def test_gradcheck() -> None:
    memory = a_memory(m=3, chunk_length=3)
    x = torch.randn(2, 8, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(memory, (x,))


@pytest.mark.parametrize("options", CASES, ids=str)
def test_stream_reads_what_forward_reads_bit_for_bit(options: dict[str, object]) -> None:
    memory = a_memory(**options).float()
    x = torch.randn(3, 20, 6)
    assert torch.equal(memory(x), memory.stream(x).y)


@pytest.mark.parametrize("read", ["before", "after"])
def test_a_run_cut_at_a_chunk_border_goes_on_where_it_stopped(read: str) -> None:
    memory = a_memory(chunk_length=4, read=read)
    x = torch.randn(2, 18, 6, dtype=torch.float64)
    whole = memory.stream(x)
    first = memory.stream(x[:, :8])
    second = memory.stream(x[:, 8:], first.state)
    torch.testing.assert_close(torch.cat([first.y, second.y], 1), whole.y)
    torch.testing.assert_close(second.state.memory, whole.state.memory)
    torch.testing.assert_close(second.state.momentum, whole.state.momentum)
    torch.testing.assert_close(torch.cat([first.state.surprise, second.state.surprise], 1), whole.state.surprise)
    torch.testing.assert_close(memory(x[:, 8:], first.state), whole.y[:, 8:])


def test_the_first_chunk_reads_the_learned_start_alone() -> None:
    memory = a_memory(chunk_length=5)
    x = torch.randn(1, 20, 6, dtype=torch.float64)
    changed = x.clone()
    changed[:, 5:] += 1
    assert torch.equal(memory(x)[:, :5], memory(changed)[:, :5])
    changed = x.clone()
    changed[:, 0] += 1
    assert not torch.allclose(memory(x)[:, 5:], memory(changed)[:, 5:])


@pytest.mark.parametrize(
    ("tokens", "options", "groups"),
    [
        (20, {"chunk_length": 5}, ((3, 5), (1, 5))),
        (22, {"chunk_length": 5}, ((4, 5), (1, 2))),
        (4, {"chunk_length": 5}, ((1, 4),)),
        (22, {"chunk_length": 5, "order": "strided"}, ((2, 5), (2, 4), (1, 4))),
        (20, {"chunk_length": 5, "order": "strided"}, ((3, 5), (1, 5))),
        (20, {"chunk_length": 100, "min_chunks": 4}, ((3, 5), (1, 5))),
        (20, {"chunk_length": 2, "min_chunks": 4}, ((9, 2), (1, 2))),
        (49, {"chunk_length": 196, "chunks": 4}, ((3, 13), (1, 10))),
        (1, {"chunk_length": 1}, ((1, 1),)),
        (50 * 196, {"chunk_length": 196}, ((49, 196), (1, 196))),
    ],
)
def test_chunks_hold_every_token_once(
    tokens: int, options: dict[str, object], groups: tuple[tuple[int, int], ...]
) -> None:
    plan = plan_chunks(tokens, **options)  # type: ignore[arg-type]
    assert plan.groups == groups
    assert sum(chunks * n for chunks, n in plan.groups) == tokens
    assert plan.chunks == sum(chunks for chunks, _ in groups)


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        plan_chunks(10, 0)


@pytest.mark.parametrize(("read", "writes"), [("before", 3), ("after", 4), ("final", 4)])
def test_only_writes_that_are_read_are_computed_and_nothing_is_padded(read: str, writes: int) -> None:
    m, length = 8, 10
    lengths = [length, length, length, 3]
    tokens = sum(lengths)
    memory = NeuralMemory(m, chunk_length=length, read=read)  # type: ignore[arg-type]
    with FlopCounterMode(display=False) as counter, torch.no_grad():  # torch's own counter can follow the memory
        memory(torch.randn(1, tokens, m))
    written = lengths[:writes]
    products = sum(2 * n * m * m + m**3 for n in written) + 3 * m * len(written)
    assert counter.get_total_flops() == 2 * (3 * tokens * m * m + tokens * m * m + products)


# Stability


def adversarial(memory: NeuralMemory, raw: tuple[float, float, float]) -> NeuralMemory:
    with torch.no_grad():
        memory.write.generator.weight.zero_()
        memory.write.generator.bias.copy_(torch.tensor(raw))
    return memory


@pytest.mark.parametrize("raw", [(9.0, 9.0, -9.0), (9.0, -9.0, -9.0), (0.0, 9.0, -9.0), (9.0, 9.0, 0.0)], ids=str)
def test_identical_keys_over_300_chunks_stay_bounded(raw: tuple[float, float, float]) -> None:
    """The worst case, lambda = 1, at the ends of the coefficients' ranges."""
    memory = adversarial(NeuralMemory(16, chunk_length=4), raw)
    x = torch.randn(1, 1, 16).expand(1, 4 * 300, 16)
    _, _, state = memory.stream(x)
    v = memory.qkv(x[:, 0]).split(16, dim=-1)[2].norm()
    assert state.surprise.isfinite().all()
    # It converges to k -> v, whose norm is |v|; twice that leaves room for what momentum overshoots.
    assert state.memory.norm() <= 2 * (v + memory.initial.norm())
    assert state.surprise[0, -1] < 1.01 * state.surprise[0, 0]


def test_random_tokens_over_300_chunks_stay_bounded() -> None:
    torch.manual_seed(0)
    memory = NeuralMemory(32, chunk_length=8)
    with torch.no_grad():
        memory.write.generator.weight.normal_(std=3)  # coefficients jump from chunk to chunk
        memory.write.generator.bias[2] = -9  # hardly any decay helps
    x = 10 * torch.randn(2, 8 * 300, 32)
    state = memory.stream(x).state
    v = memory.qkv(x).split(32, dim=-1)[2].norm(dim=-1).max()
    assert state.memory.norm(dim=(1, 2)).max() < 32**0.5 * v


def test_the_perceptrons_gradient_is_autograds() -> None:
    torch.manual_seed(0)
    k, v = torch.randn(2, 7, 5, dtype=torch.float64), torch.randn(2, 7, 5, dtype=torch.float64)
    memory = torch.randn(2, 10, 5, dtype=torch.float64, requires_grad=True)
    loss = (F.gelu(k @ memory[:, :5]) @ memory[:, 5:] - v).square().sum() / 2
    torch.testing.assert_close(_mlp_gradient(k, v, memory), torch.autograd.grad(loss, memory)[0])


def test_a_step_beyond_the_bound_diverges_and_the_cap_holds_it() -> None:
    """theta lambda = 8 > (2 - alpha)(1 + eta): what the bound on step_size is for."""
    x = torch.randn(1, 1, 16).expand(1, 4 * 60, 16)
    wild = adversarial(NeuralMemory(16, chunk_length=4, step_size=8.0), (9.0, -9.0, -9.0))
    assert not wild.stream(x).state.memory.norm() < 1e6
    capped = adversarial(NeuralMemory(16, chunk_length=4, step_size=8.0, max_state_norm=5.0), (9.0, -9.0, -9.0))
    assert capped.stream(x).state.memory.norm() <= 5.0 + 1e-4


def test_the_cap_is_inert_where_the_state_stays_below_it() -> None:
    plain, capped = a_memory(chunk_length=4), a_memory(chunk_length=4, max_state_norm=1e6)
    x = torch.randn(2, 20, 6, dtype=torch.float64)
    assert torch.equal(plain(x), capped(x))


def test_coefficients_stay_within_their_bounds() -> None:
    generator = NeuralMemory(4, step_size=0.7).write.generator
    theta, eta, keep = generator(1e4 * torch.randn(3, 50, 4))
    assert 0 <= theta.min() <= theta.max() <= 0.7
    assert 0 <= eta.min() <= eta.max() <= 0.5
    assert 0 <= keep.min() <= keep.max() <= 1


def test_a_fresh_memory_forgets_two_percent_a_chunk() -> None:
    keep = NeuralMemory(4).write.generator(torch.zeros(1, 1, 4))[2]
    assert keep.item() == pytest.approx(1 - 0.018, abs=1e-3)


def test_the_state_stays_float32_under_autocast() -> None:
    memory = NeuralMemory(16, chunk_length=8)
    x = torch.randn(2, 60, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, surprise, state = memory.stream(x)
    assert y.dtype is torch.bfloat16
    assert {surprise.dtype, state.memory.dtype, state.momentum.dtype} == {torch.float32}
    torch.testing.assert_close(y.float(), memory(x), rtol=0.1, atol=0.02)


def test_a_state_is_a_plain_tuple_of_tensors() -> None:
    state = NeuralMemory(4, chunk_length=2).stream(torch.randn(2, 5, 4)).state
    assert isinstance(state, MemoryState)
    assert [tuple(t.shape) for t in state] == [(2, 4, 4), (2, 4, 4), (2, 3)]


@pytest.mark.parametrize(
    ("read", "chunks", "k_and_v_learn", "momentum_learns"),
    [("before", 1, False, False), ("before", 2, True, False), ("before", 3, True, True),
     ("after", 1, True, False), ("after", 2, True, True), ("final", 2, True, True)],
)  # fmt: skip
def test_which_parameters_learn_depends_on_the_writes_that_are_read(
    read: str, chunks: int, k_and_v_learn: bool, momentum_learns: bool
) -> None:
    memory = a_memory(chunk_length=4, read=read)
    x = torch.randn(1, 4 * chunks, 6, dtype=torch.float64)
    memory(x).square().sum().backward()
    _, k, v = memory.qkv.weight.grad.split(6)  # type: ignore[union-attr]
    generator = memory.write.generator.bias.grad
    theta, eta, alpha = (0, 0, 0) if generator is None else generator.tolist()
    assert bool(k.any()) is bool(v.any()) is bool(theta) is bool(alpha) is k_and_v_learn
    assert bool(eta) is momentum_learns
    assert memory.initial.grad.any()  # type: ignore[union-attr]
    assert memory.writes_read(4 * chunks) == chunks - (read == "before")
