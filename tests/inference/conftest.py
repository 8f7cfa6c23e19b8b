"""Small models with weights on disk, and images."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convneur.checkpoints import save_checkpoint
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

Saver = Callable[[str, ConvNeurConfig, Mapping[str, Any]], Path]


@pytest.fixture
def about() -> dict[str, Any]:
    """What `train` says of its weights, as far as it matters here."""
    return {
        "classes": ["sky", "road", "car"],
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.25, 0.3],
        "preset": None,
        "settings": {"crop": [64, 96], "eval_scale": 0.5},
    }


@pytest.fixture
def tiny() -> ConvNeurConfig:
    return ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunk_length=8, num_classes=3)


@pytest.fixture
def saved(tmp_path: Path) -> Saver:
    """Save a model of random weights under a name, with what is said of them; gives the file."""

    def save(name: str, config: ConvNeurConfig, about: Mapping[str, Any]) -> Path:
        torch.manual_seed(0)
        model = ConvNeur(config)
        with torch.no_grad():  # as it starts, a head says the same class everywhere
            for parameter in model.head.parameters():
                parameter.normal_(0, 0.5)
        path = tmp_path / f"{name}.safetensors"
        save_checkpoint(model, path, provenance=about)
        return path

    return save


@pytest.fixture
def dense_file(saved: Saver, tiny: ConvNeurConfig, about: dict[str, Any]) -> Path:
    """A segmentation model's weights."""
    return saved("dense", tiny.replace(head="light-fpn"), about)


@pytest.fixture
def classifier_file(saved: Saver, tiny: ConvNeurConfig, about: dict[str, Any]) -> Path:
    return saved("classifier", tiny, about)


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (70, 101, 3), dtype=np.uint8)
