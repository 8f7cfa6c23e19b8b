"""A folder of images with COCO annotations by split, looked through once, as data to train a detector on."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convneur.data.annotated import AnnotatedImage, AnnotatedObject, Invalid, annotated_images
from convneur.data.coco import GroundTruth, read_ground_truth
from convneur.data.contents import in_both
from convneur.data.examples import MOST_FAILED, Example, held_out
from convneur.data.folders import name_of, nearest, some
from convneur.data.image_folder import images_under
from convneur.data.images import read_photo
from convneur.data.limits import MAX_PIXELS
from convneur.data.reading import Reading
from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.progress import Progress, silent
from convneur.training.data import KnownData, TrainingData, usable

__all__ = ["prepare_annotated", "read_annotated"]

SPLIT = "SPLIT"
ANNOTATIONS = f"annotations/{SPLIT}.json"
_FEW = 3


def prepare_annotated(
    root: Path,
    annotations: str | None = None,
    *,
    invalid: Invalid = "error",
    follow_links: bool = False,
    threads: int = 1,
    max_pixels: int = MAX_PIXELS,
    begun: KnownData | None = None,
    progress: Progress = silent,
) -> TrainingData:
    """The images under a folder with their objects, each image read once, as `prepare_data` does.

    Choice: `images/<split>/...` and `annotations/<split>.json`; without val a tenth of train by a hash of the names.
        Masks are learned where one object that is no crowd has one. An image is named by its path without suffix.
    Args:
        annotations: where the files are, SPLIT standing for train and val, as in annotations/instances_SPLIT2017.json,
            whose images lie in images/train2017 or train2017.
        invalid: what becomes of an object that cannot be.
    Raises: InputError: no such file, images that are not there, other categories in val; ConfigError: annotations.
    """
    template = annotations or ANNOTATIONS
    if SPLIT not in template:
        raise ConfigError(
            "annotations", f"write {SPLIT} where train and val differ, as in {ANNOTATIONS}", value=template
        )
    path = root / template.replace(SPLIT, "train")
    if not path.is_file():
        raise InputError(
            path, "no such file; detection takes images/SPLIT and annotations/SPLIT.json, or name it with `annotations`"
        )
    read = _Reading(root, template, invalid, follow_links, max_pixels, progress)
    truth, train = read.split("train")
    masks = any(each.mask is not None for example in train for each in _learned(example))
    if (root / template.replace(SPLIT, "val")).is_file():
        _, val = read.split("val", truth, masks=masks)
        val_from = "split val"
    elif len(train) < 2:
        raise InputError(path, "one image; training needs a second one to validate on, or a split val")
    else:
        train, val = held_out(train)
        val_from = "a tenth of train, by a hash of the names"
    names, categories = tuple(truth.categories.values()), tuple(truth.categories)
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        both = " and ".join(str(number) for number, name in truth.categories.items() if name == twice)
        raise InputError(path, f"categories {both} have one name, {twice!r}; give each its own")
    reading = Reading(max_pixels=max_pixels)
    left_out = _unreadable(train, val, threads, max_pixels, progress) if begun is None else begun.left_out
    train, val = usable("train", train, left_out), usable("val", val, left_out)
    counts = Counter(each.label for example in train for each in _learned(example))
    data = TrainingData(
        train,
        val,
        reading,
        names,
        tuple(counts[label] for label in range(len(names))),
        None,
        left_out,
        categories,
        masks,
    )
    if begun is None:
        _check(root, data, progress)
        kind = "boxes and masks" if masks else "boxes alone"
        progress.note(
            f"{len(train)} images to train on, {len(val)} to validate on ({val_from}); "
            f"{plural(sum(data.counts), 'object')} with {kind}"
        )
    return data


def _learned(example: Example) -> tuple[AnnotatedObject, ...]:
    return () if example.objects is None else example.objects.learned


def _check(root: Path, data: TrainingData, progress: Progress) -> None:
    """Refuse what cannot be learned from; say which classes are not shown."""
    if not sum(data.counts):
        raise ConfigError("data", "no training image has an object; check the annotations", value=root)
    if not any(_learned(example) for example in data.val):
        problem = "no image to validate on has an object, so no weights can be chosen; give a split val that has some"
        raise ConfigError("data", problem, value=root)
    missing = [name for name, count in zip(data.names, data.counts, strict=True) if not count]
    if missing:
        progress.warn(f"no training image shows {some(missing)}: the model cannot learn it")
    if twice := in_both(data.train, data.val):
        progress.warn(
            f"{len(twice)} of {len(data.val)} images to validate on are training images too ({some(twice)}): their "
            "scores say little of other images; keep each in one split"
        )


def _unreadable(
    train: Sequence[Example], val: Sequence[Example], threads: int, max_pixels: int, progress: Progress
) -> tuple[str, ...]:
    """Split and name of the images that cannot be read, or have another size than their annotations say; each is said.

    Raises: InputError: they are more than a hundredth.
    """

    def look(example: Example) -> str | None:
        try:
            read_annotated(example, max_pixels=max_pixels)
        except InputError as error:
            return str(error)
        return None

    examples = (*train, *val)
    names = [f"{split}/{each.name}" for split, those in (("train", train), ("val", val)) for each in those]
    failed = []
    with (
        progress.steps("looking through the images", len(examples)) as advance,
        ThreadPoolExecutor(max(threads, 1)) as pool,
    ):
        for name, problem in zip(names, pool.map(look, examples), strict=True):
            if problem is not None:
                failed.append((name, problem))
            advance()
    if len(failed) > MOST_FAILED * len(examples):
        words = f"{len(failed)} of {len(examples)} examples cannot be used, more than {MOST_FAILED:.0%}: {failed[0][1]}"
        raise InputError(None, words)
    for _, problem in failed:
        progress.error(problem)
    if failed:
        progress.warn(f"{plural(len(failed), 'image')} cannot be used and are left out")
    return tuple(name for name, _ in failed)


def read_annotated(example: Example, *, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[np.uint8], AnnotatedImage]:
    """The image, (H, W, 3) RGB, upright, and its objects. Raises: InputError: it cannot be read, or has another size
    than its annotations say."""
    photo = read_photo(example.image, long_side=None, max_pixels=max_pixels)
    pixels, objects = photo.pixels, example.objects
    if objects is None:
        raise ValueError(f"{example.name} has no annotations")
    size = objects.image.height, objects.image.width
    if pixels.shape[:2] != size:
        said, is_ = (f"{height}x{width}" for height, width in (size, pixels.shape[:2]))
        turned = " once it is turned as its EXIF tag says" if pixels.shape[1::-1] == size else ""
        raise InputError(
            example.image, f"{is_} pixels (height x width){turned}, {example.target} says {said}; make them equal"
        )
    return pixels, objects


@dataclass(frozen=True)
class _Reading:
    """How the splits of a folder are read."""

    root: Path
    template: str
    invalid: Invalid
    follow_links: bool
    max_pixels: int
    progress: Progress

    def split(
        self, split: str, known: GroundTruth | None = None, *, masks: bool | None = None
    ) -> tuple[GroundTruth, tuple[Example, ...]]:
        """The annotations of a split and its examples. Args: known: train's, whose categories it must have; masks:
        whether objects need them, None: where one of them has one."""
        path, progress = self.root / self.template.replace(SPLIT, split), self.progress
        lines: list[str] = []
        skipped = lines.append if self.invalid == "skip" else None
        truth = read_ground_truth(path, max_pixels=self.max_pixels, skipped=skipped)
        if known is not None and truth.categories != known.categories:
            raise InputError(path, f"its categories are not those of {known.path}; give both files the same list")
        if masks is None:
            masks = any(each.mask is not None and not each.crowd for own in truth.objects.values() for each in own)
        with progress.steps(f"reading {path.name}", len(truth.images)) as advance:
            images = annotated_images(truth, masks=masks, invalid=self.invalid, skipped=lines.append, seen=advance)
        for line in lines[:_FEW]:
            progress.warn(line)
        if lines:
            more = f", {len(lines) - _FEW} of them not shown" if len(lines) > _FEW else ""
            progress.warn(f"{path}: {plural(len(lines), 'object')} left out{more}")
        return truth, _paired(_folder(self.root, self.template, split), path, images, self.follow_links, progress)


def _folder(root: Path, template: str, split: str) -> Path:
    """Where the images of a split lie: COCO calls both train2017."""
    stem = Path(template.replace(SPLIT, split)).stem
    names = dict.fromkeys((split, stem, stem[stem.find(split) :]))
    places = [root / "images" / name for name in names] + [root / name for name in names]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise InputError(places[0], f"no such folder, nor {', '.join(map(str, places[1:]))}; the images lie in it")
    return found


def _paired(
    folder: Path, path: Path, images: list[AnnotatedImage], follow_links: bool, progress: Progress
) -> tuple[Example, ...]:
    listing = images_under(folder, follow_links=follow_links)
    files = {image.relative_to(folder).as_posix(): image for image in listing.files}
    for line in listing.warnings():
        progress.warn(line)
    examples = []
    lacking = []
    seen: dict[str, AnnotatedImage] = {}
    for each in images:
        other = seen.setdefault(each.image.file_name, each)
        if other is not each:
            ids = f"{other.image.id} and {each.image.id}"
            raise InputError(path, f"images {ids} have one file, {each.image.file_name}; leave one out")
        file = files.pop(each.image.file_name, None)
        if file is None:
            lacking.append(each.image)
        else:
            examples.append(Example(name_of(file, folder), file, path, each))
    if lacking:
        first = lacking[0]
        near = nearest(first.file_name, list(files)) if files else None
        which = f"{first} and {len(lacking) - 1} more are" if len(lacking) > 1 else f"{first} is"
        raise InputError(path, f"{which} not in {folder}{f' (the nearest is {near[0]})' if near else ''}")
    if files:
        lone = f"{plural(len(files), 'image')} without an entry in {path.name}, left out: {some(list(files))}"
        progress.warn(f"{folder}: {lone}")
    return tuple(sorted(examples, key=lambda example: example.name))
