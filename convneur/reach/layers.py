"""A layer's output as a map: found by its name, tapped without changing what the model gives, whatever its layout."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from convneur.errors import ConfigError, InputError
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

__all__ = ["Box", "Layer", "find_layers", "local_window", "tapped"]

Box = tuple[int, int, int, int]
"""top, left, bottom, right in pixels; the last two are not inside."""

Layout = Literal["map", "map, channels last", "tokens"]

_MOST_PREFIX = 16  # class and register tokens before those of the image


@dataclass(frozen=True)
class Layer:
    """A layer whose output is a map.

    name: as asked for; module: what is tapped; call: which of its calls in a forward pass, from 1, the last one.
    channels, height, width: of the map; prefix: tokens before those of the image.
    """

    name: str
    module: str
    call: int
    layout: Layout
    channels: int
    height: int
    width: int
    prefix: int = 0

    def as_map(self, output: Tensor) -> Tensor:
        """(B, C, h, w)."""
        if self.layout == "map":
            return output
        if self.layout == "map, channels last":
            return output.permute(0, 3, 1, 2)
        return output[:, self.prefix :].transpose(1, 2).unflatten(2, (self.height, self.width))

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


class _Enough(BaseException):
    """All wanted layers have run; no part of a model is to catch it."""


@contextmanager
def _hooks(model: nn.Module, hook: Any, names: Sequence[str] | None = None) -> Iterator[None]:
    modules = dict(model.named_modules())
    handles = []
    try:
        handles += [modules[name].register_forward_hook(hook(name)) for name in (modules if names is None else names)]
        yield
    finally:
        for handle in handles:
            handle.remove()


def tapped(model: nn.Module, x: Tensor, layers: Sequence[Layer]) -> dict[str, Tensor]:
    """The maps (B, C, h, w) of layers, by name; the model runs no further than these need."""
    found: dict[str, Tensor] = {}
    calls: dict[str, int] = {}
    wanted: dict[str, list[Layer]] = {}
    for layer in layers:
        wanted.setdefault(layer.module, []).append(layer)

    def hook(name: str) -> Any:
        def keep(module: nn.Module, given: Any, output: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            for layer in wanted[name]:
                if calls[name] == layer.call:
                    found[layer.name] = layer.as_map(_tensor(output)).clone()  # what follows may write over it
            if len(found) == len({layer.name for layer in layers}):
                raise _Enough

        return keep

    try:
        with _hooks(model, hook, list(wanted)):
            model(x)
    except _Enough:
        pass
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise _failed(error, x) from error
    return found


def _failed(error: Exception, x: Tensor) -> InputError:
    what = " ".join(str(error).split())
    mend = "choose another `size`, or a model that takes three channels"
    return InputError(None, f"the model refuses an image of {x.shape[2]}x{x.shape[3]}: {what}; {mend}")


def find_layers(model: nn.Module, x: Tensor, asked: Sequence[str], *, setting: str = "layer") -> tuple[Layer, ...]:
    """The layers asked for, or those looked at by default: a ConvNeur's stages, of another model its last map.

    Args:   x: (1, 3, H, W), an image; the model is run on it once.
    Raises: ConfigError: a layer that is not there or did not run, or whose output is no map of the image.
    """
    outputs: dict[str, tuple[int, Any]] = {}

    def hook(name: str) -> Any:
        def note(module: nn.Module, given: Any, output: Any) -> None:
            call = outputs.pop(name, (0, None))[0] + 1  # put last again
            outputs[name] = call, _shape(output)

        return note

    try:
        with torch.no_grad(), _hooks(model, hook):
            model(x)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise _failed(error, x) from error
    modules = dict(model.named_modules())
    size = (int(x.shape[2]), int(x.shape[3]))
    if asked:
        return tuple(_layer(name, modules, outputs, size, setting) for name in dict.fromkeys(asked))
    if isinstance(model, ConvNeur):
        names = [f"stages.{stage}" for stage in range(len(model.stages))]
        return tuple(_layer(name, modules, outputs, size, setting) for name in names)
    for name, (call, shape) in reversed(outputs.items()):
        found = None if not name else _fitted(name, name, call, shape, size)
        if found is not None and found.height * found.width > 1:
            return (found,)
    raise ConfigError(
        setting,
        f"no output of the model's layers is a map of {size[0]}x{size[1]}; take a larger `size`, or another model",
    )


def _layer(
    name: str,
    modules: Mapping[str, nn.Module],
    outputs: Mapping[str, tuple[int, Any]],
    size: tuple[int, int],
    setting: str,
) -> Layer:
    if name not in modules or not name:
        near = difflib.get_close_matches(name, [each for each in modules if each], n=3, cutoff=0.4)
        problem = (
            f"there is no such layer; the nearest names are {', '.join(near)}" if near else "there is no such layer"
        )
        raise ConfigError(setting, problem, value=name or "''")
    tap = name
    while tap not in outputs and isinstance(modules[tap], nn.Sequential) and len(modules[tap]):  # type: ignore[arg-type]
        tap = f"{tap}.{len(modules[tap]) - 1}"  # type: ignore[arg-type]  # a model that calls its parts one by one
    if tap not in outputs:
        raise ConfigError(setting, "does not run in a forward pass; name another", value=name)
    call, shape = outputs[tap]
    found = _fitted(name, tap, call, shape, size)
    if found is None:
        said = "no tensor" if shape is None else "x".join(map(str, shape))
        raise ConfigError(setting, f"its output, {said}, is no map of an image of {size[0]}x{size[1]}", value=name)
    return found


def _shape(output: Any) -> tuple[int, ...] | None:
    tensor = _tensor(output, strict=False)
    return None if tensor is None or not tensor.is_floating_point() else tuple(map(int, tensor.shape))


def _tensor(output: Any, *, strict: bool = True) -> Any:
    """The output itself, or the one tensor in it."""
    if isinstance(output, (tuple, list)) and len([each for each in output if isinstance(each, Tensor)]) == 1:
        output = next(each for each in output if isinstance(each, Tensor))
    assert isinstance(output, Tensor) or not strict
    return output if isinstance(output, Tensor) else None


def _fitted(name: str, tap: str, call: int, shape: tuple[int, ...] | None, size: tuple[int, int]) -> Layer | None:
    """What a shape is as a map of an image; None where it is none."""
    if shape is None or len(shape) not in (3, 4):
        return None
    if len(shape) == 4:
        _, a, b, c = shape
        if _is_grid(b, c, size):
            return Layer(name, tap, call, "map", a, b, c)
        return Layer(name, tap, call, "map, channels last", c, a, b) if _is_grid(a, b, size) else None
    _, tokens, channels = shape
    for prefix in range(_MOST_PREFIX + 1):
        grid = _grid(tokens - prefix, size)
        if grid is not None:
            return Layer(name, tap, call, "tokens", channels, *grid, prefix)
    return None


def _is_grid(height: int, width: int, size: tuple[int, int]) -> bool:
    """Whether both sides may come from one stride, rounded as it may be."""
    if min(height, width) < 1 or height > size[0] or width > size[1]:
        return False
    pairs = list(zip(size, (height, width), strict=True))
    least, most = (
        [(side - 1) / (count + 1) for side, count in pairs],
        [(side + 1) / max(count - 1, 0.5) for side, count in pairs],
    )
    return max(least) <= min(most)


def _grid(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    for stride in range(1, max(size) + 1):
        for up in (0, stride - 1):
            height, width = ((side + up) // stride for side in size)
            if height * width == tokens and height * width > 1:
                return height, width
    return None


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
