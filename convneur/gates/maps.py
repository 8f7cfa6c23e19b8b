"""Captured features to the maps of the picture: which rows, reduced how, each with its colour limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from convneur.errors import ConfigError
from convneur.gates.measures import StageMeasures
from convneur.gates.reduce import Reduction, check_features, principal_axis, reduce_channels
from convneur.results import ReadOnly

if TYPE_CHECKING:  # at run time this module needs no torch, nor do the figures that read its results
    from convneur.gates.capture import GateCapture, StageCapture

__all__ = [
    "SATURATED_SHARE",
    "SATURATION_MARGIN",
    "FixedScale",
    "MapOptions",
    "Row",
    "Row3",
    "Scale",
    "StageGates",
    "StageMap",
    "gate_maps",
    "map_limits",
]

Row = Literal["local_only", "f_loc", "gate", "gated", "f_out", "surprise"]
Row3 = Literal["output", "gated"]
FixedScale = tuple[float, float]
Scale = Literal["paired", "column", "map"] | FixedScale

# Choice: a gate within 1e-3 of 0 or 1 no longer modulates; a stage where 9 of 10 values stand there is saturated.
SATURATION_MARGIN = 1e-3
SATURATED_SHARE = 0.9

_FEATURE_ROWS: tuple[Row, ...] = ("local_only", "f_loc", "gated", "f_out")


@dataclass(frozen=True)
class MapOptions:
    """How features become maps, and which maps are drawn.

    reduce: over channels, the same on every row; see `reduce_channels`. For pca the gated map is projected on F_loc's
        axis, so that the two compare, and the gate is averaged.
    scale: colour limits. paired: F_loc and A * F_loc share theirs in each stage, every other map has its own.
        column: all feature maps of a stage share. map: each its own. (low, high): the same for all feature maps. Gate
        and surprise are other quantities and always have their own.
    row3: output, the block's F_out, or gated, A * F_loc.
    gate, surprise: whether these rows are drawn.
    overlay: whether maps are laid over the image.

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

    def __post_init__(self) -> None:
        for name, allowed in (("reduce", get_args(Reduction)), ("row3", get_args(Row3))):
            if getattr(self, name) not in allowed:
                raise ConfigError(name, f"choose {', '.join(allowed)}", value=getattr(self, name))
        if isinstance(self.scale, str):
            if self.scale not in ("paired", "column", "map"):
                raise ConfigError("scale", "choose paired, column, map, or two limits (low, high)", value=self.scale)
            return
        try:
            low, high = (float(limit) for limit in self.scale)
        except (TypeError, ValueError):
            raise ConfigError("scale", "needs two numbers (low, high)", value=self.scale) from None
        if not (np.isfinite([low, high]).all() and low < high):
            raise ConfigError("scale", "needs two finite numbers, the lower one first", value=f"{low:g}:{high:g}")
        object.__setattr__(self, "scale", (low, high))

    @property
    def needs_gate(self) -> bool:
        """Whether any row shows the gate or what it let through."""
        return self.gate or self.row3 == "gated"

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows in their order from the top."""
        last: Row = "f_out" if self.row3 == "output" else "gated"
        rows: list[Row] = ["local_only", "f_loc", *(["gate"] if self.gate else []), last]  # type: ignore[list-item]
        return (*rows, "surprise") if self.surprise else tuple(rows)


@dataclass(frozen=True, eq=False)
class StageMap:
    """A panel: values (H, W) float32; limits: what its lowest and highest colours stand for.

    >>> StageMap(np.array([[0.25, 0.5]], np.float32), limits=(0.0, 1.0)).range
    (0.25, 0.5)
    """

    values: NDArray[np.float32]
    limits: tuple[float, float]

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value of this map."""
        return float(self.values.min()), float(self.values.max())


@dataclass(frozen=True, eq=False)
class StageGates:
    """A column: a stage's drawn maps by row, from the top, and what was measured of its gate.

    saturation: the share of gate values within 1e-3 of 0 or 1; None without a gate. first: nothing global acts before
    this block, so with the memory switched off its F_loc stays what it is. measures: None without a gate.

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

    @property
    def maps(self) -> Mapping[Row, StageMap]:
        """The maps by row, in drawing order."""
        return ReadOnly(dict(self.rows))

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
    measured = {one.stage: one for one in measures}
    return tuple(_stage(stage, capture, options, measured.get(stage.stage)) for stage in capture.stages)


def _stage(
    stage: "StageCapture", capture: "GateCapture", options: MapOptions, measures: StageMeasures | None
) -> StageGates:
    values: dict[Row, NDArray[np.float32]] = {}
    axis = None
    for row in options.rows:
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

    limits = map_limits(values, options.scale)
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
        rows=tuple((row, StageMap(array, limits[row])) for row, array in values.items()),
        measures=measures,
    )


def map_limits(values: Mapping[Row, NDArray[np.float32]], scale: Scale) -> dict[Row, tuple[float, float]]:
    """Colour limits of a stage's maps, as `MapOptions.scale` says."""
    shared: tuple[Row, ...] = _FEATURE_ROWS if scale == "column" else ("f_loc", "gated") if scale == "paired" else ()
    limits: dict[Row, tuple[float, float]] = {}
    for row in values:
        if isinstance(scale, tuple) and row in _FEATURE_ROWS:
            limits[row] = scale
            continue
        together = [values[other] for other in values if other in shared] if row in shared else [values[row]]
        limits[row] = min(float(array.min()) for array in together), max(float(array.max()) for array in together)
    return limits


def _saturation(gate: NDArray[np.float32]) -> float:
    return float(np.mean(np.minimum(gate, 1 - gate) < SATURATION_MARGIN))
