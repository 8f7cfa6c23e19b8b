"""`convneur erf` through its entry point: what it writes and says, and what goes wrong in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.checkpoints import save_checkpoint
from convneur.gates.capture import untrained
from convneur.variants import ConvNeurConfig

NETS = """from torch import nn
def build(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 4, 4))
def fails():
    raise RuntimeError("no network today")
"""


@pytest.fixture
def erf(command: Callable[[str], Any]) -> Any:
    return command("erf")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: ConvNeurConfig) -> Path:
    """Two images, weights with and without a global path, and a file with another model."""
    monkeypatch.chdir(tmp_path)
    for name, pixels in zip(
        "ab", np.random.default_rng(0).integers(0, 256, (2, 64, 80, 3), dtype=np.uint8), strict=True
    ):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    save_checkpoint(untrained(tiny, 0), tmp_path / "whole.safetensors")
    save_checkpoint(untrained(tiny.replace(memory="none"), 0), tmp_path / "local.safetensors")
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


QUICK = ("--size", "64", "--probes", "1")


def test_two_models_in_every_form(erf: Any, place: Path) -> None:
    outputs = [f"out{suffix}" for suffix in (".png", ".csv", ".json", ".npz")]
    options = [word for path in outputs for word in ("-o", path)]
    models = ("--model", "whole.safetensors", "--against", "local.safetensors", "--layer", "stages.0")
    assert erf("a.png", "b.png", *models, *QUICK, *options, "--json") == 0
    assert [model["name"] for model in erf.json["models"]] == ["whole.safetensors", "local.safetensors"]
    assert erf.json["models"][1]["layers"][0]["context_share"] == 0
    assert json.loads((place / "out.json").read_text()) == erf.json
    assert np.load(place / "out.npz")["local.safetensors/stages.0"].shape == (64, 64)
    with Image.open(place / "out.png") as figure:
        assert figure.width > 500
    before = (place / "out.csv").read_bytes()
    assert erf("a.png", "b.png", *models, *QUICK, "-o", "out.csv") == 1
    assert "out.csv: exists already" in erf.err
    assert (place / "out.csv").read_bytes() == before


def test_another_model_is_stamped_and_takes_arguments(erf: Any, place: Path) -> None:
    arguments = ("--model", "nets.py:build", "--set", "width=6", "--size", "64", "--as", "replknet")
    assert erf("a.png", "b.png", *arguments) == 0
    assert "UNTRAINED WEIGHTS, seed 0" in erf.out
    assert "They depend on the gradient's scale" in erf.out
    assert "16 × 16" in erf.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["a.png", "--layer", "stage.0"], 2, "--layer stage.0: no such layer; the nearest are stages.0"),
        (["a.png", "--layer", "head"], 2, "--layer head: "),
        (["a.png", "--layer", "stages.0", "--against", "nets.py:build"], 2, "the second model by --against-layer"),
        (["a.png", "--position", "64,0"], 2, "--position 64,0: is outside the images, of 64x80 pixels"),
        (["a.png", "--position", "64"], 2, "--position 64: give a pixel's row and column"),
        (["a.png", "--set", "depth=3"], 2, "--set: no factory was named that takes them"),
        (["a.png", "--position", "8,8", "--as", "replknet"], 2, "--position 8,8: is for the plain map"),
        (["a.png", "--size", "31"], 2, "--size 31: needs sides of at least 32 pixels"),
        (["a.png", "--probes", "some"], 2, "--probes some: give a whole number, or all"),
        (["a.png", "--model", "foto"], 2, "--model foto: choose packaged weights"),
        (["a.png", "--against", "nets.py:none"], 2, "nets.py) has no none"),
        (["a.png", "--model", "nets.py:fails"], 1, "the factory failed: RuntimeError: no network today"),
        (["c.png"], 2, "c.png: no such file or folder"),
        (["nets.py"], 1, "none of the images can be read"),
        (["a.png", "-o", "out.gif"], 2, "--output out.gif: the name must end in .png"),
        (["a.png", "-o", "a.png", "--force"], 2, "--output a.png: is IMAGES... too"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_goes_wrong(erf: Any, place: Path, arguments: list[str], code: int, says: str) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    model = [] if "--model" in arguments else ["--model", "whole.safetensors"]
    assert erf(*arguments, *model) == code
    assert says in erf.err.splitlines()[-1]
    assert "Traceback" not in erf.err
    assert {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()} == before
