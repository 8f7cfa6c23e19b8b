"""`inspect` from Python: images as files and as objects, models as names and as modules, and what goes wrong."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import convneur.figures
import convneur.gates
from convneur.checkpoints import save_checkpoint
from convneur.data.images import normalise
from convneur.errors import ConfigError, InputError
from convneur.gates import Inspector, inspect, inspect_batch
from convneur.gates.capture import capture_gates, untrained
from convneur.model.network import ConvNeur
from convneur.variants import VARIANTS, ConvNeurConfig

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (48, 72, 3), dtype=np.uint8)
MASK = np.zeros((48, 72), bool)
MASK[10:30, 20:50] = True


@pytest.fixture
def tiny(config: ConvNeurConfig, tmp_path: Path) -> dict[str, Any]:
    """What names a small untrained model."""
    (tmp_path / "tiny.json").write_text(json.dumps(config.to_dict()))
    return {"model": tmp_path / "tiny.json", "weights": "none"}


def test_each_model_sees_pixels_normalised_as_in_its_training(config: ConvNeurConfig, tmp_path: Path) -> None:
    models = {"whole": untrained(config, 0), "local": untrained(config.replace(memory="none"), 1)}
    said = {"whole": {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.5, 0.25)}, "local": {"mean": (0.4, 0.5, 0.6)}}
    features = {}
    for name, model in models.items():
        save_checkpoint(model, tmp_path / name, provenance=said[name])
        with torch.inference_mode():
            x = torch.from_numpy(normalise(PIXELS, **said[name]))[None]
            features[name] = model.forward_taps(x, stages=(3,), block=1).taps[3].f_loc[0].numpy()
    seen: dict[str, Any] = {"stage": 3, "size": "native"}
    found = inspect(PIXELS, weights=tmp_path / "whole", local_weights=tmp_path / "local", **seen)
    np.testing.assert_array_equal(found.capture.stages[0].f_loc, features["whole"])
    np.testing.assert_array_equal(found.capture.stages[0].local_only, features["local"])
    batch = inspect_batch([PIXELS], weights=tmp_path / "whole", **seen)
    assert batch.records()[0]["gate_below_0.25"] == found.measures[0].closed
    assert batch.records()[0] == found.records()[0] | {"photo": "image 1"}


def test_a_file_an_array_and_a_pillow_image_are_one(tiny: dict[str, Any], tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "cat.png")
    Image.fromarray(MASK).save(tmp_path / "mask.png")
    found = [
        inspect(image, mask=mask, size="native", **tiny)
        for image, mask in (
            (tmp_path / "cat.png", tmp_path / "mask.png"),
            (str(tmp_path / "cat.png"), MASK),
            (PIXELS, MASK),
            (Image.fromarray(PIXELS), MASK.astype(np.uint8)),
        )
    ]
    for result in found[1:]:
        for name, values in found[0].arrays().items():
            np.testing.assert_array_equal(result.arrays()[name], values)
        assert result.measures == found[0].measures
    assert found[0].to_dict()["image"]["sha256"] is not None
    assert found[0].to_dict()["measured_against"]["name"] == str(tmp_path / "mask.png")
    assert found[2].to_dict()["image"]["name"] == "image"
    against = found[2].to_dict()["measured_against"]
    share = pytest.approx(MASK.mean())
    said = {"object_share": share, "soft": False, "inverted": False}
    assert against == {"source": "mask", "name": "mask", "sha256": None, **said}


def test_a_module_is_looked_at_and_left_as_it_is(config: ConvNeurConfig) -> None:
    model = untrained(config, 5)
    expected = inspect(PIXELS, model=config, seed=5, size="native")
    for training in (False, True):
        model.train(training)
        found = inspect(PIXELS, weights=model, size="native")
        assert model.training is training
        assert found.weights.record() == {"source": "module"}
        for name, values in expected.arrays().items():
            np.testing.assert_array_equal(found.arrays()[name], values)
    capture = capture_gates(model.eval(), normalise(PIXELS))
    np.testing.assert_array_equal(found.capture.stages[2].f_loc, capture.stages[2].f_loc)


def test_a_module_without_memory_is_row_one(config: ConvNeurConfig) -> None:
    model, local = untrained(config, 5), untrained(config.replace(memory="none"), 6)
    found = inspect(PIXELS, weights=model, local_weights=local, stage=2, size="native")
    expected = capture_gates(model, normalise(PIXELS), local_only=local, stages=(2,))
    np.testing.assert_array_equal(found.capture.stages[0].local_only, expected.stages[0].local_only)
    assert found.same_weights is False
    with pytest.raises(ConfigError, match="local_weights: the model has memory per-stage, not none"):
        inspect(PIXELS, weights=model, local_weights=model)


def test_half_precision_and_other_weights_are_looked_at(config: ConvNeurConfig) -> None:
    model = untrained(config, 5).to(torch.bfloat16)
    found = inspect(PIXELS, weights=model, stage=1, size="native")
    exact = inspect(PIXELS, weights=untrained(config, 5), stage=1, size="native")
    np.testing.assert_allclose(found.arrays()["stage1_gate"], exact.arrays()["stage1_gate"], atol=0.02)


def test_chunk_settings_act_on_any_weights(config: ConvNeurConfig, tmp_path: Path) -> None:
    four = untrained(config.replace(chunks=4), 0)
    save_checkpoint(four, tmp_path / "four.safetensors")
    for weights in (four, tmp_path / "four.safetensors"):
        kept, shorter, preset = (
            inspect(PIXELS, weights=weights, stage=1, size="native", **settings)
            for settings in ({}, {"chunk_length": 10}, {"model_preset": "classification"})
        )
        assert kept.stages[0].chunks == 4
        assert (shorter.stages[0].chunks, shorter.stages[0].chunk_length) == (22, 10)
        assert preset.stages[0].chunk_length == 196


def test_an_inspector_gives_what_inspect_gives(tiny: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for name in ("a", "b"):
        Image.fromarray(RANDOM.integers(0, 256, (48, 72, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
        Image.fromarray(MASK).save(tmp_path / "masks" / f"{name}.png")
    inspector = Inspector(mask=tmp_path / "masks", size=64, **tiny)
    for name in ("a", "b"):
        image = tmp_path / f"{name}.png"
        assert inspector.inspect(image).to_dict() == inspect(image, mask=tmp_path / "masks", size=64, **tiny).to_dict()
    with pytest.raises(InputError, match="image: has no name to find its mask in"):
        inspector.inspect(PIXELS)


def test_a_batch_is_each_image(tiny: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "photos" / "more").mkdir(parents=True)
    Image.fromarray(PIXELS).save(tmp_path / "photos" / "a.png")
    Image.fromarray(PIXELS[::-1]).save(tmp_path / "photos" / "more" / "b.png")
    (tmp_path / "photos" / "bad.png").write_text("no image")
    with pytest.warns(UserWarning, match=r"bad\.png: not an image"):
        batch = inspect_batch(tmp_path / "photos", size="native", **tiny)
    assert "1 image could not be measured." in str(batch)
    assert repr(batch).startswith("<GateBatch of 2 images by ")
    assert [Path(name).name for name in batch.names] == ["a.png", "b.png"]
    assert [(Path(one.name).name, "not an image" in one.why) for one in batch.failed] == [("bad.png", True)]
    assert batch.values.shape == (2, 4, 18)
    single = inspect(PIXELS, size="native", **tiny)
    rows = batch.records()[:4]
    for row, own in zip(rows, single.records(), strict=True):
        assert {**row, "photo": "image"} == own
    objects = inspect_batch([PIXELS, PIXELS[::-1]], mask=[MASK, MASK[::-1]], size="native", **tiny)
    assert objects.names == ("image 1", "image 2")
    assert objects.against == "masks"
    assert objects.stages[0].foreground_share.mean == pytest.approx(MASK.mean())
    assert str(objects).startswith("Gates of 2 images, measured against masks: mean [95% interval]")
    batch.save(tmp_path / "gates.csv")
    assert len((tmp_path / "gates.csv").read_text().splitlines()) == 9


def test_no_image_is_an_error_not_an_empty_result(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such file or folder"):
        inspect_batch(tmp_path / "none")
    with pytest.raises(ConfigError, match="images: is empty"):
        inspect_batch([])


def test_what_should_not_be_missed_is_a_warning(config: ConvNeurConfig) -> None:
    model = untrained(config, 0)
    with torch.no_grad():
        model.stages[1][0].global_branch.expand.bias.fill_(50.0)
    with pytest.warns(UserWarning, match="image: the gate of stage 2 is saturated"):
        inspect(PIXELS, weights=model, stage=2, size="native")
    with pytest.warns(UserWarning, match="image: its mask shows no object"):
        inspect(PIXELS, weights=untrained(config, 0), mask=np.zeros_like(MASK), stage=2, size="native")
    inverted = np.ones_like(MASK)
    inverted[20:40, 20:50] = 0
    with pytest.warns(UserWarning, match="image: its mask looks inverted"):
        inspect(PIXELS, weights=untrained(config, 0), mask=inverted, stage=2, size="native")


@pytest.mark.parametrize(
    ("options", "setting", "says"),
    [
        ({"stage": 5}, "stage", "choose all, or some of 1, 2, 3, 4"),
        ({"stage": ()}, "stage", "choose all"),
        ({"stage": "1,2"}, "stage", "choose all"),
        ({"size": 31}, "size", "32 to 8192"),
        ({"size": "64"}, "size", "32 to 8192"),
        ({"reduce": "median"}, "reduce", "choose rms"),
        ({"block": 3}, "block", "blocks 1 to"),
        ({"mask": "none.png"}, "mask", "no such file or folder"),
        ({"weights": "none.safetensors"}, "weights", "no such file; packaged weights are"),
        ({"weights": torch.nn.Identity()}, "weights", "Identity is no ConvNeur"),
        ({"weights": "photos", "seed": 1}, "seed", "`weights photos` is a trained one"),
        ({"seed": -1}, "seed", "must be 0 to"),
        ({"model": torch.nn.Identity()}, "model", "pass it as `weights`"),
        ({"model": "m9"}, "model", "choose m1"),
        ({"mem_dimension": 3}, "mem_dimension", "is not a setting"),
        ({"fusion": "addition"}, "fusion", "choose a model with fusion gating"),
        ({"global_branch": "self-attention", "surprise": True}, "surprise", "has none"),
        ({"in_channels": 4}, "model", "takes 4 channels"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_error_with_its_setting(
    tiny: dict[str, Any], options: dict[str, Any], setting: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        inspect(PIXELS, **{**tiny, **options})
    assert raised.value.setting == setting
    assert "--" not in str(raised.value)


@pytest.mark.parametrize(
    ("image", "mask", "says"),
    [
        (PIXELS.astype(np.float32), None, "image: an array of .* float32; give"),
        (PIXELS[..., :1], None, "image: an array of"),
        (PIXELS[:20], None, "image: 20x72 pixels"),
        (PIXELS, MASK[:40], "mask: 40x72 pixels, but its image has 48x72"),
        (PIXELS, 2 * MASK.astype(float), "floats that are no shares"),
        (PIXELS, MASK.astype(complex), "a mask of .* complex128"),
        ("none.png", None, "none.png: no such file"),
    ],
    ids=str,
)
def test_inputs_that_cannot_be_read(tiny: dict[str, Any], image: Any, mask: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        inspect(image, mask=mask, **tiny)


def test_weights_of_another_model_are_refused(config: ConvNeurConfig, net: ConvNeur, tmp_path: Path) -> None:
    save_checkpoint(net, tmp_path / "net.safetensors")
    with pytest.raises(ConfigError, match="weights: the model has fusion gating, not concat"):
        inspect(PIXELS, weights=net, fusion="concat", gate=False)
    with pytest.raises(InputError, match="fusion gating, not concat"):
        inspect(PIXELS, weights=tmp_path / "net.safetensors", fusion="concat", gate=False)
    with pytest.raises(ConfigError, match="weights: the model has dims"):
        inspect(PIXELS, weights=net, model="m1")


def test_masks_of_a_batch_must_fit(tiny: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is one mask; with several images"):
        inspect_batch([PIXELS, PIXELS], mask=MASK, **tiny)
    with pytest.raises(ConfigError, match="1 masks for 2 images"):
        inspect_batch([PIXELS, PIXELS], mask=[MASK], **tiny)


def test_every_name_at_the_door_loads() -> None:
    assert len(convneur.gates.__all__) <= 20
    for name in convneur.gates.__all__:
        assert getattr(convneur.gates, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        convneur.gates.nothing_such  # noqa: B018


@pytest.mark.slow
def test_the_programs_of_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder that `convneur demo` writes; its samples are the package's."""
    root = Path(convneur.__file__).parents[1]
    shutil.copytree(root / "convneur" / "data" / "samples", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for program in re.findall(
        r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "gates.md").read_text("utf-8"), re.DOTALL
    ):
        exec(program, names)
    with Image.open("gates.png") as picture:
        assert picture.width > 2000
    assert len(Path("gates-again.csv").read_text().splitlines()) == 1 + 4 * 8
    assert names["gates"].weights.file == "photos.safetensors"


def test_a_config_says_all_that_is_not_a_variants_own() -> None:
    """Without weights a model that the packaged ones are not is untrained; with weights it is refused."""
    own = VARIANTS["m1"]
    for changes in ({"fusion": "addition"}, {"memory": "per-layer"}, {"output_stride": 16}):
        model = own.replace(**changes)
        inspector = Inspector(model=model, stage=4, size=64, gate=False)
        assert inspector.weights.stamp == "UNTRAINED WEIGHTS, seed 0"
        assert inspector.weights.config == model
        with pytest.raises((ConfigError, InputError), match=next(iter(changes))):
            Inspector(model=model, weights="photos", stage=4, size=64, gate=False)
    assert Inspector(model=own.replace(num_classes=5, drop_path_rate=0.1)).weights.file == "photos.safetensors"
    chunked = Inspector(model=own.replace(chunk_length=49), stage=4)
    assert chunked.weights.file == "photos.safetensors"
    assert (chunked.weights.config.chunk_length, chunked.weights.config.chunks) == (49, None)


def test_maps_of_another_stride_are_not_laid_beside(tmp_path: Path) -> None:
    wide = convneur.create("m1", output_stride=16)
    with pytest.raises(ConfigError, match="has output stride 32, the first model 16"):
        Inspector(weights=wide, against="photos")
    with pytest.raises((ConfigError, InputError), match="output_stride"):
        Inspector(weights=wide, local_weights="photos-local")


def test_masks_that_are_not_read_are_counted_once(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for name in ("a", "b"):
        Image.fromarray(PIXELS).save(tmp_path / f"{name}.png")
        Image.fromarray(MASK.astype(np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "masks" / "c.psd").write_bytes(b"none")
    inspector = Inspector(weights="none", mem_dim=8, stage=4, size="native", mask=tmp_path / "masks")
    with pytest.warns(UserWarning, match=r"1 file is not read \(1 \.psd\)"):
        inspector.inspect(tmp_path / "a.png")
    inspector.inspect(tmp_path / "b.png")  # where a warning would be an error
