"""Models that are unusual: each is read rightly, or refused in a line that says how to go on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import convneur
from convneur.data.images import normalise
from convneur.errors import ConfigError, InputError
from convneur.gates import inspect_layers, list_layers
from convneur.gates.reduce import principal_axis, reduce_channels
from convneur.reach import measure_reach

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
TWO = [PIXELS, PIXELS[::-1].copy()]


def shown(pixels: Any = PIXELS) -> Tensor:
    return torch.from_numpy(normalise(pixels))[None]


def rms(features: Tensor) -> Any:
    """Of (C, H, W), over channels."""
    return features.square().mean(0).sqrt().detach().numpy()


def small(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU()).eval()


class ChannelsLast(nn.Module):
    """16 channels of 16x16 positions from 64x64 pixels: every axis is alike."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.patches(x).permute(0, 2, 3, 1))


class Attention(nn.Module):
    """Between the 256 tokens of 224x224 pixels, 256x256."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 14, 14)
        self.weigh = nn.Softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.weigh((tokens @ tokens.transpose(1, 2))[:, None]) @ tokens[:, None]


def test_equal_sides_are_told_apart_by_a_second_look() -> None:
    torch.manual_seed(0)
    net = ChannelsLast().eval()
    found = inspect_layers(PIXELS, model=net, layer="patches,norm", size=64).arrays()
    with torch.inference_mode():
        patches, norm = net.patches(shown())[0], net(shown())[0].permute(2, 0, 1)
    np.testing.assert_allclose(found["patches.features"], rms(patches), rtol=1e-5)
    np.testing.assert_allclose(found["norm.features"], rms(norm), rtol=1e-5)
    (layer,) = measure_reach(TWO, model=net, layer="norm", size=64, probes=1, position=(3, 60)).models[0].layers
    assert layer.erf is not None
    assert layer.cell == (0, 60, 4, 64)
    assert layer.erf[:4, 60:].sum() == pytest.approx(layer.erf.sum())  # patches see themselves alone


def test_attention_between_tokens_is_no_map() -> None:
    assert {one.name: one.map for one in list_layers(Attention(), size=224).layers} == {
        "patches": (8, 16, 16),
        "weigh": None,
    }


def test_a_gate_with_a_value_for_each_token() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 16, 16, 16)
            self.tokens = nn.Identity()
            self.gate = nn.Sequential(nn.Linear(16, 1), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.tokens(self.patches(x).flatten(2).transpose(1, 2))  # 16 of 16 channels
            return tokens * self.gate(tokens)

    (one,) = inspect_layers(PIXELS, model=Tokens(), gate="gate", features="tokens", size=64).layers
    assert one.raw["gate"].shape == (1, 4, 4)
    assert one.maps["gate"].values.std() > 0
    assert one.measures is not None
    assert one.measures.background_suppression.channels == pytest.approx(1, abs=1e-6)


def test_the_gated_map_is_projected_on_the_features_axis() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(3)
            self.features = nn.Conv2d(3, 8, 3, 4, 1)
            self.gate = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            return self.features(x) * self.gate(x)

    found = inspect_layers(PIXELS, model=Both(), gate="gate", features="features", size=64, reduce="pca")
    raw = found.raw_arrays()
    expected = reduce_channels(raw["gate.gated"], "pca", axis=principal_axis(raw["gate.f_loc"]))
    np.testing.assert_array_equal(found.arrays()["gate.gated"], expected)
    np.testing.assert_array_equal(found.choices()[0].rows["gated"]["pca"].values, expected)


def test_the_image_has_the_type_of_the_first_parameter_that_has_one() -> None:
    class Indexed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.index = nn.Parameter(torch.arange(3), requires_grad=False)
            self.conv = nn.Conv2d(3, 4, 3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)

    net = Indexed().eval()
    with torch.inference_mode():
        expected = rms(net(shown())[0])
    drawn = inspect_layers(PIXELS, model=net, layer="conv", size=64).arrays()["conv.features"]
    np.testing.assert_allclose(drawn, expected, rtol=1e-5)


def test_every_tensor_of_the_weights_is_loaded_or_missed(tmp_path: Path) -> None:
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.randint(-9, 9, (4, 3, 3, 3), dtype=torch.int8))
            self.scale = nn.Parameter(torch.randn(4, 1, 1, 1))
            self.out = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.out(nn.functional.conv2d(x, self.weight * self.scale, stride=2))  # type: ignore[operator]

    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.randn(3, 64, 33, dtype=torch.cfloat))
            self.out = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.fft.irfft2(torch.fft.rfft2(x) * self.factor))

    for kind in (Quantised, Spectral):
        net = kind().eval()
        file = tmp_path / f"{kind.__name__}.safetensors"
        save_file(net.state_dict(), file)
        same, own = (
            inspect_layers(PIXELS, layer="out", size=64, **given).arrays()["out.features"]
            for given in ({"model": kind, "weights": file}, {"model": net})
        )
        np.testing.assert_array_equal(same, own)
        save_file({name: tensor for name, tensor in net.state_dict().items() if tensor.is_floating_point()}, file)
    with pytest.raises(InputError, match="tensor factor is missing"):
        inspect_layers(PIXELS, model=Spectral, weights=file, layer="out", size=64)


def test_weights_of_one_size_say_which(tmp_path: Path) -> None:
    class Sized(nn.Module):
        def __init__(self, img_size: Any = 224) -> None:
            super().__init__()
            height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
            self.patches = nn.Conv2d(3, 4, 16, 16)
            self.where = nn.Parameter(torch.zeros(1, 4, height // 16, width // 16))

        def forward(self, x: Tensor) -> Tensor:
            return self.patches(x) + self.where

    save_file(Sized().state_dict(), tmp_path / "w.safetensors")
    says = r"where is \(1, 4, 14, 14\), not .*; the file is of this model at 224x224: give square images and `size` 224"
    with pytest.raises(InputError, match=says):
        inspect_layers(PIXELS, model=Sized, weights=tmp_path / "w.safetensors", layer="patches", size=64)
    square = inspect_layers(PIXELS, model=Sized, weights=tmp_path / "w.safetensors", layer="patches", size=224)
    assert square.stamp is None


def test_lazy_compiled_and_exported_models() -> None:
    def lazy() -> nn.Module:
        return nn.Sequential(nn.LazyConv2d(4, 3, 2), nn.ReLU())

    for model in (lazy, lazy()):
        assert [one.shape[0] for one in list_layers(model).layers] == [4, 4]
        assert measure_reach(TWO, model=model, layer="0", size=64, probes=1).models[0].layers[0].channels == 4
    compiled: Any = torch.compile(small(), backend="eager")
    assert measure_reach(TWO, model=compiled, layer="0", size=64, probes=1).models[0].layers[0].layer == "0"
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.script"):
        script = torch.jit.script(small())
    for looked in (
        lambda: list_layers(script),
        lambda: inspect_layers(PIXELS, model=script, layer="0", size=64),
        lambda: measure_reach(TWO, model=script, size=64),
    ):
        with pytest.raises(InputError, match="is a ScriptModule, whose layers cannot be watched; give the module"):
            looked()
    exported = torch.export.export(small(), (torch.zeros(1, 3, 64, 64),))
    with pytest.raises(ConfigError, match="no such layer"):
        inspect_layers(PIXELS, model=exported, layer="nix", size=64)


def test_models_that_write_over_their_input_or_break_in_some_way() -> None:
    class InPlace(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return self[0](x.sub_(0.5))

    class Written(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            y = self[0](x).sigmoid()
            y.mul_(2)
            return self[1](y)

    class Listed(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return [self[0](x)][1]

    conv = nn.Conv2d(3, 4, 3, 2, 1)
    report = measure_reach(TWO, model=InPlace(conv), layer="0", size=64, probes=1)
    plain = measure_reach(TWO, model=nn.Sequential(conv), layer="0", size=64, probes=1)
    for one, other in zip(report.models, plain.models, strict=True):
        np.testing.assert_allclose(one.layers[0].erf, other.layers[0].erf, rtol=1e-6)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Written cannot be differentiated at 1 .*; choose another `layer`"):
        measure_reach(TWO, model=Written(conv, nn.Conv2d(4, 4, 1)), layer="1", size=64, probes=1)
    with pytest.raises(InputError, match=r"the model fails on 64x64 pixels .list index out of range"):
        measure_reach(TWO, model=Listed(conv), layer="0", size=64, probes=1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"layer": "0", "mask": np.ones((64, 64), bool)}, "mask: is for a gate"),
        ({"layer": "0", "gate_scale": (0.0, 1.0)}, "gate_scale: is for a gate"),
        ({"layer": "0", "channels": "0", "reduce": "max"}, "reduce max: makes one map of all channels"),
        (
            {"layer": "stages.3", "model": "m1", "factory_arguments": ["depth=3"]},
            "no factory was named that takes them",
        ),
        ({"layer": "0", "model": small, "weights": "w.safetensors", "seed": 3}, "seed 3: is of an untrained model"),
    ],
)
def test_what_would_say_nothing_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        inspect_layers(PIXELS, **{"model": small(), "size": 64, **asked})


def test_a_module_has_its_own_weights() -> None:
    model = convneur.create("m1", dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8)
    with pytest.raises(ConfigError, match="weights photos: the module given as `model` has its own"):
        inspect_layers(PIXELS, model=model, weights="photos", layer="stages.0")


def test_fixed_colours_stay_beside_a_second_model() -> None:
    found = inspect_layers(PIXELS, model=small(), against=small(1), layer="0", reduce="mean", scale=(-1, 3), size=64)
    assert found.against is not None
    assert {one.layers[0].maps["features"].limits for one in (found, found.against)} == {(-1, 3)}


def test_a_page_has_the_channels_that_were_asked_for() -> None:
    net = nn.Sequential(nn.Conv2d(3, 64, 3, 4, 1))
    found = inspect_layers(PIXELS, model=net, layer="0", channels="5,0", size=64)
    assert [key for key in found.choices()[0].rows["features"] if key.startswith("channel")] == [
        "channel 0",
        "channel 5",
    ]


def test_lists_are_of_the_size_asked_for() -> None:
    assert list_layers(small(), size=96).layers[0].shape == (4, 48, 48)
    with pytest.raises(ConfigError, match="size native: is that of an image; name one, or give a number"):
        list_layers(small(), size="native")


def test_replknets_ratios_have_no_other_position() -> None:
    with pytest.raises(ConfigError, match=r"position .*: is for the plain map"):
        measure_reach(TWO, model=small(), layer="0", size=64, position=(4, 4), recipe="replknet")
