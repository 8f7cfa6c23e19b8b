"""Captured features to the maps of the picture: which rows, reduced how, each with its colour limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from convneur.errors import ConfigError
from convneur.gates.measures import StageMeasures
from convneur.gates.reads import StageReads
from convneur.gates.reduce import Reduction, check_features, principal_axis, reduce_channels
from convneur.results import ReadOnly

if TYPE_CHECKING:  # at run time this module needs no torch, nor do the figures that read its results
    from convneur.gates.capture import GateCapture, StageCapture

__all__ = [
    "ROWS",
    "SATURATED_SHARE",
    "SATURATION_MARGIN",
    "ColourScale",
    "FixedScale",
    "GateScale",
    "MapOptions",
    "Row",
    "Row3",
    "Scale",
    "StageGates",
    "StageMap",
    "compared_maps",
    "difference",
    "gate_limits",
    "gate_maps",
    "in_same_colours",
    "stage_maps",
]

Row = Literal["local_only", "f_loc", "gate", "gated", "f_out", "surprise", "reads"]
Row3 = Literal["output", "gated"]
FixedScale = tuple[float, float]
Scale = Literal["paired", "column", "map"] | FixedScale
GateScale = Literal["own", "shared"] | FixedScale
ColourScale = Literal["linear", "diverging", "logarithmic"]

# Choice: a gate within 1e-3 of 0 or 1 no longer modulates; a stage where 9 of 10 values stand there is saturated.
SATURATION_MARGIN = 1e-3
SATURATED_SHARE = 0.9

_FAINTEST = 1e-6  # of the largest surprise, what the lowest colour stands for at least

ROWS: tuple[Row, ...] = get_args(Row)
_FEATURE_ROWS: tuple[Row, ...] = ("local_only", "f_loc", "gated", "f_out")


@dataclass(frozen=True)
class MapOptions:
    """How features become maps, and which maps are drawn.

    reduce: over channels, the same on every row; see `reduce_channels`. For pca the gated map is projected on F_loc's
        axis, so that the two compare, and the gate is averaged.
    scale: colour limits. paired: F_loc and A * F_loc share theirs in each stage, every other map has its own.
        column: all feature maps of a stage share. map: each its own. (low, high): the same for all feature maps, and
        for the gate. A surprise is another quantity and always has its own.
    gate_scale: the gate's colour limits. own: each stage's. shared: the same for all stages of an image. (low, high):
        these, for all images. None: own, or the limits that `scale` fixes.
    row3: output, the block's F_out, or gated, A * F_loc.
    gate, surprise: whether these rows are drawn.
    overlay: whether maps are laid over the image. chunk_borders: whether the memory's chunks are outlined on them.
    local_only: whether the row of a model without a global path is drawn.
    reads: row and column of a pixel of the image as given: of the tokens that hold it, where their reads come from.

    Raises: ConfigError: a value that is none of these, fixed limits that are no range.

    >>> MapOptions(row3="gated", surprise=True).rows
    ('local_only', 'f_loc', 'gate', 'gated', 'surprise')
    """

    reduce: Reduction = "rms"
    scale: Scale = "paired"
    row3: Row3 = "output"
    gate: bool = True
    surprise: bool = False
    overlay: bool = False
    gate_scale: GateScale | None = None
    chunk_borders: bool = False
    local_only: bool = True
    reads: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.reads is not None:
            object.__setattr__(self, "reads", _checked_position(self.reads))
        for name, allowed in (("reduce", get_args(Reduction)), ("row3", get_args(Row3))):
            if getattr(self, name) not in allowed:
                raise ConfigError(name, f"choose {', '.join(allowed)}", value=getattr(self, name))
        for name, words in (("scale", ("paired", "column", "map")), ("gate_scale", ("own", "shared"))):
            object.__setattr__(self, name, _checked_scale(name, words, getattr(self, name)))
        if self.gate_scale is not None and not self.gate:
            raise ConfigError("gate_scale", "is for the gate's row, which `gate=False` leaves out; give one of them")

    @property
    def gate_limits(self) -> GateScale:
        """`gate_scale`, or what it is where it was left out."""
        if self.gate_scale is not None:
            return self.gate_scale
        return self.scale if isinstance(self.scale, tuple) else "own"

    @property
    def needs_gate(self) -> bool:
        """Whether any row shows the gate or what it let through."""
        return self.gate or self.row3 == "gated"

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows in their order from the top."""
        last: Row = "f_out" if self.row3 == "output" else "gated"
        shown = {"local_only": self.local_only, "f_loc": True, "gate": self.gate, last: True, "surprise": self.surprise}
        shown["reads"] = self.reads is not None
        return tuple(row for row in ROWS if shown.get(row))


def _checked_position(value: Any) -> tuple[int, int]:
    try:
        row, column = (int(part) for part in value)
    except (TypeError, ValueError):
        raise ConfigError("reads", "needs a pixel's row and column", value=value) from None
    if min(row, column) < 0:
        raise ConfigError("reads", "rows and columns count from 0", value=f"{row},{column}")
    return row, column


def _checked_scale(name: str, words: tuple[str, ...], value: Any) -> Any:
    if value is None and name == "gate_scale":
        return None
    if isinstance(value, str):
        if value not in words:
            raise ConfigError(name, f"choose {', '.join(words)}, or two limits (low, high)", value=value)
        return value
    try:
        low, high = (float(limit) for limit in value)
    except (TypeError, ValueError):
        raise ConfigError(name, "needs two numbers (low, high)", value=value) from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise ConfigError(name, "needs two finite numbers, the lower one first", value=f"{low:g}:{high:g}")
    return low, high


@dataclass(frozen=True, eq=False)
class StageMap:
    """A panel: values (H, W) float32; limits: what its lowest and highest colours stand for.

    logarithmic: whether equal ratios, and not equal differences, are equally far apart in colour.

    >>> StageMap(np.array([[0.25, 0.5]], np.float32), limits=(0.0, 1.0)).range
    (0.25, 0.5)
    """

    values: NDArray[np.float32]
    limits: tuple[float, float]
    logarithmic: bool = False

    @property
    def colour_scale(self) -> ColourScale:
        """diverging: 0 stands in the middle of the colours, so that both signs can be told apart."""
        if self.logarithmic:
            return "logarithmic"
        return "diverging" if self.limits[0] == -self.limits[1] < 0 else "linear"

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value of this map."""
        return float(self.values.min()), float(self.values.max())


@dataclass(frozen=True, eq=False)
class StageGates:
    """A column: a stage's drawn maps by row, from the top, and what was measured of its gate.

    saturation: the share of gate values within 1e-3 of 0 or 1; None without a gate. first: nothing global acts before
    this block, so with the memory switched off its F_loc stays what it is. measures: None without a gate. reads: where
    the read of the position asked for comes from.

    >>> stage = StageGates(stage=1, stride=4, channels=40, height=56, width=56, chunks=4, chunk_length=784,
    ...                    saturation=0.0, first=True, rows=())
    >>> stage.saturated
    False
    """

    stage: int
    stride: int
    channels: int
    height: int
    width: int
    chunks: int | None
    chunk_length: int | None
    saturation: float | None
    first: bool
    rows: tuple[tuple[Row, StageMap], ...]
    measures: StageMeasures | None = None
    reads: StageReads | None = None

    @property
    def maps(self) -> Mapping[Row, StageMap]:
        """The maps by row, in drawing order."""
        return ReadOnly(dict(self.rows))

    def chunk_borders(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Lines between the memory's chunks, in raster order, of (x, y) in positions from the upper left corner."""
        found = []
        for chunk in range(1, self.chunks or 1):
            row, column = divmod(chunk * (self.chunk_length or 0), self.width)
            step = ((0.0, row + 1.0), (float(column), row + 1.0)) if column else ()
            found.append((*step, (float(column), float(row)), (float(self.width), float(row))))
        return tuple(found)

    @property
    def saturated(self) -> bool:
        """Whether nearly all of the gate stands at 0 or 1."""
        return self.saturation is not None and self.saturation >= SATURATED_SHARE


def gate_maps(
    capture: "GateCapture", options: MapOptions, measures: Sequence[StageMeasures] = ()
) -> tuple[StageGates, ...]:
    """Reduce what a model computed to the maps of the picture, and set their colour limits.

    Args:   measures: of the capture's stages, as `measure_gates` gives them.
    Raises:
        ConfigError: the options want a gate or a surprise that the model does not have.
        InputError: a map holds NaN or infinite values.
    """
    (found,) = compared_maps([(capture, measures)], options)
    return found


def compared_maps(
    captures: "Sequence[tuple[GateCapture, Sequence[StageMeasures]]]", options: MapOptions
) -> list[tuple[StageGates, ...]]:
    """`gate_maps` of several models and one image: a stage's maps of a row have the same colour limits in all of them.

    Args:   captures: of the same stages, of equal sizes; each with what was measured of it.
    Raises: as `gate_maps`.
    """
    values = [[_reduced(stage, capture, options) for stage in capture.stages] for capture, _ in captures]
    together = [
        {row: np.stack([maps[row] for maps in stage]) for row in options.rows} for stage in zip(*values, strict=True)
    ]
    gate = gate_limits([maps["gate"] for maps in together if "gate" in maps], options)
    limited = [stage_maps(maps, options.scale, gate) for maps in together]
    return [
        tuple(
            _stage(
                stage,
                capture,
                {row: replace(panel, values=panel.values[model]) for row, panel in maps.items()},
                {one.stage: one for one in measures}.get(stage.stage),
            )
            for stage, maps in zip(capture.stages, limited, strict=True)
        )
        for model, (capture, measures) in enumerate(captures)
    ]


def _reduced(stage: "StageCapture", capture: "GateCapture", options: MapOptions) -> dict[Row, NDArray[np.float32]]:
    values: dict[Row, NDArray[np.float32]] = {}
    axis = None
    for row in options.rows:
        if row == "reads" and stage.reads is not None:
            values[row] = stage.reads.values.astype(np.float32)
            continue
        features: NDArray[np.float32] | None = getattr(stage, row)
        if features is None:
            raise ConfigError(row, f"block {capture.block} of stage {stage.stage} has none")
        check_features(features, row, stage.stage)
        if row == "surprise":  # one value per position already
            values[row] = features
            continue
        if options.reduce == "pca" and row == "f_loc":
            axis = principal_axis(features)
        # A gate's shares of 0 to 1 have a mean; projected on an axis they would be no shares any more.
        reduce = "mean" if row == "gate" and options.reduce == "pca" else options.reduce
        values[row] = reduce_channels(features, reduce, axis=axis if row in ("f_loc", "gated") else None)
    return values


def _stage(
    stage: "StageCapture", capture: "GateCapture", maps: Mapping[Row, StageMap], measures: StageMeasures | None
) -> StageGates:
    channels, height, width = stage.f_loc.shape
    return StageGates(
        stage=stage.stage,
        stride=stage.stride,
        channels=channels,
        height=height,
        width=width,
        chunks=stage.chunks,
        chunk_length=stage.chunk_length,
        saturation=None if stage.gate is None else _saturation(stage.gate),
        first=stage.stage == 1 and capture.block == 1,
        rows=tuple(maps.items()),
        measures=measures,
        reads=stage.reads,
    )


def gate_limits(gates: Sequence[NDArray[np.float32]], options: MapOptions) -> FixedScale | None:
    """What the gates of all stages share; None where each has its own."""
    if options.gate_limits == "shared" and gates:
        return min(float(gate.min()) for gate in gates), max(float(gate.max()) for gate in gates)
    return options.gate_limits if isinstance(options.gate_limits, tuple) else None


def stage_maps(values: Mapping[Row, NDArray[np.float32]], scale: Scale, gate: FixedScale | None) -> dict[Row, StageMap]:
    """A stage's maps with their colour limits, as `MapOptions` says.

    Choice: limits with values of both signs between them are made symmetric, so that 0 has the middle colour. A
        surprise is drawn by its logarithm, for its largest values are a thousand times the usual ones; what is 0, or
        less than a millionth of the largest, has the lowest colour. Reads have both signs, whichever are there.
    """
    shared: tuple[Row, ...] = _FEATURE_ROWS if scale == "column" else ("f_loc", "gated") if scale == "paired" else ()
    maps: dict[Row, StageMap] = {}
    for row, array in values.items():
        if row == "gate" and gate is not None:
            maps[row] = StageMap(array, gate)
            continue
        if isinstance(scale, tuple) and row in _FEATURE_ROWS:
            maps[row] = StageMap(array, scale)
            continue
        if row == "reads":
            largest = float(np.abs(array).max()) or 1.0
            maps[row] = StageMap(array, (-largest, largest))
            continue
        together = [values[other] for other in values if other in shared] if row in shared else [array]
        low, high = min(float(one.min()) for one in together), max(float(one.max()) for one in together)
        if row == "surprise" and high > 0:
            maps[row] = StageMap(array, (max(low, high * _FAINTEST), high), logarithmic=True)
        elif low < 0 < high:
            largest = max(-low, high)
            maps[row] = StageMap(array, (-largest, largest))
        else:
            maps[row] = StageMap(array, (low, high))
    return maps


def difference(one: StageMap, other: StageMap) -> StageMap:
    """One map less another; 0 stands in the middle of the colours."""
    values = one.values - other.values
    largest = float(np.abs(values).max())
    return StageMap(values, (-largest, largest))


def in_same_colours(one: StageMap, other: StageMap) -> tuple[StageMap, StageMap]:
    """Two maps with the limits that both need; 0 in the middle where their values have both signs.

    Limits that both have are fixed ones, or those of equal maps, and stay.
    """
    if one.limits == other.limits:
        return one, other
    low, high = (
        end(pair) for end, pair in ((min, (one.limits[0], other.limits[0])), (max, (one.limits[1], other.limits[1])))
    )
    if low < 0 < high and not one.logarithmic:
        low, high = -max(-low, high), max(-low, high)
    return replace(one, limits=(low, high)), replace(other, limits=(low, high))


def _saturation(gate: NDArray[np.float32]) -> float:
    return float(np.mean(np.minimum(gate, 1 - gate) < SATURATION_MARGIN))
