"""The images of a run: found in a folder, read once, counted by class."""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from convneur.data.class_names import read_class_names
from convneur.data.examples import Example, Task, find_examples, survey
from convneur.data.limits import MAX_PIXELS
from convneur.data.presets import PRESETS
from convneur.data.reading import Reading
from convneur.errors import ConfigError
from convneur.progress import Progress, silent

__all__ = ["IgnoreIndex", "TrainingData", "fingerprint", "prepare_data", "reading_of"]


IgnoreIndex = int | Literal["none"] | None


@dataclass(frozen=True)
class TrainingData:
    """Examples that were looked through, as `prepare_data` gives them.

    names: of the classes; counts: pixels of each class, or images; preset: its name, or None; left_out: names of those
    that cannot be read.

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

    @property
    def fingerprint(self) -> str:
        """By which a run knows that it goes on with the images that it was begun with."""
        return fingerprint((*self.train, *self.val))


class KnownData(Protocol):
    """What a run's plan knows of its data; see `TrainingData`."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def counts(self) -> tuple[int, ...]: ...
    @property
    def left_out(self) -> tuple[str, ...]: ...


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 of the examples' names, in order."""
    return hashlib.sha256(
        "\n".join(example.name for example in examples).encode("utf-8", "surrogateescape")
    ).hexdigest()


def reading_of(task: Task, preset: str | None, ignore_index: IgnoreIndex) -> Reading:
    """How label maps are read.

    Args:   preset: a data set's name; ignore_index: the label that does not count, or "none"; None: the
                preset's, or 255.
    Raises: ConfigError: no such preset, ids are ignored and no label is, or classification has no label maps.
    """
    if task == "classification" and (preset is not None or ignore_index is not None):
        raise ConfigError("ignore_index" if preset is None else "preset", "is for segmentation; leave it out")
    if preset is not None and preset not in PRESETS:
        raise ConfigError("preset", f"choose {', '.join(PRESETS)}", value=preset)
    known = PRESETS[preset] if preset else None
    if ignore_index is None:
        return Reading(known.ignore_index if known else 255, known)
    if ignore_index == "none":
        return Reading(None, known)
    try:
        return Reading(int(ignore_index), known)
    except ValueError:
        raise ConfigError("ignore_index", "must be a whole number", value=ignore_index) from None


def prepare_data(
    folder: Path,
    task: Task,
    *,
    preset: str | None = None,
    classes: str | Sequence[str] | None = None,
    ignore_index: IgnoreIndex = None,
    threads: int = 1,
    max_pixels: int = MAX_PIXELS,
    begun: KnownData | None = None,
    progress: Progress = silent,
) -> TrainingData:
    """Find the images and read each once, or know what that gave when the run was begun.

    Args:
        preset, ignore_index: see `reading_of`; classes: their names, or a file of them.
        max_pixels: files of more are refused by their headers.
        begun: the plan of the run that goes on.
    Raises: ConfigError, InputError: see `find_examples` and `survey`; fewer than two classes; no pixel counts.

    >>> from importlib.resources import files
    >>> nuclei = Path(str(files("convneur") / "data" / "samples" / "nuclei"))
    >>> data = prepare_data(nuclei, "segmentation", classes=["background", "nucleus"])
    >>> data.names, len(data.train) > len(data.val)
    (('background', 'nucleus'), True)
    """
    reading = dataclasses.replace(reading_of(task, preset, ignore_index), max_pixels=max_pixels)
    found = find_examples(folder, task, reading)
    if isinstance(classes, str):
        classes = read_class_names(Path(classes))
    names = tuple(classes) if classes else found.names
    if task == "classification" and classes and found.names:
        raise ConfigError("classes", "folders name the classes here; leave it out", value=classes)
    if found.unpaired:
        more = ", ..." if len(found.unpaired) > 3 else ""
        progress.warn(
            f"{len(found.unpaired)} images without a label map are left out: {', '.join(found.unpaired[:3])}{more}"
        )
    if begun is not None:
        unusable = set(begun.left_out)
        train_kept, val_kept = (
            tuple(each for each in split if each.name not in unusable) for split in (found.train, found.val)
        )
        return TrainingData(train_kept, val_kept, reading, begun.classes, begun.counts, preset, begun.left_out)
    threads = max(threads, 1)
    with progress.steps("looking through the images", len(found.train) + len(found.val)) as advance:
        train = survey(found.train, reading, len(names) if names else None, threads=threads, seen=advance)
        names = names or tuple(map(str, range(len(train.counts))))
        val = survey(found.val, reading, len(names), threads=threads, seen=advance)
    for line in (*train.failed, *val.failed):
        progress.error(line)
    if train.failed or val.failed:
        progress.warn(f"{len(train.failed) + len(val.failed)} images cannot be read and are left out")
    for line in (*train.notes, *val.notes):
        progress.warn(line)
    missing = [name for name, count in zip(names, train.counts, strict=True) if not count]
    if missing:
        progress.warn(f"no training image shows {', '.join(missing)}: the model cannot learn it")
    if len(names) < 2:
        raise ConfigError(
            "data", f"{len(names)} class; training needs two; check `preset` and `ignore_index`", value=folder
        )
    if not sum(train.counts):
        raise ConfigError("data", "every pixel is ignored; check `preset` and `ignore_index`", value=folder)
    progress.note(f"{len(train.examples)} images to train on, {len(val.examples)} to validate on ({found.val_from})")
    kept = {example.name for example in (*train.examples, *val.examples)}
    left_out = tuple(example.name for example in (*found.train, *found.val) if example.name not in kept)
    return TrainingData(train.examples, val.examples, reading, names, train.counts, preset, left_out)
