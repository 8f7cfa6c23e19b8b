"""What a model's gates do to its local features: looked at on one image, measured over many. Any model's layers.

>>> import numpy as np
>>> import convneur
>>> image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
>>> result = convneur.gates.inspect(image, weights="none", mem_dim=8, stage=2, size=128)
>>> result.stages[0].maps["gate"].values.shape
(12, 16)

Names load when they are first used: a result alone, and its figure, need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.gates.batch import GateBatch, inspect_batch
    from convneur.gates.inspection import Inspector, inspect
    from convneur.gates.layer_inspection import inspect_layers, list_layers
    from convneur.gates.layer_result import LayerResult
    from convneur.gates.layers import StageLayers
    from convneur.gates.maps import MapOptions, Row, StageGates, StageMap
    from convneur.gates.measures import Contrast, StageMeasures
    from convneur.gates.reads import StageReads
    from convneur.gates.result import GateResult
    from convneur.gates.sheet import GateSheet
    from convneur.gates.sources import ImageSource, MaskSource, WeightsSource

_HOME = {
    "Contrast": "convneur.gates.measures",
    "GateBatch": "convneur.gates.batch",
    "GateResult": "convneur.gates.result",
    "GateSheet": "convneur.gates.sheet",
    "ImageSource": "convneur.gates.sources",
    "Inspector": "convneur.gates.inspection",
    "LayerResult": "convneur.gates.layer_result",
    "MapOptions": "convneur.gates.maps",
    "MaskSource": "convneur.gates.sources",
    "Row": "convneur.gates.maps",
    "StageGates": "convneur.gates.maps",
    "StageLayers": "convneur.gates.layers",
    "StageMap": "convneur.gates.maps",
    "StageMeasures": "convneur.gates.measures",
    "StageReads": "convneur.gates.reads",
    "WeightsSource": "convneur.gates.sources",
    "inspect": "convneur.gates.inspection",
    "inspect_batch": "convneur.gates.batch",
    "inspect_layers": "convneur.gates.layer_inspection",
    "list_layers": "convneur.gates.layer_inspection",
}

__all__ = [
    "Contrast",
    "GateBatch",
    "GateResult",
    "GateSheet",
    "ImageSource",
    "Inspector",
    "LayerResult",
    "MapOptions",
    "MaskSource",
    "Row",
    "StageGates",
    "StageLayers",
    "StageMap",
    "StageMeasures",
    "StageReads",
    "WeightsSource",
    "inspect",
    "inspect_batch",
    "inspect_layers",
    "list_layers",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.gates' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
