"""`convneur figure` through its entry point: what it draws, writes and refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import convneur.cost.printed
import convneur.figures.accuracy
import convneur.figures.architecture
from convneur import VARIANTS
from convneur.cost import Architecture
from convneur_cli.app import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["figure", *arguments])
    return int(stopped.value.code or 0)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Architecture]:
    """The nets that were drawn."""
    nets: list[Architecture] = []
    draw = convneur.figures.architecture.architecture_figure

    def noting(net: Architecture) -> Any:
        nets.append(net)
        return draw(net)

    monkeypatch.setattr(convneur.figures.architecture, "architecture_figure", noting)
    return nets


# Figure 1


def test_accuracy_goes_to_its_default_name(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("accuracy") == 0
    assert capsys.readouterr() == ("", "written: accuracy.png\n")
    assert [path.name for path in place.iterdir()] == ["accuracy.png"]
    with Image.open("accuracy.png") as picture:
        assert (picture.format, picture.width) == ("PNG", 2000)


def test_as_printed_nothing_is_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(convneur.cost.printed, "compare_printed", None)
    assert run("accuracy", "--json", "-q", "-o", "one.svg") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == ""
    assert (found["schema"], found["file"]) == ("convneur.figure-accuracy/1", "one.svg")
    assert len(found["points"]) == 10
    assert found["points"][0] == {"model": "m1", "top1": 75.4, "printed_gmacs": 0.71, "full_gmacs": None}
    assert Path("one.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_full_counts_the_variants(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given: list[Any] = []
    draw = convneur.figures.accuracy.accuracy_figure

    def noting(points: Any) -> Any:
        given.append(points.full_gmacs)
        return draw(points)

    monkeypatch.setattr(convneur.figures.accuracy, "accuracy_figure", noting)
    assert run("accuracy", "--full", "--json", "-q", "-o", "full.pdf") == 0
    points = json.loads(capsys.readouterr().out)["points"]
    full = {"m1": 0.75887184, "m2": 1.085608896, "m3": 1.91758464, "m4": 3.382758976}
    assert {point["model"]: point["full_gmacs"] for point in points if point["full_gmacs"] is not None} == full
    assert given == [full]
    assert Path("full.pdf").read_bytes().startswith(b"%PDF")


# Figure 2


def test_architecture_is_of_the_built_net(
    place: Path, drawn: list[Architecture], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("architecture", "--json") == 0
    out, err = capsys.readouterr()
    assert err == "written: architecture.png\n"
    found = json.loads(out)
    assert found["schema"] == "convneur.figure-architecture/1"
    assert (found["name"], found["params"], found["macs"], found["macs_paper"]) == (
        "m1",
        4_317_092,
        758_871_840,
        704_497_440,
    )
    assert found["size"] == {"height": 224, "width": 224}
    assert found["config"] == json.loads(json.dumps(VARIANTS["m1"].to_dict()))
    assert found["stages"][2] == {
        "stage": 3,
        "height": 14,
        "width": 14,
        "channels": 160,
        "stride": 16,
        "has_global": [True, False, False, False, False, False, False],
        "chunks": 1,
        "chunk_length": 196,
    }
    (net,) = drawn
    assert [stage.channels for stage in net.stages] == list(VARIANTS["m1"].dims)
    assert [len(stage.has_global) for stage in net.stages] == list(VARIANTS["m1"].depths)
    with Image.open(place / "architecture.png") as picture:
        assert picture.width == 2200


def test_options_of_the_net_and_its_size(drawn: list[Architecture]) -> None:
    words = ["--model", "m3", "--size", "512x768", "--memory", "per-layer", "--min-chunks", "8", "--head", "upernet"]
    assert run("architecture", "-q", *words) == 0
    (net,) = drawn
    assert (net.name, net.height, net.width, net.config.head) == ("m3", 512, 768, "upernet")
    assert [(stage.height, stage.width, stage.chunks) for stage in net.stages] == [
        (128, 192, 126),
        (64, 96, 32),
        (32, 48, 8),
        (16, 24, 8),
    ]
    assert [stage.chunk_length for stage in net.stages] == [196, 196, 192, 48]
    assert all(all(stage.has_global) for stage in net.stages)


def test_nets_without_a_memory_have_no_chunks(drawn: list[Architecture]) -> None:
    assert run("architecture", "-q", "--memory", "none") == 0
    assert run("architecture", "-q", "--force", "--global-branch", "cbam") == 0
    without, cbam = drawn
    assert not any(any(stage.has_global) for stage in without.stages)
    assert all(stage.has_global[0] for stage in cbam.stages)
    assert {(stage.chunks, stage.chunk_length) for net in drawn for stage in net.stages} == {(0, 0)}


def test_a_file_of_settings(drawn: list[Architecture]) -> None:
    Path("own$.json").write_text(json.dumps({"dims": [8, 8, 16, 16], "depths": [1, 1, 2, 1], "mem_dim": 8}))
    assert run("architecture", "-q", "--model", "own$.json") == 0
    assert [stage.channels for stage in drawn[0].stages] == [8, 8, 16, 16]


# What goes wrong


@pytest.mark.parametrize("name", ["accuracy", "architecture"])
def test_a_figure_that_exists_is_kept(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = Path(f"{name}.png")
    target.write_text("mine")
    assert run(name) == 1
    assert capsys.readouterr() == ("", f"error: {target}: exists already; choose another name or add --force\n")
    assert target.read_text() == "mine"
    assert run(name, "--force", "-q") == 0
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["accuracy", "-o", "a.jpg"], 2, "--output a.jpg: the name must end in .png, .svg, .pdf"),
        (["architecture", "-o", "a"], 2, "--output a: the name must end in .png, .svg, .pdf"),
        (["accuracy", "-o", "nowhere/a.png"], 1, "nowhere: no such folder; create it first"),
        (["accuracy", "--model", "m1"], 2, "No such option: --model"),
        (["gates"], 2, "No such command 'gates'; see 'convneur figure --help'"),
        (["architecture", "--size", "big"], 2, "--size 'big': give a whole number of pixels"),
        (["architecture", "--size", "16"], 1, "image of 16x16: ConvNeur needs at least 32x32 pixels"),
        (["architecture", "--model", "m9"], 2, "--model m9: choose m1, m2, m3, m4, or a .json file"),
        (["architecture", "--model", "m1,m2"], 2, "--model m1,m2: give one model"),
        (["architecture", "--mem-dim", "0"], 2, "--mem-dim 0: must be whole and at least 1"),
    ],
)
def test_wrong_usage(
    arguments: list[str], code: int, says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {says}")
    assert len(err.splitlines()) == 1
    assert list(place.iterdir()) == []


def test_alone_it_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    out = "".join(capsys.readouterr())
    assert "accuracy" in out
    assert "architecture" in out
    assert run("architecture", "--help") == 0
    assert "convneur figure architecture --model m3" in capsys.readouterr().out
