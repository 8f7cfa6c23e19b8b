"""`convneur study` through its entry point: turns, equal order, kill and resume, more twins, folds, refusals."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from convneur.errors import ConfigError
from convneur.study import run_study
from convneur.study.work import Study
from convneur.training import StepTime, Trainer

QUICK = ["--model", "tiny.json", "--recipe", "quick.json", "--workers", "0", "--precision", "fp32", "--epochs", "8",
         "--validate-every", "8"]  # fmt: skip
LEGACY = Path(__file__).parents[1] / "legacy"
STEPS = 16  # of those: 8 epochs of 4 photos by twos
SEG = ["seg", *QUICK]


@pytest.fixture
def place(working_folder: Callable[..., Path]) -> Path:
    return working_folder({"train": 4, "val": 2, "test": 3}, recipe={"batch": 2})


@pytest.fixture
def study(place: Path, command: Callable[[str], Any]) -> Any:
    return command("study")


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_a_study_is_runs_of_train_by_turns_scored_as_eval_boundary_does(
    study: Any, place: Path, command: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[tuple[str, int]] = []
    run_to = Trainer.run_to

    def watched(self: Trainer, step: int, *, resume: bool = False) -> None:
        walked.append((self.folder.name, step))
        run_to(self, step, resume=resume)

    monkeypatch.setattr(Trainer, "run_to", watched)
    assert study(*SEG, "--twins", "none,self-attention", "--seeds", "2", "--out", "out", "--json") == 0, study.err
    turns = [("none", 10), ("self-attention", 10), ("none", STEPS), ("self-attention", STEPS)]
    assert walked == [(f"{twin}-seed{seed}", step) for seed in (0, 1) for twin, step in turns]

    result = study.json
    assert result["schema"] == "convneur.study/1"
    assert (result["steps"], result["tested_on"], result["images"], result["reference"]) == (STEPS, "test", 3, "none")
    none, other = result["twins"]
    assert none["difference"] is None
    assert other["params"] > none["params"]
    assert other["macs"] > none["macs"]
    assert (none["printed_top1"], other["printed_top1"], other["printed_difference"]) == (78.2, 79.8, 1.6)
    assert other["seeds"] == [0, 1]
    rows = {(run["twin"], run["seed"]): run for run in result["runs"]}
    for name in ("miou", "boundary_f1", "trimap_miou", "pixel_accuracy"):
        ours, theirs = ([rows[twin, seed][name] for seed in (0, 1)] for twin in ("self-attention", "none"))
        assert other["mean"][name] == pytest.approx(np.mean(ours))
        assert other["spread"][name] == pytest.approx(np.std(ours, ddof=1))
        figure = other["difference"][name]
        assert figure["difference"] == pytest.approx(np.mean(ours) - np.mean(theirs))
        assert figure["low"] <= figure["high"]
    assert json.loads((place / "out" / "study.json").read_text()) == result
    with (place / "out" / "study.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["twin"], row["seed"]) for row in table] == [(twin, str(seed)) for twin, seed in rows]
    assert float(table[0]["iou[1]"]) == result["runs"][0]["iou"]["1"]
    words = (place / "out" / "study.md").read_text()
    assert "| self-attention | 2 |" in words
    assert "With 3 test images the intervals are too narrow" in words
    page = (place / "out" / "study.html").read_text()
    assert "self-attention-seed1" in page
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert (place / "out" / "runs" / "none-seed0" / "training.png").exists()

    # The same runs and figures by the other commands.
    train, score = command("train"), command("eval-boundary")
    assert train(*SEG, "--memory", "none", "--seed", "1", "--out", "alone") == 0, train.err
    assert same_weights(place / "alone", place / "out" / "runs" / "none-seed1")
    predict = command("predict")
    assert predict("seg/images/test", "--weights", "alone/weights.safetensors", "--out", "maps") == 0
    for file in sorted((place / "maps").iterdir()):
        assert file.read_bytes() == (place / "out" / "runs" / "none-seed1" / "labels" / file.name).read_bytes()
    assert score("maps", "seg/masks/test", "--num-classes", "2", "--trimap-width", "3", "--json") == 0
    for name, value in score.json["overall"].items():
        if name in rows["none", 1]:
            found = rows["none", 1][name]
            assert found == (next(iter(value.values())) if isinstance(value, dict) else value)


@pytest.mark.slow
def test_a_net_against_itself_differs_by_exactly_nothing(study: Any, place: Path) -> None:
    twins = "per-stage,neural-memory:min_chunks=1"
    assert study("cls", "--task", "classification", *QUICK, "--twins", twins, "--seeds", "0,7", "--out", "out",
                 "--json") == 0, study.err  # fmt: skip
    assert "warning: twins per-stage and neural-memory:min_chunks=1 are the same model" in study.err
    result = study.json
    assert list(result["figures"]) == ["top1"]
    figure = result["twins"][1]["difference"]["top1"]
    assert (figure["difference"], figure["spread"], figure["low"], figure["high"]) == (0, 0, 0, 0)
    for seed in (0, 7):
        names = [f"per-stage-seed{seed}", f"neural-memory-min_chunks=1-seed{seed}"]
        assert same_weights(*(place / "out" / "runs" / name for name in names))
    assert not same_weights(*(place / "out" / "runs" / f"per-stage-seed{seed}" for seed in (0, 7)))
    said = json.loads((place / "out" / "runs" / "per-stage-seed0" / "predictions.json").read_text())["classes"]
    right = [said[name] == name.startswith("light") for name in said]
    assert result["runs"][0]["top1"] == np.mean(right)


@pytest.mark.slow
def test_a_killed_study_ends_with_the_same_table(study: Any, place: Path) -> None:
    arguments = [*SEG, "--twins", "none,per-stage", "--seeds", "2"]
    assert study(*arguments, "--out", "whole") == 0, study.err
    process = [sys.executable, "-m", "convneur_cli", "study", *arguments, "--out", "killed"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    victim = subprocess.Popen(process, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wanted = place / "killed" / "runs" / "none-seed1" / "state.safetensors"
    limit = time.monotonic() + 120
    while not wanted.exists() and victim.poll() is None and time.monotonic() < limit:
        time.sleep(0.002)
    victim.send_signal(signal.SIGKILL)
    _, said = victim.communicate()
    assert victim.returncode == -signal.SIGKILL, said
    half = json.loads((place / "killed" / "study.json").read_text())
    assert (len(half["runs"]), half["planned"]) == (2, 4)  # the first seed's table stands already
    finished = place / "killed" / "runs" / "none-seed0" / "weights.safetensors"
    before = finished.stat().st_mtime_ns

    assert study(*arguments, "--out", "killed") == 1
    assert "--resume goes on" in study.line
    assert study("seg", "--out", "killed", "--resume", "--workers", "0") == 0, study.err
    assert "4: 2 twins x 2 seeds; 2 finished" in study.err
    for name in ("study.json", "study.md", "study.html", "study.csv"):
        assert (place / "killed" / name).read_bytes() == (place / "whole" / name).read_bytes()
    assert finished.stat().st_mtime_ns == before


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_may_bring_more(study: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = ["cls", "--task", "classification", *QUICK]
    assert study(*begin, "--twins", "none,per-stage:read=after", "--seeds", "0,3", "--out", "whole") == 0
    record = Trainer._record

    def interrupting(self: Trainer, *arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_record", interrupting)
        assert study(*begin, "--twins", "none", "--seeds", "1", "--out", "out") == 130
    assert "interrupted: saved at step 10 of 16; --resume goes on from there" in study.err
    assert study(*begin, "--twins", "none", "--seeds", "1", "--out", "out", "--resume") == 0, study.err
    more = ["--twins", "per-stage:read=after", "--seeds", "0,3"]
    assert study("cls", "--out", "out", "--resume", "--workers", "0", *more) == 0, study.err
    assert (place / "out" / "study.md").read_bytes() == (place / "whole" / "study.md").read_bytes()

    for changed, words in {
        ("--epochs", "9"): "--epochs 9: the study in out was begun with 8",
        ("--mem-dim", "16"): "--mem-dim 16: the study in out was begun with 8",
        ("--lr", "0.5"): "--lr 0.5: the study in out was begun with 0.01",
        ("--folds", "2"): "--folds 2: the study in out was begun without it",
        ("--split", "val"): "--split val: the study in out was begun without it",
        ("--minutes", "3"): "--minutes 3: the study in out was begun without it",
    }.items():
        assert study("cls", "--out", "out", "--resume", *changed) == 2
        assert words in study.line
    (place / "cls").rename(place / "moved")
    assert study("moved", "--out", "out", "--resume", "--workers", "0") == 0, study.err
    (place / "moved").rename(place / "cls")
    first = place / "cls" / "test" / "dark" / "0.png"
    kept = first.read_bytes()
    first.write_bytes(kept + b"x")
    assert study("cls", "--out", "out", "--resume") == 2
    assert "DATA cls: its images have changed since the study in out was begun; put them back" in study.line
    first.write_bytes(kept)
    (place / "cls" / "test" / "dark" / "0.png").rename(place / "cls" / "test" / "dark" / "9.png")
    assert study("cls", "--out", "out", "--resume") == 2
    assert "other images than the study" in study.err


@pytest.mark.slow
def test_python_goes_on_with_the_commands_study_and_the_command_with_pythons(
    study: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = ["cls", "--task", "classification", *QUICK, "--device", "cpu", "--twins", "none,self-attention"]
    same = {"task": "classification", "model": "tiny.json", "recipe": "quick.json", "workers": 0, "precision": "fp32",
            "epochs": 8, "validate_every": 8, "device": "cpu"}  # fmt: skip
    assert study(*begin, "--seeds", "2", "--out", "whole") == 0, study.err
    record = Trainer._record

    def interrupting(self: Trainer, *arguments: Any) -> Any:
        if self.folder.name == "none-seed1":
            os.kill(os.getpid(), signal.SIGINT)
        return record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_record", interrupting)
        with pytest.raises(KeyboardInterrupt, match="saved at step 10 of 16; `resume` goes on"):
            run_study("cls", out="begun", twins=["none", "self-attention"], seeds=2, **same)
        assert study(*begin, "--seeds", "0,1", "--out", "typed") == 130
    assert json.loads((place / "begun" / "study.json").read_text())["planned"] == 4
    assert study("cls", "--out", "begun", "--resume", "--workers", "0") == 0, study.err
    twins = {"none": {"memory": "none"}}  # as the command's twin of this name
    result = run_study(Path("cls"), out=Path("typed"), resume=True, twins=twins, **same)
    result.save("again.json")
    assert (place / "again.json").read_bytes() == (place / "whole" / "study.json").read_bytes()
    for out in ("begun", "typed"):
        for name in ("study.json", "study.md", "study.html", "study.csv"):
            assert (place / out / name).read_bytes() == (place / "whole" / name).read_bytes()
    with pytest.raises(ConfigError, match="twins none: the study was begun with another model of this name"):
        run_study("cls", out="typed", resume=True, twins={"none": {"mem_dim": 16}})
    with pytest.raises(ConfigError, match=r"lr 0.5: the study in typed was begun with 0.01"):
        run_study("cls", out="typed", resume=True, lr=0.5)
    with pytest.raises(ConfigError, match="folds 2: the study in typed was begun without it"):
        run_study("cls", out="typed", resume=True, folds=2)


@pytest.mark.slow
def test_a_study_of_version_0_1_0_goes_on_to_its_end(
    command: Callable[[str], Any], working_folder: Callable[..., Path]
) -> None:
    study, place = command("study"), working_folder({"train": 6, "val": 2, "test": 2})
    shutil.copytree(LEGACY / "study", place / "study")
    for path in place.glob("study/**/config.json"):
        path.write_text(path.read_text().replace("FOLDER", str(place)))
    before = {path: path.read_text() for path in place.glob("study/runs/*/metrics.jsonl")}
    assert study("cls", "--out", "study", "--resume", "--workers", "0", "--device", "cpu", "--json") == 0, study.err
    assert len(study.json["runs"]) == study.json["planned"] == 2
    assert len(before) == 2
    for path, records in before.items():
        assert path.read_text().startswith(records)  # gone on with, not begun again
    assert json.loads((place / "study" / "config.json").read_text())["schema"] == "convneur.study-plan/2"
    assert study("cls", "--out", "study", "--resume", "--workers", "0", "--seeds", "2,", "--epochs", "12") == 0
    assert "4: 2 twins x 2 seeds; 2 finished" in study.err
    assert study("cls", "--out", "study", "--resume", "--epochs", "11") == 2
    assert "--epochs 11: the study in study was begun with 12" in study.line


@pytest.mark.slow
def test_seeds_trained_apart_are_one_study(study: Any, place: Path) -> None:
    begin = [*SEG, "--twins", "none,self-attention"]
    assert study(*begin, "--seeds", "2", "--out", "whole", "--json") == 0
    whole = study.json
    assert study(*begin, "--seeds", "0,", "--out", "here") == 0
    assert study(*begin, "--seeds", "1,", "--out", "there") == 0
    shutil.copytree(place / "there" / "runs", place / "here" / "runs", dirs_exist_ok=True)
    assert study("seg", "--out", "here", "--resume", "--seeds", "2", "--json") == 0, study.err
    assert study.json == whole
    assert "4: 2 twins x 2 seeds; 4 finished" in study.err
    assert study("seg", *QUICK, "--lr", "0.5", "--twins", "none", "--seeds", "1,", "--out", "apart") == 0
    shutil.copytree(place / "apart" / "runs", place / "here" / "runs", dirs_exist_ok=True)
    assert study("seg", "--out", "here", "--resume") == 1
    assert "here/runs/none-seed1: holds another run; remove it, or choose another --out" in study.err


@pytest.mark.slow
def test_folds_are_disjoint_and_each_is_tested_by_nets_that_never_saw_it(study: Any, place: Path) -> None:
    assert study(*SEG, "--twins", "none,per-stage", "--seeds", "1", "--folds", "3", "--out", "out", "--json") == 0
    result = study.json
    assert (result["tested_on"], result["folds"], result["images"]) == ("folds", 3, 6)
    assert [(run["twin"], run["fold"], run["images"]) for run in result["runs"]] == [
        (twin, fold, 2) for fold in range(3) for twin in ("none", "per-stage")
    ]
    tested = []
    for fold in range(3):
        labels = place / "out" / "runs" / f"none-seed0-fold{fold}" / "labels"
        tested += [path.relative_to(labels).with_suffix("").as_posix() for path in labels.rglob("*.png")]
    assert sorted(tested) == ["train/0", "train/1", "train/2", "train/3", "val/0", "val/1"]
    figure = result["twins"][1]["difference"]["miou"]
    pairs = {(run["twin"], run["fold"]): run["miou"] for run in result["runs"]}
    assert figure["difference"] == pytest.approx(
        np.mean([pairs["per-stage", fold] - pairs["none", fold] for fold in range(3)])
    )


@pytest.mark.slow
def test_a_net_that_diverges_does_not_stop_the_others(study: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convneur.errors import InputError

    run_to = Trainer.run_to

    def diverging(self: Trainer, step: int, *, resume: bool = False) -> None:
        if self.folder.name == "per-layer-seed1":
            raise InputError(None, "step 3: the loss is no number")
        run_to(self, step, resume=resume)

    monkeypatch.setattr(Trainer, "run_to", diverging)
    assert study("cls", "--task", "classification", *QUICK, "--twins", "none,per-layer", "--seeds", "2", "--out", "out",
                 "--json") == 1  # fmt: skip
    assert "error: per-layer-seed1: step 3: the loss is no number" in study.err
    result = study.json
    assert result["failed"] == [{"run": "per-layer-seed1", "why": "step 3: the loss is no number"}]
    assert [twin["runs"] for twin in result["twins"]] == [2, 1]
    assert result["twins"][1]["seeds"] == [0]


@pytest.mark.slow
def test_minutes_become_steps_of_the_mean_twin(study: Any, place: Path) -> None:
    quick = [word for word in QUICK if word not in ("--epochs", "8", "--validate-every")]
    assert study("cls", "--task", "classification", *quick, "--minutes", "0.01", "--twins", "none,per-stage",
                 "--seeds", "1", "--split", "val", "--out", "out", "--json") == 0, study.err  # fmt: skip
    steps = study.json["steps"]
    assert f"0.01 min hold {steps} step" in study.err
    assert "the mean of the twins" in study.err
    assert "warning: tested on the images that the weights are chosen on" in study.err
    plans = [json.loads((place / "out" / "runs" / f"{twin}-seed0" / "config.json").read_text())
             for twin in ("none", "per-stage")]  # fmt: skip
    assert [plan["steps"] for plan in plans] == [steps, steps]


def decided(*_: Any, **how: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["study", "train"])
@pytest.mark.parametrize(("short", "precision"), [(0.95, "fp32"), (0.85, "bf16")])
def test_bf16_is_taken_if_it_is_a_tenth_quicker(
    command: Callable[[str], Any], place: Path, monkeypatch: pytest.MonkeyPatch, name: str, short: float, precision: str
) -> None:
    seconds = {"fp32": 1.0, "bf16": short}
    monkeypatch.setattr("convneur.training.profile._bf16_may_pay", lambda device: True)
    monkeypatch.setattr(Trainer, "profile", lambda self, precision, *_, **how: StepTime(seconds[precision], 0.1))
    monkeypatch.setattr(Trainer, "run", decided)
    monkeypatch.setattr(Study, "go", decided)
    assert command(name)(*SEG, "--precision", "auto", "--out", "out") == 130
    kept = json.loads((place / "out" / "config.json").read_text())
    assert (kept["run"] if name == "study" else kept)["precision"] == precision


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--twins", "sometimes"], 2, "--twins sometimes: sometimes is not a twin; begin with none, per-stage"),
        (["--twins", "none,none"], 2, "--twins none: is there twice"),
        (["--twins", "none,"], 2, "--twins : a name is not a twin"),
        (["--twins", "none:min_chunks=4"], 2, "--twins none:min_chunks=4: without a memory min_chunks does nothing"),
        (["--twins", "per-stage:min_chunks"], 2, "per-stage:min_chunks: min_chunks: write key=value"),
        (["--twins", "per-stage:depths=1"], 2, "per-stage:depths=1: depths=1: write key=value"),
        (["--twins", "per-stage:min_chunks=four"], 2, "min_chunks four: must be a whole number"),
        (["--twins", "per-stage:step_size=0"], 2, "--twins per-stage:step_size=0: step_size 0.0: must be above 0"),
        (["--twins", "per-stage:read=often"], 2, "per-stage:read=often: read 'often': choose one of before"),
        (["--twins", "per-stage:chunks=4:min_chunks=2"], 2, "chunks sets the chunks' length; leave out min_chunks"),
        (["--twins", "per-stage:chunk_length=1/2"], 2, "chunk_length (1, 2): one value, or 4"),
        (["--twins", "self-attention:mem_dim=6"], 2, "self-attention:mem_dim=6: mem_dim 6: must be a multiple of"),
        (["--twins", "per-stage:fusion=addition:fusion=concat"], 2, "fusion is set twice"),
        (
            ["--memory", "none", "--twins", "none,per-stage"],
            2,
            "--memory none: changes none of the twins, which set it",
        ),
        (["--out", "seg/images/train"], 2, "--out seg/images/train: lies among the images; choose another"),
        (["--seeds", "many"], 2, "--seeds many: give how many, such as 3, or a list"),
        (["--seeds", "1,1"], 2, "--seeds 1,1: give how many"),
        (["--seeds", "0"], 2, "--seeds 0: give how many"),
        (["--seed", "1"], 2, "--seed 1: a study has several; name them with --seeds"),
        (["--folds", "1"], 2, "--folds 1: must be at least 2"),
        (["--folds", "5"], 2, "--folds 5: 6 images are too few"),
        (["--folds", "2", "--split", "val"], 2, "--split val: with --folds each fold is tested on"),
        (["--split", "holdout"], 2, "--split holdout: no such split beside train"),
        (["--minutes", "1"], 2, "--minutes: cannot be combined with --epochs"),
        (["--resume"], 1, "out: holds no study to go on with"),
        (["--init", "none.safetensors"], 2, "none.safetensors: no such file"),
    ],
)
def test_bad_input_is_a_line(study: Any, place: Path, arguments: list[str], code: int, words: str) -> None:
    assert study(*SEG, "--out", "out", "-q", *arguments) == code
    assert words in study.line
    assert not list(place.glob("out/runs/*/state.safetensors"))


def test_truths_inside_a_shard_are_scored_as_files_are(place: Path) -> None:
    from convneur.data.examples import Example, find_split
    from convneur.data.reading import Reading
    from convneur.study.scores import score_run
    from convneur.training.data import TrainingData

    reading = Reading(255)
    with tarfile.open(place / "test.tar", "w") as tar:
        for number in range(3):
            for kind, folder in (("jpg", "images"), ("png", "masks")):
                tar.add(place / "seg" / folder / "test" / f"{number}.{kind}", f"{number}.{kind}")
    inside = find_split(place, "segmentation", "test", reading).examples
    files = [Example(each.name, each.image, place / "seg/masks/test" / f"{each.name[-1]}.png") for each in inside]
    data = TrainingData((), (), reading, ("ground", "square"), (1, 1))
    found = []
    for folder, examples in (("a", inside), ("b", files)):
        for each in examples:
            path = place / folder / "labels" / f"{each.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.tri(40, 48, dtype=np.uint8)).save(path)
        found.append(score_run(place / folder, examples, data, "segmentation", 0).summary)
    assert found[0] == found[1]
    assert 0 < found[0].overall["miou"] < 1
    assert found[0].images == 3
