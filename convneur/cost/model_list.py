"""The ConvNeurs there are, with what they cost at one size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.cost.counter import CountingError
from convneur.cost.lookup import Models, find_configs
from convneur.cost.model_counter import ModelCounter, RefusedSize, SizeCost
from convneur.formats import grouped, significant
from convneur.progress import Progress, silent
from convneur.results import Result, Table
from convneur.sizes import Size, find_size, size_name
from convneur.variants import ConvNeurConfig

__all__ = ["ListedModel", "ModelList", "list_models"]


@dataclass(frozen=True)
class ListedModel:
    """A model by its name; cost: by the full count, or why the size was refused."""

    name: str
    config: ConvNeurConfig
    params: int
    cost: SizeCost | RefusedSize

    def to_dict(self) -> dict[str, Any]:
        """The model's part of the schema convneur.models/1."""
        about = {"name": self.name, "params": self.params, "dims": self.config.dims, "mem_dim": self.config.mem_dim}
        if isinstance(self.cost, RefusedSize):
            return about | {"macs": None, "macs_paper": None, "chunks": None, "error": self.cost.error}
        cost = self.cost
        return about | {"macs": cost.macs, "macs_paper": cost.macs_paper, "chunks": cost.chunks, "error": None}


@dataclass(frozen=True)
class ModelList(Result):
    """Models and what one image of height x width pixels costs them.

    >>> import convneur
    >>> [model.name for model in convneur.cost.list_models(memory="none").models]
    ['m1', 'm2', 'm3', 'm4']
    """

    height: int
    width: int
    models: tuple[ListedModel, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each model that refused the size."""
        size = size_name(self.height, self.width)
        refused = ((model.name, model.cost) for model in self.models)
        return tuple(f"{name} at {size}: {cost.error}" for name, cost in refused if isinstance(cost, RefusedSize))

    def to_dict(self) -> dict[str, Any]:
        """By the schema convneur.models/1."""
        size = {"height": self.height, "width": self.width}
        return {"schema": "convneur.models/1", "size": size, "models": list(self.records())}

    def records(self) -> Sequence[Mapping[str, Any]]:
        return [model.to_dict() for model in self.models]

    def tables(self) -> Sequence[Table]:
        columns = ["model", "parameters", "widths", "C_m", "GMACs", "paper GMACs", "chunks in stages 1-4"]
        return [Table(f"ConvNeur at {self.height}x{self.width}", columns, [_cells(model) for model in self.models])]

    def sentences(self) -> Sequence[str]:
        said = [
            "GMACs: billions of multiply-adds, everything executed, memory updates in Gram form. paper GMACs: without "
            "the products of memory updates and of self-attention. FLOPs: two for each."
        ]
        if any(model.config.first_chunk_reads_start and 1 in _chunks(model) for model in self.models):
            said.append("A stage with one chunk reads the learned M_0 alone, which is the same for every image.")
        return said


def list_models(models: Models = "all", *, size: Size = 224, progress: Progress = silent, **settings: Any) -> ModelList:
    """Count ConvNeurs for one image.

    Args:
        models: "all", names such as "m1,m3", .json files of settings, `ConvNeurConfig`s.
        size: a side in pixels, (height, width), or a text such as "512x2048".
        settings: as `convneur.variants.find_config` takes them, for every model.
    Raises: ConfigError: an unknown name, size or setting, or a model that is no ConvNeur; InputError: a broken file.

    >>> import convneur
    >>> found = convneur.cost.list_models("m1, m2", size=224, memory="none")
    >>> {model.name: model.params for model in found.models}
    {'m1': 4116800, 'm2': 5817784}
    """
    height, width = find_size(size)
    found = find_configs(models, **settings)
    listed = []
    with progress.steps("counting", len(found)) as advance:
        for name, config in found.items():
            counter = ModelCounter(config)
            cost: SizeCost | RefusedSize
            try:
                cost = counter.at(height, width)
            except CountingError as error:
                cost = RefusedSize(height, width, str(error))
            listed.append(ListedModel(name, config, counter.params, cost))
            advance(f"counting {name}")
    return ModelList(height, width, tuple(listed))


def _chunks(model: ListedModel) -> tuple[int, ...]:
    return model.cost.chunks if isinstance(model.cost, SizeCost) else ()


def _cells(model: ListedModel) -> list[str]:
    config, cost = model.config, model.cost
    row = [model.name, grouped(model.params), " ".join(map(str, config.dims)), str(config.mem_dim)]
    if isinstance(cost, RefusedSize):
        return [*row, "refused", "-", "-"]
    chunks = " ".join(map(str, cost.chunks)) if any(cost.chunks) else "-"
    return [*row, significant(cost.macs_full / 1e9), significant(cost.macs_paper / 1e9), chunks]
