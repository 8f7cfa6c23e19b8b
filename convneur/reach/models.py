"""The model that is looked into: ours by weights or name, or any other by its factory, in timm or as it is."""

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from convneur.checkpoints import check_finite, load_checkpoint
from convneur.cost import find_models
from convneur.data.normalisation import Normalisation
from convneur.errors import ConfigError
from convneur.layers.models import (
    OtherModel,
    check_watchable,
    normalisation_of,
    run_once,
    seeded,
)
from convneur.layers.stamp import untrained_stamp
from convneur.model.network import ConvNeur
from convneur.packaged import packaged_weights, weights_path
from convneur.progress import Progress
from convneur.variants import ConvNeurConfig

__all__ = ["Model", "ReachModel", "find_reach_model"]

Model = str | Path | ConvNeurConfig | nn.Module | Callable[..., Any]

_SEED = 0


@dataclass(frozen=True, eq=False)
class ReachModel:
    """module: in eval mode, without gradients of its own tensors. stamp: what a picture must say of weights that
    learned nothing, None where they may have. sha256: of the weights' file. other: builds a factory's model again."""

    name: str
    module: nn.Module
    normalisation: Normalisation
    stamp: str | None = None
    sha256: str | None = None
    other: OtherModel | None = None

    def of_size(self, height: int, width: int) -> nn.Module:
        """The same model, of any weights, for another height and width."""
        return self.module if self.other is None else _ready(self.other.built((height, width)))


def find_reach_model(
    model: Model,
    size: tuple[int, int],
    *,
    setting: str,
    factory_arguments: Mapping[str, Any] | Iterable[str] = (),
    progress: Progress,
) -> ReachModel:
    """The model asked for, at an image size.
    Raises: ConfigError: no such model; InputError: a broken file, a factory that fails.
    """
    if isinstance(model, nn.Module):
        wrapped = getattr(model, "_orig_mod", None)  # by torch.compile
        given = wrapped if isinstance(wrapped, nn.Module) else model
        name = type(given).__name__
        check_watchable(given, name)
        module = run_once(copy.deepcopy(given).eval(), size, name)
        return ReachModel(name, _ready(module), normalisation_of(given))
    if isinstance(model, (str, Path)):
        path = weights_path(model)
        if path.is_file() and path.suffix.lower() != ".json":
            return _of_file(str(model), path)
        if path.suffix.lower() == ".safetensors":
            names = ", ".join(packaged_weights())
            raise ConfigError(setting, f"no such file; packaged weights are {names}", value=model)
    try:
        found = find_models(model, setting=setting, factory_arguments=factory_arguments, progress=progress)
    except ConfigError as error:
        if error.setting == setting and error.problem.startswith("choose "):
            problem = f"choose packaged weights ({', '.join(packaged_weights())}), a file of weights, "
            raise ConfigError(setting, problem + error.problem.removeprefix("choose "), value=error.value) from None
        raise
    if len(found) > 1:
        raise ConfigError(setting, "name one model; give the second as `against`", value=", ".join(found))
    ((name, one),) = found.items()
    if isinstance(one, ConvNeurConfig):
        return ReachModel(name, _ready(seeded(lambda: ConvNeur(one), _SEED)), Normalisation(), untrained_stamp(_SEED))
    other = OtherModel(name, one, _SEED)
    module = other.built(size)
    return ReachModel(name, _ready(module), normalisation_of(module), other.stamp(module, size), other=other)


def _of_file(name: str, path: Path) -> ReachModel:
    model, provenance = load_checkpoint(path)
    check_finite(model, str(path))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ReachModel(name, _ready(model), Normalisation.stated(path, provenance), sha256=sha256)


def _ready(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)
