"""Which photo of a folder belongs to a label map."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from convneur.errors import InputError

__all__ = ["PhotoFolder", "photos_under"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
_ENDINGS = ("", "_leftImg8bit")  # what photos' names may have beyond the pair's; Cityscapes has the second


def photos_under(folder: Path) -> Iterator[Path]:
    """The files under a folder that a photo's suffix names, hidden ones left out, folder by folder by name."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.lower() in _SUFFIXES and not name.startswith("."):
                yield path


class PhotoFolder:
    """The photos under a folder, found by the names of pairs.

    Choice: the same relative path without suffix; else the same file name, if one photo alone has it.
    Raises: InputError: no photo in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._by_path: dict[str, Path] = {}
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in photos_under(folder):
            self._by_path.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
            self._by_stem[path.stem].append(path)
        if not self._by_path:
            raise InputError(folder, f"no photo in it (a file that ends in {', '.join(_SUFFIXES)})")

    def find(self, name: str) -> Path | None:
        """The photo of a pair, None if there is none or it is not clear which."""
        for ending in _ENDINGS:
            if name + ending in self._by_path:
                return self._by_path[name + ending]
        found = [path for ending in _ENDINGS for path in self._by_stem.get(Path(name).name + ending, ())]
        return found[0] if len(found) == 1 else None
