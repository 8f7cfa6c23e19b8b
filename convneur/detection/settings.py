"""Every value of a detector as plain data, and the two sets of them that come with the package."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from convneur.errors import ConfigError
from convneur.schema import SchemaError, parsed, typed

__all__ = ["DetectorKind", "DetectorSettings", "Heads", "detector_settings"]

DetectorKind = Literal["cascade", "mask-rcnn"]
Heads = Literal["standard", "light"]

_PACKAGED = Path(__file__).parent / "presets"
# Choice: far above what anybody trains with; a file of a few bytes must not fill the memory.
_MOST = {"channels": 4096, "fc": 1 << 14, "mask_channels": 4096, "mask_convs": 32, "box_side": 64, "mask_side": 64,
         "rpn_samples": 1 << 20, "rpn_per_level": 1 << 20, "proposals": 1 << 20, "samples": 1 << 20,
         "most": 1 << 16}  # fmt: skip


@dataclass(frozen=True)
class DetectorSettings:
    """What follows a backbone in Mask R-CNN or Cascade Mask R-CNN; plain data, so it travels with the weights.

    Args:
        num_classes: without the background.
        masks: whether there are mask heads, one a stage.
        ious: from which overlap on a proposal is positive, by stage; their number is that of the stages.
        weights: of the stages' losses; stds: what offsets are divided by, by stage.
        class_agnostic: one box for all classes, or one for each.
        box_beta, rpn_beta: where smooth L1 turns from square to linear; 0: L1.
        channels: of the pyramid; fc: of the two layers of a box head; mask_channels, mask_convs: of a mask head.
        box_side, mask_side: cells a side that heads see of a box; masks come out at twice as many.
        anchor_ratios: height over width; anchor_scale: side of a square anchor in strides of its level.
        finest_box: side in pixels; boxes below twice of it are read at stride 4, and so on by factors of two.
        rpn_positive, rpn_negative: overlaps from which an anchor is an object, and below which it is background.
        rpn_samples: anchors of an image that the loss is of; rpn_nms: threshold of suppression within a level.
        rpn_per_level, proposals: kept before and after suppression, in training and afterwards.
        samples, positive_share: of an image's proposals that each stage's loss is of.
        least_score, nms, most: of what is detected in an image: score, threshold of suppression by class, how many.

    Raises: ConfigError: a value that makes no sense.

    >>> detector_settings("cascade", num_classes=80).ious
    (0.5, 0.6, 0.7)
    """

    num_classes: int
    masks: bool
    ious: tuple[float, ...]
    weights: tuple[float, ...]
    stds: tuple[tuple[float, float, float, float], ...]
    class_agnostic: bool
    box_beta: float
    rpn_beta: float
    channels: int
    fc: int
    mask_channels: int
    mask_convs: int
    box_side: int
    mask_side: int
    anchor_ratios: tuple[float, ...]
    anchor_scale: float
    finest_box: float
    rpn_positive: float
    rpn_negative: float
    rpn_samples: int
    rpn_nms: float
    rpn_per_level: tuple[int, int]
    proposals: tuple[int, int]
    samples: int
    positive_share: float
    least_score: float
    nms: float
    most: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.ious) <= 8 or not len(self.ious) == len(self.weights) == len(self.stds):
            raise ConfigError("ious", "1 to 8 of them, with a weight and four stds each", value=self.ious)
        if not 1 <= self.num_classes <= 1 << 16:
            raise ConfigError("num_classes", f"must be 1 to {1 << 16}", value=self.num_classes)
        for name, bound in _MOST.items():
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            if not 1 <= min(values) <= max(values) <= bound:
                raise ConfigError(name, f"must be 1 to {bound}", value=value)
        for name in ("ious", "weights", "anchor_ratios", "anchor_scale", "finest_box"):
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            if not values or not all(0 < each < math.inf for each in values):
                raise ConfigError(name, "must be above 0", value=value)
        if len(self.anchor_ratios) > 64:
            raise ConfigError("anchor_ratios", "at most 64 of them", value=len(self.anchor_ratios))
        if not all(0 < each < math.inf for some in self.stds for each in some):
            raise ConfigError("stds", "must be above 0", value=self.stds)
        for name in ("rpn_positive", "rpn_negative", "rpn_nms", "positive_share", "least_score", "nms"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(name, "must be from 0 to 1", value=getattr(self, name))
        for name in ("box_beta", "rpn_beta"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(name, "must be at least 0", value=getattr(self, name))

    @property
    def stages(self) -> int:
        return len(self.ious)

    @property
    def title(self) -> str:
        """Its usual name.

        >>> detector_settings("mask-rcnn", num_classes=3, masks=False).title
        'Faster R-CNN'
        """
        if self.stages > 1:
            return "Cascade Mask R-CNN" if self.masks else "Cascade R-CNN"
        return "Mask R-CNN" if self.masks else "Faster R-CNN"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `DetectorSettings.from_dict` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DetectorSettings":
        """The settings that `to_dict` wrote. Raises: ConfigError: unknown or missing names, impossible values."""
        try:
            return typed(values, cls)
        except SchemaError as error:
            raise ConfigError(error.place or "settings", error.problem) from None


def detector_settings(
    detector: DetectorKind, *, num_classes: int, heads: Heads = "standard", masks: bool = True
) -> DetectorSettings:
    """The settings of a detector.

    Args:
        detector: cascade, of three stages, or mask-rcnn, of one.
        heads: standard, MMDetection's of the 1x schedule, or light, a sixteenth of the width, for small images.
        masks: with mask heads, or boxes alone: Cascade R-CNN, Faster R-CNN.
    Raises: ConfigError: no such detector or heads.

    >>> light = detector_settings("mask-rcnn", num_classes=1, heads="light")
    >>> light.stages, light.channels, light.nms
    (1, 64, 0.5)
    """
    if detector not in get_args(DetectorKind):
        raise ConfigError("detector", f"choose {', '.join(get_args(DetectorKind))}", value=detector)
    if heads not in get_args(Heads):
        raise ConfigError("detector_heads", f"choose {', '.join(get_args(Heads))}", value=heads)
    values: dict[str, Any] = {"num_classes": num_classes, "masks": masks}
    known = get_type_hints(DetectorSettings)
    for name in dict.fromkeys(("standard", heads)):
        sections: Any = parsed((_PACKAGED / name).with_suffix(".json").read_text())
        for key, given in {**sections["shared"], **sections[detector]}.items():
            values[key] = typed(given["value"], known[key], key)
    return DetectorSettings(**values)
