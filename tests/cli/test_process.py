"""The command as a process: SIGTERM, SIGKILL, streams that are closed, full or take ASCII alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer import Exit

from convneur.training.stopping import asked_to_stop
from convneur.variants import VARIANTS
from convneur_cli import process
from convneur_cli.errors import reported

CONVNEUR = [sys.executable, "-m", "convneur_cli"]
HELD = """
import time
from pathlib import Path
import convneur.evaluation.scoring as scoring
from convneur_cli.__main__ import main

score = scoring._score

def held(pair, **how):
    if pair.name == "2":
        Path("held").touch()
        time.sleep(60)
    return score(pair, **how)

scoring._score = held
main()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for folder in ("pred", "gt"):
        (tmp_path / folder).mkdir()
        for number in range(4):
            Image.fromarray(random.integers(0, 3, (24, 30), np.uint8)).save(tmp_path / folder / f"{number}.png")
    return tmp_path


def run(*arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CONVNEUR, *arguments], capture_output="stdout" not in how, text=True, check=False, **how)


@pytest.mark.parametrize(
    ("number", "code", "left"),
    [
        (signal.SIGTERM, 143, {"out.json.partial"}),
        (signal.SIGINT, 130, {"out.json.partial"}),
        (signal.SIGKILL, -9, {"out.json.partial", "table"}),
    ],
)
def test_sigterm_leaves_what_ctrl_c_leaves_and_the_next_run_tidies_up(
    place: Path, number: int, code: int, left: set[str]
) -> None:
    command = ["eval-boundary", "pred", "gt", "--num-classes", "3", "-o", "out.json", "--per-image", "out.csv"]
    victim = subprocess.Popen(
        [sys.executable, "-c", HELD, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 60
    while not (place / "held").exists() and victim.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    victim.send_signal(number)
    _, said = victim.communicate()
    assert victim.returncode == code, said
    (place / "held").unlink()
    found = {"table" if path.name.startswith(".") else path.name for path in place.iterdir()}
    assert found == {"pred", "gt", *left}
    if code > 0:
        assert said == (
            "interrupted: 2 of 4 pairs are scored and kept in out.json.partial; --resume goes on with them\n"
        )
    done = run(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in place.iterdir()} == {"pred", "gt", "out.json", "out.csv"}


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command's handlers, as `__main__` has them, for as long as the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(process, "_received", set())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process.take_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_sigterm_waits_for_the_end_of_a_training_step() -> None:
    with asked_to_stop() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        process.exit_with(process.INTERRUPTED)
    assert ended.value.code == 143


@pytest.mark.usefixtures("signals")
def test_an_error_made_of_an_interrupt_is_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    """As NumPy's import makes one."""
    from convneur_cli.errors import reported

    def body() -> None:
        with reported(debug=False, options={}):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("could not be imported") from None

    with pytest.raises(SystemExit) as ended:
        body()
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("interrupted: ")


def test_a_closed_stdout_is_no_defect(place: Path) -> None:
    command = "eval-boundary pred/0.png gt/0.png --json --force -o out.json"
    for redirected in (">&-", "<&- >&- 2>&-", "| true"):
        script = f"{' '.join(CONVNEUR)} {command} {redirected}; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout == "0\n"
        assert "error" not in done.stderr
        assert json.loads((place / "out.json").read_text())["schema"]


@pytest.mark.skipif(
    not Path("/dev/full").exists(),
    reason="needs /dev/full, a device that is always full, which this system does not have",
)
@pytest.mark.usefixtures("place")
def test_a_full_stdout_is_a_line() -> None:
    for arguments in (["eval-boundary", "pred/0.png", "gt/0.png", "-q"], ["--help"]):
        with Path("/dev/full").open("w") as full:
            done = run(*arguments, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 1
        *_, line = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert line.endswith("No space left on device")


def test_an_ascii_stdout_gets_all_of_it(place: Path) -> None:
    (place / "classes.txt").write_text("straße\nmüll\nhütte\n", encoding="utf-8")
    command = ["eval-boundary", "pred/0.png", "gt/0.png", "--classes", "classes.txt"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = run(*command, env=environment)
    assert (shown.returncode, shown.stdout.isascii()) == (0, True), shown.stderr
    assert r"stra\xdfe" in shown.stdout
    printed = run(*command, "--json", env=environment)
    assert printed.stdout.isascii()
    assert [row["name"] for row in json.loads(printed.stdout)["per_class"]] == ["straße", "müll", "hütte"]


def test_an_output_that_is_an_input_is_refused(place: Path, command: Callable[[str], Any]) -> None:
    (place / "list.csv").write_text("pred/0.png,gt/0.png\n")
    score = command("eval-boundary")
    assert score("--list", "list.csv", "--per-image", "./list.csv", "--force") == 2
    assert score.line == "error: --per-image list.csv: is --list too; choose another name"
    assert (place / "list.csv").read_text() == "pred/0.png,gt/0.png\n"
    (place / "tiny.json").write_text(json.dumps(VARIANTS["m1"].to_dict()))
    count = command("flops")
    assert count("--model", "tiny.json", "-o", "tiny.json", "--force") == 2
    assert "is --model too" in count.line


def test_a_package_that_is_missing_is_named_and_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit) as ended, reported(debug=False, options={}):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    said = "error: this needs torch, which is not installed; install convneur with all it depends on\n"
    assert (ended.value.exit_code, capsys.readouterr().err) == (1, said)
