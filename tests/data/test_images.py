"""Photos of every mode and depth, and files that are none."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convneur.data.images import MEAN, STD, normalise, read_photo
from convneur.errors import InputError


def scene(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Colours that change along both axes, so that a turned or mirrored copy differs."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2).astype(np.uint8)


def native(path: Path) -> NDArray[np.uint8]:
    return read_photo(path, long_side=None).pixels


def test_rgb_comes_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png", long_side=None)
    np.testing.assert_array_equal(photo.pixels, scene())
    assert photo.pixels.dtype == np.uint8
    assert (photo.height, photo.width) == (48, 64)


@pytest.mark.parametrize(
    ("shape", "long_side", "expected"),
    [
        ((300, 451), 512, (341, 512)),
        ((64, 32), 128, (128, 64)),
        ((600, 1200), 300, (150, 300)),
        ((50, 50), 50, (50, 50)),
    ],
)
def test_the_long_side_is_scaled_up_and_down(
    tmp_path: Path, shape: tuple[int, int], long_side: int, expected: tuple[int, int]
) -> None:
    Image.fromarray(scene(*shape)).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png", long_side=long_side)
    assert photo.pixels.shape == (*expected, 3)
    assert (photo.height, photo.width) == shape


def test_scaling_down_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    pixels = read_photo(tmp_path / "a.png", long_side=64).pixels[8:-8, 8:-8]
    assert abs(pixels.astype(float) - 127.5).max() < 3


@pytest.mark.parametrize("tag", range(1, 9))
def test_every_exif_orientation_comes_upright(tmp_path: Path, tag: int) -> None:
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[tag](scene())
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    photo = read_photo(tmp_path / "a.png", long_side=None)
    np.testing.assert_array_equal(photo.pixels, scene())
    assert (photo.height, photo.width) == (48, 64)


def test_grey_and_bilevel(tmp_path: Path) -> None:
    grey = scene()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(native(tmp_path / "grey.png"), grey[..., None].repeat(3, axis=2))
    Image.fromarray(grey > 100).save(tmp_path / "two.png")
    np.testing.assert_array_equal(native(tmp_path / "two.png")[..., 1], np.where(grey > 100, 255, 0))


def test_palette(tmp_path: Path) -> None:
    image = Image.fromarray(scene()).quantize(16)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(native(tmp_path / "a.png"), np.asarray(image.convert("RGB")))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.dstack([scene(), np.zeros((48, 64), np.uint8)])
    rgba[:, 32:, 3] = 255
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    pixels = native(tmp_path / "rgba.png")
    assert (pixels[:, :32] == 255).all()
    np.testing.assert_array_equal(pixels[:, 32:], scene()[:, 32:])

    Image.fromarray(rgba).convert("LA").save(tmp_path / "la.png")
    assert (native(tmp_path / "la.png")[:, :32] == 255).all()

    palette = Image.fromarray(scene()).quantize(8)
    first = np.asarray(palette) == 0
    palette.save(tmp_path / "p.png", transparency=0)
    assert (native(tmp_path / "p.png")[first] == 255).all()
    palette.save(tmp_path / "p2.png", transparency=bytes([0] + [255] * 7))
    assert (native(tmp_path / "p2.png")[first] == 255).all()


def test_sixteen_bits_keep_their_upper_eight(tmp_path: Path) -> None:
    deep = (np.arange(48 * 64).reshape(48, 64) * 21).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    Image.fromarray(deep).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(native(tmp_path / name)[..., 0], deep >> 8)


def test_cmyk(tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert abs(native(tmp_path / "a.jpg").astype(int) - scene()).mean() < 10


def test_normalise() -> None:
    x = normalise(scene())
    assert x.shape == (3, 48, 64)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[1, 5, 7], (scene()[5, 7, 1] / 255 - MEAN[1]) / STD[1], rtol=1e-6)


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene(200, 300)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.jpg", b"not a photo at all", "not an image"),
        ("empty.png", b"", "not an image"),
        ("cut.jpg", jpeg()[:2000], "damaged or cut short"),
    ],
)
def test_files_that_are_no_photos(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as raised:
        read_photo(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)


def test_every_cut_of_a_png_is_one_kind_of_error(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    for length in range(0, len(whole) - 13, 97):
        (tmp_path / "cut.png").write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_photo(tmp_path / "cut.png")


def test_values_without_a_scale_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((40, 40), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(InputError, match="floating-point"):
        read_photo(tmp_path / "float.tif")
    Image.fromarray(np.full((40, 40), 70000, np.int32)).save(tmp_path / "int.tif")
    with pytest.raises(InputError, match="32-bit"):
        read_photo(tmp_path / "int.tif")


def test_folder_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_photo(tmp_path)


@pytest.mark.parametrize("shape", [(1, 1), (20, 20), (20, 400)])
def test_too_few_pixels_in_the_file(tmp_path: Path, shape: tuple[int, int]) -> None:
    Image.fromarray(scene(*shape)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=rf"{shape[0]}x{shape[1]} pixels .* below 32x32"):
        read_photo(tmp_path / "a.png", min_side=32)


def test_too_few_pixels_after_scaling(tmp_path: Path) -> None:
    Image.fromarray(scene(40, 2000)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="leaves 10 on the short one"):
        read_photo(tmp_path / "a.png", min_side=32)
    Image.fromarray(np.zeros((2, 30000, 3), np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="below"):
        read_photo(tmp_path / "b.png")


def test_more_pixels_than_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    Image.fromarray(scene(48, 64)).save(tmp_path / "large.png")  # above the limit: Pillow only warns
    assert native(tmp_path / "large.png").shape == (48, 64, 3)
    Image.fromarray(scene(96, 64)).save(tmp_path / "huge.png")  # above twice the limit
    with pytest.raises(InputError, match="too many pixels"):
        read_photo(tmp_path / "huge.png")
