"""The options that say what a data set's label maps hold, shared by every command that reads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convneur.data.limits import MAX_PIXELS
from convneur.data.presets import PRESETS
from convneur_cli.errors import UsageError
from convneur_cli.options.common import MaxPixels, option_group

__all__ = ["DataSetOptions", "FollowLinks", "whole"]

if TYPE_CHECKING:
    PresetName = str
else:
    PresetName = Literal[tuple(PRESETS)]  # typer refuses other names and lists these


FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links",
        help="Read what links lead to that lead out of a folder, as in a Hugging Face cache or with DVC.",
    ),
]


@option_group
@dataclass(frozen=True)
class DataSetOptions:
    """Which classes there are, which label is ignored, how large files may be. What is typed goes before a preset."""

    preset: Annotated[
        PresetName | None,
        typer.Option(help="Data set: classes, ignored label, what stored ids and colours mean, names of files."),
    ] = None
    # readable=False: a file without permission to read it is a failure of that file, not wrong usage.
    classes: Annotated[
        Path | None,
        typer.Option(
            help="Names of the classes: a line each, or CSV, JSON or YAML with their numbers.",
            metavar="FILE",
            readable=False,
        ),
    ] = None
    ignore_index: Annotated[
        str | None,
        typer.Option(
            help="Ground-truth label that does not count.", metavar="LABEL|none", show_default="the preset's, or 255"
        ),
    ] = None
    colours: Annotated[
        Path | None,
        typer.Option(
            help="What the colours of RGB maps mean: a line R G B name each, CSV or JSON.",
            metavar="FILE",
            readable=False,
        ),
    ] = None
    follow_links: FollowLinks = False
    max_pixels: MaxPixels = MAX_PIXELS


def whole(option: str, typed: str) -> int:
    """The whole number that was typed. Raises: UsageError."""
    try:
        return int(typed)
    except ValueError:
        raise UsageError(f"{option} {typed}: must be a whole number") from None
