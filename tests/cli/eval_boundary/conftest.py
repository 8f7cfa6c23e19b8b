"""Five pairs of label maps, and the command run on them through its entry point."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import convneur.evaluation.scoring as scoring
from convneur_cli.app import main


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The error, which must be one line, with nothing on stdout."""
        assert self.out == ""
        assert "Traceback" not in self.err
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with five pairs of 3 classes; the class and void bands are not empty, class 2 is rare."""
    monkeypatch.chdir(tmp_path)
    for folder in ("gt", "pred"):
        (tmp_path / folder / "city").mkdir(parents=True)
    for number, name in enumerate(("a", "b", "city/c", "city/d", "e")):
        random = np.random.default_rng(number)
        height, width = 40 + number, 62 - 3 * number
        noise = ndimage.gaussian_filter(random.standard_normal((3, height, width)), (0, 5, 5))
        noise[2] -= 0.03
        gt = noise.argmax(axis=0).astype(np.uint8)
        pred = np.roll(gt, number - 1, 1)
        if name == "b":
            pred[pred == 1] = 0
        gt[:2] = 255
        Image.fromarray(gt).save(tmp_path / "gt" / f"{name}.png")
        np.save(tmp_path / "pred" / f"{name}.npy", pred)
    return tmp_path


@pytest.fixture
def evaluate(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*arguments: object, paths: tuple[str, ...] = ("pred", "gt")) -> Ran:
        with pytest.raises(SystemExit) as raised:
            main(["eval-boundary", *paths, *map(str, arguments)])
        captured = capsys.readouterr()
        return Ran(int(raised.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def outputs(place: Path) -> Callable[[], set[str]]:
    """What lies in the working folder beside the inputs."""
    return lambda: {path.name for path in place.iterdir()} - {"gt", "pred"}


@pytest.fixture
def stopped_after_three() -> Callable[[pytest.MonkeyPatch], list[str]]:
    """As long as the patch holds, Ctrl-C comes with the fourth pair; returns the names that were begun."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
        score, begun = scoring._score, []

        def interrupted(pair: Any, **more: Any) -> Any:
            begun.append(pair.name)
            if len(begun) == 4:
                raise KeyboardInterrupt
            return score(pair, **more)

        monkeypatch.setattr(scoring, "_score", interrupted)
        return begun

    return patch
