"""How much of what a gate does it does by place: its factors, split into a part of its channels and one of places."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWS", "channel_energy", "null_energies"]

_Map = NDArray[np.float64]
_Features = NDArray[np.float32]

# Choice: the gate is laid elsewhere 200 times, which leaves five draws beyond either end of a 95 % interval.
DRAWS = 200
_POSITIONS = 1024  # of a gate, that stand for all of them where there are more
_SEED = 0
_BLOCK = 1 << 22  # values held at a time


def channel_energy(f_loc: _Features, gate: _Features) -> _Map:
    """The energy behind a gate whose positions are permuted, averaged over all permutations.

    Equation: E(p) = mean_q sqrt(mean_c A_c(q)^2 F_c(p)^2) over all positions q: in closed form, for each position of
        the gate comes to each position of the features equally often.
    Choice: where a gate has more than 1024 positions, q runs over 1024 of them, drawn with seed 0. What is known on
        paper stays exact: a gate that is equal over places gives its own energy, one that is equal over channels gives
        that of F_loc times its mean.
    Args:    f_loc, gate: (C, H, W).
    Returns: (H, W).
    """
    channels = len(f_loc)
    squares = np.square(f_loc.reshape(channels, -1).T, dtype=np.float64)  # C H W -> N C
    profiles = gate.reshape(channels, -1)
    if profiles.shape[1] > _POSITIONS:
        chosen = np.random.default_rng(_SEED).choice(profiles.shape[1], _POSITIONS, replace=False)
        profiles = profiles[:, np.sort(chosen)]
    opened = np.square(profiles, dtype=np.float64)  # C Q
    rows = max(1, _BLOCK // opened.shape[1])
    energy = np.empty(len(squares))
    for start in range(0, len(squares), rows):
        energy[start : start + rows] = np.sqrt(squares[start : start + rows] @ opened).mean(axis=1)
    return energy.reshape(f_loc.shape[1:]) / np.sqrt(channels)


def null_energies(f_loc: _Features, gate: _Features, seen: Callable[[_Map], object], draws: int = DRAWS) -> None:
    """The energies behind the same gate laid elsewhere: moved around the image's borders, and mirrored.

    Choice: a gate is smooth, so its positions are moved together: shuffled one by one they would average out to nearly
        nothing, and any smooth gate would seem to know the place. Of all arrangements (mirrored in neither axis, one,
        or both; moved by any number of rows and columns) `draws` are taken with seed 0; all, where there are no more.
    Args: f_loc, gate: (C, H, W); seen: is given the energy of each draw, (H, W).
    """
    _, height, width = f_loc.shape
    # Positions first, channels last: parts of these are read in one go, and no moved copy is made.
    squares, opened = (np.ascontiguousarray(np.square(values.transpose(1, 2, 0))) for values in (f_loc, gate))
    arrangements = 4 * height * width
    chosen = (
        np.arange(arrangements)
        if arrangements <= draws
        else np.random.default_rng(_SEED).choice(arrangements, draws, replace=False)
    )
    for number in chosen.tolist():
        place, mirrored = divmod(number, 4)
        down, across = divmod(place, width)
        moved = opened[:: -1 if mirrored & 1 else 1, :: -1 if mirrored & 2 else 1]
        energy = np.empty((height, width))
        for to_rows, from_rows in _wrapped(height, down):
            for to_columns, from_columns in _wrapped(width, across):
                energy[to_rows, to_columns] = np.einsum(
                    "hwc,hwc->hw", squares[to_rows, to_columns], moved[from_rows, from_columns]
                )
        seen(np.sqrt(energy / len(f_loc)))


def _wrapped(length: int, by: int) -> tuple[tuple[slice, slice], ...]:
    """Where the two parts of an axis go that is moved around its end."""
    return (slice(by, length), slice(0, length - by)), (slice(0, by), slice(length - by, length))
