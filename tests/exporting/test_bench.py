"""Exported graphs beside the model in torch: what runs them, whether they say the same, what they do not take."""

from pathlib import Path
from typing import Any

import pytest

from convneur.bench import BenchResult, RefusedCase, Timing, run_bench
from convneur.errors import ConfigError
from convneur.exporting import ExportReport
from convneur.inference import Predictor

QUICK: dict[str, Any] = {"warmup": 1, "repeats": 2, "threads": 1}
Exported = tuple[Path, ExportReport]


@pytest.fixture(scope="module")
def beside(dense: Predictor, exported: Exported) -> BenchResult:
    with pytest.warns(UserWarning, match="on 2 images of 64: it takes images of 64x96 alone"):
        return run_bench([dense, exported[0]], fold=True, sizes=[(64, 96), 64], batch=2, **QUICK)


@pytest.mark.slow
def test_a_graph_is_timed_in_its_runtime_beside_its_weights_in_torch(beside: BenchResult, exported: Exported) -> None:
    ours, folded, graph = beside.models
    assert [model.name for model in beside.models] == ["dense", "dense folded", str(exported[0])]
    assert [model.runtime for model in beside.models] == ["torch", "torch", "onnxruntime"]
    assert "onnxruntime" in beside.machine.versions
    macs = [model.timed[0].macs for model in (ours, folded, graph)]
    assert macs[1] == macs[2] != macs[0]  # it was exported folded
    assert graph.timed[0].launches is graph.timed[0].counted_peak_bytes is None
    assert [row.case.size for row in graph.timed] == ["64x96"]


def test_models_of_the_same_weights_are_compared(beside: BenchResult) -> None:
    first, folded, graph = beside.models
    assert first.labels is None
    for model, sizes in ((folded, ((64, 96), (64, 64))), (graph, ((64, 96),))):
        assert model.labels is not None
        assert model.labels.model == "dense"
        assert model.labels.agreement.sizes == sizes
        assert 0 < model.labels.agreement.difference < 1e-4
        assert model.labels.agreement.labels_equal == pytest.approx(1, abs=1e-3)
    assert f"{graph.name} beside dense, on 4 packaged images at 64x96: " in str(beside)
    found = beside.to_dict()["models"][2]
    assert (found["runtime"], found["labels"]["beside"]) == ("onnxruntime", "dense")


def test_sizes_and_batches_that_a_graph_does_not_take_are_rows(beside: BenchResult, exported: Exported) -> None:
    (row,) = (row for row in beside.models[2].rows if isinstance(row, RefusedCase))
    assert row.case.size == "64"
    assert row.error == "it takes images of 64x96 alone; export it for 64, or for any size"
    with pytest.warns(UserWarning, match="on 1 image of 64x96: it takes 2 images at once"):
        odd = run_bench(exported[0], sizes=[(64, 96)], batch="1,4", **QUICK)
    single, four = odd.rows
    assert isinstance(single, RefusedCase)
    assert single.error == "it takes 2 images at once; export it for any number"
    assert isinstance(four, Timing)
    assert f"Nothing was compared with {exported[0]}: time the weights behind it as well" in str(odd)


@pytest.mark.parametrize(
    ("setting", "shown"), [({"dtype": "bfloat16"}, "dtype bfloat16"), ({"compile": True}, "compile")]
)
def test_settings_that_are_torchs_alone(exported: Exported, setting: dict[str, Any], shown: str) -> None:
    with pytest.raises(ConfigError, match=f"^{shown}: is for models in torch") as caught:
        run_bench("m1", against=str(exported[0]), sizes=32, **QUICK, **setting)
    assert caught.value.setting == next(iter(setting))


def test_a_file_that_is_not_there_is_named_with_its_argument() -> None:
    with pytest.raises(ConfigError, match=r"against none\.onnx: no such file"):
        run_bench("m1", against="none.onnx", sizes=32, **QUICK)
