"""Every snippet of docs/metrics-in-a-loop.md runs, the one for several processes in two."""

import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing
from PIL import Image

import convneur
from convneur.metrics import BoundaryMetrics, BoundarySummary

SAMPLES = Path(convneur.__file__).parent / "data" / "samples"
PAGE = Path(__file__).parents[2] / "docs" / "metrics-in-a-loop.md"


def snippet(words: str) -> str:
    """The one that holds these words."""
    (found,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S) if words in block]
    return found


def given(batches: int = 2) -> dict[str, Any]:
    """What the page takes for granted: a model of two classes, a loader of images and label maps, pairs."""
    torch.manual_seed(0)
    model = torch.nn.Conv2d(3, 2, 1)
    loader = [(torch.randn(2, 3, 20, 24), torch.randint(2, (2, 20, 24))) for _ in range(batches)]
    pairs = [(model(images).argmax(1)[0].numpy(), target[0].numpy()) for images, target in loader]
    return {"__name__": "__main__", "model": model, "loader": loader, "pairs": pairs}


def counted(names: dict[str, Any]) -> BoundarySummary:
    metrics = BoundaryMetrics(num_classes=2)
    for images, target in names["loader"]:
        metrics.update(names["model"](images).argmax(1), target)
    return metrics.compute()


def test_the_loop_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def stored(path: Path) -> torch.Tensor:
        return torch.from_numpy(np.asarray(Image.open(path)).astype(np.int64))

    labels = sorted((SAMPLES / "labels").iterdir())
    predictions = [stored(SAMPLES / "predictions" / path.name) for path in labels]
    loader = [
        (torch.nn.functional.one_hot(torch.stack(predictions[at : at + 3]), 2).movedim(-1, 1),
         torch.stack(list(map(stored, labels[at : at + 3]))))
        for at in range(0, len(labels), 3)
    ]  # fmt: skip
    exec(snippet("inference_mode"), {"loader": loader, "model": lambda images: images})
    shown = PAGE.read_text("utf-8").partition("it prints\n\n```\n")[2].partition("```")[0]
    assert capsys.readouterr().out == shown
    assert (tmp_path / "validation.json").exists()


def test_the_functions() -> None:
    names = given()
    exec(snippet("hausdorff("), names)
    assert names["truth"].shape == (20, 24)


def test_torchmetrics() -> None:
    pytest.importorskip("torchmetrics")
    names = given()
    exec(snippet("metric.summary()"), names)
    assert names["metric"].summary().overall["miou"] == counted(names).overall["miou"]


def test_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the snippet asks of Lightning is a module that logs a dict; the tests do without the library."""
    pytest.importorskip("torchmetrics")

    class Module(torch.nn.Module):
        def log_dict(self, values: dict[str, torch.Tensor]) -> None:
            self.logged = {name: float(value) for name, value in values.items()}

    stand_in: Any = types.ModuleType("lightning")
    stand_in.LightningModule = Module
    monkeypatch.setitem(__import__("sys").modules, "lightning", stand_in)
    names = given()
    exec(snippet("LightningModule"), names)
    module = names["Segmenter"](names["model"])
    for index, batch in enumerate(names["loader"]):
        module.validation_step(batch, index)
    module.on_validation_epoch_end()
    assert module.logged.keys() == {"boundary_f1/3px", "miou"}
    assert module.logged["miou"] == counted(names).overall["miou"]


def test_joblib() -> None:
    pytest.importorskip("joblib")
    names = given()
    exec(snippet("Parallel"), names)
    expected = BoundaryMetrics(num_classes=2)
    expected.update(*(np.stack(side) for side in zip(*names["pairs"], strict=True)))
    assert names["summary"] == expected.compute()


def worker(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    try:
        names = given(batches=3)
        whole = counted(names)
        names["loader"] = names["loader"][rank::2]
        exec(snippet("all_gather_object"), names)
        assert names["summary"] == whole
        Path(folder, f"done-{rank}").touch()
    finally:
        torch.distributed.destroy_process_group()


def test_two_processes(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(worker, (str(tmp_path),), nprocs=2)
    assert (tmp_path / "done-0").exists()
    assert (tmp_path / "done-1").exists()
