"""The global branch: a bottleneck C -> C_m -> C around what mixes the image's tokens, and its ablation twins."""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from convneur.model.memory import NeuralMemory
from convneur.variants import ConvNeurConfig

__all__ = ["GlobalBranch", "GlobalOutput", "SelfAttention", "build_mixer"]


class GlobalOutput(NamedTuple):
    """g: the global context map G, (B, C, H, W); surprise: (B, 1, H, W), None where no memory is."""

    g: Tensor
    surprise: Tensor | None


class SelfAttention(nn.Module):
    """Multi-head self-attention over all tokens, the twin that the paper's ablation compares with.

    Choice: q, k, v without bias as in the memory, an output projection with one; softmax(q k^T / sqrt(m / heads)) v.
    Args:    x: (B, N, m).
    Returns: (B, N, m).
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        # B N 3m -> 3 times B heads N m/heads
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))


def build_mixer(config: ConvNeurConfig, stage: int) -> NeuralMemory | SelfAttention:
    """What stands inside the bottleneck of a stage, 1 to 4."""
    if config.global_branch == "self-attention":
        return SelfAttention(config.mem_dim, config.num_heads)
    return NeuralMemory(
        config.mem_dim,
        chunk_length=config.chunk_length_of(stage),
        min_chunks=config.min_chunks,
        chunks=config.chunks_of(stage),
        read=config.read,
        order=config.order,
        step_size=config.step_size,
        max_state_norm=config.max_state_norm,
    )


class GlobalBranch(nn.Module):
    """G: 1x1 convolution C -> C_m, tokens mixed over the whole image, 1x1 convolution C_m -> C (paper, global branch).

    Choice: no norm inside, biases on both convolutions.
    Args:    x: (B, C, H, W) float.
    Returns: (B, C, H, W).
    """

    def __init__(self, channels: int, mem_dim: int, mixer: NeuralMemory | SelfAttention) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, mem_dim, kernel_size=1)
        self.mixer = mixer
        self.expand = nn.Conv2d(mem_dim, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self._map(self.mixer(self._tokens(x)), x)

    def forward_taps(self, x: Tensor) -> GlobalOutput:
        """`forward`'s map, bit for bit, with the memory's surprise at each position."""
        if not isinstance(self.mixer, NeuralMemory):
            return GlobalOutput(self(x), None)
        y, surprise, _ = self.mixer.stream(self._tokens(x))
        return GlobalOutput(self._map(y, x), surprise.unflatten(1, (1, *x.shape[2:])))

    def _tokens(self, x: Tensor) -> Tensor:
        return self.reduce(x).flatten(2).transpose(1, 2)  # B m H W -> B N m: a view under channels_last

    def _map(self, y: Tensor, x: Tensor) -> Tensor:
        return self.expand(y.transpose(1, 2).unflatten(2, x.shape[2:]))  # B N m -> B m H W
