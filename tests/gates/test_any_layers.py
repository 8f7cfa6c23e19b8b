"""Layers of any model by name: the model's output stays as it is, maps are what the layer gave, gates are measured."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import convneur
from convneur.data.images import normalise
from convneur.errors import ConfigError, InputError
from convneur.figures import gates_figure, gates_page
from convneur.gates import inspect_layers, list_layers

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


class Gated(nn.Module):
    """Features, and gates of each kind that multiply them; an activation works in place on what was captured."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, 2, 1)
        self.act = nn.ReLU(inplace=True)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())
        self.spatial = nn.Sequential(nn.Conv2d(4, 1, 3, 1, 1), nn.Sigmoid())
        self.deep = nn.Conv2d(4, 4, 3, 2, 1)
        self.wide = nn.Conv2d(3, 9, 3, 2, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.wide(x)
        y = self.act(self.features(x))
        y = y * self.squeeze(y)
        y = y * self.spatial(y)
        return self.head(self.deep(y).mean((2, 3)))


@pytest.fixture
def net() -> Gated:
    torch.manual_seed(0)
    return Gated().eval()


def test_features_channels_and_their_figure(net: Gated) -> None:
    with torch.inference_mode():
        expected = net.wide(torch.from_numpy(normalise(PIXELS))[None])[0].numpy()
    found = inspect_layers(PIXELS, model=net, layer="wide,d*", size="native")
    assert [one.name for one in found.layers] == ["wide", "deep"]
    np.testing.assert_array_equal(found.raw_arrays()["wide.features"], expected)
    rms = np.sqrt(np.square(expected, dtype=np.float64).mean(0)).astype(np.float32)
    np.testing.assert_array_equal(found.arrays()["wide.features"], rms)
    figure = gates_figure(found, width="single")
    assert [axes.get_label() for axes in figure.axes if "scale" not in axes.get_label()] == [
        "input", "features wide", "features deep"]  # fmt: skip
    (part,) = inspect_layers(PIXELS, model=net, layer="wide", channels="top3", size="native").layers
    spread = expected.reshape(9, -1).var(axis=1, dtype=np.float64)
    assert [row for row, _ in part.rows] == [f"channel {k}" for k in sorted(np.argsort(-spread)[:3])]
    chosen = inspect_layers(PIXELS, model=net, layer="wide", channels=(4, 0), scale="column", size="native").layers[0]
    np.testing.assert_array_equal(chosen.maps["channel 4"].values, expected[4])
    assert chosen.maps["channel 4"].limits == chosen.maps["channel 0"].limits


def test_a_gates_numbers_have_known_answers(net: Gated) -> None:
    """One that knows only channels has the place part 1; one that is equal over channels the channel part 1."""
    squeeze, spatial, cut = (
        inspect_layers(PIXELS, model=net, gate=gate, features=features, size="native").layers[0]
        for gate, features in (("squeeze", "act"), ("spatial", "act"), ("squeeze", "wide[5:9]"))
    )
    for one in (squeeze, spatial):
        assert [row for row, _ in one.rows] == ["f_loc", "gate", "gated"]
        np.testing.assert_array_equal(one.raw["gated"], one.raw["f_loc"] * one.raw["gate"])
        assert one.measures is not None
    assert squeeze.measures is not None
    assert spatial.measures is not None
    assert squeeze.measures.background_suppression.place == pytest.approx(1, abs=1e-6)
    assert spatial.measures.background_suppression.channels == pytest.approx(1, abs=1e-6)
    assert abs(spatial.measures.background_suppression.change - 1) > 1e-4
    assert (squeeze.raw["gate"].shape, spatial.raw["gate"].shape) == ((4, 1, 1), (1, 32, 48))
    assert cut.features == "wide[5:9]"
    result = inspect_layers(PIXELS, model=net, gate="squeeze,spatial", features="act", size="native")
    figure = gates_figure(result)
    assert len([axes for axes in figure.axes if axes.get_label().startswith("gate ")]) == 2
    assert [row["layer"] for row in result.records()] == ["squeeze", "spatial"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"layer": "featurs"}, "layer featurs: no such layer; the nearest are features"),
        ({"layer": "head"}, r"layer head: its output is no map \(2\)"),
        ({"layer": "s*.1,head"}, None),  # of a pattern those that are maps
        ({"layer": "wide[0:99]"}, r"layer wide\[0:99\]: wide has channels 0 to 8; .* such as wide\[0:9\]"),
        ({"layer": "wide", "channels": "9"}, "channels 9: wide has channels 0 to 8"),
        ({"layer": "wide", "channels": "some"}, "channels some: give numbers from 0"),
        ({"gate": "squeeze"}, "gate squeeze: is one of a pair: name the layer of the other in `features`"),
        ({"gate": "deep", "features": "act"}, "gate deep: is 16x24 and act 32x48: one cannot multiply the other"),
        ({"gate": "squeeze", "features": "wide"}, r"features wide: has 9 channels, and squeeze 4: .* wide\[0:4\]"),
        ({"gate": "head", "features": "act"}, "features act: has 4 channels, and head 2: .* act.0:2."),
        ({"gate": "wide", "features": "act"}, r"gate wide: has 9 channels, and act 4: .* wide\[0:4\]"),
        ({"gate": "squeeze", "features": "wide[9:]"}, r"features wide\[9:\]: wide has channels 0 to 8"),
        ({"gate": "squeeze[2:2]", "features": "act"}, r"gate squeeze\[2:2\]: squeeze has channels 0 to 3"),
        ({"layer": []}, "layer '': is empty; name a layer"),
        ({"gate": "squeeze,spatial,deep", "features": "act,wide"}, "features: 2 layers for 3 gates"),
        ({}, "layer: name the layers to draw"),
        ({"layer": "wide", "mem_dim": 8}, "mem_dim: is a setting of ConvNeur"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_one_line(net: Gated, asked: dict[str, Any], says: str | None) -> None:
    if says is None:
        assert [one.name for one in inspect_layers(PIXELS, model=net, size="native", **asked).layers] == ["spatial.1"]
        return
    with pytest.raises(ConfigError, match=says) as raised:
        inspect_layers(PIXELS, model=net, size="native", **asked)
    assert "\n" not in str(raised.value)


def test_weights_sizes_and_lists(net: Gated, tmp_path: Any) -> None:
    listed = list_layers(net)
    assert {one.name: one.map for one in listed.layers}["features"] == (4, 112, 112)
    assert "wide" in str(listed)
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    found = inspect_layers(PIXELS, model=Gated, weights=tmp_path / "net.safetensors", layer="wide", size="native")
    same = inspect_layers(PIXELS, model=net, layer="wide", size="native")
    np.testing.assert_array_equal(found.raw_arrays()["wide.features"], same.raw_arrays()["wide.features"])
    assert found.to_dict()["weights"]["sha256"] is not None
    save_file({"head.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="is missing; the file is of another model"):
        inspect_layers(PIXELS, model=Gated, weights=tmp_path / "other.safetensors", layer="wide", size="native")
    odd = inspect_layers(PIXELS[:50, :70], model=net, layer="wide", size="native")
    assert odd.pixels.shape == (64, 64, 3)  # sides that most models take
    with pytest.raises(InputError, match=r"fails on 64x96 pixels .* choose another `size`"):
        inspect_layers(PIXELS, model=nn.Sequential(nn.Conv2d(3, 4, 99)), layer="0", size="native")
    ours = convneur.create("m1", dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8).eval()
    (stage,) = inspect_layers(PIXELS, model=ours, layer="stages.1.0", size="native").layers
    assert stage.channels == 8


def test_two_models_share_colours_and_have_a_difference(net: Gated) -> None:
    torch.manual_seed(1)
    other = Gated().eval()
    alone, second = (inspect_layers(PIXELS, model=one, layer="wide,deep", size="native") for one in (net, other))
    both = inspect_layers(PIXELS, model=net, against=other, layer="wide,deep", size="native")
    assert both.against is not None
    for name in ("wide.features", "deep.features"):
        np.testing.assert_array_equal(both.arrays()[name], alone.arrays()[name])
        np.testing.assert_array_equal(both.arrays()[f"against.{name}"], second.arrays()[name])
        expected = alone.arrays()[name] - second.arrays()[name]
        np.testing.assert_array_equal(both.arrays()[f"difference.{name}"], expected)
        np.testing.assert_array_equal(both.raw_arrays()[f"against.{name}"], second.raw_arrays()[name])
    for one, theirs in zip(both.layers, both.against.layers, strict=True):
        assert one.maps["features"].limits == theirs.maps["features"].limits
    assert both.models == ("A", "B")  # two modules of one class
    record = both.to_dict()["against"]
    assert [one["layer"] for one in record["layers"]] == ["wide", "deep"]
    assert set(record["layers"][0]["differences"]) == {"features"}
    assert "Difference: A less B" in str(both)
    labels = [axes.get_label() for axes in gates_figure(both, width="double").axes]
    assert labels.count("features wide") == 2
    assert "features wide difference" in labels
    assert len(re.findall(r'"row": ?"features difference"', gates_page(both))) == 2


def test_two_models_by_channels_and_by_gates(net: Gated) -> None:
    torch.manual_seed(1)
    other = Gated().eval()
    channels = inspect_layers(PIXELS, model=net, against=other, layer="wide", channels="top2", size="native")
    assert channels.against is not None
    assert [row for row, _ in channels.layers[0].rows] == [row for row, _ in channels.against.layers[0].rows]
    gates = inspect_layers(PIXELS, model=net, against=other, gate="spatial", features="act", size="native")
    same = inspect_layers(PIXELS, model=other, gate="spatial", features="act", size="native")
    assert gates.against is not None
    assert gates.against.measures == same.measures
    assert list(gates.differences[0]) == ["f_loc", "gate", "gated"]
    with pytest.warns(UserWarning, match="image: both models give the same values"):
        itself = inspect_layers(PIXELS, model=net, against=net, layer="wide", size="native")
    assert not itself.differences[0]["features"].values.any()


def test_which_second_models_there_are(net: Gated, tmp_path: Any) -> None:
    save_file({name: 2 * tensor for name, tensor in net.state_dict().items()}, tmp_path / "net.safetensors")
    trained = inspect_layers(PIXELS, model=Gated, against=tmp_path / "net.safetensors", layer="wide", size="native")
    assert trained.models == ("untrained", "net")
    assert trained.stamp == "UNTRAINED WEIGHTS, seed 0"
    assert trained.against is not None
    assert trained.against.stamp is None
    ours = convneur.create("m1", dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8).eval()
    before = inspect_layers(PIXELS, model=ours, against="none", layer="stages.1.0", size="native")
    assert before.against is not None
    assert before.against.stamp == "UNTRAINED WEIGHTS, seed 0"
    for asked, says in [
        ({"against": "nix.safetensors", "layer": "wide"}, "against nix.safetensors: no such file"),
        ({"against": ours, "layer": "wide"}, "against .*: layer wide: no such layer"),
        (
            {"against": nn.Sequential(nn.Conv2d(3, 4, 1)), "layer": "*"},
            "against Sequential: layer: .* these are 0; name",
        ),
        (
            {"against": nn.Sequential(nn.Conv2d(3, 4, 1)), "layer": "*", "channels": "0"},
            "layer 0: is no map of the first",
        ),
        ({"against": Strided(), "layer": "wide"}, r"layer wide: is 16x24 in the second model, 32x48 in the first"),
        ({"against": net, "layer": "wide", "reduce": "pca"}, "reduce pca: gives each model an axis of its own"),
    ]:
        with pytest.raises(ConfigError, match=says) as raised:
            inspect_layers(PIXELS, model=net, size="native", **asked)
        assert "\n" not in str(raised.value)


class Strided(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 4, 3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.wide(x)
        return y
