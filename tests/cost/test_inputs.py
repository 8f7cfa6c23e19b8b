"""What others' models are called with, and what their factories are."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convneur import ConfigError
from convneur.cost import analyze
from convneur.cost.inputs import find_inputs
from convneur.cost.lookup import find_arguments

LIKE = torch.empty((), dtype=torch.float64, device="meta")


def made(*texts: str, size: tuple[int, int] = (8, 16)) -> tuple[tuple[Any, ...], dict[str, Any]]:
    inputs = find_inputs(texts)
    assert inputs is not None
    return inputs.make(*size, LIKE)


def test_tensors_of_any_number_name_shape_and_type() -> None:
    (first, second), named = made("1x1xHxW", "2xW:bool", "ids=1x77:int64", "batch.image=1x3xHxW", "batch.mask=H:uint8")
    assert (first.shape, first.dtype, first.device.type) == ((1, 1, 8, 16), torch.float64, "meta")
    assert (second.shape, second.dtype) == ((2, 16), torch.bool)
    assert named.keys() == {"ids", "batch"}
    assert (named["ids"].shape, named["ids"].dtype) == ((1, 77), torch.int64)
    assert [(key, tensor.shape) for key, tensor in named["batch"].items()] == [("image", (1, 3, 8, 16)), ("mask", (8,))]
    assert find_inputs(None) is None


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["1,3,H,W"], "inputs '1,3,H,W': give sizes with x between"),
        (["1x3xHxW:floaty"], "floaty is no type of torch"),
        (["1x3xHxW:nn"], "nn is no type of torch"),
        (["1x3xHxW:qint8"], "torch makes no zeros of qint8; give another type"),
        (["1x0xHxW"], "every size must be at least 1"),
        (["a=1xH", "a=1xW"], "inputs a: is given twice"),
        (["a=1xH", "a.b=1xW"], "inputs a.b: is given twice"),
        (["=1x3"], "give sizes with x between"),
        ([""], "give sizes with x between"),
    ],
)
def test_inputs_that_are_none(texts: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        find_inputs(texts)
    assert says in str(raised.value)


def test_arguments_as_python_writes_them() -> None:
    texts = ["depth=3", "rate=.5", "dims=[8, 16]", "act=gelu", "bias=false", "head=None", "name='3'"]
    expected = {"depth": 3, "rate": 0.5, "dims": [8, 16], "act": "gelu", "bias": False, "head": None, "name": "3"}
    assert find_arguments(texts) == expected
    for wrong, says in (("depth", "give NAME=VALUE"), ("3=4", "give NAME=VALUE")):
        with pytest.raises(ConfigError, match=says):
            find_arguments([wrong])
    with pytest.raises(ConfigError, match="given twice"):
        find_arguments(["a=1", "a=2"])


class Pair(nn.Module):
    """An image and a flow of another number of channels, and token ids."""

    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__()
        self.image, self.flow = nn.Conv2d(channels, width, 1), nn.Conv2d(2, width, 1)
        self.words = nn.Embedding(10, width)

    def forward(self, image: Tensor, *, flow: Tensor, ids: Tensor) -> Tensor:
        return self.image(image) + self.flow(flow) + self.words(ids).mean(1)[..., None, None]


def test_a_model_of_several_inputs() -> None:
    inputs = ["1x1xHxW", "flow=1x2xHxW", "ids=1x7:int64"]
    report = analyze(Pair, sizes=32, inputs=inputs, factory_arguments={"width": 5}, probe=32)
    assert report.models[0].sizes["32"].macs == 5 * 3 * 1024
    assert report.verdict.growth_class == "linear"

    def by_hand(height: int, width: int) -> dict[str, Tensor]:
        return {
            "image": torch.zeros(2, 1, height, width),
            "flow": torch.zeros(2, 2, height, width),
            "ids": torch.zeros(2, 7, dtype=torch.int64),
        }

    report = analyze(Pair, sizes=32, inputs=by_hand, factory_arguments=["width=5"], verdict=False)
    assert report.models[0].sizes["32"].macs == 2 * 5 * 3 * 1024


def test_wrong_inputs_and_arguments_are_named() -> None:
    (problem,) = analyze(Pair, sizes=32, inputs="1x3xHxW", factory_arguments={"width": 5}, verdict=False).problems
    assert "flow" in problem
    assert "(input 1x3x32x32)" in problem
    with pytest.raises(ConfigError, match="inputs: a ConvNeur takes one image"):
        analyze("m1", sizes=32, inputs="1x3xHxW")
    with pytest.raises(ConfigError, match="factory_arguments: no factory was named"):
        analyze("m1", sizes=32, factory_arguments=["a=1"])
    with pytest.raises(ConfigError, match="no file nowhere"):
        analyze("nowhere/nets.py:Pair", sizes=32)


def test_a_model_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "some nets.py"
    path.write_text(
        "import torch\nfrom torch import nn\n"
        "def build(depth, width=4):\n"
        "    return nn.Sequential(*[nn.Conv2d(width, width, 1) for _ in range(depth)])\n"
        "def feed(height, width):\n    return torch.zeros(1, 4, height, width)\n"
        "def fails(height, width):\n    raise OSError('no file')\n"
    )
    report = analyze(
        f"{path}:build", sizes=32, factory_arguments=["depth=3"], input_factory=f"{path}:feed", verdict=False
    )
    assert report.models[0].sizes["32"].macs == 3 * 16 * 1024
    with pytest.raises(ConfigError, match="factory_arguments deep: the factory takes no such argument; it takes depth"):
        analyze(f"{path}:build", sizes=32, factory_arguments=["deep=3"])
    failed = analyze(f"{path}:build", sizes=32, factory_arguments=["depth=1"], input_factory=f"{path}:fails")
    assert "the function that makes inputs failed: OSError: no file" in failed.problems[0]
