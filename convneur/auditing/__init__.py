"""The auditing room: claims about a model's efficiency, each put to the test, and all that was found on the way.

    report = audit("m1", claims=["subquadratic", "<= 1.0 GMACs@224", "<= 50 ms@224", "frontier@1 points"])
    print(report)

Costs are counted by two counters, time is measured on this machine, and accuracy is read where it was published. Names
load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.auditing.report import AuditReport
    from convneur.auditing.run import audit

_HOME = {"AuditReport": "convneur.auditing.report", "audit": "convneur.auditing.run"}

__all__ = ["AuditReport", "audit"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.auditing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
