"""The only printer: data on stdout, progress, notes and warnings on stderr, JSON that parses."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from convneur.formats import printable, to_json
from convneur.progress import Advance
from convneur_cli.errors import FAILED, StdoutClosed, as_typed

if TYPE_CHECKING:
    from convneur.results import Result

__all__ = ["Printer"]

# Piped tables are for other programs and for files: nothing is cut at 80 columns.
_PIPED_WIDTH = 4096


class _RateColumn(ProgressColumn):
    """Steps per second, or seconds per step where that is more than one."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.3g}/s" if speed >= 1 else f"{1 / speed:.3g} s each", style="progress.data.speed")


class _Out(Console):
    """Rich's own answer to a reader that went away is exit code 1."""

    def on_broken_pipe(self) -> None:
        raise StdoutClosed


class _Err(Console):
    """Work is worth more than words about it: it goes on where nobody hears them."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Printer:
    """Where a command's words go, and the `Progress` that its work reports to.

    Args: json: only JSON on stdout; quiet: no progress and no notes; typed: a setting -> what is typed for it.
    """

    def __init__(self, *, json: bool, quiet: bool, typed: Mapping[str, str]) -> None:
        self.as_json = json
        self.quiet = quiet
        self._typed = typed
        piped = None if sys.stdout.isatty() else _PIPED_WIDTH
        # As typed: a net's name may hold what rich takes for markup or, as in zoo:B:, for an emoji.
        self._out = _Out(file=sys.stdout, width=piped, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._err = _Err(file=sys.stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def text(self, line: str = "") -> None:
        """A line of data for people; nothing under --json."""
        if not self.as_json:
            self._out.print(printable(line, lines=True))

    def sentence(self, words: str) -> None:
        """Prose for people, wrapped between words in a terminal; nothing under --json."""
        if not self.as_json:
            self._out.print(printable(words), soft_wrap=False)

    def table(
        self,
        title: str,
        columns: Iterable[str],
        rows: Iterable[Iterable[str]],
        *,
        left: int | Collection[int] = 1,
        caption: str | None = None,
        dense: bool = False,
    ) -> None:
        """A table whose first `left` columns are text and whose others are figures, right-aligned.

        dense: for many columns: no lines between them, and nothing cut.
        """
        if self.as_json:
            return
        table = Table(title=printable(title), title_justify="left", caption=caption, caption_justify="left")
        if dense:
            table.box, table.padding, table.show_edge = SIMPLE_HEAD, (0, 1, 0, 0), False
        for index, name in enumerate(columns):
            words = index < left if isinstance(left, int) else index in left
            heading = printable(name, lines=True)
            table.add_column(heading, justify="left" if words else "right", no_wrap=dense or not words)
        for row in rows:
            table.add_row(*map(printable, row))
        if dense:  # in a narrow terminal a broken line is better than a cut figure
            table.width = Measurement.get(self._out, self._out.options.update(width=_PIPED_WIDTH), table).maximum
        self._out.print(table)

    def show(self, result: "Result") -> None:
        """A result's words and tables for people, parts apart by an empty line, or all of it as JSON."""
        self.json(result.to_dict())
        for line in result.headlines():
            self.sentence(line)
        for number, table in enumerate(result.tables()):
            if number or result.headlines():
                self.text()
            self.table(table.title, table.columns, table.rows, left=table.left, dense=table.dense)
            for note in table.notes:
                self.sentence(note)
        if result.sentences():
            self.text()
        for words in result.sentences():
            self.sentence(words)

    def finish(self, result: Any) -> int | None:
        """Show an evaluation, and give the exit code: of files that could not be scored its `failed_line` says so."""
        self.show(result)
        if not result.failed:
            return None
        self.error(f"{result.failed_line()} could not be scored and are in none of the values")
        return FAILED

    def json(self, value: Any) -> None:
        """The whole result, under --json only."""
        if self.as_json:
            try:
                sys.stdout.write(to_json(value, encoding=sys.stdout.encoding or "utf-8") + "\n")
            except BrokenPipeError:
                raise StdoutClosed from None

    def note(self, line: str) -> None:
        """Something good to know (what was written where); silent under --quiet."""
        if not self.quiet:
            self._err.print(self._shown(line))

    def warn(self, line: str) -> None:
        """Something the user should not miss, even under --quiet."""
        self._err.print(f"warning: {self._shown(line)}")

    def error(self, line: str) -> None:
        """One failed item of a batch that goes on."""
        self._err.print(f"error: {self._shown(line)}")

    def _shown(self, line: str) -> str:
        """A line as a terminal may get it. Settings, which the library names in backticks, become what is typed."""
        return as_typed(printable(line), lambda name: self._typed.get(name, name))

    @contextmanager
    def steps(self, what: str, total: float) -> Iterator[Advance]:
        """A bar on stderr with rate and time left; only the final state reaches a file, nothing under --quiet."""
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *((MofNCompleteColumn(), _RateColumn()) if float(total).is_integer() else (TaskProgressColumn(),)),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=self.quiet or not self._err.is_terminal,
        )
        with bar:
            task = bar.add_task(printable(what), total=total)

            def advance(now: str | None = None, steps: float = 1) -> None:
                bar.update(task, advance=steps, description=printable(what if now is None else now))

            yield advance
