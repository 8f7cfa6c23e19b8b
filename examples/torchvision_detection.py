"""torchvision's Mask R-CNN over ConvNeur's pyramid, trained for a few steps to find single nuclei.

    pip install torchvision
    python examples/torchvision_detection.py convneur-demo/nuclei --steps 20

The folder is one that `convneur demo` writes; its label maps become instances by their connected regions.
"""

import argparse

import torch
from nuclei import Nuclei
from skimage.measure import label
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.ops import FeaturePyramidNetwork, masks_to_boxes
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

import convneur
from convneur.data.images import MEAN, STD


class Pyramid(nn.Module):
    def __init__(self, weights: str, out_channels: int = 256) -> None:
        super().__init__()
        self.backbone = convneur.load_checkpoint(weights).model
        self.backbone.head = nn.Identity()  # nothing of it is used
        self.out_channels = out_channels
        self.fpn = FeaturePyramidNetwork(list(self.backbone.config.dims), out_channels, LastLevelMaxPool())

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.fpn(dict(zip("0123", self.backbone.forward_features(x), strict=True)))


def build(classes: int, **settings: int) -> MaskRCNN:
    """classes: with the background, which is 0. settings: of `MaskRCNN`, such as min_size."""
    return MaskRCNN(Pyramid("photos"), classes, image_mean=list(MEAN), image_std=list(STD), **settings)


def instances(labels: Tensor) -> dict[str, Tensor]:
    """What `MaskRCNN` learns from: the boxes, classes and masks of connected regions."""
    regions = torch.from_numpy(label(labels.numpy() == 1))
    masks = regions[None] == torch.arange(1, int(regions.max()) + 1)[:, None, None]
    masks = masks[masks.any(1).sum(1).gt(1) & masks.any(2).sum(1).gt(1)]  # a box must have sides
    return {"boxes": masks_to_boxes(masks), "labels": torch.ones(len(masks), dtype=torch.long), "masks": masks.byte()}


def main(arguments: list[str] | None = None) -> list[float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="nuclei/ of the demo's folder")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--images", type=int, default=20, help="how many of them to train on")
    parser.add_argument("--size", type=int, default=512, help="shorter side of what the model sees")
    given = parser.parse_args(arguments)
    torch.manual_seed(0)
    model = build(classes=2, min_size=given.size).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    data = Nuclei(given.folder, "train")
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    losses = []
    for step in range(given.steps):
        image, labels = data[step % given.images]
        found = model([image * std + mean], [instances(labels)])  # it normalises by itself
        loss = sum(found.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        print(f"step {step + 1}: loss {losses[-1]:.3f}")
    return losses


if __name__ == "__main__":
    main()
