"""The metrics as plain functions: boundary metrics of two masks, region metrics of two label maps."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.errors import InputError
from convneur.metrics.label_pair import describe, highest_class
from convneur.metrics.scores import PairScores, score_pair
from convneur.metrics.settings import BoundarySettings, Hd95, TrimapSeed, TrimapShape
from convneur.metrics.summary import BoundaryAccumulator
from convneur.metrics.tables import Path, image_values

__all__ = [
    "assd",
    "boundary_f1",
    "boundary_iou",
    "hausdorff",
    "hd95",
    "masd",
    "mean_iou",
    "pixel_accuracy",
    "surface_dice",
    "trimap_miou",
]

Mask = npt.NDArray[np.bool_]
LabelMap = npt.NDArray[np.integer[Any]]
Spacing = tuple[float, float]


def boundary_f1(pred: Mask, gt: Mask, tolerance: str | float = 0.008) -> float:
    """Boundary F1 of two masks: how much of either boundary has a partner in the other.

    Equation: harmonic mean of precision (predicted boundary pixels with a ground-truth one within r) and recall.
    Choice:  a boundary pixel differs from its east, south or south-east neighbour, the image border is no boundary;
        r as in `tolerance_radius` (source: davis2017, f_measure, from which we depart for masks that fill the image).
    Args:    pred, gt: (H, W) booleans; tolerance: pixels from 1, `3px`, or a share of the image diagonal below 1.
    Returns: 0 to 1, more is better. Both masks empty: NaN; one empty: 0; neither has a boundary: 1; one has none: 0.
    Raises:  InputError: not two masks of one size. ConfigError: the tolerance.
    """
    settings = BoundarySettings(metrics=("boundary_f1",), tolerance=(tolerance,))
    return _value(("boundary_f1", str(tolerance)), pred, gt, settings)


def hausdorff(pred: Mask, gt: Mask, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4) -> float:
    """Hausdorff distance (HD) of two masks' borders: the largest distance from either to the other.

    Choice:  border = mask & ~eroded mask, `connectivity` neighbours, background outside the image, so the image
        border is a border (source: medpy.hd, equal to MetricsReloaded and MONAI for connectivity 4).
    Args:    pred, gt: (H, W) booleans; spacing: height and width of a pixel.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Raises:  InputError: not two masks of one size. ConfigError: spacing or connectivity.
    """
    return _distance("hausdorff", pred, gt, spacing, connectivity)


def hd95(
    pred: Mask, gt: Mask, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4, method: Hd95 = "directed"
) -> float:
    """95th percentile of the border distances of two masks (HD95).

    Choice:  `directed` is the larger of the two directions' percentiles (source: MetricsReloaded, MONAI), `pooled`
        the percentile of both directions' distances together (medpy); linear interpolation. Border as `hausdorff`.
    Args:    pred, gt: (H, W) booleans; spacing: height and width of a pixel.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Raises:  InputError: not two masks of one size. ConfigError: spacing, connectivity or method.
    """
    return _distance("hd95", pred, gt, spacing, connectivity, method)


def assd(pred: Mask, gt: Mask, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4) -> float:
    """Average symmetric surface distance of two masks: the mean of both directions' distances together.

    Choice:  border as `hausdorff` (source: medpy.assd).
    Args:    pred, gt: (H, W) booleans; spacing: height and width of a pixel.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Raises:  InputError: not two masks of one size. ConfigError: spacing or connectivity.
    """
    return _distance("assd", pred, gt, spacing, connectivity)


def masd(pred: Mask, gt: Mask, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4) -> float:
    """Mean average surface distance of two masks: the mean of the two directions' means.

    Choice:  border as `hausdorff` (source: MetricsReloaded).
    Args:    pred, gt: (H, W) booleans; spacing: height and width of a pixel.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Raises:  InputError: not two masks of one size. ConfigError: spacing or connectivity.
    """
    return _distance("masd", pred, gt, spacing, connectivity)


def surface_dice(
    pred: Mask, gt: Mask, tau: str | float, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4
) -> float:
    """Surface dice (NSD) of two masks: the share of all border pixels with a partner within tau.

    Equation: (matched_gt + matched_pred) / (border_gt + border_pred). It is not boundary F1: the borders differ, and
        so does the mean of the two sides.
    Choice:  border as `hausdorff` (source: MetricsReloaded and MONAI; surface-distance counts surface elements).
    Args:    pred, gt: (H, W) booleans; tau: in units of spacing; spacing: height and width of a pixel.
    Returns: 0 to 1, more is better. Both empty: NaN; one empty: 0.
    Raises:  InputError: not two masks of one size. ConfigError: tau, spacing or connectivity.
    """
    settings = BoundarySettings(
        metrics=("surface_dice",),
        surface_dice_tau=(tau,),
        spacing=spacing,
        connectivity=connectivity,
    )
    return _value(("surface_dice", str(tau)), pred, gt, settings)


def boundary_iou(pred: Mask, gt: Mask, ratio: float = 0.02) -> float:
    """Boundary IoU of two masks: IoU of the inner bands along their borders.

    Equation: band = mask & ~(mask eroded d times by 3x3, background outside), d = max(1, round(ratio * diagonal))
        (source: boundary-iou-api).
    Args:    pred, gt: (H, W) booleans; ratio: width of the band as a share of the image diagonal.
    Returns: 0 to 1, more is better. Both empty: NaN; one empty: 0.
    Raises:  InputError: not two masks of one size. ConfigError: ratio.
    """
    settings = BoundarySettings(metrics=("boundary_iou",), boundary_iou_ratio=ratio)
    return _value(("boundary_iou",), pred, gt, settings)


def trimap_miou(
    pred: LabelMap,
    gt: LabelMap,
    *,
    num_classes: int | None = None,
    ignore_index: int | None = 255,
    width: int = 3,
    seed: TrimapSeed = "auto",
    shape: TrimapShape = "square",
) -> float:
    """Mean IoU of two label maps inside a band along the ground truth's boundaries.

    Choice:  seed and shape as in `BoundarySettings`; ignored pixels are not in the band; a prediction that is no
        class is a false negative. For several images use `BoundaryAccumulator`: one confusion matrix over all.
    Args:    pred, gt: (H, W) integers; width: of the band on either side, pixels.
    Returns: 0 to 1, more is better: the mean over classes with a pixel in the band. Empty band: NaN.
    Raises:  InputError: not two label maps of one size, or a gt label that is no class. ConfigError: a setting.
    """
    settings = BoundarySettings(
        num_classes=num_classes,
        ignore_index=ignore_index,
        metrics=("trimap_miou",),
        trimap_width=(width,),
        trimap_seed=seed,
        trimap_shape=shape,
    )
    return float(_overall(pred, gt, settings)["trimap_miou"][str(width)])


def mean_iou(pred: LabelMap, gt: LabelMap, *, num_classes: int | None = None, ignore_index: int | None = 255) -> float:
    """Mean intersection over union of two label maps, over the classes in either.

    Choice:  ignored pixels leave both maps; a prediction that is no class is a false negative.
    Args:    pred, gt: (H, W) integers.
    Returns: 0 to 1, more is better. Nothing to score: NaN.
    Raises:  InputError: not two label maps of one size, or a gt label that is no class.
    """
    settings = BoundarySettings(num_classes=num_classes, ignore_index=ignore_index, metrics=("miou",))
    return float(_overall(pred, gt, settings)["miou"])


def pixel_accuracy(
    pred: LabelMap, gt: LabelMap, *, num_classes: int | None = None, ignore_index: int | None = 255
) -> float:
    """Share of the pixels, ignored ones left out, whose label is right.

    Args:    pred, gt: (H, W) integers.
    Returns: 0 to 1, more is better. Nothing to score: NaN.
    Raises:  InputError: not two label maps of one size, or a gt label that is no class.
    """
    settings = BoundarySettings(num_classes=num_classes, ignore_index=ignore_index, metrics=("pixel_accuracy",))
    return float(_overall(pred, gt, settings)["pixel_accuracy"])


def _scored(pred: Mask, gt: Mask, settings: BoundarySettings) -> PairScores:
    for name, mask in (("prediction", pred), ("ground truth", gt)):
        # An integer map read as a mask would score class 0 against all others together, and look plausible.
        if mask.dtype != np.bool_:
            raise InputError(
                name,
                f"a mask is an array of booleans, not {describe(mask)}; compare a label map with a class "
                "(gt == 3) or give it to score_pair",
            )
    return score_pair(pred, gt, replace(settings, num_classes=2, ignore_index=None))


def _value(path: Path, pred: Mask, gt: Mask, settings: BoundarySettings) -> float:
    scores = _scored(pred, gt, settings)
    return _of_mask(scores, image_values(scores, settings)[path])


def _of_mask(scores: PairScores, by_class: npt.NDArray[np.float64]) -> float:
    """The value of class 1, the mask; class 0 is its background."""
    at = np.flatnonzero(scores.classes == 1)
    return float(by_class[at[0]]) if len(at) else math.nan


def _distance(
    metric: str, pred: Mask, gt: Mask, spacing: Spacing, connectivity: int, method: Hd95 = "directed"
) -> float:
    settings = BoundarySettings(metrics=(metric,), spacing=spacing, connectivity=connectivity, hd95=method)
    scores = _scored(pred, gt, settings)
    return _of_mask(scores, getattr(scores.distances, metric))


def _overall(pred: LabelMap, gt: LabelMap, settings: BoundarySettings) -> dict[str, Any]:
    if settings.num_classes is None:
        settings = replace(settings, num_classes=highest_class(gt, settings.ignore_index) + 1)
    total = BoundaryAccumulator(settings)
    total.add("", score_pair(pred, gt, settings))
    return total.summary().overall
