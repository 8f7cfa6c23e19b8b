"""Which tokens a position's read comes from: of a memory exactly, of attention its weights.

A memory's reads are linear in M_0 and in the values of all tokens, for every state is. Walked backwards from the state
that a position reads, with a = q and s = 0 and for each of its writes, the last one first,

    b_t = a + s;   a <- (1 - alpha_t) a - b_t P_t;   s <- eta_t b_t          P_t = theta_t k_t^T k_t / n_t

the read is what is left, a M_0, and of token i of chunk t its value times theta_t / n_t (b_t . k_i). The keys, which
also erase, and the coefficients count as given: this says where a read comes from, not what it would be without it.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from convneur.model.attention import NonLocal, SelfAttention
from convneur.model.global_branches import GlobalBranch
from convneur.model.memory import MLPMemoryWrite, NeuralMemory, unit_length

__all__ = [
    "BranchParts",
    "BranchRead",
    "MemoryParts",
    "MemoryRead",
    "attention_weights",
    "branch_parts",
    "branch_read",
    "memory_parts",
    "memory_read",
]


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


@dataclass(frozen=True, eq=False)
class MemoryParts:
    """All that the reads of one image's tokens are made of.

    queries, keys, values: (N, m), in the image's order, queries and keys of length 1. chunk: (N,), the chunk of each
    token. step, eta, keep: (T,), of each chunk's write theta_t / n_t, eta_t and 1 - alpha_t. initial: (m, m), M_0.
    seen: (T,), how many writes the positions of each chunk read after.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    chunk: Tensor
    step: Tensor
    eta: Tensor
    keep: Tensor
    initial: Tensor
    seen: tuple[int, ...]

    def read(self, position: int) -> MemoryRead:
        """One position's read, taken apart."""
        weights = self.values.new_zeros(len(self.values))
        a, s = self.queries[position], torch.zeros_like(self.queries[position])
        for t in reversed(range(self.seen[int(self.chunk[position])])):
            b = a + s
            inside = self.chunk == t
            keys = self.keys[inside]
            written = keys @ b * self.step[t]
            weights[inside] = written
            a = self.keep[t] * a - written @ keys
            s = self.eta[t] * b
        start = a @ self.initial
        return MemoryRead(start + weights @ self.values, start, weights, self.values, self.chunk)


@torch.no_grad()
def memory_parts(memory: NeuralMemory, x: Tensor) -> MemoryParts:
    """What the reads of one image's tokens are made of.

    Args: memory: of one layer, without `max_state_norm`, or neither state nor read is linear in the values.
        x: (N, m), of the type that the memory's tensors have.
    """
    if isinstance(memory.write, MLPMemoryWrite) or memory.write.max_state_norm is not None:
        raise ValueError("the reads of two layers, or under a cap, are not linear in the values")
    tokens, m = x.shape
    chunk = memory.chunk_of_tokens(tokens).to(x.device)
    count = memory.plan(tokens).chunks
    q, k, v = memory.qkv(x).split([m, m, memory.qkv.out_features - 2 * m], dim=-1)
    means = torch.stack([x[chunk == t].mean(0) for t in range(count)])
    theta, eta, keep = (one[0, :, 0, 0] for one in memory.write.generator(means[None]))
    lengths = chunk.bincount(minlength=count).to(x)
    seen = {"before": range(count), "after": range(1, count + 1), "final": [count] * count}[memory.read]
    return MemoryParts(
        unit_length(q), unit_length(k), v, chunk, theta / lengths, eta, keep, memory.initial.detach(), tuple(seen)
    )


def memory_read(memory: NeuralMemory, x: Tensor, position: int) -> MemoryRead:
    """Take one position's read apart.

    Args: memory, x: as of `memory_parts`; position: 0 to N - 1.

    >>> memory = NeuralMemory(8, chunk_length=4, read="final").double()
    >>> x = torch.randn(20, 8, dtype=torch.float64)
    >>> read = memory_read(memory, x, 3)
    >>> bool(torch.allclose(read.initial + read.weights @ read.values, memory(x[None])[0, 3], atol=1e-12))
    True
    """
    return memory_parts(memory, x).read(position)


@torch.no_grad()
def attention_weights(mixer: SelfAttention | NonLocal, x: Tensor, position: int) -> Tensor:
    """How much a position attends to each token, the mean over heads: (N,), at least 0, of sum 1. x: (N, m)."""
    if isinstance(mixer, NonLocal):
        theta, phi, _ = mixer.theta_phi_g(x).chunk(3, dim=-1)
        return (phi @ theta[position]).softmax(0)
    q, k, _ = mixer.qkv(x).unflatten(-1, (3, mixer.num_heads, -1)).unbind(1)  # each N heads m/heads
    return (torch.einsum("hd,nhd->hn", q[position], k) * q.shape[-1] ** -0.5).softmax(1).mean(0)


@dataclass(frozen=True, eq=False)
class BranchParts:
    """All that a branch's reads of one image are made of: its memory's parts and W_e, (C, m)."""

    memory: MemoryParts
    expand: Tensor

    def read(self, position: int) -> BranchRead:
        """What of one position's read comes from where."""
        read = self.memory.read(position)
        whole = self.expand @ read.y
        size = whole @ whole
        if not size > 0:
            return BranchRead(None, None, None)
        along = self.expand.T @ whole / size
        parts = read.weights * (read.values @ along)
        own = parts[read.chunk == read.chunk[position]].sum()
        return BranchRead(parts, float(read.initial @ along), float(own))


@torch.no_grad()
def branch_parts(branch: GlobalBranch, x: Tensor) -> BranchParts:
    """What the reads of a branch with a memory are made of, in float64. x: (m, h, w), as of `branch_read`."""
    assert isinstance(branch.mixer, NeuralMemory)
    memory = memory_parts(copy.deepcopy(branch.mixer).double(), x.flatten(1).T.double())
    return BranchParts(memory, branch.expand.weight.flatten(1).double())


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
    if isinstance(mixer, NeuralMemory):
        return branch_parts(branch, x).read(position)
    assert isinstance(mixer, (SelfAttention, NonLocal))
    weights = attention_weights(copy.deepcopy(mixer).double(), x.flatten(1).T.double(), position)
    return BranchRead(weights, 0.0, float(weights[position]))
