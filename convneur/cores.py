"""How many processor cores there are for this process."""

import os

__all__ = ["usable_cores"]


def usable_cores() -> int:
    """Those that it may run on, which may be fewer than the machine has.

    >>> 1 <= usable_cores() <= (os.cpu_count() or 1)
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
