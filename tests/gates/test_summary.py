"""What is measured of many images: means, intervals, and what is left out of them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from convneur.gates.measures import Contrast, StageMeasures
from convneur.gates.summary import MeasureTable

ONE = StageMeasures(1, "mask", 0.5, 0.1, Contrast(1.0, 2.0), Contrast(2.0, 2.0), 0.3, 0.1)


def test_shares_are_averaged_and_ratios_multiplied() -> None:
    table = MeasureTable([1])
    for closed, after in ((0.2, 2.0), (0.6, 0.5)):
        table.add([replace(ONE, closed=closed, background_suppression=Contrast(1.0, after))])
    (found,) = table.estimates()
    assert table.images == 2
    assert found.closed.mean == pytest.approx(0.4)
    # A doubling and a halving cancel.
    assert found.background_suppression.change.mean == pytest.approx(1)
    # Of two photos drawn twice a resample holds one alone a quarter of the time each.
    assert (found.closed.low, found.closed.high) == pytest.approx((0.2, 0.6))
    assert found.edge_contrast.before.record() == {
        "mean": pytest.approx(2), "low": pytest.approx(2), "high": pytest.approx(2), "photos": 2,
    }  # fmt: skip


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        table = MeasureTable([1])
        for change in np.exp(random.normal(math.log(1.5), 0.4, 40)):
            table.add([replace(ONE, background_suppression=Contrast(1.0, float(change)))])
        found = table.estimates()[0].background_suppression.change
        covered += found.low <= 1.5 <= found.high
        assert found.high - found.low == pytest.approx(1.5 * 2 * 1.96 * 0.4 / 40**0.5, rel=0.5)
    assert 50 <= covered < 60


def test_the_same_images_give_the_same_interval() -> None:
    tables = []
    for _ in range(2):
        table = MeasureTable([1])
        for closed in np.random.default_rng(5).uniform(0, 1, 30):
            table.add([replace(ONE, closed=float(closed))])
        tables.append(table.estimates())
    assert tables[0] == tables[1]


def test_undefined_values_are_left_out_and_one_image_has_no_interval() -> None:
    table = MeasureTable([1])
    table.add([ONE])
    table.add([replace(ONE, edge_contrast=Contrast(None, None))])
    (found,) = table.estimates()
    assert found.edge_contrast.change.record() == {"mean": 1.0, "low": None, "high": None, "photos": 1}
    assert found.background_suppression.change.images == 2
    empty = MeasureTable([1, 2]).estimates()
    assert len(empty) == 2
    assert empty[1].open.record() == {"mean": None, "low": None, "high": None, "photos": 0}


def test_the_null_of_a_mean_is_that_of_the_images_draws() -> None:
    """Draws of each image around 1 by 10 %: of a mean over 25 images a fifth of that is left."""
    random = np.random.default_rng(3)
    table = MeasureTable([1])
    for _ in range(25):
        nulls = tuple(np.exp(random.normal(0, 0.1, 200)).tolist())
        table.add([replace(ONE, background_suppression=Contrast(1.0, 3.0, 2.0, nulls))])
    table.add([replace(ONE, background_suppression=Contrast(1.0, 3.0, 2.0))])  # too small for an interval
    found = table.estimates()[0].background_suppression
    assert (found.channels.mean, found.place.mean) == (pytest.approx(2), pytest.approx(1.5))
    assert found.null == pytest.approx((math.exp(-0.0392), math.exp(0.0392)), abs=0.012)
    assert found.record()["null_low"] == found.null[0]
    assert table.estimates()[0].edge_contrast.null is None


def test_a_gate_without_places_lies_inside_its_own_null() -> None:
    """The same gate everywhere, but for the rounding of sums."""
    table = MeasureTable([1])
    for rounding in (3e-9, -2e-9, 1e-9):
        table.add([replace(ONE, background_suppression=Contrast(1.0, 2.0, 2.0, (1 + rounding,) * 200))])
    found = table.estimates()[0].background_suppression
    assert found.null is not None
    assert found.null[0] <= found.place.mean <= found.null[1]


def test_stages_stay_apart() -> None:
    table = MeasureTable([1, 3])
    table.add([ONE, replace(ONE, stage=3, closed=0.9)])
    assert [found.closed.mean for found in table.estimates()] == pytest.approx([0.5, 0.9])
    with pytest.raises(ValueError, match="stages"):
        table.add([ONE])
