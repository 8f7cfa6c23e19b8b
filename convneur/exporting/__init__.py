"""Writing trained models as graphs that other programs run: ONNX, OpenVINO, torch.export.

    export("camvid", "camvid.onnx")  # checked against torch on real images, else no file stays
    convneur.load("camvid.onnx").predict("street.jpg")  # without torch

Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.exporting.check import Comparison
    from convneur.exporting.run import ExportReport, export

_HOME = {
    "Comparison": "convneur.exporting.check",
    "ExportReport": "convneur.exporting.run",
    "export": "convneur.exporting.run",
}

__all__ = ["Comparison", "ExportReport", "export"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.exporting' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
