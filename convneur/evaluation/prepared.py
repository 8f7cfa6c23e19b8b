"""What looks wrong in how the files of a set were prepared, in words that name the arguments that mend it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from convneur.data.colours import Colour
from convneur.data.palettes import palette_of
from convneur.data.presets import Preset
from convneur.evaluation.inputs import Inputs, InputSettings
from convneur.metrics.setup_checks import SetupWarning, as_ranges

__all__ = ["setup_lines"]

_LOOKED_AT = 8  # files of each side whose palettes are read


def setup_lines(
    found: Sequence[SetupWarning], inputs: Inputs, asked: InputSettings, second: str | None = None
) -> list[str]:
    """Lines for people. found: by the labels alone; second: what a second model is called, None for the first."""
    lines = [*_same_files(inputs)]
    palettes = _palettes(inputs)
    for warning in found:
        if warning.kind == "copy" and lines:
            continue  # said of the files
        told = _by_preset(warning, asked.known) or _by_palette(warning, palettes) or warning
        lines.append(f"{told.problem}; {_mend(told)}")
    lines += _changing_palettes(palettes)
    return [f"`against {second}`: {line}" for line in lines] if second else lines


def _mend(warning: SetupWarning) -> str:
    added = [
        f"`{setting} {table}`"
        for setting, table in (("pred_labels", warning.pred_labels), ("gt_labels", warning.gt_labels))
        if table
    ]
    return f"add {' '.join(added)}" if added else warning.mend


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


def _by_preset(warning: SetupWarning, preset: Preset | None) -> SetupWarning | None:
    """The warning, where the labels lie as the data set's ids would have them.

    Choice: of ground truth that holds classes already each predicted class c lies at ids[c]; so it does where the
        predictions hold stored ids, but then none of them is a stored id that is ignored.
    """
    ids = next((naming.ids for naming in preset.gt if naming.ids), None) if preset else None
    if preset is None or ids is None or not warning.moved:
        return None
    moved = warning.moved
    if all(ids.get(ids.get(label, -1) or -1) == to for label, to in moved.items()):
        problem = "the labels lie where stored ids of this preset would be predictions, and classes ground truth"
        return SetupWarning("exchanged", problem, "give the predictions first, then the ground truth")
    if not all(ids.get(label) == to for label, to in moved.items()):
        return None
    stored_ids = max(moved) >= len(preset.names)
    if not stored_ids and warning.ignored_as is not None and ids.get(warning.ignored_as, -1) is None:
        classes = {k: label for label, k in ids.items() if k is not None}
        shifts = {label - k for k, label in classes.items()}
        stored = f"{shifts.pop():+d}" if len(shifts) == 1 else as_ranges(classes)
        problem = "the ground truth holds classes already, not the stored ids of this preset"
        return SetupWarning("preset", f"{problem}: {warning.problem}", "", gt_labels=stored)
    table = (
        warning.pred_labels if warning.kind == "shift" else as_ranges({k: v for k, v in ids.items() if v is not None})
    )
    return SetupWarning("preset", warning.problem, warning.mend, pred_labels=table)


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
    return SetupWarning("palettes", problem, warning.mend, warning.pred_labels, warning.gt_labels, warning.moved)


def _changing_palettes(palettes: Palettes) -> list[str]:
    """Palettes that have the same colours in another order from file to file, as those that are sorted by frequency."""
    lines = []
    for words, side in zip(("predictions", "ground truth"), palettes, strict=True):
        if len(set(side)) > 1 and _reordered(side):
            lines.append(
                f"the {words}' palettes number the same colours differently from file to file, as when colours are "
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
