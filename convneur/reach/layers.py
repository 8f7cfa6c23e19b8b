"""A layer's output as a map: found by its name, tapped without changing what the model gives, whatever its layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from convneur.errors import ConfigError, InputError
from convneur.layers.outputs import (
    MapForm,
    Ran,
    Second,
    layer_names,
    map_form,
    ran,
    refusal,
    second_look,
    tapped,
    tokens_before,
    where_it_ran,
)
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

__all__ = ["Box", "Layer", "find_layers", "layer_maps", "local_window"]

Box = tuple[int, int, int, int]
"""top, left, bottom, right in pixels; the last two are not inside."""


@dataclass(frozen=True)
class Layer:
    """A layer whose output is a map.

    name: as asked for; module: what is tapped; call: which of its calls in a forward pass, from 1, the last one.
    """

    name: str
    module: str
    call: int
    form: MapForm

    @property
    def height(self) -> int:
        """In positions."""
        return self.form.height

    @property
    def width(self) -> int:
        """In positions."""
        return self.form.width

    @property
    def channels(self) -> int:
        """At each position."""
        return self.form.channels

    def position(self, size: tuple[int, int], pixel: tuple[int, int] | None) -> tuple[int, int]:
        """The position whose cell holds a pixel of an image of this size; without one the middle position."""
        if pixel is None:
            return self.height // 2, self.width // 2
        pairs = zip(pixel, (self.height, self.width), size, strict=True)
        row, column = (min(at * count // side, count - 1) for at, count, side in pairs)
        return row, column

    def cell(self, size: tuple[int, int], position: tuple[int, int]) -> Box:
        """The pixels that a position stands for."""
        (top, bottom), (left, right) = (
            (at * side // count, (at + 1) * side // count)
            for at, count, side in zip(position, (self.height, self.width), size, strict=True)
        )
        return top, left, bottom, right


def layer_maps(model: nn.Module, x: Tensor, layers: Sequence[Layer]) -> dict[str, Tensor]:
    """The maps (B, C, h, w) of layers, by name; the model runs no further than these need."""
    try:
        found = tapped(model, x.clone(), {layer.module: layer.call for layer in layers})  # some write over their input
    except Exception as error:  # whatever a model raises of an image that is not for it
        raise _refused(error, x) from error
    return {layer.name: layer.form.as_map(found[layer.module]) for layer in layers}


def _refused(error: Exception, x: Tensor) -> InputError:
    return InputError(None, f"the model {refusal(error, (x.shape[2], x.shape[3]))}")


def find_layers(
    model: nn.Module,
    x: Tensor,
    asked: Sequence[str],
    *,
    setting: str = "layer",
    of_size: Callable[[int, int], nn.Module] | None = None,
) -> tuple[Layer, ...]:
    """The layers asked for, or those looked at by default: a ConvNeur's stages, of another model its last map.

    Args:   x: (1, 3, H, W), an image; the model is run on it once, and on a wider one where shapes alone do not tell
        what is a map. of_size: the model for a height and width; None: this one takes all.
    Raises: ConfigError: a layer that is not there or did not run, or whose output is no map of the image.
    """
    try:
        with torch.no_grad():
            found = ran(model, x.clone())
    except Exception as error:
        raise _refused(error, x) from error
    size = (int(x.shape[2]), int(x.shape[3]))
    seen = _Seen(found, size, tokens_before(model), None)
    if not asked and isinstance(model, ConvNeur):
        asked = [f"stages.{stage}" for stage in range(len(model.stages))]
    if asked:
        names = dict.fromkeys(name for each in asked for name in layer_names(model, each, setting))
        taps = [tap for name in names if (tap := where_it_ran(model, name, found)) is not None]
    else:
        names, taps = {}, list(found)
    second = second_look({tap: found[tap].shape for tap in taps}, x, of_size or (lambda *_: model))
    seen = replace(seen, second=second)
    if asked:
        return tuple(_layer(model, name, seen, setting) for name in names)
    for name, one in reversed(found.items()):
        form = seen.form(name)
        if form is not None and form.height * form.width > 1:
            return (Layer(name, name, one.call, form),)
    raise ConfigError(
        setting,
        f"no output of the model's layers is a map of {size[0]}x{size[1]}; take a larger `size`, or another model",
    )


@dataclass(frozen=True)
class _Seen:
    """What layers gave for an image of this size; second: for another, where that is needed."""

    found: Mapping[str, Ran]
    size: tuple[int, int]
    prefix: int | None
    second: Second | None

    def form(self, name: str) -> MapForm | None:
        other = None if self.second is None else self.second.of(name)
        return map_form(self.found[name].shape, self.size, self.prefix, other)


def _layer(model: nn.Module, name: str, seen: _Seen, setting: str) -> Layer:
    module = where_it_ran(model, name, seen.found)
    if module is None:
        raise ConfigError(setting, "does not run in a forward pass; name another", value=name)
    call, shape = seen.found[module]
    form = seen.form(module)
    if form is None:
        said = "no tensor" if shape is None else "x".join(map(str, shape))
        size = f"{seen.size[0]}x{seen.size[1]}"
        raise ConfigError(setting, f"its output, {said}, is no map of an image of {size}", value=name)
    return Layer(name, module, call, form)


def local_window(config: ConvNeurConfig, layer: str, position: tuple[int, int], size: tuple[int, int]) -> Box | None:
    """The pixels that a ConvNeur without its global path sees from a position of a layer, cut at the image.

    A block adds the radius of its depthwise kernel, a downsampling one position of the stage before, the stem reads 4x4
    pixels. Of a global branch: what its input sees. None for layers that are neither of the stages nor of their blocks.

    >>> from convneur.variants import VARIANTS
    >>> local_window(VARIANTS["m1"], "stages.0", (28, 28), (224, 224))
    (88, 88, 140, 140)
    """
    blocks = _blocks_before(config, layer)
    if blocks is None:
        return None
    stage, within = blocks
    edges = [[at, at] for at in position]
    for number in range(stage, -1, -1):
        dilation = config.dilation_of(number + 1)
        radius = config.kernel_size // 2 * dilation * (within if number == stage else config.depths[number])
        edges = [[low - radius, high + radius] for low, high in edges]
        if number:
            before = config.dilation_of(number)
            stride = config.stride_of(number + 1) // config.stride_of(number)
            edges = [[stride * low - before, stride * high + before] for low, high in edges]
    spans = [(max(4 * low, 0), min(4 * high + 4, side)) for (low, high), side in zip(edges, size, strict=True)]
    (top, bottom), (left, right) = spans
    return top, left, bottom, right


def _blocks_before(config: ConvNeurConfig, layer: str) -> tuple[int, int] | None:
    """The stage, from 0, of a layer, and how many of its blocks its output has been through."""
    parts = layer.split(".")
    if parts[0] != "stages" or not all(part.isdecimal() for part in parts[1:3]):
        return None
    stage = int(parts[1])
    if len(parts) == 2:
        return stage, config.depths[stage]
    block = int(parts[2])
    if len(parts) == 3 or parts[3:] == ["local_branch"]:
        return stage, block + 1
    return (stage, block) if parts[3:] == ["global_branch"] else None
