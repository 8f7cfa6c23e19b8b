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
        "convneur.formats",
        "convneur.metrics",
        "convneur.metrics.comparison",
        "convneur.metrics.label_pair",
        "convneur.metrics.loop",
        "convneur.metrics.masks",
        "convneur.metrics.picks",
        "convneur.metrics.record_rows",
        "convneur.metrics.scores",
        "convneur.metrics.settings",
        "convneur.metrics.summary",
        "convneur.metrics.words",
        "convneur.model.create",
        "convneur.model.network",
        "convneur.packaged",
        "convneur.progress",
        "convneur.torchmetrics",
        "convneur.variants",
    ],
)
def test_examples(name: str) -> None:
    failed, attempted = doctest.testmod(import_module(name))
    assert attempted > 0
    assert failed == 0
