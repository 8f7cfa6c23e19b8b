"""The figures that the paper prints, as it prints them.

Multiply-adds are in billions, what the paper calls FLOPs (G): one multiply-add is one. Costs and parameters are
decimals that keep the printed digits, so 1.0 is not 1.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

__all__ = ["AblationRow", "ClassifierRow", "Published", "SegmenterRow", "published"]


@dataclass(frozen=True)
class ClassifierRow:
    """ImageNet-1K at 224x224. top1: percent. gmacs: billions. params_m: millions, None where we have no figure."""

    model: str
    gmacs: Decimal
    top1: float
    params_m: Decimal | None


@dataclass(frozen=True)
class AblationRow:
    """One setting of m3, ImageNet-1K at 224x224.

    default: whether m3 itself has it. extra_params_m: millions over m3 itself, None where none are printed.
    """

    setting: str
    gmacs: Decimal
    top1: float
    default: bool
    extra_params_m: Decimal | None


@dataclass(frozen=True)
class SegmenterRow:
    """ADE20K. head: as `ConvNeurConfig` names it. miou: percent. gmacs: for one image of height x width pixels."""

    model: str
    head: str
    miou: float
    gmacs: Decimal
    height: int
    width: int


@dataclass(frozen=True)
class DetectorRow:
    """COCO, Cascade Mask R-CNN, the 1x schedule. ap_box, ap_mask: percent, None: not printed here."""

    model: str
    ap_box: float
    ap_mask: float | None


@dataclass(frozen=True)
class Published:
    """The paper's tables. imagenet: m1 to m4, others: nets of other authors; the ablations vary m3.

    placement, branch, fusion and mem_dim: where the memory stands, what does its work, how its map meets the local
    features, how wide it is. segmentation and detection hold other authors' nets too. images_per_s: of the authors'
    implementation at 224x224, by model, as others measured them (throughput_note), who measured other nets beside it.
    """

    paper: str
    imagenet: tuple[ClassifierRow, ...]
    others: tuple[ClassifierRow, ...]
    placement: tuple[AblationRow, ...]
    branch: tuple[AblationRow, ...]
    fusion: tuple[AblationRow, ...]
    mem_dim: tuple[AblationRow, ...]
    segmentation: tuple[SegmenterRow, ...]
    detection: tuple[DetectorRow, ...]
    images_per_s: Mapping[str, float]
    throughput_note: str

    def ablated_top1(self, *, memory: str, global_branch: str, fusion: str) -> float | None:
        """Top-1 in percent of m3 with these settings, as `ConvNeurConfig` names them; None where none is printed.

        >>> published().ablated_top1(memory="none", global_branch="neural-memory", fusion="gating")
        78.2
        """
        if memory == "none":  # nothing is left for the others to act on
            rows, setting = self.placement, "none"
        elif memory != "per-stage":
            rows, setting = self.placement, memory
            if (global_branch, fusion) != ("neural-memory", "gating"):
                return None
        elif fusion != "gating":
            rows, setting = self.fusion, fusion
            if global_branch != "neural-memory":
                return None
        else:
            rows, setting = self.branch, global_branch
        return next((row.top1 for row in rows if row.setting == setting), None)


@cache
def published() -> Published:
    """Read the packaged `published.json`, once.

    >>> [str(row.gmacs) for row in published().imagenet]
    ['0.71', '1.0', '1.8', '3.06']
    """
    text = files("convneur").joinpath("published.json").read_text(encoding="utf-8")
    values = json.loads(text, parse_float=Decimal)
    ablations = values["ablations_m3_imagenet1k_224"]
    throughput = values["third_party_throughput_rtx4090_224"]
    return Published(
        paper=values["paper"],
        imagenet=tuple(map(_classifier, values["imagenet1k_224"])),
        others=tuple(map(_classifier, values["imagenet1k_224_others"])),
        placement=tuple(map(_ablation, ablations["memory_placement"])),
        branch=tuple(map(_ablation, ablations["global_branch"])),
        fusion=tuple(map(_ablation, ablations["fusion"])),
        mem_dim=tuple(map(_ablation, ablations["memory_dim"])),
        segmentation=tuple(map(_segmenter, values["ade20k"])),
        detection=tuple(map(_detector, values["coco_cascade_mask_rcnn_1x"])),
        images_per_s=MappingProxyType({row["model"]: float(row["images_per_s"]) for row in throughput["rows"]}),
        throughput_note=throughput["note"],
    )


def _classifier(row: Mapping[str, Any]) -> ClassifierRow:
    return ClassifierRow(row["model"], Decimal(row["macs_g"]), float(row["top1"]), row.get("params_m"))


def _ablation(row: Mapping[str, Any]) -> AblationRow:
    return AblationRow(
        str(row["setting"]),
        Decimal(row["macs_g"]),
        float(row["top1"]),
        row.get("default", False),
        row.get("extra_params_m"),
    )


def _detector(row: Mapping[str, Any]) -> DetectorRow:
    return DetectorRow(row["model"], float(row["ap_box"]), float(row["ap_mask"]) if "ap_mask" in row else None)


def _segmenter(row: Mapping[str, Any]) -> SegmenterRow:
    height, width = row["macs_at"]
    return SegmenterRow(
        row["model"], row["head"].replace("_", "-"), float(row["miou"]), Decimal(row["macs_g"]), height, width
    )
