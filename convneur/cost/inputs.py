"""What a model of others is called with: tensors of any number, name, shape and type, for each image size."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convneur.errors import ConfigError, InputError

__all__ = ["ModelInputs", "Sweep", "find_inputs", "find_sweep", "one_image"]

_FORM = re.compile(
    r"(?:(?P<name>[A-Za-z_]\w*)(?:\.(?P<key>\w+))?=)?(?P<axes>(?:\d+|[A-Z])(?:x(?:\d+|[A-Z]))*)(?::(?P<dtype>\w+))?",
    re.ASCII,
)
_HOW = "such as 1x3xHxW, image=1x1xHxW, ids=1x77:int64, or batch.image=1x3xHxW for a dict"
_SWEEP = re.compile(r"(?P<axis>[A-Z])=(?P<values>\d+(?:,\d+)*)", re.ASCII)
_MOST_ITEMS = 2**31
_LARGEST_STEP = 2**20


@dataclass(frozen=True)
class _Given:
    """One tensor. name: of a keyword argument, None for a positional one; key: in a dict of that name."""

    name: str | None
    key: str | None
    axes: tuple[str, ...]
    dtype: torch.dtype | None

    def make(self, sides: Mapping[str, int], like: Tensor) -> Tensor:
        shape = [sides.get(axis) or int(axis) for axis in self.axes]
        if math.prod(shape) > _MOST_ITEMS:
            raise InputError(None, f"an input of {'x'.join(map(str, shape))} is too large")
        return torch.zeros(shape, dtype=self.dtype or like.dtype, device=like.device)


@dataclass(frozen=True)
class Sweep:
    """An axis of the inputs that is not the image's, at several values. image: height and width at all of them.

    >>> find_sweep("T=16, 32").values
    (16, 32)
    """

    axis: str
    values: tuple[int, ...]
    image: tuple[int, int]

    def name(self, value: int) -> str:
        return f"{self.axis}={value}"

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """The values in a size's place: a count's height is the axis, its width 1."""
        return {self.name(value): (value, 1) for value in self.values}


@dataclass(frozen=True)
class ModelInputs:
    """What to call a model with at an image size: tensors, or whatever a function of the user's makes.

    sweep: what height stands for in place of an image's, with a width of 1.

    >>> find_inputs(["1x1xHxW", "ids=1x77:int64"]).make(8, 16, torch.zeros(1, device="meta"))[1]["ids"].dtype
    torch.int64
    """

    given: tuple[_Given, ...] = ()
    factory: Callable[..., Any] | None = None
    sweep: Sweep | None = None

    def image_sides(self, height: int, width: int) -> tuple[int, int]:
        """Of the image: a model that is built for one is built for this."""
        return (height, width) if self.sweep is None else self.sweep.image

    @property
    def images(self) -> int:
        """How many images they hold, by the first axis of what has the image's height and width; 1 where none tells."""
        first = (one.axes[0] for one in self.given if {"H", "W"} <= set(one.axes))
        return next((int(axis) for axis in first if axis.isdecimal()), 1)

    def make(self, height: int, width: int, like: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments, on the device of `like`, of its type unless another is asked for.

        Raises: InputError: the user's function fails.
        """
        swept = {} if self.sweep is None else {self.sweep.axis: height}
        height, width = self.image_sides(height, width)
        if self.factory is not None:
            return self._from_factory(height, width, swept, like)
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for one in self.given:
            tensor = one.make({"H": height, "W": width, **swept}, like)
            if one.name is None:
                positional.append(tensor)
            elif one.key is None:
                named[one.name] = tensor
            else:
                named.setdefault(one.name, {})[one.key] = tensor
        return tuple(positional), named

    def _from_factory(
        self, height: int, width: int, swept: Mapping[str, int], like: Tensor
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        assert self.factory is not None
        try:
            made = self.factory(height, width, **swept)
        except Exception as error:
            what = " ".join(str(error).split())
            raise InputError(None, f"the function that makes inputs failed: {type(error).__name__}: {what}") from error
        made = _moved(made, like.device)
        if isinstance(made, dict):
            return (), made
        return (tuple(made) if isinstance(made, (list, tuple)) else (made,)), {}


def find_inputs(
    inputs: str | Iterable[str] | Callable[..., Any] | None, sweep: Sweep | None = None
) -> ModelInputs | None:
    """The inputs that are asked for; None leaves one image of three channels.

    Args:   inputs: texts such as 1x3xHxW (positional), name=1x77:int64 (keyword), name.key=1x3xHxW (in a dict of
        that name); or a function of height and width that gives a tensor, a tuple of arguments or a dict of keyword
        ones. sweep: of an axis that is in them; the function takes it by its letter, as `T=16`.
    Raises: ConfigError: a text of another form, an unknown type, a name given twice, an axis that nothing sweeps.
    """
    if callable(inputs):
        return ModelInputs(factory=inputs, sweep=sweep)
    given = tuple(_parse([inputs] if isinstance(inputs, str) else inputs or ()))
    axes = {axis for one in given for axis in one.axes if not axis.isdigit()} - {"H", "W"}
    if sweep is not None and sweep.axis not in axes:
        problem = f"no axis {sweep.axis} in `inputs`; write it there, such as 1x3x{sweep.axis}xHxW"
        raise ConfigError("sweep", problem, value=sweep.axis)
    if unknown := axes - ({sweep.axis} if sweep else set()):
        axis = min(unknown)
        problem = f"{axis} is no side of an image; give its values in `sweep`, such as {axis}=16,32,64"
        raise ConfigError("inputs", problem)
    if not given:
        return None
    names = [(one.name, one.key) for one in given if one.name is not None]
    for name, key in names:
        clashes = names.count((name, key)) > 1 or (key is not None and (name, None) in names)
        if clashes:
            raise ConfigError("inputs", "is given twice", value=name if key is None else f"{name}.{key}")
    return ModelInputs(given, sweep=sweep)


def find_sweep(sweep: str, image: tuple[int, int] = (224, 224)) -> Sweep:
    """An axis and its values, from a text such as T=16,32,64. Raises: ConfigError: another form; H, W; a 0.

    >>> find_sweep("T=64").sizes
    {'T=64': (64, 1)}
    """
    match = _SWEEP.fullmatch("".join(sweep.split()))
    values = tuple(dict.fromkeys(int(part[:10]) for part in match["values"].split(","))) if match else ()
    if not match or not all(1 <= value <= _LARGEST_STEP for value in values):
        problem = f"give a capital letter and whole numbers up to {_LARGEST_STEP}, such as T=16,32,64"
        raise ConfigError("sweep", problem, value=repr(sweep))
    if match["axis"] in "HW":
        raise ConfigError("sweep", "H and W are the image's; `sizes` has them", value=repr(sweep))
    return Sweep(match["axis"], tuple(sorted(values)), image)


def _parse(texts: Iterable[str]) -> Iterator[_Given]:
    for text in texts:
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ConfigError("inputs", f"give sizes with x between, H and W for the image's, {_HOW}", value=repr(text))
        dtype = getattr(torch, match["dtype"], None) if match["dtype"] else None
        if match["dtype"] and not isinstance(dtype, torch.dtype):
            raise ConfigError("inputs", f"{match['dtype']} is no type of torch, such as int64", value=repr(text))
        if dtype is not None and not _is_plain(dtype):
            raise ConfigError(
                "inputs", f"torch makes no zeros of {match['dtype']}; give another type", value=repr(text)
            )
        axes = tuple(match["axes"].split("x"))
        if any(axis.isdigit() and not 1 <= int(axis[:10]) <= _MOST_ITEMS for axis in axes):
            raise ConfigError("inputs", "every size must be at least 1, and sensible", value=repr(text))
        yield _Given(match["name"], match["key"], axes, dtype)


def _is_plain(dtype: torch.dtype) -> bool:
    try:
        torch.zeros(1, dtype=dtype)
    except (RuntimeError, NotImplementedError):  # quantized types, and some of bits
        return False
    return True


def one_image(height: int, width: int, like: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a model is called with unless something else is asked for."""
    return (torch.zeros(1, 3, height, width, dtype=like.dtype, device=like.device),), {}


def _moved(value: Any, device: torch.device) -> Any:
    """The same on another device, also in lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, (list, tuple)):
        return [_moved(each, device) for each in value]
    if isinstance(value, Mapping):
        return {key: _moved(each, device) for key, each in value.items()}
    return value
