"""A training run's folder: its files, whether a run may be begun or gone on with in it, and by whom.

A new run takes the place of an old one when all of it was checked and its first state and its config lie beside the old
one's, as FIRST and PENDING. Writing PENDING is the moment: before it the folder holds the old run whole, after it the
new one, whose settling (removing what is old, renaming the two) whoever comes next makes good.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Required, TypedDict

from convneur.errors import InputError
from convneur.files import new_file, new_folder, new_text, remove_leftovers
from convneur.formats import to_json
from convneur.schema import SchemaError, parsed, read_json, read_lines, typed

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
    "read_losses",
    "run_folder",
]

Kind = Literal["run", "study"]
CONFIG, STATE, METRICS = "config.json", "state.safetensors", "metrics.jsonl"
WEIGHTS, FIGURE = "weights.safetensors", "training.png"
FIRST, PENDING = ".first-state.safetensors", ".new-config.json"
_RUN_FILES = (METRICS, WEIGHTS, FIGURE, STATE, CONFIG)  # that a new run takes the place of
_LOCK = ".convneur.lock"
_MARKS: Mapping[Kind, bytes] = {
    "run": b'"convneur.run/',
    "study": b'"convneur.study-plan/',
}  # near the beginning of CONFIG
_HEAD = 1 << 16


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
    for name in (PENDING, FIRST, *_RUN_FILES):  # CONFIG last: until then the rest is known to be a run's
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
    kind: Kind = "run",
    replaced: Sequence[str] = _RUN_FILES,
    removed: Callable[[Path], None] = _old_run_removed,
) -> Iterator[RunFolder]:
    """Hold a folder for one run.

    Args: kind: what errors call the work; replaced: names that new work takes the place of; removed: see `RunFolder`.
    Raises: InputError: it holds a run already, or none to go on with, or files of others under the names that would be
        replaced, with `force` too, or another process is at work in it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, run_folder(Path(place), resume=True, force=False):
    ...     pass
    Traceback (most recent call last):
    convneur.errors.InputError: ...: holds no run to go on with; leave out `resume`
    """
    from filelock import FileLock, Timeout

    if resume and not holds_run(folder):
        raise InputError(folder, f"holds no {kind} to go on with; leave out `resume`")
    if not resume:
        _refuse_files_of_others(folder, kind, replaced)
    if holds_run(folder) and not (resume or force):
        weights = folder / WEIGHTS
        more = f"; to train its weights on, take another `out` and `init {weights}`" if weights.exists() else ""
        raise InputError(folder, f"holds a {kind} already; `resume` goes on with it, `force` begins again{more}")
    new_folder(folder)
    lock = FileLock(folder / _LOCK, timeout=0)
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


def _refuse_files_of_others(folder: Path, kind: Kind, names: Sequence[str]) -> None:
    """`force` is for an old run or study, and for no file that merely bears a name of theirs."""
    if _was_begun(folder, kind):
        return
    for name in names:
        if os.path.lexists(folder / name):
            problem = f"was written by no {kind} and would be lost; move it, or choose another `out`"
            raise InputError(folder / name, problem)


def _was_begun(folder: Path, kind: Kind) -> bool:
    """Whether a run, or a study, was begun in a folder, by its config, which may be damaged."""
    for path in (folder / PENDING, folder / CONFIG):
        if path.is_file():
            with path.open("rb") as file:
                if _MARKS[kind] in file.read(_HEAD):
                    return True
    return False


def read_config(folder: Path, *schemas: str, kind: Kind = "run") -> dict[str, Any]:
    """What was kept of how the work in a folder was begun. Args: kind: what errors call the work.

    Raises: InputError: none, damaged, or of no such schema.

    >>> read_config(Path("runs/none"), "convneur.run/2")
    Traceback (most recent call last):
    convneur.errors.InputError: runs/none: holds no run to go on with; leave out `resume`
    """
    path = folder / (PENDING if (folder / PENDING).exists() else CONFIG)
    if not path.exists():
        raise InputError(folder, f"holds no {kind} to go on with; leave out `resume`")
    mend = "begin again with `force`" if _was_begun(folder, kind) else "move it, or choose another `out`"
    config = read_json(path, dict[str, Any], mend=mend)
    if config.get("schema") not in schemas:
        raise InputError(path, f"does not describe a {kind}; {mend}")
    return config


class RecordLog:
    """metrics.jsonl: a record per line; those after the state that a run goes on from are dropped, and damaged ones."""

    def __init__(self, path: Path, step: int, *, main: bool) -> None:
        self._path = path if main else None
        if not main:
            return
        kept = [text for text, record in _records(path) if record["step"] <= step] if step else []
        with new_file(path, force=True) as temporary:
            temporary.write_bytes(b"".join(kept))

    def add(self, record: Mapping[str, Any]) -> None:
        if self._path is not None:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            except OSError as error:
                raise InputError(self._path, f"could not be written ({error.strerror})") from None


class _Record(TypedDict, total=False):
    """What is read of a line of metrics.jsonl: a validation's has no loss."""

    step: Required[int]
    loss: float


def read_losses(folder: Path) -> list[tuple[int, float]]:
    """(step, mean loss of the ten steps up to it) of a run's records; a damaged line is left out."""
    return [(record["step"], record["loss"]) for _, record in _records(folder / METRICS) if "loss" in record]


def _records(path: Path) -> Iterator[tuple[bytes, _Record]]:
    """Each whole line with what is read of it: one that was cut off when the run was killed is none."""
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            for text in read_lines(file):
                try:
                    if text.endswith(b"\n"):
                        yield text, typed(parsed(text), _Record, strict=False)
                except SchemaError:
                    continue
    except OSError as error:
        raise InputError.unreadable(path, error) from None
