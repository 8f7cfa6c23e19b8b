"""Pairs to scores, one job each: read, scored, kept; what fails is an outcome like any other."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from convneur.data.pairs import Pair
from convneur.data.reading import Reading
from convneur.errors import InputError
from convneur.evaluation.jobs import Failure, Job, Scored, stamp
from convneur.evaluation.partial import FinishedPairs
from convneur.evaluation.workers import Map, worker_map
from convneur.metrics import BoundarySettings, PairScores, highest_class, score_pair
from convneur.progress import Progress, silent

__all__ = ["count_classes", "score_pairs", "scored_jobs"]


def score_pairs(
    pairs: Sequence[Pair],
    reading: Reading,
    settings: BoundarySettings,
    *,
    kept: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> Iterator[tuple[str, PairScores]]:
    """Each pair's name and scores, in order: what `evaluate` adds up.

    Args:   reading: how the files are read. kept: a file where scores are looked up and kept; they count while the
        pair's files are the same and the settings too. workers: processes; the scores are the same.
    Raises: InputError: a pair that cannot be scored.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from convneur.data.pairs import Pair
    >>> from convneur.data.reading import Reading
    >>> from convneur.metrics import BoundarySettings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "a.npy"), np.eye(9, dtype=np.uint8))
    ...     pair = Pair("a", Path(folder, "a.npy"), Path(folder, "a.npy"))
    ...     [(name, scores)] = score_pairs([pair], Reading(), BoundarySettings(num_classes=2))
    >>> name, scores.confusion.agreeing.tolist()
    ('a', [72, 9])
    """
    jobs = [Job(pair) for pair in pairs]
    finished = None if kept is None else _kept_scores(kept, settings, jobs)
    try:
        known = finished is not None and all(map(finished.has, jobs))
        with worker_map(1 if known else workers, None, len(jobs)) as mapped:
            outcomes = scored_jobs(jobs, mapped, reading, settings, finished=finished, strict=True, progress=progress)
            for job, outcome in outcomes:
                if isinstance(outcome, Scored):  # what has none was raised
                    yield job.pair.name, outcome.scores
    finally:
        if finished is not None:
            finished.close()


def _kept_scores(path: Path, settings: BoundarySettings, jobs: Sequence[Job]) -> FinishedPairs:
    """What is kept in a file; what other settings left there, or damage, is scored again, so nothing need be said."""
    about = {"settings": asdict(settings)}
    try:
        return FinishedPairs(path, about, jobs, settings, resume=True, force=True)
    except InputError:
        return FinishedPairs(path, about, jobs, settings, resume=False, force=True)


def scored_jobs(
    jobs: Sequence[Job],
    mapped: Map,
    reading: Reading,
    settings: BoundarySettings,
    *,
    finished: FinishedPairs | None = None,
    strict: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[Job, Scored | Failure]]:
    """Each job in order with its outcome.

    Args:   finished: where scores are looked up and kept. strict: raise at the first failure.
    Raises: InputError: a pair failed, if strict.
    """
    known = [finished is not None and finished.has(job) for job in jobs]
    todo = (job.pair for job, done in zip(jobs, known, strict=True) if not done)
    outcomes = mapped(partial(_score, reading=reading, settings=settings), todo)
    with progress.steps("scoring", len(jobs)) as advance:
        for job, done in zip(jobs, known, strict=True):
            outcome = finished.get(job) if finished is not None and done else next(outcomes)
            if isinstance(outcome, str):
                failure = Failure(job.pair.name, outcome, job.model)
                if strict:
                    raise InputError(failure.title, outcome)
                progress.error(f"{failure.title}: {outcome}")
                yield job, failure
            else:
                if finished is not None and not done:
                    finished.add(job, outcome)
                yield job, outcome
            advance()


def _score(pair: Pair, reading: Reading, settings: BoundarySettings) -> Scored | str:
    try:
        files = stamp(pair)  # before they are read: a file that is replaced meanwhile does not count as finished
        pred, gt, resized = reading.pair(pair)
        return Scored(score_pair(pred, gt, settings), files, resized)
    except InputError as error:
        return str(error)
    except FileNotFoundError as error:
        return f"{error.filename}: no such file"
    except MemoryError:
        return "not enough memory to score it"


def count_classes(pairs: Sequence[Pair], mapped: Map, reading: Reading, *, progress: Progress = silent) -> int:
    """The highest class of the ground truth + 1."""
    highest = 0
    with progress.steps("finding the classes", len(pairs)) as advance:
        for label in mapped(partial(_highest_class, reading=reading), pairs):
            highest = max(highest, label)
            advance()
    return highest + 1


def _highest_class(pair: Pair, reading: Reading) -> int:
    try:
        return highest_class(reading.ground_truth(pair.gt), reading.ignore_index)
    except (InputError, MemoryError):
        return 0  # said when the pair is scored
