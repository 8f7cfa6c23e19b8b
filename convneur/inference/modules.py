"""A model in torch as what labels images."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from convneur.data.images import MEAN, STD
from convneur.graphs import InputShape
from convneur.inference.logits import Pixels, image_logits, view_logits
from convneur.inference.windows import WINDOW
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

__all__ = ["ModuleRunner", "class_logits", "pixel_logits"]


class ModuleRunner:
    """The `Runner` of a model in torch, on the model's device. threads: of one operator; None: torch's own number."""

    def __init__(self, model: ConvNeur, threads: int | None = None) -> None:
        self.model, self.threads = model, threads

    @property
    def config(self) -> ConvNeurConfig:
        return self.model.config

    @property
    def shape(self) -> InputShape:
        return InputShape()

    def load(self, images: Sequence[NDArray[np.float32]]) -> Tensor:
        x = torch.stack([torch.from_numpy(image) for image in images])
        return x.to(self._device()).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(self, x: Tensor) -> Tensor:
        with _threads(self.threads):
            return self.model(x).float()

    def zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self._device())

    @torch.inference_mode()
    def resized(self, logits: Tensor, height: int, width: int) -> Tensor:
        return F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)

    def softmax(self, logits: Tensor) -> NDArray[np.float32]:
        return torch.softmax(logits, dim=0).cpu().numpy()

    def labels(self, logits: Tensor) -> NDArray[np.int64]:
        return logits.argmax(0).cpu().numpy()

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """The caller's number comes back: it is one for the whole process."""
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def pixel_logits(
    model: ConvNeur,
    images: Sequence[Pixels],
    *,
    scale: float = 1.0,
    window: tuple[int, int] | None = WINDOW,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> Tensor:
    """What a model with a dense head says of each pixel of images of one size.

    Choice: an image larger than the window after scaling is cut into windows that overlap by a fourth or more, whose
        logits are averaged. What a model knows of the whole image, it then knows of a window: a global branch's
        context, the statistics of a dense head's group norm. Away from seams a model without either says what it says
        of the whole image, if the sides are multiples of 32. Sides below 32 are scaled up to 32.
    Args:
        images: (H, W, 3) uint8 each; scale: factor on their sides before the model; window: height, width after that,
            None shows them whole; mean, std: of the pixels that the model was trained on.
    Returns: (B, K, H, W) float32, at the images' own size.

    >>> import convneur
    >>> model = convneur.create("m1", head="light-fpn", num_classes=3).eval()
    >>> pixel_logits(model, [np.zeros((40, 50, 3), np.uint8)]).shape
    torch.Size([1, 3, 40, 50])
    """
    return image_logits(ModuleRunner(model), images, scale=scale, window=window, mean=mean, std=std)


@torch.inference_mode()
def class_logits(
    model: ConvNeur,
    images: Sequence[Pixels],
    crop: tuple[int, int],
    *,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> Tensor:
    """What a classifier says of images of any sizes: of the middle of each at the size it was trained at. (B, K).

    >>> import convneur
    >>> model = convneur.create("m1", num_classes=10).eval()
    >>> class_logits(model, [np.zeros((40, 50, 3), np.uint8)], (64, 64)).shape
    torch.Size([1, 10])
    """
    return view_logits(ModuleRunner(model), images, crop, mean=mean, std=std)
