"""What a page can choose from: the picture's own maps, and channels that are the net's own features."""

import numpy as np
import pytest
from numpy.typing import NDArray

import convneur.gates.layers
from convneur.errors import InputError
from convneur.gates.capture import capture_gates, untrained
from convneur.gates.layers import gate_layers
from convneur.gates.maps import MapOptions, gate_maps
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

Image = NDArray[np.float32]


@pytest.mark.parametrize("reduce", ["rms", "mean", "absmean", "max", "pca"])
@pytest.mark.parametrize("scale", ["paired", "column", (0.0, 0.5)])
def test_maps_over_channels_are_those_of_the_picture(net: ConvNeur, image: Image, reduce: str, scale: object) -> None:
    options = MapOptions(reduce=reduce, row3="gated", surprise=True, scale=scale)
    capture = capture_gates(net, image)
    for drawn, layer in zip(gate_maps(capture, options), gate_layers(capture, options, same_weights=True), strict=True):
        assert layer.stage == drawn.stage
        for row, panel in drawn.maps.items():
            key = "value" if row == "surprise" else reduce
            if row == "gate":
                key = {"absmean": "mean", "pca": "mean"}.get(reduce, reduce)
            np.testing.assert_array_equal(layer.rows[row][key].values, panel.values)
            if scale != "column":  # the page's column holds the block's output too
                assert layer.rows[row][key].limits == panel.limits


def test_every_row_that_the_net_has_is_there(net: ConvNeur, config: ConvNeurConfig, image: Image) -> None:
    options = MapOptions(gate=False)
    layer = gate_layers(capture_gates(net, image), options, same_weights=True)[0]
    assert list(layer.rows) == ["local_only", "f_loc", "gate", "gated", "f_out", "surprise"]
    assert list(layer.rows["f_loc"])[:5] == ["rms", "mean", "absmean", "max", "pca"]
    assert list(layer.rows["surprise"]) == ["value"]
    adding = untrained(config.replace(fusion="addition", global_branch="self-attention"), 0)
    layer = gate_layers(capture_gates(adding, image), options, same_weights=True)[0]
    assert list(layer.rows) == ["local_only", "f_loc", "f_out"]


def test_channels_are_those_that_vary_most_and_the_same_on_every_row(net: ConvNeur, image: Image) -> None:
    stage = capture_gates(net, image).stages[3]
    layer = gate_layers(capture_gates(net, image), MapOptions(), same_weights=True)[3]
    expected = sorted(np.argsort(stage.gated.reshape(20, -1).var(axis=1))[-16:])
    for row in ("local_only", "f_loc", "gate", "gated", "f_out"):
        keys = [key for key in layer.rows[row] if key.startswith("channel ")]
        assert keys == [f"channel {channel}" for channel in expected]
        for channel in expected:
            np.testing.assert_array_equal(layer.rows[row][f"channel {channel}"].values, getattr(stage, row)[channel])
    # F_loc and A * F_loc share a scale, channel by channel.
    assert layer.rows["f_loc"][keys[0]].limits == layer.rows["gated"][keys[0]].limits


def test_few_channels_are_all_there_and_large_maps_have_fewer(
    net: ConvNeur, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(stage: int) -> int:
        layer = gate_layers(capture_gates(net, image), MapOptions(), same_weights=True)[stage]
        return sum(key.startswith("channel ") for key in layer.rows["gate"])

    assert [kept(stage) for stage in range(4)] == [8, 12, 16, 16]
    monkeypatch.setattr(convneur.gates.layers, "_MOST_VALUES", 16 * 24 * 6)
    assert [kept(stage) for stage in range(2)] == [6, 12]
    monkeypatch.setattr(convneur.gates.layers, "_MOST_VALUES", 1)
    assert kept(0) == 4


def test_a_separate_local_only_net_has_its_own_channels(net: ConvNeur, config: ConvNeurConfig, image: Image) -> None:
    wide = untrained(config.replace(memory="none", dims=(24, 24, 24, 24)), 1)
    capture = capture_gates(net, image, local_only=wide)
    layer = gate_layers(capture, MapOptions(), same_weights=False)[0]
    own = [int(key.split()[1]) for key in layer.rows["local_only"] if key.startswith("channel ")]
    assert own == sorted(np.argsort(capture.stages[0].local_only.reshape(24, -1).var(axis=1))[-16:])


def test_a_row_that_is_not_drawn_must_be_finite_too(net: ConvNeur, image: Image) -> None:
    capture = capture_gates(net, image)
    capture.stages[0].surprise[0, 0] = np.inf
    with pytest.raises(InputError, match="surprise of stage 1 holds NaN or infinite"):
        gate_layers(capture, MapOptions(), same_weights=True)
