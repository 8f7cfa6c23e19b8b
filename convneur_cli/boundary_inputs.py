"""Which pairs eval-boundary scores and how their files are read: the options for it, and what they come to."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convneur.errors import InputError
from convneur_cli.errors import UsageError, existing_path
from convneur_cli.options import option_group
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.data.pairs import Pairing
    from convneur.data.presets import Preset
    from convneur.data.reading import Reading

__all__ = ["InputOptions", "Inputs", "read_class_names", "warn_of_unpaired", "whole"]


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
class InputOptions:
    """What says which files belong together and what they hold; what is typed overrides what a preset says."""

    preset: Annotated[
        Literal["ade20k", "cityscapes", "voc", "camvid", "coco-stuff"] | None,
        typer.Option(help="Data set: classes, ignored label, what stored ids and colours mean, names of files."),
    ] = None
    num_classes: Annotated[
        int | None,
        typer.Option(
            help="Classes are 0 to this - 1.", metavar="N", show_default="the preset's, or highest label of GT + 1"
        ),
    ] = None
    classes: Annotated[
        Path | None, typer.Option(help="Names of the classes, one per line.", metavar="FILE", readable=False)
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

    def ignored(self) -> int | None:
        """The label that is ignored, None for none."""
        if self.ignore_index is None:
            preset = self._preset()
            return preset.ignore_index if preset else 255
        return None if self.ignore_index == "none" else whole("--ignore-index", self.ignore_index)

    def open(self, predictions: Path | None, ground_truth: Path | None) -> Inputs:
        """Find the pairs, read what describes them. Raises: UsageError, InputError: see each option."""
        from convneur.data.colours import read_colour_table
        from convneur.data.pairs import paged
        from convneur.data.reading import Reading

        colours = read_colour_table(existing_path(self.colours)) if self.colours else None
        preset = self._preset()
        names, classes_from = self._names(preset.names if preset else colours.names if colours else None)
        if colours and names:
            colours = colours.renumbered(names)
        reading = Reading(self.ignored(), preset, colours, self.resize is not None)
        return Inputs(paged(self._pairing(predictions, ground_truth)), reading, names, classes_from)

    def _preset(self) -> "Preset | None":
        from convneur.data.presets import PRESETS

        return PRESETS[self.preset] if self.preset else None

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
        preset = self._preset()
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


def whole(option: str, typed: str) -> int:
    """The whole number that was typed. Raises: UsageError."""
    try:
        return int(typed)
    except ValueError:
        raise UsageError(f"{option} {typed}: must be a whole number") from None


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


def read_class_names(path: Path) -> list[str]:
    """The names in a file, a line each. Raises: InputError: no text, a name twice, an empty line."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; write one class name per line") from None
    if not names:
        raise InputError(f"{path}: is empty; write one class name per line")
    for number, name in enumerate(names, start=1):
        if not name or name in names[: number - 1]:
            raise InputError(f"{path}: line {number} is {'a repetition' if name else 'empty'}; name each class once")
    return names
