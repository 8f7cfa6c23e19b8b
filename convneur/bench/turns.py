"""The timing itself: models take turns on each case."""

import math
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from convneur.bench.ceilings import Ceilings
from convneur.bench.memory import peak_memory
from convneur.bench.modules import ModuleClock, TimedTree
from convneur.bench.peak import wait_for
from convneur.bench.plan import PlannedCase
from convneur.bench.settings import BenchSettings
from convneur.bench.timing import RefusedCase, Timing
from convneur.cost import CostCount, ExternalModel, count
from convneur.errors import InputError
from convneur.progress import Advance

__all__ = ["thread_limit", "time_case"]

_SHORTEST = 0.005  # seconds that one repeat lasts at least: a clock's own cost and grain are then nothing


class _Runner:
    """One model, warm, with a batch of its own."""

    def __init__(self, planned: PlannedCase, model: nn.Module, settings: BenchSettings) -> None:
        self.planned, self.model, self._settings = planned, model, settings
        case = planned.case
        self._given: tuple[Any, ...]
        self._named: dict[str, Any] = {}
        other = planned.entry.model
        if planned.entry.takes_images or not isinstance(other, ExternalModel):
            images = torch.randn(case.batch, planned.entry.channels, case.height, case.width)
            layout = torch.contiguous_format if planned.entry.is_graph else settings.torch_format
            self._given = (images.to(settings.device, settings.torch_dtype, memory_format=layout),)
        else:
            like = torch.zeros((), dtype=settings.torch_dtype, device=settings.device)
            self._given, self._named = other.arguments(case.height, case.width, like)
        self._call: Callable[..., object] = torch.compile(model, dynamic=False) if settings.compile else model
        self.samples: list[float] = []
        self.calls = 1
        self.first_seconds = self._seconds(1)
        seconds = [self._seconds(1) for _ in range(settings.warmup)]
        self.calls = max(1, math.ceil(_SHORTEST / max(statistics.median(seconds), 1e-9)))
        self.peak = peak_memory(lambda: self._seconds(1), settings.device)
        self._clock: ModuleClock | None = None
        self._count: CostCount | None = None

    def repeat(self) -> None:
        self.samples.append(self._seconds(self.calls))

    def prepare_modules(self, depth: int) -> None:
        """Find the modules to time, and what they cost on this batch as it runs here."""
        self._clock = ModuleClock(
            self.model, depth, lambda: self.model(*self._given, **self._named), self._settings.device
        )
        with suppress(InputError):
            self._count = count(self.model, *self._given, **self._named)

    def repeat_modules(self) -> None:
        if self._clock is not None:
            self._clock.repeat()

    def _seconds(self, calls: int) -> float:
        """Of one call, waiting for the device before and after."""
        call, given, named = self._call, self._given, self._named
        wait_for(self._settings.device)
        begun = time.perf_counter()
        for _ in range(calls):
            call(*given, **named)
        wait_for(self._settings.device)
        return (time.perf_counter() - begun) / calls

    def timing(self, ceilings: Ceilings | None) -> Timing:
        resident, growth = self.peak or (None, None)
        return Timing(
            model=self.planned.entry.name,
            case=self.planned.case,
            macs=self.planned.macs,
            launches=self.planned.launches,
            samples=tuple(self.samples),
            calls=self.calls,
            first_seconds=self.first_seconds,
            peak_resident_bytes=resident,
            peak_growth_bytes=growth,
            counted_peak_bytes=self.planned.peak_bytes,
            uncounted=self.planned.uncounted,
            modules=self._tree(ceilings),
            own_images=self.planned.entry.own_images,
        )

    def _tree(self, ceilings: Ceilings | None) -> TimedTree | None:
        if self._clock is None or ceilings is None:
            return None
        title = f"{self.planned.entry.name} on {self.planned.case}"
        return self._clock.tree(title, self._count, ceilings)


def time_case(
    planned: Sequence[PlannedCase],
    settings: BenchSettings,
    kept: dict[str, nn.Module],
    advance: Advance,
    ceilings: Ceilings | None = None,
) -> list[Timing | RefusedCase]:
    """All models at one case, in their order: they warm up, then take turns for each repeat.

    kept: models that serve all sizes, by the entry's name; added to. ceilings: of the device, where modules are timed,
    too. A model that fails is a row with its error.
    """
    if settings.compile:
        torch.compiler.reset()  # else torch stops compiling after a few sizes, and runs the model as it is
    runners: dict[str, _Runner] = {}
    errors: dict[str, str] = {}
    for one in planned:
        entry, case = one.entry, one.case
        advance(f"warming up {entry.name} on {case}", 0)
        model = kept.get(entry.name)
        try:
            if model is None:
                model = entry.build(case.height, case.width)
                model = model.to(settings.device, settings.torch_dtype)
                if settings.memory_format == "channels-last":
                    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                if not entry.built_per_size:
                    kept[entry.name] = model
            runners[entry.name] = runner = _Runner(one, model, settings)
            if settings.depth is not None and not entry.is_graph:
                runner.prepare_modules(settings.depth)
        except Exception as error:  # whatever others' code raises is a row
            errors[entry.name] = _why(error, model, one)
    for turn in (_Runner.repeat, _Runner.repeat_modules) if ceilings else (_Runner.repeat,):
        for _ in range(settings.repeats):
            for name, runner in list(runners.items()):
                advance(f"timing {name} on {runner.planned.case}", 0)
                try:
                    turn(runner)
                except Exception as error:
                    errors[name] = _why(error, runner.model, runner.planned)
                    del runners[name]
    rows: list[Timing | RefusedCase] = []
    for one in planned:
        name = one.entry.name
        rows.append(runners[name].timing(ceilings) if name in runners else RefusedCase(name, one.case, errors[name]))
        advance()
    return rows


def _why(error: Exception, model: nn.Module | None, planned: PlannedCase) -> str:
    """In one line, as a count says it: which module of the model failed, why, on what input.

    No hook may slow what is timed, so the module is found in the traceback: the last frame of a method of one.
    """
    case = planned.case
    what = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, InputError) or model is None:
        return what
    paths = {module: path for path, module in model.named_modules()}
    running = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    path = next((paths[one] for one in reversed(running) if isinstance(one, nn.Module) and one in paths), "")
    shape = f"{case.batch}x{planned.entry.channels}x{case.height}x{case.width}"
    return f"{f'module {path}: ' if path else ''}{what} (input {shape})"


@contextmanager
def thread_limit(wanted: int | None) -> Iterator[None]:
    """torch's number of threads set for a while; None keeps it."""
    before = torch.get_num_threads()
    try:
        if wanted is not None:
            torch.set_num_threads(wanted)
        yield
    finally:
        torch.set_num_threads(before)
