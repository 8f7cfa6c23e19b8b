"""`convneur predict` through its entry point. What it does after training is in the tests of `train`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.checkpoints import save_checkpoint
from convneur.data.presets import PRESETS
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig


@pytest.fixture
def predict(command: Callable[[str], Any]) -> Any:
    return command("predict")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: ConvNeurConfig) -> Path:
    """A folder with images a.png and deep/b.png under images/, another a.png, and bare.safetensors, a classifier."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for name in ("images/a.png", "images/deep/b.png", "a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    save_checkpoint(ConvNeur(tiny), tmp_path / "bare.safetensors")
    return tmp_path


def test_it_labels_as_camvid_unless_told(predict: Any, place: Path) -> None:
    assert predict("images", "--out", "labels", "--json") == 0
    said = predict.json
    assert (said["schema"], said["task"], said["failed"]) == ("convneur.predict/1", "segmentation", [])
    names = PRESETS["camvid"].names
    for each, name in zip(said["images"], ("a", "deep/b"), strict=True):
        assert list(each) == ["name", "written", "height", "width", "shares"]
        assert (each["name"], each["written"]) == (name, f"labels/{name}.png")
        with Image.open(place / each["written"]) as labels:
            assert (labels.size, labels.mode) == ((64, 48), "P")
            shares = np.bincount(np.asarray(labels).ravel(), minlength=len(names)) / (64 * 48)
        assert each["shares"] == {name: share for name, share in zip(names, shares.tolist(), strict=True) if share}


def test_it_prints_shares_and_where_the_label_maps_are(predict: Any, place: Path) -> None:
    assert predict("images/a.png", "--out", "labels") == 0
    assert "Share of the pixels" in predict.out
    assert predict.out.endswith("1 label map in labels\n")


def test_another_context(predict: Any, place: Path) -> None:
    assert predict("images", "--weights", "bare.safetensors", "--context", "other", "--json") == 0
    assert (predict.json["context"], predict.json["labels_changed"]) == ("other", 0)  # the two are copies
    assert predict("a.png", "--out", "labels", "--context", "mean") == 2
    assert predict.err == "error: --context mean: needs two images or more\n"
    assert predict("images", "--weights", "photos-local", "--context", "mean") == 2
    assert "--context mean: photos-local has no global branch" in predict.err


def test_names_in_any_case_and_class_numbers(predict: Any, place: Path) -> None:
    assert predict("a.png", "--weights", "Photos", "--top", "2", "--json") == 0
    ((first, second),) = (each["top"] for each in predict.json["images"])
    assert isinstance(first["class"], int)
    assert first["probability"] >= second["probability"]
    assert predict("a.png", "--weights", "bare.safetensors", "--out", "out") == 0
    assert "Likeliest classes" in predict.out
    assert (place / "out" / "predictions.csv").read_text().startswith("name,rank,class,probability\na,1,")


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_done(predict: Any, place: Path) -> None:
    (place / "images" / "broken.png").write_bytes(b"nothing")
    assert predict("images", "--out", "labels", "--json") == 1
    assert predict.err == f"error: {predict.json['failed'][0]['why']}\n"
    assert [each["name"] for each in predict.json["images"]] == ["a", "deep/b"]
    assert len(list((place / "labels").rglob("*.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.jpg", "--out", "maps"], 2, "none.jpg: no such file or folder"),
        (["a.png", "images", "--out", "maps"], 2, "would both be written as a"),
        (["a.png"], 2, "--out: name the folder for the label maps"),
        (["a.png", "--out", "maps", "--overlays", "maps"], 2, "--probabilities and --overlays need folders"),
        (["a.png", "--out", "maps", "--scale", "0"], 2, "--scale 0.0: must be above 0"),
        (["a.png", "--out", "maps", "--window", "tall"], 2, "--window 'tall': give a whole number"),
        (["a.png", "--weights", "foto", "--out", "maps"], 2, "--weights foto: no such file; packaged weights are"),
        (
            ["a.png", "--weights", "bare.safetensors", "--overlays", "o"],
            2,
            "--overlays: is for segmentation, and bare.safetensors is a classifier",
        ),
        (
            ["bare.safetensors", "--weights", "a.png"],
            1,
            "a.png: not a safetensors file; name the weights.safetensors of a training run",
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    predict: Any, place: Path, arguments: list[str], code: int, words: str
) -> None:
    before = set(place.iterdir())
    assert predict(*arguments) == code
    assert words in predict.line
    assert set(place.iterdir()) == before


def test_outputs_are_kept_unless_forced(predict: Any, place: Path) -> None:
    assert predict("a.png", "--out", "maps") == 0
    assert predict("a.png", "--out", "maps") == 1
    assert "maps/a.png: exists already; choose another name or add --force" in predict.line
    assert predict("a.png", "--out", "maps", "--force", "--quiet") == 0
    assert predict.err == ""


def test_json_is_all_there_is_on_stdout(predict: Any, place: Path) -> None:
    assert predict("a.png", "--weights", "bare.safetensors", "--out", "out", "--json", "--quiet") == 0
    assert json.loads(predict.out)["task"] == "classification"
    assert predict.err == ""


def test_names_of_others_do_not_act_on_the_terminal(predict: Any, place: Path, tiny: ConvNeurConfig) -> None:
    names = ["\x1b]0;owned\x07\x1b[31mred", "=cmd|x!A0", "[red]x[/red]\n\nline", "\u202egpj"]
    model = ConvNeur(tiny.replace(num_classes=4, head="classifier"))
    save_checkpoint(model, place / "evil.safetensors", provenance={"task": "classification", "classes": names})
    image = place / "images" / "\x1b[1mbold\u202e.png"
    (place / "a.png").rename(image)
    (place / "images" / "bad\x1b[2J.png").write_text("no image")
    assert predict("images", "--weights", "evil.safetensors", "--out", "out", "--top", "4") == 1
    assert not set(predict.out + predict.err) & {"\x1b", "\x07", "\u202e"}
    assert r"\x1b]0;owned\x07\x1b[31mred" in predict.out
    assert r"[red]x[/red]\n\nline" in predict.out
    assert r"error: images/bad\x1b[2J.png: " in predict.err
    rows = (place / "out" / "predictions.csv").read_text()
    assert "'=cmd|x!A0" in rows
    assert "\x1b" not in rows
    assert predict("images", "--weights", "evil.safetensors", "--out", "new", "--top", "4", "--json") == 1
    assert "\x1b" not in predict.out + predict.err
    assert {each["class"] for found in predict.json["images"] for each in found["top"]} == set(names)
