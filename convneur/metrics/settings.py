"""What the boundary metrics can be asked for: one frozen dataclass, checked once."""

import math
import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError
from convneur.metrics.arrays import as_array
from convneur.metrics.decimals import as_written, ceil_root

__all__ = [
    "METRICS",
    "BoundarySettings",
    "Spacing",
    "check_alike",
    "smallest_tau",
    "thin_depths",
    "tolerance_radius",
    "tolerance_square",
]

METRICS = (
    "boundary_f1",
    "trimap_miou",
    "hausdorff",
    "hd95",
    "assd",
    "masd",
    "surface_dice",
    "boundary_iou",
    "miou",
    "pixel_accuracy",
)
"""Every metric, by its key in results, in the order in which results show them."""

MAX_CLASSES = 65536
# Exponents of three digits reach beyond every float already.
_TOLERANCE = re.compile(r"(?P<number>(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?)(?P<unit>px|%diag)?", re.ASCII)

TrimapSeed = Literal["auto", "class", "void"]
TrimapShape = Literal["square", "disk"]
Hd95 = Literal["directed", "pooled"]
Aggregate = Literal["mean", "pooled"]
Spacing = float | Sequence[float] | npt.NDArray[Any]
"""Height and width of a pixel, or one number for both."""


def tolerance_radius(tolerance: str | float, height: int, width: int) -> float:
    """The matching radius of a boundary tolerance in an image, in pixels.

    Choice: `3px` and plain numbers from 1 are pixels; a number below 1 is a share of the image diagonal and
        `0.75%diag` is 0.0075 of it, both rounded up to whole pixels, as DAVIS does, but exactly: 0.07 of a diagonal of
        100 pixels is 7, where floats give 8.
    Args:    tolerance: a number, `<number>px` or `<number>%diag`; height, width: of the image, pixels.
    Returns: the radius, pixels.
    Raises:  ConfigError: the tolerance does not read as one of these.

    >>> tolerance_radius("3px", 512, 1024), tolerance_radius(0.008, 512, 1024), tolerance_radius("0.8%diag", 512, 1024)
    (3.0, 10.0, 10.0)
    """
    radius, share = _tolerance(tolerance)
    return float(ceil_root(share**2 * (height * height + width * width)) if radius is None else radius)


def tolerance_square(tolerance: str | float, height: int, width: int) -> int:
    """The largest squared distance between pixels, a whole number, that is within the tolerance, at most H^2 + W^2.

    >>> tolerance_square("3px", 512, 1024), tolerance_square("1.5px", 512, 1024)
    (9, 2)
    """
    radius, share = _tolerance(tolerance)
    diagonal = height * height + width * width
    if radius is None:
        radius = Fraction(ceil_root(share**2 * diagonal))
    return min(math.floor(radius**2), diagonal)


def _tolerance(tolerance: str | float) -> tuple[Fraction | None, Fraction]:
    """A tolerance in pixels; None if it is a share of the diagonal, which is the second."""
    match = _TOLERANCE.fullmatch(str(tolerance))
    if match is None or not math.isfinite(float(match["number"])):
        raise ConfigError("tolerance", "must be a number from 0, such as 0.008, 3px or 0.75%diag", value=tolerance)
    number, unit = as_written(match["number"]), match["unit"]
    if unit == "px" or (unit is None and number >= 1):
        return number, Fraction(0)
    share = number / 100 if unit else number
    if share > 1:
        raise ConfigError("tolerance", "must be at most 100%diag", value=tolerance)
    return None, share


@dataclass(frozen=True, kw_only=True)
class BoundarySettings:
    """Which boundary metrics to compute, by which definitions.

    Args:
        num_classes: classes are 0..num_classes - 1; None: the highest ground-truth label of the pair + 1.
        ignore_index: ground-truth label left out of everything; None: no label is.
        metrics: which of `METRICS`.
        tolerance: boundary F1, one or several, see `tolerance_radius`; results use them as keys, as given.
        count_absent: count a class absent from both maps as boundary F1 = 1, as DAVIS does.
        trimap_width: trimap mIoU, half-widths of the band, pixels.
        trimap_seed: where the band lies: `class` along ground-truth class changes, `void` around ignored
            areas, `auto` class if that band is not empty over the data set, else void.
        trimap_shape: `square` takes Chebyshev, `disk` Euclidean distance to the seed.
        hd95: `directed` takes the larger of the two directions' percentiles, `pooled` (medpy) the percentile
            of both directions' distances together.
        connectivity: 4 or 8 neighbours decide whether a pixel is on the border, for the distance metrics.
        surface_dice_tau: surface dice, tolerances in units of `spacing`; keys of the results, as given.
        spacing: pixel height and width, or one number for both, for the distance metrics and surface dice.
        boundary_iou_ratio: Boundary IoU, width of the inner band as a share of the image diagonal.
        aggregate: over images, boundary F1 and surface dice as `mean` of the images' values or from `pooled`
            counts; the other metrics are not concerned.
    Numbers may be NumPy's. Where several values are meant (metrics, tolerance, trimap_width, surface_dice_tau) one may
    stand alone.
    Raises: ConfigError: a value that is none of these.

    >>> settings = BoundarySettings(num_classes=19, metrics="boundary_f1", tolerance=[1e-3, "3px"], spacing=0.5)
    >>> settings.tolerance, settings.spacing
    ((0.001, '3px'), (0.5, 0.5))
    """

    num_classes: int | None = None
    ignore_index: int | None = 255
    metrics: tuple[str, ...] = METRICS
    tolerance: tuple[str | float, ...] = ("0.008",)
    count_absent: bool = False
    trimap_width: tuple[int, ...] = (1, 3, 5, 10)
    trimap_seed: TrimapSeed = "auto"
    trimap_shape: TrimapShape = "square"
    hd95: Hd95 = "directed"
    connectivity: int = 4
    surface_dice_tau: tuple[str | float, ...] = ("1", "2", "3")
    spacing: tuple[float, float] = (1.0, 1.0)
    boundary_iou_ratio: float = 0.02
    aggregate: Aggregate = "mean"

    def __post_init__(self) -> None:
        self._make_plain()
        if self.num_classes is not None and not 1 <= self.num_classes <= MAX_CLASSES:
            raise ConfigError("num_classes", f"must be 1 to {MAX_CLASSES}", value=self.num_classes)
        for name, value, allowed in (
            ("trimap_seed", self.trimap_seed, get_args(TrimapSeed)),
            ("trimap_shape", self.trimap_shape, get_args(TrimapShape)),
            ("hd95", self.hd95, get_args(Hd95)),
            ("aggregate", self.aggregate, get_args(Aggregate)),
            ("connectivity", self.connectivity, (4, 8)),
            *(("metrics", metric, METRICS) for metric in self.metrics),
        ):
            if not isinstance(value, str | int) or value not in allowed:
                raise ConfigError(name, f"must be one of {', '.join(map(str, allowed))}", value=value)
        for name, values in (
            ("metrics", self.metrics),
            ("tolerance", self.tolerance),
            ("trimap_width", self.trimap_width),
            ("surface_dice_tau", self.surface_dice_tau),
        ):
            keys = [str(value) for value in values]
            if not keys or len(set(keys)) < len(keys):
                raise ConfigError(name, "give at least one, and each once", value=", ".join(keys) or "(none)")
        for tolerance in self.tolerance:
            tolerance_radius(tolerance, 1, 1)
        for width in self.trimap_width:
            if width < 1:
                raise ConfigError("trimap_width", "must be a whole number of pixels from 1", value=width)
        for tau in self.surface_dice_tau:
            if not 0 <= _number("surface_dice_tau", tau) < math.inf:
                raise ConfigError("surface_dice_tau", "must be a finite number from 0", value=tau)
        if len(self.spacing) != 2 or not all(0 < step < math.inf for step in self.spacing):
            raise ConfigError(
                "spacing", "must be two positive numbers, height and width of a pixel", value=self.spacing
            )
        if not 0 <= self.boundary_iou_ratio <= 1:
            raise ConfigError("boundary_iou_ratio", "must be 0 to 1", value=self.boundary_iou_ratio)

    def _make_plain(self) -> None:
        """Tuples of Python's own numbers, whatever they were given as: settings are compared, hashed and written."""
        spacing = _several(self.spacing)
        plain = {
            "num_classes": None if self.num_classes is None else _whole("num_classes", self.num_classes),
            "ignore_index": None if self.ignore_index is None else _whole("ignore_index", self.ignore_index),
            "metrics": _several(self.metrics),
            "tolerance": _several(self.tolerance),
            "count_absent": bool(self.count_absent),
            "trimap_width": tuple(_whole("trimap_width", width) for width in _several(self.trimap_width)),
            "connectivity": _plain(self.connectivity),
            "surface_dice_tau": _several(self.surface_dice_tau),
            "spacing": tuple(_number("spacing", step) for step in (spacing * 2 if _is_one(self.spacing) else spacing)),
            "boundary_iou_ratio": _number("boundary_iou_ratio", self.boundary_iou_ratio),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)


def smallest_tau(settings: BoundarySettings) -> str | float:
    """The smallest surface-dice tau, as given."""
    return min(settings.surface_dice_tau, key=as_written)


def thin_depths(settings: BoundarySettings, height: int, width: int) -> list[int]:
    """How far from a boundary a match may lie, whole pixels: of each F1 tolerance, then of the smallest tau.

    Choice: of several taus the smallest is judged, since a reader sees its value beside the others', and only where it
        is 2 pixels or more, so that a smaller one exists. 0 for metrics that were not asked for.
    """
    tau = math.floor(as_written(smallest_tau(settings)) / max(map(as_written, settings.spacing)))
    return [
        *(
            int(tolerance_radius(tolerance, height, width)) if "boundary_f1" in settings.metrics else 0
            for tolerance in settings.tolerance
        ),
        tau if "surface_dice" in settings.metrics and tau >= 2 else 0,
    ]


class Settled(Protocol):
    """What was counted by settings, of classes by name."""

    @property
    def settings(self) -> BoundarySettings: ...
    @property
    def names(self) -> Sequence[str]: ...


def check_alike(argument: str, own: Settled, other: Settled) -> None:
    """Raise ConfigError for two that cannot be brought together, saying in what they differ. argument: the other's."""
    differing = [
        field.name
        for field in fields(BoundarySettings)
        if getattr(own.settings, field.name) != getattr(other.settings, field.name)
    ]
    if list(own.names) != list(other.names):
        differing.append("names of the classes")
    if differing:
        raise ConfigError(argument, f"was made with other settings; make both with the same {', '.join(differing)}")


def _several(value: Any) -> tuple[Any, ...]:
    """One or several values as a tuple."""
    if _is_one(value):
        return (_plain(value),)
    return tuple(map(_plain, as_array(value) if hasattr(value, "ndim") else value))


def _is_one(value: Any) -> bool:
    if hasattr(value, "ndim"):
        return as_array(value).ndim == 0
    return isinstance(value, str) or not isinstance(value, Iterable)


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python value that prints the same: 0.008, not the digits behind single precision."""
    if not hasattr(value, "ndim") or as_array(value).ndim:
        return value
    scalar: Any = as_array(value)[()]
    return float(str(scalar)) if isinstance(scalar, np.floating) else scalar.item()


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(name, "must be a number", value=value) from None


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ConfigError(name, "must be a whole number", value=value) from None
