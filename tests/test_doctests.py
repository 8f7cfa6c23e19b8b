"""Examples in docstrings run."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "convneur",
        "convneur.checkpoints",
        "convneur.cost.counter",
        "convneur.data.images",
        "convneur.errors",
        "convneur.figures.overlay",
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
        "convneur.errors",
        "convneur.figures.accuracy",
        "convneur.figures.architecture",
        "convneur.figures.scaling",
        "convneur.formats",
        "convneur.inference.folder",
        "convneur.inference.logits",
        "convneur.inference.prediction",
        "convneur.inference.predictor",
        "convneur.inference.windows",
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
        "convneur.sizes",
        "convneur.torchmetrics",
        "convneur.variants",
    ],
)
def test_examples(name: str) -> None:
    failed, attempted = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert attempted > 0
    assert failed == 0
