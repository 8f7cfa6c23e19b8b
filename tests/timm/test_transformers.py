"""Hugging Face's models over the backbone: `examples/transformers_models.py` as it stands."""

import doctest
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers", reason="pip install transformers")

import convneur
import convneur.timm

EXAMPLE = Path(__file__).parents[2] / "examples" / "transformers_models.py"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE))


@pytest.mark.parametrize(
    ("name", "place", "answer", "shape"),
    [
        ("upernet", "backbone", "logits", (2, 5, 64, 96)),
        ("mask2former", "model.pixel_level_module.encoder", "masks_queries_logits", (2, 50, 16, 24)),
        ("rt_detr", "model.backbone.model", "pred_boxes", (2, 100, 4)),
    ],
)
@pytest.mark.filterwarnings("ignore")  # transformers' own
def test_a_head_learns_over_the_trained_backbone(
    example: dict[str, Any], name: str, place: str, answer: str, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    model = example[name](5).train()
    backbone = model.get_submodule(place)
    x = torch.randn(2, 3, 64, 96)
    packaged = convneur.load_checkpoint("camvid").model
    with torch.no_grad():
        wanted = packaged.forward_features(x)[-3:]
        for mine, theirs in zip(backbone(x).feature_maps[-3:], wanted, strict=True):
            assert torch.equal(mine, theirs)
    found = model(x)[answer]
    assert tuple(found.shape) == shape
    found.square().mean().backward()
    assert [n for n, parameter in backbone.named_parameters() if parameter.grad is None] == []


def test_the_docstrings_examples_run() -> None:
    failed, attempted = doctest.testmod(convneur.timm)
    assert attempted > 0
    assert failed == 0
