"""Graphs of small models, written once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convneur.exporting import ExportReport, export
from convneur.inference import Predictor
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

TINY = ConvNeurConfig(
    dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunks=2, read="final", num_classes=3, head="light-fpn"
)


def predictor(config: ConvNeurConfig, **about: Any) -> Predictor:
    """Random weights whose labels differ from place to place."""
    torch.manual_seed(0)
    model = ConvNeur(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    return Predictor(model, **about)


@pytest.fixture
def noisy() -> Any:
    return predictor


@pytest.fixture(scope="session")
def dense() -> Predictor:
    return predictor(
        TINY,
        name="dense",
        classes=("sky", "road", "car"),
        size=(64, 96),
        scale=0.5,
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.25, 0.3),
        palette=((1, 2, 3), (4, 5, 6), (7, 8, 9)),
        provenance={"seed": 1},
    )


@pytest.fixture(scope="session")
def exported(dense: Predictor, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    """dense.onnx, of one size, two images at once."""
    path = tmp_path_factory.mktemp("graphs") / "dense.onnx"
    return path, export(dense, path, size=(64, 96), batch=2)


@pytest.fixture(scope="session")
def any_size(dense: Predictor, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    """any.onnx, of any size, any number of images at once."""
    path = tmp_path_factory.mktemp("graphs") / "any.onnx"
    return path, export(dense, path)


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (150, 213, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def onnx_bytes(exported: tuple[Path, ExportReport]) -> bytes:
    return exported[0].read_bytes()
