"""Which mask is a photo's, brought to the size that the net sees."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convneur.errors import InputError
from convneur_cli.errors import UsageError, existing_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convneur.data.images import Photo
    from convneur.data.masks import MaskFolder

__all__ = ["Masks", "masks_of"]


@dataclass(frozen=True)
class Masks:
    """Where masks come from: one photo's file, or a folder of many photos' masks."""

    source: "Path | MaskFolder"

    def find(self, image: Path, name: str) -> Path:
        """The mask of a photo, named by its relative path without suffix. Raises: InputError: there is none."""
        if isinstance(self.source, Path):
            return self.source
        try:
            return self.source.find(name)
        except InputError as error:
            raise InputError(image, f"{error}") from None

    @staticmethod
    def read(mask: Path, photo: "Photo") -> "NDArray[np.int8]":
        """The mask at the size of the photo as scaled. Raises: InputError: unreadable, or not the photo's own size."""
        from convneur.data.labels import resized
        from convneur.data.masks import read_mask

        values = read_mask(mask)
        if values.shape != (photo.height, photo.width):
            raise InputError(
                mask,
                f"{values.shape[0]}x{values.shape[1]} pixels, but its photo has {photo.height}x{photo.width} "
                "(height x width, upright); give a mask of the photo's own size",
            )
        height, width = photo.pixels.shape[:2]
        return resized(values, (height, width)).astype(values.dtype, copy=False)


def masks_of(typed: Path | None, *, single: bool) -> Masks | None:
    """What --mask names. Args: single: one photo alone, whose mask may be a file."""
    if typed is None:
        return None
    from convneur.data.masks import MaskFolder

    if existing_path(typed).is_dir():
        return Masks(MaskFolder(typed))
    if not single:
        raise UsageError(f"--mask {typed}: is one file; with several photos name a folder of masks")
    return Masks(typed)
