"""Everything of a capture that a page can choose from: each row, over its channels or channel by channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convneur.gates.maps import (
    ROWS,
    FixedScale,
    MapOptions,
    Row,
    Scale,
    StageMap,
    difference,
    gate_limits,
    in_same_colours,
    stage_maps,
)
from convneur.gates.reduce import Reduction, check_features, principal_axis, reduce_channels

if TYPE_CHECKING:  # at run time this module needs no torch, nor do the figures that read its results
    from convneur.gates.capture import GateCapture, StageCapture

__all__ = ["MOST_CHANNELS", "StageLayers", "compared_layers", "gate_layers", "layers_of"]

Array = NDArray[np.float32]

# Choice: what bounds the file. A stage shows all channels if it has no more than 16, else the 16 that vary most; fewer,
# down to 4, where its maps have more than a million positions between them.
MOST_CHANNELS, _LEAST_CHANNELS, _MOST_VALUES = 16, 4, 1_000_000

_REDUCTIONS: tuple[Reduction, ...] = ("rms", "mean", "absmean", "max", "pca")
# A gate is above 0, so that its absmean is its mean, and projected on an axis its shares would be none.
_GATE_REDUCTIONS: tuple[Reduction, ...] = ("rms", "mean", "max")


@dataclass(frozen=True)
class StageLayers:
    """A stage's maps by row, then by key: a reduction's name or "channel N", N from 0; surprise and reads have "value"
    alone.

    >>> import numpy as np, convneur
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> result = convneur.gates.inspect(image, weights="none", mem_dim=8, stage=4, size=64)
    >>> list(result.layers()[0].rows["gate"])[:3]
    ['rms', 'mean', 'max']
    """

    stage: int
    rows: Mapping[str, Mapping[str, StageMap]]


def gate_layers(capture: "GateCapture", options: MapOptions, *, same_weights: bool) -> tuple[StageLayers, ...]:
    """The maps of every row that the model has, whichever rows are drawn; colour limits as drawn.

    Choice: channels are those whose A * F_loc varies most over positions (F_loc where there is no gate), the same ones
        on every row, so that a channel can be followed through the gate; a separate local-only model has its own.
    Args:   same_weights: the local-only row is the model itself.
    Raises: InputError: a row holds NaN or infinite values.
    """
    found = [_values(stage, same_weights=same_weights) for stage in capture.stages]
    return tuple(
        StageLayers(stage.stage, _with_limits(own, found, options))
        for stage, own in zip(capture.stages, found, strict=True)
    )


def compared_layers(first: StageLayers, second: StageLayers) -> StageLayers:
    """Rows of two models: each row of the first, the second's as `f_loc second`, and `f_loc difference`.

    Maps that both have share their colour limits, but for projections, whose axes are each model's own.
    Choice: a channel is compared with that of its number, which says something of two states of one training alone.
    """
    rows: dict[str, dict[str, StageMap]] = {}
    for row, maps in first.rows.items():
        others = second.rows.get(row, {})
        both = {
            key: in_same_colours(panel, others[key]) for key, panel in maps.items() if key in others and key != "pca"
        }
        rows[row] = {key: both[key][0] if key in both else panel for key, panel in maps.items()}
        if both:
            rows[f"{row} second"] = {key: both[key][1] if key in both else panel for key, panel in others.items()}
            rows[f"{row} difference"] = {key: difference(*pair) for key, pair in both.items()}
    return StageLayers(first.stage, rows)


def layers_of(
    stage: int,
    features: Mapping[str, Array],
    scale: Scale,
    gate: FixedScale | None = None,
    channels: Sequence[int] | None = None,
) -> StageLayers:
    """Rows of any model's layer, over its channels and channel by channel; see `gate_layers`.

    Args: features: (C, H, W) each, by row: `features` alone, or f_loc, gate and gated. channels: which; None: those
        that vary most.
    """
    values: _Values = {}
    chosen = _varying(features.get("gated", next(iter(features.values())))) if channels is None else channels
    axis = principal_axis(features["f_loc"]) if "f_loc" in features else None
    for row, one in features.items():
        as_row: Any = "f_loc" if row == "features" else row
        for how in _GATE_REDUCTIONS if row == "gate" else _REDUCTIONS:
            values.setdefault(how, {})[as_row] = reduce_channels(one, how, axis=axis)
        for channel in chosen:
            values.setdefault(f"channel {channel}", {})[as_row] = one[channel]
    rows: dict[str, dict[str, StageMap]] = {row: {} for row in features}
    for key in sorted(values, key=_order):
        for as_row, panel in stage_maps(values[key], scale, gate).items():
            rows["features" if "features" in rows else as_row][key] = panel
    return StageLayers(stage, rows)


_Values = dict[str, dict[Row, Array]]


def _values(stage: "StageCapture", *, same_weights: bool) -> _Values:
    """The maps of a stage by key, then by row."""
    features: dict[Row, Array] = {row: getattr(stage, row) for row in ROWS if getattr(stage, row) is not None}
    alone: dict[Row, Array] = {}
    if stage.reads is not None:
        del features["reads"]
        alone["reads"] = stage.reads.values.astype(np.float32)
    for row, values in features.items():
        check_features(values, row, stage.stage)
    if "surprise" in features:
        alone["surprise"] = features.pop("surprise")
    axis = principal_axis(stage.f_loc)
    found: _Values = {key: {} for key in _REDUCTIONS}
    for row, values in features.items():
        for how in _GATE_REDUCTIONS if row == "gate" else _REDUCTIONS:
            found[how][row] = reduce_channels(values, how, axis=axis if row in ("f_loc", "gated") else None)
    chosen = _varying(stage.f_loc if stage.gated is None else stage.gated)
    for row, values in features.items():
        own = _varying(values) if row == "local_only" and not same_weights else chosen
        for channel in own:
            found.setdefault(f"channel {channel}", {})[row] = values[channel]
    if alone:
        found["value"] = alone
    return found


def _with_limits(own: _Values, all_stages: list[_Values], options: MapOptions) -> dict[str, dict[str, StageMap]]:
    rows: dict[str, dict[str, StageMap]] = {row: {} for row in ROWS}
    for key in sorted(own, key=_order):
        # A channel is another one in each stage: what stages share are maps over channels.
        stages = [own] if key.startswith("channel ") else all_stages
        gate = gate_limits([maps[key]["gate"] for maps in stages if "gate" in maps.get(key, {})], options)
        for row, panel in stage_maps(own[key], options.scale, gate).items():
            rows[row][key] = panel
    return {row: maps for row, maps in rows.items() if maps}


def _varying(features: Array) -> list[int]:
    channels, height, width = features.shape
    most = max(_LEAST_CHANNELS, min(MOST_CHANNELS, _MOST_VALUES // (height * width)))
    spread = features.reshape(channels, -1).var(axis=1, dtype=np.float64)
    return sorted(np.argsort(-spread, kind="stable")[:most].tolist())


def _order(key: str) -> int:
    """Reductions as they were put, then channels by number."""
    return int(key.removeprefix("channel ")) if key.startswith("channel ") else -1
