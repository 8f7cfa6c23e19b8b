"""Objects against ground truth: COCO results with masks, panoptic maps, objects tracked through sequences; no torch.

>>> from importlib.resources import files
>>> from convneur.instances import evaluate_detection
>>> samples = files("convneur") / "data" / "samples"
>>> scores = evaluate_detection(samples / "detections.json", samples / "instances.json")
>>> round(scores.mask["ap"], 4), round(scores.boundary["ap"], 4)
(0.3633, 0.3591)

`print(scores)` shows all of it, `scores.save("scores.json")` keeps it.

Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.instances.detection import evaluate_detection
    from convneur.instances.detection_scores import DetectionScores
    from convneur.instances.inputs import Failure
    from convneur.instances.overlaps import ImageObjects
    from convneur.instances.panoptic import PanopticScores, evaluate_panoptic
    from convneur.instances.sequences import SequenceScores, evaluate_sequences
    from convneur.instances.totals import ObjectTotals

_HOME = {
    "DetectionScores": "convneur.instances.detection_scores",
    "Failure": "convneur.instances.inputs",
    "ImageObjects": "convneur.instances.overlaps",
    "ObjectTotals": "convneur.instances.totals",
    "PanopticScores": "convneur.instances.panoptic",
    "SequenceScores": "convneur.instances.sequences",
    "evaluate_detection": "convneur.instances.detection",
    "evaluate_panoptic": "convneur.instances.panoptic",
    "evaluate_sequences": "convneur.instances.sequences",
}

__all__ = [
    "DetectionScores",
    "Failure",
    "ImageObjects",
    "ObjectTotals",
    "PanopticScores",
    "SequenceScores",
    "evaluate_detection",
    "evaluate_panoptic",
    "evaluate_sequences",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.instances' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
