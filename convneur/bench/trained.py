"""Trained models among those to time: weights in torch, and exported graphs in runtimes of their own."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convneur.bench.settings import BenchSettings
from convneur.cost import ExternalModel
from convneur.data.normalisation import Normalisation
from convneur.errors import ConfigError, InputError
from convneur.graphs import GRAPH_SUFFIXES
from convneur.inference import Agreement, ExportedModel, Predictor, load_predictor, measure_agreement
from convneur.packaged import packaged_weights
from convneur.sizes import size_name
from convneur.variants import ConvNeurConfig

__all__ = ["TrainedModel", "agreement_with", "with_trained"]

_SUFFIXES = (*GRAPH_SUFFIXES, ".safetensors")
_RUNTIMES = {".onnx": "onnxruntime", ".xml": "openvino"}


@dataclass(frozen=True)
class TrainedModel(ExternalModel):
    """A model with the weights that it was trained to. predictor: as it was loaded."""

    predictor: Predictor = field(kw_only=True)

    @property
    def config(self) -> ConvNeurConfig:
        return self.predictor.model.config

    @property
    def graph(self) -> ExportedModel | None:
        return self.predictor.model if isinstance(self.predictor.model, ExportedModel) else None

    @property
    def folded(self) -> bool:
        return self.graph is not None and self.graph.description.folded

    @property
    def runtime(self) -> str:
        """The package that runs it: torch, onnxruntime, openvino."""
        return "torch" if self.graph is None else _RUNTIMES[self.graph.path.suffix.lower()]

    def has_weights_of(self, other: "TrainedModel") -> bool:
        """Whether both are of the same weights, by what their files say of them."""
        return self.config == other.config and self.predictor.provenance == other.predictor.provenance

    def takes(self, height: int, width: int) -> bool:
        """Whether it takes images of this size."""
        shape = self.predictor.runner.shape
        return (height, width) == shape.size if shape.size else min(height, width) >= shape.least


class _Graph(nn.Module):
    """An exported graph as a module, for tensors of float32 on the CPU."""

    def __init__(self, graph: ExportedModel) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, x: Tensor) -> Tensor:
        shape = self.graph.shape
        batch, _, height, width = x.shape
        if shape.size is None:
            if min(height, width) < shape.least:
                raise InputError(None, f"it takes no side below {shape.least} pixels")
        elif (height, width) != shape.size:
            alone = f"it takes images of {size_name(*shape.size)} alone"
            raise InputError(None, f"{alone}; export it for {size_name(height, width)}, or for any size")
        if batch % (shape.batch or 1):
            raise InputError(None, f"it takes {shape.batch} images at once; export it for any number")
        return torch.from_numpy(self.graph.run(x.numpy()))


def with_trained(models: Any, settings: BenchSettings, *, setting: str = "models") -> Any:
    """What `find_models` is to be asked for, with weights and exported graphs among it loaded.

    Raises: ConfigError: no such file, or settings that a graph cannot be run with; InputError: a file that is none.
    """

    def looked_up(name: str, model: Any) -> Any:
        if isinstance(model, Predictor):
            predictor = model
        elif isinstance(model, (str, Path)) and _is_trained(str(model)):
            try:
                predictor = load_predictor(model, threads=settings.threads or torch.get_num_threads())
            except ConfigError as error:
                raise ConfigError(setting, error.problem, value=name) from None
        else:
            return model
        trained = TrainedModel(
            name, lambda: _module(predictor), "trained weights", takes_size=False, predictor=predictor
        )
        if trained.graph is not None:
            _check_graph_settings(name, settings)
        return trained

    if isinstance(models, Mapping):
        return {name: looked_up(str(name), model) for name, model in models.items()}
    several = isinstance(models, Iterable) and not isinstance(models, str) and not callable(models)
    parts = [
        part.strip() if isinstance(part, str) else part
        for model in (models if several else [models])
        for part in (model.split(",") if isinstance(model, str) else [model])
    ]
    return [looked_up(part.name if isinstance(part, Predictor) else str(part), part) for part in parts]


def agreement_with(
    reference: TrainedModel,
    model: TrainedModel,
    modules: tuple[nn.Module, nn.Module],
    sizes: Iterable[tuple[int, int]],
    settings: BenchSettings,
) -> Agreement | None:
    """How far a model is from another of the same weights on the packaged images, as timed; None: no size fits both.

    modules: of the reference and of the model.
    """
    common = [size for size in sizes if reference.takes(*size) and model.takes(*size)]
    if not common:
        return None

    def program(module: nn.Module, at_once: int) -> Any:
        def run(x: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
            images = torch.from_numpy(x).to(settings.device, settings.torch_dtype)
            # One after another: more than one image need not fit into memory. A graph of a fixed number takes that.
            found = [module(image.expand(at_once, -1, -1, -1))[:1] for image in images.split(1)]
            return torch.cat(found).float().cpu().numpy()

        return run

    programs = [
        program(module, each.predictor.runner.shape.batch or 1)
        for module, each in zip(modules, (reference, model), strict=True)
    ]
    predictor = reference.predictor
    normalisation = Normalisation(predictor.mean, predictor.std)
    return measure_agreement(programs[1], programs[0], model.config, common, normalisation)


def _is_trained(name: str) -> bool:
    return Path(name).suffix.lower() in _SUFFIXES or name.lower() in packaged_weights()


def _module(predictor: Predictor) -> nn.Module:
    if isinstance(predictor.model, ExportedModel):
        return _Graph(predictor.model)
    model = copy.deepcopy(predictor.model)
    return model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # loaded in channels_last


def _check_graph_settings(name: str, settings: BenchSettings) -> None:
    for setting, value, wanted in (
        ("device", settings.device, "cpu"),
        ("dtype", settings.dtype, "float32"),
        ("compile", settings.compile, False),
    ):
        if value != wanted:
            problem = f"is for models in torch, and {name} runs on the CPU, as it was exported; leave it out"
            raise ConfigError(setting, problem) if value is True else ConfigError(setting, problem, value=value)
