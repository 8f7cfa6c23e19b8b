"""Which modules of a model take the time."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import nn

from convneur.bench.ceilings import Ceilings, Limit
from convneur.bench.peak import wait_for
from convneur.cost import CostCount
from convneur.formats import significant
from convneur.module_tree import ModuleCost, depth_of, module_label, parent_of
from convneur.results import Result, Table

__all__ = ["ModuleClock", "ModuleTime", "TimedTree", "tree_terms"]

_MOST_NAMED = 3


@dataclass(frozen=True)
class ModuleTime:
    """The seconds of a module with all that it holds in one call of the model, and what they were spent on.

    cost: of the batch, counted as it ran; None where it could not be counted. module, class_name, depth, rest: as
    `ModuleCost` has them.

    >>> ModuleTime("stem", "Conv2d", 1, False, 0.002, cost=None).label
    'stem'
    """

    module: str
    class_name: str
    depth: int
    rest: bool
    seconds: float
    cost: ModuleCost | None

    @property
    def label(self) -> str:
        """Its path; (rest): what it does itself, beside the rows of its children."""
        return module_label(self.module, rest=self.rest)

    @property
    def macs_per_second(self) -> float | None:
        return self.cost.macs / self.seconds if self.cost is not None and self.seconds else None

    @property
    def bytes_per_second(self) -> float | None:
        return self.cost.moved_bytes / self.seconds if self.cost is not None and self.seconds else None

    def bound(self, ceilings: Ceilings) -> tuple[float, Limit | None] | None:
        """The least seconds that its work takes on the device, and the ceiling that says so."""
        cost = self.cost
        if cost is None:
            return None
        return ceilings.bound(macs=cost.macs, moved_bytes=cost.moved_bytes, launches=cost.launches)


@dataclass(frozen=True)
class TimedTree(Result):
    """A model's modules down to a depth with the time of each; the first row is the model.

    title: the model and the case. ceilings: of the device. Modules are timed by clocks around each, in calls of their
    own, which take longer by what the clocks take: the first row against the time of the model without clocks.

    >>> rows = [ModuleTime(name, "Linear", len(name), False, 0.002, cost=None) for name in ("", "a", "b")]
    >>> [row.label for row in TimedTree("two layers", tuple(rows), Ceilings(50e9, 10e9, 40e9, 1e-6)).leaves]
    ['a', 'b']
    """

    title: str
    rows: tuple[ModuleTime, ...]
    ceilings: Ceilings

    @property
    def whole(self) -> ModuleTime:
        return self.rows[0]

    @property
    def words(self) -> str:
        """Where the time goes, in a few sentences."""
        whole, cost = self.whole, self.whole.cost
        said = f"{self.title}: {significant(1e3 * whole.seconds)} ms."
        if cost is None:
            return f"{said} It could not be counted."
        least = self.ceilings.least_seconds(macs=cost.macs, moved_bytes=cost.moved_bytes, launches=cost.launches)
        peak, bytes_, launches = (significant(1e3 * least[kind]) for kind in ("compute", "memory", "launches"))
        said += (
            f" At the ceilings its {significant(cost.macs / 1e9)} GMACs take {peak} ms, its "
            f"{significant(cost.moved_bytes / 1e6)} MB {bytes_} ms, its {cost.launches} launches {launches} ms."
        )
        above = {row.label: row.seconds - (row.bound(self.ceilings) or (0.0, None))[0] for row in self.leaves}
        most = [label for label in sorted(above, key=lambda label: -above[label]) if above[label] > 0][:_MOST_NAMED]
        if len(above) > 1 and most:
            named = ", ".join(f"{label} ({significant(1e3 * above[label])} ms)" for label in most)
            said += f" Most time above what the work takes at least: {named}."
        return said

    @property
    def leaves(self) -> tuple[ModuleTime, ...]:
        """The rows that hold no other: parts that make up the whole, but for what runs between them."""
        parents = {row.module for row in self.rows if row.rest}
        parents |= {above for row in self.rows if row.module for above in _above(row.module)}
        return tuple(row for row in self.rows if row.rest or row.module not in parents)

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "rows": self.records()}

    def records(self) -> list[dict[str, Any]]:
        return [self._row_dict(row) for row in self.rows]

    def _row_dict(self, row: ModuleTime) -> dict[str, Any]:
        place = {"module": row.module, "class": row.class_name, "depth": row.depth, "rest": row.rest}
        bound = row.bound(self.ceilings)
        costs = dict.fromkeys(("params", "macs", "flops", "elementwise", "moved_bytes", "intensity", "launches"))
        return (
            place
            | {"seconds": row.seconds}
            | (costs if row.cost is None else {key: row.cost.to_dict()[key] for key in costs})
            | {
                "macs_per_second": row.macs_per_second,
                "bytes_per_second": row.bytes_per_second,
                "least_seconds": None if bound is None else bound[0],
                "limited_by": None if bound is None else bound[1],
            }
        )

    def tables(self) -> Sequence[Table]:
        columns = ["module", "class", "ms", "share", "params\nM", "MMACs", "MB\nmoved", "FLOPs\n/byte", "launches"]
        columns += ["GMACs\n/s", "GB\n/s", "at least\nms", "by"]
        rows = [self._cells(row) for row in self.rows]
        return (Table(f"{self.title}: time by module", columns, rows, left={0, 1, 12}, dense=True),)

    def _cells(self, row: ModuleTime) -> list[str]:
        share = f"{row.seconds / self.whole.seconds:.1%}" if self.whole.seconds else "-"
        cells = [row.label, "" if row.rest else row.class_name, significant(1e3 * row.seconds), share]
        bound, cost = row.bound(self.ceilings), row.cost
        if bound is None or cost is None:
            return cells + ["-"] * 9
        rates = (row.macs_per_second, row.bytes_per_second)
        return [
            *cells,
            f"{cost.params / 1e6:.3f}",
            significant(cost.macs / 1e6),
            significant(cost.moved_bytes / 1e6),
            "-" if cost.intensity is None else significant(cost.intensity),
            str(cost.launches),
            *("-" if rate is None else significant(rate / 1e9) for rate in rates),
            significant(1e3 * bound[0]),
            bound[1] or "-",
        ]

    def sentences(self) -> Sequence[str]:
        return [self.words, *tree_terms(self.ceilings)]


def tree_terms(ceilings: Ceilings) -> list[str]:
    """What the columns of a timed tree mean."""
    return [
        "By module: means of the middle half of calls with a clock around each module, and its cost as it ran here. "
        "MB moved: what all operators read and write, if each reads its tensors and writes its result; FLOPs/byte: "
        "arithmetic intensity, two FLOPs for each multiply-add. (rest): what a module does itself, beside the rows of "
        "its children.",
        "At least: the longest of multiply-adds at the peak of matrix products (compute), bytes at the cache's "
        f"bandwidth (memory) and launches of {significant(1e6 * ceilings.launch_seconds)} us each (launches), as "
        "measured here: "
        f"copies move {significant(ceilings.memory_bandwidth / 1e9)} GB/s in memory, "
        f"{significant(ceilings.cache_bandwidth / 1e9)} GB/s in the cache.",
    ]


class ModuleClock:
    """Times the modules of a model down to a depth, by hooks that are there during a call alone.

    Args: model, depth; call: runs the model once; device: that it runs on.
    """

    def __init__(self, model: nn.Module, depth: int, call: Callable[[], object], device: str) -> None:
        self._model, self._depth, self._call, self._device = model, depth, call, device
        # A scripted part takes no hooks: the module above has its time and its cost. The whole is timed from outside.
        self._parts = {
            path: part for path, part in model.named_modules() if path and not isinstance(part, torch.jit.ScriptModule)
        }
        self._names = {"": type(model).__name__} | {path: type(part).__name__ for path, part in self._parts.items()}
        self._shown = [path for path in self._names if depth_of(path) <= depth]
        called = self._called()
        # A list of modules is not called, nor is a part whose layers another module calls: those below it are timed.
        self._timed = {
            path
            for path in called
            if not any(above in called for above in _above(path) if depth <= depth_of(above)) or depth_of(path) <= depth
        }
        self._samples: list[dict[str, float]] = []

    def repeat(self) -> None:
        """Time one call."""
        self._samples.append(self._seconds())

    def tree(self, title: str, count: CostCount | None, ceilings: Ceilings) -> TimedTree:
        """Means over the middle half of the calls, beside the cost of each module where it was counted.

        Choice: by the whole model's time, so that the parts' times sum to it.
        """
        ordered = sorted(self._samples, key=lambda sample: sum(self._of(path, sample) for path in self._shown[:1]))
        middle = ordered[len(ordered) // 4 : len(ordered) - len(ordered) // 4]
        seconds = {path: fmean(sample[path] for sample in middle) for path in self._timed}
        of_shown = {path: self._of(path, seconds) for path in self._shown}
        counted = None if count is None else count.tree(self._depth)
        places: list[tuple[str, str, int, bool, ModuleCost | None]]
        if counted is None:
            places = [(path, self._names[path], depth_of(path), False, None) for path in self._shown]
        else:
            places = [
                (row.module, row.class_name, row.depth, row.rest, row) for row in counted.rows if row.module in of_shown
            ]
        rows = []
        for path, name, at, rest, cost in places:
            its = of_shown[path]
            if rest:
                children = [child for child in self._shown if child and parent_of(child) == path]
                its = max(0.0, its - sum(of_shown[child] for child in children))
            rows.append(ModuleTime(path, name, at, rest, its, cost))
        return TimedTree(title, tuple(rows), ceilings)

    def _of(self, path: str, seconds: Mapping[str, float]) -> float:
        """Of a module, or of those below it that were called where it was not."""
        if path in seconds:
            return seconds[path]
        below = f"{path}."
        return sum(
            its
            for other, its in seconds.items()
            if other.startswith(below)
            and not any(above in seconds and above.startswith(below) for above in _above(other))
        )

    def _called(self) -> set[str]:
        called = {""}
        with self._hooks(set(self._names), called.add, lambda _: None):
            self._call()
        return called

    def _seconds(self) -> dict[str, float]:
        """Of each timed module in one call; of one that runs inside itself the outer run."""
        clock = _CudaClock() if self._device.startswith("cuda") else _Clock()
        with self._hooks(self._timed, clock.enter, clock.leave):
            wait_for(self._device)
            clock.enter("")
            self._call()
            clock.leave("")
            wait_for(self._device)
        found = clock.seconds()
        return {path: found.get(path, 0.0) for path in self._timed}

    @contextmanager
    def _hooks(self, paths: set[str], enter: Callable[[str], None], leave: Callable[[str], None]) -> Iterator[None]:
        handles = []
        try:
            for path in paths & self._parts.keys():
                part = self._parts[path]
                handles.append(part.register_forward_pre_hook(lambda *_, path=path: enter(path), prepend=True))
                handles.append(part.register_forward_hook(lambda *_, path=path: leave(path), always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()


class _Clock:
    """Sums the time between entering and leaving, by name."""

    def __init__(self) -> None:
        self._entered: dict[str, list[Any]] = {}
        self._spans: dict[str, list[tuple[Any, Any]]] = {}

    def enter(self, name: str) -> None:
        self._entered.setdefault(name, []).append(self._now())

    def leave(self, name: str) -> None:
        now, entered = self._now(), self._entered[name]
        begun = entered.pop()
        if not entered:
            self._spans.setdefault(name, []).append((begun, now))

    def seconds(self) -> dict[str, float]:
        return {name: sum(self._between(*span) for span in spans) for name, spans in self._spans.items()}

    def _now(self) -> Any:
        return time.perf_counter()

    def _between(self, begun: Any, ended: Any) -> float:
        return float(ended - begun)


class _CudaClock(_Clock):
    """By the device's own clock, which reads when the work before it is done."""

    def _now(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, begun: Any, ended: Any) -> float:
        return float(begun.elapsed_time(ended)) / 1e3


def _above(path: str) -> list[str]:
    """The modules that hold this one, the model first."""
    parts = path.split(".") if path else []
    return [".".join(parts[:number]) for number in range(len(parts))]
