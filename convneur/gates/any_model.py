"""Any model whose layers are looked at: ours by weights, others by a factory, timm's by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from convneur.cost import ExternalModel, find_models
from convneur.data.normalisation import Normalisation
from convneur.errors import ConfigError, InputError
from convneur.formats import as_text
from convneur.gates.models import Weights, find_against, find_model
from convneur.gates.sources import WeightsSource, sha256_of
from convneur.layers.models import OtherModel, normalisation_of
from convneur.model.network import ConvNeur
from convneur.packaged import packaged_weights
from convneur.progress import Progress, silent
from convneur.tensor_files import TensorFile, open_tensors
from convneur.variants import ConvNeurConfig

__all__ = ["AnyNetwork", "BuiltNetwork", "find_any_model", "find_second", "is_foreign"]

_STEP = 32  # Choice: sides are multiples of it, which nearly every model takes
_USUAL_SIDES = (224, 256, 384, 448, 512)  # that models are trained at


@dataclass(frozen=True, eq=False)
class BuiltNetwork:
    """A model for one image size, in eval mode.

    name: as asked for. record: where its weights come from. stamp: what a figure must say of weights that learned
    nothing. of_size: the same model, of any weights, for another height and width.
    """

    name: str
    module: nn.Module
    normalisation: Normalisation
    record: Mapping[str, Any]
    stamp: str | None
    of_size: Callable[[int, int], nn.Module]


@dataclass(frozen=True, eq=False)
class AnyNetwork:
    """A model that is built for an image's size. name: as asked for; own, source: a ConvNeur and its weights'."""

    name: str
    source: WeightsSource | None
    own: ConvNeur | None = None
    _other: OtherModel | None = None
    _kind: str = "factory"
    _weights: Path | None = None

    @property
    def step(self) -> int:
        """What an image's sides are made multiples of."""
        return 1 if self.source is not None else _STEP

    @property
    def sized(self) -> bool:
        """Whether it is another module for each size."""
        return self._other is not None and self._other.found.takes_size

    def built(self, height: int, width: int) -> BuiltNetwork:
        """The model for this size. Raises: InputError: none of it, or weights that do not fit."""
        if self.source is not None:
            own = self.own
            assert own is not None
            source = self.source
            return BuiltNetwork(self.name, own, source.normalisation, source.record(), source.stamp, lambda *_: own)
        other = self._other
        assert other is not None
        module = other.built((height, width))
        stamp: str | None = None
        record: dict[str, Any] = {"source": self._kind}
        if self._weights is not None:
            self._load(module, self._weights)
            file = as_text(Path(self._weights.name))
            record = {"source": "file", "file": file, "sha256": sha256_of(self._weights)}
        elif stamp := other.stamp(module, (height, width)):
            record = {"source": "untrained", "stamp": stamp, "seed": other.seed}
        return BuiltNetwork(self.name, module, normalisation_of(module), record, stamp, lambda *size: other.built(size))

    def _load(self, module: nn.Module, path: Path) -> None:
        """Put a file's tensors into a module, by their names.

        Raises: InputError: a parameter or a number is missing, or a tensor has another shape.
        """
        file = open_tensors(path)
        if problem := _misfit(file, module):
            raise InputError(path, f"{problem}; {self._made_for(file)}")
        wanted = [name for name in module.state_dict() if name in file.shapes]
        module.load_state_dict(file.read(wanted), strict=False)

    def _made_for(self, file: TensorFile) -> str:
        """Why a file may not fit: it may be of this model at one size, as position embeddings are."""
        if self._other is not None and self.sized:
            for side in _USUAL_SIDES:
                try:
                    fits = _misfit(file, self._other.built((side, side))) is None
                except InputError:
                    continue
                if fits:
                    return f"the file is of this model at {side}x{side}: give square images and `size` {side}"
        return "the file is of another model"


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
        if isinstance(model, ConvNeur) and weights is not None:
            raise ConfigError("weights", "the module given as `model` has its own; leave one out", value=weights)
        module, source, _ = find_model(model if isinstance(model, ConvNeur) else weights,
                                       None if isinstance(model, ConvNeur) else model, seed, settings)  # fmt: skip
        return AnyNetwork(source.model, source, module)
    models = find_models(model, setting="model", factory_arguments=arguments, progress=progress, **settings)
    if len(models) > 1:
        raise ConfigError("model", "name one model; give the second as `against`", value=", ".join(models))
    ((name, found),) = models.items()
    assert isinstance(found, ExternalModel)
    if seed is not None and weights not in (None, "none"):
        problem = f"is of an untrained model, and `weights {weights}` is a trained one; leave one out"
        raise ConfigError("seed", problem, value=seed)
    other = OtherModel(name, found, seed or 0)
    if isinstance(weights, nn.Module):
        raise ConfigError("weights", "name a .safetensors file, or pass the module itself as `model`")
    if weights is None or weights == "none":
        return AnyNetwork(name, None, None, other, "module" if isinstance(model, nn.Module) else "factory")
    path = Path(weights)
    if not path.is_file():
        raise ConfigError("weights", "no such file; of this model only a .safetensors file will do", value=weights)
    return AnyNetwork(name, None, None, other, _weights=path)


def find_second(
    against: Any,
    model: Any,
    first: AnyNetwork,
    arguments: Mapping[str, Any] | Iterable[str],
    settings: Mapping[str, Any],
    progress: Progress = silent,
) -> AnyNetwork:
    """The model that the first one, found for `model`, is compared with. Raises: as `convneur.gates.inspect_layers`."""
    try:
        if is_foreign(against):
            given = () if isinstance(against, nn.Module) else arguments
            return find_any_model(against, None, None, given, {}, progress)
        if first.own is None:
            ours = isinstance(against, ConvNeur) or str(against) in packaged_weights()
            return find_any_model(None if ours else model, against, None, () if ours else arguments, {}, progress)
    except ConfigError as error:
        setting = "against" if error.setting in ("model", "weights") else error.setting
        raise ConfigError(setting, error.problem, value=error.value) from None
    found, source = find_against(against, first.own, settings)
    return AnyNetwork(source.model, source, found)


def _misfit(file: TensorFile, module: nn.Module) -> str | None:
    """What a file lacks of a module. Choice: buffers of whole numbers, such as counters, may be left out of it."""
    tensors, parameters = module.state_dict(), dict(module.named_parameters())
    floating = {name: tuple(tensor.shape) for name, tensor in tensors.items() if tensor.is_floating_point()}
    if problem := file.misfit(floating):
        return problem
    for name, tensor in tensors.items():
        if name in floating or (name not in file.shapes and name not in parameters):
            continue
        if name not in file.shapes:
            return f"tensor {name} is missing"
        if file.shapes[name] != tuple(tensor.shape):
            return f"tensor {name} is {file.shapes[name]}, not {tuple(tensor.shape)}"
    return None
