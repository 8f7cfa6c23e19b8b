"""What the layers of any model compute on their way, by their names: hooks that leave its output as it is."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from convneur.errors import ConfigError
from convneur.formats import near_or_first, plural

__all__ = ["LayerChoice", "as_gate", "as_map", "choose", "tapped"]

_STRIDES = (1, 2, 4, 8, 14, 16, 32, 64)
_PREFIXES = (0, 1, 2, 5)  # class, distillation and register tokens before those of the image
_CHANNELS = re.compile(r"(?P<pattern>.+?)(\[(?P<start>\d*):(?P<stop>\d*)\])?")


@dataclass(frozen=True)
class LayerChoice:
    """A layer and which of its channels: all, or start to stop, as in `modulation.f[0:96]`."""

    name: str
    start: int | None = None
    stop: int | None = None

    def __str__(self) -> str:
        if self.start is None and self.stop is None:
            return self.name
        return f"{self.name}[{'' if self.start is None else self.start}:{'' if self.stop is None else self.stop}]"

    def of(self, channels: Tensor, setting: str) -> Tensor:
        """These channels of (C, ...). Raises: ConfigError: none, or more than there are."""
        count = len(channels)
        start, stop = self.start or 0, count if self.stop is None else self.stop
        if not start < stop <= count:
            problem = f"the layer has {plural(count, 'channel')}; name some of them, such as {self.name}[0:{count}]"
            raise ConfigError(setting, problem, value=self)
        return channels[start:stop]


def tapped(model: nn.Module, x: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """The first output of each of these layers, all of them if none are named, copied as the model runs.

    Whatever the model does, the hooks are gone afterwards. Of a tuple or a dict the first tensor is taken.
    """
    found: dict[str, Tensor] = {}
    handles = []

    def keep(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            tensor = _first_tensor(output)
            if tensor is not None and name not in found:
                found[name] = tensor.detach().clone()  # a later layer may work in place

        return hook

    try:
        for name, module in model.named_modules():
            if name and (names is None or name in names):
                handles.append(module.register_forward_hook(keep(name)))
        with torch.inference_mode():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((tensor for part in parts if (tensor := _first_tensor(part)) is not None), None)


def as_map(output: Tensor, size: tuple[int, int], prefix: int | None = None) -> Tensor | None:
    """A layer's output for one image of these pixels as (C, H, W); None where it is no map.

    Choice: (1, C, H, W), else (1, H, W, C) where that alone has the image's aspect, else tokens (1, N, C) in rows,
        after `prefix` others.
    """
    height, width = size
    if output.ndim == 4 and len(output) == 1:
        _, a, b, c = output.shape
        if not _fits((b, c), height, width) and _fits((a, b), height, width):
            return output[0].permute(2, 0, 1)
        return output[0] if b * c > 1 else None
    if output.ndim == 3 and len(output) == 1:
        for stride in _STRIDES:
            rows, columns = height // stride, width // stride
            extra = output.shape[1] - rows * columns
            if rows * columns > 1 and extra in (_PREFIXES if prefix is None else (prefix, 0)):
                return output[0, extra:].T.reshape(-1, rows, columns)
    return None


def as_gate(output: Tensor, size: tuple[int, int], prefix: int | None) -> Tensor | None:
    """A gate's output as (C, H, W), or as (C, 1, 1) where it has a value for each channel; None where it is neither."""
    if len(output) == 1 and sum(count != 1 for count in output.shape[1:]) <= 1:
        return output.reshape(-1, 1, 1)
    return as_map(output, size, prefix)


def _fits(shape: tuple[int, int], height: int, width: int) -> bool:
    """Whether a map of this shape has the image's positions at some stride, rounded up or down."""
    rows, columns = shape
    if rows * columns <= 1:
        return False
    return any(
        abs(rows - height / stride) < 1 and abs(columns - width / stride) < 1 for stride in _STRIDES if stride <= height
    )


def choose(model: nn.Module, asked: str | Sequence[str], setting: str) -> list[LayerChoice]:
    """The layers that a name or a pattern means, in the model's order; several with commas.

    Raises: ConfigError: none of that name.
    """
    names = [name for name, _ in model.named_modules() if name]
    parts = asked.split(",") if isinstance(asked, str) else list(asked)
    found: list[LayerChoice] = []
    for part in (text.strip() for text in parts or [""]):
        match = _CHANNELS.fullmatch(part)
        if match is None:
            raise ConfigError(setting, "is empty; name a layer", value=repr(part))
        pattern, start, stop = match["pattern"], match["start"], match["stop"]
        chosen = [name for name in names if name == pattern] or [name for name in names if fnmatchcase(name, pattern)]
        if not chosen:
            problem = f"no such layer; {near_or_first(pattern, names)}; `list_layers` lists them all"
            raise ConfigError(setting, problem, value=pattern)
        ends = int(start) if start else None, int(stop) if stop else None
        found += [LayerChoice(name, *ends) for name in chosen]
    return found
