"""Examples in docstrings run."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "convneur",
        "convneur.cost.counter",
        "convneur.data.images",
        "convneur.data.masks",
        "convneur.errors",
        "convneur.figures.gates",
        "convneur.figures.gates_html",
        "convneur.formats",
        "convneur.gates",
        "convneur.gates.batch",
        "convneur.gates.inspection",
        "convneur.gates.layers",
        "convneur.gates.maps",
        "convneur.gates.measures",
        "convneur.gates.result",
        "convneur.gates.sources",
        "convneur.gates.summary",
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
