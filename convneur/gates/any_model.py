"""Any model whose layers are looked at: ours by weights, others by a factory, timm's by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convneur.cost import CountingError, ExternalModel, find_models
from convneur.data.normalisation import Normalisation
from convneur.errors import ConfigError, InputError
from convneur.formats import as_text
from convneur.gates.models import Weights, find_model
from convneur.gates.sources import WeightsSource, sha256_of
from convneur.model.network import ConvNeur
from convneur.progress import Progress, silent
from convneur.tensor_files import open_tensors
from convneur.variants import ConvNeurConfig

__all__ = ["AnyNetwork", "find_any_model", "is_foreign"]

_STEP = 32  # Choice: sides are multiples of it, which nearly every model takes


@dataclass(frozen=True)
class AnyNetwork:
    """A model that is built for an image's size. name: as asked for; record: where its weights come from.

    source: of a ConvNeur's weights. stamp: what a figure must say of weights that learned nothing.
    """

    name: str
    record: Mapping[str, Any]
    source: WeightsSource | None
    stamp: str | None
    _module: nn.Module | None
    _factory: ExternalModel | None = None
    _weights: Path | None = None
    _seed: int = 0

    @property
    def step(self) -> int:
        """What an image's sides are made multiples of."""
        return 1 if self.source is not None else _STEP

    def built(self, height: int, width: int) -> nn.Module:
        """The module in eval mode. Raises: InputError: none of this size, or weights that do not fit."""
        if self._module is not None:
            return self._module
        assert self._factory is not None
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._seed)
                module = self._factory.build(height, width)
        except CountingError as error:
            raise InputError(self.name, f"{error}") from None
        if self._weights is not None:
            _load(module, self._weights)
        return module

    def normalisation(self, module: nn.Module) -> Normalisation:
        """Of the pixels that the model was trained on: as timm's config says, where it has one; else ImageNet's."""
        if self.source is not None:
            return self.source.normalisation
        config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
        said = config if isinstance(config, Mapping) else {}
        mean, std = said.get("mean"), said.get("std")
        if mean is None or std is None or not len(mean) == len(std) == 3:
            return Normalisation()
        return Normalisation(tuple(mean), tuple(std))


def is_foreign(model: Any) -> bool:
    """Whether this names or is a model other than a ConvNeur."""
    if isinstance(model, str):
        return model.startswith("timm/") or ":" in model
    return model is not None and not isinstance(model, (Path, ConvNeurConfig, ConvNeur))


def find_any_model(
    model: Any,
    weights: Weights | None,
    seed: int | None,
    arguments: Mapping[str, Any] | Iterable[str],
    settings: Mapping[str, Any],
    progress: Progress = silent,
) -> AnyNetwork:
    """The model asked for. Raises: as `convneur.gates.inspect_layers`."""
    if not is_foreign(model):
        module, source, _ = find_model(model if isinstance(model, ConvNeur) else weights,
                                       None if isinstance(model, ConvNeur) else model, seed, settings)  # fmt: skip
        return AnyNetwork(source.model, source.record(), source, source.stamp, module)
    ((name, found),) = find_models(
        model, setting="model", factory_arguments=arguments, progress=progress, **settings
    ).items()
    assert isinstance(found, ExternalModel)
    if isinstance(weights, nn.Module):
        raise ConfigError("weights", "name a .safetensors file, or pass the module itself as `model`")
    if weights is None or weights == "none":
        untrained = isinstance(model, str) and model.startswith("timm/")
        stamp = f"UNTRAINED WEIGHTS, seed {seed or 0}" if untrained else None
        record: dict[str, Any] = {"source": "untrained", "stamp": stamp, "seed": seed or 0}
        if not untrained:
            record = {"source": "module" if isinstance(model, nn.Module) else "factory"}
        return AnyNetwork(name, record, None, stamp, None, found, None, seed or 0)
    path = Path(weights)
    if not path.is_file():
        raise ConfigError("weights", "no such file; of this model only a .safetensors file will do", value=weights)
    record = {"source": "file", "file": as_text(Path(path.name)), "sha256": sha256_of(path)}
    return AnyNetwork(name, record, None, None, None, found, path, seed or 0)


def _load(module: nn.Module, path: Path) -> None:
    """Put a file's tensors into a module, by their names. Raises: InputError: one is missing or of another shape."""
    file = open_tensors(path)
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    if problem := file.misfit(wanted):
        raise InputError(path, f"{problem}; the file is of another model")
    module.load_state_dict(file.read(wanted), strict=False)
