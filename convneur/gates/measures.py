"""What a gate does, in numbers: how it is spread, and whether it suppresses background and sharpens edges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from convneur.gates.places import DRAWS, channel_energy, null_energies
from convneur.gates.reduce import check_features
from convneur.gates.regions import Against, Regions, gradient_regions, mask_regions
from convneur.resampling import percentile_interval
from convneur.results import ReadOnly

if TYPE_CHECKING:  # at run time this module needs no torch, nor do the figures that read its results
    from convneur.gates.capture import GateCapture

__all__ = [
    "CLOSED",
    "CONTRASTS",
    "LEVEL",
    "MEASURES",
    "OPEN",
    "RATIOS",
    "ROUNDING",
    "SHARES",
    "Contrast",
    "StageMeasures",
    "measure_gates",
    "measure_stage",
]

_Map = NDArray[np.float64]

# Choice: below a quarter a gate is called closed, above three quarters open.
CLOSED = 0.25
OPEN = 0.75

# The names of the values in files: shares lie in 0 to 1, ratios above 0.
SHARES = ("gate_below_0.25", "gate_above_0.75", "foreground_share", "edge_share")
CONTRASTS = ("background_suppression", "edge_contrast")
_PARTS = ("channel_part", "place_part", "null_low", "null_high")
RATIOS = (
    *(f"{name}_{when}" for name in CONTRASTS for when in ("before", "after", "change")),
    *(f"{name}_{part}" for name in CONTRASTS for part in _PARTS),
)
MEASURES = (*SHARES, *RATIOS)

LEVEL = 0.95  # of every interval of these values
_LEAST_DRAWS = 20  # below, no draw lies beyond 95 %
ROUNDING = 1e-6  # of float32 sums: a gate that is equal everywhere must lie inside its own interval


@dataclass(frozen=True)
class Contrast:
    """The energy of one region over that of another, before and after the gate; None where it is undefined.

    channels: the change that the same gate gives with its positions permuted, averaged over permutations (see
    `channel_energy`): what it does by its channels alone. nulls: the place part of the same gate laid elsewhere on the
    image, draw by draw (see `null_energies`).

    >>> found = Contrast(before=1.1, after=1.54, channels=0.7)
    >>> found.change, found.place
    (1.4, 2.0)
    """

    before: float | None
    after: float | None
    channels: float | None = None
    nulls: tuple[float, ...] = field(default=(), repr=False)

    @property
    def change(self) -> float | None:
        """after / before: 1 for a gate that treats both regions alike, above 1 where it favours the first."""
        return None if self.before is None or self.after is None else self.after / self.before

    @property
    def place(self) -> float | None:
        """change / channels: what is left for the places; 1 for a gate that knows none."""
        return None if self.change is None or self.channels is None else self.change / self.channels

    @property
    def null(self) -> tuple[float, float] | None:
        """Where 95 % of the place parts lie of the same gate laid elsewhere; None below 20 draws.

        A place part inside tells nothing of the gate: a place chosen by chance would do the same.
        """
        if self.place is None or len(self.nulls) < _LEAST_DRAWS:
            return None
        low, high, _ = percentile_interval(np.array(self.nulls)[:, None], LEVEL)
        return float(low[0]) * (1 - ROUNDING), float(high[0]) * (1 + ROUNDING)

    def record(self) -> dict[str, float | None]:
        """For the manifest."""
        low, high = self.null or (None, None)
        return {
            "before": self.before,
            "after": self.after,
            "change": self.change,
            "channel_part": self.channels,
            "place_part": self.place,
            "null_low": low,
            "null_high": high,
        }


@dataclass(frozen=True)
class StageMeasures:
    """What was measured of a stage's gate.

    closed, open: shares of gate values below .25 and above .75, over positions and channels.
    background_suppression: foreground over background. edge_contrast: edges over everything else.
    foreground_share, edge_share: of the positions. against: what these regions were taken from.

    >>> import convneur
    >>> gates = convneur.gates.inspect(np.zeros((64, 64, 3), np.uint8), weights="none", model="m1", stage=1, size=64)
    >>> 0 <= gates.stages[0].measures.closed <= 1
    True
    """

    CLOSED_BELOW: ClassVar[float] = CLOSED
    OPEN_ABOVE: ClassVar[float] = OPEN

    stage: int
    against: Against
    closed: float
    open: float
    background_suppression: Contrast
    edge_contrast: Contrast
    foreground_share: float
    edge_share: float

    def record(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "gate_below_0.25": self.closed,
            "gate_above_0.75": self.open,
            "background_suppression": self.background_suppression.record(),
            "edge_contrast": self.edge_contrast.record(),
            "foreground_share": self.foreground_share,
            "edge_share": self.edge_share,
        }

    def values(self) -> Mapping[str, float | None]:
        """Every value under its name in `MEASURES`."""
        record = self.record()
        flat: dict[str, float | None] = {name: record[name] for name in SHARES}
        for name in CONTRASTS:
            flat |= {f"{name}_{when}": value for when, value in record[name].items()}
        return ReadOnly({name: flat[name] for name in MEASURES})


def measure_stage(
    stage: int, f_loc: NDArray[np.float32], gate: NDArray[np.float32], regions: Regions, *, draws: int = DRAWS
) -> StageMeasures:
    """What the gate of one stage does to one image.

    Equation: E(p) = sqrt(mean_c F_c(p)^2), the map that `reduce_channels` draws by rms; the energy of a region is the
        mean of E over its positions, by weight. A contrast is the ratio of two regions' energies, of F_loc before the
        gate and of A * F_loc after it.
    Choice: not F_out, which contains the block's input. A ratio of ratios is the same whatever a gate multiplies
        everything by: a gate that halves all values gives 1, exactly. A gate that knows nothing of places does not,
        where the features have other channels in one region than in the other: so each change is split into a part of
        the channels and one of the places, whose product it is.
    Args:    f_loc, gate: (C, H, W); regions: of the same H and W; draws: see `null_energies`, 0 leaves them out.
    Returns: shares 0 to 1, ratios above 0 without unit; None where a region is empty or one of them has no energy.
    Raises:  InputError: values that are NaN or infinite.
    """
    for row, features in (("f_loc", f_loc), ("gate", gate)):
        check_features(features, row, stage)
    pairs = ((regions.foreground, regions.background), (regions.edges, regions.plain))
    before, after, channels = _energy(f_loc), _energy(f_loc, gate), channel_energy(f_loc, gate)
    elsewhere: list[list[float | None]] = []
    null_energies(f_loc, gate, lambda energy: elsewhere.append([_ratio(energy, *pair) for pair in pairs]), draws)
    suppression, sharpening = (
        _contrast([_ratio(energy, *pair) for energy in (before, after, channels)], [draw[number] for draw in elsewhere])
        for number, pair in enumerate(pairs)
    )
    return StageMeasures(
        stage=stage,
        against=regions.against,
        closed=float(np.mean(gate < CLOSED)),
        open=float(np.mean(gate > OPEN)),
        background_suppression=suppression,
        edge_contrast=sharpening,
        foreground_share=float(regions.foreground.mean()),
        edge_share=float(regions.edges.mean()),
    )


def _contrast(ratios: list[float | None], elsewhere: list[float | None]) -> Contrast:
    """From the ratios before the gate, after it, and after it by channels alone, and of each draw."""
    before, after, channels = ratios
    if before is None or after is None or channels is None:
        return Contrast(before, after)
    # A draw is undefined where a gate of 0 comes to lie over a whole region.
    return Contrast(
        before, after, channels / before, tuple(ratio / channels for ratio in elsewhere if ratio is not None)
    )


def measure_gates(
    capture: "GateCapture", pixels: NDArray[np.uint8], mask: NDArray[np.float32] | None = None
) -> tuple[StageMeasures, ...]:
    """What each captured stage's gate does; empty where the model has no gate.

    Args:   pixels: (H, W, 3), what the model saw; mask: (H, W), see `mask_regions`; None measures against gradients.
    Raises: InputError: values that are NaN or infinite.
    """
    found = []
    for stage in capture.stages:
        if stage.gate is not None:
            shape = stage.f_loc.shape[1], stage.f_loc.shape[2]
            regions = gradient_regions(pixels, shape) if mask is None else mask_regions(mask, shape)
            found.append(measure_stage(stage.stage, stage.f_loc, stage.gate, regions))
    return tuple(found)


def _energy(f_loc: NDArray[np.float32], gate: NDArray[np.float32] | None = None) -> _Map:
    """rms over channels, (H, W), a channel at a time: the products are not all kept."""
    total = np.zeros(f_loc.shape[1:])
    for number, features in enumerate(f_loc):
        values = features.astype(np.float64)
        if gate is not None:
            values *= gate[number]
        total += np.square(values)
    return np.sqrt(total / len(f_loc))


def _ratio(energy: _Map, first: _Map, second: _Map) -> float | None:
    parts = []
    for weights in (first, second):
        total = float(weights.sum())
        parts.append(float((weights * energy).sum()) / total if total else 0.0)
    return parts[0] / parts[1] if all(parts) else None
