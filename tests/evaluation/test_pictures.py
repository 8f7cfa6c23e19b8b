"""Picks, scenes, figures and the report of an evaluation: from its methods as from `evaluate`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.evaluation import evaluate, select_scenes
from convneur.figures import boundary_figure, paper_figure

SMALL = {"metrics": ("boundary_f1", "miou"), "tolerance": ("1px", "3px")}


def test_methods_write_what_the_call_writes(place: Path) -> None:
    found = evaluate(
        "pred", "gt", against="other", figures="one", report="one.html", figures_count=1, figures_by="miou", **SMALL
    )
    found.save_figures("two", figures_count=1, figures_by="miou")
    found.save_report("two.html", figures_count=1, figures_by="miou")
    names = sorted(path.name for path in (place / "one").iterdir())
    assert names == sorted(f"{pick.stem}.png" for pick in found.picks(figures_count=1, figures_by="miou"))
    for name in names:
        assert (place / "one" / name).read_bytes() == (place / "two" / name).read_bytes()
    assert (place / "one.html").read_text() == (place / "two.html").read_text()
    with pytest.raises(OutputExistsError, match="choose another folder or pass force=True"):
        found.save_figures("two")
    with pytest.raises(OutputExistsError):
        found.save_report("two.html")


def test_picks_say_why(place: Path) -> None:
    found = evaluate("pred", "gt", **SMALL)
    ranked = sorted(found.per_image, key=lambda row: row["miou"])
    picks = found.picks(figures_by="miou", figures_count=1)
    assert [pick.name for pick in picks] == [ranked[k]["name"] for k in (0, 2, 4)]
    assert picks[0].heading == f"worst 1 of 5 by mIoU: {ranked[0]['miou']:.4f}"
    with pytest.raises(ConfigError, match="figures_by hd95: must be one of those computed"):
        found.picks(figures_by="hd95")


def test_a_scene_is_what_the_figure_takes(place: Path) -> None:
    (place / "images").mkdir()
    Image.new("RGB", (62, 40), (9, 8, 7)).save(place / "images" / "a.png")
    found = evaluate("pred", "gt", against="other", **SMALL)
    scene = found.scene("a", "of interest", images="images", figures_by="boundary_f1@3px")
    assert scene.image is not None
    assert scene.image[0, 0].tolist() == [9, 8, 7]
    np.testing.assert_array_equal(scene.truth, np.asarray(Image.open("gt/a.png")))
    assert [one.title for one in scene.predictions] == ["pred", "other"]
    np.testing.assert_array_equal(scene.predictions[1].labels, np.asarray(Image.open("other/a.png")))
    assert scene.predictions[0].errors.radius == 3
    y, x, height, width = scene.hotspots[0]
    errors = scene.predictions[0].errors
    assert (errors.missed | errors.spurious)[y : y + height, x : x + width].any()
    assert boundary_figure(scene).axes
    with pytest.raises(InputError, match="z: no image of this name was scored"):
        found.scene("z")


def test_the_images_of_figure_3(place: Path) -> None:
    found = select_scenes("pred", "gt", twin="other", titles=["twin", "full"], names=["e", "a"], by="miou")
    assert [scene.name for scene in found.scenes] == ["e", "a"]
    scored = {row["name"]: row for row in evaluate("pred", "gt", trimap_width=3).per_image}
    assert found.values[0]["full"]["miou"] == scored["e"]["miou"]
    assert found.values[1]["full"]["trimap_miou"] == scored["a"]["trimap_miou"]
    assert [one.title for one in found.scenes[0].predictions] == ["twin", "full"]
    assert len(paper_figure(found.scenes).axes) == 6
    assert found.to_dict()["file"] is None
    assert "e      twin" in str(found)


def test_a_report_is_a_page(place: Path) -> None:
    found = evaluate("pred", "gt", metrics="miou")
    with pytest.raises(ConfigError, match=r"^path report\.txt: the name must end in \.html$"):
        found.save_report("report.txt")
