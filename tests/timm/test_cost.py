"""Counting models that are not ours: thirty families of timm's, and the counts that torchvision publishes."""

from typing import Any

import pytest
import torchvision

from convneur.cost import analyze
from convneur.cost.model_counter import ImageCost

# One of a family, none of them large.
FAMILIES = (
    "resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto", "efficientnet_b0",
    "mobilenetv3_small_100", "regnety_002", "densenet121", "levit_128", "pit_ti_224", "pvt_v2_b0", "twins_svt_small",
    "xcit_nano_12_p16_224", "coat_lite_tiny", "crossvit_tiny_240", "davit_tiny", "edgenext_xx_small",
    "efficientformer_l1", "efficientformerv2_s0", "efficientvit_b0", "fastvit_t8", "focalnet_tiny_srf", "ghostnet_050",
    "hiera_tiny_224", "mambaout_femto", "mixer_s32_224", "mobilevit_xxs", "poolformer_s12", "sequencer2d_s",
    "swiftformer_xs", "visformer_tiny",
)  # fmt: skip
# Made for one size, whatever their factory takes: they refuse others, and say so.
ONE_SIZE = {"crossvit_tiny_240": set(), "efficientformer_l1": {"224"}}


@pytest.mark.filterwarnings("ignore")  # of timm's own
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_counted_at_two_sizes_or_says_why_not(name: str) -> None:
    report = analyze(f"timm/{name}", sizes=[224, 288])
    (model,) = report.models
    taken = ONE_SIZE.get(name, {"224", "288"})
    assert set(model.counted) == taken
    assert bool(report.problems) == (len(taken) < 2)
    if len(taken) == 2:
        assert model.counted["288"].macs > model.counted["224"].macs > 0
        assert model.scaling.verdict.verdict != "undetermined"
    else:
        assert "must match the size of tensor" in report.problems[0]
        assert model.scaling.verdict.why
    assert [cost for cost in model.counted.values() if cost.count.uncounted] == []


# torchvision's own name for each, and timm's.
PUBLISHED = {
    "ResNet50_Weights": ("resnet50", {"resnet50"}),
    "ViT_B_16_Weights": ("vit_b_16", {"vit_base_patch16_224"}),
    "Swin_T_Weights": ("swin_t", {"swin_tiny_patch4_window7_224"}),
    "MaxVit_T_Weights": ("maxvit_t", set[str]()),  # timm's maxvit_tiny_tf_224 is another stem and head
    "ConvNeXt_Tiny_Weights": ("convnext_tiny", {"convnext_tiny"}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", PUBLISHED)
def test_counts_are_those_that_torchvision_publishes(weights: str) -> None:
    known: dict[str, Any] = torchvision.models.get_weight(f"{weights}.IMAGENET1K_V1").meta
    name, in_timm = PUBLISHED[weights]
    for model in (f"torchvision.models:{name}", *(f"timm/{each}" for each in in_timm)):
        cost = analyze(model, sizes=224, verdict=False).models[0].sizes["224"]
        assert isinstance(cost, ImageCost)
        assert cost.macs / 1e9 == pytest.approx(known["_ops"], rel=0.01)
        assert cost.count.params == pytest.approx(known["num_params"], rel=0.001)
