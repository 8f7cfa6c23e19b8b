"""A colour for each class of a label map, and label maps as pictures."""

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["IGNORED", "class_colours", "coloured", "ink_on"]

Colour = tuple[int, int, int]

IGNORED: Colour = (255, 255, 255)
_STRANGE: Colour = (0, 0, 0)  # a predicted label that is no class

# Choice: Tol's "light" and "muted" schemes by turns, told apart by all eyes, those near the colours of errors last;
# then hues a golden angle apart, of three lightnesses. Pure black and white stay free.
_FIRST = (
    "#EEDD88", "#AA4499", "#44BB99", "#332288", "#BBCC33", "#FFAABB", "#117733", "#DDDDDD", "#882255", "#AAAA00",
    "#99DDFF", "#CC6677", "#77AADD", "#44AA99", "#EE8866", "#DDCC77",
)  # fmt: skip
_ALIKE = 24  # colours of a palette that lie nearer to each other tell nothing apart: a grey ramp, or no palette


def class_colours(count: int, known: Sequence[Colour] | None = None) -> NDArray[np.uint8]:
    """Colours of classes 0..count - 1, (count, 3).

    Args: known: the data set's own; used if there is one for every class and neighbours in number differ.
    """
    if known is not None and len(known) >= count:
        colours = np.array(known[:count], np.uint8).reshape(count, 3)
        apart = np.abs(np.diff(colours.astype(int), axis=0)).sum(axis=1)
        if count < 2 or np.median(apart) >= _ALIKE:
            return colours
    return np.array([_generated(k) for k in range(count)], np.uint8).reshape(count, 3)


def coloured(
    labels: NDArray[np.integer[Any]], colours: NDArray[np.uint8], ignored: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """A label map in the colours of its classes, (H, W, 3). ignored: (H, W), pixels that do not count: white."""
    table = np.full((max(len(colours) + 1, 256), 3), _STRANGE, np.uint8)
    table[: len(colours)] = colours
    if labels.dtype != np.uint8:  # which the table covers whole
        labels = np.where((labels < 0) | (labels >= len(colours)), np.intp(len(colours)), labels)
    picture = table[labels]
    picture[ignored] = IGNORED
    return picture


def ink_on(colour: Sequence[int]) -> str:
    """Black or white, whichever reads better on a colour (luminance by ITU-R BT.601)."""
    red, green, blue = (int(part) for part in colour)
    return "#000000" if 299 * red + 587 * green + 114 * blue > 128_000 else "#FFFFFF"


def _generated(k: int) -> Colour:
    if k < len(_FIRST):
        red, green, blue = bytes.fromhex(_FIRST[k][1:])
        return red, green, blue
    lightness = (0.4, 0.55, 0.7)[k % 3]  # of those tried, what kept 150 colours furthest apart
    shares = colorsys.hls_to_rgb(k * 0.618034 % 1, lightness, 1.0)
    red, green, blue = (round(255 * share) for share in shares)
    return red, green, blue
