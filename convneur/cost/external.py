"""Any other model: found by an import string or in timm or given as it is, built for an image size, counted as ours."""

import copy
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from convneur.cost.counter import CostCount, CountingError, TrainingCount, count, count_training
from convneur.cost.fvcore_counter import count_with_fvcore
from convneur.cost.model_counter import ImageCost, probe_sizes
from convneur.errors import ConfigError, InputError

__all__ = ["ExternalCounter", "ExternalModel", "external_probe_sizes", "load_external", "wrap_external"]

_Count = TypeVar("_Count", CostCount, TrainingCount)

_TIMM = "timm/"
_FACTORY = re.compile(r"(?P<module>\w+(\.\w+)*):(?P<name>\w+(\.\w+)*)")

# The verdict's S for a model that is not ours: small enough for one made for small images, or for large ones.
_SMALLEST_PROBE, _LARGEST_PROBE = 512, 1024
_LARGEST_RUN = 1024 * 1024  # pixels
_STRIDE = 32  # most models take multiples of it


@dataclass(frozen=True)
class ExternalModel:
    """A model by its factory: `factory()` or, where it is made for one image size, `factory(img_size=...)`.

    Args:
        name: as asked for.
        factory: a function or class that gives a `torch.nn.Module`.
        source: where the factory comes from, in words.
        takes_size: the factory has a parameter img_size, so the model is built anew for each size.

    >>> import torch
    >>> ExternalModel("wide", lambda: torch.nn.Conv2d(3, 512, 1), "a notebook", takes_size=False).build(32, 32).training
    False
    """

    name: str
    factory: Callable[..., Any]
    source: str
    takes_size: bool

    def build(self, height: int, width: int) -> nn.Module:
        """The model in eval mode, for images of this size where its factory asks for one: an int, or (height, width).

        Raises: CountingError: the factory failed, since this size is not for it. InputError: it gives no module.
        """
        return self._made(height, width).eval()

    def build_on_meta(self, height: int, width: int) -> nn.Module:
        """The model without its weights' memory, in the mode in which its factory gives it. Raises: as `build`."""
        try:
            with torch.device("meta"):
                return _on_meta(self._made(height, width))
        except CountingError:
            # Factories that compute with their tensors, or read a file of weights, cannot run on meta.
            return _on_meta(self._made(height, width))

    def _made(self, height: int, width: int) -> nn.Module:
        size: Any = height if height == width else (height, width)
        try:
            model = self.factory(img_size=size) if self.takes_size else self.factory()
        except Exception as error:
            asked = f" for img_size {size}" if self.takes_size else ""
            raise CountingError(None, f"the factory failed{asked}: {_reason(error)}") from error
        if not isinstance(model, nn.Module):
            raise InputError(None, f"the factory gives {type(model).__name__}, not a torch.nn.Module")
        return model


def wrap_external(model: nn.Module | Callable[..., Any], name: str | None = None) -> ExternalModel:
    """A module, or a function or class that makes one, as an `ExternalModel`; the module itself is never run.

    Args: name: what it is called in tables; the class's or function's own name if left out.
    """
    if isinstance(model, nn.Module):
        own = type(model).__name__
        return ExternalModel(name or own, partial(copy.deepcopy, model), f"an object of class {own}", takes_size=False)
    own = getattr(model, "__name__", None) or type(model).__name__
    return ExternalModel(name or own, model, getattr(model, "__module__", None) or "memory", _has_img_size(model))


def load_external(name: str) -> ExternalModel:
    """Find a factory by name; this imports its module, and so runs that module's code.

    The current folder is searched first, as by `python -m`.

    Args:    name: `package.module:factory`, where factory is a function or class that gives a module, or `timm/NAME`.
    Raises:  ConfigError: another form, no such module or factory, an unknown timm model, timm not installed.
        InputError: the module fails when it is imported.
    """
    if name.startswith(_TIMM):
        return _from_timm(name)
    form = _FACTORY.fullmatch(name)
    if form is None:
        raise ConfigError("model", value=repr(name), problem="name a model as package.module:factory or timm/NAME")
    module = _import(name, form["module"])
    factory: Any = module
    for part in form["name"].split("."):
        if not hasattr(factory, part):
            raise ConfigError(
                "model", value=name, problem=f"{module.__name__} ({_file_of(module)}) has no {form['name']}"
            )
        factory = getattr(factory, part)
    if isinstance(factory, nn.Module) or not callable(factory):
        raise ConfigError(
            "model",
            value=name,
            problem=f"is of type {type(factory).__name__}; name a function or class that gives a module",
        )
    return ExternalModel(name, factory, _file_of(module), _has_img_size(factory))


def _import(name: str, module: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # and left there: a factory may import more when it is called
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module + ".").startswith(error.name + "."):
            raise ConfigError(
                "model", value=name, problem=f"no module {error.name} here or among the installed packages"
            ) from error
        raise InputError(name, f"importing {module} failed: {_reason(error)}") from error
    except (Exception, SystemExit) as error:
        raise InputError(name, f"importing {module} failed: {_reason(error)}") from error


def _from_timm(name: str) -> ExternalModel:
    model = name.removeprefix(_TIMM)
    if not re.fullmatch(r"[\w.]+", model):  # its other ways to name a model read files or download
        raise ConfigError("model", value=name, problem="name one of timm's models, such as timm/vit_small_patch16_224")
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise InputError(name, f"importing timm failed: {_reason(error)}") from error
        raise ConfigError("model", value=name, problem="timm is not installed; pip install timm") from error
    version = getattr(timm, "__version__", "of unknown version")

    def create(**settings: Any) -> Any:
        return timm.create_model(model, pretrained=False, **settings)

    # timm hands settings on to the model's class, which alone says whether it takes a size.
    try:
        made = ExternalModel(name, create, "", takes_size=False).build_on_meta(0, 0)
    except CountingError as error:
        if "Unknown model" in str(error):
            raise ConfigError(
                "model", value=name, problem=f"timm {version} has no such model; see timm.list_models()"
            ) from error
        raise InputError(name, f"{error}") from error
    return ExternalModel(name, create, f"timm {version}", _has_img_size(type(made)))


def _on_meta(model: nn.Module) -> nn.Module:
    """The module itself where it is on meta; else a copy, since its factory may hand out the same one again."""
    if all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        return model
    return copy.deepcopy(model).to("meta")


def _has_img_size(factory: Callable[..., Any]) -> bool:
    try:
        return "img_size" in inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables written in C tell no signature
        return False


def _file_of(module: Any) -> str:
    return str(getattr(module, "__file__", None) or "a module without a file")


def _reason(error: BaseException) -> str:
    what = " ".join(str(error).split())
    return f"{type(error).__name__}: {what}" if what else type(error).__name__


def external_probe_sizes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """The three sizes that a verdict on an external model is found from, in the shape of the largest size asked for.

    Choice: the longer side doubled until at least 512, then at most 1024; a size made smaller for that is rounded to
    multiples of 32, which most models ask for.
    """
    while max(height, width) < _SMALLEST_PROBE:
        height, width = 2 * height, 2 * width
    longer = max(height, width)
    if longer > _LARGEST_PROBE:
        height, width = (
            max(_STRIDE, round(side * _LARGEST_PROBE / longer / _STRIDE) * _STRIDE) for side in (height, width)
        )
    return probe_sizes(height, width)


class ExternalCounter:
    """Counts one external model at any size, on one image of three channels; each size once.

    Choice: a model that cannot run on the meta device, because it asks for its tensors' values or makes some on another
    device, is run on zeros instead where the image has at most 1024 x 1024 pixels.

    The image has the type of the model's parameters, and their device where it must be real.

    Args: model: from `find_models`; counter: dispatch counts on the meta device, where nothing is computed; fvcore runs
        the model.

    >>> ExternalCounter(load_external("torch.nn:Flatten")).at(32, 32).macs
    0
    """

    def __init__(self, model: ExternalModel, *, counter: Literal["dispatch", "fvcore"] = "dispatch") -> None:
        self.model = model
        self._runs = counter == "fvcore"
        self._meta: nn.Module | None = None
        self._computing: nn.Module | None = None
        self._ran = False
        self._counts: dict[tuple[int, int], CostCount] = {}

    @property
    def ran_on_zeros(self) -> bool:
        """Whether a size was counted by running the model, which the meta device could not."""
        return self._ran

    @property
    def params(self) -> int | None:
        """Parameters of the model as it was counted at the first size; None before that."""
        return next((count.params for count in self._counts.values()), None)

    def at(self, height: int, width: int) -> ImageCost:
        """The cost of one image; everything executed counts.

        Raises: InputError: the model or its factory refuses the size.
        """
        size = (height, width)
        if size not in self._counts:
            if self._runs:
                real = self._real(*size)
                self._counts[size] = count_with_fvcore(real, _image(real, *size))
            else:
                self._counts[size] = self._count(count, *size)
        return ImageCost(height, width, self._counts[size].work, self._counts[size])

    def training_at(self, height: int, width: int) -> TrainingCount:
        """The cost of one forward and one backward pass on one image, by the dispatch counter.

        Raises: InputError: the model or its factory refuses the size.
        """
        return self._count(count_training, height, width)

    def _count(self, how: Callable[[nn.Module, Tensor], _Count], height: int, width: int) -> _Count:
        if self._meta is None or self.model.takes_size:
            self._meta = self.model.build_on_meta(height, width)
        try:
            with torch.device("meta"):  # for the tensors that a forward pass makes on no device in particular
                return how(self._meta, _image(self._meta, height, width))
        except CountingError as error:
            if "meta" not in str(error):
                raise
            if height * width > _LARGEST_RUN:
                why = "what meta cannot run is run to be counted, up to 1024 x 1024 pixels"
                raise CountingError(None, f"{error}; {why}") from error
        real = self._real(height, width)
        counted = how(real, _image(real, height, width))
        self._ran = True
        return counted

    def _real(self, height: int, width: int) -> nn.Module:
        if self._computing is None or self.model.takes_size:
            self._computing = self.model.build(height, width)
        return self._computing


def _image(model: nn.Module, height: int, width: int) -> Tensor:
    like = next((each for each in model.parameters() if each.is_floating_point()), None)
    if like is None:
        return torch.zeros(1, 3, height, width)
    return torch.zeros(1, 3, height, width, dtype=like.dtype, device=like.device)
