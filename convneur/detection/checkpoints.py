"""A detector's weights in and out: safetensors, with its settings and where they come from inside the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from convneur.checkpoints import DETECTOR_FORMAT, provenance_text
from convneur.detection.detector import Detector, new_detector
from convneur.detection.settings import DetectorSettings
from convneur.errors import InputError
from convneur.packaged import weights_path
from convneur.schema import SchemaError, parsed, typed
from convneur.tensor_files import open_tensors, write_tensors
from convneur.variants import ConvNeurConfig

__all__ = ["DetectorCheckpoint", "is_detector", "load_detector", "save_detector"]


class DetectorCheckpoint(NamedTuple):
    """model: in eval mode; provenance: what the file says of its weights' origin."""

    model: Detector
    provenance: Mapping[str, Any]


def save_detector(
    model: Detector, path: str | Path, *, provenance: Mapping[str, Any] | None = None, force: bool = False
) -> None:
    """Write a detector's weights with its settings and provenance (plain JSON data).

    Raises: InputError: the file exists and `force` is off, or it cannot be written.

    >>> import tempfile
    >>> from convneur.detection import detector_settings
    >>> config = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8)
    >>> model = new_detector(config, detector_settings("mask-rcnn", num_classes=2, heads="light"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_detector(model, Path(folder) / "tiny.safetensors", provenance={"seed": 0})
    ...     load_detector(Path(folder) / "tiny.safetensors").model.settings.num_classes
    2
    """
    metadata = {
        "format": DETECTOR_FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "detector": json.dumps(model.settings.to_dict()),
        "provenance": provenance_text(provenance),
    }
    write_tensors(Path(path), model.state_dict(), metadata, force=force)


def is_detector(path: Path) -> bool:
    """Whether a file holds a detector's weights. Raises: InputError: no file of tensors.

    >>> is_detector(weights_path("photos"))
    False
    """
    return open_tensors(path).metadata.get("format") == DETECTOR_FORMAT


def load_detector(path: str | Path) -> DetectorCheckpoint:
    """Build the detector that a file describes and give it the file's weights, in eval mode on the CPU, in fp32.

    Choice: the header, its description of the model and the tensors' sizes are judged before any tensor is read.
    Raises: InputError: no detector's file, or tensors that do not fit its settings.

    >>> load_detector("photos")
    Traceback (most recent call last):
    convneur.errors.InputError: ...: not weights of a detector (its format is 'convneur.weights/1', ...
    """
    path = weights_path(path)
    found = open_tensors(path)
    if found.metadata.get("format") != DETECTOR_FORMAT:
        other = repr(found.metadata.get("format"))[:40]
        problem = f"not weights of a detector (its format is {other}, not {DETECTOR_FORMAT!r})"
        raise InputError(path, f"{problem}; name the weights.safetensors of a run with `task` detection")
    said: dict[str, Any] = {}
    kinds: dict[str, Any] = {"config": ConvNeurConfig, "detector": DetectorSettings, "provenance": dict[str, Any]}
    for key, kind in kinds.items():
        try:
            if key not in found.metadata:
                raise SchemaError(key, "is missing")
            said[key] = typed(parsed(found.metadata[key]), kind, key)
        except SchemaError as error:
            problem = f"its description of the model is broken ({error}); write the file again"
            raise InputError(path, problem) from None
    with torch.device("meta"):
        model = new_detector(said["config"], said["detector"])
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if (misfit := found.misfit(wanted)) is not None:
        raise InputError(path, f"{misfit}; the file is not of the model it describes")
    if surplus := found.shapes.keys() - wanted.keys():
        raise InputError(path, f"holds {len(surplus)} tensors that its model lacks, {min(surplus)[:60]} among them")
    tensors = {name: tensor.float() for name, tensor in found.read(wanted).items()}
    model.load_state_dict(tensors, assign=True)
    return DetectorCheckpoint(model.eval(), said["provenance"])
