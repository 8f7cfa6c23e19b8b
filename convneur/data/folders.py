"""What lies under a folder: the files that are read, the others by suffix, links that lead out of it."""

import bisect
import difflib
import os
import unicodedata
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from convneur.errors import InputError
from convneur.formats import as_text

__all__ = ["Kind", "Listing", "file_of", "list_files", "name_of", "nearest", "nfc", "some"]

_JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
# Choice: files that somebody may have meant to be read: images, volumes, arrays, raw data of cameras, films. Others,
# such as the .json of a labelling tool, are only named where nothing else lies in a folder.
_MEANT = _JPEG | {
    ".apng", ".avif", ".bmp", ".dib", ".exr", ".gif", ".hdr", ".heic", ".heif", ".ico", ".j2k", ".jp2", ".jxl", ".pbm",
    ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".svg", ".tga", ".tif", ".tiff", ".webp",
    ".dcm", ".h5", ".hdf5", ".mat", ".mha", ".mhd", ".nii", ".nii.gz", ".npy", ".npz", ".nrrd", ".pt", ".zarr",
    ".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2",
    ".avi", ".mkv", ".mov", ".mp4", ".webm",
}  # fmt: skip
_NEIGHBOURS = 20  # in the order of names, that one is compared with
_PACKED = (".gz", ".bz2", ".xz", ".zst")


class Kind(NamedTuple):
    """What a folder is listed for. noun: of one such file; suffixes: in lower case; advice: for files of others."""

    noun: str
    suffixes: tuple[str, ...]
    advice: str
    jpeg_advice: str | None = None


@dataclass(frozen=True)
class Listing:
    """A folder's files of one kind.

    Args:
        files: to be read, in the order of their paths.
        others: of other kinds, hidden ones and those of the system left out.
        links: that lead out of the folder and are not followed; repeated: links to a folder that is read already.
    """

    folder: Path
    kind: Kind
    files: tuple[Path, ...]
    others: tuple[Path, ...]
    links: tuple[Path, ...]
    repeated: tuple[Path, ...]

    def warnings(self, known: Collection[str] = ()) -> list[str]:
        """What somebody may have meant to be read and is not.

        Choice: a file beside one that is read, of its name but for the suffix, is not missed.
        Args: known: names that count as read too.
        """
        read = {name_of(path, self.folder) for path in self.files}.union(known)
        missed = [path for path in self.others if _suffix(path) in _MEANT and _bare(path, self.folder) not in read]
        said = []
        if missed:
            are = "file is" if len(missed) == 1 else "files are"
            said.append(f"{self.folder}: {len(missed)} {are} not read ({_by_suffix(missed)}); {self._advice(missed)}")
        return said + self._of_links()

    def nothing(self) -> InputError:
        """The error for a folder without a file of the kind."""
        problem = f"no {self.kind.noun} in it (a file that ends in {', '.join(self.kind.suffixes)})"
        if self.others:
            problem += f", but {_by_suffix(self.others)}; {self._advice(self.others)}"
        links = [line.removeprefix(f"{self.folder}: ") for line in self._of_links()]
        return InputError(self.folder, "; ".join([problem, *links]))

    def _advice(self, others: Sequence[Path]) -> str:
        jpeg = self.kind.jpeg_advice if any(_suffix(path) in _JPEG for path in others) else None
        return jpeg or self.kind.advice

    def _of_links(self) -> list[str]:
        said = []
        if self.links:
            are, lead = ("link is", "it leads") if len(self.links) == 1 else ("links are", "they lead")
            said.append(
                f"{self.folder}: {len(self.links)} {are} not followed: {some(self.links)}; `follow_links` reads what "
                f"{lead} to"
            )
        if self.repeated:
            links = "link leads" if len(self.repeated) == 1 else "links lead"
            said.append(
                f"{self.folder}: {len(self.repeated)} {links} to a folder that is read already: {some(self.repeated)}"
            )
        return said


def list_files(folder: Path, kind: Kind, *, follow_links: bool = False) -> Listing:
    """The files of a kind under a folder, at any depth.

    Choice: hidden files and folders do not count (`._a.png` of macOS is one). A link to a file within the folder is
        followed. Links that lead out of it, and links to folders, are followed with `follow_links` alone, a folder that
        several lead to once, so that links in a circle end.
    Raises: InputError: a folder that cannot be read.
    """
    root = os.path.realpath(folder)
    files: list[Path] = []
    others: list[Path] = []
    links: list[Path] = []
    repeated: list[Path] = []
    entered: set[str] = set()
    waiting = deque([folder])
    while waiting:
        top = waiting.popleft()
        if follow_links and os.path.realpath(top) in entered:
            repeated.append(top)
            continue
        for place, folders, names in os.walk(top, onerror=_unreadable):
            if follow_links:
                entered.add(os.path.realpath(place))
            here = Path(place)
            shown = [name for name in sorted(folders) if not name.startswith(".")]
            (waiting if follow_links else links).extend(here / name for name in shown if (here / name).is_symlink())
            folders[:] = [name for name in shown if not (follow_links and os.path.realpath(here / name) in entered)]
            for path in (here / name for name in names if not name.startswith(".")):
                if path.suffix.lower() not in kind.suffixes:
                    if path.name.casefold() not in ("thumbs.db", "desktop.ini"):
                        others.append(path)
                elif not follow_links and path.is_symlink() and not _is_under(path, root):
                    links.append(path)
                else:
                    files.append(path)
    return Listing(folder, kind, *(tuple(sorted(paths)) for paths in (files, others, links, repeated)))


def name_of(path: Path, folder: Path) -> str:
    """A file's path inside a folder without suffix, by which files are paired.

    Choice: as text that can be printed, bytes that are no UTF-8 as escapes; accents in their composed form (NFC), since
        macOS writes them decomposed.
    """
    return nfc(path.relative_to(folder).with_suffix("").as_posix())


def nfc(name: str) -> str:
    """A name as it is compared, see `name_of`."""
    return unicodedata.normalize("NFC", as_text(name))


def file_of(folder: Path, relative: str) -> Path:
    """The file under a folder that a path means, in whichever Unicode form its name is written there."""
    place = folder
    for part in Path(relative).parts:
        child = place / part
        if not os.path.lexists(child) and place.is_dir():
            alike = [found for found in place.iterdir() if nfc(found.name) == nfc(part)]
            child = alike[0] if len(alike) == 1 else child
        place = child
    return place


def nearest(name: str, names: Collection[str], count: int = 1) -> list[str]:
    """The names that are most like one, the nearest first.

    Choice: of those that contain it or are contained in it, or stand near it in the order of the names or of the names
        read backwards: a name that is like it has one end in common with it, and a data set may have 100 000.
    """
    near = [other for other in names if other in name or name in other][:_NEIGHBOURS]
    for turn in (1, -1):
        ordered = sorted(other[::turn] for other in names)
        at = bisect.bisect(ordered, name[::turn])
        near += [other[::turn] for other in ordered[max(at - _NEIGHBOURS, 0) : at + _NEIGHBOURS]]
    near += [other for other in names if other.casefold() == name.casefold()]
    return difflib.get_close_matches(name, dict.fromkeys(near), n=count, cutoff=0.0)


def some(items: Sequence[object]) -> str:
    """The first three of some items."""
    return ", ".join(as_text(item) for item in items[:3]) + (", ..." if len(items) > 3 else "")


def _is_under(path: Path, root: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(root)


def _suffix(path: Path) -> str:
    """In lower case; of packed files both: .nii.gz."""
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() + last if last in _PACKED else last


def _bare(path: Path, folder: Path) -> str:
    """As `name_of`, without .nii.gz too."""
    return name_of(path.with_suffix("") if path.suffix.lower() in _PACKED else path, folder)


def _by_suffix(paths: Sequence[Path]) -> str:
    counts = Counter(_suffix(path) or "without suffix" for path in paths)
    most = counts.most_common(5)
    rest = len(paths) - sum(count for _, count in most)
    return ", ".join([*(f"{count} {suffix}" for suffix, count in most), *([f"{rest} others"] if rest else [])])


def _unreadable(error: OSError) -> None:
    raise InputError.unreadable(error.filename, error) from None
