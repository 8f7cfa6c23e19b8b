"""The record beside a picture, and its short form on it."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convneur.gates.capture import capture_gates
from convneur.gates.manifest import ImageSource, MaskSource, NetSource, manifest, net_name, notes, recipe_lines
from convneur.gates.maps import GateMaps, Recipe, gate_maps
from convneur.gates.measures import measure_gates
from convneur.model.network import ConvNeur
from convneur.variants import VARIANTS, ConvNeurConfig

PHOTO = ImageSource("some/where/cat.jpg", "ab" * 32, 300, 450, 64, 96)


@pytest.fixture
def maps(net: ConvNeur, image: NDArray[np.float32]) -> GateMaps:
    return gate_maps(capture_gates(net, image), Recipe())


def record(maps: GateMaps, net: NetSource, local: NetSource | None = None) -> dict[str, Any]:
    return manifest(maps, image=PHOTO, net=net, local_only=local, normalisation={"mean": [0.5]}, size="96")


def test_untrained_weights_are_stamped(maps: GateMaps, config: ConvNeurConfig) -> None:
    found = record(maps, NetSource(config, seed=3))
    assert found["schema"] == "convneur.gates/1"
    assert found["weights"] == {"source": "untrained", "stamp": "UNTRAINED WEIGHTS, seed 3", "seed": 3}
    assert found["local_only"] == {"source": "same weights, memory off"}
    assert json.loads(json.dumps(found, allow_nan=False))["stages"] == found["stages"]


def test_files_are_named_with_their_hash(maps: GateMaps, config: ConvNeurConfig) -> None:
    source = NetSource(config, "w.safetensors", "cd" * 32, provenance={"data": "camvid"})
    found = record(maps, source, replace(source, file="local.safetensors"))
    assert source.stamp is None
    assert found["weights"]["sha256"] == "cd" * 32
    assert found["weights"]["provenance"] == {"data": "camvid"}
    assert found["local_only"]["file"] == "local.safetensors"
    lines = recipe_lines(found)
    place = lines.index(("weights", "w.safetensors"))
    assert lines[place + 1 : place + 4] == (
        ("", "sha256 cdcdcdcdcdcd"),
        ("local only", "local.safetensors"),
        ("", "sha256 cdcdcdcdcdcd"),
    )


def test_limits_ranges_and_chunks_are_kept(maps: GateMaps, config: ConvNeurConfig) -> None:
    found = record(maps, NetSource(config, seed=0))
    for stage, kept in zip(maps.stages, found["stages"], strict=True):
        assert (kept["height"], kept["width"], kept["chunks"]) == (stage.height, stage.width, stage.chunks)
        for row, panel in stage.maps.items():
            assert kept["maps"][row] == {
                "min": panel.range[0],
                "max": panel.range[1],
                "limits": list(panel.limits),
            }
    assert found["recipe"]["rows"] == ["local_only", "f_loc", "gate", "f_out"]
    assert found["recipe"]["normalisation"] == {"mean": [0.5]}
    assert set(found["versions"]) == {"python", "convneur", "torch", "numpy", "pillow", "matplotlib"}


def test_the_short_form_says_the_same(maps: GateMaps, config: ConvNeurConfig) -> None:
    lines = dict(recipe_lines(record(maps, NetSource(config, seed=3))))
    assert lines["image"] == "cat.jpg"
    assert lines["pixels"] == "300 × 450 (H × W)"
    assert lines["drawn at"] == "64 × 96"
    assert lines["weights"] == "none, random, seed 3"
    assert lines["reduce"] == "rms over channels"
    assert lines["scale"] == "paired"


def test_variants_keep_their_name_under_options() -> None:
    assert net_name(VARIANTS["m3"].replace(num_classes=11, chunk_length=4096, fusion="concat")) == "m3"
    assert net_name(VARIANTS["m3"].replace(mem_dim=64)) == "dims 64-128-256-512, C_m 64"


def test_notes(net: ConvNeur, config: ConvNeurConfig, image: NDArray[np.float32]) -> None:
    capture = capture_gates(net, image)
    first, second = notes(gate_maps(capture, Recipe()), same_weights=True)
    assert "the two upper rows agree" in first
    assert second.startswith("Gate, stage 1, 2, 3, 4: nearly constant")
    assert notes(gate_maps(capture, Recipe(gate=False)), same_weights=False) == ()
    assert "end colours" in notes(gate_maps(capture, Recipe(scale=(0, 1e-6), gate=False)), same_weights=False)[0]

    gate = np.zeros_like(capture.stages[1].f_loc)
    stuck = replace(capture, stages=(capture.stages[0], replace(capture.stages[1], gate=gate), *capture.stages[2:]))
    assert notes(gate_maps(stuck, Recipe(gate=False)), same_weights=False) == (
        "Stage 2: gate saturated, 100.0% of its values within 0.001 of 0 or 1, a sign of a memory that diverges.",
    )


def test_figures_are_kept_with_what_they_were_measured_against(
    net: ConvNeur, config: ConvNeurConfig, image: NDArray[np.float32]
) -> None:
    capture = capture_gates(net, image)
    mask = np.zeros((64, 96), np.int8)
    mask[10:30, 20:60] = 1
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    options = {"image": PHOTO, "local_only": None, "normalisation": {}, "size": "96"}
    net_source = NetSource(config, seed=3)
    for given, source, says in (
        (mask, MaskSource("masks/cat.png", "ef" * 32), "against mask cat.png"),
        (None, None, "against image gradients"),
    ):
        measures = measure_gates(capture, pixels, given)
        found = manifest(gate_maps(capture, Recipe()), net=net_source, measures=measures, mask=source, **options)
        assert [stage["measures"] for stage in found["stages"]] == [one.record() for one in measures]
        assert found["measured_against"]["source"] == ("gradients" if source is None else "mask")
        assert ("measured", says) in recipe_lines(found)
    assert found["measured_against"] == {"source": "gradients"}
    unmeasured = manifest(gate_maps(capture, Recipe()), net=net_source, **options)
    assert unmeasured["measured_against"] is None
    assert unmeasured["stages"][0]["measures"] is None
    assert "measured" not in dict(recipe_lines(unmeasured))
