"""The variants M1 to M4 as data, and every choice that makes a ConvNeur one net and not another.

The paper prints parameters and multiply-adds of its variants but no table of widths; widths, depths and the rest
of `VARIANTS` are derived from those figures: this is the one setting found that meets all of them within 1 %.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from convneur.errors import ConfigError
from convneur.schema import SchemaError, read_json, typed

__all__ = [
    "CHUNK_SETTINGS",
    "DENSE_HEADS",
    "PRESETS",
    "VARIANTS",
    "ConvNeurConfig",
    "Fusion",
    "GlobalBranchName",
    "Order",
    "Placement",
    "Read",
    "check_used",
    "find_config",
]

Placement = Literal["none", "per-stage", "per-layer"]
GlobalBranchName = Literal["neural-memory", "cbam", "non-local", "self-attention", "ir-rwkv", "titans"]
Fusion = Literal["gating", "addition", "concat"]
Read = Literal["before", "after", "final"]
Order = Literal["raster", "strided"]
Head = Literal["classifier", "none", "semantic-fpn", "light-fpn", "upernet"]
DENSE_HEADS: tuple[Head, ...] = ("semantic-fpn", "light-fpn", "upernet")  # which label every pixel

_STAGES = 4
_OUTPUT_STRIDES = (32, 16, 8)
# Far above what anybody trains; a file of a few bytes must not fill the memory with modules, which take some even on
# the meta device.
_MOST = {
    "dims": 1 << 14,
    "depths": 256,
    "mem_dim": 1 << 14,
    "kernel_size": 511,
    "mlp_ratio": 64,
    "in_channels": 1 << 12,
    "num_classes": 1 << 20,
    "num_heads": 1 << 10,
    "chunk_length": 1 << 31,
    "min_chunks": 1 << 31,
    "chunks": 1 << 31,
}
_MOST_WEIGHTS = 1 << 30
_CHOICES = {
    "memory": get_args(Placement),
    "global_branch": get_args(GlobalBranchName),
    "fusion": get_args(Fusion),
    "read": get_args(Read),
    "order": get_args(Order),
    "head": get_args(Head),
}


@dataclass(frozen=True)
class ConvNeurConfig:
    """Everything that defines a ConvNeur's shape and behaviour; plain data, so it travels with the weights.

    Printed in the paper: four stages, the memory's placement and fusion, read before write, chunk lengths.
    Derived from its figures: dims, depths, mem_dim, kernel_size, mlp_ratio. Choice: everything else.

    Args:
        dims: channels C of the four stages.
        depths: blocks in each stage.
        mem_dim: width m = C_m of the bottlenecked global path.
        kernel_size: side of the depthwise convolution, odd.
        mlp_ratio: hidden width of the local channel mixing over C.
        in_channels: channels of the image.
        output_stride: of the last stage's maps: 32, or 16 or 8 as DeepLab and PAN want it. Stages beyond it keep their
            maps' size and dilate their depthwise convolutions, so the same weights see as far; without a memory every
            second or fourth position has the value that it has at 32 (Choice: as timm dilates a ConvNeXt).
        head: what follows the backbone; none pools.
        num_classes: of the head.
        memory: which blocks have a global branch: none, each stage's first, all.
        global_branch: what the bottleneck holds.
        num_heads: heads of self-attention and of titans' attention.
        fusion: how G meets F_loc.
        chunk_length: L, tokens per chunk; one for all stages, or four.
        min_chunks: shortens L until the image has at least this many chunks.
        chunks: a fixed number of chunks per image, L = ceil(N / chunks), in place of `chunk_length`; one or four.
        read: the state a chunk reads: before its own write, after it, or the image's final one.
        order: which tokens make a chunk: raster takes neighbours, strided every T-th.
        memory_layers: 1, a matrix; 2, a two-layer perceptron.
        step_size: the largest step theta may take; <= 1 is stable for any input (see `NeuralMemory`).
        max_state_norm: cap on ||M||_F; None leaves it out.
        drop_path_rate: of the last block; earlier blocks rise to it linearly from 0.

    Raises: ConfigError: a value that no model can have, or above its bound (Choice): 16 384 channels, 256 blocks in a
        stage, about 2^30 weights.

    >>> ConvNeurConfig(dims=(40, 80, 160, 320), mem_dim=80, chunks=4).chunks_of(1)
    4
    """

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int] = (2, 3, 7, 3)
    mem_dim: int = 128
    kernel_size: int = 7
    mlp_ratio: int = 3
    in_channels: int = 3
    output_stride: int = 32
    head: Head = "classifier"
    num_classes: int = 1000
    memory: Placement = "per-stage"
    global_branch: GlobalBranchName = "neural-memory"
    num_heads: int = 4
    fusion: Fusion = "gating"
    chunk_length: int | tuple[int, int, int, int] = 196
    min_chunks: int = 1
    chunks: int | tuple[int, int, int, int] | None = None
    read: Read = "before"
    order: Order = "raster"
    memory_layers: int = 1
    step_size: float = 1.0
    max_state_norm: float | None = None
    drop_path_rate: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(name, f"choose one of {', '.join(allowed)}", value=repr(getattr(self, name)))
        for name in ("dims", "depths"):
            # A JSON round trip turns tuples into lists; equality and hashing want tuples back.
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if len(getattr(self, name)) != _STAGES:
                raise ConfigError(name, f"needs {_STAGES} values, one per stage", value=getattr(self, name))
        for name in ("chunk_length", "chunks"):
            value = getattr(self, name)
            if isinstance(value, (list, tuple)):
                object.__setattr__(self, name, tuple(value))
                if len(value) != _STAGES:
                    raise ConfigError(name, f"one value, or {_STAGES}, one per stage", value=tuple(value))
        whole = {
            "dims": self.dims,
            "depths": self.depths,
            "mem_dim": (self.mem_dim,),
            "kernel_size": (self.kernel_size,),
            "mlp_ratio": (self.mlp_ratio,),
            "in_channels": (self.in_channels,),
            "num_classes": (self.num_classes,),
            "num_heads": (self.num_heads,),
            "chunk_length": self._per_stage(self.chunk_length),
            "min_chunks": (self.min_chunks,),
            "chunks": () if self.chunks is None else self._per_stage(self.chunks),
        }
        for name, values in whole.items():
            if any(not isinstance(value, int) or isinstance(value, bool) or value < 1 for value in values):
                raise ConfigError(name, "must be whole and at least 1", value=getattr(self, name))
            if max(values, default=0) > _MOST[name]:
                raise ConfigError(name, f"must be at most {_MOST[name]}", value=getattr(self, name))
        if self.output_stride not in _OUTPUT_STRIDES:
            raise ConfigError("output_stride", "choose 32, 16 or 8", value=self.output_stride)
        if self.output_stride != _OUTPUT_STRIDES[0] and self.head in DENSE_HEADS:
            problem = f"{self.head} takes strides 4 to 32; for 16 or 8 choose `head` none or classifier"
            raise ConfigError("output_stride", problem, value=self.output_stride)
        if self.kernel_size % 2 == 0:
            raise ConfigError("kernel_size", "must be odd, to keep the map's size", value=self.kernel_size)
        for name in ("drop_path_rate", "step_size", "max_state_norm"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) and not (name == "max_state_norm" and value is None):
                raise ConfigError(name, "must be a number", value=repr(value))
        if not 0 <= self.drop_path_rate < 1:
            raise ConfigError("drop_path_rate", "must be in [0, 1)", value=self.drop_path_rate)
        if not 0 < self.step_size < math.inf:
            raise ConfigError("step_size", "must be above 0 and finite", value=self.step_size)
        if self.max_state_norm is not None and not 0 < self.max_state_norm < math.inf:
            raise ConfigError("max_state_norm", "must be above 0 and finite, or None", value=self.max_state_norm)
        if self.memory_layers not in (1, 2):
            raise ConfigError("memory_layers", "choose 1 or 2", value=self.memory_layers)
        if self.global_branch == "ir-rwkv" and self.mem_dim % 4:
            raise ConfigError("mem_dim", "ir-rwkv shifts it by quarters; take a multiple of 4", value=self.mem_dim)
        if self.global_branch == "non-local" and self.mem_dim < 2:
            raise ConfigError("mem_dim", "non-local halves it; take at least 2", value=self.mem_dim)
        if self.global_branch in ("self-attention", "titans") and self.mem_dim % self.num_heads:
            raise ConfigError("mem_dim", f"must be a multiple of num_heads {self.num_heads}", value=self.mem_dim)
        weights = self._about_weights()
        if weights > _MOST_WEIGHTS:
            raise ConfigError("dims", f"with these depths are about {weights:.1e} weights; at most {_MOST_WEIGHTS:.1e}",
                              value=self.dims)  # fmt: skip

    def _about_weights(self) -> int:
        """Those that grow with a product of widths: what bounds the memory of a model."""
        wide, m = self.dims[-1], self.mem_dim
        branches = {"none": (0, 0, 0, 0), "per-stage": (1, 1, 1, 1), "per-layer": self.depths}[self.memory]
        count = 16 * self.in_channels * self.dims[0] + self.num_classes * wide
        count += sum(4 * narrow * wider for narrow, wider in zip(self.dims[:-1], self.dims[1:], strict=True))
        for channels, blocks, with_branch in zip(self.dims, self.depths, branches, strict=True):
            count += blocks * channels * (2 * self.mlp_ratio * channels + self.kernel_size**2)
            count += with_branch * (2 * channels * m + channels * channels + 8 * m * m)
        return count

    @staticmethod
    def _per_stage(value: int | tuple[int, ...]) -> tuple[int, ...]:
        return (value,) * _STAGES if isinstance(value, int) else value

    def stride_of(self, stage: int) -> int:
        """Pixels per position of a stage's maps, 1 to 4."""
        return min(2 << stage, self.output_stride)

    def dilation_of(self, stage: int) -> int:
        """Of the depthwise convolutions of a stage, 1 to 4."""
        return (2 << stage) // self.stride_of(stage)

    def chunk_length_of(self, stage: int) -> int:
        """L of a stage, 1 to 4, before `min_chunks` and `chunks` act."""
        return self._per_stage(self.chunk_length)[stage - 1]

    def chunks_of(self, stage: int) -> int | None:
        """The fixed number of chunks of a stage, 1 to 4, or None."""
        return None if self.chunks is None else self._per_stage(self.chunks)[stage - 1]

    @property
    def first_chunk_reads_start(self) -> bool:
        """Whether the first chunk of each image sees the learned M_0 and nothing else of its image's memory."""
        return self.global_branch == "neural-memory" and self.read == "before"

    def replace(self, **changes: Any) -> "ConvNeurConfig":
        """The same net with other values; ConfigError for a name that is none of the fields."""
        unknown = changes.keys() - {field.name for field in dataclasses.fields(self)}
        if unknown:
            raise ConfigError(sorted(unknown)[0], "is not a setting of a ConvNeur")
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `ConvNeurConfig.from_dict` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ConvNeurConfig":
        """The config that `to_dict` wrote. Raises: ConfigError: unknown or missing names, impossible values."""
        try:
            return typed(values, cls)
        except SchemaError as error:
            raise ConfigError(error.place or "settings", error.problem) from None


VARIANTS: Mapping[str, ConvNeurConfig] = MappingProxyType(
    {
        "m1": ConvNeurConfig(dims=(40, 80, 160, 320), mem_dim=80),
        "m2": ConvNeurConfig(dims=(48, 96, 192, 384), mem_dim=96),
        "m3": ConvNeurConfig(dims=(64, 128, 256, 512), mem_dim=128),
        "m4": ConvNeurConfig(dims=(84, 168, 336, 672), mem_dim=176),
    }
)

# The paper prints L 196 with inner step size 1 for classification, L 4096 with 1e-3 for detection. Its loss scale
# is not known; under the mean loss used here 1e-3 hardly learns, so both presets keep step size 1 (Choice).
# What a branch does with the weights it has; any of them runs with any weights, if not as well.
CHUNK_SETTINGS = ("chunk_length", "min_chunks", "chunks", "read", "order")

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "classification": MappingProxyType({"chunk_length": 196}),
        "dense": MappingProxyType({"chunk_length": 4096}),
    }
)

# Settings that not every global branch has.
_OF_CHUNKS = ("chunk_length", "min_chunks", "chunks")
_OF_MEMORY = ("memory_layers", "read", "order")
_USED = {"neural-memory": _OF_CHUNKS + _OF_MEMORY, "titans": _OF_CHUNKS}
_OF_BRANCHES = ("global_branch", "fusion", "mem_dim", *_OF_CHUNKS, *_OF_MEMORY)


def find_config(
    model: "str | Path | ConvNeurConfig" = "m1",
    *,
    model_preset: Literal["classification", "dense"] | None = None,
    **settings: Any,
) -> ConvNeurConfig:
    """The config of a variant, of a JSON file of settings or of a config, with settings changed.

    Args:
        model: m1 to m4 in any case, a .json file as `ConvNeurConfig.to_dict` gives it, or a config.
        model_preset: a chunk length of the paper: classification (196) or dense (4096).
        settings: as `ConvNeurConfig` takes them. A dense head has ADE20K's 150 classes unless num_classes says more.
    Raises: ConfigError: an unknown name or setting, a value that cannot be, a setting that others leave without
        effect; InputError: a file that is no config.

    >>> find_config("M1", chunks=4, num_classes=10).chunks
    4
    >>> find_config("m5")
    Traceback (most recent call last):
    convneur.errors.ConfigError: model m5: choose m1, m2, m3, m4, or a .json file of settings
    """
    config = model if isinstance(model, ConvNeurConfig) else _named(model)
    typed: dict[str, Any] = {}
    if model_preset is not None:
        if model_preset not in PRESETS:
            raise ConfigError("model_preset", f"choose {', '.join(PRESETS)}", value=model_preset)
        typed |= PRESETS[model_preset]
    typed |= settings
    given = [*settings, *(["model_preset"] if model_preset else [])]
    fixed = [name for name in ("chunk_length", "min_chunks", "model_preset") if name in given]
    if settings.get("chunks") is not None and fixed:
        raise ConfigError("chunks", f"sets the chunks' length; leave out {' and '.join(f'`{name}`' for name in fixed)}")
    if fixed:
        typed.setdefault("chunks", None)  # else the number that the config has would win over the length
    idle = [name for name in (*_OF_BRANCHES, "model_preset") if name in given]
    if settings.get("memory") == "none" and idle:
        raise ConfigError("memory", f"leaves no global branch for `{idle[0]}` to act on", value="none")
    if typed.get("head") in DENSE_HEADS:
        typed.setdefault("num_classes", 150)
    config = config.replace(**typed)
    check_used(config, settings)
    return config


def check_used(config: ConvNeurConfig, settings: Iterable[str]) -> None:
    """Raises: ConfigError: one of the settings is of chunks or of a memory that this model's branch does not have."""
    used = _USED.get(config.global_branch, ())
    for name in (name for name in _OF_CHUNKS + _OF_MEMORY if name in settings and name not in used):
        raise ConfigError(name, f"a {config.global_branch} branch has no such setting; leave it out")


def variant_changes(name: str, config: ConvNeurConfig) -> list[str]:
    """What is changed of the variant of this name, in words; none where it is no variant's.

    >>> variant_changes("m1", find_config("m1", chunks=4))
    ['chunks 4']
    """
    variant = VARIANTS.get(name)
    if variant is None:
        return []
    given, own = config.to_dict(), variant.to_dict()
    return [f"{key.replace('_', '-')} {given[key]}" for key in own if given[key] != own[key]]


def _named(model: str | Path) -> ConvNeurConfig:
    if str(model).casefold() in VARIANTS:
        return VARIANTS[str(model).casefold()]
    path = Path(model)
    if path.suffix != ".json":
        raise ConfigError("model", f"choose {', '.join(VARIANTS)}, or a .json file of settings", value=model)
    if not path.exists():
        raise ConfigError("model", "no such file", value=model)
    return read_json(path, ConvNeurConfig, mend="correct it")
