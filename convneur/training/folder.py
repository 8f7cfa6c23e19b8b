"""A training run's folder: what it was begun with, whether it may be begun or gone on with, and by whom."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convneur.errors import ConfigError, InputError
from convneur.files import new_file, new_folder
from convneur.formats import to_json

__all__ = [
    "CONFIG",
    "FIGURE",
    "METRICS",
    "SCHEMA",
    "STATE",
    "WEIGHTS",
    "as_options",
    "asked_of",
    "begun_with",
    "draw_curves",
    "fingerprint",
    "read_config",
    "refuse_changes",
    "run_folder",
    "write_config",
]

CONFIG, STATE, METRICS = "config.json", "state.safetensors", "metrics.jsonl"
WEIGHTS, FIGURE = "weights.safetensors", "training.png"
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
        raise InputError(folder, "holds no run to go on with; leave out `resume`")
    if (folder / CONFIG).exists() and not (resume or force):
        raise InputError(folder, "holds a run already; `resume` goes on with it, `force` begins again")
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


def read_config(folder: Path, schema: str = SCHEMA) -> dict[str, Any]:
    """What the run in a folder was begun with. Raises: InputError: no run, a damaged one, or of another schema."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(folder, "holds no run to go on with; leave out `resume`") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error}); begin again with `force`") from None
    if not isinstance(config, dict) or config.get("schema") != schema:
        raise InputError(path, f"describes no {schema.partition('/')[0]}; begin again with `force`")
    return config


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Keep what a run is begun with."""
    with new_file(folder / CONFIG, force=True) as temporary:
        temporary.write_text(to_json(config) + "\n", encoding="utf-8")


def refuse_changes(folder: Path, typed: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Raise for what is asked for with another value than the run was begun with. Both by the setting's name.

    Raises: ConfigError: names the first of them.
    """
    for setting, value in typed.items():
        if _plain(value) != _plain(saved.get(setting)):
            raise ConfigError(
                setting,
                f"the run in {folder} was begun with {_shown(saved.get(setting))}; leave it out, or begin again with "
                "`force`",
                value=_shown(value),
            )


def begun_with(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting that a folder's config fixes, by its name."""
    return {**config["net"], **config["settings"], **asked_of(config)}


def asked_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a folder's config says was asked for, by the setting's name; on disk it is by option."""
    return {_setting(option): value for option, value in config["asked"].items()}


def as_options(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The other way round."""
    return {"DATA" if name == "data" else "--" + name.replace("_", "-"): value for name, value in asked.items()}


def draw_curves(folder: Path, title: str) -> None:
    """Loss and validations of a run's folder, as a picture in it."""
    from convneur.figures.style import save_figure
    from convneur.figures.training import training_figure

    records = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    with new_file(folder / FIGURE, force=True) as temporary:
        save_figure(training_figure(records, title=title), temporary, dpi=120)


def fingerprint(names: list[str]) -> str:
    """SHA-256 of the names of the examples, in order: a run goes on with the photos that it was begun with."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _setting(option: str) -> str:
    return "data" if option == "DATA" else option.removeprefix("--").replace("-", "_")


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _shown(value: Any) -> str:
    return "none" if value is None else ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
