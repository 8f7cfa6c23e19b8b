"""The detector as a model: what it costs, what it learns from, and what it gives at odd sizes and without objects."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from convneur.detection import DetectorSettings, Targets, detector_settings, new_detector
from convneur.detection.detector import Detector
from convneur.detection.objects import find_objects
from convneur.errors import ConfigError
from convneur.inference.objects import ObjectPredictor
from convneur.variants import VARIANTS, ConvNeurConfig

TINY = ConvNeurConfig(dims=(8, 8, 16, 16), depths=(1, 1, 1, 1), mem_dim=8, chunks=4, read="final")

# By arithmetic from the layers, at COCO's 80 classes.
PARAMETERS = {
    "cascade": {"m1": 56_982_586, "m2": 58_737_834, "m3": 63_173_770, "m4": 70_518_210},
    "mask-rcnn": {"m1": 24_058_416, "m2": 25_813_664, "m3": 30_249_600, "m4": 37_594_040},
}


def tiny(kind: str = "cascade", classes: int = 2, **changes: object) -> Detector:
    torch.manual_seed(0)
    settings = detector_settings(kind, num_classes=classes, heads="light")  # type: ignore[arg-type]
    values = {**settings.to_dict(), "channels": 8, "fc": 16, "mask_channels": 8, "mask_convs": 1, "samples": 24,
              "rpn_per_level": (60, 60), "proposals": (40, 40)}  # fmt: skip
    return new_detector(TINY, DetectorSettings.from_dict({**values, **changes}))


def squares(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (70, 93)) -> Targets:
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    labels = torch.arange(len(boxes)) % 2
    return Targets(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), labels, masks)


@pytest.mark.parametrize("kind", list(PARAMETERS))
@pytest.mark.parametrize("variant", ["m1", "m4"])
def test_parameters_are_exact(kind: str, variant: str) -> None:
    with torch.device("meta"):
        model = new_detector(VARIANTS[variant], detector_settings(kind, num_classes=80))  # type: ignore[arg-type]
    assert sum(each.numel() for each in model.parameters()) == PARAMETERS[kind][variant]


@pytest.mark.parametrize("kind", ["cascade", "mask-rcnn"])
def test_gradients_reach_the_backbone_and_every_stage(kind: str) -> None:
    model = tiny(kind)
    x = torch.randn(2, 3, 70, 93)
    targets = [squares((10, 8, 40, 40), (50, 30, 80, 60)), squares()]
    losses = model(x, [(70, 93), (60, 80)], targets)
    assert all(torch.isfinite(loss) and loss >= 0 for loss in losses.values())
    sum(losses.values()).backward()  # type: ignore[union-attr]
    idle = [name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()]
    assert idle == []


def test_no_object_gives_every_parameter_a_gradient() -> None:
    """Which several processes wait for, if it is zero."""
    model = tiny()
    losses = model(torch.randn(1, 3, 64, 64), None, [squares(size=(64, 64))])
    sum(losses.values()).backward()
    assert [name for name, each in model.named_parameters() if each.grad is None] == []
    assert losses["box1"].item() == losses["mask1"].item() == 0


def test_500_objects_are_learned_from() -> None:
    model = tiny("mask-rcnn")
    boxes = [(4 * (n % 25), 4 * (n // 25), 4 * (n % 25) + 6, 4 * (n // 25) + 5) for n in range(500)]
    targets = [squares(*boxes, size=(96, 112))]
    losses = model(torch.randn(1, 3, 96, 112), None, targets)
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())


def test_boxes_alone_have_no_mask_heads() -> None:
    model = tiny(masks=False)
    targets = [squares((10, 8, 40, 40))._replace(masks=None)]
    assert not any("mask" in name for name in model(torch.randn(1, 3, 70, 93), None, targets))
    model.eval()
    assert model(torch.randn(1, 3, 70, 93))[0].masks is None


def test_the_same_seed_samples_the_same() -> None:
    x, targets = torch.randn(1, 3, 70, 93), [squares((10, 8, 40, 40), (50, 30, 80, 60))]
    model = tiny()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(float(sum(model(x, None, targets).values()).detach()))
    assert found[0] == found[1] != found[2]


def test_padding_changes_no_box_and_boxes_stay_within_the_image() -> None:
    model = tiny(least_score=0.0).eval()
    with torch.no_grad():
        (found,) = model(torch.randn(1, 3, 77, 101), [(50, 60)])
    assert len(found.boxes)
    assert found.boxes.min() >= 0
    assert (found.boxes.max(0).values <= torch.tensor([60, 50, 60, 50])).all()
    assert (found.scores.diff() <= 0).all()
    assert found.masks.shape == (len(found.boxes), 28, 28)


def test_the_least_score_may_be_less_than_the_settings_say() -> None:
    model = tiny(least_score=0.99).eval()
    images = [np.zeros((50, 60, 3), np.uint8)]
    assert len(find_objects(model, images, (64, 64))[0].scores) == 0
    assert len(find_objects(model, images, (64, 64), least_score=0.0)[0].scores) > 0
    predictor = ObjectPredictor(model, "tiny", ("a", "b"), (1, 2), sides=(64, 64))
    counts = [len(predictor.predict(images[0], score=score).objects) for score in (None, 0.0, 1.0)]
    assert counts[0] == counts[2] == 0 < counts[1]


@pytest.mark.slow
def test_two_images_are_worth_a_step_of_learning() -> None:
    """The fast twin of the slow test: two images, and the loss halves in 40 steps."""
    model = tiny("mask-rcnn")
    x = torch.zeros(2, 3, 64, 64)
    boxes = ((8, 8, 32, 32), (36, 30, 60, 56))
    for image, some in zip(x, (boxes[:1], boxes), strict=True):
        for number, (x1, y1, x2, y2) in enumerate(some):
            image[number, y1:y2, x1:x2] = 2
    targets = [squares(boxes[0], size=(64, 64)), squares(*boxes, size=(64, 64))]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses: list[float] = []
    for step in range(40):
        torch.manual_seed(step)
        loss: Tensor = sum(model(x, None, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_a_backbone_with_a_head_or_other_strides_is_refused() -> None:
    from convneur.model.network import ConvNeur

    settings = detector_settings("cascade", num_classes=1, heads="light")
    for change, name in (({"head": "classifier"}, "head"), ({"head": "none", "output_stride": 16}, "output_stride")):
        with torch.device("meta"), pytest.raises(ConfigError) as caught:
            Detector(ConvNeur(TINY.replace(**change)), settings)
        assert caught.value.setting == name


def test_settings_travel_as_plain_data() -> None:
    settings = detector_settings("cascade", num_classes=80)
    assert DetectorSettings.from_dict(settings.to_dict()) == settings
    with pytest.raises(ConfigError, match="nms"):
        DetectorSettings.from_dict({**settings.to_dict(), "nms": 2.0})
    assert copy.copy(settings).title == "Cascade Mask R-CNN"
