"""examples/distill_photos.py: a run that was stopped ends as one that was not. A made-up teacher stands in for its own,
a package that the tests do without."""

import importlib
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from convneur.variants import ConvNeurConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIG = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=4, chunks=4, read="final")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("distill_photos")


@pytest.fixture
def run(example: Any, tmp_path: Path) -> Any:
    """Makes a run that keeps its state in a file."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (40, 48, 3), np.uint8) for _ in range(4)]

    def teach(pixels: torch.Tensor) -> Any:
        greys = [F.avg_pool2d(pixels, stride).mean(1, keepdim=True) / 100 for stride in (4, 8, 16, 32)]
        maps = [grey.expand(-1, width, -1, -1) for grey, width in zip(greys, example.TEACHER_WIDTHS, strict=True)]
        return example.Taught(tuple(maps), pixels.mean((2, 3)) @ torch.ones(3, 1000) / 100)

    def make(name: str, steps: int) -> Any:
        asked = Namespace(seed=1, init=None, lr=1e-3, warmup=2, batch=2, penalty=1e-2, views=[64, 96], ema=0.9)
        asked.steps, asked.precision, asked.save, asked.resume = steps, "fp32", tmp_path / name, True
        made = example.Run(images, teach, CONFIG, asked)
        made.begin()
        return made

    return make


def test_a_run_that_was_stopped_ends_as_one_that_was_not(run: Any) -> None:
    whole = run("whole", 4)
    whole.train()

    first = run("parts", 4)
    first.advance(), first.advance()
    first.keep()
    second = run("parts", 4)
    assert second.step == 2
    second.train()

    for name, tensor in whole.average.state_dict().items():
        assert torch.equal(tensor, second.average.state_dict()[name]), name
    assert second.student.phase == pytest.approx(1.0)


def test_what_is_left_of_the_cosine_is_spread_over_other_steps(run: Any) -> None:
    first = run("longer", 4)
    first.advance(), first.advance()
    first.keep()
    second = run("longer", 7)
    second.advance()
    assert second.student.phase.item() == pytest.approx(0.5 + 0.5 / 5)
