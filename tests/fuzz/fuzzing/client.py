"""Asks a server, a process of its own, for cases."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Fuzzer"]


class Fuzzer:
    """Runs cases of a kind; `folder` holds the sound files, and the last case with what it wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        server = Path(__file__).with_name("server.py")
        settings = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
        self._server = subprocess.Popen(
            [sys.executable, str(server), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._server.stdout.readline()  # type: ignore[union-attr]
        if not line:
            code = self._server.wait(60)
            how = f"killed by signal {-code}, 9 as a rule for want of memory" if code < 0 else f"exit code {code}"
            raise RuntimeError(f"the server of the fuzz tests ended ({how}); what it said is above")
        return json.loads(line)  # type: ignore[no-any-return]

    def cases(self, kind: str, seed: int, count: int, start: int = 0) -> Iterator[dict[str, Any]]:
        """The outcome of each case: `faults`, empty if all is well, and kind, seed, index, code, arguments, err."""
        asked = {"kind": kind, "seed": seed, "start": start, "count": count}
        self._server.stdin.write(json.dumps(asked) + "\n")  # type: ignore[union-attr]
        self._server.stdin.flush()  # type: ignore[union-attr]
        while not (found := self._answer()).get("done"):
            yield found

    def close(self) -> None:
        self._server.stdin.close()  # type: ignore[union-attr]
        self._server.wait(60)
        self._server.stdout.close()  # type: ignore[union-attr]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._server.kill()
        self.close()
