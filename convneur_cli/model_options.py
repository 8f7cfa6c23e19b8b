"""The options that describe a net, shared by every command that builds one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from convneur.errors import ConfigError, InputError
from convneur.variants import (
    PRESETS,
    VARIANTS,
    ConvNeurConfig,
    Fusion,
    GlobalBranchName,
    Head,
    Order,
    Placement,
    Read,
)
from convneur_cli.errors import UsageError
from convneur_cli.options import option_group

__all__ = ["ModelOptions"]

_PANEL = "The net"


def _four(option: str, typed: str) -> int | tuple[int, ...]:
    """`196`, or `196,196,98,49` for the four stages."""
    try:
        values = tuple(int(part) for part in typed.split(","))
    except ValueError:
        raise UsageError(f"{option} {typed}: give a whole number, or four with commas between") from None
    return values[0] if len(values) == 1 else values


@option_group
@dataclass(frozen=True)
class ModelOptions:
    """Which net; every option left out keeps the value of the variant, the preset, or the file."""

    model: Annotated[
        str | None,
        typer.Option(
            help="m1 to m4, several with commas, all, or a JSON file of settings.",
            show_default="m1",
            rich_help_panel=_PANEL,
        ),
    ] = None
    memory: Annotated[
        Placement | None,
        typer.Option(help="Which blocks have a global branch.", show_default="per-stage", rich_help_panel=_PANEL),
    ] = None
    global_branch: Annotated[
        GlobalBranchName | None,
        typer.Option(help="What it holds.", show_default="neural-memory", rich_help_panel=_PANEL),
    ] = None
    fusion: Annotated[
        Fusion | None,
        typer.Option(help="How it meets the local features.", show_default="gating", rich_help_panel=_PANEL),
    ] = None
    mem_dim: Annotated[
        int | None, typer.Option(help="Its width C_m.", show_default="the variant's", rich_help_panel=_PANEL)
    ] = None
    chunk_length: Annotated[
        str | None,
        typer.Option(help="Tokens per chunk; four for the stages.", show_default="196", rich_help_panel=_PANEL),
    ] = None
    min_chunks: Annotated[
        int | None,
        typer.Option(help="Shorten chunks until there are so many.", show_default="1", rich_help_panel=_PANEL),
    ] = None
    chunks: Annotated[
        str | None,
        typer.Option(
            help="A fixed number of chunks; four for the stages.",
            show_default="by length",
            rich_help_panel=_PANEL,
        ),
    ] = None
    memory_layers: Annotated[
        int | None, typer.Option(help="1, a matrix; 2, a small perceptron.", show_default="1", rich_help_panel=_PANEL)
    ] = None
    read: Annotated[
        Read | None,
        typer.Option(help="The state a chunk reads.", show_default="before", rich_help_panel=_PANEL),
    ] = None
    order: Annotated[
        Order | None,
        typer.Option(help="Which tokens make a chunk.", show_default="raster", rich_help_panel=_PANEL),
    ] = None
    model_preset: Annotated[
        Literal["classification", "dense"] | None,
        typer.Option(
            help="The paper's chunk length: 196 or 4096.",
            show_default="classification",
            rich_help_panel=_PANEL,
        ),
    ] = None
    head: Annotated[
        Head | None,
        typer.Option(
            help="What follows the backbone; the dense ones of ADE20K's 150 classes.",
            show_default="classifier",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The settings that were typed, by their names in ConvNeurConfig; the preset first, single options over it."""
        typed: dict[str, Any] = dict(PRESETS[self.model_preset]) if self.model_preset else {}
        for name in ("memory", "global_branch", "fusion", "mem_dim", "min_chunks", "memory_layers", "read", "order"):
            if getattr(self, name) is not None:
                typed[name] = getattr(self, name)
        for name in ("chunk_length", "chunks"):
            if getattr(self, name) is not None:
                typed[name] = _four("--" + name.replace("_", "-"), getattr(self, name))
        if self.head is not None:
            typed["head"] = self.head
            if self.head in ("semantic-fpn", "upernet"):
                typed["num_classes"] = 150
        return typed

    def configs(self) -> dict[str, ConvNeurConfig]:
        """Each net asked for, by the name it was asked by.

        Raises: UsageError: an unknown name; ConfigError: settings no net can have; InputError: a broken file.
        """
        names = (self.model or "m1").split(",")
        if names == ["all"]:
            names = list(VARIANTS)
        return {name: self._base(name.strip()).replace(**self.settings()) for name in names}

    def single(self) -> tuple[str, ConvNeurConfig]:
        """The one net, for commands that take one."""
        configs = self.configs()
        if len(configs) != 1:
            raise UsageError(f"--model {self.model}: this command takes one net")
        return next(iter(configs.items()))

    @staticmethod
    def _base(name: str) -> ConvNeurConfig:
        if name in VARIANTS:
            return VARIANTS[name]
        path = Path(name)
        if path.suffix != ".json":
            raise UsageError(f"--model {name}: choose {', '.join(VARIANTS)}, all, or a .json file of settings")
        if not path.exists():
            raise UsageError(f"--model {name}: no such file")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return ConvNeurConfig.from_dict(values)
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(f"{name}: cannot be read as JSON ({error})") from None
        except (ConfigError, AttributeError) as error:
            raise InputError(f"{name}: describes no ConvNeur ({error})") from None
