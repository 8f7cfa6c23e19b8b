"""The images of a folder, and which of them belongs to a label map."""

from collections import defaultdict
from pathlib import Path

from convneur.data.decoding import FORMATS, faults_named, opened_image
from convneur.data.folders import Kind, Listing, list_files, name_of, nearest, nfc
from convneur.data.limits import MAX_PIXELS
from convneur.errors import InputError

__all__ = ["IMAGE_SUFFIXES", "ImageFolder", "images_under", "label_maps_among"]

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".j2k", ".jpx", ".tga", ".ppm",
    ".pgm", ".pnm", ".pbm", ".jpe", ".jfif", ".mpo", ".apng",
)  # fmt: skip
_IMAGES = Kind("image", IMAGE_SUFFIXES, "convert them to PNG or JPEG")
_ENDINGS = ("", "_leftImg8bit")  # what images' names may have beyond the pair's; Cityscapes has the second


def images_under(folder: Path, *, follow_links: bool = False) -> Listing:
    """The images under a folder, one at least. Raises: InputError: there is none, a folder that cannot be read."""
    found = list_files(folder, _IMAGES, follow_links=follow_links)
    if not found.files:
        raise found.nothing()
    return found


def label_maps_among(found: Listing) -> list[str]:
    """What looks like label maps among the images of a folder, in words, as where a data set is given whole.

    Choice: a folder that lies beside another one, of files of the same names, if it is called as those of label maps
        are, or its first file has one value per pixel and the other's has colours.
    """
    tops: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in found.files:
        top, _, name = name_of(path, found.folder).partition("/")
        if name:
            tops[top][name] = path
    said = []
    for top, files in tops.items():
        for other, images in tops.items():
            shared = files.keys() & images.keys()
            if other == top or 2 * len(shared) < len(files) or other.lower() in _OF_LABELS:
                continue
            if top.lower() in _OF_LABELS or (_is_grey(files[min(shared)]) and not _is_grey(images[min(shared)])):
                said.append(
                    f"{found.folder}: {top}/ looks like label maps of the images in {other}/, and its {len(files)} "
                    f"files are taken for images too; give {found.folder / other} alone"
                )
                break
    return said


_OF_LABELS = frozenset(
    {"annotation", "annotations", "ann", "gt", "ground_truth", "label", "labels", "mask", "masks", "gtfine", "targets"}
)


def _is_grey(path: Path) -> bool:
    """Whether a file has one value per pixel, by its header; one that cannot be read is said where it is."""
    try:
        with faults_named(path, again=""), opened_image(path, FORMATS, max_pixels=MAX_PIXELS) as image:
            return image.mode in ("1", "L", "P", "I", "I;16")
    except InputError:
        return False


class ImageFolder:
    """The images under a folder, found by the names of pairs.

    Choice: the same relative path without suffix; else the same file name, if one image alone has it.
    Args:   listing: what lies there; the names of its images are `name_of` them.
    Raises: InputError: no image in the folder.
    """

    def __init__(self, folder: Path, *, follow_links: bool = False) -> None:
        self.listing = images_under(folder, follow_links=follow_links)
        self._by_path: dict[str, Path] = {}
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in self.listing.files:
            self._by_path.setdefault(name_of(path, folder), path)
            self._by_stem[nfc(path.stem)].append(path)

    def at(self, name: str) -> Path | None:
        """The image of a pair by its relative path, None if there is none."""
        name = nfc(name)
        return next((self._by_path[name + ending] for ending in _ENDINGS if name + ending in self._by_path), None)

    def find(self, name: str) -> Path | None:
        """The image of a pair, None if there is none or it is not clear which."""
        if (image := self.at(name)) is not None:
            return image
        name = nfc(name)
        found = [path for ending in _ENDINGS for path in self._by_stem.get(Path(name).name + ending, ())]
        return found[0] if len(found) == 1 else None

    def nearest(self, name: str) -> str:
        """The name of an image that is most like a name."""
        return nearest(nfc(name), self._by_path)[0]
