"""Probability maps: what files hold them, and the label maps that they become."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.data.probabilities import read_probabilities, thresholded
from convneur.errors import InputError


def test_floats_and_grey_png_of_8_and_16_bits(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (7, 9)).astype(np.uint16)
    for kind in (np.float16, np.float32, np.float64):
        wanted = (values / 65535).astype(kind)
        np.save(tmp_path / "a.npy", wanted)
        np.savez_compressed(tmp_path / "a.npz", p=wanted)
        for name in ("a.npy", "a.npz"):
            found = read_probabilities(tmp_path / name)
            assert found.dtype == kind
            assert np.array_equal(found, wanted)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.array_equal(read_probabilities(tmp_path / "a.png"), values / 65535)
    Image.fromarray((values // 257).astype(np.uint8)).save(tmp_path / "a.png")
    assert np.array_equal(read_probabilities(tmp_path / "a.png"), values // 257 / 255)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_a_probability_equal_to_the_threshold_is_in(kind: Any, threshold: float) -> None:
    limit = kind(threshold)
    values = np.array([[np.nextafter(limit, kind(-1)), limit, np.nextafter(limit, kind(2))]])
    assert thresholded("a.npy", values, threshold).tolist() == [[0, 1, 1]]


def test_the_highest_class_and_the_lowest_of_equals() -> None:
    values = np.random.default_rng(0).integers(0, 4, (5, 6, 7)) / 4
    found = thresholded("a.npy", values)
    assert found.dtype == np.uint8
    for y, x in np.ndindex(6, 7):
        column = values[:, y, x].tolist()
        assert found[y, x] == column.index(max(column))
    with pytest.raises(InputError, match=r"a.npy: holds 5 classes, of which the highest counts; leave `threshold` out"):
        thresholded("a.npy", values, 0.5)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.array([[0.5, np.nan]]), "holds NaN, and probabilities are from 0 to 1"),
        (np.array([[0.5, 1.5]]), "holds 1.5, and"),
        (np.array([[-0.25, 1.5]]), "holds -0.25, and"),
        (np.array([[0.5, np.inf]]), "holds inf, and"),
        (np.zeros((3, 4), np.uint8), "holds uint8, not probabilities; write floats from 0 to 1"),
        (np.zeros((3,)), "is 3; probabilities are (height, width), or (classes, height, width)"),
        (np.zeros((1, 30, 40)), "is 1x30x40; of one class remove the axis of length 1"),
        (np.zeros((30, 40, 3)), "is 30x40x3; classes come first: move them (moveaxis(2, 0))"),
        (np.zeros((0, 4)), "has no pixels"),
        (np.zeros((300, 400)), "300x400 pixels, more than 10000"),
        (np.zeros((7, 80, 90)), "560x90 pixels, more than 40000"),
    ],
)
def test_arrays_that_are_none(values: Any, why: str, tmp_path: Path) -> None:
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, values)
        with pytest.raises(InputError) as error:
            read_probabilities(tmp_path / name, max_pixels=10_000)
        assert str(error.value).startswith(f"{tmp_path / name}: ")
        assert why in str(error.value)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "LA"])
def test_images_that_are_none(mode: str, tmp_path: Path) -> None:
    Image.new(mode, (4, 5)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="write grey PNG of 8 or 16 bits"):
        read_probabilities(tmp_path / "a.png")


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged or cut short"):
        read_probabilities(tmp_path / "a.npy")
    with pytest.raises(InputError, match="give NPY or NPZ of floats, or grey PNG"):
        read_probabilities(tmp_path / "a.tif")
    with pytest.raises(InputError, match="no such file"):
        read_probabilities(tmp_path / "none.png")
