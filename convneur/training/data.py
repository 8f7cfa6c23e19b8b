"""The images of a run: found in a folder, read once, counted by class."""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from convneur.data.class_names import read_class_names
from convneur.data.colours import ColourTable
from convneur.data.contents import Contents, in_both
from convneur.data.examples import Example, Survey, Task, find_examples, survey
from convneur.data.folders import some
from convneur.data.limits import MAX_PIXELS
from convneur.data.odd_labels import odd_labels
from convneur.data.presets import PRESETS
from convneur.data.reading import Reading
from convneur.errors import ConfigError
from convneur.formats import plural
from convneur.progress import Progress, silent

__all__ = ["IgnoreIndex", "TrainingData", "fingerprint", "prepare_data", "reading_of", "usable"]


IgnoreIndex = int | Literal["none"] | None

_BINARY = "masks of 0 and 255 are read as two classes where `classes` names two or none and `ignore_index` is left out"


@dataclass(frozen=True)
class TrainingData:
    """Examples that were looked through, as `prepare_data` gives them.

    names: of the classes; counts: pixels of each class, or images, or objects; preset: its name, or None; left_out:
    split and name, train/005, of those that cannot be read. Of detection, categories: ids of the classes in the file of
    annotations; masks: whether objects have them.

    >>> data = TrainingData((), (), Reading(), names=("dark", "light"), counts=(3, 3))
    >>> len(data.fingerprint)
    64
    """

    train: tuple[Example, ...]
    val: tuple[Example, ...]
    reading: Reading
    names: tuple[str, ...]
    counts: tuple[int, ...]
    preset: str | None = None
    left_out: tuple[str, ...] = ()
    categories: tuple[int, ...] = ()
    masks: bool = False

    @property
    def binary(self) -> bool:
        """Whether label maps are masks of 0 and 255, read as classes 0 and 1."""
        return self.reading.binary

    @property
    def fingerprint(self) -> str:
        """Of the names, by which a run knows that it goes on with the images that it was begun with."""
        return fingerprint((*self.train, *self.val))

    @cached_property
    def contents(self) -> Contents:
        """Of the files, by which it knows that none has changed. Raises: InputError: one cannot be read."""
        return Contents.of((*self.train, *self.val))


class KnownData(Protocol):
    """What a run's plan knows of its data; see `TrainingData`."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def counts(self) -> tuple[int, ...]: ...
    @property
    def left_out(self) -> tuple[str, ...]: ...
    @property
    def binary(self) -> bool: ...


def usable(split: str, examples: Iterable[Example], left_out: Iterable[str]) -> tuple[Example, ...]:
    """Those of a split that are not among what was left out, train/005; runs of an earlier version kept 005."""
    unusable = set(left_out)
    return tuple(each for each in examples if each.name not in unusable and f"{split}/{each.name}" not in unusable)


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 of the examples' names, in order."""
    text = "\n".join(example.name for example in examples)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def reading_of(
    task: Task, preset: str | None, ignore_index: IgnoreIndex, colours: ColourTable | None = None
) -> Reading:
    """How label maps are read.

    Args:   preset: a data set's name; ignore_index: the label that does not count, or "none"; None: the
                preset's, or 255; colours: what RGB label maps mean.
    Raises: ConfigError: no such preset, ids or colours are ignored and no label is, or classification has no label
        maps.
    """
    if task != "segmentation" and colours is not None:
        raise ConfigError("colours", "is for segmentation; leave it out")
    if task != "segmentation" and (preset is not None or ignore_index is not None):
        raise ConfigError("ignore_index" if preset is None else "preset", "is for segmentation; leave it out")
    if preset is not None and preset not in PRESETS:
        raise ConfigError("preset", f"choose {', '.join(PRESETS)}", value=preset)
    known = PRESETS[preset] if preset else None
    if ignore_index is None:
        return Reading(known.ignore_index if known else 255, known, colours)
    if ignore_index == "none":
        return Reading(None, known, colours)
    try:
        return Reading(int(ignore_index), known, colours)
    except ValueError:
        raise ConfigError("ignore_index", "must be a whole number", value=ignore_index) from None


def prepare_data(
    folder: Path,
    task: Task,
    *,
    preset: str | None = None,
    classes: str | Sequence[str] | None = None,
    ignore_index: IgnoreIndex = None,
    colours: ColourTable | None = None,
    follow_links: bool = False,
    threads: int = 1,
    max_pixels: int = MAX_PIXELS,
    begun: KnownData | None = None,
    progress: Progress = silent,
) -> TrainingData:
    """Find the images and read each once, or know what that gave when the run was begun.

    Choice: label maps that hold 0 and 255 alone, with no or two names of classes and neither preset nor ignored label
        given, are binary masks: 255 is class 1.
    Args:
        preset, ignore_index, colours: see `reading_of`; classes: their names, or a file of them.
        follow_links: see `list_files`; max_pixels: files of more are refused by their headers.
        begun: the plan of the run that goes on.
    Raises: ConfigError, InputError: see `find_examples` and `survey`; fewer than two classes, named or seen.

    >>> from importlib.resources import files
    >>> nuclei = Path(str(files("convneur") / "data" / "samples" / "nuclei"))
    >>> data = prepare_data(nuclei, "segmentation", classes=["background", "nucleus"])
    >>> data.names, len(data.train) > len(data.val)
    (('background', 'nucleus'), True)
    """
    reading = dataclasses.replace(reading_of(task, preset, ignore_index, colours), max_pixels=max_pixels)
    found = find_examples(folder, task, reading, follow_links=follow_links)
    if begun is not None:
        names: tuple[str, ...] | None = begun.classes  # the file that named them may have moved
    elif isinstance(classes, str):
        names = tuple(read_class_names(Path(classes)))
    else:
        names = tuple(classes) if classes else found.names or (None if colours is None else colours.names)
    if colours is not None and names:
        reading = dataclasses.replace(reading, colours=colours.renumbered(names))
    if task == "classification" and classes and found.names:
        raise ConfigError("classes", "folders name the classes here; leave it out")
    for line in found.warnings:
        progress.warn(line)
    if begun is not None:
        train_kept, val_kept = usable("train", found.train, begun.left_out), usable("val", found.val, begun.left_out)
        reading = _binary(reading) if begun.binary else reading
        return TrainingData(train_kept, val_kept, reading, begun.classes, begun.counts, preset, begun.left_out)
    threads = max(threads, 1)
    with progress.steps("looking through the images", len(found.train) + len(found.val)) as advance:
        train = survey(found.train, reading, len(names) if names else None, threads=threads, seen=advance)
        val = survey(found.val, reading, len(names or train.counts), threads=threads, seen=advance)
    for line in (*train.failed, *val.failed):
        progress.error(line)
    if train.failed or val.failed:
        progress.warn(f"{plural(len(train.failed) + len(val.failed), 'image')} that cannot be read, left out")
    for line in (*train.notes, *val.notes):
        progress.warn(line)
    if (
        (task, preset, ignore_index, colours) == ("segmentation", None, None, None)
        and (names is None or len(names) == 2)
        and train.ignored
        and not any((*train.counts[1:], *val.counts[1:]))
    ):
        reading, train, val = _binary(reading), _as_binary(train), _as_binary(val)
        names = names or ("background", "object")
        progress.note(f"label maps hold 0 and 255 alone: 255 is read as class 1, {names[1]}")
    odd = None
    if names is None:
        names = tuple(map(str, range(len(train.counts))))
        seen = [label for label, count in enumerate(train.counts) if count]
        odd = odd_labels(seen, reading.ignore_index, ignored=train.ignored > 0)
    if odd is not None:
        progress.warn(odd)
    _check_counts(folder, names, train, val, reading, progress, explained=odd is not None)
    if twice := in_both(train.examples, val.examples):
        progress.warn(
            f"{len(twice)} of {len(val.examples)} images to validate on are training images too ({some(twice)}): their "
            "scores say little of other images; keep each in one split"
        )
    ignored = f"; {_ignored(train, val)}" if task == "segmentation" else ""
    progress.note(
        f"{plural(len(train.examples), 'image')} to train on, {len(val.examples)} to validate on "
        f"({found.val_from}){ignored}"
    )
    splits = (("train", found.train, train.examples), ("val", found.val, val.examples))
    left_out: list[str] = []
    for split, whole, good in splits:
        kept = {example.name for example in good}
        left_out += [f"{split}/{example.name}" for example in whole if example.name not in kept]
    return TrainingData(train.examples, val.examples, reading, names, train.counts, preset, tuple(left_out))


_OBJECT = 255  # of a binary mask that is not read as one


def _check_counts(
    folder: Path,
    names: Sequence[str],
    train: Survey,
    val: Survey,
    reading: Reading,
    progress: Progress,
    *,
    explained: bool,
) -> None:
    """Refuse what cannot be learnt from; say which classes are not shown. explained: it is said why."""
    ones, others, both = map(sum, zip(train.beside_zero, val.beside_zero, strict=True))
    if len(names) == 2 and reading.ignore_index == _OBJECT and ones and others and not both:
        progress.warn(
            f"{plural(ones, 'mask')} of 0 and 1 beside {plural(others, 'mask')} of 0 and {_OBJECT}, which is ignored; "
            f"write 1 in all of them where it is the object"
        )
    if not sum(train.counts):
        raise ConfigError("data", "every pixel is ignored; check `preset` and `ignore_index`", value=folder)
    seen = [name for name, count in zip(names, train.counts, strict=True) if count]
    if len(seen) < 2:
        ignored = ""
        if train.ignored:
            binary = f"; {_BINARY}" if reading.ignore_index == _OBJECT else ""
            ignored = f", and {_ignored(train)} (label {reading.ignore_index}){binary}"
        problem = f"training needs two classes, but shows {seen[0]} alone{ignored}; check `preset` and `ignore_index`"
        raise ConfigError("data", problem, value=folder)
    missing = [name for name in names if name not in seen]
    if missing and not explained:
        progress.warn(f"no training image shows {some(missing)}: the model cannot learn it")
    shown = [name for name, count in zip(names, val.counts, strict=True) if count]
    if len(shown) == 1:
        progress.warn(f"the images to validate on show {shown[0]} alone: their scores say little of the model")


def _binary(reading: Reading) -> Reading:
    return dataclasses.replace(reading, ignore_index=None, binary=True)


def _as_binary(survey: Survey) -> Survey:
    """What was ignored, 255, is the object."""
    return dataclasses.replace(survey, counts=(survey.counts[0], survey.ignored), ignored=0)


def _ignored(*surveys: Survey) -> str:
    ignored = sum(each.ignored for each in surveys)
    total = ignored + sum(sum(each.counts) for each in surveys)
    return f"{ignored / max(total, 1):.1%} of the pixels are ignored"
