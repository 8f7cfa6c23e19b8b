"""The record beside a figure: one `<stem>.json` for every format of the same figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convneur.errors import ConfigError, InputError
from convneur.files import new_file, refuse_existing
from convneur.formats import to_json

__all__ = ["joined_record", "record_beside", "save_npz"]

_ARRAYS, _RAW = "npz", "raw.npz"


def record_beside(
    made: Mapping[str, Any], figure: Path, *, arrays: bool, raw_arrays: bool, force: bool
) -> dict[str, Any]:
    """The record of a figure's file and of the arrays that are written beside it; see `GateResult.record_beside`."""
    beside = [*([_ARRAYS] if arrays else []), *([_RAW] if raw_arrays else [])]
    path = figure.with_suffix(".json")
    known = joined_record(made, path, (), force=force)["formats"]
    for kind in beside:
        if kind not in known:
            refuse_existing(figure.with_suffix(f".{kind}"), force=force)
    return joined_record(made, path, [figure.suffix.lower().removeprefix("."), *beside], force=force)


def save_npz(arrays: Mapping[str, Any], path: str | Path, *, force: bool) -> None:
    """Write arrays by name. Raises: ConfigError: another suffix than .npz; InputError: as `new_file`."""
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ConfigError("path", "the name must end in .npz", value=path)
    named: dict[str, Any] = dict(arrays)
    with new_file(path, force=force) as temporary:
        np.savez_compressed(temporary, **named)


def joined_record(
    made: Mapping[str, Any], path: Path, formats: Sequence[str], *, force: bool = False
) -> dict[str, Any]:
    """What is to be written to `path`: the record made, and the suffixes of all files of this stem that it is of.

    Args:   formats: such as "svg", of the files that are about to be written. Those of a record that lies there and is
        equal otherwise are kept: the same figure in another format joins it.
    Raises: InputError: the record of another figure lies there, and `force` is off.
    """
    record: dict[str, Any] = json.loads(to_json(made))
    there = _read(path)
    known = []
    if there is not None:
        known = [kind for kind in _formats(there) if path.with_suffix(f".{kind}").exists()]
        if {**there, "formats": None} != {**record, "formats": None}:
            if not force:
                raise InputError(
                    path,
                    "exists already and is no record of this figure; choose another stem than "
                    f"{path.stem}, or add `force`",
                )
            known = []
    return {**record, "formats": [*known, *(kind for kind in formats if kind not in known)]}


def _read(path: Path) -> Mapping[str, Any] | None:
    """The file's JSON object; an empty one where it holds none, None where there is no file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _formats(record: Mapping[str, Any]) -> list[str]:
    found = record.get("formats")
    return (
        [kind for kind in found if isinstance(kind, str) and kind.replace(".", "").isalnum()]
        if isinstance(found, list)
        else []
    )
