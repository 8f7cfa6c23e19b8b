"""What the runs of a study are tested on, and how: labelled as predict does, scored as eval-boundary does."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convneur.errors import ConfigError, InputError
from convneur.files import new_file, new_folder
from convneur_cli.errors import UsageError
from convneur_cli.output import Printer
from convneur_cli.study_report import Outcome

if TYPE_CHECKING:
    import torch

    from convneur.data.examples import Example, Task
    from convneur.metrics import BoundarySettings, PairScores
    from convneur.training.data import TrainingData

__all__ = ["MADE", "TestPhotos", "find_test_photos", "is_labelled", "label_photos", "score_run"]

_LABELS, _SCORES, _CLASSES = "labels", "scores.jsonl", "predictions.json"
MADE = (_LABELS, _SCORES, _CLASSES)
"""What testing leaves in a run's folder."""


@dataclass(frozen=True)
class TestPhotos:
    """What is tested on. split: its name, None for folds; parts: one, or a fold each."""

    __test__ = False  # no test, for pytest

    split: str | None
    parts: "tuple[tuple[Example, ...], ...]"

    @property
    def folds(self) -> int | None:
        return len(self.parts) if self.split is None else None

    @property
    def count(self) -> int:
        return sum(map(len, self.parts))

    def of(self, fold: int | None) -> "tuple[Example, ...]":
        return self.parts[fold or 0]


def find_test_photos(
    printer: Printer,
    root: Path,
    data: "TrainingData",
    task: "Task",
    *,
    split: str | None,
    folds: int | None,
    threads: int,
) -> TestPhotos:
    """The split, by default test or else val, or the folds. Raises: UsageError: there is none such."""
    from convneur.data.examples import find_split, has_split, survey
    from convneur.training.study import folds_of

    if folds is not None:
        try:
            return TestPhotos(None, folds_of(data.train, data.val, folds))
        except ConfigError as error:
            raise UsageError(f"--{error}") from None
    name = split or ("test" if has_split(root, task, "test") else "val")
    if name == "val":
        printer.warn("tested on the photos that the weights are chosen on: all figures are a little too good")
        return TestPhotos(name, (data.val,))
    if name == "train" or not has_split(root, task, name):
        raise UsageError(f"--split {name}: no such split beside train; choose test, val, or the name of a folder")
    examples = find_split(root, task, name, data.reading)
    with printer.steps("looking through the test photos", len(examples)) as advance:
        found = survey(examples, data.reading, len(data.names), threads=max(threads, 1), seen=advance)
    for line in found.failed:
        printer.error(line)
    if found.failed:
        printer.warn(f"{len(found.failed)} test photos cannot be read and are left out")
    return TestPhotos(name, (found.examples,))


def is_labelled(folder: Path, examples: "Sequence[Example]", task: "Task") -> bool:
    """Whether a run has been asked of all test photos."""
    if task == "classification":
        return (folder / _CLASSES).exists()
    return all(_label_map(folder, example).exists() for example in examples)


def label_photos(
    folder: Path,
    weights: Path,
    examples: "Sequence[Example]",
    task: "Task",
    device: "torch.device",
    seen: Callable[[], object],
) -> None:
    """Ask a run's weights of each photo that is not labelled yet: a label map, or a class, in its folder.

    Args: seen: called before each photo.
    """
    from convneur.inference import load

    if is_labelled(folder, examples, task):
        return
    predictor = load(weights)
    predictor.model.to(device)
    classes = {}
    for example in examples:
        path = _label_map(folder, example)
        if task == "segmentation" and path.exists():
            continue
        seen()
        prediction = predictor.predict(example.photo, top=1)
        if prediction.top is not None:
            classes[example.name] = (predictor.classes or ()).index(prediction.top[0].label)
            continue
        new_folder(path.parent)
        prediction.save(path, force=True)
    if task == "classification":
        with new_file(folder / _CLASSES, force=True) as temporary:
            temporary.write_text(json.dumps(classes, indent=1) + "\n", encoding="utf-8")


def score_run(folder: Path, examples: "Sequence[Example]", data: "TrainingData", task: "Task", workers: int) -> Outcome:
    """The scores of a run that has labelled all photos."""
    from convneur.metrics import BoundaryAccumulator
    from convneur.metrics.comparison import ScoreTable

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
    return Outcome(table, total.summary())


def _settings(data: "TrainingData", task: "Task") -> "BoundarySettings":
    from convneur.metrics import BoundarySettings

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
    folder: Path, examples: "Sequence[Example]", settings: "BoundarySettings"
) -> "Iterator[tuple[str, PairScores]]":
    """A photo's class is a label map of one pixel, so that top-1 is the pixel accuracy of those."""
    import numpy as np

    from convneur.metrics import score_pair

    said = json.loads((folder / _CLASSES).read_text(encoding="utf-8"))
    for example in examples:
        truth, guess = np.full((1, 1), example.target), np.full((1, 1), said[example.name])
        yield example.name, score_pair(guess, truth, settings)


def _scored_maps(
    folder: Path, examples: "Sequence[Example]", data: "TrainingData", settings: "BoundarySettings", workers: int
) -> "Iterator[tuple[str, PairScores]]":
    from convneur.data.pairs import Pair
    from convneur.metrics import score_pair
    from convneur_cli.boundary_work import Scored, engine, scored_pairs

    pairs = []
    for example in examples:
        made = _label_map(folder, example)
        if isinstance(example.target, Path):
            pairs.append(Pair(example.name, made, example.target))
        elif not isinstance(example.target, int):  # inside a shard, which is no file to be known again by its time
            truth = data.reading.ground_truth(example.target)
            yield example.name, score_pair(data.reading.prediction(made), truth, settings)
    if not pairs:
        return
    quiet = Printer(json=True, quiet=True)  # the study has a bar of its own
    with _kept_scores(folder / _SCORES, settings) as state:
        known = all(state.has(pair) for pair in pairs)
        with engine(1 if known else max(workers, 1), None, len(pairs)) as mapped:
            outcomes = scored_pairs(quiet, mapped, pairs, data.reading, settings, state=state, strict=True)
            for pair, outcome in outcomes:
                if isinstance(outcome, Scored):  # what has none was raised
                    yield pair.name, outcome.scores


@contextmanager
def _kept_scores(path: Path, settings: "BoundarySettings") -> Iterator[Any]:
    """The finished scores beside label maps; those by other settings or another version are made again."""
    from convneur_cli.boundary_state import State

    about = {"settings": dataclasses.asdict(settings)}
    try:
        state = State(path, about, resume=True, force=True)
    except InputError:
        state = State(path, about, resume=False, force=True)
    try:
        yield state
    finally:
        state.close()


def _label_map(folder: Path, example: "Example") -> Path:
    return folder / _LABELS / f"{example.name}.png"
