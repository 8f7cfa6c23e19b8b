"""Masks of what an image shows: object, background, or neither, from label maps and binary pictures."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.folders import nfc
from convneur.data.label_folder import LabelFolder
from convneur.data.labels import read_values
from convneur.data.limits import MAX_PIXELS
from convneur.errors import InputError

__all__ = ["MaskFolder", "as_mask", "is_soft", "looks_inverted", "read_mask", "read_mask_labels", "soft_levels"]

_VOID = 255
_UNKNOWN = (127, 128, 129)  # what matting's trimaps call the band between background, 0, and object, 255
_COMPACT, _LEAST_SPOT = 0.3, 0.01  # of an inverted mask's object: its share of its box, and of the image
_SMALL_STEP, _MANY_LEVELS, _NEAR_END = 2, 64, 16
_DIMMEST, _FEWEST_LEVELS, _BESIDE, _DIM_STEPS = 32, 8, 4, 8  # of grey masks whose object is not white


def read_mask(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.float32]:
    """The mask in a file: 1 object, 0 background, between them a share, -1 void; see `as_mask`.

    Choice: RGB whose three channels are equal is read as grey.
    Args:    path, max_pixels: as `read_label_map` takes them.
    Returns: (H, W).
    Raises:  InputError: as `read_label_map`, but for floats of 0 to 1; colours.
    """
    try:
        return as_mask(read_mask_labels(path, max_pixels=max_pixels))
    except InputError as error:
        raise InputError(path, error.problem) from None


def read_mask_labels(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """The values in a mask's file, (H, W), as `as_mask` takes them. Raises: InputError: as `read_mask`."""
    labels = read_values(path, max_pixels=max_pixels)
    if labels.ndim == 3:
        if (labels != labels[..., :1]).any():
            raise InputError(path, "holds colours, no mask; write one value per pixel, 0 for the background")
        labels = labels[..., 0]
    return labels


def as_mask(labels: NDArray[Any]) -> NDArray[np.float32]:
    """The mask in a label map or a grey picture: 1 object, 0 background, between them a share of object, -1 void.

    Choice: every class but 0 is object, and 255 is void. But where 255 is white and not void: a map of 0 and 255 alone
        is a binary mask; with one grey of 127 to 129 between them it is a trimap, whose grey is void; and the grey
        levels of an antialiased, scaled or compressed mask (`soft_levels`) are shares of the largest value. Floats are
        shares already.
    Args:    labels: (H, W), whole numbers or bool, or floats of 0 to 1.
    Returns: (H, W).
    Raises:  InputError, without a path: another shape or type, floats that are no shares.

    >>> as_mask(np.array([[0, 7, 255]])).tolist()
    [[0.0, 1.0, -1.0]]
    >>> as_mask(np.array([[0, 255, 255]])).tolist()
    [[0.0, 1.0, 1.0]]
    >>> print(as_mask(np.array([[0, 51, 255], [0, 102, 255]], np.uint8)))  # an antialiased edge
    [[0.  0.2 1. ]
     [0.  0.4 1. ]]
    """
    if labels.ndim != 2 or labels.dtype.kind not in "buif":
        raise InputError(None, f"a mask of {labels.shape} {labels.dtype}; give (H, W) whole numbers, 0 the background")
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels).all() and labels.min() >= 0 and labels.max() <= 1):
            raise InputError(
                None,
                "floats that are no shares; give 0 for the background to 1 for the object (of 0 to 255 mask / 255), or "
                "classes as whole numbers (mask.astype(int))",
            )
        return labels.astype(np.float32)
    levels = soft_levels(labels)
    if levels is not None:
        return np.minimum(labels / levels, 1).astype(np.float32)  # interpolation overshoots
    mask = (labels != 0).astype(np.float32)
    values = np.unique(labels).tolist()
    if values and values[-1] == _VOID and values[0] == 0 and len(values) == 3 and values[1] in _UNKNOWN:
        mask[labels == values[1]] = -1
    elif any(value not in (0, _VOID) for value in values):
        mask[labels == _VOID] = -1
    return mask


def is_soft(mask: NDArray[np.float32]) -> bool:
    """Whether a mask has shares between background and object."""
    return bool(((mask > 0) & (mask < 1)).any())


def looks_inverted(labels: NDArray[Any]) -> bool:
    """Whether a binary mask surely has 0 for its object and white for the background.

    Choice: what is not 0 covers all four borders, and what is 0 is one compact spot inside. Maps of several classes say
        nothing: there 0 may be a spot that nobody labelled.
    Args:   labels: (H, W), as `as_mask` takes them.

    >>> mask = np.full((9, 9), 255)
    >>> mask[2:7, 3:6] = 0
    >>> looks_inverted(mask), looks_inverted(255 - mask)
    (True, False)
    """
    if labels.ndim != 2 or len(np.unique(labels[:2])) != 1:  # of most masks all that is looked at
        return False
    soft = labels.dtype.kind == "f" or soft_levels(labels) is not None
    if not soft and len(np.unique(labels)) != 2:
        return False
    spot = as_mask(labels) < 0.5
    if spot[[0, -1]].any() or spot[:, [0, -1]].any():
        return False
    rows, columns = (np.flatnonzero(spot.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return False
    box = (rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0])
    whole = len(rows) == rows[-1] + 1 - rows[0] and len(columns) == columns[-1] + 1 - columns[0]
    filled = np.count_nonzero(spot)
    return bool(whole and filled >= _COMPACT * box and filled >= _LEAST_SPOT * spot.size)


def soft_levels(labels: NDArray[Any]) -> int | None:
    """The value that stands for all of the object where grey levels are shares; None where values are classes.

    It is white, or in a mask whose object is dimmer the object's most frequent value.

    Choice: values are shares where neighbours differ as only grey levels do. Of the pixels between 0 and white (255, or
        65535 of 16 bits) a class map has areas: most neighbours are equal. Along an antialiased edge most differ. Where
        a soft edge is wide there are many levels that differ by steps of 1 or 2, and what a strong compression leaves
        are many levels next to 0 and white. White or nearly white must occur, and greys above a quarter of it, so that
        thin lines of a few classes are none.
    Args:   labels: (H, W), whole numbers.

    >>> soft_levels(np.array([[0, 90, 255], [0, 180, 255]], np.uint8)), soft_levels(np.array([[0, 90, 90]], np.uint8))
    (255, None)
    """
    if labels.dtype.kind not in "ui" or not labels.size:
        return None
    largest, white = int(labels.max()), 255 if labels.max() <= 255 else 65535
    if labels.min() < 0 or largest > white:
        return None
    if largest <= 0.75 * white:
        return _dim_level(labels)
    between = (labels > 0) & (labels < white)
    if not between.any() or labels[between].max() <= white // 4:
        return None
    pairs, differing, small = _steps(labels, between, _SMALL_STEP)
    if differing > pairs / 2:
        return white
    if white != _VOID or len(np.unique(labels)) < _MANY_LEVELS:
        return None
    # Instances are numbered too, but touch the background more than one another, and few of them have the end numbers.
    ends = np.count_nonzero((labels[between] < _NEAR_END) | (labels[between] > white - _NEAR_END))
    return white if small > differing / 2 or ends > np.count_nonzero(between) / 2 else None


def _steps(labels: NDArray[Any], between: NDArray[np.bool_], most: int) -> tuple[int, int, int]:
    """Neighbours of which one lies between: all of them, those that differ, and those that differ by `most`."""
    pairs = differing = small = 0
    wide = labels.astype(np.int32)
    for grey, values in ((between, wide), (between.T, wide.T)):
        steps = np.abs(np.diff(values, axis=0))[grey[1:] | grey[:-1]]
        pairs += steps.size
        differing += int(np.count_nonzero(steps))
        small += int(np.count_nonzero((steps > 0) & (steps <= most)))
    return pairs, differing, small


def _dim_level(labels: NDArray[Any]) -> int | None:
    """`soft_levels` of a mask whose object is not white, such as 0 to 153.

    Choice: its most frequent value stands for the object. The others are greys of its edge if most of them differ from
        their neighbours, and lie beside the object or rise by small steps, as no classes and no numbered specks do.
    """
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    if len(values) < _FEWEST_LEVELS:
        return None
    level = int(values[np.argmax(counts)])
    if level < _DIMMEST:
        return None
    full = labels == level
    between = (labels > 0) & ~full
    pairs, differing, small = _steps(labels, between, level // _DIM_STEPS)
    if differing <= pairs / 2:
        return None
    near = np.pad(full, _BESIDE)
    for axis in (0, 1):
        end = near.shape[axis] - 2 * _BESIDE
        near = np.logical_or.reduce([near.take(range(by, by + end), axis) for by in range(2 * _BESIDE + 1)])
    beside = np.count_nonzero(between & near)
    return level if 2 * small > differing or 2 * beside > np.count_nonzero(between) else None


class MaskFolder:
    """The masks under a folder, found by the names of images.

    Choice: the same relative path without suffix; else the same file name, if one mask alone has it.
    Raises: InputError: no label map in the folder, or two of one name.
    """

    def __init__(self, folder: Path, *, follow_links: bool = False) -> None:
        self.folder = folder
        self._labels = LabelFolder(folder, follow_links=follow_links)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for name, path in self._labels.files.items():
            self._by_stem[Path(name).name].append(path)

    def warnings(self) -> list[str]:
        """What lies there and is not read, in words."""
        return self._labels.warnings()

    def find(self, name: str) -> Path:
        """The mask of an image, named by its relative path without suffix.

        Raises: InputError: there is none, or several have the name.
        """
        name = nfc(name)
        if name in self._labels.files:
            return self._labels.files[name]
        found = self._by_stem.get(Path(name).name, [])
        if len(found) != 1:
            near = f"no mask named {name} (the nearest is {self._labels.nearest(name)})"
            what = near if not found else f"{len(found)} masks named {name}"
            problem = f"{what}; a mask needs its image's name but for the suffix"
            raise InputError(self.folder, "; ".join([problem, *self.warnings()]))
        return found[0]
