"""The work of eval-boundary, pair by pair: in this process, over several, or on a Dask cluster.

Whichever it is, results come in the order of the jobs, and only so many are under way or waiting that memory does not
grow with their number.
"""

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import convneur
from convneur.errors import InputError
from convneur_cli.errors import UsageError
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.data.pairs import Pair
    from convneur.data.reading import Reading
    from convneur.metrics import BoundarySettings, PairScores
    from convneur_cli.boundary_state import State

__all__ = ["Map", "Scored", "classes_seen", "engine", "scored_pairs", "stamp"]

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
Stamp = tuple[tuple[int, int], tuple[int, int]]

_PRELOADED = ["convneur_cli.app", "convneur.data.reading", "convneur.metrics"]
_AHEAD = 8  # jobs handed out per worker before the first of them must be done
# Silent here: which of their lines and tracebacks a lost connection leaves is chance, and what matters is raised.
_DASK_LOGS = ("distributed", "distributed.client", "distributed.gc", "tornado.application", "asyncio")


@dataclass(frozen=True, eq=False)
class Scored:
    """scores: of a pair. files: size and time in ns of prediction and ground truth. resized: the prediction was."""

    scores: "PairScores"
    files: Stamp
    resized: bool


class _Future(Protocol):
    def result(self) -> Any: ...


def stamp(pair: "Pair") -> Stamp:
    """Size and time of change in ns of the prediction and the ground truth."""
    pred, gt = pair.pred.stat(), pair.gt.stat()
    return (pred.st_size, pred.st_mtime_ns), (gt.st_size, gt.st_mtime_ns)


def scored_pairs(
    printer: Printer,
    mapped: Map,
    pairs: Sequence["Pair"],
    reading: "Reading",
    settings: "BoundarySettings",
    *,
    state: "State | None" = None,
    strict: bool = False,
) -> Iterator[tuple["Pair", "Scored | str"]]:
    """Each pair in order with what it came to: scores, or why it has none; failures are reported on stderr.

    Args:   state: where finished pairs are looked up and kept. strict: raise at the first failure.
    Raises: InputError: a pair failed, if strict.
    """
    finished = [state is not None and state.has(pair) for pair in pairs]
    todo = (pair for pair, known in zip(pairs, finished, strict=True) if not known)
    outcomes = mapped(partial(_score, reading=reading, settings=settings), todo)
    with printer.steps("scoring", len(pairs)) as advance:
        for pair, known in zip(pairs, finished, strict=True):
            outcome = state.get(pair) if state is not None and known else next(outcomes)
            if isinstance(outcome, str):
                if strict:
                    raise InputError(pair.name, f"{outcome}")
                printer.error(f"{pair.name}: {outcome}")
            elif state is not None and not known:
                state.add(pair, outcome)
            yield pair, outcome
            advance()


def _score(pair: "Pair", reading: "Reading", settings: "BoundarySettings") -> "Scored | str":
    from convneur.metrics import score_pair

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


def classes_seen(printer: Printer, mapped: Map, pairs: Sequence["Pair"], reading: "Reading") -> int:
    """The highest class of the ground truth + 1."""
    highest = 0
    with printer.steps("finding the classes", len(pairs)) as advance:
        for label in mapped(partial(_highest_class, reading=reading), pairs):
            highest = max(highest, label)
            advance()
    return highest + 1


def _highest_class(pair: "Pair", reading: "Reading") -> int:
    from convneur.metrics import highest_class

    try:
        return highest_class(reading.ground_truth(pair.gt), reading.ignore_index)
    except (InputError, MemoryError):
        return 0  # reported when the pair is scored


@contextmanager
def engine(workers: int, scheduler: str | None, jobs: int) -> Iterator[Map]:
    """Yield a `map` in this process, over several, or on the Dask cluster whose scheduler has this address.

    Args:   workers: processes, 0 one per core; jobs: how many there will be.
    Raises: InputError: a worker process or the connection ended early. UsageError: no such scheduler.
    """
    if scheduler is not None:
        with _cluster(scheduler) as mapped:
            yield mapped
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(workers or cores, jobs)
    if workers <= 1:
        yield map
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # Not forked from here: the progress bar has a thread. Forked from a server, workers share what it has imported.
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    context.set_forkserver_preload(_PRELOADED)
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker)
    try:
        yield _windowed(pool.submit, _AHEAD * workers)
    except BrokenProcessPool:
        raise InputError(
            None, "a worker process ended early, perhaps for lack of memory; use fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, and they would wait for work forever."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _windowed(submit: Callable[..., _Future], most: int) -> Map:
    """A `map` that keeps at most so many jobs submitted and gives results in the order of the jobs."""

    def mapped(function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
        waiting: deque[_Future] = deque()
        for job in jobs:
            waiting.append(submit(function, job))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    return mapped


@contextmanager
def _cluster(address: str) -> Iterator[Map]:
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ImportError:
        raise UsageError(f"--scheduler {address}: needs Dask; pip install 'convneur[dask]'") from None
    for name in _DASK_LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        resolve_address(address)  # a client with a wrong address would take a minute to be given up
        client = Client(address, timeout="10s", set_as_default=False)
    except OSError:
        raise InputError(None, f"--scheduler {address}: no Dask scheduler answers there") from None
    except ValueError as error:
        raise UsageError(f"--scheduler {address}: no address such as tcp://host:8786 ({error})") from None
    try:
        with _losses_named(address):
            workers = client.run(_release, on_error="return")
            threads = sum(client.nthreads().values())
        if not workers:
            raise InputError(None, f"--scheduler {address}: has no workers; start some with `dask worker {address}`")
        for worker, release in workers.items():
            if release != convneur.__version__:
                found = f"convneur {release}" if isinstance(release, str) else f"no convneur ({release})"
                raise InputError(worker, f"this worker has {found}; install convneur {convneur.__version__} there")
        # Dask starts a lost worker's jobs again elsewhere; `pure` would let equal ones share a result.
        windowed = _windowed(partial(client.submit, pure=False), _AHEAD * max(threads, 8))

        def mapped(function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
            with _losses_named(address):
                yield from windowed(function, jobs)

        yield mapped
    finally:
        client.close()


@contextmanager
def _losses_named(address: str) -> Iterator[None]:
    """Turn each of the ways in which Dask says that the scheduler or the workers have gone into an InputError."""
    from distributed.client import ClosedClientError
    from distributed.scheduler import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise InputError(None, f"a pair ended one worker after another, perhaps for lack of memory ({error})") from None
    except (CancelledError, ClosedClientError):
        raise InputError(None, f"--scheduler {address}: the connection was lost") from None
    except OSError as error:
        if error.filename is not None:  # a job's own, about a file
            raise
        raise InputError(None, f"--scheduler {address}: the connection was lost") from None


def _release() -> str:
    import convneur

    return convneur.__version__
