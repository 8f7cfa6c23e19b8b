"""The names of a data set's classes, from a file."""

from pathlib import Path

from convneur.errors import InputError

__all__ = ["read_class_names"]


def read_class_names(path: Path) -> list[str]:
    """The names in a file, a line each. Raises: InputError: no text, a name twice, an empty line."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError:
        raise InputError(path, "is no UTF-8 text; write one class name per line") from None
    if not names:
        raise InputError(path, "is empty; write one class name per line")
    for number, name in enumerate(names, start=1):
        if not name or name in names[: number - 1]:
            raise InputError(path, f"line {number} is {'a repetition' if name else 'empty'}; name each class once")
    return names
