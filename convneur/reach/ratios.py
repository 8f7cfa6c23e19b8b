"""How large an area holds most of a map: as it is, and as RepLKNet's script has it."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHARES", "area_ratios", "replknet_map", "replknet_ratios"]

SHARES = (20, 30, 50, 99)
"""Per cent, those that RepLKNet prints."""

_Map = NDArray[np.float64]


def area_ratios(values: _Map, centre: tuple[int, int]) -> dict[int, float | None]:
    """Of the least square around a centre that holds more than a share of the map: its area as a share of the image's.

    The square is [cy - i, cy + i] x [cx - i, cx + i], i from 0, cut at the border. None where the map sums to 0 or is
    not finite. Ratios do not change when the map is multiplied by a constant.

    >>> area_ratios(np.eye(3)[1][:, None] * np.eye(3)[1], (1, 1))[50]  # all at the centre
    0.1111111111111111
    """
    height, width = values.shape
    total = float(values.sum())
    if not (np.isfinite(total) and total > 0):
        return dict.fromkeys(SHARES)
    cy, cx = centre
    boxes = [
        (max(cy - i, 0), min(cy + i + 1, height), max(cx - i, 0), min(cx + i + 1, width))
        for i in range(max(cy, height - 1 - cy, cx, width - 1 - cx) + 1)
    ]
    held = np.array([values[top:bottom, left:right].sum() for top, bottom, left, right in boxes]) / total
    found: dict[int, float | None] = {}
    for share in SHARES:
        first = int(np.argmax(held > share / 100)) if held[-1] > share / 100 else len(boxes) - 1
        top, bottom, left, right = boxes[first]
        found[share] = (bottom - top) * (right - left) / (height * width)
    return found


def replknet_map(gradient: _Map) -> _Map:
    """log10(x + 1), divided by its maximum: what RepLKNet draws and takes its ratios of; the gradient's scale counts.

    gradient: (H, W), the mean over images of the ReLU'd gradient, summed over RGB.
    """
    logged = np.log10(gradient + 1)
    most = float(logged.max())
    return logged / most if most > 0 else logged


def replknet_ratios(logged: _Map) -> dict[int, float | None]:
    """RepLKNet's ratio r: least square of side 2 i + 1, i from 1, around [h // 2, w // 2]; None from i = h // 2."""
    height, width = logged.shape
    total = float(logged.sum())
    found: dict[int, float | None] = dict.fromkeys(SHARES)
    if not (np.isfinite(total) and total > 0):
        return found
    cy, cx = height // 2, width // 2
    for share in SHARES:
        for i in range(1, height // 2):
            area = logged[cy - i : cy + i + 1, max(cx - i, 0) : cx + i + 1]
            if area.sum() / total > share / 100:
                found[share] = (2 * i + 1) ** 2 / (height * width)
                break
    return found
