"""Which pairs eval-boundary scores and how their files are read: the options for it, and what they come to."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convneur.data.class_names import read_class_names
from convneur_cli.errors import UsageError, existing_path
from convneur_cli.options.common import option_group
from convneur_cli.options.data import DataSetOptions
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.data.pairs import Pairing
    from convneur.data.reading import Reading

__all__ = ["InputOptions", "Inputs", "warn_of_unpaired"]


@dataclasses.dataclass(frozen=True)
class Inputs:
    """names: of the classes, None if they have none; classes_from: what says how many classes there are."""

    pairing: "Pairing"
    reading: "Reading"
    names: list[str] | None
    classes_from: str


# readable=False below: a file without permission to read it is a failure of that file, not wrong usage.
@option_group
@dataclasses.dataclass(frozen=True)
class InputOptions(DataSetOptions):
    """What says which files belong together and what they hold; what is typed overrides what a preset says."""

    num_classes: Annotated[
        int | None,
        typer.Option(
            help="Classes are 0 to this - 1.", metavar="N", show_default="the preset's, or highest label of GT + 1"
        ),
    ] = None
    colours: Annotated[
        Path | None,
        typer.Option(
            help="What colours of RGB maps mean: a line R G B name each, CSV or JSON.", metavar="FILE", readable=False
        ),
    ] = None
    pred_name: Annotated[
        str | None,
        typer.Option(
            help="Names of predictions, such as {stem}_leftImg8bit; **/ in front: in whatever folder.",
            metavar="TEMPLATE",
            show_default="the preset's, or {stem}",
        ),
    ] = None
    gt_name: Annotated[
        str | None,
        typer.Option(
            help="Names of ground truths; {stem} is what a pair has in common.",
            metavar="TEMPLATE",
            show_default="the preset's, or {stem}",
        ),
    ] = None
    listed: Annotated[
        Path | None,
        typer.Option(
            "--list",
            help="The pairs, one per line: prediction, tab or comma, ground truth. Relative paths lead from PREDS and "
            "GT if given.",
            metavar="FILE",
            readable=False,
        ),
    ] = None
    missing: Annotated[Literal["error", "skip"], typer.Option(help="A ground truth without a prediction.")] = "error"
    resize: Annotated[
        Literal["nearest"] | None,
        typer.Option(help="Bring predictions of another size to the ground truth's.", show_default="an error"),
    ] = None

    def open(self, predictions: Path | None, ground_truth: Path | None) -> Inputs:
        """Find the pairs, read what describes them. Raises: UsageError, InputError: see each option."""
        from convneur.data.colours import read_colour_table
        from convneur.data.pairs import paged
        from convneur.data.reading import Reading

        colours = read_colour_table(existing_path(self.colours)) if self.colours else None
        preset = self.known()
        names, classes_from = self._names(preset.names if preset else colours.names if colours else None)
        if colours and names:
            colours = colours.renumbered(names)
        reading = Reading(self.ignored(), preset, colours, self.resize is not None)
        return Inputs(paged(self._pairing(predictions, ground_truth)), reading, names, classes_from)

    def _names(self, known: tuple[str, ...] | None) -> tuple[list[str] | None, str]:
        """Names of the classes, and what says how many there are."""
        if self.classes:
            names = read_class_names(existing_path(self.classes))
            if self.num_classes not in (None, len(names)):
                raise UsageError(
                    f"--num-classes {self.num_classes}: {self.classes} names {len(names)}; leave one of them out"
                )
            return names, "--classes"
        if self.num_classes is not None and (known is None or len(known) != self.num_classes):
            return None, "--num-classes"
        if known is None:
            return None, "highest ground-truth label + 1"
        return list(known), f"--preset {self.preset}" if self.preset else "--colours"

    def _pairing(self, predictions: Path | None, ground_truth: Path | None) -> "Pairing":
        from convneur.data.pairs import find_pairs, listed_pairs

        if self.listed:
            if self.pred_name or self.gt_name:
                raise UsageError("--list: names both files of a pair; leave --pred-name and --gt-name out")
            preds, gts = (existing_path(path) if path else Path() for path in (predictions, ground_truth))
            return listed_pairs(existing_path(self.listed), preds, gts, missing=self.missing)
        if predictions is None or ground_truth is None:
            raise UsageError("PREDS GT: give the predictions and the ground truth, or pairs of them with --list")
        preset = self.known()
        pred_names, gt_names = (
            [typed] if typed else [naming.template for naming in known] or ["{stem}"]
            for typed, known in (
                (self.pred_name, preset.pred if preset else ()),
                (self.gt_name, preset.gt if preset else ()),
            )
        )
        return find_pairs(
            existing_path(predictions),
            existing_path(ground_truth),
            missing=self.missing,
            pred_names=pred_names,
            gt_names=gt_names,
        )


def warn_of_unpaired(printer: Printer, pairing: "Pairing") -> None:
    """Say which files were left aside."""
    links = tuple(map(str, pairing.links))
    for names, kind, kinds, fate in (
        (pairing.without_gt, "prediction without a ground truth", "predictions without a ground truth", "ignored"),
        (pairing.without_pred, "ground truth without a prediction", "ground truths without a prediction", "skipped"),
        (links, "link out of the folder", "links out of the folder", "not followed"),
    ):
        if names:
            words = kind if len(names) == 1 else kinds
            printer.warn(f"{len(names)} {words}, {fate}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
