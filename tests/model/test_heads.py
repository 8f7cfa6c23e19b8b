"""The heads: MMSegmentation's configuration by its cost, sizes kept, and that they learn real masks."""

import pytest
import torch
from skimage import data
from torch import nn

from convneur.cost import ModelCounter
from convneur.model.network import ConvNeur
from convneur.variants import DENSE_HEADS, VARIANTS, ConvNeurConfig

SMALL = ConvNeurConfig(dims=(8, 12, 16, 20), depths=(1, 1, 1, 1), mem_dim=8, num_classes=3, chunks=3)


@pytest.mark.parametrize(
    ("variant", "head", "derived", "printed"), [("m2", "semantic-fpn", 106.20, 106), ("m4", "upernet", 908.29, 908)]
)
def test_segmentation_costs_what_the_paper_prints(variant: str, head: str, derived: float, printed: float) -> None:
    config = VARIANTS[variant].replace(head=head, num_classes=150)
    gmacs = ModelCounter(config).at(512, 2048).macs_paper / 1e9
    assert gmacs == pytest.approx(derived, abs=0.005)
    assert round(gmacs) == printed


@pytest.mark.parametrize("head", DENSE_HEADS)
@pytest.mark.parametrize("size", [(127, 129), (32, 200), (96, 64)])
@torch.no_grad()
def test_logits_have_the_images_size(head: str, size: tuple[int, int]) -> None:
    model = ConvNeur(SMALL.replace(head=head)).eval()
    assert model(torch.randn(2, 3, *size)).shape == (2, 3, *size)


class EachPosition(nn.Module):
    """A group norm's scale and shift without its statistics, which know the whole map."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight[:, None, None] + self.bias[:, None, None]


@pytest.mark.parametrize("head", ["light-fpn", "semantic-fpn"])  # UPerNet's pools know the whole map
@pytest.mark.parametrize("size", [(450, 600), (449, 610), (463, 599)])
@torch.no_grad()
def test_what_is_said_of_a_place_does_not_depend_on_where_the_image_ends(head: str, size: tuple[int, int]) -> None:
    """Sides that are no multiples of 32 are rounded in every stage; positions must not move with them."""
    torch.manual_seed(0)
    net = ConvNeurConfig(dims=(8, 12, 16, 20), depths=(1, 1, 1, 1), memory="none", num_classes=3, kernel_size=3)
    model = ConvNeur(net.replace(head=head)).eval()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, EachPosition(child))
    x = torch.randn(1, 3, 480, 640)
    whole, cut = model(x), model(x[..., : size[0], : size[1]])
    assert cut.shape[2:] == size
    inner = (..., slice(size[0] - 224), slice(size[1] - 224))  # away from what the edge changes
    torch.testing.assert_close(cut[inner], whole[inner], rtol=0, atol=1e-6)
    assert whole[inner].std() > 1e-3


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
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)  # with more the widest head leaps first
    losses = []
    for _ in range(10):
        loss = nn.functional.cross_entropy(model(x), horse.long()[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
