"""A net small enough for hundreds of runs, and an image for it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convneur.gates.capture import untrained
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig


@pytest.fixture
def config() -> ConvNeurConfig:
    return ConvNeurConfig(dims=(8, 12, 16, 20), depths=(1, 2, 1, 1), mem_dim=8, num_classes=3, chunk_length=20)


@pytest.fixture
def net(config: ConvNeurConfig) -> ConvNeur:
    return untrained(config, seed=3)


@pytest.fixture
def image() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((3, 64, 96)).astype(np.float32)
