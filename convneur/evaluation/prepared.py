"""What looks wrong in how the files of a set were prepared, in words that name the arguments that mend it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from convneur.data.colours import Colour
from convneur.data.palettes import palette_of
from convneur.data.presets import Preset
from convneur.data.relabelling import relabelling
from convneur.errors import ConfigError
from convneur.evaluation.inputs import Inputs, InputSettings
from convneur.metrics.setup_checks import LAST_LABEL, SetupWarning, as_ranges

__all__ = ["setup_lines"]

_LOOKED_AT = 8  # files of each side whose palettes are read


def setup_lines(
    found: Sequence[SetupWarning], inputs: Inputs, asked: InputSettings, second: str | None = None
) -> list[str]:
    """Lines for people. found: by the labels alone; second: what a second model is called, None for the first."""
    lines = [*_same_files(inputs)]
    palettes = _palettes(inputs)
    changing = _changing_palettes(palettes)
    pred_labels, _ = asked.relabellings()
    for warning in found:
        if warning.moved and changing:
            continue  # one table for all files would be wrong of most
        if warning.kind == "exchanged" and second is None and pred_labels and pred_labels.ignores:
            continue  # they hold the ignored label because that was asked for
        if warning.kind == "copy" and lines:
            continue  # said of the files
        if warning.kind == "void" and asked.known:
            continue  # the data set says what counts
        if warning.kind in ("numbered", LAST_LABEL) and inputs.class_source != "labels":
            continue  # the labels are classes, of which the model finds one
        told = _by_preset(warning, asked.known, inputs) or _by_palette(warning, palettes) or warning
        lines.append(f"{told.problem}; {_mend(told, asked, alone=second is None)}")
    lines += changing
    return [f"`against {second}`: {line}" for line in lines] if second else lines


def _mend(warning: SetupWarning, asked: InputSettings, *, alone: bool) -> str:
    """The arguments to add, what was given already included; in words what no argument does.

    alone: of the first model, whose predictions `pred_labels` is meant for.
    """
    added, anew = [], False
    for setting, before, table in zip(
        ("pred_labels", "gt_labels"), asked.relabellings(), (warning.pred_labels, warning.gt_labels), strict=True
    ):
        try:
            then = relabelling(setting, table)
        except ConfigError:
            return warning.mend  # labels of more digits than an option takes
        if then is None:
            continue
        if setting == "pred_labels" and asked.probabilities:
            if not then.shift:
                return "write 1 - p, or the probability of the class that the ground truth calls 1"
            return f"{'give' if asked.gt_labels else 'add'} `gt_labels {-then.shift:+d}`"
        whole = before.followed_by(then) if before else then
        anew = anew or before is not None
        if whole is None or (setting == "pred_labels" and not alone):
            return warning.mend if alone else f"score it by itself with `{setting} {table}`, or write its labels anew"
        added.append(f"`{setting} {whole}`")
    if warning.ignore_index:
        added.append(f"`ignore_index {warning.ignore_index}`")
    if not added:
        return warning.mend
    return f"{'give' if anew else 'add'} {' '.join(added)}"


def _same_files(inputs: Inputs) -> list[str]:
    pairs = [pair for pair in inputs.pairing.pairs if isinstance(pair.pred, Path) and isinstance(pair.gt, Path)]
    same = [pair.name for pair in pairs if _same(pair.pred, pair.gt)]
    if not same:
        return []
    are = (
        "1 prediction is the ground-truth file itself"
        if len(same) == 1
        else f"{len(same)} predictions are ground-truth files"
    )
    return [f"{are} ({same[0]}); give the model's predictions"]


def _same(pred: object, gt: object) -> bool:
    assert isinstance(pred, Path)
    assert isinstance(gt, Path)
    try:
        return pred.samefile(gt)
    except OSError:
        return False  # said where it is read


def _by_preset(warning: SetupWarning, preset: Preset | None, inputs: Inputs) -> SetupWarning | None:
    """The warning, where the labels lie as the data set's ids would have them.

    Choice: of ground truth that holds classes already each predicted class c lies at ids[c]; so it does where the
        predictions hold stored ids, but then none of them is a stored id that is ignored.
    """
    ids = next((naming.ids for naming in preset.gt if naming.ids), None) if preset else None
    if preset is None or ids is None or not warning.moved:
        return None
    moved = warning.moved
    classes = {k: label for label, k in ids.items() if k is not None}
    if _translated(preset, inputs):
        # As which classes labels are read is said of those in the files, which are ids here.
        problem, table = "the predictions number the classes in another way than their names say", None
        known = {pred: gt for pred, gt in moved.items() if pred in classes}
        if known and all(classes[pred] == gt for pred, gt in known.items()):
            problem = "the predictions hold classes already, but their names say stored ids of this preset"
            table = as_ranges(classes)
        return SetupWarning("preset", problem, "write the classes or the ids that the names say", pred_labels=table)
    if all(ids.get(ids.get(label, -1) or -1) == to for label, to in moved.items()):
        problem = "the labels lie where stored ids of this preset would be predictions, and classes ground truth"
        return SetupWarning("exchanged", problem, "give the predictions first, then the ground truth")
    if not all(ids.get(label) == to for label, to in moved.items()):
        return None
    if any(ids.get(label) is None for label in warning.seen):
        shifts = {label - k for k, label in classes.items()}
        stored = f"{shifts.pop():+d}" if len(shifts) == 1 else as_ranges(classes)
        problem = "the ground truth holds classes already, not the stored ids of this preset"
        return SetupWarning("preset", f"{problem}: {warning.problem}", "", gt_labels=stored)
    table = (
        warning.pred_labels if warning.kind == "shift" else as_ranges({k: v for k, v in ids.items() if v is not None})
    )
    return SetupWarning("preset", warning.problem, warning.mend, pred_labels=table)


def _translated(preset: Preset, inputs: Inputs) -> bool:
    """Whether the predictions' names say that they hold stored ids."""
    pred = inputs.pairing.pairs[0].pred
    naming = next((naming for naming in preset.pred if pred.stem.endswith(naming.suffix)), None)
    return naming is not None and naming.ids is not None


Palettes = tuple[list[tuple[Colour, ...]], list[tuple[Colour, ...]]]


def _palettes(inputs: Inputs) -> Palettes:
    """Of some files of each side, predictions first, those that have one."""
    pairs = inputs.pairing.pairs
    chosen = pairs[:: max(len(pairs) // _LOOKED_AT, 1)][:_LOOKED_AT]
    sides = ([palette_of(pair.pred) for pair in chosen], [palette_of(pair.gt) for pair in chosen])
    preds, gts = ([palette for palette in side if palette] for side in sides)
    return preds, gts


def _by_palette(warning: SetupWarning, palettes: Palettes) -> SetupWarning | None:
    """The warning, where the palettes say the same as the labels."""
    preds, gts = palettes
    if not warning.moved or not preds or not gts:
        return None
    pred, gt = preds[0], gts[0]
    if not all(_colour(pred, label) == _colour(gt, to) is not None for label, to in warning.moved.items()):
        return None
    problem = f"the palettes of predictions and ground truth number the same colours differently: {warning.problem}"
    return dataclasses.replace(warning, kind="palettes", problem=problem)


def _changing_palettes(palettes: Palettes) -> list[str]:
    """Palettes that have the same colours in another order from file to file, as those that are sorted by frequency."""
    lines = []
    for words, side in zip(("predictions'", "ground truth's"), palettes, strict=True):
        if len(set(side)) > 1 and _reordered(side):
            lines.append(
                f"the {words} palettes number the same colours differently from file to file, as when colours are "
                "sorted by frequency; write them as RGB and give `colours` a table of them"
            )
    return lines


def _reordered(palettes: Sequence[tuple[Colour, ...]]) -> bool:
    numbers: Mapping[Colour, int] = {colour: k for k, colour in reversed(list(enumerate(palettes[0])))}
    for palette in palettes[1:]:
        shared = [(numbers[colour], palette.index(colour)) for colour in set(palette) if colour in numbers]
        if sum(a != b for a, b in shared) >= 2:
            return True
    return False


def _colour(palette: tuple[Colour, ...], label: int) -> Colour | None:
    return palette[label] if 0 <= label < len(palette) else None
