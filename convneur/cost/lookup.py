"""The models that a job is asked for: by name, by file, or as they are."""

import ast
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from convneur.cost.external import ExternalModel, load_external, load_function, own_name, wrap_external
from convneur.cost.inputs import ModelInputs, Sweep, find_inputs
from convneur.errors import ConfigError
from convneur.model.network import ConvNeur
from convneur.progress import Progress, silent
from convneur.variants import VARIANTS, ConvNeurConfig, find_config

__all__ = ["AnyModel", "Models", "blaming", "called_with", "find_arguments", "find_configs", "find_models"]

AnyModel = ConvNeurConfig | ExternalModel
Model = str | Path | ConvNeurConfig | ExternalModel | nn.Module | Callable[..., Any]
Models = Model | Iterable[Model] | Mapping[str, Model]

_OWN = "or a .json file of settings"
_ANY = "a .json file of settings, package.module:factory, file.py:factory or timm/NAME"

_GRAPH = "is a graph for another runtime; `convneur bench` times it. To count, name the code that it was exported from"
_WEIGHTS = "holds weights, not the model; name its variant or .json file of settings, or the code that makes the model"
_PICKLE = "may run code when it is loaded; load it at the top of a file of yours and name a function that gives it"
_FILES = {
    ".onnx": _GRAPH, ".xml": _GRAPH, ".safetensors": _WEIGHTS,
    ".pt2": _PICKLE, ".pt": _PICKLE, ".pth": _PICKLE, ".ckpt": _PICKLE, ".bin": _PICKLE,
}  # fmt: skip
"""Files that are no model to be counted, and the way on."""


def find_models(
    models: Models = "m1",
    *,
    setting: str = "models",
    factory_arguments: Mapping[str, Any] | Iterable[str] = (),
    inputs: str | Iterable[str] | Callable[..., Any] | None = None,
    input_factory: str | None = None,
    model_preset: Literal["classification", "dense"] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> dict[str, AnyModel]:
    """Each model asked for, by the name that it goes by in results.

    Args:
        models: m1 to m4 in any case, several with commas, "all" of them; a .json file of settings; a `ConvNeurConfig`;
            of others "package.module:factory", which imports the module and so runs its code, "timm/NAME", a module, or
            a function or class that makes one; a list of those, or a dict from names to them. A module is copied
            before it runs.
        setting: the argument's name in errors.
        factory_arguments: what each external factory is called with: a dict, or texts such as depth=3.
        inputs: what each external model is called with, as `convneur.cost.inputs.find_inputs` takes it: "1x1xHxW",
            ["image=1x3xHxW", "ids=1x77:int64"], or a function of height and width. Left out: one image of 3 channels.
        input_factory: such a function by its name, "package.module:function".
        model_preset, settings: as `convneur.variants.find_config` takes them, for every ConvNeur among the models.
    Raises: ConfigError: an unknown name or setting, settings without a ConvNeur, two models of one name. InputError: a
        broken file or module.

    >>> list(find_models("M1, m3", chunks=4))
    ['m1', 'm3']
    >>> find_models("m5")
    Traceback (most recent call last):
    convneur.errors.ConfigError: models m5: choose m1, m2, m3, m4, all, a .json file of settings, \
package.module:factory, file.py:factory or timm/NAME
    """
    asked = _asked(models, setting)
    typed = settings if model_preset is None else {"model_preset": model_preset, **settings}
    external = {name: model for name, model in asked.items() if _is_external(model)}
    if typed and len(external) == len(asked):
        known = {"model_preset", *(field.name for field in dataclasses.fields(ConvNeurConfig))}
        for name in (name for name in typed if name not in known):
            raise ConfigError(name, "is not a setting of a ConvNeur")
        problem = f"is a setting of ConvNeur, and {next(iter(asked))} is another model; leave it out"
        raise ConfigError(next(iter(typed)), problem)
    found: dict[str, AnyModel] = {
        name: _own(name, model, setting, _ANY, typed) for name, model in asked.items() if name not in external
    }
    arguments = find_arguments(factory_arguments)
    if arguments and not any(isinstance(model, str) or _is_factory(model) for model in external.values()):
        raise ConfigError("factory_arguments", "no factory was named that takes them")
    packages = {_code_of(model): None for model in external.values() if isinstance(model, str)}
    for package in packages:
        progress.note(f"importing {package}, which runs its code")
    for name, model in external.items():  # last, since this runs others' code
        found[name] = _load(name, model, setting, arguments)
    given = called_with(inputs, input_factory)
    if given is not None:
        if not external:
            raise ConfigError("inputs" if inputs else "input_factory", "a ConvNeur takes one image; leave it out")
        found |= {
            name: dataclasses.replace(model, inputs=given)
            for name, model in found.items()
            if isinstance(model, ExternalModel)
        }
    return {name: found[name] for name in asked}


def called_with(
    inputs: str | Iterable[str] | Callable[..., Any] | None, input_factory: str | None, sweep: Sweep | None = None
) -> ModelInputs | None:
    """Inputs by their texts, a function or its name. Raises: ConfigError: both; else as `find_inputs`."""
    if input_factory is not None:
        if inputs:
            raise ConfigError("input_factory", "makes all inputs; leave out `inputs`")
        inputs = load_function(input_factory, setting="input_factory")[1]
    return find_inputs(inputs, sweep)


def find_configs(
    models: Models = "m1",
    *,
    setting: str = "models",
    model_preset: Literal["classification", "dense"] | None = None,
    **settings: Any,
) -> dict[str, ConvNeurConfig]:
    """Likewise where only a ConvNeur will do. Raises: ConfigError: another model; else as `find_models`."""
    asked = _asked(models, setting)
    for name, model in asked.items():
        if _is_external(model):
            raise ConfigError(setting, "only a ConvNeur will do: m1 to m4, or a .json file of settings", value=name)
    typed = settings if model_preset is None else {"model_preset": model_preset, **settings}
    return {name: _own(name, model, setting, _OWN, typed) for name, model in asked.items()}


@contextmanager
def blaming(name: str, setting: str, settings: Iterable[str]) -> Iterator[None]:
    """Where the block finds a setting wrong that is none of those given, say which model has it."""
    try:
        yield
    except ConfigError as error:
        if error.setting in settings:
            raise
        raise ConfigError(setting, str(error), value=name) from error


def _asked(models: Models, setting: str) -> dict[str, Model]:
    """Each model as it was given, by its name; a name given twice is one model."""
    if isinstance(models, Mapping):
        asked = {str(name): model for name, model in models.items()}
    else:
        asked = {}
        one = isinstance(models, (str, Path, ConvNeurConfig, ExternalModel, nn.Module)) or callable(models)
        given = [models] if one or not isinstance(models, Iterable) else models
        for model in _each_name(given):
            name = _name_of(model)
            if name in asked and asked[name] != model:
                raise ConfigError(setting, "two models go by this name; give a dict of names and models", value=name)
            asked[name] = model
    if not asked:
        raise ConfigError(setting, "name at least one")
    for model in asked.values():
        if not isinstance(model, (str, Path, ConvNeurConfig, ExternalModel, nn.Module)) and not callable(model):
            problem = "give a name, a ConvNeurConfig, a torch.nn.Module or a function that makes one"
            raise ConfigError(setting, problem, value=repr(model)[:40])
    return {name: _config_of(model) if isinstance(model, ConvNeur) else model for name, model in asked.items()}


def _each_name(models: Iterable[Any]) -> Iterator[Any]:
    """Texts taken apart at their commas, "all" as the names that it stands for."""
    for model in models:
        if not isinstance(model, str):
            yield model
            continue
        for name in (part.strip() for part in model.split(",")):
            known = name.casefold()
            yield from VARIANTS if known == "all" else (known if known in VARIANTS else name,)


def _name_of(model: Model) -> str:
    if isinstance(model, (str, Path)):
        return str(model)
    if isinstance(model, ExternalModel):
        return model.name
    if isinstance(model, ConvNeur):
        model = model.config
    if isinstance(model, ConvNeurConfig):
        return next((name for name, config in VARIANTS.items() if config == model), "ConvNeur")
    return own_name(model) if callable(model) else repr(model)


def _config_of(model: ConvNeur) -> ConvNeurConfig | ConvNeur:
    """What a ConvNeur is built from, where it still is what that builds; changed or folded it counts as any other."""
    with torch.device("meta"):
        built = ConvNeur(model.config)
    return model.config if _parts(model) == _parts(built) else model


def _parts(model: nn.Module) -> list[tuple[Any, ...]]:
    modules = [(name, type(module)) for name, module in model.named_modules()]
    return [*modules, *((name, tensor.shape) for name, tensor in model.state_dict().items())]


def _is_external(model: Model) -> bool:
    if isinstance(model, str):
        return model.startswith("timm/") or (":" in model and not model.endswith(".json"))
    return not isinstance(model, (Path, ConvNeurConfig))


def _own(name: str, model: Any, setting: str, choices: str, settings: Mapping[str, Any]) -> ConvNeurConfig:
    try:
        base = find_config(model)
    except ConfigError as error:
        suffix = Path(str(model)).suffix.casefold()
        known = VARIANTS if setting == "model" else [*VARIANTS, "all"]  # which names one model
        problem = error.problem if suffix == ".json" else f"choose {', '.join(known)}, {choices}"
        if suffix in _FILES and choices is _ANY:
            problem = f"{_FILES[suffix]}, such as file.py:factory"
        raise ConfigError(setting, problem, value=name or repr(name)) from None
    with blaming(name, setting, settings):
        return find_config(base, **settings)


def find_arguments(arguments: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    """Arguments by name. Raises: ConfigError: a text that is not NAME=VALUE, a name given twice.

    >>> find_arguments(["depth=3", "act=gelu", "dims=[8, 16]"])
    {'depth': 3, 'act': 'gelu', 'dims': [8, 16]}
    """
    if isinstance(arguments, Mapping):
        return dict(arguments)
    found: dict[str, Any] = {}
    for text in [arguments] if isinstance(arguments, str) else arguments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ConfigError("factory_arguments", "give NAME=VALUE, such as depth=3", value=repr(text))
        if name.strip() in found:
            raise ConfigError("factory_arguments", "is given twice", value=name.strip())
        found[name.strip()] = _value_of(value.strip())
    return found


def _value_of(text: str) -> Any:
    """A number, list, True and so on as Python writes it; any other text as it is."""
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _is_factory(model: Any) -> bool:
    return callable(model) and not isinstance(model, (nn.Module, ExternalModel))


def _code_of(name: str) -> str:
    """What is run to find a model: timm, a file, or a package."""
    where, _, _ = name.rpartition(":")
    return where if where.endswith(".py") else (where or name).split("/")[0]


def _load(name: str, model: Any, setting: str, arguments: Mapping[str, Any]) -> ExternalModel:
    if isinstance(model, ExternalModel):
        return model
    if not isinstance(model, str):
        return wrap_external(partial(model, **arguments) if arguments and _is_factory(model) else model, name)
    try:
        return load_external(model, arguments)
    except ConfigError as error:
        raise ConfigError(
            setting if error.setting == "model" else error.setting, error.problem, value=error.value
        ) from error
