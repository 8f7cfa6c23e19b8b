"""UperNet, Mask2Former and RT-DETR of Hugging Face's transformers over a trained ConvNeur, through timm.

    pip install 'convneur[timm]' transformers
    python examples/transformers_models.py

Each head starts at random and is to be trained; the backbone has the packaged weights.
"""

import torch
from transformers import (
    AutoBackbone,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    RTDetrConfig,
    RTDetrForObjectDetection,
    TimmBackboneConfig,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

import convneur.timm  # noqa: F401  (registers convneur_m1 to convneur_m4)

NAME = "convneur_m1.camvid"
FOUR = TimmBackboneConfig(backbone=NAME, out_indices=[0, 1, 2, 3])  # strides 4, 8, 16, 32
THREE = TimmBackboneConfig(backbone=NAME, out_indices=[1, 2, 3])


def upernet(num_labels: int) -> UperNetForSemanticSegmentation:
    """A class of each pixel."""
    config = UperNetConfig(backbone_config=FOUR, num_labels=num_labels, hidden_size=128, use_auxiliary_head=False)
    model = UperNetForSemanticSegmentation(config)
    model.backbone = AutoBackbone.from_config(FOUR, pretrained=True)  # a config alone gives random weights
    return model


def mask2former(num_labels: int) -> Mask2FormerForUniversalSegmentation:
    """Masks and their classes."""
    config = Mask2FormerConfig(backbone_config=FOUR, num_labels=num_labels, num_queries=50, decoder_layers=4)
    model = Mask2FormerForUniversalSegmentation(config)
    model.model.pixel_level_module.encoder = AutoBackbone.from_config(FOUR, pretrained=True)
    return model


def rt_detr(num_labels: int) -> RTDetrForObjectDetection:
    """Boxes and their classes."""
    config = RTDetrConfig(
        backbone_config=THREE, encoder_in_channels=[80, 160, 320], num_labels=num_labels, num_queries=100
    )
    model = RTDetrForObjectDetection(config)
    model.model.backbone.model = AutoBackbone.from_config(THREE, pretrained=True)
    return model


if __name__ == "__main__":
    image = torch.randn(1, 3, 256, 320)
    with torch.no_grad():
        print("UperNet     labels", tuple(upernet(11).eval()(image).logits.shape))
        print("Mask2Former masks ", tuple(mask2former(11).eval()(image).masks_queries_logits.shape))
        print("RT-DETR     boxes ", tuple(rt_detr(11).eval()(image).pred_boxes.shape))
