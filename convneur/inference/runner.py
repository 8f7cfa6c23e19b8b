"""What labels images: a model in torch, or an exported graph in another runtime. The same code asks either."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convneur.graphs import InputShape
from convneur.variants import ConvNeurConfig

__all__ = ["Array", "Runner"]

Array: TypeAlias = Any
"""A runner's own: a tensor on its device, or an array of NumPy's. Both can be sliced and added to."""


class Runner(Protocol):
    """config: of the model; shape: which images it takes. Arrays are (B, ...) and float32."""

    @property
    def config(self) -> ConvNeurConfig: ...

    @property
    def shape(self) -> InputShape: ...

    def load(self, images: Sequence[NDArray[np.float32]]) -> Array:
        """Images (3, H, W) of one size, normalised, as the (B, 3, H, W) that `run` takes."""

    def run(self, x: Array) -> Array:
        """What the model's `forward` gives for x or a part of it."""

    def zeros(self, *shape: int) -> Array: ...

    def resized(self, logits: Array, height: int, width: int) -> Array:
        """(B, K, h, w) -> (B, K, H, W): bilinear, pixels as areas (`align_corners=False`)."""

    def softmax(self, logits: Array) -> NDArray[np.float32]:
        """Probabilities of one image's logits, over their first axis."""

    def labels(self, logits: Array) -> NDArray[np.int64]:
        """(K, H, W) -> (H, W): the class of the largest logit."""
