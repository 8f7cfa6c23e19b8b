"""Reads in a result: which token, which map, what is said of it, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from convneur.errors import ConfigError, InputError
from convneur.figures import gates_figure, gates_page
from convneur.gates import Inspector, inspect
from convneur.gates.capture import untrained
from convneur.model.folding import fold
from convneur.model.network import ConvNeur
from convneur.model.reads import branch_read
from convneur.variants import ConvNeurConfig

PIXELS = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def test_the_map_is_that_of_the_token_that_holds_the_pixel(net: ConvNeur) -> None:
    result = inspect(PIXELS, weights=net, reads=(50, 127), size=64, stage=(1, 3))
    first, third = (stage.reads for stage in result.stages)
    assert first is not None
    assert third is not None
    assert (first.position, third.position) == ((6, 15), (1, 3))  # row 50 of 96 is row 25 of the 48 that the model sees
    with torch.inference_mode():
        x = torch.from_numpy(result.weights.normalisation.applied(result.pixels))[None]
        branch: Any = net.stages[0][0].global_branch  # type: ignore[index]
        expected = branch_read(branch, branch.reduce(net.stem(x))[0], 6 * 16 + 15)
    assert expected.tokens is not None
    np.testing.assert_array_equal(first.values.ravel(), expected.tokens.numpy())
    assert first.initial == expected.initial
    assert first.initial + first.own + first.others == pytest.approx(1, abs=1e-12)  # type: ignore[operator]
    assert first.own == 0  # read before the write: of other chunks alone
    assert not first.values[7:].any()
    drawn = result.arrays()["stage1_reads"]
    np.testing.assert_array_equal(drawn, first.values.astype(np.float32))
    assert result.stages[0].maps["reads"].limits == (-abs(drawn).max(), abs(drawn).max())
    assert not net.stages[0][0].global_branch.reduce._forward_hooks  # type: ignore[index,union-attr]


def test_reads_are_said_in_every_form(net: ConvNeur) -> None:
    result = inspect(PIXELS, weights=net, reads=(0, 0), size=64, stage=1)  # of the first chunk, which sees M_0 alone
    assert result.to_dict()["recipe"]["reads"] == [0, 0]
    said = result.to_dict()["stages"][0]["reads"]
    assert said == {"kind": "memory", "position": [0, 0], "initial": 1.0, "own": 0.0, "others": 0.0}
    assert "Read at row 0, column 0: where it comes from" in str(result)
    assert "Reads, stage 1: M_0 alone." in result.notes
    texts = [text.get_text() for text in gates_figure(result).texts]
    assert {"read of M_0 · own chunk · others", "100.0% · 0.0% · 0.0%"} <= set(texts)
    assert result.stages[0].maps["reads"].colour_scale == "diverging"
    assert "Read at 0, 0" in gates_page(result)


def test_of_a_twin_it_is_the_attention(config: ConvNeurConfig) -> None:
    twin = untrained(config.replace(global_branch="self-attention", num_heads=2), 0)
    result = inspect(PIXELS, weights=twin, reads=(0, 0), size=64, stage=2)
    reads = result.stages[0].reads
    assert reads is not None
    assert reads.values.min() > 0
    assert reads.values.sum() == pytest.approx(1)
    assert [name for name, _ in reads.parts] == ["own token", "others"]
    assert reads.own == reads.values[0, 0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"memory_layers": 2}, "two layers"),
        ({"max_state_norm": 5.0}, "choose a model without max_state_norm"),
        ({"global_branch": "cbam"}, "a cbam branch has no reads"),
        ({"memory": "none"}, "no block has a global path"),
    ],
)
def test_what_cannot_be_taken_apart(config: ConvNeurConfig, changes: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Inspector(weights=untrained(config.replace(**changes), 0), reads=(0, 0))


@pytest.mark.parametrize(
    ("changes", "asked", "says"),
    [
        ({"memory": "none"}, {}, "weights of a module: memory none: no block"),
        ({"fusion": "addition"}, {}, r"fusion addition: .* fusion gating, or .*`gate=False`.*`row3 output`"),
        ({"global_branch": "self-attention"}, {"surprise": True}, "surprise: .* a model with a neural memory"),
        ({"global_branch": "self-attention"}, {"chunk_borders": True}, "chunk_borders: .* with a neural memory"),
        ({"order": "strided"}, {"chunk_borders": True}, "choose `order raster`"),
        ({"global_branch": "cbam"}, {"chunks": 4}, "chunks: a cbam branch has no such setting"),
    ],
)  # fmt: skip
def test_what_a_models_weights_fix_is_not_advised(config: ConvNeurConfig, changes: Any, asked: Any, says: str) -> None:
    """`memory`, `fusion` and `global_branch` beside weights only say what these must be."""
    trained = untrained(config.replace(**changes), 0)
    with pytest.raises(ConfigError, match=says):
        Inspector(weights=trained, **asked)


def test_without_its_gate_a_second_model_is_compared(net: ConvNeur, config: ConvNeurConfig) -> None:
    cases: tuple[dict[str, Any], ...] = ({"memory": "none"}, {"fusion": "addition"})
    for changes in cases:
        other = untrained(config.replace(**changes), 1)
        for gate, row3 in ((True, "output"), (False, "gated")):
            with pytest.raises(ConfigError, match=r"has no gate to compare; .*`gate=False`.*`row3 output`"):
                Inspector(weights=net, against=other, gate=gate, row3=row3)
        Inspector(weights=net, against=other, gate=False, row3="output")


def test_positions_and_folded_models(net: ConvNeur) -> None:
    with pytest.raises(InputError, match=r"^image: has 96x128 pixels .* none at row 96, column 0"):
        inspect(PIXELS, weights=net, reads=(96, 0), size=64)
    with pytest.raises(ConfigError, match="count from 0"):
        inspect(PIXELS, weights=net, reads=(-1, 0), size=64)
    with pytest.raises(ConfigError, match="the model is folded"):
        inspect(PIXELS, weights=fold(net), reads=(0, 0), size=64)
    with pytest.raises(ConfigError, match=r"weights: is folded, .* give the model that it was folded from"):
        inspect(PIXELS, weights=fold(net), chunks=4, size=64)
