"""Many images shown to a detector: COCO results, drawings, and what became of each."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from convneur.data.coco import read_ground_truth
from convneur.data.folders import nearest, nfc
from convneur.errors import ConfigError, InputError
from convneur.files import new_file, new_folder, new_text, output_path, refuse_existing
from convneur.formats import as_text, plural
from convneur.inference.objects import ObjectPrediction, ObjectPredictor
from convneur.progress import Progress
from convneur.results import Result, Table

__all__ = ["RESULTS", "DetectedImage", "ObjectReport", "predict_objects"]

RESULTS = "results.json"


@dataclass(frozen=True)
class DetectedImage:
    """An image and how many objects of each class were found. id: in the results.

    >>> DetectedImage("a", 7, 48, 64, {"cell": 3}).to_dict()["objects"]
    {'cell': 3}
    """

    name: str
    id: int | str
    height: int
    width: int
    objects: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "objects": dict(self.objects)}


@dataclass(frozen=True, repr=False)
class ObjectReport(Result):
    """What became of each image of a job. results: the file of COCO results; failed: (name, why) of the others.

    >>> print(ObjectReport((DetectedImage("a", 7, 48, 64, {"cell": 3}),), (), None))
    Objects
    class  images  objects
    ----------------------
    cell        1        3
    """

    images: tuple[DetectedImage, ...]
    failed: tuple[tuple[str, str], ...]
    results: Path | None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<ObjectReport of {plural(len(self.images), 'image')}>"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.predict/1",
            "task": "detection",
            "results": None if self.results is None else as_text(self.results),
            "images": [each.to_dict() for each in self.images],
            "failed": [{"name": name, "why": why} for name, why in self.failed],
            "warnings": list(self.warnings),
        }

    def tables(self) -> Sequence[Table]:
        if not self.images:
            return ()
        rows = [
            (label, str(sum(bool(each.objects[label]) for each in self.images)),
             str(sum(each.objects[label] for each in self.images)))
            for label in self.images[0].objects
        ]  # fmt: skip
        return (Table("Objects", ("class", "images", "objects"), rows),)

    def sentences(self) -> Sequence[str]:
        said = [] if self.results is None else [f"COCO results in {self.results}"]
        return [*said, f"{plural(len(self.failed), 'image')} could not be read"] if self.failed else said

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row for each image and class."""
        return [
            {"name": each.name, "class": label, "objects": count}
            for each in self.images
            for label, count in each.objects.items()
        ]


def predict_objects(
    predictor: ObjectPredictor,
    asked: Mapping[str, Path],
    *,
    out: Path,
    annotations: str | Path | None,
    score: float | None,
    scale: float | None,
    overlays: Path | None,
    max_pixels: int,
    force: bool,
    progress: Progress,
    warnings: Sequence[str] = (),
) -> ObjectReport:
    """Find the objects of images and write them as COCO results.

    An image that cannot be read is reported, and the others are done. Nothing is written before all are.
    Args:
        asked: images by name; out: folder of results.json; overlays: folder for drawings, `<name>.png` each.
        annotations: a COCO file that says the images' ids; without it an image's id is its name.
    Raises: ConfigError: an image that the annotations lack; OutputExistsError: an output exists while `force` is off.
    """
    ids = _ids(asked, annotations, max_pixels)
    results = out / RESULTS
    drawings = {} if overlays is None else {name: output_path(overlays, name, ".png") for name in asked}
    for folder in dict.fromkeys((out, *(path.parent for path in drawings.values()))):
        new_folder(folder)
    inputs = {path.resolve() for path in asked.values()}
    for path in drawings.values():
        if path.resolve() in inputs:
            raise ConfigError("overlays", "would overwrite one of the images; choose another folder", value=path)
    refuse_existing(results, *drawings.values(), force=force)
    entries: list[str] = []
    done: list[DetectedImage] = []
    failed: list[tuple[str, str]] = []
    with progress.steps("detecting", len(asked)) as advance:
        for name, path in asked.items():
            try:
                found = predictor.predict(path, score=score, scale=scale, max_pixels=max_pixels)
            except InputError as error:
                problem = str(error) if error.path is not None else f"{path}: {error}"
                progress.error(problem)
                failed.append((as_text(name), problem))
            else:
                entries += [json.dumps(each.to_coco(ids[name]), allow_nan=False) for each in found.objects]
                done.append(_detected(name, ids[name], found))
                if name in drawings:
                    with new_file(drawings[name], force=force) as temporary:
                        drawing = found.drawing() if score is None else found.drawing(score=score)
                        Image.fromarray(drawing).save(temporary, format="png")
            advance()
    new_text(results, "[" + ",\n".join(entries) + "]\n", force=force)
    return ObjectReport(tuple(done), tuple(failed), results, tuple(warnings))


def _detected(name: str, number: int | str, found: ObjectPrediction) -> DetectedImage:
    height, width = np.shape(found.image)[:2]
    return DetectedImage(as_text(name), number, height, width, found.counts())


def _ids(asked: Mapping[str, Path], annotations: str | Path | None, max_pixels: int) -> Mapping[str, int | str]:
    if annotations is None:
        return {name: as_text(name) for name in asked}
    path = Path(annotations)
    if not path.exists():
        raise ConfigError("annotations", "no such file", value=annotations)
    # Of what it has beside the images nothing is needed here.
    images = read_ground_truth(path, max_pixels=max_pixels, skipped=lambda line: None).images.values()
    by_file: dict[str, int | str] = {nfc(each.file_name): each.id for each in images}
    by_stem: dict[str, list[int | str]] = {}
    for each in images:
        by_stem.setdefault(nfc(PurePosixPath(each.file_name).with_suffix("").as_posix()), []).append(each.id)
    ids: dict[str, int | str] = {}
    for name, image in asked.items():
        stem = nfc(name.removesuffix(image.suffix))
        # Images may have been saved in another format since; of a.jpg and a.png it must be the file itself.
        found = [by_file[file]] if (file := stem + image.suffix) in by_file else by_stem.get(stem, [])
        if len(found) != 1:
            near = nearest(stem, list(by_stem)) if by_stem else None
            problem = (
                f"has {len(found)} images {as_text(stem)}, and none is {as_text(file)}; name it as in the folder"
                if found
                else f"has no image {as_text(name)}{f' (the nearest is {near[0]})' if near else ''}; leave it out, or "
                "give those images"
            )
            raise ConfigError("annotations", problem, value=path)
        ids[name] = found[0]
    return ids
