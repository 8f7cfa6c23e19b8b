"""What the evaluations of objects share: paths as given, what could not be scored, values as people read them."""

import math
from dataclasses import dataclass
from pathlib import Path

from convneur.errors import ConfigError

__all__ = ["Failure", "existing_file", "shown"]


@dataclass(frozen=True)
class Failure:
    """An image or a sequence that could not be scored. name: its own; why: what is wrong, with the file.

    >>> Failure("image 7 (street.png)", "its runs have 5 pixels, its image 4 (2x2)").name
    'image 7 (street.png)'
    """

    name: str
    why: str


def existing_file(setting: str, path: str | Path) -> Path:
    """Raise ConfigError for a path that is not there: a typing mistake, not a broken file."""
    path = Path(path)
    if not path.exists():
        raise ConfigError(setting, "no such file or folder", value=path)
    return path


def shown(value: float) -> str:
    """A value between 0 and 1 in a table; - where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.4f}"
