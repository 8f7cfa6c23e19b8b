"""What of a file is object, and which mask is a photo's."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convneur.data.masks import MaskFolder, read_mask
from convneur.errors import InputError


def saved(path: Path, values: object, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(values, np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 1], [0, 1]], [[0, 1], [0, 1]]),
        ([[0, 255], [255, 255]], [[0, 1], [1, 1]]),  # binary: 255 is the object
        ([[0, 7], [255, 12]], [[0, 1], [-1, 1]]),  # a label map: 255 is void
        ([[0, 0], [0, 0]], [[0, 0], [0, 0]]),
        ([[255, 255], [255, 255]], [[1, 1], [1, 1]]),
    ],
)
def test_classes_are_object_and_255_is_void_unless_it_is_all_there_is(
    tmp_path: Path, values: list[list[int]], expected: list[list[int]]
) -> None:
    for path in (saved(tmp_path / "grey.png", values), tmp_path / "array.npy"):
        np.save(tmp_path / "array.npy", np.array(values, np.uint8))
        np.testing.assert_array_equal(read_mask(path), expected)


def test_one_bit_and_equal_channels_are_masks(tmp_path: Path) -> None:
    values = [[0, 255, 0], [255, 0, 0]]
    for mode in ("1", "RGB"):
        np.testing.assert_array_equal(read_mask(saved(tmp_path / "mask.png", values, mode)), [[0, 1, 0], [1, 0, 0]])


def test_colours_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 0] = 128, 0, 0
    with pytest.raises(InputError, match=r"mask\.png: holds colours, no mask"):
        read_mask(saved(tmp_path / "mask.png", colours))
    with pytest.raises(InputError, match="not a label map"):
        read_mask(saved(tmp_path / "mask.jpg", [[0, 255]]))


def test_masks_are_found_by_path_then_by_file_name(tmp_path: Path) -> None:
    for name in ("cat.png", "birds/owl.png", "birds/twin.png", "fish/twin.png"):
        saved(tmp_path / name, [[0, 1]])
    masks = MaskFolder(tmp_path)
    assert masks.find("cat") == tmp_path / "cat.png"
    assert masks.find("birds/twin") == tmp_path / "birds" / "twin.png"
    assert masks.find("other/owl") == tmp_path / "birds" / "owl.png"
    with pytest.raises(InputError, match="2 masks named twin"):
        masks.find("twin")
    with pytest.raises(InputError, match="no mask named dog"):
        masks.find("dog")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no label map in it"):
        MaskFolder(tmp_path / "empty")
