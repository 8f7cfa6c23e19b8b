"""ConvNeur: a vision backbone whose global path, a neural memory, gates its local features.

Names and rooms load when they are first used: `import convneur` alone imports no torch, and `convneur.cost` needs no
import of its own.

>>> import convneur
>>> config = convneur.VARIANTS["m1"]
>>> config.dims
(40, 80, 160, 320)
>>> convneur.load("camvid").classes[:2]
('sky', 'building')
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.auditing import audit
    from convneur.checkpoints import load_checkpoint, save_checkpoint
    from convneur.errors import ConfigError, InputError, OutputExistsError
    from convneur.exporting import export
    from convneur.inference import load
    from convneur.model.create import create
    from convneur.model.folding import fold
    from convneur.model.memory import NeuralMemory
    from convneur.model.network import ConvNeur
    from convneur.variants import PRESETS, VARIANTS, ConvNeurConfig

try:
    __version__ = version("convneur")
except PackageNotFoundError:  # a checkout that is not installed, as torch.hub uses one
    __version__ = "0+checkout"

_HOME = {
    "PRESETS": "convneur.variants",
    "VARIANTS": "convneur.variants",
    "ConfigError": "convneur.errors",
    "ConvNeur": "convneur.model.network",
    "ConvNeurConfig": "convneur.variants",
    "InputError": "convneur.errors",
    "OutputExistsError": "convneur.errors",
    "NeuralMemory": "convneur.model.memory",
    "create": "convneur.model.create",
    "export": "convneur.exporting",
    "fold": "convneur.model.folding",
    "load": "convneur.inference",
    "audit": "convneur.auditing",
    "load_checkpoint": "convneur.checkpoints",
    "save_checkpoint": "convneur.checkpoints",
}

_ROOMS = (
    "auditing",
    "bench",
    "cost",
    "detection",
    "evaluation",
    "exporting",
    "figures",
    "gates",
    "inference",
    "instances",
    "metrics",
    "peers",
    "progress",
    "reach",
    "study",
    "training",
)

__all__ = [
    "PRESETS",
    "VARIANTS",
    "ConfigError",
    "ConvNeur",
    "ConvNeurConfig",
    "InputError",
    "NeuralMemory",
    "OutputExistsError",
    "__version__",
    "audit",
    "create",
    "export",
    "fold",
    "load",
    "load_checkpoint",
    "save_checkpoint",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"convneur.{name}")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_ROOMS]
