"""What a model's gates do to its local features: looked at on one image, measured over many.

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
    from convneur.gates.layers import StageLayers
    from convneur.gates.maps import MapOptions, Row, StageGates, StageMap
    from convneur.gates.measures import CLOSED, OPEN, Contrast, StageMeasures
    from convneur.gates.result import GateResult
    from convneur.gates.sheet import GateSheet
    from convneur.gates.sources import ImageSource, MaskSource, WeightsSource
    from convneur.gates.summary import Estimate, StageEstimates

_HOME = {
    "CLOSED": "convneur.gates.measures",
    "OPEN": "convneur.gates.measures",
    "Contrast": "convneur.gates.measures",
    "Estimate": "convneur.gates.summary",
    "GateBatch": "convneur.gates.batch",
    "GateResult": "convneur.gates.result",
    "GateSheet": "convneur.gates.sheet",
    "ImageSource": "convneur.gates.sources",
    "Inspector": "convneur.gates.inspection",
    "MapOptions": "convneur.gates.maps",
    "MaskSource": "convneur.gates.sources",
    "Row": "convneur.gates.maps",
    "StageEstimates": "convneur.gates.summary",
    "StageGates": "convneur.gates.maps",
    "StageLayers": "convneur.gates.layers",
    "StageMap": "convneur.gates.maps",
    "StageMeasures": "convneur.gates.measures",
    "WeightsSource": "convneur.gates.sources",
    "inspect": "convneur.gates.inspection",
    "inspect_batch": "convneur.gates.batch",
}

__all__ = [
    "CLOSED",
    "OPEN",
    "Contrast",
    "Estimate",
    "GateBatch",
    "GateResult",
    "GateSheet",
    "ImageSource",
    "Inspector",
    "MapOptions",
    "MaskSource",
    "Row",
    "StageEstimates",
    "StageGates",
    "StageLayers",
    "StageMap",
    "StageMeasures",
    "WeightsSource",
    "inspect",
    "inspect_batch",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.gates' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
