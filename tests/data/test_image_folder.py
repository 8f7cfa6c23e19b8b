"""Which image belongs to a pair, and which colours a label map brings along."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convneur.data.image_folder import ImageFolder
from convneur.data.palettes import palette_of
from convneur.errors import InputError


def test_images_are_found_by_path_then_by_name(tmp_path: Path) -> None:
    for name in ("a/one.jpg", "b/one.jpg", "b/two.PNG", "deep/er/three_leftImg8bit.png", "notes.txt", "a/.one.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    images = ImageFolder(tmp_path)
    assert images.find("a/one") == tmp_path / "a" / "one.jpg"
    assert images.find("one") is None  # two have that name
    assert images.find("two") == tmp_path / "b" / "two.PNG"
    assert images.find("elsewhere/two") == tmp_path / "b" / "two.PNG"
    assert images.find("three") == tmp_path / "deep" / "er" / "three_leftImg8bit.png"
    assert images.find("notes") is None


def test_a_folder_without_a_photo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(InputError, match="no image in it"):
        ImageFolder(tmp_path)


def test_only_palette_images_have_a_palette(tmp_path: Path) -> None:
    labels = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    labels.save(tmp_path / "grey.png")
    labels.putpalette([1, 2, 3, 40, 50, 60, 255, 0, 7])
    labels.save(tmp_path / "palette.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    np.save(tmp_path / "array.npy", np.zeros((2, 2)))
    assert (palette_of(tmp_path / "palette.png") or ())[:3] == ((1, 2, 3), (40, 50, 60), (255, 0, 7))
    for name in ("grey.png", "broken.png", "array.npy", "missing.png"):
        assert palette_of(tmp_path / name) is None
