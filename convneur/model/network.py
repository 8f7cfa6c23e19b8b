"""ConvNeur: blocks of a local branch whose features a global branch gates, in four stages."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convneur.model.fusion import build_fusion
from convneur.model.global_branches import FoldedGlobalBranch, GlobalBranch, build_mixer
from convneur.model.heads import build_head
from convneur.model.layers import Downsample, DropPath, LocalBranch, Stem
from convneur.model.memory import ChunkPlan, NeuralMemory
from convneur.model.titans import MemoryAsContext
from convneur.model.tracing import is_exporting
from convneur.variants import ConvNeurConfig

__all__ = [
    "ConvNeur",
    "ConvNeurBlock",
    "GateTaps",
    "Intermediates",
    "UnreachedParametersWarning",
    "stage_sizes",
]

MIN_SIDE = 32


class UnreachedParametersWarning(UserWarning):
    """In training, some of a memory's parameters get no gradient, because the image has too few chunks."""


class GateTaps(NamedTuple):
    """What a block computes on its way; maps are (B, C, H, W).

    f_loc: local features, before any gate. gate: sigmoid(G), None without a gate. gated: sigmoid(G) * F_loc, None
    without a gate. f_out: the block's output. surprise: (B, 1, H, W), None without a memory or where it is folded.
    """

    f_loc: Tensor
    gate: Tensor | None
    gated: Tensor | None
    f_out: Tensor
    surprise: Tensor | None


class Intermediates(NamedTuple):
    """features: the pyramid, four maps, stage s of stride `config.stride_of(s)`; taps: of the chosen block of each
    wanted stage."""

    features: tuple[Tensor, ...]
    taps: dict[int, GateTaps]


def stage_sizes(height: int, width: int, output_stride: int = 32) -> tuple[tuple[int, int], ...]:
    """Height and width of the four stages' maps: the stem floors to a fourth, each downsampling rounds a half up.

    Args: output_stride: as of `ConvNeurConfig`; from it on the maps keep their size.

    Raises: ValueError: a side below 32, which leaves no full position for the last stage.
    """
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"image of {height}x{width}: ConvNeur needs at least {MIN_SIDE}x{MIN_SIDE} pixels")
    sizes = [(height // 4, width // 4)]
    for stride in (8, 16, 32):
        rows, columns = sizes[-1]
        sizes.append((-(-rows // 2), -(-columns // 2)) if stride <= output_stride else (rows, columns))
    return tuple(sizes)


class ConvNeurBlock(nn.Module):
    """X plus its local features, gated by the global branch where the block has one (paper, the block).

    Equation: F_out = X + DropPath(sigmoid(G) * F_loc); without a global branch X + DropPath(F_loc) (Choice).
    Args:    x: (B, C, H, W) float.
    Returns: (B, C, H, W).
    """

    def __init__(self, config: ConvNeurConfig, stage: int, *, has_global: bool, drop_path: float) -> None:
        super().__init__()
        channels = config.dims[stage - 1]
        self.local_branch = LocalBranch(channels, config.kernel_size, config.mlp_ratio, config.dilation_of(stage))
        self.global_branch: GlobalBranch | FoldedGlobalBranch | None = (
            GlobalBranch(channels, config.mem_dim, build_mixer(config, stage)) if has_global else None
        )
        self.fusion = build_fusion(config.fusion, channels) if has_global else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        added = self.local_branch(x)
        if self.global_branch is not None and self.fusion is not None:
            _, added = self.fusion(added, self.global_branch(x))
        return x + self.drop_path(added)

    def forward_taps(self, x: Tensor) -> GateTaps:
        """`forward`'s output, bit for bit, with what it was made of."""
        f_loc = self.local_branch(x)
        if self.global_branch is None or self.fusion is None:
            return GateTaps(f_loc, None, None, x + self.drop_path(f_loc), None)
        g, surprise = self.global_branch.forward_taps(x)
        gate, fused = self.fusion(f_loc, g)
        gated = None if gate is None else fused
        return GateTaps(f_loc, gate, gated, x + self.drop_path(fused), surprise)


class ConvNeur(nn.Module):
    """The backbone and its head.

    Any image of at least 32x32 pixels; sides need not be multiples of 32. Runs in channels_last and under bf16
    autocast. Weights start as truncated normals of std 0.02 (Choice, as in ConvNeXt), the memory's as it says itself.

    >>> from convneur import VARIANTS, ConvNeur
    >>> model = ConvNeur(VARIANTS["m1"]).eval()
    >>> sum(p.numel() for p in model.parameters())
    4317092

    Args: config: see `ConvNeurConfig`.
    Attributes: feature_info: of each level of the pyramid, as timm has it: its channels `num_chs`, its stride in pixels
        `reduction` and the `module` it comes from; num_features: channels of the last.
    """

    def __init__(self, config: ConvNeurConfig) -> None:
        if not isinstance(config, ConvNeurConfig):
            raise TypeError(
                f"ConvNeur takes a ConvNeurConfig, not {type(config).__name__}: ConvNeurConfig.from_dict makes one of "
                "a dict, and convneur.create builds a model by its name"
            )
        super().__init__()
        self.config = config
        self.stem = Stem(config.in_channels, config.dims[0])
        self.downsamples = nn.ModuleList(
            Downsample(
                narrow,
                wide,
                stride=config.stride_of(stage + 1) // config.stride_of(stage),
                dilation=config.dilation_of(stage),
            )
            for stage, (narrow, wide) in enumerate(zip(config.dims[:-1], config.dims[1:], strict=True), start=1)
        )
        blocks = sum(config.depths)
        rates = iter([config.drop_path_rate * i / max(blocks - 1, 1) for i in range(blocks)])
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    ConvNeurBlock(
                        config,
                        stage,
                        has_global=config.memory == "per-layer" or (config.memory == "per-stage" and block == 0),
                        drop_path=next(rates),
                    )
                    for block in range(depth)
                )
            )
            for stage, depth in enumerate(config.depths, start=1)
        )
        self.head: nn.Module = build_head(config)
        self.num_features = config.dims[-1]
        self.feature_info: list[dict[str, Any]] = [
            {"num_chs": channels, "reduction": config.stride_of(stage + 1), "module": f"stages.{stage}"}
            for stage, channels in enumerate(config.dims)
        ]
        self._warned = False
        self._init_weights(self)

    def _init_weights(self, module: nn.Module) -> None:
        for child in module.children():
            if isinstance(child, NeuralMemory):
                continue  # starts itself
            if isinstance(child, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(child.weight, std=0.02)
                if child.bias is not None:
                    nn.init.zeros_(child.bias)
            self._init_weights(child)

    def forward(self, x: Tensor) -> Tensor:
        """What the head gives.

        Args:    x: (B, in_channels, H, W) float.
        Returns: (B, num_classes) logits of a classifier; (B, num_classes, H, W) of a dense head, at the image's own
            size; (B, C) pooled features without a head.
        """
        return self.head(self.forward_features(x), (x.shape[2], x.shape[3]))

    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The pyramid: each stage's output, (B, C, H_s, W_s); its stride is `config.stride_of(stage)`."""
        return self.forward_taps(x, stages=()).features

    def forward_taps(self, x: Tensor, *, stages: Sequence[int] = (1, 2, 3, 4), block: int = 1) -> Intermediates:
        """The pyramid, bit for bit as in `forward`, and what one block of each wanted stage computed on its way.

        Args:
            x: (B, in_channels, H, W) float.
            stages: which stages to tap, 1 to 4.
            block: which of the stage's blocks, from 1; the first has the gate under `per-stage`.
        Raises: ValueError: an image below 32x32, a stage or block that is not there.
        """
        self._check(x, stages, block)
        features: list[Tensor] = []
        taps: dict[int, GateTaps] = {}
        for stage, blocks in enumerate(self.stages, start=1):
            layer: ConvNeurBlock
            x = self.stem(x) if stage == 1 else self.downsamples[stage - 2](x)
            for number, layer in enumerate(blocks, start=1):  # type: ignore[arg-type]
                if stage in stages and number == block:
                    taps[stage] = layer.forward_taps(x)
                    x = taps[stage].f_out
                else:
                    x = layer(x)
            features.append(x)
        return Intermediates(tuple(features), taps)

    def chunks(self, height: int, width: int) -> tuple[int, ...]:
        """T, into how many chunks each stage's global branch cuts an image of this size; 0 where none is cut."""
        return tuple(0 if plan is None else plan.chunks for plan in self.chunk_plans(height, width))

    def chunk_plans(self, height: int, width: int) -> tuple[ChunkPlan | None, ...]:
        """How each stage's global branch cuts its tokens of an image of this size; None where it cuts none."""
        cutters = [
            next((module for module in blocks.modules() if isinstance(module, (NeuralMemory, MemoryAsContext))), None)
            for blocks in self.stages
        ]
        return tuple(
            None if cutter is None else cutter.plan(h * w)
            for cutter, (h, w) in zip(cutters, self._sizes(height, width), strict=True)
        )

    def unreached(self, height: int, width: int) -> dict[str, tuple[int, ...]]:
        """Parts of the memories that get no gradient from an image of this size, with the stages, 1 to 4, where."""
        writes = [
            None if memory is None else memory.writes_read(h * w)
            for memory, (h, w) in zip(self._first_memories(), self._sizes(height, width), strict=False)
        ]
        found = {
            what: tuple(stage for stage, count in enumerate(writes, start=1) if count == few)
            for few, what in ((0, "k, v and the update generator"), (1, "the momentum"))
        }
        return {what: stages for what, stages in found.items() if stages}

    def unreached_parameters(self, height: int, width: int) -> tuple[nn.Parameter, ...]:
        """Those that get no gradient at all from an image of this size: of update generators whose writes are not read.

        Their `grad` stays None, so that no optimizer decays them. DistributedDataParallel makes zeros of it, unless it
        was built with `static_graph=True` or `find_unused_parameters=True`.
        """
        return tuple(
            parameter
            for blocks, (h, w) in zip(self.stages, self._sizes(height, width), strict=False)
            for memory in blocks.modules()
            if isinstance(memory, NeuralMemory) and memory.writes_read(h * w) == 0
            for parameter in memory.write.parameters()
        )

    def _sizes(self, height: int, width: int) -> tuple[tuple[int, int], ...]:
        return stage_sizes(height, width, self.config.output_stride)

    def _first_memories(self) -> list[NeuralMemory | None]:
        return [
            next((module for module in blocks.modules() if isinstance(module, NeuralMemory)), None)
            for blocks in self.stages
        ]

    def _check(self, x: Tensor, stages: Sequence[int], block: int) -> None:
        if x.ndim != 4 or x.shape[1] != self.config.in_channels:
            raise ValueError(f"input of shape {tuple(x.shape)}: expected (B, {self.config.in_channels}, H, W)")
        if not is_exporting():
            stage_sizes(int(x.shape[2]), int(x.shape[3]))  # refuses what is too small
        for stage in stages:
            if not 1 <= stage <= len(self.stages):
                raise ValueError(f"stage {stage}: choose 1 to {len(self.stages)}")
            if not 1 <= block <= self.config.depths[stage - 1]:
                raise ValueError(f"block {block}: stage {stage} has blocks 1 to {self.config.depths[stage - 1]}")
        if self.training and torch.is_grad_enabled() and not self._warned and not torch.compiler.is_compiling():
            self._warn_of_unreached(int(x.shape[2]), int(x.shape[3]))

    def _warn_of_unreached(self, height: int, width: int) -> None:
        """Once per net: name the stages whose chunks are too few for every parameter to learn."""
        for what, stages in self.unreached(height, width).items():
            self._warned = True
            warnings.warn(
                f"too few chunks in stage {', '.join(map(str, stages))} at this image size: no gradient reaches {what} "
                "there; see read, min_chunks, chunks and chunk_length of ConvNeurConfig",
                UnreachedParametersWarning,
                stacklevel=4,
            )
