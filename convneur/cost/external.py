"""Any other model: found by an import string or in timm or given as it is, built for an image size, counted as ours."""

import copy
import importlib
import importlib.util
import inspect
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convneur.cost.counter import (
    CostCount,
    CountingError,
    TrainingCount,
    count,
    count_training,
    counting_error,
    in_eval_mode,
    is_dense,
)
from convneur.cost.fvcore_counter import count_with_fvcore
from convneur.cost.inputs import ModelInputs, one_image
from convneur.cost.model_counter import ImageCost, probe_sizes
from convneur.cost.scaling import LEAST_PROBE_SIDE
from convneur.errors import ConfigError, InputError

__all__ = [
    "ExternalCounter",
    "ExternalModel",
    "external_probe_sizes",
    "load_external",
    "load_function",
    "own_name",
    "smaller_probe_sizes",
    "wrap_external",
]

_Count = TypeVar("_Count", CostCount, TrainingCount)

_TIMM = "timm/"
_IN_FILE = re.compile(r"(?P<module>.+\.py):(?P<name>\w+(\.\w+)*)")
_FACTORY = re.compile(r"(?P<module>\w+(\.\w+)*):(?P<name>\w+(\.\w+)*)")

# The verdict's S for a model that is not ours: small enough for one made for small images, or for large ones.
_SMALLEST_PROBE, _LARGEST_PROBE = 512, 1024
_LARGEST_RUN = 1024 * 1024  # pixels
# What a verdict may cost: some ten seconds.
_MOST_LAUNCHES = 100_000
_MOST_RUN_MACS = 3e11
_MOST_SECONDS = 12  # of one thread's time, so that what else the machine does changes no verdict
_STRIDE = 32  # most models take multiples of it

_SIZE_ARGUMENTS = ("img_size", "image_size", "input_size")
# What torch says of shapes that do not fit, on every device.
_OF_SHAPES = re.compile(r"must match|cannot be multiplied|invalid for input of size|to have \d+ channels")
_OWN_DEVICE = "it makes weights on a device of its own choice"
_TRIED_SIDE = 224  # what models are made for, if for one size


@dataclass(frozen=True)
class ExternalModel:
    """A model by its factory: `factory()` or, where it is made for one image size, such as `factory(img_size=...)`.

    Args:
        name: as asked for.
        factory: a function or class that gives a `torch.nn.Module`.
        source: where the factory comes from, in words.
        takes_size: the factory takes the image's size, so the model is built anew for each.
        size_argument: under this name, as an int or (height, width).
        inputs: what it is called with; None for one image of three channels.

    >>> import torch
    >>> ExternalModel("wide", lambda: torch.nn.Conv2d(3, 512, 1), "a notebook", takes_size=False).build(32, 32).training
    False
    """

    name: str
    factory: Callable[..., Any]
    source: str
    takes_size: bool
    size_argument: str = "img_size"
    inputs: ModelInputs | None = None

    def arguments(self, height: int, width: int, like: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What it is called with, positional and named: zeros on the device and of the type of `like`."""
        return (one_image if self.inputs is None else self.inputs.make)(height, width, like)

    def build(self, height: int, width: int) -> nn.Module:
        """The model in eval mode, for images of this size where its factory asks for one.

        Raises: CountingError: the factory failed, since this size is not for it. InputError: it gives no module.
        """
        model = self._made(height, width)
        with suppress(NotImplementedError):  # of an exported program, which has one mode
            model.eval()
        return model

    def build_on_meta(self, height: int, width: int) -> nn.Module:
        """The model without its weights' memory, in the mode in which its factory gives it. Raises: as `build`."""
        return self.build_for_counting(height, width)[0]

    def build_for_counting(self, height: int, width: int) -> tuple[nn.Module, str | None]:
        """The same, and why its weights were made for real before they were dropped; None where they were not."""
        if isinstance(self.factory, _Copies):
            return _copied_to_meta(self.factory.model), None
        why = None
        # Factories that compute with their tensors cannot run on meta; most of them do so with a few numbers alone.
        for mode in (nullcontext(), _NumbersOnCpu()):
            try:
                with torch.device("meta"), mode:
                    model = self._made(height, width)
            except CountingError as error:
                first, _, _ = _reason(error.__cause__ or error).partition(". ")
                why = f"its constructor does not run on the meta device ({first.rstrip('.')})"
                continue
            return (model, None) if _is_on_meta(model) else (_copied_to_meta(model), _OWN_DEVICE)
        model = self._made(height, width)
        return model if _is_on_meta(model) else _copied_to_meta(model), why

    def _made(self, height: int, width: int) -> nn.Module:
        size: Any = height if height == width else (height, width)
        try:
            model = self.factory(**{self.size_argument: size}) if self.takes_size else self.factory()
        except Exception as error:
            asked = f" for {self.size_argument} {size}" if self.takes_size else ""
            raise CountingError(None, f"the factory failed{asked}: {_reason(error)}") from error
        if _is_exported(model):
            model = model.module()
        if not isinstance(model, nn.Module):
            raise InputError(None, f"the factory gives {type(model).__name__}, not a torch.nn.Module")
        compiled_from = getattr(model, "_orig_mod", None)  # what torch.compile wraps
        return compiled_from if isinstance(compiled_from, nn.Module) else model


class _NumbersOnCpu(TorchFunctionMode):
    """Makes short sequences on the CPU, whatever the device of the rest: such as rates for each block."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.linspace, torch.logspace, torch.arange, torch.tensor):
            kwargs = {"device": "cpu", **kwargs}
        return func(*args, **kwargs)


def wrap_external(model: nn.Module | Callable[..., Any], name: str | None = None) -> ExternalModel:
    """A module, or a function or class that makes one, as an `ExternalModel`; the module itself is never run.

    Args: name: what it is called in tables; the class's or function's own name if left out.
    """
    name = name or own_name(model)
    if _is_exported(model):
        return ExternalModel(name, lambda: model, "an exported program", takes_size=False)
    if isinstance(model, nn.Module):
        return ExternalModel(name, _Copies(model), f"an object of class {own_name(model)}", takes_size=False)
    return _sized(name, model, getattr(model, "__module__", None) or "memory")


def own_name(model: nn.Module | Callable[..., Any]) -> str:
    """A module's class, a function's or class's own name."""
    return (not isinstance(model, nn.Module) and getattr(model, "__name__", None)) or type(model).__name__


@dataclass(frozen=True, eq=False)
class _Copies:
    """A factory of copies of one module."""

    model: nn.Module

    def __call__(self) -> nn.Module:
        return copy.deepcopy(self.model)


def load_external(name: str, arguments: Mapping[str, Any] | None = None) -> ExternalModel:
    """Find a factory by name; this imports its module, and so runs that module's code.

    The current folder is searched first, as by `python -m`.

    Args:
        name: `package.module:factory` or `path/to/file.py:factory`, where factory is a function or class that gives a
            module, or `timm/NAME`.
        arguments: that the factory is called with.
    Raises:  ConfigError: another form, no such module, file or factory, arguments that it does not take, an unknown
        timm model, timm not installed. InputError: the module fails when it is imported.
    """
    if name.startswith(_TIMM):
        return _from_timm(name, arguments or {})
    module, factory = load_function(name)
    if isinstance(factory, nn.Module):
        raise ConfigError(
            "model",
            value=name,
            problem=f"is of type {type(factory).__name__}; name a function or class that gives a module",
        )
    return _sized(name, _with_arguments(factory, arguments or {}), _file_of(module), given=arguments or {})


def load_function(name: str, *, setting: str = "model") -> tuple[Any, Callable[..., Any]]:
    """A module and a function or class of it, by `package.module:name` or `path/to/file.py:name`; its code is run.

    Raises: as `load_external`.
    """
    in_file = _IN_FILE.fullmatch(name)
    form = in_file or _FACTORY.fullmatch(name)
    if form is None:
        problem = "name a model as package.module:factory, path/to/file.py:factory or timm/NAME"
        if setting != "model":
            problem = "name a function as package.module:function or path/to/file.py:function"
        raise ConfigError(setting, value=repr(name), problem=problem)
    module = _import_file(name, Path(form["module"]), setting) if in_file else _import(name, form["module"])
    factory: Any = module
    for part in form["name"].split("."):
        if not hasattr(factory, part):
            raise ConfigError(
                setting, value=name, problem=f"{module.__name__} ({_file_of(module)}) has no {form['name']}"
            )
        factory = getattr(factory, part)
    if not callable(factory):
        raise ConfigError(
            setting,
            value=name,
            problem=f"is of type {type(factory).__name__}; name a function or class that gives a module",
        )
    return module, factory


def _with_arguments(factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[..., Any]:
    if not arguments:
        return factory
    parameters = _parameters(factory)
    if parameters and not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for name in arguments:
            if name not in parameters:
                problem = f"the factory takes no such argument; it takes {', '.join(parameters)}"
                raise ConfigError("factory_arguments", problem, value=name)
    return partial(factory, **arguments)


def _import_file(name: str, path: Path, setting: str) -> Any:
    if not path.is_file():
        raise ConfigError(setting, value=name, problem=f"no file {path}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for what the file imports, and left there as in `_import`
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None  # of a name that ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    replaced = sys.modules.get(path.stem)
    sys.modules[path.stem] = module  # as dataclasses and pickles look for it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(name, f"running {path} failed: {_reason(error)}") from error
    finally:
        if replaced is not None:
            sys.modules[path.stem] = replaced
    return module


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


def _from_timm(name: str, arguments: Mapping[str, Any]) -> ExternalModel:
    model = name.removeprefix(_TIMM)
    if not re.fullmatch(r"[\w.]+", model):  # its other ways to name a model read files or download
        raise ConfigError("model", value=name, problem="name one of timm's models, such as timm/vit_small_patch16_224")
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise InputError(name, f"importing timm failed: {_reason(error)}") from error
        raise ConfigError("model", value=name, problem="timm is not installed; pip install timm") from error
    except Exception as error:  # as a RuntimeError of torchvision, where it belongs to another build of torch
        raise InputError(name, f"importing timm failed: {_reason(error)}") from error
    version = getattr(timm, "__version__", "of unknown version")

    def create(**settings: Any) -> Any:
        return timm.create_model(model, pretrained=False, **{**arguments, **settings})

    # timm hands settings on to the model's class, which alone says whether it takes a size.
    try:
        made = ExternalModel(name, create, "", takes_size=False).build_on_meta(0, 0)
    except CountingError as error:
        if "Unknown model" in str(error):
            raise ConfigError(
                "model", value=name, problem=f"timm {version} has no such model; see timm.list_models()"
            ) from error
        raise InputError(name, f"{error}") from error
    return _sized(name, create, f"timm {version}", taking=type(made), given=arguments)


def _is_exported(model: Any) -> bool:
    """Whether it is a program of torch.export, which holds a module."""
    return "torch.export" in sys.modules and isinstance(model, torch.export.ExportedProgram)


def _is_on_meta(model: nn.Module) -> bool:
    return all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def _copied_to_meta(model: nn.Module) -> nn.Module:
    """A copy, since a factory may hand out the same module again."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return copy.deepcopy(model)  # TorchScript stays on the device that it was made on
    # By the memory of its parts on meta, or a large model would be there twice.
    moved = {id(tensor): _moved(tensor) for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, moved).to("meta")


def _moved(tensor: Tensor) -> Tensor:
    if nn.parameter.is_lazy(tensor):
        return copy.deepcopy(tensor)
    on_meta = tensor.detach().to("meta")
    return nn.Parameter(on_meta, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else on_meta


def _sized(
    name: str,
    factory: Callable[..., Any],
    source: str,
    *,
    taking: Callable[..., Any] | None = None,
    given: Iterable[str] = (),
) -> Any:
    """The model, built for each size where its factory, or what that hands its arguments on to, takes one.

    Not where a size is among its arguments that are given: it is built for that.
    """
    if set(given) & set(_SIZE_ARGUMENTS):
        return ExternalModel(name, factory, source, takes_size=False)
    argument = _size_argument(taking or factory)
    if argument is None and taking is None and _takes_any(factory):
        # It hands its arguments on, which only a call shows: whoever does not know one refuses it.
        for each in _SIZE_ARGUMENTS:
            tried = ExternalModel(name, factory, source, takes_size=True, size_argument=each)
            with suppress(InputError):
                tried.build_on_meta(_TRIED_SIDE, _TRIED_SIDE)
                return tried
    return ExternalModel(name, factory, source, argument is not None, argument or _SIZE_ARGUMENTS[0])


def _size_argument(factory: Callable[..., Any]) -> str | None:
    """The name under which a function, or a class or one that it derives from, takes an image's size."""
    made_by = [base.__dict__.get("__init__") for base in factory.__mro__] if isinstance(factory, type) else [factory]
    for function in filter(None, made_by):
        parameters = _parameters(function)
        for name in _SIZE_ARGUMENTS:
            if name in parameters and _is_size(parameters[name].default):
                return name
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return None
    return None


def _is_size(default: Any) -> bool:
    """Whether a parameter's default may be an image's height and width."""
    if isinstance(default, (tuple, list)):
        return len(default) == 2
    return default is None or default is inspect.Parameter.empty or isinstance(default, int)


def _takes_any(factory: Callable[..., Any]) -> bool:
    is_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in _parameters(factory).values())
    return is_any and not isinstance(factory, type)


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables written in C tell no signature
        return {}


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
    return probe_sizes(*_shrunk(height, width, _LARGEST_PROBE))


def smaller_probe_sizes(height: int, width: int) -> tuple[tuple[int, int], ...] | None:
    """The probes from half a side, for a model that cannot afford those from S = (height, width); None below 64."""
    longer = max(height, width) // 2
    return probe_sizes(*_shrunk(height, width, longer)) if longer >= LEAST_PROBE_SIDE else None


def _shrunk(height: int, width: int, most: int) -> tuple[int, int]:
    longer = max(height, width)
    if longer <= most:
        return height, width
    height, width = (max(_STRIDE, round(side * most / longer / _STRIDE) * _STRIDE) for side in (height, width))
    return height, width


class ExternalCounter:
    """Counts one external model at any size, on one image of three channels; each size once.

    Choice: a model that cannot run on the meta device, because it asks for its tensors' values or makes some on another
    device, is run on zeros instead where the image has at most 1024 x 1024 pixels. A model with lazy parameters is run
    once before it is counted.

    The image has the type of the model's parameters, and their device where it must be real.

    Args: model: from `find_models`; counter: dispatch counts on the meta device, where nothing is computed; fvcore runs
        the model. inputs: what the model is called with in place of its own.

    >>> ExternalCounter(load_external("torch.nn:Flatten")).at(32, 32).macs
    0
    """

    def __init__(
        self,
        model: ExternalModel,
        *,
        counter: Literal["dispatch", "fvcore"] = "dispatch",
        inputs: ModelInputs | None = None,
    ) -> None:
        self.model = model
        inputs = inputs or model.inputs
        self._inputs = one_image if inputs is None else inputs.make
        self._image_sides = inputs.image_sides if inputs is not None else lambda height, width: (height, width)
        self._runs = counter == "fvcore"
        self._meta: nn.Module | None = None
        self._computing: nn.Module | None = None
        self._ran = False
        self._built: str | None = None
        self._counts: dict[tuple[int, int], CostCount] = {}
        self._seconds: dict[tuple[int, int], float] = {}
        self._spent = 0.0  # on the verdict

    @property
    def ran_on_zeros(self) -> bool:
        """Whether a size was counted by running the model, which the meta device could not."""
        return self._ran

    @property
    def built_for_real(self) -> str | None:
        """Why weights were made for real before the model was counted on the meta device; None where they were not."""
        return self._built

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
            started = time.thread_time()
            if self._runs:
                real = self._real(*size)
                given = _in_order(real, *self._inputs(*size, _like(real)))
                self._counts[size] = count_with_fvcore(_ready(real, given, {}), *given)
            else:
                self._counts[size] = self._count(count, *size)
            self._seconds[size] = time.thread_time() - started
        return ImageCost(height, width, self._counts[size].work, self._counts[size])

    def at_if_soon(self, height: int, width: int) -> ImageCost:
        """The same where that takes seconds at most, as far as the sizes counted before tell.

        Raises: CountingError: it would take longer; else as `at`.
        """
        size = (height, width)
        if size in self._counts:
            return self.at(*size)
        launches = self._foreseen(size, {each: count.launches or 0 for each, count in self._counts.items()})
        if launches > _MOST_LAUNCHES:
            raise CountingError(None, f"about {launches:.1g} operators would run, which takes minutes to count")
        macs = self._foreseen(size, {each: count.macs for each, count in self._counts.items()}) if self._ran else 0
        if macs > _MOST_RUN_MACS:
            raise CountingError(None, f"about {macs:.1g} multiply-adds would run, which takes minutes")
        seconds = self._foreseen(size, self._seconds)
        if self._spent + seconds > _MOST_SECONDS:
            what = "building and counting it" if self.model.takes_size else "counting it"
            raise CountingError(None, f"{what} would take about {seconds:.0f} s more")
        cost = self.at(*size)
        self._spent += self._seconds[size]
        return cost

    def _foreseen(self, size: tuple[int, int], known: Mapping[tuple[int, int], float]) -> float:
        """What grows with the pixels at this size, by the power with which it did between the two largest sizes."""
        of_pixels = {math.prod(each): value for each, value in known.items() if value}
        *smaller, largest = sorted(of_pixels) or [0]
        if not smaller:
            return of_pixels.get(largest, 0)
        power = math.log(of_pixels[largest] / of_pixels[smaller[-1]]) / math.log(largest / smaller[-1])
        return of_pixels[largest] * (math.prod(size) / largest) ** max(power, 0)

    def training_at(self, height: int, width: int) -> TrainingCount:
        """The cost of one forward and one backward pass on one image, by the dispatch counter.

        Raises: InputError: the model or its factory refuses the size.
        """
        return self._count(count_training, height, width)

    def _count(self, how: Callable[..., _Count], height: int, width: int) -> _Count:
        if self._meta is None or self.model.takes_size:
            self._meta, self._built = self.model.build_for_counting(*self._image_sides(height, width))
        try:
            with torch.device("meta"):  # for the tensors that a forward pass makes on no device in particular
                given, named = self._inputs(height, width, _like(self._meta).to("meta"))
                return how(_ready(self._meta, given, named), *given, **named)
        except CountingError as error:
            if not _may_run(error):
                raise
            if height * width > _LARGEST_RUN:
                if not self._ran and "meta" not in str(error).casefold():
                    raise
                why = "what meta cannot run is run to be counted, up to 1024 x 1024 pixels"
                raise CountingError(None, f"{error}; {why}") from error
        real = self._real(height, width)
        given, named = self._inputs(height, width, _like(real))
        counted = how(_ready(real, given, named), *given, **named)
        self._ran = True
        return counted

    def _real(self, height: int, width: int) -> nn.Module:
        if self._computing is None or self.model.takes_size:
            self._computing = self.model.build(*self._image_sides(height, width))
        return self._computing


def _may_run(error: CountingError) -> bool:
    """Whether a model that the meta device refused may run elsewhere: its own checks would refuse again."""
    own, said = error.__cause__, str(error)
    if "meta" in said.casefold():
        return True
    return not isinstance(own, (AssertionError, ValueError, TypeError, LookupError)) and not _OF_SHAPES.search(said)


def _ready(model: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> nn.Module:
    """The model, run once where that is what makes its parameters."""
    if any(isinstance(each, nn.parameter.UninitializedParameter) for each in model.parameters()):
        try:
            with torch.no_grad(), in_eval_mode(model):
                model(*given, **named)
        except Exception as error:
            raise counting_error(error, (*given, named)) from error
    return model


def _in_order(model: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """Inputs without their names. Raises: CountingError: some can only be given by name."""
    if not named:
        return given
    try:
        bound = inspect.signature(model.forward).bind(*given, **named)
    except TypeError as error:
        raise CountingError(None, str(error)) from error
    if bound.kwargs:
        raise CountingError(None, f"fvcore takes no inputs by name, such as {next(iter(bound.kwargs))}")
    return bound.args


def _like(model: nn.Module) -> Tensor:
    """A tensor of the type and on the device that a model's inputs have."""
    like = next((each for each in model.parameters() if each.is_floating_point() and is_dense(each)), None)
    return torch.zeros(()) if like is None else torch.empty((), dtype=like.dtype, device=like.device)
