"""`convneur figure boundaries` through its entry point, on drawn shapes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convneur.figures.boundaries
from convneur.data.presets import PRESETS
from convneur_cli.app import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    return int(stopped.value.code or 0)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five streets of CamVid's classes; ConvNeur is off by the image's number, the twin by three more."""
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        labels = np.full((90, 120), 3, np.uint8)  # road
        labels[:40] = 0  # sky
        labels[30:70, 20:50] = 1  # building
        labels[60:74, 70:100] = 8  # car
        labels[:, :4] = 11  # void
        photo = np.array([*PRESETS["camvid"].palette, (0, 0, 0)], np.uint8)[labels]
        for folder, picture in (
            ("images", photo), ("gt", labels),
            ("local", np.roll(labels, number + 3, 1) % 11), ("convneur", np.roll(labels, number, 1) % 11),
        ):  # fmt: skip
            (tmp_path / folder / "day").mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(tmp_path / folder / "day" / f"s{number}.png")
    return tmp_path


def test_it_draws_the_worst_median_and_best_with_their_figures(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: dict[str, Any] = {}
    draw = convneur.figures.boundaries.paper_figure

    def noting(scenes: Any) -> Any:
        drawn["scenes"], drawn["figure"] = scenes, draw(scenes)
        return drawn["figure"]

    monkeypatch.setattr(convneur.figures.boundaries, "paper_figure", noting)
    arguments = ["convneur", "gt", "--twin", "local", "--images", "images", "--preset", "camvid"]
    assert run("figure", "boundaries", *arguments, "--titles", "local-only,ConvNeur", "-o", "f.png", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["images"]] == ["day/s4", "day/s2", "day/s0"]
    assert found["images"][0]["why"].startswith("worst 1 of 5 by Boundary F1 @ 0.008: 0.")
    with Image.open("f.png") as picture:
        assert picture.width > 1000

    scenes, figure = drawn["scenes"], drawn["figure"]
    assert [axes.get_label() for axes in figure.axes[:4]] == [
        "day/s4: image", "day/s4: ground truth", "day/s4: local-only", "day/s4: ConvNeur"]  # fmt: skip
    palette = np.array(PRESETS["camvid"].palette)
    shown = figure.axes[2].images[0].get_array()
    labels = np.asarray(Image.open("local/day/s4.png"))
    seen = np.asarray(Image.open("gt/day/s4.png")) != 11
    assert np.array_equal(shown[seen], palette[labels][seen])
    said = [text.get_text() for text in figure.texts]
    for scene in scenes:
        for prediction in scene.predictions:
            assert "   ".join(f"{name} {value}" for name, value in prediction.values) in said

    for folder, title in (("local", "local-only"), ("convneur", "ConvNeur")):
        assert run("eval-boundary", folder, "gt", "--preset", "camvid", "--trimap-width", "3", "--json", "-q") == 0
        scored = {row["name"]: row for row in json.loads(capsys.readouterr().out)["per_image"]}
        for each in found["images"]:
            for metric, value in each["figures"][title].items():
                assert value == scored[each["name"]][metric]


def test_named_images_and_one_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["figure", "boundaries", "convneur", "gt", "--preset", "camvid", "-o", "f.svg"]
    assert run(*arguments, "--names", "day/s3,day/s1", "--by", "miou") == 0
    out, err = capsys.readouterr()
    assert err == "written: f.svg\n"
    assert "day/s3" in out
    assert run(*arguments) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--names", "day/s9"], 2, "--names day/s9: no such image in convneur"),
        (["--by", "beauty"], 2, "--by beauty: must be one of"),
        (
            ["--names", "day/s0", "--count", "2"],
            2,
            "--count 2: chooses images, which --names does; leave one of them out",
        ),
        (["--titles", "a,b"], 2, "--titles a,b: give 1, one for each folder"),
        (["--twin", "nowhere"], 2, "nowhere: no such file or folder"),
        (["--images", "gt/day/s0.png"], 2, "gt/day/s0.png: is a file; give a folder"),
        (["-o", "f.html"], 2, "f.html"),
    ],
)
def test_what_is_wrong_is_a_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run("figure", "boundaries", "convneur", "gt", "--preset", "camvid", "-q", *arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_photo_that_is_missing_stops_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "images" / "day" / "s4.png").unlink()
    assert run("figure", "boundaries", "convneur", "gt", "--preset", "camvid", "--images", "images", "-q") == 1
    assert "images: no image of the same name and shape for day/s4" in capsys.readouterr().err


def test_names_and_links_go_as_in_eval_boundary(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (place / "convneur" / "day").iterdir():
        path.rename(path.with_name(f"{path.stem}_out.png"))
    arguments = ["figure", "boundaries", "convneur", "gt", "--preset", "camvid", "--json"]
    assert run(*arguments) == 1
    assert '--pred-name="{stem}_out" would pair 5 of 5' in capsys.readouterr().err
    (place / "elsewhere").mkdir()
    for path in (place / "images" / "day").iterdir():
        path.rename(place / "elsewhere" / path.name)
        path.symlink_to(place / "elsewhere" / path.name)
    arguments += ["--pred-name={stem}_out", "--images", "images"]
    assert run(*arguments) == 1
    assert "images: no image in it" in (said := capsys.readouterr().err)
    assert "--follow-links" in said
    assert run(*arguments, "--follow-links", "-o", "f.png") == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 3
