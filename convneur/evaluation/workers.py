"""Where pairs are scored: in this process, over several, or on a Dask cluster.

Whichever it is, results come in the order of the jobs, and only so many are under way or waiting that memory does not
grow with their number.
"""

import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from convneur.cores import usable_cores
from convneur.errors import ConfigError, InputError

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

__all__ = ["Map", "worker_map"]

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

_PRELOADED = ["convneur.evaluation.scoring", "convneur.data.reading", "convneur.metrics"]
_AHEAD = 8  # jobs handed out per worker before the first of them must be done
# Silent here: which of their lines and tracebacks a lost connection leaves is chance, and what matters is raised.
_DASK_LOGS = ("distributed", "distributed.client", "distributed.gc", "tornado.application", "asyncio")


class _Future(Protocol):
    def result(self) -> Any: ...


@contextmanager
def worker_map(workers: int, scheduler: str | None, jobs: int) -> Iterator[Map]:
    """Yield a `map` in this process, over several, or on the Dask cluster whose scheduler has this address.

    Args:   workers: processes, 0 one per core; jobs: how many there will be.
    Raises: InputError: a worker process or the connection ended early. ConfigError: no such scheduler, or it and
        workers.

    >>> with worker_map(1, None, 3) as mapped:
    ...     list(mapped(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    if workers < 0:
        raise ConfigError("workers", "must be at least 1, or 0 for one per core", value=workers)
    if scheduler is not None:
        if workers != 1:
            raise ConfigError("workers", "the scheduler's workers do the work; leave it out")
        with _cluster(scheduler) as mapped:
            yield mapped
        return
    workers = min(workers or usable_cores(), jobs)
    if workers <= 1:
        yield map
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # Not forked from here: a progress bar has a thread. Forked from a server, workers share what it has imported.
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    context.set_forkserver_preload(list(_PRELOADED))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker)
    try:
        yield _windowed(_submitting(pool), _AHEAD * workers)
    except BrokenProcessPool:
        raise InputError(
            None, "a worker process ended early, perhaps for lack of memory; use fewer `workers`"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _submitting(pool: "ProcessPoolExecutor") -> Callable[..., Any]:
    """`pool.submit`, whose new processes import nothing of the caller's script.

    They need nothing of it, and a script without `if __name__ == "__main__":` would start itself again in each.
    """

    def submit(*call: Any) -> Any:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # what multiprocessing looks at when it starts a process
        try:
            return pool.submit(*call)
        finally:
            sys.modules["__main__"] = script

    return submit


def _begin_worker() -> None:
    for stop in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C, and SIGTERM to the whole group, are for the parent
        signal.signal(stop, signal.SIG_IGN)
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
        raise ConfigError("scheduler", "needs Dask; pip install distributed", value=address) from None
    for name in _DASK_LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        resolve_address(address)  # a client with a wrong address would take a minute to be given up
        client = Client(address, timeout="10s", set_as_default=False)
    except OSError:
        raise InputError(None, f"`scheduler` {address}: no Dask scheduler answers there") from None
    except ValueError as error:
        problem = f"no address such as tcp://host:8786 ({error})"
        raise ConfigError("scheduler", problem, value=address) from None
    try:
        with _losses_named(address):
            workers = client.run(_release, on_error="return")
            threads = sum(client.nthreads().values())
        if not workers:
            raise InputError(None, f"`scheduler` {address}: has no workers; start some, each by: dask worker {address}")
        ours = _release()
        for worker, release in workers.items():
            if release != ours:
                found = f"convneur {release}" if isinstance(release, str) else f"no convneur ({release})"
                raise InputError(worker, f"this worker has {found}; install convneur {ours} there")
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
        raise InputError(None, f"`scheduler` {address}: the connection was lost") from None
    except OSError as error:
        if error.filename is not None:  # a job's own, about a file
            raise
        raise InputError(None, f"`scheduler` {address}: the connection was lost") from None


def _release() -> str:
    return version("convneur")
