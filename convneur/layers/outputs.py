"""What the layers of a model give: taken as it runs, by hooks that leave its outputs as they are."""

import difflib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from convneur.errors import ConfigError

__all__ = [
    "MapForm",
    "Ran",
    "Second",
    "last_parts",
    "layer_names",
    "map_form",
    "ran",
    "refusal",
    "second_look",
    "tapped",
    "tokens_before",
    "where_it_ran",
]

Size = tuple[int, int]
_Hook = Callable[[nn.Module, Any, Any], None]

_STRIDES = (1, 2, 4, 8, 14, 16, 28, 32, 64)  # of tokens: patches, and patches merged
_PREFIXES = (0, 1, 2, 5)  # class, distillation and register tokens before those of the image
_NEAREST, _FIRST = 3, 6
_WIDER = 64  # pixels, of the second look


class Ran(NamedTuple):
    """call: which of a layer's calls in a forward pass was its last, from 1; shape: of the first tensor that it gave
    then, None where that holds no floating-point values."""

    call: int
    shape: tuple[int, ...] | None


class Second(NamedTuple):
    """What layers gave for an image of another size (height, width): their shapes by name."""

    shapes: Mapping[str, tuple[int, ...] | None]
    size: Size

    def of(self, name: str) -> tuple[tuple[int, ...], Size] | None:
        """What `map_form` takes of a layer; None of one that did not run."""
        shape = self.shapes.get(name)
        return None if shape is None else (shape, self.size)


class _Enough(BaseException):
    """All wanted layers have run; no part of a model is to catch it."""


def ran(model: nn.Module, x: Tensor) -> dict[str, Ran]:
    """The layers that ran, in the order of their last outputs. Raises what the model raises; its hooks are gone then.

    >>> import torch
    >>> ran(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Flatten()), torch.zeros(1, 3, 8, 8))
    {'0': Ran(call=1, shape=(1, 4, 4, 4)), '1': Ran(call=1, shape=(1, 64))}
    """
    found: dict[str, Ran] = {}

    def note(name: str) -> _Hook:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            call = found.pop(name, Ran(0, None)).call + 1  # put last again
            tensor = _first_tensor(output)
            found[name] = Ran(call, None if tensor is None else tuple(map(int, tensor.shape)))

        return hook

    with _hooks(model, note, [name for name, _ in model.named_modules() if name]):
        model(x)
    return found


def tapped(model: nn.Module, x: Tensor, calls: Mapping[str, int | None]) -> dict[str, Tensor]:
    """The first tensor that each of these layers gave in one of its calls, from 1, or in its last one.

    Where all calls are numbered the model runs no further than they. A layer that did not run is left out. Raises what
    the model raises; its hooks are gone then.
    """
    found: dict[str, Tensor] = {}
    met = dict.fromkeys(calls, 0)

    def keep(name: str) -> _Hook:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            met[name] += 1
            tensor = _first_tensor(output)
            if calls[name] in (None, met[name]) and tensor is not None:
                found[name] = tensor.clone()  # what follows may write over it
            if all(met[each] == call for each, call in calls.items()):
                raise _Enough

        return hook

    try:
        with _hooks(model, keep, calls):
            model(x)
    except _Enough:
        pass
    return found


@contextmanager
def _hooks(model: nn.Module, hook: Callable[[str], _Hook], names: Iterable[str]) -> Iterator[None]:
    modules = dict(model.named_modules())
    handles: list[Any] = []
    try:
        handles += [modules[name].register_forward_hook(hook(name)) for name in names]
        yield
    finally:
        for handle in handles:
            handle.remove()


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((tensor for part in parts if (tensor := _first_tensor(part)) is not None), None)


def refusal(error: Exception, size: Size) -> str:
    """What is said of a model that an image of this size makes fail."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    mend = "choose another `size`, or a model that takes three channels"
    return f"fails on {size[0]}x{size[1]} pixels ({reason}); {mend}"


def layer_names(model: nn.Module, asked: str, setting: str) -> list[str]:
    """The layers that a name or a pattern such as "layer*" means, in the model's order.

    Choice: as in paths of files, * and ? stand for nothing beyond a point: layer* is layer1, and not layer1.0.conv1.
    Raises: ConfigError: none of that name.
    """
    names = [name for name, _ in model.named_modules() if name]
    found = [name for name in names if name == asked] or [name for name in names if _matches(name, asked)]
    if not found:
        near = difflib.get_close_matches(asked, names, _NEAREST, 0.3)
        which = f"the nearest are {', '.join(near)}" if near else f"there are {_outermost(model)}"
        raise ConfigError(setting, f"no such layer; {which}", value=asked or "''")
    return found


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _outermost(model: nn.Module) -> str:
    """The first layers that are in no other, in words. A list of modules is no layer: it is never called."""
    found: list[str] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{other}.") for other in found)
        if name and not inside and not isinstance(module, (nn.ModuleList, nn.ModuleDict)):
            found.append(name)
    return f"{', '.join(found[:_FIRST]) or 'none'}{', ...' if len(found) > _FIRST else ''}"


def last_parts(model: nn.Module, name: str) -> list[str]:
    """A layer, and where it is a `Sequential` its last part, the last part of that, and so on."""
    found, module = [name], model.get_submodule(name)
    while isinstance(module, nn.Sequential) and len(module):
        found.append(f"{found[-1]}.{len(module) - 1}")
        module = module[-1]
    return found


def where_it_ran(model: nn.Module, name: str, outputs: Container[str]) -> str | None:
    """The layer that gave the output of a named one, None where none ran: of a `Sequential` whose parts the model calls
    one by one, the last of these."""
    return next((part for part in last_parts(model, name) if part in outputs), None)


def tokens_before(model: nn.Module) -> int | None:
    """How many tokens stand before those of the image, as timm's models say; None where a model does not."""
    found = getattr(model, "num_prefix_tokens", None)
    return found if isinstance(found, int) else None


@dataclass(frozen=True)
class MapForm:
    """How an output is a map of the image. prefix: tokens before those of the image."""

    layout: Literal["map", "map, channels last", "tokens"]
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


def second_look(
    shapes: Mapping[str, tuple[int, ...] | None], x: Tensor, module_for: Callable[[int, int], nn.Module]
) -> Second | None:
    """The same layers on a wider image, where the shapes alone do not tell what is a map: C, H and W may be alike, and
    attention between N tokens is N x N. None where they do, or where the model takes no other size.

    Args: x: (1, 3, H, W), what the shapes are of. module_for: the model for a height and width.
    """
    height, width = int(x.shape[2]), int(x.shape[3])
    if not any(_doubtful(shape, (height, width)) for shape in shapes.values()):
        return None
    try:
        with torch.inference_mode():
            wider = functional.pad(x, (0, _WIDER))
            found = ran(module_for(height, width + _WIDER), wider)
    except Exception:  # whatever a model says of a size that is not for it
        return None
    return Second({name: found[name].shape for name in shapes if name in found}, (height, width + _WIDER))


def _doubtful(shape: tuple[int, ...] | None, size: Size) -> bool:
    """Whether a shape is a map in two ways, or in one whose stride is no whole number."""
    if shape is None or len(shape) != 4 or shape[0] != 1:
        return False
    strides = [found for sides in (shape[2:], shape[1:3]) if (found := _strides(sides, size)) is not None]
    return len(strides) == 2 or any(int(most) < least for least, most in strides)


def map_form(
    shape: tuple[int, ...] | None,
    size: Size,
    prefix: int | None = None,
    second: tuple[tuple[int, ...], Size] | None = None,
) -> MapForm | None:
    """How what a layer gave for one image of this size is a map of it; None where it is none.

    Choice: (1, C, h, w) where h and w may come from one stride, rounded as it may be, else (1, h, w, C) likewise, else
        (1, N, C) where N is the tokens of a usual stride in rows, after others before them. What it gave for an image
        of another size must fit in the same way.
    Args: prefix: how many those others are, where it is known. second: the other shape, and the other image's size.

    >>> map_form((1, 197, 768), (224, 224))
    MapForm(layout='tokens', channels=768, height=14, width=14, prefix=1)
    >>> map_form((1, 12, 197, 197), (224, 160)) is None
    True
    """
    if shape is None or len(shape) not in (3, 4) or shape[0] != 1:
        return None
    if len(shape) == 4:
        _, a, b, c = shape
        other, wider = (None, size) if second is None else second
        if other is not None and len(other) != 4:
            return None
        if _strides((b, c), size) and (other is None or _strides(other[2:], wider)):
            return MapForm("map", a, b, c)
        if _strides((a, b), size) and (other is None or _strides(other[1:3], wider)):
            return MapForm("map, channels last", c, a, b)
        return None
    _, tokens, channels = shape
    for before in _PREFIXES if prefix is None else (prefix, 0):
        for stride in _STRIDES:
            for up in (0, stride - 1):
                height, width = ((side + up) // stride for side in size)
                if height * width == tokens - before and height * width > 1:
                    return MapForm("tokens", channels, height, width, before)
    return None


def _strides(sides: tuple[int, ...], size: Size) -> tuple[float, float] | None:
    """The least and the largest stride, rounded as it may be, that both sides may come from; None for none."""
    height, width = sides
    if min(height, width) < 1 or height > size[0] or width > size[1]:
        return None
    pairs = list(zip(size, (height, width), strict=True))
    least = max((side - 1) / (count + 1) for side, count in pairs)
    most = min((side + 1) / max(count - 1, 0.5) for side, count in pairs)
    return (least, most) if least <= most else None
