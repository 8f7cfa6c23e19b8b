"""Asking a trained model: label maps at an image's own size, classes with probabilities.

Names load when they are first used: importing this room alone imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.inference.logits import class_logits, pixel_logits

_HOME = {
    "class_logits": "convneur.inference.logits",
    "pixel_logits": "convneur.inference.logits",
}

__all__ = ["class_logits", "pixel_logits"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.inference' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
