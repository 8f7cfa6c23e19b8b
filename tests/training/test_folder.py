"""A new run takes the place of an old one whole, whenever its process is killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from convneur.errors import InputError
from convneur.training import clear_run, read_config, run_folder

OLD = {"state.safetensors": "old", "metrics.jsonl": "old", "weights.safetensors": "old", "training.png": "old"}

# Begins a run over an old one, and is killed before the n-th change of the folder.
BEGUN = """
import os, pathlib, signal, sys
from pathlib import Path
from convneur.training import run_folder
left = int(sys.argv[1])
def counted(change):
    def wrapped(*arguments, **how):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return change(*arguments, **how)
    return wrapped
with run_folder(Path("run"), resume=False, force=True) as held:
    for name in ("unlink", "replace"):
        setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))
    held.first_state.write_text("first")
    held.begin({"schema": "convneur.run/0", "run": "new"})
print("done")
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    (folder / "config.json").write_text(json.dumps({"schema": "convneur.run/0", "run": "old"}))
    for name, content in OLD.items():
        (folder / name).write_text(content)
    return folder


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != ".convneur.lock"}


def test_a_beginning_that_is_killed_leaves_the_old_run_or_the_new_one(run: Path) -> None:
    old = files(run)
    new = {"config.json": "new", "state.safetensors": "first", "mine.txt": "mine"}
    seen = set()
    for moment in range(20):
        clear_run(run)
        for name, content in old.items():
            (run / name).write_text(content)
        done = subprocess.run([sys.executable, "-c", BEGUN, str(moment)], capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        which = read_config(Path("run"), "convneur.run/0")["run"]  # before anybody tidies up
        seen.add(which)
        with run_folder(run, resume=True, force=False):
            assert read_config(run, "convneur.run/0")["run"] == which
            found = files(run)
        found["config.json"] = json.loads(found["config.json"])["run"]
        assert found == ({**old, "config.json": "old"} if which == "old" else new), moment
        if done.returncode == 0:
            break
    assert seen == {"old", "new"}
    assert moment > 5


def test_nothing_goes_before_a_run_is_begun(run: Path) -> None:
    before = files(run)

    def fails() -> None:
        with run_folder(run, resume=False, force=True) as held:
            held.first_state.write_text("first")
            raise InputError("image.png", "is damaged")

    with pytest.raises(InputError, match="damaged"):
        fails()
    with run_folder(run, resume=True, force=False):
        assert files(run) == before


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["config.json", "weights.safetensors", "metrics.jsonl", "state.safetensors"])
def test_files_of_others_under_the_names_of_a_run_stay(tmp_path: Path, name: str, force: bool) -> None:
    (tmp_path / name).write_text('{"of": "another program"}')
    with (
        pytest.raises(InputError, match=f"{name}: was written by no run .* choose another `out`"),
        run_folder(tmp_path, resume=False, force=force),
    ):
        pass
    assert files(tmp_path) == {name: '{"of": "another program"}'}


def test_a_damaged_config_of_a_run_is_begun_anew_and_one_of_another_program_is_not(run: Path) -> None:
    ours = (run / "config.json").read_text()
    (run / "config.json").write_text(ours[:-1])
    with pytest.raises(InputError, match="begin again with `force`"):
        read_config(run, "convneur.run/0")
    with run_folder(run, resume=False, force=True):
        pass
    (run / "config.json").write_text("{}")
    with pytest.raises(InputError, match="move it, or choose another `out`"):
        read_config(run, "convneur.run/0")
