"""The heads: MMSegmentation's configuration by its cost, sizes kept, and that they learn real masks."""

import pytest
import torch
from skimage import data
from torch import nn

from convneur.cost import NetCounter
from convneur.model.network import ConvNeur
from convneur.variants import DENSE_HEADS, VARIANTS, ConvNeurConfig

SMALL = ConvNeurConfig(dims=(8, 12, 16, 20), depths=(1, 1, 1, 1), mem_dim=8, num_classes=3, chunks=3)


@pytest.mark.parametrize(
    ("variant", "head", "derived", "printed"), [("m2", "semantic-fpn", 106.20, 106), ("m4", "upernet", 908.29, 908)]
)
def test_segmentation_costs_what_the_paper_prints(variant: str, head: str, derived: float, printed: float) -> None:
    config = VARIANTS[variant].replace(head=head, num_classes=150)
    gmacs = NetCounter(config).at(512, 2048).macs_paper / 1e9
    assert gmacs == pytest.approx(derived, abs=0.005)
    assert round(gmacs) == printed


@pytest.mark.parametrize("head", DENSE_HEADS)
@pytest.mark.parametrize("size", [(127, 129), (32, 200), (96, 64)])
@torch.no_grad()
def test_logits_have_the_images_size(head: str, size: tuple[int, int]) -> None:
    model = ConvNeur(SMALL.replace(head=head)).eval()
    assert model(torch.randn(2, 3, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("head", DENSE_HEADS)
def test_gradients_reach_every_parameter(head: str) -> None:
    torch.manual_seed(0)
    model = ConvNeur(SMALL.replace(head=head))
    model(torch.randn(2, 3, 96, 96)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("head", DENSE_HEADS)
@torch.no_grad()
def test_the_dense_heads_run_at_batch_1_in_training(head: str) -> None:
    model = ConvNeur(SMALL.replace(head=head)).train()
    assert model(torch.randn(1, 3, 64, 64)).isfinite().all()


@pytest.mark.parametrize(
    "head", [pytest.param(head, marks=[pytest.mark.slow] if head == "upernet" else []) for head in DENSE_HEADS]
)
def test_the_dense_heads_learn_a_real_mask(head: str) -> None:
    """The silhouette of a horse, from a photo made of brick inside it and grass outside."""
    torch.manual_seed(0)
    horse = torch.from_numpy(~data.horse())[::4, ::4]
    inside, outside = (torch.from_numpy(photo()[: len(horse), : horse.shape[1]]) for photo in (data.brick, data.grass))
    x = (torch.where(horse, inside, outside).float() / 64 - 2).expand(1, 3, *horse.shape)
    model = ConvNeur(SMALL.replace(head=head, num_classes=2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(10):
        loss = nn.functional.cross_entropy(model(x), horse.long()[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
