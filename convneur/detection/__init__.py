"""Detection and instance segmentation: Mask R-CNN and Cascade Mask R-CNN over ConvNeur's pyramid.

>>> import convneur
>>> from convneur.detection import detector_settings, new_detector
>>> settings = detector_settings("mask-rcnn", num_classes=3, heads="light")
>>> model = new_detector(convneur.VARIANTS["m1"], settings).eval()
>>> model.settings.title
'Mask R-CNN'

`convneur.training.train(..., task="detection")` trains one. Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.detection.checkpoints import is_detector, load_detector, save_detector
    from convneur.detection.detector import Detections, Detector, Targets, new_detector
    from convneur.detection.objects import FoundObjects, find_objects
    from convneur.detection.settings import DetectorKind, DetectorSettings, Heads, detector_settings
    from convneur.detection.views import fitted, random_view

_HOME = {
    "Detections": "detector",
    "Detector": "detector",
    "DetectorKind": "settings",
    "DetectorSettings": "settings",
    "FoundObjects": "objects",
    "Heads": "settings",
    "Targets": "detector",
    "detector_settings": "settings",
    "find_objects": "objects",
    "fitted": "views",
    "is_detector": "checkpoints",
    "load_detector": "checkpoints",
    "new_detector": "detector",
    "random_view": "views",
    "save_detector": "checkpoints",
}

__all__ = [
    "Detections",
    "Detector",
    "DetectorKind",
    "DetectorSettings",
    "FoundObjects",
    "Heads",
    "Targets",
    "detector_settings",
    "find_objects",
    "fitted",
    "is_detector",
    "load_detector",
    "new_detector",
    "random_view",
    "save_detector",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"convneur.detection.{_HOME[name]}"), name)
    raise AttributeError(f"module 'convneur.detection' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
