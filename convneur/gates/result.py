"""What was found in one image: its maps, their limits, what was measured, and all that it was made of."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convneur.errors import InputError
from convneur.gates.layers import StageLayers, compared_layers, gate_layers
from convneur.gates.maps import ROWS, SATURATION_MARGIN, FixedScale, MapOptions, Row, StageGates, StageMap, difference
from convneur.gates.measures import CONTRASTS, StageMeasures
from convneur.gates.parts import PARTS, parts_table
from convneur.gates.record import record_beside, save_npz
from convneur.gates.regions import OBJECT
from convneur.gates.sources import ImageSource, MaskSource, ValidatedView, WeightsSource, short_names, size_record
from convneur.results import ReadOnly, Result, Table
from convneur.variants import ConvNeurConfig

if TYPE_CHECKING:  # at run time this module needs no torch, nor do the figures that draw its results
    from convneur.gates.capture import GateCapture

__all__ = ["NARROW", "SCHEMA", "GateResult", "Versions", "factor", "limits_record", "map_record"]

SCHEMA = "convneur.gates/1"

# Choice: a gate map whose values span less than this is nearly constant, and the picture says so.
NARROW = 0.01


@dataclass(frozen=True)
class Versions:
    """What computed a result."""

    python: str
    convneur: str
    torch: str
    numpy: str
    pillow: str
    matplotlib: str

    @classmethod
    def here(cls) -> "Versions":
        """Those that are installed."""
        names = ("convneur", "torch", "numpy", "pillow", "matplotlib")
        return cls(platform.python_version(), *(version(name) for name in names))


@dataclass(frozen=True, eq=False, repr=False)
class GateResult(Result):
    """One image's gates, as `convneur.gates.inspect` finds them; `convneur.figures.gates_figure` draws them.

    Args:
        image: where the image comes from; pixels: (H, W, 3) uint8 RGB, what the model saw.
        weights: of the model; local_only: of the separate model of row 1, None where it is the same model with its
            global path off.
        options: which maps are drawn, and how.
        size: the long side asked for, None for the image's own, or how the weights were validated.
        mask: what was measured against, None for image gradients; object_mask: (H, W) as the pixels, 1 object, 0
            background, between them a share, -1 void.
        stages: the maps and what was measured, stage by stage.
        capture: the features that the maps were made of, (C, H, W) each; of m1 at 512 pixels about 25 MB.
        against: the same image by a second model, its maps in the same colour limits; None without one.

    >>> import numpy as np, convneur
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> result = convneur.gates.inspect(image, weights="none", mem_dim=8, stage=3, size=64)
    >>> result.weights.stamp
    'UNTRAINED WEIGHTS, seed 0'
    >>> sorted(result.arrays())
    ['stage3_f_loc', 'stage3_f_out', 'stage3_gate', 'stage3_local_only']
    """

    image: ImageSource
    pixels: NDArray[np.uint8]
    weights: WeightsSource
    local_only: WeightsSource | None
    options: MapOptions
    size: int | ValidatedView | None
    mask: MaskSource | None
    stages: tuple[StageGates, ...]
    capture: "GateCapture"
    object_mask: NDArray[np.float32] | None = None
    versions: Versions = field(default_factory=Versions.here)
    against: "GateResult | None" = None

    def __repr__(self) -> str:
        stages = ", ".join(str(stage.stage) for stage in self.stages)
        return f"<GateResult of {self.image.name} by {self.weights.model}: stages {stages}>"

    @property
    def config(self) -> ConvNeurConfig:
        """The model's."""
        return self.weights.config

    @property
    def block(self) -> int:
        """Which block of each stage, from 1."""
        return self.capture.block

    @property
    def same_weights(self) -> bool:
        """Whether row 1 is the same model with its global path off."""
        return self.local_only is None

    @property
    def differences(self) -> tuple[Mapping[Row, StageMap], ...]:
        """Stage by stage, this model's maps less the second model's, 0 in the middle of their colours."""
        if self.against is None:
            return ()
        return tuple(
            ReadOnly({row: difference(panel, other.maps[row]) for row, panel in stage.maps.items()})
            for stage, other in zip(self.stages, self.against.stages, strict=True)
        )

    @property
    def models(self) -> tuple[str, str]:
        """Short names of this model and of the second one: their files' where these tell them apart, else A and B."""
        return short_names(self.weights, None if self.against is None else self.against.weights)

    @property
    def measures(self) -> tuple[StageMeasures, ...]:
        """What was measured, stage by stage; empty where the model has no gate."""
        return tuple(stage.measures for stage in self.stages if stage.measures is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the maps should know beyond their labels."""
        untrained = self.weights.untrained_parts([stage.stage for stage in self.stages])
        found = _notes(self.stages, same_weights=self.same_weights and self.options.local_only)
        if self.mask is not None and self.mask.soft:
            found = (*found, "Mask: grey levels count as shares of the object; the outline is drawn at one half.")
        return found if untrained is None else (untrained, *found)

    @property
    def at_validation_size(self) -> bool:
        """Whether the image was seen as large as images were when the weights were validated."""
        return isinstance(self.size, ValidatedView)

    @property
    def has_chunk_borders(self) -> bool:
        """Whether the memory's chunks have borders that can be drawn: in raster order, not in strided order."""
        return self.config.global_branch == "neural-memory" and self.config.order == "raster"

    @property
    def inside(self) -> NDArray[np.bool_] | None:
        """(H, W), where the mask shows the object, by one half or more of a pixel; None without a mask."""
        return None if self.object_mask is None else self.object_mask >= OBJECT

    def layers(self) -> tuple[StageLayers, ...]:
        """Each row of each stage, over its channels in every way and channel by channel: what the page lets one choose.

        Of two models: this one's rows, and the second's and the differences as `f_loc second` and `f_loc difference`.
        Raises: InputError: a row that is not drawn holds NaN or infinite values.
        """
        try:
            found = gate_layers(self.capture, self.options, same_weights=self.same_weights)
        except InputError as error:
            raise InputError(self.image.name, f"{error}") from None
        if self.against is None:
            return found
        return tuple(starmap(compared_layers, zip(found, self.against.layers(), strict=True)))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The drawn maps, (H, W) each, by stage and row, such as `stage1_gate`."""
        found = {
            f"stage{stage.stage}_{row}": panel.values for stage in self.stages for row, panel in stage.maps.items()
        }
        if self.against is not None:
            found |= {f"against_{name}": values for name, values in self.against.arrays().items()}
            for stage, maps in zip(self.stages, self.differences, strict=True):
                found |= {f"difference_stage{stage.stage}_{row}": panel.values for row, panel in maps.items()}
        return found

    def raw_arrays(self) -> dict[str, NDArray[np.float32]]:
        """What the maps are made of, (C, H, W) each, by stage and row; of a surprise, (H, W)."""
        found = {
            f"stage{stage.stage}_{row}": features
            for stage in self.capture.stages
            for row in ROWS
            if row != "reads" and (features := getattr(stage, row)) is not None
        }
        if self.against is not None:
            found |= {f"against_{name}": features for name, features in self.against.raw_arrays().items()}
        return found

    def record_beside(
        self, figure: str | Path, *, arrays: bool = False, raw_arrays: bool = False, force: bool = False
    ) -> dict[str, Any]:
        """The record of a figure, to be written beside it as <stem>.json.

        The same figure in another format joins the record that is there; `formats` lists the suffixes of its files.
        Args:
            figure: the file that the result is drawn to.
            arrays: whether the drawn maps are written as <stem>.npz; raw_arrays: layers as <stem>.raw.npz.
        Raises: InputError: the record of another figure lies there, or other arrays do, and `force` is off.
        """
        return record_beside(self.to_dict(), Path(figure), arrays=arrays, raw_arrays=raw_arrays, force=force)

    def save_arrays(self, path: str | Path, *, raw: bool = False, force: bool = False) -> None:
        """Write the drawn maps as .npz, or `raw_arrays`. Raises: ConfigError: another suffix; InputError: as `save`."""
        save_npz(self.raw_arrays() if raw else self.arrays(), path, force=force)

    def to_dict(self) -> dict[str, Any]:
        """The record that lies beside a figure."""
        against: dict[str, Any] | None = None
        if self.measures:
            against = {"source": "gradients"} if self.mask is None else {"source": "mask", **asdict(self.mask)}
        height, width = self.pixels.shape[:2]
        options = self.options
        mean, std = self.weights.normalisation.values
        local_only: dict[str, Any] | None = None
        if options.local_only:
            off = "memory off" if self.config.global_branch == "neural-memory" else "global path off"
            same = {"source": f"same weights, {off}"}
            local_only = same if self.local_only is None else self.local_only.record()
        return {
            "schema": SCHEMA,
            "image": {**asdict(self.image), "drawn": {"height": height, "width": width}},
            "net": {"name": self.weights.model, "config": self.config.to_dict()},
            "weights": self.weights.record(),
            "local_only": local_only,
            "recipe": {
                "reduce": options.reduce,
                "scale": limits_record(options.scale),
                "gate_scale": limits_record(options.gate_limits),
                "row3": options.row3,
                "rows": list(options.rows),
                "stages": [stage.stage for stage in self.stages],
                "block": self.block,
                "overlay": options.overlay,
                "chunk_borders": options.chunk_borders,
                "reads": None if options.reads is None else list(options.reads),
                "size": str(size_record(self.size)),
                "normalisation": {"mean": list(mean), "std": list(std)},
            },
            "measured_against": against,
            "stages": [_stage_record(stage) for stage in self.stages],
            "against": None if self.against is None else self._against_record(self.against),
            "notes": list(self.notes),
            "versions": asdict(self.versions),
        }

    def _against_record(self, other: "GateResult") -> dict[str, Any]:
        mean, std = other.weights.normalisation.values
        return {
            "net": {"name": other.weights.model, "config": other.config.to_dict()},
            "weights": other.weights.record(),
            "normalisation": {"mean": list(mean), "std": list(std)},
            "stages": [
                {**_stage_record(stage), "differences": {row: map_record(panel) for row, panel in maps.items()}}
                for stage, maps in zip(other.stages, self.differences, strict=True)
            ],
        }

    def tables(self) -> tuple[Table, ...]:
        own = self._tables()
        if self.against is None:
            return own
        rows = [
            [str(stage.stage), row, *(f"{value:.4g}" for value in (*panel.range, float(np.abs(panel.values).mean())))]
            for stage, maps in zip(self.stages, self.differences, strict=True)
            for row, panel in maps.items()
        ]
        title = "Difference: {} less {}".format(*self.models)
        table = Table(title, ["stage", "row", "least", "largest", "mean of |difference|"], rows, left=2)
        return (*own, *self.against._tables(), table)

    def _tables(self) -> tuple[Table, ...]:
        maps = [
            [str(stage.stage), row, *(f"{value:.4g}" for value in (*panel.range, *panel.limits))]
            for stage in self.stages
            for row, panel in stage.maps.items()
        ]
        columns = ["stage", "row", "least", "largest", "colours from", "to"]
        drawn = Table(f"Maps of {self.image.file_name}", columns, maps, left=2)
        reads = self._reads_table()
        if not self.measures:
            return (*reads, drawn)
        rows = [
            [
                str(one.stage),
                f"{one.closed:.1%}",
                f"{one.open:.1%}",
                *(factor(getattr(one, name).change) for name in CONTRASTS),
            ]
            for one in self.measures
        ]
        against = "image gradients" if self.mask is None else self.mask.file_name
        title = f"Gates of {self.image.file_name}, measured against {against}"
        parts = parts_table(
            (str(one.stage), name, *map(factor, (found.change, found.channels, found.place)), found.null)
            for one in self.measures
            for name in CONTRASTS
            for found in (getattr(one, name),)
        )
        columns = ["stage", "gate below .25", "gate above .75", *(name.replace("_", " ") for name in CONTRASTS)]
        return Table(title, columns, rows), parts, *reads, drawn

    def _reads_table(self) -> tuple[Table, ...]:
        """Where the read of the position asked for comes from, stage by stage; none where none was asked for."""
        found = [(stage.stage, stage.reads) for stage in self.stages if stage.reads is not None]
        if not found or self.options.reads is None:
            return ()
        row, column = self.options.reads
        rows = [
            [str(number), "{}, {}".format(*reads.position), *(share for _, share in reads.shown)]
            for number, reads in found
        ]
        columns = ["stage", "token", *(name for name, _ in found[0][1].parts)]
        return (Table(f"Read at row {row}, column {column}: where it comes from", columns, rows, left=2),)

    def sentences(self) -> tuple[str, ...]:
        stamp = [self.weights.stamp] if self.weights.stamp else []
        return (*([PARTS] if self.measures else []), *stamp, *self.notes)

    def records(self) -> Sequence[dict[str, Any]]:
        """A row for each stage, as in the file of a batch; of a model without a gate the table of its maps."""
        if not self.measures:
            return [dict(row) for row in super().records()]
        return [{"photo": self.image.name, "stage": one.stage, **one.values()} for one in self.measures]


def factor(value: float | None) -> str:
    return "–" if value is None else f"×{value:.3f}"


def _stage_record(stage: StageGates) -> dict[str, Any]:
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
        "maps": {row: map_record(panel) for row, panel in stage.maps.items()},
        "measures": None if stage.measures is None else stage.measures.record(),
        "reads": None if stage.reads is None else stage.reads.record(),
    }


def map_record(panel: StageMap) -> dict[str, Any]:
    return {
        "min": panel.range[0],
        "max": panel.range[1],
        "limits": list(panel.limits),
        "colour_scale": panel.colour_scale,
    }


def _reads_note(stages: Sequence[StageGates]) -> list[str]:
    found = [stage for stage in stages if stage.reads is not None]
    if not found:
        return []
    kind = found[0].reads and found[0].reads.kind
    if kind == "attention":
        return ["Reads: the attention of the ringed position, the mean over heads, of sum 1."]
    alone = [str(stage.stage) for stage in found if stage.reads and stage.reads.of_start_alone]
    said = (
        "Reads: shares of the ringed position's read by token; they add up to 1 with that of M_0, and may be negative."
    )
    return [said, *([f"Reads, stage {', '.join(alone)}: M_0 alone." for _ in alone[:1]])]


def _notes(stages: Sequence[StageGates], *, same_weights: bool) -> tuple[str, ...]:
    found = [
        f"Stage {stage.stage}: gate saturated, {stage.saturation:.1%} of its values within {SATURATION_MARGIN:g} of "
        "0 or 1, a sign of a memory that diverges."
        for stage in stages
        if stage.saturated
    ]
    if same_weights and any(stage.first for stage in stages):
        found.append("Stage 1: no gate acts before its first block, so with the same weights the two upper rows agree.")
    narrow = [
        stage
        for stage in stages
        if "gate" in stage.maps and _width(stage.maps["gate"].range) < NARROW and _stretched(stage.maps["gate"])
    ]
    if narrow:
        found.append(
            f"Gate, stage {', '.join(str(stage.stage) for stage in narrow)}: nearly constant; its row stretches "
            f"differences below {NARROW:g} over all colours."
        )
    if any(
        panel.range[0] < panel.limits[0] or panel.range[1] > panel.limits[1]
        for stage in stages
        for panel in stage.maps.values()
        if panel.colour_scale != "logarithmic"
    ):
        found.append("Values beyond the fixed scale are drawn in its end colours.")
    return (*found, *_reads_note(stages))


def limits_record(scale: str | FixedScale) -> str | list[float]:
    return scale if isinstance(scale, str) else list(scale)


def _stretched(panel: StageMap) -> bool:
    return _width(panel.limits) < NARROW


def _width(bounds: tuple[float, float]) -> float:
    return bounds[1] - bounds[0]
