"""Whether a written graph says what torch says, on real images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convneur.data.augmentation import centre_view
from convneur.data.images import read_photo
from convneur.data.normalisation import Normalisation
from convneur.exporting.formats import format_of
from convneur.exporting.tracing import quiet
from convneur.graphs import InputShape, Precision
from convneur.inference import ExportedModel, Predictor
from convneur.model.network import ConvNeur
from convneur.packaged import sample_images
from convneur.variants import DENSE_HEADS

__all__ = ["BOUNDS", "Comparison", "compare"]

# Choice: of `difference`. float32 programs that differ in the order of sums come to 1e-6; int8 to 0.01.
BOUNDS: dict[Precision, float] = {"fp32": 1e-4, "int8": 0.05}

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """A graph beside torch on the same images.

    Args:
        images: how many; sizes: height and width of what both saw.
        difference: root mean square of the logits' differences over their standard deviation, at the worst size.
        largest: the largest difference of two logits.
        labels_equal: share of labels (pixels, or images of a classifier) that are the same; None without a head.
        bound: the largest `difference` that passes.

    >>> Comparison(4, ((224, 224),), difference=2e-7, largest=1e-5, labels_equal=1.0, bound=1e-4).passed
    True
    """

    images: int
    sizes: tuple[tuple[int, int], ...]
    difference: float
    largest: float
    labels_equal: float | None
    bound: float

    @property
    def passed(self) -> bool:
        return self.difference <= self.bound  # not so for NaN

    def to_dict(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "sizes": [list(size) for size in self.sizes],
            "difference": self.difference,
            "largest": self.largest,
            "labels_equal": self.labels_equal,
            "bound": self.bound,
            "passed": self.passed,
        }


def compare(predictor: Predictor, model: ConvNeur, path: Path, shape: InputShape, precision: Precision) -> Comparison:
    """Ask the file at `path` and the model in torch of the packaged samples."""
    run = _runner(path)
    images = [read_photo(sample, long_side=None).pixels for sample in sample_images()]
    normalisation = Normalisation(predictor.mean, predictor.std)
    worst, largest, equal, labels = 0.0, 0.0, 0, 0
    sizes = _sizes(shape)
    for size in sizes:
        views = [normalisation.applied(centre_view(pixels, size)) for pixels in images]
        x = np.stack([view[np.arange(model.config.in_channels) % len(view)] for view in views])
        with torch.inference_mode():
            expected = model(torch.from_numpy(x)).numpy()
        given = _in_batches(run, x, shape.batch or len(x))
        apart = given - expected
        rms = float(np.sqrt(np.mean(np.square(apart, dtype=np.float64))) / (expected.std(dtype=np.float64) or 1))
        worst = float(np.maximum(worst, rms))  # unlike max, NaN where either is
        largest = float(np.maximum(largest, np.abs(apart).max()))
        same = given.argmax(1) == expected.argmax(1)
        equal, labels = equal + int(same.sum()), labels + same.size
    has_labels = model.config.head == "classifier" or model.config.head in DENSE_HEADS
    return Comparison(len(images), sizes, worst, largest, equal / labels if has_labels else None, BOUNDS[precision])


def _sizes(shape: InputShape) -> tuple[tuple[int, int], ...]:
    """Those to compare at. Of any: the smallest, one that no stride divides, one for whose tokens no chunk is even."""
    if shape.size is not None:
        return (shape.size,)
    least = shape.least
    return ((least, least), (least + 3, 2 * least + 1), (max(352, least), max(480, least)))


def _runner(path: Path) -> Callable[[_Floats], _Floats]:
    if format_of(path) != "torch-export":
        return ExportedModel(path).run
    with quiet():
        module: Any = torch.export.load(path).module()

    def run(x: _Floats) -> _Floats:
        with torch.inference_mode():
            return module(torch.from_numpy(x)).numpy()

    return run


def _in_batches(run: Callable[[_Floats], _Floats], x: _Floats, batch: int) -> _Floats:
    parts: Sequence[_Floats] = [x[at : at + batch] for at in range(0, len(x), batch)]
    filled = [np.concatenate([part, np.zeros_like(x[: batch - len(part)])]) for part in parts]
    return np.concatenate([run(each)[: len(part)] for each, part in zip(filled, parts, strict=True)])
