"""operators.npz: what torchvision's RoIAlign, its gradient and its NMS give, for tests where it is not installed.

    python tests/detection/cases/make_operators.py

Made by torchvision 0.29.1 beside torch 2.14.1.
"""

from pathlib import Path

import numpy as np
import torch
from torchvision import ops


def boxes(count: int, size: float) -> torch.Tensor:
    """Of all sizes; some reach out of the image, one lies outside."""
    corner = torch.rand(count, 2) * size * 1.2 - size * 0.1
    found = torch.cat([corner, corner + torch.rand(count, 2).square() * size], dim=1)
    found[0] = torch.tensor([-3.0 * size, -3.0 * size, -2.0 * size, -2.0 * size])
    return found


def main() -> None:
    torch.manual_seed(0)
    kept = {}
    features = torch.randn(2, 3, 17, 23, requires_grad=True)
    rois = [boxes(12, 90), boxes(9, 90)]
    kept |= {"features": features.detach(), "rois0": rois[0], "rois1": rois[1]}
    for side in (7, 14):
        found = ops.roi_align(features, rois, side, 1 / 4, 2, aligned=True)
        weights = torch.linspace(-1, 1, found.numel()).reshape(found.shape)
        (gradient,) = torch.autograd.grad((found * weights).sum(), features)
        kept |= {f"aligned{side}": found.detach(), f"gradient{side}": gradient}
    candidates = boxes(300, 60)
    scores = (torch.rand(300) * 20).round() / 20  # many are equal
    kept |= {"boxes": candidates, "scores": scores}
    for threshold in (0.3, 0.5, 0.7):
        kept[f"kept{threshold}"] = ops.nms(candidates, scores, threshold)
    masks = torch.zeros(3, 40, 50)
    masks[0, 5:30, 8:41] = 1
    masks[1, 20:21] = 1
    masks[2] = (torch.rand(40, 50) > 0.5).float()
    which, of_masks = torch.arange(15) % 3, boxes(15, 45)
    sampled = ops.roi_align(
        masks[which][:, None], torch.cat([torch.arange(15.0)[:, None], of_masks], 1), 28, 1, 2, True
    )
    kept |= {"masks": masks.bool(), "which": which, "mask_boxes": of_masks, "sampled": sampled[:, 0] >= 0.5}
    np.savez_compressed(Path(__file__).with_name("operators.npz"), **{key: each.numpy() for key, each in kept.items()})


if __name__ == "__main__":
    main()
