"""`convneur demo`: the packaged samples through the three commands."""

import json
import tomllib
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
    assert json.loads((folder / "flops.json").read_text())["schema"] == "convneur.flops/1"
    assert json.loads((folder / "chelsea-gates.json").read_text())["schema"] == "convneur.gates/1"
    boundary = json.loads((folder / "boundary.json").read_text())
    assert boundary["schema"] == "convneur.boundary/1"
    assert boundary["images"] == 3
    listed = out[out.index("\nWritten") : out.index("\nTry next")]
    for path in folder.iterdir():
        assert path.stat().st_size > 0
        assert f"  {path} " in listed
    assert {path.suffix for path in folder.iterdir()} == {"", ".json", ".png", ".npz", ".csv"}
    assert out.index("$ convneur flops") < out.index("$ convneur viz-gates") < out.index("$ convneur eval-boundary")
    assert out[out.index("\nTry next") :].count("convneur ") == 3

    code, _, err = run(capsys)  # once more: nothing is overwritten
    assert code == 1
    assert err.startswith("error: convneur-demo: exists already and is not empty")


def steps(*commands: list[str]) -> Any:
    """Quick commands in place of the three, which their own tests run."""
    return lambda *_: [("What for", command, {f"{command[0]}.txt": "what is in it"}) for command in commands]


def test_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(convneur_cli.commands.demo, "_steps", steps(["models", "--model", "m1"]))
    folder = tmp_path / "new" / "demo"
    code, out, err = run(capsys, "-o", str(folder), "--json", "-q")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema"] == "convneur.demo/1"
    assert [step["command"] for step in document["steps"]] == ["convneur models --model m1"]
    assert document["written"] == [str(folder / "models.txt"), str(folder / "samples")]
    copied = {path.relative_to(folder / "samples") for path in (folder / "samples").rglob("*")}
    assert copied == {path.relative_to(SAMPLES) for path in SAMPLES.rglob("*")}


def test_it_stops_where_a_command_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(convneur_cli.commands.demo, "_steps", steps(["models", "--model", "m9"], ["models"]))
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
    assert sum(path.stat().st_size for path in files) < 400_000
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert "CC0" in readme
    for name in ("chelsea.jpg", "horse.jpg", "horse/gt/", "horse/predictions/", "horse/classes.txt"):
        assert f"`{name}" in readme


def test_samples_are_packaged() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["convneur"]
    packaged = {path for pattern in patterns for path in (ROOT / "convneur").glob(pattern)}
    assert {path for path in (ROOT / "convneur" / "data" / "samples").rglob("*") if path.is_file()} <= packaged


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
