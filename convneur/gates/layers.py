"""Everything of a capture that a page can choose from: each row, over its channels or channel by channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convneur.gates.maps import MapOptions, Row, StageMap, gate_limits, stage_maps
from convneur.gates.reduce import Reduction, check_features, principal_axis, reduce_channels

if TYPE_CHECKING:  # at run time this module needs no torch, nor do the figures that read its results
    from convneur.gates.capture import GateCapture, StageCapture

__all__ = ["MOST_CHANNELS", "StageLayers", "gate_layers"]

Array = NDArray[np.float32]

# Choice: what bounds the file. A stage shows all channels if it has no more than 16, else the 16 that vary most; fewer,
# down to 4, where its maps have more than a million positions between them.
MOST_CHANNELS, _LEAST_CHANNELS, _MOST_VALUES = 16, 4, 1_000_000

_ROWS: tuple[Row, ...] = ("local_only", "f_loc", "gate", "gated", "f_out", "surprise", "reads")
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
    rows: Mapping[Row, Mapping[str, StageMap]]


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


_Values = dict[str, dict[Row, Array]]


def _values(stage: "StageCapture", *, same_weights: bool) -> _Values:
    """The maps of a stage by key, then by row."""
    features: dict[Row, Array] = {row: getattr(stage, row) for row in _ROWS if getattr(stage, row) is not None}
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


def _with_limits(own: _Values, all_stages: list[_Values], options: MapOptions) -> dict[Row, dict[str, StageMap]]:
    rows: dict[Row, dict[str, StageMap]] = {row: {} for row in _ROWS}
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
