"""Label maps by other states: whose state it is, what is refused, and that the own labels stay what they were."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convneur.data.labels import read_label_map
from convneur.errors import ConfigError
from convneur.gates.capture import untrained
from convneur.inference import Predictor, predict_folder
from convneur.inference.predictor import NamedImage, predict_together
from convneur.model.memory import NeuralMemory
from convneur.model.network import ConvNeur
from convneur.model.states import given_states, recorded_states
from convneur.variants import ConvNeurConfig

RANDOM = np.random.default_rng(0)
PIXELS = [RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(4)]


def lively(config: ConvNeurConfig) -> ConvNeur:
    """Whose labels depend on the states."""
    model = untrained(config, 0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, NeuralMemory):
                module.qkv.weight.normal_()
                module.initial.normal_()
        for name, parameter in model.named_parameters():
            if "expand" in name or "pw_conv" in name:
                parameter.normal_()
    return model


@pytest.fixture
def model(tiny: ConvNeurConfig) -> ConvNeur:
    return lively(tiny.replace(head="light-fpn", chunks=2, read="final"))


@pytest.fixture
def predictor(model: ConvNeur) -> Predictor:
    return Predictor(model)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


def labels(predictor: Predictor, number: int, states: Mapping[str, torch.Tensor] | None = None) -> Any:
    image = NamedImage(None, PIXELS[number])
    settings: dict[str, Any] = {"scale": None, "window": None, "probabilities": False, "top": 1}
    if states is None:
        return predict_together(predictor, [image], **settings)[0].labels
    with given_states(predictor.model, states):  # type: ignore[arg-type]
        return predict_together(predictor, [image], **settings)[0].labels


def states_of(predictor: Predictor, number: int) -> dict[str, torch.Tensor]:
    with recorded_states(predictor.model) as states:  # type: ignore[arg-type]
        labels(predictor, number)
    return states


def written(folder: Path, number: int) -> Any:
    return read_label_map(folder / f"{number}.png")


def test_whose_state_it_is(predictor: Predictor, images: Path, tmp_path: Path) -> None:
    own = [labels(predictor, number) for number in range(4)]
    all_states = [states_of(predictor, number) for number in range(4)]
    given = {
        "other": [all_states[(number + 2) % 4] for number in range(4)],
        "mean": [{k: torch.stack([each[k] for each in all_states]).mean(0) for k in all_states[0]}] * 4,
        "start": [{k: m.initial[None, None] for k, m in predictor.model.named_modules() if isinstance(m, NeuralMemory)}]  # type: ignore[union-attr]
        * 4,
    }
    for context, states in given.items():
        report = predict_folder(images, weights=predictor, out=tmp_path / context, context=context)  # type: ignore[arg-type]
        expected = [labels(predictor, number, states[number]) for number in range(4)]
        for number in range(4):
            assert np.mean(written(tmp_path / context, number) != expected[number]) < (
                0.002 if context == "mean" else 1e-9
            )
        changed = float(np.mean([a != b for a, b in zip(own, expected, strict=True)]))
        assert changed > 0.001
        assert report.changed == pytest.approx(changed, abs=0.002)
        assert report.to_dict()["context"] == context
    report = predict_folder(images, weights=predictor, out=tmp_path / "own")
    assert report.changed is None
    assert all(np.array_equal(written(tmp_path / "own", number), own[number]) for number in range(4))


def test_copies_of_one_image_change_nothing(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    for name in "abc":
        Image.fromarray(PIXELS[0]).save(tmp_path / "same" / f"{name}.png")
    report = predict_folder(tmp_path / "same", weights=predictor, out=tmp_path / "out", context="other")
    assert report.changed == 0


def test_broken_images_lend_no_state(predictor: Predictor, images: Path, tmp_path: Path) -> None:
    (images / "2.png").write_bytes(b"none")
    with pytest.warns(UserWarning, match=r"2\.png"):
        report = predict_folder(images, weights=predictor, out=tmp_path / "out", context="other")
    assert [failed.name for failed in report.failed] == ["2"]
    np.testing.assert_array_equal(written(tmp_path / "out", 0), labels(predictor, 0, states_of(predictor, 3)))
    for number in (1, 3):
        (images / f"{number}.png").unlink()
    for context in ("other", "mean"):
        with warnings.catch_warnings(action="ignore"):
            report = predict_folder(images, weights=predictor, out=tmp_path / context, context=context)  # type: ignore[arg-type]
        assert sorted(failed.name for failed in report.failed) == ["0", "2"]
        assert any("that can be read; " in failed.why for failed in report.failed)
        (images / "2.png").rename(tmp_path / "2.png")
        with pytest.raises(ConfigError, match=r"context .*: needs two images or more"):
            predict_folder(images, weights=predictor, out=tmp_path / context, context=context)  # type: ignore[arg-type]
        (tmp_path / "2.png").rename(images / "2.png")
    with pytest.raises(ConfigError, match="batch 8: is of images with their own context"):
        predict_folder(images, weights=predictor, out=tmp_path / "b", context="start", batch=8)


def test_images_of_other_chunks_or_in_windows_fail_alone(tiny: ConvNeurConfig, images: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((96, 128, 3), np.uint8)).save(images / "9.png")
    predictor = Predictor(lively(tiny.replace(head="light-fpn", read="before", chunk_length=20)))
    with pytest.warns(UserWarning, match=r"9\.png: is cut into 39 chunks"):
        report = predict_folder(images, weights=predictor, out=tmp_path / "a", context="mean")
    assert [failed.name for failed in report.failed] == ["9"]
    assert "give images of one size, or set the number of `chunks`" in report.failed[0].why
    with pytest.warns(UserWarning, match=r"9\.png: is seen in windows"):
        report = predict_folder(images, weights=predictor, out=tmp_path / "b", context="other", window=64)
    assert [failed.name for failed in report.failed] == ["9"]
    assert "choose `window` none" in report.failed[0].why
    with warnings.catch_warnings(action="ignore"):
        report = predict_folder(images, weights=predictor, out=tmp_path / "c", context="mean", window=32)
    assert not report.images
    assert all("is seen in windows" in failed.why for failed in report.failed)


def test_a_classifier_and_models_without_a_state(tiny: ConvNeurConfig, images: Path, tmp_path: Path) -> None:
    report = predict_folder(images, weights=Predictor(lively(tiny), size=(64, 64)), context="other")
    assert report.changed in (0, 0.25, 0.5, 0.75, 1)
    for changes, says in (({"memory": "none"}, "no global branch"), ({"global_branch": "cbam"}, "a cbam branch")):
        with pytest.raises(ConfigError, match=f"model has {says}"):
            predict_folder(images, weights=Predictor(untrained(tiny.replace(**changes), 0)), context="mean")
    with pytest.raises(ConfigError, match="choose own, mean, other, start"):
        predict_folder(images, weights=Predictor(lively(tiny)), context="none")  # type: ignore[arg-type]
