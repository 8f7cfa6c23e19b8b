"""How far information travels: exact where it is known, for any model and layout, and what is refused."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convneur.errors import ConfigError, InputError
from convneur.figures import reach_figure, save_figure
from convneur.gates.capture import untrained
from convneur.reach import ReachReport, measure_reach
from convneur.reach.context import context_changes
from convneur.reach.gradients import energy
from convneur.reach.layers import find_layers, layer_maps, local_window
from convneur.variants import VARIANTS, ConvNeurConfig

TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(2, 1, 1, 1), mem_dim=8, chunk_length=20, head="none")
RANDOM = np.random.default_rng(0)
IMAGES = list(RANDOM.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8))


def convolutions(count: int, channels: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3 if number == 0 else channels, channels, 3, padding=1) for number in range(count)]
    return nn.Sequential(*layers).eval()


def input_of(side: int = 33) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_energy_is_that_of_the_jacobian() -> None:
    model, x = convolutions(2, 5).double(), input_of(9).double()
    feature = model(x)[0, :, 4, 4]
    jacobian = torch.autograd.functional.jacobian(lambda each: model(each)[0, :, 4, 4], x.detach())
    expected = jacobian.square().sum((0, 1, 2)).numpy()
    exact = energy(feature, x, probes=None, seed=0)
    assert np.abs(exact - expected).max() <= 1e-14 * expected.max()
    np.testing.assert_array_equal(energy(feature, x, probes=8, seed=0), exact)  # no more channels than probes
    wide = energy(nn.functional.pad(feature, (0, 3)), x, probes=4, seed=0)
    assert wide.sum() == pytest.approx(exact.sum(), rel=0.9)  # an estimate
    turned = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0] @ feature
    np.testing.assert_allclose(energy(turned, x, probes=None, seed=0), exact, atol=1e-12 * exact.max())


def test_the_field_of_convolutions_is_theirs_exactly() -> None:
    model, x = convolutions(4), input_of()
    seen = energy(model(x)[0, :, 16, 16], x, probes=None, seed=0) > 0
    expected = np.zeros((33, 33), bool)
    expected[12:21, 12:21] = True
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize(
    ("layer", "window"),
    [
        ("stages.0.0.global_branch", (112, 116)),
        ("stages.1.0.global_branch", (84, 144)),
        ("stages.2.0.global_branch", (4, 224)),
        ("stages.0", (88, 140)),
        ("stages.1", (12, 216)),
        ("stages.2", (0, 224)),
    ],
)
def test_windows_of_m1(layer: str, window: tuple[int, int]) -> None:
    side = 224 // (4 << int(layer[7]))
    found = local_window(VARIANTS["m1"], layer, (side // 2, side // 2), (224, 224))
    assert found == (window[0], window[0], window[1], window[1])
    assert local_window(VARIANTS["m1"], "head", (0, 0), (224, 224)) is None


def test_a_local_model_ends_where_its_window_does() -> None:
    model = untrained(TINY.replace(memory="none"), 0)
    x = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    for name in ("stages.0", "stages.0.0.local_branch", "stages.1"):
        (layer,) = find_layers(model, x[:1], [name])
        position = layer.position((96, 96), None)
        window = local_window(TINY, name, position, (96, 96))
        assert window is not None
        top, left, bottom, right = window
        whole = (0, 0, 96, 96)
        inside = (top + 4, left + 4, bottom - 4, right - 4)
        found = context_changes(model, x, layer, position, [window, whole, inside, (0, 0, 0, 0)])
        assert found[:2] == [0, 0]
        assert 0 < (found[2] or 0) < 1
        assert found[3] == 1


def test_context_of_a_global_path_reaches_beyond() -> None:
    model = untrained(TINY.replace(read="final"), 0)
    report = measure_reach(IMAGES, model=model, layer=["stages.0.0.global_branch"], size=96, probes=None)
    (layer,) = report.models[0].layers
    assert 0 < (layer.context_share or 0) < 1
    assert 0 < (layer.beyond_field or 0) < 1
    assert layer.curve[-1][1] == 0  # all that there is was kept
    assert layer.curve[0] == (0, layer.context_share)  # a gate's local window is its own cell
    equal = measure_reach([IMAGES[0]] * 2, model=model, layer="stages.0", size=96, probes=1)
    assert equal.models[0].layers[0].context_share is None
    alone = measure_reach(IMAGES[0], model=model, layer="stages.0", size=96, probes=1)
    assert alone.models[0].layers[0].curve == ()
    assert "Context needs two images or more" in str(alone)


class Tokens(nn.Module):
    """A class token before those of the image, as a vision transformer has them; and another layout of the same."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 16, 16)
        self.norm = nn.LayerNorm(6)
        self.last = nn.Identity()
        self.pool = nn.Linear(6, 2)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.embed(x)
        tokens = torch.cat([maps.new_zeros(len(maps), 1, 6), maps.flatten(2).transpose(1, 2)], 1)
        tokens = self.norm(tokens)
        self.last(tokens[:, 1:].unflatten(1, maps.shape[2:]))
        result: Tensor = self.pool(tokens[:, 0])
        return result


def test_maps_of_every_layout() -> None:
    model, x = Tokens().eval(), torch.randn(2, 3, 64, 96)
    layers = find_layers(model, x[:1], ["embed", "norm", "last"])
    assert [(each.form.layout, each.height, each.width, each.form.prefix) for each in layers] == [
        ("map", 4, 6, 0),
        ("tokens", 4, 6, 1),
        ("map, channels last", 4, 6, 0),
    ]
    maps = layer_maps(model, x, layers)
    assert torch.equal(maps["norm"], maps["last"])
    assert torch.equal(maps["norm"], model.norm(maps["embed"].movedim(1, -1)).movedim(-1, 1))
    assert [each.name for each in find_layers(model, x[:1], [])] == ["last"]
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("nrom", "layer nrom: no such layer; the nearest are norm"),
        ("pool", "layer pool: its output, 1x2, is no map of an image of 64x64"),
        ("unused", "layer unused: does not run in a forward pass"),
    ],
)
def test_layers_that_are_no_maps(asked: str, says: str) -> None:
    model = Tokens()
    with pytest.raises(ConfigError, match=says):
        measure_reach(IMAGES, model=model, layer=asked, size=64)
    assert model.training  # the caller's stays as it is
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"position": (96, 0)}, "position 96,0: is outside the images, of 96x96 pixels"),
        ({"position": (2, 48), "size": (32, 96)}, "position 2,48: is outside the middle part that is seen"),
        ({"images": [*IMAGES, IMAGES[0][:60]], "position": (3, 3)}, "the images are of several sizes"),
        ({"size": 16}, "size 16: needs sides of at least 32 pixels"),
        ({"probes": 0}, "probes 0: must be 1 to 4096"),
        ({"recipe": "slak"}, "recipe slak: choose plain, replknet"),
        ({"recipe": "replknet", "probes": 4}, "probes: is for the plain map; .* leave it out"),
        ({"model": "foto"}, "model foto: choose packaged weights"),
        ({"model": "foto.safetensors"}, r"model foto\.safetensors: no such file; packaged weights are"),
        ({"model": "m1,m2"}, "name one model"),
        ({"against_layer": "stages.0"}, "there is none; give `against`"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], says: str) -> None:
    given: dict[str, Any] = {"images": IMAGES, "model": untrained(TINY, 0), "size": 64, **changes}
    with pytest.raises(ConfigError, match=says):
        measure_reach(given.pop("images"), **given)


def test_a_model_without_maps_or_gradients() -> None:
    class Rounded(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return self[1](self[0](x).detach())

    rounded, settings = Rounded(nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 4, 3)), {"size": 32, "probes": 1}
    with pytest.raises(InputError, match="no gradient flows through 1 of Rounded; choose another `layer`"):
        measure_reach(IMAGES, model=rounded, **settings)
    assert measure_reach(IMAGES, model=rounded, layer="0", **settings).models[0].layers[0].erf is not None
    vector = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    with pytest.raises(ConfigError, match="is a map of 32x32; take a larger `size`, or another model"):
        measure_reach(IMAGES, model=vector, **settings)
    strided = nn.Sequential(nn.Conv2d(3, 4, 32, 32))
    assert measure_reach(IMAGES, model=strided, size=64, probes=1).models[0].layers[0].height == 2


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"none")
    settings: dict[str, Any] = {"model": untrained(TINY, 0), "layer": "stages.0", "size": 64, "probes": 1}
    with pytest.raises(InputError, match="no such file or folder"):
        measure_reach(tmp_path / "c.png", **settings)
    with pytest.warns(UserWarning, match=r"b\.png"), pytest.raises(InputError, match="none of the images"):
        measure_reach(tmp_path, **settings)
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    with pytest.warns(UserWarning, match=r"b\.png"):
        report = measure_reach(tmp_path, **settings)
    assert [Path(one.name).name for one in report.failed] == ["b.png"]
    assert "1 image could not be read" in str(report)


def test_the_position_is_that_of_the_pixel() -> None:
    model = untrained(TINY, 0)
    report = measure_reach(IMAGES, model=model, layer="stages.0", size=48, position=(95, 40), probes=1)
    (layer,) = report.models[0].layers
    assert layer.position == (11, 5)  # of 12 x 12
    assert layer.cell == (44, 20, 48, 24)
    assert layer.erf is not None
    assert layer.window is not None
    assert layer.window[2] == 48


def test_untrained_models_are_stamped() -> None:
    settings: dict[str, Any] = {"layer": "0", "size": 32, "probes": 1}
    by_factory = measure_reach(IMAGES, model=lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)), **settings)
    assert by_factory.models[0].stamp == "UNTRAINED WEIGHTS, seed 0"
    trained = convolutions(1)
    fixed = measure_reach(IMAGES, model=lambda: trained, **settings)
    assert fixed.models[0].stamp is None
    assert measure_reach(IMAGES, model=trained, **settings).models[0].stamp is None
    assert measure_reach(IMAGES, model=TINY, layer="stages.3", size=32, probes=1).models[0].stamp
    assert "this shows how it starts" in str(by_factory)


@pytest.fixture(scope="module")
def report() -> ReachReport:
    model = untrained(TINY.replace(read="final"), 0)
    twin = untrained(TINY.replace(memory="none"), 0)
    return measure_reach(IMAGES, model=model, against=twin, layer=["stages.0", "stages.1"], size=64, probes=2)


def test_a_report_in_every_form(report: ReachReport, tmp_path: Path) -> None:
    said = report.to_dict()
    assert said["schema"] == "convneur.erf/1"
    assert [model["name"] for model in said["models"]] == [
        "ConvNeur A",
        "ConvNeur B",
    ]  # which one name would not tell apart
    local = said["models"][1]["layers"][0]
    assert (local["context_share"], local["beyond_field"]) == (0, 0)
    for one, next_one in pairwise(local["context_curve"]):
        assert one["radius"] < next_one["radius"]
    report.save(tmp_path / "a.csv")
    assert (
        (tmp_path / "a.csv").read_text().startswith("model,layer,measure,at,value\nConvNeur A,stages.0,context_share,,")
    )
    report.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["models"][0]["layers"][0]["layer"] == "stages.0"
    report.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as maps:
        assert sorted(maps) == [f"ConvNeur {which}/stages.{stage}" for which in "AB" for stage in (0, 1)]
    with pytest.raises(ConfigError, match=r"must end in .*\.npz"):
        report.save(tmp_path / "a.txt")


def test_the_figure_shows_every_map_and_curve(report: ReachReport, tmp_path: Path) -> None:
    figure = reach_figure(report)
    axes = {each.get_label(): each for each in figure.axes}
    assert [str(label) for label in axes] == [
        "ConvNeur A stages.0",
        "ConvNeur A stages.1",
        "ConvNeur B stages.0",
        "ConvNeur B stages.1",
        "<colorbar>",
        "context 0",
        "context 1",
    ]
    lines = [line for line in axes["context 0"].lines if len(line.get_xdata()) > 1 and line.get_label()[0] != "_"]  # type: ignore[arg-type,index]
    assert [list(line.get_xdata()) for line in lines] == [  # type: ignore[arg-type]
        [radius for radius, _ in model.layers[0].curve] for model in report.models
    ]
    save_figure(figure, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 10_000


def test_replknets_recipe_is_named_and_warned_of() -> None:
    model = convolutions(2, 5)
    found = measure_reach(IMAGES, model=model, layer="1", size=33, recipe="replknet")
    (layer,) = found.models[0].layers
    assert layer.erf is not None
    x = torch.from_numpy(np.zeros((1, 3, 33, 33), np.float32)).requires_grad_()
    totals = np.zeros((33, 33))
    from convneur.data.images import normalise

    for image in IMAGES:
        pixels = np.asarray(Image.fromarray(image).resize((33, 33), Image.Resampling.BICUBIC))
        x = torch.from_numpy(normalise(pixels))[None].requires_grad_()
        model(x).relu()[0, :, 16, 16].sum().backward()
        assert x.grad is not None
        totals += x.grad.relu().sum((0, 1)).double().numpy() / 3
    logged = np.log10(totals + 1)
    np.testing.assert_allclose(layer.erf, logged / logged.max(), atol=1e-6)
    assert "They depend on the gradient's scale" in str(found)
    assert "They depend on the gradient's scale" in found.to_dict()["warning"]
    texts = " ".join(text.get_text() for text in reach_figure(found).texts)
    assert "RepLKNet's recipe" in texts
