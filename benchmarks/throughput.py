"""Whole models in images per second: ConvNeur against peers of its size, and against itself with a public memory.

    python benchmarks/throughput.py [--sizes 224,512,1024] [--batch 16] [--threads 1,2] [--rounds 5] [--train]
                                    [--dtypes float32,bfloat16] [--ours m1,m2,m3,m4] [--peers convnext_femto,...]
                                    [--titans m1,m2] [--folded m1,m2] [--attention m1] [--local m1] [--profile m1]
                                    [--device cuda]

Needs an environment of its own, since timm needs torchvision and there is none for every build of torch:

    python -m venv peers && peers/bin/pip install torch==2.14.1 torchvision==0.29.1 timm titans-pytorch .

Timed: our variants; those named by `--titans` with titans-pytorch's NeuralMemory in the memory's place, one linear
layer, gradients taken chunk by chunk (`batch_size = L`), which is the same mathematics and the nearest public stand-in
for the authors' code; those named by `--folded` as `convneur.fold` makes them; those by `--attention` with the
self-attention twin, by `--local` without a memory; timm's models. All are timed in turn, A B C A B C ..., in float32
and under bfloat16 autocast, in both memory formats, of which the better one is quoted. The batch shrinks with the
pixels, so that a call handles about as many pixels at every size. Each model in each dtype and format has a process of
its own, which waits while the others have their turn: within one process a time hangs on what the others left in the
allocator.

The sustained rate is images per second times the model's own full count, so that models of unequal size can be
compared: it says how much of the machine a model gets out of its arithmetic. Values are medians, least and most over
the rounds; ratios are taken within a round, each model in the dtype that is faster for it.

Tried without gain in every dtype, width and state of the allocator: the local branch in slices that fit the cache,
whole blocks a few images at a time, the memory image by image or projected image by image with the recurrence for all
at once, 1x1 convolutions for linear layers, q and k to unit length in place, gate and sum in place. Torch's private
fused linear and GELU gained little, `torch.compile` no more than it gives the peers.
"""

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from convneur import VARIANTS, ConvNeur, fold
from convneur.bench import BenchSettings, describe_machine, matmul_peak
from convneur.cost import count
from convneur.cost.conventions import BRANCHES, branch_launches
from convneur.model.memory import NeuralMemory

_PEERS = "convnext_femto,convnext_pico,convnext_nano,pvt_v2_b0,pvt_v2_b1,poolformer_s12"
_SLOW = 20.0  # seconds after which a call is not repeated

# Operators of a profile by what they do, the first that fits; what fits none is arithmetic on elements.
_KINDS = {
    "matrix products": ("addmm", "::mm", "bmm"),
    "convolutions": ("convolution",),
    "norms of channels": ("layer_norm",),
    "GELU": ("gelu",),
    "copies and casts": ("copy_", "::cat", "clone", "contiguous", "::to", "empty"),
}


class TitansMemory(nn.Module):
    """titans-pytorch's memory where ours stood."""

    def __init__(self, ours: NeuralMemory) -> None:
        super().__init__()
        from titans_pytorch import NeuralMemory as Theirs

        self.inner = Theirs(
            ours.mem_dim,
            chunk_size=ours.chunk_length,
            batch_size=ours.chunk_length,
            qk_rmsnorm=True,
            pre_rmsnorm=False,
            mem_model_norm_add_residual=False,
            default_model_kwargs={"depth": 1, "expansion_factor": 1.0},
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[0]


def with_titans(model: ConvNeur) -> ConvNeur:
    for module in list(model.modules()):
        mixer = getattr(module, "mixer", None)
        if isinstance(mixer, NeuralMemory):
            module.mixer = TitansMemory(mixer)
    return model


@dataclass(frozen=True)
class Spec:
    """A model to build: a variant of ours, as it is, folded, or with another mixer, or a model of timm."""

    name: str
    instead: Literal["", "folded", "titans-pytorch", "self-attention", "no memory"] = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.instead}" if self.instead else self.name

    def build(self) -> nn.Module:
        if self.name not in VARIANTS:
            import timm

            return timm.create_model(self.name)
        config = VARIANTS[self.name]
        match self.instead:
            case "folded":
                return fold(ConvNeur(config))
            case "titans-pytorch":
                return with_titans(ConvNeur(config))
            case "self-attention":
                return ConvNeur(config.replace(global_branch="self-attention"))
            case "no memory":
                return ConvNeur(config.replace(memory="none"))
            case "":
                return ConvNeur(config)


@dataclass(frozen=True)
class Form:
    """How a model is run."""

    dtype: torch.dtype
    layout: torch.memory_format


class BenchEntry:
    """A model in one form, ready to be timed."""

    def __init__(self, spec: Spec, form: Form, *, train: bool, device: str) -> None:
        self.model = spec.build().to(device).train(train).to(memory_format=form.layout)  # type: ignore[call-overload]
        self.form, self.train, self.device = form, train, device

    def seconds(self, size: int, images: int) -> float:
        x = torch.randn(images, 3, size, size, device=self.device).contiguous(memory_format=self.form.layout)
        dtype = self.form.dtype
        if self.device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.set_grad_enabled(self.train), torch.autocast(self.device, dtype, enabled=dtype != torch.float32):
            y = self.model(x)
            if self.train:
                y.square().mean().backward()
                self.model.zero_grad()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def serve(pipe: Connection, threads: int, spec: Spec, form: Form, options: dict[str, Any]) -> None:
    """What an entry's own process does: times a call whenever it is asked to, until None is."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    entry = BenchEntry(spec, form, **options)
    for size, images in iter(pipe.recv, None):
        pipe.send(entry.seconds(size, images))


class Process:
    """An entry in a process of its own."""

    def __init__(self, threads: int, spec: Spec, form: Form, **options: Any) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, threads, spec, form, options), daemon=True)
        self._process.start()
        other.close()  # so that its end is seen here

    def seconds(self, size: int, images: int) -> float:
        self._pipe.send((size, images))
        return self._pipe.recv()

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join()


Models = dict[str, dict[Form, Process]]


@dataclass
class Measured:
    """What one size and thread count gave.

    seconds: of one image, for each model and form, round after round.
    """

    size: int
    images: int
    seconds: dict[str, dict[Form, list[float]]] = field(default_factory=dict)

    def best(self, name: str, dtype: torch.dtype | None = None) -> tuple[Form, list[float]]:
        """The fastest form of a model, or of those in one dtype."""
        among = [item for item in self.seconds[name].items() if dtype in (None, item[0].dtype)]
        return min(among, key=lambda item: statistics.median(item[1]))

    def ratio(self, name: str, other: str, scale: float = 1.0) -> str:
        """How many times as fast `name` is, by rounds; scale: its work for an image over the other's."""
        ratios = [scale * b / a for a, b in zip(self.best(name)[1], self.best(other)[1], strict=False)]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def measure(models: Models, size: int, images: int, rounds: int) -> Measured:
    measured = Measured(size, images, {name: {form: [] for form in forms} for name, forms in models.items()})
    slow = set()
    for turn in range(rounds + 1):
        for name, forms in models.items():
            for form, process in forms.items():
                if (name, form) in slow:
                    continue
                taken = process.seconds(size, images)
                if taken > _SLOW:
                    slow.add((name, form))
                if turn or taken > _SLOW:  # the first is the warm-up
                    measured.seconds[name][form].append(taken / images)
    return measured


def gmacs(spec: Spec, size: int) -> float:
    """The full count of one image. titans-pytorch takes gradients through functorch, which cannot run on meta."""
    with torch.device("meta"):
        model = spec.build()
    return count(model, torch.empty(1, 3, size, size, device="meta")).macs / 1e9


def print_rates(measured: Measured, costs: dict[str, float], dtypes: Sequence[torch.dtype]) -> None:
    heads = [f"{str(dtype).removeprefix('torch.')}: images/s (least to most), format" for dtype in dtypes]
    print(f"| {measured.size} px, batch {measured.images} | GMACs | {' | '.join(heads)} | best: sustained GMAC/s |")
    print(f"|---|---:|{'---:|' * len(dtypes)}---:|")
    for name in measured.seconds:
        cells = []
        for dtype in dtypes:
            form, seconds = measured.best(name, dtype)
            layout = str(form.layout).removeprefix("torch.").removesuffix("_format")
            spread = f"{1 / max(seconds):.2f} to {1 / min(seconds):.2f}"
            cells.append(f"{1 / statistics.median(seconds):.2f} ({spread}), {layout}")
        cost = costs.get(name)
        rate = "-" if cost is None else f"{cost / statistics.median(measured.best(name)[1]):.1f}"
        print(f"| {name} | {'-' if cost is None else f'{cost:.3f}'} | {' | '.join(cells)} | {rate} |", flush=True)
    print()


def print_ratios(measured: Measured, ours: list[Spec], costs: dict[str, float]) -> None:
    print(f"| {measured.size} px | ratio, median of the rounds (least to most) |\n|---|---:|")
    for spec in ours:
        name = str(spec)
        for other in measured.seconds:
            if other == "convnext_femto":
                ratio = measured.ratio(name, other, costs[name] / costs[other])
                print(f"| {name}: sustained rate over {other}'s | {ratio} |")
            elif other.split(",")[0] == spec.name and other not in (name, f"{spec.name}, folded"):
                print(f"| {name}: times as fast as {other} | {measured.ratio(name, other)} |")
    print(flush=True)


def print_growth(history: list[Measured], dtypes: Sequence[torch.dtype]) -> None:
    first, last = history[0], history[-1]
    print(f"| model | growth exponent of time in pixels, {first.size} to {last.size} px: dtype by dtype |\n|---|---|")
    for name in first.seconds:
        cells = []
        for dtype in dtypes:
            form, seconds = first.best(name, dtype)
            grown = statistics.median(last.seconds[name][form]) / statistics.median(seconds)
            exponent = math.log(grown) / math.log((last.size / first.size) ** 2)
            cells.append(f"{str(dtype).removeprefix('torch.')} {exponent:.3f}")
        print(f"| {name} | {', '.join(cells)} |")
    print(flush=True)


def print_launches(ours: list[str], size: int) -> None:
    print(f"| operators launched, one image of {size} px | {' | '.join(BRANCHES)} | all |")
    print(f"|---|{'---:|' * (len(BRANCHES) + 1)}")
    for name in ours:
        with torch.device("meta"):
            model = ConvNeur(VARIANTS[name])
        counted = count(model, torch.empty(1, 3, size, size, device="meta"))
        by_branch = branch_launches(model, counted) or {}
        cells = [str(by_branch.get(branch, 0)) for branch in BRANCHES]
        print(f"| {name} | {' | '.join(cells)} | {counted.launches} |")
    print(flush=True)


def print_profile(name: str, size: int, images: int, dtype: torch.dtype, device: str) -> None:
    """Where a forward pass spends its time: by kind of operator, and by branch."""
    entry = BenchEntry(Spec(name), Form(dtype, torch.channels_last), train=False, device=device)
    for _ in range(3):
        entry.seconds(size, images)
    activities = [ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU]
    with profile(activities=activities) as profiled:
        for _ in range(5):
            entry.seconds(size, images)
    spent = dict.fromkeys([*_KINDS, "arithmetic on elements, the rest"], 0.0)
    for event in profiled.key_averages():
        if event.key == "aten::randn" or "normal_" in event.key:
            continue  # the images are no part of the model
        kind = next((kind for kind, marks in _KINDS.items() if any(mark in event.key for mark in marks)), None)
        own = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        spent[kind or "arithmetic on elements, the rest"] += own
    print(f"| {name}, {size} px, batch {images}, {dtype}: kind of operator | share of the time |\n|---|---:|")
    for kind, own in spent.items():
        print(f"| {kind} | {own / sum(spent.values()):.1%} |")
    print(flush=True)


def print_machine(device: str, dtypes: Sequence[torch.dtype]) -> None:
    machine = describe_machine(device)
    named = dict(machine.versions)
    for package in ("timm", "titans-pytorch"):
        with suppress(PackageNotFoundError):
            named[package] = version(package)
    versions = ", ".join(f"{package} {number}" for package, number in named.items())
    processor = machine.accelerator or f"{machine.processor} ({', '.join(machine.instructions or ('unknown',))})"
    peaks = []
    for dtype in dtypes:
        name = str(dtype).removeprefix("torch.")
        peak = matmul_peak(BenchSettings(device=device, dtype=name, threads=machine.threads))  # type: ignore[arg-type]
        peaks.append(f"{name} {'none' if peak is None else f'{peak / 1e9:.0f}'}")
    print(f"{processor}; {machine.threads} thread(s); {versions}. Square products, GMAC/s: {', '.join(peaks)}.\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda listed: [name for name in listed.split(",") if name]  # noqa: E731
    numbers = lambda listed: [int(number) for number in listed.split(",")]  # noqa: E731
    parser.add_argument("--sizes", type=numbers, default=[224, 512, 1024])
    parser.add_argument("--batch", type=int, default=16, help="images at 224; fewer at larger sizes")
    parser.add_argument("--threads", type=numbers, default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", action="store_true", help="forward and backward")
    parser.add_argument("--dtypes", type=names, default=["float32", "bfloat16"])
    parser.add_argument("--ours", type=names, default=["m1", "m2", "m3", "m4"])
    parser.add_argument("--peers", type=names, default=names(_PEERS), help="timm names; empty for none")
    parser.add_argument("--titans", type=names, default=["m1", "m2", "m3", "m4"], help="with titans-pytorch's memory")
    parser.add_argument("--folded", type=names, default=[], help="folded for inference")
    parser.add_argument("--attention", type=names, default=["m1"], help="with self-attention")
    parser.add_argument("--local", type=names, default=[], help="without a memory")
    parser.add_argument("--profile", type=names, default=[], help="variants to profile at the first size")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    dtypes = [getattr(torch, name) for name in arguments.dtypes]

    def images(size: int) -> int:
        return max(round(arguments.batch * (224 / size) ** 2), 1)

    if arguments.folded and arguments.train:
        parser.error("--folded: is for inference; leave out --train")
    first = arguments.sizes[0]
    ours = [Spec(name) for name in arguments.ours] + [Spec(name, "folded") for name in arguments.folded]
    specs = list(ours)
    specs += [Spec(name, "titans-pytorch") for name in arguments.titans]
    specs += [Spec(name, "self-attention") for name in arguments.attention]
    specs += [Spec(name, "no memory") for name in arguments.local]
    specs += [Spec(name) for name in arguments.peers]
    forms = [Form(dtype, layout) for dtype in dtypes for layout in (torch.channels_last, torch.contiguous_format)]
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        print("Forward and backward" if arguments.train else "Forward", end="; ")
        print_machine(arguments.device, dtypes)
        options = {"train": arguments.train, "device": arguments.device}
        models = {str(spec): {form: Process(threads, spec, form, **options) for form in forms} for spec in specs}
        history = []
        for size in arguments.sizes:
            costs = {str(spec): gmacs(spec, size) for spec in specs if spec.instead != "titans-pytorch"}
            history.append(measure(models, size, images(size), arguments.rounds))
            print_rates(history[-1], costs, dtypes)
            print_ratios(history[-1], ours, costs)
        if len(history) > 1:
            print_growth(history, dtypes)
        for processes in models.values():
            for process in processes.values():
                process.close()
        for name in arguments.profile:
            print_profile(name, first, images(first), dtypes[-1], arguments.device)
    print_launches(arguments.ours, first)


if __name__ == "__main__":
    main()
