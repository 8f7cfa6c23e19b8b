"""torch.hub finds the variants in a checkout, installed or not."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import convneur

ROOT = Path(__file__).parents[1]


def test_variants_and_packaged_weights() -> None:
    for name in convneur.VARIANTS:
        assert torch.hub.load(str(ROOT), f"convneur_{name}", source="local").config == convneur.VARIANTS[name]
    model = torch.hub.load(str(ROOT), "convneur_m1", source="local", num_classes=7, chunks=4)
    assert model.config == convneur.VARIANTS["m1"].replace(num_classes=7, chunks=4)
    photos = torch.hub.load(str(ROOT), "convneur_m1", source="local", weights="photos")
    assert torch.equal(photos.stem[0].weight, convneur.load_checkpoint("photos").model.stem[0].weight)
    with pytest.raises(convneur.InputError, match="dims"):
        torch.hub.load(str(ROOT), "convneur_m2", source="local", weights="photos")
    with pytest.raises(convneur.ConfigError, match="chunks: comes with the weights; leave it out"):
        torch.hub.load(str(ROOT), "convneur_m1", source="local", weights="photos", chunks=4)


def test_a_checkout_need_not_be_installed() -> None:
    code = (
        "import importlib.metadata as metadata\n"
        "def missing(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = missing\n"
        "import convneur\n"
        "assert convneur.__version__ == '0+checkout'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
