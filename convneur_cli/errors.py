"""The one place where exceptions become a line on stderr and an exit code.

0 done; 1 failed: an input that exists but cannot be processed, an output that exists; 2 wrong usage;
3 a requested check did not hold; 130 stopped by Ctrl-C, 143 by SIGTERM (see `process`).
"""

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from convneur.errors import ConfigError, InputError, OutputExistsError, SuspiciousInputError
from convneur.formats import printable
from convneur_cli.process import INTERRUPTED, interrupted

__all__ = [
    "CHECK_FAILED",
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "USAGE",
    "StdoutClosed",
    "UsageError",
    "as_typed",
    "described",
    "existing_path",
    "reported",
    "say",
]

DONE, FAILED, USAGE, CHECK_FAILED = 0, 1, 2, 3

# A word of a sentence, not a part of a path such as a`b`.png.
_SETTING = re.compile(r"(?<![\w./`-])`([a-z]\w*)([^`]*)`(?!\.?[\w/`-])")


class StdoutClosed(Exception):
    """Whoever read stdout (head, less) went away: no error, and nothing more to say."""


class UsageError(ValueError):
    """An option or argument as typed is wrong. One line: which one, what it may be."""


def existing_path(path: Path) -> Path:
    """Raise UsageError for a path that does not exist: a typing mistake, not a broken file."""
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    return path


def described(error: ConfigError | InputError, options: Mapping[str, str]) -> str:
    """What the library says, in the words of the command line. options: a setting's name -> what is typed for it.

    The library names settings, alone or in backticks; here they become options. It says `force=True` where an output
    exists; here that is --force.
    """
    if isinstance(error, OutputExistsError):
        return f"{printable(error.path)}: {error.problem}; choose another {error.name} or add --force"
    problem = _as_typed(error.problem, options)
    if isinstance(error, InputError):
        return problem if error.path is None else f"{printable(error.path)}: {problem}"
    value = "" if error.value is None else f" {printable(error.value)}"
    return f"{options.get(error.setting, error.setting)}{value}: {problem}"


def as_typed(words: str, typed: Callable[[str], str]) -> str:
    """Settings, which the library names in backticks, as they are typed; backticks within a file's name stay."""

    def option(named: re.Match[str]) -> str:
        found = typed(named[1])
        off = named[2] == "=False" and found.startswith("--")
        return found.replace("--", "--no-", 1) if off else found + named[2]

    return _SETTING.sub(option, words)


def _as_typed(words: str, options: Mapping[str, str]) -> str:
    return as_typed(words, lambda name: options.get(name, name))


def say(line: str) -> None:
    """One line on stderr, whatever the text of others in it holds."""
    print(printable(" ".join(line.split())), file=sys.stderr)


def _end(message: str, code: int) -> NoReturn:
    say(f"error: {message}")
    raise typer.Exit(code)


def _interrupted(kept: str = "") -> NoReturn:
    kept = kept or "files already written are whole, the others were not begun"
    say(f"interrupted: {kept}")
    raise SystemExit(INTERRUPTED) from None  # a typer.Exit of this code is typer's own, for Ctrl-C outside a body


@contextmanager
def reported(*, debug: bool, options: Mapping[str, str]) -> Iterator[None]:
    """Run a command's body; turn what it raises into one line and the contract's exit code.

    An exception that nobody foresaw is a defect of ours: it is named as one, with how to see its traceback.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except StdoutClosed:
        raise typer.Exit(DONE) from None
    except KeyboardInterrupt as stop:
        _interrupted(_as_typed(str(stop), options))
    except Exception as error:
        if debug:
            print(printable(traceback.format_exc(), lines=True), end="", file=sys.stderr)
        if interrupted():  # where it was raised it became another error, as it does in an import
            _interrupted(described(error, options) if isinstance(error, InputError) else "")
        if isinstance(error, InputError):
            _end(described(error, options), CHECK_FAILED if isinstance(error, SuspiciousInputError) else FAILED)
        if isinstance(error, ConfigError):
            _end(described(error, options), USAGE)
        if isinstance(error, UsageError):
            _end(str(error), USAGE)
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error)):
            _end("out of memory; try a smaller size or fewer workers", FAILED)
        if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("convneur"):
            package = error.name.partition(".")[0]
            _end(f"this needs {package}, which is not installed; install convneur with all it depends on", FAILED)
        if isinstance(error, OSError):
            _end(f"{error.filename or 'input or output'}: {error.strerror or error}", FAILED)
        hint = "" if debug else " (a defect of convneur; run again with --debug and report the traceback)"
        _end(f"{type(error).__name__}: {error}{hint}", FAILED)
