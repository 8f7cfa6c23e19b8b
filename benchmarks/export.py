"""Exported models: beside themselves in torch, and beside peers of their size in the same runtimes.

    python benchmarks/export.py [--parts eager,peers,profile] [--runtimes onnxruntime,openvino] [--sizes 224,512]
                                [--threads 1] [--rounds 15] [--peers convnext_femto,...]

Needs an environment of its own, since timm needs torchvision and there is none for every build of torch:

    python -m venv peers && peers/bin/pip install torch==2.14.1 torchvision==0.29.1 timm onnx onnxscript onnxruntime \
openvino .

eager: the packaged weights as `convneur.load` runs them in torch, beside what `convneur.export` makes of them, and
whether both say the same. peers: m1, as in the paper and in the form of the packaged weights (4 chunks, final read),
and without its memory, beside models of timm, all with random weights, one image at once. profile: where m1's time
goes in each runtime, by kind of operator.

All models of a table are in one process and take turns, A B C A B C ...; float32. With one thread the time is CPU time
of the process, which leaves out what others on the machine take; with more it is the clock's. Values are medians, least
and most over the rounds; ratios are taken within a round.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import convneur
from convneur.bench import describe_machine
from convneur.data.normalisation import Normalisation
from convneur.inference import Predictor, measure_agreement
from convneur.model.network import ConvNeur

Array = NDArray[np.float32]
Program = Callable[[Array], Array]

_PEERS = "convnext_femto,mambaout_femto,repvit_m1_0,mobilenetv4_conv_medium,fastvit_t8"
_FIRST = "convnext_femto"  # whom the mark is about
_EAGER = (("photos", (224, 224), 1, 2.0), ("photos", (224, 224), 8, 1.7), ("camvid", (360, 480), 1, 1.7))
_MARKS = {224: 1.0, 512: 1.05}
_FORMS: dict[str, dict[str, Any]] = {
    "m1": {},
    "m1, 4 chunks, final read": {"chunks": 4, "read": "final"},
    "m1, no memory": {"memory": "none"},
}
_CALLS = 3  # in a row, so that a turn begins with a cache that is the model's own


def opened(path: Path, runtime: str, threads: int, *, counts: bool = False) -> tuple[Program, Callable[[], Any]]:
    """A graph in a runtime, set as `convneur.load` sets it, and what it counted; counts: of each operator's time."""
    if runtime == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        options.enable_profiling = counts
        options.profile_file_prefix = str(path.with_suffix(""))
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return (lambda x: session.run(None, {name: x})[0]), session.end_profiling
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(path, "CPU", settings | ({"PERF_COUNT": True} if counts else {}))
    request = compiled.create_infer_request()
    return (lambda x: request.infer([x])[0]), lambda: request.profiling_info


def seconds_in_turns(programs: Mapping[str, Callable[[], object]], rounds: int, threads: int) -> dict[str, list[float]]:
    """Seconds of a call of each, round after round; the first round warms up."""
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds + 1):
        for name, run in programs.items():
            begun = clock()
            for _ in range(_CALLS):
                run()
            if turn:
                seconds[name].append((clock() - begun) / _CALLS)
    return seconds


def spread(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def faster(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How many times as fast as the other, round by round."""
    return [b / a for a, b in zip(mine, theirs, strict=True)]


def print_eager(folder: Path, runtimes: Sequence[str], rounds: int, threads: int) -> None:
    print("| weights, images | run by | ms (least to most) | times as fast as torch | mark | labels equal, apart by |")
    print("|---|---|---:|---:|---:|---:|")
    for weights, size, batch, mark in _EAGER:
        predictor = convneur.load(weights)
        assert isinstance(predictor.model, ConvNeur)
        path = folder / f"{weights}.onnx"
        if not path.exists():
            convneur.export(predictor, path, size=size, check=False)
        x = np.random.default_rng(0).normal(size=(batch, 3, *size)).astype(np.float32)
        channels_last = torch.from_numpy(x).contiguous(memory_format=torch.channels_last)
        graphs = {runtime: opened(path, runtime, threads)[0] for runtime in runtimes}
        programs: dict[str, Callable[[], object]] = {"torch": lambda m=predictor.model, x=channels_last: m(x)}
        programs |= {runtime: lambda run=run, x=x: run(x) for runtime, run in graphs.items()}
        with torch.inference_mode():
            seconds = seconds_in_turns(programs, rounds, threads)
        normalisation = Normalisation(predictor.mean, predictor.std)
        for name, taken in seconds.items():
            cells = ["1", "-", "-"]
            if name != "torch":

                @torch.inference_mode()
                def reference(x: Array, model: ConvNeur = predictor.model) -> Array:
                    return model(torch.from_numpy(x)).numpy()

                seen = measure_agreement(graphs[name], reference, predictor.model.config, [size], normalisation)
                apart = f"{seen.labels_equal:.4%}, {seen.difference:.0e}"
                cells = [spread(faster(taken, seconds["torch"]), 2), f"{mark}", apart]
            what = f"{weights}, {batch} of {size[0]}x{size[1]}"
            milliseconds = [1e3 * each for each in taken]
            print(f"| {what} | {name} | {spread(milliseconds, 1)} | {' | '.join(cells)} |", flush=True)
    print(flush=True)


def write_form(form: str, size: int, path: Path) -> None:
    model = convneur.create("m1", **_FORMS[form]).eval()
    convneur.export(Predictor(model, name=form), path, size=size, batch=1, check=False)


def write_peer(name: str, size: int, path: Path) -> None:
    import timm

    model = timm.create_model(name).eval()
    torch.onnx.export(
        model, (torch.zeros(1, 3, size, size),), path, dynamo=True, opset_version=20, external_data=False, verbose=False
    )


def print_peers(
    folder: Path, runtimes: Sequence[str], sizes: Sequence[int], peers: Sequence[str], rounds: int, threads: int
) -> None:
    for size in sizes:
        paths = {form: folder / f"form{number}_{size}.onnx" for number, form in enumerate(_FORMS)}
        paths |= {peer: folder / f"{peer}_{size}.onnx" for peer in peers}
        for name, path in paths.items():
            (write_form if name in _FORMS else write_peer)(name, size, path)
        x = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
        for runtime in runtimes:
            graphs = {name: opened(path, runtime, threads)[0] for name, path in paths.items()}
            programs = {name: lambda run=run, x=x: run(x) for name, run in graphs.items()}
            seconds = seconds_in_turns(programs, rounds, threads)
            print(f"| {size} px, {runtime} | ms (least to most) | m1 is times as fast | with 4 chunks | mark |")
            print("|---|---:|---:|---:|---:|")
            for name, taken in seconds.items():
                ratios = [spread(faster(seconds[form], taken), 2) for form in list(_FORMS)[:2]]
                mark = str(_MARKS.get(size, "-")) if name == _FIRST else "-"
                milliseconds = spread([1e3 * each for each in taken], 1)
                print(f"| {name} | {milliseconds} | {' | '.join(ratios)} | {mark} |", flush=True)
            print(flush=True)


def times_by_kind(path: Path, runtime: str, size: int, rounds: int, threads: int) -> Counter[str]:
    """Milliseconds of a call, by kind of operator: each operator's least over the calls."""
    run, counted = opened(path, runtime, threads, counts=True)
    x = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    least: dict[str, tuple[str, float]] = {}

    def seen(name: str, kind: str, milliseconds: float) -> None:
        least[name] = (kind, min(milliseconds, least.get(name, (kind, milliseconds))[1]))

    for _ in range(rounds):
        run(x)
        if runtime == "openvino":
            for each in counted():
                seen(each.node_name, each.node_type, 1e3 * each.real_time.total_seconds())
    if runtime == "onnxruntime":
        for event in json.loads(Path(counted()).read_text(encoding="utf-8")):
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                seen(event["name"], event["args"]["op_name"], event["dur"] / 1e3)
    kinds: Counter[str] = Counter()
    for kind, milliseconds in least.values():
        kinds[kind] += milliseconds
    return kinds


def print_profiles(folder: Path, runtimes: Sequence[str], size: int, rounds: int, threads: int) -> None:
    with_memory, without = list(_FORMS)[1:]
    paths = {form: folder / f"profiled{number}_{size}.onnx" for number, form in enumerate((with_memory, without))}
    for form, path in paths.items():
        write_form(form, size, path)
    for runtime in runtimes:
        profiles = [times_by_kind(path, runtime, size, rounds, threads) for path in paths.values()]
        print(f"| {size} px, {runtime}: kind of operator | {with_memory}, ms | {without}, ms | its memory, ms |")
        print("|---|---:|---:|---:|")
        shown = [kind for kind, taken in profiles[0].most_common() if taken >= 0.01 * profiles[0].total()]
        for kind in shown:
            ours, bare = (profile[kind] for profile in profiles)
            print(f"| {kind} | {ours:.2f} | {bare:.2f} | {ours - bare:.2f} |")
        rest = [profile.total() - sum(profile[kind] for kind in shown) for profile in profiles]
        print(f"| others | {rest[0]:.2f} | {rest[1]:.2f} | {rest[0] - rest[1]:.2f} |")
        totals = [profile.total() for profile in profiles]
        print(f"| all | {totals[0]:.2f} | {totals[1]:.2f} | {totals[0] - totals[1]:.2f} |\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="eager,peers,profile")
    parser.add_argument("--runtimes", default="onnxruntime,openvino")
    parser.add_argument("--sizes", default="224,512")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peers", default=_PEERS)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(asked.threads)
    parts, runtimes = asked.parts.split(","), asked.runtimes.split(",")
    sizes = [int(size) for size in asked.sizes.split(",")]
    for runtime in runtimes:
        __import__(runtime)  # so that its version is told
    machine = describe_machine(packages=("timm", *runtimes))
    versions = ", ".join(f"{package} {number}" for package, number in machine.versions.items())
    processor = f"{machine.processor} ({', '.join(machine.instructions or ('unknown',))})"
    print(f"{processor}; {asked.threads} thread(s), {asked.rounds} rounds; {versions}.\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "eager" in parts:
            print_eager(folder, runtimes, asked.rounds, asked.threads)
        if "peers" in parts:
            print_peers(folder, runtimes, sizes, asked.peers.split(","), asked.rounds, asked.threads)
        if "profile" in parts:
            print_profiles(folder, runtimes, sizes[0], asked.rounds, asked.threads)


if __name__ == "__main__":
    main()
