"""`convneur models`."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(command: Any) -> Any:
    return command("models")


def test_all_variants_by_default(run: Any) -> None:
    assert run() == 0
    out, err = run.out, run.err
    assert out.startswith("ConvNeur at 224x224\n")
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    assert cells == [
        ["m1", "4 317 092", "40 80 160 320", "80", "0.7589", "0.7045", "16 4 1 1"],
        ["m2", "6 105 748", "48 96 192 384", "96", "1.086", "1.005", "16 4 1 1"],
        ["m3", "10 608 500", "64 128 256 512", "128", "1.918", "1.764", "16 4 1 1"],
        ["m4", "18 036 460", "84 168 336 672", "176", "3.383", "3.066", "16 4 1 1"],
    ]
    assert "in Gram form" in out
    assert "for --weights and --init: camvid, camvid-local, nuclei, photos, photos-local." in out
    assert err == ""


def test_json_with_model_options_at_a_rectangle(run: Any) -> None:
    assert run("--json", "--model", "m1,m3", "--size", "512x2048", "--model-preset", "dense") == 0
    found = run.json
    assert (found["schema"], found["size"]) == ("convneur.models/1", {"height": 512, "width": 2048})
    assert [model["name"] for model in found["models"]] == ["m1", "m3"]
    assert found["models"][0].keys() == {
        "name", "params", "dims", "mem_dim", "macs", "macs_paper", "chunks", "error",
    }  # fmt: skip
    assert found["models"][0]["chunks"] == [16, 4, 1, 1]


def test_files_in_four_formats(run: Any, tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"models.{kind}" for kind in ("json", "csv", "md", "tex")}
    arguments = ["--model", "m1", "--memory", "none", "--json"]
    for path in paths.values():
        assert run(*arguments, "-o", str(path)) == 0
        assert run.err == f"written: {path}\n"
    assert json.loads(paths["json"].read_text()) == run.json
    with paths["csv"].open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["dims"], row["params"]) == ("m1", "40 80 160 320", "4116800")
    assert "| m1 | 4 116 800 | 40 80 160 320 | 80 | 0.5602 | 0.5602 | - |" in paths["md"].read_text()
    assert r"m1 & 4 116 800 & 40 80 160 320 & 80 & 0.5602 & 0.5602 & - \\" in paths["tex"].read_text()
    assert run(*arguments, "-o", str(paths["md"])) == 1
    assert "exists already" in run.line
    assert run(*arguments, "-q", "--force", "-o", str(paths["md"])) == 0
    assert run("-o", "models.txt") == 2
    assert run.line == "error: --output models.txt: the name must end in .json, .csv, .md, .tex"


def test_an_empty_name_is_no_model(run: Any) -> None:
    assert run("--model", "") == 2
    assert run.line == "error: --model '': choose m1, m2, m3, m4, all, or a .json file of settings"
    assert run("--json", "--model", "m1,all") == 0
    assert [model["name"] for model in run.json["models"]] == ["m1", "m2", "m3", "m4"]


def test_a_model_without_memory_has_no_chunks(run: Any) -> None:
    assert run("--model", "m1", "--memory", "none") == 0
    out = run.out
    assert "│ m1    │  4 116 800 │ 40 80 160 320 │  80 │ 0.5602 │      0.5602 │                    - │" in out


def test_a_size_that_is_refused(run: Any) -> None:
    assert run("--size", "16", "--json", "--model", "m1") == 1
    assert run.json["models"][0]["error"].startswith("image of 16x16")
    assert run.err.startswith("error: m1 at 16: image of 16x16: ConvNeur needs at least 32x32 pixels")


@pytest.mark.parametrize("size", ["0", "abc", "-5", "1e9", "224,512"])
def test_a_size_as_no_size_is_written(run: Any, size: str) -> None:
    assert run("--size", size) == 2
    assert run.err.startswith(f"error: --size '{size}': give a whole number of pixels")
