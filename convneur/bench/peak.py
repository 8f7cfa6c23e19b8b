"""What the device can do at most: multiply-adds a second in products of matrices."""

import time

import torch

from convneur.bench.settings import BenchSettings

__all__ = ["matmul_peak", "wait_for"]

_LARGEST = {"cpu": 2048, "cuda": 8192}  # sides of the matrices
_LONG = 0.05  # seconds of a product after which larger ones are not tried
_REPEATS = 5


def matmul_peak(settings: BenchSettings) -> float | None:
    """Multiply-adds a second in the best of a few products of square matrices.

    Choice: sides double until a product takes 50 ms, or until 2048 on a processor and 8192 on a GPU; best of five.
    On a GPU float32 products may use TF32, as convolutions there do.
    Returns: None where the device cannot multiply this dtype.

    >>> matmul_peak(BenchSettings()) > 1e6
    True
    """
    before = torch.get_float32_matmul_precision()
    try:
        if settings.on_cuda:
            torch.set_float32_matmul_precision("high")
        return _fastest_product(settings)
    finally:
        torch.set_float32_matmul_precision(before)


def _fastest_product(settings: BenchSettings) -> float | None:
    best, side = 0.0, 256
    device, dtype = settings.device, settings.torch_dtype
    while side <= _LARGEST["cuda" if settings.on_cuda else "cpu"]:
        try:
            a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
            for repeat in range(1 + _REPEATS):
                wait_for(device)
                begun = time.perf_counter()
                torch.mm(a, b)
                wait_for(device)
                seconds = time.perf_counter() - begun
                if repeat:
                    best = max(best, side**3 / max(seconds, 1e-9))
        except RuntimeError:
            return best or None
        if seconds > _LONG:
            break
        side *= 2
    return best


def wait_for(device: str) -> None:
    """Until the device has done all that it was given; a processor has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
