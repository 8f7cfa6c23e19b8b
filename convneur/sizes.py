"""Image sizes as people give them: a side, (height, width), or a text such as 224 or 512x2048."""

import operator
import re
from collections.abc import Iterable

from convneur.errors import ConfigError

__all__ = ["MAX_SIDE", "Size", "find_size", "find_sizes", "size_name"]

Size = int | str | tuple[int, int]

# Far beyond any model's use, and still counted in a minute.
MAX_SIDE = 16384

_SIZE = re.compile(r"(\d+)(?:[xX×](\d+))?", re.ASCII)


def find_size(size: Size, *, setting: str = "size", other: str = "") -> tuple[int, int]:
    """Height and width in pixels.

    Args:   size: a side, (height, width), or a text of either; setting: the argument's name in errors; other: what
        else may be given there, in words.
    Raises: ConfigError: neither form, a side of 0, or an absurdly large one.

    >>> find_size(224), find_size((512, 2048)), find_size("512x2048")
    ((224, 224), (512, 2048), (512, 2048))
    """
    sides = _sides(size)
    if not sides or not all(1 <= side <= MAX_SIDE for side in sides):
        raise ConfigError(
            setting,
            f"give a whole number of pixels from 1 to {MAX_SIDE}, such as 224, or HEIGHTxWIDTH, such as 512x2048"
            f"{other}",
            value=repr(size),
        )
    return sides[0], sides[-1]


def find_sizes(sizes: Size | Iterable[Size], *, setting: str = "sizes") -> dict[str, tuple[int, int]]:
    """Height and width of each size, by its name; a size given twice is one.

    Args:   sizes: any number, or a text with commas; a tuple of two numbers is two squares.
    Raises: ConfigError: as `find_size`; no size.

    >>> find_sizes([224, (512, 2048)]) == find_sizes("224,512x2048")
    True
    """
    given: list[Size] = []
    for size in [sizes] if isinstance(sizes, (int, str)) else sizes:
        given += [part.strip() for part in size.split(",")] if isinstance(size, str) else [size]
    if not given:
        raise ConfigError(setting, "give at least one")
    found: dict[str, tuple[int, int]] = {}
    for size in given:
        height, width = find_size(size, setting=setting)
        if (height, width) not in found.values():
            found[size if isinstance(size, str) else size_name(height, width)] = height, width
    return found


def size_name(height: int, width: int) -> str:
    """A size as it would be typed.

    >>> size_name(224, 224), size_name(512, 2048)
    ('224', '512x2048')
    """
    return str(height) if height == width else f"{height}x{width}"


def _sides(size: Size) -> list[int]:
    if isinstance(size, str):
        match = _SIZE.fullmatch(size)
        return [int(side) for side in match.groups() if side is not None] if match else []
    sides = size if isinstance(size, (tuple, list)) else (size,)
    try:
        return [operator.index(side) for side in sides] if len(sides) <= 2 else []
    except TypeError:
        return []
