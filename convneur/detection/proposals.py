"""The region proposal network: which of many anchors hold an object, and how they are to be moved."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convneur.detection.boxes import apply_offsets, batched_nms, clipped, offsets
from convneur.detection.matching import chosen, matched_anchors
from convneur.detection.pyramid import STRIDES
from convneur.detection.settings import DetectorSettings

__all__ = ["AnchorScores", "ProposalNetwork"]

Size = tuple[int, int]
_STDS = (1.0, 1.0, 1.0, 1.0)


class AnchorScores(NamedTuple):
    """Of all levels, A anchors together. scores: (B, A) logits; moves: (B, A, 4); anchors: (A, 4); levels: (A,)."""

    scores: Tensor
    moves: Tensor
    anchors: Tensor
    levels: Tensor


class ProposalNetwork(nn.Module):
    """A 3x3 convolution, then a score and four offsets for each anchor of each position (Ren et al. 2015, 3.1).

    Choice: anchors are centred on the pixels that their position is of.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.settings = settings
        count = len(settings.anchor_ratios)
        self.conv = nn.Conv2d(settings.channels, settings.channels, kernel_size=3, padding=1)
        self.score = nn.Conv2d(settings.channels, count, kernel_size=1)
        self.move = nn.Conv2d(settings.channels, 4 * count, kernel_size=1)
        for layer in (self.conv, self.score, self.move):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, pyramid: Sequence[Tensor]) -> AnchorScores:
        """Scores and offsets of each anchor. Args: pyramid: five maps (B, C, H_s, W_s)."""
        scores, moves, anchors, levels = [], [], [], []
        for level, (x, stride) in enumerate(zip(pyramid, STRIDES, strict=True)):
            x = F.relu(self.conv(x))
            scores.append(self.score(x).permute(0, 2, 3, 1).flatten(1))  # B A H W -> B HWA
            moves.append(self.move(x).permute(0, 2, 3, 1).reshape(len(x), -1, 4))
            anchors.append(self._anchors(x, stride))
            levels.append(torch.full((len(anchors[-1]),), level, device=x.device))
        return AnchorScores(
            torch.cat(scores, 1).float(), torch.cat(moves, 1).float(), torch.cat(anchors), torch.cat(levels)
        )

    def _anchors(self, x: Tensor, stride: int) -> Tensor:
        ratios = torch.tensor(self.settings.anchor_ratios, device=x.device)
        side = self.settings.anchor_scale * stride
        half = torch.stack([side / ratios.sqrt(), side * ratios.sqrt()], dim=1) / 2  # width, height
        rows, columns = (torch.arange(count, device=x.device) * stride + stride / 2 for count in x.shape[2:])
        centres = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[:, :, None]  # H W 1 2
        return torch.cat([centres - half, centres + half], dim=-1).reshape(-1, 4)

    @torch.no_grad()
    def proposals(self, found: AnchorScores, sizes: Sequence[Size]) -> list[Tensor]:
        """The likeliest boxes of each image, (N, 4), by falling score. sizes: height and width without padding."""
        before, after = (
            pair[0 if self.training else 1] for pair in (self.settings.rpn_per_level, self.settings.proposals)
        )
        kept = []
        for scores, moves, size in zip(found.scores, found.moves, sizes, strict=True):
            likeliest = torch.cat(
                [
                    own[scores[own].argsort(descending=True, stable=True)[:before]]
                    for own in ((found.levels == level).nonzero()[:, 0] for level in range(len(STRIDES)))
                ]
            )
            boxes = clipped(apply_offsets(found.anchors[likeliest], moves[likeliest], _STDS), size)
            whole = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
            boxes, likeliest = boxes[whole], likeliest[whole]
            best = batched_nms(boxes, scores[likeliest], found.levels[likeliest], self.settings.rpn_nms, after)
            kept.append(boxes[best])
        return kept

    def loss(self, found: AnchorScores, sizes: Sequence[Size], objects: Sequence[Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of the scores and smooth L1 of the offsets, over a sample of each image's anchors.

        Args: objects: boxes of each image, (G, 4).
        """
        settings = self.settings
        score_loss, move_loss, count = found.scores.sum() * 0, found.moves.sum() * 0, 0
        for scores, moves, size, boxes in zip(found.scores, found.moves, sizes, objects, strict=True):
            with torch.no_grad():
                best, kind = matched_anchors(found.anchors, boxes, settings.rpn_positive, settings.rpn_negative)
                centres = (found.anchors[:, :2] + found.anchors[:, 2:]) / 2
                within = (centres < centres.new_tensor([size[1], size[0]])).all(dim=1)  # not on the padding
                positive, negative = (((kind == value) & within).nonzero()[:, 0] for value in (1, 0))
                positive, negative = chosen(positive, negative, settings.rpn_samples, 0.5)
                sample = torch.cat([positive, negative])
                truth = (torch.arange(len(sample), device=sample.device) < len(positive)).float()
                wanted = offsets(found.anchors[positive], boxes[best[positive]], _STDS)
            score_loss = score_loss + F.binary_cross_entropy_with_logits(scores[sample], truth, reduction="sum")
            move_loss = move_loss + F.smooth_l1_loss(moves[positive], wanted, reduction="sum", beta=settings.rpn_beta)
            count += len(sample)
        return {"rpn_score": score_loss / max(count, 1), "rpn_box": move_loss / max(count, 1)}
