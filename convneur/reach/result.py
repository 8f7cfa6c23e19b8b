"""What was found of how far information travels: by model and layer, as maps, curves and values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convneur.errors import ConfigError
from convneur.files import new_file
from convneur.formats import plural
from convneur.results import SUFFIXES, ReadOnly, Result, Table

__all__ = ["FailedImage", "LayerReach", "ModelReach", "ReachReport", "Recipe"]

Recipe = Literal["plain", "replknet"]
_Box = tuple[int, int, int, int]

_WARNING = (
    "RepLKNet's recipe: ReLU of the features, ReLU of the gradient, log10(x + 1) before the ratios. They depend on the "
    "gradient's scale, so compare them within one run only; without it, ratios are of the map itself."
)


@dataclass(frozen=True, eq=False)
class LayerReach:
    """A layer of a model, at one position.

    Args:
        layer: its name; channels, height, width: of its map; position: row and column in it.
        cell: the pixels that the position stands for: top, left, bottom, right, the last two not inside.
        window: what the same model without its global path sees; None where the model is no ConvNeur.
        erf: (H, W), the effective receptive field: the root of the energy of the gradient, the mean over images; of
            RepLKNet's recipe its logged map. None where it is not finite, or 0 everywhere.
        area_ratios: by per cent: the area of the least square around the position that holds more than that of `erf`,
            over the image's.
        beyond_field: the share of `erf` outside the window; None where the window is the whole image.
        context_share: how much of the feature's dependence on the image comes from beyond the window: its change when
            all outside is another image's, over its change when the whole image is. Exactly 0 for a local model. None
            below two images, or where the window is the whole image.
        curve: the same with so many pixels kept around the cell, from 0 to all.
        exact: whether every channel's gradient was taken, and not random sums of them.

    >>> LayerReach("layer4", 8, 2, 2, (1, 1), (16, 16, 32, 32), None, np.ones((32, 32))).record()["layer"]
    'layer4'
    """

    layer: str
    channels: int
    height: int
    width: int
    position: tuple[int, int]
    cell: _Box
    window: _Box | None
    erf: NDArray[np.float64] | None
    area_ratios: Mapping[int, float | None] = field(default_factory=dict)
    beyond_field: float | None = None
    context_share: float | None = None
    curve: tuple[tuple[int, float | None], ...] = ()
    exact: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "area_ratios", ReadOnly(dict(self.area_ratios)))

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "layer": self.layer,
            "channels": self.channels,
            "height": self.height,
            "width": self.width,
            "position": list(self.position),
            "cell": list(self.cell),
            "window": None if self.window is None else list(self.window),
            "context_share": self.context_share,
            "context_curve": [{"radius": radius, "value": value} for radius, value in self.curve],
            "area_ratios": {str(share): ratio for share, ratio in self.area_ratios.items()},
            "beyond_field": self.beyond_field,
            "exact": self.exact,
        }


@dataclass(frozen=True, eq=False)
class ModelReach:
    """A model and its layers. stamp: what must be said of weights that learned nothing, None where they may have.

    >>> ModelReach("m1", "UNTRAINED WEIGHTS, seed 0", ()).stamp
    'UNTRAINED WEIGHTS, seed 0'
    """

    name: str
    stamp: str | None
    layers: tuple[LayerReach, ...]
    sha256: str | None = None

    def record(self) -> dict[str, Any]:
        """For JSON."""
        found = {"name": self.name, "stamp": self.stamp, "sha256": self.sha256}
        return {**found, "layers": [layer.record() for layer in self.layers]}


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be read, and why."""

    name: str
    why: str


@dataclass(frozen=True, eq=False, repr=False)
class ReachReport(Result):
    """How far information travels in one model, or two beside each other, as `measure_reach` finds it.

    Args:
        models: the second is the one that the first was held against.
        images: names of those that were seen; size: height and width at which.
        position: row and column of the pixel asked for, in the images as given; None for the middle.
        recipe: of the maps and their ratios. probes: random sums of channels for each gradient map; None: each channel.
        failed: images that could not be read.

    >>> report = ReachReport((ModelReach("m1", None, ()),), ("a.jpg",), (224, 224))
    >>> report
    <ReachReport of m1: 1 image at 224x224>
    """

    models: tuple[ModelReach, ...]
    images: tuple[str, ...]
    size: tuple[int, int]
    position: tuple[int, int] | None = None
    recipe: Recipe = "plain"
    probes: int | None = 16
    seed: int = 0
    failed: tuple[FailedImage, ...] = ()
    convneur: str = field(default_factory=lambda: version("convneur"))

    def __repr__(self) -> str:
        names = " against ".join(model.name for model in self.models)
        return f"<ReachReport of {names}: {plural(len(self.images), 'image')} at {self.size[0]}x{self.size[1]}>"

    @property
    def warning(self) -> str | None:
        """What must be said of the recipe; None of the plain one."""
        return _WARNING if self.recipe == "replknet" else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.erf/1",
            "convneur": self.convneur,
            "settings": {
                "size": list(self.size),
                "position": None if self.position is None else list(self.position),
                "recipe": self.recipe,
                "probes": self.probes,
                "seed": self.seed,
            },
            "warning": self.warning,
            "images": list(self.images),
            "models": [model.record() for model in self.models],
            "failed": [{"name": one.name, "why": one.why} for one in self.failed],
        }

    def tables(self) -> tuple[Table, ...]:
        shares = sorted({share for model in self.models for layer in model.layers for share in layer.area_ratios})
        rows = [
            [
                model.name,
                layer.layer,
                f"{layer.height} × {layer.width}",
                _value(layer.context_share),
                _percent(layer.beyond_field),
                *(_percent(layer.area_ratios.get(share)) for share in shares),
            ]
            for model in self.models
            for layer in model.layers
        ]
        ratios = "r by RepLKNet's recipe" if self.recipe == "replknet" else "area"
        columns = ["model", "layer", "map", "context share", "ERF beyond local field"]
        found = plural(len(self.images), "image")
        title = f"How far information travels, {found} at {self.size[0]}x{self.size[1]}"
        main = Table(title, [*columns, *(f"{ratios}, {share} %" for share in shares)], rows, left=3, dense=True)
        curves = tuple(
            Table(
                f"{model.name}, {layer.layer}: change left with so many pixels kept around the position",
                ["pixels", *(str(radius) for radius, _ in layer.curve)],
                [["change", *(_value(value) for _, value in layer.curve)]],
                dense=True,
            )
            for model in self.models
            for layer in model.layers
            if any(value is not None for _, value in layer.curve)
        )
        return (main, *curves)

    def sentences(self) -> tuple[str, ...]:
        said = [
            "Context share: change of the feature when all beyond what a local model sees is another image's, over the "
            "change when the whole image is; 0 for a local model. Area: of the least square around the position that "
            "holds so much of the gradient's map, over the image's."
        ]
        said += [
            f"{model.name}: {model.stamp}; this shows how it starts, not what it is"
            for model in self.models
            if model.stamp
        ]
        if len(self.images) < 2:
            said.append("Context needs two images or more: what lies outside is replaced by another one's.")
        if self.warning:
            said.append(self.warning)
        return (*said, *([f"{plural(len(self.failed), 'image')} could not be read."] if self.failed else []))

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row for each value: model, layer, what it is, where (a radius or a per cent), and the value."""
        rows: list[Mapping[str, Any]] = []
        for model in self.models:
            for layer in model.layers:
                found: list[tuple[str, int | None, float | None]] = [
                    ("context_share", None, layer.context_share),
                    ("beyond_field", None, layer.beyond_field),
                    *(("area_ratio", share, ratio) for share, ratio in layer.area_ratios.items()),
                    *(("context", radius, value) for radius, value in layer.curve),
                ]
                rows += [
                    {"model": model.name, "layer": layer.layer, "measure": measure, "at": at, "value": value}
                    for measure, at, value in found
                ]
        return rows

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """As every result; .npz has the maps, (H, W) float64 each, by model and layer.

        Raises: ConfigError: another suffix; InputError: the file exists and `force` is off, or cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".npz":
            if path.suffix.lower() not in SUFFIXES:
                raise ConfigError("path", f"the name must end in {', '.join((*SUFFIXES, '.npz'))}", value=path)
            super().save(path, force=force)
            return
        maps: dict[str, Any] = {
            f"{model.name}/{layer.layer}": layer.erf
            for model in self.models
            for layer in model.layers
            if layer.erf is not None
        }
        with new_file(path, force=force) as temporary:
            np.savez_compressed(temporary, **maps)


def _value(value: float | None) -> str:
    return "–" if value is None else "0" if value == 0 else f"{value:.2g}" if value < 0.1 else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"
