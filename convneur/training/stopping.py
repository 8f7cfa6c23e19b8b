"""Ctrl-C during training: the step is ended and the state saved."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from convneur.progress import Progress, silent

__all__ = ["asked_to_stop"]

_SAME = 1.0  # second, within which interrupts are one


@contextmanager
def asked_to_stop(progress: Progress = silent) -> Iterator[Callable[[], bool]]:
    """Ctrl-C waits for the end of a step, after which the state is saved; a second one does not wait.

    A launcher hands on the Ctrl-C that its processes had already: that is no second one. Outside the main thread, where
    Python takes no signals over, the answer is always no.

    >>> with asked_to_stop() as stop:
    ...     stop()
    False
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: float | None = None

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked is None:
            asked = time.monotonic()
            progress.note("stopping after this step, to save; Ctrl-C again stops at once")
        elif time.monotonic() - asked > _SAME:
            raise KeyboardInterrupt("the last state is kept; `resume` goes on from there")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked is not None
    finally:
        signal.signal(signal.SIGINT, before)
