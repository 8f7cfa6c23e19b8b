"""The label maps of a folder, by the names that they are paired by."""

from collections.abc import Sequence
from pathlib import Path

from convneur.data.folders import Kind, list_files, name_of, nearest
from convneur.data.labels import JPEG_ADVICE, LABEL_SUFFIXES
from convneur.data.templates import Template
from convneur.errors import InputError

__all__ = ["LabelFolder"]

_LABELS = Kind(
    "label map",
    LABEL_SUFFIXES,
    "write label maps as PNG, TIFF or NPY",
    JPEG_ADVICE,
)


class LabelFolder:
    """The label maps under a folder, found by templates of their names.

    Choice: a template says what a relative path without suffix looks like: `{stem}_gtFine_labelIds`; with a suffix,
        `{stem}.png`, it means files of this type. `**/` at its beginning leaves folders out of the comparison. Of
        several templates a file takes the first that fits; of files with one stem the one with the earlier template
        counts.
    Args:   files: what the names have in common -> file, in the order of the former; listing: what lies there.
    Raises: InputError: no label map in it, none that a template fits, or two files of one name.
    """

    def __init__(self, folder: Path, templates: Sequence[Template] = (), *, follow_links: bool = False) -> None:
        templates = templates or [Template.of("name", "{stem}")]
        self.folder, self.templates = folder, tuple(template.text for template in templates)
        self.listing = list_files(folder, _LABELS, follow_links=follow_links)
        if not self.listing.files:
            raise self.listing.nothing()
        found: dict[str, tuple[int, Path]] = {}
        for path in self.listing.files:
            rank, stem = _fit(path, name_of(path, folder), templates)
            earlier, other = found.get(stem, (len(templates), path))
            if rank == len(templates):
                continue
            if earlier == rank:
                raise InputError(None, _twice(other, path, templates[rank]))
            if rank < earlier:
                found[stem] = rank, path
        if not found:
            said = " or ".join(template.text for template in templates)
            first = self.listing.files[0].relative_to(folder)
            raise InputError(
                folder, f"none of its {len(self.listing.files)} label maps is named {said}; one is named {first}"
            )
        self.files = {stem: path for stem, (_, path) in sorted(found.items())}

    @property
    def names(self) -> list[str]:
        """Of all label maps, whichever templates they fit."""
        return [name_of(path, self.folder) for path in self.listing.files]

    def nearest(self, stem: str) -> str:
        """What a file that is most like another's stem is found by."""
        return nearest(stem, self.files)[0]

    def warnings(self) -> list[str]:
        """See `Listing.warnings`."""
        return self.listing.warnings(self.files)


def _fit(path: Path, name: str, templates: Sequence[Template]) -> tuple[int, str]:
    """Which template is the first that fits a file, and the stem; (their number, "") if none does."""
    suffix = path.suffix.lower()
    for rank, template in enumerate(templates):
        stem = template.stem(name) if suffix in template.suffixes else None
        if stem is not None:
            return rank, stem
    return len(templates), ""


def _twice(one: Path, other: Path, template: Template) -> str:
    """What to do about two files that are found by one stem."""
    both = f"{one} and {other}"
    if one.parent != other.parent and one.stem == other.stem:
        named = template.setting != "name"
        return f"{both}: equal names but for the folder; " + (
            f"leave **/ out of `{template.setting}`" if named else "rename one of them"
        )
    suffixes = {one.suffix.lower(), other.suffix.lower()}
    if len(suffixes) == 1:
        return f"{both}: equal names but for upper and lower case of the suffix or the form of accents; keep one"
    typed = next(suffix for suffix in LABEL_SUFFIXES if suffix in suffixes)
    keep = f"{both}: equal names but for the suffix; keep one of them"
    if template.setting == "name" or template.text.endswith(tuple(LABEL_SUFFIXES)):
        return keep
    return f'{keep}, or say which: `{template.setting}="{template.text}{typed}"`'
