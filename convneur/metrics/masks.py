"""The metrics as plain functions: boundary metrics of two masks, region metrics of two label maps.

Masks and label maps are NumPy arrays or tensors on any device, of one image. `BoundaryMetrics` combines many images;
under "Images" stands in which order.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from convneur.errors import ConfigError, InputError
from convneur.metrics.arrays import as_array
from convneur.metrics.label_pair import describe, highest_class
from convneur.metrics.scores import score_pair
from convneur.metrics.settings import BoundarySettings, Hd95, Spacing, TrimapSeed, TrimapShape
from convneur.metrics.summary import BoundaryAccumulator
from convneur.metrics.tables import headline, image_values

__all__ = [
    "assd",
    "boundary_f1",
    "boundary_f1_area",
    "boundary_iou",
    "component_dice",
    "dice",
    "hausdorff",
    "hausdorff_percentile",
    "hd95",
    "masd",
    "mean_iou",
    "pixel_accuracy",
    "surface_dice",
    "trimap_miou",
]

# Arguments whose names are shorter here than in the settings, where they stand beside those of other metrics.
_ARGUMENTS = {
    "boundary_iou_ratio": "ratio",
    "hd95": "method",
    "hd_percentile": "percentile",
    "surface_dice_tau": "tau",
    "tolerance_curve": "radii",
    "trimap_seed": "seed",
    "trimap_shape": "shape",
    "trimap_width": "width",
}


def boundary_f1(pred: Any, gt: Any, tolerance: str | float = 0.008) -> float:
    """Boundary F1 of two masks: how much of either boundary has a partner in the other.

    Equation: harmonic mean of precision (predicted boundary pixels with a ground-truth one within r) and recall.
    Choice:  a boundary pixel differs from its east, south or south-east neighbour, the image border is no boundary;
        r as in `tolerance_radius` (source: davis2017, f_measure, from which we depart for masks that fill the image).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; tolerance: pixels from 1, `3px`, or a share of
        the image diagonal below 1.
    Returns: 0 to 1, more is better. Both masks empty: NaN; one empty: 0; neither has a boundary: 1; one has none: 0.
    Images:  per class the mean over those that have it, then over the classes; or from summed counts (`aggregate`).
    Raises:  InputError: not two masks of one size. ConfigError: the tolerance.

    >>> pred, gt = np.zeros((2, 20, 20), bool)
    >>> gt[5:15, 5:15] = True
    >>> pred[5:15, 7:17] = True
    >>> boundary_f1(pred, gt, "1px"), boundary_f1(pred, gt, "2px")
    (0.55, 1.0)
    """
    return _of_mask("boundary_f1", pred, gt, tolerance=tolerance)


def boundary_f1_area(pred: Any, gt: Any, radii: str = "1:10") -> float:
    """The area under boundary F1 of two masks over a range of tolerances, divided by the range.

    Equation: trapezoids between F1 at the radii, divided by the last less the first; of one radius its F1.
    Choice:  whole radii. No published name exists for this area; it sweeps no threshold, as ODS and AP do.
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; radii: pixels, first:last or first:last:step.
    Returns: 0 to 1, more is better. Both masks empty: NaN; one empty: 0.
    Images:  as `boundary_f1` at each radius; the area of the mean curve is the mean of the areas.
    Raises:  InputError: not two masks of one size. ConfigError: the radii.

    >>> pred, gt = np.zeros((2, 20, 20), bool)
    >>> gt[5:15, 5:15] = True
    >>> pred[5:15, 7:17] = True
    >>> boundary_f1_area(pred, gt, "1:3")  # F1 is 0.55, 1 and 1
    0.8875
    """
    return _of_mask("boundary_f1_curve", pred, gt, tolerance_curve=radii)


def dice(pred: Any, gt: Any) -> float:
    """Dice of two masks: twice the common pixels by the pixels of both.

    Equation: 2 |G and P| / (|G| + |P|) (source: medpy.dc, MetricsReloaded, MONAI, torchmetrics).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both.
    Returns: 0 to 1, more is better. Both empty: NaN; one empty: 0.
    Images:  three orders are in use and differ: see `aggregate` of `BoundarySettings`.
    Raises:  InputError: not two masks of one size.

    >>> dice(np.array([[True, True, False]]), np.array([[False, True, False]]))
    0.6666666666666666
    """
    return _of_mask("dice", pred, gt)


def component_dice(pred: Any, gt: Any) -> float:
    """Mean Dice over the connected components of the ground truth, each in the region that is nearest to it.

    Equation: components by 8 neighbours; a pixel is of the nearest one, of equals of that which comes first in raster
        order; mean of 2 |G_k and P| / (|G_k| + |P in region k|) (source: CC-Metrics, Jaus et al., arXiv 2410.18684).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both.
    Returns: 0 to 1, more is better. Both empty: NaN; one empty: 0.
    Images:  mean over images, or with `aggregate` "pooled" over all components.
    Raises:  InputError: not two masks of one size.

    >>> gt = np.array([[True, True, False, False, False, True]])
    >>> component_dice(gt & (np.arange(6) < 3), gt)  # the small one is missed: 1 and 0
    0.5
    """
    return _of_mask("component_dice", pred, gt)


def hausdorff(pred: Any, gt: Any, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4) -> float:
    """Hausdorff distance (HD) of two masks' borders: the largest distance from either to the other.

    Choice:  border = mask & ~eroded mask, `connectivity` neighbours, background outside the image, so the image
        border is a border (source: medpy.hd, equal to MetricsReloaded and MONAI for connectivity 4).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; spacing: height and width of a pixel, or one
        number for both.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Images:  per class two means, of the finite distances and with the diagonal for inf, then over the classes.
    Raises:  InputError: not two masks of one size. ConfigError: spacing or connectivity.

    >>> pred, gt = np.zeros((2, 20, 20), bool)
    >>> gt[5:15, 5:15] = True
    >>> pred[5:15, 7:17] = True
    >>> hausdorff(pred, gt), hausdorff(pred, gt, spacing=0.5), hausdorff(pred & False, gt)
    (2.0, 1.0, inf)
    """
    return _of_mask("hausdorff", pred, gt, spacing=spacing, connectivity=connectivity)


def hd95(
    pred: Any, gt: Any, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4, method: Hd95 = "directed"
) -> float:
    """95th percentile of the border distances of two masks (HD95).

    Choice:  `directed` is the larger of the two directions' percentiles (source: MetricsReloaded, MONAI), `pooled`
        the percentile of both directions' distances together (medpy); linear interpolation. Border as `hausdorff`.
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; spacing: height and width of a pixel, or one
        number for both.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Images:  per class two means, of the finite distances and with the diagonal for inf, then over the classes.
    Raises:  InputError: not two masks of one size. ConfigError: spacing, connectivity or method.

    >>> pred, gt = np.zeros((2, 20, 40), bool)
    >>> gt[5:15, 5:35] = True
    >>> pred[5:15, 5:35] = True
    >>> pred[10, 38] = True
    >>> hd95(pred, gt), hausdorff(pred, gt)
    (0.0, 4.0)
    """
    return _of_mask("hd95", pred, gt, spacing=spacing, connectivity=connectivity, hd95=method)


def hausdorff_percentile(
    pred: Any,
    gt: Any,
    percentile: float,
    *,
    spacing: Spacing = (1.0, 1.0),
    connectivity: int = 4,
    method: Hd95 = "directed",
) -> float:
    """Any percentile of the border distances of two masks, as `hd95` is the 95th.

    Choice:  as `hd95`; 100 is the Hausdorff distance (source: Huttenlocher et al. 1993; MetricsReloaded, MONAI).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; percentile: above 0 to 100; spacing: height and
        width of a pixel, or one number for both.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Images:  per class two means, of the finite distances and with the diagonal for inf, then over the classes.
    Raises:  InputError: not two masks of one size. ConfigError: percentile, spacing, connectivity or method.

    >>> pred, gt = np.zeros((2, 20, 40), bool)
    >>> gt[5:15, 5:35] = True
    >>> pred[5:15, 5:35] = True
    >>> pred[10, 38] = True
    >>> round(hausdorff_percentile(pred, gt, 99), 2), hausdorff_percentile(pred, gt, 100)
    (0.96, 4.0)
    """
    return _of_mask(
        "hd_percentile", pred, gt, hd_percentile=percentile, spacing=spacing, connectivity=connectivity, hd95=method
    )


def assd(pred: Any, gt: Any, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4) -> float:
    """Average symmetric surface distance of two masks: the mean of both directions' distances together.

    Choice:  border as `hausdorff` (source: medpy.assd).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; spacing: height and width of a pixel, or one
        number for both.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Images:  per class two means, of the finite distances and with the diagonal for inf, then over the classes.
    Raises:  InputError: not two masks of one size. ConfigError: spacing or connectivity.

    >>> pred, gt = np.zeros((2, 20, 20), bool)
    >>> gt[5, 5] = pred[5, 8] = True
    >>> assd(pred, gt)
    3.0
    """
    return _of_mask("assd", pred, gt, spacing=spacing, connectivity=connectivity)


def masd(pred: Any, gt: Any, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4) -> float:
    """Mean average surface distance of two masks: the mean of the two directions' means.

    Choice:  border as `hausdorff` (source: MetricsReloaded).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; spacing: height and width of a pixel, or one
        number for both.
    Returns: 0 to the image diagonal, less is better, in units of spacing. Both empty: NaN; one empty: inf.
    Images:  per class two means, of the finite distances and with the diagonal for inf, then over the classes.
    Raises:  InputError: not two masks of one size. ConfigError: spacing or connectivity.

    >>> pred, gt = np.zeros((2, 20, 20), bool)
    >>> gt[5, 5] = pred[5, 5] = pred[5, 9] = True
    >>> masd(pred, gt)  # of the truth's one pixel 0, of the predicted two 2 on average
    1.0
    """
    return _of_mask("masd", pred, gt, spacing=spacing, connectivity=connectivity)


def surface_dice(
    pred: Any, gt: Any, tau: str | float, *, spacing: Spacing = (1.0, 1.0), connectivity: int = 4
) -> float:
    """Surface dice (NSD) of two masks: the share of all border pixels with a partner within tau.

    Equation: (matched_gt + matched_pred) / (border_gt + border_pred). It is not boundary F1: the borders differ, and
        so does the mean of the two sides.
    Choice:  border as `hausdorff` (source: MetricsReloaded and MONAI; surface-distance counts surface elements).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; tau: in units of spacing; spacing: height and
        width of a pixel, or one number for both.
    Returns: 0 to 1, more is better. Both empty: NaN; one empty: 0.
    Images:  per class the mean over those that have it, then over the classes; or from summed counts (`aggregate`).
    Raises:  InputError: not two masks of one size. ConfigError: tau, spacing or connectivity.

    >>> pred, gt = np.zeros((2, 20, 20), bool)
    >>> gt[5, 5] = pred[5, 5] = pred[5, 9] = True
    >>> surface_dice(pred, gt, 1), surface_dice(pred, gt, 4)
    (0.6666666666666666, 1.0)
    """
    return _of_mask("surface_dice", pred, gt, surface_dice_tau=tau, spacing=spacing, connectivity=connectivity)


def boundary_iou(pred: Any, gt: Any, ratio: float = 0.02) -> float:
    """Boundary IoU of two masks: IoU of the inner bands along their borders.

    Equation: band = mask & ~(mask eroded d times by 3x3, background outside), d = max(1, round(ratio * diagonal))
        (source: boundary-iou-api).
    Args:    pred, gt: (H, W) booleans, ignored pixels False in both; ratio: width of the band as a share of the image
        diagonal.
    Returns: 0 to 1, more is better. Both empty: NaN; one empty: 0.
    Images:  per class the mean over those that have it, then over the classes.
    Raises:  InputError: not two masks of one size. ConfigError: ratio.

    >>> pred, gt = np.zeros((2, 20, 20), bool)
    >>> gt[5:15, 5:15] = True
    >>> pred[5:15, 5:10] = True
    >>> round(boundary_iou(pred, gt), 3)  # their IoU is 0.5
    0.409
    """
    return _of_mask("boundary_iou", pred, gt, boundary_iou_ratio=ratio)


def trimap_miou(
    pred: Any,
    gt: Any,
    *,
    num_classes: int | None = None,
    ignore_index: int | None = 255,
    width: int = 3,
    seed: TrimapSeed = "auto",
    shape: TrimapShape = "square",
) -> float:
    """Mean IoU of two label maps inside a band along the ground truth's boundaries.

    Choice:  seed and shape as in `BoundarySettings`; ignored pixels are not in the band; a prediction that is no
        class is a false negative.
    Args:    pred, gt: (H, W) integers; num_classes: None takes the highest gt label + 1; width: of the band on either
        side, pixels.
    Returns: 0 to 1, more is better: the mean over classes with a pixel in the band. Empty band: NaN.
    Images:  one confusion matrix over all, then the mean over the classes.
    Raises:  InputError: not two label maps of one size, or a gt label that is no class. ConfigError: a setting.

    >>> gt = np.zeros((8, 20), int)
    >>> gt[:, 10:] = 1
    >>> pred = np.roll(gt, 1, axis=1)  # one column is wrong at the change of classes, one at the image border
    >>> round(trimap_miou(pred, gt, width=3), 3), round(mean_iou(pred, gt), 3)
    (0.775, 0.818)
    """
    return _of_labels(
        "trimap_miou",
        pred,
        gt,
        num_classes=num_classes,
        ignore_index=ignore_index,
        trimap_width=width,
        trimap_seed=seed,
        trimap_shape=shape,
    )


def mean_iou(pred: Any, gt: Any, *, num_classes: int | None = None, ignore_index: int | None = 255) -> float:
    """Mean intersection over union of two label maps, over the classes in either.

    Choice:  ignored pixels leave both maps; a prediction that is no class is a false negative.
    Args:    pred, gt: (H, W) integers; num_classes: None takes the highest gt label + 1.
    Returns: 0 to 1, more is better. Nothing to score: NaN.
    Images:  one confusion matrix over all, then the mean over the classes.
    Raises:  InputError: not two label maps of one size, or a gt label that is no class.

    >>> mean_iou(np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 255]]))
    0.5
    """
    return _of_labels("miou", pred, gt, num_classes=num_classes, ignore_index=ignore_index)


def pixel_accuracy(pred: Any, gt: Any, *, num_classes: int | None = None, ignore_index: int | None = 255) -> float:
    """Share of the pixels, ignored ones left out, whose label is right.

    Args:    pred, gt: (H, W) integers; num_classes: None takes the highest gt label + 1.
    Returns: 0 to 1, more is better. Nothing to score: NaN.
    Images:  all their pixels count alike.
    Raises:  InputError: not two label maps of one size, or a gt label that is no class.

    >>> pixel_accuracy(np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 255]]))
    0.6666666666666666
    """
    return _of_labels("pixel_accuracy", pred, gt, num_classes=num_classes, ignore_index=ignore_index)


def _of_mask(metric: str, pred: Any, gt: Any, **options: Any) -> float:
    masks = {"pred": as_array(pred), "gt": as_array(gt)}
    for name, mask in masks.items():
        # An integer map read as a mask would score class 0 against all others together, and look plausible.
        if mask.dtype != np.bool_:
            raise InputError(
                name,
                f"a mask is an array of booleans, not {describe(mask)}; compare a label map with a class "
                f"({name} == 3) or give it to score_pair",
            )
    settings = _settings(metrics=metric, num_classes=2, ignore_index=None, **options)
    scores = score_pair(masks["pred"], masks["gt"], settings)
    if metric == "hd_percentile":
        (by_class,) = scores.rows.values()
    elif scores.distances is not None and metric in scores.distances._fields:
        by_class = getattr(scores.distances, metric)
    else:
        by_class = image_values(scores, settings)[headline(metric, settings)]
    # Class 1 is the mask, class 0 its background.
    at = np.flatnonzero(scores.classes == 1)
    return float(by_class[at[0]]) if len(at) else math.nan


def _of_labels(metric: str, pred: Any, gt: Any, **options: Any) -> float:
    pred, gt = as_array(pred), as_array(gt)
    settings = _settings(metrics=metric, **options)
    scores = score_pair(pred, gt, settings)
    if settings.num_classes is None:
        settings = replace(settings, num_classes=highest_class(gt, settings.ignore_index) + 1)
    total = BoundaryAccumulator(settings)
    total.add("", scores)
    value = total.summary().overall[metric]
    return float(next(iter(value.values())) if metric == "trimap_miou" else value)


def _settings(**options: Any) -> BoundarySettings:
    try:
        return BoundarySettings(**options)
    except ConfigError as error:
        error.setting = _ARGUMENTS.get(error.setting, error.setting)
        raise
