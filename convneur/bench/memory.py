"""What memory is free, and what a call takes of it, as the system tells."""

import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

import torch

__all__ = ["free_memory", "kilobytes", "peak_memory"]


def free_memory(device: str) -> int | None:
    """Bytes that can still be taken on a device, within the limit that this process is held to; None if unknown."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    available = kilobytes("/proc/meminfo", "MemAvailable")
    free = [] if available is None else [1024 * available]
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            free.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return max(min(free), 0) if free else None


def peak_memory(run: Callable[[], object], device: str) -> tuple[int, int] | None:
    """The most that was held while `run` ran, and that above what was held before; None where none can tell."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        peak = torch.cuda.max_memory_allocated(device)
        return peak, peak - before
    status, clear = "/proc/self/status", Path("/proc/self/clear_refs")
    if not os.access(clear, os.W_OK):
        return None
    _give_back_free_memory()
    clear.write_text("5")  # the kernel's high-water mark falls to what is held now
    held = kilobytes(status, "VmRSS")
    run()
    highest = kilobytes(status, "VmHWM")
    if held is None or highest is None:
        return None
    return 1024 * highest, 1024 * max(highest - held, 0)


def _give_back_free_memory() -> None:
    """Have the C library hand back what it keeps for later, or a call that finds it there would seem to need none."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others keep nothing worth it
    if trim is not None:
        trim(0)


def kilobytes(path: str, name: str) -> int | None:
    """The value on a line `name: 123 kB`; None without the file or the line."""
    try:
        lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), None)
