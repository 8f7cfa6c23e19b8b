"""Image sizes as typed: a side, or HEIGHTxWIDTH."""

import re

from convneur_cli.errors import UsageError

__all__ = ["parse_size", "parse_sizes"]

# Far beyond any net's use, and still counted in a minute.
_MAX_SIDE = 16384

_SIZE = re.compile(r"(\d+)(?:[xX×](\d+))?", re.ASCII)


def parse_size(option: str, typed: str) -> tuple[int, int]:
    """Height and width of `224` or `512x2048`.

    Raises: UsageError: neither form, a side of 0, or an absurdly large one.
    """
    match = _SIZE.fullmatch(typed)
    sides = [int(side) for side in match.groups() if side is not None] if match else []
    if not sides or min(sides) < 1 or max(sides) > _MAX_SIDE:
        raise UsageError(
            f"{option} {typed!r}: give a whole number of pixels from 1 to {_MAX_SIDE}, such as 224, "
            "or HEIGHTxWIDTH, such as 512x2048"
        )
    return sides[0], sides[-1]


def parse_sizes(option: str, typed: str) -> dict[str, tuple[int, int]]:
    """Each size of a list with commas, by its name as typed; a size given twice is one."""
    sizes: dict[str, tuple[int, int]] = {}
    for part in typed.split(","):
        size = parse_size(option, part.strip())
        if size not in sizes.values():
            sizes[part.strip()] = size
    return sizes
