"""A training run's folder: its files, whether a run may be begun or gone on with in it, and by whom."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convneur.errors import InputError
from convneur.files import new_file, new_folder
from convneur.formats import to_json

__all__ = ["CONFIG", "FIGURE", "METRICS", "STATE", "WEIGHTS", "RecordLog", "read_config", "run_folder", "write_config"]

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
        weights = folder / WEIGHTS
        more = f"; to train its weights on, take another `out` and `init {weights}`" if weights.exists() else ""
        raise InputError(folder, f"holds a {kind} already; `resume` goes on with it, `force` begins again{more}")
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
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(folder, f"holds no {kind} to go on with; leave out `resume`") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error}); begin again with `force`") from None
    if not isinstance(config, dict) or config.get("schema") not in schemas:
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
