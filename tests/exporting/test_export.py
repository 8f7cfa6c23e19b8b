"""Exported graphs say what the model in torch says, wherever they are read."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

import convneur
from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.exporting import Comparison, ExportReport, export
from convneur.exporting import run as exporting_run
from convneur.exporting.tracing import check_open, least_side
from convneur.graphs import KEY, GraphDescription, InputShape, described
from convneur.inference import ExportedModel, Predictor, load, predict_folder
from convneur.model.memory import NeuralMemory, plan_chunks
from convneur.model.network import ConvNeur, stage_sizes
from convneur.schema import SchemaError
from convneur.variants import VARIANTS, ConvNeurConfig

Pixels = NDArray[np.uint8]
Exported = tuple[Path, ExportReport]


def forward(predictor: Predictor, x: NDArray[np.float32]) -> NDArray[np.float32]:
    assert isinstance(predictor.model, ConvNeur)
    with torch.inference_mode():
        return predictor.model(torch.from_numpy(x)).numpy()


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_a_graph_gives_what_forward_gives_and_a_fixed_batch_is_filled_up(dense: Predictor, exported: Exported) -> None:
    path, report = exported
    graph = ExportedModel(path)
    for batch in (1, 2, 3):
        x = noise(batch, 3, 64, 96)
        np.testing.assert_allclose(graph.run(x), forward(dense, x), atol=1e-4)
    assert report.passed
    assert report.comparison is not None
    assert report.comparison.labels_equal == pytest.approx(1, abs=1e-3)
    assert report.written == (path,)
    assert report.bytes == path.stat().st_size


def test_the_file_says_what_its_weights_say(dense: Predictor, exported: Exported) -> None:
    loaded = convneur.load(exported[0])
    for fact in ("classes", "size", "scale", "mean", "std", "preset", "palette", "provenance", "task"):
        assert getattr(loaded, fact) == getattr(dense, fact), fact
    assert isinstance(loaded.model, ExportedModel)
    assert loaded.model.config == dense.model.config
    assert loaded.model.shape == InputShape((64, 96), 2)
    assert loaded.model.description.version == convneur.__version__


def test_the_size_by_default_is_that_of_the_validation(dense: Predictor, noisy: Any) -> None:
    def default(predictor: Predictor) -> InputShape:
        assert isinstance(predictor.model, ConvNeur)
        return exporting_run._input_shape(predictor, predictor.model, None, "any")

    assert default(dense) == InputShape(None, None, least_side(dense.model.config))
    assert default(replace(dense, validated_size=(450, 600))) == InputShape((450, 600))
    classifier = noisy(dense.model.config.replace(head="classifier"))
    assert default(classifier) == InputShape((224, 224))
    assert default(replace(classifier, size=(64, 64))) == InputShape((64, 64))


@pytest.mark.parametrize(("chunks", "read"), [(4, "final"), (4, "before"), (1, "final")])
def test_an_exported_memory_computes_what_the_memory_does(chunks: int, read: Any) -> None:
    memory = NeuralMemory(8, chunks=chunks, read=read).eval()
    x = torch.from_numpy(noise(2, 41, 8))
    tokens = {1: torch.export.Dim("tokens", min=13, max=9999)}  # 4 chunks from here on
    settings: dict[str, Any] = {"strict": False, "prefer_deferred_runtime_asserts_over_guards": True}
    for count, shapes in ((41, (tokens,)), (40, None), (41, None)):  # 40: chunks that are all of one length
        graph: Any = torch.export.export(memory, (x[:, :count],), dynamic_shapes=shapes, **settings).module()
        for seen in (x[:, :16], x[:, :33], x) if shapes else (x[:, :count],):
            with torch.no_grad():
                torch.testing.assert_close(graph(seen), memory(seen), atol=1e-5, rtol=1e-5)


def test_it_holds_no_paths_of_the_machine_it_was_made_on(onnx_bytes: bytes) -> None:
    model = onnx.load_from_string(onnx_bytes)
    assert [prop.key for prop in model.metadata_props] == [KEY]
    for word in (b"site-packages", b"stack_trace", str(Path(convneur.__file__).parent).encode(), b"fresh_sides"):
        assert word not in onnx_bytes
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("image", "logits")


def test_windows_folders_and_sizes_are_those_of_torch(dense: Predictor, exported: Exported, picture: Pixels) -> None:
    graph = load(exported[0], threads=1)
    large = picture[:128, :160]  # whose windows of torch are no longer at the far edges either
    ours = graph.predict(large, scale=1.0, probabilities=True)
    theirs = dense.predict(large, scale=1.0, window=(64, 96), probabilities=True)
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
    assert graph.predict(picture).labels is not None  # 75x106: windows that overlap by most of their size
    exact = picture[:64, :96]
    whole, same = (each.predict(exact, scale=1.0, probabilities=True) for each in (graph, dense))
    np.testing.assert_allclose(whole.probabilities, same.probabilities, atol=1e-4)
    np.testing.assert_array_equal(whole.palette, same.palette)


def test_what_a_fixed_graph_does_not_take_is_named(exported: Exported, picture: Pixels, tmp_path: Path) -> None:
    from PIL import Image

    graph = load(exported[0])
    with pytest.raises(InputError, match=r"32x32 pixels as the model sees it, and .* takes 64x96 or more"):
        graph.predict(picture[:40, :60])
    with pytest.raises(ConfigError, match="takes images of 64x96 alone; leave it out") as caught:
        graph.predict(picture, window=512)
    assert caught.value.setting == "window"
    (tmp_path / "in").mkdir()
    Image.fromarray(picture).save(tmp_path / "in" / "a.png")
    Image.fromarray(picture[:40, :60]).save(tmp_path / "in" / "small.png")
    with pytest.warns(UserWarning, match="64x96 or more"):
        report = predict_folder(tmp_path / "in", weights=graph, out=tmp_path / "out")
    assert [each.name for each in report.images] == ["a"]
    assert [each.name for each in report.failed] == ["small"]


@pytest.mark.slow
def test_openvino_says_the_same_and_needs_both_of_its_files(dense: Predictor, tmp_path: Path) -> None:
    report = export(dense, tmp_path / "two.xml", size=64, batch=2, fold=False, check=False)
    assert [path.name for path in report.written] == ["two.bin", "two.xml"]
    graph = load(tmp_path / "two.xml", threads=1)
    assert isinstance(graph.model, ExportedModel)
    x = noise(3, 3, 64, 64)
    np.testing.assert_allclose(graph.model.run(x), forward(dense, x), atol=1e-4)
    assert str(Path(convneur.__file__).parent) not in (tmp_path / "two.xml").read_text()
    (tmp_path / "two.bin").unlink()
    with pytest.raises(InputError, match=r"its weights, two.bin, are not beside it"):
        load(tmp_path / "two.xml")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (67, 129), (96, 160), (131, 257)])
def test_any_size_is_that_of_torch(dense: Predictor, any_size: Exported, size: tuple[int, int]) -> None:
    graph = ExportedModel(any_size[0])
    assert graph.shape == InputShape(None, None, 64)
    x = noise(2, 3, *size)
    np.testing.assert_allclose(graph.run(x), forward(dense, x), atol=1e-4)


@pytest.mark.slow
def test_a_graph_for_any_size_labels_images_as_torch_does(
    dense: Predictor, any_size: Exported, picture: Pixels
) -> None:
    graph = load(any_size[0])
    ours, theirs = (each.predict(picture, probabilities=True) for each in (graph, dense))
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
    with pytest.raises(InputError, match="takes 64x64 or more"):
        graph.predict(picture, scale=0.2)


@pytest.mark.slow
def test_torch_export_files_of_any_size(dense: Predictor, tmp_path: Path) -> None:
    report = export(dense, tmp_path / "any.pt2")
    assert report.passed
    extra = {f"{KEY}.json": ""}
    program = torch.export.load(tmp_path / "any.pt2", extra_files=extra)
    assert described(extra[f"{KEY}.json"]).classes == dense.classes
    x = noise(3, 3, 96, 160)
    np.testing.assert_allclose(program.module()(torch.from_numpy(x)).numpy(), forward(dense, x), atol=1e-4)


@pytest.mark.parametrize("chunks", [1, 2, 3, 4, 5])
def test_from_the_least_side_on_every_stage_has_its_chunks(chunks: int) -> None:
    """Which is what a graph with open sides counts on."""
    side = least_side(VARIANTS["m1"].replace(chunks=chunks))
    for height in range(side, side + 70):
        for stage in stage_sizes(height, side):
            assert plan_chunks(stage[0] * stage[1], 196, chunks=chunks).chunks == chunks


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chunks": None}, "the number of chunks follows the size"),
        ({"order": "strided"}, "strided"),
        ({"head": "upernet", "num_classes": 3}, "UPerNet"),
        ({"global_branch": "titans"}, "titans"),
    ],
)
def test_what_cannot_take_any_size_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        check_open(VARIANTS["m1"].replace(chunks=4).replace(**change))
    assert caught.value.setting == "size"


def test_beyond_the_bound_no_file_stays(dense: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old.onnx").write_bytes(b"old")
    monkeypatch.setattr(exporting_run, "write_graph", lambda model, path, about: path.write_bytes(b"new"))
    apart = Comparison(4, ((64, 64),), difference=float("nan"), largest=1.0, labels_equal=0.5, bound=1e-4)
    monkeypatch.setattr(exporting_run, "compare", lambda *_: apart)
    report = export(dense, tmp_path / "old.onnx", size=64, force=True)
    assert not report.passed
    assert report.written == ()
    assert "no file was written" in str(report)
    assert [path.name for path in tmp_path.iterdir()] == ["old.onnx"]
    assert (tmp_path / "old.onnx").read_bytes() == b"old"
    monkeypatch.setattr(exporting_run, "compare", lambda *_: replace(apart, difference=1e-5))
    assert export(dense, tmp_path / "old.onnx", size=64, force=True).passed
    assert (tmp_path / "old.onnx").read_bytes() == b"new"


def test_the_comparison_sees_a_graph_of_other_weights(dense: Predictor, exported: Exported, tmp_path: Path) -> None:
    from convneur.exporting.check import compare

    assert isinstance(dense.model, ConvNeur)
    torch.manual_seed(5)
    other = ConvNeur(dense.model.config).eval()
    assert not compare(dense, other, exported[0], InputShape((64, 96), 2), "fp32").passed
    assert compare(dense, dense.model, exported[0], InputShape((64, 96), 2), "fp32").passed


def test_a_fixed_batch_larger_than_the_images_is_filled_up(dense: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    from convneur.exporting import check

    def program(x: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(x) == 16
        return forward(dense, x)

    monkeypatch.setattr(check, "_program", lambda path: program)
    assert isinstance(dense.model, ConvNeur)
    assert check.compare(dense, dense.model, Path("x.pt2"), InputShape((64, 96), 16), "fp32").passed


def test_what_cannot_be_exported_is_refused_before_the_work(dense: Predictor, exported: Exported) -> None:
    path = exported[0]
    with pytest.raises(OutputExistsError):
        export(dense, path)
    with pytest.raises(ConfigError, match=r"must end in \.onnx, \.xml"):
        export(dense, path.with_suffix(".pb"))
    with pytest.raises(ConfigError, match=r"int8 is for \.onnx"):
        export(dense, path.with_suffix(".xml"), precision="int8")
    with pytest.raises(ConfigError, match="an exported graph already"):
        export(load(path), path.with_name("again.onnx"))
    with pytest.raises(ConfigError, match="at least 32"):
        export(dense, path.with_name("small.onnx"), size=16)


def test_a_missing_runtime_is_named(
    dense: Predictor, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="pip install onnxruntime"):
        load(exported[0])
    with pytest.raises(InputError, match="onnx files need onnxruntime: `pip install onnx onnxscript onnxruntime`"):
        export(dense, tmp_path / "new.onnx")


def test_files_of_other_programs_and_damaged_ones_are_named(onnx_bytes: bytes, tmp_path: Path) -> None:
    model = onnx.load_from_string(onnx_bytes)
    said = json.loads(model.metadata_props[0].value)
    broken = {
        "cut": (onnx_bytes[: len(onnx_bytes) // 2], "not a readable ONNX model"),
        "none": (b"", "not a readable ONNX model"),
    }
    for name, text, words in (
        ("later", json.dumps(said | {"format": "convneur.graph/2"}), "is not convneur.graph/1"),
        ("text", "no JSON", "what it says of its model is broken"),
        ("classes", json.dumps(said | {"classes": ["one"]}), "1 names for a model of 3"),
        ("mean", json.dumps(said | {"mean": [0.1, 7, 0.1]}), "must be from 0 to 1"),
    ):
        onnx.helper.set_model_props(model, {KEY: text})
        broken[name] = (model.SerializeToString(), words)
    onnx.helper.set_model_props(model, {"other": "x"})
    broken["foreign"] = (model.SerializeToString(), "not a graph that `export` wrote")
    for name, (content, words) in broken.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            load(path)


def test_a_graph_that_does_not_take_what_it_says_is_named(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported[0])
    said = json.loads(model.metadata_props[0].value)
    onnx.helper.set_model_props(model, {KEY: json.dumps(said | {"input": {"size": [32, 32]}})})
    onnx.save(model, tmp_path / "edited.onnx")
    with pytest.raises(InputError, match=r"edited\.onnx: did not compute .*; export it again"):
        ExportedModel(tmp_path / "edited.onnx").run(np.zeros((1, 3, 32, 32), np.float32))


def test_a_description_survives_its_text() -> None:
    about = GraphDescription(
        config=VARIANTS["m1"],
        input=InputShape((64, 96), 4),
        precision="int8",
        folded=True,
        version="1",
        palette=((0, 1, 2),),
        scale=0.5,
        size=(1, 2),
    )
    assert described(about.to_json()) == about
    with pytest.raises(SchemaError, match="palette"):
        described(replace(about, palette=((0, 1, 2),)).to_json().replace("[0, 1, 2]", "[0, 1, 256]"))


@pytest.mark.slow
def test_int8_is_smaller_and_says_how_far_apart_it_is(noisy: Any, tmp_path: Path) -> None:
    config = ConvNeurConfig(dims=(32, 32, 32, 64), depths=(1, 1, 1, 1), mem_dim=32, num_classes=10)
    short = export(noisy(config), tmp_path / "int8.onnx", size=64, batch=1, precision="int8")
    assert short.comparison is not None
    assert 1e-4 < short.comparison.difference < short.comparison.bound
    floats = 4 * sum(weight.numel() for weight in ConvNeur(config).parameters())
    assert short.bytes < 0.7 * floats
    assert load(tmp_path / "int8.onnx").predict(np.zeros((50, 60, 3), np.uint8)).top


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "scipy", "matplotlib", "skimage", "fvcore", "safetensors", "numba"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from convneur_cli.__main__ import main
main()
"""


def test_predict_runs_without_torch(exported: Exported, dense: Predictor, picture: Pixels, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture).save(tmp_path / "a.png")
    command = [sys.executable, "-c", BLOCKED, "predict", str(tmp_path / "a.png"), "--weights", str(exported[0])]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out"), "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)["images"][0]["shares"]) <= {"sky", "road", "car"}
    with Image.open(tmp_path / "out" / "a.png") as labels:
        np.testing.assert_array_equal(np.asarray(labels), load(exported[0]).predict(picture).labels)
    weights = subprocess.run(
        [sys.executable, "-c", BLOCKED, "predict", str(tmp_path / "a.png"), "--weights", "photos"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert weights.returncode == 1
    assert "needs torch, which is not installed; exported graphs (.onnx, .xml) do without" in weights.stderr


@pytest.mark.slow
def test_the_documented_requirements_are_enough(exported: Exported, picture: Pixels, tmp_path: Path) -> None:
    """A wheel without its dependencies and the list in docs/export.md, in an empty environment."""
    from PIL import Image

    root = Path(__file__).parents[2]
    (listed,) = re.findall(r"small/bin/pip install (numpy .+)", (root / "docs" / "export.md").read_text())
    python = tmp_path / "small" / "bin" / "python"

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False, cwd=tmp_path, env=env
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run(sys.executable, "-m", "venv", "small")
    run(python, "-m", "pip", "install", "-q", "-c", root / "constraints.txt", *listed.split())
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "wheels", root)
    run(python, "-m", "pip", "install", "-q", "--no-deps", *(tmp_path / "wheels").glob("*.whl"))
    assert "torch" not in run(python, "-m", "pip", "list")
    Image.fromarray(picture).save(tmp_path / "a.png")
    run(
        python.with_name("convneur"), "predict", "a.png", "--weights", exported[0], "--out", "out", "--overlays", "seen"
    )
    with Image.open(tmp_path / "out" / "a.png") as labels:
        np.testing.assert_array_equal(np.asarray(labels), load(exported[0]).predict(picture).labels)
