"""What is known of trained weights, and what an exported graph says of itself: one JSON text in the file's metadata,
under the key `convneur`.

Written by `convneur.exporting`, read by `convneur.inference`. Nothing here needs torch or a runtime.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from convneur.errors import ConfigError
from convneur.schema import SchemaError, parsed, typed
from convneur.variants import ConvNeurConfig

__all__ = [
    "FORMAT",
    "GRAPH_SUFFIXES",
    "KEY",
    "GraphDescription",
    "InputShape",
    "Precision",
    "WeightsFacts",
    "described",
]

FORMAT = "convneur.graph/1"
KEY = "convneur"
GRAPH_SUFFIXES = (".onnx", ".xml")
"""Of the files that `convneur.load` runs."""

Precision = Literal["fp32", "int8"]

_Channels = tuple[float, float, float]
_LARGEST_SIDE = 1 << 16


@dataclass(frozen=True)
class InputShape:
    """Which images a model takes, in pixels and at once.

    Args:
        size: height and width, None where they are open.
        batch: number of images, None where it is open.
        least: the smallest side where the size is open.
    Raises: ConfigError: sides below 32, or no image.
    """

    size: tuple[int, int] | None = None
    batch: int | None = None
    least: int = 32

    def __post_init__(self) -> None:
        sides = (self.least,) if self.size is None else self.size
        if not 32 <= min(sides) <= max(sides) <= _LARGEST_SIDE:
            raise ConfigError("size", "needs sides of at least 32 pixels", value=f"{sides[0]}x{sides[-1]}")
        if self.batch is not None and not 1 <= self.batch <= _LARGEST_SIDE:
            raise ConfigError("batch", f"must be from 1 to {_LARGEST_SIDE}", value=self.batch)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WeightsFacts:
    """What a file of weights says of them; None is what it does not say.

    Args:
        classes: names, by number.
        size: height and width of the views it was trained on. A classifier sees each image at this size; a
            segmentation model sees images whole.
        validated_size: height and width at which training's validation showed images, where that was one size.
        scale: factor on an image's sides before a segmentation model, as it was validated.
        mean, std: of each channel of RGB in 0..1. Where the file says nothing, ImageNet's are used.
        preset: the data set that it was trained on; palette: that data set's colours, by class.
        provenance: all that the file says of its weights' origin.

    >>> WeightsFacts(size=(64, 64)).facts()["size"]
    (64, 64)
    """

    classes: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    validated_size: tuple[int, int] | None = None
    scale: float | None = None
    mean: _Channels | None = None
    std: _Channels | None = None
    preset: str | None = None
    palette: tuple[tuple[int, int, int], ...] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """These fields alone, by name, for another who has them."""
        return {each.name: getattr(self, each.name) for each in fields(WeightsFacts)}


@dataclass(frozen=True, kw_only=True)
class GraphDescription(WeightsFacts):
    """The model that a graph was made of, how it was made, and what is known of the weights."""

    config: ConvNeurConfig
    input: InputShape
    precision: Precision
    folded: bool
    version: str
    format: Literal["convneur.graph/1"] = "convneur.graph/1"

    def __post_init__(self) -> None:
        if self.classes is not None and len(self.classes) != self.config.num_classes:
            raise ConfigError("classes", f"{len(self.classes)} names for a model of {self.config.num_classes}")
        if self.palette is not None and any(not 0 <= value <= 255 for colour in self.palette for value in colour):
            raise ConfigError("palette", "needs values from 0 to 255")

    def to_json(self) -> str:
        """As the file holds it; `described` reads it back."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        values |= {"config": self.config.to_dict(), "input": asdict(self.input), "provenance": dict(self.provenance)}
        return json.dumps(values, allow_nan=False)


def described(text: str) -> GraphDescription:
    """What a file's text says. Raises: SchemaError: something else, with the place in it.

    >>> from convneur.variants import VARIANTS
    >>> seen = InputShape((224, 224))
    >>> made = GraphDescription(config=VARIANTS["m1"], input=seen, precision="fp32", folded=True, version="0.1.0")
    >>> described(made.to_json()) == made
    True
    """
    value = parsed(text)
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        raise SchemaError("format", f"is not {FORMAT}, which this version of convneur reads")
    return typed(value, GraphDescription, strict=False)
