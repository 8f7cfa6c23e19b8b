"""Results as pictures: matplotlib figures without pyplot. Nothing is computed here and no torch is loaded.

Each figure function takes a result and gives a `matplotlib.figure.Figure`; `figure.savefig(...)` writes it, and
`save_figure` does so with the same bytes each time. Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers are to know of names that load late
    from convneur.figures.boundaries import boundary_figure as boundary_figure
    from convneur.figures.boundaries import paper_figure as paper_figure
    from convneur.figures.detection_html import DetectionReport as DetectionReport
    from convneur.figures.detection_html import ObjectScene as ObjectScene
    from convneur.figures.detection_html import ReportTable as ReportTable
    from convneur.figures.detection_html import SceneObject as SceneObject
    from convneur.figures.report import BoundaryReport as BoundaryReport
    from convneur.figures.report import ReportColumn as ReportColumn
    from convneur.figures.report import ReportComparison as ReportComparison
    from convneur.figures.report import ReportCurve as ReportCurve
    from convneur.figures.report import ReportObject as ReportObject
    from convneur.figures.report import ReportRow as ReportRow
    from convneur.figures.scene import Scene as Scene
    from convneur.figures.scene import ScenePrediction as ScenePrediction

# Where each figure is drawn: one line for a new one.
_HOME = {
    "BoundaryReport": "convneur.figures.report",
    "DetectionReport": "convneur.figures.detection_html",
    "ObjectScene": "convneur.figures.detection_html",
    "ReportColumn": "convneur.figures.report",
    "ReportComparison": "convneur.figures.report",
    "ReportCurve": "convneur.figures.report",
    "ReportObject": "convneur.figures.report",
    "ReportRow": "convneur.figures.report",
    "ReportTable": "convneur.figures.detection_html",
    "Scene": "convneur.figures.scene",
    "SceneObject": "convneur.figures.detection_html",
    "ScenePrediction": "convneur.figures.scene",
    "accuracy_figure": "convneur.figures.accuracy",
    "architecture_figure": "convneur.figures.architecture",
    "audit_page": "convneur.figures.audit_html",
    "boundary_figure": "convneur.figures.boundaries",
    "frontier_figure": "convneur.figures.frontier",
    "frontier_page": "convneur.figures.frontier",
    "gates_figure": "convneur.figures.gates",
    "gates_page": "convneur.figures.gates_html",
    "latency_figure": "convneur.figures.latency",
    "overlay_figure": "convneur.figures.overlay",
    "paper_figure": "convneur.figures.boundaries",
    "reach_figure": "convneur.figures.reach",
    "roofline_figure": "convneur.figures.roofline",
    "save_figure": "convneur.figures.style",
    "scaling_figure": "convneur.figures.scaling",
    "study_page": "convneur.figures.study_html",
    "training_figure": "convneur.figures.training",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.figures' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
