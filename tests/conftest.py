"""What every test relies on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convneur.variants import ConvNeurConfig

RECIPE = {
    "epochs": 4, "batch": 4, "accumulate": 1, "crop": [32, 32], "scale": [0.5, 1.0], "eval_scale": 1.0, "flip": 0.5,
    "colour": {"value": 0.2, "source": "a test"}, "rand_augment": 0.0, "erase": 0.0, "mixup": 0.0, "cutmix": 0.0,
    "label_smoothing": 0.0, "class_weights": "sqrt", "drop_path": 0.1, "lr": 0.01, "backbone_lr": 1.0,
    "weight_decay": 0.05, "warmup": 0.1, "min_lr": 0.0, "clip": 1.0, "ema": 0.9,
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from threads, and on a busy machine threads that wait for each other cost minutes."""
    torch.set_num_threads(1)


@pytest.fixture
def tiny() -> ConvNeurConfig:
    """A net that learns in seconds."""
    return ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunk_length=8)


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: ConvNeurConfig) -> Callable[..., Path]:
    """Go to a folder with what is needed to train: tiny.json, quick.json, seg/ and cls/.

    seg/ are bright boxes on dark ground with a void edge, cls/ dark and light photos. counts: photos by split; net,
    recipe: what is not `tiny`'s or `RECIPE`'s.
    """

    def make(
        counts: Mapping[str, int],
        *,
        size: tuple[int, int] = (40, 48),
        net: Mapping[str, Any] | None = None,
        recipe: Mapping[str, Any] | None = None,
    ) -> Path:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "tiny.json").write_text(json.dumps(tiny.replace(**(net or {})).to_dict()))
        (tmp_path / "quick.json").write_text(json.dumps({**RECIPE, **(recipe or {})}))
        random = np.random.default_rng(0)
        height, width = size
        for split, count in counts.items():
            for number in range(count):
                labels = np.zeros(size, np.uint8)
                labels[height // 4 : 3 * height // 4, width // 6 + number : 5 * width // 6] = 1
                labels[:4] = 255
                photo = random.integers(0, 60, (*size, 3)) + 150 * (labels[..., None] == 1)
                _write(tmp_path / "seg" / "images" / split / f"{number}.jpg", photo)
                _write(tmp_path / "seg" / "masks" / split / f"{number}.png", labels)
                light = number % 2
                photo = random.integers(0, 60, (*size, 3)) + 180 * light
                _write(tmp_path / "cls" / split / ("dark", "light")[light] / f"{number}.png", photo)
        return tmp_path

    return make


def _write(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
