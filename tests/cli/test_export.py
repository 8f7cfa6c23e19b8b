"""`convneur export` through its entry point; what the files hold is in tests/exporting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convneur
from convneur.checkpoints import save_checkpoint
from convneur.exporting import Comparison
from convneur.exporting import run as exporting_run
from convneur.variants import ConvNeurConfig


@pytest.fixture
def export(command: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    config = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, num_classes=3)
    save_checkpoint(convneur.create(config), tmp_path / "tiny.safetensors")
    return command("export")


def test_it_writes_and_compares(export: Any, tmp_path: Path) -> None:
    assert export("tiny.safetensors", "-o", "tiny.pt2", "--size", "64", "--json") == 0
    said = export.json
    assert (said["schema"], said["format"], said["written"]) == ("convneur.export/1", "torch-export", ["tiny.pt2"])
    assert said["input"] == {"size": [64, 64], "batch": None, "least": 32}
    assert said["comparison"]["passed"] is True
    assert export("tiny.safetensors", "-o", "tiny.pt2", "--size", "64") == 1
    assert export.line.endswith("exists already; choose another name or add --force")


def test_a_failed_comparison_exits_3(export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting_run, "write_graph", lambda model, path, about: path.write_bytes(b"new"))
    apart = Comparison(4, ((64, 64),), difference=0.5, largest=1.0, labels_equal=0.5, bound=1e-4)
    monkeypatch.setattr(exporting_run, "compare", lambda *_: apart)
    assert export("tiny.safetensors", "-o", "tiny.onnx") == 3
    assert "no file was written" in export.out
    assert not (tmp_path / "tiny.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tiny.safetensors", "-o", "tiny.pb"], 2, "--output tiny.pb: the name must end in .onnx, .xml"),
        (["tiny.safetensors", "-o", "t.onnx", "--size", "wide"], 2, "--size 'wide': give a whole number of pixels"),
        (["tiny.safetensors", "-o", "t.onnx", "--size", "any"], 2, "--size any: the number of chunks follows the size"),
        (["tiny.safetensors", "-o", "t.onnx", "--size", "16"], 2, "--size 16x16: needs sides of at least 32"),
        (["tiny.safetensors", "-o", "t.onnx", "--batch", "some"], 2, "--batch some: give a number of images, or any"),
        (["tiny.safetensors", "-o", "t.xml", "--precision", "int8"], 2, "--precision int8: int8 is for .onnx files"),
        (["nothing", "-o", "t.onnx"], 2, "WEIGHTS|NAME nothing: no such file; packaged weights are"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    export: Any, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    assert export(*arguments) == code
    assert words in export.line
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.safetensors"]
