"""Probability maps from files: how sure a model is of its classes, and label maps made of that."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.decoding import StoredFile, faults_named, layout_of, opened_image
from convneur.data.labels import LabelMap, read_array
from convneur.data.limits import MAX_PIXELS, check_pixels
from convneur.errors import InputError

__all__ = ["DEFAULT_THRESHOLD", "RULE", "read_probabilities", "thresholded"]

FloatArray = NDArray[np.floating[Any]]

DEFAULT_THRESHOLD = 0.5
RULE = ">="
"""A probability equal to the threshold is of class 1."""

_HIGHEST = {"L": 255, "I;16": 65535, "I;16B": 65535}  # by layout, as Pillow names grey PNG of 8 and 16 bits
_MOST_VALUES = 4  # per pixel of `max_pixels`, of all classes together


def read_probabilities(path: StoredFile, *, max_pixels: int = MAX_PIXELS) -> FloatArray:
    """The probabilities in a file.

    Choice: floats of NPY or NPZ as they are; a grey PNG of 8 or 16 bits divided by 255 or 65535.
    Args:    max_pixels: more are refused by the file's header; of all classes together four times as many.
    Returns: (H, W) of one class, or (C, H, W) of C classes, from 0 to 1.
    Raises:  InputError: another kind of file, NaN, values below 0 or above 1.
    """
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz") and isinstance(path, Path):
        with faults_named(path, again="write it again"):
            found: FloatArray = read_array(path, lambda shape, kind: _check(path, shape, kind, max_pixels))
    elif suffix == ".png":
        found = _grey(path, max_pixels)
    else:
        raise InputError(path, "not a probability map; give NPY or NPZ of floats, or grey PNG")
    # NaN is neither.
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):
        wrong = "NaN" if np.isnan(low) else low if low < 0 else high
        raise InputError(path, f"holds {wrong}, and probabilities are from 0 to 1; of scores take softmax or sigmoid")
    if not found.size:
        raise InputError(path, "has no pixels")
    return found


def thresholded(path: object, probabilities: FloatArray, threshold: float | None = None) -> LabelMap:
    """The label map of probabilities.

    Choice: of one class 1 where p >= threshold, in the numbers of the file, else 0 (as MONAI and
        segmentation_models_pytorch; torchmetrics has >). Of several the class of the highest, the lowest of equals.
    Args:   path: for messages; probabilities: (H, W) or (C, H, W); threshold: None for one half.
    Raises: InputError: a threshold for several classes.

    >>> thresholded("a.npy", np.array([[0.2, 0.5, 0.7]])).tolist()
    [[0, 1, 1]]
    >>> thresholded("a.npy", np.array([[[0.4, 0.1]], [[0.4, 0.6]]])).tolist()
    [[0, 1]]
    """
    if probabilities.ndim == 3:
        if threshold is not None:
            raise InputError(
                path, f"holds {len(probabilities)} classes, of which the highest counts; leave `threshold` out"
            )
        chosen: LabelMap = probabilities.argmax(axis=0)
        return chosen.astype(np.uint8) if len(probabilities) <= 256 else chosen
    limit = probabilities.dtype.type(DEFAULT_THRESHOLD if threshold is None else threshold)
    return np.asarray(probabilities >= limit).astype(np.uint8)


def _check(path: Path, shape: tuple[int, ...], kind: np.dtype[Any], max_pixels: int) -> None:
    size = "x".join(map(str, shape)) or "a single value"
    if kind.kind != "f":
        raise InputError(path, f"holds {str(kind)[:80]}, not probabilities; write floats from 0 to 1")
    if len(shape) not in (2, 3):
        raise InputError(path, f"is {size}; probabilities are (height, width), or (classes, height, width)")
    if len(shape) == 3 and shape[0] == 1:
        raise InputError(path, f"is {size}; of one class remove the axis of length 1 (squeeze(0))")
    if len(shape) == 3 and shape[2] < min(shape[:2]):
        raise InputError(path, f"is {size}; classes come first: move them (moveaxis(2, 0))")
    check_pixels(path, shape[-2], shape[-1], max_pixels)
    if len(shape) == 3:
        check_pixels(path, shape[0] * shape[1], shape[2], _MOST_VALUES * max_pixels)


def _grey(path: StoredFile, max_pixels: int) -> FloatArray:
    with faults_named(path, again="write it again"), opened_image(path, ("PNG",), max_pixels=max_pixels) as image:
        highest = _HIGHEST.get(layout_of(image)) if image.mode[0] in "LI" else None
        if highest is None:
            raise InputError(path, f"holds {image.mode} pixels ({layout_of(image)}); write grey PNG of 8 or 16 bits")
        return np.asarray(image).astype(np.float64) / highest
