"""Which rows are drawn, on which scale."""

import itertools
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convneur.errors import ConfigError, InputError
from convneur.gates.capture import GateCapture, StageCapture, capture_gates, untrained
from convneur.gates.maps import MapOptions, gate_maps
from convneur.gates.reduce import principal_axis
from convneur.model.network import ConvNeur
from convneur.variants import VARIANTS, ConvNeurConfig


@pytest.fixture
def capture(net: ConvNeur, image: NDArray[np.float32]) -> GateCapture:
    return capture_gates(net, image)


def changed(capture: GateCapture, **arrays: object) -> GateCapture:
    """The capture with other arrays in its first stage."""
    return replace(capture, stages=(replace(capture.stages[0], **arrays), *capture.stages[1:]))


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (MapOptions(), ("local_only", "f_loc", "gate", "f_out")),
        (MapOptions(row3="gated"), ("local_only", "f_loc", "gate", "gated")),
        (MapOptions(gate=False, surprise=True), ("local_only", "f_loc", "f_out", "surprise")),
    ],
)
def test_rows(capture: GateCapture, options: MapOptions, rows: tuple[str, ...]) -> None:
    assert options.rows == rows
    for stage in gate_maps(capture, options):
        assert tuple(stage.maps) == rows


def test_values_are_the_reduced_features(capture: GateCapture) -> None:
    maps = gate_maps(capture, MapOptions(surprise=True))
    for stage, raw in zip(maps, capture.stages, strict=True):
        np.testing.assert_allclose(stage.maps["f_out"].values, np.sqrt((raw.f_out**2).mean(axis=0)), rtol=1e-5)
        np.testing.assert_array_equal(stage.maps["surprise"].values, raw.surprise)
        assert (stage.channels, stage.height, stage.width) == raw.f_loc.shape


def test_paired_shares_before_and_after_the_gate_alone(capture: GateCapture) -> None:
    for stage in gate_maps(capture, MapOptions(row3="gated")):
        before, after = stage.maps["f_loc"], stage.maps["gated"]
        assert before.limits == after.limits == (after.range[0], before.range[1])  # a gate only makes rms smaller
        assert stage.maps["local_only"].limits == stage.maps["local_only"].range
        assert stage.maps["gate"].limits == stage.maps["gate"].range


def test_paired_gives_the_output_its_own_scale(capture: GateCapture) -> None:
    for stage in gate_maps(capture, MapOptions()):
        for panel in stage.maps.values():
            assert panel.limits == panel.range


def test_column_shares_among_feature_rows(capture: GateCapture) -> None:
    for stage in gate_maps(capture, MapOptions(scale="column", surprise=True)):
        features = [stage.maps[row] for row in ("local_only", "f_loc", "f_out")]
        low, high = min(panel.range[0] for panel in features), max(panel.range[1] for panel in features)
        assert all(panel.limits == (low, high) for panel in features)
        for row in ("gate", "surprise"):
            assert stage.maps[row].limits == stage.maps[row].range


def test_map_shares_nothing(capture: GateCapture) -> None:
    for stage in gate_maps(capture, MapOptions(scale="map", row3="gated")):
        assert all(panel.limits == panel.range for panel in stage.maps.values())


def test_fixed_limits_hold_for_all_feature_rows(capture: GateCapture) -> None:
    for stage in gate_maps(capture, MapOptions(scale=(-0.5, 0.25))):
        assert all(stage.maps[row].limits == (-0.5, 0.25) for row in ("local_only", "f_loc", "f_out"))
        assert stage.maps["gate"].limits == (-0.5, 0.25)
    for stage in gate_maps(capture, MapOptions(scale=(-0.5, 0.25), gate_scale="own", surprise=True)):
        assert stage.maps["gate"].limits == stage.maps["gate"].range
        assert stage.maps["surprise"].limits != (-0.5, 0.25)


@pytest.mark.parametrize("scale", [(1.0, 1.0), (2.0, 1.0), (0.0, float("nan")), (float("-inf"), 0.0)])
def test_limits_that_are_no_range(scale: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="two finite numbers"):
        MapOptions(scale=scale)
    with pytest.raises(ConfigError, match=r"gate_scale .*two finite numbers"):
        MapOptions(gate_scale=scale)


def test_the_gate_has_a_scale_of_its_own_one_for_all_stages_or_a_fixed_one(capture: GateCapture) -> None:
    gates = [stage.maps["gate"] for stage in gate_maps(capture, MapOptions())]
    assert all(gate.limits == gate.range for gate in gates)
    shared = min(gate.range[0] for gate in gates), max(gate.range[1] for gate in gates)
    scales: list[tuple[Any, tuple[float, float]]] = [("shared", shared), ((0, 1), (0.0, 1.0))]
    for scale, limits in scales:
        for stage in gate_maps(capture, MapOptions(gate_scale=scale)):
            assert stage.maps["gate"].limits == limits
            assert stage.maps["f_loc"].limits == stage.maps["f_loc"].range


@pytest.mark.parametrize("reduce", ["mean", "pca"])
def test_0_is_in_the_middle_of_a_map_with_both_signs(capture: GateCapture, reduce: Any) -> None:
    for stage in gate_maps(capture, MapOptions(reduce=reduce, row3="gated")):
        before, after = stage.maps["f_loc"], stage.maps["gated"]
        largest = max(abs(value) for panel in (before, after) for value in panel.range)
        assert before.limits == after.limits == (-largest, largest)
        assert before.colour_scale == "diverging"
        assert stage.maps["gate"].colour_scale == "linear"
    for stage in gate_maps(capture, MapOptions()):
        assert {panel.colour_scale for panel in stage.maps.values()} == {"linear"}


def test_a_surprise_is_drawn_by_its_logarithm(capture: GateCapture) -> None:
    values = np.full(capture.stages[0].f_loc.shape[1:], 0.01, np.float32)
    values[0, :3] = 0, 1e-5, 400
    found = gate_maps(changed(capture, surprise=values), MapOptions(surprise=True))
    panel = found[0].maps["surprise"]
    assert panel.limits == pytest.approx((400e-6, 400))
    assert panel.colour_scale == "logarithmic"
    assert found[1].maps["surprise"].limits == found[1].maps["surprise"].range
    nothing = gate_maps(changed(capture, surprise=0 * values), MapOptions(surprise=True))[0].maps["surprise"]
    assert (nothing.limits, nothing.colour_scale) == ((0.0, 0.0), "linear")


def test_chunk_borders_part_the_chunks(capture: GateCapture) -> None:
    """16 x 24 positions in chunks of 20: lines lie where a position's chunk is another than its neighbour's."""
    stage = gate_maps(capture, MapOptions())[0]
    assert (stage.height, stage.width, stage.chunk_length) == (16, 24, 20)
    chunk = np.arange(16 * 24).reshape(16, 24) // 20
    below, beside = set(), set()
    for line in stage.chunk_borders():
        for (x, y), (to_x, to_y) in itertools.pairwise(line):
            if y == to_y:
                below |= {(int(y), column) for column in range(int(x), int(to_x))}
            else:
                beside |= {(row, int(x)) for row in range(int(min(y, to_y)), int(max(y, to_y)))}
    rows, columns = np.nonzero(np.diff(chunk, axis=1))
    assert beside == set(zip(rows.tolist(), (columns + 1).tolist(), strict=True))
    rows, columns = np.nonzero(np.diff(chunk, axis=0))
    inner = {(row, column) for row, column in below if 0 < row < 16}
    assert inner == set(zip((rows + 1).tolist(), columns.tolist(), strict=True))
    alone = replace(stage, chunks=1, chunk_length=16 * 24)
    assert alone.chunk_borders() == replace(stage, chunks=None, chunk_length=None).chunk_borders() == ()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduce": "median"}, "reduce median: choose rms"),
        ({"row3": "before"}, "row3 before: choose output, gated"),
        ({"scale": "row"}, "scale row: choose paired"),
        ({"gate_scale": "row"}, "gate_scale row: choose own, shared"),
        ({"scale": (1, 2, 3)}, "needs two numbers"),
        ({"scale": ("a", "b")}, "needs two numbers"),
        ({"gate_scale": "shared", "gate": False}, "gate_scale: is for the gate's row"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        MapOptions(**options)


def test_pca_projects_the_gated_features_on_the_axis_of_f_loc(capture: GateCapture) -> None:
    stage, raw = gate_maps(capture, MapOptions(reduce="pca", row3="gated"))[1], capture.stages[1]
    axis = principal_axis(raw.f_loc)
    np.testing.assert_allclose(stage.maps["f_loc"].values, np.tensordot(axis, raw.f_loc, 1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(stage.maps["gated"].values, np.tensordot(axis, raw.gated, 1), rtol=1e-4, atol=1e-6)


def test_zero_and_constant_features_have_limits(capture: GateCapture) -> None:
    shape = capture.stages[0].f_loc.shape
    flat = changed(capture, f_loc=np.zeros(shape, np.float32), f_out=np.full(shape, 2, np.float32))
    maps = gate_maps(flat, MapOptions())[0].maps
    assert maps["f_loc"].limits == (0.0, 0.0)
    assert maps["f_out"].limits == (2.0, 2.0)


@pytest.mark.parametrize(("value", "share", "saturated"), [(0.5, 0.0, False), (1 - 5e-4, 1.0, True), (0.0, 1.0, True)])
def test_saturation(capture: GateCapture, value: float, share: float, saturated: bool) -> None:
    gate = np.full(capture.stages[0].f_loc.shape, value, np.float32)
    stage = gate_maps(changed(capture, gate=gate), MapOptions())[0]
    assert stage.saturation == share
    assert stage.saturated is saturated


def test_saturation_counts_shares(capture: GateCapture) -> None:
    gate = np.full(capture.stages[0].f_loc.shape, 0.5, np.float32)
    gate[:2] = 1.0  # 2 of 8 channels
    stage = gate_maps(changed(capture, gate=gate), MapOptions(gate=False))[0]
    assert stage.saturation == 0.25
    assert not stage.saturated


def test_what_is_no_number_is_refused(capture: GateCapture) -> None:
    broken = capture.stages[0].f_out.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="f_out of stage 1 holds NaN"):
        gate_maps(changed(capture, f_out=broken), MapOptions())
    gate_maps(changed(capture, f_out=broken), MapOptions(row3="gated"))  # not drawn, not asked


def test_rows_that_the_net_lacks(config: ConvNeurConfig, image: NDArray[np.float32]) -> None:
    capture = capture_gates(untrained(config.replace(fusion="addition"), 0), image)
    with pytest.raises(ConfigError, match="gate: block 1 of stage 1 has none"):
        gate_maps(capture, MapOptions())
    assert gate_maps(capture, MapOptions(gate=False))[0].saturation is None


def test_results_need_no_torch() -> None:
    code = "import convneur.figures.gates, convneur.gates.result, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_gate_is_never_projected() -> None:
    gate = np.full((3, 2, 2), 0.25, np.float32)
    gate[0] = 1
    f_loc = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    stage = StageCapture(1, 4, 2, 196, f_loc, gate, gate * f_loc, f_loc, np.ones((2, 2), np.float32), f_loc)
    maps = gate_maps(GateCapture(VARIANTS["m1"], 1, (stage,)), MapOptions(reduce="pca"))[0].maps
    np.testing.assert_allclose(maps["gate"].values, 0.5)
