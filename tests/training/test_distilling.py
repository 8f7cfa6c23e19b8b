"""examples/distill_photos.py: a run that was stopped ends as one that was not. Made-up teachers stand in for its own,
packages that the tests do without."""

import importlib
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from convneur import ConvNeur, load_checkpoint, save_checkpoint
from convneur.variants import ConvNeurConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIG = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=4, chunks=4, read="final")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("distill_photos")


@pytest.fixture
def run(example: Any, tmp_path: Path) -> Any:
    """Makes a run that keeps its state in a file."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (40, 48, 3), np.uint8) for _ in range(4)]

    def teach(pixels: torch.Tensor) -> Any:
        greys = [F.avg_pool2d(pixels, stride).mean(1, keepdim=True) / 100 for stride in (4, 8, 16, 32)]
        maps = [grey.expand(-1, width, -1, -1) for grey, width in zip(greys, example.TEACHER_WIDTHS, strict=True)]
        return example.Taught(tuple(maps), pixels.mean((2, 3)) @ torch.ones(3, 1000) / 100)

    def make(name: str, steps: int, begin: str | None = None) -> Any:
        asked = Namespace(seed=1, init=None, lr=1e-3, warmup=2, batch=2, penalty=1e-2, views=[64, 96], ema=0.9)
        asked.steps, asked.precision, asked.save, asked.resume = steps, "fp32", tmp_path / name, True
        asked.begin, asked.smooth = begin and tmp_path / begin, 0.5
        made = example.Run(images, teach, CONFIG, asked)
        made.begin()
        return made

    return make


def test_a_run_that_was_stopped_ends_as_one_that_was_not(run: Any) -> None:
    whole = run("whole", 4)
    whole.train()

    first = run("parts", 4)
    first.advance(), first.advance()
    first.keep()
    second = run("parts", 4)
    assert second.step == 2
    second.train()

    for name, tensor in whole.average.state_dict().items():
        assert torch.equal(tensor, second.average.state_dict()[name]), name
    assert second.student.phase == pytest.approx(1.0)


def test_what_is_left_of_the_cosine_is_spread_over_other_steps(run: Any) -> None:
    first = run("longer", 4)
    first.advance(), first.advance()
    first.keep()
    second = run("longer", 7)
    second.advance()
    assert second.student.phase.item() == pytest.approx(0.5 + 0.5 / 5)


def test_a_run_begins_with_the_average_of_anothers_state_and_a_cosine_of_its_own(run: Any) -> None:
    first = run("first", 3)
    first.train()
    second = run("second", 5, begin="first")
    assert second.step == 0
    assert second.student.phase == 0
    kept, moments = first.average.state_dict(), second.optimizer.state_dict()["state"]
    for name, tensor in second.student.state_dict().items():
        assert name == "phase" or torch.equal(tensor, kept[name]), name
    assert {each["step"].item() for each in moments.values()} == {3}
    second.train()
    assert second.step == 5


def test_one_teacher_gives_maps_and_another_the_classes(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def made_up(number: int) -> Any:
        seen = sides.setdefault(number, [])
        return lambda pixels: (seen.append(pixels), example.Taught((torch.full((1,), number),), pixels.mean((2, 3))))[1]

    sides: dict[int, list[torch.Tensor]] = {}
    monkeypatch.setattr(example, "EfficientNetLite", made_up)
    teachers = example.Teachers()
    small, large = (torch.rand(2, 3, side, side).round() * 255 for side in (64, 256))
    for pixels in (small, large):
        taught = teachers(pixels)
        assert taught.maps[0].item() == 0
        assert torch.equal(taught.logits, sides[2][-1].mean((2, 3)))
    assert sides[0][0] is small
    assert sides[0][1] is large
    assert sides[2][1] is large
    enlarged = sides[2][0]
    assert enlarged.shape == (2, 3, 224, 224)
    assert enlarged.min() >= 0
    assert enlarged.max() <= 255


def test_up_to_half_of_another_view_is_mixed_in(example: Any) -> None:
    ramp = torch.arange(64.0)[:, None, None, None].expand(64, 3, 8, 8)
    found = example.mixed(ramp, np.random.default_rng(0))
    assert torch.equal(found, found[:, :1, :1, :1].expand_as(found))
    shares = (found - ramp)[:, 0, 0, 0] / (ramp.roll(1, 0) - ramp)[:, 0, 0, 0]
    assert shares.min() == 0
    assert 0.4 < shares.max() <= 0.5
    assert 20 < (shares > 0).sum() < 44


def test_a_batch_of_larger_views_holds_fewer(example: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("views", 9)
    made.arguments.batch = 16
    shapes = []
    monkeypatch.setattr(made, "teachers", lambda pixels: shapes.append(pixels.shape) or teach(pixels))
    teach = run("other", 1).teachers
    for made.arguments.views in ([64], [128], [288], [448]):
        made.advance()
    assert [(shape[0], shape[3]) for shape in shapes] == [(16, 64), (16, 128), (4, 288), (2, 448)]


def test_what_the_loss_asks_of_the_context_and_of_the_drawn_maps(example: Any) -> None:
    at = torch.zeros(2, 3, 8, 8)
    at[0, 1, 2, 3], at[1, 0, 0, 0] = -4.5, 2.0  # 2 above in one image, none in the other
    assert example.excess([at]).item() == pytest.approx(2.0)
    assert example.excess([at, torch.zeros(2, 3, 4, 4)]).item() == pytest.approx(1.0)

    noise = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    slope = torch.linspace(1, 2, 64).expand(2, 5, 64, 64)
    assert example.speckle([noise]).item() == pytest.approx(8 / 9 - example.FREE_ROUGHNESS, abs=0.02)
    assert example.speckle([slope]).item() == 0
    assert example.speckle([torch.ones(1, 5, 8, 8)]).item() == 0  # a constant map has no variance to divide by

    model = ConvNeur(CONFIG).eval()
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        taps = model.forward_taps(image).taps
        with example.watched_maps(model) as maps:
            model(image)
    drawn = [each for stage in (2, 3) for each in (taps[stage].f_loc, taps[stage].gate, taps[stage].f_out)]
    assert all(torch.equal(found, wanted) for found, wanted in zip(maps, drawn, strict=True))
    assert not any(module._forward_hooks for module in model.modules())


def test_weights_are_averaged_by_their_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    averaging = importlib.import_module("average_weights")
    for name, value in (("one", 1.0), ("five", 5.0)):
        model = ConvNeur(CONFIG)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(value)
        save_checkpoint(model, tmp_path / f"{name}.safetensors", provenance={"seed": 3, "scores": {"agreement": value}})
    parts = [f"{tmp_path / 'one.safetensors'}:3", f"{tmp_path / 'five.safetensors'}:1"]
    monkeypatch.setattr("sys.argv", ["average_weights.py", str(tmp_path / "mean.safetensors"), *parts])
    averaging.main()
    model, about = load_checkpoint(tmp_path / "mean.safetensors")
    assert all(torch.allclose(parameter, torch.tensor(2.0)) for parameter in model.parameters())
    assert about == {"seed": 3, "average": ["one.safetensors 3", "five.safetensors 1"]}
