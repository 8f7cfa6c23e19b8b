"""Measuring: what is called in which order and with what, what is made of the times; no clock decides a test."""

import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convneur
from convneur import VARIANTS, ConfigError, InputError
from convneur.bench import (
    BenchCase,
    BenchResult,
    BenchSettings,
    Ceilings,
    ModelTimes,
    RefusedCase,
    Timing,
    describe_machine,
    machine,
    matmul_peak,
    memory,
    paired_ratio,
    peak,
    plan,
    run_bench,
    time_slope,
)
from convneur.bench.plan import BenchEntry, plan_bench
from convneur.bench.run import run_plan
from convneur.cost import ExternalModel

QUICK = {"warmup": 1, "repeats": 2}
KERNEL_TELLS = os.access("/proc/self/clear_refs", os.W_OK)


class Recording(nn.Module):
    """Adds a line to a log for each call that is not on meta; refuses images that are 31 wide."""

    def __init__(self, name: str, log: list[Any], img_size: Any = None) -> None:
        super().__init__()
        self.name, self.log, self.img_size = name, log, img_size
        self.conv = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] == 31:
            raise ValueError("31 is\nno size")
        if not x.is_meta:
            self.log.append((self.name, x))
        return self.conv(x)


def entry(name: str, log: list[Any], *, takes_size: bool = False) -> BenchEntry:
    def factory(img_size: Any = None) -> nn.Module:
        return Recording(name, log, img_size)

    return BenchEntry(name, ExternalModel(name, factory, "here", takes_size))


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock takes 2 ms, so that a call seems to take that, and three make 5 ms.

    By such a clock no product takes long, and the largest one would be reached each time: it is a small one.
    """
    monkeypatch.setattr(peak, "_LARGEST", {"cpu": 512})
    now = iter(range(10**9))
    monkeypatch.setattr(time, "perf_counter", lambda: 0.002 * next(now))


def bench(entries: list[BenchEntry], cases: list[BenchCase], **settings: Any) -> BenchResult:
    wanted = BenchSettings(**(QUICK | settings))
    return run_plan(plan_bench(entries, cases, wanted), wanted)


# Who runs when


def test_models_take_turns() -> None:
    log: list[Any] = []
    result = bench([entry(name, log) for name in "ABC"], [BenchCase(8, 8, 1)], repeats=3, warmup=2)
    calls = [name for name, _ in log]
    warm = 1 + 2 + (1 if KERNEL_TELLS else 0)
    assert calls[: 3 * warm] == ["A"] * warm + ["B"] * warm + ["C"] * warm
    assert calls[3 * warm :] == (["A"] * 3 + ["B"] * 3 + ["C"] * 3) * 3
    for row in result.rows:
        assert isinstance(row, Timing)
        assert row.calls == 3  # of 2 ms, the first number to reach 5 ms
        assert row.samples == pytest.approx([0.002 / 3] * 3)


def test_every_size_and_batch_in_the_dtype_and_format_asked_for() -> None:
    log: list[Any] = []
    cases = [BenchCase(height, 16, batch) for height in (8, 16) for batch in (1, 3)]
    result = bench([entry("A", log)], cases, dtype="bfloat16", memory_format="channels-last")
    assert [row.case for row in result.rows] == cases
    assert list(dict.fromkeys(tuple(x.shape) for _, x in log)) == [
        (1, 3, 8, 16), (3, 3, 8, 16), (1, 3, 16, 16), (3, 3, 16, 16),
    ]  # fmt: skip
    for _, x in log:
        assert x.dtype == torch.bfloat16
        assert x.is_contiguous(memory_format=torch.channels_last)
    (row, *_) = result.rows
    assert isinstance(row, Timing)
    assert (row.macs, row.counted_peak_bytes) == (12 * 8 * 16, 4 * 8 * 16 * 2)


def test_models_made_for_a_size_are_built_for_each_and_others_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    build = ExternalModel.build

    def noted(net: ExternalModel, height: int, width: int) -> nn.Module:
        model = build(net, height, width)
        if not next(model.parameters()).is_meta:
            built.append((net.name, model.img_size))
        return model

    monkeypatch.setattr(ExternalModel, "build", noted)
    cases = [BenchCase(8, 8, 1), BenchCase(8, 8, 2), BenchCase(8, 16, 1)]
    bench([entry("sized", [], takes_size=True), entry("one", [])], cases)
    assert built == [("sized", 8), ("one", None), ("sized", 8), ("sized", (8, 16))]


def test_compiled_anew_for_each_case(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: compiled.append("reset"))
    monkeypatch.setattr(torch, "compile", lambda model, *, dynamic: compiled.append(dynamic) or model)
    bench([entry("A", []), entry("B", [])], [BenchCase(8, 8, 1), BenchCase(8, 16, 1)], compile=True)
    assert compiled == ["reset", False, False, "reset", False, False]


@pytest.mark.slow
def test_compiling_for_real() -> None:
    net = VARIANTS["m1"].replace(depths=(1, 1, 1, 1))
    result = bench([BenchEntry("m1", net)], [BenchCase(64, 64, 1)], compile=True)
    assert isinstance(result.rows[0], Timing), result.rows


def test_what_a_model_refuses_is_a_row_and_the_others_go_on() -> None:
    log: list[Any] = []
    nets = [BenchEntry("m1", VARIANTS["m1"].replace(memory="none", depths=(1, 1, 1, 1))), entry("A", log)]
    result = bench(nets, [BenchCase(16, 31, 1), BenchCase(32, 32, 1)])
    first, second, third, fourth = result.rows
    assert isinstance(first, RefusedCase)
    assert first.error.startswith("image of 16x31: ConvNeur needs at least 32x32")
    assert second == RefusedCase("A", BenchCase(16, 31, 1), "31 is no size (input 1x3x16x31)")
    assert isinstance(third, Timing)
    assert isinstance(fourth, Timing)
    assert [model.slopes for model in result.models] == [{1: None}, {1: None}]


def test_a_model_that_fails_later_is_a_row_too() -> None:
    class Tired(nn.Conv2d):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += not x.is_meta
            if self.calls > 6:
                raise RuntimeError("tired")
            return super().forward(x)

    tired = BenchEntry("tired", ExternalModel("tired", lambda: Tired(3, 4, 1), "here", False))
    result = bench([tired, entry("A", [])], [BenchCase(8, 8, 1)], repeats=4)
    assert result.rows[0] == RefusedCase("tired", BenchCase(8, 8, 1), "tired (input 1x3x8x8)")
    assert isinstance(result.rows[1], Timing)


def test_the_module_that_fails_is_named_without_a_hook() -> None:
    narrow = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Linear(8, 8)), nn.ReLU())
    result = bench([BenchEntry("narrow", ExternalModel("narrow", lambda: narrow, "here", False))], [BenchCase(8, 9, 2)])
    (row,) = result.rows
    assert isinstance(row, RefusedCase)
    assert row.error.startswith("module 0.1: mat1 and mat2 shapes cannot be multiplied")
    assert row.error.endswith("(input 2x3x8x9)")


def test_torchs_settings_are_afterwards_as_they_were() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    wanted = threads + 1
    result = bench([entry("A", [])], [BenchCase(8, 8, 1)], threads=wanted)
    assert result.machine.threads == wanted
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_steps_add_up_to_what_was_announced() -> None:
    class Counting:
        total = done = 0.0

        @contextmanager
        def steps(self, what: str, total: float) -> Iterator[Any]:
            self.total = total

            def advance(now: str | None = None, steps: float = 1) -> None:
                self.done += steps

            yield advance

    wanted, counting = BenchSettings(**QUICK), Counting()
    planned = plan_bench([entry(name, []) for name in "AB"], [BenchCase(8, 8, 1), BenchCase(8, 31, 1)], wanted)
    run_plan(planned, wanted, progress=counting)
    assert counting.done == counting.total == 1 + 2 * 2


# Memory


@pytest.mark.skipif(not KERNEL_TELLS, reason="the kernel keeps no high-water mark that can be lowered")
def test_peak_memory_is_what_a_call_takes() -> None:
    class Hungry(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            if x.is_meta:
                return super().forward(x)
            return super().forward(x) + torch.ones(64, 1024, 1024).mean()  # 256 MiB

    hungry = BenchEntry("hungry", ExternalModel("hungry", lambda: Hungry(3, 4, 1), "here", False))
    first, second = bench([hungry, entry("A", [])], [BenchCase(64, 64, 1)]).rows
    assert isinstance(first, Timing)
    assert isinstance(second, Timing)
    assert first.peak_growth_bytes is not None
    assert second.peak_growth_bytes is not None
    assert 250 * 2**20 < first.peak_growth_bytes < 300 * 2**20
    assert second.peak_growth_bytes < 50 * 2**20
    assert first.peak_resident_bytes is not None
    assert first.peak_resident_bytes > first.peak_growth_bytes
    assert first.peak_ratio == first.peak_growth_bytes / (4 * 64 * 64 * 4)


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (row,) = bench([entry("A", [])], [BenchCase(8, 8, 1)]).rows
    assert isinstance(row, Timing)
    assert (row.peak_resident_bytes, row.peak_growth_bytes, row.peak_ratio) == (None, None, None)


def test_what_would_not_fit_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[Any] = []
    cases = [BenchCase(8, 8, 1), BenchCase(1024, 1000, 64)]
    needed = 64 * 1024 * 1000 * 4 * (4 + 3) + 4 * 12
    monkeypatch.setattr(plan, "free_memory", lambda device: needed)
    plan_bench([entry("A", log)], cases, BenchSettings())
    monkeypatch.setattr(plan, "free_memory", lambda device: needed - 1)
    with pytest.raises(InputError, match=r"^A on 64 images of 1024x1000 would need at least about 1\.8 GB"):
        plan_bench([entry("A", log)], cases, BenchSettings())
    plan_bench([entry("A", log)], cases, BenchSettings(dtype="bfloat16"))  # half as much
    monkeypatch.setattr(plan, "free_memory", lambda device: None)
    plan_bench([entry("A", log)], cases, BenchSettings())
    assert log == []


def test_all_images_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 4 * (4 * 64 + 2 * 3 * 64 + 2 * 12)  # one model's activations, two models' images and weights
    nets, cases = [entry("A", []), entry("B", [])], [BenchCase(8, 8, 1)]
    monkeypatch.setattr(plan, "free_memory", lambda device: needed)
    plan_bench(nets, cases, BenchSettings())
    monkeypatch.setattr(plan, "free_memory", lambda device: needed - 1)
    with pytest.raises(InputError, match=r"\(of 2 cases 2 do not fit\)$"):
        plan_bench(nets, cases, BenchSettings())


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="models m1 folded: two rows would have this name"):
        run_bench({"m1": "m1", "m1 folded": "m2"}, sizes=32, fold=True, chunks=2, **QUICK)


def test_free_memory_is_positive_and_at_most_the_machines() -> None:
    free, total = memory.free_memory("cpu"), describe_machine("cpu").memory_bytes
    if free is not None and total is not None:
        assert 0 < free <= total


# What is made of the times


@pytest.mark.parametrize("power", [1.0, 0.7, 2.0])
def test_the_slope_of_a_power_is_its_exponent(power: float) -> None:
    pixels = [64**2, 128**2, 512**2]
    found = time_slope(pixels, [[3e-9 * size**power] * 5 for size in pixels])
    assert found is not None
    assert (found.slope, found.low, found.high) == pytest.approx((power, power, power))


def test_the_slope_stands_outliers_and_its_interval_is_seeded() -> None:
    draw = random.Random(0)
    pixels = [100, 400, 1600]
    samples = [[size * draw.uniform(1, 1.1) * (50 if repeat == 0 else 1) for repeat in range(9)] for size in pixels]
    found = time_slope(pixels, samples, seed=1)
    assert found is not None
    assert found.slope == pytest.approx(1, abs=0.05)
    assert found.low < found.slope < found.high
    assert found.low > 0.9
    assert found.high < 1.1
    assert time_slope(pixels, samples, seed=1) == found
    assert time_slope(pixels, samples, seed=2) != found


def test_of_many_repeats_as_many_as_say_the_same_are_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)
    samples = [[size * draw.lognormvariate(0, 0.2) for _ in range(301)] for size in (1, 4, 16)]
    thinned = time_slope([100, 400, 1600], samples, resamples=20)
    monkeypatch.setattr("convneur.bench.timing._MOST_PAIRED", 301)
    whole = time_slope([100, 400, 1600], samples, resamples=20)
    assert thinned is not None
    assert whole is not None
    assert thinned.slope == pytest.approx(whole.slope, abs=1e-3)
    assert (thinned.low, thinned.high) == pytest.approx((whole.low, whole.high), abs=2e-3)


@pytest.mark.parametrize("pixels", [[], [64], [64, 64]])
def test_no_slope_without_two_sizes(pixels: list[int]) -> None:
    assert time_slope(pixels, [[1.0, 2.0]] * len(pixels)) is None


def timing(samples: tuple[float, ...], **changes: Any) -> Timing:
    values: dict[str, Any] = {
        "model": "A",
        "case": BenchCase(10, 20, 4),
        "macs": 1000,
        "launches": 10,
        "samples": samples,
        "calls": 1,
        "first_seconds": 1.0,
        "peak_resident_bytes": None,
        "peak_growth_bytes": 300,
        "counted_peak_bytes": 200,
    }
    return Timing(**(values | changes))


def test_medians_spread_and_rates() -> None:
    row = timing((0.5, 0.1, 0.2, 0.3, 0.4))
    assert (row.p10, row.p50, row.p90) == pytest.approx((0.14, 0.3, 0.46))
    assert row.images_per_second == pytest.approx(4 / 0.3)
    assert row.pixels_per_second == pytest.approx(800 / 0.3)
    assert row.macs_per_second == pytest.approx(4000 / 0.3)
    assert row.peak_ratio == 1.5
    assert timing((1.0,), macs=None).macs_per_second is None


def test_ratios_are_of_neighbours_in_time() -> None:
    slowing = timing((1.0, 2.0, 4.0))
    assert paired_ratio(timing((2.0, 4.0, 8.0)), slowing) == 2
    assert paired_ratio(slowing, slowing) == 1


@pytest.mark.parametrize(("highest", "above"), [(1e4, True), (2e4, False), (None, False)])
def test_a_rate_above_the_devices_own_is_told(highest: float | None, above: bool) -> None:
    row = timing((0.25,))  # 16 000 a second
    models = (ModelTimes("A", None, None, (row,), {4: None}),)
    result = BenchResult(BenchSettings(), describe_machine("cpu"), None, highest, models)
    assert result.above_peak(row) is above


def test_the_peak_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    assert matmul_peak(BenchSettings()) == pytest.approx(512**3 / 0.002)  # by the fixture's clock

    def cannot(*_: Any) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(torch, "mm", cannot)
    assert matmul_peak(BenchSettings(dtype="float16")) is None


# The machine


@pytest.mark.parametrize(
    ("facts", "instructions", "bfloat16"),
    [
        ({"model name": "X", "flags": "fpu avx2 avx512_bf16 sse fma"}, ("avx2", "fma", "avx512_bf16"), True),
        ({"flags": "fpu avx2"}, ("avx2",), False),
        ({"Features": "fp asimd bf16"}, ("asimd", "bf16"), True),
        ({}, None, None),
    ],
)
def test_processors_say_what_they_can(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, str], instructions: Any, bfloat16: bool | None
) -> None:
    monkeypatch.setattr(machine, "_processor_facts", lambda: facts)
    found = describe_machine("cpu")
    assert (found.instructions, found.bfloat16) == (instructions, bfloat16)
    assert found.versions["torch"] == torch.__version__
    assert {"convneur", "python"} < found.versions.keys()
    assert found.cores >= 1


def test_files_that_are_not_there_tell_nothing(tmp_path: Path) -> None:
    assert memory.kilobytes(str(tmp_path / "none"), "VmHWM") is None
    (tmp_path / "status").write_text("Name: x\nVmHWM:\t  12 kB\n")
    assert memory.kilobytes(str(tmp_path / "status"), "VmHWM") == 12
    assert memory.kilobytes(str(tmp_path / "status"), "VmRSS") is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"device": "tpu"}, "device 'tpu': choose cpu, cuda"),
        ({"device": "cuda:x"}, "device 'cuda:x'"),
        ({"device": "cuda:99"}, "torch sees"),
        ({"dtype": "int8"}, "dtype 'int8'"),
        ({"memory_format": "sparse"}, "memory_format 'sparse': choose one of contiguous, channels-last"),
        ({"threads": 0}, "threads 0: must be 1 to 1024"),
        ({"threads": 2**70}, "threads 1180591620717411303424: must be 1 to 1024"),
        ({"seed": 2**70}, "seed 1180591620717411303424: must be 0 to 9223372036854775807"),
        ({"warmup": 0}, "warmup 0"),
        ({"repeats": 0}, "repeats 0"),
        ({"seed": -1}, "seed -1: must be 0 to 9223372036854775807"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        BenchSettings(**settings)


# In one call


@pytest.mark.slow
def test_models_are_given_as_they_are(tmp_path: Path) -> None:
    conv = nn.Conv2d(3, 4, 1)
    asked = {"mine": conv, "made": lambda: nn.Conv2d(3, 2, 1), "m1": "m1"}
    result = run_bench(asked, sizes=[32, (32, 64)], batch=[1, 2], memory="none", **QUICK)
    assert [model.name for model in result.models] == ["mine", "made", "m1"]
    assert [model.params for model in result.models[:2]] == [16, 8]
    cases = [(row.case.height, row.case.width, row.case.batch) for row in result.models[0].rows]
    assert cases == [(32, 32, 1), (32, 32, 2), (32, 64, 1), (32, 64, 2)]
    assert not result.refused
    assert conv.training  # a copy was timed
    assert "mine" in str(result)
    assert "<table>" in result._repr_html_()
    result.save(tmp_path / "times.tex")
    assert r"\toprule" in (tmp_path / "times.tex").read_text()
    with pytest.raises(InputError, match="exists already"):
        result.save(tmp_path / "times.tex")


def test_peers_are_timed_as_they_are_and_folded_ones_name_theirs() -> None:
    result = run_bench("m1", sizes=32, against="m1", fold=True, chunks=2, **QUICK)
    assert [(model.name, model.folded_from) for model in result.models] == [
        ("m1", None), ("m1 folded", "m1"), ("m1 as it is", None),
    ]  # fmt: skip
    macs = [model.timed[0].macs for model in result.models]
    assert macs[1] < macs[0] != macs[2]
    assert [model.changes for model in result.models] == [("chunks 2",), ("chunks 2",), ()]
    assert [model.get("changes") for model in result.to_dict()["models"]] == [["chunks 2"], ["chunks 2"], None]
    assert "m1 has chunks 2; the variant itself has not." in str(result)


def test_what_fails_is_told_and_in_the_result() -> None:
    class Lines:
        def __init__(self) -> None:
            self.errors: list[str] = []
            self.notes: list[str] = []

        def note(self, line: str) -> None:
            self.notes.append(line)

        def error(self, line: str) -> None:
            self.errors.append(line)

        @contextmanager
        def steps(self, what: str, total: float) -> Iterator[Any]:
            yield lambda now=None, steps=1: None

    lines = Lines()
    result = run_bench({"picky": Recording("picky", [])}, sizes=["31"], progress=lines, **QUICK)  # type: ignore[arg-type]
    assert result.refused == (RefusedCase("picky", BenchCase(31, 31, 1), "31 is no size (input 1x3x31x31)"),)
    assert lines.errors == ["picky on 1 image of 31: 31 is no size (input 1x3x31x31)"]
    assert "Refused: picky on 1 image of 31: 31 is no size (input 1x3x31x31)." in str(result)
    assert lines.notes[0].startswith("picky cannot be counted on 1 image of 31")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"models": "m9"}, "models m9: choose m1, m2, m3, m4"),
        ({"against": "m9"}, "against m9: choose m1, m2, m3, m4"),
        ({"against": "m1"}, "against m1: is timed already, by `models`"),
        ({"batch": 0}, "batch 0: give whole numbers from 1 to 4096"),
        ({"batch": "1,x"}, "batch '1,x'"),
        ({"batch": []}, "batch"),
        ({"sizes": "0"}, "sizes '0'"),
        ({"fold": True, "memory": "none"}, "fold: nothing in m1 can be folded"),
        ({"repeats": 0}, "repeats 0"),
        ({"mem_dimm": 3}, "mem_dimm"),
    ],
)
def test_wrong_arguments_by_their_name(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        run_bench(**(QUICK | arguments))


# Modules


class Ticking(nn.Module):
    """Passes its input on, and moves the clock on by its seconds."""

    now = 0.0

    def __init__(self, seconds: float, *children: nn.Module, listed: bool = False) -> None:
        super().__init__()
        self.own = seconds
        self.parts = nn.ModuleList(children) if listed else nn.Sequential(*children)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            Ticking.now += self.own
        for part in self.parts:
            x = part(x)
        return x * self.scale


@pytest.fixture
def ceilings(monkeypatch: pytest.MonkeyPatch) -> Ceilings:
    """Known ones, which no time is taken to measure."""
    known = Ceilings(50e9, 10e9, 40e9, 1e-6)
    monkeypatch.setattr("convneur.bench.run.measure_ceilings", lambda *_, **__: known)
    monkeypatch.setattr("convneur.bench.run.matmul_peak", lambda _: 50e9)
    return known


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch, ceilings: Ceilings) -> type[Ticking]:
    monkeypatch.setattr("convneur.bench.modules.time.perf_counter", lambda: Ticking.now)
    return Ticking


def test_modules_have_the_time_of_what_they_hold(ticking: type[Ticking]) -> None:
    inner = ticking(3, ticking(4), listed=True)
    result = run_bench({"one": ticking(1, ticking(2), inner)}, sizes=8, by="module", depth=3, **QUICK)
    (tree,) = result.trees
    seconds = {(row.module, row.rest): row.seconds for row in tree.rows}
    assert seconds["", False] == 10
    assert seconds["", True] == 1  # by itself
    assert seconds["parts", False] == 9  # never called as one: the sum of its parts
    assert seconds["parts.0", False] == 2
    assert seconds["parts.1", False] == 7
    assert seconds["parts.1", True] == 3
    assert sum(row.seconds for row in tree.leaves) == 10
    # A list at the last depth has the time of what is below it.
    (tree,) = run_bench({"one": ticking(1, inner)}, sizes=8, by="module", depth=1, **QUICK).trees
    assert [(row.module, row.rest, row.seconds) for row in tree.rows] == [
        ("", False, 8),
        ("", True, 1),
        ("parts", False, 7),
    ]


def test_modules_cost_what_ran_on_the_batch(ceilings: Ceilings) -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU())
    result = run_bench({"two": layers}, sizes=8, batch=2, by="module", depth=1, **QUICK)
    (tree,) = result.trees
    whole, conv, relu = (row.cost for row in tree.rows)
    assert whole is not None
    assert conv is not None
    assert relu is not None
    assert conv.macs == whole.macs == 2 * 12 * 64
    assert conv.moved_bytes == 4 * (2 * 3 * 64 + 12 + 2 * 4 * 64)
    assert relu.launches == 1
    row = result.to_dict()["models"][0]["rows"][0]
    assert [each["module"] for each in row["modules"]] == ["", "0", "1"]
    assert row["modules"][1]["limited_by"] == "launches"
    assert row["modules"][1]["least_seconds"] == 1e-6
    assert result.to_dict()["settings"]["depth"] == 1
    assert result.records()[1]["module"] == "0"
    assert "At the ceilings its" in str(result)


@pytest.mark.filterwarnings("ignore:failing on")
def test_no_hook_is_left_where_a_module_fails(ceilings: Ceilings) -> None:
    class Failing(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            Failing.calls += not x.is_meta
            if Failing.calls > 6:
                raise RuntimeError("no more")
            return x

    failing = nn.Sequential(nn.ReLU(), Failing())
    made = ExternalModel("failing", lambda: failing, "here", takes_size=False)
    result = run_bench([made, ExternalModel("fine", nn.ReLU, "here", takes_size=False)], sizes=8, by="module", **QUICK)
    assert [row.model for row in result.refused] == ["failing"]
    assert len(result.trees) == 1
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in failing.modules())


def test_what_a_count_lacks_is_said(ceilings: Ceilings) -> None:
    class Transform(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.rfft2(x).abs()

    result = run_bench({"fft": Transform()}, sizes=8, **QUICK)
    assert "The count of fft lacks what has no formula: _fft_r2c (1 call)." in str(result)
    assert result.to_dict()["models"][0]["rows"][0]["uncounted_operators"] == {"_fft_r2c": 1}


class Half(nn.Module):
    """One part of it is TorchScript."""

    def __init__(self) -> None:
        super().__init__()
        self.free = nn.Conv2d(3, 4, 1, bias=False)
        self.scripted = torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scripted(self.free(x))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_scripted_parts_have_no_row_of_zero_seconds(ceilings: Ceilings) -> None:
    def whole() -> nn.Module:
        return torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU()))

    half, scripted = run_bench([Half, whole], sizes=32, by="module", **QUICK).trees
    assert [row.label for row in half.rows] == ["(model)", "(model) (rest)", "free"]
    assert {row.label for row in scripted.rows} <= {"(model)", "(model) (rest)"}
    for row in (*half.rows, *scripted.rows):
        assert row.seconds > 0
    assert half.rows[1].cost is not None
    assert half.rows[1].cost.macs == 16 * 32 * 32


def test_a_graph_alone_has_no_modules_to_time(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    convneur.export("photos", tmp_path / "photos.onnx", size=64, check=False)
    with pytest.raises(ConfigError, match="by module: an exported graph has no modules; time the weights"):
        run_bench(str(tmp_path / "photos.onnx"), sizes=64, by="module", **QUICK)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"by": "branch"}, "by 'branch': choose module"),
        ({"depth": 2}, "set `by` to module"),
        ({"by": "module", "depth": -1}, "depth -1: must be 0 to 100"),
        ({"by": "module", "compile": True}, "compile: leaves no modules to time"),
    ],
)
def test_modules_that_cannot_be_timed(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_bench("m1", sizes=32, **asked)


class Spoken(nn.Module):
    """An image and words."""

    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.stem, self.words = nn.Conv2d(1, width, 1, bias=False), nn.Embedding(9, width)

    def forward(self, image: Tensor, *, ids: Tensor) -> Tensor:
        return self.stem(image).mean() + self.words(ids).mean()


def test_a_model_of_other_inputs_is_timed_and_counted() -> None:
    inputs = ["1x1xHxW", "ids=1x7:int64"]
    result = run_bench({"spoken": Spoken}, sizes=8, inputs=inputs, factory_arguments=["width=3"], **QUICK)
    (row,) = result.timed
    assert row.macs == 3 * 8 * 8
    assert row.images == 1
    with pytest.raises(ConfigError, match="batch: `inputs` have their own batch; leave it out"):
        run_bench({"spoken": Spoken}, sizes=8, inputs=inputs, batch=2, **QUICK)
    with pytest.raises(ConfigError, match="inputs: a ConvNeur takes one image"):
        run_bench("m1", sizes=32, inputs="1x1xHxW", **QUICK)


def test_inputs_that_hold_several_images_are_as_many_a_call() -> None:
    layer = nn.Conv2d(3, 2, 1, bias=False)
    result = run_bench({"layer": layer}, sizes=8, inputs="5x3xHxW", **QUICK)
    (row,) = result.timed
    assert row.macs == 5 * 6 * 64
    assert row.images_per_second == pytest.approx(5 / row.p50)
    assert row.pixels_per_second == pytest.approx(5 * 64 / row.p50)
    assert row.macs_per_second == pytest.approx(5 * 6 * 64 / row.p50)
    found = result.to_dict()["models"][0]["rows"][0]
    assert (found["batch"], found["images_per_second"]) == (5, pytest.approx(5 / row.p50))
    assert result.tables()[0].rows[0][:3] == ["layer", "8", "5"]
