"""The process around the command: SIGTERM is Ctrl-C by another name, and streams take any text or may be closed."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

__all__ = ["INTERRUPTED", "TERMINATED", "exit_with", "interrupted", "open_streams", "take_signals"]

INTERRUPTED, TERMINATED = 130, 143

_received: set[int] = set()  # signals that this module's handler turned into a KeyboardInterrupt


def open_streams() -> None:
    """Standard streams that are closed lead nowhere; what an encoding lacks is spelled out."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in this order: a file takes the lowest
        stream = getattr(sys, name)  # free descriptor, which is then the closed stream's own
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  (until the end)
        elif mode == "w":
            stream.reconfigure(errors="backslashreplace")


def take_signals() -> None:
    """SIGTERM does what Ctrl-C does. Called before anything heavy is imported."""
    own = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != own:  # a process forked from this one
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        _received.add(number)
        taken_over = signal.getsignal(signal.SIGINT)  # training ends its step first
        if callable(taken_over) and taken_over is not stop:
            taken_over(number, frame)
        else:
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where the shell had it ignored
        signal.signal(signal.SIGINT, stop)


def interrupted() -> bool:
    """Whether Ctrl-C or SIGTERM came: an import that it breaks off may raise any error."""
    return bool(_received)


def exit_with(code: int) -> NoReturn:
    """End the process: what is still to be written to stdout is, and SIGTERM has a code of its own."""
    if code == INTERRUPTED and signal.SIGTERM in _received:
        code = TERMINATED
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) went away: not an error
        pass
    except OSError as error:
        print(f"error: stdout: {error.strerror or error}", file=sys.stderr)
        code = code or 1
    for number in (signal.SIGINT, signal.SIGTERM):  # all is done; the interpreter only tidies up
        signal.signal(number, lambda number, _: os._exit(128 + number))
    _spared()
    sys.exit(code)


def _spared() -> None:
    """What could not be flushed goes nowhere, or the interpreter would complain of it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
