"""A training run's folder: its files, whether a run may be begun or gone on with in it, and by whom.

A new run takes the place of an old one when all of it was checked and its first state and its config lie beside the old
one's, as FIRST and PENDING. Writing PENDING is the moment: before it the folder holds the old run whole, after it the
new one, whose settling (removing what is old, renaming the two) whoever comes next makes good.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convneur.errors import InputError
from convneur.files import new_file, new_folder, new_text, remove_leftovers
from convneur.formats import to_json

__all__ = [
    "CONFIG",
    "FIGURE",
    "FIRST",
    "METRICS",
    "PENDING",
    "STATE",
    "WEIGHTS",
    "RecordLog",
    "RunFolder",
    "clear_run",
    "holds_run",
    "read_config",
    "run_folder",
]

CONFIG, STATE, METRICS = "config.json", "state.safetensors", "metrics.jsonl"
WEIGHTS, FIGURE = "weights.safetensors", "training.png"
FIRST, PENDING = ".first-state.safetensors", ".new-config.json"


class RunFolder:
    """A folder held for one run or study; what is in it stays until another is begun.

    Args: removed: takes away what is old when a new one was begun; doing it again, after a kill, does no harm.
    """

    def __init__(self, folder: Path, removed: Callable[[Path], None]) -> None:
        self._folder, self._removed = folder, removed

    @property
    def first_state(self) -> Path:
        """Where the first state of a run lies before it is begun."""
        return self._folder / FIRST

    def begin(self, config: Mapping[str, Any]) -> None:
        """Put a new run in the place of the old one: from here on it is what the folder holds.

        Raises: InputError: the file cannot be written; the old run is untouched.
        """
        self._write(PENDING, config)
        self.settle()

    def settle(self) -> None:
        """Make good a beginning that was broken off, if there is one, and remove what a killed process left."""
        remove_leftovers(self._folder)
        if (self._folder / PENDING).exists():
            self._removed(self._folder)
            (self._folder / PENDING).replace(self._folder / CONFIG)
        (self._folder / FIRST).unlink(missing_ok=True)  # of a run that was not begun after all

    def keep(self, config: Mapping[str, Any]) -> None:
        """What the run or study goes on with. Raises: InputError: the file cannot be written."""
        self._write(CONFIG, config)

    def _write(self, name: str, config: Mapping[str, Any]) -> None:
        new_text(self._folder / name, to_json(config) + "\n", force=True)


def _old_run_removed(folder: Path) -> None:
    for name in (METRICS, WEIGHTS, FIGURE):
        (folder / name).unlink(missing_ok=True)
    if (folder / FIRST).exists():  # else it was renamed already, and the state is the new run's
        (folder / FIRST).replace(folder / STATE)


def clear_run(folder: Path) -> None:
    """Remove a run from a folder; other files stay.

    >>> clear_run(Path("runs/none"))
    """
    for name in (CONFIG, PENDING, FIRST, STATE, METRICS, WEIGHTS, FIGURE):
        (folder / name).unlink(missing_ok=True)


def holds_run(folder: Path) -> bool:
    """Whether a run or a study was begun in a folder."""
    return (folder / CONFIG).exists() or (folder / PENDING).exists()


@contextmanager
def run_folder(
    folder: Path,
    *,
    resume: bool,
    force: bool,
    kind: str = "run",
    removed: Callable[[Path], None] = _old_run_removed,
) -> Iterator[RunFolder]:
    """Hold a folder for one run. Args: kind: what errors call the work; removed: see `RunFolder`.

    Raises: InputError: it holds a run already, or none to go on with, or another process is at work in it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, run_folder(Path(place), resume=True, force=False):
    ...     pass
    Traceback (most recent call last):
    convneur.errors.InputError: ...: holds no run to go on with; leave out `resume`
    """
    from filelock import FileLock, Timeout

    if resume and not holds_run(folder):
        raise InputError(folder, f"holds no {kind} to go on with; leave out `resume`")
    if holds_run(folder) and not (resume or force):
        raise InputError(folder, f"holds a {kind} already; `resume` goes on with it, `force` begins again")
    new_folder(folder)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        tempfile.TemporaryFile(dir=folder).close()  # where nothing can be written, a lock may seem held
        lock.acquire()
    except Timeout:
        raise InputError(folder, "another process trains in it; choose another `out`") from None
    except OSError as error:
        raise InputError(folder, f"cannot write there ({error.strerror}); choose another `out`") from None
    try:
        held = RunFolder(folder, removed)
        held.settle()
        yield held
    finally:
        lock.release()


def read_config(folder: Path, *schemas: str, kind: str = "run") -> dict[str, Any]:
    """What was kept of how the work in a folder was begun. Args: kind: what errors call the work.

    Raises: InputError: none, damaged, or of no such schema.

    >>> read_config(Path("runs/none"), "convneur.run/2")
    Traceback (most recent call last):
    convneur.errors.InputError: runs/none: holds no run to go on with; leave out `resume`
    """
    path = folder / (PENDING if (folder / PENDING).exists() else CONFIG)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(folder, f"holds no {kind} to go on with; leave out `resume`") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error}); begin again with `force`") from None
    if not isinstance(config, dict) or config.get("schema") not in schemas:
        raise InputError(path, f"does not describe a {kind}; begin again with `force`")
    return config


class RecordLog:
    """metrics.jsonl: a record per line; those after the state that a run goes on from are dropped."""

    def __init__(self, path: Path, step: int, *, main: bool) -> None:
        self._path = path if main else None
        if not main:
            return
        lines = path.read_text(encoding="utf-8").splitlines() if step and path.exists() else []
        with new_file(path, force=True) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines if _before(line, step)), encoding="utf-8")

    def add(self, record: Mapping[str, Any]) -> None:
        if self._path is not None:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            except OSError as error:
                raise InputError(self._path, f"could not be written ({error.strerror})") from None


def _before(line: str, step: int) -> bool:
    try:
        return json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False  # cut off when the run was killed
