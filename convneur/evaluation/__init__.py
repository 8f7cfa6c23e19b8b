"""Predictions against ground truth, file by file: what `convneur eval-boundary` does, as one call; no torch.

    a = evaluate("predictions/", "labels/", classes="classes.txt", workers=2)
    print(a)
    a.overall["miou"], a.per_class, a.save("scores.json")
    b = evaluate("others/", "labels/", classes="classes.txt")
    a.compare(b).save("comparison.tex")

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

_HOME = {
    "Comparison": "convneur.evaluation.comparison",
    "Evaluation": "convneur.evaluation.result",
    "Failure": "convneur.evaluation.jobs",
    "ImagePick": "convneur.evaluation.scenes",
    "SceneSelection": "convneur.evaluation.selection",
    "evaluate": "convneur.evaluation.run",
    "score_pairs": "convneur.evaluation.scoring",
    "select_scenes": "convneur.evaluation.selection",
}

__all__ = [
    "Comparison",
    "Evaluation",
    "Failure",
    "ImagePick",
    "SceneSelection",
    "evaluate",
    "score_pairs",
    "select_scenes",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.evaluation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
