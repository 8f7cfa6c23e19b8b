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

from convneur.data.annotated import AnnotatedImage
from convneur.data.folders import name_of, nfc, some
from convneur.data.image_folder import ImageFolder, images_under
from convneur.data.images import read_photo, summed_notes
from convneur.data.label_folder import LabelFolder
from convneur.data.labels import LabelMap
from convneur.data.limits import MOST_UNNAMED_CLASSES
from convneur.data.masks import soft_levels
from convneur.data.odd_labels import other_labels
from convneur.data.reading import Reading
from convneur.data.shards import Member, check_links, class_number, samples, shards_of
from convneur.data.templates import Template
from convneur.errors import InputError
from convneur.formats import plural

__all__ = [
    "MOST_FAILED",
    "Example",
    "FoundExamples",
    "Split",
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

Task = Literal["segmentation", "classification", "detection"]

_ALSO_VAL = ("val", "valid", "validation")  # in lower case; as some tools name that split

MOST_FAILED = 0.01  # of the files: more is no accident but a wrong path, a wrong preset or a dying disk


@dataclass(frozen=True)
class Example:
    """An image and its target: the file of its label map, or its class, or the file of annotations that `objects` are
    of. name: the image's path without suffix."""

    name: str
    image: Path | Member
    target: Path | Member | int
    objects: AnnotatedImage | None = None


@dataclass(frozen=True)
class Split:
    """The examples of one split, in the order of their names.

    unpaired: images without a label map, which are left aside. unread: what else lies in the folders, in words.
    """

    examples: tuple[Example, ...]
    unpaired: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def warnings(self) -> list[str]:
        """What is left aside, in words."""
        if not self.unpaired:
            return list(self.unread)
        lone = f"{plural(len(self.unpaired), 'image')} without a label map, left out: {some(self.unpaired)}"
        return [lone, *self.unread]


@dataclass(frozen=True)
class FoundExamples:
    """train, val: in the order of their names. names: of the classes, None if the files do not say.

    val_from: what the validation is made of, for people. warnings: what is left aside, in words.
    """

    train: tuple[Example, ...]
    val: tuple[Example, ...]
    names: tuple[str, ...] | None
    val_from: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What a look at every file gave.

    examples: those that can be read. failed: a line for each other. counts: pixels of each class, or images.
    notes: what was chosen in reading images, see `Photo`. ignored: pixels that are ignored. beside_zero: label
    maps that show 1 alone beside 0, ignored pixels alone, and both or other classes.
    """

    examples: tuple[Example, ...]
    failed: tuple[str, ...]
    counts: tuple[int, ...]
    notes: tuple[str, ...] = ()
    ignored: int = 0
    beside_zero: tuple[int, int, int] = (0, 0, 0)


def find_examples(root: Path, task: Task, reading: Reading, *, follow_links: bool = False) -> FoundExamples:
    """The images under a folder, with their label maps or classes.

    Choice: segmentation `images/<split>/...` and `masks/<split>/...`, equal relative paths but for the suffix, names
        as the preset has them; classification `<split>/<class>/...`; either one as WebDataset shards (`shards_of`),
        `<key>.jpg` with `<key>.png` or with `<key>.cls`. Splits are `train` and `val`; without `val` it is what
        `held_out` takes from `train`.
    Args:    follow_links: see `list_files`.
    Raises:  InputError: no such folders, a label map without an image, fewer than two images.
    """
    names = reading.preset.names if reading.preset else None
    if task == "classification":
        names = _class_names(root, task, follow_links)
    train = _split(root, task, "train", reading, names, follow_links)
    if has_split(root, task, "val"):
        val = _split(root, task, "val", reading, names, follow_links)
        both = Split((), train.unpaired + val.unpaired, train.unread + val.unread)
        return FoundExamples(train.examples, val.examples, names, "split val", tuple(both.warnings()))
    if len(train.examples) < 2:
        raise InputError(root, "one image; training needs a second one to validate on, or a split val")
    kept, held = held_out(train.examples)
    others = [name for name in _split_names(root, task) if name.casefold() in _ALSO_VAL]
    passed = [f"the split {some(others)} is not read; name it val to validate on it"] if others else []
    found = "a tenth of train, by a hash of the names"
    return FoundExamples(kept, held, names, found, (*train.warnings(), *passed))


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
    return bool(shards_of(root, split)) or (_splits(root, task) / split).is_dir()


def _splits(root: Path, task: Task) -> Path:
    """The folder that holds the folders of the splits."""
    return root / "images" if task == "segmentation" else root


def _split_names(root: Path, task: Task) -> list[str]:
    place = _splits(root, task)
    return sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def find_split(root: Path, task: Task, split: str, reading: Reading, *, follow_links: bool = False) -> Split:
    """The images of any split, such as `test`, in the order of their names; classes are those of `train`.

    Raises:  InputError: as `find_examples`.
    """
    return _split(root, task, split, reading, _class_names(root, task, follow_links), follow_links)


def read_example(
    example: Example, reading: Reading, num_classes: int | None = None
) -> tuple[NDArray[np.uint8], LabelMap | int]:
    """The image, (H, W, 3) RGB, and its label map, (H, W), or class.

    Args:   num_classes: None: the highest number that is found says how many there are.
    Raises: InputError: an unreadable file, sizes that differ, grey levels that are no classes, a label that is neither
        a class nor ignored.
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
    more = "; if they are classes, name them (`classes`)" if num_classes is None else ""
    if isinstance(example.target, int):
        if example.target >= end:
            mend = more or "; correct it, or name more (`classes`)"
            raise InputError(example.image, f"class {example.target} is none of 0 to {end - 1}{mend}")
        return pixels, example.target, photo.notes
    labels = reading.ground_truth(example.target)
    if labels.shape != pixels.shape[:2]:
        turned = " (images are turned as their EXIF tag says)" if labels.shape == pixels.shape[1::-1] else ""
        raise InputError(
            example.target,
            f"{_size(labels.shape)} pixels, its image {example.image} {_size(pixels.shape)}{turned}; make them equal",
        )
    seen = np.unique(labels)
    classes = seen[seen != reading.ignore_index] if reading.ignore_index is not None else seen
    if classes.size and (classes[0] < 0 or classes[-1] >= end):
        _refuse_grey_levels(example, labels)
        wrong = [label for label in classes.tolist() if not 0 <= label < end]
        mend = f"check `preset`, `classes` and `ignore_index`{more}"
        if (wrong, reading.ignore_index, num_classes) == ([255], None, 2):
            mend = "leave `ignore_index` out, and masks of 0 and 255 are read as classes 0 and 1"
        elif odd := other_labels(wrong, ignored=classes.size < seen.size, mask=num_classes == 2):
            mend = f"{odd}{more}"
        ignored = "" if reading.ignore_index is None else f" and not the ignored one ({reading.ignore_index})"
        problem = f"label {', '.join(map(str, wrong[:5]))} is none of 0 to {end - 1}{ignored}"
        raise InputError(example.target, f"{problem}; {mend}")
    return pixels, labels, photo.notes


def _refuse_grey_levels(example: Example, target: LabelMap | int) -> None:
    """Raises: InputError: a mask whose greys are shares of an object; as classes they would be some 200."""
    levels = None if isinstance(target, int) or isinstance(example.target, int) else soft_levels(target)
    if levels is not None:
        raise InputError(
            example.target,
            f"holds {len(np.unique(target))} grey levels, as an antialiased, scaled or compressed mask has, and no "
            f"class numbers; write it again by a threshold: 1 where a pixel is {levels // 2 + 1} or more, else 0",
        )


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
    Raises: InputError: more than 1 % of the examples cannot be read or hold grey levels.
    """

    def look(example: Example) -> tuple[NDArray[np.int64], int, tuple[str, ...]] | str:
        try:
            _, target, notes = _read(example, reading, num_classes)
            _refuse_grey_levels(example, target)
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
        return np.bincount(kept.ravel().astype(np.int64)), labels.size - kept.size, notes

    good: list[Example] = []
    failed: list[str] = []
    noted: list[tuple[str, tuple[str, ...]]] = []
    counts = np.zeros(num_classes or 1, np.int64)
    ignored = 0
    ones = voids = mixed = 0
    with ThreadPoolExecutor(threads) as pool:
        for example, found in zip(examples, pool.map(look, examples), strict=True):
            if isinstance(found, str):
                failed.append(found)
            else:
                good.append(example)
                seen_here, left_out, notes = found
                noted.append((example.name, notes))
                counts = np.pad(counts, (0, max(len(seen_here) - len(counts), 0)))
                counts[: len(seen_here)] += seen_here
                ignored += left_out
                shown, others = seen_here[1:].any(), left_out or seen_here[2:].any()
                ones += bool(shown and not others)
                voids += bool(left_out and not shown)
                mixed += bool(shown and others)
            seen()
    if len(failed) > MOST_FAILED * len(examples):
        raise InputError(
            None, f"{len(failed)} of {len(examples)} examples cannot be used, more than {MOST_FAILED:.0%}: {failed[0]}"
        )
    return Survey(
        tuple(good), tuple(failed), tuple(counts.tolist()), tuple(summed_notes(noted)), ignored, (ones, voids, mixed)
    )


def _split(
    root: Path, task: Task, split: str, reading: Reading, names: Sequence[str] | None, follow_links: bool
) -> Split:
    if shards := shards_of(root, split):
        if not follow_links:
            check_links(root, shards)
        return _sharded(root, shards, task)
    if task == "segmentation":
        return _segmentation(root, split, reading, follow_links)
    return _classification(root, split, names or (), follow_links)


def _segmentation(root: Path, split: str, reading: Reading, follow_links: bool) -> Split:
    folder, masks = _folder(root / "images" / split), _folder(root / "masks" / split)
    namings = reading.preset.gt if reading.preset else ()
    templates = [Template.of("name", naming.template) for naming in namings]
    labels = LabelFolder(masks, templates, follow_links=follow_links)
    images = ImageFolder(folder, follow_links=follow_links)
    unread = tuple(dict.fromkeys([*images.listing.warnings(labels.files), *labels.warnings()]))
    examples = []
    taken: dict[Path, Path] = {}
    for name, target in labels.files.items():
        # In another folder an image of this file name is another one; a preset's names have no folders.
        image = images.at(name) if "/" in name else images.find(name)
        if image is not None and (other := taken.setdefault(image, target)) != target:
            raise InputError(target, f"{image} is the image of {other}, too; give each an image of its own name")
        if image is None:
            problem = f"no image {name} under {folder} (the nearest is {images.nearest(name)}); names must be equal but"
            raise InputError(target, "; ".join([f"{problem} for the suffix", *images.listing.warnings()]))
        examples.append(Example(name, image, target))
    used = {example.image for example in examples}
    stems = {path.with_suffix("") for path in used if isinstance(path, Path)}
    spare = [path for path in images.listing.files if path not in used]
    if twins := [path for path in spare if path.with_suffix("") in stems]:
        unread += (f"{plural(len(twins), 'image')} named as another one but for the suffix, left out: {some(twins)}",)
    return Split(tuple(examples), tuple(str(path) for path in spare if path not in twins), unread)


def _classification(root: Path, split: str, names: Sequence[str], follow_links: bool) -> Split:
    place = _folder(root / split)
    numbers = {nfc(name): number for number, name in enumerate(names)}
    for folder in _folders(place, follow_links):
        if nfc(folder.name) not in numbers:
            raise InputError(folder, f"no class of this name under {root / 'train'}; rename or remove it")
    found = images_under(place, follow_links=follow_links)
    examples = []
    classless = []
    for image in found.files:
        name = name_of(image, place)
        number = numbers.get(name.partition("/")[0]) if "/" in name else None
        if number is None:
            classless.append(image)
        else:
            examples.append(Example(name, image, number))
    if not examples:
        raise InputError(place, "; ".join(["no image in its class folders", *found.warnings()]))
    unread = found.warnings()
    if classless:
        unread.append(f"{place}: {plural(len(classless), 'image')} in no class folder, left out: {some(classless)}")
    return Split(tuple(sorted(examples, key=lambda example: example.name)), unread=tuple(unread))


_IMAGES = ("jpg", "jpeg", "webp", "png")  # in a shard; of a segmentation the png is the label map


def _sharded(root: Path, shards: Sequence[Path], task: Task) -> Split:
    examples = []
    unpaired = []
    dense = task == "segmentation"
    for shard in shards:
        place = shard.relative_to(root).with_suffix("").as_posix()  # keys may begin anew in each shard
        for key, members in samples(shard):
            key = PurePosixPath(key).as_posix()  # as tar has them: ./key
            image = next((members[kind] for kind in _IMAGES[: 3 if dense else 4] if kind in members), None)
            shown = members.get("png" if dense else "cls")
            if image and shown:
                target = shown if dense else class_number(shown)
                examples.append(Example(f"{place}/{key}", image, target))
            elif shown:
                raise InputError(shown, f"no image {key}.jpg in this shard")
            elif image:
                unpaired.append(str(image))
    if not examples:
        raise InputError(shards[0], f"no example in it; {_SHARDS}")
    examples.sort(key=lambda example: example.name)
    for one, other in pairwise(examples):
        if one.name == other.name:
            raise InputError(one.image, f"has the key {one.name}, as {other.image} has; give each sample its own")
    if unpaired and not dense:
        return Split(
            tuple(examples), (), (f"{plural(len(unpaired), 'image')} without a class, left out: {some(unpaired)}",)
        )
    return Split(tuple(examples), tuple(unpaired))


_SHARDS = "a shard has <key>.jpg with <key>.png for segmentation, with <key>.cls for classification"


def _class_names(root: Path, task: Task, follow_links: bool) -> tuple[str, ...] | None:
    """Shards have numbers of classes, no names."""
    if task == "segmentation" or shards_of(root, "train"):
        return None
    place = _folder(root / "train")
    names = tuple(folder.name for folder in _folders(place, follow_links))
    if len(names) < 2:
        linked = not follow_links and any(path.is_symlink() and path.is_dir() for path in place.iterdir())
        links = "; links to folders are followed with `follow_links`" if linked else ""
        raise InputError(
            root / "train", f"{plural(len(names), 'class folder')}; classification needs two, a folder per class{links}"
        )
    return names


def _folders(place: Path, follow_links: bool) -> Iterable[Path]:
    """Those of classes, by name."""
    return sorted(
        path
        for path in place.iterdir()
        if path.is_dir() and not path.name.startswith(".") and (follow_links or not path.is_symlink())
    )


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
