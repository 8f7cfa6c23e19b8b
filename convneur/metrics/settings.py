"""What the boundary metrics can be asked for: one frozen dataclass, checked once."""

import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError
from convneur.metrics.arrays import as_array
from convneur.metrics.decimals import as_written, ceil_root

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "BoundarySettings",
    "Chosen",
    "Spacing",
    "check_alike",
    "curve_radii",
    "smallest_tau",
    "thin_depths",
    "tolerance_radius",
    "tolerance_square",
]

DEFAULT_METRICS = (
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
"""The metrics that are computed unless others are asked for."""

METRICS = (*DEFAULT_METRICS, "dice", "hd_percentile", "boundary_f1_curve", "objects", "cldice", "component_dice")
"""Every metric, by its key in results, in the order in which results show them."""

_DISTANCES = ("hausdorff", "hd95", "assd", "masd", "hd_percentile", "surface_dice", "objects")
_READ_BY: Mapping[str, tuple[str, ...]] = {
    "tolerance": ("boundary_f1",),
    "count_absent": ("boundary_f1", "boundary_f1_curve"),
    "trimap_width": ("trimap_miou",),
    "trimap_seed": ("trimap_miou",),
    "trimap_shape": ("trimap_miou",),
    "hd95": ("hd95", "hd_percentile", "objects"),
    "connectivity": _DISTANCES,
    "surface_dice_tau": ("surface_dice", "objects"),
    "spacing": _DISTANCES,
    "boundary_iou_ratio": ("boundary_iou",),
    "aggregate": ("boundary_f1", "boundary_f1_curve", "surface_dice", "dice", "cldice", "component_dice"),
    "object_connectivity": ("objects",),
    "object_iou": ("objects",),
}

MAX_CLASSES = 65536
# Exponents of three digits reach beyond every float already.
_TYPED = r"(\d{1,300}\.?\d{0,300}|\.\d{1,300})([eE][+-]?\d{1,3})?"
_NUMBER = re.compile(_TYPED, re.ASCII)
_TOLERANCE = re.compile(rf"(?P<number>{_TYPED})(?P<unit>px|%diag)?", re.ASCII)

TrimapSeed = Literal["auto", "class", "void"]
TrimapShape = Literal["square", "disk"]
Hd95 = Literal["directed", "pooled"]
Aggregate = Literal["mean", "pooled", "images"]
Spacing = float | Sequence[float] | npt.NDArray[Any]
"""Height and width of a pixel, or one number for both."""
Chosen = str | Sequence[int | str]
"""Classes of a mean: `all`, `foreground`, or ids and names."""

_LEAST_STEP = 1e-100
_CURVE = re.compile(r"(\d+):(\d+)(?::(\d+))?", re.ASCII)
_MOST_RADII = 100


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


@lru_cache(maxsize=256)
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
        metrics: which of `METRICS`; `all` stands for `DEFAULT_METRICS`, so `["all", "dice"]` is one more.
        tolerance: boundary F1, one or several, see `tolerance_radius`; results use them as keys, as given.
        count_absent: count a class absent from both maps as boundary F1 = 1, and its curve, as DAVIS does.
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
        aggregate: over images, boundary F1, its curve, surface dice, dice, clDice and component Dice as `mean` of the
            images' values or from `pooled` counts; `images` is for dice alone: the mean over images of each image's
            mean over classes. The other metrics are not concerned.
        mean_over: the classes whose mean `overall` is: `all`, `foreground` (all but `background`), or ids and names.
            The maps are not concerned: a class that is left out is still right or wrong there.
        background: the class that `foreground` leaves out.
        groups: name -> classes, as of `mean_over`, each with means of its own.
        hd_percentile: of the Hausdorff distance, one or several above 0 to 100, in the directions that `hd95` names;
            turns the metric on.
        tolerance_curve: whole radii in pixels, `1:10` or `1:10:3`, at which the boundary F1 curve is computed; turns
            the metric on.
    Numbers may be NumPy's. Where several values are meant (metrics, tolerance, trimap_width, surface_dice_tau,
    hd_percentile) one may stand alone.
    Raises: ConfigError: a value that is none of these.

    >>> settings = BoundarySettings(num_classes=19, metrics="boundary_f1", tolerance=[1e-3, "3px"], spacing=0.5)
    >>> settings.tolerance, settings.spacing
    ((0.001, '3px'), (0.5, 0.5))
    """

    num_classes: int | None = None
    ignore_index: int | None = 255
    metrics: tuple[str, ...] = DEFAULT_METRICS
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
    mean_over: str | tuple[int | str, ...] = "all"
    background: int = 0
    groups: tuple[tuple[str, str | tuple[int | str, ...]], ...] = ()
    hd_percentile: tuple[str | float, ...] = ()
    tolerance_curve: str | None = None
    object_connectivity: int = 8
    object_iou: float = 0.5
    per_object: bool = False

    def __post_init__(self) -> None:
        self._make_plain()
        self._turn_on()
        if self.num_classes is not None and not 1 <= self.num_classes <= MAX_CLASSES:
            raise ConfigError("num_classes", f"must be 1 to {MAX_CLASSES}", value=self.num_classes)
        for name, value, allowed in (
            ("trimap_seed", self.trimap_seed, get_args(TrimapSeed)),
            ("trimap_shape", self.trimap_shape, get_args(TrimapShape)),
            ("hd95", self.hd95, get_args(Hd95)),
            ("aggregate", self.aggregate, get_args(Aggregate)),
            ("connectivity", self.connectivity, (4, 8)),
            ("object_connectivity", self.object_connectivity, (4, 8)),
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
        if not all(_LEAST_STEP <= step <= 1 / _LEAST_STEP for step in self.spacing):
            problem = f"must be {_LEAST_STEP:g} to {1 / _LEAST_STEP:g}; beyond, squares of distances leave the floats"
            raise ConfigError("spacing", f"{problem}; choose another unit", value=self.spacing)
        if not 0 <= self.boundary_iou_ratio <= 1:
            raise ConfigError("boundary_iou_ratio", "must be 0 to 1", value=self.boundary_iou_ratio)
        if not 0.5 <= self.object_iou < 1:
            problem = "must be 0.5 to less than 1; below, an object may have several partners and tools differ"
            raise ConfigError("object_iou", problem, value=self.object_iou)
        keys = list(map(str, self.hd_percentile))
        if len(set(keys)) < len(keys):
            raise ConfigError("hd_percentile", "give each once", value=", ".join(keys))
        for percentile in self.hd_percentile:
            if not 0 < _number("hd_percentile", percentile) <= 100:
                raise ConfigError("hd_percentile", "must be above 0 and at most 100", value=percentile)
        if self.aggregate == "images" and "dice" not in self.metrics:
            raise ConfigError("aggregate", "is for dice alone; add it to `metrics`", value=self.aggregate)
        self._check_sets()

    @property
    def radii(self) -> tuple[int, ...]:
        """Of the boundary F1 curve, pixels; none without one."""
        return () if self.tolerance_curve is None else curve_radii(self.tolerance_curve)

    def unused(self) -> list[str]:
        """The settings that were changed though no metric that was asked for reads them, a line each.

        >>> BoundarySettings(metrics="miou", tolerance="1px", trimap_width=10).unused()[0]
        '`tolerance` changes nothing: it is for boundary_f1, which `metrics` does not name'
        """
        changed = {each.name for each in fields(self) if getattr(self, each.name) != each.default}
        lines = [
            f"`{name}` changes nothing: it is for {_either(metrics)}, which `metrics` does not name"
            for name, metrics in _READ_BY.items()
            if name in changed and not set(metrics) & set(self.metrics)
        ]
        if "background" in changed and "foreground" not in (self.mean_over, *(classes for _, classes in self.groups)):
            lines.append("`background` changes nothing: it is what foreground leaves out (`mean_over foreground`)")
        return lines

    def _turn_on(self) -> None:
        """Add the metrics that other settings ask for. Raises: ConfigError: a metric without the setting it needs."""
        for metric, setting, example in (
            ("hd_percentile", "hd_percentile", "90,99"),
            ("boundary_f1_curve", "tolerance_curve", "1:10"),
        ):
            if getattr(self, setting):
                if metric not in self.metrics:
                    object.__setattr__(self, "metrics", (*self.metrics, metric))
            elif metric in self.metrics:
                raise ConfigError("metrics", f"give `{setting}` too, such as {example}", value=metric)
        _ = self.radii
        if self.per_object and "objects" not in self.metrics:
            object.__setattr__(self, "metrics", (*self.metrics, "objects"))

    def _check_sets(self) -> None:
        for setting, name, classes in (("mean_over", "", self.mean_over), *(("groups", *each) for each in self.groups)):
            of = f"{name}: " if name else ""
            if isinstance(classes, str) and classes not in ("all", "foreground"):
                raise ConfigError(setting, f"{of}must be all, foreground, or classes", value=classes)
            if not classes:
                raise ConfigError(setting, f"{of}names no class")
            for label in classes if isinstance(classes, tuple) else ():
                if isinstance(label, int) and not 0 <= label < (self.num_classes or MAX_CLASSES):
                    raise ConfigError(
                        setting, f"{of}classes are 0 to {(self.num_classes or MAX_CLASSES) - 1}", value=label
                    )
        names = [name for name, _ in self.groups]
        if "" in names or "overall" in names or len(set(names)) < len(names):
            problem = "give each group a name of its own, and none the name overall"
            raise ConfigError("groups", problem, value=", ".join(names))
        if not 0 <= self.background < (self.num_classes or MAX_CLASSES):
            raise ConfigError(
                "background", f"classes are 0 to {(self.num_classes or MAX_CLASSES) - 1}", value=self.background
            )

    def _make_plain(self) -> None:
        """Tuples of Python's own numbers, whatever they were given as: settings are compared, hashed and written."""
        spacing = _several(self.spacing)
        plain = {
            "num_classes": None if self.num_classes is None else _whole("num_classes", self.num_classes),
            "ignore_index": None if self.ignore_index is None else _whole("ignore_index", self.ignore_index),
            "metrics": _expanded(_several(self.metrics)),
            "tolerance": _several(self.tolerance),
            "count_absent": bool(self.count_absent),
            "trimap_width": tuple(_whole("trimap_width", width) for width in _several(self.trimap_width)),
            "connectivity": _plain(self.connectivity),
            "surface_dice_tau": _several(self.surface_dice_tau),
            "spacing": tuple(_number("spacing", step) for step in (spacing * 2 if _is_one(self.spacing) else spacing)),
            "boundary_iou_ratio": _number("boundary_iou_ratio", self.boundary_iou_ratio),
            "mean_over": _classes(self.mean_over),
            "background": _whole("background", self.background),
            "groups": tuple((str(name), _classes(classes)) for name, classes in _pairs(self.groups)),
            "hd_percentile": _several(self.hd_percentile),
            "object_connectivity": _plain(self.object_connectivity),
            "object_iou": _number("object_iou", self.object_iou),
            "per_object": bool(self.per_object),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)


def _either(names: Sequence[str]) -> str:
    """a; a or b; a, b or c."""
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


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


def curve_radii(typed: str) -> tuple[int, ...]:
    """The radii of a boundary F1 curve, pixels.

    Choice: whole pixels, so that every image has the same; shares of the diagonal would give other radii for each.
    Raises: ConfigError: the range does not read as one.

    >>> curve_radii("1:10:3")
    (1, 4, 7, 10)
    """
    match = _CURVE.fullmatch(str(typed))
    if match is None:
        raise ConfigError(
            "tolerance_curve", "must be whole radii in pixels, first:last or first:last:step, such as 1:10", value=typed
        )
    if any(len(part) > 6 for part in match.groups("")):
        raise ConfigError("tolerance_curve", "no image is as large", value=typed)
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if not 1 <= first <= last or step < 1:
        raise ConfigError("tolerance_curve", "must rise, from 1 pixel or more", value=typed)
    radii = range(first, last + 1, step)
    if radii[-1] != last:
        raise ConfigError("tolerance_curve", f"steps of {step} from {first} do not end at {last}", value=typed)
    if len(radii) > _MOST_RADII:
        raise ConfigError("tolerance_curve", f"must be at most {_MOST_RADII} radii; take larger steps", value=typed)
    return tuple(radii)


def _classes(given: Any) -> str | tuple[int | str, ...]:
    """Classes as they were named: a word for several, or a tuple."""
    return given if isinstance(given, str) else _several(given)


def _expanded(metrics: tuple[Any, ...]) -> tuple[Any, ...]:
    """`all` as the metrics that it stands for, behind which more may be named."""
    return tuple(
        each
        for metric in metrics
        for each in ([one for one in DEFAULT_METRICS if one not in metrics] if metric == "all" else [metric])
    )


def _pairs(groups: Any) -> Iterable[tuple[Any, Any]]:
    return groups.items() if isinstance(groups, Mapping) else groups


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
    if isinstance(value, str) and _NUMBER.fullmatch(value) is None:
        raise ConfigError(name, "must be a number from 0, such as 3 or 1.5", value=value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(name, "must be a number", value=value) from None


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ConfigError(name, "must be a whole number", value=value) from None
