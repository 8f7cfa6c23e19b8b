"""What a picture was made of: the record written beside it, and the short form printed on it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from convneur.gates.maps import SATURATION_MARGIN, GateMaps, StageMaps
from convneur.gates.measures import StageMeasures
from convneur.variants import VARIANTS, ConvNeurConfig

__all__ = [
    "NARROW",
    "SCHEMA",
    "VARIANT_FIELDS",
    "ImageSource",
    "MaskSource",
    "NetSource",
    "manifest",
    "net_name",
    "notes",
    "recipe_lines",
]

SCHEMA = "convneur.gates/1"

# Choice: a gate map whose values span less than this is nearly constant, and the picture says so.
NARROW = 0.01

# What makes a variant a variant; memory, fusion, chunks and classes are options of each.
VARIANT_FIELDS = ("dims", "depths", "kernel_size", "mlp_ratio", "mem_dim")


@dataclass(frozen=True)
class ImageSource:
    """A photo: its file as named, the file's SHA-256, its upright size and the size that was fed to the net."""

    name: str
    sha256: str
    height: int
    width: int
    drawn_height: int
    drawn_width: int


@dataclass(frozen=True)
class MaskSource:
    """A mask of the photo: its file as named, and the file's SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True)
class NetSource:
    """A net and where its weights come from: a file with its SHA-256 and provenance, or a seed (untrained)."""

    config: ConvNeurConfig
    file: str | None = None
    sha256: str | None = None
    seed: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stamp(self) -> str | None:
        """What the picture must say of weights that learned nothing; None for weights from a file."""
        return f"UNTRAINED WEIGHTS, seed {self.seed}" if self.file is None else None

    def record(self) -> dict[str, Any]:
        """For the manifest."""
        if self.file is None:
            return {"source": "untrained", "stamp": self.stamp, "seed": self.seed}
        return {"source": "file", "file": self.file, "sha256": self.sha256, "provenance": dict(self.provenance)}


def net_name(config: ConvNeurConfig) -> str:
    """The variant that a net is, whatever its memory, fusion, chunks and classes; its widths where it is none."""
    for name, variant in VARIANTS.items():
        if all(getattr(config, key) == getattr(variant, key) for key in VARIANT_FIELDS):
            return name
    return f"dims {'-'.join(map(str, config.dims))}, C_m {config.mem_dim}"


def manifest(
    maps: GateMaps,
    *,
    image: ImageSource,
    net: NetSource,
    local_only: NetSource | None,
    normalisation: Mapping[str, Any],
    size: str,
    measures: Sequence[StageMeasures] = (),
    mask: MaskSource | None = None,
) -> dict[str, Any]:
    """The picture's record as plain data: recipe, limits, weights, versions.

    Args:
        local_only: the separate net of row 1; None is `net` with its global path off.
        normalisation: what the pixels were put through.
        size: the long side asked for, as typed.
        measures: the stages' figures; mask: what they were measured against, None for gradients.
    """
    against: dict[str, Any] | None = None
    if measures:
        against = {"source": "gradients"} if mask is None else {"source": "mask", **asdict(mask)}
    of_stage = {one.stage: one.record() for one in measures}
    recipe = maps.recipe
    off = "memory off" if net.config.global_branch == "neural-memory" else "global path off"
    return {
        "schema": SCHEMA,
        "image": {
            "name": image.name,
            "sha256": image.sha256,
            "height": image.height,
            "width": image.width,
            "drawn": {"height": image.drawn_height, "width": image.drawn_width},
        },
        "net": {"name": net_name(net.config), "config": net.config.to_dict()},
        "weights": net.record(),
        "local_only": {"source": f"same weights, {off}"} if local_only is None else local_only.record(),
        "recipe": {
            "reduce": recipe.reduce,
            "scale": recipe.scale if isinstance(recipe.scale, str) else list(recipe.scale),
            "row3": recipe.row3,
            "rows": list(recipe.rows),
            "stages": [stage.stage for stage in maps.stages],
            "block": maps.block,
            "overlay": recipe.overlay,
            "size": size,
            "normalisation": dict(normalisation),
        },
        "measured_against": against,
        "stages": [{**_stage(stage), "measures": of_stage.get(stage.stage)} for stage in maps.stages],
        "notes": list(notes(maps, same_weights=local_only is None)),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("convneur", "torch", "numpy", "pillow", "matplotlib")},
        },
    }


def _stage(stage: StageMaps) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "stride": stage.stride,
        "channels": stage.channels,
        "height": stage.height,
        "width": stage.width,
        "chunks": stage.chunks,
        "chunk_length": stage.chunk_length,
        "gate_saturation": stage.saturation,
        "saturated": stage.saturated,
        "maps": {
            row: {"min": panel.range[0], "max": panel.range[1], "limits": list(panel.limits)}
            for row, panel in stage.maps.items()
        },
    }


def notes(maps: GateMaps, *, same_weights: bool) -> tuple[str, ...]:
    """What a reader of the picture should know beyond its labels. Args: same_weights: row 1 is the net itself."""
    found = [
        f"Stage {stage.stage}: gate saturated, {stage.saturation:.1%} of its values within {SATURATION_MARGIN:g} of "
        "0 or 1, a sign of a memory that diverges."
        for stage in maps.stages
        if stage.saturated
    ]
    if same_weights and any(stage.first for stage in maps.stages):
        found.append("Stage 1: no gate acts before its first block, so with the same weights the two upper rows agree.")
    narrow = [stage for stage in maps.stages if "gate" in stage.maps and _width(stage.maps["gate"].range) < NARROW]
    if narrow:
        found.append(
            f"Gate, stage {', '.join(str(stage.stage) for stage in narrow)}: nearly constant; its row stretches "
            f"differences below {NARROW:g} over all colours."
        )
    if any(
        panel.range[0] < panel.limits[0] or panel.range[1] > panel.limits[1]
        for stage in maps.stages
        for panel in stage.maps.values()
    ):
        found.append("Values beyond the fixed scale are drawn in its end colours.")
    return tuple(found)


def _width(bounds: tuple[float, float]) -> float:
    return bounds[1] - bounds[0]


def recipe_lines(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """A manifest in a few short lines, (what, value), for the picture's margin."""
    image, recipe, config = record["image"], record["recipe"], record["net"]["config"]
    drawn = image["drawn"]
    scale = recipe["scale"]
    lines = [
        ("image", _file_name(image["name"])),
        ("pixels", f"{image['height']} × {image['width']} (H × W)"),
        ("drawn at", f"{drawn['height']} × {drawn['width']}"),
        ("net", record["net"]["name"]),
        ("global", f"{config['global_branch']}, {config['memory']}"),
        ("fusion", config["fusion"]),
    ]
    if config["global_branch"] == "neural-memory":
        lines.append(("memory", f"read {config['read']}, {config['order']} order"))
    lines += [
        *_weights("weights", record["weights"]),
        *_weights("local only", record["local_only"]),
        ("block", f"{recipe['block']} of each stage"),
        ("reduce", f"{recipe['reduce']} over channels"),
        ("scale", scale if isinstance(scale, str) else f"{scale[0]:g} to {scale[1]:g}"),
        *([("overlay", "maps over the photo in grey")] if recipe["overlay"] else []),
        *_measured(record["measured_against"]),
        ("made by", f"convneur {record['versions']['convneur']}"),
        ("", f"torch {record['versions']['torch']}"),
    ]
    return tuple(lines)


def _measured(against: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if against is None:
        return []
    if against["source"] == "gradients":
        return [("measured", "against image gradients")]
    return [("measured", f"against mask {_file_name(against['name'])}")]


def _file_name(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _weights(what: str, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    if record["source"] == "untrained":
        return [(what, f"none, random, seed {record['seed']}")]
    if record["source"] == "file":
        return [(what, record["file"]), ("", f"sha256 {record['sha256'][:12]}")]
    return [(what, record["source"])]
