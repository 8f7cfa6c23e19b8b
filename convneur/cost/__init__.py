"""The cost room: what a model executes, by which convention, and how that grows with the image.

    analyze("m1", sizes=[224, 512, 1024])     # one call: a table, a verdict, JSON, files
    ModelCounter(VARIANTS["m1"]).at(224, 224).macs
    count(any_module, torch.empty(1, 3, 224, 224, device="meta"))

A multiply-add (MAC) is one; FLOPs are two per multiply-add; element-wise work stands apart from both. Names load when
they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.cost.accuracy import AccuracyPoints, accuracy_points
    from convneur.cost.analysis import analyze
    from convneur.cost.architecture import Architecture, describe_architecture
    from convneur.cost.counter import CostCount, CountingError, count, count_training
    from convneur.cost.detectors import detector_costs
    from convneur.cost.external import ExternalCounter, ExternalModel
    from convneur.cost.lookup import Models, find_models
    from convneur.cost.model_cost import ModelCost
    from convneur.cost.model_counter import ModelCounter
    from convneur.cost.model_list import list_models
    from convneur.cost.paper import PaperTables, paper_tables
    from convneur.cost.report import CostReport

_HOME = {
    "AccuracyPoints": "convneur.cost.accuracy",
    "Architecture": "convneur.cost.architecture",
    "CostCount": "convneur.cost.counter",
    "CostReport": "convneur.cost.report",
    "CountingError": "convneur.cost.counter",
    "ExternalCounter": "convneur.cost.external",
    "ExternalModel": "convneur.cost.external",
    "ModelCost": "convneur.cost.model_cost",
    "ModelCounter": "convneur.cost.model_counter",
    "Models": "convneur.cost.lookup",
    "PaperTables": "convneur.cost.paper",
    "accuracy_points": "convneur.cost.accuracy",
    "analyze": "convneur.cost.analysis",
    "count": "convneur.cost.counter",
    "count_training": "convneur.cost.counter",
    "describe_architecture": "convneur.cost.architecture",
    "detector_costs": "convneur.cost.detectors",
    "find_models": "convneur.cost.lookup",
    "list_models": "convneur.cost.model_list",
    "paper_tables": "convneur.cost.paper",
}

__all__ = [
    "AccuracyPoints",
    "Architecture",
    "CostCount",
    "CostReport",
    "CountingError",
    "ExternalCounter",
    "ExternalModel",
    "ModelCost",
    "ModelCounter",
    "Models",
    "PaperTables",
    "accuracy_points",
    "analyze",
    "count",
    "count_training",
    "describe_architecture",
    "detector_costs",
    "find_models",
    "list_models",
    "paper_tables",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.cost' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
