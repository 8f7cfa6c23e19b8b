"""`eval-boundary --figures` and `--report`: which files are written, of which images, and what is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SMALL = ("--metrics", "boundary_f1,miou", "--tolerance", "1px,3px", "-q")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The scenes that are drawn, without the seconds that matplotlib takes."""
    scenes: list[Any] = []

    def draw(scene: Any) -> Any:
        scenes.append(scene)
        return type("Figure", (), {"dpi": 150, "clear": lambda self: None})()

    monkeypatch.setattr("convneur.figures.boundaries.boundary_figure", draw)
    monkeypatch.setattr("convneur.figures.style.save_figure", lambda figure, path, **how: path.write_bytes(b"\x89PNG"))
    return scenes


def embedded(path: Path) -> Any:
    """The data in a report."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_real_pictures_and_a_real_page(evaluate: Callable[..., Any], place: Path) -> None:
    ran = evaluate("--figures", "pictures", "--figures-count", "1", "--report", "report.html", *SMALL[:-1])
    assert ran.code == 0
    assert {"written: pictures (3 pictures)", "written: report.html"} <= set(ran.err.splitlines())
    files = sorted(path.name for path in (place / "pictures").iterdir())
    assert [name.rsplit("-", 1)[0] for name in files] == ["best-1", "median-1", "worst-1"]
    for name in files:
        with Image.open(place / "pictures" / name) as picture:
            assert min(picture.size) > 300
            assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 10
    data = embedded(place / "report.html")
    assert len(data["pictures"]) == 3
    assert [row["name"] for row in data["images"]] == ["a", "b", "city/c", "city/d", "e"]


def test_the_images_that_are_drawn(evaluate: Callable[..., Any], place: Path, drawn: list[Any]) -> None:
    result = evaluate("--json", "--figures", "out", "--figures-by", "miou", "--figures-count", "2", *SMALL).json
    ranked = sorted(result["per_image"], key=lambda row: row["miou"])
    assert [scene.name for scene in drawn] == [ranked[k]["name"] for k in (0, 1, 2, 4, 3)]
    assert drawn[0].heading == f"worst 1 of 5 by mIoU: {ranked[0]['miou']:.4f}"
    assert sorted(path.name for path in (place / "out").iterdir()) == sorted(
        f"{group}-{ranked[k]['name'].replace('/', '_')}.png"
        for group, k in (("worst-1", 0), ("worst-2", 1), ("median-1", 2), ("best-1", 4), ("best-2", 3))
    )
    scene = drawn[0]
    row = ranked[0]
    assert scene.predictions[0].values == [("B", f"{row['boundary_f1']['1px']:.3f}")]
    assert scene.notes == ["B: boundary F1 at 1px"]
    assert scene.predictions[0].errors.radius == 1
    assert (scene.ignored == (scene.truth == 255)).all()


def test_errors_take_the_tolerance_that_images_are_ranked_by(evaluate: Callable[..., Any], drawn: list[Any]) -> None:
    assert evaluate("--figures", "out", "--figures-by", "boundary_f1@3px", *SMALL).code == 0
    assert {scene.predictions[0].errors.radius for scene in drawn} == {3}


def test_with_another_model_the_images_that_moved_are_drawn_too(
    evaluate: Callable[..., Any], place: Path, drawn: list[Any]
) -> None:
    for name in ("a", "b", "city/c", "city/d", "e"):
        labels = np.load(place / "pred" / f"{name}.npy")
        target = place / "other" / f"{name}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, np.roll(labels, 9, 0) if name == "city/d" else labels)
    ran = evaluate("--figures", "out", "--figures-count", "1", "--against", "other", "--report", "r.html", *SMALL)
    assert ran.code == 0
    scenes = {scene.name: scene for scene in drawn}
    assert "moved 1 by Boundary F1 @ 1px: +" in scenes["city/d"].heading
    assert [one.title for one in scenes["city/d"].predictions] == ["pred", "other"]
    data = embedded(place / "r.html")
    assert data["models"] == ["pred", "other"]
    assert [row["name"] for row in data["comparison"]["moved"][0]] == ["city/d"]
    assert data["images"][0]["values"] == data["images"][0]["against"]
    assert data["images"][3]["values"] != data["images"][3]["against"]


def test_photos_are_found_by_name(evaluate: Callable[..., Any], place: Path, drawn: list[Any]) -> None:
    (place / "photos" / "city").mkdir(parents=True)
    sizes = {"a": (62, 40), "b_leftImg8bit": (59 * 2, 41 * 2), "city/c": (20, 80)}
    for number, (name, size) in enumerate(sizes.items()):
        Image.new("RGB", size, (number, 0, 0)).save(place / "photos" / f"{name}.png")
    ran = evaluate("--figures", "out", "--images", "photos", *SMALL)
    assert ran.code == 0
    photos = {scene.name: scene.image for scene in drawn}
    assert photos["a"].shape == (40, 62, 3)
    assert photos["b"].shape == (41, 59, 3)  # brought to the size of the label map
    assert [name for name, photo in photos.items() if photo is None] == [
        name for name in photos if name in ("city/c", "city/d", "e")
    ]
    assert "warning: --images photos: no image of the same name and shape for " in ran.err


def test_colours_come_from_a_palette_image(evaluate: Callable[..., Any], place: Path, drawn: list[Any]) -> None:
    palette = [9, 8, 7, 200, 0, 0, 0, 0, 250]
    for path in (place / "gt").rglob("*.png"):
        labels = Image.open(path)
        labels.putpalette(palette + [0] * (768 - len(palette)))  # the same ids, now with colours
        labels.save(path)
    assert evaluate("--figures", "out", *SMALL).code == 0
    np.testing.assert_array_equal(drawn[0].colours, [[9, 8, 7], [200, 0, 0], [0, 0, 250]])


def test_more_pictures_than_a_page_holds(
    evaluate: Callable[..., Any], place: Path, drawn: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convneur.figures.report.MOST_PICTURES", 2)
    assert evaluate("--figures", "out", "--report", "r.html", *SMALL).code == 0
    assert len(drawn) == 5
    data = embedded(place / "r.html")
    assert len(data["pictures"]) == 2
    assert data["pictureNotes"][0].startswith("2 of 5 images.")


def test_outputs_are_not_overwritten(evaluate: Callable[..., Any], place: Path, drawn: list[Any]) -> None:
    (place / "out").mkdir()
    assert evaluate("--figures", "out", *SMALL).code == 0  # an empty folder is used
    before = len(drawn)
    ran = evaluate("--figures", "out", *SMALL)
    assert (ran.code, len(drawn)) == (1, before)
    assert ran.line == "error: out: exists already and is not empty; choose another folder or add --force"
    assert evaluate("--figures", "out", "--force", *SMALL).code == 0
    (place / "r.html").write_text("precious")
    ran = evaluate("--report", "r.html", *SMALL)
    assert ran.code == 1
    assert ran.line == "error: r.html: exists already; choose another name or add --force"
    assert (place / "r.html").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--report", "r.pdf"], 2, "--report r.pdf: must end in .html"),
        (["--figures", "notes.txt"], 1, "notes.txt: is a file; --figures is a folder"),
        (["--figures", "out", "--figures-by", "dice"], 2, "--figures-by dice: must be one of those computed"),
        (["--figures", "out", "--figures-by", "boundary_f1@5px"], 2, "must be boundary_f1@1px, boundary_f1@3px"),
        (["--figures", "out", "--images", "nowhere"], 2, "nowhere: no such file or folder"),
        (["--figures", "out", "--images", "notes.txt"], 2, "--images notes.txt: is a file"),
        (["--figures", "out", "--images", "gt/city/../../empty"], 1, "no image in it"),
        (["--images", "gt"], 2, "--images: says what is drawn; give --figures or --report too"),
        (["--figures-by", "miou"], 2, "--figures-by: says what is drawn"),
        (["--figures", "out", "--figures-count", "0"], 2, "--figures-count"),
    ],
)
def test_what_is_refused(
    evaluate: Callable[..., Any], place: Path, drawn: list[Any], arguments: list[str], code: int, said: str
) -> None:
    (place / "notes.txt").write_text("notes")
    (place / "empty").mkdir()
    ran = evaluate(*arguments, *SMALL)
    assert ran.code == code
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not drawn


def test_a_failed_drawing_leaves_no_half_file_and_the_scores_to_resume(
    evaluate: Callable[..., Any], place: Path, outputs: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("convneur.figures.style.save_figure", full)
        ran = evaluate("--figures", "out", "-o", "out.json", *SMALL)
    assert ran.code == 1
    assert "could not be written (No space left on device)" in ran.err
    assert list((place / "out").iterdir()) == []
    assert outputs() == {"out", "out.json.partial"}
    assert evaluate("--figures", "out", "-o", "out.json", "--resume", "--figures-count", "1", *SMALL).code == 0
    assert len(list((place / "out").iterdir())) == 3
