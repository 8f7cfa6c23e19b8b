"""What eval-boundary scores instead of pairs of label maps: sequences of frames, or panoptic maps."""

import dataclasses
from collections.abc import Collection
from typing import Annotated, Any, Literal

import typer

from convneur_cli.errors import UsageError
from convneur_cli.options.common import option_group

__all__ = ["ModeOptions", "refuse_others"]

_MODES = "Sequences and panoptic maps"


@option_group
@dataclasses.dataclass(frozen=True)
class ModeOptions:
    """What the inputs are, where they are no pairs of label maps."""

    sequences: Annotated[
        bool,
        typer.Option(
            "--sequences",
            help="PREDS and GT hold a folder of frames for each sequence, pixels are ids of objects: J&F as DAVIS has "
            "it.",
            rich_help_panel=_MODES,
        ),
    ] = False
    davis: Annotated[
        Literal["semi", "unsupervised"] | None,
        typer.Option(
            help="Sequences: ids are those of the first frame (semi), or are matched in each sequence.",
            show_default="semi",
            rich_help_panel=_MODES,
        ),
    ] = None
    panoptic: Annotated[
        bool,
        typer.Option(
            "--panoptic",
            help="PREDS and GT are JSON files in COCO's panoptic format, each beside the folder of its PNG files: PQ "
            "and Boundary PQ.",
            rich_help_panel=_MODES,
        ),
    ] = False

    @property
    def name(self) -> str | None:
        """The option that was given; None for pairs of label maps. Raises: UsageError: two, or one without its own."""
        if self.sequences and self.panoptic:
            raise UsageError("--panoptic: says something else than --sequences; give one of them")
        if self.davis is not None and not self.sequences:
            raise UsageError("--davis: is for sequences; add --sequences")
        return "--sequences" if self.sequences else "--panoptic" if self.panoptic else None


def refuse_others(mode: str, groups: Collection[Any], kept: Collection[str]) -> None:
    """Raise UsageError for an option that says nothing in a mode. kept: those that do."""
    for group in groups:
        for field in dataclasses.fields(group):
            if field.name not in kept and getattr(group, field.name) != field.default:
                option = "--list" if field.name == "listed" else f"--{field.name.replace('_', '-')}"
                raise UsageError(f"{option}: says nothing with {mode}; leave it out")
