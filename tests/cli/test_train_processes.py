"""`convneur train` as two processes under the engine's launcher, on gloo."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convneur

pytestmark = pytest.mark.slow  # a launcher and its processes load torch three times

TOLERANCE = 1e-4  # relative, of each loss: the parts of a batch are summed in another order


@pytest.fixture
def place(working_folder: Callable[..., Path]) -> Path:
    """Nine images to train on, three to validate: neither can be divided by two.

    At 64x64 two, one, one and one chunks: k, v and the generators of three stages get no gradient, in stage 1 the
    momentum gets none.
    """
    recipe = {"epochs": 12, "crop": [64, 64], "label_smoothing": 0.1, "drop_path": 0.0, "lr": 0.005}
    return working_folder({"train": 9, "val": 3}, size=(60, 72), net={"chunk_length": 196}, recipe=recipe)


def command(processes: int, *arguments: str) -> list[str]:
    """As docs/training.md has it; a free port, for other tests may run beside this one."""
    train = ["convneur_cli", "train", *arguments, "--device", "cpu"]
    if processes == 1:
        return [sys.executable, "-m", *train]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes),
        "--main_process_port", port, "--module", *train,
    ]  # fmt: skip


def run(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(processes, *arguments), env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def curve(folder: Path, key: str) -> list[float]:
    return [record[key] for record in records(folder) if key in record]


CLASSIFY = ["cls", "--task", "classification", "--model", "tiny.json", "--recipe", "quick.json", "--workers", "0",
            "--precision", "fp32", "--validate-every", "9"]  # fmt: skip


def test_two_processes_give_the_loss_curve_of_one(place: Path) -> None:
    for processes, parts in ((1, "1"), (2, "1"), (2, "2")):
        done = run(processes, *CLASSIFY, "--accumulate", parts, "--out", f"{processes}x{parts}", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["steps"] == 27  # one process speaks, whole JSON
        assert f"on      {processes} x cpu" in done.stderr
        assert "1 and the momentum" not in done.stderr
        assert "k, v and the update generator in stages 2, 3 and 4" in done.stderr
        assert "the momentum in stage 1" in done.stderr
    for other in ("2x1", "2x2"):
        for key in ("loss", "gradient_norm"):
            assert curve(place / other, key) == pytest.approx(curve(place / "1x1", key), rel=TOLERANCE), (other, key)
        assert curve(place / other, "top1") == curve(place / "1x1", "top1")  # three photos on two processes


def test_masks_train_on_two_processes(place: Path) -> None:
    """Dropout in the head draws other numbers on each process, so that the curve is alike, not the same."""
    arguments = ["seg", *CLASSIFY[3:], "--head", "light-fpn"]
    for processes in (1, 2):
        done = run(processes, *arguments, "--out", str(processes))
        assert done.returncode == 0, done.stderr
    one, two = curve(place / "1", "loss"), curve(place / "2", "loss")
    assert two[-1] == pytest.approx(one[-1], rel=0.05)
    assert two[-1] < 0.8 * two[0]
    assert curve(place / "2", "miou")[-1] > 0.8


def test_ctrl_c_saves_and_resume_goes_on_as_if_nothing_had_happened(place: Path) -> None:
    arguments = [*CLASSIFY, "--epochs", "200", "--save-every", "1000", "--validate-every", "1000"]
    assert run(2, *arguments, "--out", "whole").returncode == 0
    victim = subprocess.Popen(
        command(2, *arguments, "--out", "stopped"), env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    limit = time.monotonic() + 120
    log = place / "stopped" / "metrics.jsonl"
    while not (log.exists() and log.stat().st_size) and time.monotonic() < limit:
        time.sleep(0.02)
    os.killpg(victim.pid, signal.SIGINT)  # as a terminal does: to the launcher and to its processes
    _, said = victim.communicate(timeout=120)
    assert victim.returncode != 0
    assert "interrupted: saved at step " in said, said
    assert records(place / "stopped")[-1]["step"] < 450
    done = run(2, "cls", "--out", "stopped", "--resume", "--workers", "0", "--save-every", "1000")
    assert done.returncode == 0, done.stderr
    assert curve(place / "stopped", "loss") == pytest.approx(curve(place / "whole", "loss"), rel=TOLERANCE)


def test_what_is_wrong_ends_all_processes(place: Path) -> None:
    done = run(2, *CLASSIFY, "--batch", "3", "--out", "run")
    assert done.returncode != 0
    assert "error: --batch 3: must be a multiple of 2 (processes x --accumulate)" in done.stderr
    done = run(2, *CLASSIFY, "--lr", "1e30", "--warmup", "0", "--out", "run", "--force")
    assert done.returncode != 0
    assert "is no number" in done.stderr


def test_a_detector_trains_on_two_processes(place: Path) -> None:
    """Three images to validate on, which two processes cannot share evenly."""
    samples = Path(convneur.__file__).parent / "data" / "samples"
    content = json.loads((samples / "instances.json").read_text())
    (place / "cells" / "annotations").mkdir(parents=True)
    for split, images in (("train", content["images"][:5]), ("val", content["images"][5:])):
        (place / "cells" / "images" / split).mkdir(parents=True)
        for image in images:
            name = image["file_name"]
            shutil.copy(samples / "nuclei" / "images" / "val" / name, place / "cells" / "images" / split / name)
        ids = {image["id"] for image in images}
        own = [each for each in content["annotations"] if each["image_id"] in ids]
        text = json.dumps({**content, "images": images, "annotations": own})
        (place / "cells" / "annotations" / f"{split}.json").write_text(text)
    done = run(
        2, "cells", "--task", "detection", "--detector", "mask-rcnn", "--model", "tiny.json", "--crop", "96",
        "--batch", "2", "--epochs", "2", "--workers", "0", "--precision", "fp32", "--out", "run", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "on      2 x cpu" in done.stderr
    assert json.loads(done.stdout)["steps"] == 5
    assert {"box_ap50", "mask_ap50"} <= records(place / "run")[-1].keys()
