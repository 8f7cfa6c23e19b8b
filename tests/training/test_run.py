"""`convneur.training.train`: what the command does, from Python, and each going on with the other's runs."""

import json
import math
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from convneur.checkpoints import load_checkpoint, save_checkpoint
from convneur.errors import ConfigError, InputError
from convneur.figures import training_figure
from convneur.inference import load
from convneur.model.network import ConvNeur
from convneur.progress import Advance, ProgressLines
from convneur.training import RunPlan, Trainer, TrainResult, is_main_process, read_result, train
from convneur.training.folder import STATE
from convneur.training.settings import recipe_settings
from convneur.training.state import read_progress, refuse_other_model, save_state
from convneur.variants import VARIANTS, ConvNeurConfig
from convneur_cli.app import main

LEGACY = Path(__file__).parents[1] / "legacy"
QUICK: dict[str, Any] = {
    "task": "classification", "model": "tiny.json", "recipe": "quick.json", "workers": 0, "precision": "fp32",
}  # fmt: skip


@pytest.fixture
def place(working_folder: Callable[..., Path]) -> Path:
    return working_folder({"train": 6, "val": 2, "test": 2})


def shell(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["train", *map(str, arguments), "-q"])
    return int(stopped.value.code or 0)


def typed(values: Mapping[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in ("--" + name.replace("_", "-"), str(value))]


def same(one: Path, other: Path) -> None:
    """Equal to the last bit, but for the times."""
    for name in ("weights.safetensors", STATE):
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())
    assert read_result(one).losses == read_result(other).losses
    assert read_result(one).validations == read_result(other).validations
    assert RunPlan.read(one) == RunPlan.read(other)


@pytest.mark.parametrize("begins", ["python", "shell"])
def test_a_run_begun_in_one_place_goes_on_in_the_other_bit_for_bit(
    place: Path, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    values = {**QUICK, "epochs": 20, "lr": 0.02, "mem_dim": 4, "save_every": 4, "validate_every": 15}
    train("cls", out="whole", **values)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_record", lambda *arguments: (_ for _ in ()).throw(InputError(None, "no power")))
        if begins == "python":
            with pytest.raises(InputError, match="no power"):
                train("cls", out="stopped", **values)
        else:
            assert shell("cls", "--out", "stopped", *typed(values)) == 1
    assert read_progress(place / "stopped" / STATE)["step"] == 8
    if begins == "python":
        assert shell("cls", "--out", "stopped", "--resume", *typed(values)) == 0
    else:
        result = train("cls", out="stopped", resume=True, **values)
        assert result.to_dict() == {**read_result("whole").to_dict(), "run": "stopped", "weights": str(result.weights)}
    same(place / "whole", place / "stopped")


def test_the_result_says_what_the_command_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = train("seg", out="run", **{**QUICK, "task": "segmentation"}, validate_every=3)
    assert shell("seg", "--out", "other", *typed({**QUICK, "task": "segmentation", "validate_every": 3}), "--json") == 0
    assert json.loads(capsys.readouterr().out.replace("other", "run")) == result.to_dict()
    provenance = load_checkpoint(result.weights).provenance
    assert provenance["validation"] == dict(result.best)
    assert provenance["validated_size"] == list(load(result.weights).validated_size or ()) == [40, 48]
    assert read_result("run") == result
    assert [record["step"] for record in result.validations] == [3, 6]
    assert f"{result.best['miou']:.3f}" in str(result)
    result.save("run.csv")
    rows = (place / "run.csv").read_text().splitlines()
    assert rows[0] == "step,miou,pixel_accuracy"
    assert [float(row.split(",")[1]) for row in rows[1:]] == [record["miou"] for record in result.validations]
    with pytest.raises(TypeError):
        result.best["miou"] = 1.0  # type: ignore[index]


@pytest.mark.usefixtures("drawn")
def test_the_figure_is_of_the_result(place: Path) -> None:
    result = train("cls", out="run", **QUICK, epochs=20, validate_every=10)
    left, right = training_figure(result).axes
    assert left.lines[0].get_xydata().tolist() == [list(point) for point in result.losses]
    assert [step for step, _ in result.losses] == [10, 20, 30]
    assert right.lines[0].get_xydata().tolist() == [[each["step"], each["top1"]] for each in result.validations]
    assert (place / "run" / "training.png").stat().st_size > 1000


def test_a_config_and_names_are_taken_as_objects(place: Path, tiny: ConvNeurConfig) -> None:
    values = {**QUICK, "model": tiny, "epochs": 1, "task": "segmentation", "classes": ["ground", "square"], "crop": 32}
    result = train("seg", out="run", **values)
    assert RunPlan.read("run").request.model == "custom"
    assert load_checkpoint(result.weights).provenance["classes"] == ["ground", "square"]
    train("seg", out="run", resume=True, **values)
    with pytest.raises(ConfigError, match="model: the run in run was begun with another"):
        train("seg", out="run", resume=True, **{**values, "model": tiny.replace(mem_dim=4)})
    with pytest.raises(ConfigError, match="classes a,b: the run in run was begun with ground,square"):
        train("seg", out="run", resume=True, **{**values, "classes": ["a", "b"]})


def test_a_run_goes_on_with_its_model_and_recipe_under_other_paths(place: Path, tiny: ConvNeurConfig) -> None:
    (place / "sub").mkdir()
    (place / "tiny.json").write_text(json.dumps(tiny.to_dict()))
    (place / "sub/small.json").write_text(json.dumps(tiny.to_dict()))
    (place / "other.json").write_text(json.dumps(tiny.replace(mem_dim=4).to_dict()))
    recipe = recipe_settings("small", "classification").to_dict()
    del recipe["task"], recipe["seed"]
    (place / "recipe.json").write_text(json.dumps(recipe))
    (place / "changed.json").write_text(json.dumps({**recipe, "lr": 0.5}))
    values = {**QUICK, "model": "tiny.json", "recipe": "recipe.json", "epochs": 1}
    train("cls", out="run", **values)
    for model, again in (("./tiny.json", "recipe.json"), (place / "sub/small.json", place / "recipe.json")):
        assert train("cls", out="run", resume=True, **{**values, "model": model, "recipe": again}).steps
    for name in ("model", "recipe"):
        other = {"model": "other.json", "recipe": "changed.json"}[name]
        with pytest.raises(ConfigError, match=f"{name} {other}: the run in run was begun with"):
            train("cls", out="run", resume=True, **{**values, name: other})


def test_a_thread_trains_too_and_notes_go_to_progress(place: Path) -> None:
    """Where Python takes over no signals, as in a notebook's worker thread."""
    notes: list[str] = []

    class Notes(ProgressLines):
        def note(self, line: str) -> None:
            notes.append(line)

    found: list[TrainResult] = []
    thread = threading.Thread(target=lambda: found.append(train("cls", out="run", progress=Notes(), **QUICK, epochs=1)))
    thread.start()
    thread.join()
    assert found[0].steps == 2
    assert any("2 of 4 views" in line for line in notes)
    assert is_main_process()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.1}, "learning_rate: is not a setting of the recipe or the model"),
        ({"num_classes": 3}, "num_classes: the data say it"),
        ({"drop_path_rate": 0.3}, "drop_path_rate: give `drop_path`"),
        ({"lr": 0.0}, "lr 0.0: must be above 0"),
        ({"memory": "some"}, "memory 'some': choose one of"),
        ({"task": "poses"}, "task poses: choose segmentation, classification"),
        ({"precision": "fp16"}, "precision fp16: choose auto, fp32, bf16"),
        ({"device": "tpu"}, "device tpu: choose auto, cpu"),
        ({"minutes": 0}, "minutes 0: must be above 0"),
        ({"minutes": math.inf}, "minutes inf: must be above 0 and at most 1000000"),
        ({"ignore_index": 10**30}, f"ignore_index {10**30}: must be at most 2147483647"),
        ({"mixup": 0.8, "batch": 4, "accumulate": 4}, "accumulate 4: leaves one image at a time, with no other to mix"),
        ({"cutmix": 1.0, "batch": 1}, "batch 1: leaves one image at a time"),
        ({"minutes": 1, "epochs": 1}, "minutes: cannot be combined with `epochs`"),
        ({"save_every": 0}, "save_every 0: must be whole and at least 1"),
        ({"workers": -1}, "workers -1: must be whole and at least 0"),
        ({"validate_every": 1.5}, "validate_every 1.5: must be whole"),
        ({"preset": "camvid"}, "preset: is for segmentation"),
        ({"preset": "imagenet", "task": "segmentation"}, "preset imagenet: choose ade20k"),
        ({"classes": "none.txt"}, "classes none.txt: no such file"),
        ({"classes": ["a", "a"]}, "classes a, a: name each class once"),
        ({"ignore_index": "some"}, "ignore_index some: must be a whole number"),
        ({"init": "none"}, "init none: no such file; packaged weights are "),
        ({"model": "m9"}, "model m9: choose m1"),
        ({"batch": 10**400}, f"batch {10**400}: must be at most 1000000"),
        ({"seed": 2**70}, "seed 1180591620717411303424: must be at most 9223372036854775807"),
        ({"model": VARIANTS["m1"].replace(in_channels=4)}, "model: takes 4 channels, and images are read as RGB"),
        ({"recipe": "large"}, "recipe large: choose small"),
        ({"head": "upernet"}, "head upernet: is not for classification"),
        ({"accumulate": 3}, "batch 4: must be a multiple of 3 (processes x `accumulate`)"),
    ],
)
def test_what_cannot_be_is_named_before_anything_is_written(place: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        train("cls", out="run", **{**QUICK, **change})
    assert str(error.value).startswith(words)
    assert error.value.setting in (*change, "batch")
    assert "--" not in str(error.value)
    assert not (place / "run").exists()


def test_a_folder_that_holds_a_run_is_left_alone(place: Path) -> None:
    with pytest.raises(InputError, match="run: holds no run to go on with; leave out `resume`"):
        train("cls", out="run", resume=True)
    train("cls", out="run", **QUICK, epochs=1)
    before = (place / "run" / "weights.safetensors").read_bytes()
    with pytest.raises(InputError, match="run: holds a run already; `resume` goes on with it"):
        train("cls", out="run", **QUICK, epochs=1)
    with pytest.raises(ConfigError, match=r"lr 0.5: the run in run was begun with 0.01; leave it out"):
        train("cls", out="run", resume=True, lr=0.5)
    assert (place / "run" / "weights.safetensors").read_bytes() == before
    train("cls", out="run", **QUICK, epochs=1, force=True, seed=1)
    assert (place / "run" / "weights.safetensors").read_bytes() != before


def test_data_are_known_wherever_they_lie_and_when_they_changed(place: Path) -> None:
    (place / "seg" / "classes.txt").write_text("ground\nsquare\n")
    values = {**QUICK, "task": "segmentation", "epochs": 1}
    train("seg", out="run", classes="seg/classes.txt", **values)
    (place / "seg").rename(place / "moved")
    assert train("moved", out="run", resume=True).steps == 2
    assert train("moved", out="run", resume=True, classes="moved/classes.txt").steps == 2
    with pytest.raises(ConfigError, match="classes ground,box: the run in run was begun with ground,square"):
        train("moved", out="run", resume=True, classes=["ground", "box"])

    mask = place / "moved" / "masks" / "train" / "0.png"
    before = mask.read_bytes()
    mask.write_bytes((mask.parent / "1.png").read_bytes())
    with pytest.raises(ConfigError, match="data moved: its label maps have changed since the run in run was begun"):
        train("moved", out="run", resume=True)
    mask.write_bytes(before)
    (place / "moved" / "images" / "train" / "0.jpg").write_bytes(b"other")
    with pytest.raises(ConfigError, match="its images have changed since the run in run was begun; put them back"):
        train("moved", out="run", resume=True)
    # As the first versions kept it: the names alone.
    config = json.loads((place / "run" / "config.json").read_text())
    del config["contents"]
    (place / "run" / "config.json").write_text(json.dumps(config))
    assert train("moved", out="run", resume=True).steps == 2


def test_an_image_that_moves_from_one_split_to_the_other_makes_other_splits(place: Path) -> None:
    values = {**QUICK, "task": "segmentation", "epochs": 1}
    folders = [place / "seg" / kind for kind in ("images", "masks")]
    for folder in folders:
        for path in sorted((folder / "val").iterdir()):
            path.rename(path.with_stem(f"9{path.stem}"))
    train("seg", out="run", **values)
    for folder in folders:  # joined, names and files keep their order
        (last,) = (folder / "train").glob("5.*")
        last.rename(folder / "val" / last.name)
    with pytest.raises(ConfigError, match="data seg: holds other images than the run in run was begun with"):
        train("seg", out="run", resume=True)


def test_what_one_split_leaves_out_the_other_may_have(working_folder: Callable[..., Path]) -> None:
    place = working_folder({"train": 101, "val": 2})
    (place / "seg" / "images" / "train" / "1.jpg").write_bytes(b"broken")
    values = {**QUICK, "task": "segmentation", "epochs": 0.1}
    begun = train("seg", out="run", progress=Listening(), **values)
    plan = json.loads((place / "run" / "config.json").read_text())
    assert plan["left_out"] == ["train/1"]
    assert train("seg", out="run", resume=True, progress=Listening()).steps == begun.steps


def test_a_recipe_or_model_whose_file_was_edited_is_another(place: Path) -> None:
    train("cls", out="run", **QUICK, epochs=1)
    for name, key in (("recipe", "lr"), ("model", "mem_dim")):
        file = place / QUICK[name]
        before = file.read_text()
        file.write_text(json.dumps(json.loads(before) | {key: 2}))
        with pytest.raises(ConfigError, match=rf"{name} {QUICK[name]}: holds other settings than the run in run was"):
            train("cls", out="run", resume=True, **{name: QUICK[name]})
        file.write_text(before)
        assert train("cls", out="run", resume=True, **{name: QUICK[name]}).steps == 2


def test_settings_that_would_change_others_are_refused_though_their_value_is_the_plans(place: Path) -> None:
    train("cls", out="run", **QUICK, epochs=1, chunks=4)
    length = RunPlan.read("run").config.chunk_length
    with pytest.raises(ConfigError, match=f"chunk_length {length}: changes how the run in run was begun; leave it out"):
        train("cls", out="run", resume=True, chunk_length=length)
    with pytest.raises(ConfigError, match="model_preset nonsense: choose classification, dense"):
        train("cls", out="run", resume=True, model_preset="nonsense")
    assert train("cls", out="run", resume=True, chunks=4).steps == 2


def test_where_files_lie_is_not_in_the_weights(place: Path) -> None:
    values = {**QUICK, "model": str(place / "tiny.json"), "recipe": str(place / "quick.json")}
    first = train("cls", out="first", **values, epochs=1)
    result = train("cls", out="run", init=str(first.weights), **values, epochs=1)
    said = load_checkpoint(result.weights).provenance
    assert (said["model"], said["recipe"], said["init"]) == ("tiny.json", "quick.json", "weights.safetensors")
    assert str(place) not in json.dumps(dict(said))


def test_other_weights_of_the_same_file_name_are_no_start_of_this_run(place: Path, tiny: ConvNeurConfig) -> None:
    for folder in ("one", "other"):
        (place / folder).mkdir()
        save_checkpoint(ConvNeur(tiny), place / folder / "weights.safetensors")
    train("cls", out="run", init="one/weights.safetensors", **QUICK, epochs=1)
    (place / "one").rename(place / "moved")
    assert train("cls", out="run", resume=True, init="moved/weights.safetensors").steps == 2
    with pytest.raises(ConfigError, match=r"init .*weights.safetensors: holds other weights than the run in run was"):
        train("cls", out="run", resume=True, init="other/weights.safetensors")


def test_the_setting_in_which_other_weights_differ_is_named(place: Path, tiny: ConvNeurConfig) -> None:
    save_checkpoint(ConvNeur(tiny.replace(kernel_size=5)), place / "five.safetensors")
    with pytest.raises(InputError, match="holds a model of kernel_size 5, this one has 7; choose the same `model` and"):
        train("cls", out="run", init="five.safetensors", **QUICK)


def test_a_run_begins_with_no_weights_that_diverged(place: Path, tiny: ConvNeurConfig) -> None:
    model = ConvNeur(tiny)
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    save_checkpoint(model, place / "nan.safetensors")
    with pytest.raises(InputError, match="holds NaN or infinite values; the training diverged"):
        train("cls", out="run", init="nan.safetensors", **QUICK)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_label_that_is_no_class_is_named_where_it_came_later(
    place: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    run = Trainer.run

    def spoiling(self: Trainer, **how: Any) -> Any:
        for mask in (place / "seg" / "masks" / "train").iterdir():
            Image.fromarray(np.full((40, 48), 9, np.uint8)).save(mask)
        return run(self, **how)

    monkeypatch.setattr(Trainer, "run", spoiling)
    with pytest.raises(InputError, match=r"png: label 9 is none of 0 to 1 .* it could be read when the run began"):
        train("seg", out="run", **{**QUICK, "task": "segmentation", "workers": workers})


def test_a_finished_run_says_how_its_weights_are_trained_on(place: Path) -> None:
    train("cls", out="run", **QUICK, epochs=1)
    way = r"train its weights on, .* in another `out` with `init run/weights.safetensors`"
    with pytest.raises(ConfigError, match=rf"epochs 2: the run in run was begun with 1; leave it out, .*{way}"):
        train("cls", out="run", resume=True, epochs=2)
    with pytest.raises(InputError, match=r"`force` begins again; .* another `out` and `init run/weights.safetensors`"):
        train("cls", out="run", **QUICK)
    progress = Listening()
    train("cls", out="run", resume=True, progress=progress)
    assert any("the run has had its 2 steps" in note for note in progress.notes)
    assert train("cls", out="longer", init="run/weights.safetensors", **QUICK, epochs=1).steps == 2


def test_colours_are_read_and_kept_with_the_run(place: Path) -> None:
    colours = np.array([(0, 0, 0), (200, 0, 0)], np.uint8)
    for path in (place / "seg" / "masks").rglob("*.png"):
        labels = np.asarray(Image.open(path))
        Image.fromarray(np.where((labels == 255)[..., None], 255, colours[labels % 255]).astype(np.uint8)).save(path)
    values = {**QUICK, "task": "segmentation", "epochs": 1}
    with pytest.raises(InputError, match=r"holds colours .* the colour table of the classes \(`colours`\)"):
        train("seg", out="run", **values)
    (place / "table.txt").write_text("255 255 255 void\n200 0 0 square\n0 0 0 ground\n")
    result = train("seg", out="run", colours="table.txt", **values)
    assert load_checkpoint(result.weights).provenance["classes"] == ["square", "ground"]
    (place / "table.txt").rename(place / "seg" / "table.txt")
    assert train("seg", out="run", resume=True, **values).steps == 2
    assert train("seg", out="run", resume=True, colours="seg/table.txt").steps == 2
    assert shell("seg", "--out", "typed", "--colours", "seg/table.txt", *typed(values)) == 0
    same(place / "run", place / "typed")
    (place / "seg" / "table.txt").write_text("255 255 255 void\n200 0 0 square\n0 0 9 ground\n")
    with pytest.raises(ConfigError, match="was begun with 255 255 255 none,200 0 0 square,0 0 0 ground"):
        train("seg", out="run", resume=True, colours="seg/table.txt")
    with pytest.raises(ConfigError, match="colours: is for segmentation"):
        train("cls", out="other", colours="seg/table.txt", **QUICK)


def test_init_is_taken_again_where_no_state_was_saved(place: Path, tiny: ConvNeurConfig) -> None:
    save_checkpoint(ConvNeur(tiny.replace(num_classes=5)), place / "five.safetensors")
    whole = train("cls", out="whole", init="five.safetensors", **QUICK)
    shutil.copytree("whole", "again")
    (place / "again" / STATE).unlink()
    train("cls", out="again", resume=True)
    same(whole.folder, place / "again")


def legacy(name: str, place: Path) -> Path:
    """A folder that version 0.1.0 left behind, as if it had been made here."""
    shutil.copytree(LEGACY / name, place / name)
    config = place / name / "config.json"
    config.write_text(config.read_text().replace("FOLDER", str(place)))
    return place / name


@pytest.mark.slow
def test_a_run_of_the_first_version_goes_on(place: Path) -> None:
    folder = legacy("run", place)
    plan = RunPlan.read(folder)
    assert (plan.request.task, plan.request.model, plan.request.data) == ("classification", "tiny.json", f"{place}/cls")
    with pytest.raises(ConfigError, match=r"epochs 9: the run in run was begun with 40"):
        train("cls", out="run", resume=True, epochs=9)
    before = read_progress(folder / STATE)
    result = train("cls", out="run", resume=True, **QUICK, epochs=40)
    assert result.steps == 60
    assert [dict(record) for record in result.validations[: len(before["validations"])]] == before["validations"]
    assert [step for step, _ in result.losses] == [10, 20, 30, 40, 50, 60]
    assert RunPlan.read(folder) == plan


@pytest.mark.slow
def test_a_run_of_the_first_version_without_a_state_begins_as_a_new_one(place: Path) -> None:
    folder = legacy("run-segmentation", place)
    values = {**QUICK, "task": "segmentation", "epochs": 40}
    train("seg", out="run-segmentation", resume=True, **values)
    train("seg", out="new", **values)
    same(place / "new", folder)
    assert shell("seg", "--out", "run-segmentation", "--resume", "--ignore-index", "7") == 2


def test_a_damaged_config_is_named(place: Path) -> None:
    folder = legacy("run", place)
    config = json.loads((folder / "config.json").read_text())
    for damage in ({"settings": {}}, {"asked": {}}, {"schema": "convneur.run/9"}, {"steps": 1, "classes": None}):
        (folder / "config.json").write_text(json.dumps({**config, **damage}))
        with pytest.raises(InputError, match="begin again with `force`"):
            train("cls", out="run", resume=True)


def test_equal_runs_give_equal_bytes(place: Path) -> None:
    for name in ("one", "two"):
        train("cls", out=name, **QUICK, epochs=2)
    for name in ("weights.safetensors", STATE):
        assert (place / "one" / name).read_bytes() == (place / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"step": "8"}, 'progress.step: must be a whole number, not "8"'),
        ({"step": 61}, "progress.step: 61 is not of a run of 60 steps"),
        ({"step": 60}, "progress.step: 60 is not of a run of 60 steps"),
        ({"validations": [{"step": 3, "score": 0.5}]}, r"validations\[0\].top1: is missing"),
        ({"validations": [{"step": 3, "score": 0.5, "top1": float("nan")}]}, "holds NaN"),
        ({"losses": [None]}, r"losses\[0\]: must be a number, not null"),
        ({"more": 1}, "progress.more: is unknown here"),
    ],
)
def test_a_damaged_state_is_named(place: Path, damage: dict[str, Any], words: str) -> None:
    state = legacy("run", place) / STATE
    progress = json.dumps({**read_progress(state), **damage})
    save_file(load_file(state), state, metadata={"format": "convneur.training-state/1", "progress": progress})
    with pytest.raises(InputError, match=rf"state.safetensors: is damaged \(.*{words}.*\); begin again with `force`"):
        train("cls", out="run", resume=True)


@pytest.mark.parametrize("key", ["exp_avg", "step"])
def test_moments_of_other_shapes_are_named(place: Path, key: str) -> None:
    state = legacy("run", place) / STATE
    tensors = load_file(state)
    (name, *_) = [name for name in tensors if name.startswith(f"optimizer.{key}.")]
    tensors[name] = torch.ones(1, 1)  # which would be spread over a whole weight
    metadata = {"format": "convneur.training-state/1", "progress": json.dumps(read_progress(state))}
    save_file(tensors, state, metadata=metadata)
    with pytest.raises(InputError, match=rf"is of another model \(tensor {name} is \(1, 1\)"):
        train("cls", out="run", resume=True)


class Listening(ProgressLines):
    """Keeps the notes, and how many steps of what were made."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.told: list[str] = []  # notes, and what steps were begun
        self.made: Counter[str] = Counter()

    def note(self, line: str) -> None:
        self.notes.append(line)
        self.told.append(line)

    @contextmanager
    def steps(self, what: str, total: float) -> Iterator[Advance]:
        self.told.append(what)

        def advance(now: str | None = None, steps: float = 1) -> None:
            self.made[what] += int(steps)

        yield advance


@pytest.mark.parametrize(("minutes", "timed"), [(1e-6, 6), (60, 23)])  # three of either are not counted
def test_steps_are_timed_for_a_part_of_the_minutes(
    place: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, timed: int
) -> None:
    monkeypatch.setattr(Trainer, "run", lambda *_, **how: (_ for _ in ()).throw(KeyboardInterrupt))
    progress = Listening()
    with pytest.raises(KeyboardInterrupt):
        train("cls", out="run", **QUICK, minutes=minutes, progress=progress)
    assert progress.made["timing steps in fp32"] == timed
    assert any("in use after the timed steps" in note for note in progress.notes)
    plan = next(note for note in progress.notes if note.startswith("steps"))
    assert f"as many as {minutes:g} min hold" in plan
    assert progress.told.index(plan) < progress.told.index("timing steps in fp32")


@pytest.mark.parametrize("fast", [True, False])
def test_bf16_is_tried_only_where_its_products_are_not_far_slower(
    place: Path, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr("convneur.training.profile._HOPELESS", math.inf if fast else 0.0)
    progress = Listening()
    train("cls", out="run", **{**QUICK, "precision": "auto"}, epochs=1, progress=progress)
    assert ("timing steps in bf16" in progress.made) is fast
    assert ("precision fp32: this processor is far slower in bf16" in progress.notes) is not fast
    assert any("in use after the timed steps" in note for note in progress.notes) is fast


def test_chunks_too_few_to_train_on_are_said_in_words(place: Path) -> None:
    progress = Listening()
    train("cls", out="run", **QUICK, epochs=1, progress=progress)
    (chunks,) = (note for note in progress.notes if note.startswith("chunks"))
    assert re.search(
        r"too few to train k, v and the update generator in stages? .*; see `min_chunks`, or take a larger `crop`$",
        chunks,
    )


def test_a_folder_without_a_run_has_no_result(place: Path) -> None:
    with pytest.raises(InputError, match=r"^cls: holds no run$"):
        read_result("cls")


def test_what_cannot_be_costs_the_old_run_nothing(place: Path, tiny: ConvNeurConfig) -> None:
    train("cls", out="run", **QUICK, epochs=1)
    (place / "no.safetensors").write_bytes(b"damaged")
    save_checkpoint(ConvNeur(tiny.replace(dims=(16, 16, 16, 16))), place / "wide.safetensors")
    shutil.copytree("cls", "damaged")
    for image in (place / "damaged").rglob("*.png"):
        image.write_bytes(b"\x89PNG\r\n\x1a\nnothing")

    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (place / "run").iterdir()}

    before = contents()
    for data, change in (
        ("damaged", {}),
        ("seg", {}),
        ("cls", {"init": "no.safetensors"}),
        ("cls", {"init": "wide.safetensors"}),
        ("cls", {"batch": 7, "accumulate": 2}),
    ):
        with pytest.raises((InputError, ConfigError)):
            train(data, out="run", **{**QUICK, **change}, epochs=1, force=True)
        assert contents() == before


def test_a_run_killed_before_its_first_step_goes_on_from_its_start(
    place: Path, tiny: ConvNeurConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(ConvNeur(tiny.replace(num_classes=5)), place / "five.safetensors")
    whole = train("cls", out="whole", init="five.safetensors", **QUICK, epochs=1)

    def killed(self: Trainer, **how: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "run", killed)
        with pytest.raises(SystemExit):
            train("cls", out="killed", init="five.safetensors", **QUICK, epochs=1)
    (place / "five.safetensors").unlink()  # what was taken of it is in the state
    train("cls", out="killed", resume=True)
    same(whole.folder, place / "killed")


def test_a_run_of_lost_records_has_an_empty_picture() -> None:
    left, right = training_figure(SimpleNamespace(title="m1", losses=[], scores={"mIoU": [(2, 0.5)]})).axes
    assert len(left.lines) == 0
    assert len(right.lines) == 1


def test_a_changed_config_is_set_against_the_state_before_a_model_is_made(tmp_path: Path) -> None:
    model = ConvNeur(ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8))
    progress: Any = {"step": 0}
    save_state(tmp_path / "state", model=model, average=model, optimizer=None, progress=progress)
    refuse_other_model(tmp_path / "state", model.config)
    with pytest.raises(
        InputError, match=r"state: is of another model \(tensor model.stem.0.weight is \(8, 3, 4, 4\), not"
    ):
        refuse_other_model(tmp_path / "state", model.config.replace(dims=(8000, 8, 8, 8)))


def test_a_run_begun_with_a_preset_goes_on_by_the_same_call(place: Path) -> None:
    values = {**QUICK, "epochs": 1, "model_preset": "dense"}
    assert train("cls", out="run", **values).steps
    assert train("cls", out="run", resume=True, **values).steps
    with pytest.raises(ConfigError, match="chunk_length 196: the run in run was begun with 4096"):
        train("cls", out="run", resume=True, **{**values, "model_preset": "classification"})
