"""What a metric is: rows of numbers by class that one pair gives, and the values that are read from them.

A metric of this kind is one file in `measures/`. Totals, comparisons, kept scores, CSV rows, JSON and tables know no
more of it than what stands here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from convneur.metrics.boundaries import Points
from convneur.metrics.distances import ascending_by_class
from convneur.metrics.f1_matches import F1Matches, f1_matches
from convneur.metrics.kernels import Kernels
from convneur.metrics.label_pair import LabelPair
from convneur.metrics.objects import Objects
from convneur.metrics.settings import BoundarySettings, tolerance_square

__all__ = ["COUNTS", "ClassValues", "Kind", "Measure", "PairGeometry", "Path", "Rows"]

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_Found = TypeVar("_Found")

Path = tuple[str, ...]
"""Where a value stands in nested results: the metric, then keys."""
ClassValues = dict[Path, Array]
Rows = Mapping[str, Array]
"""name -> a number per class, (K,), or per data set and class, (..., C)."""
Kind = Literal["count", "sum", "value"]
"""Of a row: whole numbers that add up over images, floats that do, or floats of which only means are made."""

COUNTS = ("missed", "spurious", "tp", "fp", "fn", "components")
"""Keys of values that add up over classes; all others are averaged."""


class PairGeometry:
    """Boundaries and distances of a pair, which metrics share; each is computed when it is first asked for.

    present: (K,) the ranks that occur in either map; `pair` may hold more.
    """

    def __init__(self, pair: LabelPair, kernels: Kernels, settings: BoundarySettings) -> None:
        self.pair, self.kernels, self.settings = pair, kernels, settings
        self.count = len(pair.classes)
        self.shape: tuple[int, int] = (pair.gt.shape[0], pair.gt.shape[1])
        self.present: IntArray = np.flatnonzero(pair.confusion.gt + pair.confusion.pred)
        self._once: dict[Callable[[PairGeometry], Any], Any] = {}
        self._objects: dict[tuple[str, int], Objects] = {}

    @cached_property
    def gt_border(self) -> Points:
        return self.kernels.border_points(self.pair.gt, self.count, self.settings.connectivity)

    @cached_property
    def pred_border(self) -> Points:
        return self.kernels.border_points(self.pair.pred, self.count, self.settings.connectivity)

    @cached_property
    def from_gt(self) -> FloatArray:
        """Distance of each border point of the ground truth to the prediction's border of its class."""
        return self.kernels.nearest(self.gt_border, self.pred_border, self.shape, self.settings.spacing)

    @cached_property
    def from_pred(self) -> FloatArray:
        return self.kernels.nearest(self.pred_border, self.gt_border, self.shape, self.settings.spacing)

    @cached_property
    def ascending(self) -> list[tuple[FloatArray, FloatArray]]:
        """Both directions' distances of every class, sorted."""
        return ascending_by_class(self.from_gt, self.gt_border.starts, self.from_pred, self.pred_border.starts)

    def once(self, function: Callable[["PairGeometry"], _Found]) -> _Found:
        """function(self), computed when it is first asked for."""
        if function not in self._once:
            self._once[function] = function(self)
        return cast(_Found, self._once[function])

    def objects(self, side: Literal["gt", "pred"], connectivity: int) -> Objects:
        """The connected objects of a map, those of no class among them."""
        if (side, connectivity) not in self._objects:
            ranks, border = (self.pair.gt, self.gt_border) if side == "gt" else (self.pair.pred, self.pred_border)
            self._objects[side, connectivity] = self.kernels.objects_of(ranks, border, connectivity)
        return self._objects[side, connectivity]

    def f1_matches(self, squares: Sequence[int]) -> F1Matches:
        """Boundary pixels, and those that have a partner within the radii of these squares, by class that is present.

        squares: of radii of the settings; whole numbers, as squared distances are, so that their roots compare as they
        do.
        """
        found = self._all_f1_matches
        rows = [self._squares.index(square) for square in squares]
        of_all = [counts[self.present] for counts in found[:2]]
        return F1Matches(*of_all, *(counts[rows][:, self.present] for counts in found[2:]))

    @cached_property
    def _squares(self) -> list[int]:
        tolerances = [*self.settings.tolerance, *(f"{radius}px" for radius in self.settings.radii)]
        return sorted({tolerance_square(tolerance, *self.shape) for tolerance in tolerances})

    @cached_property
    def _all_f1_matches(self) -> F1Matches:  # one search for all radii
        return f1_matches(self.kernels, self.pair.pred, self.pair.gt, self.count, self._squares)


class Measure(ABC):
    """A metric that is made of rows.

    metric: its key in results. name, short: what people call it, and over a column. places: decimals there.
    """

    metric: str
    name: str
    short: str
    places = 3

    @abstractmethod
    def paths(self, settings: BoundarySettings) -> list[Path]:
        """Its values under these settings, in the order in which results show them."""

    @abstractmethod
    def rows(self, settings: BoundarySettings) -> Mapping[str, Kind]:
        """The rows that it needs besides those that every pair has (`PairScores.all_rows`)."""

    @abstractmethod
    def measure(self, geometry: PairGeometry) -> Rows:
        """The rows of a pair, a number for each class that is present."""

    def of_image(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> ClassValues:
        """The values of an image that a data set averages over its images; NaN where a class has none."""
        return {}

    def of_total(self, rows: Rows, settings: BoundarySettings) -> ClassValues:
        """The values that are read from rows added up over images, or from one image's; NaN where there are none."""
        return {}

    def mean_paths(self, settings: BoundarySettings) -> list[Path]:
        """The paths of `of_image`."""
        return []

    def adds_up(self, settings: BoundarySettings) -> bool:
        """Whether `of_total` reads rows of its own."""
        return bool(self.rows(settings)) and settings.aggregate == "pooled"

    def image_means(self, settings: BoundarySettings) -> bool:
        """Whether overall values are means over images of each image's mean over classes."""
        return False

    @abstractmethod
    def definition(self, settings: Mapping[str, Any], unit: str) -> str:
        """In a few words, by the settings of a summary."""

    @abstractmethod
    def headline(self, settings: BoundarySettings) -> Path:
        """The one value to rank by and to show where there is room for one."""

    def stated(self) -> Mapping[str, Any]:
        """What the settings of a result say of it besides what was asked for."""
        return {}

    def columns(self, paths: Sequence[Path]) -> list[Path]:
        """Of all its values those to show for a class."""
        return [paths[0]]

    def less_is_better(self, path: Path) -> bool:
        return False

    def value_name(self, keys: Path) -> str:
        """What people call the value under these keys."""
        return f"{self.name} @ {' '.join(keys)}" if keys else self.name

    def short_value_name(self, keys: Path) -> str:
        """The same over a column."""
        return f"{self.short}@{' '.join(keys)}" if keys else self.short

    def nested(self, values: Mapping[str, Any], settings: BoundarySettings) -> Any:
        """Values by key as they stand in results."""
        return values

    def csv_columns(self, settings: BoundarySettings) -> list[str]:
        """The columns of one image and class: by default its rows."""
        return list(self.rows(settings))

    def csv_values(self, rows: Rows, settings: BoundarySettings, diagonal: float) -> list[Array]:
        """The values under `csv_columns`, (K,) each."""
        return [rows[name] for name in self.rows(settings)]
