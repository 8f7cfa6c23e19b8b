"""What eval-boundary scores instead of pairs of label maps: sequences of frames, or panoptic maps."""

import dataclasses
from collections.abc import Collection
from typing import Annotated, Any, Literal

import typer

from convneur_cli.errors import UsageError
from convneur_cli.options.common import option_group
from convneur_cli.options.evaluation import parts

__all__ = ["ModeOptions", "ProbabilityOptions", "refuse_others"]

_MODES = "Sequences and panoptic maps"
_PROBABILITIES = "Probability maps"


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


@option_group
@dataclasses.dataclass(frozen=True)
class ProbabilityOptions:
    """How predictions that are probabilities become label maps."""

    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="PREDS are probabilities: NPY or NPZ of floats, (height, width) or (classes, height, width), or grey "
            "PNG of 8 or 16 bits.",
            rich_help_panel=_PROBABILITIES,
        ),
    ] = False
    threshold: Annotated[
        str | None,
        typer.Option(
            help="Probability from which on a pixel is class 1; several, as 0.3,0.5,0.7, are scored one by one.",
            metavar="LIST",
            show_default="0.5",
            rich_help_panel=_PROBABILITIES,
        ),
    ] = None
    best_by: Annotated[
        str | None,
        typer.Option(
            help="Which metric says which of several thresholds is best, such as miou or boundary_f1@3px.",
            metavar="METRIC",
            show_default="the first metric",
            rich_help_panel=_PROBABILITIES,
        ),
    ] = None

    def thresholds(self) -> list[float]:
        """Those typed, none for the default. Raises: UsageError: what is no number, an option without its own."""
        if self.threshold is not None and not self.probabilities:
            raise UsageError(f"--threshold {self.threshold}: is for probability maps; add --probabilities")
        found = []
        for part in [] if self.threshold is None else parts(self.threshold):
            try:
                found.append(float(part))
            except ValueError:
                raise UsageError(f"--threshold {self.threshold}: give numbers from 0 to 1, such as 0.3,0.5") from None
        if self.best_by is not None and len(found) < 2:
            raise UsageError("--best-by: chooses among several thresholds; give --threshold as 0.3,0.5,0.7")
        return found


_OPTIONS = {"listed": "--list", "groups": "--group"}  # named otherwise than their fields


def refuse_others(mode: str, groups: Collection[Any], kept: Collection[str]) -> None:
    """Raise UsageError for an option that says nothing in a mode. kept: those that do."""
    for group in groups:
        for field in dataclasses.fields(group):
            if field.name not in kept and getattr(group, field.name) != field.default:
                option = _OPTIONS.get(field.name, f"--{field.name.replace('_', '-')}")
                raise UsageError(f"{option}: says nothing with {mode}; leave it out")
