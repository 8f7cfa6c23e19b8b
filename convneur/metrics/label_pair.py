"""A ground truth and a prediction made comparable: ignored pixels and foreign labels taken out of both."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.errors import InputError
from convneur.metrics.arrays import as_array
from convneur.metrics.signs import TURNED, PairSigns, grain, joint, oriented_agreement

__all__ = [
    "Confusion",
    "LabelPair",
    "comparable",
    "describe",
    "disagreements",
    "harmonic_mean",
    "highest_class",
    "occurrences",
    "rank_type",
    "ratio",
]

BoolMap = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
RankMap = npt.NDArray[np.unsignedinteger[Any]]

Occurrences = Callable[[npt.NDArray[Any], int], IntArray]
Disagreements = Callable[[RankMap, RankMap, int], tuple[IntArray, IntArray, IntArray]]

_CLEARLY = 0.05  # share of the pixels by which turning must be better than transposing, which is more common
_SPAN = 65536  # a table of this length is cheap; wider label ranges are sorted instead


class Confusion(NamedTuple):
    """What a confusion matrix keeps for IoU and accuracy: pixels by class, (..., K) each.

    A pixel of the ground truth that is predicted as no class at all is in `gt` only: a false negative.

    >>> Confusion(gt=np.array([4, 2]), pred=np.array([3, 3]), agreeing=np.array([3, 2])).iou()
    array([0.75      , 0.66666667])
    """

    gt: IntArray
    pred: IntArray
    agreeing: IntArray

    def iou(self) -> npt.NDArray[np.float64]:
        """Intersection over union by class, NaN where both masks are empty."""
        return ratio(self.agreeing, self.gt + self.pred - self.agreeing)


def ratio(part: IntArray, whole: IntArray) -> npt.NDArray[np.float64]:
    """part / whole, NaN where whole is 0."""
    undefined = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    return np.divide(part, whole, out=undefined, where=whole > 0)


def harmonic_mean(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of two shares; 0 where both are 0 or one is undefined."""
    total = a + b
    return np.asarray(np.divide(2 * a * b, total, out=np.zeros(total.shape), where=total > 0))


class LabelPair(NamedTuple):
    """Two maps of ranks: rank k stands for class `classes[k]`, rank K for no class (ignored or foreign).

    gt, pred: (H, W). void: (H, W), the ignored pixels. confusion: over the pixels that are not ignored, (K,).
    invalid_labels: labels of the prediction that are no class, with their pixels that are not ignored. signs: of how
    the pair was prepared.
    """

    gt: RankMap
    pred: RankMap
    void: BoolMap
    classes: IntArray
    confusion: Confusion
    invalid_labels: dict[int, int]
    signs: PairSigns


def rank_type(none: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds the ranks 0..none; smaller maps are faster to walk."""
    return np.uint8 if none < 256 else np.uint16 if none < 65536 else np.uint32


def occurrences(codes: npt.NDArray[Any], length: int) -> IntArray:
    """How often each code below `length` occurs, (length,); there are no others."""
    return np.bincount(codes.ravel(), minlength=length)


def disagreements(pred: RankMap, gt: RankMap, length: int) -> tuple[IntArray, IntArray, IntArray]:
    """Where two maps differ: which ranks below `length` meet there, of the prediction and of gt, how often, (n,)."""
    differ = pred != gt
    return joint(pred[differ], gt[differ], length, length)


def comparable(
    pred: npt.NDArray[Any],
    gt: npt.NDArray[Any],
    *,
    num_classes: int | None,
    ignore_index: int | None,
    occurrences: Occurrences = occurrences,
    disagreements: Disagreements = disagreements,
) -> LabelPair:
    """Check two label maps, drop what is ignored from both, and number the classes that occur from 0.

    Choice: labels are renumbered so that every later step costs by the classes that occur, not by num_classes.
    Args:    pred, gt: (H, W) of integers or booleans; num_classes: None takes the highest gt label + 1;
        occurrences, disagreements: the loops over pixels, see `kernels`.
    Returns: the pair.
    Raises:  InputError: not two label maps of one size, or a gt label that is neither a class nor ignored.
    """
    for name, labels in (("pred", pred), ("gt", gt)):
        if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "bui":
            raise InputError(name, f"a label map is two-dimensional and of integers, not {describe(labels)}")
    if gt.shape != pred.shape:
        raise InputError(None, _other_size(pred, gt))
    gt_codes, gt_values = _coded("gt", gt)
    gt_counts = occurrences(gt_codes, len(gt_values))
    ignored = _equal(gt_values, ignore_index)
    if num_classes is None:
        num_classes = highest_class(gt, ignore_index) + 1
    foreign = (gt_counts > 0) & ~ignored & ((gt_values < 0) | (gt_values >= num_classes))
    if foreign.any():
        raise InputError(
            None, _foreign_labels(gt_values[foreign], gt_counts[foreign], gt.size, num_classes, ignore_index)
        )

    pred_codes, pred_values = _coded("pred", pred)
    pred_counts = occurrences(pred_codes, len(pred_values))
    pred_foreign = _equal(pred_values, ignore_index) | (pred_values < 0) | (pred_values >= num_classes)
    classes = np.union1d(gt_values[(gt_counts > 0) & ~ignored], pred_values[(pred_counts > 0) & ~pred_foreign]).astype(
        np.int64
    )
    none = len(classes)
    dtype = rank_type(none)
    gt_rank: RankMap = np.searchsorted(classes, gt_values.clip(0, num_classes - 1)).astype(dtype)
    gt_rank[ignored] = none
    pred_rank: RankMap = np.searchsorted(classes, pred_values.clip(0, num_classes - 1)).astype(dtype)
    pred_rank[pred_foreign] = none

    gt_map, pred_map = _translated(gt_codes, gt_rank), _translated(pred_codes, pred_rank)
    void: BoolMap = gt_map == none
    met: dict[tuple[int, int], int] = {}
    invalid_labels: dict[int, int] = {}
    if (pred_counts[pred_foreign] > 0).any():
        outside = (pred_map == none) & ~void
        for k, code, count in _triples(joint(gt_map[outside], pred_codes[outside], none, len(pred_values))):
            label = int(pred_values[code])
            met[int(classes[k]), label] = count
            invalid_labels[label] = invalid_labels.get(label, 0) + count
        invalid_labels = dict(sorted(invalid_labels.items()))
    if void.any():
        pred_map[void] = none
    # By label they are counted already; floats hold counts of pixels exactly.
    gt_pixels = np.bincount(gt_rank, weights=gt_counts, minlength=none + 1)[:none].astype(np.int64)
    # Only where the maps differ is there anything to count twice.
    in_pred, in_gt, counts = disagreements(pred_map, gt_map, none + 1)
    only_pred, only_gt = (np.bincount(ranks, counts, none + 1)[:none].astype(np.int64) for ranks in (in_pred, in_gt))
    a_class = in_pred < none
    pairs = zip(classes[in_gt[a_class]].tolist(), classes[in_pred[a_class]].tolist(), strict=True)
    met |= zip(pairs, counts[a_class].tolist(), strict=True)
    agreeing = gt_pixels - only_gt
    pred_pixels = agreeing + only_pred
    met |= {(label, label): count for label, count in zip(classes.tolist(), agreeing.tolist(), strict=True) if count}
    if ignore_index is not None:
        seen = invalid_labels | dict(zip(classes.tolist(), pred_pixels.tolist(), strict=True))
        for code in np.flatnonzero(pred_counts).tolist():
            if under := int(pred_counts[code]) - seen.get(int(pred_values[code]), 0):  # ignored pixels
                met[ignore_index, int(pred_values[code])] = under
    signs = PairSigns(
        met,
        np.array([grain(pred_codes, len(pred_values)), grain(gt_codes, len(gt_values))]),
        oriented_agreement(pred_map, gt_map, none),
    )
    return LabelPair(
        gt_map, pred_map, void, classes, Confusion(gt_pixels, pred_pixels, agreeing), invalid_labels, signs
    )


def _triples(counted: tuple[IntArray, IntArray, IntArray]) -> Iterator[tuple[int, int, int]]:
    return zip(*(array.tolist() for array in counted), strict=True)


def highest_class(gt: Any, ignore_index: int | None) -> int:
    """The highest label of a ground truth that is not ignored; 0 if there is none.

    Args: gt: integers of any shape, NumPy or a tensor.

    >>> highest_class(np.array([[0, 4, 255]]), ignore_index=255)
    4
    """
    codes, values = _coded("gt", as_array(gt))
    kept = values[(np.bincount(codes.ravel(), minlength=len(values)) > 0) & ~_equal(values, ignore_index)]
    return max(int(kept[-1]), 0) if len(kept) else 0


def describe(array: npt.NDArray[Any]) -> str:
    """Shape and type in words, for messages."""
    return f"{'x'.join(map(str, array.shape)) or 'a single'} {array.dtype}"


def _coded(name: str, labels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], IntArray]:
    """Codes (H, W) and ascending values with values[codes] == labels, for tables of moderate length."""
    if labels.dtype == np.bool_:
        return labels.view(np.uint8), np.arange(2)
    if labels.dtype in (np.uint8, np.uint16):
        return labels, np.arange(np.iinfo(labels.dtype).max + 1)
    if labels.max() > np.iinfo(np.int64).max:
        raise InputError(name, f"label {labels.max()}: no class id is as high")
    labels = labels.astype(np.int64)
    low, high = int(labels.min()), int(labels.max())
    if high - low < _SPAN:
        return (labels - low).astype(np.uint16), np.arange(low, high + 1)
    values, codes = np.unique(labels, return_inverse=True)
    return codes, values


def _translated(codes: npt.NDArray[Any], table: RankMap) -> RankMap:
    """table[codes], a new array."""
    if codes.dtype == table.dtype == np.uint8:
        # NumPy widens byte-sized indices to 8 bytes first; bytes.translate is ten times as fast.
        full = table.tobytes().ljust(256, b"\0")
        return np.frombuffer(bytearray(codes.tobytes().translate(full)), np.uint8).reshape(codes.shape)
    return np.ascontiguousarray(table[codes])


def _equal(values: npt.NDArray[Any], label: int | None) -> BoolMap:
    return np.zeros(len(values), bool) if label is None else np.asarray(values == label)


def _size(labels: npt.NDArray[Any]) -> str:
    return f"{labels.shape[0]}x{labels.shape[1]}"


def _other_size(pred: npt.NDArray[Any], gt: npt.NDArray[Any]) -> str:
    sizes = f"the prediction is {_size(pred)} but the ground truth {_size(gt)} (height x width)"
    if gt.shape != pred.shape[::-1]:
        return f"{sizes}; resize the prediction with nearest-neighbour interpolation"
    shares = {way: np.count_nonzero(undo(pred) == gt) / gt.size for way, undo in TURNED.items()}
    transposed, *_ = shares
    best = max(shares, key=lambda way: shares[way])
    best = best if shares[best] > shares[transposed] + _CLEARLY else transposed
    return (
        f"{sizes}: height and width are exchanged; turned back ({best} in NumPy) the prediction would agree with "
        f"{shares[best]:.0%} of the ground truth; do not resize it"
    )


def _foreign_labels(
    values: npt.NDArray[Any], counts: IntArray, pixels: int, num_classes: int, ignore_index: int | None
) -> str:
    listed = ", ".join(map(str, values[:5])) + (f" and {len(values) - 5} more" if len(values) > 5 else "")
    share = f"{counts.sum() / pixels:.2%} of the pixels"
    found = f"label {listed} ({share}) is no class" if len(values) == 1 else f"labels {listed} ({share}) are no classes"
    ignore = "no label is ignored" if ignore_index is None else f"{ignore_index} is ignored"
    mend = "correct `num_classes`, `classes` or `ignore_index`"
    if values.min() >= 1000 and (values % 1000 < 100).mean() > 0.5:  # 65535 stands for pixels that do not count
        mend = "instance ids, 1000 * class + number, are no classes: give maps of classes"
    elif num_classes == 2 and len(values) == 1 and values[0] >= 100:
        mend = f"of a mask read {values[0]} as 1, else {mend}"
    return f"ground-truth {found}: classes are 0..{num_classes - 1}, {ignore}; {mend}"
