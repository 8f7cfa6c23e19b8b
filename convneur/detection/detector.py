"""Mask R-CNN and Cascade Mask R-CNN over ConvNeur's pyramid."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convneur.detection.boxes import apply_offsets, batched_nms, clipped, offsets
from convneur.detection.matching import best_object, chosen
from convneur.detection.operators import sample_masks
from convneur.detection.proposals import ProposalNetwork
from convneur.detection.pyramid import Pyramid
from convneur.detection.settings import DetectorSettings
from convneur.detection.stages import Stage, pooled
from convneur.errors import ConfigError
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

__all__ = ["Detections", "Detector", "Targets", "new_detector"]

Size = tuple[int, int]


class Targets(NamedTuple):
    """The G objects of an image. boxes: (G, 4) x1, y1, x2, y2 in its pixels, sides above 0; labels: (G,) class numbers
    from 0; masks: (G, H, W) bool, None where there are none.

    >>> Targets(torch.tensor([[2.0, 3.0, 12.0, 9.0]]), torch.tensor([0])).masks is None
    True
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor | None = None


class Detections(NamedTuple):
    """What was found in an image, by falling score. boxes: (N, 4); scores, labels: (N,); masks: (N, S, S) probabilities
    inside the boxes, None without mask heads.

    >>> Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long)).boxes.shape
    torch.Size([0, 4])
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Tensor | None = None


class _Sample(NamedTuple):
    """The proposals of an image that a stage's loss is of, the P positive ones first.

    boxes: (S, 4); labels: (S,), the background the last number; objects: (P,) of each positive one; given: (S,) which
    are objects themselves.
    """

    boxes: Tensor
    labels: Tensor
    objects: Tensor
    given: Tensor


class Detector(nn.Module):
    """A backbone, its pyramid, proposals, and one stage of heads or three.

    The classes' numbers are 0 to K - 1, the background's is K.
    Args: backbone: a ConvNeur whose head is none; settings: see `DetectorSettings`.
    Raises: ConfigError: a backbone with a head, or whose stages have other strides than 4, 8, 16, 32.

    >>> from convneur.detection import detector_settings, new_detector
    >>> config = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8)
    >>> model = new_detector(config, detector_settings("mask-rcnn", num_classes=2, heads="light")).eval()
    >>> (found,) = model(torch.zeros(1, 3, 64, 96))
    >>> found.boxes.shape[1], found.masks.shape[1:]
    (4, torch.Size([28, 28]))
    """

    def __init__(self, backbone: ConvNeur, settings: DetectorSettings) -> None:
        super().__init__()
        if backbone.config.head != "none":
            raise ConfigError("head", "a detector holds a backbone alone; choose none", value=backbone.config.head)
        if backbone.config.output_stride != 32:
            raise ConfigError("output_stride", "a detector takes strides 4 to 32", value=backbone.config.output_stride)
        self.settings = settings
        self.backbone = backbone
        self.pyramid = Pyramid(backbone.config.dims, settings.channels)
        self.rpn = ProposalNetwork(settings)
        self.stages = nn.ModuleList(Stage(settings) for _ in settings.ious)

    @property
    def heads(self) -> list[Stage]:
        """Of each stage."""
        return [stage for stage in self.stages if isinstance(stage, Stage)]

    @property
    def config(self) -> ConvNeurConfig:
        """Of the backbone."""
        return self.backbone.config

    def forward(
        self,
        x: Tensor,
        sizes: Sequence[Size] | None = None,
        targets: Sequence[Targets] | None = None,
        *,
        least_score: float | None = None,
    ) -> dict[str, Tensor] | list[Detections]:
        """In training the losses by name, which add up; else what is found in each image.

        Args:
            x: (B, 3, H, W) float, normalised; sizes: height and width of each image without its padding, which is at
                the right and the bottom; None: no padding.
            targets: of each image, for training. least_score: what is found has more; None: as in the settings.
        """
        sizes = [(x.shape[2], x.shape[3])] * len(x) if sizes is None else sizes
        pyramid = self.pyramid(self.backbone.forward_features(x))
        found = self.rpn(pyramid)
        proposals = self.rpn.proposals(found, sizes)
        if not self.training:
            least = self.settings.least_score if least_score is None else least_score
            return self._detected(pyramid, proposals, sizes, least)
        if targets is None:
            raise ValueError("a detector in training needs `targets`; call its eval() to detect")
        losses = self.rpn.loss(found, sizes, [each.boxes for each in targets])
        for number in range(self.settings.stages):
            of_stage, proposals = self._learned(number, pyramid, proposals, sizes, targets)
            losses |= {f"{name}{number + 1}": self.settings.weights[number] * loss for name, loss in of_stage.items()}
        return losses

    def _learned(
        self,
        number: int,
        pyramid: Sequence[Tensor],
        proposals: Sequence[Tensor],
        sizes: Sequence[Size],
        targets: Sequence[Targets],
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """A stage's losses, and its sampled proposals moved, from which the next one samples."""
        settings, stage, stds = self.settings, self.heads[number], self.settings.stds[number]
        samples = [
            self._sample(each, truth, settings.ious[number]) for each, truth in zip(proposals, targets, strict=True)
        ]
        scores, moves = stage.box(self._pooled(pyramid, [each.boxes for each in samples], settings.box_side))
        labels = torch.cat([each.labels for each in samples])
        positive = (labels < settings.num_classes).nonzero()[:, 0]
        with torch.no_grad():
            wanted = torch.cat(
                [
                    offsets(each.boxes[: len(each.objects)], truth.boxes[each.objects], stds)
                    for each, truth in zip(samples, targets, strict=True)
                ]
            )
        own = self._of_class(moves, labels.clamp(max=settings.num_classes - 1))[positive]
        count = max(len(labels), 1)
        losses = {
            "score": F.cross_entropy(scores, labels, reduction="sum") / count,
            "box": F.smooth_l1_loss(own, wanted, reduction="sum", beta=settings.box_beta) / count,
        }
        if stage.mask is not None:
            boxes = [each.boxes[: len(each.objects)] for each in samples]
            logits = stage.mask(self._pooled(pyramid, boxes, settings.mask_side))
            with torch.no_grad():
                masks = torch.cat(
                    [
                        sample_masks(truth.masks, each.objects, box, 2 * settings.mask_side)
                        for each, truth, box in zip(samples, targets, boxes, strict=True)
                        if truth.masks is not None
                    ]
                )
            own = logits[torch.arange(len(positive), device=logits.device), labels[positive]]
            mean = F.binary_cross_entropy_with_logits(own, masks, reduction="sum") / max(masks.numel(), 1)
            losses["mask"] = mean + logits.sum() * 0  # every parameter has a gradient, for several processes
        with torch.no_grad():
            likeliest = scores[:, :-1].argmax(dim=1)
            moved = apply_offsets(torch.cat([each.boxes for each in samples]), self._of_class(moves, likeliest), stds)
            split = moved.split([len(each.boxes) for each in samples])
            refined = [
                _whole(clipped(boxes[~each.given], size))
                for boxes, each, size in zip(split, samples, sizes, strict=True)
            ]
        return losses, refined

    @torch.no_grad()
    def _sample(self, proposals: Tensor, truth: Targets, iou: float) -> _Sample:
        background = self.settings.num_classes
        boxes = torch.cat([truth.boxes, proposals])
        given = torch.arange(len(boxes), device=boxes.device) < len(truth.boxes)
        best, overlap = best_object(boxes, truth.boxes)
        hit = overlap >= iou
        positive, negative = chosen(
            hit.nonzero()[:, 0], (~hit).nonzero()[:, 0], self.settings.samples, self.settings.positive_share
        )
        both = torch.cat([positive, negative])
        labels = torch.full_like(both, background)
        labels[: len(positive)] = truth.labels[best[positive]]
        return _Sample(boxes[both], labels, best[positive], given[both])

    def _detected(
        self, pyramid: Sequence[Tensor], proposals: Sequence[Tensor], sizes: Sequence[Size], least_score: float
    ) -> list[Detections]:
        settings = self.settings
        boxes, counts = list(proposals), [len(each) for each in proposals]
        total: Tensor | None = None
        for number, stage in enumerate(self.heads):
            scores, moves = stage.box(self._pooled(pyramid, boxes, settings.box_side))
            shares = scores.softmax(dim=1)
            total = shares if total is None else total + shares
            stds = settings.stds[number]
            if number < settings.stages - 1:
                likeliest = scores[:, :-1].argmax(dim=1)
                moved = apply_offsets(torch.cat(boxes), self._of_class(moves, likeliest), stds)
            else:  # (N, K + 1, 4), or (N, 1, 4) of all classes
                moved = torch.stack(
                    [apply_offsets(torch.cat(boxes), each, stds) for each in moves.split(4, dim=1)], dim=1
                )
            boxes = [
                clipped(each.reshape(-1, 4), size).reshape(each.shape)
                for each, size in zip(moved.split(counts), sizes, strict=True)
            ]
        assert total is not None
        found = [
            self._best(of_image, each, least_score)
            for of_image, each in zip((total / settings.stages).split(counts), boxes, strict=True)
        ]
        if not settings.masks:
            return found
        pools = self._pooled(pyramid, [each.boxes for each in found], settings.mask_side)
        heads = [stage.mask for stage in self.heads if stage.mask is not None]
        masks = torch.stack([head(pools).sigmoid() for head in heads]).mean(dim=0)
        own = masks[torch.arange(len(masks), device=masks.device), torch.cat([each.labels for each in found])]
        return [
            each._replace(masks=mask)
            for each, mask in zip(found, own.split([len(each.boxes) for each in found]), strict=True)
        ]

    def _best(self, scores: Tensor, boxes: Tensor, least_score: float) -> Detections:
        """Of an image: scores (N, K + 1), boxes (N, K + 1 or 1, 4)."""
        row, label = (scores[:, :-1] > least_score).nonzero().unbind(1)
        own = boxes[row, label if boxes.shape[1] > 1 else torch.zeros_like(label)]
        whole = (own[:, 2:] > own[:, :2]).all(dim=1)
        row, label, own = row[whole], label[whole], own[whole]
        values = scores[row, label]
        best = batched_nms(own, values, label, self.settings.nms, self.settings.most)
        return Detections(own[best], values[best], label[best])

    def _of_class(self, moves: Tensor, labels: Tensor) -> Tensor:
        """(N, 4 or 4 (K + 1)) -> (N, 4) of each one's class."""
        if self.settings.class_agnostic:
            return moves
        return moves.reshape(len(moves), -1, 4)[torch.arange(len(moves), device=moves.device), labels]

    def _pooled(self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor], side: int) -> Tensor:
        return pooled(pyramid, boxes, side, self.settings.finest_box)


def _whole(boxes: Tensor) -> Tensor:
    """Those that have sides."""
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(dim=1)]


def new_detector(config: ConvNeurConfig, settings: DetectorSettings) -> Detector:
    """A detector at its random start. Args: config: of the backbone, whose head becomes none.

    >>> from convneur.detection import detector_settings
    >>> from convneur.variants import VARIANTS
    >>> model = new_detector(VARIANTS["m1"], detector_settings("cascade", num_classes=1, heads="light"))
    >>> sum(parameter.numel() for parameter in model.parameters())
    7323616
    """
    return Detector(ConvNeur(config.replace(head="none")), settings)
