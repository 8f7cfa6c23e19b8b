"""Masks of what an image shows: object, background, or neither, from label maps and binary pictures."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.folders import nfc
from convneur.data.label_folder import LabelFolder
from convneur.data.labels import read_label_map_or_colours
from convneur.data.limits import MAX_PIXELS
from convneur.errors import InputError

__all__ = ["MaskFolder", "as_mask", "read_mask"]

_VOID = 255


def read_mask(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.int8]:
    """The mask in a file: 1 object, 0 background, -1 void; see `as_mask`.

    Choice: RGB whose three channels are equal is read as grey.
    Args:    path, max_pixels: as `read_label_map` takes them.
    Returns: (H, W).
    Raises:  InputError: as `read_label_map`; colours.
    """
    labels = read_label_map_or_colours(path, max_pixels=max_pixels)
    if labels.ndim == 3:
        if (labels != labels[..., :1]).any():
            raise InputError(path, "holds colours, no mask; write one value per pixel, 0 for the background")
        labels = labels[..., 0]
    return as_mask(labels)


def as_mask(labels: NDArray[Any]) -> NDArray[np.int8]:
    """The mask in a label map: 1 object, 0 background, -1 void.

    Choice: every class but 0 is object, and 255 is void. A map of 0 and 255 alone is a binary mask, and 255 its object.
    Args:    labels: (H, W), whole numbers or bool.
    Returns: (H, W).
    Raises:  InputError, without a path: another shape or type.

    >>> as_mask(np.array([[0, 7, 255]]))
    array([[ 0,  1, -1]], dtype=int8)
    """
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise InputError(None, f"a mask of {labels.shape} {labels.dtype}; give (H, W) whole numbers, 0 the background")
    mask = (labels != 0).astype(np.int8)
    void = labels == _VOID
    if not np.array_equal(void, mask):
        mask[void] = -1
    return mask


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
