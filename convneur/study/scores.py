"""What the runs of a study are tested on, and how: labelled as predict does, scored as eval-boundary does."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from convneur.data.examples import Example, Task, find_split, has_split, survey
from convneur.data.pairs import Pair
from convneur.errors import ConfigError, InputError
from convneur.evaluation import score_pairs
from convneur.files import new_file, new_folder, output_path
from convneur.formats import plural
from convneur.inference import load_predictor
from convneur.metrics import BoundaryAccumulator, BoundarySettings, BoundarySummary, PairScores, ScoreTable, score_pair
from convneur.progress import Progress, silent
from convneur.schema import SchemaError, parsed, read_bytes, sealed, typed, unsealed
from convneur.study.runs import folds_of
from convneur.training import TrainingData

__all__ = [
    "RunScores",
    "TestImages",
    "check_names",
    "clear_tests",
    "find_test_images",
    "is_labelled",
    "label_images",
    "score_run",
]

_LABELS, _SCORES, _CLASSES = "labels", "scores.jsonl", "predictions.json"
_SCHEMA = "convneur.predictions/2"


@dataclass(frozen=True)
class TestImages:
    """What is tested on. split: its name, None for folds; parts: one, or a fold each."""

    __test__ = False  # no test, for pytest

    split: str | None
    parts: tuple[tuple[Example, ...], ...]

    @property
    def folds(self) -> int | None:
        return len(self.parts) if self.split is None else None

    @property
    def count(self) -> int:
        return sum(map(len, self.parts))

    def of(self, fold: int | None) -> tuple[Example, ...]:
        return self.parts[fold or 0]


@dataclass(frozen=True, eq=False)
class RunScores:
    """The test scores of one run, to be drawn from and as they are."""

    table: ScoreTable
    summary: BoundarySummary


def find_test_images(
    root: Path,
    data: TrainingData,
    task: Task,
    *,
    split: str | None,
    folds: int | None,
    follow_links: bool = False,
    threads: int,
    progress: Progress = silent,
) -> TestImages:
    """The split, by default test or else val, or the folds. Raises: ConfigError: there is none such."""
    if folds is not None:
        return TestImages(None, folds_of(data.train, data.val, folds))
    name = split or ("test" if has_split(root, task, "test") else "val")
    if name == "val":
        progress.warn("tested on the images that the weights are chosen on: all values are a little too good")
        return TestImages(name, (data.val,))
    if name == "train" or not has_split(root, task, name):
        raise ConfigError("split", "no such split beside train; choose test, val, or the name of a folder", value=name)
    given = find_split(root, task, name, data.reading, follow_links=follow_links)
    for line in given.warnings():
        progress.warn(line)
    examples = given.examples
    with progress.steps("reading the test images", len(examples)) as advance:
        found = survey(examples, data.reading, len(data.names), threads=max(threads, 1), seen=advance)
    for line in found.failed:
        progress.error(line)
    if found.failed:
        progress.warn(f"{plural(len(found.failed), 'test image')} that cannot be read, left out")
    return TestImages(name, (found.examples,))


def check_names(folder: Path, examples: Sequence[Example]) -> None:
    """Raise before any work for an image of which no label map can be written. Raises: InputError."""
    for example in examples:
        _label_map(folder, example)


def clear_tests(folder: Path) -> None:
    """Remove what testing left in a run's folder."""
    labels = folder / _LABELS
    if labels.is_dir() and not labels.is_symlink():
        shutil.rmtree(labels)
    for name in (_SCORES, _CLASSES):
        (folder / name).unlink(missing_ok=True)


def is_labelled(folder: Path, examples: Sequence[Example], task: Task) -> bool:
    """Whether a run has been asked of all test images."""
    if task == "classification":
        return (folder / _CLASSES).exists()
    return all(_label_map(folder, example).exists() for example in examples)


def label_images(
    folder: Path,
    weights: Path,
    examples: Sequence[Example],
    task: Task,
    device: torch.device,
    seen: Callable[[], object],
) -> None:
    """Ask a run's weights of each image that is not labelled yet: a label map, or a class, in its folder.

    Args: seen: called before each image.
    """
    if is_labelled(folder, examples, task):
        return
    predictor = load_predictor(weights)
    assert isinstance(predictor.model, torch.nn.Module)  # a run's weights, no exported graph
    predictor.model.to(device)
    classes = {}
    for example in examples:
        path = _label_map(folder, example)
        if task == "segmentation" and path.exists():
            continue
        seen()
        prediction = predictor.predict(example.image)
        if prediction.top is not None:
            classes[example.name] = (predictor.classes or ()).index(prediction.top[0].label)
            continue
        new_folder(path.parent)
        prediction.save(path, force=True)
    if task == "classification":
        with new_file(folder / _CLASSES, force=True) as temporary:
            temporary.write_bytes(sealed({"schema": _SCHEMA, "classes": classes}) + b"\n")


def score_run(folder: Path, examples: Sequence[Example], data: TrainingData, task: Task, workers: int) -> RunScores:
    """The scores of a run that has labelled all images."""
    settings = _settings(data, task)
    table, total = ScoreTable(settings, data.names), BoundaryAccumulator(settings, data.names)
    scored = (
        _scored_classes(folder, examples, settings)
        if task == "classification"
        else _scored_maps(folder, examples, data, settings, workers)
    )
    for name, scores in scored:
        table.add(name, scores)
        total.add(name, scores)
    return RunScores(table, total.summary())


def _settings(data: TrainingData, task: Task) -> BoundarySettings:
    count = len(data.names)
    if task == "classification":
        return BoundarySettings(num_classes=count, ignore_index=None, metrics=("pixel_accuracy",))
    return BoundarySettings(
        num_classes=count,
        ignore_index=data.reading.ignore_index,
        metrics=("boundary_f1", "trimap_miou", "miou", "pixel_accuracy"),
        trimap_width=(3,),
    )


def _scored_classes(
    folder: Path, examples: Sequence[Example], settings: BoundarySettings
) -> Iterator[tuple[str, PairScores]]:
    """An image's class is a label map of one pixel, so that top-1 is the pixel accuracy of those."""
    said = _read_classes(folder / _CLASSES, examples, settings.num_classes or 0)
    for example in examples:
        pred, gt = np.full((1, 1), said[example.name]), np.full((1, 1), example.target)
        yield example.name, score_pair(pred, gt, settings)


def _read_classes(path: Path, examples: Sequence[Example], count: int) -> dict[str, int]:
    """The class that was predicted for each image, of so many. Raises: InputError: the file is damaged."""
    mend = "remove it; `resume` labels the images again"
    text = read_bytes(path, mend=mend)
    try:
        if _SCHEMA.encode() in text:
            said = typed(unsealed(text), _Classes).classes
        else:  # of version 0.1.0: the classes alone
            said = typed(parsed(text), dict[str, int])
        for example in examples:
            if not 0 <= said.get(example.name, -1) < count:
                raise SchemaError(example.name, f"needs a class from 0 to {count - 1}")
    except SchemaError as error:
        raise InputError(path, f"{error}; {mend}") from None
    return said


@dataclass(frozen=True)
class _Classes:
    """schema: see `_SCHEMA`; classes: by image."""

    schema: str
    classes: dict[str, int]


def _scored_maps(
    folder: Path, examples: Sequence[Example], data: TrainingData, settings: BoundarySettings, workers: int
) -> Iterator[tuple[str, PairScores]]:
    pairs = []
    for example in examples:
        made = _label_map(folder, example)
        if isinstance(example.target, Path):
            pairs.append(Pair(example.name, made, example.target))
        elif not isinstance(example.target, int):  # inside a shard, which is no file to be known again by its time
            gt = data.reading.ground_truth(example.target)
            yield example.name, score_pair(data.reading.prediction(made), gt, settings)
    if pairs:  # silently: the study has a bar of its own
        yield from score_pairs(pairs, data.reading, settings, kept=folder / _SCORES, workers=max(workers, 1))


def _label_map(folder: Path, example: Example) -> Path:
    return output_path(folder / _LABELS, example.name, ".png")
