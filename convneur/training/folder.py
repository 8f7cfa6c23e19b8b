"""A training run's folder: its files, whether a run may be begun or gone on with in it, and by whom."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Required, TypedDict

from convneur.errors import InputError
from convneur.files import new_file, new_folder
from convneur.formats import to_json
from convneur.schema import SchemaError, parsed, read_json, read_lines, typed

__all__ = [
    "CONFIG",
    "FIGURE",
    "METRICS",
    "STATE",
    "WEIGHTS",
    "RecordLog",
    "read_config",
    "read_losses",
    "run_folder",
    "write_config",
]

CONFIG, STATE, METRICS = "config.json", "state.safetensors", "metrics.jsonl"
WEIGHTS, FIGURE = "weights.safetensors", "training.png"


@contextmanager
def run_folder(folder: Path, *, resume: bool, force: bool, alone: bool, kind: str = "run") -> Iterator[None]:
    """Hold a folder for one run. Args: alone: this process is the one that writes; kind: what errors call the work.

    Raises: InputError: it holds a run already, or none to go on with, or another process is at work in it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, run_folder(Path(place), resume=True, force=False, alone=True):
    ...     pass
    Traceback (most recent call last):
    convneur.errors.InputError: ...: holds no run to go on with; leave out `resume`
    """
    from filelock import FileLock, Timeout

    if not alone:
        yield
        return
    if resume and not (folder / CONFIG).exists():
        raise InputError(folder, f"holds no {kind} to go on with; leave out `resume`")
    if (folder / CONFIG).exists() and not (resume or force):
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
        if not resume:
            for name in (STATE, METRICS, WEIGHTS, FIGURE, CONFIG):
                (folder / name).unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def read_config(folder: Path, *schemas: str, kind: str = "run") -> dict[str, Any]:
    """What was kept of how the work in a folder was begun. Args: kind: what errors call the work.

    Raises: InputError: none, damaged, or of no such schema.

    >>> read_config(Path("runs/none"), "convneur.run/2")
    Traceback (most recent call last):
    convneur.errors.InputError: runs/none: holds no run to go on with; leave out `resume`
    """
    path = folder / CONFIG
    if not path.exists():
        raise InputError(folder, f"holds no {kind} to go on with; leave out `resume`")
    config = read_json(path, dict[str, Any], mend="begin again with `force`")
    if config.get("schema") not in schemas:
        raise InputError(path, f"does not describe a {kind}; begin again with `force`")
    return config


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Keep what a run is begun with. Raises: InputError: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write_config(Path(place), {"schema": "mine/1", "seed": 0})
    ...     read_config(Path(place), "mine/1")["seed"]
    0
    """
    with new_file(folder / CONFIG, force=True) as temporary:
        temporary.write_text(to_json(config) + "\n", encoding="utf-8")


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
        raise InputError(path, f"cannot be read ({error.strerror})") from None
