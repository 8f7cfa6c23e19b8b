"""Images and models in, a report out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from convneur.data.image_folder import images_under
from convneur.data.images import ImageInput, read_photo
from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError, InputError
from convneur.formats import as_text
from convneur.layers.models import as_its_tensors
from convneur.model.network import ConvNeur
from convneur.progress import Progress, silent
from convneur.reach.context import around, context_changes, radii_to
from convneur.reach.gradients import energy, replknet_gradient
from convneur.reach.layers import Box, Layer, find_layers, layer_maps, local_window
from convneur.reach.models import Model, ReachModel, find_reach_model
from convneur.reach.ratios import area_ratios, replknet_map, replknet_ratios
from convneur.reach.result import FailedImage, LayerReach, ModelReach, ReachReport, Recipe
from convneur.sizes import Size, find_size

__all__ = ["measure_reach"]

_LEAST_SIDE = 32
_MOST_PROBES = 4096
_PROBES = 16  # Choice
_MOST_VALUES = 2**28  # of all images together, a gibibyte


@dataclass(frozen=True, eq=False)
class _View:
    """An image at the size that models see. name: as reported; given: its own height and width."""

    name: str
    pixels: NDArray[np.uint8]
    given: tuple[int, int]


def measure_reach(
    images: ImageInput | Sequence[ImageInput],
    *,
    model: Model = "photos",
    against: Model | None = None,
    layer: str | Sequence[str] = (),
    against_layer: str | Sequence[str] = (),
    position: tuple[int, int] | None = None,
    size: Size = 224,
    recipe: Recipe = "plain",
    probes: int | None = _PROBES,
    factory_arguments: Mapping[str, Any] | Iterable[str] = (),
    follow_links: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
) -> ReachReport:
    """How far information travels to a position of a model's features.

    Context share, the headline, needs no gradient: all outside a window is replaced by another image's pixels (each
    image's donor is the one before it), and the feature's change is compared with that when the whole image is. The
    effective receptive field (Luo et al. 2016) is the picture that the field knows; here E(q) = sum over channels of
    (dF/dx(q))^2, its root averaged over images, with area ratios of that map itself, which no constant factor changes.
    Choice: images are cut to the middle of the size's aspect and scaled to it (bicubic), so that all are of one size.

    Args:
        images: files, folders of them, Pillow images or arrays (H, W, 3) uint8 RGB. Two or more for the context.
        model: packaged weights by name, a file of weights, m1 to m4 or a .json file (untrained),
            "package.module:factory", "file.py:factory", "timm/NAME", a module, or a function that makes one. The code
            of a factory is run.
        against: a second model, such as the local-only twin.
        layer: names of modules as `named_modules` has them, or patterns such as "layer?"; left out, a ConvNeur's four
            stages, of another model the last map. against_layer: those of the second model; left out, the same names,
            or its own default where `layer` is left out too.
        position: row and column of a pixel of the images as given; each layer takes the position that holds it. None:
            the middle of the layer's map.
        size: as a side, (height, width) or text.
        recipe: plain, or replknet: the map and the ratios as RepLKNet's script has them.
        probes: random sums of channels that a gradient map is estimated by; None takes each channel, which is exact.
        factory_arguments: what each factory is called with: a dict, or texts such as depth=3.
        follow_links: read what links lead to that lead out of a folder, or to folders.
        progress: is told of each image, and of each that cannot be read.
    Raises: ConfigError: a setting that cannot be, a layer that is not there or is no map, a position outside the
        images; InputError: no image that can be read, a broken model, or one that refuses the size.

    >>> import convneur
    >>> pixels = list(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    >>> local = convneur.create("m1", dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), memory="none")
    >>> report = measure_reach(pixels, model=local, layer="stages.0", size=64, probes=4)
    >>> report.models[0].layers[0].context_share, report.models[0].layers[0].window
    (0.0, (20, 20, 48, 48))
    """
    sides = find_size(size)
    if min(sides) < _LEAST_SIDE:
        raise ConfigError("size", f"needs sides of at least {_LEAST_SIDE} pixels", value=size)
    if recipe not in ("plain", "replknet"):
        raise ConfigError("recipe", "choose plain, replknet", value=recipe)
    if probes is not None and not 1 <= probes <= _MOST_PROBES:
        raise ConfigError("probes", f"must be 1 to {_MOST_PROBES}", value=probes)
    if recipe == "replknet" and position is not None:
        problem = "is for the plain map; RepLKNet's ratios are about the image's middle; leave it out"
        raise ConfigError("position", problem, value=f"{position[0]},{position[1]}")
    if recipe == "replknet" and probes != _PROBES:
        raise ConfigError("probes", "is for the plain map; RepLKNet's adds all channels up; leave it out")
    views, failed = _views(images, sides, max_pixels, follow_links=follow_links, progress=progress)
    pixel = _pixel(position, views, sides)
    names = [layer] if isinstance(layer, str) else list(layer)
    others = ([against_layer] if isinstance(against_layer, str) else list(against_layer)) or names
    if against is None and against_layer:
        raise ConfigError("against_layer", "is a layer of the second model, and there is none; give `against`")
    asked = [("model", model, names, "layer")]
    if against is not None:
        asked.append(("against", against, others, "against_layer" if against_layer else "layer"))
    found = []
    for setting, each, wanted, of in asked:
        one = find_reach_model(each, sides, setting=setting, factory_arguments=factory_arguments, progress=progress)
        try:
            layers = find_layers(one.module, _input(one, views[:1]), wanted, setting=of, of_size=one.of_size)
        except ConfigError as error:
            if setting == "model" or of != "layer" or not wanted:
                raise
            problem = f"of {one.name}: {error.problem}; name those of the second model by `against_layer`"
            raise ConfigError("layer", problem, value=error.value) from None
        found.append((one, layers))
    if factory_arguments and not any(one.other for one, _ in found):
        raise ConfigError("factory_arguments", "no factory was named that takes them")
    if len({one.name for one, _ in found}) < len(found):  # as two modules of one class have
        found = [
            (replace(one, name=f"{one.name} {letter}"), layers)
            for letter, (one, layers) in zip("AB", found, strict=True)
        ]
    with progress.steps("measuring", sum(len(layers) for _, layers in found) * (len(views) + 1)) as advance:
        models = tuple(
            ModelReach(
                one.name,
                one.stamp,
                tuple(_layer(one, each, views, pixel, recipe, probes, advance) for each in layers),
                one.sha256,
            )
            for one, layers in found
        )
    return ReachReport(
        models, tuple(view.name for view in views), sides, position, recipe, probes, failed=tuple(failed)
    )


def _layer(
    model: ReachModel,
    layer: Layer,
    views: Sequence[_View],
    pixel: tuple[int, int] | None,
    recipe: Recipe,
    probes: int | None,
    advance: Any,
) -> LayerReach:
    size = (views[0].pixels.shape[0], views[0].pixels.shape[1])
    position = layer.position(size, pixel)
    cell = layer.cell(size, position)
    window = (
        local_window(model.module.config, layer.name, position, size) if isinstance(model.module, ConvNeur) else None
    )
    whole = (0, 0, *size)

    total = np.zeros(size)
    for view in views:
        x = _input(model, [view]).requires_grad_()
        feature = layer_maps(model.module, x, [layer])[layer.name][0, :, position[0], position[1]]
        if not feature.requires_grad:
            raise InputError(None, f"no gradient flows through {layer.name} of {model.name}; choose another `layer`")
        try:
            if recipe == "replknet":
                total += replknet_gradient(feature, x)
            else:
                total += np.sqrt(energy(feature, x, probes=probes, seed=0))
        except RuntimeError as error:
            if "allocate memory" in str(error):
                raise
            reason = " ".join(str(error).split())[:200]
            problem = f"{model.name} cannot be differentiated at {layer.name} ({reason}); choose another `layer`"
            raise InputError(None, problem) from error
        advance(view.name)
    total /= len(views)
    erf = total if np.isfinite(total).all() and total.any() else None
    ratios: Mapping[int, float | None] = {}
    beyond = None
    if recipe == "replknet":
        erf = None if erf is None else replknet_map(erf)
        ratios = replknet_ratios(total if erf is None else erf)
    else:
        top, left, bottom, right = cell
        ratios = area_ratios(total, ((top + bottom) // 2, (left + right) // 2))
        if erf is not None and window not in (None, whole):
            beyond = _outside(erf, window)

    share: float | None = None
    curve: tuple[tuple[int, float | None], ...] = ()
    if len(views) > 1:
        radii = radii_to(cell, size)
        windows = [around(cell, radius, size) for radius in radii]
        boxes = [*windows, *([window] if window not in (None, whole) else [])]
        changes = context_changes(model.module, _input(model, views), layer, position, boxes)
        curve = tuple(zip(radii, changes, strict=False))
        share = changes[-1] if len(boxes) > len(windows) else None
    advance(layer.name)
    return LayerReach(
        layer.name,
        layer.channels,
        layer.height,
        layer.width,
        position,
        cell,
        window,
        erf,
        ratios,
        beyond,
        share,
        curve,
        exact=recipe == "plain" and (probes is None or layer.channels <= probes),
    )


def _outside(values: NDArray[np.float64], box: Box) -> float:
    """The share of a map that lies outside a box; exactly 0 where nothing does."""
    top, left, bottom, right = box
    outside = values.copy()
    outside[top:bottom, left:right] = 0
    return float(outside.sum() / values.sum())


def _input(model: ReachModel, views: Sequence[_View]) -> torch.Tensor:
    """(B, 3, H, W), of the type and on the device that the model's tensors have."""
    stacked = np.stack([model.normalisation.applied(view.pixels) for view in views])
    return as_its_tensors(torch.from_numpy(stacked), model.module)


def _views(
    images: "ImageInput | Sequence[ImageInput]",
    size: tuple[int, int],
    max_pixels: int,
    *,
    follow_links: bool,
    progress: Progress,
) -> tuple[list[_View], list[FailedImage]]:
    """The images at one size. Raises: InputError: a path that is not there, no image that can be read."""
    named: list[tuple[str, ImageInput]] = []
    for number, each in enumerate(images if isinstance(images, (list, tuple)) else [images], start=1):
        if not isinstance(each, (str, Path)):
            named.append((f"image {number}", each))
        elif Path(each).is_dir():
            listing = images_under(Path(each), follow_links=follow_links)
            named += [(as_text(path), path) for path in listing.files]
            for line in listing.warnings():
                progress.warn(line)
        elif Path(each).exists():
            named.append((as_text(each), each))
        else:
            raise InputError(each, "no such file or folder")
    if 3 * size[0] * size[1] * len(named) > _MOST_VALUES:
        problem = (
            f"{len(named)} of {size[0]}x{size[1]} pixels are too many to hold at once; give fewer, or a smaller `size`"
        )
        raise ConfigError("images", problem)
    views, failed = list[_View](), []
    for name, image in named:
        try:
            photo = read_photo(image, long_side=None, max_pixels=max_pixels)
        except InputError as error:
            why = error.problem if error.path is None else str(error)
            failed.append(FailedImage(name, why))
            progress.error(why)
            continue
        for note in photo.notes:
            progress.warn(f"{name}: {note}")
        height, width = photo.pixels.shape[:2]
        top, left, bottom, right = _cut((height, width), size)
        pixels = Image.fromarray(photo.pixels).resize(
            (size[1], size[0]), Image.Resampling.BICUBIC, (left, top, right, bottom)
        )
        views.append(_View(name, np.asarray(pixels), (height, width)))
    if not views:
        raise (
            InputError(None, "none of the images can be read") if named else ConfigError("images", "name at least one")
        )
    return views, failed


def _cut(given: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest middle part of an image of this aspect: top, left, bottom, right."""
    scale = min(given[0] / size[0], given[1] / size[1])
    height, width = size[0] * scale, size[1] * scale
    top, left = (given[0] - height) / 2, (given[1] - width) / 2
    return top, left, top + height, left + width


def _pixel(position: tuple[int, int] | None, views: Sequence[_View], size: tuple[int, int]) -> tuple[int, int] | None:
    """The pixel asked for as models see it. Raises: ConfigError: images of several sizes, or none of theirs."""
    if position is None:
        return None
    typed = ",".join(map(str, position))
    sizes = {view.given for view in views}
    if len(sizes) > 1:
        raise ConfigError(
            "position", "the images are of several sizes; give some of one size, or leave it out", value=typed
        )
    ((height, width),) = sizes
    row, column = position
    if not (0 <= row < height and 0 <= column < width):
        raise ConfigError("position", f"is outside the images, of {height}x{width} pixels", value=typed)
    top, left, bottom, right = _cut((height, width), size)
    seen = (row + 0.5 - top) / (bottom - top) * size[0], (column + 0.5 - left) / (right - left) * size[1]
    if not (0 <= seen[0] < size[0] and 0 <= seen[1] < size[1]):
        part = f"rows {round(top)} to {round(bottom)}, columns {round(left)} to {round(right)}"
        raise ConfigError(
            "position", f"is outside the middle part that is seen ({part}); choose another `size`", value=typed
        )
    return int(seen[0]), int(seen[1])
