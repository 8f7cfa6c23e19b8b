"""A small data set: label maps of five images, two models' predictions of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

NAMES = ("a", "b", "city/c", "city/d", "e")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with gt, pred and other; three classes and an ignored edge."""
    monkeypatch.chdir(tmp_path)
    for folder in ("gt", "pred", "other"):
        (tmp_path / folder / "city").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        random = np.random.default_rng(number)
        noise = ndimage.gaussian_filter(random.standard_normal((3, 40 + number, 62 - 3 * number)), (0, 5, 5))
        gt = noise.argmax(axis=0).astype(np.uint8)
        maps = {"gt": gt.copy(), "pred": np.roll(gt, number - 1, 1), "other": np.roll(gt, 2, 0)}
        maps["gt"][:2] = 255
        for folder, labels in maps.items():
            Image.fromarray(labels).save(tmp_path / folder / f"{name}.png")
    return tmp_path
