"""What Mask R-CNN and Cascade Mask R-CNN over a ConvNeur cost, by the rule that papers count detectors by."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from convneur.cost.counter import count
from convneur.cost.lookup import Models, find_models
from convneur.cost.model_counter import ModelCounter
from convneur.detection import DetectorKind, DetectorSettings, Heads, detector_settings, new_detector
from convneur.errors import ConfigError
from convneur.formats import grouped
from convneur.model.network import ConvNeur, stage_sizes
from convneur.progress import Progress, silent
from convneur.results import ReadOnly, Result, Table
from convneur.sizes import Size, find_sizes
from convneur.variants import PRESETS, VARIANTS, ConvNeurConfig

__all__ = ["DetectorCost", "DetectorCosts", "detector_costs"]

PROPOSALS, MASKS, CLASSES = 1000, 100, 80
_SIZE = "800x1280"
_PARTS = {
    "backbone": "backbone",
    "pyramid": "pyramid",
    "proposals": "proposals",
    "boxes": "box heads",
    "masks": "mask heads",
}
_CUT_BY = ("chunk_length", "chunks", "min_chunks")
_OF_CHUNKS = frozenset({*_CUT_BY, "model_preset"})


@dataclass(frozen=True)
class DetectorCost:
    """A detector's cost at an image size. params, macs: by part; their sums are the detector's."""

    model: str
    height: int
    width: int
    params: Mapping[str, int]
    macs: Mapping[str, int]

    @property
    def total_params(self) -> int:
        return sum(self.params.values())

    @property
    def total_macs(self) -> int:
        return sum(self.macs.values())


@dataclass(frozen=True)
class DetectorCosts(Result):
    """What detectors cost, part by part. title: the detector's name; chunks: of each model, in words; rows: a model and
    a size each.

    >>> costs = detector_costs("m1", detector="mask-rcnn", heads="light", sizes="256x320")
    >>> list(costs.rows[0].macs)
    ['backbone', 'pyramid', 'proposals', 'boxes', 'masks']
    """

    title: str
    heads: Heads
    chunks: Mapping[str, str]
    rows: tuple[DetectorCost, ...]

    def to_dict(self) -> dict[str, Any]:
        models: dict[str, list[DetectorCost]] = {}
        for row in self.rows:
            models.setdefault(row.model, []).append(row)
        return {
            "schema": "convneur.flops/1",
            "convention": "all",
            "detector": {
                "name": self.title, "heads": self.heads, "proposals": PROPOSALS, "masks": MASKS, "classes": CLASSES,
            },
            "models": [
                {
                    "name": name,
                    "params": rows[0].total_params,
                    "params_by_part": dict(rows[0].params),
                    "sizes": [
                        {
                            "height": row.height,
                            "width": row.width,
                            "macs": row.total_macs,
                            "flops": 2 * row.total_macs,
                            "macs_per_pixel": row.total_macs / (row.height * row.width),
                            "macs_by_part": dict(row.macs),
                        }
                        for row in rows
                    ],
                }
                for name, rows in models.items()
            ],
        }  # fmt: skip

    def tables(self) -> Sequence[Table]:
        rows = []
        for row in self.rows:
            where = f"{row.model} {row.height}x{row.width}"
            rows.append((where, f"{row.total_params / 1e6:.2f}", f"{row.total_macs / 1e9:.1f}",
                         *(f"{row.macs[part] / 1e9:.1f}" for part in _PARTS)))  # fmt: skip
        columns = ("model", "M params", "GMACs", *_PARTS.values())
        return (Table(f"{self.title}, {self.heads} heads", columns, rows, dense=True),)

    def sentences(self) -> Sequence[str]:
        chunks = "; ".join(f"{name}: {words}" for name, words in self.chunks.items())
        return (
            f"The papers' rule: {grouped(PROPOSALS)} proposals and {MASKS} masks go through each stage, {CLASSES} "
            "classes. Everything executed counts but the sampling of boxes.",
            f"{chunks}. No classifier.",
        )

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row for each model, size and part, and their sum."""
        return [
            {"model": row.model, "height": row.height, "width": row.width, "part": part,
             "params": row.params.get(part, row.total_params),
             "macs": row.macs.get(part, row.total_macs)}
            for row in self.rows
            for part in (*_PARTS, "all")
        ]  # fmt: skip


def detector_costs(
    models: Models = "m1",
    *,
    detector: DetectorKind = "cascade",
    heads: Heads | None = None,
    sizes: Size | Iterable[Size] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> DetectorCosts:
    """Count detectors part by part on torch's meta device; nothing is computed.

    Choice: as papers count them: 1000 proposals and 100 masks a stage, COCO's 80 classes, an image of 800x1280 pixels;
        chunks of 4096 tokens, the paper's for detection, where neither a setting nor a file of settings says another
        number or length; updates of the memories count.
    Args:
        models: ConvNeurs as `find_models` takes them; settings: as it takes them.
        detector, heads: see `detector_settings`; standard heads by default.
        sizes: of images; 800x1280 by default.
    Raises: ConfigError: a model that is no ConvNeur, a setting that cannot be.

    >>> costs = detector_costs("m1", detector="mask-rcnn")
    >>> costs.rows[0].total_params, round(costs.rows[0].total_macs / 1e9, 1)
    (24058416, 184.6)
    """
    heads = heads or "standard"
    made = detector_settings(detector, num_classes=CLASSES, heads=heads)
    if settings.get("head") is not None:
        raise ConfigError("head", "a detector has heads of its own; leave it out", value=settings["head"])
    rows, chunks = [], {}
    found = find_models(models, **settings)
    spans = find_sizes(_SIZE if sizes is None else sizes).values()
    with progress.steps("counting", len(found) * len(spans)) as advance:
        for name, config in found.items():
            if not isinstance(config, ConvNeurConfig):
                raise ConfigError("detector", f"takes ConvNeurs, and {name} is a model of others; leave it out")
            typed = _OF_CHUNKS & {key for key, value in settings.items() if value is not None}
            if not typed and all(getattr(config, name) == getattr(VARIANTS["m1"], name) for name in _CUT_BY):
                config = config.replace(**PRESETS["dense"])
            chunks[name] = _chunks(config)
            for height, width in spans:
                rows.append(_counted(name, config, made, height, width))
                advance()
    return DetectorCosts(made.title, heads, ReadOnly(chunks), tuple(rows))


def _chunks(config: ConvNeurConfig) -> str:
    """How its memories cut the tokens, in words."""
    if config.memory == "none" or config.global_branch not in ("neural-memory", "titans"):
        return "no chunks"
    if config.chunks is not None:
        return f"{config.chunks} chunks"
    least = f", at least {config.min_chunks} chunks" if config.min_chunks > 1 else ""
    return f"chunks of {config.chunk_length} tokens{least}"


def _counted(name: str, config: ConvNeurConfig, settings: DetectorSettings, height: int, width: int) -> DetectorCost:
    with torch.device("meta"):
        model = new_detector(config, settings).eval()
        features = [torch.empty(1, info["num_chs"], *size) for info, size in _features(model.backbone, height, width)]
        levels = model.pyramid(features)
        boxes = torch.empty(PROPOSALS, settings.channels, settings.box_side, settings.box_side)
        masks = torch.empty(MASKS, settings.channels, settings.mask_side, settings.mask_side)
        heads: dict[str, list[tuple[nn.Module | None, Any]]] = {
            "pyramid": [(model.pyramid, features)],
            "proposals": [(model.rpn, levels)],
            "boxes": [(stage.box, boxes) for stage in model.heads],
            "masks": [(stage.mask, masks) for stage in model.heads],
        }
        macs = {"backbone": _backbone_macs(config.replace(head="none"), height, width)}
        params = {"backbone": _size(model.backbone)}
        for part, modules in heads.items():
            first, taken = modules[0]  # each stage has the same layers: one is counted
            macs[part] = 0 if first is None else len(modules) * count(first, taken).macs
            params[part] = sum(_size(module) for module, _ in modules if module is not None)
    return DetectorCost(name, height, width, ReadOnly(params), ReadOnly(macs))


@functools.lru_cache(maxsize=8)
def _backbone_macs(config: ConvNeurConfig, height: int, width: int) -> int:
    """Kept, since several detectors are counted over one backbone."""
    return ModelCounter(config).at(height, width).macs_full


def _features(backbone: ConvNeur, height: int, width: int) -> list[tuple[Mapping[str, Any], tuple[int, int]]]:
    return list(zip(backbone.feature_info, stage_sizes(height, width), strict=True))


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
