"""Examples in docstrings run."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "convneur",
        "convneur.cost.counter",
        "convneur.errors",
        "convneur.evaluation",
        "convneur.evaluation.comparison",
        "convneur.evaluation.jobs",
        "convneur.evaluation.result",
        "convneur.evaluation.run",
        "convneur.evaluation.scenes",
        "convneur.evaluation.scoring",
        "convneur.evaluation.selection",
        "convneur.evaluation.words",
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
