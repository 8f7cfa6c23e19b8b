"""`convneur flops` through its entry point: stdout, JSON, files, exit codes, and what goes wrong."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convneur import VARIANTS, ConvNeurConfig

# Counting a memory at the verdict's 4096 pixels takes half a second; nets without one are counted at once.
QUICK = ["--memory", "none"]


@pytest.fixture
def run(command: Any) -> Any:
    return command("flops")


def test_json_is_the_contracts(run: Any) -> None:
    assert run("--json", "--sizes", "224,512x256,1024") == 0
    assert run.err == ""
    assert run.json.keys() == {"schema", "convention", "models"}
    assert (run.json["schema"], run.json["convention"]) == ("convneur.flops/1", "all")
    (model,) = run.json["models"]
    assert model.keys() == {"name", "config", "params", "ran_on_zeros", "built_for_real", "sizes", "scaling"}
    assert (model["name"], model["params"]) == ("m1", 4_317_092)
    assert ConvNeurConfig.from_dict(model["config"]) == VARIANTS["m1"]
    first, second, third = model["sizes"]
    assert 10 * 224 * 224 < first.pop("peak_activation_bytes") < 1000 * 224 * 224
    launches, total = first.pop("branch_launches"), first.pop("launches")
    assert launches.keys() == {"local", "global", "fusion", "other"}
    assert total == sum(launches.values())
    assert first == {
        "height": 224,
        "width": 224,
        "macs": 758_871_840,
        "flops": 1_517_743_680,
        "macs_paper": 704_497_440,
        "macs_per_pixel": 758_871_840 / 224**2,
        "branches": {"local": 486_158_400, "global": 198_634_720, "fusion": 0, "other": 74_078_720},
        "chunks": [16, 4, 1, 1],
        "uncounted_operators": {},
        "uncounted_in": {},
        "fft_flops": 0,
        "error": None,
    }
    assert (second["height"], second["width"], third["height"]) == (512, 256, 1024)
    scaling = model["scaling"]
    assert scaling.keys() == {
        "verdict", "class", "order", "quadratic_share", "macs_per_pixel", "with_fft", "elementwise",
        "local_slopes", "global_local_slopes", "predicted",
    }  # fmt: skip
    assert (scaling["elementwise"]["verdict"], scaling["elementwise"]["order"]) == ("linear", 1.0)
    assert len(scaling["elementwise"]["results_per_pixel"]) == 3
    assert (scaling["verdict"], scaling["order"], scaling["quadratic_share"]) == ("linear", 1.0, None)
    assert scaling["class"] == scaling["elementwise"]["class"] == "linear"
    assert len(scaling["macs_per_pixel"]) == 3
    assert scaling["macs_per_pixel"][0] == third["macs_per_pixel"]
    assert len(scaling["local_slopes"]) == len(scaling["global_local_slopes"]) == 2
    assert scaling["predicted"]["pixels"] == 1024**2
    assert abs(scaling["predicted"]["relative_error"]) < 0.01


def test_the_papers_convention_in_every_field(run: Any) -> None:
    assert run("--json", "--sizes", "224", "--convention", "paper", "--model", "m2,m3", "--min-chunks", "1") == 0
    assert run.json["convention"] == "paper"
    sizes = [model["sizes"][0] for model in run.json["models"]]
    assert [size["macs"] for size in sizes] == [1_004_655_552, 1_764_230_400]
    for size in sizes:
        assert size["macs"] == size["macs_paper"] == sum(size["branches"].values())
        assert size["flops"] == 2 * size["macs"]


def test_twins_and_the_check(run: Any) -> None:
    assert run("--json", "--check", "--sizes", "224,512", "--compare", "local-only, self-attention") == 0
    (model,) = run.json["models"]
    attention, local = model["twins"]
    assert (attention["name"], local["name"]) == ("self-attention", "local-only")
    assert attention["scaling"]["verdict"] == "quadratic term present"
    assert attention["scaling"]["quadratic_share"] == pytest.approx([0.704, 0.926], abs=1e-3)
    assert local["scaling"]["verdict"] == "linear"
    assert local["sizes"][0]["chunks"] == [0, 0, 0, 0]
    assert local["scaling"]["global_local_slopes"] == [None]


def test_the_check_fails_on_a_quadratic_term(run: Any) -> None:
    assert run("--check", "--sizes", "64", "--global-branch", "self-attention") == 3
    assert run.err == "error: --check: m1: quadratic term present: the cost per pixel itself grows with the pixels\n"
    assert run.out.startswith(
        "m1 with global-branch self-attention: quadratic in pixels (713 kMACs per pixel at 1024, "
    )


def test_a_baseline_breaks_the_build(run: Any, tmp_path: Path) -> None:
    before = str(tmp_path / "before.json")
    assert run("-q", "--sizes", "64", "--no-verdict", *QUICK, "-o", before) == 0
    assert run("--sizes", "64", "--no-verdict", "--baseline", before, "--tolerance", "400%") == 0
    assert run("--json", "--sizes", "64", "--no-verdict", "--baseline", before, "--tolerance", "10%") == 3
    assert run.err == (
        "error: --baseline: m1 at 64: 0.06082 GMACs, 32.15% more than the baseline's 0.04603\n"
        "error: --baseline: m1 at 64: 0.6490 MB of activations, 216.88% more than the baseline's 0.2048\n"
    )
    assert run("--tolerance", "2%") == 2
    assert run.line == "error: --tolerance: is for --baseline; give the earlier count too"


@pytest.mark.parametrize("convention", ["all", "paper"])
@pytest.mark.parametrize("by", ["branch", "module", "operator"])
def test_every_view_sums_to_the_same_total(run: Any, tmp_path: Path, by: str, convention: str) -> None:
    path = tmp_path / "by.csv"
    arguments = ["--sizes", "64,96x32", "--by", by, "--convention", convention, "--chunks", "2"]
    assert run("--json", "-q", "-o", str(path), *arguments) == 0
    (model,) = run.json["models"]
    views = model["by"][by]
    assert list(views) == ["64", "96x32"]
    assert [sum(view.values()) for view in views.values()] == [size["macs"] for size in model["sizes"]]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["size"], row[by], int(row["macs"])) for row in rows] == [
        ("m1", size, name, macs) for size, view in views.items() for name, macs in view.items()
    ]


def test_a_list_of_refused_sizes_is_a_csv_without_figures(run: Any, tmp_path: Path) -> None:
    assert run("-q", "--sizes", "16", "--by", "module", "-o", str(tmp_path / "by.csv"), *QUICK) == 1
    assert (tmp_path / "by.csv").read_text().splitlines() == ["model,twin,size,module,macs", ",,,,"]


def test_operators_launched_are_told(run: Any) -> None:
    assert run("-v", "--sizes", "224", *QUICK) == 0
    assert "Operators launched, views left out: 101 at 224 (local 75, other 26)." in run.out


def test_both_counters_agree(run: Any) -> None:
    assert run("--json", "--strict", "--sizes", "64", "--counter", "both", *QUICK) == 0
    counters = run.json["models"][0]["counters"]
    assert counters.keys() == {"dispatch", "fvcore", "differences"}
    assert counters["differences"] == []
    assert counters["dispatch"] == counters["fvcore"]
    assert sum(counters["fvcore"]["64"].values()) == run.json["models"][0]["sizes"][0]["macs"]


def test_fvcore_alone(run: Any) -> None:
    assert run("--json", "--sizes", "16,64", "--counter", "fvcore", *QUICK) == 1
    (model,) = run.json["models"]
    refused, size = model["sizes"]
    assert (refused["macs"], size["peak_activation_bytes"], model["counters"]["dispatch"]) == (None, None, None)
    assert size["macs"] == sum(size["branches"].values()) == sum(model["counters"]["fvcore"]["64"].values())
    assert run.err.count("error:") == 1


def test_strict_names_operators_without_formula(run: Any) -> None:
    arguments = ["--sizes", "64", "--counter", "fvcore", "--global-branch", "self-attention"]
    assert run("-v", *arguments) == 0
    assert (
        "No formula for scaled_dot_product_attention, which is in no total: 4 calls at 64, in "
        "stages.0.0.global_branch.mixer, stages.1.0.global_branch.mixer, stages.2.0.global_branch.mixer and "
        "stages.3.0.global_branch.mixer." in run.out
    )
    assert "that term is 16% at 64" in run.out  # of the complete count, not of fvcore's
    assert run("--strict", *arguments) == 3
    assert run.err == "error: --strict: m1: no formula for scaled_dot_product_attention\n"


def test_counters_that_differ_are_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from convneur.cost import fvcore_counter

    monkeypatch.setitem(fvcore_counter._KINDS, "conv", "matmul")  # type: ignore[index]
    assert run("--strict", "--sizes", "64", "--counter", "both", *QUICK) == 3
    assert "At 64, the counters differ on convolution work in stem.0: dispatch 491 520, fvcore 0 MACs." in run.out
    assert run.err == "error: --strict: m1: the counters differ at 64\n"


# For people


def test_the_verdict_then_the_table(run: Any) -> None:
    assert run("--compare", "self-attention") == 0
    lines = [line.rstrip() for line in run.out.splitlines()]
    assert lines[:3] == [
        "m1: linear in pixels (15.3 kMACs per pixel from 1024 to 4096)",
        "m1's self-attention twin: quadratic in pixels (713 kMACs per pixel at 1024, 11 199 at 4096)",
        "",
    ]
    assert lines[3].split() == ["params", "paper", "kMACs", "global", "peak"]
    assert lines[4].split() == ["model", "M", "size", "GMACs", "GFLOPs", "GMACs", "/px", "slope", "share", "MB"]
    rows = [line.split() for line in lines[6:9]]
    assert [row[:9] for row in rows] == [
        ["m1", "4.32", "224", "0.7589", "1.518", "0.7045", "15.12", "-", "26.2%"],
        ["m1", "4.32", "512", "4.009", "8.017", "3.679", "15.29", "1.007", "27.0%"],
        ["m1", "4.32", "1024", "16.05", "32.10", "14.72", "15.31", "1.001", "27.1%"],
    ]
    assert len(lines) <= 20  # two lines of them may be broken at 100 columns
    assert max(map(len, lines[:-1])) <= 100
    assert run.err == ""


def test_all_tables_and_sentences(run: Any) -> None:
    assert run("--verbose", "--sizes", "224,512,1024") == 0
    lines = [line.rstrip() for line in run.out.splitlines()]
    assert lines[0].startswith("m1: linear in pixels")
    assert lines[2] == "m1: 4 317 092 parameters"
    lines = lines[2:]
    assert lines[1].split() == ["pixel", "paper", "kMACs", "global", "peak", "chunks", "in"]
    assert " ".join(lines[2].split()) == "size ratio GMACs GFLOPs GMACs /px slope share MB stages 1-4"
    rows = [line.split() for line in lines[4:7]]
    assert [row[:8] for row in rows] == [
        ["224", "1x", "0.7589", "1.518", "0.7045", "15.12", "-", "26.2%"],
        ["512", "5.22x", "4.009", "8.017", "3.679", "15.29", "1.007", "27.0%"],
        ["1024", "20.9x", "16.05", "32.10", "14.72", "15.31", "1.001", "27.1%"],
    ]
    assert [row[9:] for row in rows] == [["16", "4", "1", "1"], ["84", "21", "6", "2"], ["335", "84", "21", "6"]]
    assert lines[7].startswith("m1 is subquadratic: its multiply-adds grow linearly with the pixels.")
    assert "kMACs at 1024, 2048 and 4096, by the full count." in lines[7]
    assert "At 224, stages 3 and 4 have one chunk, which reads the learned M_0 alone" in run.out
    assert "Predicted for 1024 from the smaller sizes: 16.07 GMACs (0.09% too high)." in run.out
    assert "in Gram form" in run.out
    assert run.err == ""


def test_nothing_is_cut_in_a_narrow_terminal(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    assert run("--sizes", "224", *QUICK) == 0
    assert "…" not in run.out
    assert "0.5602" in run.out


def test_a_net_that_reads_after_its_write_says_nothing_of_the_first_state(run: Any) -> None:
    assert run("--verbose", "--sizes", "64", "--read", "final") == 0
    assert "M_0" not in run.out


# Files


def test_files_in_four_formats(run: Any, tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"cost.{kind}" for kind in ("json", "csv", "md", "tex")}
    for path in paths.values():
        assert run("--sizes", "64,16", "-o", str(path), "--compare", "self-attention", "--chunks", "1") == 1
        assert f"written: {path}" in run.err
    written = json.loads(paths["json"].read_text())
    assert written["models"][0]["sizes"][1]["error"].startswith("image of 16x16")
    rows = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    assert [(row["model"], row["twin"], row["size"]) for row in rows] == [
        ("m1", "", "64"), ("m1", "", "16"), ("m1", "self-attention", "64"), ("m1", "self-attention", "16"),
    ]  # fmt: skip
    assert int(rows[0]["macs"]) == written["models"][0]["sizes"][0]["macs"]
    assert (rows[0]["chunks"], rows[1]["macs"]) == ("1 1 1 1", "")
    assert sum(int(rows[0][branch]) for branch in ("local", "global", "fusion", "other")) == int(rows[0]["macs"])
    text = paths["md"].read_text()
    assert "## m1: 4 317 092 parameters" in text
    assert "| 64 | 1x |" in text
    assert "| 16 | 0.0625x | refused |" in text
    lines = paths["tex"].read_text().splitlines()
    assert (lines[0], lines[1], lines[-1]) == (r"\begin{tabular}{lrrrrrrrrr}", r"\toprule", r"\end{tabular}")
    assert lines[2].startswith(r"model & params M & size & GMACs & GFLOPs & paper GMACs & kMACs /px & slope & ")
    assert lines[5].startswith("m1 & - & 16 & refused & - ")


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_plots(run: Any, tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"cost.{suffix}"
    assert run("--sizes", "224,512x256", "--plot", str(path), *QUICK) == 0
    assert path.read_bytes().startswith(start)
    assert run.err == f"drawn: {path}\n"


def test_existing_outputs_are_kept_unless_forced(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "cost.md"
    path.write_text("mine")
    assert run("-o", str(path)) == 1
    assert run.err == f"error: {path}: exists already; choose another name or add --force\n"
    assert run.out == ""
    assert path.read_text() == "mine"
    assert run("-q", "--force", "--sizes", "64", "-o", str(path), *QUICK) == 0
    assert path.read_text().startswith("m1 with memory none: linear in pixels")
    assert run.err == ""


def test_an_unwritable_folder(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convneur.files.os.access", lambda *_: False)  # root may write anywhere
    assert run("--plot", str(tmp_path / "cost.png")) == 1
    assert "cannot write there" in run.err


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--sizes", "0"], 2, "--sizes '0': give a whole number of pixels from 1 to 16384"),
        (["--sizes", "abc"], 2, "--sizes 'abc'"),
        (["--sizes", "-5"], 2, "--sizes '-5'"),
        (["--sizes", "1e9"], 2, "--sizes '1e9'"),
        (["--sizes", "1000000000"], 2, "--sizes '1000000000'"),
        (["--sizes", "224,"], 2, "--sizes ''"),
        (["--sizes", "224x"], 2, "--sizes '224x'"),
        (["--model", "m9"], 2, "--model m9: choose m1, m2, m3, m4"),
        (["--model", "no.json"], 2, "--model no.json: no such file"),
        (["--compare", "transformer"], 2, "--compare 'transformer': choose self-attention, local-only"),
        (["--compare", "self-attention", "--memory", "none"], 2, "in the place of; leave out --compare self-attention"),
        (["--mem-dim", "0"], 2, "error: --mem-dim 0: must be whole and at least 1"),
        (["--mem-dim", "30", "--compare", "self-attention"], 2, "error: --mem-dim 30: must be a multiple of"),
        (["--mem-dim", "30", "--global-branch", "titans"], 2, "error: --mem-dim 30: must be a multiple of"),
        (["--mem-dim", "30", "--global-branch", "ir-rwkv"], 2, "error: --mem-dim 30: ir-rwkv shifts it by quarters"),
        (["--mem-dim", "1", "--global-branch", "non-local"], 2, "error: --mem-dim 1: non-local halves it"),
        (["--global-branch", "perceiver"], 2, "'--global-branch': 'perceiver' is not one of 'neural-memory'"),
        (["--memory-layers", "3"], 2, "error: --memory-layers 3: choose 1 or 2"),
        (["--chunk-length", "0"], 2, "error: --chunk-length 0: must be whole"),
        (["--chunk-length", "1,2"], 2, "--chunk-length '1,2': give a whole number, or four with commas between"),
        (["--chunks", "a"], 2, "--chunks 'a': give a whole number, or four"),
        (["--model", ""], 2, "--model '': choose m1, m2, m3, m4, all,"),
        (["--model", "m1,"], 2, "--model '': choose"),
        (["--model", "resnet50"], 2, "package.module:factory, file.py:factory or timm/NAME"),
        (["--plot", "cost.gif"], 2, "--plot cost.gif: the name must end in .png, .svg, .pdf"),
        (["--output", "cost.txt"], 2, "--output cost.txt: the name must end in .json, .csv, .md"),
        (["--plot", "no_such_folder/cost.png"], 1, "no_such_folder: no such folder"),
        (["--by", "layer"], 2, "--by"),
        (["--bogus"], 2, "--bogus"),
    ],
)
def test_one_clear_line(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == code
    assert run.out == ""
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert says in run.err
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_of_a_file_names_the_file(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(VARIANTS["m1"].replace(mem_dim=30).to_dict()))
    assert run("--model", str(path), "--global-branch", "self-attention") == 2
    assert run.line == f"error: --model {path}: mem_dim 30: must be a multiple of num_heads 4"


def test_titans_has_chunks_and_none_of_them_reads_the_start_alone(run: Any) -> None:
    assert run("--json", "--sizes", "224", "--global-branch", "titans") == 0
    assert run.json["models"][0]["sizes"][0]["chunks"] == [16, 4, 1, 1]
    assert run("-v", "--sizes", "224", "--global-branch", "titans") == 0
    assert "reads the learned M_0 alone" not in " ".join(run.out.split())


@pytest.mark.parametrize("head", ["semantic-fpn", "light-fpn", "upernet"])
def test_a_size_too_small_for_a_head_is_a_row(run: Any, head: str) -> None:
    assert run("--json", "--head", head, "--sizes", "31,32", *QUICK) == 1
    small, least = run.json["models"][0]["sizes"]
    assert small["error"] == "image of 31x31: ConvNeur needs at least 32x32 pixels (input 1x3x31x31)"
    assert least["macs"] > 0
    assert run.err == f"error: m1 at 31: {small['error']}\n"


def test_a_refused_size_is_a_row_and_the_others_are_counted(run: Any) -> None:
    assert run("--json", "--check", "--sizes", "16,64,31x512", *QUICK) == 1
    sizes = run.json["models"][0]["sizes"]
    assert [size["macs"] is None for size in sizes] == [True, False, True]
    assert all(sizes[0][key] is None for key in ("flops", "macs_paper", "branches", "chunks", "peak_activation_bytes"))
    assert sizes[2]["error"].startswith("image of 31x512: ConvNeur needs at least 32x32 pixels")
    assert run.err.splitlines() == [
        f"error: m1 at {name}: {sizes[i]['error']}" for i, name in ((0, "16"), (2, "31x512"))
    ]


def test_only_refused_sizes_draw_nothing_and_say_so(run: Any, tmp_path: Path) -> None:
    assert run("--sizes", "16", "--plot", str(tmp_path / "a.png"), *QUICK) == 1
    assert list(tmp_path.iterdir()) == []
    assert "refused" in run.out


MEASURE = """
import resource, sys, time
import torch
from convneur_cli.app import main
start = time.process_time()
try:
    main(["flops", "--json", "--sizes", sys.argv[1]])
except SystemExit as stopped:
    code = stopped.code
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, code, file=sys.stderr)
"""


# The aim is 3 s of CPU beyond importing torch; processors and their other guests differ by a factor of three.
@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "seconds"), [("224,512,1024", 9), ("4096", 10)])
def test_the_cost_of_counting(sizes: str, seconds: float) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE, sizes], capture_output=True, text=True, check=True)
    used, kilobytes, code = done.stderr.split()
    assert code == "0"
    assert float(used) < seconds
    assert int(kilobytes) < 1_000_000


# What a reader must not be told


def test_a_falling_cost_per_pixel_is_not_called_the_same(run: Any) -> None:
    assert run("-q", "-v", "--sizes", "64", "--probe", "256", "--memory", "per-layer", "--min-chunks", "50") == 0
    assert "The cost per pixel falls as the sides double" in " ".join(run.out.split())


def test_the_table_names_what_was_changed(run: Any) -> None:
    assert run("-q", "--sizes", "64", "--fusion", "concat") == 0
    assert run.out.startswith("m1 with fusion concat: ")
    assert run("-q", "-v", "--sizes", "64", "--fusion", "concat") == 0
    assert "parameters, fusion concat" in run.out


def test_fvcores_counts_are_not_called_everything(run: Any, tmp_path: Path) -> None:
    plot = tmp_path / "cost.png"
    assert (
        run("-q", "--sizes", "64", "--counter", "fvcore", "--global-branch", "self-attention", "--plot", str(plot)) == 0
    )
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "as far as fvcore has a formula" in " ".join(run.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--chunks", "4", "--chunk-length", "49"],
        ["--chunks", "4", "--min-chunks", "8"],
        ["--chunks", "4", "--model-preset", "dense"],
        ["--memory", "none", "--fusion", "concat"],
        ["--memory", "none", "--chunks", "4"],
        ["--memory-layers", "2", "--global-branch", "cbam"],
        ["--chunks", "4", "--global-branch", "self-attention"],
        ["--read", "after", "--global-branch", "titans"],
    ],
    ids=" ".join,
)
def test_an_option_that_would_do_nothing_is_refused(run: Any, arguments: list[str]) -> None:
    assert run("--sizes", "64", *arguments) == 2
    assert run.err.startswith(f"error: {arguments[0]}")
    assert len(run.err.splitlines()) == 1


# Where the verdict comes from


def test_probes_of_ones_own_and_none(run: Any) -> None:
    for probe in ("64,128,256", "64"):
        assert run("-q", "--sizes", "64", "--probe", probe, *QUICK) == 0
        assert run.out.startswith("m1 with memory none: linear in pixels (11.2 kMACs per pixel from 64 to 256)")
    assert run("-q", "-v", "--json", "--sizes", "64,96", "--no-verdict", *QUICK) == 0
    scaling = run.json["models"][0]["scaling"]
    assert (scaling["verdict"], scaling["class"], scaling["macs_per_pixel"]) == ("undetermined", None, [])
    assert scaling["local_slopes"] == [pytest.approx(1, abs=0.1)]
    assert run("-q", "--sizes", "64", "--no-verdict", *QUICK) == 0
    assert run.out.startswith("m1 with memory none: counted without a verdict\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--probe", "64,128"], "--probe 64,128: give three sizes, each with twice the sides of the one before"),
        (["--probe", "64,128,255"], "--probe 64,128,255: give three"),
        (["--probe", "x"], "--probe 'x': give a whole number"),
        (["--probe", "8192"], "--probe 8192: give three"),
        (["--no-verdict", "--check"], "--no-verdict: --check asks for a verdict"),
        (["--no-verdict", "--probe", "64"], "--no-verdict: --probe asks for a verdict"),
    ],
)
def test_probes_that_are_none(run: Any, arguments: list[str], says: str) -> None:
    assert run("--sizes", "64", *arguments) == 2
    assert run.line.startswith(f"error: {says}")


def test_claims_are_checks_of_their_own(run: Any) -> None:
    held = ["--claim", "subquadratic", "--claim", "<= 0.6 GMACs@224"]
    assert run("--sizes", "64", "--probe", "64", *QUICK, *held) == 0
    assert "m1: <= 0.6 GMACs@224: holds: 0.5602 GMACs at 224" in " ".join(run.out.split())
    assert run("--sizes", "64", "--probe", "64", *QUICK, *held, "--claim", "<= 1 M params") == 3
    assert run.err == "error: --claim: m1: '<= 1 M params' does not hold: 4.117 M params\n"
    assert run("--claim", "fast") == 2
    assert run.line.startswith("error: --claim 'fast': give constant")
