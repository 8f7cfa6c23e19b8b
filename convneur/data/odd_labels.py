"""What the labels of a set say of how it was written, where nobody named the classes: ids, masks, void, greys."""

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["IDS", "odd_labels", "other_labels"]

IDS = 1000
"""From here on a label is the id of an object rather than a class."""

_OF_IDS = "they look like ids of objects, such as 1000 * class + number"
_MAPS = "give maps of classes (of Cityscapes the labelIds files)"
_VOIDS = frozenset({*range(250, 256), 32767, *range(65530, 65536)})  # what stands for pixels that do not count
_UNKNOWN = (127, 128, 129)  # the band between background, 0, and object, 255, of a trimap
_OBJECT, _SPREAD = 100, 10  # from here on a label is no number of a class but a grey level; between spread labels


def odd_labels(seen: Sequence[int], ignore_index: int | None, *, ignored: bool) -> str | None:
    """What is odd in labels that were taken for classes, and the mend; None if nothing is.

    Choice: signs that no numbering of classes gives: ids of objects; two values of which one is a grey level; one label
        far above the others, where void has its number; labels that are spread for looking at them.
    Args:   seen: labels that are not ignored, ascending; ignored: whether there are ignored pixels.

    >>> odd_labels([0, 1, 254], 255, ignored=False)
    'label 254 lies far above the others, 0 to 1: if it stands for pixels that do not count, add `ignore_index 254`'
    >>> odd_labels([0, 1, 2], 255, ignored=True)
    """
    *others, highest = seen
    if not others:
        return None
    if highest >= IDS and highest not in _VOIDS:
        return f"{len(seen)} labels, the highest {highest}: {_OF_IDS}; {_MAPS}"
    if len(seen) == 2 and highest in _UNKNOWN and ignored and ignore_index == 255:
        return (
            f"label maps look like trimaps, 0, {highest} and 255, where 255 is ignored; write 1 for 255, and 255 for "
            f"{highest}"
        )
    if len(seen) == 2 and others == [0] and highest >= _OBJECT:
        mend = f"write 1 for {highest}"
        if highest == 255:
            mend = "leave `ignore_index` out, and 255 is read as class 1"
        return f"label maps look like masks of 0 and {highest}; {mend}"
    if highest in _VOIDS and highest > 2 * others[-1]:
        return f"label {highest} lies far above the others, {others[0]} to {others[-1]}: {_void(highest, ignored)}"
    steps = [high - low for low, high in pairwise(seen)]
    if len(seen) > 2 and min(steps) >= _SPREAD:
        white = f", and {ignore_index}, which is ignored, may be one more" if ignored else ""
        return f"labels {', '.join(map(str, seen[:5]))} look spread for viewing{white}; number the classes 0, 1, 2 on"
    return None


def other_labels(wrong: Sequence[int], *, ignored: bool, mask: bool = False) -> str | None:
    """What labels of one map that are no classes may be, and the mend; None if that is open.

    Args: wrong: ascending; mask: whether there are two classes.
    """
    if len(wrong) == 1 and wrong[0] in _VOIDS:
        return _void(wrong[0], ignored)
    if wrong[0] >= IDS:
        return f"{_OF_IDS}; {_MAPS}"
    if len(wrong) == 1 and wrong[0] >= _OBJECT and mask:
        return f"of a mask of two classes write 1 for {wrong[0]}"
    return None


def _void(label: int, ignored: bool) -> str:
    stands = "if it stands for pixels that do not count"
    return f"{stands}, write the ignored label for it" if ignored else f"{stands}, add `ignore_index {label}`"
