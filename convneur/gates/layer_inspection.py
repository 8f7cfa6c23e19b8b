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
from convneur.gates.any_model import AnyNetwork, BuiltNetwork, find_any_model, find_second, is_foreign
from convneur.gates.inputs import AskedSize, MaskLike, Masks, image_of, read_image, size_of
from convneur.gates.layer_maps import (
    Channels,
    LayerOutputs,
    channel_numbers,
    feature_maps,
    gated_maps,
    in_the_same_colours,
    pairs_of,
)
from convneur.gates.layer_result import Layer, LayerList, LayerMaps, LayerResult
from convneur.gates.maps import GateScale, MapOptions, Scale
from convneur.gates.models import Weights
from convneur.gates.reduce import Reduction
from convneur.gates.regions import Regions, gradient_regions, mask_regions
from convneur.gates.tapping import LayerChoice, choose
from convneur.layers.models import as_its_tensors
from convneur.layers.outputs import (
    Second,
    last_parts,
    map_form,
    ran,
    refusal,
    second_look,
    tapped,
    tokens_before,
    where_it_ran,
)
from convneur.progress import Progress, silent

__all__ = ["LayerInspector", "inspect_layers", "list_layers"]

_Found = TypeVar("_Found")

_LISTED_SIDE = 224
_STUCK, _NEARLY_ALL = 1e-3, 0.9


def list_layers(model: Any = None, *, image: ImageInput | None = None, **settings: Any) -> LayerList:
    """The layers of a model with the shapes of their outputs.

    Args: model, settings: as `inspect_layers` takes them; image: whose size they have; without one it is `size` by
        `size`, or 224x224.

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
    against: Any = None,
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
        against: a second model, whose maps of the same layers are drawn in the same colours, with the difference: other
            weights of the model, or another model as `model` takes it; "none" is the model before any training.
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
            size; a second model without these layers, or with maps of another size.
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
        against=against,
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
        against: Any = None,
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
        if channels is not None and reduce != "rms":
            raise ConfigError("reduce", "makes one map of all channels, and `channels` draws each; leave one out",
                              value=reduce)  # fmt: skip
        if layer is not None:
            for setting, unused in (("mask", mask is not None), ("gate_scale", gate_scale is not None)):
                if unused:
                    raise ConfigError(setting, "is for a gate, and `layer` draws features; leave one out")
        self._layer, self._gate, self._features = layer, gate, features
        self._channels = None if channels is None else channel_numbers(channels)
        self._masks = None if mask is None else Masks(mask, max_pixels, follow_links=follow_links)
        self._max_pixels = max_pixels
        if factory_arguments and not is_foreign(model) and not is_foreign(against):
            raise ConfigError("factory_arguments", "no factory was named that takes them")
        own_arguments = factory_arguments if is_foreign(model) else ()
        self.network: AnyNetwork = find_any_model(model, weights, seed, own_arguments, settings, progress)
        self._asked_size = size
        self.size = size_of(size, self.network.source.validated if self.network.source is not None else None)
        self.against = None
        if against is not None:
            if reduce == "pca":
                problem = "gives each model an axis of its own; choose rms, mean, absmean or max"
                raise ConfigError("reduce", problem, value="pca")
            self.against = find_second(against, model, self.network, factory_arguments, settings, progress)
        self._built: dict[tuple[int, int] | None, tuple[BuiltNetwork, ...]] = {}

    @property
    def stamp(self) -> str | None:
        """What must be said of weights that learned nothing; None before an image is looked at."""
        networks = next(iter(self._built.values()), ())
        return next((one.stamp for one in networks if one.stamp), None)

    def layers(self, image: ImageInput | None = None) -> LayerList:
        """The model's layers with their shapes, in the order of their last outputs."""
        if image is None:
            if isinstance(self._asked_size, str):
                raise ConfigError("size", "is that of an image; name one, or give a number", value=self._asked_size)
            side = self._asked_size or _LISTED_SIDE
            pixels = self._stepped(Photo(np.zeros((side, side, 3), np.uint8), side, side)).pixels
        else:
            _, photo = read_image(image_of(image), self.size, self._max_pixels)
            pixels = self._stepped(photo).pixels
        network = self._networks(*pixels.shape[:2])[0]
        kinds = {name: type(each).__name__ for name, each in network.module.named_modules()}
        outputs = self._run(network, pixels, self.network.name, ran)
        second = self._second(network, pixels, {name: one.shape for name, one in outputs.items()})
        found = []
        for name, one in outputs.items():
            other = None if second is None else second.of(name)
            form = map_form(one.shape, pixels.shape[:2], tokens_before(network.module), other)
            shape = None if form is None or form.height * form.width == 1 else (form.channels, form.height, form.width)
            if one.shape is not None:
                found.append(Layer(name, kinds[name], one.shape[1:], shape))
        return LayerList(self.network.name, pixels.shape[0], pixels.shape[1], tuple(found))

    def inspect(self, image: ImageInput, *, progress: Progress = silent) -> LayerResult:
        """Look at one image. Raises: as `inspect_layers`, with the image's name."""
        if self._layer is None and self._gate is None:
            raise ConfigError("layer", "name the layers to draw, or a gate's in `gate`; `list_layers` lists them all")
        named = image_of(image)
        source, photo = read_image(named, self.size, self._max_pixels)
        photo = self._stepped(photo)
        mask_source, mask = (None, None) if self._masks is None else self._masks.of(named, photo)
        height, width = photo.pixels.shape[:2]
        network = self._networks(height, width)[0]
        layers = self._looked_at(network, photo.pixels, mask, named.name, self._channels)
        result = LayerResult(
            image=source,
            pixels=photo.pixels,
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
            notes=_notes(layers),
        )
        if self.against is not None:
            result = self._compared(result, named.name)
        for note in (*photo.notes, *result.notes, *_same(result)):
            progress.warn(f"{named.name}: {note}")
        return result

    def _compared(self, result: LayerResult, image: str) -> LayerResult:
        """The result with that of the second model, both in the same colours."""
        assert self.against is not None
        network = self._networks(*result.pixels.shape[:2])[1]
        channels: Channels = None
        if self._channels is not None:  # those of the first model
            channels = {one.name: tuple(int(row.split()[1]) for row, _ in one.rows) for one in result.layers}
        try:
            layers = self._looked_at(network, result.pixels, result.object_mask, image, channels)
            first, second = in_the_same_colours(result.layers, layers)
        except ConfigError as error:
            raise ConfigError("against", f"{error}", value=self.against.name) from None
        other = replace(
            result,
            model=self.against.name,
            record=network.record,
            stamp=network.stamp,
            normalisation=network.normalisation,
            layers=second,
            notes=_notes(second),
        )
        return replace(result, layers=first, against=other)

    def _looked_at(
        self,
        network: BuiltNetwork,
        pixels: NDArray[np.uint8],
        mask: NDArray[np.float32] | None,
        image: str,
        channels: Channels,
    ) -> tuple[LayerMaps, ...]:
        module = network.module
        if self._gate is None:
            assert self._layer is not None
            choices = list(dict.fromkeys(choose(module, self._layer, "layer")))
            return feature_maps(self._outputs(network, pixels, choices, image), choices, channels, self.options)
        assert self._features is not None
        pairs = pairs_of(choose(module, self._gate, "gate"), choose(module, self._features, "features"))
        outputs = self._outputs(network, pixels, [one for pair in pairs for one in pair], image)

        def regions(shape: tuple[int, int]) -> Regions:
            return gradient_regions(pixels, shape) if mask is None else mask_regions(mask, shape)

        return gated_maps(outputs, pairs, regions, self.options)

    def _networks(self, height: int, width: int) -> tuple[BuiltNetwork, ...]:
        """The model for this size, and the second one."""
        models = [self.network] if self.against is None else [self.network, self.against]
        size = (height, width) if any(one.sized for one in models) else None
        if size not in self._built:
            self._built = {size: tuple(one.built(height, width) for one in models)}  # of one size are held
        return self._built[size]

    def _stepped(self, photo: Photo) -> Photo:
        """The image at sides that the model takes."""
        step = max(self.network.step, 1 if self.against is None else self.against.step)
        height, width = (max(step, round(side / step) * step) for side in photo.pixels.shape[:2])
        if (height, width) == photo.pixels.shape[:2]:
            return photo
        from PIL import Image  # here alone

        pixels = np.asarray(Image.fromarray(photo.pixels).resize((width, height), Image.Resampling.LANCZOS))
        return replace(photo, pixels=pixels)

    def _outputs(
        self, network: BuiltNetwork, pixels: NDArray[np.uint8], choices: Sequence[LayerChoice], image: str
    ) -> LayerOutputs:
        """What the layers chosen gave; those that did not run are left out."""
        module, names = network.module, dict.fromkeys(one.name for one in choices)
        taps = {part for name in names for part in last_parts(module, name)}
        found = self._run(network, pixels, image, lambda module, x: tapped(module, x, dict.fromkeys(taps)))
        ran_as = {name: where_it_ran(module, name, found) for name in names}
        tensors = {name: found[tap] for name, tap in ran_as.items() if tap is not None}
        second = self._second(network, pixels, {tap: tuple(found[tap].shape) for tap in ran_as.values() if tap})
        if second is not None:
            shapes = {name: second.shapes.get(tap) for name, tap in ran_as.items() if tap is not None}
            second = Second(shapes, second.size)
        return LayerOutputs(tensors, (pixels.shape[0], pixels.shape[1]), tokens_before(module), second)

    @staticmethod
    def _second(
        network: BuiltNetwork, pixels: NDArray[np.uint8], shapes: Mapping[str, tuple[int, ...] | None]
    ) -> Second | None:
        """The layers of these shapes on a wider image, where that is needed to tell which are maps."""
        return second_look(shapes, _shown(network, pixels), network.of_size)

    def _run(
        self, network: BuiltNetwork, pixels: NDArray[np.uint8], image: str, run: Callable[[nn.Module, Tensor], _Found]
    ) -> _Found:
        try:
            with torch.inference_mode():
                return run(network.module, _shown(network, pixels))
        except Exception as error:
            size = (pixels.shape[0], pixels.shape[1])
            raise InputError(image, f"{network.name} {refusal(error, size)}") from error


def _shown(network: BuiltNetwork, pixels: NDArray[np.uint8]) -> Tensor:
    """(1, 3, H, W), as the model takes it."""
    return as_its_tensors(torch.from_numpy(network.normalisation.applied(pixels))[None], network.module)


def _same(result: LayerResult) -> list[str]:
    """A second model that may be the first."""
    if result.against is None:
        return []
    pairs = zip(result.layers, result.against.layers, strict=True)
    if all(np.array_equal(panel.values, other.maps[row].values) for one, other in pairs for row, panel in one.rows):
        return ["both models give the same values, so the difference is 0; name another `against`"]
    return []


def _notes(layers: Sequence[LayerMaps]) -> tuple[str, ...]:
    """A gate that is stuck, or that is no gate of 0 to 1."""
    found = []
    for one in layers:
        if "gate" not in one.raw:
            continue
        gate = one.raw["gate"]
        low, high = float(gate.min()), float(gate.max())
        if low < 0 or high > 1:
            found.append(f"{one.name}: its values, {low:.3g} to {high:.3g}, are no shares of 0 to 1.")
        elif float(np.mean(np.minimum(gate, 1 - gate) < _STUCK)) >= _NEARLY_ALL:
            found.append(f"{one.name}: saturated, nearly all of its values are at 0 or 1.")
    return tuple(found)
