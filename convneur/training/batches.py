"""The order of the images and their views, as batches: a function of the seed and the step alone."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from convneur.cores import usable_cores
from convneur.errors import InputError
from convneur.training.task import Batch, TrainingTask

__all__ = ["BatchShard", "batches"]

_ORDER = 2**32 - 1  # where a view has its index, the order of an epoch has this


@dataclass(frozen=True)
class BatchShard:
    """Which part of each step's batch a process computes, and in how many parts."""

    rank: int = 0
    processes: int = 1
    accumulate: int = 1

    @property
    def parts(self) -> int:
        """In how many parts a step's batch is computed."""
        return self.processes * self.accumulate

    def keys(self, seed: int, images: int, batch: int, steps: range) -> Iterator[list[tuple[int, int]]]:
        """(epoch, index) of the images of each part of each step.

        Step s takes the images s B to (s + 1) B of the epochs' orders laid end to end: no batch is short, none is
        dropped, and where it stands follows from the step.
        """
        size = batch // self.parts
        orders: dict[int, Any] = {}
        for step in steps:
            for part in range(self.accumulate):
                first = step * batch + (self.rank * self.accumulate + part) * size
                keys = []
                for place in range(first, first + size):
                    epoch, number = divmod(place, images)
                    if epoch not in orders:
                        orders = {k: order for k, order in orders.items() if k >= epoch - 1}
                        orders[epoch] = np.random.default_rng([seed, epoch, _ORDER]).permutation(images)
                    keys.append((epoch, int(orders[epoch][number])))
                yield keys


def batches(task: TrainingTask, keys: Iterator[list[tuple[int, int]]], workers: int) -> Iterator[Batch]:
    """The parts of a task's views one after another, decoded ahead by so many processes, in this one if there are none.

    Choice: no more processes than cores, of which torch would warn; the parts are the same.
    Raises: InputError: an image that can no longer be read, or a process that decodes was killed.
    """
    loader: DataLoader[Any] = DataLoader(
        _ErrorsAsValues(task),
        batch_sampler=_KeysInOrder(keys),
        num_workers=min(workers, usable_cores()),
        worker_init_fn=_begin_worker,
        collate_fn=_Collated(task),
    )
    parts = iter(loader)
    while True:
        try:
            part = next(parts, None)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise InputError(
                None, "a process that decodes images was killed, perhaps for want of memory; take fewer `workers`"
            ) from None
        if part is None:
            return
        if isinstance(part, InputError):
            raise InputError(None, f"{part}; it could be read when the run began")
        yield Batch(part.x.contiguous(memory_format=torch.channels_last), part.y)


class _ErrorsAsValues(Dataset[Any]):
    """Views, or the error as a value: raised in a worker it would arrive as a traceback in its words."""

    def __init__(self, task: TrainingTask) -> None:
        self._task = task

    def __getitem__(self, key: tuple[int, int]) -> Any:
        try:
            return self._task.view(key)
        except InputError as error:
            return error


class _Collated:
    """Views as a part of a batch, or the first error among them."""

    def __init__(self, task: TrainingTask) -> None:
        self._task = task

    def __call__(self, items: list[Any]) -> Any:
        return next((item for item in items if isinstance(item, InputError)), None) or self._task.collate(items)


_GRACE = 30  # seconds in which the process that saves ends its step


def _begin_worker(number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that saves
    if hasattr(signal, "alarm"):  # so is a SIGTERM to the whole group, yet no worker outlives one for long
        signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_GRACE))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker of a process that was killed would hold its lock on the run's folder for some seconds more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _KeysInOrder:
    """A batch sampler that yields what it was given, as DataLoader wants one."""

    def __init__(self, keys: Iterator[list[tuple[int, int]]]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self._keys
