"""What of a file is object, and which mask is a photo's."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from convneur.data.masks import MaskFolder, as_mask, is_soft, looks_inverted, read_mask, soft_levels
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


@pytest.mark.parametrize("name", ["mask.npy", "mask.npz", "mask.tif"])
def test_floats_in_a_file_are_shares(tmp_path: Path, name: str) -> None:
    shares = np.array([[0, 0.25, 1], [0.5, 0, 1]], np.float32)
    path = floats(tmp_path / name, shares)
    np.testing.assert_array_equal(read_mask(path), shares)
    for values, mend in ((shares * 255, r"mask / 255"), (np.array([[0, 7.0]], np.float32), r"mask\.astype\(int\)")):
        with pytest.raises(InputError, match=rf"{name}: floats that are no shares; .*{mend}"):
            read_mask(floats(path, values))


def floats(path: Path, values: NDArray[np.float32]) -> Path:
    if path.suffix == ".tif":
        Image.fromarray(values).save(path)
    else:
        (np.save if path.suffix == ".npy" else np.savez)(path, values)
    return path


def ellipse(fill: int = 255) -> Image.Image:
    image = Image.new("L", (160, 120))
    ImageDraw.Draw(image).ellipse((40, 20, 110, 100), fill=fill)
    return image


def compressed(image: Image.Image, quality: int) -> Image.Image:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=quality)
    return Image.open(packed)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((80, 60), Image.Resampling.BILINEAR),
        lambda image: image.resize((480, 360), Image.Resampling.LANCZOS),
        lambda image: image.filter(ImageFilter.GaussianBlur(1)),
        lambda image: image.filter(ImageFilter.GaussianBlur(12)),
        lambda image: compressed(image, 92),
        lambda image: compressed(image, 40),
        lambda image: compressed(image, 10),
        lambda image: image.resize((10, 8), Image.Resampling.BILINEAR).resize((160, 120), Image.Resampling.BICUBIC),
    ],
    ids=["halved", "enlarged", "blurred", "soft", "jpeg 92", "jpeg 40", "jpeg 10", "probabilities"],
)
def test_grey_levels_are_shares(tmp_path: Path, change: Any) -> None:
    hard = np.asarray(ellipse()) / 255
    image = change(ellipse())
    image.save(tmp_path / "soft.png")
    mask = read_mask(tmp_path / "soft.png")
    assert is_soft(mask)
    assert mask.min() >= 0  # nothing is void
    assert mask.mean() == pytest.approx(hard.mean(), abs=0.01)
    np.testing.assert_allclose(mask, np.asarray(image) / 255, atol=1e-6)


@pytest.mark.parametrize("full", [153, 90])
@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((80, 60), Image.Resampling.BILINEAR),
        lambda image: image.resize((480, 360), Image.Resampling.BICUBIC),
        lambda image: image.filter(ImageFilter.GaussianBlur(1)),
        lambda image: image.filter(ImageFilter.GaussianBlur(4)),
    ],
    ids=["halved", "enlarged", "blurred", "soft"],
)
def test_the_object_of_a_soft_mask_may_be_dimmer_than_white(change: Any, full: int) -> None:
    soft = np.asarray(change(ellipse(full)))
    assert soft_levels(soft) == full
    assert as_mask(soft).mean() == pytest.approx((np.asarray(ellipse()) > 0).mean(), abs=0.01)
    assert as_mask(soft).max() == 1


def test_class_maps_are_no_grey_levels() -> None:
    instances = np.zeros((300, 300), np.uint16)
    for number in range(225):
        row, column = divmod(number, 15)
        instances[20 * row : 20 * row + 17, 20 * column : 20 * column + 17] = number + 1
    voc = np.asarray(ellipse(15)).copy()
    voc[np.asarray(ellipse(255).filter(ImageFilter.MaxFilter(5))) != np.asarray(ellipse(255))] = 255
    thin = np.zeros((60, 60), np.uint8)
    thin[::7] = 3
    thin[30:, 30:] = 255
    many = np.arange(150, dtype=np.uint8).reshape(10, 15).repeat(12, 0).repeat(12, 1)
    many[:3] = 255
    specks = np.zeros((300, 300), np.uint8)
    for number in range(120):
        specks[5 * (number // 12) : 5 * (number // 12) + 2, 5 * (number % 12) : 5 * (number % 12) + 2] = number + 1
    specks[100:200, 100:200] = 60
    for labels in (instances, instances.astype(np.uint8), voc, thin, many, specks, np.asarray(ellipse(200))):
        assert soft_levels(labels) is None
    np.testing.assert_array_equal(np.unique(as_mask(voc)), [-1, 0, 1])


def test_a_trimap_is_object_background_and_unknown() -> None:
    trimap = np.asarray(ellipse(255)).copy()
    trimap[np.asarray(ellipse(255).filter(ImageFilter.MaxFilter(9))) != trimap] = 128
    mask = as_mask(trimap)
    np.testing.assert_array_equal(mask == 1, trimap == 255)
    np.testing.assert_array_equal(mask == -1, trimap == 128)


def test_floats_are_shares() -> None:
    np.testing.assert_allclose(as_mask(np.array([[0, 0.25, 1]])), [[0, 0.25, 1]])
    for wrong in (2.0, -0.1, np.nan):
        with pytest.raises(InputError, match="no shares"):
            as_mask(np.array([[0, wrong]]))


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


def test_only_an_inverted_mask_of_one_object_looks_so() -> None:
    y, x = np.mgrid[:60, :80]
    disk = np.hypot(y - 30, x - 35) < 15
    mask = np.where(disk, 255, 0).astype(np.uint8)
    soft = np.clip((np.hypot(y - 30, x - 35) - 15) * 100, 0, 255).astype(np.uint8)
    classes = np.where(disk, 0, 1 + (x > 40)).astype(np.uint8)  # 0: a spot that nobody labelled
    at_the_border = np.where(np.roll(disk, 30, axis=0), 0, 255).astype(np.uint8)
    two = np.where(np.hypot(y - 30, np.abs(x - 40) - 25) < 8, 0, 255).astype(np.uint8)
    assert [looks_inverted(each) for each in (255 - mask, soft, disk == 0)] == [True] * 3
    for each in (mask, 255 - soft, classes, at_the_border, two, np.full((9, 9), 255, np.uint8)):
        assert not looks_inverted(each)
