"""Result files: a suffix names the format; refused before the work begins, written whole after it."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convneur.files import new_file, refuse_existing
from convneur_cli.errors import UsageError
from convneur_cli.output import to_json

__all__ = ["FIGURES", "RESULTS", "check_outputs", "csv_table", "markdown_table", "write_result"]

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


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header of the first row's keys, then the rows; a list or tuple is one cell, its items apart by spaces."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        lists = {key: " ".join(map(str, value)) for key, value in row.items() if isinstance(value, (list, tuple))}
        writer.writerow({**row, **lists})
    return text.getvalue()


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[int] = (0,)) -> str:
    """A table whose columns numbered in `left` are text, the others figures. A name's broken lines are one."""
    rule = [":--" if number in left else "--:" for number in range(len(columns))]
    lines = [[name.replace("\n", " ") for name in columns], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
