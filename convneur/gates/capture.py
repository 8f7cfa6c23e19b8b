"""One image through a model: what a block of each stage computed on its way, as arrays on the CPU."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convneur.errors import ConfigError, InputError
from convneur.gates.reads import ReadParts, StageReads, check_reads
from convneur.layers.models import seeded
from convneur.model.global_branches import FoldedGlobalBranch, GlobalBranch
from convneur.model.memory import plan_chunks
from convneur.model.network import ConvNeur, ConvNeurBlock
from convneur.model.reads import BranchParts, branch_parts, branch_read
from convneur.variants import ConvNeurConfig

__all__ = [
    "GateCapture",
    "StageCapture",
    "branch_of",
    "capture_gates",
    "check_block",
    "reconfigured",
    "reduced_maps",
    "untrained",
]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class StageCapture:
    """A stage's raw features at the captured block; arrays are (C, H, W) float32.

    f_loc: local features, before any gate. gate: A = sigmoid(G); gated: A * F_loc; both None without a gate.
    f_out: the block's output, which contains its input X. surprise: (H, W), each token's ||k M_{t-1} - v||^2, None
    without a memory. local_only: F_loc of the same block in the model without a global path, None if it was left out.
    stride: pixels per position. chunks, chunk_length: T and L of the memory here; None without a memory. reads: where
    the read of the position asked for comes from.
    """

    stage: int
    stride: int
    chunks: int | None
    chunk_length: int | None
    f_loc: Array
    gate: Array | None
    gated: Array | None
    f_out: Array
    surprise: Array | None
    local_only: Array | None
    reads: StageReads | None = None


@dataclass(frozen=True)
class GateCapture:
    """The captured stages, in order; config: of the model; block: which block of each stage, from 1."""

    config: ConvNeurConfig
    block: int
    stages: tuple[StageCapture, ...]


def untrained(config: ConvNeurConfig, seed: int) -> ConvNeur:
    """A model with its random starting weights, in eval mode; the caller's random state is left as it is."""
    return seeded(lambda: ConvNeur(config), seed).eval()


def reconfigured(model: ConvNeur, *, setting: str = "weights", **changes: Any) -> ConvNeur:
    """The same weights under other settings, in eval mode: `memory="none"` switches the global path off.

    The new model shares its tensors with `model`, which is left as it is.
    Args:   setting: what the model was given as. changes: of its chunks, or to memory none.
    Raises: ConfigError: `model` lacks a tensor of its config, or has it in another shape: it is folded, or was changed.
    """
    have = model.state_dict()
    with torch.device("meta"):
        changed = ConvNeur(model.config.replace(**changes))
    wanted = changed.state_dict()
    for name, tensor in wanted.items():
        if name not in have or have[name].shape != tensor.shape:
            if any(isinstance(module, FoldedGlobalBranch) for module in model.modules()):
                raise ConfigError(setting, "is folded, which fixes its chunks; give the model that it was folded from")
            problem = f"is not the model that its config describes ({name}); give it back the form of its config"
            raise ConfigError(setting, problem)
    changed.load_state_dict({name: have[name] for name in wanted}, assign=True)
    return changed.eval()


def check_block(
    config: ConvNeurConfig, *, stages: Sequence[int], block: int, needs_gate: bool = True, instead: str = ""
) -> None:
    """Whether the block stands in each stage and has something to show.

    Args:   instead: what else to do without a gate than choose another model, in words.
    Raises: ConfigError: no such block, a block without a global branch, or no gate where one is needed.
    """
    _check_depths(config, stages, block)
    if config.memory == "none":
        problem = "no block has a global path to show; choose a model with memory per-stage or per-layer"
        raise ConfigError("memory", problem, value="none")
    if config.memory == "per-stage" and block != 1:
        problem = "with memory per-stage only a stage's first block has a global path"
        raise ConfigError("block", f"{problem}; choose block 1, or a model with memory per-layer", value=block)
    if needs_gate and config.fusion != "gating":
        problem = f"has no gate to show; choose a model with fusion gating{instead}"
        raise ConfigError("fusion", problem, value=config.fusion)


def _check_depths(config: ConvNeurConfig, stages: Sequence[int], block: int, whose: str = "") -> None:
    for stage in stages:
        depth = config.depths[stage - 1]
        if not 1 <= block <= depth:
            raise ConfigError("block", f"stage {stage}{whose} has blocks 1 to {depth}", value=block)


def capture_gates(
    model: ConvNeur,
    image: Array,
    *,
    local_only: ConvNeur | Literal["off"] | None = None,
    local_image: Array | None = None,
    stages: Sequence[int] = (1, 2, 3, 4),
    block: int = 1,
    reads: tuple[int, int] | None = None,
) -> GateCapture:
    """Run a model over one image and keep what a block of each stage computed, before and after its gate.

    Args:
        image: (in_channels, H, W) float, normalised as the model was trained.
        local_only: the model without a global path to compare with; None is `model` itself with the memory off; "off"
            leaves the comparison out, and half of the work.
        local_image: the image as that model was trained on it; None is `image`.
        stages: 1 to 4.
        block: which of each stage's blocks, from 1.
        reads: row and column of a pixel of `image`: of the token that holds it, what it reads is taken apart.
    Raises:
        ConfigError: a block that is not there or has no global branch; reads that cannot be taken apart.
        InputError: not enough memory for an image of this size.
        ValueError: a model in training mode (its maps would be random), an image below 32x32.
    """
    if model.config.memory == "none" and local_only == "off":  # what another model is compared with may be local
        _check_depths(model.config, stages, block)
    else:
        check_block(model.config, stages=stages, block=block, needs_gate=False)
    twin = None
    if local_only != "off":
        twin = reconfigured(model, memory="none") if local_only is None else local_only
        if twin.config.memory != "none":
            raise ConfigError("local_only", "needs memory none", value=f"memory {twin.config.memory}")
        _check_depths(twin.config, stages, block, " of the local-only model")
    if model.training or (twin is not None and twin.training):
        raise ValueError("the model is in training mode; call eval() first")
    branches: dict[int, GlobalBranch] = {}
    if reads is not None:
        check_reads(model.config)
        found = {stage: branch_of(model, stage, block) for stage in stages}
        branches = {stage: branch for stage, branch in found.items() if branch is not None}
        if len(branches) < len(found):
            problem = "the model is folded, which leaves no reads to take apart; give the one that it was folded from"
            raise ConfigError("reads", problem)
    local_image = image if local_image is None else local_image
    try:
        with torch.inference_mode(), reduced_maps(branches) as reduced:
            taps = model.forward_taps(_as_input(image, model), stages=stages, block=block).taps
            local = (
                {} if twin is None else twin.forward_taps(_as_input(local_image, twin), stages=stages, block=block).taps
            )
    except RuntimeError as error:
        if "allocate" not in str(error) and "out of memory" not in str(error):
            raise
        height, width = image.shape[1:]
        raise InputError(None, f"not enough memory for {height}x{width} pixels; choose a smaller `size`") from None

    captured = []
    for stage in sorted(taps):
        tap = taps[stage]
        chunks, length = _chunks(model.config, stage, tap.f_loc.shape[2] * tap.f_loc.shape[3])
        captured.append(
            StageCapture(
                stage=stage,
                stride=model.feature_info[stage - 1]["reduction"],
                chunks=chunks,
                chunk_length=length,
                f_loc=_array(tap.f_loc),
                gate=None if tap.gate is None else _array(tap.gate),
                gated=None if tap.gated is None else _array(tap.gated),
                f_out=_array(tap.f_out),
                surprise=None if tap.surprise is None else _array(tap.surprise)[0],
                local_only=_array(local[stage].f_loc) if local else None,
                reads=None if reads is None else _reads(model, stage, branches[stage], reduced[stage], reads),
            )
        )
    return GateCapture(model.config, block, tuple(captured))


def branch_of(model: ConvNeur, stage: int, block: int) -> GlobalBranch | None:
    """The global branch of a block; None where there is none, or a folded one, whose reads have another basis."""
    layer = model.stages[stage - 1][block - 1]  # type: ignore[index]
    assert isinstance(layer, ConvNeurBlock)
    return layer.global_branch if isinstance(layer.global_branch, GlobalBranch) else None


@contextmanager
def reduced_maps(branches: Mapping[int, GlobalBranch]) -> Iterator[Mapping[int, Tensor]]:
    """The maps (B, m, H, W) that each stage's branch mixes the tokens of, as the model runs."""
    found: dict[int, Tensor] = {}

    def kept(stage: int) -> Any:
        return lambda module, given, output: found.update({stage: output})

    hooks = [branch.reduce.register_forward_hook(kept(stage)) for stage, branch in branches.items()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _reads(model: ConvNeur, stage: int, branch: GlobalBranch, x: Tensor, pixel: tuple[int, int]) -> StageReads:
    """Of the token that holds a pixel; past the last one, where sides are no multiples of the stride, of the last."""
    height, width = x.shape[2:]
    stride = model.feature_info[stage - 1]["reduction"]
    row, column = min(pixel[0] // stride, height - 1), min(pixel[1] // stride, width - 1)
    position = row * width + column
    if model.config.global_branch != "neural-memory":
        attended = branch_read(branch, x[0], position)
        assert attended.tokens is not None
        assert attended.own_chunk is not None
        weights = attended.tokens.cpu().numpy().reshape(height, width)
        others = float(weights.sum()) - attended.own_chunk
        return StageReads((row, column), weights, None, attended.own_chunk, others, "attention")
    parts = branch_parts(branch, x[0])
    found, of_all = parts.read(position), _parts_of_all(parts)
    if found.tokens is None or found.own_chunk is None:
        return StageReads((row, column), np.zeros((height, width)), None, None, None, parts_of_all=of_all)
    tokens = found.tokens.cpu().numpy().reshape(height, width)
    others = float(tokens.sum()) - found.own_chunk
    return StageReads((row, column), tokens, found.initial, found.own_chunk, others, parts_of_all=of_all)


def _parts_of_all(parts: BranchParts) -> ReadParts:
    memory = parts.memory
    return ReadParts(
        queries=memory.queries.cpu().numpy(),
        keys=memory.keys.cpu().numpy(),
        values=memory.values.cpu().numpy(),
        chunk=memory.chunk.cpu().numpy(),
        step=memory.step.cpu().numpy(),
        eta=memory.eta.cpu().numpy(),
        keep=memory.keep.cpu().numpy(),
        seen=np.array(memory.seen),
        initial=memory.initial.cpu().numpy(),
        gram=(parts.expand.T @ parts.expand).cpu().numpy(),
    )


def _as_input(image: Array, model: ConvNeur) -> Tensor:
    """(1, C, H, W), where the model's weights are and of their type."""
    return torch.from_numpy(image)[None].to(next(model.parameters()))


def _array(tensor: Tensor) -> Array:
    return tensor[0].float().cpu().contiguous().numpy()


def _chunks(config: ConvNeurConfig, stage: int, tokens: int) -> tuple[int | None, int | None]:
    if config.global_branch != "neural-memory":
        return None, None
    plan = plan_chunks(
        tokens,
        config.chunk_length_of(stage),
        min_chunks=config.min_chunks,
        chunks=config.chunks_of(stage),
        order=config.order,
    )
    return plan.chunks, plan.length
