"""The options that describe a net, shared by every command that builds one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convneur.errors import ConfigError
from convneur.variants import (
    VARIANTS,
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

if TYPE_CHECKING:
    from convneur.cost import ForeignNet

__all__ = ["PANEL", "ModelOptions", "foreign_import_notes", "load_net"]

PANEL = "The net"
_FOREIGN = "package.module:factory or timm/NAME"


def _four(option: str, typed: str) -> int | tuple[int, ...]:
    """`196`, or `196,196,98,49` for the four stages."""
    try:
        values = tuple(int(part) for part in typed.split(","))
    except ValueError:
        values = ()
    if len(values) not in (1, 4):
        raise UsageError(f"{option} {typed!r}: give a whole number, or four with commas between")
    return values[0] if len(values) == 1 else values


def load_net(option: str, name: str) -> "ConvNeurConfig | ForeignNet":
    """A net by its name, ours without any settings or another; importing another's module runs its code.

    Raises: UsageError: an unknown name; InputError: a broken file or module.
    """
    if not _is_foreign(name):
        return _own(option, name, f"a .json file of settings, {_FOREIGN}")
    from convneur.cost import load_foreign

    try:
        return load_foreign(name)
    except ConfigError as error:
        raise UsageError(f"{option} {error.value}: {error.problem}") from error


def foreign_import_notes(names: Iterable[str]) -> list[str]:
    """What to tell before nets of these names are loaded: whose code will run."""
    modules = dict.fromkeys(name.split(":")[0].split("/")[0] for name in names if _is_foreign(name))
    return [f"importing {module}, which runs its code" for module in modules]


def _is_foreign(name: str) -> bool:
    return name.startswith("timm/") or (":" in name and not name.endswith(".json"))


def _own(option: str, name: str, others: str) -> ConvNeurConfig:
    try:
        return find_config(name)
    except ConfigError as error:
        problem = error.problem if name.endswith(".json") else f"choose {', '.join(VARIANTS)}, {others}"
        raise UsageError(f"{option} {name or repr(name)}: {problem}") from error


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@option_group
@dataclass(frozen=True)
class ModelOptions:
    """Which net; every option left out keeps the value of the variant, the preset, or the file."""

    model: Annotated[
        str | None,
        typer.Option(
            help="m1 to m4, several with commas, all, or a JSON file of settings. Where nets are counted or timed, any "
            "other too: package.module:factory or timm/NAME.",
            show_default="m1",
            rich_help_panel=PANEL,
        ),
    ] = None
    memory: Annotated[
        Placement | None,
        typer.Option(help="Which blocks have a global branch.", show_default="per-stage", rich_help_panel=PANEL),
    ] = None
    global_branch: Annotated[
        GlobalBranchName | None,
        typer.Option(help="What it holds.", show_default="neural-memory", rich_help_panel=PANEL),
    ] = None
    fusion: Annotated[
        Fusion | None,
        typer.Option(help="How it meets the local features.", show_default="gating", rich_help_panel=PANEL),
    ] = None
    mem_dim: Annotated[
        int | None, typer.Option(help="Its width C_m.", show_default="the variant's", rich_help_panel=PANEL)
    ] = None
    chunk_length: Annotated[
        str | None,
        typer.Option(help="Tokens per chunk; four for the stages.", show_default="196", rich_help_panel=PANEL),
    ] = None
    min_chunks: Annotated[
        int | None,
        typer.Option(help="Shorten chunks to 1/N of the tokens, rounded up.", show_default="1", rich_help_panel=PANEL),
    ] = None
    chunks: Annotated[
        str | None,
        typer.Option(
            help="Chunks of 1/N of the tokens, rounded up; four for the stages.",
            show_default="by length",
            rich_help_panel=PANEL,
        ),
    ] = None
    memory_layers: Annotated[
        int | None, typer.Option(help="1, a matrix; 2, a small perceptron.", show_default="1", rich_help_panel=PANEL)
    ] = None
    read: Annotated[
        Read | None,
        typer.Option(help="The state a chunk reads.", show_default="before", rich_help_panel=PANEL),
    ] = None
    order: Annotated[
        Order | None,
        typer.Option(help="Which tokens make a chunk.", show_default="raster", rich_help_panel=PANEL),
    ] = None
    model_preset: Annotated[
        Literal["classification", "dense"] | None,
        typer.Option(
            help="The paper's chunk length: 196 or 4096.",
            show_default="classification",
            rich_help_panel=PANEL,
        ),
    ] = None
    head: Annotated[
        Head | None,
        typer.Option(
            help="What follows the backbone; the dense ones of ADE20K's 150 classes.",
            show_default="classifier",
            rich_help_panel=PANEL,
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
                typed[name] = _four(_option(name), getattr(self, name))
        if self.head is not None:
            typed["head"] = self.head
        return typed

    def names(self) -> tuple[str, ...]:
        """The nets asked for, by the names they were asked by; a name given twice is one."""
        typed = [name.strip() for name in ("m1" if self.model is None else self.model).split(",")]
        return tuple(dict.fromkeys(each for name in typed for each in (VARIANTS if name == "all" else (name,))))

    def foreign_names(self) -> tuple[str, ...]:
        """Those of them that are no ConvNeur: by an import string, or in timm."""
        return tuple(name for name in self.names() if _is_foreign(name))

    def configs(self) -> dict[str, ConvNeurConfig]:
        """Each net asked for, by the name it was asked by.

        Raises: UsageError: an unknown name, or a net that is no ConvNeur; ConfigError: settings no net can have;
            InputError: a broken file.
        """
        for name in self.foreign_names():
            raise UsageError(f"--model {name}: this command takes ConvNeur alone: m1 to m4, or a .json file")
        return {name: self._changed(name, "all, or a .json file of settings") for name in self.names()}

    def nets(self) -> "dict[str, ConvNeurConfig | ForeignNet]":
        """Each net asked for, by the name it was asked by, any other net too; the settings are for ConvNeur.

        Raises: UsageError: an unknown name, or settings without a ConvNeur; otherwise as `configs`.
        """
        settings = self.settings()
        foreign = self.foreign_names()
        if settings and len(foreign) == len(self.names()):
            first = _option(next(iter(settings)))
            raise UsageError(f"{first}: is a setting of ConvNeur, which --model {self.model} is not; leave it out")
        others = f"all, a .json file of settings, {_FOREIGN}"
        own = {name: self._changed(name, others) for name in self.names() if name not in foreign}
        loaded = {name: load_net("--model", name) for name in foreign}  # last: this runs others' code
        return {name: own[name] if name in own else loaded[name] for name in self.names()}

    def _changed(self, name: str, others: str) -> ConvNeurConfig:
        base = _own("--model", name, others)
        with self.naming_options(name):
            return find_config(base, **self.settings())

    @contextmanager
    def naming_options(self, name: str) -> Iterator[None]:
        """Where a setting is wrong that was not typed, say which model has it.

        Raises: UsageError: in place of the ConfigError that the block raised.
        """
        try:
            yield
        except ConfigError as error:
            if error.setting in self.settings():
                raise  # named by its option where it is reported
            raise UsageError(f"--model {name}: {error}") from error

    def single(self) -> tuple[str, ConvNeurConfig]:
        """The one net, for commands that take one."""
        configs = self.configs()
        if len(configs) != 1:
            raise UsageError(f"--model {self.model}: this command takes one net")
        return next(iter(configs.items()))
