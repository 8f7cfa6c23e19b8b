"""`convneur train` and `convneur predict` through their entry point: files, kill and resume, bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image
from safetensors.torch import load_file
from typer.main import get_command

from convneur.checkpoints import load_checkpoint, save_checkpoint
from convneur.errors import InputError
from convneur.model.network import ConvNeur
from convneur.packaged import weights_path
from convneur.training.run import _from_nothing
from convneur.training.start import start_from
from convneur.training.state import read_progress, steps_done
from convneur.training.stopping import asked_to_stop
from convneur.training.trainer import Trainer
from convneur.variants import VARIANTS, ConvNeurConfig
from convneur_cli.app import app

QUICK = ["--model", "tiny.json", "--recipe", "quick.json", "--workers", "0", "--precision", "fp32"]


@pytest.fixture
def place(working_folder: Callable[..., Path]) -> Path:
    return working_folder({"train": 6, "val": 2})


@pytest.fixture
def train(place: Path, command: Callable[[str], Any]) -> Any:
    return command("train")


def records(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


def same(one: Path, other: Path) -> None:
    """Equal weights and states to the last bit, equal records but for the times."""
    for name in ("weights.safetensors", "state.safetensors"):
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert torch.equal(tensor, theirs[key]), key
    assert records(one) == records(other)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("train", "out task model recipe init preset epochs minutes resume"),
        ("study", "out twins seeds task model recipe preset epochs minutes resume"),
    ],
)
def test_the_options_that_matter_come_first_in_a_panel_of_their_own(name: str, first: str) -> None:
    options = [each for each in get_command(app).commands[name].params if each.param_type_name == "option"]
    panels = {each.name: each.rich_help_panel for each in options}
    assert [option for option, panel in panels.items() if panel is None] == first.split()
    assert list(dict.fromkeys(panels.values())) == [
        None, "Data", "Model", "Augmentation", "Optimisation", "Run", *["Detection"] * (name == "train"), "Output",
    ]  # fmt: skip


@pytest.mark.usefixtures("drawn")
def test_segmentation_from_folder_to_label_maps(train: Any, place: Path, command: Callable[[str], Any]) -> None:
    code = train("seg", *QUICK, "--head", "semantic-fpn", "--epochs", "10", "--out", "run",
                 "--validate-every", "15", "--json")  # fmt: skip
    assert code == 0, train.err
    result = train.json
    assert result["schema"] == "convneur.train/1"
    assert result["steps"] == 15  # 10 epochs of 6 photos in batches of 4
    assert result["best"]["miou"] > 0.8  # bright squares on dark ground
    files = {path.name for path in (place / "run").iterdir()} - {".convneur.lock"}
    assert files == {"config.json", "metrics.jsonl", "state.safetensors", "training.png", "weights.safetensors"}
    record = records(place / "run")[0]
    assert record["step"] == 10
    about = load_checkpoint(place / "run" / "weights.safetensors").provenance
    assert about["classes"] == ["0", "1"]
    assert about["validation"]["miou"] == result["best"]["miou"]

    (place / "odd" / "deep").mkdir(parents=True)
    for name, shape in {"deep/a": (45, 61), "b": (20, 90), "c": (20, 90)}.items():
        Image.new("RGB", shape[::-1], "white" if name == "c" else "black").save(place / "odd" / f"{name}.png")
    predict = command("predict")
    weights = ["--weights", "run/weights.safetensors"]
    assert predict("odd", "seg/images/val/0.jpg", *weights, "--out", "maps", "--overlays", "seen", "--batch", "2",
                   "--probabilities", "shares", "--window", "40", "--json") == 0, predict.err  # fmt: skip
    named = {each["name"]: (each["height"], each["width"]) for each in predict.json["images"]}
    assert named == {"0": (40, 48), "b": (20, 90), "c": (20, 90), "deep/a": (45, 61)}
    for name, size in named.items():
        with Image.open(place / "maps" / f"{name}.png") as image:
            assert (image.mode, image.size) == ("P", size[::-1])
            labels = np.asarray(image)
        shares = np.load(place / "shares" / f"{name}.npz")["probabilities"]
        assert shares.shape == (2, *size)
        sure = np.abs(shares[0] - shares[1]) > 0.01  # float16 ties
        assert (shares.argmax(0) == labels)[sure].all()
        assert (place / "seen" / f"{name}.png").exists()
    assert predict("odd", *weights, "--out", "maps") == 1
    assert "exists already" in predict.line
    score = command("eval-boundary")
    assert score("maps/0.png", "seg/masks/val/0.png", "--metrics", "miou", "--json") == 0
    assert score.json["overall"]["miou"] > 0.7


def test_classification_learns_and_ranks(train: Any, place: Path, command: Callable[[str], Any]) -> None:
    code = train("cls", "--task", "classification", *QUICK, "--epochs", "30", "--mixup", "0.2", "--cutmix", "0.5",
                 "--erase", "0.25", "--rand-augment", "3", "--class-weights", "none", "--out", "run",
                 "--json")  # fmt: skip
    assert code == 0, train.err
    assert train.json["best"]["top1"] == 1.0
    predict = command("predict")
    assert predict("cls/val", "--weights", "run/weights.safetensors", "--out", "out", "--json") == 0
    likeliest = {each["name"]: each["top"][0]["class"] for each in predict.json["images"]}
    assert likeliest == {"dark/0": "dark", "light/1": "light"}
    assert (place / "out" / "predictions.csv").read_text().startswith("name,rank,class,probability\ndark/0,1,dark,")


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(train: Any, place: Path) -> None:
    arguments = ["cls", "--task", "classification", *QUICK, "--epochs", "40", "--save-every", "3", "--accumulate", "2",
                 "--validate-every", "20"]  # fmt: skip
    assert train(*arguments, "--out", "whole") == 0, train.err
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "convneur_cli", "train", *arguments, "--out", "killed"]
    victim = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while steps_done(place / "killed") < 3 and time.monotonic() < limit:
        time.sleep(0.002)
    time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    _, said = victim.communicate()
    assert victim.returncode == -signal.SIGKILL, said
    steps = [record["step"] for record in records(place / "killed")]
    assert not steps or steps[-1] < 60, "it ended before it was killed"

    assert train("cls", "--out", "killed") == 1
    assert "--resume goes on" in train.line
    assert train("cls", "--out", "killed", "--resume", "--workers", "0", "--save-every", "3") == 0, train.err
    same(place / "whole", place / "killed")


def test_workers_and_saving_change_nothing(train: Any, place: Path) -> None:
    arguments = ["cls", "--task", "classification", *QUICK[:4], "--precision", "fp32"]
    assert train(*arguments, "--workers", "0", "--out", "one") == 0, train.err
    assert train(*arguments, "--workers", "1", "--save-every", "1", "--out", "two") == 0, train.err
    same(place / "one", place / "two")


def test_shards_train_as_the_folders_do_and_go_on_bit_for_bit(
    train: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same photos as shards, in the same order: the same weights, killed at any step or not."""
    (place / "tars").mkdir()
    for split in ("train", "val"):
        with webdataset.TarWriter(str(place / "tars" / f"{split}-0.tar")) as writer:
            for path in sorted((place / "cls" / split).rglob("*.png")):
                key = path.relative_to(place / "cls" / split).with_suffix("").as_posix()
                writer.write({"__key__": key, "png": path.read_bytes(), "cls": int(path.parent.name == "light")})
    (place / "names.txt").write_text("dark\nlight\n")
    arguments = ["--task", "classification", *QUICK, "--epochs", "10", "--save-every", "4",
                 "--validate-every", "15"]  # fmt: skip
    assert train("cls", *arguments, "--out", "folders") == 0, train.err
    assert train("tars", *arguments, "--classes", "names.txt", "--out", "whole") == 0, train.err
    same(place / "folders", place / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("convneur.training.trainer.Trainer._record", stop)
        assert train("tars", *arguments, "--classes", "names.txt", "--out", "killed") == 1
    assert read_progress(place / "killed" / "state.safetensors")["step"] == 8
    assert train("tars", "--out", "killed", "--resume", "--workers", "0", "--save-every", "4") == 0, train.err
    same(place / "whole", place / "killed")
    assert load_checkpoint(place / "whole" / "weights.safetensors").provenance["classes"] == ["dark", "light"]
    assert train("cls", *arguments, "--classes", "names.txt", "--out", "other") == 2
    assert "folders name the classes here" in train.err


def stop(*arguments: Any) -> Any:
    raise InputError(None, "the power is gone")


def test_tensorboard_gets_the_records(train: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train("seg", *QUICK, "--epochs", "10", "--tensorboard", "--out", "run") == 0, train.err
    events = EventAccumulator(str(place / "run" / "tensorboard")).Reload()
    for key, name in (("loss", "loss"), ("miou", "miou"), ("largest_context", "largest_context/stage 1")):
        expected = [
            (record["step"], record[key] if name == key else record[key][0])
            for record in records(place / "run")
            if key in record
        ]
        assert [(event.step, event.value) for event in events.Scalars(name)] == [
            (step, pytest.approx(value)) for step, value in expected
        ]
    assert "iou/1" in events.Tags()["scalars"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorboard" else True)
    assert train("seg", *QUICK, "--tensorboard", "--out", "other") == 2
    assert "--tensorboard: needs TensorBoard; pip install tensorboard" in train.line


def test_ctrl_c_saves_and_says_how_to_go_on(train: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["cls", "--task", "classification", *QUICK, "--epochs", "20"]
    assert train(*arguments, "--out", "whole") == 0
    record = Trainer._record

    def interrupting(self: Trainer, *arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_record", interrupting)
        assert train(*arguments, "--out", "stopped") == 130
    assert "interrupted: saved at step 10 of 30; --resume goes on from there" in train.err
    assert train(*arguments, "--out", "stopped", "--resume") == 0, train.err
    same(place / "whole", place / "stopped")


def test_a_run_that_ended_before_its_first_state_begins_from_init_again(
    train: Any, place: Path, tiny: ConvNeurConfig
) -> None:
    save_checkpoint(ConvNeur(tiny.replace(num_classes=5)), place / "five.safetensors")
    arguments = ["cls", "--task", "classification", *QUICK, "--init", "five.safetensors"]
    assert train(*arguments, "--out", "whole") == 0
    assert train(*arguments, "--out", "again") == 0
    (place / "again" / "state.safetensors").unlink()
    assert train("cls", "--resume", "--out", "again", "--workers", "0") == 0, train.err
    same(place / "whole", place / "again")


def test_a_second_ctrl_c_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

    with asked_to_stop() as stop:
        assert not stop()
        interrupt()
        interrupt()  # a launcher's, at once after the terminal's
        assert stop()
        monkeypatch.setattr("convneur.training.stopping._SAME", -1.0)
        with pytest.raises(KeyboardInterrupt, match="`resume` goes on"):
            interrupt()


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_photo_lost_meanwhile_is_a_line(
    train: Any, place: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    run = Trainer.run

    def losing(self: Trainer, **how: Any) -> Any:
        (place / "cls" / "train" / "dark" / "2.png").unlink()
        return run(self, **how)

    monkeypatch.setattr(Trainer, "run", losing)
    arguments = ["--task", "classification", *QUICK[:4], "--precision", "fp32", "--workers", workers]
    assert train("cls", *arguments, "--out", "run") == 1
    assert "error: cls/train/dark/2.png: no such file; it could be read when the run began" in train.err


@pytest.mark.parametrize("words", ["DefaultCPUAllocator: can't allocate memory", "CUDA out of memory. Tried"])
def test_too_little_memory_is_a_line(train: Any, place: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    def refuse(*arguments: Any) -> Any:
        raise RuntimeError(words)

    monkeypatch.setattr("convneur.training.labelling.loss_sum", refuse)
    assert train("cls", "--task", "classification", *QUICK, "--out", "run") == 1
    assert "error: not enough memory for a step of 4 views of 32x32; choose a smaller --batch" in train.err


CHANGES = {
    ("--lr", "0.5"): "--lr 0.5: the run in run was begun with 0.01",
    ("--epochs", "9"): "--epochs 9: the run in run was begun with 4;",
    ("--mem-dim", "16"): "--mem-dim 16: the run in run was begun with 8",
    ("--task", "segmentation"): "--task segmentation: the run in run was begun with classification",
    ("--model", "m1"): "--model m1: the run in run was begun with tiny.json",
    ("--crop", "64"): "--crop 64,64: the run in run was begun with 32,32",
}


def test_a_resume_with_other_settings_is_refused_by_name(train: Any, place: Path) -> None:
    assert train("cls", "--task", "classification", *QUICK, "--validate-every", "6", "--out", "run") == 0
    for changed, words in CHANGES.items():
        assert train("cls", "--out", "run", "--resume", *changed) == 2
        assert words in train.line


def test_other_photos_are_no_resume(train: Any, place: Path) -> None:
    assert train("cls", "--task", "classification", *QUICK, "--out", "run") == 0
    (place / "cls" / "train" / "dark" / "0.png").unlink()
    assert train("cls", "--out", "run", "--resume") == 2
    assert "other images" in train.err


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_state(train: Any, place: Path) -> None:
    arguments = ["cls", "--task", "classification", *QUICK, "--save-every", "1", "--warmup", "0", "--out", "run"]
    assert train(*arguments, "--lr", "1e30") == 1
    assert "error: step 2: the " in train.err
    assert "is no number; the last good state is kept in run/state.safetensors" in train.err
    assert load_file(place / "run" / "state.safetensors")


def test_a_memory_that_diverges_behind_its_gate_stops(train: Any, place: Path, tiny: ConvNeurConfig) -> None:
    save_checkpoint(large := ConvNeur(tiny.replace(num_classes=2)), place / "small.safetensors")
    with torch.no_grad():
        large.stages[0][0].global_branch.expand.bias.fill_(5000.0)
    save_checkpoint(large, place / "large.safetensors")
    arguments = ["cls", "--task", "classification", *QUICK, "--init", "large.safetensors", "--epochs", "10"]
    assert train(*arguments, "--out", "run") == 1
    assert "diverges behind its gate" in train.err
    arguments[arguments.index("large.safetensors")] = "small.safetensors"
    assert train(*arguments, "--out", "other") == 0, train.err


@pytest.mark.slow
def test_a_penalty_brings_gates_back(train: Any, place: Path, tiny: ConvNeurConfig) -> None:
    net = ConvNeur(tiny.replace(num_classes=2))
    with torch.no_grad():
        net.stages[0][0].global_branch.expand.bias.fill_(8.0)
    save_checkpoint(net, place / "high.safetensors")
    largest = {}
    for penalty in ("0", "1"):
        arguments = ["cls", "--task", "classification", *QUICK, "--init", "high.safetensors", "--epochs", "40"]
        assert train(*arguments, "--context-penalty", penalty, "--lr", "0.1", "--out", penalty) == 0, train.err
        largest[penalty] = [record["largest_context"][0] for record in records(place / penalty) if "loss" in record]
    assert largest["0"][-1] > 7
    assert 1 < largest["1"][-1] < 0.8 * largest["0"][-1]  # back to where it moves, and no further


def test_overlap_counts_where_pixels_are_labelled(train: Any, place: Path) -> None:
    losses = {}
    for weight in ("0", "1"):
        assert train("seg", *QUICK, "--epochs", "2", "--jaccard", weight, "--out", weight) == 0, train.err
        losses[weight] = next(record["loss"] for record in records(place / weight) if "loss" in record)
    assert losses["0"] < losses["1"] < losses["0"] + 1
    assert train("cls", "--task", "classification", *QUICK, "--jaccard", "1", "--out", "cls-run") == 2
    assert "--jaccard 1.0: is for segmentation" in train.err


def test_init_says_what_it_took(train: Any, place: Path, tiny: ConvNeurConfig) -> None:
    save_checkpoint(ConvNeur(tiny.replace(num_classes=5)), place / "five.safetensors")
    assert train("cls", "--task", "classification", *QUICK, "--init", "five.safetensors", "--out", "run") == 0
    total = len(ConvNeur(tiny).state_dict())
    assert f"{total - 2} of {total} tensors taken" in train.err
    assert "2 begin at random: head.linear.weight, head.linear.bias" in train.err
    assert "was trained with" not in train.err
    save_checkpoint(ConvNeur(tiny.replace(chunks=2, read="final")), place / "chunks.safetensors")
    assert train("cls", "--task", "classification", *QUICK, "--init", "chunks.safetensors", "--out", "third") == 0
    assert "chunks.safetensors was trained with chunks 2, this model has none; --chunks 2 keeps it" in train.err
    assert "chunks.safetensors was trained with read final, this model has before" in train.err
    half = {"mean": [0.5, 0.5, 0.5], "std": [0.229, 0.224, 0.225]}
    save_checkpoint(ConvNeur(tiny), place / "half.safetensors", provenance=half)
    assert train("cls", "--task", "classification", *QUICK, "--init", "half.safetensors", "--out", "half") == 0
    assert "half.safetensors was trained with mean (0.5, 0.5, 0.5), this model has (0.485, 0.456, 0.406)\n" in train.err
    assert "trained with std" not in train.err
    save_checkpoint(ConvNeur(VARIANTS["m1"]), place / "m1.safetensors")
    assert train("cls", "--task", "classification", *QUICK, "--init", "m1.safetensors", "--out", "other") == 1
    assert "holds a model of dims (40, 80, 160, 320)" in train.err


def test_what_a_run_from_random_weights_names_is_taken_whole() -> None:
    base = VARIANTS["m1"].replace(head="light-fpn", num_classes=2)
    for config, changes in ((base, {"chunks": 4, "read": "final"}), (base.replace(memory="none"), {})):
        *_, init, named = re.split(r"`init (\S+)`", _from_nothing(config))
        asked = dict(re.findall(r"`(\w+) (\w+)`", named))
        assert asked == {name: str(value) for name, value in changes.items()}
        report = start_from(ConvNeur(config.replace(**changes)), weights_path(init))
        assert not report.otherwise
        assert all(name.startswith("head.") for name in (*report.fresh, *report.unused))
    assert "`init photos` `read final` learns" in _from_nothing(base.replace(chunks=4))
    assert _from_nothing(base.replace(global_branch="cbam")) == "begins from random weights"


IDLE = {
    ("cls", "--task", "classification", "--eval-scale", "0.5"): "--eval-scale 0.5: is not for classification",
    ("seg", "--memory", "none", "--context-penalty", "0.1"): "--context-penalty 0.1: this model has no gate",
    ("seg", "--min-lr", "0.1"): "--min-lr 0.1: is of the cosine, whose place the recipe's milestones take",
    ("cls", "--task", "classification", "--out", "cls/train/a/run"): "--out cls/train/a/run: lies among the images",
    ("seg", "--resume", "--force"): "--force: begins again, and --resume goes on; leave one of them out",
}


def test_options_that_do_nothing_are_refused(train: Any, place: Path) -> None:
    recipe = json.loads((place / "quick.json").read_text())
    (place / "quick.json").write_text(json.dumps({**recipe, "milestones": [0.5, 0.9]}))
    for typed, words in IDLE.items():
        out = () if "--out" in typed else ("--out", "run")
        assert train(*typed, *QUICK, *out) == 2
        assert words in train.line


def test_lost_weights_are_no_result(train: Any, place: Path) -> None:
    arguments = ["cls", "--task", "classification", *QUICK, "--out", "run"]
    assert train(*arguments) == 0
    weights = place / "run" / "weights.safetensors"
    kept = weights.read_bytes()
    for damage in (lambda: weights.unlink(), lambda: weights.write_bytes(b"0" * 40)):
        damage()
        assert train("cls", "--resume", "--out", "run") == 1
        assert "error: run/weights.safetensors: the run's best weights are lost; put them back" in train.err
        weights.write_bytes(kept)
    assert train("cls", "--resume", "--out", "run") == 0


def test_minutes_become_steps(train: Any, place: Path) -> None:
    assert train("cls", "--task", "classification", *QUICK[:6], "--minutes", "0.02", "--out", "run", "--json") == 0
    config = json.loads((place / "run" / "config.json").read_text())
    assert config["steps"] == train.json["steps"] >= 1
    assert config["precision"] in ("fp32", "bf16")
    assert f"0.02 min hold {config['steps']} step" in train.err


def break_size(place: Path) -> None:
    Image.new("L", (4, 4)).save(place / "seg" / "masks" / "train" / "0.png")


def break_label(place: Path) -> None:
    Image.new("L", (48, 40), 14).save(place / "seg" / "masks" / "train" / "0.png")


def break_photo(place: Path) -> None:
    path = place / "seg" / "images" / "train" / "0.jpg"
    path.write_bytes(path.read_bytes()[:300])


def lose_photo(place: Path) -> None:
    (place / "seg" / "images" / "train" / "0.jpg").unlink()


def leave_one(place: Path) -> None:
    for split in ("images", "masks"):
        for path in (place / "seg" / split / "val").iterdir():
            path.unlink()
        (place / "seg" / split / "val").rmdir()
        for path in sorted((place / "seg" / split / "train").iterdir())[1:]:
            path.unlink()


@pytest.mark.parametrize(
    ("breakage", "arguments", "code", "words"),
    [
        (break_size, [], 1, "4x4 pixels, its image"),
        (break_label, ["--classes", "two.txt"], 1, "label 14 is none of 0 to 1"),
        (break_photo, [], 1, "more than 1%: seg/images/train/0.jpg: damaged or cut short"),
        (lose_photo, [], 1, "0.png: no image 0"),
        (leave_one, [], 1, "one image; training needs a second one"),
        (None, ["--crop", "16"], 2, "--crop 16x16: ConvNeur needs at least 32x32"),
        (None, ["--scale", "2,1"], 2, "--scale 2.0,1.0: two numbers above 0, the smaller first"),
        (None, ["--mixup", "0.5"], 2, "--mixup 0.5: is for classification"),
        (None, ["--recipe", "imagenet"], 2, "recipe imagenet: is not for segmentation"),
        (None, ["--recipe", "none.json"], 1, "none.json: cannot be read"),
        (None, ["--minutes", "1", "--epochs", "2"], 2, "--minutes: cannot be combined with --epochs"),
        (None, ["--head", "classifier"], 2, "--head classifier: labels no pixels"),
        (None, ["--init", "none.safetensors"], 2, "none.safetensors: no such file"),
        (None, ["--resume"], 1, "run: holds no run to go on with"),
        (None, ["--out", "/proc/run"], 1, "/proc/run: cannot create the folder"),
        (None, ["--out", "/proc"], 1, "/proc: cannot write there"),
        (None, ["--ignore-index", "some"], 2, "--ignore-index some: must be a whole number"),
    ],
)
def test_bad_input_is_a_line(
    train: Any, place: Path, breakage: Callable[[Path], None] | None, arguments: list[str], code: int, words: str
) -> None:
    (place / "two.txt").write_text("ground\nsquare\n")
    if breakage:
        breakage(place)
    assert train("seg", *QUICK, "--out", "run", "-q", *arguments) == code
    assert words in train.line
    assert not (place / "run" / "weights.safetensors").exists()


def test_a_folder_that_is_not_there_is_wrong_usage(train: Any, place: Path) -> None:
    assert train("nowhere", "--out", "run") == 2
    assert "nowhere: no such file or folder" in train.line


def test_two_runs_do_not_share_a_folder(train: Any, place: Path) -> None:
    from filelock import FileLock

    (place / "run").mkdir()
    with FileLock(place / "run" / ".convneur.lock"):
        assert train("cls", "--task", "classification", *QUICK, "--out", "run") == 1
    assert "another process trains in it" in train.line


def test_a_class_that_is_never_shown_is_named(train: Any, place: Path) -> None:
    (place / "three.txt").write_text("ground\nsquare\nunicorn\n")
    assert train("seg", *QUICK, "--classes", "three.txt", "--epochs", "1", "--out", "run") == 0, train.err
    assert "warning: no training image shows unicorn" in train.err


def test_one_damaged_photo_of_many_is_left_out(train: Any, place: Path) -> None:
    for number in range(10, 115):
        Image.new("RGB", (8, 8)).save(place / "cls" / "train" / "dark" / f"{number}.png")
    (place / "cls" / "train" / "dark" / "10.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert train("cls", "--task", "classification", *QUICK, "--epochs", "0.1", "--out", "run") == 0, train.err
    assert "error: cls/train/dark/10.png: " in train.err
    assert "1 image that cannot be read, left out" in train.err
    assert "110 images to train on" in train.err
    assert train("cls", "--out", "run", "--resume") == 0, train.err  # without a second look
    assert "images  110 to train, " in train.err
    assert "10.png" not in train.err
