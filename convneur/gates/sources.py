"""Where an image, a mask and a model's weights come from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from convneur.data.normalisation import Normalisation
from convneur.layers.stamp import untrained_stamp
from convneur.results import ReadOnly
from convneur.variants import DENSE_HEADS, VARIANTS, ConvNeurConfig

__all__ = [
    "VARIANT_FIELDS",
    "ImageSource",
    "MaskSource",
    "ValidatedView",
    "WeightsSource",
    "model_name",
    "sha256_of",
    "short_names",
    "size_record",
]

# What makes a variant a variant; memory, fusion, chunks and classes are options of each.
VARIANT_FIELDS = ("dims", "depths", "kernel_size", "mlp_ratio", "mem_dim")

_CENTRE = 0.875  # of an image's middle, what a classifier is shown
_LONGEST = 2048
_LONGEST_NAME = 16  # of a model beside a row


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

    object_share: of the image's pixels that are not void, None where all are. soft: whether pixels have shares between
    background and object, as the grey levels of an antialiased mask say. inverted: whether it surely calls the object
    background.

    >>> MaskSource("masks/cat.png", None).file_name
    'cat.png'
    """

    name: str
    sha256: str | None
    object_share: float | None = None
    soft: bool = False
    inverted: bool = False

    @property
    def file_name(self) -> str:
        """The name without its folders."""
        return PurePath(self.name).name


@dataclass(frozen=True)
class ValidatedView:
    """How large a model saw images when its training validated it, by what its file says; `predict` does the same.

    crop: height and width of the training's views. scale: of a model that labels pixels, what the sides of the whole
    image were multiplied by; None for a classifier, which saw the middle of an image, 7/8 of what fits, at `crop`.
    fitted: of a detector, for which the shorter side of `crop` is the least and the longer the most that a whole image
    is brought to, what its sides were multiplied by on top.

    >>> ValidatedView((64, 64), scale=None).long_side(96, 128)
    98
    >>> ValidatedView((64, 64), scale=0.5).long_side(96, 128)
    64
    >>> ValidatedView((64, 96), scale=None, fitted=2.0).long_side(96, 128)
    171
    """

    crop: tuple[int, int]
    scale: float | None
    fitted: float | None = None

    def long_side(self, height: int, width: int) -> int:
        """The long side, in pixels, at which the whole of an image has its things as large as they were then.

        Choice: at most 2048, and at least what leaves 32 on the short side.
        """
        longest, shortest = max(height, width), min(height, width)
        if self.fitted is not None:
            scale = self.fitted * min(min(self.crop) / shortest, max(self.crop) / longest)
        else:
            scale = self.scale or 1 / (_CENTRE * min(height / self.crop[0], width / self.crop[1]))
        return max(min(round(longest * scale), _LONGEST), -(-32 * longest // shortest))


@dataclass(frozen=True)
class WeightsSource:
    """A model's config and where its weights come from: a file, a seed (untrained), or a module handed over.

    Args:
        file, sha256: the file's name and hash.
        seed: of an untrained model.
        provenance: what the file says of its weights' origin, read-only.
        normalisation: of the pixels that the model was trained on; ImageNet's where nothing says otherwise.
        unreached: parts of the memories that got no gradient in that training, with the stages where; see
            `ConvNeur.unreached`.

    >>> from convneur.variants import VARIANTS
    >>> WeightsSource(VARIANTS["m1"], seed=0).stamp
    'UNTRAINED WEIGHTS, seed 0'
    """

    config: ConvNeurConfig
    file: str | None = None
    sha256: str | None = None
    seed: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Normalisation = field(default_factory=Normalisation)
    unreached: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", ReadOnly(dict(self.provenance)))

    @property
    def model(self) -> str:
        """The variant's name; see `model_name`."""
        return model_name(self.config)

    @property
    def validated(self) -> ValidatedView | None:
        """At which size the training saw and validated images; None where the file does not say."""
        settings = self.provenance.get("settings")
        try:
            height, width = map(int, settings["crop"])  # type: ignore[index]
            dense, detects = self.config.head in DENSE_HEADS, self.provenance.get("task") == "detection"
            scale = float(settings["eval_scale"]) if dense or detects else None  # type: ignore[index]
        except (KeyError, TypeError, ValueError):
            return None
        if min(height, width) < 1 or not (scale is None or 0 < scale < float("inf")):
            return None
        return ValidatedView((height, width), None, scale) if detects else ValidatedView((height, width), scale)

    def same_as(self, other: "WeightsSource") -> bool:
        """Whether both are one file, or one seed, under the same settings; of modules nothing is known."""
        one, two = ((each.config, each.sha256, each.seed) for each in (self, other))
        return one == two and one[1:] != (None, None)

    def untrained_parts(self, stages: Sequence[int]) -> str | None:
        """What a reader of these stages must know of parts that the training did not reach; None where it did."""
        found = [(what, [stage for stage in where if stage in stages]) for what, where in self.unreached]
        said = [
            f"{what} of stage{'s' if len(where) > 1 else ''} {', '.join(map(str, where))}"
            for what, where in found
            if where
        ]
        if not said or self.validated is None:
            return None
        height, width = self.validated.crop
        return (
            f"Trained at {height}x{width}, where chunks were too few for {', and '.join(said)} to get a gradient: they "
            "are as they were when the training began, and so is what they add to gate and surprise."
        )

    @property
    def stamp(self) -> str | None:
        """What a picture must say of weights that learned nothing; None where they may have."""
        return None if self.seed is None else untrained_stamp(self.seed)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        if self.seed is not None:
            return {"source": "untrained", "stamp": self.stamp, "seed": self.seed}
        if self.file is None:
            return {"source": "module"}
        return {"source": "file", "file": self.file, "sha256": self.sha256, "provenance": dict(self.provenance)}


def short_names(one: WeightsSource, other: WeightsSource | None) -> tuple[str, str]:
    """What two models are called beside their maps: their files' stems where these tell them apart, else A and B."""
    first, second = map(_short_name, (one, other))
    return ("A", "B") if "" in (first, second) or first == second else (first, second)


def _short_name(source: WeightsSource | None) -> str:
    if source is None or source.file is None:
        return "untrained" if source is not None and source.seed is not None else ""
    stem = PurePath(source.file).stem
    return stem if len(stem) <= _LONGEST_NAME else ""


def size_record(size: int | ValidatedView | None) -> int | str:
    """For JSON: the long side, "native" or "validation"."""
    return "native" if size is None else size if isinstance(size, int) else "validation"


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
