"""What every test relies on."""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from convneur.variants import ConvNeurConfig

# Processes that tests start find the functions that test modules hand them. Last: what is tested is what is installed.
sys.path.append(str(Path(__file__).resolve().parents[1]))

RECIPE = {
    "epochs": 4, "batch": 4, "accumulate": 1, "crop": [32, 32], "scale": [0.5, 1.0], "eval_scale": 1.0, "flip": 0.5,
    "colour": {"value": 0.2, "source": "a test"}, "rand_augment": 0.0, "erase": 0.0, "mixup": 0.0, "cutmix": 0.0,
    "label_smoothing": 0.0, "class_weights": "sqrt", "drop_path": 0.1, "lr": 0.01, "backbone_lr": 1.0,
    "weight_decay": 0.05, "warmup": 0.1, "min_lr": 0.0, "clip": 1.0, "ema": 0.9,
}  # fmt: skip

if TYPE_CHECKING:
    from convneur.study import StudyResult


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from threads, and on a busy machine threads that wait for each other cost minutes."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """CI and shells may start a test run with Ctrl-C ignored, which the processes that tests start would inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def study_result() -> "Callable[[Mapping[str, float]], StudyResult]":
    """A study's result without its trainings: each twin's mIoU by its name, two seeds each.

    The second twin is surely better, the third perhaps worse; a run's boundary F1 is undefined.
    """
    from convneur.study import Difference, Finding, RunResult, StudyResult, StudyRun, Twin
    from convneur.training.settings import TrainSettings, read_recipe
    from convneur.variants import VARIANTS

    nan = float("nan")

    def make(miou: Mapping[str, float]) -> StudyResult:
        bounds = [(0.03, 0.01, 0.05), (-0.01, -0.03, 0.01)]
        twins, runs = [], []
        for number, (name, mean) in enumerate(miou.items()):
            scores = {"miou": mean, "boundary_f1": mean / 2, "trimap_miou": mean / 4, "pixel_accuracy": 0.75}
            found = None
            if number:
                value, low, high = bounds[number - 1]
                alike = Difference(0.4, 0.4, 0.001, 0.01, nan, nan, 1000)
                found = dict.fromkeys(scores, alike) | {"miou": Difference(0.4, 0.4, value, 0.01, low, high, 1000)}
            twins.append(
                Finding(
                    twin=Twin(name, VARIANTS["m1"], 4_000_000, 1_500_000_000),
                    runs=2,
                    mean=scores,
                    spread=dict.fromkeys(scores, 0.01) | {"boundary_f1": nan},
                    seeds=(0, 1) if number else (),
                    difference=found,
                    printed_difference=1.6 if number == 1 else None,
                )
            )
            for seed in (0, 1):
                changed = {"miou": mean + 0.01 * seed, "boundary_f1": nan if seed else mean / 2}
                iou = {"road": mean, "sky, blue": nan}
                runs.append(RunResult(StudyRun(name, seed), 233, 90, 0.5, scores | changed, iou))
        values = {**read_recipe("small", "segmentation"), "crop": (256, 320)}
        return StudyResult(
            data="camvid",
            model="m1",
            recipe="small",
            init=None,
            precision="fp32",
            steps=100,
            settings=TrainSettings(task="segmentation", **values),
            classes=("road", "sky, blue"),
            split="test",
            folds=None,
            seeds=(0, 1),
            planned=len(runs) + 1,
            twins=tuple(twins),
            runs=tuple(runs),
            failed={StudyRun("late", 1): "step 3: the loss is no number"},
        )

    return make


@pytest.fixture
def tiny() -> ConvNeurConfig:
    """A net that learns in seconds."""
    return ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunk_length=8)


@pytest.fixture
def drawn() -> None:
    """For a test that looks at training.png: in others that train, no curves are drawn."""


@pytest.fixture
def working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tiny: ConvNeurConfig
) -> Callable[..., Path]:
    """Go to a folder with what is needed to train: tiny.json, quick.json, seg/ and cls/.

    Drawing a run's curves takes longer than the run: see `drawn`.

    seg/ are bright boxes on dark ground with a void edge, cls/ dark and light photos. counts: photos by split; net,
    recipe: what is not `tiny`'s or `RECIPE`'s.
    """

    def make(
        counts: Mapping[str, int],
        *,
        size: tuple[int, int] = (40, 48),
        net: Mapping[str, Any] | None = None,
        recipe: Mapping[str, Any] | None = None,
    ) -> Path:
        monkeypatch.chdir(tmp_path)
        if "drawn" not in request.fixturenames:
            monkeypatch.setattr("convneur.training.TrainResult.draw_curves", lambda self, **how: self.figure)
        (tmp_path / "tiny.json").write_text(json.dumps(tiny.replace(**(net or {})).to_dict()))
        (tmp_path / "quick.json").write_text(json.dumps({**RECIPE, **(recipe or {})}))
        random = np.random.default_rng(0)
        height, width = size
        for split, count in counts.items():
            for number in range(count):
                labels = np.zeros(size, np.uint8)
                labels[height // 4 : 3 * height // 4, width // 6 + number : 5 * width // 6] = 1
                labels[:4] = 255
                photo = random.integers(0, 60, (*size, 3)) + 150 * (labels[..., None] == 1)
                _write(tmp_path / "seg" / "images" / split / f"{number}.jpg", photo)
                _write(tmp_path / "seg" / "masks" / split / f"{number}.png", labels)
                light = number % 2
                photo = random.integers(0, 60, (*size, 3)) + 180 * light
                _write(tmp_path / "cls" / split / ("dark", "light")[light] / f"{number}.png", photo)
        return tmp_path

    return make


def _write(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
