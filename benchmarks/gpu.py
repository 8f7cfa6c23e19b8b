"""All that needs a GPU, in one call of under eight minutes that prints one JSON.

    python benchmarks/gpu.py [--minutes 8] > gpu.json
    python benchmarks/gpu.py --device cpu --quick      # whether the script runs; its times say nothing

Needs torch with CUDA and timm; onnx, onnxscript and onnxruntime-gpu for ONNX Runtime. What is not installed, or for
which no time is left, stands under `skipped` with the reason.

correctness: m1 to m4 on the GPU beside the CPU in float32, without TF32: forward, gradients, folded, and forward under
autocast in bfloat16 and float16. Each value is the root mean square of the differences over that of the CPU's values.
launches: operators by convneur's count, and kernels that the GPU ran. forward: images/s at 224 px of m1 to m4,
convnext_femto, mambaout_femto and ViT-S, batch 128 and 1, run by eager torch in float32 (TF32) and bfloat16 autocast,
CUDA graphs, torch.compile, ONNX Runtime in float32. training: forward and backward in bfloat16 autocast, batch 128.
Models take turns; images/s are the median, least and most over the rounds.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import convneur
from convneur.bench import describe_machine
from convneur.cost import count
from convneur.variants import VARIANTS

_PEERS = ("convnext_femto", "mambaout_femto", "vit_small_patch16_224")
_SHORTEST = 0.1  # seconds that a turn lasts at least
_COMPILING = 60.0  # seconds to have left before torch.compile is asked for a model
_TIMING = 20.0  # seconds kept for timing what is compiled


@dataclass
class Run:
    """One call of the script: its device and sizes, its time, and what it left out."""

    device: torch.device
    quick: bool
    minutes: float
    begun: float = field(default_factory=time.perf_counter)
    skipped: list[dict[str, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 64 if self.quick else 224

    @property
    def batches(self) -> tuple[int, ...]:
        return (2, 1) if self.quick else (128, 1)

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 5

    @property
    def variants(self) -> tuple[str, ...]:
        return ("m1",) if self.quick else tuple(VARIANTS)

    @property
    def seconds_left(self) -> float:
        return 60 * self.minutes - (time.perf_counter() - self.begun)

    def skip(self, what: str, why: object) -> None:
        self.skipped.append({"what": what, "why": " ".join(str(why).split())[:200]})

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def images(self, batch: int) -> Tensor:
        x = torch.randn(batch, 3, self.size, self.size, generator=torch.Generator().manual_seed(0))
        return x.to(self.device, memory_format=torch.channels_last)

    def autocast(self, dtype: torch.dtype) -> Any:
        return nullcontext() if dtype == torch.float32 else torch.autocast(self.device.type, dtype)


class TooLong(BaseException):
    """Not an Exception, which torch's compiler would take for a failure of its own and go on."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises: TooLong: in what takes longer."""

    def stop(*_: object) -> None:
        raise TooLong(f"stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Correctness


def apart(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Root mean square of the differences over that of what is wanted, all tensors together."""
    errors = sum(float((a.double().cpu() - b.double()).square().sum()) for a, b in zip(found, wanted, strict=True))
    return (errors / sum(float(b.double().square().sum()) for b in wanted)) ** 0.5


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    model(x).square().mean().backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def correctness(run: Run) -> list[dict[str, Any]]:
    rows = []
    for name in run.variants:
        torch.manual_seed(0)
        ours = convneur.create(name).eval()
        x = run.images(2).cpu()
        wanted = ours(x).detach()
        wanted_gradients = gradients(ours, x)
        theirs = convneur.create(name).eval()
        theirs.load_state_dict(ours.state_dict())
        theirs, on_device = theirs.to(run.device, memory_format=torch.channels_last), x.to(run.device)
        row: dict[str, Any] = {"model": name, "images": list(x.shape)}
        row["backward"] = apart(gradients(theirs, on_device), wanted_gradients)
        with torch.inference_mode():
            row["forward"] = apart([theirs(on_device)], [wanted])
            row["folded"] = apart([convneur.fold(theirs)(on_device)], [wanted])
            for word, dtype in (("autocast_bfloat16", torch.bfloat16), ("autocast_float16", torch.float16)):
                with run.autocast(dtype):
                    row[word] = apart([theirs(on_device)], [wanted])
        rows.append(row)
    return rows


# Launches


def launches(run: Run) -> list[dict[str, Any]]:
    rows = []
    for name in run.variants:
        with torch.device("meta"):
            counted = count(convneur.create(name).eval(), torch.empty(1, 3, run.size, run.size, device="meta"))
        row: dict[str, Any] = {"model": name, "operators": counted.launches, "kernels": None}
        if run.device.type == "cuda":
            model, x = convneur.create(name).eval().to(run.device), run.images(1)
            with torch.inference_mode():
                model(x)
                with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiled:
                    model(x)
                    run.wait()
            row["kernels"] = sum(event.count for event in profiled.key_averages())
        rows.append(row)
    if run.device.type != "cuda":
        run.skip("kernels", "no CUDA device")
    return rows


# Speed


def models(run: Run) -> Iterator[tuple[str, nn.Module]]:
    for name in run.variants:
        yield name, convneur.create(name).eval()
    try:
        import timm
    except ImportError as error:
        run.skip("peers", error)
        return
    for name in _PEERS[:1] if run.quick else _PEERS:
        yield name, timm.create_model(name).eval()


def in_turns(run: Run, programs: dict[str, Callable[[], object]], batch: int) -> Iterator[dict[str, Any]]:
    """Images/s of each program, timed in turns."""
    calls: dict[str, int] = {}
    rates: dict[str, list[float]] = {name: [] for name in programs}

    def seconds(program: Callable[[], object], times: int) -> float:
        run.wait()
        begun = time.perf_counter()
        for _ in range(times):
            program()
        run.wait()
        return time.perf_counter() - begun

    for name, program in programs.items():
        seconds(program, 3)
        calls[name] = max(1, round(3 * _SHORTEST / max(seconds(program, 3), 1e-6)))
    for _ in range(run.rounds):
        for name, program in programs.items():
            rates[name].append(calls[name] * batch / seconds(program, calls[name]))
    for name, found in rates.items():
        median = statistics.median(found)
        yield {"model": name, "batch": batch, "images_per_second": median, "least": min(found), "most": max(found)}


def as_program(run: Run, model: nn.Module, batch: int, dtype: torch.dtype) -> Callable[[], object]:
    x = run.images(batch)

    def program() -> object:
        with run.autocast(dtype):
            return model(x)

    return program


def captured(run: Run, program: Callable[[], object]) -> Callable[[], object]:
    """A program as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            program()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        program()
    return graph.replay


def forward(run: Run, found: dict[str, nn.Module]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for batch in run.batches:
        for word, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            programs = {name: as_program(run, model, batch, dtype) for name, model in found.items()}
            with torch.inference_mode():
                rows += [{"run_by": "eager", "dtype": word, **row} for row in in_turns(run, programs, batch)]
        if run.device.type == "cuda":
            with torch.no_grad():
                graphs = {name: captured(run, program) for name, program in programs.items()}
                rows += [{"run_by": "cuda-graph", "dtype": "bfloat16", **row} for row in in_turns(run, graphs, batch)]
    if run.device.type != "cuda":
        run.skip("cuda-graph", "no CUDA device")
    return rows


def compiled(run: Run, found: dict[str, nn.Module]) -> list[dict[str, Any]]:
    """m1 and the first peer, then the others while time is left."""
    first = [name for name in ("m1", _PEERS[0]) if name in found]
    programs: dict[int, dict[str, Callable[[], object]]] = {batch: {} for batch in run.batches}
    for name in [*first, *(each for each in found if each not in first)]:
        for batch in run.batches:
            what = f"torch.compile of {name}, batch {batch}"
            if run.seconds_left < _COMPILING:
                run.skip(what, "no time left")
                continue
            program = as_program(run, torch.compile(found[name], dynamic=False), batch, torch.bfloat16)
            try:
                with torch.no_grad(), at_most(run.seconds_left - _TIMING):
                    program()
                programs[batch][name] = program
            except (Exception, TooLong) as error:  # of the compiler's many kinds
                run.skip(what, error)
    with torch.no_grad():
        return [
            {"run_by": "torch.compile", "dtype": "bfloat16", **row}
            for batch, ready in programs.items()
            for row in in_turns(run, ready, batch)
        ]


def with_onnxruntime(run: Run, found: dict[str, nn.Module]) -> list[dict[str, Any]]:
    try:
        import onnxruntime
    except ImportError as error:
        run.skip("onnxruntime", error)
        return []
    provider = "CUDAExecutionProvider" if run.device.type == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        run.skip("onnxruntime", f"it has no {provider} here")
        return []
    programs: dict[int, dict[str, Callable[[], object]]] = {batch: {} for batch in run.batches}
    with tempfile.TemporaryDirectory() as folder:
        for name in (each for each in ("m1", _PEERS[0]) if each in found):
            for batch in run.batches:
                if run.seconds_left < _COMPILING / 2:
                    run.skip(f"onnxruntime, {name}, batch {batch}", "no time left")
                    continue
                path, x = Path(folder, f"{name}_{batch}.onnx"), run.images(batch).contiguous()
                try:
                    _write_onnx(found[name], x, path)
                    session = onnxruntime.InferenceSession(path, providers=[provider])
                except Exception as error:  # of each package's own kinds
                    run.skip(f"onnxruntime, {name}, batch {batch}", error)
                    continue
                binding = session.io_binding()
                at = (run.device.type, run.device.index or 0)
                binding.bind_input(session.get_inputs()[0].name, *at, "float32", list(x.shape), x.data_ptr())
                binding.bind_output(session.get_outputs()[0].name, *at)
                # x in the default: it must live as long as its address is used
                programs[batch][name] = lambda session=session, binding=binding, x=x: session.run_with_iobinding(
                    binding
                )
    return [
        {"run_by": "onnxruntime", "dtype": "float32", **row}
        for batch, ready in programs.items()
        for row in in_turns(run, ready, batch)
    ]


def _write_onnx(model: nn.Module, x: Tensor, path: Path) -> None:
    if isinstance(model, convneur.ConvNeur):
        predictor = convneur.inference.Predictor(model)
        convneur.export(predictor, path, size=tuple(x.shape[2:]), batch=len(x), check=False)
        return
    cpu = model.cpu()
    try:
        torch.onnx.export(cpu, (x.cpu(),), path, dynamo=True, opset_version=20, external_data=False, verbose=False)
    finally:
        model.to(x.device)


def training(run: Run, found: dict[str, nn.Module]) -> list[dict[str, Any]]:
    batch = run.batches[0]

    def step(model: nn.Module) -> Callable[[], object]:
        program = as_program(run, model, batch, torch.bfloat16)

        def both() -> None:
            program().float().square().mean().backward()  # type: ignore[attr-defined]
            model.zero_grad(set_to_none=True)

        return both

    programs = {name: step(model.train()) for name, model in found.items()}
    rows = [{"run_by": "eager", "dtype": "bfloat16", **row} for row in in_turns(run, programs, batch)]
    for model in found.values():
        model.eval()
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="m1 and one peer on tiny batches of 64 px")
    parser.add_argument("--minutes", type=float, default=7.5, help="of all; what does not fit is skipped")
    asked = parser.parse_args()
    if asked.device.startswith("cuda") and not torch.cuda.is_available():
        print(f"No GPU: torch {torch.__version__} sees no CUDA device, so nothing was measured.", file=sys.stderr)
        return 1
    warnings.simplefilter("ignore")
    run = Run(torch.device(asked.device), asked.quick, asked.minutes)
    result: dict[str, Any] = {"schema": "convneur.benchmarks.gpu/1", "quick": run.quick}
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    result["correctness"] = correctness(run)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    result["launches"] = launches(run)
    found = {name: model.to(run.device, memory_format=torch.channels_last) for name, model in models(run)}  # type: ignore[call-overload]
    result["forward"] = forward(run, found)
    result["training"] = training(run, found)
    result["forward"] += with_onnxruntime(run, found)
    result["forward"] += compiled(run, found)
    machine = describe_machine(asked.device, packages=("timm", "onnxruntime"))
    result["machine"] = {
        "accelerator": machine.accelerator,
        "processor": machine.processor,
        "memory_bytes": machine.memory_bytes,
        "versions": dict(machine.versions),
    }
    result["skipped"], result["seconds"] = run.skipped, time.perf_counter() - run.begun
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
