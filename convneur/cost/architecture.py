"""A model's stages as they are built, with what one image costs: what the paper's Figure 2 shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convneur.errors import ConfigError
from convneur.formats import grouped, significant
from convneur.results import Result, Table
from convneur.sizes import Size, find_size
from convneur.variants import ConvNeurConfig

__all__ = ["Architecture", "Stage", "describe_architecture"]


@dataclass(frozen=True)
class Stage:
    """A stage as built, for one image size.

    height, width: of its maps; channels: C; stride: in pixels. has_global: for each block, whether it has a global
    branch. chunks, chunk_length: T and L of its memory, 0 without one.
    """

    stage: int
    height: int
    width: int
    channels: int
    stride: int
    has_global: tuple[bool, ...]
    chunks: int
    chunk_length: int


@dataclass(frozen=True)
class Architecture(Result):
    """A model as built, with what one image of height x width pixels costs by either convention.

    >>> import convneur
    >>> [stage.channels for stage in convneur.cost.describe_architecture("m1").stages]
    [40, 80, 160, 320]
    """

    name: str
    config: ConvNeurConfig
    height: int
    width: int
    params: int
    macs_full: int
    macs_paper: int
    stages: tuple[Stage, ...]

    def to_dict(self) -> dict[str, Any]:
        """By the schema convneur.figure-architecture/1, less the figure's file."""
        return {
            "schema": "convneur.figure-architecture/1",
            "name": self.name,
            "size": {"height": self.height, "width": self.width},
            "params": self.params,
            "macs": self.macs_full,
            "macs_paper": self.macs_paper,
            "stages": list(self.records()),
            "config": self.config.to_dict(),
        }

    def records(self) -> Sequence[Mapping[str, Any]]:
        return [asdict(stage) for stage in self.stages]

    def tables(self) -> Sequence[Table]:
        columns = ["stage", "map", "C", "blocks", "with a global branch", "chunks", "tokens per chunk"]
        rows = [
            [
                str(stage.stage),
                f"{stage.height}x{stage.width}",
                str(stage.channels),
                str(len(stage.has_global)),
                str(sum(stage.has_global)),
                str(stage.chunks or "-"),
                str(stage.chunk_length or "-"),
            ]
            for stage in self.stages
        ]
        return [Table(f"{self.name} at {self.height}x{self.width}", columns, rows, left=2)]

    def sentences(self) -> Sequence[str]:
        full, paper = (significant(macs / 1e9) for macs in (self.macs_full, self.macs_paper))
        cost = f"{full} GMACs, everything executed; {paper} by the paper's convention."
        return [f"{grouped(self.params)} parameters. {cost}"]


def describe_architecture(
    model: str | Path | ConvNeurConfig = "m1", *, size: Size = 224, **settings: Any
) -> Architecture:
    """Build a ConvNeur without its weights' memory, and read off what Figure 2 shows.

    Args:
        model: m1 to m4, a .json file of settings, or a `ConvNeurConfig`.
        size: of the image: a side in pixels, (height, width), or a text such as "512x2048"; sets maps and chunks.
        settings: as `convneur.variants.find_config` takes them.
    Raises: ConfigError: an unknown name, size or setting; InputError: a broken file, or a size that the model refuses.

    >>> import convneur
    >>> convneur.cost.describe_architecture("m3", size=(512, 768), min_chunks=8).stages[0].chunks
    126
    """
    import torch

    from convneur.cost.lookup import find_configs
    from convneur.cost.model_counter import ModelCounter
    from convneur.model.network import ConvNeur, stage_sizes

    height, width = find_size(size)
    found = find_configs(model, setting="model", **settings)
    if len(found) > 1:
        raise ConfigError("model", "give one model", value=",".join(found))
    ((name, config),) = found.items()
    counter = ModelCounter(config)
    cost = counter.at(height, width)
    with torch.device("meta"):
        built = ConvNeur(config)
    sizes, plans = stage_sizes(height, width, config.output_stride), built.chunk_plans(height, width)
    stages = tuple(
        Stage(
            stage=stage,
            height=rows,
            width=columns,
            channels=info["num_chs"],
            stride=info["reduction"],
            has_global=tuple(block.global_branch is not None for block in blocks.children()),
            chunks=0 if plan is None else plan.chunks,
            chunk_length=0 if plan is None else plan.length,
        )
        for stage, (blocks, info, (rows, columns), plan) in enumerate(
            zip(built.stages, built.feature_info, sizes, plans, strict=True), start=1
        )
    )
    return Architecture(name, config, height, width, counter.params, cost.macs_full, cost.macs_paper, stages)
