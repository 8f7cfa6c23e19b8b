"""Whole nets in images per second: ConvNeur against peers of its size, and against itself with a public memory.

    python benchmarks/throughput.py [--sizes 224,512,1024] [--batch 16] [--threads 1] [--rounds 5] [--train]
                                    [--ours m1,m2,m3,m4] [--peers convnext_femto,...] [--device cuda]

Needs an environment of its own, since timm needs torchvision and there is none for every build of torch:

    python -m venv peers && peers/bin/pip install torch==2.14.1 torchvision==0.29.1 timm titans-pytorch .

Contenders: our variants; each of them with titans-pytorch's NeuralMemory in the memory's place, one linear layer,
gradients taken chunk by chunk (`batch_size = L`), which is the same mathematics and the nearest public stand-in for
the authors' code; the self-attention twin; timm's nets. All are timed in turn, A B C A B C ..., after a trial in which
each picks the fastest of fp32 and bf16 autocast, contiguous and channels_last, for itself. The batch shrinks with the
pixels, so that a call handles as many pixels at every size. The sustained rate is images per second times the net's
own full count, so that nets of unequal size can be compared: it says how much of the machine a net gets out of its
arithmetic. Medians, least and most over the rounds.
"""

import argparse
import math
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from convneur import VARIANTS, ConvNeur
from convneur.cost import count
from convneur.model.memory import NeuralMemory

_PEERS = "convnext_femto,convnext_pico,convnext_nano,pvt_v2_b0,pvt_v2_b1,poolformer_s12"
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
WAYS = [(dtype, layout) for dtype in (torch.float32, torch.bfloat16) for layout in ("contiguous", "channels_last")]
Way = tuple[torch.dtype, str]


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


def contenders(
    ours: list[str], peers: list[str], *, titans: bool, attention: bool
) -> dict[str, Callable[[], nn.Module]]:
    def peer(name: str) -> nn.Module:
        import timm

        return timm.create_model(name)

    made: dict[str, Callable[[], nn.Module]] = {}
    for name in ours:
        made[name] = lambda name=name: ConvNeur(VARIANTS[name])
        if titans:
            made[f"{name} titans-pytorch"] = lambda name=name: with_titans(ConvNeur(VARIANTS[name]))
        if attention:
            made[f"{name} self-attention"] = lambda name=name: ConvNeur(
                VARIANTS[name].replace(global_branch="self-attention")
            )
    for name in peers:
        made[name] = lambda name=name: peer(name)
    return made


class Contender:
    """A net, ready to be timed in the way that suits it best."""

    def __init__(self, build: Callable[[], nn.Module], *, train: bool, device: str) -> None:
        self.model = build().to(device).train(train)
        self.train, self.device = train, device
        self.way: Way = WAYS[0]

    def batch(self, size: int, images: int, way: Way) -> Tensor:
        layout = torch.channels_last if way[1] == "channels_last" else torch.contiguous_format
        self.model.to(memory_format=layout)
        return torch.randn(images, 3, size, size, device=self.device).contiguous(memory_format=layout)

    def seconds(self, x: Tensor, way: Way) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.set_grad_enabled(self.train), torch.autocast(self.device, way[0], enabled=way[0] != torch.float32):
            y = self.model(x)
            if self.train:
                y.square().mean().backward()
                self.model.zero_grad()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def choose(self, size: int, images: int) -> None:
        trials: dict[Way, float] = {}
        for way in WAYS:
            x = self.batch(size, images, way)
            first = self.seconds(x, way)
            if trials and first > 3 * min(trials.values()):
                continue  # bfloat16 on a processor without instructions for it, mostly
            trials[way] = min(self.seconds(x, way) for _ in range(2))
        self.way = min(trials, key=trials.__getitem__)


def gmacs(build: Callable[[], nn.Module], size: int) -> float:
    """The full count of one image. titans-pytorch takes gradients through functorch, which cannot run on meta."""
    with torch.device("meta"):
        model = build()
    return count(model, torch.empty(1, 3, size, size, device="meta")).macs / 1e9


def machine(device: str) -> str:
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    known = ", ".join(flag for flag in _FLAGS if flag in flags) or "unknown"
    return f"{platform.machine()} ({known}), torch {torch.__version__}, {torch.get_num_threads()} thread(s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="224,512,1024")
    parser.add_argument("--batch", type=int, default=16, help="images at 224; fewer at larger sizes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", action="store_true", help="forward and backward")
    parser.add_argument("--ours", default="m1,m2,m3,m4")
    parser.add_argument("--peers", default=_PEERS, help="timm names; empty for none")
    parser.add_argument("--no-titans", action="store_true")
    parser.add_argument("--no-attention", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")

    made = contenders(
        arguments.ours.split(","),
        [name for name in arguments.peers.split(",") if name],
        titans=not arguments.no_titans,
        attention=not arguments.no_attention,
    )
    print(f"Machine: {machine(arguments.device)}. {'Forward and backward' if arguments.train else 'Forward'}.\n")
    history: dict[str, list[tuple[int, float]]] = {}
    for size in (int(size) for size in arguments.sizes.split(",")):
        images = max(round(arguments.batch * (224 / size) ** 2), 1)
        nets = {name: Contender(build, train=arguments.train, device=arguments.device) for name, build in made.items()}
        for net in nets.values():
            net.choose(size, images)
        taken: dict[str, list[float]] = {name: [] for name in nets}
        for _ in range(arguments.rounds):
            for name, net in nets.items():
                x = net.batch(size, images, net.way)
                taken[name].append(net.seconds(x, net.way) / images)
        print(f"| {size} px, batch {images} | as | images/s (least to most) | GMACs | sustained GMAC/s |")
        print("|---|---|---:|---:|---:|")
        for name, seconds in taken.items():
            middle = statistics.median(seconds)
            history.setdefault(name, []).append((size, middle))
            cost = None if "titans" in name else gmacs(made[name], size)
            dtype, layout = nets[name].way
            print(
                f"| {name} | {str(dtype).removeprefix('torch.')}, {layout} "
                f"| {1 / middle:.2f} ({1 / max(seconds):.2f} to {1 / min(seconds):.2f}) "
                f"| {'-' if cost is None else f'{cost:.3f}'} | {'-' if cost is None else f'{cost / middle:.1f}'} |",
                flush=True,
            )
        print()
    if len(next(iter(history.values()))) > 1:
        print("| net | growth exponent of time in pixels, first to last size |\n|---|---:|")
        for name, points in history.items():
            (first, low), (last, high) = points[0], points[-1]
            print(f"| {name} | {math.log(high / low) / math.log((last / first) ** 2):.3f} |")


if __name__ == "__main__":
    main()
