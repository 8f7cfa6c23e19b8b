"""Options that several commands share, as dataclasses that a command takes as one parameter.

    def flops(model: ModelOptions, common: CommonOptions, sizes: ... = ...) -> int | None: ...
    register(app, "flops", flops)

Each field of an option group becomes an option of the command; the body receives the group whole.
"""

import copy
import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import ArgumentInfo, OptionInfo

from convneur_cli.errors import reported
from convneur_cli.output import Printer
from convneur_cli.outputs import refuse_inputs

__all__ = ["CommonOptions", "Group", "Layout", "MaxPixels", "option_group", "register"]

_MARK = "__option_group__"
_Group = TypeVar("_Group")


def option_group(cls: type[_Group]) -> type[_Group]:
    """Mark a dataclass whose fields, `Annotated[..., typer.Option(...)]` with defaults, are options."""
    setattr(cls, _MARK, True)
    return cls


@option_group
@dataclasses.dataclass(frozen=True)
class CommonOptions:
    """What every command takes."""

    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, nothing else.")] = False
    force: Annotated[bool, typer.Option("--force", help="Overwrite outputs that exist.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no notes.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False

    _typed = MappingProxyType[str, str]({})  # a parameter's name -> what is typed for it; no field, so no option

    def naming(self, typed: Mapping[str, str]) -> None:
        """Set what is typed for the command's parameters, for the words of its printer."""
        object.__setattr__(self, "_typed", MappingProxyType(dict(typed)))

    def printer(self) -> Printer:
        return Printer(json=self.json, quiet=self.quiet, typed=self._typed)


MaxPixels = Annotated[
    int,
    typer.Option(min=1, help="Images and label maps of more pixels are refused, by their headers.", metavar="N"),
]


class _PlainFlags:
    """Commands whose help lists --json, not --json <bool>: a flag takes no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class _Command(_PlainFlags, TyperCommand):
    pass


class Group(_PlainFlags, TyperGroup):
    """The class for a typer.Typer of commands."""


def _as_typed(parameter: inspect.Parameter) -> str:
    """What a person types for a parameter: --mem-dim, or PREDS."""
    (about,) = (each for each in parameter.annotation.__metadata__ if isinstance(each, (OptionInfo, ArgumentInfo)))
    if isinstance(about, ArgumentInfo):
        return about.metavar or parameter.name.upper()
    # Inside Annotated, typer.Option takes its first name for a default.
    declared = [*([about.default] if isinstance(about.default, str) else []), *(about.param_decls or ())]
    return declared[0].split("/")[0] if declared else "--" + parameter.name.replace("_", "-")


class Layout(NamedTuple):
    """How the help of a command with many options is laid out.

    first: the options that matter, in order, in the unnamed panel. panels: parameter of an option group -> the panel of
    its options; those of other groups stay in their own.
    """

    first: tuple[str, ...] = ()
    panels: Mapping[str, str] = MappingProxyType({})

    def place(self, group: str, name: str, kind: Any) -> Any:
        """The annotation of an option of a group, in its panel."""
        if name not in self.first and group not in self.panels:
            return kind
        about = copy.copy(next(each for each in kind.__metadata__ if isinstance(each, OptionInfo)))
        about.rich_help_panel = None if name in self.first else self.panels[group]
        return Annotated[kind.__origin__, about]

    def order(self, plain: list[inspect.Parameter], shared: list[inspect.Parameter]) -> list[inspect.Parameter]:
        """The parameters as the help lists them; plain: the command's own; shared: of its option groups."""
        if not self.first:
            return plain + shared
        rank = {name: place for place, name in enumerate(self.first)}
        return sorted(shared + plain, key=lambda parameter: rank.get(parameter.name, len(rank)))


def register(app: typer.Typer, name: str, body: Callable[..., int | None], layout: Layout | None = None) -> None:
    """Make `body` a command: expand its option groups, report its errors, exit with the code it returns.

    The function must take a parameter `common: CommonOptions`; its docstring is the command's help.
    """
    layout = layout or Layout()
    hints = typing.get_type_hints(body, include_extras=True)
    groups: dict[str, Any] = {}
    plain: list[inspect.Parameter] = []
    shared: list[inspect.Parameter] = []
    for parameter in inspect.signature(body).parameters.values():
        kind = hints[parameter.name]
        if not getattr(kind, _MARK, False):
            plain.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = kind
        field_hints = typing.get_type_hints(kind, include_extras=True)
        shared += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=layout.place(parameter.name, field.name, field_hints[field.name]),
            )
            for field in dataclasses.fields(kind)
        ]

    typed = [parameter for parameter in plain + shared if parameter.annotation is not typer.Context]
    names = {parameter.name: _as_typed(parameter) for parameter in typed}

    @functools.wraps(body)
    def run(**values: Any) -> None:
        given = dict(values)
        # All taken before any is put: a group may bear the name of another one's field.
        values |= {
            name: kind(**{field.name: values.pop(field.name) for field in dataclasses.fields(kind)})
            for name, kind in groups.items()
        }
        values["common"].naming(names)
        with reported(debug=values["common"].debug, options=names):
            refuse_inputs(given, names)
            code = body(**values)
            if code:
                raise typer.Exit(code)

    parameters = layout.order(plain, shared)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app.command(name, cls=_Command)(run)
