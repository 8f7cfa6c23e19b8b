"""`convneur viz-gates` through its entry point: files, stdout, exit codes, and what goes wrong."""

import csv
import gc
import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import convneur.figures.style
import convneur.gates
import convneur_cli.commands.viz_gates
from convneur.checkpoints import save_checkpoint
from convneur.data.images import normalise
from convneur.errors import ConfigError
from convneur.gates.capture import capture_gates, untrained
from convneur.gates.measures import StageMeasures, measure_gates
from convneur.gates.summary import MeasureTable
from convneur.model.network import ConvNeur
from convneur.variants import VARIANTS, ConvNeurConfig
from convneur_cli.app import main

TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 2, 1, 1), mem_dim=8, head="none", chunk_length=20)


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The error, which must be one line."""
        assert self.out == ""
        assert "Traceback" not in self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return line


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two photos and the settings of a small net."""
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "cat.png")
    photo(tmp_path / "dog.jpg", seed=1)
    (tmp_path / "tiny.json").write_text(json.dumps(TINY.to_dict()))
    return tmp_path


@pytest.fixture
def viz(place: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command on one stage of the small net unless told otherwise."""

    def run(*arguments: object, model: str | None = "tiny.json", quick: bool = True) -> Ran:
        words = ["viz-gates", *map(str, arguments)]
        words += ["--model", model] if model else []
        words += ["--stage", "2", "--size", "64"] if quick else []
        with pytest.raises(SystemExit) as raised:
            main(words)
        captured = capsys.readouterr()
        return Ran(int(raised.value.code or 0), captured.out, captured.err)

    return run


def photo(path: Path, height: int = 48, width: int = 72, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def weights(path: Path, config: ConvNeurConfig = TINY, **changes: Any) -> Path:
    save_checkpoint(untrained(config.replace(**changes), 0), path, provenance={"data": "noise"})
    return path


# What it does


def test_the_default_run(viz: Any, place: Path) -> None:
    before = names(place)
    ran = viz("cat.png", quick=False, model=None)
    assert ran.code == 0
    assert ran.out == ""
    assert "written: cat-gates.png, cat-gates.json" in ran.err
    assert "UNTRAINED" not in ran.err
    assert names(place) - before == {"cat-gates.png", "cat-gates.json"}

    record = json.loads((place / "cat-gates.json").read_text())
    assert record["schema"] == "convneur.gates/1"
    assert record["net"]["name"] == "m1"
    assert record["weights"]["file"] == "photos.safetensors"
    assert record["weights"]["provenance"]["teacher"] == "EfficientNet-Lite0, classes of EfficientNet-Lite2"
    assert record["local_only"]["file"] == "photos-local.safetensors"
    assert record["recipe"]["scale"] == "paired"
    assert record["recipe"]["reduce"] == "rms"
    assert [stage["stage"] for stage in record["stages"]] == [1, 2, 3, 4]
    assert record["image"]["drawn"] == {"height": 341, "width": 512}
    with Image.open(place / "cat-gates.png") as picture:
        assert picture.width >= 2000


def source(viz: Any, place: Path, *options: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where the weights of a picture and of its first row come from."""
    ran = viz("cat.png", *options, "--force", model=None)
    assert ran.code == 0
    record = json.loads((place / "cat-gates.json").read_text())
    return record["weights"], record["local_only"]


def test_which_weights_are_drawn(viz: Any, place: Path) -> None:
    trained = source(viz, place)
    assert source(viz, place, "--model", "m1", "--memory", "per-stage", "--chunks", 2) == trained
    net, local = source(viz, place, "--local-weights", "same")
    assert (net, local) == (trained[0], {"source": "same weights, memory off"})
    for other in (("--fusion", "addition", "--no-gate"), ("--seed", 0), ("--weights", "none")):
        net, local = source(viz, place, *other)
        assert net["stamp"] == "UNTRAINED WEIGHTS, seed 0", other
        assert local == {"source": "same weights, memory off"}
    net, local = source(viz, place, "--weights", weights(place / "photos.safetensors"))
    assert (net["provenance"], local["source"]) == ({"data": "noise"}, "same weights, memory off")
    (place / "photos.safetensors").rename(place / "photos")  # a file of one's own goes first
    assert source(viz, place, "--weights", "photos")[0]["provenance"] == {"data": "noise"}


def test_json_is_all_of_stdout(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "dog.jpg", "-o", "out", "--json")
    assert ran.code == 0
    document = json.loads(ran.out)
    assert document["schema"] == "convneur.gates/1"
    assert document["failed"] == []
    assert [record["image"]["name"] for record in document["images"]] == ["cat.png", "dog.jpg"]
    assert document["images"][0] == json.loads((place / "out" / "cat-gates.json").read_text())


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_suffix_chooses_the_format_and_names_the_rest(viz: Any, place: Path, suffix: str) -> None:
    assert viz("cat.png", "-o", f"maps.{suffix}", "--save-arrays").code == 0
    assert {f"maps.{suffix}", "maps.json", "maps.npz"} <= names(place)
    head = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert (place / f"maps.{suffix}").read_bytes().startswith(head)


def test_arrays_are_the_drawn_maps(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "--stage", "1,3", "--size", 64, "--surprise", "--row3", "gated", "--save-arrays", quick=False)
    assert ran.code == 0
    arrays = np.load(place / "cat-gates.npz")
    rows = ("local_only", "f_loc", "gate", "gated", "surprise")
    assert set(arrays) == {f"stage{stage}_{row}" for stage in (1, 3) for row in rows}
    record = json.loads((place / "cat-gates.json").read_text())
    for stage in record["stages"]:
        for row, kept in stage["maps"].items():
            values = arrays[f"stage{stage['stage']}_{row}"]
            assert values.shape == (stage["height"], stage["width"])
            assert (float(values.min()), float(values.max())) == (kept["min"], kept["max"])
        assert stage["maps"]["f_loc"]["limits"] == stage["maps"]["gated"]["limits"]


def test_several_images_in_one_figure(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "dog.jpg", "--together", "--width", "single", "--bare", "-o", "both.svg", "--raw-arrays",
              "--save-arrays", "--json")  # fmt: skip
    (record,) = json.loads(ran.out)["images"]
    assert record["formats"] == ["svg", "npz", "raw.npz"]
    assert [one["image"]["name"] for one in record["images"]] == ["cat.png", "dog.jpg"]
    assert record["images"][0]["recipe"]["stages"] == [2]  # bare, and yet it is in the record
    drawn, raw = np.load("both.npz"), np.load("both.raw.npz")
    assert drawn["image2_stage2_gate"].shape == (5, 8)
    assert raw["image2_stage2_gate"].shape == (8, 5, 8)
    rms = np.sqrt(np.square(raw["image2_stage2_f_loc"], dtype=np.float64).mean(axis=0))
    np.testing.assert_allclose(drawn["image2_stage2_f_loc"], rms, rtol=1e-6)
    assert names(place) >= {"both.svg", "both.json", "both.npz", "both.raw.npz"}
    again = viz("cat.png", "dog.jpg", "--together", "-o", "both.pdf", "--raw-arrays")
    assert again.code == 0


def test_two_models_side_by_side(viz: Any, place: Path) -> None:
    save_checkpoint(untrained(TINY.replace(memory="none"), 1), Path("local.safetensors"))
    save_checkpoint(untrained(TINY, 2), Path("b.safetensors"))
    ran = viz("cat.png", "--weights", "none", "--against", "b.safetensors", "--save-arrays", "--json", "-o", "two.png")
    (record,) = json.loads(ran.out)["images"]
    assert record["local_only"] is None
    assert record["against"]["weights"]["file"] == "b.safetensors"
    maps, other = record["stages"][0]["maps"], record["against"]["stages"][0]["maps"]
    assert list(maps) == ["f_loc", "gate", "f_out"]
    assert [maps[row]["limits"] for row in maps] == [other[row]["limits"] for row in maps]
    found = np.load("two.npz")
    for row in maps:
        mine, theirs = found[f"stage2_{row}"], found[f"against_stage2_{row}"]
        assert maps[row]["limits"] == [min(mine.min(), theirs.min()), max(mine.max(), theirs.max())]
        np.testing.assert_array_equal(found[f"difference_stage2_{row}"], mine - theirs)
    same = viz("cat.png", "--weights", "b.safetensors", "--against", "b.safetensors", "--json", "-o", "same.png")
    differences = json.loads(same.out)["images"][0]["against"]["stages"][0]["differences"]
    assert {(one["min"], one["max"]) for one in differences.values()} == {(0, 0)}
    assert "warning: --against and --weights are the same model, so the difference is 0" in same.err
    local = viz("cat.png", "--weights", "none", "--against", "local.safetensors", "--no-gate", "-o", "local.png")
    assert local.code == 0, local.err
    for arguments, says in (
        (("--against", "local.safetensors"), "--against local.safetensors: has no gate to compare"),
        (("--against", "gone"), "--against gone: no such file"),
        (("--against", "none", "--reduce", "pca"), "--reduce pca: gives each model an axis of its own"),
        (("--against", "none", "--local-weights", "same"), "--local-weights: is row 1"),
    ):
        ran = viz("cat.png", "--weights", "none", *arguments, "-o", "no.png")
        assert (ran.code, says in ran.line) == (2, True), ran.err


def test_figures_of_a_paper_that_cannot_be(viz: Any, place: Path) -> None:
    for arguments, says in (
        (("cat.png", "--width", "1in"), "--width 1in: too narrow for 2 panels side by side"),
        (("cat.png", "--width", "wide"), "--width wide: give single, double, or a length"),
        (("cat.png", "--bare", "-o", "a.html"), "--bare: is of a picture; name a .png"),
        (("cat.png", "--batch", "--width", "single"), "--width: --batch draws no pictures"),
        (("cat.png", "dog.jpg", "--together", "-o", "place"), "--output place: end it in .png"),
    ):
        ran = viz(*arguments)
        assert (ran.code, says in ran.line) == (2, True), ran.err
    assert names(place) == {"cat.png", "dog.jpg", "tiny.json"}


def test_the_same_seed_gives_the_same_bytes(viz: Any, place: Path) -> None:
    for name in ("one", "two"):
        assert viz("cat.png", "-o", f"{name}.png", "--seed", 4, "--save-arrays").code == 0
    assert viz("cat.png", "-o", "other.png", "--seed", 5, "--save-arrays").code == 0
    for suffix in ("npz", "png", "json"):
        one, two, other = ((place / f"{name}.{suffix}").read_bytes() for name in ("one", "two", "other"))
        assert one == two
        assert one != other


def test_recipe_options_reach_the_record(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "--no-gate", "--overlay", "--reduce", "pca", "--scale", "-1:0.5", "--fusion", "concat", "-q")
    assert (ran.code, ran.err) == (0, "")
    record = json.loads((place / "cat-gates.json").read_text())
    recipe = record["recipe"]
    assert recipe["rows"] == ["local_only", "f_loc", "f_out"]
    assert (recipe["overlay"], recipe["reduce"], recipe["scale"]) == (True, "pca", [-1.0, 0.5])
    assert record["stages"][0]["maps"]["f_out"]["limits"] == [-1.0, 0.5]
    assert record["net"]["config"]["fusion"] == "concat"


def test_a_later_block(viz: Any, place: Path) -> None:
    assert viz("cat.png", "--memory", "per-layer", "--block", 2).code == 0
    assert json.loads((place / "cat-gates.json").read_text())["recipe"]["block"] == 2


def test_native_size_and_a_turned_photo(viz: Any, place: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(place / "cat.png").save(place / "turned.png", exif=exif)
    assert viz("turned.png", "--stage", 4, "--size", "native", quick=False).code == 0
    image = json.loads((place / "turned-gates.json").read_text())["image"]
    assert image["drawn"] == {"height": 72, "width": 48}


def test_trained_weights_are_named_and_not_stamped(viz: Any, place: Path) -> None:
    weights(place / "net.safetensors")
    weights(place / "local.safetensors", memory="none")
    ran = viz("cat.png", "--weights", "net.safetensors", "--local-weights", "local.safetensors", model=None)
    assert ran.code == 0
    assert "UNTRAINED" not in ran.err
    record = json.loads((place / "cat-gates.json").read_text())
    assert record["weights"]["source"] == "file"
    assert len(record["weights"]["sha256"]) == 64
    assert record["weights"]["provenance"] == {"data": "noise"}
    assert record["local_only"]["file"] == "local.safetensors"
    assert record["weights"]["sha256"] != record["local_only"]["sha256"]


def test_chunks_of_a_file_can_be_set(viz: Any, place: Path) -> None:
    file = weights(place / "net.safetensors")
    for options, chunks in (((), 2), (("--chunk-length", 5), 8), (("--order", "strided", "--chunks", 4), 4)):
        assert viz("cat.png", "--weights", file, *options, "--force", model=None).code == 0
        assert json.loads((place / "cat-gates.json").read_text())["stages"][0]["chunks"] == chunks


def test_a_saturated_gate_is_said(viz: Any, place: Path) -> None:
    net = untrained(TINY, 0)
    with torch.no_grad():
        net.stages[1][0].global_branch.expand.bias.fill_(50.0)
    save_checkpoint(net, place / "net.safetensors")
    ran = viz("cat.png", "--weights", "net.safetensors", "-q")
    assert ran.code == 0
    assert ran.err == "warning: cat.png: the gate of stage 2 is saturated, 100.0% of its values are at 0 or 1\n"
    record = json.loads((place / "cat-gates.json").read_text())
    assert record["stages"][0]["saturated"] is True
    assert "gate saturated, 100.0%" in record["notes"][0]


def test_zero_weights_draw_flat(viz: Any, place: Path) -> None:
    net = untrained(TINY, 0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    save_checkpoint(net, place / "net.safetensors")
    assert viz("cat.png", "--weights", "net.safetensors", "--surprise").code == 0
    maps = json.loads((place / "cat-gates.json").read_text())["stages"][0]["maps"]
    assert maps["f_loc"] == {"min": 0.0, "max": 0.0, "limits": [0.0, 0.0], "colour_scale": "linear"}


def test_pixels_are_normalised_as_the_weights_say(viz: Any, place: Path) -> None:
    said = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 0.25]}
    save_checkpoint(untrained(TINY, 0), place / "half.safetensors", provenance=said)
    assert viz("cat.png", "--weights", "half.safetensors").code == 0
    assert json.loads((place / "cat-gates.json").read_text())["recipe"]["normalisation"] == said
    save_checkpoint(untrained(TINY, 0), place / "odd.safetensors", provenance={"mean": [0.5, 0.5]})
    ran = viz("cat.png", "--weights", "odd.safetensors", "-o", "odd.png")
    assert ran.code == 1
    assert "odd.safetensors: what it says of its training is not as convneur train writes it" in ran.line


def test_images_are_seen_as_large_as_they_were_validated(viz: Any, place: Path) -> None:
    """A segmentation model sees the whole image by a factor, a classifier things as large as in its middle view."""
    net = untrained(TINY.replace(head="light-fpn", num_classes=3), 0)
    about = {"settings": {"crop": [64, 64], "eval_scale": 1.5}}
    save_checkpoint(net, place / "dense.safetensors", provenance=about)
    classifier = untrained(TINY.replace(head="classifier", num_classes=3), 0)
    save_checkpoint(classifier, place / "classes.safetensors", provenance=about)
    sizes = {"dense": {"height": 72, "width": 108}, "classes": {"height": 73, "width": 110}}
    for name, drawn in sizes.items():
        options = ("--weights", f"{name}.safetensors", "--stage", "1", "-o", f"{name}.png")
        assert viz("cat.png", *options, model=None, quick=False).code == 0
        record = json.loads((place / f"{name}.json").read_text())
        assert (record["image"]["drawn"], record["recipe"]["size"]) == (drawn, "validation")
    assert viz("cat.png", *options, "--size", "64", "--force", model=None, quick=False).code == 0
    assert json.loads((place / "classes.json").read_text())["image"]["drawn"] == {"height": 43, "width": 64}
    ran = viz("cat.png", "--batch", "--weights", "dense.safetensors", "--stage", "1", "--json", model=None, quick=False)
    assert json.loads(ran.out)["size"] == "validation"


def test_parts_that_training_did_not_reach_are_said(viz: Any, place: Path) -> None:
    """At 64x64 the stages have 256, 64, 16 and 4 positions: in chunks of 40 the last two have one."""
    net = untrained(TINY.replace(chunk_length=40, chunks=None, read="before"), 0)
    save_checkpoint(net, place / "net.safetensors", provenance={"settings": {"crop": [64, 64], "eval_scale": 1}})
    ran = viz("cat.png", "dog.jpg", "-o", "out", "--weights", "net.safetensors", "-q", model=None, quick=False)
    assert ran.code == 0
    said = "Trained at 64x64, where chunks were too few for k, v and the update generator of stages 3, 4, and"
    assert ran.err.startswith(f"warning: {said}")
    assert ran.err.count("Trained at") == 1
    assert json.loads((place / "out" / "cat-gates.json").read_text())["notes"][0].startswith(said)
    ran = viz("cat.png", "--batch", "--weights", "net.safetensors", "--json", "-q", model=None, quick=False)
    assert json.loads(ran.out)["notes"][0].startswith(said)
    ran = viz("cat.png", "--weights", "net.safetensors", "--stage", "1", "-q", model=None, quick=False)
    assert ran.err == ""


def test_the_gates_scale_can_be_fixed(viz: Any, place: Path) -> None:
    for options, limits in ((("--scale", "0:1"), [0, 1]), (("--gate-scale", "0.25:0.75"), [0.25, 0.75])):
        assert viz("cat.png", *options, "--chunk-borders", "--surprise", "--force").code == 0
        record = json.loads((place / "cat-gates.json").read_text())
        assert record["stages"][0]["maps"]["gate"]["limits"] == record["recipe"]["gate_scale"] == limits
        assert record["recipe"]["chunk_borders"] is True
        assert record["stages"][0]["maps"]["surprise"]["colour_scale"] == "logarithmic"


def test_a_soft_mask_measures_what_the_hard_one_does(viz: Any, place: Path) -> None:
    mask(place / "hard.png", value=255)
    with Image.open(place / "hard.png") as hard:
        hard.resize((288, 192), Image.Resampling.BICUBIC).resize((72, 48), Image.Resampling.BOX).save("soft.png")
    found = []
    for name in ("hard", "soft"):
        assert viz("cat.png", "--mask", f"{name}.png", "-o", f"{name}-gates.png").code == 0
        found.append(json.loads((place / f"{name}-gates.json").read_text()))
    hard, soft = (record["measured_against"] for record in found)
    assert (hard["soft"], soft["soft"]) == (False, True)
    assert soft["object_share"] == pytest.approx(hard["object_share"], rel=0.02)
    assert any(note.startswith("Mask: grey levels count as shares") for note in found[1]["notes"])
    changes = [record["stages"][0]["measures"]["background_suppression"]["change"] for record in found]
    assert changes[0] == pytest.approx(changes[1], rel=0.02)


# Several images


def test_a_batch_goes_on_after_a_failure(viz: Any, place: Path) -> None:
    (place / "bad.png").write_text("no photo")
    ran = viz("cat.png", "bad.png", "dog.jpg", "-o", "out", "--format", "svg", "--json")
    assert ran.code == 1
    assert names(place / "out") == {"cat-gates.svg", "cat-gates.json", "dog-gates.svg", "dog-gates.json"}
    assert json.loads(ran.out)["failed"][0]["name"] == "bad.png"
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert errors[0].startswith("error: bad.png: not an image")
    assert errors[1] == "error: 1 of 3 images failed: bad.png"


def test_where_a_read_comes_from(viz: Any, place: Path) -> None:
    photo(place / "small.png", 40, 40)
    ran = viz("cat.png", "small.png", "--reads", "47,71", "--save-arrays", "--json", "-o", "out")
    assert ran.code == 1
    assert "error: small.png: has 40x40 pixels (height x width), so none at row 47, column 71" in ran.err
    ((record,), (failed,)) = (json.loads(ran.out)[key] for key in ("images", "failed"))
    assert failed["name"] == "small.png"
    (stage,) = record["stages"]
    assert stage["reads"]["position"] == [4, 7]  # of 5 rows, the last one of which the pixel is past
    drawn = np.load(place / "out" / "cat-gates.npz")["stage2_reads"]
    shares = [stage["reads"][name] for name in ("initial", "own", "others")]
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    assert shares[0] + drawn.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_equal_stems_are_an_error(viz: Any, place: Path) -> None:
    (place / "more").mkdir()
    photo(place / "more" / "cat.png")
    ran = viz("cat.png", "more/cat.png", "-o", "out")
    assert ran.code == 2
    assert "cat.png and more/cat.png" in ran.line
    assert not (place / "out").exists()


def test_several_images_need_a_folder(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "dog.jpg", "-o", "maps.png")
    assert ran.code == 2
    assert "name a folder" in ran.line


@pytest.mark.slow
def test_images_leave_nothing_behind(viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each image is about to be drawn, what the ones before it left is counted."""
    live: list[tuple[int, int]] = []
    drawn = convneur.figures.gates.gates_figure

    def counting(*arguments: Any, **options: Any) -> Figure:
        gc.collect()
        kinds = [type(thing) for thing in gc.get_objects()]
        live.append((kinds.count(Figure), sum(issubclass(kind, torch.Tensor) for kind in kinds)))
        return drawn(*arguments, **options)

    monkeypatch.setattr(convneur.figures.gates, "gates_figure", counting)
    images = [photo(place / f"photo{number}.png", seed=number) for number in range(6)]
    assert viz(*images, "-o", "out").code == 0
    assert len(live) == 6
    figures, tensors = zip(*live, strict=True)
    assert max(figures) <= 1  # the one just saved may still be a name in the loop
    assert len(set(tensors[1:])) == 1


# In numbers


def mask(path: Path, height: int = 48, width: int = 72, value: int = 1) -> Path:
    path.parent.mkdir(exist_ok=True)
    labels = np.zeros((height, width), np.uint8)
    labels[height // 4 : height // 2, width // 3 : width // 2] = value
    Image.fromarray(labels).save(path)
    return path


def test_numbers_are_those_of_the_library(viz: Any, place: Path) -> None:
    """At the photo's own size, so that no scaling stands between."""
    mask(place / "mask.png", value=255)
    assert viz("cat.png", "--mask", "mask.png", "--size", "native", "--stage", "all", quick=False).code == 0
    record = json.loads((place / "cat-gates.json").read_text())
    assert record["measured_against"]["name"] == "mask.png"
    pixels = np.array(Image.open(place / "cat.png"))
    capture = capture_gates(untrained(TINY, 0), normalise(pixels))
    labels = (np.array(Image.open(place / "mask.png")) > 0).astype(np.int8)
    assert [stage["measures"] for stage in record["stages"]] == [
        one.record() for one in measure_gates(capture, pixels, labels)
    ]
    assert viz("cat.png", "--size", "native", "--force", "--stage", "all", quick=False).code == 0
    record = json.loads((place / "cat-gates.json").read_text())
    assert record["measured_against"] == {"source": "gradients"}
    assert [stage["measures"] for stage in record["stages"]] == [one.record() for one in measure_gates(capture, pixels)]


def test_masks_of_several_photos_are_found_by_name(viz: Any, place: Path) -> None:
    mask(place / "masks" / "cat.png")
    ran = viz("cat.png", "dog.jpg", "--mask", "masks", "-o", "out", "--json")
    assert ran.code == 1
    found = json.loads(ran.out)
    assert found["images"][0]["measured_against"]["name"] == "masks/cat.png"
    assert found["failed"][0]["why"].startswith("dog.jpg: masks: no mask named dog")


def test_a_mask_that_does_not_fit_or_shows_nothing(viz: Any, place: Path) -> None:
    mask(place / "small.png", 24, 36)
    ran = viz("cat.png", "--mask", "small.png")
    assert ran.code == 1
    assert ran.line.startswith("error: small.png: 24x36 pixels, but its image has 48x72")
    assert viz("cat.png", "--mask", "dog.jpg").line.startswith("error: dog.jpg: not a label map")
    assert "holds colours" in viz("cat.png", "--mask", "cat.png").line
    mask(place / "empty.png", value=0)
    ran = viz("cat.png", "--mask", "empty.png", "-q", "--json")
    assert (ran.code, ran.err) == (0, "warning: cat.png: its mask shows no object, so its numbers are undefined\n")
    measures = json.loads(ran.out)["images"][0]["stages"][0]["measures"]
    assert set(measures["background_suppression"].values()) == {None}


def test_a_net_without_a_gate_has_no_numbers(viz: Any, place: Path) -> None:
    assert viz("cat.png", "--fusion", "concat", "--no-gate").code == 0
    record = json.loads((place / "cat-gates.json").read_text())
    assert record["measured_against"] is None
    assert record["stages"][0]["measures"] is None


def folder_of_photos(place: Path, count: int) -> None:
    (place / "photos" / "more").mkdir(parents=True)
    for number in range(count):
        name = f"more/p{number}" if number % 2 else f"p{number}"
        photo(place / "photos" / f"{name}.jpg", 40 + 8 * number, 72, seed=number)


def test_many_photos_in_numbers(viz: Any, place: Path) -> None:
    folder_of_photos(place, 5)
    for number in range(5):
        mask(place / "masks" / f"p{number}.png", 40 + 8 * number, 72)
    before = names(place)
    ran = viz("photos", "--batch", "--mask", "masks", "-o", "numbers.csv", "--json")
    assert ran.code == 0
    assert names(place) - before == {"numbers.csv"}
    found = json.loads(ran.out)
    assert found["schema"] == "convneur.gates-batch/1"
    assert (found["photos"], found["failed"], found["measured_against"]) == (5, [], "mask")
    assert found["interval"] == {"kind": "percentile", "level": 0.95, "resamples": 1000, "seed": 0}
    assert found["weights"]["stamp"] == "UNTRAINED WEIGHTS, seed 0"
    with (place / "numbers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows] == [f"photos/more/p{k}.jpg" for k in (1, 3)] + [
        f"photos/p{k}.jpg" for k in (0, 2, 4)
    ]
    (stage,) = found["stages"]
    assert stage["stage"] == 2
    change = stage["measures"]["background_suppression"]["change"]
    each = np.array([float(row["background_suppression_change"]) for row in rows])
    assert change["mean"] == pytest.approx(np.exp(np.log(each).mean()))
    assert change["photos"] == 5
    assert each.min() <= change["low"] < change["mean"] < change["high"] <= each.max()
    below = stage["measures"]["gate_below_0.25"]
    assert below["mean"] == pytest.approx(np.mean([float(row["gate_below_0.25"]) for row in rows]))


def test_the_batch_says_what_a_single_photo_says(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "--batch", "--json")
    (stage,) = json.loads(ran.out)["stages"]
    assert viz("cat.png").code == 0
    single = json.loads((place / "cat-gates.json").read_text())["stages"][0]["measures"]
    for name in ("background_suppression", "edge_contrast"):
        assert (stage["measures"][name]["null_low"] is None) == (single[name]["null_low"] is None)
        for when in ("before", "after", "change", "channel_part", "place_part"):
            value = single[name][when]
            assert stage["measures"][name][when] == {
                "mean": pytest.approx(value), "low": None, "high": None, "photos": 1,
            }  # fmt: skip
    assert stage["measures"]["gate_below_0.25"]["mean"] == single["gate_below_0.25"]


def test_the_batch_is_a_table_for_people(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "dog.jpg", "--batch", "-q")
    assert ran.code == 0
    assert "Gates of 2 images, measured against image gradients" in ran.out
    row, *parts = [line for line in ran.out.splitlines() if line.startswith("2 ")]
    assert row.count("×") == 2
    assert row.count("[") == 4
    assert [part.count("×") for part in parts] == [3, 3]
    assert all(" to " in part for part in parts)
    assert ran.err == ""


def test_a_batch_goes_on_after_broken_photos(viz: Any, place: Path) -> None:
    folder_of_photos(place, 3)
    (place / "photos" / "bad.jpg").write_text("no photo")
    ran = viz("photos", "--batch", "-o", "numbers.csv", "--json")
    assert ran.code == 1
    found = json.loads(ran.out)
    assert found["photos"] == 3
    assert [item["name"] for item in found["failed"]] == ["photos/bad.jpg"]
    assert "error: 1 of 4 images failed: photos/bad.jpg" in ran.err
    assert len((place / "numbers.csv").read_text().splitlines()) == 4
    before = (place / "numbers.csv").read_bytes()
    ran = viz("photos", "--batch", "-o", "numbers.csv")
    assert ran.code == 1
    assert "exists already" in ran.line
    assert (place / "numbers.csv").read_bytes() == before


def test_a_batch_of_nothing_readable_writes_nothing(viz: Any, place: Path) -> None:
    (place / "photos").mkdir()
    assert "photos: no image in it" in viz("photos", "--batch").line
    (place / "photos" / "bad.jpg").write_text("no photo")
    ran = viz("photos", "--batch", "-o", "numbers.csv")
    assert (ran.code, ran.out) == (1, "")
    assert not (place / "numbers.csv").exists()


def test_an_interrupted_batch_leaves_no_half_file(viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_photos(place, 3)
    add = MeasureTable.add

    def stop(table: MeasureTable, measures: Any) -> None:
        if table.images == 2:
            raise KeyboardInterrupt
        add(table, measures)

    monkeypatch.setattr(MeasureTable, "add", stop)
    before = names(place)
    assert viz("photos", "--batch", "-o", "numbers.csv").code == 130
    assert names(place) == before


@pytest.mark.slow
def test_a_batch_keeps_nothing_of_a_photo(viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_photos(place, 6)
    live: list[tuple[int, int]] = []
    add = MeasureTable.add

    def counting(table: MeasureTable, measures: Any) -> None:
        gc.collect()
        things = gc.get_objects()
        kinds = [type(thing) for thing in things]
        live.append((kinds.count(StageMeasures), sum(issubclass(kind, torch.Tensor) for kind in kinds)))
        add(table, measures)

    monkeypatch.setattr(MeasureTable, "add", counting)
    monkeypatch.setattr("convneur.gates.state_share.MOST_IMAGES", 1)  # of which it keeps queries and states
    assert viz("photos", "--batch", "-o", "numbers.csv").code == 0
    assert len(live) == 6
    assert len(set(live[1:])) == 1


PEAK = """
import resource, sys
from convneur_cli.app import main
try:
    main(sys.argv[1:])
except SystemExit as stopped:
    assert not stopped.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory in KiB, as Linux alone reports it")
def test_a_thousand_photos_in_flat_memory(place: Path) -> None:
    (place / "photos").mkdir()
    for number in range(1000):
        photo(place / "photos" / f"{number:04}.png", seed=number)
    kilobytes = []
    for photos in ("photos/00*.png", "photos/*.png"):
        found = [str(path) for path in sorted(place.glob(photos))]
        options = ["--batch", "-q", "--model", "tiny.json", "--size", "64", "-o", f"{len(found)}.csv"]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "viz-gates", *found, *options], check=True, capture_output=True, text=True
        )
        kilobytes.append(int(done.stdout.splitlines()[-1]))
    assert len((place / "1000.csv").read_text().splitlines()) == 4001
    assert kilobytes[1] - kilobytes[0] < 20_000


# A page to look around in


def test_a_page_is_one_file_with_a_record(viz: Any, place: Path) -> None:
    ran = viz("cat.png", "-o", "maps.html", "--save-arrays", "--row3", "gated", "--scale", "0:2")
    assert ran.code == 0
    assert {"maps.html", "maps.json", "maps.npz"} <= names(place)
    text = (place / "maps.html").read_text(encoding="utf-8")
    assert "http" not in text.replace("http-equiv", "")
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert data["stamp"] == "UNTRAINED WEIGHTS, seed 0"
    with np.load(place / "maps.npz") as file:
        arrays = dict(file)
    (stage,) = data["stages"]
    rows = {row["row"]: {one["key"]: one for one in row["maps"]} for row in stage["rows"]}
    assert set(rows) == {"local_only", "f_loc", "gate", "gated", "f_out", "surprise"}
    for row in ("local_only", "f_loc", "gate", "gated"):
        values = arrays[f"stage2_{row}"]
        assert rows[row]["rms"]["range"] == [float(values.min()), float(values.max())]
    assert rows["f_loc"]["rms"]["limits"] == [0, 2]


def test_pages_of_several_images(viz: Any, place: Path) -> None:
    assert viz("cat.png", "dog.jpg", "-o", "out", "--format", "html").code == 0
    assert names(place / "out") == {"cat-gates.html", "cat-gates.json", "dog-gates.html", "dog-gates.json"}


def test_a_page_of_a_huge_photo_is_refused(viz: Any, place: Path) -> None:
    photo(place / "wide.png", 32, 2100)
    ran = viz("wide.png", "-o", "maps.html", "--size", "native", "--stage", "2", quick=False)
    assert ran.code == 1
    assert "32x2100 pixels are too many for a page; choose a size of 2048 or less" in ran.line


# What goes wrong


def broken_images(place: Path) -> dict[str, str]:
    """Each broken image with what must be said of it."""
    (place / "text.jpg").write_text("not a photo")
    (place / "empty.png").touch()
    photo(place / "whole.jpg", 200, 300)
    (place / "cut.jpg").write_bytes((place / "whole.jpg").read_bytes()[:3000])
    photo(place / "dot.png", 1, 1)
    photo(place / "small.png", 20, 20)
    photo(place / "line.png", 2, 30000)
    return {
        "text.jpg": "not an image",
        "empty.png": "not an image",
        "cut.jpg": "damaged or cut short",
        "dot.png": "1x1 pixels",
        "small.png": "20x20 pixels",
        "line.png": "2x30000 pixels",
    }


def test_broken_images(viz: Any, place: Path) -> None:
    for name, says in broken_images(place).items():
        before = names(place)
        ran = viz(name, "-o", "maps.png")
        assert ran.code == 1, name
        assert ran.line.startswith(f"error: {name}: ")
        assert says in ran.line
        assert names(place) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.png"], "none.png: no such file"),
        ([".", "-o", "maps.png"], ".: is a folder; add --batch"),
        (["cat.png", "--weights", "none.safetensors"], "none.safetensors: no such file; packaged weights are"),
        (["cat.png", "--weights", "photos", "--seed", "1"], "--seed 1: is of an untrained model"),
        (["cat.png", "--local-weights", "none.safetensors"], "none.safetensors: no such file"),
        (["cat.png", "--stage", "5"], "--stage 5: choose"),
        (["cat.png", "--stage", "1,x"], "--stage 1,x: choose"),
        (["cat.png", "--size", "small"], "--size small: give"),
        (["cat.png", "--size", "31"], "--size 31: give"),
        (["cat.png", "--scale", "0"], "--scale 0: choose"),
        (["cat.png", "--size", "validation"], "--size validation: the weights do not say"),
        (["cat.png", "--gate-scale", "paired"], "--gate-scale paired: choose own, shared, or LOW:HIGH"),
        (["cat.png", "--gate-scale", "1:0"], "--gate-scale 1:0: needs two finite numbers"),
        (["cat.png", "--chunk-borders", "--order", "strided"], "--chunk-borders: strided chunks have none"),
        ([".", "--batch", "--gate-scale", "0:1"], "--gate-scale: --batch draws no pictures"),
        (["cat.png", "--scale", "2:1"], "scale 2:1: needs two finite numbers"),
        (["cat.png", "--scale", "0:nan"], "two finite numbers"),
        (["cat.png", "--reduce", "median"], "--reduce"),
        (["cat.png", "--row3", "before"], "--row3"),
        (["cat.png", "-o", "maps.gif"], "end it in .png, .svg, .pdf, .html"),
        (["cat.png", "-o", "maps"], "end it in .png, .svg, .pdf, .html"),
        (["cat.png", "--mask", "none.png"], "none.png: no such file"),
        (["cat.png", "dog.jpg", "--mask", "cat.png"], "--mask cat.png: is one file"),
        ([".", "--batch", "--mask", "cat.png"], "--mask cat.png: is one mask"),
        ([".", "--batch", "-o", "numbers.json"], "--output numbers.json: the name must end in .csv"),
        ([".", "--batch", "--overlay"], "--overlay: --batch draws no pictures"),
        ([".", "--batch", "--local-weights", "tiny.json"], "--local-weights: --batch draws no pictures"),
        ([".", "--batch", "--reduce", "max"], "--reduce: --batch draws no pictures"),
        (["cat.png", "-o", "maps.png", "--format", "svg"], "--format svg"),
        (["cat.png", "-o", "cat.png", "--force"], "--output cat.png: is IMAGE too"),
        (["cat.png", "--block", "3"], "block 3: stage 2 has blocks 1 to 2"),
        (["cat.png", "--block", "2"], "choose block 1, or a model with memory per-layer"),
        (["cat.png", "--fusion", "addition"], "choose a model with fusion gating"),
        (["cat.png", "--fusion", "concat", "--no-gate", "--row3", "gated"], "choose a model with fusion gating"),
        (["cat.png", "--memory", "none"], "choose a model with memory per-stage or per-layer"),
        (["cat.png", "--memory", "none", "--no-gate"], "choose a model with memory per-stage or per-layer"),
        (["cat.png", "--global-branch", "self-attention", "--surprise"], "--surprise: a self-attention branch has"),
        (["cat.png", "--seed", "-1"], "--seed"),
        (["cat.png", "--reads", "4"], "--reads 4: give a pixel's row and column"),
        (["cat.png", "--reads", "4,-1"], "--reads 4,-1: rows and columns count from 0"),
        (["cat.png", "--reads", "4,4", "--global-branch", "titans"], "--reads: a titans branch has no reads"),
        ([".", "--batch", "--reads", "4,4"], "--reads: --batch draws no pictures"),
        (["cat.png", "--list-layers", "--overlay"], "--overlay: --list-layers draws no pictures"),
        (["cat.png", "--list-layers", "-o", "a.png"], "--output: --list-layers writes no file"),
        (["cat.png", "--list-layers", "--layer", "stages.0"], "--layer: says nothing with --list-layers"),
        (["cat.png", "dog.jpg", "--list-layers"], "dog.jpg: --list-layers takes one image, for its size"),
        (["cat.png", "--layer", "stages.0", "--set", "depth=3"], "--set: no factory was named that takes them"),
        ([".", "--batch", "--set", "depth=3"], "--set: --batch draws no pictures"),
        (["cat.png", "--frobnicate"], "--frobnicate"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_wrong_usage(viz: Any, place: Path, arguments: list[str], says: str) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    by_name = {"--stage", "--layer"} & set(arguments)
    with_size = [*arguments, *([] if by_name else ["--stage", "2"])]
    ran = viz(*with_size, quick=False)
    assert ran.code == 2
    assert says in ran.line
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_a_width_that_one_image_needs_more_of_fails_that_image(
    viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is needed depends on the numbers under the maps."""
    write = convneur_cli.commands.viz_gates._write

    def refusing(results: Any, *arguments: Any, **options: Any) -> Any:
        if results[0].image.name == "cat.png":
            raise ConfigError("width", "too narrow", value="3in")
        return write(results, *arguments, **options)

    monkeypatch.setattr(convneur_cli.commands.viz_gates, "_write", refusing)
    ran = viz("cat.png", "dog.jpg", "--width", "3in", "-o", "out", "--json")
    assert ran.code == 1
    assert "error: cat.png: --width 3in: too narrow" in ran.err
    assert [each["name"] for each in json.loads(ran.out)["failed"]] == ["cat.png"]
    assert names(place / "out") == {"dog-gates.png", "dog-gates.json"}
    assert viz("cat.png", "--width", "3in").code == 2


def test_images_of_one_figure_fail_alone_where_another_worked(
    viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(place / "eel.png")
    inspect = convneur.gates.Inspector.inspect

    def refusing(self: Any, image: Path, **options: Any) -> Any:
        if image.name != "dog.jpg":
            raise ConfigError("reads", "is outside the image", value="9,9")
        return inspect(self, image, **options)

    monkeypatch.setattr(convneur.gates.Inspector, "inspect", refusing)
    ran = viz("cat.png", "dog.jpg", "eel.png", "--together", "-o", "three.png")
    assert ran.code == 1
    assert "2 of 3 images failed: cat.png, eel.png" in ran.err
    assert (place / "three.png").exists()
    assert viz("cat.png", "eel.png", "dog.jpg", "--together", "-o", "none.png").code == 2


def test_images_of_one_figure_are_counted(viz: Any, place: Path) -> None:
    (place / "text.jpg").write_text("not a photo")
    ran = viz("cat.png", "text.jpg", "dog.jpg", "--together", "-o", "both.png")
    assert ran.code == 1
    assert "1 of 3 images failed: text.jpg" in ran.err


def test_a_layer_that_is_no_map_of_one_image_fails_that_image(viz: Any, place: Path) -> None:
    (place / "nets.py").write_text("import torch\n\n\ndef deep():\n    return torch.nn.Conv2d(3, 4, 64, 64)\n\n\n"
                                   "class Deep(torch.nn.Sequential):\n    def __init__(self):\n"
                                   "        super().__init__(deep())\n")  # fmt: skip
    photo(place / "tiny.png", 64, 64)
    photo(place / "large.png", 128, 192)
    arguments = ("--layer", "0", "--size", "native", "-o", "out")
    ran = viz("tiny.png", "large.png", *arguments, model="nets.py:Deep", quick=False)
    assert ran.code == 1
    assert "error: tiny.png: --layer 0: its output is no map (4 × 1 × 1)" in ran.err
    assert names(place / "out") == {"large-gates.png", "large-gates.json"}
    ran = viz("tiny.png", *arguments[:4], model="nets.py:Deep", quick=False)
    assert ran.code == 2
    assert ran.line.startswith("error: --layer 0: its output is no map")
    assert (
        viz("tiny.png", "large.png", *arguments[2:], "--force", "--layer", "9", model="nets.py:Deep", quick=False).code
        == 2
    )


@pytest.mark.parametrize("model", ["m9", "m1,m2", "none.json"])
def test_unknown_or_several_nets(viz: Any, model: str) -> None:
    ran = viz("cat.png", model=model)
    assert ran.code == 2
    assert f"--model {model}" in ran.line


def test_a_net_for_other_channels(viz: Any, place: Path) -> None:
    (place / "four.json").write_text(json.dumps(TINY.replace(in_channels=4).to_dict()))
    ran = viz("cat.png", model="four.json")
    assert ran.code == 2
    assert "takes 4 channels" in ran.line


def test_broken_weights(viz: Any, place: Path) -> None:
    whole = weights(place / "net.safetensors")
    (place / "cut.safetensors").write_bytes(whole.read_bytes()[:-100])
    (place / "text.safetensors").write_text("hello, this is no checkpoint")
    torch.save({"weight": torch.zeros(3)}, place / "zip.pt")
    (place / "pickle.pt").write_bytes(pickle.dumps({"weight": 1}))
    with torch.no_grad():
        net = untrained(TINY, 0)
        net.stages[0][0].local_branch.pw_conv1.weight[0, 0] = float("nan")
    save_checkpoint(net, place / "nan.safetensors")
    weights(place / "m1.safetensors", VARIANTS["m1"].replace(head="none"))
    before = names(place)
    for name, options, says in (
        ("cut.safetensors", (), "not a readable safetensors file"),
        ("text.safetensors", (), "not a safetensors file"),
        ("zip.pt", (), "never loaded"),
        ("pickle.pt", (), "never loaded"),
        ("nan.safetensors", (), "stages.0.0.local_branch.pw_conv1.weight holds NaN"),
        ("m1.safetensors", ("--model", "m2"), "holds a model with dims"),
        ("net.safetensors", ("--fusion", "concat"), "holds a model with fusion gating"),
        ("net.safetensors", ("--memory", "per-layer"), "holds a model with memory per-stage"),
        (".", (), ".: "),
    ):
        ran = viz("cat.png", "--weights", name, *options, model=None)
        assert ran.code == 1, name
        assert ran.line.startswith(f"error: {name}: ")
        assert says in ran.line
    ran = viz("cat.png", "--local-weights", "net.safetensors")
    assert ran.code == 1
    assert "holds a model with memory per-stage, not none" in ran.line
    assert names(place) == before


def test_the_files_own_variant_may_be_named(viz: Any, place: Path) -> None:
    file = weights(place / "m1.safetensors", VARIANTS["m1"].replace(num_classes=11, chunk_length=50))
    assert viz("cat.png", "--weights", file, model="m1").code == 0
    assert json.loads((place / "cat-gates.json").read_text())["stages"][0]["chunk_length"] == 40


def test_the_same_figure_in_another_format_joins_its_record(viz: Any, place: Path) -> None:
    assert viz("cat.png", "-o", "one.svg", "--save-arrays").code == 0
    record = json.loads((place / "one.json").read_text())
    assert record["formats"] == ["svg", "npz"]
    assert viz("cat.png", "-o", "one.html").code == 0
    assert viz("cat.png", "-o", "one.pdf", "--save-arrays").code == 0
    joined = json.loads((place / "one.json").read_text())
    assert joined == {**record, "formats": ["svg", "npz", "html", "pdf"]}
    (place / "one.svg").unlink()
    assert viz("cat.png", "-o", "one.pdf", "--force").code == 0
    assert json.loads((place / "one.json").read_text())["formats"] == ["npz", "html", "pdf"]


def test_two_figures_of_one_stem_would_share_a_record(viz: Any, place: Path) -> None:
    assert viz("cat.png", "-o", "one.svg").code == 0
    kept = (place / "one.json").read_bytes()
    for other in (("dog.jpg",), ("cat.png", "--row3", "gated")):
        ran = viz(*other, "-o", "one.pdf")
        assert ran.code == 1
        assert ran.line == (
            "error: one.json: exists already and is no record of this figure; choose another stem than one, or add "
            "--force"
        )
        assert not (place / "one.pdf").exists()
        assert (place / "one.json").read_bytes() == kept
    assert viz("dog.jpg", "-o", "one.pdf", "--force").code == 0
    assert json.loads((place / "one.json").read_text())["formats"] == ["pdf"]
    (place / "two.npz").write_text("mine")
    (place / "two.json").write_bytes(kept)
    assert "two.npz: exists already" in viz("cat.png", "-o", "two.pdf", "--save-arrays").line
    assert (place / "two.npz").read_text() == "mine"


def test_nothing_is_overwritten_without_force(viz: Any, place: Path) -> None:
    for name in ("maps.png", "maps.json", "maps.npz"):
        (place / name).write_text("mine")
        ran = viz("cat.png", "-o", "maps.png", "--save-arrays")
        assert ran.code == 1
        assert ran.line.startswith(f"error: {name}: exists already")
        assert (place / name).read_text() == "mine"
        assert viz("cat.png", "-o", "maps.png", "--save-arrays", "--force").code == 0
        assert (place / name).read_bytes() != b"mine"
        for written in ("maps.png", "maps.json", "maps.npz"):
            (place / written).unlink()


def test_a_batch_checks_all_outputs_first(viz: Any, place: Path) -> None:
    (place / "out").mkdir()
    (place / "out" / "dog-gates.png").write_text("mine")
    assert viz("cat.png", "dog.jpg", "-o", "out").code == 1
    assert names(place / "out") == {"dog-gates.png"}


def test_folders_that_cannot_be_written_to(viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such folder" in viz("cat.png", "-o", "none/maps.png").line
    (place / "maps.png").mkdir()
    ran = viz("cat.png", "-o", "maps.png")
    assert ran.code == 1
    assert "is a folder; name a file" in ran.line
    for name in (".", "/"):
        ran = viz("cat.png", "-o", name)
        assert (ran.code, ran.line) == (2, f"error: --output {name}: is a folder; name a file")
    (place / "file").touch()
    assert "is not a folder" in viz("cat.png", "dog.jpg", "-o", "file").line
    monkeypatch.setattr(os, "access", lambda *_: False)
    ran = viz("cat.png", "-o", "other.png")
    assert ran.code == 1
    assert "cannot write there" in ran.line


def test_a_diverging_memory_is_one_line(viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = untrained(TINY, 0)
    with torch.no_grad():  # finite weights whose products are not
        net.stages[1][0].local_branch.pw_conv2.bias.fill_(3e38)
        net.stages[1][0].local_branch.pw_conv2.weight.fill_(3e38)
    save_checkpoint(net, place / "net.safetensors")
    ran = viz("cat.png", "--weights", "net.safetensors")
    assert ran.code == 1
    assert "error: cat.png: " in ran.line
    assert "NaN or infinite" in ran.line


def test_too_little_memory_is_one_line(viz: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 123 bytes.")

    monkeypatch.setattr(ConvNeur, "forward_taps", full)
    ran = viz("cat.png")
    assert ran.code == 1
    assert "not enough memory for 43x64 pixels" in ran.line


def test_interrupted_runs_leave_no_half_file(viz: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_figure: Figure, path: Path) -> None:
        path.write_text("half a fig")
        raise KeyboardInterrupt

    monkeypatch.setattr(convneur.figures.style, "save_figure", stop)
    before = names(place)
    ran = viz("cat.png")
    assert ran.code == 130
    assert names(place) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows file names that are not valid UTF-8")
def test_a_name_that_is_no_text(viz: Any, place: Path) -> None:
    name = os.fsdecode(b"caf\xe9 $x^$ \xe6\x97\xa5.png")
    photo(place / name)
    ran = viz(name, "-o", "maps.png", "--json", "-q")
    assert ran.code == 0
    assert json.loads(ran.out)["images"][0]["image"]["name"].startswith("caf\\xe9 $x^$")


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from convneur_cli.app import app; app(['viz-gates', '--help'], standalone_mode=False); "
        "assert not {'torch', 'numpy', 'matplotlib', 'PIL'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "convneur viz-gates photo.jpg" in done.stdout


def test_a_batch_counts_what_it_does_not_read(viz: Any, place: Path) -> None:
    folder_of_photos(place, 2)
    (place / "photos" / "z.heic").touch()
    (place / "photos" / "linked.png").symlink_to(place / "cat.png")
    ran = viz("photos", "--batch", "--json")
    assert "warning: photos: 1 file is not read (1 .heic); convert them to PNG or JPEG" in ran.err
    assert "photos: 1 link is not followed: photos/linked.png; --follow-links reads what it leads to" in ran.err
    more = viz("photos", "--batch", "--json", "--follow-links")
    assert json.loads(more.out)["photos"] == json.loads(ran.out)["photos"] + 1
