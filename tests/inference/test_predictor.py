"""A predictor says what its file says, and labels as its model does."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

import convneur
from convneur.checkpoints import load_checkpoint
from convneur.data.images import MEAN, STD
from convneur.data.labels import read_label_map
from convneur.data.presets import PRESETS
from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.inference import Predictor, class_logits, load, load_predictor, pixel_logits
from convneur.packaged import sample_images
from convneur.variants import ConvNeurConfig

SAMPLES = Path(convneur.__file__).parent / "data" / "samples"

Pixels = NDArray[np.uint8]


def test_the_door_loads_no_torch() -> None:
    code = (
        "import sys, convneur, convneur.inference as room; room.Predictor, room.Prediction, room.load, "
        "room.predict_folder, room.PredictionReport, convneur.load; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_in_any_case_loads_packaged_weights() -> None:
    predictor = convneur.load("CamVid")
    assert (predictor.task, predictor.size, predictor.scale) == ("segmentation", (256, 320), 1.25)
    assert predictor.classes == PRESETS["camvid"].names
    assert predictor.palette == PRESETS["camvid"].palette
    assert (predictor.mean, predictor.std) == (MEAN, STD)
    assert predictor.provenance["init"] == "weights.safetensors"
    assert not predictor.model.training


def test_what_the_file_does_not_say_is_none() -> None:
    predictor = load("photos")
    assert predictor.task == "classification"  # its head says so
    assert {predictor.classes, predictor.size, predictor.scale, predictor.mean, predictor.std, predictor.preset} == {
        None
    }
    assert "not stated" in str(predictor)


def test_an_unknown_name_lists_the_right_ones() -> None:
    known = "camvid, camvid-local, nuclei, photos, photos-local"
    with pytest.raises(ConfigError, match=f"packaged weights are {known}") as caught:
        load("fotos")
    assert (caught.value.setting, caught.value.value) == ("weights", "fotos")


def test_it_prints_what_it_knows(dense_file: Path) -> None:
    predictor = load(dense_file)
    for words in (str(predictor), repr(predictor)):
        for fact in ("segmentation", "3 (sky, road, car)", "64x96", "0.5", "0.4, 0.5, 0.6", "0.2, 0.25, 0.3"):
            assert fact in words
    assert "\n" not in repr(predictor)


def test_labels_are_those_of_the_model_at_the_images_own_size(
    dense_file: Path, picture: Pixels, about: dict[str, Any]
) -> None:
    predictor = load(dense_file)
    prediction = predictor.predict(picture, probabilities=True)
    with torch.inference_mode():
        smaller = np.asarray(Image.fromarray(picture).resize((50, 35), Image.Resampling.BILINEAR))
        x = (smaller / 255 - np.array(about["mean"])) / np.array(about["std"])
        logits = predictor.model(torch.from_numpy(x.astype(np.float32)).permute(2, 0, 1)[None])
        logits = F.interpolate(logits, size=(70, 101), mode="bilinear")[0]
    np.testing.assert_allclose(prediction.probabilities, logits.softmax(0), atol=1e-5)
    assert prediction.labels is not None
    np.testing.assert_array_equal(prediction.labels, prediction.probabilities.argmax(0))
    assert len(np.unique(prediction.labels)) > 1
    assert sum(share for _, share in prediction.shares) == pytest.approx(1)
    assert {label for label, _ in prediction.shares} <= {"sky", "road", "car"}


def test_scale_and_window_are_passed_on(dense_file: Path, picture: Pixels) -> None:
    predictor = load(dense_file)
    options: dict[str, Any] = {"scale": 2.0, "window": (64, 96)}
    expected = pixel_logits(predictor.model, [picture], **options, mean=predictor.mean, std=predictor.std)[0].argmax(0)
    np.testing.assert_array_equal(predictor.predict(picture, **options).labels, expected)
    side, both = (predictor.predict(picture, scale=1, window=window).labels for window in (64, (64, 64)))
    np.testing.assert_array_equal(side, both)
    assert (side != predictor.predict(picture, scale=1, window=None).labels).any()


def test_a_file_a_pillow_image_and_an_array_are_one(dense_file: Path, picture: Pixels, tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "street.png")
    predictor = load(dense_file)
    array = predictor.predict(picture)
    for source in (str(tmp_path / "street.png"), tmp_path / "street.png", Image.fromarray(picture)):
        np.testing.assert_array_equal(predictor.predict(source).labels, array.labels)
    assert predictor.predict(tmp_path / "street.png").name == "street"
    assert array.name is None


def test_how_a_file_was_read_is_a_warning(dense_file: Path, picture: Pixels, tmp_path: Path) -> None:
    frame = Image.fromarray(picture)
    frame.save(tmp_path / "street.gif", save_all=True, append_images=[frame.transpose(Image.Transpose.ROTATE_180)])
    with pytest.warns(UserWarning, match=r"street.gif: frame 1 of 2 read, 1 left out"):
        load(dense_file).predict(tmp_path / "street.gif")


def test_a_classifier_ranks(classifier_file: Path, picture: Pixels) -> None:
    predictor = load(classifier_file)
    prediction = predictor.predict(picture, top=2, probabilities=True)
    logits = class_logits(predictor.model, [picture], (64, 96), mean=predictor.mean, std=predictor.std)[0]
    expected = logits.softmax(0)
    assert prediction.labels is None
    assert prediction.top is not None
    likeliest = expected.argsort(descending=True)[:2].tolist()
    assert list(prediction.top) == [(("sky", "road", "car")[k], float(expected[k])) for k in likeliest]
    np.testing.assert_array_equal(prediction.probabilities, expected)
    assert prediction.to_dict() == {
        "name": None,
        "top": [{"class": label, "probability": value} for label, value in prediction.top],
    }


def test_without_names_there_are_numbers(tiny: ConvNeurConfig, picture: Pixels, saved: Any) -> None:
    dense = load(saved("bare", tiny.replace(head="light-fpn"), {}))
    assert dense.predict(picture).classes is None
    assert {label for label, _ in dense.predict(picture).shares} <= {0, 1, 2}
    top = load("photos").predict(picture).top
    assert top is not None
    assert all(isinstance(label, int) for label, _ in top)


def test_a_model_in_memory(tiny: ConvNeurConfig, picture: Pixels) -> None:
    model = convneur.create(tiny)
    with pytest.raises(ConfigError, match="training mode"):
        Predictor(model).predict(picture)
    predictor = Predictor(model.eval(), classes=("a", "b", "c"), size=(32, 32))
    top = predictor.predict(picture).top
    assert top is not None
    assert {label for label, _ in top} == {"a", "b", "c"}
    with pytest.raises(ConfigError, match="classes: 2 names for a model of 3"):
        Predictor(model, classes=("a", "b"))


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("scale", 0.0, "must be above 0"),
        ("scale", float("nan"), "must be above 0"),
        ("scale", float("inf"), "must be above 0 and at most 16"),
        ("window", 0, "at least 1 pixel"),
        ("window", (32, -1), "at least 1 pixel"),
        ("window", "wide", "give a side in pixels"),
        ("window", 64.0, "give a side in pixels"),
        ("window", (32, 32, 32), "give a side in pixels"),
        ("top", 0, "at least 1"),
        ("top", 3, "is for classifiers"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    dense_file: Path, picture: Pixels, setting: str, value: Any, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load(dense_file).predict(picture, **{setting: value})
    assert caught.value.setting == setting


def test_what_a_model_cannot_do_is_named(
    tiny: ConvNeurConfig, classifier_file: Path, picture: Pixels, tmp_path: Path
) -> None:
    for setting, value in {"scale": 1.0, "window": None}.items():
        with pytest.raises(ConfigError, match=f"{setting}.* is a classifier; leave it out"):
            load(classifier_file).predict(picture, **{setting: value})  # type: ignore[arg-type]
    headless = tmp_path / "headless.safetensors"
    convneur.save_checkpoint(convneur.create(tiny, head="none"), headless)
    with pytest.raises(ConfigError, match="no head"):
        load(headless).predict(picture)
    with pytest.raises(ConfigError, match="takes 1 channels, not RGB"):
        Predictor(convneur.create(tiny, in_channels=1).eval()).predict(picture)
    with pytest.raises(InputError, match="no such file"):
        load(classifier_file).predict(tmp_path / "none.jpg")


@pytest.mark.parametrize(
    "said",
    [
        {"classes": ["one"]},
        {"classes": 3},
        {"settings": {"crop": 5}},
        {"mean": [1, 2]},
        {"validated_size": [450]},
        {"validated_size": [450, 5000]},
    ],
)
def test_a_file_that_says_nonsense_is_named(tiny: ConvNeurConfig, saved: Any, said: dict[str, Any]) -> None:
    path = saved("odd", tiny, said)
    with pytest.raises(InputError, match=r"odd\.safetensors: what it says of its training"):
        load(path)


def test_weights_that_are_no_numbers(tiny: ConvNeurConfig, tmp_path: Path) -> None:
    model = convneur.create(tiny)
    with torch.no_grad():
        model.stem[0].bias[0] = float("nan")
    convneur.save_checkpoint(model, tmp_path / "diverged.safetensors")
    with pytest.raises(InputError, match=r"diverged\.safetensors: weight stem\.0\.bias holds NaN"):
        load(tmp_path / "diverged.safetensors")


def test_too_little_memory_is_said_with_the_file(
    dense_file: Path, picture: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: Any, x: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(convneur.ConvNeur, "forward", forward)
    Image.fromarray(picture).save(tmp_path / "large.png")
    with pytest.raises(InputError, match=r"large\.png: not enough memory for 1 of 70x101 pixels; choose a smaller"):
        load(dense_file).predict(tmp_path / "large.png")


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_a_label_map_is_saved_as_the_scorer_reads_it(
    dense_file: Path, picture: Pixels, tmp_path: Path, suffix: str
) -> None:
    prediction = load(dense_file).predict(picture)
    path = tmp_path / f"labels{suffix}"
    prediction.save(path)
    np.testing.assert_array_equal(read_label_map(path), prediction.labels)
    with pytest.raises(OutputExistsError):
        prediction.save(path)
    prediction.save(path, force=True)


def test_a_saved_png_has_the_colours(dense_file: Path, picture: Pixels, tmp_path: Path) -> None:
    prediction = load(dense_file).predict(picture)
    prediction.save(tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), prediction.palette[prediction.labels])
    np.testing.assert_allclose(prediction.overlay(), (picture / 2 + prediction.palette[prediction.labels] / 2), atol=1)
    assert prediction.colour("road") == tuple(prediction.palette[1].tolist())


def test_more_classes_than_a_palette_holds(picture: Pixels, tiny: ConvNeurConfig, tmp_path: Path, saved: Any) -> None:
    predictor = load(saved("many", tiny.replace(head="light-fpn", num_classes=300), {}))
    prediction = predictor.predict(picture)
    prediction.save(tmp_path / "labels.png")
    np.testing.assert_array_equal(read_label_map(tmp_path / "labels.png"), prediction.labels)


def test_tables_are_saved_by_suffix(classifier_file: Path, picture: Pixels, tmp_path: Path) -> None:
    prediction = load(classifier_file).predict(picture)
    prediction.save(tmp_path / "top.csv")
    assert (tmp_path / "top.csv").read_text().startswith("class,probability\n")
    with pytest.raises(ConfigError, match="no label map"):
        prediction.save(tmp_path / "labels.png")
    with pytest.raises(ConfigError, match="no label map"):
        prediction.overlay()
    with pytest.raises(ConfigError, match=r"must end in \.png, \.npy, \.json"):
        prediction.save(tmp_path / "labels.jpg")
    assert {path.name for path in tmp_path.iterdir()} == {"classifier.safetensors", "top.csv"}


def test_a_prediction_prints_and_travels(dense_file: Path, picture: Pixels) -> None:
    prediction = load(dense_file).predict(picture)
    assert "Share of the pixels" in str(prediction)
    assert "<table>" in prediction._repr_html_()
    again = pickle.loads(pickle.dumps(prediction))
    np.testing.assert_array_equal(again.labels, prediction.labels)
    assert again.to_dict() == copy.deepcopy(prediction).to_dict()


def test_a_detector_finds_objects_and_is_refused_where_labels_are_wanted() -> None:
    predictor = load("Nuclei")
    assert predictor.task == "detection"
    image = sample_images()[2]
    found = predictor.predict(image)
    assert found.counts()["nucleus"] == len(found.objects) > 10
    best = found.objects[0]
    assert best.score > 0.9
    assert best.mask is not None
    x, y, width, height = best.box
    rows, columns = np.nonzero(best.mask.pixels())
    assert abs(columns.mean() + 0.5 - x - width / 2) < 3
    assert abs(rows.mean() + 0.5 - y - height / 2) < 3
    with pytest.raises(ConfigError, match="threads 7: a loaded model has its own: give them to `load`"):
        convneur.inference.predict_folder(SAMPLES, weights=load("photos"), threads=7)
    with pytest.raises(ConfigError, match="threads: is not for nuclei, a detector"):
        load("nuclei", threads=1)  # type: ignore[call-overload]
    with pytest.raises(InputError, match="holds a detector"):
        load_predictor("nuclei")
    assert load_checkpoint("nuclei").model.config.head == "none"
