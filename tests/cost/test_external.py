"""Nets that are not ours: found by name, built, counted; what is wrong is said in a line."""

import sys
import warnings
from collections.abc import Callable
from itertools import count as numbers
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from convneur import ConfigError, InputError
from convneur.cost import CountingError, ExternalCounter, analyze, external
from convneur.cost.external import external_probe_sizes, load_external, smaller_probe_sizes, wrap_external
from convneur.cost.scaling import judge_scaling

NETS = """
import torch
from torch import nn

class Conv(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, stride=2, padding=1)

    def forward(self, x):
        if x.shape[-1] % 2:
            raise ValueError("odd width")
        return self.conv(x)

class Attention(nn.Module):
    def __init__(self, img_size=64):
        super().__init__()
        self.img_size = img_size
        self.sides = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.patches = nn.Conv2d(3, 16, 16, 16)
        self.place = nn.Parameter(torch.zeros(1, self.sides[0] // 16 * (self.sides[1] // 16), 16))
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.place
        return self.attention(tokens, tokens, tokens)[0]

def small():
    return Conv(4)

def reads_its_weights():
    net = Conv(4)
    net.bound = net.conv.weight.max().item()
    return net

class Outer:
    conv = Conv

ready = Conv()

def none():
    return None

def fails():
    raise KeyError("no weights")
"""
_NUMBERS = numbers()


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module into the current folder; gives its name, which no test uses twice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(code: str) -> str:
        name = f"zoo_{next(_NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(code)
        return name

    return write


class Counting(nn.Module):
    """A net made of one function of the image, behind a convolution to four channels."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.conv(x))


@pytest.fixture
def counter_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Tensor], Any]], ExternalCounter]:
    def make(function: Callable[[Tensor], Any]) -> ExternalCounter:
        module = ModuleType("made_here")
        module.factory = lambda: Counting(function)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "made_here", module)
        return ExternalCounter(load_external("made_here:factory"))

    return make


# Found by name


@pytest.mark.parametrize(
    ("factory", "params"), [("Conv", 224), ("small", 112), ("Outer.conv", 224), ("reads_its_weights", 112)]
)
def test_a_function_or_class_in_the_current_folder(
    zoo: Callable[[str], str], tmp_path: Path, factory: str, params: int
) -> None:
    name = f"{zoo(NETS)}:{factory}"
    net = load_external(name)
    assert (net.name, net.takes_size) == (name, False)
    assert net.source == str(tmp_path / f"{name.split(':')[0]}.py")
    counter = ExternalCounter(net)
    assert counter.params is None
    cost = counter.at(32, 64)
    assert cost.macs == cost.macs_full == params // 28 * 27 * 16 * 32
    assert counter.params == params


def test_fvcore_counts_the_same(zoo: Callable[[str], str]) -> None:
    net = load_external(f"{zoo(NETS)}:Conv")
    assert ExternalCounter(net, counter="fvcore").at(32, 64).macs == ExternalCounter(net).at(32, 64).macs


def test_a_size_that_is_given_is_the_one_it_is_built_for(zoo: Callable[[str], str]) -> None:
    name = zoo(NETS)
    model = analyze(f"{name}:Attention", sizes="64,128", factory_arguments=["img_size=128"], verdict=False).models[0]
    assert list(model.counted) == ["128"]
    assert not model.built_per_size

    # input_size may be a number of features, too.
    name = zoo("from torch import nn\n\nclass Net(nn.Linear):\n    def __init__(self, input_size=64):\n"
               "        super().__init__(input_size, 4, bias=False)\n")  # fmt: skip
    settings: dict[str, Any] = {"inputs": "1xTx64", "sweep": "T=16,32", "verdict": False}
    model = analyze(f"{name}:Net", factory_arguments=["input_size=64"], **settings).models[0]
    assert [cost.macs for cost in model.counted.values()] == [16 * 256, 32 * 256]


def test_a_net_that_takes_img_size_is_built_for_each(zoo: Callable[[str], str]) -> None:
    net = load_external(f"{zoo(NETS)}:Attention")
    assert net.takes_size
    assert [net.build(*size).img_size for size in ((32, 32), (32, 64))] == [32, (32, 64)]
    counter = ExternalCounter(net)
    for height, width in ((32, 32), (64, 96)):
        tokens = height // 16 * (width // 16)
        cost = counter.at(height, width)
        assert cost.macs == height * width * 3 * 16 + 4 * tokens * 16**2 + 2 * tokens**2 * 16
        assert cost.count.params == 16 * 769 + tokens * 16 + 4 * 16 * 17


def test_a_net_of_attention_is_quadratic_and_one_of_convolutions_linear(zoo: Callable[[str], str]) -> None:
    module = zoo(NETS)
    for factory, verdict in (("Attention", "quadratic term present"), ("Conv", "linear")):
        counter = ExternalCounter(load_external(f"{module}:{factory}"))
        costs = [counter.at(*size) for size in external_probe_sizes(96, 64)]
        assert judge_scaling([cost.macs for cost in costs], [cost.pixels for cost in costs]).verdict == verdict


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("no_colon", ConfigError, "name a model as package.module:factory, path/to/file.py:factory or timm/NAME"),
        ("no_such_module_here:net", ConfigError, "no module no_such_module_here here"),
        ("torch.no_such:net", ConfigError, "no module torch.no_such here"),
        ("{nets}:nothing", ConfigError, "has no nothing"),
        ("{nets}:ready", ConfigError, "is of type Conv; name a function or class"),
        ("{nets}:nn", ConfigError, "is of type module; name a function or class"),
        ("{needs}:net", InputError, "importing {needs} failed: ModuleNotFoundError: No module named 'no_such_need'"),
        ("{raises}:net", InputError, "failed: RuntimeError: not today"),
        ("{leaves}:net", InputError, "failed: SystemExit: 3"),
    ],
)
def test_what_cannot_be_found_is_said(zoo: Callable[[str], str], name: str, error: type[Exception], says: str) -> None:
    modules = {
        "nets": zoo(NETS),
        "needs": zoo("import no_such_need"),
        "raises": zoo("raise RuntimeError('not\\ntoday')"),
        "leaves": zoo("import sys; sys.exit(3)"),
    }
    with pytest.raises(error) as raised:
        load_external(name.format(**modules))
    assert says.format(**modules) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_factories_that_fail_or_give_no_module(zoo: Callable[[str], str]) -> None:
    module = zoo(NETS)
    with pytest.raises(CountingError, match=r"the factory failed: KeyError: 'no weights'"):
        ExternalCounter(load_external(f"{module}:fails")).at(32, 32)
    with pytest.raises(InputError, match="gives NoneType, not a torch"):
        ExternalCounter(load_external(f"{module}:none")).at(32, 32)


def test_a_factory_that_hands_out_one_net_keeps_its_weights(zoo: Callable[[str], str]) -> None:
    name = zoo("from torch import nn\nready = nn.Conv2d(3, 4, 1)\ndef factory():\n    return ready\n")
    net = load_external(f"{name}:factory")
    assert ExternalCounter(net).at(8, 8).macs == 12 * 64
    assert not net.build(8, 8).weight.is_meta


def test_a_refused_size_leaves_the_others(zoo: Callable[[str], str]) -> None:
    counter = ExternalCounter(load_external(f"{zoo(NETS)}:Conv"))
    with pytest.raises(CountingError, match=r"odd width \(input 1x3x32x33\)"):
        counter.at(32, 33)
    assert counter.at(32, 34).macs == 8 * 27 * 16 * 17


# In timm, or what stands for it


def stub_timm(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A module named timm with two nets; gives the list of calls that it receives."""
    calls: list[Any] = []

    class Sized(nn.Module):
        def __init__(self, img_size: Any = 224) -> None:
            super().__init__()
            self.img_size = img_size
            self.conv = nn.Conv2d(3, 4, 16, 16)

        def forward(self, x: Tensor) -> Tensor:
            if tuple(x.shape[2:]) != (self.img_size,) * 2:
                raise ValueError("other size")
            return self.conv(x)

    def create_model(name: str, pretrained: bool = True, **settings: Any) -> nn.Module:
        calls.append((name, pretrained, settings))
        if name == "sized":
            return Sized(**settings)
        if name == "plain":
            return nn.Conv2d(3, 4, 1, **settings)
        if name == "broken":
            raise ImportError("an extra is missing")
        raise RuntimeError(f"Unknown model ({name})")

    timm = ModuleType("timm")
    timm.create_model = create_model  # type: ignore[attr-defined]
    timm.__version__ = "1.9"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    return calls


def test_timm_nets_are_made_without_weights_and_for_each_size_where_they_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = stub_timm(monkeypatch)
    sized, plain = load_external("timm/sized"), load_external("timm/plain")
    assert (sized.takes_size, plain.takes_size, plain.source) == (True, False, "timm 1.9")
    assert [ExternalCounter(sized).at(side, side).macs for side in (32, 64)] == [4 * 768 * 4, 4 * 768 * 16]
    assert ExternalCounter(plain).at(32, 64).macs == 12 * 32 * 64
    assert {pretrained for _, pretrained, _ in calls} == {False}
    assert ("sized", False, {"img_size": 64}) in calls


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("timm/nothing", ConfigError, "timm 1.9 has no such model"),
        ("timm/", ConfigError, "name one of timm's models"),
        ("timm/hf-hub:someone/net", ConfigError, "name one of timm's models"),
        ("timm/broken", InputError, "the factory failed: ImportError: an extra is missing"),
    ],
)
def test_timm_names_that_are_none(
    monkeypatch: pytest.MonkeyPatch, name: str, error: type[Exception], says: str
) -> None:
    stub_timm(monkeypatch)
    with pytest.raises(error, match=says):
        load_external(name)


def test_timm_missing_or_broken(monkeypatch: pytest.MonkeyPatch, zoo: Callable[[str], str], tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"timm is not installed; pip install timm"):
        load_external("timm/vit_small_patch16_224")
    monkeypatch.delitem(sys.modules, "timm")
    (tmp_path / "timm.py").write_text("import no_torchvision_here")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"importing timm failed: .*no_torchvision_here"):
        load_external("timm/vit_small_patch16_224")


def test_timm_beside_a_torchvision_of_another_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"importing timm failed: RuntimeError: operator torchvision::nms does not"):
        load_external("timm/vit_small_patch16_224")


# Counted in full


@torch.library.custom_op("convneur_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return 2 * x


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def test_what_has_no_formula_is_named(counter_of: Callable[..., ExternalCounter]) -> None:
    count = counter_of(lambda x: twice(torch.fft.irfft2(torch.fft.rfft2(x)))).at(8, 8).count
    assert count.uncounted_operators() == {"_fft_r2c": 1, "_fft_c2r": 1, "convneur_tests::twice": 1}
    assert count.macs == 12 * 64


def test_gradients_taken_inside_forward_are_counted(counter_of: Callable[..., ExternalCounter]) -> None:
    def by_autograd(x: Tensor) -> Tensor:
        tokens = x.flatten(2).mean(0).T.detach()  # (N, 4)
        with torch.enable_grad():
            memory = torch.eye(4).requires_grad_()
            (gradient,) = torch.autograd.grad(((tokens @ memory) ** 2).sum(), memory)
        return tokens @ gradient

    def by_transform(x: Tensor) -> Tensor:
        tokens = x.flatten(2).mean(0).T
        return tokens @ torch.func.grad(lambda memory: ((tokens @ memory) ** 2).sum())(torch.eye(4))

    for function in (by_autograd, by_transform):  # the convolution, then a read, its gradient, a read
        assert counter_of(function).at(8, 8).macs == 12 * 64 + 3 * 16 * 64


def test_tensors_made_on_no_device_in_particular(counter_of: Callable[..., ExternalCounter]) -> None:
    assert counter_of(lambda x: x * torch.arange(x.shape[-1])).at(8, 8).macs == 12 * 64


def test_a_net_that_asks_for_values_is_run_if_small(counter_of: Callable[..., ExternalCounter]) -> None:
    counter = counter_of(lambda x: x if x.mean().item() > 0 else -x)
    assert counter.at(8, 8).macs == 12 * 64
    assert counter.training_at(8, 8).macs == 2 * 12 * 64
    with pytest.raises(CountingError, match="what meta cannot run is run to be counted, up to 1024 x 1024 pixels"):
        counter.at(1024, 2048)


def test_lazy_parameters_are_made_first() -> None:
    counter = ExternalCounter(wrap_external(lambda: nn.Sequential(nn.LazyConv2d(4, 1), nn.Flatten(), nn.LazyLinear(2))))
    assert counter.at(8, 8).macs == 64 * 12 + 256 * 2
    assert (counter.params, counter.ran_on_zeros) == (16 + 514, False)
    with pytest.raises(CountingError, match=r"\(input 1x3x8x8\)"):
        ExternalCounter(wrap_external(lambda: nn.Sequential(nn.LazyConv2d(4, 1), nn.Linear(5, 5)))).at(8, 8)


def test_what_meta_refuses_is_run_whatever_it_said(counter_of: Callable[..., ExternalCounter]) -> None:
    def of_its_device(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return x * 2

    counter = counter_of(of_its_device)
    assert counter.at(8, 8).macs == 12 * 64
    assert counter.ran_on_zeros


def test_a_compiled_or_traced_model() -> None:
    layer = nn.Conv2d(3, 4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(layer, torch.zeros(1, 3, 8, 8))
    for model in (torch.compile(layer), traced):
        counter = ExternalCounter(wrap_external(model))
        assert counter.at(8, 8).macs == 12 * 64
        assert counter.params == 16


# Built without its weights


class Rated(nn.Module):
    """Asks a short sequence for its values while it is built, as many models do for their drop rates."""

    devices: ClassVar[list[str]] = []

    def __init__(self) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        self.conv = nn.Conv2d(3, 4, 1)
        self.register_buffer("steps", torch.arange(4))
        self.devices.append(self.conv.weight.device.type)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.steps[:, None, None]


def test_numbers_asked_for_while_building_cost_no_weights() -> None:
    model = wrap_external(Rated).build_on_meta(8, 8)
    assert Rated.devices == ["meta"]
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    assert model.rates == pytest.approx([0, 0.05, 0.1])
    assert ExternalCounter(wrap_external(Rated)).at(8, 8).macs == 12 * 64


def test_a_large_model_is_not_copied() -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64))
    model.append(model[0])
    copied = wrap_external(model).build_on_meta(8, 8)
    assert copied[0] is copied[2]
    assert copied[0].weight.is_meta
    assert copied[1].running_mean.is_meta
    assert not model[0].weight.is_meta


# Built for each size


class OfSize(nn.Module):
    def __init__(self, img_size: Any = 32, width: int = 4) -> None:
        super().__init__()
        self.sides = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.conv = nn.Conv2d(3, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != self.sides:
            raise ValueError("another size")
        return self.conv(x)


class Derived(OfSize):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class ByAnotherName(OfSize):
    def __init__(self, image_size: Any, width: int = 4) -> None:
        super().__init__(image_size, width)


def handed_on(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    return ByAnotherName(**kwargs)


def hands_on_none(**kwargs: Any) -> nn.Module:
    return nn.Conv2d(3, 4, 1, **kwargs)


@pytest.mark.parametrize(
    ("factory", "argument"),
    [
        (OfSize, "img_size"),
        (Derived, "img_size"),
        (ByAnotherName, "image_size"),
        (handed_on, "image_size"),
        (hands_on_none, None),
        (lambda input_size=(3, 32, 32): nn.Conv2d(input_size[0], 4, 1), None),
        (lambda input_size=32: OfSize(input_size), "input_size"),
    ],
)
def test_the_sizes_that_factories_take(factory: Callable[..., nn.Module], argument: str | None) -> None:
    model = wrap_external(factory)
    assert model.takes_size == (argument is not None)
    assert argument in (None, model.size_argument)
    counter = ExternalCounter(model)
    assert [counter.at(*size).macs for size in ((32, 32), (32, 64))] == [12 * 1024, 12 * 2048]


# What may be counted soon


class Steps(nn.Module):
    """A step for each token, which is as slow to count as to run."""

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(3)
        for token in x[0].flatten(1).unbind(1):
            state = state * 0.5 + token
        return state


def test_a_model_that_is_slow_to_count_is_not_probed_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "_MOST_LAUNCHES", 1_000)
    counter = ExternalCounter(wrap_external(Steps))
    for side in (4, 8):
        counter.at(side, side)
    assert counter.at_if_soon(16, 16).count.launches == 513
    with pytest.raises(CountingError, match=r"about 2e\+03 operators would run, which takes minutes to count"):
        counter.at_if_soon(32, 32)


class ByName(nn.Module):
    def forward(self, x: Tensor, scale: float = 1, *, flow: Tensor | None = None) -> Tensor:
        return x @ x if flow is None else x @ flow


def test_fvcore_takes_named_inputs_in_their_order() -> None:
    (model,) = analyze(ByName, inputs="x=HxW", sizes=8, counter="both", verdict=False).models
    assert model.counters is not None
    assert model.counters.fvcore["8"]["matmul"] == 8**3
    report = analyze(ByName, inputs=["x=HxW", "flow=HxW"], sizes=8, counter="both", verdict=False)
    assert report.problems == ("ByName by fvcore at 8: fvcore takes no inputs by name, such as flow",)


# The verdict's sizes


def test_a_model_that_is_slow_to_build_is_probed_at_smaller_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(external.time, "thread_time", lambda: clock[0])

    def build(img_size: int = 224) -> nn.Module:
        clock[0] += 4 * (img_size / 1024) ** 2  # a second at 512
        return nn.Conv2d(3, 8, 3)

    report = analyze(build, sizes=512)
    assert list(report.models[0].probes) == ["256", "512", "1024"]
    assert report.models[0].scaling.verdict.growth_class == "linear"
    counter = ExternalCounter(wrap_external(build))
    counter.at(512, 512)
    assert counter.at_if_soon(1024, 1024).macs > 0
    with pytest.raises(CountingError, match=r"^building and counting it would take about 16 s more$"):
        counter.at_if_soon(2048, 2048)


@pytest.mark.parametrize(
    ("size", "first"),
    [
        ((224, 224), (896, 896)),
        ((256, 256), (512, 512)),
        ((512, 512), (512, 512)),
        ((1024, 1024), (1024, 1024)),
        ((4096, 4096), (1024, 1024)),
        ((512, 2048), (256, 1024)),
        ((100, 30), (800, 240)),
        ((800, 1333), (608, 1024)),
        ((16, 16384), (32, 1024)),
    ],
)
def test_probe_sizes_keep_the_shape(size: tuple[int, int], first: tuple[int, int]) -> None:
    height, width = first
    assert external_probe_sizes(*size) == (first, (2 * height, 2 * width), (4 * height, 4 * width))


def test_smaller_probes() -> None:
    assert smaller_probe_sizes(1024, 512) == ((512, 256), (1024, 512), (2048, 1024))
    assert smaller_probe_sizes(896, 896) == ((448, 448), (896, 896), (1792, 1792))
    assert smaller_probe_sizes(64, 64) is None


# A net that everyone has counted

RESNET50 = """
from torch import nn

def unit(narrow, wide, side, stride=1):
    return nn.Sequential(nn.Conv2d(narrow, wide, side, stride, side // 2, bias=False), nn.BatchNorm2d(wide))

class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.path = nn.Sequential(unit(channels, width, 1), unit(width, width, 3, stride), unit(width, 4 * width, 1))
        self.skip = unit(channels, 4 * width, 1, stride) if channels != 4 * width else nn.Identity()

    def forward(self, x):
        return self.path(x) + self.skip(x)

def resnet50():
    blocks, channels = [], 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        for block in range(depth):
            blocks.append(Bottleneck(channels, 64 << stage, 2 if stage and not block else 1))
            channels = 256 << stage
    stem = [unit(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))
"""


def test_resnet50_reads_as_it_does_everywhere(zoo: Callable[[str], str]) -> None:
    cost = ExternalCounter(load_external(f"{zoo(RESNET50)}:resnet50")).at(224, 224)
    assert cost.count.params == 25_557_032
    assert cost.macs / 1e9 == pytest.approx(4.09, rel=0.01)
    assert cost.flops / 1e9 == pytest.approx(8.18, rel=0.01)
    assert cost.count.uncounted == ()
