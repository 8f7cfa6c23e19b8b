"""Panoptic maps as COCO stores them: a JSON file that says what segments are, and PNG files whose colours are ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from convneur.data.folders import file_of
from convneur.data.json_lists import listed_entries
from convneur.data.labels import read_label_map_or_colours
from convneur.data.limits import MAX_PIXELS
from convneur.errors import InputError
from convneur.schema import SchemaError, typed

__all__ = ["PanopticCategory", "PanopticFile", "PanopticMap", "Segment", "read_panoptic", "read_segment_ids"]

ImageId = int | str


@dataclass(frozen=True, slots=True)
class Segment:
    """An entry of segments_info: a segment of one image."""

    id: int
    category_id: int
    iscrowd: int = 0


@dataclass(frozen=True, slots=True)
class PanopticMap:
    """An annotation: the segments of one image, whose pixels are in a PNG file."""

    image_id: ImageId
    file_name: str
    segments_info: tuple[Segment, ...]

    def __str__(self) -> str:
        return f"image {self.image_id} ({self.file_name})"


@dataclass(frozen=True, slots=True)
class PanopticCategory:
    """isthing: 1 for countable objects, 0 for stuff."""

    id: int
    isthing: bool | int
    name: str = ""


@dataclass(frozen=True)
class PanopticFile:
    """path: of the JSON; folder: of its PNG files. maps: by image, in the order of the file. categories: by id."""

    path: Path
    folder: Path
    maps: Mapping[ImageId, PanopticMap]
    categories: Mapping[int, PanopticCategory]


def read_panoptic(path: Path, *, categories: bool) -> PanopticFile:
    """The JSON of panoptic maps; their PNG files lie in the folder of its name without suffix, as COCO has them.

    Args:   categories: whether it must say what categories there are, as ground truth does.
    Raises: InputError: a file that is none, with the entry; no such folder.
    """
    maps: dict[ImageId, PanopticMap] = {}
    known: dict[int, PanopticCategory] = {}
    if path.is_dir():
        beside = path.with_name(f"{path.name}.json")
        there = f", {beside}" if beside.is_file() else ""
        raise InputError(path, f"is a folder; name the JSON file of its panoptic maps{there}")
    try:
        for key, number, entry in listed_entries(path, ("annotations", *(["categories"] if categories else []))):
            place = f"{key}[{number}]"
            if key == "categories":
                category = typed(entry, PanopticCategory, place, strict=False)
                if category.id in known:
                    raise SchemaError(place, f"id {category.id} stands twice")
                known[category.id] = category
                continue
            each = typed(entry, PanopticMap, place, strict=False)
            if each.image_id in maps:
                raise SchemaError(place, f"{each} stands twice")
            maps[each.image_id] = each
        if categories and not known:
            raise SchemaError("categories", "is missing or empty; ground truth says which there are")
    except SchemaError as error:
        raise InputError(path, str(error)) from None
    folder = path.with_suffix("")
    if not folder.is_dir():
        raise InputError(path, f"no folder {folder} beside it, where its PNG files lie")
    return PanopticFile(path, folder, maps, known)


def read_segment_ids(file: PanopticFile, each: PanopticMap, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint32]:
    """The ids of a PNG file, (H, W), 0 where there is no segment.

    Equation: id = R + 256 G + 65536 B.
    Raises: InputError: no such file in the folder, no colours, or other ids than the JSON has.
    """
    path = _inside(file, each.file_name)
    colours = read_label_map_or_colours(path, max_pixels=max_pixels)
    if colours.ndim != 3:
        raise InputError(path, "holds grey values; write the ids of segments as colours, R + 256 G + 65536 B")
    red, green, blue = (colours[..., channel].astype(np.uint32) for channel in range(3))
    ids: NDArray[np.uint32] = red | green << np.uint32(8) | blue << np.uint32(16)
    flat = ids.ravel()
    there = set(np.unique(flat[np.append(True, flat[1:] != flat[:-1])]).tolist()) - {0}
    listed = {segment.id for segment in each.segments_info}
    if len(listed) < len(each.segments_info):
        raise InputError(file.path, f"{each}: an id stands twice in segments_info")
    for lone, problem in (
        (there - listed, "{} has id {}, which segments_info of {} lacks"),
        (listed - there, "{} has no pixel of id {}, which segments_info of {} has"),
    ):
        if lone:
            raise InputError(None, problem.format(path, min(lone), file.path))
    return ids


def _inside(file: PanopticFile, name: str) -> Path:
    pure = PurePath(name)
    if pure.anchor or ".." in pure.parts or not pure.parts:
        raise InputError(file.path, f"file_name {name[:80]!r} leads out of {file.folder}; name a file in it")
    return file_of(file.folder, name)
