"""Photos of every mode and depth, and files that are none."""

import io
import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from tifffile import imwrite

from convneur.data.images import MEAN, STD, normalise, read_photo
from convneur.data.labels import read_label_map
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


def test_more_pixels_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is the reader's own: Pillow's, which belongs to the whole process, neither warns nor refuses."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    Image.fromarray(scene(48, 64)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="48x64 pixels, more than 3071; cut it into tiles, or raise `max_pixels`"):
        read_photo(tmp_path / "a.png", max_pixels=3071)
    assert read_photo(tmp_path / "a.png", max_pixels=3072, long_side=None).pixels.shape == (48, 64, 3)
    assert Image.MAX_IMAGE_PIXELS == 20


SAVED = ("a.jpg", "a.png", "a.tif", "a.webp", "a.avif", "a.bmp", "a.gif", "a.jp2", "a.ppm", "a.tga")


@pytest.mark.parametrize("name", SAVED)
def test_every_format_that_is_promised(name: str, tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / name)
    assert abs(native(tmp_path / name).astype(int) - scene()).mean() < 12


def postscript() -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("kind", ["eps", "pdf", "ico", "pcx", "sgi", "tga", "dds", "xbm", "fits", "psd"])
def test_other_formats_are_not_tried_whatever_the_suffix(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow would read most of them, and hand PostScript to Ghostscript, another program."""

    def start(*_: object, **__: object) -> None:
        pytest.fail("a program was started")

    monkeypatch.setattr(subprocess, "Popen", start)
    path = tmp_path / "cat.jpg"
    content = {"eps": postscript(), "fits": b"SIMPLE  =                    T".ljust(2880), "psd": b"8BPS\0\1".ljust(99)}
    if kind in content:
        path.write_bytes(content[kind])
    else:
        Image.fromarray(scene()[..., 0]).convert("1" if kind == "xbm" else "L").save(path, kind)
    with pytest.raises(InputError, match="not an image that can be read; give a JPEG, PNG, TIFF, WebP, AVIF"):
        read_photo(path)


def test_a_postscript_that_the_caller_opened_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / "cat.eps").write_bytes(postscript())
    with (
        Image.open(tmp_path / "cat.eps") as image,
        pytest.raises(InputError, match="an image of the format EPS; save it as PNG"),
    ):
        read_photo(image)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.avif", "a.tif"])
def test_of_several_frames_the_first_is_read_and_said(name: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((40, 50, 3), value, np.uint8)) for value in (10, 120, 240)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    photo = read_photo(tmp_path / name)
    assert photo.notes == ("frame 1 of 3 read, 2 left out",)
    assert abs(photo.pixels.astype(int) - 10).max() < 4
    frames[0].save(tmp_path / name)
    assert read_photo(tmp_path / name).notes == ()


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_fewer_bits_in_sixteen_are_scaled_and_said(bits: int, suffix: str, tmp_path: Path) -> None:
    deep = (np.arange(48 * 64).reshape(48, 64) % (1 << bits)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{suffix}")
    photo = read_photo(tmp_path / f"a.{suffix}", long_side=None)
    np.testing.assert_array_equal(photo.pixels[..., 0], deep >> (bits - 8))
    assert photo.notes == (f"16-bit values below {1 << bits} read as {bits} bits",)


def test_dark_colours_of_sixteen_bits_are_said(tmp_path: Path) -> None:
    imwrite(tmp_path / "a.tif", scene().astype(np.uint16) * 16, photometric="rgb")
    (note,) = read_photo(tmp_path / "a.tif").notes
    assert note == "16-bit colours below 4096 read as nearly black; save them with 8 bits"
    imwrite(tmp_path / "a.tif", scene().astype(np.uint16) * 256, photometric="rgb")
    assert read_photo(tmp_path / "a.tif").notes == ()


@pytest.mark.parametrize(
    ("shape", "dtype", "photometric", "says"),
    [
        (
            (40, 50, 5),
            np.uint16,
            "minisblack",
            "holds 5 bands of uint16, which cannot be shown; save grey or RGB",
        ),
        ((40, 50), np.int64, "minisblack", "holds 1 band of int64"),
    ],
)
def test_bands_that_are_no_image_are_named(
    shape: tuple[int, ...], dtype: type, photometric: str, says: str, tmp_path: Path
) -> None:
    imwrite(tmp_path / "a.tif", np.ones(shape, dtype), photometric=photometric, planarconfig="contig")
    with pytest.raises(InputError, match=says):
        read_photo(tmp_path / "a.tif")


def test_bands_beyond_the_third_are_said(tmp_path: Path) -> None:
    five = np.dstack([scene(), scene()[..., :2]])
    imwrite(tmp_path / "a.tif", five, photometric="rgb", extrasamples=[0, 0])
    photo = read_photo(tmp_path / "a.tif", long_side=None)
    np.testing.assert_array_equal(photo.pixels, scene())
    assert photo.notes == ("the first 3 of 5 bands read as RGB",)


def wide_gamut() -> bytes:
    """Display P3, as telephones write it: LittleCMS makes a profile of any primaries, Pillow of sRGB alone."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    columns = {
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    (count,) = struct.unpack_from(">I", profile, 128)
    for place in range(132, 132 + 12 * count, 12):
        name, offset, _ = struct.unpack_from(">4sII", profile, place)
        if name in columns:
            struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in columns[name]))
    return bytes(profile)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
def test_colours_of_a_wide_profile_become_srgb(name: str, tmp_path: Path) -> None:
    """In Display P3 sRGB's pure red is (234, 51, 35), a known pair of values."""
    image = Image.new("RGB", (40, 40), (234, 51, 35))
    image.save(tmp_path / name, icc_profile=wide_gamut())
    photo = read_photo(tmp_path / name)
    assert abs(photo.pixels.astype(int) - (255, 0, 0)).max() <= 3
    assert photo.notes == ()


def test_a_profile_that_says_srgb_changes_nothing(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(scene()).save(tmp_path / "a.png", icc_profile=srgb)
    np.testing.assert_array_equal(native(tmp_path / "a.png"), scene())


@pytest.mark.parametrize("profile", [b"no profile at all", wide_gamut()[:200]])
def test_a_profile_that_cannot_be_used_is_said(profile: bytes, tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png", icc_profile=profile)
    photo = read_photo(tmp_path / "a.png", long_side=None)
    np.testing.assert_array_equal(photo.pixels, scene())
    assert photo.notes == ("its colour profile cannot be used, colours read as sRGB",)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match="is no file but a pipe or a device"):
        read_photo(tmp_path / "a.png")
    with pytest.raises(InputError, match="is no file but a pipe or a device"):
        read_label_map(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("mode", "levels", "said"),
    [("L", 12, True), ("P", 12, True), ("L", 1, False), ("L", 40, False), ("L", 256, False), ("RGB", 12, False)],
)
def test_a_label_map_among_images_is_noted(tmp_path: Path, mode: str, levels: int, said: bool) -> None:
    values = (np.arange(64 * 64) % levels).astype(np.uint8).reshape(64, 64)
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette(bytes(range(256)) * 3)
    (image.convert("RGB") if mode == "RGB" else image).save(tmp_path / "a.png")
    assert any("looks like a label map" in note for note in read_photo(tmp_path / "a.png").notes) == said


def test_a_mask_of_black_and_white_is_an_image_like_others(tmp_path: Path) -> None:
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").notes == ()
