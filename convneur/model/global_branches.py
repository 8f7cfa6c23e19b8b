"""The global branch: a bottleneck C -> C_m -> C around what mixes the image's tokens, and its ablation twins."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convneur.model.attention import NonLocal, SelfAttention
from convneur.model.cbam import CBAM
from convneur.model.layers import Linear
from convneur.model.memory import NeuralMemory, UpdateGenerator
from convneur.model.rwkv import InvertedResidualRWKV
from convneur.model.titans import MemoryAsContext
from convneur.variants import ConvNeurConfig

__all__ = ["FoldedGlobalBranch", "GlobalBranch", "GlobalOutput", "build_mixer"]


class GlobalOutput(NamedTuple):
    """g: the global context map G, (B, C, H, W); surprise: (B, 1, H, W), None where no memory is or a folded one."""

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


class FoldedGlobalBranch(nn.Module):
    """G of a branch around a linear memory, with products of its constant matrices multiplied out.

    W_r is the convolution C -> C_m, W_e the one back. No equation multiplies the state from the right, so W_e can act
    on the values and on M_0 in place of the reads, and W_r goes into the projections (biases left out here):

        q, k, v' = X W_r W_q, X W_r W_k, X W_r W_v W_e      one product each; v' has C channels
        M'_0 = M_0 W_e, m x C; G_t = q M'_{t-1}             and the memory's own equations

    A token then costs 4 C m + C^2 + m^2 multiply-adds in place of 2 C m + 6 m^2, and a chunk m^2 C in place of m^3:
    never more while C <= m, as in the first two stages of m1 to m4, where most tokens are.
    Args:    branch: of which it is made; x: (B, C, H, W) float.
    Returns: (B, C, H, W), the branch's own but for rounding.
    """

    def __init__(self, branch: GlobalBranch) -> None:
        super().__init__()
        assert isinstance(branch.mixer, NeuralMemory)
        self.mixer = copy.deepcopy(branch.mixer)
        qkv, generator = self.mixer.qkv, self.mixer.write.generator
        # A layer's weight is its matrix transposed.
        w_r, w_e, w_qkv, w_g = (
            layer.weight.detach().flatten(1).double() for layer in (branch.reduce, branch.expand, qkv, generator)
        )
        b_r, b_e, b_g = (_bias(layer).detach().double() for layer in (branch.reduce, branch.expand, generator))
        w_q, w_k, w_v = w_qkv.chunk(3)
        w_qkv = torch.cat([w_q, w_k, w_e @ w_v])
        channels = w_r.shape[1]
        with torch.device("meta"):
            self.mixer.qkv = Linear(channels, len(w_qkv))
            self.mixer.write.generator = UpdateGenerator(channels, generator.step_size)
        _assign(self.mixer.qkv, w_qkv @ w_r, w_qkv @ b_r, like=qkv.weight)
        _assign(self.mixer.write.generator, w_g @ w_r, w_g @ b_r + b_g, like=generator.weight)
        self.mixer.initial = nn.Parameter((self.mixer.initial.detach().double() @ w_e.T).to(self.mixer.initial))
        self.bias = nn.Parameter(b_e.to(branch.expand.weight))

    def forward(self, x: Tensor) -> Tensor:
        y = self.mixer(_tokens(x))
        return _map(y + self.bias.to(y.dtype), x)  # under autocast y is short

    def forward_taps(self, x: Tensor) -> GlobalOutput:
        """`forward`'s map; no surprise, which is an error of values that have another basis here."""
        return GlobalOutput(self(x), None)


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def _assign(layer: nn.Linear, weight: Tensor, bias: Tensor, *, like: Tensor) -> None:
    layer.weight, layer.bias = nn.Parameter(weight.to(like)), nn.Parameter(bias.to(like))


def _tokens(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(1, 2)  # B m H W -> B N m: a view


def _map(y: Tensor, like: Tensor) -> Tensor:
    return y.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)  # B N m -> B m H W
