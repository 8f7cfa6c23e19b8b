"""What a long run has finished, kept on disk so that it can go on after Ctrl-C, a crash or kill -9."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from convneur.errors import InputError
from convneur.evaluation.jobs import Job, Scored, stamp
from convneur.files import lock_alone, new_file, new_text, refuse_existing
from convneur.metrics import Confusion, Matches, PairScores
from convneur.metrics.distances import SurfaceDistances
from convneur.progress import Progress

__all__ = ["FinishedPairs", "finished_pairs", "outputs_begun", "partial_path", "refuse_unfinished"]

_SCHEMA = "convneur.boundary-state/2"
_FIRST_SCHEMA = "convneur.boundary-state/1"  # of 0.1.0: the second model's pairs bear a mark behind their names
_FIRST_MARK = " (against)"
_OUTPUTS_BEGUN = b'{"outputs": "begun"}\n'  # behind the last pair; read as a line that was cut off
_LINE = {"name", "files", "resized", "scores"}
# Fields whose keys on disk are older than their names.
_ON_DISK = {"invalid_labels": "stray", "too_thin": "swallowed"}

_Key = tuple[int, str]  # model, name of the pair


def partial_path(output: Path) -> Path:
    """Where the finished pairs of a run that writes `output` are kept: beside it."""
    return output.with_name(f"{output.name}.partial")


def refuse_unfinished(path: Path, *, resume: bool, force: bool) -> None:
    """Raise before any work if an interrupted run would be lost. Raises: InputError."""
    refuse_existing(path, force=True)
    if path.exists() and not (resume or force):
        raise InputError(path, "of an interrupted run; `resume` goes on with it, `force` begins again")


def outputs_begun(path: Path) -> bool:
    """Whether the run was killed while it wrote its outputs: those that are there are its own."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - len(_OUTPUTS_BEGUN), 0))
            return file.read() == _OUTPUTS_BEGUN
    except OSError:
        return False


class FinishedPairs:
    """Finished pairs in a file of JSON lines: a header that says what was asked for, then a line per pair.

    Choice: integers and shortest decimal floats, which read back to the same bits. A line that was cut off is dropped,
        with all that follows. A pair counts only while its two files have the size and time that they had; one that
        failed is not kept, so it is tried again. A file of version 0.1.0 is rewritten first; what a name in it means
        two pairs of these jobs is dropped, and so scored again. The file of a run that is not gone on with stays until
        this one has finished a pair.
    Args:   about: what was asked for; jobs: of this run; resume: go on with the file if there is one.
    Raises: InputError: the file holds no finished pairs, or those of other settings, or another process writes it.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], jobs: Sequence[Job], *, resume: bool, force: bool) -> None:
        self.path = path
        self._lines: dict[_Key, tuple[int, Any]] = {}  # where a pair's line begins, size and time of its files
        self._header = _plain({"schema": _SCHEMA, "convneur": version("convneur"), **about})
        self.is_own = resume or not path.exists()
        if not path.exists():
            self._begin(force=force)
            return
        self._file = self._held()
        if resume:
            try:
                if _bring_up_to_date(path, jobs):
                    self._file.close()
                    self._file = self._held()
                self._read(self._header)
            except BaseException:
                self._file.close()
                raise

    def __len__(self) -> int:
        return len(self._lines)

    def has(self, job: Job) -> bool:
        """Whether the pair is finished and its files are still the same."""
        found = self._lines.get(_key(job))
        try:
            return found is not None and found[1] == _plain(stamp(job.pair))
        except OSError:
            return False

    def get(self, job: Job) -> Scored:
        """The scores of a finished pair."""
        where, files = self._lines[_key(job)]
        self._file.seek(where)
        line = json.loads(self._file.readline())
        (pred_size, pred_time), (gt_size, gt_time) = files
        return Scored(_decoded(line["scores"]), ((pred_size, pred_time), (gt_size, gt_time)), resized=line["resized"])

    def add(self, job: Job, scored: Scored) -> None:
        """Keep a pair that was scored. Raises: InputError: the disk refused it."""
        if not self.is_own:
            self._file.close()
            self._begin(force=True)
        line = {
            "model": job.model,
            "name": job.pair.name,
            "files": scored.files,
            "resized": scored.resized,
            "scores": _encoded(scored.scores),
        }
        self._lines[_key(job)] = self._append(json.dumps(line, ensure_ascii=True).encode() + b"\n"), line["files"]

    def outputs_begin(self) -> None:
        """All pairs are finished and the outputs are written next; see `outputs_begun`."""
        if self.is_own:
            self._append(_OUTPUTS_BEGUN)

    def close(self) -> None:
        with suppress(OSError):  # bytes that the disk refused before
            self._file.close()

    def _begin(self, *, force: bool) -> None:
        new_text(self.path, json.dumps(self._header) + "\n", force=force)
        self._file, self.is_own = self._held(), True

    def _held(self) -> BinaryIO:
        file = self.path.open("r+b")
        if not lock_alone(file.fileno()):
            file.close()
            raise InputError(self.path, "another process is at work on it; choose another output")
        return file

    def _append(self, line: bytes) -> int:
        """Where it begins."""
        try:
            where = self._file.seek(0, 2)
            self._file.write(line)
            self._file.flush()  # in the hands of the system: a killed process loses nothing
        except OSError as error:
            raise InputError(self.path, f"could not be written ({error.strerror})") from None
        return where

    def _read(self, header: dict[str, Any]) -> None:
        found = _header(self._file)
        if found.get("schema") != _SCHEMA:
            raise InputError(self.path, "holds no finished pairs; `force` begins again")
        # Not by which release: the schema's number says what the numbers mean.
        differing = [key for key in header if key != "convneur" and found.get(key) != header[key]]
        if differing:
            changes = "; ".join(f"{key} was {_short(found.get(key))}, is {_short(header[key])}" for key in differing)
            raise InputError(self.path, f"begun with other settings ({changes}); repeat them, or `force` begins again")
        for where, line in _whole_lines(self._file, {"model", *_LINE}):
            self._lines[line["model"], line["name"]] = where, line["files"]
        self._file.truncate(self._file.tell())


@contextmanager
def finished_pairs(
    path: Path | None,
    about: Mapping[str, Any],
    jobs: Sequence[Job],
    *,
    resume: bool,
    force: bool,
    progress: Progress,
) -> Iterator[FinishedPairs | None]:
    """Yield what is kept beside an output; remove it once the block has ended well, else say how to go on."""
    if path is None:
        try:
            yield None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing is kept; with `output` finished pairs would be") from None
        return
    finished = FinishedPairs(path, about, jobs, resume=resume, force=force)
    if resume and len(finished):
        progress.note(f"{path}: {len(finished)} of {len(jobs)} pairs are scored already")
    done = False
    try:
        yield finished
        done = True
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(finished, len(jobs))) from None
    except BaseException:
        if len(finished):
            progress.warn(_kept(finished, len(jobs)))
        raise
    finally:
        finished.close()
        if done or (finished.is_own and not len(finished)):
            path.unlink(missing_ok=True)


def _kept(finished: FinishedPairs, jobs: int) -> str:
    if not len(finished):
        return "no pair was finished"
    return f"{len(finished)} of {jobs} pairs are scored and kept in {finished.path}; `resume` goes on with them"


def _key(job: Job) -> _Key:
    return job.model, job.pair.name


def _header(file: BinaryIO) -> dict[str, Any]:
    try:
        found = json.loads(file.readline())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _whole_lines(file: BinaryIO, keys: set[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(where it begins, a pair's line) up to the first that was cut off or garbled, where the file then stands."""
    while text := file.readline():
        where = file.tell() - len(text)
        try:
            if not text.endswith(b"\n"):
                raise ValueError
            line = json.loads(text)
            if not keys <= line.keys():
                raise ValueError
        except (ValueError, AttributeError):
            file.seek(where)
            return
        yield where, line


def _bring_up_to_date(path: Path, jobs: Sequence[Job]) -> bool:
    """Rewrite a file of version 0.1.0 as one of this version; any other is left as it is. Whether it was."""
    marked: dict[str, list[_Key]] = {}
    for job in jobs:
        marked.setdefault(job.pair.name + _FIRST_MARK * job.model, []).append(_key(job))
    with path.open("rb") as file:
        header = _header(file)
        if header.get("schema") != _FIRST_SCHEMA:
            return False
        header["schema"] = _SCHEMA
        for key in ("predictions", "ground truth", "against"):
            if header.get(key) == "None":
                header[key] = None
        with new_file(path, force=True) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as made:
            made.write(json.dumps(header) + "\n")
            for _, line in _whole_lines(file, _LINE):
                keys = marked.get(line["name"], [])
                if len(keys) == 1:
                    ((line["model"], line["name"]),) = keys
                    made.write(json.dumps(line) + "\n")
    return True


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists, keys text."""
    return json.loads(json.dumps(value))


def _encoded(value: Any) -> Any:
    """Scores as lists and dicts: NumPy arrays by their elements, None as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return {_ON_DISK.get(field.name, field.name): _encoded(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    return value


def _decoded(kept: dict[str, Any]) -> PairScores:
    """The way back; dtypes are those of `PairScores`."""

    def ints(rows: Any) -> Any:
        return np.array(rows, np.int64)

    def floats(rows: Any) -> Any:
        return np.array(rows, np.float64)

    def matches(parts: Any) -> Matches | None:
        if parts is None:
            return None
        gt, pred, matched_gt, matched_pred, score = parts
        return Matches(ints(gt), ints(pred), ints(matched_gt), ints(matched_pred), floats(score))

    trimap, distances, too_thin = kept["trimap"], kept["distances"], kept[_ON_DISK["too_thin"]]
    return PairScores(
        shape=tuple(kept["shape"]),
        diagonal=kept["diagonal"],
        void_pixels=kept["void_pixels"],
        invalid_labels={int(label): pixels for label, pixels in kept[_ON_DISK["invalid_labels"]].items()},
        classes=ints(kept["classes"]),
        confusion=Confusion(*map(ints, kept["confusion"])),
        trimap=None if trimap is None else {seed: Confusion(*map(ints, bands)) for seed, bands in trimap.items()},
        boundary_f1=matches(kept["boundary_f1"]),
        too_thin=None if too_thin is None else np.array(too_thin, np.bool_),
        surface_dice=matches(kept["surface_dice"]),
        distances=None if distances is None else SurfaceDistances(*map(floats, distances)),
        boundary_iou=None if kept["boundary_iou"] is None else floats(kept["boundary_iou"]),
    )
