"""Commands through their entry point."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from convneur_cli.app import main


@pytest.fixture(scope="session", autouse=True)
def _each_count_once() -> Iterator[None]:
    """Counting is tested in tests/cost. Here the same few models are counted again and again, so counts are kept."""
    from convneur.cost.model_counter import ModelCounter

    counts: dict[Any, Any] = {}
    found = ModelCounter._count

    def count(self: ModelCounter, height: int, width: int) -> Any:
        if self._runs:  # fvcore, which a test changes
            return found(self, height, width)
        key = (self.config, self.params, height, width)
        if key not in counts:
            counts[key] = found(self, height, width)
        return counts[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ModelCounter, "_count", count)
        yield


class Run:
    """Runs one command; keeps what the last run said."""

    def __init__(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._command, self._capsys = command, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as stopped:
            main([self._command, *arguments])
        self.out, self.err = self._capsys.readouterr()
        return int(stopped.value.code or 0)

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    @property
    def line(self) -> str:
        """The error, which must be one line, with nothing on stdout."""
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[[str], Run]:
    """Give a command's name, get what runs it."""
    return lambda name: Run(name, capsys)
