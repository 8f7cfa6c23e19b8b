"""What the boundary metrics can be asked for: one frozen dataclass, checked once."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from convneur.errors import ConfigError

__all__ = ["METRICS", "BoundarySettings", "tolerance_radius"]

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
_TOLERANCE = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)(?P<unit>px|%diag)?", re.ASCII)

TrimapSeed = Literal["auto", "class", "void"]
TrimapShape = Literal["square", "disk"]
Hd95 = Literal["directed", "pooled"]
Aggregate = Literal["mean", "pooled"]


def tolerance_radius(tolerance: str | float, height: int, width: int) -> float:
    """The matching radius of a boundary tolerance in an image, in pixels.

    Choice: `3px` and plain numbers from 1 are pixels; a number below 1 is a share of the image diagonal and
        `0.75%diag` is 0.0075 of it, both rounded up to whole pixels, as DAVIS does.
    Args:    tolerance: a number, `<number>px` or `<number>%diag`; height, width: of the image, pixels.
    Returns: the radius, pixels.
    Raises:  ConfigError: the tolerance does not read as one of these.
    """
    match = _TOLERANCE.fullmatch(str(tolerance))
    if match is None:
        raise ConfigError("tolerance", "must be a number from 0, such as 0.008, 3px or 0.75%diag", value=tolerance)
    number, unit = match["number"], match["unit"]
    if unit == "px" or (unit is None and float(number) >= 1):
        return float(number)
    # The quotient of the decimal as typed: 0.75 %, not a float's hundredth, so that it equals 0.0075.
    share = float(Fraction(number) / 100) if unit else float(number)
    if share > 1:
        raise ConfigError("tolerance", "must be at most 100%diag", value=tolerance)
    return float(math.ceil(share * math.sqrt(height * height + width * width)))


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
        spacing: pixel height and width, for the distance metrics and surface dice.
        boundary_iou_ratio: Boundary IoU, width of the inner band as a share of the image diagonal.
        aggregate: over images, boundary F1 and surface dice as `mean` of the images' values or from `pooled`
            counts; the other metrics are not concerned.
    Raises: ConfigError: a value that is none of these.
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
            if value not in allowed:
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
        if len(self.spacing) != 2 or not all(0 < _number("spacing", step) < math.inf for step in self.spacing):
            raise ConfigError(
                "spacing", "must be two positive numbers, height and width of a pixel", value=self.spacing
            )
        if not 0 <= self.boundary_iou_ratio <= 1:
            raise ConfigError("boundary_iou_ratio", "must be 0 to 1", value=self.boundary_iou_ratio)


def _number(name: str, value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        raise ConfigError(name, "must be a number", value=value) from None
