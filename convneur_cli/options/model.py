"""The options that describe a model, shared by every command that builds one."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from convneur.errors import ConfigError
from convneur.variants import (
    ConvNeurConfig,
    Fusion,
    GlobalBranchName,
    Head,
    Order,
    Placement,
    Read,
    find_config,
)
from convneur_cli.errors import UsageError
from convneur_cli.options.common import option_group

__all__ = ["AnyModelOptions", "LayersModelOptions", "ModelOptions", "ModelsOptions", "SettingOptions"]

_PANEL = "Model"


def _four(option: str, typed: str) -> int | tuple[int, ...]:
    """`196`, or `196,196,98,49` for the four stages."""
    try:
        values = tuple(int(part) for part in typed.split(","))
    except ValueError:
        values = ()
    if len(values) not in (1, 4):
        raise UsageError(f"{option} {typed!r}: give a whole number, or four with commas between")
    return values[0] if len(values) == 1 else values


@dataclass(frozen=True)
class _OneName:
    model: Annotated[
        str | None,
        typer.Option(help="m1 to m4, or a JSON file of settings.", show_default="m1", rich_help_panel=_PANEL),
    ] = None


@dataclass(frozen=True)
class _SomeNames:
    models: Annotated[
        str,
        typer.Option(
            "--model", help="m1 to m4, several with commas, all, or a JSON file of settings.", rich_help_panel=_PANEL
        ),
    ] = "all"


@dataclass(frozen=True)
class _AnyNames:
    models: Annotated[
        str,
        typer.Option(
            "--model",
            help="m1 to m4, several with commas, all, or a JSON file of settings. Any other model: "
            "package.module:factory, file.py:factory or timm/NAME.",
            rich_help_panel=_PANEL,
        ),
    ] = "m1"


@dataclass(frozen=True)
class _Settings:
    """Every option left out keeps the value of the variant, the preset, or the file."""

    memory: Annotated[
        Placement | None,
        typer.Option(help="Which blocks have a global branch.", show_default="per-stage", rich_help_panel=_PANEL),
    ] = None
    global_branch: Annotated[
        GlobalBranchName | None,
        typer.Option(help="What the global branch computes.", show_default="neural-memory", rich_help_panel=_PANEL),
    ] = None
    fusion: Annotated[
        Fusion | None,
        typer.Option(help="How global and local features are combined.", show_default="gating", rich_help_panel=_PANEL),
    ] = None
    mem_dim: Annotated[
        int | None,
        typer.Option(help="Width C_m of the global branch.", show_default="the variant's", rich_help_panel=_PANEL),
    ] = None
    chunk_length: Annotated[
        str | None,
        typer.Option(
            help="Tokens per chunk of the memory; one number, or four for the stages.",
            show_default="196",
            rich_help_panel=_PANEL,
        ),
    ] = None
    min_chunks: Annotated[
        int | None,
        typer.Option(
            help="Shorten chunks until an image has about this many.", show_default="1", rich_help_panel=_PANEL
        ),
    ] = None
    chunks: Annotated[
        str | None,
        typer.Option(
            help="Chunks per image, whatever its size; one number, or four for the stages.",
            show_default="by length",
            rich_help_panel=_PANEL,
        ),
    ] = None
    memory_layers: Annotated[
        int | None,
        typer.Option(
            help="Layers of the memory: 1, a matrix; 2, a small perceptron.", show_default="1", rich_help_panel=_PANEL
        ),
    ] = None
    read: Annotated[
        Read | None,
        typer.Option(
            help="Which state of the memory a chunk reads: before its own write, after it, or the image's final one.",
            show_default="before",
            rich_help_panel=_PANEL,
        ),
    ] = None
    order: Annotated[
        Order | None,
        typer.Option(
            help="Which tokens make a chunk: neighbours (raster), or every T-th (strided).",
            show_default="raster",
            rich_help_panel=_PANEL,
        ),
    ] = None
    model_preset: Annotated[
        Literal["classification", "dense"] | None,
        typer.Option(
            help="The paper's chunk length: 196 for classification, 4096 for dense prediction.",
            show_default="classification",
            rich_help_panel=_PANEL,
        ),
    ] = None
    head: Annotated[
        Head | None,
        typer.Option(
            help="What follows the backbone. A dense head has ADE20K's 150 classes; in training, those of the data.",
            show_default="classifier; light-fpn to train segmentation",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The settings that were typed, as `find_config` takes them."""
        typed: dict[str, Any] = {} if self.model_preset is None else {"model_preset": self.model_preset}
        for name in ("memory", "global_branch", "fusion", "mem_dim", "min_chunks", "memory_layers", "read", "order"):
            if getattr(self, name) is not None:
                typed[name] = getattr(self, name)
        for name in ("chunk_length", "chunks"):
            if getattr(self, name) is not None:
                typed[name] = _four("--" + name.replace("_", "-"), getattr(self, name))
        if self.head is not None:
            typed["head"] = self.head
        return typed


@option_group
@dataclass(frozen=True)
class ModelOptions(_Settings, _OneName):
    """One ConvNeur."""

    def single(self) -> tuple[str, ConvNeurConfig]:
        """The model's name as typed, and its config.

        Raises: UsageError: an unknown name, several, or another model; ConfigError: settings no model can have;
            InputError: a broken file.
        """
        name = "m1" if self.model is None else self.model
        if ":" in name or name.startswith("timm/"):
            raise UsageError(f"--model {name}: this command takes ConvNeur alone: m1 to m4, or a .json file")
        if "," in name or name == "all":
            raise UsageError(f"--model {name}: this command takes one model")
        base = find_config(name)
        try:
            return name, find_config(base, **self.settings())
        except ConfigError as error:
            if error.setting in self.settings():
                raise  # named by its option where it is reported
            raise UsageError(f"--model {name}: {error}") from error


@option_group
@dataclass(frozen=True)
class LayersModelOptions(ModelOptions):
    """One ConvNeur, or any model where layers are looked at by name."""

    model: Annotated[
        str | None,
        typer.Option(
            help="m1 to m4, or a JSON file of settings. For layers by name any model: package.module:factory, "
            "file.py:factory or timm/NAME.",
            show_default="m1",
            rich_help_panel=_PANEL,
        ),
    ] = None


@option_group
@dataclass(frozen=True)
class ModelsOptions(_Settings, _SomeNames):
    """Several ConvNeurs: all, where other commands take one."""


@option_group
@dataclass(frozen=True)
class AnyModelOptions(_Settings, _AnyNames):
    """Several models, those of others too."""


@option_group
@dataclass(frozen=True)
class SettingOptions(_Settings):
    """Those of a ConvNeur that is named by an argument."""
