"""How far information travels to a position of a feature: by perturbation (context share) and by gradients (ERF).

    report = measure_reach(["a.jpg", "b.jpg"], model="photos", against="photos-local")
    print(report)  # a table for each layer; report.save("reach.csv")
    convneur.figures.reach_figure(report).savefig("reach.png")

Names load when they are first used: a result alone, and its figure, need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.reach.result import LayerReach, ModelReach, ReachReport
    from convneur.reach.run import measure_reach

_HOME = {
    "LayerReach": "convneur.reach.result",
    "ModelReach": "convneur.reach.result",
    "ReachReport": "convneur.reach.result",
    "measure_reach": "convneur.reach.run",
}

__all__ = ["LayerReach", "ModelReach", "ReachReport", "measure_reach"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.reach' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
