"""The table of what a gate does by its channels and what by place, of one image or of many."""

from collections.abc import Iterable

from convneur.gates.measures import LEVEL
from convneur.results import Table

__all__ = ["PARTS", "parts_table"]

PARTS = (
    "By channels: the same gate with its positions permuted. By place: what is left, factor = by channels × by place. "
    "Chance: the place part of the same gate laid elsewhere on the image; a place part in this range shows nothing."
)


def parts_table(rows: Iterable[tuple[str, str, str, str, str, tuple[float, float] | None]]) -> Table:
    """Rows of stage, name of the factor, the factor, its two parts, and the null interval of the place part."""
    return Table(
        f"Of these factors, by channels and by place (chance: {LEVEL:.0%} of gates laid elsewhere)",
        ["stage", "factor", "whole", "by channels", "by place", "chance"],
        [[stage, name.replace("_", " "), *cells, _chance(null)] for stage, name, *cells, null in rows],
        left=2,
        dense=True,
    )


def _chance(null: tuple[float, float] | None) -> str:
    return "–" if null is None else "{:.3f} to {:.3f}".format(*null)
