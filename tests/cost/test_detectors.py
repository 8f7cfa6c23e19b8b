"""Detectors counted by the papers' rule: parameters and multiply-adds, part by part."""

import json
from pathlib import Path

import pytest

from convneur import VARIANTS
from convneur.cost import detector_costs
from convneur.errors import ConfigError

# Computed from the layers by hand: 800x1280, 1000 proposals and 100 masks a stage, 80 classes, chunks of 4096.
GMACS = {"cascade": {"m1": 318.2, "m4": 371.5}, "mask-rcnn": {"m1": 184.6, "m4": 237.9}}
PIXELS = {1: 200 * 320, 2: 100 * 160, 3: 50 * 80, 4: 25 * 40, 5: 13 * 20}


@pytest.mark.parametrize("kind", list(GMACS))
def test_multiply_adds_are_those_of_the_layers(kind: str) -> None:
    costs = detector_costs("m1,m4", detector=kind)  # type: ignore[arg-type]
    assert {row.model: round(row.total_macs / 1e9, 1) for row in costs.rows} == GMACS[kind]
    parts = costs.rows[0].macs
    stages = 3 if kind == "cascade" else 1
    conv = 9 * 256 * 256
    laterals = sum(width * 256 * PIXELS[level] for level, width in enumerate((40, 80, 160, 320), start=1))
    assert parts["pyramid"] == laterals + conv * sum(PIXELS[level] for level in (1, 2, 3, 4))
    assert parts["proposals"] == (conv + 256 * 15) * sum(PIXELS.values())
    moves = 4 if kind == "cascade" else 4 * 81
    assert parts["boxes"] == stages * 1000 * (256 * 49 * 1024 + 1024 * 1024 + 1024 * (81 + moves))
    assert parts["masks"] == stages * 100 * (4 * conv * 14 * 14 + 256 * 256 * 28 * 28 + 256 * 80 * 28 * 28)


def test_chunks_of_detection_unless_others_are_asked_for() -> None:
    assert detector_costs("m1", sizes="64x64", heads="light").chunks == {"m1": "chunks of 4096 tokens"}
    for settings, words in (
        ({"chunk_length": 196}, "chunks of 196 tokens"),
        ({"chunks": 4}, "4 chunks"),
        ({"min_chunks": 4}, "chunks of 196 tokens, at least 4 chunks"),
        ({"memory": "none"}, "no chunks"),
        ({"global_branch": "self-attention"}, "no chunks"),
    ):
        assert detector_costs("m1", sizes="64x64", heads="light", **settings).chunks == {"m1": words}


def test_a_file_that_says_how_long_its_chunks_are_is_counted_so(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(json.dumps(VARIANTS["m1"].replace(chunk_length=49).to_dict()))
    (tmp_path / "usual.json").write_text(json.dumps(VARIANTS["m1"].to_dict()))
    own, usual, typed = (
        detector_costs(model, detector="mask-rcnn", heads="light", sizes="256x320", **settings)
        for model, settings in (
            (str(tmp_path / "own.json"), {}), (str(tmp_path / "usual.json"), {}), ("m1", {"chunk_length": 49})
        )
    )  # fmt: skip
    assert own.rows[0].total_macs == typed.rows[0].total_macs != usual.rows[0].total_macs
    assert list(own.chunks.values()) == ["chunks of 49 tokens"]
    assert list(usual.chunks.values()) == ["chunks of 4096 tokens"]


def test_a_head_beside_a_detector_is_refused() -> None:
    with pytest.raises(ConfigError, match="head upernet: a detector has heads of its own; leave it out"):
        detector_costs("m1", head="upernet")


def test_a_model_of_others_is_refused() -> None:
    from torch import nn

    with pytest.raises(ConfigError, match="takes ConvNeurs"):
        detector_costs(nn.Conv2d(3, 3, 1))
