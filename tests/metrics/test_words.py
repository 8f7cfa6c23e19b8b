"""Every metric is called something wherever people read of it."""

import re
from dataclasses import asdict
from typing import Any, get_type_hints

import pytest

from convneur.metrics import METRICS, BoundarySettings, score_pair
from convneur.metrics.tables import image_values, mean_paths
from convneur.metrics.words import METRIC_NAMES, SHORT_NAMES, definitions, metric_name
from convneur_cli.options.evaluation import MetricOptions


def test_every_metric_has_its_words() -> None:
    asked = BoundarySettings(metrics=METRICS, hd_percentile=90, tolerance_curve="1:3")
    settings = asdict(asked) | {"trimap_seed_asked": "auto"}
    assert set(METRIC_NAMES) == set(SHORT_NAMES) == set(definitions(settings)) == set(METRICS)
    assert all(metric_name(metric) for metric in METRICS)


def test_the_help_names_every_metric() -> None:
    (option,) = get_type_hints(MetricOptions, include_extras=True)["metrics"].__metadata__
    by_option = {"hd_percentile", "boundary_f1_curve"}  # --hd-percentile, --tolerance-curve
    assert set(re.findall(r"\w+", option.help)) >= set(METRICS) - by_option


NEEDED: dict[str, dict[str, Any]] = {
    "hd_percentile": {"hd_percentile": [50, "99"]},
    "boundary_f1_curve": {"tolerance_curve": "2:4"},
}


@pytest.mark.parametrize("metric", METRICS)
def test_an_images_values_are_those_that_a_data_set_averages(metric: str) -> None:
    settings = BoundarySettings(num_classes=2, metrics=metric, **NEEDED.get(metric, {}))
    scores = score_pair([[0, 1]], [[1, 1]], settings)
    assert list(image_values(scores, settings)) == mean_paths(settings)
