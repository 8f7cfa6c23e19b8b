"""How long work tells what it does: one protocol, silent unless the caller passes something that listens.

A progress object is passed as `progress=` and nothing else prints:

>>> from convneur.progress import silent
>>> with silent.steps("counting", 2) as advance:
...     advance()
...     advance("counting m1")
"""

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from convneur.formats import printable

__all__ = ["Advance", "Progress", "ProgressLines", "silent"]


class Advance(Protocol):
    """What `Progress.steps` yields: call it after each step, with what is being done now."""

    def __call__(self, now: str | None = None, steps: float = 1) -> None: ...


class Progress(Protocol):
    """What long work calls; the command line draws a bar and prints lines on stderr."""

    def steps(self, what: str, total: float) -> AbstractContextManager[Advance]:
        """A stretch of work of `total` steps."""
        ...

    def note(self, line: str) -> None:
        """Something good to know, such as what was decided."""
        ...

    def warn(self, line: str) -> None:
        """Something that may make the result wrong."""
        ...

    def error(self, line: str) -> None:
        """One failed item of work that goes on without it; the result holds it too."""
        ...


class _Silent:
    """Shows nothing but warnings and failed items, both as Python's warnings, whose filters rule them."""

    @contextmanager
    def steps(self, what: str, total: float) -> Iterator[Advance]:
        def advance(now: str | None = None, steps: float = 1) -> None:
            pass

        yield advance

    def note(self, line: str) -> None:
        pass

    def warn(self, line: str) -> None:
        warnings.warn(line, UserWarning, stacklevel=3)

    def error(self, line: str) -> None:
        warnings.warn(line, UserWarning, stacklevel=3)


silent: Progress = _Silent()


class ProgressLines:
    """Plain lines on stderr, at most one in `every` seconds: for notebooks and logs.

    >>> progress = ProgressLines(every=30)
    """

    def __init__(self, every: float = 5.0) -> None:
        self.every = every

    @contextmanager
    def steps(self, what: str, total: float) -> Iterator[Advance]:
        done, told = 0.0, time.monotonic()

        def advance(now: str | None = None, steps: float = 1) -> None:
            nonlocal done, told
            done += steps
            if time.monotonic() - told >= self.every:
                told = time.monotonic()
                self.note(f"{now or what}: {done / total:.0%}" if total else now or what)

        yield advance

    def note(self, line: str) -> None:
        print(printable(line), file=sys.stderr, flush=True)

    def warn(self, line: str) -> None:
        self.note(f"warning: {line}")

    def error(self, line: str) -> None:
        self.note(f"error: {line}")
