"""Each twin of the memory is what its source says: against its definition written out, and by what makes it so."""

import pytest
import torch
from torch import Tensor, nn

from convneur.model.attention import NonLocal, SelfAttention
from convneur.model.cbam import CBAM
from convneur.model.rwkv import InvertedResidualRWKV, bidirectional_wkv, shift_quarters
from convneur.model.titans import MemoryAsContext


def randomised(module: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return module


def test_self_attention_is_the_softmax_written_out() -> None:
    attention = randomised(SelfAttention(12, num_heads=3))
    x = torch.randn(2, 10, 12, dtype=torch.float64)
    q, k, v = (x @ w.T for w in attention.qkv.weight.split(12))
    heads = []
    for head in range(3):
        own = slice(4 * head, 4 * head + 4)
        logits = q[..., own] @ k[..., own].mT / 4**0.5
        weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
        heads.append(weights @ v[..., own])
    wanted = torch.cat(heads, -1) @ attention.proj.weight.T + attention.proj.bias
    torch.testing.assert_close(attention(x), wanted)


def test_non_local_is_the_embedded_gaussian_written_out() -> None:
    block = randomised(NonLocal(8))
    x = torch.randn(2, 10, 8, dtype=torch.float64)
    theta, phi, g = block.theta_phi_g(x).split(4, dim=-1)
    weights = (theta @ phi.mT).exp()  # not scaled
    y = weights @ g / weights.sum(-1, keepdim=True)
    torch.testing.assert_close(block(x), x + y @ block.w_z.weight.T + block.w_z.bias)


def by_definition(k: Tensor, v: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """Bi-WKV, a sum over all pairs."""
    tokens = k.shape[1]
    out = torch.zeros_like(v)
    for t in range(tokens):
        above = below = 0
        for i in range(tokens):
            weight = (u + k[:, i]).exp() if i == t else (-(abs(t - i) - 1) / tokens * w + k[:, i]).exp()
            above, below = above + weight * v[:, i], below + weight
        out[:, t] = above / below
    return out


@pytest.mark.parametrize("steepness", [0.0, 1.0, 15.0, -3.0])
def test_wkv_in_linear_time_is_its_sum_over_all_pairs(steepness: float) -> None:
    torch.manual_seed(0)
    k, v = 4 * torch.randn(2, 23, 5, dtype=torch.float64), torch.randn(2, 23, 5, dtype=torch.float64)
    w, u = steepness + 0.3 * torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    torch.testing.assert_close(bidirectional_wkv(k, v, w, u), by_definition(k, v, w, u))


def test_wkv_stays_finite_and_exact_over_many_tokens_in_float32() -> None:
    torch.manual_seed(0)
    k, v = 10 * torch.randn(1, 20_000, 4), torch.randn(1, 20_000, 4)
    w, u = torch.tensor([0.0, 1.0, 8.0, 15.0]), torch.zeros(4)
    fine = bidirectional_wkv(k.double(), v.double(), w.double(), u.double())
    torch.testing.assert_close(bidirectional_wkv(k, v, w, u).double(), fine, rtol=1e-3, atol=1e-3)
    assert fine.abs().max() <= v.abs().max()  # a mean


def test_the_shift_moves_each_quarter_its_own_way() -> None:
    x = torch.zeros(1, 4, 3, 3)
    x[:, :, 1, 1] = 1
    moved = shift_quarters(x)
    assert [tuple(plane.nonzero()[0].tolist()) for plane in moved[0]] == [(1, 2), (1, 0), (2, 1), (0, 1)]


def test_cbam_scales_channels_then_positions() -> None:
    block = randomised(CBAM(32))
    x = torch.randn(2, 32, 7, 9, dtype=torch.float64)
    channel = torch.sigmoid(block.mlp(x.mean((2, 3))) + block.mlp(x.amax((2, 3))))
    scaled = x * channel[..., None, None]
    position = torch.sigmoid(block.conv(torch.stack([scaled.mean(1), scaled.amax(1)], 1)))
    torch.testing.assert_close(block(x), scaled * position)
    assert block.mlp[0].out_features == 2  # reduction 16


def test_titans_segments_meet_through_the_memory_alone() -> None:
    layer = randomised(MemoryAsContext(8, num_heads=2, chunk_length=5))
    x = torch.randn(1, 13, 8, dtype=torch.float64)
    changed = x.clone()
    changed[:, 5:].normal_()
    torch.testing.assert_close(layer(changed)[:, :5], layer(x)[:, :5])  # a segment sees none of the later ones
    changed = x.clone()
    changed[:, 0].normal_()
    assert not torch.allclose(layer(changed)[:, 5:], layer(x)[:, 5:])  # but the earlier ones, written down
    with torch.no_grad():
        layer.write.generator.weight.zero_()
        layer.write.generator.bias.copy_(torch.tensor([-50.0, -50.0, -50.0]))  # nothing is written
    torch.testing.assert_close(layer(changed)[:, 5:], layer(x)[:, 5:])


def test_titans_persistent_tokens_are_part_of_every_context() -> None:
    layer = randomised(MemoryAsContext(8, num_heads=2, chunk_length=5))
    x = torch.randn(1, 13, 8, dtype=torch.float64)
    before = layer(x)
    with torch.no_grad():
        layer.attention.persistent[:, 0] += 1
    assert not torch.isclose(layer(x), before).all(-1).any()  # no token is left as it was


@pytest.mark.parametrize(
    "mixer",
    [SelfAttention(64, 2), NonLocal(64), CBAM(64), InvertedResidualRWKV(64),
     MemoryAsContext(64, num_heads=2, chunk_length=9)],
    ids=lambda mixer: type(mixer).__name__,
)  # fmt: skip
def test_shapes_and_gradients(mixer: nn.Module) -> None:
    mixer = randomised(mixer)
    maps = isinstance(mixer, (CBAM, InvertedResidualRWKV))
    x = torch.randn(*((2, 64, 5, 4) if maps else (2, 20, 64)), dtype=torch.float64, requires_grad=True)
    y = mixer(x)
    assert y.shape == x.shape
    y.square().sum().backward()
    assert x.grad.ne(0).all()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
