"""A result: its record, what it prints, what it saves."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convneur.errors import ConfigError, OutputExistsError
from convneur.gates.capture import GateCapture, capture_gates
from convneur.gates.maps import MapOptions, gate_maps
from convneur.gates.measures import measure_gates
from convneur.gates.result import GateResult
from convneur.gates.sources import ImageSource, MaskSource, WeightsSource, model_name
from convneur.model.network import ConvNeur
from convneur.variants import VARIANTS, ConvNeurConfig

IMAGE = ImageSource("some/where/cat.jpg", "ab" * 32, 300, 450)
PIXELS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.fixture
def capture(net: ConvNeur, image: NDArray[np.float32]) -> GateCapture:
    return capture_gates(net, image)


def made(capture: GateCapture, options: MapOptions | None = None, mask: Any = None, **changes: Any) -> GateResult:
    options = options or MapOptions()
    known = {
        "image": IMAGE,
        "pixels": PIXELS,
        "weights": WeightsSource(capture.config, seed=3),
        "local_only": None,
        "options": options,
        "size": 96,
        "mask": None if mask is None else MaskSource("masks/cat.png", "ef" * 32),
        "stages": gate_maps(capture, options, measure_gates(capture, PIXELS, mask)),
        "capture": capture,
    }
    return GateResult(**{**known, **changes})


def test_untrained_weights_are_stamped(capture: GateCapture) -> None:
    found = made(capture).to_dict()
    assert found["schema"] == "convneur.gates/1"
    assert found["weights"] == {"source": "untrained", "stamp": "UNTRAINED WEIGHTS, seed 3", "seed": 3}
    assert found["local_only"] == {"source": "same weights, memory off"}
    assert json.loads(json.dumps(found, allow_nan=False))["stages"] == found["stages"]


def test_files_are_named_with_their_hash(capture: GateCapture, config: ConvNeurConfig) -> None:
    source = WeightsSource(config, "w.safetensors", "cd" * 32, provenance={"data": "camvid"})
    result = made(capture, weights=source, local_only=replace(source, file="local.safetensors"))
    found = result.to_dict()
    assert source.stamp is None
    assert found["weights"]["sha256"] == "cd" * 32
    assert found["weights"]["provenance"] == {"data": "camvid"}
    assert found["local_only"]["file"] == "local.safetensors"
    with pytest.raises(TypeError):
        source.provenance["data"] = "another"  # type: ignore[index]
    assert made(capture, weights=WeightsSource(config)).to_dict()["weights"] == {"source": "module"}


def test_limits_ranges_and_chunks_are_kept(capture: GateCapture) -> None:
    result = made(capture)
    found = result.to_dict()
    for stage, kept in zip(result.stages, found["stages"], strict=True):
        assert (kept["height"], kept["width"], kept["chunks"]) == (stage.height, stage.width, stage.chunks)
        for row, panel in stage.maps.items():
            assert kept["maps"][row] == {
                "min": panel.range[0],
                "max": panel.range[1],
                "limits": list(panel.limits),
                "colour_scale": panel.colour_scale,
            }
    assert found["recipe"]["rows"] == ["local_only", "f_loc", "gate", "f_out"]
    assert found["recipe"]["size"] == "96"
    assert made(capture, size=None).to_dict()["recipe"]["size"] == "native"
    assert found["image"]["drawn"] == {"height": 64, "width": 96}
    assert set(found["versions"]) == {"python", "convneur", "torch", "numpy", "pillow", "matplotlib"}


def test_variants_keep_their_name_under_options() -> None:
    assert model_name(VARIANTS["m3"].replace(num_classes=11, chunk_length=4096, fusion="concat")) == "m3"
    assert model_name(VARIANTS["m3"].replace(mem_dim=64)) == "dims 64-128-256-512, C_m 64"


def test_notes(capture: GateCapture, config: ConvNeurConfig) -> None:
    first, second = made(capture).notes
    assert "the two upper rows agree" in first
    assert second.startswith("Gate, stage 1, 2, 3, 4: nearly constant")
    other = WeightsSource(config, seed=9)
    assert made(capture, MapOptions(gate=False), local_only=other).notes == ()
    assert "end colours" in made(capture, MapOptions(scale=(0, 1e-6), gate=False), local_only=other).notes[0]

    gate = np.zeros_like(capture.stages[1].f_loc)
    stuck = replace(capture, stages=(capture.stages[0], replace(capture.stages[1], gate=gate), *capture.stages[2:]))
    assert made(stuck, MapOptions(gate=False), local_only=other).notes == (
        "Stage 2: gate saturated, 100.0% of its values within 0.001 of 0 or 1, a sign of a memory that diverges.",
    )


def test_values_are_kept_with_what_they_were_measured_against(capture: GateCapture) -> None:
    mask = np.zeros((64, 96), np.int8)
    mask[10:30, 20:60] = 1
    known = {"source": "mask", "name": "masks/cat.png", "sha256": "ef" * 32, "object_share": None, "soft": False}
    known["inverted"] = False
    for given, against in ((mask, known), (None, None)):
        found = made(capture, mask=given).to_dict()
        assert found["measured_against"] == (against or {"source": "gradients"})
        measures = measure_gates(capture, PIXELS, given)
        assert [stage["measures"] for stage in found["stages"]] == [one.record() for one in measures]
    unmeasured = made(capture, stages=gate_maps(capture, MapOptions())).to_dict()
    assert unmeasured["measured_against"] is None
    assert unmeasured["stages"][0]["measures"] is None


def test_it_prints_its_values_and_its_maps(capture: GateCapture) -> None:
    result = made(capture)
    text = str(result)
    assert text.startswith("Gates of cat.jpg, measured against image gradients")
    change = result.measures[2].edge_contrast.change
    assert f"×{change:.3f}" in text
    assert "Maps of cat.jpg" in text
    assert "Of these factors, by channels and by place" in text
    low, high = result.measures[2].edge_contrast.null
    assert f"{low:.3f} to {high:.3f}" in text
    assert "UNTRAINED WEIGHTS, seed 3" in text
    assert result._repr_html_().count("<table>") == 3
    assert str(made(capture, stages=gate_maps(capture, MapOptions()))).startswith("Maps of cat.jpg")


def test_it_saves_its_record_its_rows_and_its_arrays(capture: GateCapture, tmp_path: Path) -> None:
    result = made(capture)
    result.save(tmp_path / "cat.json")
    assert json.loads((tmp_path / "cat.json").read_text()) == json.loads(json.dumps(result.to_dict()))
    result.save(tmp_path / "cat.csv")
    header, first, *_ = (tmp_path / "cat.csv").read_text().splitlines()
    assert header.startswith("photo,stage,gate_below_0.25")
    assert first.startswith("some/where/cat.jpg,1,")
    result.save_arrays(tmp_path / "cat.npz")
    with np.load(tmp_path / "cat.npz") as file:
        assert set(file) == {
            f"stage{stage}_{row}" for stage in (1, 2, 3, 4) for row in ("local_only", "f_loc", "gate", "f_out")
        }
        np.testing.assert_array_equal(file["stage2_gate"], result.stages[1].maps["gate"].values)
    with pytest.raises(OutputExistsError):
        result.save_arrays(tmp_path / "cat.npz")
    result.save_arrays(tmp_path / "cat.npz", force=True)
    with pytest.raises(ConfigError, match=r"must end in \.npz"):
        result.save_arrays(tmp_path / "cat.zip")


def test_it_travels_between_processes(capture: GateCapture, config: ConvNeurConfig) -> None:
    source = WeightsSource(config, "w.safetensors", "cd" * 32, provenance={"data": "camvid"})
    result = made(capture, weights=source)
    again = pickle.loads(pickle.dumps(result))
    assert again.to_dict() == result.to_dict()
    np.testing.assert_array_equal(again.arrays()["stage1_gate"], result.arrays()["stage1_gate"])
