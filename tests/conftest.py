"""What every test relies on."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from convneur.study import StudyResult


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from threads, and on a busy machine threads that wait for each other cost minutes."""
    torch.set_num_threads(1)


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
