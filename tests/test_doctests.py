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
        "convneur.checkpoints",
        "convneur.cost.accuracy",
        "convneur.cost.analysis",
        "convneur.cost.architecture",
        "convneur.cost.counter",
        "convneur.cost.external",
        "convneur.cost.lookup",
        "convneur.cost.model_cost",
        "convneur.cost.model_counter",
        "convneur.cost.model_list",
        "convneur.cost.paper",
        "convneur.cost.report",
        "convneur.data.images",
        "convneur.errors",
        "convneur.figures.accuracy",
        "convneur.figures.architecture",
        "convneur.figures.latency",
        "convneur.figures.overlay",
        "convneur.figures.scaling",
        "convneur.formats",
        "convneur.inference.folder",
        "convneur.inference.logits",
        "convneur.inference.prediction",
        "convneur.inference.predictor",
        "convneur.inference.windows",
        "convneur.model.create",
        "convneur.model.network",
        "convneur.packaged",
        "convneur.progress",
        "convneur.sizes",
        "convneur.variants",
    ],
)
def test_examples(name: str) -> None:
    failed, attempted = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert attempted > 0
    assert failed == 0
