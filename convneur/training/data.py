"""The images of a run: found in a folder, read once, counted by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convneur.data.class_names import read_class_names
from convneur.data.examples import Example, Task, find_examples, survey
from convneur.data.presets import PRESETS
from convneur.data.reading import Reading
from convneur.errors import ConfigError
from convneur.progress import Progress, silent

__all__ = ["TrainingData", "prepare_data", "reading_of"]


@dataclass(frozen=True)
class TrainingData:
    """Examples that were looked through; names: of the classes; counts: see `Survey`; preset: its name, or None.

    left_out: names of those that cannot be read.
    """

    train: tuple[Example, ...]
    val: tuple[Example, ...]
    reading: Reading
    names: tuple[str, ...]
    counts: tuple[int, ...]
    preset: str | None = None
    left_out: tuple[str, ...] = ()


def reading_of(preset: str | None, ignore_index: str | None) -> Reading:
    """How label maps are read.

    Args:   preset: a data set's name; ignore_index: the label that does not count, or "none"; None: the
                preset's, or 255.
    Raises: ConfigError: no such preset, or ids are ignored and no label is.
    """
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
    classes: str | None = None,
    ignore_index: str | None = None,
    threads: int = 1,
    known: tuple[Sequence[str], Sequence[int], Sequence[str]] | None = None,
    progress: Progress = silent,
) -> TrainingData:
    """Find the images and read each once, or know what that gave when the run was begun.

    Args:
        preset, ignore_index: see `reading_of`; classes: a file of class names.
        known: classes, counts and left_out of the data that the run was begun with.
    Raises: ConfigError, InputError: see `find_examples` and `survey`; fewer than two classes; no pixel counts.
    """
    if task == "classification" and (preset or ignore_index is not None):
        raise ConfigError("preset" if preset else "ignore_index", "is for segmentation; leave it out")
    reading = reading_of(preset, ignore_index)
    found = find_examples(folder, task, reading)
    names = tuple(read_class_names(Path(classes))) if classes else found.names
    if task == "classification" and classes and found.names:
        raise ConfigError("classes", "folders name the classes here; leave it out", value=classes)
    if found.unpaired:
        more = ", ..." if len(found.unpaired) > 3 else ""
        progress.warn(
            f"{len(found.unpaired)} photos without a label map, left aside: {', '.join(found.unpaired[:3])}{more}"
        )
    if known is not None:
        labels, counts, unusable = known
        train_kept, val_kept = (
            tuple(each for each in split if each.name not in unusable) for split in (found.train, found.val)
        )
        return TrainingData(train_kept, val_kept, reading, tuple(labels), tuple(counts), preset, tuple(unusable))
    threads = max(threads, 1)
    with progress.steps("looking through the photos", len(found.train) + len(found.val)) as advance:
        train = survey(found.train, reading, len(names) if names else None, threads=threads, seen=advance)
        names = names or tuple(map(str, range(len(train.counts))))
        val = survey(found.val, reading, len(names), threads=threads, seen=advance)
    for line in (*train.failed, *val.failed):
        progress.error(line)
    if train.failed or val.failed:
        progress.warn(f"{len(train.failed) + len(val.failed)} photos cannot be read and are left out")
    missing = [name for name, count in zip(names, train.counts, strict=True) if not count]
    if missing:
        progress.warn(f"no training photo shows {', '.join(missing)}: the net cannot learn it")
    if len(names) < 2:
        raise ConfigError(
            "data", f"{len(names)} class; training needs two; check `preset` and `ignore_index`", value=folder
        )
    if not sum(train.counts):
        raise ConfigError("data", "every pixel is ignored; check `preset` and `ignore_index`", value=folder)
    progress.note(f"{len(train.examples)} photos to train on, {len(val.examples)} to validate on ({found.val_from})")
    kept = {example.name for example in (*train.examples, *val.examples)}
    left_out = tuple(example.name for example in (*found.train, *found.val) if example.name not in kept)
    return TrainingData(train.examples, val.examples, reading, names, train.counts, preset, left_out)
