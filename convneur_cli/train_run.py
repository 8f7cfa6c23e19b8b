"""A training run's folder: what it was begun with, whether it may be begun or gone on with, and by whom."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convneur.errors import InputError
from convneur.files import new_file, new_folder
from convneur.formats import to_json
from convneur_cli.errors import UsageError

__all__ = ["CONFIG", "SCHEMA", "fingerprint", "read_config", "refuse_changes", "run_folder", "write_config"]

CONFIG = "config.json"
SCHEMA = "convneur.run/1"


@contextmanager
def run_folder(folder: Path, *, resume: bool, force: bool, alone: bool) -> Iterator[None]:
    """Hold a folder for one run. Args: alone: this process is the one that writes.

    Raises: InputError: it holds a run already, or none to go on with, or another process is at work in it.
    """
    from filelock import FileLock, Timeout

    if not alone:
        yield
        return
    if resume and not (folder / CONFIG).exists():
        raise InputError(folder, "holds no run to go on with; leave --resume out")
    if (folder / CONFIG).exists() and not (resume or force):
        raise InputError(folder, "holds a run already; --resume goes on with it, --force begins again")
    new_folder(folder)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        tempfile.TemporaryFile(dir=folder).close()  # where nothing can be written, a lock may seem held
        lock.acquire()
    except Timeout:
        raise InputError(folder, "another process trains in it; choose another --out") from None
    except OSError as error:
        raise InputError(folder, f"cannot write there ({error.strerror}); choose another --out") from None
    try:
        if not resume:
            for name in ("state.safetensors", "metrics.jsonl", "weights.safetensors", "training.png", CONFIG):
                (folder / name).unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def read_config(folder: Path, schema: str = SCHEMA) -> dict[str, Any]:
    """What the run in a folder was begun with. Raises: InputError: no run, a damaged one, or of another schema."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(folder, "holds no run to go on with; leave --resume out") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error}); begin again with --force") from None
    if not isinstance(config, dict) or config.get("schema") != schema:
        raise InputError(path, f"describes no {schema.partition('/')[0]}; begin again with --force")
    return config


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Keep what a run is begun with."""
    with new_file(folder / CONFIG, force=True) as temporary:
        temporary.write_text(to_json(config) + "\n", encoding="utf-8")


def refuse_changes(folder: Path, typed: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Raise for what was typed with another value than the run was begun with. Both by the option's name.

    Raises: UsageError: names the first of them.
    """
    for option, value in typed.items():
        if _plain(value) != _plain(saved.get(option)):
            raise UsageError(
                f"{option} {_shown(value)}: the run in {folder} was begun with {_shown(saved.get(option))}; leave it "
                "out, or begin again with --force"
            )


def fingerprint(names: list[str]) -> str:
    """SHA-256 of the names of the examples, in order: a run goes on with the photos that it was begun with."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _shown(value: Any) -> str:
    return "none" if value is None else ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
