"""Result files: a suffix names the format; refused before the work begins, written whole after it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from convneur.files import new_file, refuse_existing
from convneur.formats import to_json
from convneur_cli.errors import UsageError

__all__ = ["FIGURES", "RESULTS", "check_outputs", "write_result"]

RESULTS = (".json", ".csv", ".md")
FIGURES = (".png", ".svg", ".pdf")


def check_outputs(*outputs: tuple[str, Path | None, tuple[str, ...]], force: bool) -> None:
    """Refuse what cannot be written: (option, path, suffixes) each; None where the option was left out.

    Raises: UsageError: another suffix; InputError: as `refuse_existing`.
    """
    for option, path, suffixes in outputs:
        if path is not None and path.suffix.lower() not in suffixes:
            raise UsageError(f"{option} {path}: the name must end in {', '.join(suffixes)}")
    refuse_existing(*(path for _, path, _ in outputs if path is not None), force=force)


def write_result(
    path: Path, *, force: bool, as_json: Any, as_csv: Callable[[], str], as_markdown: Callable[[], str]
) -> None:
    """Write a result in the format of the name's suffix. Raises: InputError: as `new_file`."""
    text = {".json": lambda: to_json(as_json) + "\n", ".csv": as_csv, ".md": as_markdown}[path.suffix.lower()]()
    with new_file(path, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")
