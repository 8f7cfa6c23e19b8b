"""Files as comparable label maps: ids, colours, sizes."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convneur.data.colours import ColourTable
from convneur.data.labels import resized
from convneur.data.pairs import Pair
from convneur.data.presets import PRESETS
from convneur.data.reading import Reading
from convneur.errors import ConfigError, InputError


def saved(path: Path, labels: object, dtype: type = np.uint8) -> Path:
    Image.fromarray(np.array(labels, dtype)).save(path)
    return path


def test_stored_ids_become_classes_by_the_name_of_the_file(tmp_path: Path) -> None:
    reading = Reading(255, PRESETS["cityscapes"])
    ids = saved(tmp_path / "x_gtFine_labelIds.png", [[7, 33, 0]])
    classes = saved(tmp_path / "x_gtFine_labelTrainIds.png", [[0, 18, 255]])
    np.testing.assert_array_equal(reading.ground_truth(ids), [[0, 18, 255]])
    np.testing.assert_array_equal(reading.ground_truth(classes), [[0, 18, 255]])
    np.testing.assert_array_equal(reading.prediction(ids), [[0, 18, 255]])
    np.testing.assert_array_equal(reading.prediction(saved(tmp_path / "x_leftImg8bit.png", [[7, 18, 3]])), [[7, 18, 3]])


def test_ids_of_ade20k_and_an_ignore_label_of_ones_own(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", [[0, 1, 150]])
    for ignored in (255, 200, -1, 1000):
        reading = Reading(ignored, PRESETS["ade20k"])
        np.testing.assert_array_equal(reading.ground_truth(path), [[ignored, 0, 149]])
        np.testing.assert_array_equal(reading.prediction(path), [[0, 1, 150]])
    wide = saved(tmp_path / "wide.png", [[0, 1, 150]], np.uint16)
    np.testing.assert_array_equal(Reading(255, PRESETS["ade20k"]).ground_truth(wide), [[255, 0, 149]])


@pytest.mark.parametrize(("label", "dtype", "said"), [(151, np.uint8, "151"), (7000, np.uint16, "above 255")])
def test_an_unknown_id_is_named(label: int, dtype: type, said: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", [[0, 1, label, label]], dtype)
    with pytest.raises(InputError, match=rf"x\.png: label {said}.* \(50\.00% of the pixels\)"):
        Reading(255, PRESETS["ade20k"]).ground_truth(path)


def test_an_unknown_id_of_a_prediction_is_wrong_but_no_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "x_gtFine_labelIds.png", [[7, 77]])
    np.testing.assert_array_equal(Reading(255, PRESETS["cityscapes"]).prediction(path), [[0, 255]])


def test_what_is_ignored_needs_a_label() -> None:
    for preset, colours in ((PRESETS["ade20k"], None), (None, PRESETS["voc"].colours)):
        with pytest.raises(ConfigError, match="ignore_index none"):
            Reading(None, preset, colours)
    Reading(None, PRESETS["voc"])  # colours that nobody may need


def test_colours_of_the_table_or_of_the_data_set(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", [[(0, 0, 0), (128, 0, 0), (224, 224, 192)]])
    np.testing.assert_array_equal(Reading(255, PRESETS["voc"]).ground_truth(path), [[0, 1, 255]])
    own = ColourTable(("a", "b"), {(128, 0, 0): 0, (0, 0, 0): 1, (224, 224, 192): 1})
    np.testing.assert_array_equal(Reading(255, PRESETS["voc"], own).prediction(path), [[1, 0, 1]])
    opaque = saved(tmp_path / "rgba.png", [[(0, 0, 0, 255), (128, 0, 0, 255)]])
    np.testing.assert_array_equal(Reading(255, None, own).ground_truth(opaque), [[1, 0]])
    with pytest.raises(InputError, match=r"x\.png: colour 128 0 0 at row 0, column 1"):
        Reading(255, None, ColourTable(("a",), {(0, 0, 0): 0})).ground_truth(path)
    with pytest.raises(InputError, match=r"x\.png: holds colours \(RGB\), not class ids; .*`colours`"):
        Reading(255, PRESETS["ade20k"]).ground_truth(path)
    clear = saved(tmp_path / "clear.png", [[(0, 0, 0, 9)]])
    with pytest.raises(InputError, match=r"holds colours \(RGBA\)"):
        Reading(255, None, own).ground_truth(clear)


def test_grey_maps_are_read_as_they_are_beside_a_colour_table(tmp_path: Path) -> None:
    own = ColourTable(("a",), {(0, 0, 0): 0})
    np.testing.assert_array_equal(Reading(255, None, own).ground_truth(saved(tmp_path / "x.png", [[0, 3]])), [[0, 3]])


def test_predictions_are_resized_on_request_only(tmp_path: Path) -> None:
    pair = Pair("x", saved(tmp_path / "p.png", [[1, 2]]), saved(tmp_path / "g.png", [[1] * 4] * 2))
    pred, gt, was = Reading(resize=True).pair(pair)
    assert was
    np.testing.assert_array_equal(pred, [[1, 1, 2, 2]] * 2)
    assert gt.shape == (2, 4)
    pred, gt, was = Reading().pair(pair)
    assert (pred.shape, was) == ((1, 2), False)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_nearest_takes_the_pixel_under_the_centre(height: int, width: int, new_height: int, new_width: int) -> None:
    labels = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    rows = [int((i + Fraction(1, 2)) * height / new_height) for i in range(new_height)]
    columns = [int((j + Fraction(1, 2)) * width / new_width) for j in range(new_width)]
    expected = [[labels[i, j] for j in columns] for i in rows]
    np.testing.assert_array_equal(resized(labels, (new_height, new_width)), expected)


@pytest.mark.parametrize("shape", [(37, 50), (20, 131), (74, 100), (9, 7)])
def test_nearest_is_as_pillow_has_it(shape: tuple[int, int]) -> None:
    """Where no centre lies on the edge between two pixels: there Pillow's rounding decides."""
    labels = np.random.default_rng(0).integers(0, 200, (37, 50), dtype=np.uint8)
    theirs = Image.fromarray(labels).resize(shape[::-1], Image.Resampling.NEAREST)
    np.testing.assert_array_equal(resized(labels, shape), np.asarray(theirs))


def test_borders_everywhere_are_refused_where_they_would_fill_memory(tmp_path: Path) -> None:
    chequered = np.indices((32, 32)).sum(0) % 2
    halves = np.repeat([[0, 1]], 32, axis=0).repeat(16, axis=1)
    for labels, limit, says in ((chequered, 1024, "1984 changes of class .* more than 128"), (halves, 1024, None),
                                (chequered, 8192, None)):  # fmt: skip
        pair = Pair("a", saved(tmp_path / "p.png", labels.tolist()), saved(tmp_path / "g.png", labels.tolist()))
        if says is None:
            Reading(max_pixels=limit).pair(pair)
            continue
        with pytest.raises(InputError, match=rf"p\.png: {says}, as noise has them; raise `max_pixels`"):
            Reading(max_pixels=limit).pair(pair)
