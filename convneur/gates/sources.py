"""Where an image, a mask and a model's weights come from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from convneur.results import ReadOnly
from convneur.variants import VARIANTS, ConvNeurConfig

__all__ = ["VARIANT_FIELDS", "ImageSource", "MaskSource", "WeightsSource", "model_name", "sha256_of"]

# What makes a variant a variant; memory, fusion, chunks and classes are options of each.
VARIANT_FIELDS = ("dims", "depths", "kernel_size", "mlp_ratio", "mem_dim")


@dataclass(frozen=True)
class ImageSource:
    """An image: its file as named, the file's SHA-256, its upright size in pixels.

    One that is in no file is named "image", and has no SHA-256.

    >>> ImageSource("photos/cat.jpg", None, 300, 451).file_name
    'cat.jpg'
    """

    name: str
    sha256: str | None
    height: int
    width: int

    @property
    def file_name(self) -> str:
        """The name without its folders."""
        return PurePath(self.name).name


@dataclass(frozen=True)
class MaskSource:
    """A mask: its file as named, and the file's SHA-256; "mask" and None for an array.

    >>> MaskSource("masks/cat.png", None).file_name
    'cat.png'
    """

    name: str
    sha256: str | None

    @property
    def file_name(self) -> str:
        """The name without its folders."""
        return PurePath(self.name).name


@dataclass(frozen=True)
class WeightsSource:
    """A model's config and where its weights come from: a file, a seed (untrained), or a module handed over.

    Args:
        file, sha256: the file's name and hash.
        seed: of an untrained model.
        provenance: what the file says of its weights' origin, read-only.

    >>> from convneur.variants import VARIANTS
    >>> WeightsSource(VARIANTS["m1"], seed=0).stamp
    'UNTRAINED WEIGHTS, seed 0'
    """

    config: ConvNeurConfig
    file: str | None = None
    sha256: str | None = None
    seed: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", ReadOnly(dict(self.provenance)))

    @property
    def model(self) -> str:
        """The variant's name; see `model_name`."""
        return model_name(self.config)

    @property
    def stamp(self) -> str | None:
        """What a picture must say of weights that learned nothing; None where they may have."""
        return None if self.seed is None else f"UNTRAINED WEIGHTS, seed {self.seed}"

    def record(self) -> dict[str, Any]:
        """For JSON."""
        if self.seed is not None:
            return {"source": "untrained", "stamp": self.stamp, "seed": self.seed}
        if self.file is None:
            return {"source": "module"}
        return {"source": "file", "file": self.file, "sha256": self.sha256, "provenance": dict(self.provenance)}


def model_name(config: ConvNeurConfig) -> str:
    """The variant that a model is, whatever its memory, fusion, chunks and classes; its widths where it is none."""
    for name, variant in VARIANTS.items():
        if all(getattr(config, key) == getattr(variant, key) for key in VARIANT_FIELDS):
            return name
    return f"dims {'-'.join(map(str, config.dims))}, C_m {config.mem_dim}"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
