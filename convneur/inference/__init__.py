"""Asking a trained model: label maps at an image's own size, classes with probabilities.

    predictor = load("camvid")  # packaged weights, or a file that `convneur train` wrote
    predictor.predict("street.jpg").labels  # (H, W), a class of each pixel
    predict_folder("streets/", weights="camvid", out="labels/")
    load_objects("runs/cells/weights.safetensors").predict("cells.png").objects  # of a detector

Names load when they are first used: importing this room alone imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.inference.agreement import Agreement, measure_agreement
    from convneur.inference.exported import ExportedModel
    from convneur.inference.folder import (
        ClassifiedImage,
        FailedImage,
        LabelledImage,
        PredictionReport,
        predict_folder,
    )
    from convneur.inference.logits import size_seen
    from convneur.inference.modules import class_logits, pixel_logits
    from convneur.inference.object_folder import ObjectReport
    from convneur.inference.objects import ObjectPrediction, ObjectPredictor, load_objects
    from convneur.inference.prediction import ClassProbability, Prediction
    from convneur.inference.predictor import Predictor, load, load_predictor

_HOME = {
    "Agreement": "convneur.inference.agreement",
    "ExportedModel": "convneur.inference.exported",
    "ClassProbability": "convneur.inference.prediction",
    "ClassifiedImage": "convneur.inference.folder",
    "FailedImage": "convneur.inference.folder",
    "LabelledImage": "convneur.inference.folder",
    "ObjectPrediction": "convneur.inference.objects",
    "ObjectPredictor": "convneur.inference.objects",
    "ObjectReport": "convneur.inference.object_folder",
    "Prediction": "convneur.inference.prediction",
    "PredictionReport": "convneur.inference.folder",
    "Predictor": "convneur.inference.predictor",
    "class_logits": "convneur.inference.modules",
    "load": "convneur.inference.predictor",
    "load_objects": "convneur.inference.objects",
    "load_predictor": "convneur.inference.predictor",
    "measure_agreement": "convneur.inference.agreement",
    "pixel_logits": "convneur.inference.modules",
    "predict_folder": "convneur.inference.folder",
    "size_seen": "convneur.inference.logits",
}

__all__ = [
    "Agreement",
    "ClassProbability",
    "ClassifiedImage",
    "ExportedModel",
    "FailedImage",
    "LabelledImage",
    "ObjectPrediction",
    "ObjectPredictor",
    "ObjectReport",
    "Prediction",
    "PredictionReport",
    "Predictor",
    "class_logits",
    "load",
    "load_objects",
    "load_predictor",
    "measure_agreement",
    "pixel_logits",
    "predict_folder",
    "size_seen",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.inference' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
