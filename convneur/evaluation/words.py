"""Values, models and lists as people read them."""

import math
from collections.abc import Collection, Mapping
from typing import Any

from convneur.formats import significant

__all__ = ["listed", "occurs", "shown"]


def occurs(row: Mapping[str, Any]) -> bool:
    """Whether a class is in any map."""
    return any(row["presence"][key] for key in ("both", "missed", "spurious"))


def shown(value: float) -> str:
    """A value in a table; a dash where it is undefined."""
    return "-" if math.isnan(value) else significant(value)


def listed(items: Collection[str], most: int) -> str:
    """The first of some items, and how many more there are."""
    return ", ".join(list(items)[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
