"""What a long run has finished, kept on disk so that it can go on after Ctrl-C, a crash or kill -9."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from convneur.data.pairs import Pair
from convneur.errors import InputError, SuspiciousInputError
from convneur.evaluation.jobs import Job, Scored, Stamp, sources, stamp
from convneur.evaluation.kept_scores import as_plain, read_scores
from convneur.files import lock_alone, new_file, refuse_existing
from convneur.metrics import BoundarySettings
from convneur.progress import Progress
from convneur.schema import MOST_BYTES, SchemaError, parsed, read_lines, sealed, typed, unsealed

__all__ = ["FinishedPairs", "finished_pairs", "outputs_begun", "partial_path", "refuse_unfinished"]

_SCHEMA = "convneur.boundary-state/3"
_SECOND_SCHEMA = "convneur.boundary-state/2"  # without checksums
_FIRST_SCHEMA = "convneur.boundary-state/1"  # of 0.1.0: the second model's pairs bear a mark behind their names
_FIRST_MARK = " (against)"
_OUTPUTS_BEGUN = b'{"outputs": "begun"}\n'  # behind the last pair; read as a line that was cut off

_Key = tuple[int, str]  # model, name of the pair


@dataclass(frozen=True)
class _Line:
    """A finished pair. model: see `Job`; name: of the pair; files: see `stamp`; scores: see `as_plain`; sources: of the
    pair, unknown of older ones.
    """

    name: str
    files: Stamp
    resized: bool
    scores: dict[str, object]
    model: int = 0
    sources: tuple[str, str] | None = None

    def is_of(self, pair: Pair) -> bool:
        """Whether it holds the scores of these files, unchanged since."""
        return self.files == stamp(pair) and self.sources in (None, sources(pair))


def partial_path(output: Path) -> Path:
    """Where the finished pairs of a run that writes `output` are kept: beside it."""
    return output.with_name(f"{output.name}.partial")


def refuse_unfinished(path: Path, *, resume: bool, force: bool) -> None:
    """Raise before any work if an interrupted run would be lost, or one that is still at work. Raises: InputError."""
    refuse_existing(path, force=True)
    if not path.exists():
        return
    _held(path).close()
    if not (resume or force):
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

    Choice: integers and shortest decimal floats, which read back to the same bits, and a checksum in each line. A line
        that was cut off is dropped, one that was changed is passed over: its pair is scored again. A pair counts only
        while its two files are the same ones, of the size and time that they had; one that failed is not kept, so it is
        tried again. A file of an earlier version, which has no checksums, is rewritten first; what a name in one of
        0.1.0 means two pairs of these jobs is dropped. The file of a run that is not gone on with stays until this one
        has finished a pair.
    Args:   about: what was asked for, `settings` and more; jobs: of this run; resume: go on with the file if there is
        one; warn: told of damaged lines.
    Raises: InputError: the file holds no finished pairs, or those of other settings, or another process writes it.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any],
        jobs: Sequence[Job],
        settings: BoundarySettings,
        *,
        resume: bool,
        force: bool,
        warn: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.path, self._settings = path, settings
        self._lines: dict[_Key, tuple[int, _Line]] = {}  # where a pair's line begins, and it without its scores
        self._damaged: list[str] = []
        self._header = _plain({"schema": _SCHEMA, "convneur": version("convneur"), **about})
        self.is_own = resume or not path.exists()
        if not path.exists():
            self._begin(force=force)
            return
        self._file = _held(self.path)
        if resume:
            try:
                if self._brought_up_to_date(jobs):
                    self._file.close()
                    self._file = _held(self.path)
                self._read(self._header)
            except BaseException:
                self._file.close()
                raise
        if self._damaged:
            more = f", and {len(self._damaged) - 1} more lines" if len(self._damaged) > 1 else ""
            warn(f"{path}: damaged ({self._damaged[0]}{more}); what was there is scored again")

    def __len__(self) -> int:
        return len(self._lines)

    def has(self, job: Job) -> bool:
        """Whether the pair is finished and its files are still the same."""
        found = self._lines.get(_key(job))
        try:
            return found is not None and found[1].is_of(job.pair)
        except OSError:
            return False

    def get(self, job: Job) -> Scored:
        """The scores of a finished pair. Raises: InputError: the file was changed since it was opened."""
        where, kept = self._lines[_key(job)]
        self._file.seek(where)
        try:
            line = typed(unsealed(self._file.readline(), finite=False), _Line)
            return Scored(read_scores(line.scores, self._settings), kept.files, line.resized)
        except SchemaError as error:
            raise InputError(self.path, f"{job.pair.name}: {error}; repeat the command with `resume`") from None

    def add(self, job: Job, scored: Scored) -> None:
        """Keep a pair that was scored. Raises: InputError: the disk refused it."""
        if not self.is_own:
            self._file.close()
            self._begin(force=True)
        pair = job.pair
        line = _Line(pair.name, scored.files, scored.resized, as_plain(scored.scores), job.model, sources(pair))
        self._lines[_key(job)] = self._append(sealed(vars(line)) + b"\n"), _without_scores(line)

    def outputs_begin(self) -> None:
        """All pairs are finished and the outputs are written next; see `outputs_begun`."""
        if self.is_own:
            self._append(_OUTPUTS_BEGUN)

    def close(self) -> None:
        with suppress(OSError):  # bytes that the disk refused before
            self._file.close()

    def _begin(self, *, force: bool) -> None:
        with new_file(self.path, force=force) as temporary:
            temporary.write_bytes(sealed(self._header) + b"\n")
        self._file, self.is_own = _held(self.path), True

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
        text = next(read_lines(self._file), b"")
        found = _header(text)
        if found.get("schema") != _SCHEMA:
            raise InputError(self.path, "holds no finished pairs; `force` begins again")
        try:
            unsealed(text)
        except SchemaError as error:
            raise InputError(self.path, f"line 1: {error}; `force` begins again") from None
        # Not by which release: the schema's number says what the numbers mean.
        # A setting that the release of the run did not have was as it is by default.
        found = _plain(asdict(BoundarySettings())) | found
        differing = [key for key in header if key != "convneur" and found.get(key) != header[key]]
        if differing:
            changes = "; ".join(f"{key} was {_short(found.get(key))}, is {_short(header[key])}" for key in differing)
            raise InputError(self.path, f"begun with other settings ({changes}); repeat them, or `force` begins again")
        for where, line in self._finished(self._file, unsealed):
            self._lines[line.model, line.name] = where, _without_scores(line)
        self._file.truncate(self._file.tell())

    def _finished(self, file: BinaryIO, value_of: Callable[..., Any]) -> Iterator[tuple[int, _Line]]:
        """(where it begins, a pair's line) up to one that was cut off, where the file then stands."""
        for number, text in enumerate(read_lines(file), start=2):
            where = file.tell() - len(text)
            if text == _OUTPUTS_BEGUN or (not text.endswith(b"\n") and len(text) < MOST_BYTES):
                file.seek(where)
                return
            try:
                line = typed(value_of(text, finite=False), _Line)
                read_scores(line.scores, self._settings)
            except SchemaError as error:
                self._damaged.append(f"line {number}: {error}")
            else:
                yield where, line

    def _brought_up_to_date(self, jobs: Sequence[Job]) -> bool:
        """Rewrite a file of an earlier version as one of this version; any other is left as it is. Whether it was."""
        marked: dict[str, list[_Key]] = {}
        for job in jobs:
            marked.setdefault(job.pair.name + _FIRST_MARK * job.model, []).append(_key(job))
        with self.path.open("rb") as file:
            header = _header(next(read_lines(file), b""))
            schema = header.get("schema")
            if schema not in (_FIRST_SCHEMA, _SECOND_SCHEMA):
                return False
            header["schema"] = _SCHEMA
            for key in ("predictions", "ground truth", "against"):
                if schema == _FIRST_SCHEMA and header.get(key) == "None":
                    header[key] = None
            with new_file(self.path, force=True) as temporary, temporary.open("wb") as made:
                made.write(sealed(header) + b"\n")
                for _, line in self._finished(file, parsed):
                    keys = marked.get(line.name, []) if schema == _FIRST_SCHEMA else [(line.model, line.name)]
                    if len(keys) == 1:
                        ((model, name),) = keys
                        made.write(sealed({**vars(line), "model": model, "name": name}) + b"\n")
        return True


def _without_scores(line: _Line) -> _Line:
    return replace(line, scores={})


@contextmanager
def finished_pairs(
    path: Path | None,
    about: Mapping[str, Any],
    jobs: Sequence[Job],
    settings: BoundarySettings,
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
    finished = FinishedPairs(path, about, jobs, settings, resume=resume, force=force, warn=progress.warn)
    if resume and len(finished):
        progress.note(f"{path}: {len(finished)} of {len(jobs)} pairs are scored already")
    done = False
    try:
        yield finished
        done = True
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(finished, len(jobs))) from None
    except SuspiciousInputError:
        done = True  # all are scored, and would be refused again
        raise
    except BaseException:
        if len(finished):
            progress.warn(_kept(finished, len(jobs)))
        raise
    finally:
        finished.close()
        if done or (finished.is_own and not len(finished)):
            path.unlink(missing_ok=True)


def _held(path: Path) -> BinaryIO:
    """The open file, which is this process's alone until it is closed. Raises: InputError: another's, or read-only."""
    try:
        file = path.open("r+b")
    except OSError as error:
        raise InputError(path, f"cannot write there ({error.strerror}); choose another output") from None
    if not lock_alone(file.fileno()):
        file.close()
        raise InputError(path, "another run is writing it; choose another output")
    return file


def _kept(finished: FinishedPairs, jobs: int) -> str:
    if not len(finished):
        return "no pair was finished"
    return f"{len(finished)} of {jobs} pairs are scored and kept in {finished.path}; `resume` goes on with them"


def _key(job: Job) -> _Key:
    return job.model, job.pair.name


def _header(text: bytes) -> dict[str, Any]:
    """What the first line says; nothing where it is damaged."""
    try:
        return typed(parsed(text), dict[str, Any])
    except SchemaError:
        return {}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists, keys text."""
    return json.loads(json.dumps(value))
