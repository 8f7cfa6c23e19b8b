"""One image looked at: what a model's gates do to its local features."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from convneur.data.images import ImageInput, Photo
from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError, InputError
from convneur.gates.capture import capture_gates
from convneur.gates.inputs import (
    INVERTED,
    AskedSize,
    MaskLike,
    Masks,
    NamedImage,
    image_of,
    read_image,
    size_of,
    stages_of,
)
from convneur.gates.maps import GateScale, MapOptions, Row3, Scale, compared_maps
from convneur.gates.measures import measure_gates
from convneur.gates.models import Weights, check_gates, find_against, find_local_only, find_model
from convneur.gates.reads import check_reads
from convneur.gates.reduce import Reduction
from convneur.gates.result import GateResult
from convneur.gates.sources import WeightsSource
from convneur.progress import Progress, silent
from convneur.variants import ConvNeurConfig

__all__ = ["Inspector", "inspect"]

_INSTEAD = "leave out the gate's row (`gate=False`) and draw the block's output (`row3 output`)"


def inspect(
    image: ImageInput,
    *,
    weights: Weights | None = None,
    local_weights: Weights | None = None,
    against: Weights | None = None,
    model: str | Path | ConvNeurConfig | None = None,
    stage: Literal["all"] | int | Sequence[int] = "all",
    size: AskedSize = None,
    reduce: Reduction = "rms",
    scale: Scale = "paired",
    gate_scale: GateScale | None = None,
    row3: Row3 = "output",
    gate: bool = True,
    surprise: bool = False,
    block: int = 1,
    overlay: bool = False,
    chunk_borders: bool = False,
    reads: tuple[int, int] | None = None,
    mask: MaskLike | None = None,
    seed: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
    **settings: Any,
) -> GateResult:
    """Look at what a model's gates do to one image: local features before and after them, as maps and as values.

    Args:
        image: a file, a Pillow image, or an array (H, W, 3) uint8 RGB.
        weights: packaged ones by name, a file, a `ConvNeur` (its tensors are looked at in eval mode, the module is
            left as it is), or "none", an untrained model. None: the packaged `photos`, or an untrained model where
            `model`, `seed` or a setting asks for one that these are not.
        local_weights: the model without a global path of row 1, in the same forms; "same" is the model itself with
            its memory off. None: the packaged twin, where there is one, else "same".
        against: a second model, in the same forms, whose rows are drawn in the same colours, with the difference;
            "none" is the model before any training. It takes the place of row 1.
        model: the variant, a JSON file of settings or a config; with `weights` what these must be.
        stage: "all", or some of 1 to 4.
        size: the long side in pixels that the model sees, 32 to 8192, "native", or "validation": as large as images
            were when the weights were validated. None: the latter where their file says it, else 512.
        reduce, scale, gate_scale, row3, gate, surprise, overlay, chunk_borders, reads: which maps are drawn, and how;
            see `MapOptions`.
        block: which block of each stage, from 1.
        mask: what is measured against: a file or an array (H, W) of the image's own size, labels or shares, see
            `convneur.data.masks.as_mask`, or a folder that holds one of the image's name. None: image gradients.
        seed: of an untrained model, 0 where it is left out.
        max_pixels: image files and masks of more are refused by their headers.
        progress: is told of a gate that is saturated, of a mask that shows no object, or nothing else, and of parts
            that the training did not reach.
        settings: of the model, as `convneur.create` takes them; those of its chunks act on any weights.
    Raises:
        ConfigError: a value that cannot be, weights that are not there or of another model than asked for, a block
            without a gate.
        InputError: an image, a mask or weights that cannot be read; features that are NaN or infinite.

    >>> import numpy as np, convneur
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    >>> model = convneur.create("m1", dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8)
    >>> result = inspect(image, weights=model, stage=(1, 2), size=96)
    >>> [(stage.stage, stage.maps["gate"].values.shape) for stage in result.stages]
    [(1, (16, 24)), (2, (8, 12))]
    >>> 0.9 < result.measures[0].background_suppression.change < 1.1  # a young gate treats both alike
    True
    """
    inspector = Inspector(
        weights=weights,
        local_weights=local_weights,
        against=against,
        model=model,
        stage=stage,
        size=size,
        reduce=reduce,
        scale=scale,
        gate_scale=gate_scale,
        row3=row3,
        gate=gate,
        surprise=surprise,
        block=block,
        overlay=overlay,
        chunk_borders=chunk_borders,
        reads=reads,
        mask=mask,
        seed=seed,
        max_pixels=max_pixels,
        **settings,
    )
    return inspector.inspect(image, progress=progress)


class Inspector:
    """`inspect` for image after image: the weights are read once, and all settings are checked before any image.

    Takes and raises what `inspect` does; the masks of several images lie in a folder, under the images' names.

    >>> import numpy as np
    >>> inspector = Inspector(weights="none", mem_dim=8, stage=4, size=64)
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    >>> [inspector.inspect(image).stages[0].saturated for image in images]
    [False, False]
    """

    def __init__(
        self,
        *,
        weights: Weights | None = None,
        local_weights: Weights | None = None,
        against: Weights | None = None,
        model: str | Path | ConvNeurConfig | None = None,
        stage: Literal["all"] | int | Sequence[int] = "all",
        size: AskedSize = None,
        reduce: Reduction = "rms",
        scale: Scale = "paired",
        gate_scale: GateScale | None = None,
        row3: Row3 = "output",
        gate: bool = True,
        surprise: bool = False,
        block: int = 1,
        overlay: bool = False,
        chunk_borders: bool = False,
        reads: tuple[int, int] | None = None,
        mask: MaskLike | None = None,
        seed: int | None = None,
        follow_links: bool = False,
        max_pixels: int = MAX_PIXELS,
        **settings: Any,
    ) -> None:
        self.options = MapOptions(
            reduce,
            scale,
            row3,
            gate,
            surprise,
            overlay,
            gate_scale=gate_scale,
            chunk_borders=chunk_borders,
            local_only=against is None,
            reads=reads,
        )
        self.stages, self.block = stages_of(stage), block
        self._max_pixels = max_pixels
        self._masks = None if mask is None else Masks(mask, max_pixels, follow_links=follow_links)
        self._model, self.weights, twin = find_model(weights, model, seed, settings)
        self.size = size_of(size, self.weights.validated)
        self._told = False
        config = self.weights.config
        needs_gate = self.options.needs_gate
        check_gates(self.weights, stages=self.stages, block=block, needs_gate=needs_gate, instead=f", or {_INSTEAD}")
        if reads is not None:
            check_reads(config)
        if surprise and config.global_branch != "neural-memory":
            problem = f"a {config.global_branch} branch has none; choose a model with a neural memory"
            raise ConfigError("surprise", problem)
        if chunk_borders and config.global_branch != "neural-memory":
            problem = f"a {config.global_branch} branch has no chunks to outline; choose a model with a neural memory"
            raise ConfigError("chunk_borders", problem)
        if chunk_borders and config.order != "raster":
            raise ConfigError("chunk_borders", f"{config.order} chunks have none; choose `order raster`")
        self._local, self.local_only, self.against = None, None, None
        if against is None:
            self._local, self.local_only = find_local_only(local_weights, twin, self._model)
        else:
            if local_weights is not None:
                raise ConfigError("local_weights", "is row 1, whose place a second model takes; leave out `against`")
            self._second, self.against = find_against(against, self._model, settings)
            _check_comparable(self.against, self.weights, self.options, self.stages, block)

    @property
    def stamp(self) -> str | None:
        """What must be said of weights that learned nothing."""
        return self.weights.stamp

    def inspect(self, image: ImageInput, *, progress: Progress = silent) -> GateResult:
        """Look at one image. Raises: InputError: as `convneur.gates.inspect`, with the image's name."""
        return self._inspected(image_of(image), progress)

    def _inspected(self, image: NamedImage, progress: Progress) -> GateResult:
        source, photo = read_image(image, self.size, self._max_pixels)
        mask_source, mask = (None, None) if self._masks is None else self._masks.of(image, photo)
        pixel = self._pixel(image, photo)
        try:
            capture = capture_gates(
                self._model,
                self.weights.normalisation.applied(photo.pixels),
                local_only="off" if self.against is not None else self._local,
                local_image=None if self.local_only is None else self.local_only.normalisation.applied(photo.pixels),
                stages=self.stages,
                block=self.block,
                reads=pixel,
            )
            captures = [(capture, measure_gates(capture, photo.pixels, mask))]
            if self.against is not None:
                shown = self.against.normalisation.applied(photo.pixels)
                second = capture_gates(
                    self._second, shown, local_only="off", stages=self.stages, block=self.block, reads=pixel
                )
                captures.append((second, measure_gates(second, photo.pixels, mask)))
            columns = compared_maps(captures, self.options)
        except InputError as error:
            raise InputError(image.name, f"{error}") from None
        result = GateResult(
            image=source,
            pixels=photo.pixels,
            weights=self.weights,
            local_only=self.local_only,
            options=self.options,
            size=self.size,
            mask=mask_source,
            object_mask=mask,
            stages=columns[0],
            capture=capture,
        )
        if self.against is not None:
            other = replace(result, weights=self.against, stages=columns[1], capture=captures[1][0])
            result = replace(result, against=other)
        if not self._told:
            for line in self._notes():
                progress.warn(line)
            self._told = True
        for line in [*(f"{image.name}: {note}" for note in photo.notes), *_warnings(result)]:
            progress.warn(line)
        return result

    def _notes(self) -> list[str]:
        """What should not be missed of the models."""
        untrained = self.weights.untrained_parts(self.stages)
        found = [] if untrained is None else [untrained]
        if self.against is not None and self.against.same_as(self.weights):
            found.append("`against` and `weights` are the same model, so the difference is 0; name another")
        return found + ([] if self._masks is None else self._masks.unread)

    def _pixel(self, image: NamedImage, photo: Photo) -> tuple[int, int] | None:
        """The pixel asked for at the size that the model sees. Raises: InputError: the image does not hold it."""
        if self.options.reads is None:
            return None
        row, column = self.options.reads
        if row >= photo.height or column >= photo.width:
            problem = f"has {photo.height}x{photo.width} pixels (height x width), so none at row {row}, column {column}"
            raise InputError(image.name, f"{problem}; choose other `reads`")
        height, width = photo.pixels.shape[:2]
        return row * height // photo.height, column * width // photo.width


def _check_comparable(
    against: WeightsSource, own: WeightsSource, options: MapOptions, stages: Sequence[int], block: int
) -> None:
    """Whether a second model has the rows that are drawn, of maps of one size. Raises: ConfigError: it has not."""
    if options.reduce == "pca":
        raise ConfigError(
            "reduce", "gives each model an axis of its own; choose rms, mean, absmean or max", value="pca"
        )
    config, name = against.config, against.file or against.stamp or "of a module"
    local = config.memory == "none"
    if config.output_stride != own.config.output_stride:
        strides = f"has output stride {config.output_stride}, the first model {own.config.output_stride}"
        raise ConfigError(
            "against", f"{strides}, so that their maps differ in size; name one of that stride", value=name
        )
    if options.surprise and (local or config.global_branch != "neural-memory"):
        raise ConfigError("against", "has no surprise to compare; leave out `surprise`", value=name)
    if local and options.reads is not None:
        raise ConfigError("against", "has no reads to compare; leave out `reads`", value=name)
    if options.needs_gate and (local or config.fusion != "gating"):
        problem = f"has no gate to compare; choose a model with a gate, or {_INSTEAD}"
        raise ConfigError("against", problem, value=name)
    if not local:
        check_gates(against, stages=stages, block=block, needs_gate=False, setting="against")
    if options.reads is not None:
        try:
            check_reads(config)
        except ConfigError as error:
            raise ConfigError("against", f"{error}", value=name) from None


def _warnings(result: GateResult) -> list[str]:
    """What should not be missed of an image: a mask that tells nothing apart, a gate that is stuck."""
    found = []
    if result.mask is not None and result.measures and result.measures[0].foreground_share in (0, 1):
        shows = "nothing but object" if result.measures[0].foreground_share else "no object"
        found.append(f"{result.image.name}: its mask shows {shows}, so its numbers are undefined")
    if result.mask is not None and result.mask.inverted:
        found.append(f"{result.image.name}: its mask {INVERTED}")
    for stage in result.stages:
        if stage.saturated:
            share = f"{stage.saturation:.1%} of its values are at 0 or 1"
            found.append(f"{result.image.name}: the gate of stage {stage.stage} is saturated, {share}")
    return found
