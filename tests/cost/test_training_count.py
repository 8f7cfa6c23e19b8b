"""A forward and a backward pass, counted: against hand arithmetic, torch's own counter, and what autograd saves."""

from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from convneur import InputError
from convneur.cost import CountingError, count, count_training


def meta(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


@pytest.mark.parametrize(
    ("layer", "shape", "forward", "input_too"),
    [
        (nn.Linear(3, 8), (5, 10, 3), 1200, False),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 5, 4), 2 * 8 * 20 * 9, False),
        (nn.Conv2d(8, 12, 3, groups=4), (2, 8, 5, 4), 2 * 12 * 6 * 2 * 9, False),
        (nn.ConvTranspose2d(6, 6, 2, stride=2, groups=3), (2, 6, 8, 8), 6144, False),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 6, 1, groups=3)), (1, 3, 4, 4), 16 * 9 + 16 * 6, True),
    ],
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_each_gradient_costs_as_much_as_the_forward_pass(
    device: str, layer: nn.Module, shape: tuple[int, ...], forward: int, input_too: bool
) -> None:
    layer, x = layer.to_empty(device=device), torch.zeros(shape, device=device)
    assert count(layer, x).macs == forward
    second = 16 * 6 if input_too else 0  # the image itself takes no gradient
    assert count_training(layer, x).macs == 2 * forward + second
    assert count_training(layer, x).flops == 2 * (2 * forward + second)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros(1, 4, 16, 8))

    def forward(self) -> Tensor:
        return F.scaled_dot_product_attention(self.x, self.x, self.x)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_fused_attention_forms_its_scores_again(device: str) -> None:
    one = 4 * 16 * 16 * 8
    assert count_training(Attention().to(device)).macs == (2 + 5) * one


def test_torch_counts_the_same_where_no_convolution_is_grouped() -> None:
    layers = [nn.Conv2d(3, 8, 3), nn.GELU(), nn.Conv2d(8, 4, 3, stride=2), nn.Flatten(), nn.Linear(36, 5)]
    model, x = nn.Sequential(*layers).to("meta"), meta(2, 3, 9, 9)
    with FlopCounterMode(display=False) as theirs:
        model(x).sum().backward()
    assert count_training(model, x).flops == theirs.get_total_flops()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"memory": "none"},
        {"global_branch": "self-attention"},
        {"global_branch": "titans", "memory": "per-layer", "fusion": "concat"},
        {"global_branch": "ir-rwkv"},
        {"head": "upernet"},
    ],
)
def test_our_nets_in_full(meta_net: Any, settings: dict[str, Any]) -> None:
    model, x = meta_net("m1", **settings), meta(1, 3, 64, 64)
    forward, both = count(model, x), count_training(model, x)
    assert both.uncounted == ()
    assert 2.9 * forward.macs < both.macs < 3.6 * forward.macs
    assert forward.peak_activation_bytes is not None
    assert forward.peak_activation_bytes < both.saved_bytes < both.peak_bytes
    assert both.parameter_bytes == 4 * forward.params
    assert count(model, x) == forward
    assert count_training(model, x) == both


def test_saved_is_what_autograd_saves(meta_net: Any) -> None:
    model, x = meta_net("m1", depths=(1, 1, 1, 1)).to_empty(device="cpu"), torch.zeros(1, 3, 64, 64)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), x)}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model(x)
    assert count_training(model, x).saved_bytes == sum(saved.values()) + logits.nbytes


def test_the_model_is_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    first = count_training(model, torch.ones(2, 3, 8, 8))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert model[1].num_batches_tracked == 0
    assert count_training(model, torch.ones(2, 3, 8, 8)) == first


def test_without_a_gradient_there_is_nothing_to_count() -> None:
    frozen = nn.Linear(4, 4, device="meta").requires_grad_(False)
    for model in (frozen, nn.ReLU()):
        with pytest.raises(CountingError, match="no backward pass"):
            count_training(model, meta(2, 4))
    with pytest.raises(InputError, match="lazy parameters"):
        count_training(nn.LazyLinear(4), torch.ones(1, 3))
    with pytest.raises(CountingError, match=r"^module 1: .*\(input 2x4\)$"):
        count_training(nn.Sequential(nn.ReLU(), nn.Linear(5, 4)).to("meta"), meta(2, 4))


@pytest.mark.parametrize(
    "layer",
    [nn.ReLU6, nn.ELU, nn.LeakyReLU, nn.Hardsigmoid, nn.Softplus, nn.Hardswish, nn.Softshrink, nn.Mish, nn.LogSigmoid],
)
def test_gradients_of_activations_are_no_multiply_adds(layer: type[nn.Module]) -> None:
    counted = count_training(nn.Sequential(nn.Linear(4, 4), layer()).to("meta"), meta(2, 4))
    assert (counted.macs, counted.uncounted) == (64, ())


@dataclass
class Output:
    logits: Tensor


@pytest.mark.parametrize(
    "wrap", [Output, lambda x: SimpleNamespace(logits=x), lambda x: OrderedDict(logits=x), lambda x: [{"logits": (x,)}]]
)
def test_outputs_of_any_form_have_gradients(wrap: Any) -> None:
    class Wraps(nn.Linear):
        def forward(self, x: Tensor) -> Any:
            return wrap(super().forward(x))

    assert count_training(Wraps(3, 8, device="meta"), meta(2, 3)).macs == 96
