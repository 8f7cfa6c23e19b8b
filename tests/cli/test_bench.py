"""`convneur bench` through its entry point: stdout, JSON, files, exit codes, and what goes wrong."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count as numbers
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convneur.bench.machine
import convneur.bench.peak
import convneur.bench.plan
import convneur.bench.run
from convneur.cost import ModelCounter
from convneur.variants import VARIANTS

QUICK = ["--warmup", "1", "--repeats", "2", "--memory", "none"]
ONCE = ["--warmup", "1", "--repeats", "2"]
_NUMBERS = numbers()


@pytest.fixture
def run(command: Any) -> Any:
    return command("bench")


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread and small products: tests share the machine."""
    monkeypatch.setattr(convneur.bench.peak, "_LARGEST", {"cpu": 256})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of models in the current folder, which prints when it is imported and when a model runs."""
    name = f"bench_zoo_{next(_NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(
        "from torch import nn\n"
        "print('imported')\n"
        "class Even(nn.Conv2d):\n"
        "    def __init__(self):\n"
        "        super().__init__(3, 4, 1)\n"
        "    def forward(self, x):\n"
        "        print('runs')\n"
        "        if x.shape[-1] % 2:\n"
        "            raise ValueError('an odd side')\n"
        "        return super().forward(x)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


@pytest.fixture
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock whose every look takes 8 ms, and no load: what is printed is then known."""
    now = iter(range(10**9))
    monkeypatch.setattr(time, "perf_counter", lambda: 0.008 * next(now))
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)


def test_json_has_times_machine_and_versions(run: Any) -> None:
    assert run("--json", "--sizes", "32,64x32", "--batch", "1, 2", "--threads", "1", *QUICK) == 0
    assert run.err == ""
    found = run.json
    assert found.keys() == {"schema", "settings", "machine", "versions", "models"}
    assert found["schema"] == "convneur.bench/1"
    assert found["settings"] == {
        "device": "cpu",
        "dtype": "float32",
        "memory_format": "contiguous",
        "compile": False,
        "threads": 1,
        "warmup": 1,
        "repeats": 2,
        "seed": 0,
    }
    assert found["versions"]["torch"] == torch.__version__
    assert found["machine"].keys() == {
        *("system", "processor", "instructions", "torch_capability", "cores", "all_cores", "accelerator"),
        "memory_bytes",
        *("bfloat16_instructions", "float32_precision", "load_average_before", "matmul_peak_macs_per_second"),
    }
    (model,) = found["models"]
    assert model.keys() == {"name", "params", "runtime", "changes", "labels", "rows", "scaling"}
    assert model["changes"] == ["memory none"]  # where a variant is as it is, the key is left out
    assert [(row["height"], row["width"], row["batch"]) for row in model["rows"]] == [
        (32, 32, 1), (32, 32, 2), (64, 32, 1), (64, 32, 2),
    ]  # fmt: skip
    for row in model["rows"]:
        assert len(row["samples_seconds"]) == 2
        assert row["p10_seconds"] <= row["p50_seconds"] <= row["p90_seconds"]
        assert row["images_per_second"] == pytest.approx(row["batch"] / row["p50_seconds"])
        assert row["macs_per_second"] == pytest.approx(row["macs"] * row["images_per_second"])
        assert (row["error"], row["time_ratio"]) == (None, 1.0)
    assert [line["batch"] for line in model["scaling"]] == [1, 2]
    for line in model["scaling"]:
        assert line["interval"][0] <= line["slope"] <= line["interval"][1]


def test_the_table_and_what_is_said_of_it(run: Any, quiet_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        convneur.bench.machine, "_processor_facts", lambda: {"model name": "Old Processor", "flags": "fpu avx2 sse"}
    )
    assert run("--sizes", "32,64", "--batch", "4", "--dtype", "bfloat16", "--against", "m1", *QUICK) == 0
    lines = run.out.splitlines()
    assert lines[0].strip() == "Forward pass: cpu, bfloat16, 1 thread, 2 repeats"
    assert [" ".join(line.split()) for line in lines[1:3]] == [
        "p50 p90 images ns GMACs peak of the time vs",
        "model size batch ms ms /s /px /s MB count the first",
    ]
    rows = [line.split() for line in lines[4:8]]
    assert [row[:5] for row in rows if row[0] == "m1" and row[1] != "as"] == [
        ["m1", size, "4", "8.000", "8.000"] for size in ("32", "64")
    ]
    assert [" ".join(row[:8]) for row in rows[1::2]] == [f"m1 as it is {size} 4 8.000 8.000" for size in (32, 64)]
    assert [row[-1] for row in rows] == ["1", "1.000x", "1", "1.000x"]
    said = " ".join(run.out.split())
    assert "m1, batch 4: time grows as the pixels to the power 0.00 (Theil-Sen; 95 % bootstrap interval 0.00" in said
    assert "Machine: Old Processor" in said
    assert "with avx2" in said
    assert "no instructions for bfloat16, which is therefore no faster" in said
    assert f"torch {torch.__version__}" in said
    assert "Measured peak of bfloat16 matrix products: 2.097 GMACs/s." in said  # 256^3 in 8 ms
    assert "busy" not in said
    assert "Operators launched in a forward pass, by a count: m1 101; m1 as it is" in said
    assert run.err == ""


@pytest.mark.slow
def test_fold_sets_each_model_beside_its_folded_form(run: Any, zoo: str) -> None:
    assert run("--json", "--fold", "--model", f"m1,{zoo}:Even,m2", "--sizes", "32,64", *ONCE) == 0
    names = ["m1", "m1 folded", f"{zoo}:Even", "m2", "m2 folded"]
    assert [net["name"] for net in run.json["models"]] == names
    macs = {net["name"]: [row["macs"] for row in net["rows"]] for net in run.json["models"]}
    counted = [ModelCounter(VARIANTS["m1"], folded=True).at(side, side).macs for side in (32, 64)]
    assert macs["m1 folded"] == counted
    assert all(fewer < more for fewer, more in zip(counted, macs["m1"], strict=True))
    assert run("--fold", "--model", f"{zoo}:Even,m2", "--sizes", "32,64", *ONCE) == 0
    said = " ".join(run.out.split())
    for size, less, more in zip((32, 64), macs["m2 folded"], macs["m2"], strict=True):
        assert (
            f"m2 folded on 1 image of {size}: the same function in {less / more:.1%} of the multiply-adds and" in said
        )
    assert said.count("of the time.") == 2


def test_fold_leaves_out_what_cannot_be_folded(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("capped.json").write_text(json.dumps(VARIANTS["m1"].replace(max_state_norm=5.0).to_dict()))
    assert run("--json", "--fold", "--model", "capped.json,m1", "--sizes", "32", *ONCE) == 0
    assert [net["name"] for net in run.json["models"]] == ["capped.json", "m1", "m1 folded"]
    assert run("--fold", "--model", "capped.json", "--sizes", "32", *ONCE) == 2
    assert "nothing in capped.json can be folded" in run.err


def test_doubtful_times_are_told(run: Any, quiet_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 0.0, 0.0), raising=False)
    monkeypatch.setattr(convneur.bench.run, "matmul_peak", lambda settings: 10.0)
    now = iter(0.008 * 1.5**number for number in range(10**9))  # ever slower
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    assert run("--sizes", "32", "--warmup", "1", "--repeats", "9", "--memory", "none") == 0
    said = " ".join(run.out.split())
    assert "The machine was busy before the run began (load 99.0" in said
    assert "Unsteady: p90 is up to" in said
    assert "!: above the device's measured peak of matrix products" in said
    assert run.out.splitlines()[4].count("!") == 1


def test_peers_take_turns_and_their_output_stays_off_stdout(run: Any, zoo: str) -> None:
    assert run("--json", "--sizes", "32,33", "--against", f"{zoo}:Even,m2", *QUICK) == 1
    assert [model["name"] for model in run.json["models"]] == ["m1", f"{zoo}:Even", "m2"]
    fine, refused = run.json["models"][1]["rows"]
    assert fine["macs"] == 12 * 32 * 32
    assert refused["error"] == "an odd side (input 1x3x33x33)"
    assert fine["launches"] == 1
    assert refused["p50_seconds"] is refused["samples_seconds"] is refused["time_ratio"] is None
    assert run.json["models"][1]["scaling"] == [{"batch": 1, "slope": None, "interval": None}]
    lines = run.err.splitlines()
    assert lines[:2] == [f"importing {zoo}, which runs its code", "imported"]
    assert set(lines[2:-1]) == {
        "runs",
        f"{zoo}:Even cannot be counted on 1 image of 33: whether it fits into memory is not known beforehand",
    }
    assert lines[-1] == f"error: {zoo}:Even on 1 image of 33: an odd side (input 1x3x33x33)"


def test_an_external_model_alone_and_the_first_refused(run: Any, zoo: str) -> None:
    assert run("-q", "--model", f"{zoo}:Even", "--against", "m1", "--sizes", "33,32", *ONCE) == 1
    rows = [line.split() for line in run.out.splitlines()[4:8]]
    assert [row[0] for row in rows] == [f"{zoo}:Even", "m1"] * 2
    assert rows[0][3] == "refused"
    assert (rows[1][-1], rows[2][-1]) == ("-", "1")
    assert rows[3][-1].endswith("x")
    assert "--input" not in run.err  # one size was taken
    assert run("--model", f"{zoo}:Even", "--sizes", "33", *ONCE) == 1
    assert run.err.splitlines()[-1].startswith("Other inputs than one image of three channels: --input.")


def test_a_size_that_cannot_be_counted_is_named_before_it_runs(run: Any, zoo: str) -> None:
    assert run("--model", f"{zoo}:Even", "--sizes", "33,32", *ONCE) == 1
    note = f"{zoo}:Even cannot be counted on 1 image of 33: whether it fits into memory is not known beforehand"
    assert note in run.err.splitlines()


def test_timm_models(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sized(nn.Conv2d):
        def __init__(self, img_size: int = 224) -> None:
            super().__init__(3, 4, 1)
            self.img_size = img_size

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[-1] == self.img_size
            return super().forward(x)

    timm = ModuleType("timm")
    timm.create_model = lambda name, pretrained, **settings: Sized(**settings)  # type: ignore[attr-defined]
    timm.__version__ = "1.9"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    assert run("--json", "--sizes", "32,64", "--against", "timm/sized", *QUICK) == 0
    assert run.err == "importing timm, which runs its code\n"
    assert run.json["versions"]["timm"] == "1.9"
    assert [row["macs"] for row in run.json["models"][1]["rows"]] == [12 * 32**2, 12 * 64**2]


def test_files_in_three_formats_and_a_plot(run: Any, tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"time.{kind}" for kind in ("json", "csv", "md", "png")}
    for kind in ("json", "csv", "md"):
        plot = ["--plot", str(paths["png"])] if kind == "json" else []
        assert run("--sizes", "64,16", "-o", str(paths[kind]), *plot, *QUICK) == 1
        assert f"written: {paths[kind]}" in run.err
    assert paths["png"].read_bytes().startswith(b"\x89PNG")
    assert json.loads(paths["json"].read_text())["models"][0]["rows"][1]["error"].startswith("image of 16x16")
    rows = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    assert [(row["model"], row["height"], row["batch"]) for row in rows] == [("m1", "64", "1"), ("m1", "16", "1")]
    assert len(rows[0]["samples_seconds"].split()) == 2
    assert rows[1]["p50_seconds"] == ""
    assert "| m1 | 16 | 1 | refused |" in paths["md"].read_text()


def test_only_refused_sizes_draw_nothing(run: Any, tmp_path: Path) -> None:
    assert run("--sizes", "16", "--plot", str(tmp_path / "a.png"), *QUICK) == 1
    assert list(tmp_path.iterdir()) == []


def test_existing_outputs_are_kept_unless_forced(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "time.md"
    path.write_text("mine")
    assert run("-o", str(path)) == 1
    assert run.err == f"error: {path}: exists already; choose another name or add --force\n"
    assert path.read_text() == "mine"
    assert run("-q", "--force", "--sizes", "32", "-o", str(path), *QUICK) == 0
    assert path.read_text().startswith("## Forward pass: cpu")
    assert run.err == ""


def test_ctrl_c_leaves_nothing(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    threads = torch.get_num_threads()
    monkeypatch.setattr(convneur.bench.run, "time_case", interrupted)
    code = run(
        "--sizes", "32", "--threads", "7", "-o", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png"), *QUICK
    )
    assert code == 130
    assert list(tmp_path.iterdir()) == []
    assert torch.get_num_threads() == threads


def test_what_would_not_fit_in_memory_is_refused_before_it_starts(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(convneur.bench.plan, "free_memory", lambda device: 10**9)
    monkeypatch.setattr(convneur.bench.run, "matmul_peak", lambda settings: pytest.fail("began"))
    assert run("--sizes", "224,2048", "--batch", "64", "-o", str(tmp_path / "a.json"), *QUICK) == 1
    assert run.err.startswith("error: m1 on 64 images of 2048 would need at least about ")
    assert run.err.endswith(" GB, and cpu has 1.0 GB free; take a smaller size or batch\n")
    assert run("--sizes", "224,1024", "--batch", "1,64", "--against", "m2", *QUICK) == 1
    assert run.err.endswith("take a smaller size or batch (of 8 cases 2 do not fit)\n")
    assert (run.out, list(tmp_path.iterdir())) == ("", [])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--sizes", "0"], 2, "--sizes '0'"),
        (["--batch", "0"], 2, "--batch '0': give whole numbers from 1 to 4096"),
        (["--batch", "1,x"], 2, "--batch '1,x'"),
        (["--batch", "5000"], 2, "--batch '5000'"),
        (["--device", "tpu"], 2, "--device 'tpu': choose cpu, cuda, or cuda:1"),
        (["--device", "cuda:77"], 2, "--device cuda:77: torch sees"),
        (["--dtype", "int8"], 2, "--dtype"),
        (["--threads", "0"], 2, "--threads 0: must be 1 to 1024"),
        (["--warmup", "0"], 2, "--warmup 0"),
        (["--repeats", "0"], 2, "--repeats 0"),
        (["--model", "m9"], 2, "--model m9: choose m1, m2, m3, m4"),
        (["--against", "m9"], 2, "--against m9: choose m1, m2, m3, m4"),
        (["--against", "m1"], 2, "--against m1: is timed already, by --model"),
        (["--against", "no_such_zoo:net"], 2, "--against no_such_zoo:net: no module no_such_zoo"),
        (["--model", "torch.nn:Flatten", "--memory", "none"], 2, "--memory: is a setting of ConvNeur"),
        (["--model", "timm/x"], 2, "--model timm/x: timm is not installed; pip install timm"),
        (["--against", ""], 2, "--against '': choose m1, m2, m3, m4, all, a .json file of settings"),
        (["--against", "timm/x"], 2, "--against timm/x: timm is not installed; pip install timm"),
        (["--mem-dim", "30", "--global-branch", "self-attention"], 2, "--mem-dim 30: must be a multiple of num_heads"),
        (["--global-branch", "nothing"], 2, "--global-branch"),
        (
            ["--fold", "--memory", "none"],
            2,
            "--fold: nothing in m1 can be folded: that takes",
        ),
        (["--fold", "--model", "torch.nn:Flatten"], 2, "--fold: nothing in torch.nn:Flatten can be folded"),
        (["--plot", "time.gif"], 2, "--plot time.gif: the name must end in"),
        (["--output", "time.txt"], 2, "--output time.txt: the name must end in"),
    ],
)
def test_one_clear_line(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.chdir(tmp_path)
    assert run("-q", *arguments) == code
    assert run.out == ""
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert says in run.err
    assert list(tmp_path.iterdir()) == []


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from convneur_cli.app import main\n"
        "try:\n"
        "    main(['bench', '--help'])\n"
        "except SystemExit as stopped:\n"
        "    sys.exit(stopped.code or bool({'torch', 'numpy', 'matplotlib'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Example" in done.stdout


def test_modules_are_timed_drawn_and_written(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convneur.bench.ceilings._LARGEST", {"cpu": 2**18})
    drawn = tmp_path / "roofline.svg"
    assert run("--sizes", "32", *QUICK, "--by", "module", "--depth", "1", "-o", str(drawn), "--json") == 0
    modules = run.json["models"][0]["rows"][0]["modules"]
    assert [row["module"] for row in modules] == ["", "stem", "downsamples", "stages", "head"]
    assert run.json["machine"]["memory_bandwidth_bytes_per_second"] > 0
    assert "Roofline" in drawn.read_text(encoding="utf-8")
    assert run("--sizes", "32", *QUICK, "--depth", "1") == 2
    assert run.line == "error: --depth 1: is of a tree of modules; set --by to module"
