"""Which tokens a position's read comes from: of a memory exactly, of attention its weights.

A memory's reads are linear in M_0 and in the values of all tokens, for every state is. Walked backwards from the state
that a position reads, with a = q and s = 0 and for each of its writes, the last one first,

    b_t = a + s;   a <- (1 - alpha_t) a - b_t P_t;   s <- eta_t b_t          P_t = theta_t k_t^T k_t / n_t

the read is what is left, a M_0, and of token i of chunk t its value times theta_t / n_t (b_t . k_i). The keys, which
also erase, and the coefficients count as given: this says where a read comes from, not what it would be without it.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from convneur.model.attention import NonLocal, SelfAttention
from convneur.model.global_branches import GlobalBranch
from convneur.model.memory import MLPMemoryWrite, NeuralMemory, strided_places, unit_length

__all__ = ["BranchRead", "MemoryRead", "attention_weights", "branch_read", "memory_read"]


class MemoryRead(NamedTuple):
    """One position's read, taken apart: y = initial + weights @ values.

    y, initial: (m,), initial what comes from M_0. weights: (N,), of each token's value, in the image's order, exactly 0
    where the read cannot see it. values: (N, m). chunk: (N,), the chunk of each token.
    """

    y: Tensor
    initial: Tensor
    weights: Tensor
    values: Tensor
    chunk: Tensor


class BranchRead(NamedTuple):
    """What of a position's read, as the branch hands it on, comes from where; parts are signed.

    tokens: (N,), of each token. initial: of M_0, 0 where there is none. own_chunk: of the position's own chunk, or of
    its own token where there are no chunks. All are None where the read is 0, which has no parts.
    """

    tokens: Tensor | None
    initial: float | None
    own_chunk: float | None


@torch.no_grad()
def memory_read(memory: NeuralMemory, x: Tensor, position: int) -> MemoryRead:
    """Take one position's read apart.

    Args:   memory: of one layer, without `max_state_norm`, or neither state nor read is linear in the values.
        x: (N, m), one image's tokens, of the type that the memory's tensors have; position: 0 to N - 1.

    >>> memory = NeuralMemory(8, chunk_length=4, read="final").double()
    >>> x = torch.randn(20, 8, dtype=torch.float64)
    >>> read = memory_read(memory, x, 3)
    >>> bool(torch.allclose(read.initial + read.weights @ read.values, memory(x[None])[0, 3], atol=1e-12))
    True
    """
    if isinstance(memory.write, MLPMemoryWrite) or memory.write.max_state_norm is not None:
        raise ValueError("the reads of two layers, or under a cap, are not linear in the values")
    tokens, m = x.shape
    plan = memory.plan(tokens)
    place = torch.arange(tokens, device=x.device)
    if memory.order == "strided" and plan.chunks > 1:
        place = strided_places(tokens, plan.chunks, x.device)
    laid = x[place.argsort()]  # chunk after chunk
    q, k, v = memory.qkv(laid).split([m, m, memory.qkv.out_features - 2 * m], dim=-1)
    q, k = unit_length(q), unit_length(k)
    lengths = [n for chunks, n in plan.groups for _ in range(chunks)]
    chunk = memory.chunk_of_tokens(tokens).to(x.device)
    reader, own = int(place[position]), int(chunk[position])
    seen = {"before": own, "after": own + 1, "final": plan.chunks}[memory.read]

    keys, pieces = k.split(lengths), laid.split(lengths)
    weights = [x.new_zeros(n) for n in lengths]
    a, s = q[reader], torch.zeros_like(q[reader])
    if seen:
        theta, eta, keep = memory.write.generator(torch.stack([piece.mean(0) for piece in pieces[:seen]])[None])
        for t in reversed(range(seen)):
            b = a + s
            weights[t] = keys[t] @ b * (theta[0, t, 0, 0] / lengths[t])
            a = keep[0, t, 0, 0] * a - weights[t] @ keys[t]
            s = eta[0, t, 0, 0] * b
    initial = a @ memory.initial
    laid_weights = torch.cat(weights)
    y = initial + laid_weights @ v
    return MemoryRead(y, initial, laid_weights[place], v[place], chunk)


@torch.no_grad()
def attention_weights(mixer: SelfAttention | NonLocal, x: Tensor, position: int) -> Tensor:
    """How much a position attends to each token, the mean over heads: (N,), at least 0, of sum 1. x: (N, m)."""
    if isinstance(mixer, NonLocal):
        theta, phi, _ = mixer.theta_phi_g(x).chunk(3, dim=-1)
        return (phi @ theta[position]).softmax(0)
    q, k, _ = mixer.qkv(x).unflatten(-1, (3, mixer.num_heads, -1)).unbind(1)  # each N heads m/heads
    return (torch.einsum("hd,nhd->hn", q[position], k) * q.shape[-1] ** -0.5).softmax(1).mean(0)


@torch.no_grad()
def branch_read(branch: GlobalBranch, x: Tensor, position: int) -> BranchRead:
    """What of a position's read comes from where, in float64.

    Of a memory: the parts of Y = W_e y, the branch's output but for its bias, along Y itself; they add up to 1. Of
    attention its weights, for that is where it reads.
    Args: x: (m, h, w), what the branch's convolution C -> C_m made of one image; position: row times w, plus column.

    >>> branch = GlobalBranch(12, 8, NeuralMemory(8, chunk_length=4))
    >>> read = branch_read(branch, torch.randn(8, 4, 5), position=0)
    >>> round(read.initial, 9), float(read.tokens.abs().sum())  # the first chunk reads M_0 alone
    (1.0, 0.0)
    """
    mixer = branch.mixer
    tokens = x.flatten(1).T.double()
    if isinstance(mixer, (SelfAttention, NonLocal)):
        weights = attention_weights(copy.deepcopy(mixer).double(), tokens, position)
        return BranchRead(weights, 0.0, float(weights[position]))
    assert isinstance(mixer, NeuralMemory)
    read = memory_read(copy.deepcopy(mixer).double(), tokens, position)
    expand = branch.expand.weight.flatten(1).double()
    whole = expand @ read.y
    size = whole @ whole
    if not size > 0:
        return BranchRead(None, None, None)
    along = expand.T @ whole / size
    parts = read.weights * (read.values @ along)
    own = parts[read.chunk == read.chunk[position]].sum()
    return BranchRead(parts, float(read.initial @ along), float(own))
