"""The bench room: how long models take and what memory they take, side by side, on a machine that the result describes.

    result = run_bench(["m1", my_model], sizes=[224, 512])
    print(result)

Clocks vary where counts do not: models take turns (A B C A B C), so that what disturbs one disturbs all, and results
are medians with their spread. Settings, then a plan that is seen to fit into memory, then the run, then the result.
Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.bench.ceilings import Ceilings, measure_ceilings
    from convneur.bench.machine import Machine, describe_machine
    from convneur.bench.modules import ModuleTime, TimedTree
    from convneur.bench.peak import matmul_peak
    from convneur.bench.plan import BenchCase
    from convneur.bench.result import BenchResult, ModelTimes
    from convneur.bench.run import run_bench
    from convneur.bench.settings import BenchSettings
    from convneur.bench.timing import RefusedCase, TimeSlope, Timing, paired_ratio, time_slope

_HOME = {
    "BenchCase": "convneur.bench.plan",
    "BenchResult": "convneur.bench.result",
    "BenchSettings": "convneur.bench.settings",
    "Ceilings": "convneur.bench.ceilings",
    "Machine": "convneur.bench.machine",
    "ModelTimes": "convneur.bench.result",
    "ModuleTime": "convneur.bench.modules",
    "RefusedCase": "convneur.bench.timing",
    "TimeSlope": "convneur.bench.timing",
    "TimedTree": "convneur.bench.modules",
    "Timing": "convneur.bench.timing",
    "describe_machine": "convneur.bench.machine",
    "matmul_peak": "convneur.bench.peak",
    "measure_ceilings": "convneur.bench.ceilings",
    "paired_ratio": "convneur.bench.timing",
    "run_bench": "convneur.bench.run",
    "time_slope": "convneur.bench.timing",
}

__all__ = [
    "BenchCase",
    "BenchResult",
    "BenchSettings",
    "Ceilings",
    "Machine",
    "ModelTimes",
    "ModuleTime",
    "RefusedCase",
    "TimeSlope",
    "TimedTree",
    "Timing",
    "describe_machine",
    "matmul_peak",
    "measure_ceilings",
    "paired_ratio",
    "run_bench",
    "time_slope",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
