"""Outputs of any model's layers: the model's own stays as it is, and what is a map of the image is known as one."""

import pytest
import torch
from torch import Tensor, nn

from convneur.errors import ConfigError
from convneur.layers.outputs import Ran, layer_names, map_form, ran, tapped, where_it_ran


class Net(nn.Module):
    """An activation that works in place and runs twice, parts that are called one by one, and several tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, 2, 1)
        self.act = nn.ReLU(inplace=True)
        self.parts = nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1), nn.Sequential(nn.Identity(), nn.Conv2d(4, 5, 1)))
        self.several = Several()
        self.unused = nn.Sequential(nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.features(x))
        x = self.parts[1][1](self.parts[0](x))
        return self.several(self.act(-x))[1]["x"]


class Several(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return torch.zeros(3, dtype=torch.int64), {"x": x}


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@torch.inference_mode()
def test_hooks_change_nothing_and_are_gone_after_any_error(net: Net) -> None:
    x = torch.randn(1, 3, 64, 96)
    expected, features = net(x), net.features(x)
    outputs: list[Tensor] = []
    net.register_forward_hook(lambda _, __, output: outputs.append(output))
    found = tapped(net, x, {"features": None, "act": 1, "several": None})
    assert torch.equal(outputs[0], expected)
    assert torch.equal(found["features"], features)  # as it was, before the activation worked in it
    assert torch.equal(found["act"], features.relu())
    assert torch.equal(found["several"], expected)  # the first tensor with floating-point values
    assert torch.equal(tapped(net, x, {"act": None, "unused": None})["act"], expected)  # its last call
    with pytest.raises(RuntimeError):
        tapped(net, x[:, :2], {"act": None})
    assert not any(module._forward_hooks for name, module in net.named_modules() if name)


@torch.inference_mode()
def test_a_model_runs_no_further_than_it_must(net: Net) -> None:
    calls: list[str] = []
    net.several.register_forward_hook(lambda *_: calls.append("several"))
    x = torch.randn(1, 3, 64, 96)
    tapped(net, x, {"features": 1, "act": 1})
    assert calls == []
    tapped(net, x, {"features": 1, "act": 2})
    assert calls == []
    tapped(net, x, {"features": 1, "act": None})
    assert calls == ["several"]


@torch.inference_mode()
def test_what_ran(net: Net) -> None:
    found = ran(net, torch.randn(1, 3, 64, 96))
    assert list(found) == ["features", "parts.0", "parts.1.1", "act", "several"]
    assert found["act"] == Ran(2, (1, 5, 16, 24))
    assert found["several"].shape == (1, 5, 16, 24)
    assert where_it_ran(net, "parts", found) == "parts.1.1"
    assert where_it_ran(net, "unused", found) is None


def test_names_and_patterns(net: Net) -> None:
    assert layer_names(net, "parts.*.1", "layer") == ["parts.1.1"]
    assert layer_names(net, "p*s", "layer") == ["parts"]
    assert layer_names(net, "part*", "layer") == ["parts"]  # and nothing inside of it
    assert layer_names(net, "parts.?", "layer") == ["parts.0", "parts.1"]
    with pytest.raises(ConfigError, match="layer featurs: no such layer; the nearest are features"):
        layer_names(net, "featurs", "layer")
    with pytest.raises(ConfigError, match="layer '': no such layer; there are features, act"):
        layer_names(net, "", "layer")


def test_what_is_a_map() -> None:
    channels = torch.arange(5.0)
    maps = {
        "channels first": torch.zeros(1, 5, 8, 12) + channels[:, None, None],
        "channels last": torch.zeros(1, 8, 12, 5) + channels,
        "tokens": torch.zeros(1, 96, 5) + channels,
        "tokens after a class token": torch.cat([torch.full((1, 1, 5), -1.0), torch.zeros(1, 96, 5) + channels], 1),
    }
    for name, output in maps.items():
        form = map_form(tuple(output.shape), (64, 96))
        assert form is not None, name
        found = form.as_map(output)
        assert found.shape == (1, 5, 8, 12), name
        assert torch.equal(found[0, :, 3, 7], channels), name
    for none in [
        (1, 5),
        (1, 50, 5),
        (2, 5, 8, 12),  # windows of an image, each with its own
        (16, 96, 5),
        (1, 12, 96, 96),  # how much each token attends to each
        None,
    ]:
        assert map_form(none, (64, 96)) is None, none
    assert map_form((1, 101, 5), (64, 96), prefix=5) == map_form((1, 101, 5), (64, 96))
    assert map_form((1, 98, 5), (64, 96), prefix=5) is None


@pytest.mark.parametrize("side", [33, 64, 97])
def test_maps_of_strides_that_round(side: int) -> None:
    size = (side, 2 * side + 1)
    for stride in (2, 4, 8, 16):
        down = tuple(length // stride for length in size)
        up = tuple(-(-length // stride) for length in size)
        for height, width in (down, up):
            form = map_form((1, 7, height, width), size)
            assert form is not None
            assert (form.layout, form.height, form.width) == ("map", height, width)
