"""How far two programs of the same model are apart, on real images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.augmentation import centre_view
from convneur.data.images import read_photo
from convneur.data.normalisation import Normalisation
from convneur.packaged import sample_images
from convneur.variants import DENSE_HEADS, ConvNeurConfig

__all__ = ["Agreement", "measure_agreement"]

_Floats = NDArray[np.float32]
_Program = Callable[[_Floats], _Floats]
"""Normalised images (B, C, H, W) -> what the model's `forward` gives."""


@dataclass(frozen=True)
class Agreement:
    """A program of a model beside another one, on the same images.

    Args:
        images: how many; sizes: height and width of what both saw.
        difference: root mean square of the logits' differences over their standard deviation, at the worst size.
        largest: the largest difference of two logits.
        labels_equal: share of labels (pixels, or images of a classifier) that are the same; None without a head.

    >>> Agreement(4, ((224, 224),), difference=2e-7, largest=1e-5, labels_equal=1.0).to_dict()["sizes"]
    [[224, 224]]
    """

    images: int
    sizes: tuple[tuple[int, int], ...]
    difference: float
    largest: float
    labels_equal: float | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "sizes": [list(size) for size in self.sizes],
            "difference": self.difference,
            "largest": self.largest,
            "labels_equal": self.labels_equal,
        }


def measure_agreement(
    program: _Program,
    reference: _Program,
    config: ConvNeurConfig,
    sizes: Sequence[tuple[int, int]],
    normalisation: Normalisation,
) -> Agreement:
    """Ask both of the packaged images, cut to each size.

    Args: config: of the model that both compute; normalisation: of its images.

    >>> from convneur.variants import VARIANTS
    >>> def mean(x):
    ...     return x.mean((2, 3))
    >>> measure_agreement(mean, mean, VARIANTS["m1"], [(64, 64)], Normalisation()).labels_equal
    1.0
    """
    images = [read_photo(sample, long_side=None).pixels for sample in sample_images()]
    worst, largest, equal, labels = 0.0, 0.0, 0, 0
    for size in sizes:
        views = [normalisation.applied(centre_view(pixels, size)) for pixels in images]
        x = np.stack([view[np.arange(config.in_channels) % len(view)] for view in views])
        expected, given = reference(x), program(x)
        apart = given - expected
        rms = float(np.sqrt(np.mean(np.square(apart, dtype=np.float64))) / (expected.std(dtype=np.float64) or 1))
        worst = float(np.maximum(worst, rms))  # unlike max, NaN where either is
        largest = float(np.maximum(largest, np.abs(apart).max()))
        same = given.argmax(1) == expected.argmax(1)
        equal, labels = equal + int(same.sum()), labels + same.size
    has_labels = config.head == "classifier" or config.head in DENSE_HEADS
    return Agreement(len(images), tuple(sizes), worst, largest, equal / labels if has_labels else None)
