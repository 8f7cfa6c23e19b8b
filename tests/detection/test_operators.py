"""Box and RoI operators in plain torch against what torchvision gave; see cases/make_operators.py."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from convneur.detection import operators
from convneur.detection.boxes import apply_offsets, batched_nms, nms, offsets, overlaps
from convneur.detection.matching import matched_anchors
from convneur.detection.operators import compiled_operators, roi_align, sample_masks


@pytest.fixture(scope="module")
def made() -> dict[str, Tensor]:
    with np.load(Path(__file__).parent / "cases" / "operators.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own operators, also where torchvision is installed."""
    for module in ("operators", "boxes"):
        monkeypatch.setattr(f"convneur.detection.{module}.compiled_operators", lambda: None)


@pytest.mark.parametrize("side", [7, 14])
def test_roi_align_and_its_gradient(made: dict[str, Tensor], side: int) -> None:
    features = made["features"].clone().requires_grad_()
    found = roi_align(features, [made["rois0"], made["rois1"]], side, stride=4)
    torch.testing.assert_close(found, made[f"aligned{side}"], rtol=0, atol=5e-5)
    assert not found[0].any()  # outside
    weights = torch.linspace(-1, 1, found.numel()).reshape(found.shape)
    (gradient,) = torch.autograd.grad((found * weights).sum(), features)
    torch.testing.assert_close(gradient, made[f"gradient{side}"], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_suppression_keeps_the_same_indices_ties_included(made: dict[str, Tensor], threshold: float) -> None:
    kept = nms(made["boxes"], made["scores"], threshold)
    assert kept.tolist() == made[f"kept{threshold}"].tolist()


def test_masks_are_sampled_as_roi_align_would(made: dict[str, Tensor]) -> None:
    found = sample_masks(made["masks"], made["which"], made["mask_boxes"], 28)
    assert torch.equal(found.bool(), made["sampled"])
    assert found.any()


def test_no_box_and_no_image_with_one() -> None:
    none = torch.zeros(0, 4)
    features = torch.randn(2, 3, 8, 8)
    assert roi_align(features, [none, none], 7, 4).shape == (0, 3, 7, 7)
    assert roi_align(features, [none, torch.tensor([[0.0, 0, 8, 8]])], 7, 4).shape == (1, 3, 7, 7)
    assert nms(none, torch.zeros(0), 0.5).tolist() == []
    assert batched_nms(none, torch.zeros(0), torch.zeros(0, dtype=torch.long), 0.5, 10).tolist() == []
    assert sample_masks(torch.zeros(0, 8, 8, dtype=torch.bool), torch.zeros(0, dtype=torch.long), none, 28).numel() == 0


def test_offsets_lead_to_their_targets() -> None:
    torch.manual_seed(0)
    boxes, targets = (torch.cat([low, low + 1 + torch.rand(20, 2) * 30], 1) for low in torch.rand(2, 20, 2) * 50)
    stds = (0.1, 0.1, 0.2, 0.2)
    torch.testing.assert_close(apply_offsets(boxes, offsets(boxes, targets, stds), stds), targets)


def test_groups_do_not_suppress_each_other() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10.0]])
    kept = batched_nms(boxes, torch.tensor([0.2, 0.9, 0.5]), torch.tensor([0, 1, 1]), 0.5, most=10)
    assert kept.tolist() == [1, 0]


def test_every_object_has_an_anchor_however_many_there_are() -> None:
    torch.manual_seed(0)
    low = torch.rand(500, 2) * 200
    objects = torch.cat([low, low + 2 + torch.rand(500, 2) * 20], 1)
    centres = torch.stack(torch.meshgrid(torch.arange(2, 200, 4.0), torch.arange(2, 200, 4.0), indexing="xy"), -1)
    anchors = torch.cat([centres - 8, centres + 8], -1).reshape(-1, 4)
    best, kind = matched_anchors(anchors, objects, 0.7, 0.3)
    iou = overlaps(anchors, objects)
    expected = (iou >= 0.7).any(1) | ((iou == iou.max(0).values) & (iou > 0)).any(1)
    assert torch.equal(kind == 1, expected)
    assert torch.equal(kind == 0, (iou.max(1).values < 0.3) & ~expected)
    positive = kind == 1
    assert (iou[positive, best[positive]] > 0).all()


@pytest.mark.skipif(compiled_operators() is None, reason="needs torchvision whose operators load")
def test_compiled_operators_agree(made: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = roi_align(made["features"], [made["rois0"], made["rois1"]], 7, stride=4)
    monkeypatch.setattr(operators, "compiled_operators", compiled_operators)
    theirs = roi_align(made["features"], [made["rois0"], made["rois1"]], 7, stride=4)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-5)
