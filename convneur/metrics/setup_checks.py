"""Does what a data set adds up to look as if predictions and ground truth were prepared in different ways?

Every check asks for a sign that no model gives, however bad it is; a model that is merely wrong is no matter of these.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics.settings import MAX_CLASSES
from convneur.metrics.signs import ORIENTATIONS
from convneur.metrics.totals import Totals

__all__ = ["LAST_LABEL", "SetupWarning", "as_ranges", "setup_warnings"]

LAST_LABEL = "last label"  # kind of warning: of a label that is one of the classes wherever their number is given

IntArray = npt.NDArray[np.int64]

# Choice of all that follows: what CamVid's, ADE20K's and Cityscapes' own predictions are far from.
_FEWEST_PIXELS = 400
_MOST_LABELS = 2048  # on either side, for a table of all against all
_RARE = 0.001  # classes with a smaller share of the pixels tell nothing
_MUTUAL = 0.6  # share of a class's pixels with one other label, and of the label's pixels in the class
_SHIFTED = 0.8  # share of the moved classes
_MOVED = 0.25  # share of the classes that have another label
_MASK_VALUE = 100  # from here on a label stands for "the object" of a mask, as 100, 128 and 255 do
_HIGH_ID = 1000
_WHITE = 255
_UNKNOWN = (127, 128, 129)  # the band between background and object of matting's trimaps
_SPREAD = 10  # between labels that were spread for looking at them
_BLENDED = 0.3  # share of the changes of label along rows
_VOIDS = frozenset({*range(250, 256), 32767, *range(65530, 65536)})  # what stands for pixels that do not count


@dataclass(frozen=True)
class SetupWarning:
    """What looks wrong in how two sets of label maps were prepared, and the mend.

    kind: one word or two. mend: in words. pred_labels, gt_labels, ignore_index: the mend as
    `convneur.evaluation.evaluate` takes it. moved: predicted label -> ground-truth label where it lies, if that is what
    is wrong. seen: predicted labels that are not rare.

    >>> print(SetupWarning("masks", "the predictions hold 255", "write 1 for 255", pred_labels="255:1"))
    the predictions hold 255; write 1 for 255
    """

    kind: str
    problem: str
    mend: str
    pred_labels: str | None = None
    gt_labels: str | None = None
    ignore_index: str | None = None
    moved: Mapping[int, int] | None = None
    seen: frozenset[int] = frozenset()

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
    checks = (_mixed_masks, _trimaps, _masks, _copy, _stretched, _noise, _instances, _renumbered)
    found = next((each for check in checks for each in check(totals, met)), None)
    if found is not None:
        return (found,)
    return tuple(each for check in (_exchanged, _turned, _constant, _never_found) for each in check(totals, met))


def as_ranges(labels: Mapping[int, int]) -> str:
    """A table of labels in the words of `pred_labels` and `gt_labels`.

    >>> as_ranges({1: 0, 2: 1, 3: 2, 255: 1})
    '1-3:0-2,255:1'
    """
    runs: list[list[int]] = []
    for label, to in sorted(labels.items()):
        # A range ends in no negative label: -2--1 does not read.
        if runs and label == runs[-1][1] + 1 and to == runs[-1][3] + 1 and label >= 0 and to >= 0:
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


def _mixed_masks(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Masks of one side of which some have 1 for the object and others a high number, but none has both."""
    labels = ({pred for _, pred in totals.joint}, {gt for gt, _ in totals.joint})
    objects: dict[str, int] = {}
    mixed = []
    for words, held, (ones, others, both) in zip(
        ("predictions", "ground truth"), labels, totals.beside_zero.tolist(), strict=True
    ):
        high = _object_of(held - {1})
        if both or (high is not None and high < _MASK_VALUE):
            return
        if high is not None:
            objects[words] = high
            mixed += [words] if ones and others else []
    under = _ignored_as(totals)
    found = sum(pixels for label, pixels in under.items() if label)
    if mixed and found >= 0.3 * totals.void_pixels:  # areas that do not count may lie in images of their own
        yield SetupWarning(
            "masks",
            " and ".join(f"some maps of the {words} hold 0 and {objects[words]}, others 0 and 1" for words in mixed),
            "read " + " and ".join(f"{label} of the {words} as 1" for words, label in objects.items()),
            pred_labels=f"{objects['predictions']}:1" if "predictions" in objects else None,
            gt_labels=f"{objects['ground truth']}:1" if "ground truth" in objects else None,
        )


def _trimaps(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Masks of 0 and 255 with a band of grey between them, where 255 is ignored and the grey is a class.

    Choice: of predictions the band counts as object, since a ground truth of shares is divided at one half.
    """
    if totals.settings.ignore_index != _WHITE:
        return
    gt, pred = {*met.gt} | ({_WHITE} if totals.void_pixels else set()), {*met.pred} | _ignored_as(totals).keys()
    grey, found = (_object_of(held - {_WHITE}) if _WHITE in held else None for held in (gt, pred))
    if grey in _UNKNOWN and (found in _UNKNOWN or len(pred - {0}) <= 1):
        both = "the ground truth looks" if found not in _UNKNOWN else "predictions and ground truth look"
        value = _object_of(pred)
        mask = None if value in (None, 1) else f"{value}:1"
        yield SetupWarning(
            "trimaps",
            f"{both} like trimaps, 0, {grey} and {_WHITE}, where {_WHITE} is ignored and {grey} a class",
            f"read {grey} as ignored and {_WHITE} as 1",
            pred_labels=f"{found}:1,{_WHITE}:1" if found in _UNKNOWN else mask,
            gt_labels=f"{grey}:ignore,{_WHITE}:1",
        )
    elif found in _UNKNOWN and len(gt - {0}) <= 1:
        value = _object_of(gt)
        yield SetupWarning(
            "trimaps",
            f"the predictions look like trimaps, 0, {found} and {_WHITE} (if they are the ground truth, give them "
            "second)",
            f"read {found} and {_WHITE} as 1",
            pred_labels=f"{found}:1,{_WHITE}:1",
            gt_labels=f"{value}:1" if value not in (None, 1) else None,
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


def _stretched(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Labels of both sides spread from 0 to 255, as for looking at them, where the highest is ignored."""
    ignored, void = totals.settings.ignore_index, totals.void_pixels
    if ignored != 255 or len(met.gt) < 2 or np.diff([*met.gt, ignored]).min() < _SPREAD:
        return
    shared, predicted = _ignored_as(totals).get(ignored, 0), totals.invalid_pixels[ignored]
    if shared >= _MUTUAL * void and shared >= _MUTUAL * (shared + predicted) > 0:
        yield SetupWarning(
            "stretched",
            f"the labels are spread from 0 to {ignored}, and the predictions hold {ignored} on "
            f"{shared / void:.0%} of the pixels that are ignored: it looks like a class",
            "ignore no label",
            ignore_index="none",
        )


def _noise(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Many labels, nearly all of them rare and scattered, or labels blended where two areas meet."""
    sides = {"pred": (met.pred, met.pixels.sum(axis=0)), "gt": (met.gt, met.pixels.sum(axis=1))}
    noisy = {
        side: sides[side]
        for side, (labels, scattered, *_) in zip(sides, totals.grain.tolist(), strict=True)
        if scattered >= 4 * totals.images and 2 * scattered >= labels
    }
    words = {"gt": "the ground truth", "pred": "the predictions"}
    if not noisy:
        for side, (*_, changes, between) in zip(sides, totals.grain.tolist(), strict=True):
            if changes >= 50 and between >= _BLENDED * changes:
                yield SetupWarning(
                    "noise",
                    f"where two areas meet {words[side]} hold{'s' * (side == 'gt')} labels between those of both, as "
                    "after scaling with interpolation",
                    "scale label maps by the nearest pixel",
                )
        return
    thresholds = {side: _threshold(sides, side) for side in noisy}
    if all(thresholds.values()):
        # Of a mask, the other side may have 255 for the object.
        thresholds |= {side: _threshold(sides, side) for side in sides if max(sides[side][0]) >= _MASK_VALUE}
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
    highest = max(labels)
    if not two or min(labels) < 0 or not (50 <= highest <= 255 or 255 * 64 <= highest <= 65535):
        return None
    half = highest // 2
    return f"0-{half}:0,{half + 1}-{255 if highest <= 255 else 65535}:1"


def _instances(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Few labels, very high ones: class and number of an object in one."""
    coded = {}
    for side, labels in (("pred", met.pred), ("gt", met.gt)):
        for factor, spread in ((1000, 100), (256, 64)):
            high = [label for label in labels if label >= max(factor, _HIGH_ID)]
            low = [label for label in high if label % factor < spread and label // factor < MAX_CLASSES]
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
        if not (found := [*_numbered_objects(totals, met)]):
            found = [*_numbered_anew(totals, met)]
        yield from found
        yield from _numbered_for_masks(totals, met)
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


def _numbered_anew(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Few objects in each image, numbered 1, 2, 3 and so on: each label is one object, and none is in more images than
    the one before.

    Choice: classes are in that order by chance, one time in 24 of four and in 720 of six; so four are a sign where the
        model gives objects that it finds another label, and six without that. Labels that are in as many images as the
        one before say nothing: organs are in all images of a body.
    """
    labels = [label for label in met.gt if label > 0]
    pixels, agreeing, matched = totals.objects_met.tolist()
    least = 4 if agreeing <= 0.7 * pixels else 6
    if len(labels) < least or labels != list(range(1, len(labels) + 1)) or matched < _MUTUAL * pixels:
        return
    fewer = np.diff(totals.presence[:2, labels].sum(axis=0)) < 0
    if fewer.sum() >= min(least - 1, 4) and _one_object_each(totals, labels):
        yield SetupWarning(
            "instances",
            f"the ground truth's labels 1 to {len(labels)} are one object each, the higher in the fewer images: "
            "they look like the numbers of an image's objects",
            "give maps of classes, or of objects of one class read all labels above 0 as 1",
            pred_labels=f"1-{max(met.pred)}:1",
            gt_labels=f"1-{max(met.gt)}:1",
        )


def _numbered_for_masks(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """Objects numbered on one side, all of which are 1 on the other."""
    for numbered, other, pixels, side in (
        (met.pred, met.gt, met.pixels, "pred"),
        (met.gt, met.pred, met.pixels.T, "gt"),
    ):
        if other != [0, 1] or numbered[:1] != [0] or len(numbered) < (3 if side == "pred" else 4):
            continue
        here, there = pixels[1, 1:], pixels[:, 1:].sum(axis=0)
        if pixels[0, 0] < _MUTUAL * pixels[:, 0].sum() or (here < _MUTUAL * there).sum() > 0.1 * len(here):
            continue
        first = here[numbered.index(1) - 1] if 1 in numbered else 0
        # Those of the ground truth are connected: that a model finds one class where there are several is no sign.
        if side == "pred" and first > 0.8 * here.sum():
            continue
        if side == "gt" and (first > 0.5 * here.sum() or not _one_object_each(totals, numbered[1:])):
            continue
        words = {"gt": "the ground truth", "pred": "the predictions"}
        ranges = f"1-{numbered[-1]}:1"
        yield SetupWarning(
            "instances" if side == "pred" else "numbered",
            f"{words[side]} {'numbers' if side == 'gt' else 'number'} {len(numbered) - 1} objects of what is 1 in "
            f"{words['gt' if side == 'pred' else 'pred']}",
            f"read all labels above 0 of {words[side]} as 1",
            pred_labels=ranges if side == "pred" else None,
            gt_labels=ranges if side == "gt" else None,
        )


def _one_object_each(totals: Totals, labels: list[int]) -> bool:
    """Whether each of the ground truth's labels is one connected object in nearly all images, as far as that was looked
    at, and none is in more images than a lower one.
    """
    images = totals.presence[:2, labels].sum(axis=0)
    objects = int(totals.objects.objects[labels].sum())
    return bool((np.diff(images) <= 0).all()) and 0 < objects <= 1.1 * int(images.sum())


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
    exchanged = any(moved.get(gt) == pred for pred, gt in moved.items())  # which no model does, however few they are
    if not exchanged and len(moved) < max(2, _MOVED * len(common)):
        return
    under = _ignored_as(totals)
    predicted = {label: int(in_pred[column]) + under.get(label, 0) for column, label in enumerate(met.pred)}
    seen = frozenset(label for label, pixels in (under | predicted).items() if pixels >= _RARE * met.total)
    before = _agreement(met, {})
    ((shift, times),) = Counter(gt - pred for pred, gt in moved.items()).most_common(1)
    # The others are classes that the model takes for one another; a table would make its errors right.
    if times >= _SHIFTED * len(moved) and not kept:
        moved = {pred: gt for pred, gt in moved.items() if gt - pred == shift}
        after = _agreement(met, {label: label + shift for label in met.pred})
        yield SetupWarning(
            "shift",
            f"shifting the predictions' labels by {shift:+d} would agree with {after:.0%} of the ground truth "
            f"(now {before:.0%})",
            f"{'add' if shift > 0 else 'subtract'} {abs(shift)}",
            pred_labels=f"{shift:+d}",
            moved=moved,
            seen=seen,
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
        seen=seen,
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
    elif totals.turned.any():
        ways = [ORIENTATIONS[way] for way in np.flatnonzero(totals.turned)]
        images = int(totals.turned.sum())
        yield SetupWarning(
            "orientation",
            f"the predictions of {images} of {totals.images} images look mirrored or turned ({', '.join(ways)} in "
            "NumPy turns them back); they are among those of the lowest mIoU",
            "write them as the ground truth lies",
        )


def _constant(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    if len(met.pred) == 1 and len(met.gt) > 1:
        yield SetupWarning(
            "one label",
            f"every predicted pixel is {met.pred[0]}, where the ground truth has {len(met.gt)} labels",
            "look at how the predictions were made and written",
        )


def _never_found(totals: Totals, met: _Met) -> Iterator[SetupWarning]:
    """A label of the ground truth that stands for pixels that do not count, and is none that is ignored."""
    highest, others = met.gt[-1], met.gt[:-1]
    if highest in _VOIDS and others and highest > 2 * others[-1] and not _predicted(totals, highest):
        label, words = highest, f"the ground truth holds {highest}, which is never predicted and far above"
        words += f" the other labels, 0 to {others[-1]}: it looks like pixels that do not count"
    elif met.gt[0] == 0 and len(met.pred) >= 4 and not _predicted(totals, 0) and _unlabelled(met, 0):
        label, words = 0, "label 0 of the ground truth is never predicted, by predictions that find the others: it "
        words += "looks like pixels without a label"
    elif highest == met.pred[-1] + 1 > 3 and _unlabelled(met, highest):
        label, words = highest, f"label {highest} of the ground truth is never predicted, by predictions that find "
        words += "the others and end below it: it looks like pixels that do not count"
    else:
        return
    ignored = totals.settings.ignore_index
    free = ignored is None or not totals.void_pixels
    yield SetupWarning(
        LAST_LABEL if 0 < label not in _VOIDS else "void",
        words,
        f"ignore {label}",
        gt_labels=None if free else f"{label}:ignore",
        ignore_index=str(label) if free else None,
    )


def _predicted(totals: Totals, label: int) -> bool:
    return any(pred == label for _, pred in totals.joint)


def _unlabelled(met: _Met, label: int) -> bool:
    """Whether a label of the ground truth lies under many others, and the others under themselves."""
    rows = dict(zip(met.gt, met.pixels, strict=True))
    here = rows.pop(label)
    agreeing = sum(int(row[met.pred.index(gt)]) for gt, row in rows.items() if gt in met.pred)
    others = met.total - here.sum()
    return bool(here.sum() >= 0.02 * met.total and here.max() < _MUTUAL * here.sum() and agreeing >= 0.75 * others > 0)
