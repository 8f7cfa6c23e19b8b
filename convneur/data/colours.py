"""Colour tables: which class each colour of an RGB-coded label map means."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convneur.errors import InputError
from convneur.formats import as_text
from convneur.schema import SchemaError, parsed, read_text

if TYPE_CHECKING:  # the command line lists the presets, which hold colour tables, before NumPy is needed
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Colour", "ColourRow", "ColourTable", "colour_and_name", "read_colour_table"]

Colour = tuple[int, int, int]
ColourRow = tuple[int, int, int, str | None]  # None: ignored

# Choice: colours under these names stand for pixels that are ignored, not for a class.
_IGNORED = frozenset({"ignore", "ignored", "void", "unlabelled", "unlabeled"})
_SEPARATOR = r"[\s,;:]+"
_RGB = rf"(?P<red>\d{{1,9}}){_SEPARATOR}(?P<green>\d{{1,9}}){_SEPARATOR}(?P<blue>\d{{1,9}})"
_NAME = r"""(?P<name>"[^"]*"|'[^']*'|[^,;:\t]*?)"""
# `R G B name` (CamVid) or `name, R, G, B` (CSV, CVAT); a number beside the three is no name but a fourth number.
_LINES = (
    re.compile(rf"{_RGB}(?:{_SEPARATOR}(?!\d+(?:{_SEPARATOR}|$)){_NAME})?[\s,;:]*", re.ASCII),
    re.compile(rf"(?!\d+{_SEPARATOR}){_NAME}{_SEPARATOR}{_RGB}[\s,;:]*", re.ASCII),
)
_BLOCK = 1 << 20  # pixels looked up at a time: the memory that this takes is bounded


@dataclass(frozen=True)
class ColourTable:
    """names: of the classes, in order. classes: colour -> class, None for a colour that is ignored."""

    names: tuple[str, ...]
    classes: Mapping[Colour, int | None]

    @property
    def rows(self) -> tuple["ColourRow", ...]:
        """A row for each colour, from which `of_rows` makes the table again: what JSON can keep."""
        return tuple((*colour, None if k is None else self.names[k]) for colour, k in self.classes.items())

    @classmethod
    def of_rows(cls, rows: Iterable["ColourRow"]) -> "ColourTable":
        """Classes are numbered in the order of their first colour.

        >>> ColourTable.of_rows([(0, 0, 0, None), (9, 9, 9, "sky")]).classes
        {(0, 0, 0): None, (9, 9, 9): 0}
        """
        kept = list(rows)
        names = tuple(dict.fromkeys(name for *_, name in kept if name is not None))
        return cls(names, {(r, g, b): None if name is None else names.index(name) for r, g, b, name in kept})

    def renumbered(self, names: Sequence[str]) -> "ColourTable":
        """The same colours for classes in the order of `names`, whose case does not matter.

        Raises: InputError: a class of the table is not among the names.
        """
        order = {name.casefold(): k for k, name in enumerate(names)}
        for name in self.names:
            if name.casefold() not in order:
                raise InputError(None, f"colour table: {name} is none of the {len(names)} classes; use their names")
        moved = [order[name.casefold()] for name in self.names]
        classes = {colour: None if k is None else moved[k] for colour, k in self.classes.items()}
        return ColourTable(tuple(names), classes)

    def labels(self, pixels: "NDArray[np.uint8]", ignore_index: int | None) -> "NDArray[np.integer[Any]]":
        """The label map that an RGB picture means, (H, W).

        Args:   pixels: (H, W, 3); ignore_index: the label of colours that are ignored.
        Raises: InputError: a colour that is not in the table, or an ignored one without a label for it.
        """
        import numpy as np

        codes, labels = self._codes(ignore_index)
        height, width = pixels.shape[:2]
        found = np.empty(height * width, labels.dtype)
        unknown: dict[int, list[int]] = {}  # colour -> first pixel, pixels
        rows = max(_BLOCK // width, 1)
        for row in range(0, height, rows):
            block = pixels[row : row + rows].reshape(-1, 3).astype(np.uint32)
            code = block[:, 0] << 16 | block[:, 1] << 8 | block[:, 2]
            # Maps are made of runs of one colour: look each run up once.
            starts = np.flatnonzero(np.diff(code, prepend=code[0] ^ 1))
            lengths = np.diff(starts, append=len(code))
            colours = code[starts]
            index = np.searchsorted(codes, colours).clip(max=len(codes) - 1)
            found[row * width :][: len(code)] = np.repeat(labels[index], lengths)
            strange = np.flatnonzero(codes[index] != colours)
            for k in strange:
                first = unknown.setdefault(int(colours[k]), [row * width + int(starts[k]), 0])
                first[1] += int(lengths[k])
        ignored = ((r, g, b) for (r, g, b), k in self.classes.items() if k is None)
        void = next((colour for colour in ignored if colour[0] << 16 | colour[1] << 8 | colour[2] in unknown), None)
        if void:
            problem = f"colour {' '.join(map(str, void))} is to be ignored, and no label is the ignored one"
            raise InputError(None, f"{problem}; give `ignore_index` a number")
        if unknown:
            raise InputError(None, _unknown_colours(unknown, width))
        return found.reshape(height, width)

    def _codes(self, ignore_index: int | None) -> "tuple[NDArray[np.uint32], NDArray[np.integer[Any]]]":
        """Ascending colours as R << 16 | G << 8 | B, and the label of each."""
        import numpy as np

        kept = {c: ignore_index if k is None else k for c, k in self.classes.items()}
        pairs = sorted((r << 16 | g << 8 | b, k) for (r, g, b), k in kept.items() if k is not None)
        codes, labels = zip(*pairs, strict=True)
        smallest = np.result_type(np.min_scalar_type(min(labels)), np.min_scalar_type(max(labels)))
        return np.array(codes, np.uint32), np.array(labels, smallest)


def read_colour_table(path: Path) -> ColourTable:
    """The colour table in a file.

    Choice: a line per colour, `R G B name` or `name, R, G, B`, with blanks, tabs, commas, semicolons or colons
        between; a heading, empty lines and what follows # are passed over. Or JSON: {"name": [R, G, B]} or
        [{"name": ..., "color": [R, G, B]}]. Classes are numbered in the order of their first colour; colours of one
        name are one class; those named ignore, void or unlabelled are ignored. Without a name: its number.
    Raises:  InputError: no such table, with the line.
    """
    text = read_text(path, mend="write a line per colour: R G B name")
    entries = _json_entries(path, text) if path.suffix.lower() == ".json" else _text_entries(path, text)
    numbers: dict[str, int] = {}
    classes: dict[Colour, int | None] = {}
    for where, (red, green, blue), typed in entries:
        if max(red, green, blue) > 255 or min(red, green, blue) < 0:
            raise InputError(path, f"{where}: {red} {green} {blue} is no colour; R, G and B are 0 to 255")
        if as_text(typed) != typed:
            raise InputError(path, f"{where} holds half a character; correct it")
        name = typed or str(len(numbers))
        label = None if name.casefold() in _IGNORED else numbers.setdefault(name, len(numbers))
        if classes.setdefault((red, green, blue), label) != label:
            raise InputError(path, f"{where}: colour {red} {green} {blue} stands for two classes; name it once")
    if not numbers:
        raise InputError(path, "names no class; write a line per colour: R G B name")
    return ColourTable(tuple(numbers), classes)


def colour_and_name(line: str) -> tuple[Colour, str] | None:
    """What a line of a colour table holds, the name empty where it has none; None: it is no such line."""
    match = next((found for pattern in _LINES if (found := pattern.fullmatch(line))), None)
    if match is None:
        return None
    return (int(match["red"]), int(match["green"]), int(match["blue"])), (match["name"] or "").strip("\"' ")


def _text_entries(path: Path, text: str) -> Iterator[tuple[str, Sequence[int], str]]:
    heading = True
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        found = colour_and_name(content)
        if found is None and heading and not re.search(r"\d", content):
            heading = False
            continue
        if found is None:
            raise InputError(path, f"line {number}: {content[:40]!r} is not R G B and the name of a class")
        heading = False
        yield f"line {number}", *found


def _json_entries(path: Path, text: str) -> Iterable[tuple[str, Sequence[int], str]]:
    try:
        content = parsed(text)
    except SchemaError as error:
        raise InputError(path, f"{error}; correct it") from None
    if isinstance(content, dict):
        content = [{"name": name, "color": colour} for name, colour in content.items()]
    entries: list[tuple[str, Sequence[int], str]] = []
    for number, entry in enumerate(content if isinstance(content, list) else [], start=1):
        fields = entry if isinstance(entry, dict) else {}
        colour: Any = fields.get("color", fields.get("colour"))
        name = fields.get("name")
        if not isinstance(name, str) or not _is_colour(colour):
            raise InputError(path, f'entry {number} is not {{"name": ..., "color": [R, G, B]}}')
        entries.append((f"entry {number}", colour, name.strip()))
    return entries


def _is_colour(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(part) is int for part in value)


def _unknown_colours(unknown: Mapping[int, Sequence[int]], width: int) -> str:
    most = max(unknown, key=lambda code: unknown[code][1])
    first, count = unknown[most]
    pixels = "1 pixel" if count == 1 else f"{count} pixels"
    rest = len(unknown) - 1
    total = sum(count for _, count in unknown.values()) - count
    more = f"; {rest} more {'colour' if rest == 1 else 'colours'} in {total}" if rest else ""
    return (
        f"colour {most >> 16} {most >> 8 & 255} {most & 255} at row {first // width}, column {first % width} is not in "
        f"the colour table ({pixels}{more}); add it, or write the map without blending colours"
    )
