"""What the device can do at most, measured: the ceilings of a roofline."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch

from convneur.bench.memory import free_memory
from convneur.bench.peak import matmul_peak, wait_for
from convneur.bench.settings import BenchSettings

__all__ = ["Ceilings", "Limit", "measure_ceilings"]

Limit = Literal["compute", "memory", "launches"]

_SMALLEST, _LARGEST = 2**18, {"cpu": 2**28, "cuda": 2**30}  # bytes that are copied
_SHARE_OF_FREE = 0.25
_REPEATS = 3
_LAUNCHES = 200


@dataclass(frozen=True)
class Ceilings:
    """What a device does at most with the threads and the dtype of a run.

    macs_per_second: multiply-adds in products of matrices; None where it cannot multiply the dtype. memory_bandwidth:
    bytes read and written a second in a copy larger than any cache; cache_bandwidth: in the fastest copy of any size.
    launch_seconds: what the smallest operator takes.

    >>> Ceilings(50e9, 10e9, 40e9, 1e-6).bound(macs=10**9, moved_bytes=10**8, launches=100)
    (0.02, 'compute')
    """

    macs_per_second: float | None
    memory_bandwidth: float
    cache_bandwidth: float
    launch_seconds: float

    def least_seconds(self, *, macs: int, moved_bytes: int, launches: int) -> dict[Limit, float]:
        """What each kind of work takes at least, by its ceiling; of bytes the cache's, which are all there may be."""
        return {
            "compute": macs / self.macs_per_second if self.macs_per_second else 0.0,
            "memory": moved_bytes / self.cache_bandwidth,
            "launches": launches * self.launch_seconds,
        }

    def bound(self, *, macs: int, moved_bytes: int, launches: int) -> tuple[float, Limit | None]:
        """The least seconds that the work takes, and the ceiling that says so; None where there is no work."""
        least = self.least_seconds(macs=macs, moved_bytes=moved_bytes, launches=launches)
        limit = max(least, key=lambda kind: least[kind])
        return least[limit], limit if least[limit] else None

    def to_dict(self) -> dict[str, float | None]:
        return {
            "memory_bandwidth_bytes_per_second": self.memory_bandwidth,
            "cache_bandwidth_bytes_per_second": self.cache_bandwidth,
            "launch_seconds": self.launch_seconds,
        }


def measure_ceilings(settings: BenchSettings, *, peak: float | None = None) -> Ceilings:
    """Measure the device's ceilings, which takes a second or two.

    Choice: bandwidths from copies of 256 KB, 1 MB and so on to 256 MB on a processor and 1 GB on a GPU, as far as a
    quarter of the free memory goes; the best of three each. A launch: the mean of 200 additions of single numbers, the
    best of three.

    Args: peak: of `matmul_peak`, where it was measured before.

    >>> ceilings = measure_ceilings(BenchSettings())
    >>> ceilings.cache_bandwidth >= ceilings.memory_bandwidth > 1e6
    True
    """
    bandwidths = list(_bandwidths(settings))
    return Ceilings(
        macs_per_second=matmul_peak(settings) if peak is None else peak,
        memory_bandwidth=bandwidths[-1],
        cache_bandwidth=max(bandwidths),
        launch_seconds=_launch_seconds(settings),
    )


def _bandwidths(settings: BenchSettings) -> Iterator[float]:
    """Bytes read and written a second, by rising size of what is copied."""
    largest = _LARGEST["cuda" if settings.on_cuda else "cpu"]
    free = free_memory(settings.device)
    if free is not None:
        largest = min(largest, int(_SHARE_OF_FREE * free))
    size = _SMALLEST
    while size == _SMALLEST or size <= largest:
        source = torch.ones(size, dtype=torch.uint8, device=settings.device)
        target = torch.empty_like(source)
        yield 2 * size / _best_seconds(target.copy_, source, settings.device, calls=max(1, 2**22 // size))
        size *= 4


def _launch_seconds(settings: BenchSettings) -> float:
    number = torch.ones(1, device=settings.device)
    return _best_seconds(number.add_, torch.zeros_like(number), settings.device, calls=_LAUNCHES)


def _best_seconds(work: Callable[[Any], Any], argument: Any, device: str, *, calls: int) -> float:
    """Of one call, the best of some repeats of several; the first is not timed."""
    best = float("inf")
    for repeat in range(1 + _REPEATS):
        wait_for(device)
        begun = time.perf_counter()
        for _ in range(calls):
            work(argument)
        wait_for(device)
        if repeat:
            best = min(best, (time.perf_counter() - begun) / calls)
    return max(best, 1e-9)
