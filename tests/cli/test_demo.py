"""`convneur demo`: the packaged samples through the commands."""

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convneur
import convneur_cli.commands.demo
from convneur_cli.app import main

SAMPLES = Path(convneur.__file__).parent / "data" / "samples"
ROOT = Path(__file__).parents[2]
MISTAKES = {"shifted.png", "dilated.png", "smoothed.png"}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as raised:
        main(["demo", *arguments])
    captured = capsys.readouterr()
    return int(raised.value.code or 0), captured.out, captured.err


def test_a_run_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys)
    assert code == 0
    folder = Path("convneur-demo")
    assert Path.cwd() == tmp_path
    results = folder / "results"
    assert json.loads((results / "flops.json").read_text())["schema"] == "convneur.flops/1"
    assert json.loads((results / "photo-gates.json").read_text())["schema"] == "convneur.gates/1"
    boundary = json.loads((results / "boundary.json").read_text())
    assert boundary["schema"] == "convneur.boundary/1"
    assert boundary["images"] == 8
    detection = json.loads((results / "nuclei.json").read_text())
    assert detection["mask"]["ap50"] > 0.6
    assert len(list((results / "nuclei").glob("*.png"))) == 8
    listed = out[out.index("\nWritten") : out.index("\nTry next")]
    for path in (*results.iterdir(), folder / "README.md"):
        assert path.stat().st_size > 0
        assert f"  {path} " in listed
    assert {path.suffix for path in results.iterdir() if path.is_file()} == {".json", ".png", ".npz", ".csv"}
    assert out.startswith("$ cd convneur-demo\n")
    assert out.index("$ convneur flops") < out.index("$ convneur viz-gates") < out.index("$ convneur eval-boundary")
    assert out[out.index("\nTry next") :].count("  convneur ") == 3

    code, _, err = run(capsys)  # once more: nothing is overwritten
    assert code == 1
    assert err == ("error: convneur-demo: exists already and is not empty; choose another folder or add --force\n")


def steps(*commands: str) -> Any:
    """Quick commands in place of the demo's, which their own tests run."""
    return tuple(
        ("What for", command, {f"results/{number}.txt": "what is in it"}) for number, command in enumerate(commands)
    )


def test_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(convneur_cli.commands.demo, "_STEPS", steps("convneur models --model m1"))
    folder = tmp_path / "new" / "demo"
    code, out, err = run(capsys, "-o", str(folder), "--json", "-q")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema"] == "convneur.demo/1"
    assert document["folder"] == str(folder)
    assert [step["command"] for step in document["steps"]] == ["convneur models --model m1"]
    assert document["written"] == [str(folder / "results" / "0.txt"), str(folder / "README.md")]
    copied = {path.relative_to(folder) for path in folder.rglob("*")}
    assert copied == {path.relative_to(SAMPLES) for path in SAMPLES.rglob("*")} | {Path("results")}


def test_it_stops_where_a_command_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(convneur_cli.commands.demo, "_STEPS", steps("convneur models --model m9", "convneur models"))
    code, out, err = run(capsys, "-o", str(tmp_path / "demo"))
    assert code == 2
    assert err.startswith("error: --model m9")
    assert out.count("$ convneur") == 1
    assert "Try next" not in out


def test_an_output_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    code, out, err = run(capsys, "-o", str(tmp_path / "file"))
    assert (code, out) == (1, "")
    assert "is not a folder" in err


def test_samples_are_small_and_their_licence_is_named() -> None:
    files = [path for path in SAMPLES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 450_000
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert "CC0" in readme
    described = [named.replace("SPLIT", "*") for named in re.findall("^\\| `([^`]+)`", readme, re.MULTILINE)]
    for path in SAMPLES.rglob("*"):
        name = path.relative_to(SAMPLES).as_posix()
        assert path.is_dir() or path.name == "README.md" or any(fnmatch(name, named) for named in described), name


def test_samples_are_packaged() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["convneur"]
    packaged = {path for pattern in patterns for path in (ROOT / "convneur").glob(pattern)}
    assert {path for path in (ROOT / "convneur" / "data" / "samples").rglob("*") if path.is_file()} <= packaged


def test_the_set_to_train_on_and_the_two_models_label_maps() -> None:
    nuclei = SAMPLES / "nuclei"
    stems = {}
    for split in ("train", "val"):
        images, masks = nuclei / "images" / split, nuclei / "masks" / split
        stems[split] = {path.stem for path in images.iterdir()}
        assert stems[split] == {path.stem for path in masks.iterdir()}
        for path in images.iterdir():
            with Image.open(path) as image, Image.open(masks / f"{path.stem}.png") as labels:
                assert image.size == labels.size
                assert set(np.unique(labels)) == {0, 1}
    assert not stems["train"] & stems["val"]
    for name in stems["val"]:
        truth = np.asarray(Image.open(SAMPLES / "labels" / f"{name}.png"))
        np.testing.assert_array_equal(truth, np.asarray(Image.open(nuclei / "masks" / "val" / f"{name}.png")))
        wrong = [
            (np.asarray(Image.open(SAMPLES / model / f"{name}.png")) != truth).mean()
            for model in ("predictions", "others")
        ]
        assert 0 < min(wrong) <= max(wrong) < 0.2
    with Image.open(SAMPLES / "horse-mask.png") as mask, Image.open(SAMPLES / "horse" / "gt" / "shifted.png") as truth:
        np.testing.assert_array_equal(np.asarray(mask), np.asarray(truth))


def test_the_label_pairs_are_what_their_names_say() -> None:
    assert {path.name for path in (SAMPLES / "horse" / "gt").iterdir()} == MISTAKES
    assert {path.name for path in (SAMPLES / "horse" / "predictions").iterdir()} == MISTAKES
    gt = {name: np.asarray(Image.open(SAMPLES / "horse" / "gt" / name)) for name in MISTAKES}
    guess = {name: np.asarray(Image.open(SAMPLES / "horse" / "predictions" / name)) for name in MISTAKES}
    horse = gt["shifted.png"]
    assert set(np.unique(horse)) == {0, 1}
    assert all((labels == horse).all() for labels in gt.values())
    with Image.open(SAMPLES / "horse.jpg") as photo:
        assert photo.size == horse.shape[::-1]
    np.testing.assert_array_equal(guess["shifted.png"][2:, 3:], horse[:-2, :-3])
    assert (guess["dilated.png"] >= horse).all()
    assert guess["dilated.png"].sum() > horse.sum()
    assert 0 < (guess["smoothed.png"] != horse).mean() < 0.03
