"""What the metric tests share: the cases that other tools have scored, and made-up label maps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import ndimage

CASES = Path(__file__).parent / "cases"

LabelMap = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def oracles() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CASES / "oracles.json").read_text(encoding="utf-8"))
    return loaded["cases"]


@pytest.fixture(scope="session")
def case_maps() -> Callable[[str], tuple[LabelMap, LabelMap]]:
    """name -> prediction, ground truth."""

    def load(name: str) -> tuple[LabelMap, LabelMap]:
        return tuple(np.asarray(Image.open(CASES / side / f"{name}.png")) for side in ("pred", "gt"))

    return load


@pytest.fixture(scope="session")
def blobs() -> Callable[..., tuple[LabelMap, LabelMap]]:
    """Prediction and ground truth: smooth regions, and what is displaced, speckled and partly wrong of them."""

    def make(seed: int, height: int = 60, width: int = 83, classes: int = 5) -> tuple[LabelMap, LabelMap]:
        random = np.random.default_rng(seed)
        noise = ndimage.gaussian_filter(random.standard_normal((classes, height, width)), (0, 6, 6))
        gt = noise.argmax(axis=0).astype(np.uint8)
        pred = np.roll(gt, random.integers(-3, 4, 2), (0, 1))
        y, x = random.integers(0, height - 8), random.integers(0, width - 8)
        pred[y : y + 8, x : x + 6] = random.integers(classes)
        gt[:3, : width // 2] = 255
        return pred, gt

    return make
