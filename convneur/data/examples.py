"""What a model is trained on: images with their label maps or classes, found in folders and looked through once."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convneur.data.images import read_photo, summed_notes
from convneur.data.labels import LabelMap
from convneur.data.limits import MOST_UNNAMED_CLASSES
from convneur.data.pairs import find_pairs
from convneur.data.photo_folder import PhotoFolder, photos_under
from convneur.data.reading import Reading
from convneur.data.shards import Member, class_number, samples, shards_of
from convneur.errors import InputError

__all__ = [
    "Example",
    "FoundExamples",
    "Survey",
    "Task",
    "find_examples",
    "find_split",
    "has_split",
    "hash_of",
    "held_out",
    "read_example",
    "survey",
]

Task = Literal["segmentation", "classification"]

_MOST_FAILED = 0.01  # of the files: more is no accident but a wrong path, a wrong preset or a dying disk


@dataclass(frozen=True)
class Example:
    """An image and its target: the file of its label map, or its class. name: the image's path without suffix."""

    name: str
    image: Path | Member
    target: Path | Member | int


@dataclass(frozen=True)
class FoundExamples:
    """train, val: in the order of their names. names: of the classes, None if the files do not say.

    val_from: what the validation is made of, for people. unpaired: images without a label map, which are left aside.
    """

    train: tuple[Example, ...]
    val: tuple[Example, ...]
    names: tuple[str, ...] | None
    val_from: str
    unpaired: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What a look at every file gave.

    examples: those that can be read. failed: a line for each other. counts: pixels of each class, or images.
    notes: what was chosen in reading images, see `Photo`.
    """

    examples: tuple[Example, ...]
    failed: tuple[str, ...]
    counts: tuple[int, ...]
    notes: tuple[str, ...] = ()


def find_examples(root: Path, task: Task, reading: Reading) -> FoundExamples:
    """The images under a folder, with their label maps or classes.

    Choice: segmentation `images/<split>/...` and `masks/<split>/...`, equal relative paths but for the suffix, names
        as the preset has them; classification `<split>/<class>/...`; either one as WebDataset shards (`shards_of`),
        `<key>.jpg` with `<key>.png` or with `<key>.cls`. Splits are `train` and `val`; without `val` it is what
        `held_out` takes from `train`.
    Raises:  InputError: no such folders, a label map without an image, fewer than two images.
    """
    names = _class_names(root, task) if task == "classification" else reading.preset.names if reading.preset else None
    train, unpaired = _split(root, task, "train", reading, names)
    if has_split(root, task, "val"):
        val, more = _split(root, task, "val", reading, names)
        return FoundExamples(train, val, names, "split val", unpaired + more)
    if len(train) < 2:
        raise InputError(root, "one image; training needs a second one to validate on, or a split val")
    kept, held = held_out(train)
    return FoundExamples(kept, held, names, "a tenth of train, by a hash of the names", unpaired)


def held_out(examples: Sequence[Example]) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Two or more examples less a tenth, and it: the names whose SHA-256 falls into it. Each has one at least."""
    hashes = {example.name: hash_of(example.name) for example in examples}
    lowest = min(hashes.values()) + 1
    limit = max(2**256 // 10, lowest) if max(hashes.values()) >= 2**256 // 10 else lowest
    held = tuple(example for example in examples if hashes[example.name] < limit)
    kept = tuple(example for example in examples if hashes[example.name] >= limit)
    return kept, held


def hash_of(name: str) -> int:
    """SHA-256 as a number below 2^256: chance that depends on nothing but the name."""
    return int(hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest(), 16)


def has_split(root: Path, task: Task, split: str) -> bool:
    """Whether a folder has images of a split, `test` or another."""
    return bool(shards_of(root, split)) or (root / ("images" if task == "segmentation" else "") / split).is_dir()


def find_split(root: Path, task: Task, split: str, reading: Reading) -> tuple[Example, ...]:
    """The images of any split, such as `test`, in the order of their names; classes are those of `train`.

    Raises:  InputError: as `find_examples`.
    """
    names = _class_names(root, task)
    examples, _ = _split(root, task, split, reading, names)
    return examples


def read_example(
    example: Example, reading: Reading, num_classes: int | None = None
) -> tuple[NDArray[np.uint8], LabelMap | int]:
    """The image, (H, W, 3) RGB, and its label map, (H, W), or class.

    Args:   num_classes: None: the highest number that is found says how many there are.
    Raises: InputError: an unreadable file, sizes that differ, a label that is neither a class nor ignored.
    """
    pixels, target, _ = _read(example, reading, num_classes)
    return pixels, target


def _read(
    example: Example, reading: Reading, num_classes: int | None
) -> tuple[NDArray[np.uint8], LabelMap | int, tuple[str, ...]]:
    """As `read_example`, and the notes of the image."""
    photo = read_photo(example.image, long_side=None, max_pixels=reading.max_pixels)
    pixels = photo.pixels
    end = MOST_UNNAMED_CLASSES if num_classes is None else num_classes
    more = "; if there are more, name them (`classes`)" if num_classes is None else ""
    if isinstance(example.target, int):
        if example.target >= end:
            raise InputError(example.image, f"class {example.target} is none of 0 to {end - 1}{more}")
        return pixels, example.target, photo.notes
    labels = reading.ground_truth(example.target)
    if labels.shape != pixels.shape[:2]:
        raise InputError(
            example.target,
            f"{_size(labels.shape)} pixels, its image {example.image} {_size(pixels.shape)}; make them equal",
        )
    seen = np.unique(labels)
    classes = seen[seen != reading.ignore_index] if reading.ignore_index is not None else seen
    if classes.size and (classes[0] < 0 or classes[-1] >= end):
        wrong = [label for label in classes.tolist() if not 0 <= label < end]
        raise InputError(
            example.target,
            f"label {', '.join(map(str, wrong[:5]))} is none of 0 to {end - 1} and not the ignored one "
            f"({reading.ignore_index}); check the preset, the classes and the ignored label{more}",
        )
    return pixels, labels, photo.notes


def survey(
    examples: Sequence[Example],
    reading: Reading,
    num_classes: int | None,
    *,
    threads: int = 1,
    seen: Callable[[], object] = lambda: None,
) -> Survey:
    """Read every file once, so that what is wrong is known before hours are spent.

    Args:   threads: that decode at once; seen: called after each example.
    Raises: InputError: more than 1 % of the examples cannot be read.
    """

    def look(example: Example) -> tuple[NDArray[np.int64], tuple[str, ...]] | str:
        try:
            _, target, notes = _read(example, reading, num_classes)
        except InputError as error:
            return str(error)
        except FileNotFoundError as error:
            return f"{error.filename}: no such file"
        labels = np.atleast_1d(np.asarray(target))
        kept = (
            labels
            if reading.ignore_index is None or isinstance(target, int)
            else labels[labels != reading.ignore_index]
        )
        return np.bincount(kept.ravel().astype(np.int64)), notes

    good: list[Example] = []
    failed: list[str] = []
    noted: list[tuple[str, tuple[str, ...]]] = []
    counts = np.zeros(num_classes or 1, np.int64)
    with ThreadPoolExecutor(threads) as pool:
        for example, found in zip(examples, pool.map(look, examples), strict=True):
            if isinstance(found, str):
                failed.append(found)
            else:
                good.append(example)
                seen_here, notes = found
                noted.append((example.name, notes))
                counts = np.pad(counts, (0, max(len(seen_here) - len(counts), 0)))
                counts[: len(seen_here)] += seen_here
            seen()
    if len(failed) > _MOST_FAILED * len(examples):
        raise InputError(
            None, f"{len(failed)} of {len(examples)} examples cannot be used, more than {_MOST_FAILED:.0%}: {failed[0]}"
        )
    return Survey(tuple(good), tuple(failed), tuple(counts.tolist()), tuple(summed_notes(noted)))


def _split(
    root: Path, task: Task, split: str, reading: Reading, names: Sequence[str] | None
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    if shards := shards_of(root, split):
        return _sharded(root, shards, task)
    finder = _segmentation if task == "segmentation" else _classification
    return finder(root, split, reading, names)


def _segmentation(
    root: Path, split: str, reading: Reading, names: object
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    photos, masks = _folder(root / "images" / split), _folder(root / "masks" / split)
    templates = [naming.template for naming in reading.preset.gt] if reading.preset else ["{stem}"]
    # One folder given for both sides: what is wanted are the label maps by the names that images go by.
    paired = find_pairs(masks, masks, pred_names=templates, gt_names=templates)
    folder = PhotoFolder(photos)
    examples = []
    for pair in paired.pairs:
        photo = folder.find(pair.name)
        if photo is None:
            raise InputError(pair.gt, f"no image {pair.name} under {photos}; names must be equal but for the suffix")
        assert isinstance(pair.gt, Path)  # pages are made of it by `paged` alone
        examples.append(Example(pair.name, photo, pair.gt))
    used = {example.image for example in examples}
    return tuple(examples), tuple(str(path) for path in photos_under(photos) if path not in used)


def _classification(
    root: Path, split: str, reading: Reading, names: Sequence[str] | None
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    numbers = {name: number for number, name in enumerate(names or ())}
    examples = []
    for folder in _folders(_folder(root / split)):
        if folder.name not in numbers:
            raise InputError(folder, f"no class of this name under {root / 'train'}; rename or remove it")
        for photo in photos_under(folder):
            name = photo.relative_to(root / split).with_suffix("").as_posix()
            examples.append(Example(name, photo, numbers[folder.name]))
    if not examples:
        raise InputError(root / split, "no image in its class folders")
    return tuple(sorted(examples, key=lambda example: example.name)), ()


_PHOTOS = ("jpg", "jpeg", "webp", "png")  # in a shard; of a segmentation the png is the label map


def _sharded(root: Path, shards: Sequence[Path], task: Task) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    examples = []
    unpaired = []
    dense = task == "segmentation"
    for shard in shards:
        place = shard.relative_to(root).with_suffix("").as_posix()  # keys may begin anew in each shard
        for key, members in samples(shard):
            key = PurePosixPath(key).as_posix()  # as tar has them: ./key
            photo = next((members[kind] for kind in _PHOTOS[: 3 if dense else 4] if kind in members), None)
            shown = members.get("png" if dense else "cls")
            if photo and shown:
                target = shown if dense else class_number(shown)
                examples.append(Example(f"{place}/{key}", photo, target))
            elif shown:
                raise InputError(shown, f"no image {key}.jpg in this shard")
            elif photo:
                unpaired.append(str(photo))
    if not examples:
        raise InputError(shards[0], f"no example in it; {_SHARDS}")
    examples.sort(key=lambda example: example.name)
    for one, other in pairwise(examples):
        if one.name == other.name:
            raise InputError(one.image, f"and {other.image}: one key; name each sample once")
    return tuple(examples), tuple(unpaired)


_SHARDS = "a shard has <key>.jpg with <key>.png for segmentation, with <key>.cls for classification"


def _class_names(root: Path, task: Task) -> tuple[str, ...] | None:
    """Shards have numbers of classes, no names."""
    return None if task == "segmentation" or shards_of(root, "train") else _class_folders(root)


def _class_folders(root: Path) -> tuple[str, ...]:
    names = tuple(folder.name for folder in _folders(_folder(root / "train")))
    if len(names) < 2:
        raise InputError(root / "train", f"{len(names)} class folders; classification needs two, a folder per class")
    return names


def _folders(place: Path) -> Iterable[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(
            path,
            "no such folder; segmentation takes images/<split> and masks/<split>, classification "
            "<split>/<class>, both take shards <split>-*.tar, splits train and val",
        )
    return path


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]}x{shape[1]}"
