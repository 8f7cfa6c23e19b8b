"""What layers gave for an image, as maps: reduced, channel by channel, or a gate with what it multiplies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.gates.layer_result import LayerMaps
from convneur.gates.maps import MapOptions, Row, StageMap, gate_limits, in_same_colours, stage_maps
from convneur.gates.measures import measure_stage
from convneur.gates.reduce import Reduction, principal_axis, reduce_channels
from convneur.gates.regions import Regions
from convneur.gates.tapping import LayerChoice, as_gate, as_map
from convneur.layers.outputs import Second

__all__ = [
    "Channels",
    "LayerOutputs",
    "channel_numbers",
    "feature_maps",
    "gated_maps",
    "in_the_same_colours",
    "pairs_of",
]

Array = NDArray[np.float32]
Channels = int | tuple[int, ...] | Mapping[str, tuple[int, ...]] | None
"""How many of those that vary most, which, or which of each layer; None for all, reduced."""

_MOST_PANELS = 64  # of one figure


@dataclass(frozen=True, eq=False)
class LayerOutputs:
    """The first tensor of each layer that ran, for an image of this size (height, width).

    prefix: tokens before those of the image, where the model says so. second: the same layers of another image, where
    that was needed to tell what is a map.
    """

    tensors: Mapping[str, Tensor]
    size: tuple[int, int]
    prefix: int | None
    second: Second | None = None

    def features(self, choice: LayerChoice, setting: str, *, needed: bool = True) -> Array | None:
        """(C, H, W). Raises: ConfigError: no map, where one is needed."""
        if not needed and choice.name not in self.tensors:
            return None
        output = self._output(choice, setting)
        found = self._map(choice, output)
        if found is None:
            if not needed:
                return None
            shape = " × ".join(map(str, output.shape[1:]))
            raise ConfigError(setting, f"its output is no map ({shape}); `list_layers` shows which are", value=choice)
        return _checked(found, choice, setting)

    def gate(self, choice: LayerChoice, grid: tuple[int, int]) -> Array:
        """(C, H, W) or (C, 1, 1). grid: of what it multiplies. Raises: ConfigError: neither."""
        output = self._output(choice, "gate")
        found = as_gate(output, self._map(choice, output), grid)
        if found is None:
            shape = " × ".join(map(str, output.shape[1:]))
            raise ConfigError(
                "gate", f"its output is neither a map nor a value for each channel ({shape})", value=choice
            )
        return _checked(found, choice, "gate")

    def _map(self, choice: LayerChoice, output: Tensor) -> Tensor | None:
        second = None if self.second is None else self.second.of(choice.name)
        return as_map(output, self.size, self.prefix, second)

    def _output(self, choice: LayerChoice, setting: str) -> Tensor:
        if choice.name not in self.tensors:
            problem = "gave no output when the model ran; `list_layers` lists those that do"
            raise ConfigError(setting, problem, value=choice)
        return self.tensors[choice.name]


def _checked(found: Tensor, choice: LayerChoice, setting: str) -> Array:
    """The channels chosen, as an array of numbers."""
    count = len(found)
    if not (choice.start or 0) < (count if choice.stop is None else choice.stop) <= count:
        some = f"name a range of them, such as {choice.name}[0:{count}]"
        raise ConfigError(setting, f"{choice.name} has channels 0 to {count - 1}; {some}", value=choice)
    features: Array = choice.of(found).float().cpu().contiguous().numpy()
    if not np.isfinite(features).all():
        raise InputError(None, f"{choice} holds NaN or infinite values, which no map can be made of")
    return features


def feature_maps(
    outputs: LayerOutputs, choices: Sequence[LayerChoice], channels: Channels, options: MapOptions
) -> tuple[LayerMaps, ...]:
    """Those of the layers that are maps. Raises: ConfigError: none of them, or too many for a figure."""
    found: list[LayerMaps] = []
    for choice in choices:
        features = outputs.features(choice, "layer", needed=len(choices) == 1)
        if features is None:
            continue
        if isinstance(channels, Mapping) and str(choice) not in channels:
            raise ConfigError("layer", "is no map of the first model; name layers that both have", value=choice)
        if channels is None:
            maps = stage_maps({"f_loc": reduce_channels(features, options.reduce)}, options.scale, None)
            rows: tuple[tuple[str, StageMap], ...] = (("features", maps["f_loc"]),)
        else:
            rows = _channel_rows(choice, features, channels, options)
        found.append(_maps(str(choice), rows, {"features": features}, "features"))
    if not found:
        raise ConfigError("layer", "no output of these layers is a map; `list_layers` shows which are",
                          value=", ".join(map(str, choices[:3])))  # fmt: skip
    panels = sum(len(one.rows) for one in found)
    if panels > _MOST_PANELS:
        problem = f"{panels} maps are too many for one figure, which draws {_MOST_PANELS}; name fewer"
        raise ConfigError("layer" if channels is None else "channels", problem)
    return tuple(found)


def _channel_rows(
    choice: LayerChoice, features: Array, channels: Channels, options: MapOptions
) -> tuple[tuple[str, StageMap], ...]:
    chosen = channels[str(choice)] if isinstance(channels, Mapping) else channels
    assert chosen is not None
    if isinstance(chosen, int):
        spread = features.reshape(len(features), -1).var(axis=1, dtype=np.float64)
        numbers = sorted(np.argsort(-spread, kind="stable")[:chosen].tolist())
    else:
        numbers = list(chosen)
        for number in numbers:
            if number >= len(features):
                raise ConfigError("channels", f"{choice} has channels 0 to {len(features) - 1}", value=number)
    values = [features[number] for number in numbers]
    scale = options.scale
    if scale == "column":
        limited = stage_maps({"f_loc": np.stack(values)}, "map", None)["f_loc"].limits
        maps = [StageMap(one, limited) for one in values]
    else:
        maps = [stage_maps({"f_loc": one}, scale, None)["f_loc"] for one in values]
    return tuple((f"channel {number}", panel) for number, panel in zip(numbers, maps, strict=True))


def gated_maps(
    outputs: LayerOutputs,
    pairs: Iterable[tuple[LayerChoice, LayerChoice]],
    regions: Callable[[tuple[int, int]], Regions],
    options: MapOptions,
) -> tuple[LayerMaps, ...]:
    """Gates and what each multiplies, measured. Raises: ConfigError: one that cannot multiply the other, too many."""
    made: list[tuple[LayerChoice, LayerChoice, dict[Row, Array], dict[str, Array]]] = []
    for gate, multiplied in pairs:
        features = outputs.features(multiplied, "features")
        assert features is not None
        opened = outputs.gate(gate, (features.shape[1], features.shape[2]))
        if len(opened) not in (1, len(features)):
            raise _unlike((gate, len(opened)), (multiplied, len(features)))
        if opened.shape[1:] not in ((1, 1), features.shape[1:]):
            sizes = ["x".join(map(str, one.shape[1:])) for one in (opened, features)]
            raise ConfigError(
                "gate", f"is {sizes[0]} and {multiplied} {sizes[1]}: one cannot multiply the other", value=gate
            )
        whole = np.ascontiguousarray(np.broadcast_to(opened, features.shape))
        rows: dict[Row, Array] = {"f_loc": features, "gate": whole, "gated": features * whole}
        raw = {"f_loc": features, "gate": opened, "gated": rows["gated"]}
        made.append((gate, multiplied, rows, raw))
    if len(made) > (most := _MOST_PANELS // 3):
        raise ConfigError("gate", f"{len(made)} gates are too many for one figure, which draws {most}; name fewer")
    reduced = [_reduced(rows, options) for _, _, rows, _ in made]
    shared = gate_limits([maps["gate"] for maps in reduced], options)
    result = []
    for number, ((gate, multiplied, rows, raw), maps) in enumerate(zip(made, reduced, strict=True), start=1):
        panels = stage_maps(maps, options.scale, shared)
        measures = measure_stage(number, rows["f_loc"], rows["gate"], regions(rows["f_loc"].shape[1:]))
        drawn = tuple((str(row), panel) for row, panel in panels.items())
        result.append(replace(_maps(str(gate), drawn, raw, "f_loc"), features=str(multiplied), measures=measures))
    return tuple(result)


def in_the_same_colours(
    first: Sequence[LayerMaps], second: Sequence[LayerMaps]
) -> tuple[tuple[LayerMaps, ...], tuple[LayerMaps, ...]]:
    """The same layers of two models, each row with the colour limits that both need.

    Raises: ConfigError: they are others, or of another size.
    """
    if [one.name for one in first] != [one.name for one in second]:
        theirs = ", ".join(one.name for one in second)
        raise ConfigError("layer", f"of the second model these are {theirs}; name layers that both have")
    pairs = []
    for one, other in zip(first, second, strict=True):
        if (one.height, one.width) != (other.height, other.width):
            sizes = f"{other.height}x{other.width} in the second model, {one.height}x{one.width} in the first"
            raise ConfigError("layer", f"is {sizes}; name layers of one size", value=one.name)
        panels = [in_same_colours(panel, other.maps[row]) for row, panel in one.rows]
        rows = [[(row, pair[at]) for (row, _), pair in zip(one.rows, panels, strict=True)] for at in (0, 1)]
        pairs.append((replace(one, rows=tuple(rows[0])), replace(other, rows=tuple(rows[1]))))
    return tuple(one for one, _ in pairs), tuple(other for _, other in pairs)


def _unlike(gate: tuple[LayerChoice, int], multiplied: tuple[LayerChoice, int]) -> ConfigError:
    """A gate of other channels than what it multiplies: of the one that has more, some are meant."""
    (more, most), (less, least) = sorted((gate, multiplied), key=lambda one: one[1], reverse=True)
    problem = f"has {plural(most, 'channel')}, and {less} {least}: name those that are meant, such as "
    return ConfigError("gate" if more is gate[0] else "features", f"{problem}{more.name}[0:{least}]", value=more)


def _maps(name: str, rows: tuple[tuple[str, StageMap], ...], raw: Mapping[str, Array], of: str) -> LayerMaps:
    channels, height, width = raw[of].shape
    return LayerMaps(name, channels, height, width, rows, raw)


def _reduced(rows: Mapping[Row, Array], options: MapOptions) -> dict[Row, Array]:
    """A map of each row; for pca the gated one is projected on F_loc's axis, so that the two compare."""
    projected = options.reduce == "pca"
    axis = principal_axis(rows["f_loc"]) if projected else None
    how: dict[Row, Reduction] = {row: "mean" if row == "gate" and projected else options.reduce for row in rows}
    return {row: reduce_channels(features, how[row], axis=axis) for row, features in rows.items()}


def pairs_of(gates: list[LayerChoice], features: list[LayerChoice]) -> list[tuple[LayerChoice, LayerChoice]]:
    """Each gate with what it multiplies: one layer for all, or one for each. Raises: ConfigError: neither."""
    if len(features) == 1:
        features = features * len(gates)
    if len(gates) != len(features):
        found = f"{plural(len(features), 'layer')} for {plural(len(gates), 'gate')}"
        raise ConfigError(
            "features", f"{found}: name one for all, or the one that each gate multiplies, in their order"
        )
    return list(zip(gates, features, strict=True))


def channel_numbers(asked: str | Sequence[int]) -> int | tuple[int, ...]:
    """How many of those that vary most, or which. Raises: ConfigError: neither."""
    problem = "give numbers from 0, such as 0,5,7, or top16 for the 16 that vary most"
    if isinstance(asked, str):
        if asked.startswith("top") and asked[3:].isdecimal() and 1 <= int(asked[3:]) <= _MOST_PANELS:
            return int(asked[3:])
        parts = [part.strip() for part in asked.split(",")]
        if not all(part.isdecimal() for part in parts):
            raise ConfigError("channels", problem, value=asked)
        return tuple(map(int, parts))
    if not asked or min(asked) < 0:
        raise ConfigError("channels", problem, value=asked)
    return tuple(asked)
