"""What every result can do: print itself, show itself in a notebook, give its JSON, be saved by suffix."""

import html
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from convneur.errors import ConfigError
from convneur.files import new_text
from convneur.formats import (
    csv_table,
    html_table,
    latex_caption,
    latex_table,
    markdown_table,
    printable,
    text_table,
    to_json,
)

__all__ = ["SUFFIXES", "ReadOnly", "Result", "Table", "plain", "read_only"]

SUFFIXES = (".json", ".csv", ".md", ".tex")


@dataclass(frozen=True)
class Table:
    """Text as it is shown: `left` columns of words (or those numbered in it), the others of values.

    dense: for many columns; the command line then draws no lines between them and cuts nothing. notes: sentences that
    belong under this table. bold: (row, column) of cells that stand out in LaTeX and Markdown.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int | Collection[int] = 1
    dense: bool = False
    notes: Sequence[str] = ()
    bold: Collection[tuple[int, int]] = ()


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class ReadOnly(Mapping[_Key, _Value]):
    """A mapping that nobody changes; unlike `types.MappingProxyType` it pickles and copies.

    >>> ReadOnly({"miou": 0.5})
    {'miou': 0.5}
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[_Key, _Value]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: _Key) -> _Value:
        return self._items[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __or__(self, other: Mapping[Any, Any]) -> dict[Any, Any]:
        return {**self, **other}

    def __ror__(self, other: Mapping[Any, Any]) -> dict[Any, Any]:
        return {**other, **self}

    def __repr__(self) -> str:
        return repr(self._items)


def read_only(value: Any) -> Any:
    """Mappings and lists, nested, as read-only mappings and tuples: values that a result gives out by key."""
    if isinstance(value, Mapping):
        return ReadOnly({key: read_only(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(read_only, value))
    return value


def plain(value: Any) -> Any:
    """Read-only mappings and tuples, nested, as dicts and lists of their own."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


class Result(ABC):
    """What a job gives back. Subclasses are frozen dataclasses."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The result as the command prints it as JSON: plain data, NaN and infinities included."""

    @abstractmethod
    def tables(self) -> Sequence[Table]:
        """What people read, the main table first."""

    def headlines(self) -> Sequence[str]:
        """What is said above the tables, a line each."""
        return ()

    def sentences(self) -> Sequence[str]:
        """What is said below the tables."""
        return ()

    def records(self) -> Sequence[Mapping[str, Any]]:
        """Rows for spreadsheets; the main table unless a result has better ones."""
        table = self.tables()[0]
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def paper_table(self) -> Table:
        """The table that goes into a paper."""
        return self.tables()[0]

    def __str__(self) -> str:
        parts = [_lines(self.headlines())]
        for each in self.tables():
            parts += [text_table(each.title, each.columns, each.rows, left=each.left), _lines(each.notes)]
        return "\n\n".join(part for part in [*parts, _lines(self.sentences())] if part)

    def _repr_html_(self) -> str:
        parts = _paragraphs(self.headlines())
        for each in self.tables():
            parts += [html_table(each.title, each.columns, each.rows, left=each.left), *_paragraphs(each.notes)]
        return "".join([*parts, *_paragraphs(self.sentences())])

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the result in the format of the name's suffix: .json, .csv, .md or .tex (a booktabs tabular).

        Raises: ConfigError: another suffix; InputError: the file exists and `force` is off, or cannot be written.
        """
        path = Path(path)
        writers = {".json": self._json, ".csv": self._csv, ".md": self._markdown, ".tex": self._latex}
        if path.suffix.lower() not in writers:
            raise ConfigError("path", f"the name must end in {', '.join(SUFFIXES)}", value=path)
        text = writers[path.suffix.lower()]()
        new_text(path, text, force=force)

    def _json(self) -> str:
        return to_json(self.to_dict()) + "\n"

    def _csv(self) -> str:
        return csv_table(self.records())

    def _markdown(self) -> str:
        parts = [printable(line) for line in self.headlines()]
        for each in self.tables():
            table = markdown_table(each.columns, each.rows, left=each.left, bold=each.bold)
            parts.append(f"## {printable(each.title)}\n\n{table}" if each.title else table)
            if each.notes:
                parts.append(_lines(f"- {note}" for note in each.notes))
        return "\n\n".join([*parts, *map(printable, self.sentences())]) + "\n"

    def _latex(self) -> str:
        table = self.paper_table()
        tabular = latex_table(table.columns, table.rows, left=table.left, bold=table.bold)
        return (f"{latex_caption(table.notes)}\n" if table.notes else "") + tabular + "\n"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(map(printable, lines))


def _paragraphs(lines: Sequence[str]) -> list[str]:
    return [f"<p>{html.escape(printable(line))}</p>" for line in lines]
