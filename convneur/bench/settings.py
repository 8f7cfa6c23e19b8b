"""How to measure."""

from dataclasses import dataclass
from typing import Literal

import torch

from convneur.errors import ConfigError
from convneur.module_tree import MOST_DEPTH

__all__ = ["BenchSettings", "DtypeName", "MemoryFormat"]

DtypeName = Literal["float32", "bfloat16", "float16"]
MemoryFormat = Literal["contiguous", "channels-last"]

_BOUNDS = (
    ("threads", 1, 1024),
    ("warmup", 1, 1_000_000),
    ("repeats", 1, 1_000_000),
    ("seed", 0, 2**63 - 1),
    ("depth", 0, MOST_DEPTH),
)
_DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_MEMORY_FORMATS: dict[str, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels-last": torch.channels_last,
}


@dataclass(frozen=True)
class BenchSettings:
    """How to measure.

    Args:
        device: cpu, cuda, or cuda:1.
        dtype: of weights and images.
        memory_format: of weights and images.
        compile: through torch.compile, for each size anew.
        threads: that torch may use for one operator; None keeps torch's own number.
        warmup: calls before any is timed. repeats: timed ones of each model.
        seed: of weights, images and the bootstrap.
        depth: time each module down to this many parts of its path, too, against the device's ceilings; None: none.

    Raises: ConfigError: a value that cannot be, or a device that torch does not see.

    >>> BenchSettings(dtype="bfloat16", repeats=20).torch_dtype
    torch.bfloat16
    """

    device: str = "cpu"
    dtype: DtypeName = "float32"
    memory_format: MemoryFormat = "contiguous"
    compile: bool = False
    threads: int | None = None
    warmup: int = 3
    repeats: int = 10
    seed: int = 0
    depth: int | None = None

    def __post_init__(self) -> None:
        for name, choices in (("dtype", _DTYPES), ("memory_format", _MEMORY_FORMATS)):
            if getattr(self, name) not in choices:
                raise ConfigError(name, f"choose one of {', '.join(choices)}", value=repr(getattr(self, name)))
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ConfigError(name, f"must be {least} to {most}", value=value)
        if self.depth is not None and self.compile:
            raise ConfigError("compile", "leaves no modules to time; leave it out or do not split `by` module")
        kind, _, number = self.device.partition(":")
        seen = {"cpu": 1, "cuda": torch.cuda.device_count()}.get(kind)
        if seen is None or (number and not number.isdecimal()):
            raise ConfigError("device", "choose cpu, cuda, or cuda:1 and so on", value=repr(self.device))
        if int(number or 0) >= seen:
            raise ConfigError("device", f"torch sees {seen} such devices here", value=self.device)

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def torch_dtype(self) -> torch.dtype:
        return _DTYPES[self.dtype]

    @property
    def torch_format(self) -> torch.memory_format:
        return _MEMORY_FORMATS[self.memory_format]
