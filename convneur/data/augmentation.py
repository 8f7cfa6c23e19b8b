"""Random views of an example: crops at random scales, flips, colours; label maps are never interpolated.

Pillow does the work on the pixels; this module draws the numbers. What they are depends on (seed, epoch, index) alone,
so that a view is the same whichever process or worker makes it, and in a resumed run.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from convneur.data.images import MEAN
from convneur.data.labels import LabelMap

__all__ = ["Augmentation", "centre_view", "random_of"]

Pixels = NDArray[np.uint8]
_FILL = tuple(round(255 * channel) for channel in MEAN)  # zero to the net, which sees normalised pixels
_RATIO = (3 / 4, 4 / 3)  # of a random resized crop's sides (Szegedy et al. 2015)
_TRIES = 10


def random_of(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random numbers of one view."""
    return np.random.default_rng([seed, epoch, index])


@dataclass(frozen=True)
class Augmentation:
    """How a view is drawn.

    Args:
        crop: height and width of a view.
        scale: with a label map: the range of the factor on the image's sides; with a class: the range of the view's
            share of the image's area.
        flip: how often left and right are exchanged.
        colour: brightness, contrast and saturation are multiplied by up to 1 - colour and 1 + colour each.
        rand_augment: magnitude of RandAugment, 0 to 10; 0 leaves it out. Photos with a class only.
        erase: how often a rectangle is overwritten with noise. Photos with a class only.
    """

    crop: tuple[int, int]
    scale: tuple[float, float]
    flip: float = 0.5
    colour: float = 0.0
    rand_augment: float = 0.0
    erase: float = 0.0

    def segmentation(
        self, pixels: Pixels, labels: LabelMap, random: np.random.Generator, ignore_index: int
    ) -> tuple[Pixels, LabelMap]:
        """A view of an image and its label map: scaled by a factor, cut, flipped, recoloured.

        An image that is smaller than the view after scaling is surrounded by the mean colour and `ignore_index`.
        Args:    pixels: (H, W, 3); labels: (H, W).
        Returns: (h, w, 3), (h, w) of the view.
        """
        height, width = labels.shape
        factor = math.exp(random.uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        # The view's place and size in the scaled image; what it covers of it, in the image's own pixels, is `box`.
        rows, columns = (
            (min(side, max(round(size * factor), 1)), max(round(size * factor), 1))
            for side, size in zip(self.crop, (height, width), strict=True)
        )
        top, left = (int(random.integers(whole - part + 1)) for part, whole in (rows, columns))
        box = (
            left * width / columns[1],
            top * height / rows[1],
            (left + columns[0]) * width / columns[1],
            (top + rows[0]) * height / rows[1],
        )
        size = (columns[0], rows[0])
        image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box)
        view = np.asarray(Image.fromarray(_mode(labels)).resize(size, Image.Resampling.NEAREST, box))
        if size != (self.crop[1], self.crop[0]):
            corner = tuple(
                int(random.integers(side - part + 1)) for side, part in zip(self.crop, view.shape, strict=True)
            )
            canvas = Image.new("RGB", (self.crop[1], self.crop[0]), _FILL)
            canvas.paste(image, (corner[1], corner[0]))
            around = np.full(self.crop, ignore_index, np.result_type(view.dtype, np.min_scalar_type(ignore_index)))
            around[corner[0] : corner[0] + view.shape[0], corner[1] : corner[1] + view.shape[1]] = view
            image, view = canvas, around
        if random.random() < self.flip:
            image, view = ImageOps.mirror(image), view[:, ::-1]
        return np.asarray(self.recoloured(image, random)), view

    def classification(self, pixels: Pixels, random: np.random.Generator) -> Pixels:
        """A random resized crop of an image, flipped, recoloured, (h, w, 3). Args: pixels: (H, W, 3)."""
        height, width = pixels.shape[:2]
        for _ in range(_TRIES):
            area = height * width * random.uniform(*self.scale)
            ratio = math.exp(random.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                break
        else:
            h, w = min(height, round(width / _RATIO[0])), min(width, round(height * _RATIO[1]))
        top, left = int(random.integers(height - h + 1)), int(random.integers(width - w + 1))
        image = Image.fromarray(pixels).resize(
            (self.crop[1], self.crop[0]), Image.Resampling.BICUBIC, (left, top, left + w, top + h)
        )
        if random.random() < self.flip:
            image = ImageOps.mirror(image)
        if self.rand_augment:
            image = _rand_augment(image, self.rand_augment, random)
        view = np.array(self.recoloured(image, random))
        if random.random() < self.erase:
            _erase(view, random)
        return view

    def recoloured(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
        """An image with brightness, contrast and saturation changed, in a random order."""
        if not self.colour:
            return image
        enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for which in random.permutation(len(enhancers)):
            image = enhancers[which](image).enhance(random.uniform(max(1 - self.colour, 0), 1 + self.colour))
        return image


def centre_view(pixels: Pixels, crop: tuple[int, int]) -> Pixels:
    """The middle of an image, 7/8 of what fits, at the size of a view: how a classifier is asked. (h, w, 3)."""
    height, width = pixels.shape[:2]
    share = 0.875 * min(height / crop[0], width / crop[1])
    h, w = crop[0] * share, crop[1] * share
    box = ((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)
    return np.asarray(Image.fromarray(pixels).resize((crop[1], crop[0]), Image.Resampling.BICUBIC, box))


def _mode(labels: LabelMap) -> LabelMap:
    """Of a type that Pillow resizes."""
    return labels if labels.dtype == np.uint8 else labels.astype(np.int32)


def _erase(view: Pixels, random: np.random.Generator) -> None:
    """Random erasing with noise in each pixel (Zhong et al. 2017): 2 to 33 % of the area, sides 0.3 to 3.3."""
    height, width = view.shape[:2]
    for _ in range(_TRIES):
        area = height * width * random.uniform(0.02, 1 / 3)
        ratio = math.exp(random.uniform(math.log(0.3), math.log(1 / 0.3)))
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < h < height and 0 < w < width:
            top, left = int(random.integers(height - h + 1)), int(random.integers(width - w + 1))
            view[top : top + h, left : left + w] = random.integers(0, 256, (h, w, 3), dtype=np.uint8)
            return


# RandAugment (Cubuk et al. 2019) with the operations and ranges of timm's `rand-m9-mstd0.5-inc1`, which DeiT names:
# two operations, each done half of the time, at a magnitude of N(9, 0.5) of 10; `share` is that magnitude over 10.


def _rand_augment(image: Image.Image, magnitude: float, random: np.random.Generator) -> Image.Image:
    for which in random.choice(len(_OPERATIONS), 2):
        if random.random() < 0.5:
            share = float(np.clip(random.normal(magnitude, 0.5), 0, 10)) / 10
            sign = 1 if random.random() < 0.5 else -1
            image = _OPERATIONS[which](image, share, sign)
    return image


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_FILL)


def _solarize_add(image: Image.Image, share: float) -> Image.Image:
    more = min(128, int(share * 110))
    return image.point([min(255, value + more) if value < 128 else value for value in range(256)] * 3)


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance], image: Image.Image, step: float) -> Image.Image:
    return kind(image).enhance(max(0.1, 1 + 0.9 * step))


_OPERATIONS: tuple[Callable[[Image.Image, float, int], Image.Image], ...] = (
    lambda image, share, sign: ImageOps.autocontrast(image),
    lambda image, share, sign: ImageOps.equalize(image),
    lambda image, share, sign: ImageOps.invert(image),
    lambda image, share, sign: image.rotate(30 * share * sign, Image.Resampling.BILINEAR, fillcolor=_FILL),
    lambda image, share, sign: ImageOps.posterize(image, max(4 - int(share * 4), 1)),
    lambda image, share, sign: ImageOps.solarize(image, 256 - min(256, int(share * 256))),
    lambda image, share, sign: _solarize_add(image, share),
    lambda image, share, sign: _enhanced(ImageEnhance.Color, image, share * sign),
    lambda image, share, sign: _enhanced(ImageEnhance.Contrast, image, share * sign),
    lambda image, share, sign: _enhanced(ImageEnhance.Brightness, image, share * sign),
    lambda image, share, sign: _enhanced(ImageEnhance.Sharpness, image, share * sign),
    lambda image, share, sign: _affine(image, 1, 0.3 * share * sign, 0, 0, 1, 0),
    lambda image, share, sign: _affine(image, 1, 0, 0, 0.3 * share * sign, 1, 0),
    lambda image, share, sign: _affine(image, 1, 0, 0.45 * share * sign * image.width, 0, 1, 0),
    lambda image, share, sign: _affine(image, 1, 0, 0, 0, 1, 0.45 * share * sign * image.height),
)
