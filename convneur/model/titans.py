"""Titans' memory as context: the neural memory and attention within segments, each feeding the other."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convneur.model.memory import ChunkPlan, MemoryWrite, plan_chunks

__all__ = ["MemoryAsContext", "SegmentAttention"]


class SegmentAttention(nn.Module):
    """Attention of a segment over persistent tokens, what the memory recalled, and the segment itself.

    Args:    segment: (B, n, m), whose tokens ask; recalled: (B, n, m).
    Returns: (B, n, m).
    """

    def __init__(self, dim: int, num_heads: int, persistent: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.persistent = nn.Parameter(torch.empty(1, persistent, dim))
        nn.init.trunc_normal_(self.persistent, std=0.02)
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, segment: Tensor, recalled: Tensor) -> Tensor:
        persistent = self.persistent.to(segment.dtype).expand(segment.shape[0], -1, -1)
        context = torch.cat([persistent, recalled, segment], dim=1)
        q = self.q(segment).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # B heads n m/heads
        k, v = self.kv(context).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))


class MemoryAsContext(nn.Module):
    """A whole memory-as-context layer (Behrouz et al. 2025, Titans, section 4.1).

    Per segment S_t, with P the persistent tokens:
        h_t = M_{t-1}(W_q S_t);  y_t = Attn([P; h_t; S_t]);  M_t = U(M_{t-1}, y_t);  o_t = y_t * M_t(W_q y_t)
    then x + o and a feed-forward of ratio 4, both residual.
    Choice: the update is this project's (unit keys, mean loss, bounded coefficients); segments are the memory's chunks;
    16 persistent tokens; no causal mask, for an image has no order; layer norm before the layer and the feed-forward.

    Args:    x: (B, N, m).
    Returns: (B, N, m).
    """

    calls_alike = ("step",)
    """Methods whose cost depends on the shapes of their tensors alone: whoever counts them runs one of each."""

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        chunk_length: int,
        min_chunks: int = 1,
        chunks: int | None = None,
        step_size: float = 1.0,
        max_state_norm: float | None = None,
        persistent: int = 16,
    ) -> None:
        super().__init__()
        self.chunk_length, self.min_chunks, self.chunks = chunk_length, min_chunks, chunks
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.write = MemoryWrite(dim, step_size, max_state_norm)
        self.initial = nn.Parameter(torch.empty(dim, dim))  # M_0
        nn.init.trunc_normal_(self.initial, std=0.02)
        self.attention = SegmentAttention(dim, num_heads, persistent)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim, eps=1e-6), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def plan(self, tokens: int) -> ChunkPlan:
        """How the tokens are cut into segments."""
        return plan_chunks(tokens, self.chunk_length, min_chunks=self.min_chunks, chunks=self.chunks)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, m = x.shape[0], int(x.shape[1]), x.shape[2]
        lengths = [n for chunks, n in self.plan(tokens).groups for _ in range(chunks)]
        memory = self.initial.to(torch.promote_types(self.initial.dtype, torch.float32)).expand(batch, m, m)
        momentum: Tensor | None = None
        outputs = []
        for segment in self.norm(x).split(lengths, dim=1):
            o, memory, momentum = self.step(segment, memory, momentum)
            outputs.append(o)
        x = x + torch.cat(outputs, dim=1)
        return x + cast(Tensor, self.feed_forward(x))

    def step(self, segment: Tensor, memory: Tensor, momentum: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """One segment (B, n, m): its output o_t, then the memory and the momentum that it leaves."""
        recalled = self._recall(segment, memory)
        y = self.attention(segment, recalled)
        k, v = self.kv(y).chunk(2, dim=-1)
        states, momentum = self.write(
            y[:, None], F.normalize(k, dim=-1)[:, None], v[:, None], memory=memory, momentum=momentum
        )
        memory = states[-1]
        return y * self._recall(y, memory), memory, cast(Tensor, momentum)

    def _recall(self, x: Tensor, memory: Tensor) -> Tensor:
        q = F.normalize(self.q(x), dim=-1)
        return q @ memory.to(q.dtype)
