"""A study takes the place of an old one when all of it was checked, and writes nothing outside its folder."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convneur.checkpoints import save_checkpoint
from convneur.errors import ConfigError, InputError
from convneur.model.network import ConvNeur
from convneur.study import run_study
from convneur.study.plan import StudyPlan
from convneur.study.work import Study
from convneur.variants import ConvNeurConfig

QUICK: dict[str, Any] = {
    "model": "tiny.json", "recipe": "quick.json", "workers": 0, "precision": "fp32", "epochs": 1, "twins": "none",
    "seeds": 2, "out": "out",
}  # fmt: skip
OLD = ("study.json", "study.md", "runs/none-seed0/weights.safetensors", "runs/none-seed0/scores.jsonl",
       "runs/none-seed1/labels/test/a.png", "runs/mine.txt")  # fmt: skip


@pytest.fixture
def place(working_folder: Callable[..., Path]) -> Path:
    return working_folder({"train": 4, "val": 2, "test": 2}, recipe={"batch": 2})


@pytest.fixture
def planned(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Begin a study, or go on with it, and stop before its first step."""

    def stopped(self: Study) -> None:
        raise KeyboardInterrupt("before the first step")

    def plan(data: str = "seg", **more: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Study, "go", stopped)
            with pytest.raises(KeyboardInterrupt):
                run_study(data, **{**QUICK, **more})

    return plan


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".convneur.lock"
    }


def leave(folder: Path) -> None:
    """What an old study left."""
    for name in OLD:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")


def test_what_cannot_be_costs_the_old_study_nothing(
    place: Path, tiny: ConvNeurConfig, planned: Callable[..., None]
) -> None:
    planned()
    leave(place / "out")
    before = contents(place / "out")
    (place / "no.safetensors").write_bytes(b"damaged")
    save_checkpoint(ConvNeur(tiny.replace(dims=(16, 16, 16, 16))), place / "wide.safetensors")
    for data, change, words in (
        ("cls", {}, "no such folder"),
        ("seg", {"init": "no.safetensors"}, "safetensors"),
        ("seg", {"init": "wide.safetensors"}, "choose the same `model`"),
        ("seg", {"split": "nights"}, "no such split"),
        ("seg", {"recipe": "tiny.json"}, "tiny.json"),
    ):
        with pytest.raises((InputError, ConfigError), match=words):
            run_study(data, **{**QUICK, **change, "force": True})
        assert contents(place / "out") == before
    planned(force=True, seeds=1)
    assert not {"study.json", "study.md", "runs/none-seed0/scores.jsonl"} & contents(place / "out").keys()
    assert (place / "out" / "runs" / "mine.txt").read_text() == "old"


def test_a_beginning_that_was_broken_off_is_made_good(
    place: Path, planned: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned()
    leave(place / "out")

    def killed(folder: Path) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("convneur.study.work.clear_tests", killed)
        with pytest.raises(SystemExit):
            run_study("seg", **{**QUICK, "force": True, "seeds": "0,1,5"})
    assert StudyPlan.read(place / "out").seeds == (0, 1, 5)
    with pytest.raises(InputError, match="holds a study already"):
        run_study("seg", **QUICK)
    planned(resume=True, twins=None, seeds=None)
    assert contents(place / "out").keys() == {"config.json", "runs/mine.txt"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["../../../../outside", "b"], "leads out"),
        (["deep/../../b", "b"], "leads out"),
        (["x" * 260, "b"], "bytes"),
        (["./b", "b"], "has the key test/b, as .* its own"),
    ],
)
def test_a_key_in_a_shard_that_is_no_name_inside_is_refused_before_a_step(
    place: Path, keys: list[str], words: str
) -> None:
    (place / "shards").mkdir()
    for split, names in {"train": ["0", "1", "2", "3"], "val": ["0", "1"], "test": keys}.items():
        with tarfile.open(place / "shards" / f"{split}.tar", "w") as tar:
            for number, name in enumerate(names):
                tar.add(place / "seg" / "images" / split / f"{number}.jpg", f"{name}.jpg")
                tar.add(place / "seg" / "masks" / split / f"{number}.png", f"{name}.png")
    before = sorted(path for path in place.rglob("*") if path.is_file())
    with pytest.raises(InputError, match=words):
        run_study("shards", **QUICK)
    after = {path for path in place.rglob("*") if path.is_file() and path.name != ".convneur.lock"}
    assert sorted(after) == before


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["config.json", "study.csv", "runs/none-seed0/labels/mine.png"])
def test_files_of_others_under_the_names_of_a_study_stay(place: Path, name: str, force: bool) -> None:
    path = place / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(InputError, match=r"would be lost; move it, or choose another `out`"):
        run_study("seg", **QUICK, force=force)
    assert contents(place / "out") == {name: b"mine"}
