"""Which layers are looked at, and what one gave as a map or as a gate."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from convneur.errors import ConfigError
from convneur.layers.outputs import layer_names, map_form

__all__ = ["LayerChoice", "as_gate", "as_map", "choose"]

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
        return f"{self.name}[{self.start or 0}:{'' if self.stop is None else self.stop}]"

    def of(self, channels: Tensor) -> Tensor:
        """These channels of (C, ...)."""
        return channels[self.start : self.stop]


def as_map(
    output: Tensor,
    size: tuple[int, int],
    prefix: int | None = None,
    second: tuple[tuple[int, ...], tuple[int, int]] | None = None,
) -> Tensor | None:
    """A layer's output for one image of these pixels as (C, H, W); None where it is no map. See `map_form`."""
    form = map_form(tuple(output.shape), size, prefix, second)
    return None if form is None or form.height * form.width == 1 else form.as_map(output)[0]


def as_gate(output: Tensor, found: Tensor | None, grid: tuple[int, int]) -> Tensor | None:
    """A gate's output as (C, H, W), or as (C, 1, 1) where it has a value for each channel; None where it is neither.

    Args: found: the output as a map; None where it is none. grid: height and width of what it multiplies.
    """
    one_each = output.ndim == 3 and output.shape[2] == 1  # (1, N, 1): a value for each token
    if one_each and found is not None and tuple(found.shape[1:]) == grid:
        return found
    if len(output) == 1 and sum(count != 1 for count in output.shape[1:]) <= 1:
        return output.reshape(-1, 1, 1)
    return found


def choose(model: nn.Module, asked: str | Sequence[str], setting: str) -> list[LayerChoice]:
    """The layers that a name or a pattern means, in the model's order; several with commas.

    Raises: ConfigError: none of that name.
    """
    parts = asked.split(",") if isinstance(asked, str) else list(asked)
    found: list[LayerChoice] = []
    for part in (text.strip() for text in parts or [""]):
        match = _CHANNELS.fullmatch(part)
        if match is None:
            raise ConfigError(setting, "is empty; name a layer", value=repr(part))
        start, stop = match["start"], match["stop"]
        ends = int(start) if start else None, int(stop) if stop else None
        found += [LayerChoice(name, *ends) for name in layer_names(model, match["pattern"], setting)]
    return found
