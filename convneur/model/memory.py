"""The neural memory: a matrix that reads and rewrites itself, chunk by chunk, over the image's tokens.

Shapes: B batch, N tokens, m memory width, T chunks of at most L tokens; rows are tokens.

    q_t, k_t, v_t = X_t W_q, X_t W_k, X_t W_v                    q and k to unit length
    y_t = q_t M_{t-1}                                            read, before the write
    G_t = (1 / n_t) k_t^T (k_t M_{t-1} - v_t)                    gradient of the surprise
    S_t = eta_t S_{t-1} - theta_t G_t                            momentum
    M_t = (1 - alpha_t) M_{t-1} + S_t                            decay and write

Printed in the paper: the projections, the read from the state before the write, the loss ||M(k) - v||^2, a learned
generator of step size, momentum and decay. Choice: unit q and k, the mean over a chunk's tokens, the bounds on the
three coefficients, a generator that sees the chunk's mean token, fp32 state. These choices make it stable: unit
keys and the mean give every gradient's Hessian K^T K / n a largest eigenvalue of at most 1, and with theta <= 1 and
eta <= 0.5 a memory with constant coefficients cannot grow without bound, whatever the tokens.

The gradient is affine in M, so the chunks' K^T K and K^T V are two batched products, the recurrence is T small
steps on (m, m) states, and all reads are one batched product: few, large kernels, nothing padded, no autograd inside
the forward pass.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convneur.model.tracing import is_exporting, is_open, is_traced
from convneur.variants import Order, Read

__all__ = [
    "ChunkPlan",
    "MemoryOutput",
    "MemoryState",
    "MemoryWrite",
    "NeuralMemory",
    "UpdateGenerator",
    "plan_chunks",
    "recall",
    "strided_places",
    "unit_length",
]

# Tokens worked on at once: few enough that they stay in a CPU's cache and need little memory, enough that a kernel's
# start does not count.
SEGMENT = 4096


class MemoryState(NamedTuple):
    """What a memory carries from one run of tokens to the next.

    memory: M, (B, m, m) float32; with two layers (B, 2 m, m), the second's rows below the first's. momentum: S, alike.
    surprise: (B, T), the Frobenius norm of the gradient G_t at each chunk of the run that ended in this state.
    """

    memory: Tensor
    momentum: Tensor
    surprise: Tensor


class MemoryOutput(NamedTuple):
    """A run in full: y (B, N, m); surprise (B, N), each token's ||k M_{t-1} - v||^2; the state after the last chunk."""

    y: Tensor
    surprise: Tensor
    state: MemoryState


class ChunkPlan(NamedTuple):
    """How N tokens fall into chunks: `groups` of (chunks, tokens in each), in order.

    Chunks of a group are equally long. The last chunk is a group of its own, since its write is special: mostly nobody
    reads it.
    """

    length: int
    groups: tuple[tuple[int, int], ...]

    @property
    def chunks(self) -> int:
        """T, the number of chunks."""
        return sum(chunks for chunks, _ in self.groups)


def plan_chunks(
    tokens: int, chunk_length: int, *, min_chunks: int = 1, chunks: int | None = None, order: Order = "raster"
) -> ChunkPlan:
    """Cut N tokens into T = ceil(N / L) chunks, nothing padded.

    L is `chunk_length`, shortened to ceil(N / min_chunks) where that is less; with `chunks` it is ceil(N / chunks).
    In raster order every chunk but the last has L tokens. In strided order chunk t holds tokens t, t + T, t + 2T,
    ..., so lengths differ by one at most.
    Raises: ValueError: a number below 1.
    """
    if chunks is not None and is_open(tokens):  # as for every number of tokens from chunks * (chunks - 1) + 1
        length = (tokens + chunks - 1) // chunks  # not of a negative number, which ONNX rounds towards 0
        return ChunkPlan(length, ((chunks - 1, length), (1, tokens - (chunks - 1) * length))[chunks == 1 :])
    if min(tokens, chunk_length, min_chunks, 1 if chunks is None else chunks) < 1:
        raise ValueError(
            f"tokens {tokens}, chunk_length {chunk_length}, min_chunks {min_chunks}, chunks {chunks}: below 1"
        )
    length = min(chunk_length, -(-tokens // min_chunks)) if chunks is None else -(-tokens // chunks)
    count = -(-tokens // length)
    if order == "raster":
        alike = [(count - 1, length), (1, tokens - (count - 1) * length)]
    else:
        short, longer = divmod(tokens, count)
        alike = [(longer, short + 1), (count - longer - 1, short), (1, short)]
    groups = tuple((chunks, n) for chunks, n in alike if chunks)
    return ChunkPlan(max(n for _, n in groups), groups)


class UpdateGenerator(nn.Linear):
    """The three coefficients of a chunk's write, from its mean token.

    Equation: theta, eta, alpha = sigmoid(Linear(mean token)), theta times step_size, eta times 0.5.
    Choice: the paper has the generator see the surprise, Titans' sees the tokens; this one sees the tokens. Alpha's
    bias starts at -4, so that a fresh memory forgets 2 % a chunk.
    Args:    tokens: (B, T, m), the mean token of each chunk.
    Returns: theta, eta, keep = 1 - alpha, each (B, T, 1, 1) float32.
    """

    def __init__(self, mem_dim: int, step_size: float) -> None:
        self.step_size = step_size
        super().__init__(mem_dim, 3)

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.weight, std=0.02)
        with torch.no_grad():
            self.bias.copy_(torch.tensor([0.0, 0.0, -4.0]))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        theta, eta, alpha = _at_least_float32(super().forward(tokens)).sigmoid()[..., None].split(1, dim=2)
        return self.step_size * theta, 0.5 * eta, 1 - alpha


class MemoryWrite(nn.Module):
    """The learned update M_t = U(M_{t-1}, grad_M L_t), for many chunks in a row.

    Gram form: theta G_t = P_t M_{t-1} - R_t with P_t = theta k_t^T k_t / n_t and R_t = theta k_t^T v_t / n_t, all
    chunks at once; then m^3 multiply-adds a chunk. Costs 2 L m^2 + m^3 a chunk.
    """

    calls_alike = ("step",)
    """Methods whose cost depends on the shapes of their tensors alone: whoever counts them runs one of each."""

    def __init__(self, mem_dim: int, step_size: float, max_state_norm: float | None) -> None:
        super().__init__()
        self.generator = UpdateGenerator(mem_dim, step_size)
        self.max_state_norm = max_state_norm

    def forward(
        self, x: Tensor, k: Tensor, v: Tensor, *, memory: Tensor, momentum: Tensor | None
    ) -> tuple[list[Tensor], Tensor | None]:
        """The states after each write.

        Args:    x, k, v: (B, T, n, m); memory: M (B, layers m, m), or (B, 1, layers m, m) in an exported graph;
            momentum: S, as memory, None for zero.
        Returns: M_1 .. M_T, each as memory, and S_T; float32 or wider.
        """
        theta, eta, keep = self.generator(x.mean(dim=2))
        chunks = [*self._prepare(k, v, theta / k.shape[2]), eta, keep]
        axis = memory.ndim == 4  # kept: taking it away would be a kernel of its own for each part
        parts = [each.split(1, dim=1) if axis else each.unbind(1) for each in chunks]
        states: list[Tensor] = []
        with _full_precision(memory):  # rounding would pile up over the chunks
            for *chunk, eta_t, keep_t in zip(*parts, strict=True):
                memory, momentum = self.step(memory, momentum, eta_t, keep_t, *chunk)
                states.append(memory)
        return states, momentum

    def step(
        self, memory: Tensor, momentum: Tensor | None, eta: Tensor, keep: Tensor, *chunk: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One write: the memory and the momentum after it. chunk: as prepared."""
        push = self._push(chunk, memory)
        momentum = push if momentum is None else _add_product(push, eta, momentum)
        memory = _add_product(momentum, keep, memory)
        if self.max_state_norm is not None:
            norm = torch.linalg.matrix_norm(memory, keepdim=True)
            memory = memory * (self.max_state_norm / norm).clamp(max=1)
        return memory, momentum

    def _prepare(self, k: Tensor, v: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        """What the chunks' pushes need, (B, T, ...) each and float32 or wider. scale: theta / n, (B, T, 1, 1)."""
        p = _at_least_float32(_transposed(k) @ k) * scale  # B T m m; under autocast the product itself is short
        r = _at_least_float32(_transposed(k) @ v) * scale
        return p, r

    def _push(self, chunk: tuple[Tensor, ...], memory: Tensor) -> Tensor:
        """-theta_t G_t."""
        p, r = chunk
        return r - (torch.bmm(p, memory) if memory.ndim == 3 else p @ memory)


class MLPMemoryWrite(MemoryWrite):
    """The update of a memory of two layers, M(x) = gelu(x W_1) W_2, its gradient in closed form.

    With a = k W_1, z = gelu(a), e = z W_2 - v: grad W_2 = z^T e / n, grad W_1 = k^T (e W_2^T * gelu'(a)) / n.
    Costs 5 L m^2 a chunk, and its chunks cannot share products: each gradient is taken at the state before it.
    """

    def _prepare(self, k: Tensor, v: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        return _at_least_float32(k), _at_least_float32(v), scale

    def _push(self, chunk: tuple[Tensor, ...], memory: Tensor) -> Tensor:
        k, v, scale = chunk
        return -scale * _mlp_gradient(k, v, memory)


class NeuralMemory(nn.Module):
    """A linear memory of m x m, read and rewritten over the tokens (paper, global branch; see the module's text).

    Stability: for constant coefficients the recurrence is stable iff theta lambda <= (2 - alpha)(1 + eta), lambda the
    largest eigenvalue of K^T K / n, at most 1 here; `step_size` <= 1 therefore always is. A larger one is stable only
    while theta lambda stays below 2. `max_state_norm` caps ||M||_F after each write, for those who leave that range.

    Gradients: with U writes read (T - 1 for `read="before"`, T otherwise), W_k, W_v and the generator get one only if
    U >= 1, momentum only if U >= 2, for S_0 = 0.

    Args:
        mem_dim: m.
        chunk_length, min_chunks, chunks, order: see `plan_chunks`.
        read: before: y_t = q_t M_{t-1} (paper). after: q_t M_t. final: q_t M_T, one state for all tokens.
        step_size: upper bound of theta.
        max_state_norm: cap on ||M||_F; None leaves it out.
        layers: 1, the paper's as derived from its figures: M(x) = x M. 2: M(x) = gelu(x W_1) W_2 of hidden width m,
            the deeper memory of Titans; for it no bound is proven, `max_state_norm` is at hand.

    >>> memory = NeuralMemory(16, chunk_length=8)
    >>> tuple(memory(torch.zeros(2, 20, 16)).shape)
    (2, 20, 16)
    """

    def __init__(
        self,
        mem_dim: int,
        *,
        layers: int = 1,
        chunk_length: int = 196,
        min_chunks: int = 1,
        chunks: int | None = None,
        read: Read = "before",
        order: Order = "raster",
        step_size: float = 1.0,
        max_state_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.mem_dim = mem_dim
        self.chunk_length, self.min_chunks, self.chunks = chunk_length, min_chunks, chunks
        self.read: Read = read
        self.order: Order = order
        self.qkv = nn.Linear(mem_dim, 3 * mem_dim, bias=False)
        self.write = (MemoryWrite if layers == 1 else MLPMemoryWrite)(mem_dim, step_size, max_state_norm)
        self.initial = nn.Parameter(torch.empty(layers * mem_dim, mem_dim))  # M_0
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Choice: projections keep the tokens' scale; M_0 starts small and random."""
        nn.init.trunc_normal_(self.qkv.weight, std=self.mem_dim**-0.5)
        nn.init.trunc_normal_(self.initial, std=0.02)
        if len(self.initial) > self.mem_dim:  # a first layer so small would leave the second nothing to work with
            nn.init.trunc_normal_(self.initial[: self.mem_dim], std=self.mem_dim**-0.5)
        self.write.generator.reset_parameters()

    def plan(self, tokens: int) -> ChunkPlan:
        """How this memory cuts N tokens."""
        return plan_chunks(tokens, self.chunk_length, min_chunks=self.min_chunks, chunks=self.chunks, order=self.order)

    def chunk_of_tokens(self, tokens: int) -> Tensor:
        """(N,): the chunk, from 0, of each of N tokens in the image's order."""
        plan = self.plan(tokens)
        lengths = torch.tensor([n for chunks, n in plan.groups for _ in range(chunks)])
        laid = torch.repeat_interleave(torch.arange(plan.chunks), lengths)
        if self.order != "strided" or plan.chunks == 1:
            return laid
        return laid[strided_places(tokens, plan.chunks, laid.device)]

    def writes_read(self, tokens: int) -> int:
        """U, how many of the writes over N tokens any read sees: T - 1 when reading before the write, else T."""
        return self.plan(tokens).chunks - (self.read == "before")

    def forward(self, x: Tensor, state: MemoryState | None = None) -> Tensor:
        """Every token's read; writes that no read would see are not computed.

        Args:    x: (B, N, m); state: continue from it instead of from M_0.
        Returns: (B, N, m).
        """
        return self._run(x, state, in_full=False)[0]

    def stream(self, x: Tensor, state: MemoryState | None = None) -> MemoryOutput:
        """`forward`'s reads, bit for bit, with each token's surprise and the state after the last chunk.

        A long run may be cut at chunk borders and continued: `order="raster"`, any read but "final".
        Args:    x: (B, N, m); state: continue from it instead of from M_0.
        """
        y, surprise, state = self._run(x, state, in_full=True)
        assert surprise is not None  # in_full asks for both
        assert state is not None
        return MemoryOutput(y, surprise, state)

    def states(self, x: Tensor) -> Tensor:
        """The states that the reads of a run see: (B, U, m, m), U = T, or 1 for `read="final"`. x: (B, N, m)."""
        seen: list[Tensor] = []
        self._run(x, None, in_full=False, seen=seen)
        return torch.stack([state.expand(x.shape[0], -1, -1) for state in seen], dim=1)

    def read_from(self, x: Tensor, states: Tensor) -> Tensor:
        """Every token's read from other states; from the run's own `states` `forward`'s reads, bit for bit.

        Args:    x: (B, N, m); states: (B, U, m, m) as `states` gives them, or one for all chunks or images.
        Returns: (B, N, m).
        Raises:  ValueError: states of another number of chunks.
        """
        plan = self.plan(int(x.shape[1]))
        if self.read == "before" and plan.chunks == 1:  # of M_0, which no image changes
            return self.forward(x)
        if states.shape[1] not in (1, plan.chunks):
            raise ValueError(f"states of {states.shape[1]} chunks for a run of {plan.chunks}")
        states = states.expand(-1, plan.chunks, -1, -1)
        x, place = self._laid(x, plan)
        segments = _segments(plan, x, writes_all=self.read != "before")
        reads: list[Tensor] = []
        first = 0
        pieces = x.split([chunks * n for chunks, n in segments], dim=1)
        for piece, (chunks, _) in zip(pieces, segments, strict=True):
            q, *_ = self._project(piece, [self.mem_dim, self.mem_dim, self.qkv.out_features - 2 * self.mem_dim])
            of_chunks = states[:, first : first + (1 if self.read == "final" else chunks)]
            reads.append(_read(unit_length(q), list(of_chunks.unbind(1))))
            first += chunks
        y = reads[0] if len(reads) == 1 else torch.cat(reads, dim=1)
        return y if place is None else y[:, place]

    def _laid(self, x: Tensor, plan: ChunkPlan) -> tuple[Tensor, Tensor | None]:
        """The tokens chunk after chunk, and where each stands then; None where it stands as before."""
        if self.order != "strided" or plan.chunks == 1:
            return x, None
        place = strided_places(int(x.shape[1]), plan.chunks, x.device)
        return x[:, place.argsort()], place

    def _run(
        self, x: Tensor, state: MemoryState | None, *, in_full: bool, seen: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor | None, MemoryState | None]:
        batch, tokens = x.shape[0], x.shape[1]
        if not (is_exporting() and self.chunks):  # which leaves the number of tokens open
            tokens = int(tokens)  # tracers hand out sizes that are no numbers
        m = self.mem_dim
        wide = self.qkv.out_features - 2 * m  # the values: m, or C where the way back is folded into them
        plan = self.plan(tokens)
        x, place = self._laid(x, plan)

        memory, momentum = (self.initial, None) if state is None else (state.memory, state.momentum)
        if self.read == "before" and plan.chunks == 1 and torch.is_grad_enabled() and not is_traced():
            memory = _Visit.apply(memory, *self.write.parameters())
        reads: list[Tensor] = []
        surprise: list[Tensor] = []
        norms: list[Tensor] = []
        segments = _segments(plan, x, writes_all=in_full or self.read != "before")
        # Cut once: slicing inside the loop would make the backward pass quadratic.
        pieces = x.split([chunks * n for chunks, n in segments], dim=1)
        for number, (piece, (chunks, n)) in enumerate(zip(pieces, segments, strict=True), start=1):
            # q and k are normalised apart, for a slice of both would be copied for each product.
            q, k, v = self._project(piece, [m, m, wide])
            q = unit_length(q)
            before, after = [memory], []
            if in_full or self.read != "before" or number < len(segments):
                if memory.ndim == 2:  # M_0, the same for all images until they write
                    memory = _at_least_float32(memory)
                    one = is_exporting() and not in_full  # a state has an axis for its chunk then
                    memory = memory.expand(batch, 1, -1, -1) if one else memory.expand(batch, -1, -1)
                cut = (chunks, n)  # B T*n m -> B T n m
                k, v = unit_length(k).unflatten(1, cut), v.unflatten(1, cut)
                after, momentum = self.write(piece.unflatten(1, cut), k, v, memory=memory, momentum=momentum)
                before, memory = [memory, *after[:-1]], after[-1]
                if in_full:
                    of_tokens, of_chunks = _surprise(k, v, torch.stack(before, dim=1))
                    surprise.append(of_tokens)
                    norms.append(of_chunks)
            if self.read == "final":
                reads.append(q)
            else:
                reads.append(_read(q, before if self.read == "before" else after))
                if seen is not None:
                    seen += before if self.read == "before" else after
        if self.read == "final":
            reads = [_read(q, [memory]) for q in reads]
            if seen is not None:
                seen.append(memory)

        y = reads[0] if len(reads) == 1 else torch.cat(reads, dim=1)
        if place is not None:
            y = y[:, place]
        if not in_full:
            return y, None, None
        of_tokens = torch.cat(surprise, dim=1)
        assert momentum is not None  # in full, every chunk is written
        return (
            y,
            of_tokens if place is None else of_tokens[:, place],
            MemoryState(memory, momentum, torch.cat(norms, dim=1)),
        )

    def _project(self, x: Tensor, widths: list[int]) -> Sequence[Tensor]:
        """q, k, v, each (B, N, its width), not of unit length. x: (B, N, m)."""
        flat = x.flatten(0, 1)  # for a slice of several images would be projected image by image
        if is_exporting():  # a product each: runtimes copy the parts of a common one
            weights, bias = self.qkv.weight.split(widths), self.qkv.bias
            biases = [None] * len(widths) if bias is None else bias.split(widths)
            parts = [F.linear(flat, weight, each) for weight, each in zip(weights, biases, strict=True)]
            return [part.view(x.shape[0], -1, width) for part, width in zip(parts, widths, strict=True)]
        return self.qkv(flat).view(x.shape[0], -1, sum(widths)).split(widths, dim=-1)

    def extra_repr(self) -> str:
        cut = (
            f"chunks={self.chunks}"
            if self.chunks
            else f"chunk_length={self.chunk_length}, min_chunks={self.min_chunks}"
        )
        return f"mem_dim={self.mem_dim}, {cut}, read={self.read}, order={self.order}"


class _Visit(torch.autograd.Function):
    """x itself; a backward pass visits the other tensors too and brings them no gradient.

    The reduction of DistributedDataParallel waits until every parameter was visited. What no read sees would keep it
    waiting; a gradient of zeros would have AdamW decay it.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, *others: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.others = len(inputs) - 1

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad, *[None] * ctx.others


def _segments(plan: ChunkPlan, x: Tensor, *, writes_all: bool) -> list[tuple[int, int]]:
    """The plan's groups, cut so that each is worked on at once. x: (B, N, m); writes_all: the last chunk's too."""
    if is_exporting():  # the runtime sees to its cache
        known = not any(is_open(n) for _, n in plan.groups)
        alike = known and all(n == plan.length for _, n in plan.groups)
        return [(plan.chunks, plan.length)] if alike and writes_all else list(plan.groups)
    # An accelerator takes all images at once; there a start counts. A traced batch has no number.
    batch = x.shape[0] if x.device.type == "cpu" and not torch.compiler.is_compiling() else 1
    segments: list[tuple[int, int]] = []
    for chunks, n in plan.groups:
        at_once = max(SEGMENT // (batch * n), 1)
        segments += [(at_once, n)] * (chunks // at_once) + [(chunks % at_once, n)] * (chunks % at_once > 0)
    return segments


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Autocast off."""
    device = x.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # torch has no autocast on meta
        return nullcontext()
    return torch.autocast(device, enabled=False)


def _add_product(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """x + a b, rounded once; but written out for exported graphs, whose readers do not all know the one operator."""
    return x + a * b if is_traced() else torch.addcmul(x, a, b)


def unit_length(x: Tensor) -> Tensor:
    """Each token at unit length."""
    if is_exporting():  # what `normalize` spreads over all channels before it divides, runtimes write to memory
        return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-12)
    return F.normalize(x, dim=-1)


def _transposed(x: Tensor) -> Tensor:
    """(..., a, b) -> (..., b, a). Not `mT`, which some readers of traced graphs do not know."""
    return x.transpose(-2, -1)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def recall(x: Tensor, memory: Tensor) -> Tensor:
    """M(x) of a linear memory, (..., m, m), or of one of two layers, (..., 2 m, m). x: (..., n, m)."""
    if memory.shape[-2] == x.shape[-1]:
        return x @ memory
    first, second = memory.chunk(2, dim=-2)
    return F.gelu(x @ first) @ second


def _mlp_gradient(k: Tensor, v: Tensor, memory: Tensor) -> Tensor:
    """Gradient of half the summed loss ||M(k) - v||^2, (..., 2 m, m). k, v: (..., n, m)."""
    first, second = memory.chunk(2, dim=-2)
    a = k @ first
    below = 0.5 * (1 + torch.erf(a * 0.5**0.5))  # normal distribution function: gelu(a) = a below
    slope = below + a * torch.exp(-0.5 * a.square()) / (2 * torch.pi) ** 0.5
    z = a * below
    error = z @ second - v
    hidden = error @ _transposed(second) * slope
    return torch.cat([_transposed(k) @ hidden, _transposed(z) @ error], dim=-2)


def _read(q: Tensor, states: list[Tensor]) -> Tensor:
    """y_t = M(q_t) for equal chunks and each one's own state. q: (B, T*n, m); states: T of M. (B, T*n, m)."""
    if len(states) == 1 and states[0].ndim < 4:
        return recall(q, states[0].to(q.dtype))
    own = torch.cat(states, dim=1) if states[0].ndim == 4 else torch.stack(states, dim=1)  # B T m m
    own = own.to(q.dtype)
    return recall(q.unflatten(1, (len(states), -1)), own).flatten(1, 2)


def strided_places(tokens: int, count: int, device: torch.device) -> Tensor:
    """(N,): where token i stands when chunks of every `count`-th token are laid end to end."""
    token = torch.arange(tokens, device=device)
    chunk, row = token % count, token // count
    short, longer = divmod(tokens, count)
    return chunk * short + chunk.clamp(max=longer) + row


def _surprise(k: Tensor, v: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Each token's ||M_{t-1}(k) - v||^2, (B, T*n), and each chunk's ||G_t||_F, (B, T). k, v: (B, T, n, m)."""
    k, v = _at_least_float32(k), _at_least_float32(v)
    with _full_precision(before):
        error = recall(k, before) - v
        gradient = _transposed(k) @ error if before.shape[-2] == k.shape[-1] else _mlp_gradient(k, v, before)
    norms = torch.linalg.matrix_norm(gradient / k.shape[2])
    return error.square().sum(-1).flatten(1, 2), norms
