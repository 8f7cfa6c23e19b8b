"""Models that differ in one thing, trained alike, and the difference it makes.

>>> from convneur.study import read_twins
>>> from convneur import VARIANTS
>>> sorted(read_twins("none,self-attention", VARIANTS["m1"]))
['none', 'self-attention']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.study.findings import Difference, Finding, ReportedMetric, Twin
    from convneur.study.result import RunResult, StudyResult
    from convneur.study.run import run_study
    from convneur.study.runs import StudyRun
    from convneur.study.twins import TWINS, Twins, read_seeds, read_twins

_HOME = {
    "TWINS": "twins",
    "Difference": "findings",
    "Finding": "findings",
    "ReportedMetric": "findings",
    "RunResult": "result",
    "StudyResult": "result",
    "StudyRun": "runs",
    "Twin": "findings",
    "Twins": "twins",
    "read_seeds": "twins",
    "read_twins": "twins",
    "run_study": "run",
}

__all__ = [
    "TWINS",
    "Difference",
    "Finding",
    "ReportedMetric",
    "RunResult",
    "StudyResult",
    "StudyRun",
    "Twin",
    "Twins",
    "read_seeds",
    "read_twins",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"convneur.study.{_HOME[name]}"), name)
    raise AttributeError(f"module 'convneur.study' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
