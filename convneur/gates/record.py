"""The record beside a figure: one `<stem>.json` for every format of the same figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convneur.errors import InputError
from convneur.formats import to_json

if TYPE_CHECKING:
    from convneur.gates.result import GateResult

__all__ = ["joined_record"]


def joined_record(result: "GateResult", path: Path, formats: Sequence[str], *, force: bool = False) -> dict[str, Any]:
    """What is to be written to `path`: the result's record, and the suffixes of all files of this stem that it is of.

    Args:   formats: such as "svg", of the files that are about to be written. Those of a record that lies there and is
        equal otherwise are kept: the same figure in another format joins it.
    Raises: InputError: the record of another figure lies there, and `force` is off.
    """
    record: dict[str, Any] = json.loads(to_json(result.to_dict()))
    there = _read(path)
    known = []
    if there is not None:
        known = [kind for kind in _formats(there) if path.with_suffix(f".{kind}").exists()]
        if {**there, "formats": None} != {**record, "formats": None}:
            if not force:
                raise InputError(
                    path,
                    "exists already, the record of another figure; choose another stem than "
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
    return [kind for kind in found if isinstance(kind, str) and kind.isalnum()] if isinstance(found, list) else []
