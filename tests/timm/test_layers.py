"""timm's models looked at layer by layer: their normalisation, maps of every layout, gates of blocks that have them."""

import numpy as np
import pytest
import timm
import torch

from convneur.data.images import normalise
from convneur.gates import inspect_layers, list_layers

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("resnet18", "layer2", (128, 8, 12)),  # (B, C, H, W)
        ("swin_tiny_patch4_window7_224", "layers.1", (192, 8, 12)),  # (B, H, W, C)
        ("deit_tiny_distilled_patch16_224", "blocks.3", (192, 4, 6)),  # tokens after two others
    ],
)
def test_maps_of_every_layout(name: str, layer: str, shape: tuple[int, ...]) -> None:
    found = inspect_layers(PIXELS, model=f"timm/{name}", layer=layer, size="native", seed=3)
    assert found.raw_arrays()[f"{layer}.features"].shape == shape
    assert found.stamp == "UNTRAINED WEIGHTS, seed 3"


def test_pixels_are_normalised_as_its_config_says() -> None:
    torch.manual_seed(0)
    net = timm.create_model("mobilenetv3_small_050").eval()
    net.pretrained_cfg["mean"], net.pretrained_cfg["std"] = (0.5, 0.4, 0.3), (0.5, 0.5, 0.25)
    with torch.inference_mode():
        expected = net.conv_stem(torch.from_numpy(normalise(PIXELS, (0.5, 0.4, 0.3), (0.5, 0.5, 0.25)))[None])[0]
    found = inspect_layers(PIXELS, model=net, layer="conv_stem", size="native")
    np.testing.assert_allclose(found.raw_arrays()["conv_stem.features"], expected.numpy(), atol=1e-5)


def test_gates_of_squeeze_and_excitation_and_of_a_focal_modulation() -> None:
    (one,) = inspect_layers(PIXELS, model="timm/mobilenetv3_small_050", gate="blocks.0.0.se.gate",
                            features="blocks.0.0.bn1", size="native").layers  # fmt: skip
    assert one.measures is not None
    assert one.measures.edge_contrast.place == pytest.approx(1, abs=1e-6)
    focal = {"gate": "layers.0.blocks.0.modulation.h", "features": "layers.0.blocks.0.modulation.f[0:96]"}
    with pytest.warns(UserWarning, match="are no shares of 0 to 1"):
        (one,) = inspect_layers(PIXELS, model="timm/focalnet_tiny_srf", size="native", **focal).layers
    assert one.raw["gated"].shape == (96, 16, 24)
    assert "layers.0.blocks.0.modulation.h" in {layer.name for layer in list_layers("timm/focalnet_tiny_srf").layers}
