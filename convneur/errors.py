"""The ways in which a caller can be wrong, as fields: the command line makes options and advice of them."""

from os import PathLike
from typing import Any

__all__ = ["ConfigError", "InputError", "OutputExistsError", "SuspiciousInputError"]

_NONE = object()


class InputError(ValueError):
    """An input that exists but cannot be processed, or an output that cannot be written.

    Args:
        path: the file or folder, a member of an archive or a page of a file; None where the fault lies in none (an
            array, two sets that do not match).
        problem: what is wrong and the mend, without the path.

    >>> str(InputError("photo.png", "damaged or cut short; save it again"))
    'photo.png: damaged or cut short; save it again'
    """

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(path, problem)
        self.path = None if path is None else str(path)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem if self.path is None else f"{self.path}: {self.problem}"

    @classmethod
    def unreadable(cls, path: object, error: OSError, mend: str = "") -> "InputError":
        """Of a file that could not be opened or read. mend: what to do where it is damaged, which a folder is not.

        >>> str(InputError.unreadable("labels", IsADirectoryError(21, "Is a directory")))
        'labels: is a folder; name a file'
        """
        if isinstance(error, IsADirectoryError):
            return cls(path, "is a folder; name a file")
        return cls(path, f"cannot be read ({error.strerror})" + (f"; {mend}" if mend else ""))


class OutputExistsError(InputError):
    """An output that exists already and was not to be replaced.

    >>> str(OutputExistsError("scores.json"))
    'scores.json: exists already; choose another name or pass force=True'
    """

    def __init__(self, path: str | PathLike[str], problem: str = "exists already", name: str = "name") -> None:
        """name: what else can be chosen: another name, another folder."""
        super().__init__(path, problem)
        self.args = (path, problem, name)
        self.name = name

    def __str__(self) -> str:
        return f"{super().__str__()}; choose another {self.name} or pass force=True"


class SuspiciousInputError(InputError):
    """Inputs that can be processed but look wrongly prepared, refused because that was asked for (`strict`).

    >>> str(SuspiciousInputError(None, "the labels look shifted by one; subtract 1"))
    'the labels look shifted by one; subtract 1'
    """


class ConfigError(ValueError):
    """A setting that no model, metric or run can have.

    Args:
        setting: the argument's name, such as mem_dim.
        problem: what it may be. Other arguments are named in backticks, such as `chunks`: the command line shows
            them as its options.
        value: what was given; left out where the problem says it.

    >>> str(ConfigError("mem_dim", "must be at least 1", value=0))
    'mem_dim 0: must be at least 1'
    >>> str(ConfigError("runs", "each needs a partner of the same seed"))
    'runs: each needs a partner of the same seed'
    """

    def __init__(self, setting: str, problem: str, *, value: Any = _NONE) -> None:
        super().__init__(setting, problem)
        self.setting, self.problem = setting, problem
        # As text: an error travels between processes and holds nothing alive.
        self.value = None if value is _NONE else "none" if value is None else str(value)

    def __str__(self) -> str:
        value = "" if self.value is None else f" {self.value}"
        return f"{self.setting}{value}: {self.problem}"
