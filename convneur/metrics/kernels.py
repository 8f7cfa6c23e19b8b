"""Hot loops in two bit-identical implementations: NumPy and SciPy, or compiled by Numba."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.metrics import bands, boundaries, distances, label_pair, objects
from convneur.metrics.boundaries import Points
from convneur.metrics.label_pair import Confusion
from convneur.metrics.objects import Objects

__all__ = ["PLAIN", "Kernels", "compiled_kernels", "kernels_for"]

_Array = npt.NDArray[Any]
_Map = npt.NDArray[np.unsignedinteger[Any]]

# Pixels for which NumPy takes as long as the compiled kernels take to load, a third of a second, or to compile.
_LOADED_FOR = 1 << 21
_COMPILED_FOR = 1 << 26


class Kernels(NamedTuple):
    """One form of every loop; what they compute stands at the functions of `PLAIN`.

    search_cost: of a boundary pixel in `f1_points` and `matched`: pixels of a map that NumPy combines with others in
    that time; measured.
    """

    occurrences: Callable[[_Array, int], _Array]
    disagreements: Callable[[_Map, _Map, int], tuple[_Array, _Array, _Array]]
    f1_points: Callable[[_Map, int], Points]
    border_points: Callable[[_Map, int, int], Points]
    nearest: Callable[[Points, Points, tuple[int, int], tuple[float, float]], _Array]
    matched: Callable[[Points, Points, tuple[int, int], list[float]], _Array]
    trimap_counts: Callable[[_Map, _Map, str, tuple[int, ...], str, int], Confusion]
    inner_band_counts: Callable[[_Map, _Map, int, int], Confusion]
    objects_of: Callable[[_Map, Points, int], Objects]
    thin_objects: Callable[[_Map, Objects, int], _Array]
    search_cost: int


PLAIN = Kernels(
    label_pair.occurrences,
    label_pair.disagreements,
    boundaries.f1_points,
    boundaries.border_points,
    distances.nearest,
    distances.matched,
    bands.trimap_counts,
    bands.inner_band_counts,
    objects.objects_of,
    objects.thin_objects,
    search_cost=2000,
)


@cache
def compiled_kernels() -> Kernels | None:
    """The compiled form; None without a working Numba (extra `fast`)."""
    try:
        from convneur.metrics import compiled
    except ImportError:
        return None
    functions: dict[str, Any] = {name: getattr(compiled, name) for name in Kernels._fields[:-1]}
    return Kernels(**functions, search_cost=250)


class _Scored:
    """What this process has scored by NumPy so far."""

    pixels = 0


def kernels_for(pixels: int) -> Kernels:
    """The form to score one more pair of so many pixels by.

    Choice: the compiled kernels are loaded, or compiled where no earlier run has left them on disk, once NumPy has
        worked for about as long as that takes. So few small images never pay for it, and no work takes much more than
        twice as long as with foresight.
    """
    _Scored.pixels += pixels
    if _Scored.pixels > (_LOADED_FOR if _on_disk() else _COMPILED_FOR):
        return compiled_kernels() or PLAIN
    return PLAIN


def _on_disk() -> bool:
    # Asked without Numba, whose import is most of what a small folder is to be spared.
    here = Path(__file__).parent
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    return next(here.glob(f"__pycache__/compiled.*.{python}.nbi"), None) is not None
