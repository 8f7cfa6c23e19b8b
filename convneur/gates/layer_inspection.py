"""Layers of any model looked at on one image: features, channels of them, or a gate and what it multiplies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convneur.data.images import ImageInput, Photo
from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.gates.any_model import AnyNetwork, BuiltNetwork, find_any_model
from convneur.gates.inputs import AskedSize, MaskLike, Masks, image_of, read_image, size_of
from convneur.gates.layer_result import Layer, LayerList, LayerMaps, LayerResult
from convneur.gates.maps import GateScale, MapOptions, Row, Scale, StageMap, gate_limits, stage_maps
from convneur.gates.measures import StageMeasures, measure_stage
from convneur.gates.models import Weights
from convneur.gates.reduce import Reduction, reduce_channels
from convneur.gates.regions import Regions, gradient_regions, mask_regions
from convneur.gates.tapping import LayerChoice, as_gate, as_map, choose
from convneur.layers.outputs import last_parts, map_form, ran, refusal, tapped, tokens_before, where_it_ran
from convneur.progress import Progress, silent

__all__ = ["LayerInspector", "inspect_layers", "list_layers"]

Array = NDArray[np.float32]
_Found = TypeVar("_Found")

_MOST_PANELS = 64  # of one figure
_LISTED_SIDE = 224
_STUCK, _NEARLY_ALL = 1e-3, 0.9


def list_layers(model: Any = None, *, image: ImageInput | None = None, **settings: Any) -> LayerList:
    """The layers of a model with the shapes of their outputs.

    Args: model, settings: as `inspect_layers` takes them; image: whose size they have, 224x224 without one.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Flatten())
    >>> [(one.name, one.shape, one.map) for one in list_layers(net).layers]
    [('0', (4, 112, 112), (4, 112, 112)), ('1', (50176,), None)]
    """
    return LayerInspector(model=model, **settings).layers(image)


def inspect_layers(
    image: ImageInput,
    *,
    model: Any = None,
    weights: Weights | None = None,
    layer: str | Sequence[str] | None = None,
    channels: str | Sequence[int] | None = None,
    gate: str | Sequence[str] | None = None,
    features: str | Sequence[str] | None = None,
    size: AskedSize = None,
    reduce: Reduction = "rms",
    scale: Scale = "paired",
    gate_scale: GateScale | None = None,
    overlay: bool = False,
    mask: MaskLike | None = None,
    seed: int | None = None,
    factory_arguments: Mapping[str, Any] | Iterable[str] = (),
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
    **settings: Any,
) -> LayerResult:
    """Draw what layers of any model compute, or what a gate does to the features that it multiplies.

    A gate is any layer whose output multiplies another's: of squeeze and excitation, of a focal modulation, of CBAM, of
    a gated linear unit. Its rows and values are those of `inspect`.

    Args:
        image: as for `inspect`. model: a module, a function that makes one, "package.module:factory",
            "file.py:factory", "timm/NAME", or a ConvNeur as `inspect` takes it. weights: of another model a
            .safetensors file of its tensors.
        layer: layers by name, or by pattern such as "layer*"; several with commas, or a list.
        channels: of each layer these, as a grid; "top16": the 16 that vary most over positions. None: all, reduced.
        gate, features: the gates' layers, and the one that they multiply, or one for each; `modulation.f[0:96]` names
            channels of a layer that computes more.
        size: the long side; sides are multiples of 32 for models other than ConvNeur.
        reduce, scale, gate_scale, overlay: as in `MapOptions`; with scale "column" channels of a layer share colours.
        mask, seed, max_pixels, progress, settings: as for `inspect`. factory_arguments: what the factory is called
            with.
    Raises:
        ConfigError: as `inspect`; no such layer, one whose output is no map, a gate without features or of another
            size.
        InputError: as `inspect`; a model that fails on an image of this size.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Sigmoid())
    >>> found = inspect_layers(np.zeros((64, 64, 3), np.uint8), model=net, gate="1", features="0", size=64)
    >>> [row for row, _ in found.layers[0].rows]
    ['f_loc', 'gate', 'gated']
    """
    inspector = LayerInspector(
        model=model,
        weights=weights,
        layer=layer,
        channels=channels,
        gate=gate,
        features=features,
        size=size,
        reduce=reduce,
        scale=scale,
        gate_scale=gate_scale,
        overlay=overlay,
        mask=mask,
        seed=seed,
        factory_arguments=factory_arguments,
        max_pixels=max_pixels,
        progress=progress,
        **settings,
    )
    return inspector.inspect(image, progress=progress)


class LayerInspector:
    """`inspect_layers` for image after image: the model is found once. Takes and raises what that does."""

    def __init__(
        self,
        *,
        model: Any = None,
        weights: Weights | None = None,
        layer: str | Sequence[str] | None = None,
        channels: str | Sequence[int] | None = None,
        gate: str | Sequence[str] | None = None,
        features: str | Sequence[str] | None = None,
        size: AskedSize = None,
        reduce: Reduction = "rms",
        scale: Scale = "paired",
        gate_scale: GateScale | None = None,
        overlay: bool = False,
        mask: MaskLike | None = None,
        seed: int | None = None,
        factory_arguments: Mapping[str, Any] | Iterable[str] = (),
        follow_links: bool = False,
        max_pixels: int = MAX_PIXELS,
        progress: Progress = silent,
        **settings: Any,
    ) -> None:
        self.options = MapOptions(reduce, scale, "gated", overlay=overlay, gate_scale=gate_scale, local_only=False)
        if (gate is None) != (features is None):
            missing, given = ("features", "gate") if features is None else ("gate", "features")
            raise ConfigError(
                given, f"is one of a pair: name the layer of the other in `{missing}`", value=gate or features
            )
        if gate is not None and layer is not None:
            raise ConfigError(
                "layer", "draws features, and `gate` what a gate does to them; leave one out", value=layer
            )
        if channels is not None and layer is None:
            raise ConfigError("channels", "are those of a layer; name it in `layer`", value=channels)
        self._layer, self._gate, self._features = layer, gate, features
        self._channels = None if channels is None else _channels_of(channels)
        self._masks = None if mask is None else Masks(mask, max_pixels, follow_links=follow_links)
        self._max_pixels = max_pixels
        self.network: AnyNetwork = find_any_model(model, weights, seed, factory_arguments, settings, progress)
        self.size = size_of(size, self.network.source.validated if self.network.source is not None else None)
        self._built: dict[tuple[int, int], BuiltNetwork] = {}

    def layers(self, image: ImageInput | None = None) -> LayerList:
        """The model's layers with their shapes, in the order in which they first give an output."""
        if image is None:
            pixels = np.zeros((_LISTED_SIDE, _LISTED_SIDE, 3), np.uint8)
        else:
            _, photo = read_image(image_of(image), self.size, self._max_pixels)
            pixels = self._stepped(photo).pixels
        network = self._network(*pixels.shape[:2])
        kinds = {name: type(each).__name__ for name, each in network.module.named_modules()}
        found = []
        for name, one in self._run(network, pixels, self.network.name, ran).items():
            form = map_form(one.shape, pixels.shape[:2], tokens_before(network.module))
            shape = None if form is None or form.height * form.width == 1 else (form.channels, form.height, form.width)
            if one.shape is not None:
                found.append(Layer(name, kinds[name], one.shape[1:], shape))
        return LayerList(self.network.name, *pixels.shape[:2], tuple(found))

    def inspect(self, image: ImageInput, *, progress: Progress = silent) -> LayerResult:
        """Look at one image. Raises: as `inspect_layers`, with the image's name."""
        if self._layer is None and self._gate is None:
            raise ConfigError("layer", "name the layers to draw, or a gate's in `gate`; `list_layers` lists them all")
        named = image_of(image)
        source, photo = read_image(named, self.size, self._max_pixels)
        photo = self._stepped(photo)
        mask_source, mask = (None, None) if self._masks is None else self._masks.of(named, photo)
        pixels = photo.pixels
        network = self._network(*pixels.shape[:2])
        module = network.module
        if self._gate is None:
            assert self._layer is not None
            choices = list(dict.fromkeys(choose(module, self._layer, "layer")))
            outputs = self._outputs(network, pixels, choices, named.name)
            layers = self._features_of(module, choices, outputs, pixels)
            notes: tuple[str, ...] = ()
        else:
            assert self._features is not None
            pairs = _pairs(choose(module, self._gate, "gate"), choose(module, self._features, "features"))
            outputs = self._outputs(network, pixels, [one for pair in pairs for one in pair], named.name)
            regions = (lambda shape: gradient_regions(pixels, shape)) if mask is None else (
                lambda shape: mask_regions(mask, shape))  # fmt: skip
            layers = self._gates_of(module, pairs, outputs, pixels, regions)
            notes = _notes(layers)
        for line in [*(f"{named.name}: {note}" for note in photo.notes), *(f"{named.name}: {note}" for note in notes)]:
            progress.warn(line)
        return LayerResult(
            image=source,
            pixels=pixels,
            model=self.network.name,
            record=network.record,
            stamp=network.stamp,
            kind="gates" if self._gate is not None else "features" if self._channels is None else "channels",
            options=self.options,
            size=self.size,
            normalisation=network.normalisation,
            mask=mask_source,
            layers=layers,
            object_mask=mask,
            notes=notes,
        )

    def _network(self, height: int, width: int) -> BuiltNetwork:
        if (height, width) not in self._built:
            self._built = {(height, width): self.network.built(height, width)}  # one at a time is held
        return self._built[height, width]

    def _stepped(self, photo: Photo) -> Photo:
        """The image at sides that the model takes."""
        step = self.network.step
        height, width = (max(step, round(side / step) * step) for side in photo.pixels.shape[:2])
        if (height, width) == photo.pixels.shape[:2]:
            return photo
        from PIL import Image  # here alone

        pixels = np.asarray(Image.fromarray(photo.pixels).resize((width, height), Image.Resampling.LANCZOS))
        return replace(photo, pixels=pixels)

    def _outputs(
        self, network: BuiltNetwork, pixels: NDArray[np.uint8], choices: Sequence[LayerChoice], image: str
    ) -> dict[str, Tensor]:
        """What the layers chosen gave, by name; those that did not run are left out."""
        taps = {name for one in choices for name in last_parts(network.module, one.name)}
        found = self._run(network, pixels, image, lambda module, x: tapped(module, x, dict.fromkeys(taps)))
        names = dict.fromkeys(one.name for one in choices)
        ran_as = {name: where_it_ran(network.module, name, found) for name in names}
        return {name: found[tap] for name, tap in ran_as.items() if tap is not None}

    def _run(
        self, network: BuiltNetwork, pixels: NDArray[np.uint8], image: str, run: Callable[[nn.Module, Tensor], _Found]
    ) -> _Found:
        shown = torch.from_numpy(network.normalisation.applied(pixels))[None]
        parameter = next(network.module.parameters(), None)
        try:
            with torch.inference_mode():
                return run(network.module, shown if parameter is None else shown.to(parameter))
        except Exception as error:
            size = (pixels.shape[0], pixels.shape[1])
            raise InputError(image, f"{self.network.name} {refusal(error, size)}") from error

    def _features_of(
        self,
        module: nn.Module,
        choices: Sequence[LayerChoice],
        outputs: Mapping[str, Tensor],
        pixels: NDArray[np.uint8],
    ) -> tuple[LayerMaps, ...]:
        found: list[LayerMaps] = []
        for choice in choices:
            features = _array(self._map_of(module, choice, outputs, pixels, "layer", needed=len(choices) == 1))
            if features is None:
                continue
            _check(features, str(choice))
            if self._channels is None:
                maps = stage_maps({"f_loc": reduce_channels(features, self.options.reduce)}, self.options.scale, None)
                rows: tuple[tuple[str, StageMap], ...] = (("features", maps["f_loc"]),)
            else:
                rows = self._channel_rows(choice, features)
            found.append(_maps(str(choice), rows, {"features": features}, "features"))
        if not found:
            raise ConfigError("layer", "no output of these layers is a map; `list_layers` shows which are",
                              value=", ".join(map(str, choices[:3])))  # fmt: skip
        panels = sum(len(one.rows) for one in found)
        if panels > _MOST_PANELS:
            raise ConfigError(
                "layer", f"{panels} maps are too many for one figure, which draws {_MOST_PANELS}; name fewer"
            )
        return tuple(found)

    def _channel_rows(self, choice: LayerChoice, features: Array) -> tuple[tuple[str, StageMap], ...]:
        chosen = self._channels
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
        scale = self.options.scale
        if scale == "column":
            limited = stage_maps({"f_loc": np.stack(values)}, "map", None)["f_loc"].limits
            maps = [StageMap(one, limited) for one in values]
        else:
            maps = [stage_maps({"f_loc": one}, scale, None)["f_loc"] for one in values]
        return tuple((f"channel {number}", panel) for number, panel in zip(numbers, maps, strict=True))

    def _gates_of(
        self,
        module: nn.Module,
        pairs: Sequence[tuple[LayerChoice, LayerChoice]],
        outputs: Mapping[str, Tensor],
        pixels: NDArray[np.uint8],
        regions: Any,
    ) -> tuple[LayerMaps, ...]:
        made: list[tuple[LayerChoice, LayerChoice, dict[Row, Array], dict[str, Array]]] = []
        for gate, multiplied in pairs:
            features = _array(self._map_of(module, multiplied, outputs, pixels, "features", needed=True))
            assert features is not None
            output = _output(gate, outputs, "gate")
            found = as_gate(output, pixels.shape[:2], tokens_before(module))
            if found is None:
                shape = " × ".join(map(str, output.shape[1:]))
                raise ConfigError(
                    "gate", f"its output is neither a map nor a value for each channel ({shape})", value=gate
                )
            opened = _array(gate.of(found))
            assert opened is not None
            if opened.shape[0] not in (1, len(features)):
                raise ConfigError(
                    "features",
                    f"has {plural(len(features), 'channel')} and its gate {len(opened)}: name those that it "
                    f"multiplies, such as {multiplied.name}[0:{len(opened)}]",
                    value=multiplied,
                )
            if opened.shape[1:] not in ((1, 1), features.shape[1:]):
                sizes = ["x".join(map(str, one.shape[1:])) for one in (opened, features)]
                raise ConfigError(
                    "gate", f"is {sizes[0]} and {multiplied} {sizes[1]}: one cannot multiply the other", value=gate
                )
            for name, values in ((gate, opened), (multiplied, features)):
                _check(values, str(name))
            whole = np.ascontiguousarray(np.broadcast_to(opened, features.shape))
            rows: dict[Row, Array] = {"f_loc": features, "gate": whole, "gated": features * whole}
            raw = {"f_loc": features, "gate": opened, "gated": rows["gated"]}
            made.append((gate, multiplied, rows, raw))
        if 3 * len(made) > _MOST_PANELS:
            raise ConfigError("gate", f"{len(made)} gates are too many for one figure; name fewer")
        reduced = [
            {row: reduce_channels(features, _reduction(self.options, row)) for row, features in rows.items()}
            for _, _, rows, _ in made
        ]
        shared = gate_limits([maps["gate"] for maps in reduced], self.options)
        result = []
        for number, ((gate, multiplied, rows, raw), maps) in enumerate(zip(made, reduced, strict=True), start=1):
            panels = stage_maps(maps, self.options.scale, shared)
            found_regions: Regions = regions(rows["f_loc"].shape[1:])
            measures: StageMeasures = measure_stage(number, rows["f_loc"], rows["gate"], found_regions)
            drawn = tuple((str(row), panel) for row, panel in panels.items())
            result.append(replace(_maps(str(gate), drawn, raw, "f_loc"), features=str(multiplied), measures=measures))
        return tuple(result)

    def _map_of(
        self,
        module: nn.Module,
        choice: LayerChoice,
        outputs: Mapping[str, Tensor],
        pixels: NDArray[np.uint8],
        setting: str,
        *,
        needed: bool,
    ) -> Tensor | None:
        if not needed and choice.name not in outputs:
            return None
        output = _output(choice, outputs, setting)
        found = as_map(output, pixels.shape[:2], tokens_before(module))
        if found is None:
            if not needed:
                return None
            shape = " × ".join(map(str, output.shape[1:]))
            raise ConfigError(setting, f"its output is no map ({shape}); `list_layers` shows which are", value=choice)
        return choice.of(found)


def _maps(name: str, rows: tuple[tuple[str, StageMap], ...], raw: Mapping[str, Array], of: str) -> LayerMaps:
    channels, height, width = raw[of].shape
    return LayerMaps(name, channels, height, width, rows, raw)


def _output(choice: LayerChoice, outputs: Mapping[str, Tensor], setting: str) -> Tensor:
    if choice.name not in outputs:
        raise ConfigError(setting, "gave no output when the model ran; `list_layers` lists those that do", value=choice)
    return outputs[choice.name]


def _array(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else tensor.float().cpu().contiguous().numpy()


def _check(features: Array, name: str) -> None:
    if not features.size:
        raise ConfigError("layer", "these channels are none", value=name)
    if not np.isfinite(features).all():
        raise InputError(None, f"{name} holds NaN or infinite values, which no map can be made of")


def _reduction(options: MapOptions, row: Row) -> Reduction:
    return "mean" if row == "gate" and options.reduce == "pca" else options.reduce


def _pairs(gates: list[LayerChoice], features: list[LayerChoice]) -> list[tuple[LayerChoice, LayerChoice]]:
    if len(features) == 1:
        features = features * len(gates)
    if len(gates) != len(features):
        found = f"{plural(len(features), 'layer')} for {plural(len(gates), 'gate')}"
        raise ConfigError(
            "features", f"{found}: name one for all, or the one that each gate multiplies, in their order"
        )
    return list(zip(gates, features, strict=True))


def _channels_of(asked: str | Sequence[int]) -> int | tuple[int, ...]:
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


def _notes(layers: Sequence[LayerMaps]) -> tuple[str, ...]:
    """A gate that is stuck, or that is no gate of 0 to 1."""
    found = []
    for one in layers:
        gate = one.raw["gate"]
        low, high = float(gate.min()), float(gate.max())
        if low < 0 or high > 1:
            found.append(f"{one.name}: its values, {low:.3g} to {high:.3g}, are no shares of 0 to 1.")
        elif float(np.mean(np.minimum(gate, 1 - gate) < _STUCK)) >= _NEARLY_ALL:
            found.append(f"{one.name}: saturated, nearly all of its values are at 0 or 1.")
    return tuple(found)
