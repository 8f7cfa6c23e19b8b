"""What every test relies on."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from threads, and on a busy machine threads that wait for each other cost minutes."""
    torch.set_num_threads(1)
