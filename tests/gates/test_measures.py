"""What is measured of a gate: values known on paper, and gates that must not look like something they are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convneur.errors import InputError
from convneur.gates.measures import MEASURES, measure_stage
from convneur.gates.reduce import reduce_channels
from convneur.gates.regions import Regions, mask_regions

RNG = np.random.default_rng(0)
MASK = np.zeros((32, 48), np.int8)
MASK[8:24, 16:32] = 1
REGIONS = mask_regions(MASK, (8, 12))
FEATURES = RNG.standard_normal((6, 8, 12)).astype(np.float32)
GATE = RNG.uniform(0, 1, (6, 8, 12)).astype(np.float32)


def regions(foreground: list[float], edges: list[float]) -> Regions:
    """Of a stage of one row; background and plain are what is left."""
    inside, edge = np.array([foreground]), np.array([edges])
    return Regions("mask", inside, 1 - inside, edge, 1 - edge)


def test_values_on_paper() -> None:
    """Two channels, four positions; the object is the first two, the edge lies between."""
    f_loc = np.array([[[3, 1, 1, 2]], [[4, 1, 1, 2]]], np.float32)  # rms: sqrt(12.5), 1, 1, 2
    gate = np.array([[[0.8, 0.8, 0.4, 0.1]], [[0.8, 0.8, 0.4, 0.1]]], np.float32)
    found = measure_stage(2, f_loc, gate, regions([1, 1, 0, 0], [0, 1, 1, 0]))
    root = 12.5**0.5
    assert (found.stage, found.against) == (2, "mask")
    assert (found.closed, found.open) == (0.25, 0.5)
    assert found.background_suppression.before == pytest.approx((root + 1) / 3)
    # After: .8 root and .8 inside, .4 and .2 outside.
    assert found.background_suppression.after == pytest.approx(0.8 * (root + 1) / 0.6)
    assert found.background_suppression.change == pytest.approx(4)
    assert found.edge_contrast.before == pytest.approx(2 / (root + 2))
    assert found.edge_contrast.after == pytest.approx((0.8 + 0.4) / (0.8 * root + 0.2))
    assert found.edge_contrast.change == pytest.approx(1.2 / (0.8 * root + 0.2) * (root + 2) / 2)
    assert (found.foreground_share, found.edge_share) == (0.5, 0.5)


def test_positions_count_by_weight() -> None:
    f_loc, gate = np.array([[[4, 1]]], np.float32), np.array([[[1, 0.5]]], np.float32)
    found = measure_stage(1, f_loc, gate, regions([1, 0.5], [1, 0]))
    # Object: (4 + .5) / 1.5 = 3, background: 1; after: (4 + .25) / 1.5 and .5.
    assert found.background_suppression.before == pytest.approx(3)
    assert found.background_suppression.after == pytest.approx(17 / 3)


def test_the_energy_is_the_map_that_is_drawn() -> None:
    found = measure_stage(1, FEATURES, GATE, REGIONS)
    drawn = [reduce_channels(features, "rms").astype(np.float64) for features in (FEATURES, GATE * FEATURES)]
    for values, ratio in zip(drawn, (found.edge_contrast.before, found.edge_contrast.after), strict=True):
        edge, plain = values[REGIONS.edges > 0], values[REGIONS.edges == 0]
        assert ratio == pytest.approx(edge.mean() / plain.mean(), rel=1e-6)


def test_a_gate_that_halves_everything_does_nothing() -> None:
    found = measure_stage(1, FEATURES, np.full_like(GATE, 0.5), REGIONS)
    assert found.background_suppression.change == 1
    assert found.edge_contrast.change == 1
    assert found.closed == found.open == 0


@given(st.floats(2**-12, 1, width=32), st.integers(0, 999))
def test_a_constant_gate_changes_nothing(value: float, seed: int) -> None:
    features = np.random.default_rng(seed).standard_normal((4, 8, 12)).astype(np.float32)
    found = measure_stage(1, features, np.full_like(features, value), REGIONS)
    assert found.background_suppression.change == pytest.approx(1, rel=1e-12)
    assert found.edge_contrast.change == pytest.approx(1, rel=1e-12)


@given(st.integers(-20, 20), st.integers(-20, 0), st.integers(0, 999))
def test_scale_does_not_matter(power: int, gate_power: int, seed: int) -> None:
    """By powers of two, which round nothing: of the features everything stays, of the gate every ratio."""
    random = np.random.default_rng(seed)
    features, gate = random.standard_normal((4, 8, 12)), random.uniform(0, 1, (4, 8, 12))
    features, gate = features.astype(np.float32), gate.astype(np.float32)
    first = measure_stage(1, features, gate, REGIONS)
    assert measure_stage(1, features * np.float32(2.0**power), gate, REGIONS) == first
    dimmed = measure_stage(1, features, gate * np.float32(2.0**gate_power), REGIONS)
    assert dimmed.background_suppression.change == pytest.approx(first.background_suppression.change)
    assert dimmed.edge_contrast.change == pytest.approx(first.edge_contrast.change)


@given(st.floats(0.05, 0.95))
def test_what_a_gate_lets_through_outside_is_what_it_suppresses(share: float) -> None:
    gate = np.where(REGIONS.foreground > 0, 1, share)
    found = measure_stage(1, FEATURES, np.broadcast_to(gate, FEATURES.shape).astype(np.float32), REGIONS)
    assert found.background_suppression.change == pytest.approx(1 / np.float32(share), rel=1e-6)
    favoured = measure_stage(1, FEATURES, np.broadcast_to(1 - 0.9 * REGIONS.edges, FEATURES.shape), REGIONS)
    assert favoured.edge_contrast.change == pytest.approx(0.1)


def test_a_gate_that_knows_nothing_of_the_places_moves_little() -> None:
    many = RNG.standard_normal((2000, 8, 12)).astype(np.float32)
    found = measure_stage(1, many, RNG.uniform(0, 1, many.shape).astype(np.float32), REGIONS)
    assert found.background_suppression.change == pytest.approx(1, abs=0.02)
    assert found.edge_contrast.change == pytest.approx(1, abs=0.02)


def test_what_has_no_region_or_no_energy_is_undefined() -> None:
    nothing = measure_stage(1, FEATURES, GATE, mask_regions(np.zeros((32, 48), np.int8), (8, 12)))
    assert nothing.background_suppression.before is None
    assert nothing.background_suppression.change is None
    assert nothing.edge_contrast.record() == {"before": None, "after": None, "change": None}
    assert nothing.foreground_share == 0
    flat = measure_stage(1, np.zeros_like(FEATURES), GATE, REGIONS)
    assert flat.background_suppression.record() == {"before": None, "after": None, "change": None}
    shut = measure_stage(1, FEATURES, np.zeros_like(GATE), REGIONS)
    assert shut.edge_contrast.before is not None
    assert shut.edge_contrast.after is None
    assert shut.edge_contrast.change is None
    assert shut.closed == 1


def test_values_that_are_no_numbers_are_refused() -> None:
    broken = FEATURES.copy()
    broken[3, 2, 1] = np.nan
    with pytest.raises(InputError, match="f_loc of stage 4 holds NaN"):
        measure_stage(4, broken, GATE, REGIONS)
    with pytest.raises(InputError, match="gate of stage 4 holds NaN"):
        measure_stage(4, FEATURES, broken, REGIONS)


def test_every_value_has_its_name() -> None:
    found = measure_stage(1, FEATURES, GATE, REGIONS)
    values = found.values()
    assert tuple(values) == MEASURES
    assert values["background_suppression_change"] == found.background_suppression.change
    assert values["gate_below_0.25"] == found.closed == (GATE < 0.25).mean()
