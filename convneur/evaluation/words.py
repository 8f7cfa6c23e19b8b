"""Values, models and lists as people read them."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from convneur.formats import significant

__all__ = ["listed", "occurs", "short_names", "shown"]


def occurs(row: Mapping[str, Any]) -> bool:
    """Whether a class is in any map."""
    return any(row["presence"][key] for key in ("both", "missed", "spurious"))


def short_names(*paths: str) -> list[str]:
    """As much of each path's end as tells them apart.

    >>> short_names("runs/a/labels", "runs/b/labels")
    ['a/labels', 'b/labels']
    """
    for most in range(1, max(len(Path(path).parts) for path in paths)):
        names = [str(Path(*Path(path).parts[-most:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return list(paths)


def shown(value: float) -> str:
    """A value in a table; a dash where it is undefined."""
    return "-" if math.isnan(value) else significant(value)


def listed(items: Collection[str], most: int) -> str:
    """The first of some items, and how many more there are."""
    return ", ".join(list(items)[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
