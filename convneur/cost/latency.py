"""How long nets take and what memory they take: measured side by side, on a machine that the result describes.

Clocks vary where counts do not: contenders take turns (A B C A B C), so that what disturbs one disturbs all, and the
results are medians with their spread.
"""

import ctypes
import gc
import math
import os
import platform
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from convneur.cost.counter import CostCount
from convneur.cost.external import ExternalCounter as ForeignCounter
from convneur.cost.external import ExternalModel as ForeignNet
from convneur.cost.model_counter import ModelCounter as NetCounter
from convneur.errors import ConfigError, InputError
from convneur.model.folding import fold
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

__all__ = [
    "BenchCase",
    "BenchPlan",
    "BenchResult",
    "BenchSettings",
    "Contender",
    "DtypeName",
    "Machine",
    "RefusedCase",
    "TimeSlope",
    "Timing",
    "describe_machine",
    "matmul_peak",
    "paired_ratio",
    "plan_bench",
    "run_bench",
    "time_slope",
]

DtypeName = Literal["float32", "bfloat16", "float16"]
_DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_SHORTEST = 0.005  # seconds that one repeat lasts at least: a clock's own cost and grain are then nothing
_RESAMPLES, _LEVEL = 500, 0.95
_LARGEST_PRODUCT = {"cpu": 2048, "cuda": 8192}  # sides of the matrices that find the device's peak
_LONG_PRODUCT = 0.05  # seconds after which larger ones are not tried
_PEAK_REPEATS = 5

# What decides how fast a dtype is on a processor, of all that /proc/cpuinfo lists.
_INSTRUCTIONS = (
    *("avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_fp16", "amx_int8"),
    *("asimd", "asimdhp", "sve", "sve2", "bf16", "svebf16", "i8mm"),
)
_BF16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})


@dataclass(frozen=True)
class BenchSettings:
    """How to measure.

    Args:
        device: cpu, cuda, or cuda:1.
        dtype: of weights and images.
        channels_last: images and weights in that memory format.
        compile: through torch.compile, for each size anew.
        threads: that torch may use for one operator; None keeps torch's own number.
        warmup: calls before any is timed. repeats: timed ones of each contender.
        seed: of weights, images and the bootstrap.

    Raises: ConfigError: a value that cannot be, or a device that torch does not see.
    """

    device: str = "cpu"
    dtype: DtypeName = "float32"
    channels_last: bool = False
    compile: bool = False
    threads: int | None = None
    warmup: int = 3
    repeats: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES:
            raise ConfigError("dtype", f"choose one of {', '.join(_DTYPES)}", value=repr(self.dtype))
        for name, least in (("threads", 1), ("warmup", 1), ("repeats", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(name, f"must be at least {least}", value=value)
        kind, _, number = self.device.partition(":")
        seen = {"cpu": 1, "cuda": torch.cuda.device_count()}.get(kind)
        if seen is None or (number and not number.isdecimal()):
            raise ConfigError("device", "choose cpu, cuda, or cuda:1 and so on", value=repr(self.device))
        if int(number or 0) >= seen:
            raise ConfigError("device", f"torch sees {seen} such devices here", value=self.device)

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def torch_dtype(self) -> torch.dtype:
        return _DTYPES[self.dtype]


@dataclass(frozen=True)
class BenchCase:
    """One image size and batch size."""

    height: int
    width: int
    batch: int

    @property
    def pixels(self) -> int:
        """Of one image."""
        return self.height * self.width


@dataclass(frozen=True)
class Contender:
    """A net to time, by the name it goes by; folded: as `fold` makes a ConvNeur for inference."""

    name: str
    net: ConvNeurConfig | ForeignNet
    folded: bool = False

    @property
    def channels(self) -> int:
        """Of its images."""
        return self.net.in_channels if isinstance(self.net, ConvNeurConfig) else 3

    @property
    def built_per_size(self) -> bool:
        return isinstance(self.net, ForeignNet) and self.net.takes_size

    def build(self, height: int, width: int) -> nn.Module:
        """The net with random weights, in eval mode. Raises: InputError: its factory refuses the size."""
        if isinstance(self.net, ForeignNet):
            return self.net.build(height, width)
        model = ConvNeur(self.net).eval()
        return fold(model) if self.folded else model


@dataclass(frozen=True)
class Planned:
    """What a count foretells of one case; all None where the net cannot be counted at that size.

    macs: of one image. launches: operators that a forward pass launches. peak_bytes: activations of the batch, in the
    dtype asked for. needed_bytes: with all contenders' images and weights.
    """

    contender: Contender
    case: BenchCase
    macs: int | None
    launches: int | None
    peak_bytes: int | None
    needed_bytes: int | None


@dataclass(frozen=True)
class BenchPlan:
    """What to run and with what memory; it fits.

    params: of each contender, in their order; None where no size could be counted. cases: contenders within cases.
    """

    contenders: tuple[Contender, ...]
    params: tuple[int | None, ...]
    cases: tuple[tuple[Planned, ...], ...]


@dataclass(frozen=True)
class Timing:
    """One contender at one case, timed.

    macs: of one image, by a count; launches: operators that a forward pass launches, likewise. samples: seconds of one
    call on the batch, one for each repeat, which is the mean of `calls` calls. first_seconds: the first call of all,
    with compilation where that is on. peak_resident_bytes: the most that the whole process held during a call, as the
    kernel saw it; on CUDA the most that torch held on the device. peak_growth_bytes: that above what was held before
    the call. Both None where the system does not tell. counted_peak_bytes: what a count foretells of the growth.
    """

    contender: str
    case: BenchCase
    macs: int | None
    launches: int | None
    samples: tuple[float, ...]
    calls: int
    first_seconds: float
    peak_resident_bytes: int | None
    peak_growth_bytes: int | None
    counted_peak_bytes: int | None

    @property
    def p50(self) -> float:
        """Median seconds of one call."""
        return statistics.median(self.samples)

    @property
    def p10(self) -> float:
        return _percentile(self.samples, 0.1)

    @property
    def p90(self) -> float:
        return _percentile(self.samples, 0.9)

    @property
    def images_per_second(self) -> float:
        return self.case.batch / self.p50

    @property
    def pixels_per_second(self) -> float:
        return self.case.pixels * self.images_per_second

    @property
    def macs_per_second(self) -> float | None:
        return None if self.macs is None else self.macs * self.images_per_second

    @property
    def peak_ratio(self) -> float | None:
        """Measured growth over the counted one: above 1 is what kernels take for themselves."""
        if self.peak_growth_bytes is None or not self.counted_peak_bytes:
            return None
        return self.peak_growth_bytes / self.counted_peak_bytes


@dataclass(frozen=True)
class RefusedCase:
    """A case that a contender failed on, and why."""

    contender: str
    case: BenchCase
    error: str


@dataclass(frozen=True)
class TimeSlope:
    """d log time / d log pixels: 1 is linear. low, high: a 95 % bootstrap interval over the repeats."""

    slope: float
    low: float
    high: float


@dataclass(frozen=True)
class Machine:
    """Where it ran. None for what the system does not tell.

    instructions: those of the processor that matter to a dtype's speed; bfloat16: whether the device has instructions
    for it, without which it is no faster. torch_capability: the instructions that torch's own kernels use. cores: that
    this process may run on, of all_cores. memory_bytes: of the device, in all. threads: of torch, for one operator.
    """

    system: str
    processor: str | None
    instructions: tuple[str, ...] | None
    torch_capability: str
    cores: int
    all_cores: int
    threads: int
    accelerator: str | None
    memory_bytes: int | None
    bfloat16: bool | None
    float32_precision: str
    versions: dict[str, str]


@dataclass(frozen=True)
class BenchResult:
    """All that was measured.

    load: how many processes the machine ran on average in the minute before; None where the system does not tell.
    matmul_peak: multiply-adds a second, None where the device cannot multiply the dtype. slopes: by contender and batch
    size, how its time grows with the pixels; None with fewer than two sizes timed.
    """

    settings: BenchSettings
    machine: Machine
    load: float | None
    matmul_peak: float | None
    rows: tuple[Timing | RefusedCase, ...]
    slopes: Mapping[tuple[str, int], TimeSlope | None]

    def above_peak(self, row: Timing) -> bool:
        """Whether a row's rate is above the device's own: then a clock did not wait, or products were saved."""
        return bool(self.matmul_peak and row.macs_per_second and row.macs_per_second > self.matmul_peak)


class Step(Protocol):
    """Told what is done now, and that as many steps are done."""

    def __call__(self, now: str | None = None, steps: float = 1) -> None: ...


# Before


def plan_bench(contenders: Sequence[Contender], cases: Sequence[BenchCase], settings: BenchSettings) -> BenchPlan:
    """Count every case, and see that each fits into the memory there is.

    Raises: InputError: a case needs more memory than is free; ValueError: two contenders of one name.
    """
    if len({contender.name for contender in contenders}) < len(contenders):
        raise ValueError("two contenders have one name")
    scale = settings.torch_dtype.itemsize / torch.float32.itemsize  # counts are of float32
    counters = [
        NetCounter(one.net, folded=one.folded) if isinstance(one.net, ConvNeurConfig) else ForeignCounter(one.net)
        for one in contenders
    ]
    counts: dict[tuple[int, int, int], CostCount] = {}
    for number, counter in enumerate(counters):
        for size in dict.fromkeys((case.height, case.width) for case in cases):
            try:
                counts[number, *size] = counter.at(*size).count
            except InputError:
                continue  # it may run all the same; if not, its row says why
    params = tuple(
        max((counted.params for key, counted in counts.items() if key[0] == number), default=None)
        for number in range(len(contenders))
    )
    weights = sum(4 * (count or 0) for count in params)
    rows = []
    for case in cases:
        planned = []
        images = 4 * case.batch * case.pixels * sum(contender.channels for contender in contenders)  # they take turns
        for number, contender in enumerate(contenders):
            counted = counts.get((number, case.height, case.width))
            if counted is None or counted.peak_activation_bytes is None:
                planned.append(Planned(contender, case, None, None, None, None))
                continue
            peak = round(scale * case.batch * counted.peak_activation_bytes)
            needed = peak + round(scale * (images + weights))
            planned.append(Planned(contender, case, counted.macs, counted.launches, peak, needed))
        rows.append(tuple(planned))
    plan = BenchPlan(tuple(contenders), params, tuple(rows))
    _refuse_too_large(plan, settings)
    return plan


def _refuse_too_large(plan: BenchPlan, settings: BenchSettings) -> None:
    free = free_memory(settings.device)
    if free is None:
        return
    needs = {(one.contender.name, one.case): one.needed_bytes or 0 for row in plan.cases for one in row}
    too_large = sorted((case for case in needs if needs[case] > free), key=lambda case: needs[case])
    if too_large:
        *others, largest = too_large
        name, case = largest
        smaller = f" (of {len(needs)} cases {len(too_large)} do not fit)" if others else ""
        raise InputError(
            None,
            f"{name} on {_words(case)} would need at least about {needs[largest] / 1e9:.1f} GB, and {settings.device} "
            f"has {free / 1e9:.1f} GB free; take a smaller size or batch{smaller}",
        )


def free_memory(device: str) -> int | None:
    """Bytes that can still be taken on a device, within the limit that this process is held to; None if unknown."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    available = _kilobytes("/proc/meminfo", "MemAvailable")
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


# While


def run_bench(plan: BenchPlan, settings: BenchSettings, *, advance: Step) -> BenchResult:
    """Time every case: contenders warm up, then take turns for each repeat; without gradients, on random images.

    A contender that fails on a case is a row with its error; the others go on. torch's number of threads and its
    random state are afterwards as they were.

    Args: advance: is called with one step for each contender at each case, and one for the device's peak.
    """
    rows: list[Timing | RefusedCase] = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before this run adds its own
    random_state = torch.random.fork_rng([settings.device] if settings.on_cuda else [])
    with _threads(settings.threads), random_state, torch.no_grad():
        torch.manual_seed(settings.seed)
        advance("the device's peak", 0)
        peak = matmul_peak(settings)
        advance()
        kept: dict[str, nn.Module] = {}  # nets that serve all sizes
        for planned in plan.cases:
            rows += _case(planned, settings, kept, advance)
        machine = describe_machine(settings.device)  # here, since it tells the threads
    return BenchResult(settings, machine, load, peak, tuple(rows), _slopes(rows, settings.seed))


class _Runner:
    """One contender, warm, with a batch of its own."""

    def __init__(self, planned: Planned, model: nn.Module, settings: BenchSettings) -> None:
        self.planned, self.model, self._settings = planned, model, settings
        case = planned.case
        images = torch.randn(case.batch, planned.contender.channels, case.height, case.width)
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self._images = images.to(settings.device, settings.torch_dtype, memory_format=layout)
        self._call: Callable[[Tensor], object] = torch.compile(model, dynamic=False) if settings.compile else model
        self.samples: list[float] = []
        self.calls = 1
        self.first_seconds = self._seconds(1)
        seconds = [self._seconds(1) for _ in range(settings.warmup)]
        self.calls = max(1, math.ceil(_SHORTEST / max(statistics.median(seconds), 1e-9)))
        self.peak = _peak_memory(lambda: self._seconds(1), settings.device)

    def repeat(self) -> None:
        self.samples.append(self._seconds(self.calls))

    def _seconds(self, calls: int) -> float:
        """Of one call, waiting for the device before and after."""
        call, images = self._call, self._images
        _wait(self._settings.device)
        begun = time.perf_counter()
        for _ in range(calls):
            call(images)
        _wait(self._settings.device)
        return (time.perf_counter() - begun) / calls

    def timing(self) -> Timing:
        resident, growth = self.peak or (None, None)
        return Timing(
            contender=self.planned.contender.name,
            case=self.planned.case,
            macs=self.planned.macs,
            launches=self.planned.launches,
            samples=tuple(self.samples),
            calls=self.calls,
            first_seconds=self.first_seconds,
            peak_resident_bytes=resident,
            peak_growth_bytes=growth,
            counted_peak_bytes=self.planned.peak_bytes,
        )


def _case(
    planned: Sequence[Planned], settings: BenchSettings, kept: dict[str, nn.Module], advance: Step
) -> list[Timing | RefusedCase]:
    """All contenders at one case, in their order."""
    if settings.compile:
        torch.compiler.reset()  # else torch stops compiling after a few sizes, and runs the net as it is
    runners: dict[str, _Runner] = {}
    errors: dict[str, str] = {}
    for one in planned:
        contender, case = one.contender, one.case
        advance(f"warming up {contender.name} on {_words(case)}", 0)
        model = kept.get(contender.name)
        try:
            if model is None:
                model = contender.build(case.height, case.width)
                model = model.to(settings.device, settings.torch_dtype)
                if settings.channels_last:
                    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                if not contender.built_per_size:
                    kept[contender.name] = model
            runners[contender.name] = _Runner(one, model, settings)
        except Exception as error:  # whatever others' code raises is a row
            errors[contender.name] = _why(error, model, one)
    for _ in range(settings.repeats):
        for name, runner in list(runners.items()):
            advance(f"timing {name} on {_words(runner.planned.case)}", 0)
            try:
                runner.repeat()
            except Exception as error:
                errors[name] = _why(error, runner.model, runner.planned)
                del runners[name]
    rows: list[Timing | RefusedCase] = []
    for one in planned:
        name = one.contender.name
        rows.append(runners[name].timing() if name in runners else RefusedCase(name, one.case, errors[name]))
        advance()
    return rows


def _why(error: Exception, model: nn.Module | None, planned: Planned) -> str:
    """In one line, as a count says it: which module of the net failed, why, on what input.

    No hook may slow what is timed, so the module is found in the traceback: the last frame of a method of one.
    """
    case = planned.case
    what = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, InputError) or model is None:
        return what
    paths = {module: path for path, module in model.named_modules()}
    running = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    path = next((paths[one] for one in reversed(running) if isinstance(one, nn.Module) and one in paths), "")
    shape = f"{case.batch}x{planned.contender.channels}x{case.height}x{case.width}"
    return f"{f'module {path}: ' if path else ''}{what} (input {shape})"


def matmul_peak(settings: BenchSettings) -> float | None:
    """Multiply-adds a second in the best of a few products of square matrices.

    Choice: sides double until a product takes 50 ms, or until 2048 on a processor and 8192 on a GPU; best of five.
    On a GPU float32 products may use TF32, as convolutions there do.
    Returns: None where the device cannot multiply this dtype.
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
    while side <= _LARGEST_PRODUCT["cuda" if settings.on_cuda else "cpu"]:
        try:
            a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
            for repeat in range(1 + _PEAK_REPEATS):
                _wait(device)
                begun = time.perf_counter()
                torch.mm(a, b)
                _wait(device)
                seconds = time.perf_counter() - begun
                if repeat:
                    best = max(best, side**3 / max(seconds, 1e-9))
        except RuntimeError:
            return best or None
        if seconds > _LONG_PRODUCT:
            break
        side *= 2
    return best


def _words(case: BenchCase) -> str:
    return f"{case.batch} {'image' if case.batch == 1 else 'images'} of {case.height}x{case.width}"


def _wait(device: str) -> None:
    """Until the device has done all that it was given; a processor has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if wanted is not None:
            torch.set_num_threads(wanted)
        yield
    finally:
        torch.set_num_threads(before)


# Memory


def _peak_memory(run: Callable[[], object], device: str) -> tuple[int, int] | None:
    """The most that was held while `run` ran, and that above what was held before; None where none can tell."""
    gc.collect()
    if device.startswith("cuda"):
        _wait(device)
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
    held = _kilobytes(status, "VmRSS")
    run()
    highest = _kilobytes(status, "VmHWM")
    if held is None or highest is None:
        return None
    return 1024 * highest, 1024 * max(highest - held, 0)


def _give_back_free_memory() -> None:
    """Have the C library hand back what it keeps for later, or a call that finds it there would seem to need none."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others keep nothing worth it
    if trim is not None:
        trim(0)


def _kilobytes(path: str, name: str) -> int | None:
    """The figure on a line `name: 123 kB`; None without the file or the line."""
    try:
        lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), None)


# After


def time_slope(
    pixels: Sequence[int], samples: Sequence[Sequence[float]], *, seed: int = 0, resamples: int = _RESAMPLES
) -> TimeSlope | None:
    """Theil and Sen's slope of log time over log pixels, with a bootstrap interval over the repeats.

    Equation: the median of (log t_j - log t_i) / (log N_j - log N_i) over all pairs of repeats at unequal sizes.
    Args:    pixels: N of each size; samples: seconds at each. seed: of the resampling, which is within each size.
    Returns: None with fewer than two unequal sizes.
    """
    logs = [torch.tensor(at, dtype=torch.float64).log() for at in samples]
    pairs = [(i, j) for i, j in combinations(range(len(pixels)), 2) if pixels[i] != pixels[j]]
    if not pairs:
        return None

    def slope(drawn: Sequence[Tensor]) -> float:
        between = [((drawn[j][:, None] - drawn[i]) / math.log(pixels[j] / pixels[i])).flatten() for i, j in pairs]
        return _middle(torch.cat(between))

    generator = torch.Generator().manual_seed(seed)
    slopes = [
        slope([log[torch.randint(len(log), (len(log),), generator=generator)] for log in logs])
        for _ in range(resamples)
    ]
    tail = (1 - _LEVEL) / 2
    return TimeSlope(slope(logs), _percentile(slopes, tail), _percentile(slopes, 1 - tail))


def _slopes(rows: Sequence[Timing | RefusedCase], seed: int) -> dict[tuple[str, int], TimeSlope | None]:
    timed: dict[tuple[str, int], list[Timing]] = {}
    for row in rows:
        of_line = timed.setdefault((row.contender, row.case.batch), [])
        if isinstance(row, Timing):
            of_line.append(row)
    return {
        line: time_slope([row.case.pixels for row in its], [row.samples for row in its], seed=seed)
        for line, its in timed.items()
    }


def paired_ratio(mine: Timing, theirs: Timing) -> float:
    """How many times as long: the median ratio of repeats that followed each other."""
    return statistics.median(a / b for a, b in zip(mine.samples, theirs.samples, strict=True))


def _middle(values: Tensor) -> float:
    ordered = values.sort().values
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _percentile(values: Sequence[float], share: float) -> float:
    """Linear between the ordered values."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def describe_machine(device: str) -> Machine:
    """The machine as this process sees it now."""
    facts = _processor_facts()
    flags = facts.get("flags", facts.get("Features"))
    instructions = None if flags is None else tuple(name for name in _INSTRUCTIONS if name in flags.split())
    total = _kilobytes("/proc/meminfo", "MemTotal")
    memory = None if total is None else 1024 * total
    accelerator = None
    bfloat16 = None if instructions is None else bool(_BF16_INSTRUCTIONS & set(instructions))
    versions = {"convneur": version("convneur"), "torch": torch.__version__, "python": platform.python_version()}
    timm = sys.modules.get("timm")
    if timm is not None:
        versions["timm"] = str(getattr(timm, "__version__", "unknown"))
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        accelerator, memory = properties.name, properties.total_memory
        bfloat16 = properties.major >= 8
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return Machine(
        system=platform.platform(),
        processor=facts.get("model name") or platform.processor() or None,
        instructions=instructions,
        torch_capability=torch.backends.cpu.get_cpu_capability(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        all_cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        accelerator=accelerator,
        memory_bytes=memory,
        bfloat16=bfloat16,
        float32_precision=torch.get_float32_matmul_precision(),
        versions=versions,
    )


def _processor_facts() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.split("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
