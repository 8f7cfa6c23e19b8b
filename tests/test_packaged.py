"""Packaged weights: as their cards say, small, and finite where a divergence would show."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from convneur.checkpoints import load_checkpoint
from convneur.data.images import normalise
from convneur.errors import OutputExistsError
from convneur.packaged import packaged_weights, weights_path, write_samples
from convneur.training.diagnostics import SATURATED, read_diagnostics

LARGEST_TOGETHER = 51_000_000  # bytes


def test_there_are_weights_and_they_are_small() -> None:
    assert set(packaged_weights()) == {"camvid", "camvid-local", "nuclei", "photos", "photos-local"}
    assert sum(weights_path(name).stat().st_size for name in packaged_weights()) <= LARGEST_TOGETHER


def test_a_file_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights_path("photos").name == "photos.safetensors"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").write_bytes(b"mine")
    assert weights_path("photos") == Path("photos")


@pytest.mark.parametrize("name", packaged_weights())
def test_a_card_is_of_its_file(name: str) -> None:
    path = weights_path(name)
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert re.findall("SHA-256: `([0-9a-f]{64})`", card) == [hashlib.sha256(path.read_bytes()).hexdigest()]
    assert "research and demonstration" in card
    assert "**Made by**" in card


@pytest.mark.slow
@pytest.mark.parametrize("name", packaged_weights())
@torch.no_grad()
def test_a_packaged_net_is_finite_at_four_times_its_training_side(name: str) -> None:
    model, about = load_checkpoint(weights_path(name))
    side = 4 * max(about["views"] if "views" in about else about["settings"]["crop"])
    photo = Image.fromarray(data.astronaut()).resize((side, side))
    x = torch.from_numpy(normalise(np.asarray(photo)))[None].contiguous(memory_format=torch.channels_last)
    for features in model.forward_features(x):
        assert features.isfinite().all()
    gauges = read_diagnostics(model, x)
    assert all(value is None or value < SATURATED for value in gauges.context)
    assert gauges.largest < 10 * SATURATED


def test_samples_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        write_samples(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    write_samples(tmp_path, force=True)
    assert (tmp_path / "photo.jpg").stat().st_size > 10_000
    assert (tmp_path / "nuclei" / "images" / "train").is_dir()
