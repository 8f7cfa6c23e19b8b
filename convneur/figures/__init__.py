"""Results as pictures: matplotlib figures without pyplot. Nothing is computed here and no torch is loaded.

Each figure function takes a result and gives a `matplotlib.figure.Figure`; `figure.savefig(...)` writes it, and
`save_figure` does so with the same bytes each time. Names load when they are first used.
"""

from importlib import import_module
from typing import Any

# Where each figure is drawn: one line for a new one.
_HOME = {
    "accuracy_figure": "convneur.figures.accuracy",
    "architecture_figure": "convneur.figures.architecture",
    "boundary_figure": "convneur.figures.boundaries",
    "gates_figure": "convneur.figures.gates",
    "gates_page": "convneur.figures.gates_html",
    "latency_figure": "convneur.figures.latency",
    "overlay_figure": "convneur.figures.overlay",
    "save_figure": "convneur.figures.style",
    "scaling_figure": "convneur.figures.scaling",
    "training_figure": "convneur.figures.training",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.figures' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
