"""A folder job: whole files under the images' names, a failed image apart, nothing begun that would be refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convneur.data.labels import read_label_map
from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.inference import FailedImage, LabelledImage, load, predict_folder

Pixels = NDArray[np.uint8]


@pytest.fixture
def images(tmp_path: Path, picture: Pixels) -> Path:
    """Three images of two sizes and one that is none."""
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(picture).save(folder / "b.png")
    Image.fromarray(picture[::-1]).save(folder / "c.png")
    Image.fromarray(picture[:40]).save(folder / "deep" / "a.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


class Listener:
    """Keeps what a job tells."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.done = 0.0

    def steps(self, what: str, total: float) -> Any:
        listener = self

        class Steps:
            def __enter__(self) -> Any:
                return listener._advance

            def __exit__(self, *_: object) -> None:
                pass

        self.total = total
        return Steps()

    def _advance(self, now: str | None = None, steps: float = 1) -> None:
        self.done += steps

    def note(self, line: str) -> None: ...

    def warn(self, line: str) -> None: ...

    def error(self, line: str) -> None:
        self.errors.append(line)


@pytest.mark.parametrize("batch", [1, 2, 10**30])
def test_each_image_gets_its_files_and_a_failed_one_is_told(
    images: Path, dense_file: Path, tmp_path: Path, batch: int
) -> None:
    listener = Listener()
    report = predict_folder(
        images, weights=dense_file, out=tmp_path / "labels", overlays=tmp_path / "seen",
        probabilities=tmp_path / "shares", batch=batch, progress=listener,
    )  # fmt: skip
    assert [each.name for each in report.images] == ["b", "c", "deep/a"]
    (failed,) = report.failed
    assert failed.name == "broken"
    assert listener.errors == [failed.why]
    assert listener.done == listener.total == 4
    predictor = load(dense_file)
    for each in report.images:
        assert isinstance(each, LabelledImage)
        alone = predictor.predict(images / f"{each.name}.png", probabilities=True)
        np.testing.assert_array_equal(read_label_map(tmp_path / "labels" / f"{each.name}.png"), alone.labels)
        assert each.shares == alone.shares
        with Image.open(tmp_path / "seen" / f"{each.name}.png") as seen:
            np.testing.assert_array_equal(np.asarray(seen), alone.overlay())
        shares = np.load(tmp_path / "shares" / f"{each.name}.npz")["probabilities"]
        assert shares.dtype == np.float16
        np.testing.assert_allclose(shares, alone.probabilities, atol=1e-3)
    assert sum(1 for path in tmp_path.rglob("*") if path.name.startswith(".")) == 0


def test_the_report_reads_as_table_json_and_rows(images: Path, dense_file: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"broken\.jpg"):
        report = predict_folder([images], weights=dense_file, out=tmp_path / "labels")
    assert repr(report) == "<PredictionReport of 3 images: segmentation, 1 failed>"
    assert "Share of the pixels" in str(report)
    assert f"3 label maps in {tmp_path / 'labels'}" in str(report)
    assert "1 image not labelled" in str(report)
    said = report.to_dict()
    assert list(said) == ["schema", "task", "images", "failed", "warnings", "context", "labels_changed"]
    assert said["images"][0]["written"] == str(tmp_path / "labels" / "b.png")
    assert said["failed"] == [{"name": "broken", "why": report.failed[0].why}]
    report.save(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == said
    report.save(tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text().splitlines()[0] == "name,class,share"


def test_a_classifier_writes_a_table(images: Path, classifier_file: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"broken\.jpg"):
        report = predict_folder(images, weights=load(classifier_file), out=tmp_path / "out", top=2)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.csv"]
    lines = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert lines[0] == "name,rank,class,probability"
    assert len(lines) == 1 + 3 * 2
    assert "Likeliest classes" in str(report)
    with pytest.raises(OutputExistsError):
        predict_folder(images, weights=classifier_file, out=tmp_path / "out")


def test_weights_without_names_give_numbers(images: Path, tmp_path: Path) -> None:
    report = predict_folder(images / "b.png", weights="photos", out=tmp_path / "out", top=1)
    ((number, probability),) = report.images[0].top
    assert (tmp_path / "out" / "predictions.csv").read_text().splitlines()[1] == f"b,1,{number},{probability}"


def test_no_image_is_overwritten_by_its_label_map(images: Path, dense_file: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in images.rglob("*") if path.is_file()}
    for how in ({"out": images}, {"out": tmp_path / "labels", "overlays": images}):
        with pytest.raises(ConfigError, match="would overwrite one of the images"):
            predict_folder(images, weights=dense_file, force=True, **how)
    assert {path: path.read_bytes() for path in images.rglob("*") if path.is_file()} == before


def test_all_images_failed_leaves_no_table(images: Path, classifier_file: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"broken\.jpg"):
        report = predict_folder(images / "broken.jpg", weights=classifier_file, out=tmp_path / "out")
    assert report.images == ()
    assert [type(each) for each in report.failed] == [FailedImage]
    assert str(report) == "1 image not classified"
    assert list((tmp_path / "out").iterdir()) == []


def test_an_output_that_exists_stops_before_any_work(images: Path, dense_file: Path, tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "c.png").write_bytes(b"mine")
    options: dict[str, Any] = {"weights": dense_file, "out": tmp_path / "labels", "overlays": tmp_path / "seen"}
    with pytest.raises(OutputExistsError, match=r"c\.png"):
        predict_folder(images, **options)
    assert not (tmp_path / "labels").exists()
    assert (tmp_path / "seen" / "c.png").read_bytes() == b"mine"
    with pytest.warns(UserWarning, match=r"broken\.jpg"):
        assert len(predict_folder(images, force=True, **options).images) == 3


@pytest.mark.parametrize(
    ("options", "setting", "problem"),
    [
        ({}, "out", "name the folder for the label maps"),
        ({"out": "a", "overlays": "a"}, "out", "folders of their own"),
        ({"out": "a", "batch": 0}, "batch", "at least 1"),
        ({"out": "a", "scale": -1.0}, "scale", "above 0"),
        ({"out": "a", "window": 0}, "window", "at least 1 pixel"),
        ({"out": "a", "window": "large"}, "window", "give a side in pixels"),
        ({"out": "a", "window": (64, 64, 3)}, "window", "give a side in pixels"),
    ],
)
def test_a_setting_that_cannot_be_writes_nothing(
    images: Path, dense_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, setting: str,
    problem: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=problem) as caught:
        predict_folder(images, weights=dense_file, **options)
    assert caught.value.setting == setting
    assert set(tmp_path.iterdir()) == before


def test_outputs_that_would_be_one_file(dense_file: Path, tmp_path: Path) -> None:
    (tmp_path / "images" / "seen").mkdir(parents=True)
    for name in ("a.png", "seen/a.png"):
        Image.new("RGB", (64, 64)).save(tmp_path / "images" / name)
    with pytest.raises(ConfigError, match="would be written twice; give folders that do not hold each other"):
        predict_folder(
            tmp_path / "images",
            weights=dense_file,
            out=tmp_path / "out",
            overlays=tmp_path / "out" / "seen",
            force=True,
        )
    assert not (tmp_path / "out").exists()


def test_a_classifier_takes_no_options_of_pixels(images: Path, classifier_file: Path, tmp_path: Path) -> None:
    for setting in ("overlays", "probabilities"):
        with pytest.raises(ConfigError, match=f"^{setting}: .*is a classifier; leave it out"):
            predict_folder(images, weights=classifier_file, **{setting: tmp_path / "x"})


def test_an_image_that_is_named_twice_is_labelled_once(images: Path, dense_file: Path, tmp_path: Path) -> None:
    report = predict_folder(
        [images / "b.png", images / "c.png", images / "b.png"], weights=dense_file, out=tmp_path / "labels"
    )
    assert [each.name for each in report.images] == ["b", "c"]


def test_images_that_are_not_there_or_share_a_name(images: Path, dense_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        predict_folder(tmp_path / "none", weights=dense_file, out=tmp_path / "labels")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image in it"):
        predict_folder(tmp_path / "empty", weights=dense_file, out=tmp_path / "labels")
    (tmp_path / "b.jpg").write_bytes((images / "b.png").read_bytes())
    with pytest.raises(ConfigError, match="would both be written as b"):
        predict_folder([images, tmp_path / "b.jpg"], weights=dense_file, out=tmp_path / "labels")
    with pytest.raises(ConfigError, match="images: is empty"):
        predict_folder([], weights=dense_file, out=tmp_path / "labels")
    assert not (tmp_path / "labels").exists()


def test_label_maps_beside_the_images_are_said(dense_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for place, mode in (("images", "RGB"), ("labelled", "P")):
        for name in ("more/p1", "p0"):
            (root / place / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, (48, 32)).save(root / place / f"{name}.png")
    with pytest.warns(UserWarning, match=r"labelled/ looks like label maps of .* images/, and its 2 files.*give"):
        report = predict_folder(root, weights=dense_file, out=tmp_path / "all")
    assert len(report.images) == 4
    followed = predict_folder(root / "images", weights=dense_file, out=tmp_path / "labels")
    assert followed.warnings == ()
    assert [image.name for image in followed.images] == ["more/p1", "p0"], "in the order of their paths"


def test_all_that_can_be_read_is_read_and_the_rest_is_counted(dense_file: Path, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "mixed", tmp_path / "elsewhere.png"
    folder.mkdir()
    for name in ("a.avif", "a.jp2", "b.gif", "c.tga", "d.BMP"):
        Image.new("RGB", (48, 32)).save(folder / name)
    (folder / "e.heic").touch()
    Image.new("RGB", (48, 32)).save(elsewhere)
    (folder / "f.png").symlink_to(elsewhere)
    with pytest.warns(UserWarning, match=r"mixed: 1 file is not read \(1 .heic\)|`follow_links`"):
        report = predict_folder(folder, weights=dense_file, out=tmp_path / "labels")
    assert [image.name for image in report.images] == ["a.avif", "a.jp2", "b", "c", "d"]
    assert len(report.warnings) == 2
    with pytest.warns(UserWarning, match="heic"):
        more = predict_folder(folder, weights=dense_file, out=tmp_path / "more", follow_links=True)
    assert [image.name for image in more.images] == ["a.avif", "a.jp2", "b", "c", "d", "f"]
    (folder / "e.heic").rename(tmp_path / "e.heic")
    for path in folder.iterdir():
        path.unlink()
    (tmp_path / "e.heic").rename(folder / "e.heic")
    with pytest.raises(InputError, match=r"no image in it .*, but 1 .heic; convert them to PNG or JPEG"):
        predict_folder(folder, weights=dense_file, out=tmp_path / "none")
