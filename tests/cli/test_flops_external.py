"""`convneur flops` on models that are not ours, and on the backward pass."""

import csv
import io
import sys
from itertools import count as numbers
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

NETS = """
import torch
from torch import nn

print("imported")

class Plain(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 4, 1)

    def forward(self, x):
        if x.shape[-1] % 32:
            raise ValueError("sides must divide by 32")
        return super().forward(x)

class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        print("forward")
        return torch.fft.rfft2(self.conv(x)).abs()

class Attention(nn.Module):
    def __init__(self, img_size):
        super().__init__()
        sides = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.patches = nn.Conv2d(3, 16, 16, 16)
        self.place = nn.Parameter(torch.zeros(sides[0] // 16 * (sides[1] // 16), 16))
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.place
        return self.attention(tokens, tokens, tokens)[0]

class FourierBackward(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return torch.fft.irfft2(torch.fft.rfft2(gradient), gradient.shape[-2:])

class B(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 4, 1)

    def forward(self, x):
        return FourierBackward.apply(super().forward(x))

class Distances(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 2, 8, 8)

    def forward(self, x):
        tokens = super().forward(x).flatten(2)
        return (tokens[..., None] - tokens[..., None, :]).abs().amax((1, 3))

class Escapes(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 4, 1)

    def forward(self, x):
        features = super().forward(x).flatten().numpy()
        return torch.tensor(features @ features)

@torch.library.custom_op("{name}::relu", mutates_args=())
def relu(x: torch.Tensor) -> torch.Tensor:
    return x.clone()

@relu.register_fake
def _(x):
    return torch.empty_like(x)

class Custom(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 4, 1)

    def forward(self, x):
        return relu(super().forward(x))

class Integers(Plain):
    def forward(self, x):
        return relu(super().forward(x).to(torch.int8))

class Enlarges(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 2, 16, 16)

    def forward(self, x):
        missing = max(1024 - x.shape[-1], 0) // 16
        tokens = super().forward(x)
        lower = tokens.new_zeros(1, 2, tokens.shape[-2] + missing, tokens.shape[-1] + missing).flatten(2)
        return (lower[..., None] - lower[..., None, :]).abs().amax((1, 3))

class Refuses(Plain):
    def forward(self, x):
        raise ValueError("not even off the meta device")

class Mixes(Plain):
    def forward(self, x):
        return super().forward(x) + torch.zeros(1, device="cpu").expand(4)[:, None, None]

def fails():
    raise KeyError("no weights")
"""
_NUMBERS = numbers()


@pytest.fixture
def run(command: Any) -> Any:
    return command("flops")


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"flops_zoo_{next(_NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(NETS.replace("{name}", name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_json_is_the_contracts_without_what_only_ours_has(run: Any, zoo: str) -> None:
    assert run("--json", "--check", "--model", f"{zoo}:Plain", "--sizes", "32,64x32") == 0
    assert run.err.splitlines() == [f"importing {zoo}, which runs its code", "imported"]
    (model,) = run.json["models"]
    assert model.keys() == {"name", "config", "params", "ran_on_zeros", "built_for_real", "sizes", "scaling"}
    assert model["config"] is None
    assert (model["name"], model["params"]) == (f"{zoo}:Plain", 16)
    first, second = model["sizes"]
    assert first == {
        "height": 32,
        "width": 32,
        "macs": 12 * 32 * 32,
        "flops": 24 * 32 * 32,
        "macs_paper": None,
        "macs_per_pixel": 12.0,
        "branches": None,
        "peak_activation_bytes": 4 * 32 * 32 * 4,
        "chunks": None,
        "uncounted_operators": {},
        "uncounted_in": {},
        "launches": 1,
        "branch_launches": None,
        "fft_flops": 0,
        "error": None,
    }
    assert (second["height"], second["width"]) == (64, 32)
    assert model["scaling"]["verdict"] == "linear"
    assert model["scaling"]["global_local_slopes"] == [None]


def test_beside_ours_in_one_run(run: Any, zoo: str) -> None:
    assert run("--json", "-q", "--model", f"{zoo}:Plain,m1", "--sizes", "32", "--memory", "none") == 0
    external, own = run.json["models"]
    assert external["sizes"][0]["branches"] is None
    assert own["sizes"][0]["branches"]["global"] == 0
    assert run.err == "imported\n"  # by the module itself


def test_the_table_leaves_out_what_only_ours_has(run: Any, zoo: str, tmp_path: Path) -> None:
    assert run("-v", "--model", f"{zoo}:Plain", "--sizes", "512,1024", "--plot", "a.png", "-o", "a.md") == 0
    lines = run.out.splitlines()[2:]
    assert lines[0].strip() == f"{zoo}:Plain: 16 parameters"
    assert " ".join(lines[2].split()) == "size ratio GMACs GFLOPs /px slope MB"
    assert lines[4].split()[:5] == ["512", "1x", "0.003146", "0.006291", "0.01200"]
    assert f"From {tmp_path / zoo}.py; one model for all sizes." in run.out
    assert "kMACs at 1024, 2048 and 4096" in run.out
    assert "paper" not in run.out
    assert (tmp_path / "a.png").exists()
    assert f"\n## {zoo}:Plain: 16 parameters\n" in (tmp_path / "a.md").read_text()
    assert run("-q", "--model", f"{zoo}:Plain", "--sizes", "512,1024") == 0
    assert run.out.splitlines()[0] == f"{zoo}:Plain: linear in pixels (0.012 kMACs per pixel from 1024 to 4096)"
    assert "paper" not in run.out


def test_a_model_with_attention_is_built_for_each_size_and_fails_the_check(run: Any, zoo: str) -> None:
    assert run("--check", "-v", "--model", f"{zoo}:Attention", "--sizes", "64,96x64", "--counter", "both") == 3
    assert "parameters at 64, built for each size" in run.out
    assert "is not subquadratic" in run.out
    assert "768x512, 1536x1024 and 3072x2048" in run.out
    assert run("-q", "--model", f"{zoo}:Attention", "--sizes", "64,96x64", "-o", "a.csv") == 0
    rows = list(csv.DictReader(io.StringIO(Path("a.csv").read_text())))
    assert int(rows[1]["params"]) - int(rows[0]["params"]) == (24 - 16) * 16
    assert (rows[0]["macs_paper"], rows[0]["chunks"], rows[0]["local"]) == ("", "", "")


def test_an_fft_is_named_and_strict_fails(run: Any, zoo: str) -> None:
    arguments = ["--model", f"{zoo}:Mixer", "--sizes", "64"]
    assert run("--json", *arguments) == 0  # the net's own words are not in the JSON
    (size,) = run.json["models"][0]["sizes"]
    assert (size["uncounted_operators"], size["uncounted_in"]) == ({"_fft_r2c": 1}, {"_fft_r2c": [""]})
    assert size["fft_flops"] == 2.5 * 4 * 64 * 64 * 12
    assert size["flops"] == 2 * size["macs"]
    scaling = run.json["models"][0]["scaling"]
    assert (scaling["class"], scaling["with_fft"]["class"]) == ("linear", "n log n")
    assert set(run.err.splitlines()[2:]) == {"forward"}
    assert run("--strict", *arguments) == 3
    assert "No formula for _fft_r2c, which is in no total: 1 call at 64, in the model itself." in run.out
    assert run.err.splitlines()[-1] == f"error: --strict: {zoo}:Mixer: no formula for _fft_r2c"


def test_what_multiply_adds_do_not_show_is_said(run: Any, zoo: str) -> None:
    arguments = ["--model", f"{zoo}:Distances", "--sizes", "64"]
    assert run("-q", "--check", "-v", *arguments) == 0  # the check is of multiply-adds
    said = " ".join(run.out.split())
    assert said.startswith(f"{zoo}:Distances: linear in pixels, element-wise work apart (")
    assert f"{zoo}:Distances is subquadratic in its multiply-adds alone: they grow linearly" in said
    assert "Its element-wise results, which are no multiply-adds, have a term quadratic in the pixels: " in said
    assert run.err == (
        f"imported\nwarning: --check: {zoo}:Distances: holds for multiply-adds alone; element-wise results: "
        "quadratic term present\n"
    )
    assert run("-q", "--json", *arguments) == 0
    elementwise = run.json["models"][0]["scaling"]["elementwise"]
    assert (elementwise["verdict"], elementwise["order"]) == ("quadratic term present", pytest.approx(2, abs=0.01))
    assert elementwise["results_per_pixel"][2] > 3 * elementwise["results_per_pixel"][1]


def test_a_check_that_holds_apart_from_an_operator_warns(run: Any, zoo: str) -> None:
    assert run("-q", "--check", "-v", "--model", f"{zoo}:Custom", "--sizes", "32") == 0
    assert run.err.splitlines()[-1] == (
        f"warning: --check: {zoo}:Custom: holds apart from {zoo}::relu, which no formula covers"
    )
    assert f"{zoo}:Custom is subquadratic as far as formulas go: its multiply-adds grow linearly" in run.out


def test_elementwise_results_that_no_order_fits_are_said(run: Any, zoo: str) -> None:
    assert run("-q", "--check", "--model", f"{zoo}:Enlarges", "--sizes", "64") == 0
    assert "element-wise results, which are no multiply-adds, grow in no order that fits" in " ".join(run.out.split())
    assert run.err.splitlines()[-1].endswith("holds for multiply-adds alone; element-wise results: undetermined")


def test_integers_in_anothers_operator_are_work_too(run: Any, zoo: str) -> None:
    assert run("--json", "-q", "--strict", "--model", f"{zoo}:Integers", "--sizes", "32") == 3
    assert run.json["models"][0]["sizes"][0]["uncounted_operators"] == {f"{zoo}::relu": 1}


def test_a_model_that_leaves_torch_is_said_to_have_been_run(run: Any, zoo: str) -> None:
    assert run("-q", "--model", f"{zoo}:Escapes", "--sizes", "32") == 0
    said = " ".join(run.out.split())
    assert "The meta device cannot run it, because it asks for values or makes tensors elsewhere, so it was run" in said
    assert "what it computes outside torch, in NumPy say, is in no total" in said
    for name, ran in (("Mixes", True), ("Plain", False)):
        assert run("-q", "--json", "--model", f"{zoo}:{name}", "--sizes", "32") == 0
        assert run.json["models"][0]["ran_on_zeros"] == ran
    assert run("-q", "--model", f"{zoo}:Refuses", "--sizes", "32") == 1
    assert "was run" not in run.out


def test_an_operator_of_anothers_is_named_in_full(run: Any, zoo: str) -> None:
    """Its name may be one of torch's own, which it has nothing to do with."""
    assert run("--json", "-q", "--strict", "--model", f"{zoo}:Custom", "--sizes", "32") == 3
    assert run.json["models"][0]["sizes"][0]["uncounted_operators"] == {f"{zoo}::relu": 1}
    assert run.err == f"imported\nerror: --strict: {zoo}:Custom: no formula for {zoo}::relu\n"


def test_after_a_formula_fails_no_other_inputs_are_advised(run: Any, zoo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--model", f"{zoo}:Custom", "--sizes", "32", "--no-verdict") == 0
    monkeypatch.setitem(flop_registry, getattr(torch.ops, zoo).relu, lambda *given, **named: -1)
    assert run("--model", f"{zoo}:Custom", "--sizes", "32", "--no-verdict") == 1
    assert f"the formula registered for {zoo}::relu gives -1, not a number of FLOPs" in run.err
    assert "--input" not in run.err


@pytest.mark.parametrize("by", ["module", "operator"])
def test_views_sum_to_the_total(run: Any, zoo: str, by: str) -> None:
    assert run("--json", "--model", f"{zoo}:Attention", "--sizes", "64", "--by", by) == 0
    (model,) = run.json["models"]
    assert sum(model["by"][by]["64"].values()) == model["sizes"][0]["macs"]
    assert run("--model", "torch.nn:Flatten", "--sizes", "64", "--by", by) == 0  # nothing to share out


def test_a_refused_size_is_a_row_and_the_others_are_counted(run: Any, zoo: str) -> None:
    assert run("--json", "--model", f"{zoo}:Plain,{zoo}:fails", "--sizes", "32,50", "--backward") == 1
    plain, fails = run.json["models"]
    assert [size["macs"] for size in plain["sizes"]] == [12 * 32 * 32, None]
    assert plain["sizes"][1]["error"] == "sides must divide by 32 (input 1x3x50x50)"
    assert plain["scaling"]["verdict"] == "linear"
    assert fails["params"] is None
    assert fails["scaling"]["verdict"] == "undetermined"
    assert run.err.splitlines()[2:] == [
        f"error: {zoo}:Plain at 50: sides must divide by 32 (input 1x3x50x50)",
        f"error: {zoo}:fails at 32, 50: the factory failed: KeyError: 'no weights'",
        "Other inputs than one image of three channels: --input. Arguments of the factory: --set.",
    ]
    assert run("--model", f"{zoo}:fails", "--sizes", "32", "--backward") == 1
    assert run("-v", "--model", f"{zoo}:fails", "--sizes", "32", "--backward") == 1
    assert [line.split()[:2] for line in run.out.splitlines() if line.startswith("32")] == [
        ["32", "1x"],
        ["32", "refused"],
    ]
    assert "no size was counted" in run.out


def test_timm_models(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = ModuleType("timm")
    timm.create_model = lambda name, pretrained: nn.Conv2d(3, 8, 1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    assert run("--json", "--model", "timm/anything", "--sizes", "32") == 0
    assert run.json["models"][0]["sizes"][0]["macs"] == 24 * 32 * 32
    assert run.err == "importing timm, which runs its code\n"


# The backward pass


def test_backward_in_every_format(run: Any, zoo: str) -> None:
    assert run("--json", "-q", "--model", f"{zoo}:Plain", "--sizes", "32", "--backward") == 0
    (model,) = run.json["models"]
    pixels = 32 * 32
    assert model["backward"] == {
        "32": {
            "macs": 2 * 12 * pixels,
            "flops": 4 * 12 * pixels,
            "saved_bytes": 4 * 4 * pixels,  # the output alone: the image is the caller's
            "peak_bytes": model["backward"]["32"]["peak_bytes"],
            "parameter_bytes": 4 * 16,
            "uncounted_operators": {},
            "error": None,
        }
    }
    for name in ("a.csv", "a.md"):
        assert run("-q", "--model", f"{zoo}:Plain", "--sizes", "32,50", "--backward", "-o", name) == 1
    rows = list(csv.DictReader(io.StringIO(Path("a.csv").read_text())))
    assert [row["backward_macs"] for row in rows] == [str(24 * pixels), ""]
    assert "Forward and backward:" in Path("a.md").read_text()
    assert " ".join(run.out.split()).count("training") == 2  # columns of the one table
    assert run("-q", "-v", "--model", f"{zoo}:Plain", "--sizes", "32", "--backward") == 0
    assert f"{zoo}:Plain: forward and backward" in run.out
    assert "2.00x" in run.out


def test_backward_of_ours_and_its_twin(run: Any) -> None:
    assert run("--json", "--sizes", "64", "--backward", "--compare", "self-attention") == 0
    (model,) = run.json["models"]
    for net in (model, *model["twins"]):
        training = net["backward"]["64"]
        assert 2.9 * net["sizes"][0]["macs"] < training["macs"] < 3.6 * net["sizes"][0]["macs"]
        assert net["sizes"][0]["peak_activation_bytes"] < training["saved_bytes"] < training["peak_bytes"]
        assert training["uncounted_operators"] == {}


def test_strict_holds_the_backward_pass_too(run: Any, zoo: str) -> None:
    arguments = ["--strict", "--model", f"{zoo}:B", "--sizes", "32"]
    assert run(*arguments) == 0
    assert run("-q", *arguments, "--backward") == 3
    assert (
        "No formula for _fft_r2c, which is in no total: 1 call at 32, forward and backward, in the backward pass."
        in run.out
    )
    assert f"{zoo}:B: linear in pixels" in run.out  # no emoji
    assert run.err.splitlines()[-1] == f"error: --strict: {zoo}:B: no formula for _fft_c2r, _fft_r2c"


def test_backward_is_left_out_unless_asked_for(run: Any) -> None:
    assert run("--json", "--sizes", "64", "--memory", "none") == 0
    assert "backward" not in run.json["models"][0]


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--model", "no_such_zoo:net"], 2, "--model no_such_zoo:net: no module no_such_zoo"),
        (["--model", "{zoo}:nothing"], 2, "has no nothing"),
        (
            ["--model", "a b:c"],
            2,
            "--model 'a b:c': name a model as package.module:factory, path/to/file.py:factory or timm/NAME",
        ),
        (["--model", "timm/vit"], 2, "timm is not installed; pip install timm"),
        (["--model", "{zoo}:Plain", "--chunk-length", "4"], 2, "--chunk-length: is a setting of ConvNeur"),
        (["--model", "{zoo}:Plain", "--convention", "paper"], 2, "--convention: the paper's is for ConvNeur alone"),
        (["--model", "m1,{zoo}:Plain", "--by", "branch"], 2, "--by: only a ConvNeur has branches, and {zoo}:Plain is"),
        (
            ["--model", "{zoo}:Plain", "--compare", "local-only"],
            2,
            "--compare: only a ConvNeur has twins, and {zoo}:Plain is",
        ),
    ],
)
def test_one_clear_line(
    run: Any, zoo: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert run("-q", *(argument.format(zoo=zoo) for argument in arguments)) == code
    assert run.out == ""
    (line,) = [line for line in run.err.splitlines() if line != "imported"]
    assert line.startswith("error: ")
    assert says.format(zoo=zoo) in line


@pytest.mark.parametrize(
    ("name", "offers"), [("flops", True), ("bench", True), ("models", False), ("viz-gates", True), ("train", False)]
)
def test_other_models_are_offered_where_they_are_taken(command: Any, name: str, offers: bool) -> None:
    run = command(name)
    assert run("--help") == 0
    assert ("timm/NAME" in run.out) == offers


def test_a_command_for_our_models_alone_refuses_others(command: Any) -> None:
    run = command("models")
    assert run("--model", "torch.nn:Flatten") == 2
    assert "error: --model torch.nn:Flatten: only a ConvNeur will do" in run.err


# Inputs and arguments of one's own


def test_inputs_and_arguments_are_typed(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("nets.py").write_text("from torch import nn\ndef gray(width):\n    return nn.Conv2d(1, width, 1)\n")
    model = ["--model", "nets.py:gray", "--sizes", "32", "--no-verdict"]
    assert run("--json", *model, "--input", "1x1xHxW", "--set", "width=4") == 0
    assert run.json["models"][0]["sizes"][0]["macs"] == 4 * 1024
    assert run.err == "importing nets.py, which runs its code\n"
    assert run(*model, "--set", "width=4") == 1
    assert run.err.splitlines()[-1] == (
        "Other inputs than one image of three channels: --input. Arguments of the factory: --set."
    )
    for wrong, says in (
        (["--set", "depth=4"], "--set depth: the factory takes no such argument; it takes width"),
        (["--set", "width"], "--set 'width': give NAME=VALUE, such as depth=3"),
        (["--input", "1x1"], ""),
        (["--input", "1,1"], "--input '1,1': give sizes with x between"),
        (["--input-factory", "nets.py:feed"], "--input-factory nets.py:feed: nets"),
    ):
        assert run("-q", *model, *wrong) == (2 if says else 1)
        assert run.err.splitlines()[-1].startswith(f"error: {says}")
