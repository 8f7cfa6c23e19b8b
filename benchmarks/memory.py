"""The neural memory's time and memory against self-attention, the autograd form and the matmul floor.

    python benchmarks/memory.py [--tokens 3136,16384,65536] [--threads 1] [--rounds 5] [--without self-attention]

All four work on the same tokens (batch 1, m = 128, L = 196, fp32) and are timed in turn, A B C D A B C D ..., so that
a machine whose speed drifts drifts for all of them; medians are printed. The floor is six (N, m) x (m, m) products,
what projections, read and update cost at least: 6 m^2 multiply-adds a token. The autograd form computes the same
mathematics with torch.autograd.grad in every chunk, as a transcription of the paper's equations would. An entry
whose first call takes over ten seconds is timed once a size. Peak memory is how far one call raises the resident
set of a fresh process (Linux).
"""

import argparse
import math
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from convneur.model.attention import SelfAttention
from convneur.model.memory import NeuralMemory

M, L = 128, 196
SLOW = 10.0  # seconds
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "avx512_vnni")


class AutogradMemory(nn.Module):
    """The same memory, chunk by chunk, each gradient taken by autograd."""

    def __init__(self, memory: NeuralMemory) -> None:
        super().__init__()
        self.inner = memory

    def forward(self, x: Tensor) -> Tensor:
        inner = self.inner
        training = torch.is_grad_enabled()
        state, momentum, reads = inner.initial[None], None, []
        pieces = x.split(L, dim=1)
        for number, piece in enumerate(pieces, start=1):
            q, k, v = inner.qkv(piece).chunk(3, dim=-1)
            q, k = nn.functional.normalize(q, dim=-1), nn.functional.normalize(k, dim=-1)
            reads.append(q @ state)
            if number == len(pieces):
                break
            with torch.enable_grad():
                read_at = state if training else state.detach().requires_grad_()
                loss = 0.5 * (k @ read_at - v).square().sum() / k.shape[1]
                (gradient,) = torch.autograd.grad(loss, read_at, create_graph=training)
            theta, eta, keep = (c.squeeze(1) for c in inner.write.generator(piece.mean(1, keepdim=True)))
            momentum = -theta * gradient if momentum is None else eta * momentum - theta * gradient
            state = keep * state + momentum
        return torch.cat(reads, dim=1)


class Floor(nn.Module):
    """The least arithmetic any form needs: six (N, m) x (m, m) products, into a buffer that is there already.

    A backward pass needs two products for each of them: eighteen then, the backward's included.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(M, M))

    def forward(self, x: Tensor) -> Tensor:
        products = 18 if torch.is_grad_enabled() else 6
        with torch.no_grad():
            out = torch.empty_like(x[0])
            for _ in range(products):
                torch.mm(x[0], self.weight, out=out)
        return out.requires_grad_()


def entries() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    memory = NeuralMemory(M, chunk_length=L)
    return {
        "memory": memory,
        "autograd form": AutogradMemory(memory),
        "self-attention": SelfAttention(M, 4),
        "floor": Floor(),
    }


def once(module: nn.Module, tokens: int, *, backward: bool) -> Callable[[], None]:
    x = torch.randn(1, tokens, M, requires_grad=backward)

    def call() -> None:
        if backward:
            module(x).square().mean().backward()
        else:
            with torch.no_grad():
                module(x)

    return call


def timed(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def medians(tokens: int, *, backward: bool, rounds: int, without: str) -> dict[str, tuple[float, float, float]]:
    """Seconds of each entry: median, least, most, over interleaved rounds."""
    calls = {name: once(module, tokens, backward=backward) for name, module in entries().items() if name != without}
    taken = {name: [timed(call)] for name, call in calls.items()}
    slow = {name for name, seconds in taken.items() if seconds[0] > SLOW}
    for name in calls.keys() - slow:
        taken[name].clear()  # that was the warm-up
    for _ in range(rounds):
        for name in calls:
            if name not in slow:
                taken[name].append(timed(calls[name]))
    return {name: (statistics.median(s), min(s), max(s)) for name, s in taken.items()}


def _resident(field: str) -> int:
    """KiB, by the kernel's own account: VmRSS now, VmHWM at its highest."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1])


def _peak(name: str, tokens: int, backward: bool, threads: int, answer: "multiprocessing.Queue[int]") -> None:
    torch.set_num_threads(threads)
    module = entries()[name]
    once(module, L * 4, backward=backward)()  # libraries and their buffers are not the method's
    call = once(module, tokens, backward=backward)
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = _resident("VmRSS")
    call()
    answer.put(_resident("VmHWM") - before)


def peak_mib(name: str, tokens: int, *, backward: bool, threads: int) -> float:
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=_peak, args=(name, tokens, backward, threads, answer))
    process.start()
    growth = answer.get()
    process.join()
    return growth / 1024


def machine() -> str:
    flags: set[str] = set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        line = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
        flags = set(line.split())
    known = ", ".join(flag for flag in _FLAGS if flag in flags) or "unknown"
    return (
        f"{platform.machine()}, flags of note: {known}; torch {torch.__version__}, {torch.get_num_threads()} thread(s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="3136,16384,65536", help="sizes, with commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", default="", help="an entry left out: self-attention takes minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sizes = [int(size) for size in arguments.tokens.split(",")]
    print(f"Machine: {machine()}.\n")
    for backward in (False, True):
        what = "forward + backward" if backward else "forward"
        print(f"{what}, batch 1, m {M}, L {L}, fp32; seconds, median (least to most)\n")
        print("| tokens | what | seconds | times the floor | memory is faster by | peak MiB |")
        print("|---:|---|---|---:|---:|---:|")
        history: dict[str, list[float]] = {}
        for tokens in sizes:
            results = medians(tokens, backward=backward, rounds=arguments.rounds, without=arguments.without)
            for name, (middle, least, most) in results.items():
                history.setdefault(name, []).append(middle)
                peak = peak_mib(name, tokens, backward=backward, threads=arguments.threads)
                floors, times = middle / results["floor"][0], middle / results["memory"][0]
                print(
                    f"| {tokens} | {name} | {middle:.4f} ({least:.4f} to {most:.4f}) | {floors:.2f} "
                    f"| {times:.2f} | {peak:.0f} |",
                    flush=True,
                )
        if len(sizes) > 1:
            print(f"\ngrowth exponent of time, {sizes[-2]} to {sizes[-1]} tokens: ", end="")
            step = math.log(sizes[-1] / sizes[-2])
            print(", ".join(f"{name} {math.log(s[-1] / s[-2]) / step:.2f}" for name, s in history.items()) + "\n")


if __name__ == "__main__":
    main()
