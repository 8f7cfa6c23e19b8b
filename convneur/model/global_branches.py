"""The global branch: a bottleneck C -> C_m -> C around what mixes the image's tokens, and its ablation twins."""

from typing import NamedTuple

from torch import Tensor, nn

from convneur.model.attention import NonLocal, SelfAttention
from convneur.model.cbam import CBAM
from convneur.model.memory import NeuralMemory
from convneur.model.rwkv import InvertedResidualRWKV
from convneur.model.titans import MemoryAsContext
from convneur.variants import ConvNeurConfig

__all__ = ["GlobalBranch", "GlobalOutput", "build_mixer"]


class GlobalOutput(NamedTuple):
    """g: the global context map G, (B, C, H, W); surprise: (B, 1, H, W), None where no memory is."""

    g: Tensor
    surprise: Tensor | None


# Those that need a token's neighbours take maps; the others take tokens.
MapMixer = CBAM | InvertedResidualRWKV
TokenMixer = NeuralMemory | NonLocal | SelfAttention | MemoryAsContext


def build_mixer(config: ConvNeurConfig, stage: int) -> MapMixer | TokenMixer:
    """What stands inside the bottleneck of a stage, 1 to 4."""
    match config.global_branch:
        case "cbam":
            return CBAM(config.mem_dim)
        case "non-local":
            return NonLocal(config.mem_dim)
        case "self-attention":
            return SelfAttention(config.mem_dim, config.num_heads)
        case "ir-rwkv":
            return InvertedResidualRWKV(config.mem_dim)
        case "titans":
            return MemoryAsContext(
                config.mem_dim,
                num_heads=config.num_heads,
                chunk_length=config.chunk_length_of(stage),
                min_chunks=config.min_chunks,
                chunks=config.chunks_of(stage),
                step_size=config.step_size,
                max_state_norm=config.max_state_norm,
            )
        case "neural-memory":
            return NeuralMemory(
                config.mem_dim,
                layers=config.memory_layers,
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

    def __init__(self, channels: int, mem_dim: int, mixer: MapMixer | TokenMixer) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, mem_dim, kernel_size=1)
        self.mixer = mixer
        self.expand = nn.Conv2d(mem_dim, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        x = self.mixer(x) if isinstance(self.mixer, MapMixer) else _map(self.mixer(_tokens(x)), x)
        return self.expand(x)

    def forward_taps(self, x: Tensor) -> GlobalOutput:
        """`forward`'s map, bit for bit, with the memory's surprise at each position."""
        if not isinstance(self.mixer, NeuralMemory):
            return GlobalOutput(self(x), None)
        x = self.reduce(x)
        y, surprise, _ = self.mixer.stream(_tokens(x))
        return GlobalOutput(self.expand(_map(y, x)), _map(surprise[..., None], x))


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)  # B m H W -> B N m: a view under channels_last


def _map(y: Tensor, like: Tensor) -> Tensor:
    return y.transpose(1, 2).unflatten(2, like.shape[2:])  # B N m -> B m H W
