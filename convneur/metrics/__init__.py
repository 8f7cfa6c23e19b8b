"""Boundary metrics of label maps, on NumPy arrays; NumPy and SciPy, and Numba where it is installed.

Label maps, many classes and images:

>>> import numpy as np
>>> from convneur.metrics import BoundaryAccumulator, BoundarySettings, score_pair
>>> gt = np.zeros((40, 60), np.uint8)
>>> gt[10:30, 20:40] = 1
>>> settings = BoundarySettings(num_classes=2, tolerance=("1px", "3px"))
>>> total = BoundaryAccumulator(settings)
>>> total.add("image 1", score_pair(np.roll(gt, 2, axis=1), gt, settings))
>>> total.summary().per_class[1]["hausdorff"]["finite_mean"]
2.0

One mask against another: `boundary_f1(pred == 1, gt == 1, tolerance="3px")` and its neighbours.
"""

from convneur.metrics.comparison import Comparison, ScoreTable, compare
from convneur.metrics.label_pair import Confusion, highest_class
from convneur.metrics.loop import BoundaryMetrics
from convneur.metrics.masks import (
    assd,
    boundary_f1,
    boundary_f1_area,
    boundary_iou,
    component_dice,
    dice,
    hausdorff,
    hausdorff_percentile,
    hd95,
    masd,
    mean_iou,
    pixel_accuracy,
    surface_dice,
    trimap_miou,
)
from convneur.metrics.picks import BoundaryErrors, Pick, boundary_errors, error_hotspots, pick_images
from convneur.metrics.record_rows import record_columns, records
from convneur.metrics.scores import Matches, PairScores, score_pair
from convneur.metrics.settings import METRICS, BoundarySettings
from convneur.metrics.summary import BoundaryAccumulator, BoundarySummary

__all__ = [
    "METRICS",
    "BoundaryAccumulator",
    "BoundaryErrors",
    "BoundaryMetrics",
    "BoundarySettings",
    "BoundarySummary",
    "Comparison",
    "Confusion",
    "Matches",
    "PairScores",
    "Pick",
    "ScoreTable",
    "assd",
    "boundary_errors",
    "boundary_f1",
    "boundary_f1_area",
    "boundary_iou",
    "compare",
    "component_dice",
    "dice",
    "error_hotspots",
    "hausdorff",
    "hausdorff_percentile",
    "hd95",
    "highest_class",
    "masd",
    "mean_iou",
    "pick_images",
    "pixel_accuracy",
    "record_columns",
    "records",
    "score_pair",
    "surface_dice",
    "trimap_miou",
]
