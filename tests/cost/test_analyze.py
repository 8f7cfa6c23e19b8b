"""`analyze` from Python: what it takes, what it gives, that it leaves what it was given as it was."""

import copy
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convneur
from convneur import VARIANTS, ConfigError, ConvNeurConfig, InputError, OutputExistsError
from convneur.cost import CostReport, ExternalModel, analyze, describe_architecture, find_models, list_models
from convneur.cost.scaling import ScalingVerdict
from convneur.figures import scaling_figure

SMALL = ConvNeurConfig(dims=(8, 12, 16, 20), depths=(1, 1, 1, 1), mem_dim=8, num_classes=3, chunks=3)


class Plain(nn.Module):
    """Counts its calls, keeps running statistics and has a hook: all that a count could leave behind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.calls = 0
        self.norm.register_forward_hook(lambda *_: None)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.norm(self.conv(x))


class AsksForValues(Plain):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if y.mean().item() >= 0 else -y


@pytest.fixture(scope="module")
def both() -> CostReport:
    return analyze(SMALL.replace(chunks=None), sizes=[64, (64, 96)], compare=["self-attention"])


# What it takes


@pytest.mark.parametrize("kind", [Plain, AsksForValues])
@pytest.mark.parametrize("training", [True, False])
def test_a_module_is_left_as_it_was(kind: type[Plain], training: bool) -> None:
    model = kind().train(training)
    model.norm.eval()
    before = copy.deepcopy(model.state_dict())
    report = analyze(model, sizes=[32], backward=True, counter="both")
    assert report.models[0].sizes["32"].macs == 12 * 32 * 32  # type: ignore[union-attr]
    assert (report.models[0].name, report.models[0].ran_on_zeros) == (kind.__name__, kind is AsksForValues)
    assert model.calls == 0
    assert (model.training, model.conv.training, model.norm.training) == (training, training, False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(tensor.is_meta for tensor in model.state_dict().values())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [len(module._forward_hooks) for module in model.modules()] == [0, 0, 1]
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_factory_that_hands_out_one_module_finds_it_in_the_mode_it_had() -> None:
    model = Plain()
    analyze(lambda: model, sizes=[32])
    assert model.training
    assert not model.conv.weight.is_meta


def test_models_of_every_kind_go_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL.to_dict()))
    asked = ["M1, m2", path, VARIANTS["m3"], SMALL, Plain, Plain(), convneur.create("m4"), "torch.nn:Flatten"]
    with pytest.raises(ConfigError, match="Plain: two models go by this name"):
        find_models(asked)
    del asked[4]
    found = find_models(asked)
    assert list(found) == ["m1", "m2", str(path), "m3", "ConvNeur", "Plain", "m4", "torch.nn:Flatten"]
    assert found["m4"] == VARIANTS["m4"]
    assert found["ConvNeur"] == found[str(path)] == SMALL
    assert isinstance(found["Plain"], ExternalModel)
    assert list(find_models("all")) == list(VARIANTS)
    assert find_models({"a": "m1", "b": Plain}, chunks=4)["a"] == VARIANTS["m1"].replace(chunks=4)


def test_a_convneur_that_is_no_longer_what_its_config_builds_counts_as_it_is() -> None:
    model = convneur.create(SMALL)
    assert find_models(model)["ConvNeur"] == SMALL
    folded = find_models({"folded": convneur.fold(model.eval())})["folded"]
    assert isinstance(folded, ExternalModel)
    model.head = nn.Identity()
    assert isinstance(find_models(model)["ConvNeur"], ExternalModel)


def test_half_precision_models_get_images_of_their_type() -> None:
    (model,) = analyze(Plain().half(), sizes=32).models
    assert model.problems == ()


def test_sizes_in_every_form() -> None:
    for sizes in ("64,32x96", [64, (32, 96)], ["64", "32x96"], (64, "32x96")):
        assert list(analyze(SMALL, sizes=sizes).models[0].sizes) == ["64", "32x96"]
    assert list(analyze(SMALL, sizes=64).models[0].sizes) == ["64"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"models": "m9"}, "models m9: choose m1, m2, m3, m4, all, a .json file"),
        ({"models": []}, "models: name at least one"),
        ({"models": 3}, "models 3: give a name, a ConvNeurConfig, a torch.nn.Module or a function"),
        ({"models": {"a": 3}}, "models 3: give a name"),
        ({"models": "none.json"}, "models none.json: no such file"),
        ({"sizes": 0}, "sizes 0: give a whole number of pixels from 1 to 16384"),
        ({"sizes": [64, 1.5]}, "sizes 1.5: give"),
        ({"sizes": [(1, 2, 3)]}, r"sizes \(1, 2, 3\): give"),
        ({"sizes": "64,"}, "sizes '': give"),
        ({"sizes": ()}, "sizes: give at least one"),
        ({"convention": "mine"}, "convention 'mine': choose all, paper"),
        ({"counter": "eyes"}, "counter 'eyes': choose dispatch, fvcore, both"),
        ({"by": "layer"}, "by 'layer': choose branch, module, operator"),
        ({"compare": ["self-attention", "cnn"]}, "compare 'cnn': choose self-attention, local-only"),
        (
            {"compare": "local-only", "models": Plain},
            "compare: only a ConvNeur has twins, and Plain is another model",
        ),
        ({"models": Plain, "chunks": 4}, "chunks: is a setting of ConvNeur, and Plain is another model; leave it out"),
        ({"mem_dim": 0}, "mem_dim 0: must be whole"),
        ({"colour": 3}, "colour: is not a setting"),
        ({"models": Plain, "colour": 3}, "colour: is not a setting"),
        ({"models": Plain, "by": "branch"}, "by: only a ConvNeur has branches, and Plain is"),
        ({"models": Plain, "convention": "paper"}, "convention: the paper's is for ConvNeur alone, and Plain is"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=f"^{says}"):
        analyze(**arguments)


# What it gives


def test_the_verdict_of_one_model_and_of_several(both: CostReport) -> None:
    assert isinstance(both.verdict, ScalingVerdict)
    assert str(both.verdict).startswith("linear in pixels (")
    assert [verdict.verdict for verdict in both.verdicts.values()] == ["linear", "quadratic term present"]
    assert list(both.verdicts) == ["ConvNeur", "ConvNeur's self-attention twin"]
    with pytest.raises(TypeError):
        both.verdicts["ConvNeur"] = both.verdict  # type: ignore[index]
    with pytest.raises(ValueError, match="several models"):
        analyze([SMALL, Plain], sizes=32).verdict  # noqa: B018


def test_it_prints_itself_briefly_and_in_full(both: CostReport) -> None:
    lines = str(both).splitlines()
    assert lines[0].startswith("ConvNeur: linear in pixels (")
    assert len([line for line in lines if line.startswith("ConvNeur  ")]) == 2
    assert "Operators launched" not in str(both)
    assert "Operators launched" in str(both.verbose())
    assert both.verbose().to_dict() == both.to_dict()
    html = both._repr_html_()
    assert html.startswith("<p>ConvNeur: linear in pixels")
    assert html.count("<table>") == 1


def test_it_saves_itself_in_four_formats(both: CostReport, tmp_path: Path) -> None:
    for kind in ("json", "csv", "md", "tex"):
        both.save(tmp_path / f"cost.{kind}")
    assert json.loads((tmp_path / "cost.json").read_text()) == json.loads(json.dumps(both.to_dict()))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "cost.csv").read_text())))
    assert [(row["twin"], row["size"]) for row in rows] == [
        ("", "64"), ("", "64x96"), ("self-attention", "64"), ("self-attention", "64x96"),
    ]  # fmt: skip
    assert "Operators launched" in (tmp_path / "cost.md").read_text()
    assert (tmp_path / "cost.tex").read_text().startswith(r"\begin{tabular}")
    with pytest.raises(OutputExistsError):
        both.save(tmp_path / "cost.md")
    with pytest.raises(ConfigError, match="the name must end in"):
        both.save(tmp_path / "cost.txt")


def test_checks(both: CostReport) -> None:
    assert both.check_failures == both.strict_failures == both.problems == ()
    failed = analyze(SMALL.replace(chunks=None, global_branch="self-attention"), sizes=64)
    assert failed.check_failures == (
        "ConvNeur: quadratic term present: the cost per pixel itself grows with the pixels",
    )
    refused = analyze(SMALL, sizes=[16, 64])
    assert refused.problems == (
        "ConvNeur at 16: image of 16x16: ConvNeur needs at least 32x32 pixels (input 1x3x16x16)",
    )
    for text in (str(refused), str(refused.verbose())):
        assert "Refused: ConvNeur at 16: image of 16x16: ConvNeur needs at least 32x32 pixels" in text


def test_a_factory_that_fails_is_one_problem() -> None:
    def broken() -> Plain:
        raise RuntimeError("no weights here")

    report = analyze(broken, sizes=[64, 96])
    assert report.problems == ("broken at 64, 96: the factory failed: RuntimeError: no weights here",)
    assert "Refused: broken at 64, 96: the factory failed" in str(report)


def test_twins_stand_beside_the_convneur_when_other_models_are_counted_too() -> None:
    report = analyze({"own": SMALL, "plain": Plain}, sizes=64, compare="local-only")
    assert [model.shown for model in report.with_twins] == ["own", "own's local-only twin", "plain"]


def test_modules_stand_in_the_order_in_which_they_run() -> None:
    # At 32 px no stage has a second chunk, so nothing is written there.
    report = analyze("m1", sizes=[32, 512], by="module")
    names = [row[0] for row in report.tables()[1].rows]
    assert names[-2:] == ["head.linear", "total"]
    assert "stages.2.0.global_branch.mixer.write" in names[: names.index("stages.2.1.local_branch.dw_conv")]


def test_it_is_frozen(both: CostReport) -> None:
    with pytest.raises(AttributeError):
        both.convention = "paper"  # type: ignore[misc]
    with pytest.raises(TypeError):
        both.models[0].sizes["64"] = None  # type: ignore[index]


def test_it_is_drawn_as_it_is(both: CostReport) -> None:
    figure = scaling_figure(both)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "ConvNeur: linear",
        "ConvNeur's self-attention twin: quadratic term present",
    ]
    line = figure.axes[0].lines[0]
    assert list(line.get_xdata())[:2] == [64 * 64, 64 * 96]
    sizes = both.models[0].counted
    assert list(line.get_ydata())[:2] == [sizes["64"].macs, sizes["64x96"].macs]


# Its neighbours


def test_progress_is_told_of_each_size() -> None:
    told: list[Any] = []

    class Listens:
        def steps(self, what: str, total: float) -> Any:
            from contextlib import nullcontext

            told.append(total)
            return nullcontext(lambda now=None, steps=1: told.append(steps))

        def note(self, line: str) -> None:
            told.append(line)

        warn = error = note

    analyze("torch.nn:Flatten", sizes=[32, 64], progress=Listens())
    assert told[:2] == ["importing torch.nn, which runs its code", 5]
    assert sum(told[2:]) == 5


def test_lists_and_architectures_refuse_other_models() -> None:
    with pytest.raises(ConfigError, match=r"models torch\.nn:Flatten: only a ConvNeur will do"):
        list_models("torch.nn:Flatten")
    with pytest.raises(ConfigError, match="model m1,m2: give one model"):
        describe_architecture("m1,m2")
    with pytest.raises(ConfigError, match="size 'big': give a whole number"):
        describe_architecture("m1", size="big")
    with pytest.raises(InputError, match="image of 16x16"):
        describe_architecture(convneur.create(SMALL), size=16)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("net.onnx", "is a graph for another runtime; .* name the code that it was exported from"),
        ("net.pt2", "may run code when it is loaded; load it at the top of a file of yours"),
        (
            "net.safetensors",
            "holds weights, not the model; name its variant or .json file of settings, or the code that makes",
        ),
    ],
)
def test_a_file_that_is_no_model_says_the_way_on(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^models {name}: {says}.*, such as file.py:factory$"):
        analyze(name)
