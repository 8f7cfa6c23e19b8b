"""What is looked at: images and their masks, from files or as objects, at the size that the model sees."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convneur.data.folders import name_of
from convneur.data.image_folder import images_under, label_maps_among
from convneur.data.images import ImageInput, Photo, read_photo
from convneur.data.labels import resized
from convneur.data.masks import MaskFolder, as_mask, is_soft, looks_inverted, read_mask_labels
from convneur.errors import ConfigError, InputError
from convneur.formats import as_text
from convneur.gates.sources import ImageSource, MaskSource, ValidatedView, sha256_of
from convneur.model.network import MIN_SIDE

__all__ = [
    "INVERTED",
    "AskedSize",
    "MaskLike",
    "Masks",
    "NamedImage",
    "image_of",
    "images_of",
    "masks_of",
    "read_image",
    "size_of",
    "stages_of",
]

MaskLike = str | Path | NDArray[Any]
AskedSize = int | Literal["native", "validation"] | None

INVERTED = "looks inverted: its object covers all borders, its background is one spot inside; give 0 for the background"
"""Of a mask, in words."""

_STAGES = (1, 2, 3, 4)
_LONGEST = 8192  # what a long side takes of memory grows with its square
_DEFAULT = 512


@dataclass(frozen=True, eq=False)
class NamedImage:
    """An image before it is read. name: as it is reported; key: what its mask is found by, None for an object."""

    image: ImageInput
    name: str
    key: str | None


def image_of(image: ImageInput, name: str = "image") -> NamedImage:
    """One image. Args: name: of an object; a file has its own."""
    if isinstance(image, (str, Path)):
        path = Path(image)
        return NamedImage(path, as_text(path), path.stem)
    return NamedImage(image, name, None)


def images_of(
    images: "ImageInput | Sequence[ImageInput]", *, follow_links: bool = False
) -> tuple[list[NamedImage], list[str]]:
    """Every image, those under folders included, whose key is the relative path without suffix.

    Returns: the images; what lies in the folders and is not read, in words.
    Raises:  InputError: a path that is not there, a folder without any. ConfigError: an empty list.
    """
    found: list[NamedImage] = []
    unread: list[str] = []
    given = images if isinstance(images, (list, tuple)) else [images]
    for number, each in enumerate(given, start=1):
        if isinstance(each, (str, Path)) and not Path(each).exists():
            raise InputError(Path(each), "no such file or folder")
        if not isinstance(each, (str, Path)) or not Path(each).is_dir():
            found.append(image_of(each, f"image {number}"))
            continue
        folder = Path(each)
        listing = images_under(folder, follow_links=follow_links)
        found += [NamedImage(path, as_text(path), name_of(path, folder)) for path in listing.files]
        unread += [*listing.warnings(), *label_maps_among(listing)]
    if not found:
        raise ConfigError("images", "is empty; name an image or a folder of them")
    return found, unread


def read_image(image: NamedImage, size: int | ValidatedView | None, max_pixels: int) -> tuple[ImageSource, Photo]:
    """An image at the size that the model sees. Raises: InputError: as `read_photo`."""
    try:
        if isinstance(size, ValidatedView):
            found = read_photo(image.image, long_side=None, max_pixels=max_pixels)
            side = size.long_side(found.height, found.width)
            pixels = read_photo(found.pixels, long_side=side, min_side=MIN_SIDE).pixels
            photo = replace(found, pixels=pixels)
        else:
            photo = read_photo(image.image, long_side=size, min_side=MIN_SIDE, max_pixels=max_pixels)
    except InputError as error:
        if error.path is None:
            raise InputError(image.name, error.problem) from None
        raise
    sha256 = sha256_of(image.image) if isinstance(image.image, Path) else None
    return ImageSource(image.name, sha256, photo.height, photo.width), photo


class Masks:
    """Where masks come from: one image's file or array, or a folder of many images' masks.

    Raises: ConfigError: no such file or folder; InputError: a folder without label maps.
    """

    def __init__(self, mask: MaskLike, max_pixels: int, *, follow_links: bool = False) -> None:
        self._max_pixels = max_pixels
        self._mask: NDArray[Any] | Path | MaskFolder
        if isinstance(mask, (str, Path)):
            path = Path(mask)
            if not path.exists():
                raise ConfigError("mask", "no such file or folder", value=mask)
            self._mask = MaskFolder(path, follow_links=follow_links) if path.is_dir() else path
        else:
            self._mask = np.asarray(mask)

    def __str__(self) -> str:
        if isinstance(self._mask, np.ndarray):
            return "array"
        return as_text(self._mask if isinstance(self._mask, Path) else self._mask.folder)

    @property
    def of_many(self) -> bool:
        """Whether it is a folder, whose masks are found by name."""
        return isinstance(self._mask, MaskFolder)

    @property
    def unread(self) -> list[str]:
        """What lies in the folder and is not read, in words."""
        return self._mask.warnings() if isinstance(self._mask, MaskFolder) else []

    def of(self, image: NamedImage, photo: Photo) -> tuple[MaskSource, NDArray[np.float32]]:
        """An image's mask at the size that the model sees: 1 object, 0 background, between them a share, -1 void.

        Raises: InputError: there is none, it cannot be read, or it has not the image's own size.
        """
        if isinstance(self._mask, np.ndarray):
            path, name, sha256, labels = None, "mask", None, self._mask
        else:
            path = self._mask if isinstance(self._mask, Path) else self._found(self._mask, image)
            labels = read_mask_labels(path, max_pixels=self._max_pixels)
            name, sha256 = as_text(path), sha256_of(path)
        try:
            values = as_mask(labels)
        except InputError as error:
            raise InputError(path, error.problem) from None
        if values.shape != (photo.height, photo.width):
            raise InputError(
                name,
                f"{values.shape[0]}x{values.shape[1]} pixels, but its image has {photo.height}x{photo.width} "
                "(height x width, upright); give a mask of the image's own size",
            )
        known = values[values >= 0]
        share = float(known.mean(dtype=np.float64)) if known.size else None
        height, width = photo.pixels.shape[:2]
        found = MaskSource(name, sha256, share, is_soft(values), looks_inverted(labels))
        return found, resized(values, (height, width))

    @staticmethod
    def _found(folder: MaskFolder, image: NamedImage) -> Path:
        if image.key is None:
            raise InputError(image.name, f"has no name to find its mask in {folder.folder} by; give the mask itself")
        try:
            return folder.find(image.key)
        except InputError as error:
            raise InputError(image.name, f"{error}") from None


def masks_of(
    mask: "MaskLike | Sequence[MaskLike] | None",
    images: Sequence[NamedImage],
    max_pixels: int,
    *,
    follow_links: bool = False,
) -> "list[Masks] | list[None]":
    """Where the mask of each image comes from, image by image.

    Raises: ConfigError: one mask for several images, or a list that is longer or shorter than theirs.
    """
    if mask is None:
        return [None] * len(images)
    if not isinstance(mask, (str, Path, np.ndarray)):
        if len(mask) != len(images):
            raise ConfigError("mask", f"{len(mask)} masks for {len(images)} images; give one for each")
        return [Masks(each, max_pixels) for each in mask]
    masks = Masks(mask, max_pixels, follow_links=follow_links)
    if len(images) > 1 and not masks.of_many:
        raise ConfigError("mask", "is one mask; with several images give a folder of masks", value=masks)
    return [masks] * len(images)


def stages_of(stage: Literal["all"] | int | Sequence[int]) -> tuple[int, ...]:
    """The stages asked for, in order. Raises: ConfigError: none, or one that is not 1 to 4."""
    if isinstance(stage, str) and stage == "all":
        return _STAGES
    asked = [stage] if isinstance(stage, int) else list(stage)
    if not asked or not set(asked) <= set(_STAGES):
        value = ",".join(map(str, asked)) or "()"
        raise ConfigError("stage", "choose all, or some of 1, 2, 3, 4", value=value)
    return tuple(sorted(set(map(int, asked))))


def size_of(size: AskedSize, validated: ValidatedView | None) -> int | ValidatedView | None:
    """The long side asked for, None for the image's own, or how images were seen when the weights were validated.

    Choice: left out, it is the latter where the weights' file says it, else 512.
    Raises: ConfigError: none of these, or weights that do not say it.
    """
    if size is None:
        return validated or _DEFAULT
    if size == "native":
        return None
    if size == "validation":
        if validated is None:
            raise ConfigError("size", "the weights do not say at which size they were validated; give it", value=size)
        return validated
    if not isinstance(size, int) or not MIN_SIDE <= size <= _LONGEST:
        raise ConfigError(
            "size", f"give the long side in pixels, {MIN_SIDE} to {_LONGEST}, native, or validation", value=size
        )
    return size
