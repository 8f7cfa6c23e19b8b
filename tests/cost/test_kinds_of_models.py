"""Models of every kind are counted, or run with what is not counted named: quantized, exported, sparse and so on."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch._dynamo as compiler
from torch import Tensor, nn

from convneur.cost import CostReport, analyze, count

pytestmark = pytest.mark.filterwarnings(
    *(f"ignore::{kind}" for kind in ("DeprecationWarning", "FutureWarning", "UserWarning"))  # torch's own
)

CONVOLUTIONS = 8 * 27 * 64 * 64 + 8 * 72 * 64 * 64


class Two(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))


def counted(model: Any) -> CostReport:
    report = analyze({"model": model}, sizes=64, verdict=False)
    assert report.problems == ()
    return report


@pytest.fixture(scope="module")
def quantized() -> nn.Module:
    """Two convolutions and a linear layer in int8."""
    import torch.ao.quantization as q

    model = nn.Sequential(q.QuantStub(), *Two(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    model = nn.Sequential(*model, q.DeQuantStub()).eval()
    q.fuse_modules(model, [["1", "2"]], inplace=True)
    model.qconfig = q.get_default_qconfig("x86")  # type: ignore[assignment]
    q.prepare(model, inplace=True)
    model(torch.zeros(1, 3, 16, 16))
    q.convert(model, inplace=True)
    return model


def test_int8_layers_have_multiply_adds_parameters_and_no_operator_is_unknown(quantized: nn.Module) -> None:
    (model,) = counted(lambda: quantized).models
    assert model.counted["64"].macs == CONVOLUTIONS + 8 * 5
    assert model.params == 8 * 27 + 8 + 8 * 72 + 8 + 8 * 5 + 5
    assert model.counted["64"].count.uncounted == ()
    assert model.ran_on_zeros


def mkldnn() -> nn.Module:
    from torch.utils.mkldnn import to_mkldnn

    made: nn.Module = to_mkldnn(Two().eval())
    return made


def exported() -> Any:
    return torch.export.export(Two().eval(), (torch.zeros(1, 3, 64, 64),))


@pytest.mark.parametrize("make", [mkldnn, pytest.param(exported, marks=pytest.mark.slow)])
def test_converted_models(make: Callable[[], Any]) -> None:
    assert counted(make).models[0].counted["64"].macs == CONVOLUTIONS


@pytest.mark.slow
def test_an_exported_program_itself() -> None:
    assert counted(exported()).models[0].counted["64"].macs == CONVOLUTIONS


class SparseWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(64).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(self.weight, x[0, 0])


class Nested(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        both = torch.nested.nested_tensor([x[0, 0], x[0, 0, :5]])
        return both * 2


def test_sparse_and_nested_tensors() -> None:
    assert counted(SparseWeight).models[0].counted["64"].macs == 64 * 64  # of 64 weights that are not zero
    assert counted(Nested).models[0].counted["64"].count.launches


def test_packed_weights_are_moved(quantized: nn.Module) -> None:
    count_of = count(quantized, torch.zeros(1, 3, 16, 16))
    assert count_of.modules is not None
    (first,) = (share for share in count_of.modules if share.module == "1")
    assert first.moved_bytes == (3 + 8) * 256 + 8 * 27 + 4 * 8  # int8 but the bias


class AsksInInit(Two):
    def __init__(self) -> None:
        super().__init__()
        assert self[0].weight.sum().item() != 0


class ChoosesDevice(Two):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, device="cpu"))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (AsksInInit, "its constructor does not run on the meta device (RuntimeError: Tensor.item()"),
        (ChoosesDevice, "it makes weights on a device of its own choice"),
        (Two, None),
    ],
)
def test_a_constructor_that_leaves_the_meta_device_is_said(make: type[nn.Module], why: str | None) -> None:
    report = counted(make)
    told = report.models[0].built_for_real
    assert (told is None) == (why is None)
    assert (told or "").startswith(why or "")
    assert ("Its weights were made for real, in memory, before it was counted: " in str(report)) == (why is not None)
    assert report.to_dict()["models"][0]["built_for_real"] == told
    assert report.models[0].counted["64"].macs == CONVOLUTIONS


class LoadsCompiler(Two):
    """As flex_attention, which torch.compile takes apart when it is first called."""

    def forward(self, x: Tensor) -> Tensor:
        if "torch._dynamo" not in sys.modules:
            sys.modules["torch._dynamo"] = compiler
            raise RuntimeError("the compiler does not know what counts here")
        out: Tensor = super().forward(x)
        return out


def test_a_model_that_loads_the_compiler_is_counted_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo")
    x = torch.zeros(1, 3, 64, 64, device="meta")
    assert count(LoadsCompiler().to("meta"), x).macs == CONVOLUTIONS
