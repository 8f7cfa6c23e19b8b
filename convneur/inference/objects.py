"""A trained detector with what its file says of it, and what it finds in an image."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from convneur.data.class_colours import class_colours
from convneur.data.images import ImageInput, read_photo
from convneur.data.limits import MAX_PIXELS
from convneur.data.normalisation import Normalisation
from convneur.data.run_lengths import RunMask
from convneur.errors import ConfigError, InputError
from convneur.inference.object_drawing import DrawnObject, drawn
from convneur.packaged import find_weights
from convneur.results import ReadOnly, Result, Table
from convneur.schema import SchemaError, typed

if TYPE_CHECKING:
    from convneur.detection import Detector

__all__ = ["FoundObject", "ObjectPrediction", "ObjectPredictor", "load_objects"]

_SIDES = (800, 1333)  # where a file does not say (Choice: MMDetection's)
_MOST_SCALE = 16.0


@dataclass(frozen=True)
class FoundObject:
    """label: the class's name; category: its id in the training file; score: 0 to 1; box: x, y, width, height in
    pixels; mask: of the image's size, None of a detector of boxes alone.

    >>> FoundObject("cell", 1, 0.9, (2.0, 3.0, 10.0, 8.0)).score
    0.9
    """

    label: str
    category: int
    score: float
    box: tuple[float, float, float, float]
    mask: RunMask | None = None

    def to_coco(self, image_id: int | str) -> dict[str, Any]:
        """An entry of COCO results."""
        entry: dict[str, Any] = {
            "image_id": image_id,
            "category_id": self.category,
            "bbox": [round(value, 3) for value in self.box],
            "score": round(self.score, 6),
        }
        if self.mask is not None:
            entry["segmentation"] = {"size": list(self.mask.shape), "counts": self.mask.text()}
        return entry


@dataclass(frozen=True, eq=False, repr=False)
class ObjectPrediction(Result):
    """The objects that were found in an image, by falling score. image: (H, W, 3) uint8, as it was read.

    >>> import numpy as np
    >>> print(ObjectPrediction(None, np.zeros((32, 48, 3), np.uint8), ("cell",), ()))
    Objects
    class  objects  highest score
    -----------------------------
    cell         0              -
    """

    name: str | None
    image: NDArray[np.uint8]
    classes: tuple[str, ...]
    objects: tuple[FoundObject, ...]

    def __repr__(self) -> str:
        return f"<ObjectPrediction of {self.name or 'an image'}: {len(self.objects)} objects>"

    def counts(self) -> dict[str, int]:
        """Objects by class."""
        return _counts(self.objects, self.classes)

    def drawing(self, *, score: float = 0.5) -> NDArray[np.uint8]:
        """The image with boxes, masks, classes and scores, and a legend below; enlarged where it is small.

        Choice: of a model of one class the scores stand alone.
        Args: score: the least of what is drawn; hundreds of uncertain objects would cover the image.
        """
        colours = class_colours(len(self.classes))
        colour = {label: tuple(colours[k].tolist()) for k, label in enumerate(self.classes)}
        shown = [each for each in self.objects if each.score >= score]
        counts = _counts(shown, self.classes)
        legend = [(f"{label} ({count})", colour[label]) for label, count in counts.items() if count]
        objects = []
        for each in shown:
            words = f"{each.score:.2f}" if len(self.classes) == 1 else f"{each.label} {each.score:.2f}"
            objects.append(DrawnObject(each.box, each.mask, words, colour[each.label]))
        less = len(self.objects) - len(shown)
        return drawn(self.image, objects, legend, f"{less} more with scores below {score:g}" if less else "")

    def to_dict(self) -> dict[str, Any]:
        height, width = self.image.shape[:2]
        objects = [each.to_coco(self.name or "") for each in self.objects]
        return {"name": self.name, "height": height, "width": width, "objects": objects}

    def tables(self) -> Sequence[Table]:
        best: dict[str, float] = {}
        for each in self.objects:
            best.setdefault(each.label, each.score)
        rows = [(label, str(count), f"{best[label]:.2f}" if count else "-") for label, count in self.counts().items()]
        return (Table("Objects", ("class", "objects", "highest score"), rows),)


def _counts(objects: Sequence[FoundObject], classes: Sequence[str]) -> dict[str, int]:
    found = Counter(each.label for each in objects)
    return {label: found[label] for label in classes}


@dataclass(frozen=True, eq=False, repr=False)
class ObjectPredictor:
    """A detector and what its file says of it.

    classes: names, by number; categories: their ids in the annotations that it was trained on; sides, scale: that
    images are brought to (see `convneur.detection.views.fitted`).

    >>> from convneur.detection import detector_settings, new_detector
    >>> from convneur.variants import ConvNeurConfig
    >>> import numpy as np
    >>> config = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8)
    >>> model = new_detector(config, detector_settings("mask-rcnn", num_classes=1, heads="light")).eval()
    >>> predictor = ObjectPredictor(model, "untrained", ("cell",), (1,), sides=(64, 64))
    >>> predictor.predict(np.zeros((64, 64, 3), np.uint8), score=0.99).objects
    ()
    """

    model: "Detector"
    name: str
    classes: tuple[str, ...]
    categories: tuple[int, ...]
    sides: tuple[int, int] = _SIDES
    scale: float = 1.0
    normalisation: Normalisation = field(default_factory=Normalisation)
    provenance: Mapping[str, Any] = field(default_factory=lambda: ReadOnly({}))

    @property
    def task(self) -> Literal["detection"]:
        return "detection"

    def __repr__(self) -> str:
        classes = f"{len(self.classes)} classes" if len(self.classes) > 1 else self.classes[0]
        return f"<ObjectPredictor {self.name}: {self.model.settings.title}, {classes}>"

    def predict(
        self,
        image: ImageInput,
        *,
        score: float | None = None,
        scale: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> ObjectPrediction:
        """Find the objects in an image.

        Args:
            image: a file, a Pillow image, or an array (H, W, 3) uint8 in RGB.
            score: the least of what is kept, 0 to 1; by default 0.05. An image has its best 100 in any case.
            scale: factor on the size that images are brought to; by default as it was validated.
        Raises: InputError: an image that cannot be read; ConfigError: a setting that cannot be.
        """
        from convneur.detection import find_objects

        check_object_settings(score=score, scale=scale)
        pixels = read_photo(image, long_side=None, max_pixels=max_pixels).pixels
        mean, std = self.normalisation.values
        below = score if score is not None and score < self.model.settings.least_score else None
        try:
            (found,) = find_objects(
                self.model, [pixels], self.sides, scale=scale or self.scale, mean=mean, std=std, least_score=below
            )
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error) and "allocate" not in str(error):
                raise
            raise InputError(None, "not enough memory for this image; choose a smaller `scale`") from None
        objects = [
            FoundObject(
                self.classes[label],
                self.categories[label],
                value,
                (x1, y1, x2 - x1, y2 - y1),
                None if found.masks is None else found.masks[number],
            )
            for number, (label, value, (x1, y1, x2, y2)) in enumerate(
                zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True)
            )
            if score is None or value >= score
        ]
        name = Path(image).stem if isinstance(image, (str, Path)) else None
        return ObjectPrediction(name, pixels, self.classes, tuple(objects))


def check_object_settings(*, score: float | None, scale: float | None) -> None:
    """Raises: ConfigError: one of them cannot be."""
    if score is not None and not 0 <= score <= 1:
        raise ConfigError("score", "must be from 0 to 1", value=score)
    if scale is not None and not 0 < scale <= _MOST_SCALE:
        raise ConfigError("scale", f"must be above 0 and at most {_MOST_SCALE:g}", value=scale)


def load_objects(weights: str | Path) -> ObjectPredictor:
    """A trained detector with what its file says of it.

    Args:   weights: a file that `convneur train` wrote of the task detection, or packaged weights by name.
    Raises: ConfigError: neither a file nor a name; InputError: a file that is no detector's.

    >>> load_objects("photos")
    Traceback (most recent call last):
    convneur.errors.InputError: ...: not weights of a detector (its format is 'convneur.weights/1', ...
    """
    import torch

    from convneur.detection import load_detector

    path = find_weights(weights)
    model, about = load_detector(path)
    for key, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(path, f"weight {key} holds NaN or infinite values; the training diverged")
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        said = typed(about, _Said, "provenance", strict=False)
    except (SchemaError, ConfigError) as error:
        raise InputError(path, f"what it says of its training is not as `convneur train` writes it ({error})") from None
    count = model.settings.num_classes
    classes = said.classes or tuple(str(k) for k in range(count))
    categories = said.categories or tuple(range(1, count + 1))
    if not len(classes) == len(categories) == count or len(set(classes)) < count:
        raise InputError(path, f"names {len(classes)} classes and {len(categories)} ids for a model of {count}")
    settings = said.settings or _SaidSettings()
    return ObjectPredictor(
        model,
        str(weights),
        classes,
        categories,
        settings.crop,
        settings.eval_scale,
        Normalisation(said.mean, said.std),
        ReadOnly(dict(about)),
    )


@dataclass(frozen=True)
class _SaidSettings:
    crop: tuple[int, int] = _SIDES
    eval_scale: float = 1.0

    def __post_init__(self) -> None:
        if not 32 <= min(self.crop) <= max(self.crop) <= 4096:
            raise ConfigError("crop", "must be 32 to 4096 pixels a side", value=self.crop)
        check_object_settings(score=None, scale=self.eval_scale)


@dataclass(frozen=True)
class _Said(Normalisation):
    classes: tuple[str, ...] | None = None
    categories: tuple[int, ...] | None = None
    settings: _SaidSettings | None = None
