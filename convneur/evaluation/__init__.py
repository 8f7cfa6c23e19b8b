"""Predictions against ground truth, file by file: what `convneur eval-boundary` does, as one call; no torch.

>>> from importlib.resources import files
>>> from convneur.evaluation import evaluate
>>> horse = files("convneur") / "data" / "samples" / "horse"
>>> a = evaluate(horse / "predictions", horse / "gt", metrics=("boundary_f1", "miou"), workers=1)
>>> round(a.overall["miou"], 4)
0.9286

`print(a)` shows all of it, `a.save("scores.json")` keeps it, `a.compare(b).save("table.tex")` sets two models side by
side, `a.save_report("report.html")` shows where they fail.

Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.evaluation.comparison import Comparison
    from convneur.evaluation.jobs import Failure
    from convneur.evaluation.result import Evaluation
    from convneur.evaluation.run import evaluate
    from convneur.evaluation.scenes import ImagePick
    from convneur.evaluation.scoring import score_pairs
    from convneur.evaluation.selection import SceneSelection, select_scenes
    from convneur.evaluation.thresholds import ThresholdScores, evaluate_thresholds
    from convneur.evaluation.workers import worker_map

_HOME = {
    "Comparison": "convneur.evaluation.comparison",
    "Evaluation": "convneur.evaluation.result",
    "Failure": "convneur.evaluation.jobs",
    "ImagePick": "convneur.evaluation.scenes",
    "SceneSelection": "convneur.evaluation.selection",
    "ThresholdScores": "convneur.evaluation.thresholds",
    "evaluate": "convneur.evaluation.run",
    "evaluate_thresholds": "convneur.evaluation.thresholds",
    "score_pairs": "convneur.evaluation.scoring",
    "select_scenes": "convneur.evaluation.selection",
    "worker_map": "convneur.evaluation.workers",
}

__all__ = [
    "Comparison",
    "Evaluation",
    "Failure",
    "ImagePick",
    "SceneSelection",
    "ThresholdScores",
    "evaluate",
    "evaluate_thresholds",
    "score_pairs",
    "select_scenes",
    "worker_map",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.evaluation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
