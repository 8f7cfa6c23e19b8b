"""`convneur models`."""

import json

import pytest

from convneur_cli.app import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["models", *arguments])
    return int(stopped.value.code or 0)


def test_all_variants_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out, err = capsys.readouterr()
    assert out.startswith("ConvNeur at 224x224\n")
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    assert cells == [
        ["m1", "4 317 092", "40 80 160 320", "80", "0.7589", "0.7045", "16 4 1 1"],
        ["m2", "6 105 748", "48 96 192 384", "96", "1.086", "1.005", "16 4 1 1"],
        ["m3", "10 608 500", "64 128 256 512", "128", "1.918", "1.764", "16 4 1 1"],
        ["m4", "18 036 460", "84 168 336 672", "176", "3.383", "3.066", "16 4 1 1"],
    ]
    assert "in Gram form" in out
    assert err == ""


def test_json_with_model_options_at_a_rectangle(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--model", "m1,m3", "--size", "512x2048", "--model-preset", "dense") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["size"]) == ("convneur.models/1", {"height": 512, "width": 2048})
    assert [model["name"] for model in found["models"]] == ["m1", "m3"]
    assert found["models"][0].keys() == {
        "name", "params", "dims", "mem_dim", "macs", "macs_paper", "chunks", "error",
    }  # fmt: skip
    assert found["models"][0]["chunks"] == [16, 4, 1, 1]


def test_a_net_without_memory_has_no_chunks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "m1", "--memory", "none") == 0
    out = capsys.readouterr().out
    assert "│ m1    │  4 116 800 │ 40 80 160 320 │  80 │ 0.5602 │      0.5602 │                    - │" in out


def test_a_size_that_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--size", "16", "--json", "--model", "m1") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["models"][0]["error"].startswith("image of 16x16")
    assert err.startswith("error: m1 at 16: image of 16x16: ConvNeur needs at least 32x32 pixels")


@pytest.mark.parametrize("size", ["0", "abc", "-5", "1e9", "224,512"])
def test_a_size_as_no_size_is_written(capsys: pytest.CaptureFixture[str], size: str) -> None:
    assert run("--size", size) == 2
    assert capsys.readouterr().err.startswith(f"error: --size '{size}': give a whole number of pixels")
