"""What is measured of a gate: values known on paper, and gates that must not look like something they are not."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convneur.errors import InputError
from convneur.gates.measures import MEASURES, measure_stage
from convneur.gates.places import channel_energy
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
    found = measure_stage(1, features, np.full_like(features, value), REGIONS, draws=20)
    assert found.background_suppression.change == pytest.approx(1, rel=1e-12)
    assert found.edge_contrast.change == pytest.approx(1, rel=1e-12)


@given(st.integers(-20, 20), st.integers(-20, 0), st.integers(0, 999))
def test_scale_does_not_matter(power: int, gate_power: int, seed: int) -> None:
    """By powers of two, which round nothing: of the features everything stays, of the gate every ratio."""
    random = np.random.default_rng(seed)
    features, gate = random.standard_normal((4, 8, 12)), random.uniform(0, 1, (4, 8, 12))
    features, gate = features.astype(np.float32), gate.astype(np.float32)
    first = measure_stage(1, features, gate, REGIONS, draws=20)
    assert measure_stage(1, features * np.float32(2.0**power), gate, REGIONS, draws=20) == first
    dimmed = measure_stage(1, features, gate * np.float32(2.0**gate_power), REGIONS, draws=20)
    assert dimmed.background_suppression.change == pytest.approx(first.background_suppression.change)
    assert dimmed.edge_contrast.change == pytest.approx(first.edge_contrast.change)


@given(st.floats(0.05, 0.95))
def test_what_a_gate_lets_through_outside_is_what_it_suppresses(share: float) -> None:
    gate = np.where(REGIONS.foreground > 0, 1, share)
    found = measure_stage(1, FEATURES, np.broadcast_to(gate, FEATURES.shape).astype(np.float32), REGIONS, draws=20)
    assert found.background_suppression.change == pytest.approx(1 / np.float32(share), rel=1e-6)
    favoured = measure_stage(1, FEATURES, np.broadcast_to(1 - 0.9 * REGIONS.edges, FEATURES.shape), REGIONS, draws=20)
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
    assert set(nothing.edge_contrast.record().values()) == {None}
    assert nothing.foreground_share == 0
    flat = measure_stage(1, np.zeros_like(FEATURES), GATE, REGIONS)
    assert set(flat.background_suppression.record().values()) == {None}
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
    assert values["edge_contrast_place_part"] == found.edge_contrast.place
    assert values["gate_below_0.25"] == found.closed == (GATE < 0.25).mean()


# By channels and by place


def test_the_parts_on_paper() -> None:
    """Two channels, three positions, the first the object: channels alone are worth something, and places the rest."""
    f_loc = np.array([[[3.0, 1.0, 0.0]], [[0.0, 1.0, 2.0]]], np.float32)
    gate = np.array([[[1.0, 0.5, 0.5]], [[0.25, 0.5, 1.0]]], np.float32)
    found = measure_stage(1, f_loc, gate, regions([1, 0, 0], [0, 1, 0])).background_suppression
    squares, opened = np.square(f_loc[:, 0].astype(float)), np.square(gate[:, 0].astype(float))
    energies = [np.mean([np.sqrt((opened[:, q] * squares[:, p]).mean()) for q in range(3)]) for p in range(3)]
    by_channels = energies[0] / np.mean(energies[1:])
    assert found.before == pytest.approx(6 / (2**0.5 + 2))
    assert found.channels == pytest.approx(by_channels / found.before)
    assert found.place == pytest.approx(found.change / found.channels)


def test_permutations_have_the_average_of_the_closed_form() -> None:
    """All 24 permutations of four positions, written out."""
    f_loc, gate = FEATURES[:, :2, :2], GATE[:, :2, :2]
    energies = []
    for order in itertools.permutations(range(4)):
        moved = gate.reshape(6, 4)[:, order].reshape(6, 2, 2)
        energies.append(np.sqrt(np.square((moved * f_loc).astype(np.float64)).mean(axis=0)))
    np.testing.assert_allclose(channel_energy(f_loc, gate), np.mean(energies, axis=0), rtol=1e-6)


@given(st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_a_gate_that_knows_only_channels_is_all_channels(seed: int) -> None:
    """Its factor is far from 1, for object and background differ in their channels; its place part is 1."""
    random = np.random.default_rng(seed)
    features = (
        FEATURES * np.where(REGIONS.foreground > 0, np.float32(5), np.float32(1)) ** (np.arange(6) < 3)[:, None, None]
    )
    gate = np.broadcast_to(random.uniform(0.05, 1, (6, 1, 1)), features.shape).astype(np.float32)
    gate = np.where(np.arange(6)[:, None, None] < 3, gate / 10, gate).astype(np.float32)
    found = measure_stage(1, features, gate, REGIONS, draws=40)
    assert found.background_suppression.change < 0.9
    for contrast in (found.background_suppression, found.edge_contrast):
        assert contrast.channels == pytest.approx(contrast.change, rel=1e-12)
        assert contrast.place == pytest.approx(1, rel=1e-12)
        low, high = contrast.null
        assert low <= contrast.place <= high
        assert high - low < 1e-5


def test_a_gate_that_is_a_mask_is_all_place() -> None:
    gate = np.broadcast_to(np.where(REGIONS.foreground > 0, 1, 0.2), FEATURES.shape).astype(np.float32)
    found = measure_stage(1, FEATURES, gate, REGIONS).background_suppression
    assert found.channels == pytest.approx(1, rel=1e-12)
    assert found.place == found.change / found.channels == pytest.approx(5, rel=1e-6)
    assert found.null[1] < found.place  # no other place of it does as much


def test_of_many_positions_a_sample_stands_for_all() -> None:
    random = np.random.default_rng(1)
    f_loc = random.standard_normal((8, 40, 40)).astype(np.float32)
    gate = random.uniform(0, 1, f_loc.shape).astype(np.float32)
    squares, opened = (np.square(values.reshape(8, -1), dtype=np.float64) for values in (f_loc, gate))
    exact = np.sqrt(squares.T @ opened / 8).mean(axis=1).reshape(40, 40)
    np.testing.assert_allclose(channel_energy(f_loc, gate), exact, rtol=0.03)


def smooth(random: np.random.Generator, channels: int) -> np.ndarray:
    """A gate of a few waves over the places, which knows nothing of where an object is."""
    rows, columns = np.mgrid[:16, :24] / 16
    waves = sum(
        random.standard_normal((channels, 1, 1)) * np.sin(2 * np.pi * (a * rows + b * columns) + random.uniform(0, 7))
        for a in (0, 1)
        for b in (0.5, 1)
    )
    return (1 / (1 + np.exp(-waves))).astype(np.float32)


@pytest.mark.slow
def test_smooth_gates_that_know_nothing_lie_in_the_interval_as_often_as_it_says() -> None:
    """Shuffled one by one, the positions of such gates would average out, and half of them would seem to know it."""
    random = np.random.default_rng(2)
    inside = shuffled_inside = 0
    for _ in range(40):
        top, left = random.integers(0, 8), random.integers(0, 12)
        mask = np.zeros((64, 96), np.int8)
        mask[4 * top : 4 * top + 32, 4 * left : 4 * left + 48] = 1
        region = mask_regions(mask, (16, 24))
        f_loc = random.standard_normal((4, 16, 24)).astype(np.float32)
        gate = smooth(random, 4)
        found = measure_stage(1, f_loc, gate, region, draws=100).background_suppression
        inside += found.null[0] <= found.place <= found.null[1]
        orders = [random.permutation(16 * 24) for _ in range(10)]
        moved = [gate.reshape(4, -1)[:, order].reshape(gate.shape) for order in orders]
        parts = [measure_stage(1, f_loc, one, region, draws=0).background_suppression.place for one in moved]
        shuffled_inside += min(parts) <= found.place <= max(parts)
    assert inside >= 33
    assert shuffled_inside <= 24


def test_few_positions_have_no_interval() -> None:
    few = measure_stage(4, FEATURES[:, :2, :2], GATE[:, :2, :2], mask_regions(MASK[8:24, 8:24], (2, 2)))
    assert few.background_suppression.place is not None
    assert few.background_suppression.null is None  # 16 arrangements
    assert few.background_suppression.record()["null_low"] is None
