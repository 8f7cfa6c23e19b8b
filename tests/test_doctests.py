"""Examples in docstrings run."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "convneur",
        "convneur.bench.machine",
        "convneur.bench.peak",
        "convneur.bench.plan",
        "convneur.bench.result",
        "convneur.bench.run",
        "convneur.bench.settings",
        "convneur.bench.timing",
        "convneur.cost.counter",
        "convneur.errors",
        "convneur.figures.latency",
        "convneur.formats",
        "convneur.model.create",
        "convneur.model.network",
        "convneur.packaged",
        "convneur.progress",
        "convneur.variants",
    ],
)
def test_examples(name: str) -> None:
    failed, attempted = doctest.testmod(import_module(name))
    assert attempted > 0
    assert failed == 0
