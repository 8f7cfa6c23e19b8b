"""Does what a data set adds up to look as if predictions and ground truth were prepared in different ways?

Every check asks for a sign that no model gives, however bad it is; a model that is merely wrong is no matter of these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.signs import ORIENTATIONS
from convneur.metrics.totals import Totals

__all__ = ["SetupWarning", "as_ranges", "setup_warnings"]

IntArray = npt.NDArray[np.int64]

# Choice of all that follows: what CamVid's, ADE20K's and Cityscapes' own predictions are far from.
_FEWEST_PIXELS = 400
_MOST_LABELS = 2048  # on either side, for a table of all against all
_RARE = 0.001  # classes with a smaller share of the pixels tell nothing
_MUTUAL = 0.6  # share of a class's pixels with one other label, and of the label's pixels in the class
_MOVED = 0.25  # share of the classes that have another label
_MASK_VALUE = 100  # from here on a label stands for "the object" of a mask, as 100, 128 and 255 do
_HIGH_ID = 1000


@dataclass(frozen=True)
class SetupWarning:
    """What looks wrong in how two sets of label maps were prepared, and the mend.

    kind: one word or two. mend: in words. pred_labels, gt_labels: the mend as `convneur.evaluation.evaluate` takes it.
    moved: predicted label -> ground-truth label where it lies, if that is what is wrong. ignored_as: the predicted
    label that lies where the ground truth is ignored.

    >>> print(SetupWarning("masks", "the predictions hold 255", "write 1 for 255", pred_labels="255:1"))
    the predictions hold 255; write 1 for 255
    """

    kind: str
    problem: str
    mend: str
    pred_labels: str | None = None
    gt_labels: str | None = None
    moved: Mapping[int, int] | None = None
    ignored_as: int | None = None

    def __str__(self) -> str:
        return f"{self.problem}; {self.mend}"


class _Met(NamedTuple):
    """Pixels by ground-truth label (rows) and predicted label (columns), ignored pixels left out."""

    gt: list[int]
    pred: list[int]
    pixels: npt.NDArray[np.int64]
    total: int


def setup_warnings(totals: Totals) -> tuple[SetupWarning, ...]:
    """What the pairs that were counted say of how they were prepared; one warning for each kind of fault."""
    met = _met(totals)
    if met is None or met.total < _FEWEST_PIXELS:
        return ()
    found = next(
        (each for check in (_masks, _copy, _noise, _instances, _renumbered) for each in check(totals, met)), None
    )
    if found is not None:
        return (found,)
    return tuple(each for check in (_exchanged, _turned, _constant) for each in check(totals, met))


def as_ranges(labels: Mapping[int, int]) -> str:
    """A table of labels in the words of `pred_labels` and `gt_labels`.

    >>> as_ranges({1: 0, 2: 1, 3: 2, 255: 1})
    '1-3:0-2,255:1'
    """
    runs: list[list[int]] = []
    for label, to in sorted(labels.items()):
        if runs and label == runs[-1][1] + 1 and to == runs[-1][3] + 1:
            runs[-1][1], runs[-1][3] = label, to
        else:
            runs.append([label, label, to, to])
    return ",".join(f"{a}:{c}" if a == b else f"{a}-{b}:{c}-{d}" for a, b, c, d in runs)


def _met(totals: Totals) -> _Met | None:
    ignored = totals.settings.ignore_index
    joint = {labels: pixels for labels, pixels in totals.joint.items() if labels[0] != ignored}
    gt, pred = (sorted({labels[side] for labels in joint}) for side in (0, 1))
    if not joint or max(len(gt), len(pred)) > _MOST_LABELS:
        return None
    rows, columns = ({label: k for k, label in enumerate(side)} for side in (gt, pred))
    table = np.zeros((len(gt), len(pred)), np.int64)
    for (true, found), pixels in joint.items():
        table[rows[true], columns[found]] = pixels
    return _Met(gt, pred, table, int(table.sum()))


def _ignored_as(totals: Totals) -> dict[int, int]:
    """Predicted labels under ignored pixels -> pixels."""
    ignored = totals.settings.ignore_index
    return {pred: pixels for (gt, pred), pixels in totals.joint.items() if gt == ignored}


def _copy(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    ignored = totals.settings.ignore_index
    equal = met.gt == met.pred and np.trace(met.pixels) == met.total
    if equal and totals.void_pixels and _ignored_as(totals) == {ignored: totals.void_pixels}:
        yield SetupWarning(
            "copy",
            f"the predictions equal the ground truth in every pixel, those of the ignored label {ignored} included",
            "they look like a copy of it; give the model's predictions",
        )


def _masks(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Masks of two values, of which one side or both do not have 1 for the object."""
    ignored, classes = totals.settings.ignore_index, totals.settings.num_classes or 0
    hidden = totals.void_pixels > 0 and met.gt == [0] and classes <= 2
    gt = ignored if hidden else _object_of({*met.gt})
    pred = _object_of({*met.pred} | _ignored_as(totals).keys())
    if not hidden:
        foreign = classes <= 2 and {*met.gt} <= {0, gt} and pred in totals.invalid_pixels
        coded = gt is not None and pred not in (None, gt) and max(gt, pred or 0) >= _MASK_VALUE
        if not foreign and not (coded and (classes <= 2 or (gt or 0) >= _MASK_VALUE)):
            return
    objects = {"ground truth": gt, "predictions": pred}
    mends = {words: f"{label}:1" for words, label in objects.items() if label not in (None, 1)}
    if not mends:
        return
    said = [
        f"the {words} hold{'s' * words.startswith('g')} 0 and {label}"
        for words, label in objects.items()
        if label is not None
    ]
    yield SetupWarning(
        "masks",
        f"these look like masks: {' and '.join(said)}{f', where {ignored} is ignored' if hidden else ''}",
        "read " + " and ".join(f"{mend.removesuffix(':1')} of the {words} as 1" for words, mend in mends.items()),
        pred_labels=mends.get("predictions"),
        gt_labels=mends.get("ground truth"),
    )


def _object_of(labels: set[int]) -> int | None:
    """The other label beside 0, None if there is not exactly one."""
    others = labels - {0}
    return others.pop() if len(others) == 1 else None


def _noise(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Many labels, nearly all of them rare and scattered."""
    sides = {"pred": (met.pred, met.pixels.sum(axis=0)), "gt": (met.gt, met.pixels.sum(axis=1))}
    noisy = {
        side: sides[side]
        for side, (labels, scattered) in zip(sides, totals.grain.tolist(), strict=True)
        if scattered >= 4 * totals.images and 2 * scattered >= labels
    }
    if not noisy:
        return
    thresholds = {side: _threshold(sides, side) for side in noisy}
    if all(thresholds.values()):
        # Of a mask, the other side may have 255 for the object.
        thresholds |= {side: _threshold(sides, side) for side in sides if max(sides[side][0]) >= _MASK_VALUE}
    words = {"gt": "the ground truth", "pred": "the predictions"}
    said = [
        f"{words[side]} hold{'s' * (side == 'gt')} {len(labels)} labels, {_rare(pixels)} of them below 1 % of the "
        "pixels"
        for side, (labels, pixels) in noisy.items()
    ]
    yield SetupWarning(
        "noise",
        f"{' and '.join(said)}, most as scattered pixels: compression noise or probabilities, not classes",
        "write class numbers, into files that were never JPEG and never smoothed",
        pred_labels=thresholds.get("pred") if all(thresholds.values()) else None,
        gt_labels=thresholds.get("gt") if all(thresholds.values()) else None,
    )


def _rare(pixels: IntArray) -> int:
    return int(np.count_nonzero(pixels < 0.01 * pixels.sum()))


def _threshold(sides: Mapping[str, tuple[list[int], IntArray]], side: str) -> str | None:
    """Where to divide the labels of a mask with noise, None for what is no mask."""
    labels, pixels = sides[side]
    other = next(each for name, (each, _) in sides.items() if name != side)
    two = np.sort(pixels)[-2:].sum() >= 0.8 * pixels.sum() or len(other) <= 2
    if not two or min(labels) < 0 or not 50 <= max(labels) <= 255:
        return None
    half = max(labels) // 2
    return f"0-{half}:0,{half + 1}-255:1"


def _instances(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Few labels, very high ones: class and number of an object in one."""
    coded = {}
    for side, labels in (("pred", met.pred), ("gt", met.gt)):
        for factor, spread in ((1000, 100), (256, 64)):
            high = [label for label in labels if label >= max(factor, _HIGH_ID)]
            low = [label for label in high if label % factor < spread]
            if len(high) >= (2 if factor == 1000 else 4) and len(low) >= 0.9 * len(high):
                coded[side] = (
                    factor,
                    {
                        number: f"{factor * number}-{factor * number + factor - 1}:{number}"
                        for number in sorted({label // factor for label in high})
                    },
                )
                break
    if not coded:
        yield from _numbered_objects(totals, met)
        return
    factor = next(iter(coded.values()))[0]
    labels = sorted({*met.gt, *met.pred})
    mends = {side: ",".join(ranges.values()) for side, (_, ranges) in coded.items()}
    yield SetupWarning(
        "instances",
        f"{len(labels)} labels, the highest {labels[-1]}: they look like instance ids, {factor} * class + number",
        f"give maps of classes (of Cityscapes the labelIds files), or divide the labels from {factor} on by {factor}",
        pred_labels=mends.get("pred"),
        gt_labels=mends.get("gt"),
    )


def _numbered_objects(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Objects that are numbered in each image anew."""
    pixels, agreeing, matched = totals.objects_met.tolist()
    if len(met.gt) < 8 or len(met.pred) < 8 or matched < _MUTUAL * pixels or agreeing > 0.3 * pixels:
        return
    objects = met.pixels[1:] if met.gt[0] == 0 else met.pixels
    if totals.images > 1 and 2 * objects.max(axis=0).sum() > matched:
        return  # the same numbers mean the same in all images
    if totals.images == 1 and len(met.gt) < 12:
        return
    yield SetupWarning(
        "instances",
        f"{len(met.gt)} labels in the ground truth and {len(met.pred)} predicted lie on the same objects under other "
        "numbers: they look like instance ids, an arbitrary number for each object",
        "give maps of classes, or of objects of one class read all labels above 0 as 1",
        pred_labels=f"1-{max(met.pred)}:1",
        gt_labels=f"1-{max(met.gt)}:1",
    )


def _renumbered(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Classes that lie under another label, each under one of its own."""
    in_gt, in_pred = met.pixels.sum(axis=1), met.pixels.sum(axis=0)
    common = np.flatnonzero(in_gt >= _RARE * met.total)
    moved: dict[int, int] = {}
    kept: dict[int, int] = {}
    for row in common.tolist():
        column = int(np.argmax(met.pixels[row]))
        shared = met.pixels[row, column]
        if shared >= _MUTUAL * in_gt[row] and shared >= _MUTUAL * in_pred[column]:
            gt, pred = met.gt[row], met.pred[column]
            (kept if gt == pred else moved)[pred] = gt
    if len(moved) < max(2, _MOVED * len(common)):
        return
    under = _ignored_as(totals)
    ignored_as = max(under, key=lambda label: under[label], default=None)
    if ignored_as is not None:
        elsewhere = in_pred[met.pred.index(ignored_as)] if ignored_as in met.pred else 0
        if under[ignored_as] < _MUTUAL * max(totals.void_pixels, under[ignored_as] + elsewhere):
            ignored_as = None
    before = _agreement(met, {})
    shifts = {gt - pred for pred, gt in moved.items()}
    if len(shifts) == 1 and not kept:
        (shift,) = shifts
        after = _agreement(met, {label: label + shift for label in met.pred})
        yield SetupWarning(
            "shift",
            f"shifting the predictions' labels by {shift:+d} would agree with {after:.0%} of the ground truth "
            f"(now {before:.0%})",
            f"{'add' if shift > 0 else 'subtract'} {abs(shift)}",
            pred_labels=f"{shift:+d}",
            moved=moved,
            ignored_as=ignored_as,
        )
        return
    moved |= _likely(met, moved, kept)
    table, after = as_ranges(moved), _agreement(met, moved)
    yield SetupWarning(
        "numbering",
        f"the predictions number the classes in another way: read as {table} they would agree with {after:.0%} of "
        f"the ground truth (now {before:.0%})",
        "number the classes of both alike",
        pred_labels=table,
        moved=moved,
        ignored_as=ignored_as,
    )


def _likely(met: _Met, moved: Mapping[int, int], kept: Mapping[int, int]) -> dict[int, int]:
    """What else has moved, once it is sure that labels have: the rest are assigned so that most pixels agree."""
    from scipy.optimize import linear_sum_assignment  # only here, where something is wrong

    known, taken = moved.keys() | kept.keys(), {*moved.values(), *kept.values()}
    rows = [row for row, label in enumerate(met.gt) if label not in taken]
    columns = [column for column, label in enumerate(met.pred) if label not in known]
    pixels = met.pixels[np.ix_(rows, columns)]
    pairs = [(rows[row], columns[column]) for row, column in zip(*linear_sum_assignment(-pixels), strict=True)]
    all_have_one = len(rows) == len(columns)  # then those that never met belong together too
    return {
        met.pred[column]: met.gt[row]
        for row, column in pairs
        if (met.pixels[row, column] or all_have_one) and met.pred[column] != met.gt[row]
    }


def _agreement(met: _Met, table: Mapping[int, int]) -> float:
    """Share of the pixels that agree once predicted labels are read so."""
    rows = {label: k for k, label in enumerate(met.gt)}
    agreeing = sum(
        int(met.pixels[rows[to], column])
        for column, label in enumerate(met.pred)
        if (to := table.get(label, label)) in rows
    )
    return agreeing / met.total


def _exchanged(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Ignored pixels, which no model predicts, on the side of the predictions alone."""
    ignored: Any = totals.settings.ignore_index
    pixels = totals.invalid_pixels[ignored]
    if pixels and not totals.void_pixels and len(met.gt) > 1 and len(set(met.pred) - {ignored}) > 1:
        yield SetupWarning(
            "exchanged",
            f"the predictions hold the ignored label {ignored} on {pixels / met.total:.2%} of the pixels, the ground "
            "truth nowhere: the two look exchanged",
            "give the predictions first, then the ground truth",
        )


def _turned(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    agreeing, either = totals.oriented
    wrong = 1 - agreeing / np.maximum(either, 1)
    best = int(np.argmin(np.where(either, wrong, 1)))
    if best and either[0] >= 30 and wrong[0] >= 0.4 and wrong[best] <= min(wrong[0] / 2, wrong[0] - 0.25):
        yield SetupWarning(
            "orientation",
            f"the predictions look mirrored or turned: turned back ({ORIENTATIONS[best]} in NumPy) they would agree "
            f"with {1 - wrong[best]:.0%} of the objects (now {1 - wrong[0]:.0%})",
            "write them as the ground truth lies",
        )


def _constant(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    if len(met.pred) == 1 and len(met.gt) > 1:
        yield SetupWarning(
            "one label",
            f"every predicted pixel is {met.pred[0]}, where the ground truth has {len(met.gt)} labels",
            "look at how the predictions were made and written",
        )
