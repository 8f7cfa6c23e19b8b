"""What was found in the layers of any model: maps, values, and all that they were made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import starmap
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convneur.data.normalisation import Normalisation
from convneur.gates.layers import StageLayers, compared_layers, layers_of
from convneur.gates.maps import MapOptions, StageMap, difference
from convneur.gates.measures import CONTRASTS, StageMeasures
from convneur.gates.parts import PARTS, parts_table
from convneur.gates.record import record_beside, save_npz
from convneur.gates.result import Versions, factor, limits_record, map_record
from convneur.gates.sources import ImageSource, MaskSource, ValidatedView, size_record
from convneur.results import ReadOnly, Result, Table

__all__ = ["Layer", "LayerList", "LayerMaps", "LayerResult"]

Array = NDArray[np.float32]

_LONGEST_NAME = 16  # letters beside a row


@dataclass(frozen=True)
class Layer:
    """A layer as it ran: its class, the shape of its first output without the batch; map: as (C, H, W), None for none.

    >>> Layer("layer1", "Sequential", (64, 56, 56), (64, 56, 56)).map
    (64, 56, 56)
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    map: tuple[int, int, int] | None


@dataclass(frozen=True, repr=False)
class LayerList(Result):
    """The layers of a model as they ran on an image of this size, in the order of their first output."""

    model: str
    height: int
    width: int
    layers: tuple[Layer, ...]

    def __repr__(self) -> str:
        return f"<LayerList of {self.model}: {len(self.layers)} layers>"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.layer-list/1",
            "model": self.model,
            "height": self.height,
            "width": self.width,
            "layers": [
                {
                    "name": one.name,
                    "class": one.kind,
                    "shape": list(one.shape),
                    "map": None if one.map is None else list(one.map),
                }
                for one in self.layers
            ],
        }

    def tables(self) -> tuple[Table, ...]:
        rows = [
            [one.name, one.kind, _shape(one.shape), "–" if one.map is None else _shape(one.map)] for one in self.layers
        ]
        title = f"Layers of {self.model} at {self.height}x{self.width}"
        return (Table(title, ["layer", "class", "output", "as a map (C, H, W)"], rows, left=2),)


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """What is drawn of a layer, or of a gate.

    name: of the layer; of a gate, of its layer. features: of the layer that it multiplies.
    rows: maps by row: features; or f_loc, gate and gated; or channel 0 and so on. raw: (C, H, W) of each row.
    measures: of a gate alone.
    """

    name: str
    channels: int
    height: int
    width: int
    rows: tuple[tuple[str, StageMap], ...]
    raw: Mapping[str, Array]
    features: str | None = None
    measures: StageMeasures | None = None

    @property
    def maps(self) -> Mapping[str, StageMap]:
        """The maps by row, in drawing order."""
        return ReadOnly(dict(self.rows))


@dataclass(frozen=True, eq=False, repr=False)
class LayerResult(Result):
    """Layers of any model on one image, as `convneur.gates.inspect_layers` finds them; `gates_figure` draws them.

    against: the same image and layers by a second model, its maps in the same colour limits; None without one.
    kind: features, channels of them, or gates with what they multiply. pixels: (H, W, 3) uint8 RGB, what the model saw.
    record: where the model's weights come from; stamp: what must be said of weights that learned nothing.

    >>> import numpy as np, torch, convneur
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.ReLU())
    >>> result = convneur.gates.inspect_layers(np.zeros((64, 64, 3), np.uint8), model=net, layer="0,1", size=64)
    >>> [(one.name, one.maps["features"].values.shape) for one in result.layers]
    [('0', (32, 32)), ('1', (32, 32))]
    """

    image: ImageSource
    pixels: NDArray[np.uint8]
    model: str
    record: Mapping[str, Any]
    stamp: str | None
    kind: Literal["features", "channels", "gates"]
    options: MapOptions
    size: int | ValidatedView | None
    normalisation: Normalisation
    mask: MaskSource | None
    layers: tuple[LayerMaps, ...]
    object_mask: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    against: "LayerResult | None" = None
    versions: Versions = field(default_factory=Versions.here)

    def __repr__(self) -> str:
        return f"<LayerResult of {self.image.name} by {self.model}: {', '.join(one.name for one in self.layers)}>"

    @property
    def measures(self) -> tuple[StageMeasures, ...]:
        """What was measured of each gate."""
        return tuple(one.measures for one in self.layers if one.measures is not None)

    @property
    def models(self) -> tuple[str, str]:
        """Short names of this model and of the second one: their own, or their files', else A and B."""
        if self.against is None:
            return self.model, ""
        for found in ((self.model, self.against.model), (_weights_name(self), _weights_name(self.against))):
            if found[0] != found[1] and all(0 < len(name) <= _LONGEST_NAME for name in found):
                return found
        return "A", "B"

    @property
    def differences(self) -> tuple[Mapping[str, StageMap], ...]:
        """Layer by layer, this model's maps less the second model's, 0 in the middle of their colours."""
        if self.against is None:
            return ()
        return tuple(
            ReadOnly({row: difference(panel, other.maps[row]) for row, panel in one.rows})
            for one, other in zip(self.layers, self.against.layers, strict=True)
        )

    def choices(self) -> tuple[StageLayers, ...]:
        """Each layer over its channels in every way and channel by channel: what the page lets one choose.

        Of two models: this one's rows, and the second's and the differences as `gate second` and `gate difference`.
        """
        if self.against is not None:
            alone = replace(self, against=None)
            return tuple(starmap(compared_layers, zip(alone.choices(), self.against.choices(), strict=True)))
        found = []
        for number, one in enumerate(self.layers, start=1):
            whole = one.raw[next(iter(one.raw))].shape
            rows = {row: np.ascontiguousarray(np.broadcast_to(features, whole)) for row, features in one.raw.items()}
            gate = self.options.gate_limits
            limits = gate if isinstance(gate, tuple) else None
            channels = [int(row.split()[1]) for row, _ in one.rows] if self.kind == "channels" else None
            found.append(layers_of(number, rows, self.options.scale, limits, channels))
        return tuple(found)

    def arrays(self) -> dict[str, Array]:
        """The drawn maps, (H, W) each, by layer and row, such as `layer1.features`."""
        found = {f"{one.name}.{row}": panel.values for one in self.layers for row, panel in one.rows}
        if self.against is not None:
            found |= {f"against.{name}": values for name, values in self.against.arrays().items()}
            for one, maps in zip(self.layers, self.differences, strict=True):
                found |= {f"difference.{one.name}.{row}": panel.values for row, panel in maps.items()}
        return found

    def raw_arrays(self) -> dict[str, Array]:
        """What the maps are made of, (C, H, W) each; a gate may have 1 for any of these."""
        found = {f"{one.name}.{row}": features for one in self.layers for row, features in one.raw.items()}
        if self.against is not None:
            found |= {f"against.{name}": features for name, features in self.against.raw_arrays().items()}
        return found

    def record_beside(
        self, figure: str | Path, *, arrays: bool = False, raw_arrays: bool = False, force: bool = False
    ) -> dict[str, Any]:
        """The record of a figure; as `GateResult.record_beside`."""
        return record_beside(self.to_dict(), Path(figure), arrays=arrays, raw_arrays=raw_arrays, force=force)

    def save_arrays(self, path: str | Path, *, raw: bool = False, force: bool = False) -> None:
        """Write the drawn maps as .npz, or `raw_arrays`. Raises: ConfigError: another suffix; InputError: as `save`."""
        save_npz(self.raw_arrays() if raw else self.arrays(), path, force=force)

    def to_dict(self) -> dict[str, Any]:
        """The record that lies beside a figure."""
        height, width = self.pixels.shape[:2]
        mean, std = self.normalisation.values
        against: dict[str, Any] | None = None
        if self.measures:
            against = {"source": "gradients"} if self.mask is None else {"source": "mask", **asdict(self.mask)}
        return {
            "schema": "convneur.layers/1",
            "image": {**asdict(self.image), "drawn": {"height": height, "width": width}},
            "net": {"name": self.model},
            "weights": dict(self.record),
            "recipe": {
                "kind": self.kind,
                "reduce": self.options.reduce,
                "scale": limits_record(self.options.scale),
                "gate_scale": limits_record(self.options.gate_limits),
                "overlay": self.options.overlay,
                "size": str(size_record(self.size)),
                "normalisation": {"mean": list(mean), "std": list(std)},
            },
            "measured_against": against,
            "layers": [_layer_record(one) for one in self.layers],
            "against": None if self.against is None else self._against_record(self.against),
            "notes": list(self.notes),
            "versions": asdict(self.versions),
        }

    def _against_record(self, other: "LayerResult") -> dict[str, Any]:
        mean, std = other.normalisation.values
        return {
            "net": {"name": other.model},
            "weights": dict(other.record),
            "normalisation": {"mean": list(mean), "std": list(std)},
            "layers": [
                {**_layer_record(one), "differences": {row: map_record(panel) for row, panel in maps.items()}}
                for one, maps in zip(other.layers, self.differences, strict=True)
            ],
            "notes": list(other.notes),
        }

    def tables(self) -> tuple[Table, ...]:
        if self.against is None:
            return self._tables()
        rows = [
            [one.name, row, *(f"{value:.4g}" for value in (*panel.range, float(np.abs(panel.values).mean())))]
            for one, maps in zip(self.layers, self.differences, strict=True)
            for row, panel in maps.items()
        ]
        first, second = self.models
        title = f"Difference: {first} less {second}"
        table = Table(title, ["layer", "map", "least", "largest", "mean of |difference|"], rows, left=2)
        return (*self._tables(f" by {first}"), *self.against._tables(f" by {second}"), table)

    def _tables(self, of_model: str = "") -> tuple[Table, ...]:
        maps = [
            [one.name, row, *(f"{value:.4g}" for value in (*panel.range, *panel.limits))]
            for one in self.layers
            for row, panel in one.rows
        ]
        columns = ["layer", "map", "least", "largest", "colours from", "to"]
        drawn = Table(f"Maps of {self.image.file_name}{of_model}", columns, maps, left=2)
        if not self.measures:
            return (drawn,)
        gates = [(one.name, one.measures) for one in self.layers if one.measures is not None]
        rows = [
            [name, f"{one.closed:.1%}", f"{one.open:.1%}", *(factor(getattr(one, key).change) for key in CONTRASTS)]
            for name, one in gates
        ]
        against = "image gradients" if self.mask is None else self.mask.file_name
        parts = parts_table(
            (name, key, *map(factor, (found.change, found.channels, found.place)), found.null)
            for name, one in gates
            for key in CONTRASTS
            for found in (getattr(one, key),)
        )
        columns = ["gate", "gate below .25", "gate above .75", *(key.replace("_", " ") for key in CONTRASTS)]
        return (
            Table(f"Gates of {self.image.file_name} by {self.model}, measured against {against}", columns, rows),
            parts,
            drawn,
        )

    def sentences(self) -> tuple[str, ...]:
        models = [self] if self.against is None else [self, self.against]
        said = dict.fromkeys(line for one in models for line in (one.stamp, *one.notes) if line)
        return (*([PARTS] if self.measures else []), *said)

    def records(self) -> Sequence[dict[str, Any]]:
        """A row for each gate; of features the table of their maps."""
        if not self.measures:
            return [dict(row) for row in super().records()]
        return [
            {"photo": self.image.name, "layer": one.name, **one.measures.values()}
            for one in self.layers
            if one.measures is not None
        ]


def _layer_record(one: LayerMaps) -> dict[str, Any]:
    return {
        "layer": one.name,
        "features": one.features,
        "channels": one.channels,
        "height": one.height,
        "width": one.width,
        "maps": {row: map_record(panel) for row, panel in one.rows},
        "measures": None if one.measures is None else one.measures.record(),
    }


def _weights_name(result: LayerResult) -> str:
    file = result.record.get("file")
    return PurePath(file).stem if file else str(result.record["source"])


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "1"
