"""What a long run of eval-boundary has finished, kept on disk so that it can go on after Ctrl-C, a crash or kill -9."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import convneur
from convneur.errors import InputError
from convneur.files import new_file
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.data.pairs import Pair
    from convneur.metrics import PairScores
    from convneur_cli.boundary_work import Scored

__all__ = ["State", "kept_on_disk", "refuse_unfinished", "state_path"]

_SCHEMA = "convneur.boundary-state/1"
# Fields whose keys on disk are older than their names.
_ON_DISK = {"invalid_labels": "stray", "too_thin": "swallowed"}


def state_path(output: Path) -> Path:
    """Where the finished pairs of a run that writes `output` are kept: beside it."""
    return output.with_name(f"{output.name}.partial")


def refuse_unfinished(path: Path, *, resume: bool, force: bool) -> None:
    """Raise before any work if an interrupted run would be lost. Raises: InputError."""
    if path.exists() and not (resume or force):
        raise InputError(path, "of an interrupted run; --resume goes on with it, --force begins again")


class State:
    """Finished pairs in a file of JSON lines: a header that says what was asked for, then a line per pair.

    Choice: integers and shortest decimal floats, which read back to the same bits. A line that was cut off is dropped,
        with all that follows. A pair counts only while its two files have the size and time that they had; one that
        failed is not kept, so it is tried again.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], *, resume: bool, force: bool) -> None:
        self.path = path
        self._finished: dict[str, tuple[int, Any]] = {}  # name -> where its line begins, size and time of its files
        header = _plain({"schema": _SCHEMA, "convneur": convneur.__version__, **about})
        if not (resume and path.exists()):
            with new_file(path, force=force) as temporary:
                temporary.write_text(json.dumps(header) + "\n", encoding="utf-8")
        self._file = path.open("r+b")
        try:
            self._read(header)
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._finished)

    def has(self, pair: "Pair") -> bool:
        """Whether the pair is finished and its files are still the same."""
        from convneur_cli.boundary_work import stamp

        try:
            return pair.name in self._finished and self._finished[pair.name][1] == _plain(stamp(pair))
        except OSError:
            return False

    def get(self, pair: "Pair") -> "Scored":
        """What a finished pair came to."""
        from convneur_cli.boundary_work import Scored

        where, files = self._finished[pair.name]
        self._file.seek(where)
        line = json.loads(self._file.readline())
        (pred_size, pred_time), (gt_size, gt_time) = files
        return Scored(_decoded(line["scores"]), ((pred_size, pred_time), (gt_size, gt_time)), resized=line["resized"])

    def add(self, pair: "Pair", scored: "Scored") -> None:
        """Keep a pair that was scored."""
        line = {"name": pair.name, "files": scored.files, "resized": scored.resized, "scores": _encoded(scored.scores)}
        where = self._file.seek(0, 2)
        self._file.write(json.dumps(line, ensure_ascii=True).encode() + b"\n")
        self._file.flush()  # in the hands of the system: a killed process loses nothing
        self._finished[pair.name] = where, line["files"]

    def close(self) -> None:
        self._file.close()

    def _read(self, header: dict[str, Any]) -> None:
        try:
            found = json.loads(self._file.readline())
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("schema") != _SCHEMA:
            raise InputError(self.path, "holds no finished pairs; --force begins again")
        differing = [key for key in header if found.get(key) != header[key]]
        if differing:
            changes = "; ".join(f"{key} was {_short(found.get(key))}, is {_short(header[key])}" for key in differing)
            raise InputError(self.path, f"begun with other settings ({changes}); repeat them, or --force begins again")
        while line := self._file.readline():
            where = self._file.tell() - len(line)
            try:
                if not line.endswith(b"\n"):
                    raise ValueError
                pair = json.loads(line)
                self._finished[pair["name"]] = where, pair["files"]
            except (ValueError, KeyError, TypeError):
                self._file.seek(where)
                self._file.truncate()
                break


@contextmanager
def kept_on_disk(
    printer: Printer, path: Path | None, about: Mapping[str, Any], pairs: int, *, resume: bool, force: bool
) -> Iterator[State | None]:
    """Yield the state beside an output; remove it once the block has ended well, else say how to go on."""
    if path is None:
        try:
            yield None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing is kept; with -o FILE finished pairs would be") from None
        return
    state = State(path, about, resume=resume, force=force)
    if resume and len(state):
        printer.note(f"{path}: {len(state)} of {pairs} pairs are scored already")
    done = False
    try:
        yield state
        done = True
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(state, pairs)) from None
    except BaseException:
        if len(state):
            printer.warn(_kept(state, pairs))
        raise
    finally:
        state.close()
        if done or not len(state):
            path.unlink(missing_ok=True)


def _kept(state: State, pairs: int) -> str:
    if not len(state):
        return "no pair was finished"
    return f"{len(state)} of {pairs} pairs are scored and kept in {state.path}; the same command with --resume goes on"


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


def _decoded(kept: dict[str, Any]) -> "PairScores":
    """The way back; dtypes are those of `PairScores`."""
    import numpy as np

    from convneur.metrics import Confusion, Matches, PairScores
    from convneur.metrics.distances import SurfaceDistances

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
