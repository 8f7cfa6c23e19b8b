"""A folded net is the net it was folded from, in fewer multiply-adds."""

from typing import Any

import pytest
import torch
from torch import nn

from convneur.checkpoints import save_checkpoint
from convneur.cost import ModelCounter, count
from convneur.model.folding import fold, folds
from convneur.model.global_branches import FoldedGlobalBranch, GlobalBranch
from convneur.model.network import ConvNeur, stage_sizes
from convneur.variants import VARIANTS, ConvNeurConfig

SMALL = ConvNeurConfig(
    dims=(8, 12, 16, 20), depths=(2, 1, 2, 1), mem_dim=12, num_classes=5, chunk_length=20, num_heads=2
)


def trained(config: ConvNeurConfig) -> ConvNeur:
    """Weights and biases as large as training may leave them, so that every product counts."""
    torch.manual_seed(0)
    model = ConvNeur(config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def folded_branches(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, FoldedGlobalBranch)]


@pytest.mark.parametrize(
    "changes",
    [{}, {"read": "after"}, {"read": "final"}, {"order": "strided"}, {"chunks": 3}, {"min_chunks": 4},
     {"memory": "per-layer"}, {"fusion": "concat"}, {"fusion": "addition"}, {"head": "light-fpn"},
     {"chunk_length": (1, 300, 20, 20)}, {"dims": (4, 12, 13, 14)}],
    ids=str,
)  # fmt: skip
def test_the_same_function(changes: dict[str, Any]) -> None:
    model = trained(SMALL.replace(**changes))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded = fold(model)
    assert folded_branches(folded)
    assert not folded_branches(model)
    x = torch.randn(2, 3, 75, 98, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), model(x), rtol=1e-9, atol=1e-9)
        for level, wanted in zip(folded.forward_features(x), model.forward_features(x), strict=True):
            torch.testing.assert_close(level, wanted, rtol=1e-9, atol=1e-9)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())  # the net itself is left alone


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_in_float32_and_bfloat16(layout: torch.memory_format) -> None:
    model = trained(SMALL).float().to(memory_format=layout)  # type: ignore[call-overload]
    x = torch.randn(2, 3, 64, 96).contiguous(memory_format=layout)
    with torch.no_grad():
        wanted = model(x)
        torch.testing.assert_close(fold(model)(x), wanted, rtol=1e-3, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            error, folded_error = (float((net(x) - wanted).norm() / wanted.norm()) for net in (model, fold(model)))
    assert folded_error < 2 * error < 0.2


def test_gates_can_be_tapped_but_the_surprise_is_not_told() -> None:
    model = trained(SMALL)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        (_, taps), (_, wanted) = (net.forward_taps(x) for net in (fold(model), model))
    for stage in range(1, 5):
        gate, unfolded = taps[stage].gate, wanted[stage].gate
        assert gate is not None
        assert unfolded is not None
        torch.testing.assert_close(gate, unfolded, rtol=1e-9, atol=1e-9)
        assert (taps[stage].surprise is None) == folds(SMALL, stage)


def test_stages_fold_that_are_no_wider_than_the_memory() -> None:
    for config in VARIANTS.values():
        assert [folds(config, stage) for stage in range(1, 5)] == [True, True, False, False]


@pytest.mark.parametrize("length", [1, 7, 196, 5000])
@pytest.mark.parametrize("read", ["before", "final"])
def test_what_folds_saves_multiply_adds_however_short_the_chunks(length: int, read: Any) -> None:
    config = SMALL.replace(dims=(12, 12, 13, 14), chunk_length=length, read=read)
    macs, folded = (ModelCounter(config, folded=fold).at(96, 128).macs for fold in (False, True))
    assert folded < macs


def test_maps_keep_their_dtype_under_autocast() -> None:
    model = trained(SMALL).float()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        (levels, taps), (wanted_levels, wanted) = (net.forward_taps(x) for net in (fold(model), model))
    assert [level.dtype for level in levels] == [level.dtype for level in wanted_levels]
    gates = [(taps[stage].gate, wanted[stage].gate) for stage in range(1, 5)]
    assert all(gate is not None and other is not None and gate.dtype == other.dtype for gate, other in gates)


def test_each_weight_keeps_its_dtype() -> None:
    model = trained(SMALL).bfloat16()
    for block in model.stages:
        memory = block[0].global_branch.mixer  # type: ignore[index, union-attr]
        memory.initial.data = memory.initial.data.float()  # type: ignore[union-attr]
    x = torch.randn(1, 3, 64, 64, dtype=torch.bfloat16)
    folded = fold(model)
    with torch.no_grad():
        assert folded(x).dtype == torch.bfloat16
        torch.testing.assert_close(folded(x), model(x), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    "changes",
    [{"global_branch": "titans"}, {"global_branch": "cbam"}, {"memory": "none"}, {"memory_layers": 2},
     {"max_state_norm": 5.0}, {"dims": (13, 19, 20, 21)}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_folded_stays_as_it_is(changes: dict[str, Any]) -> None:
    model = trained(SMALL.replace(**changes))
    folded = fold(model)
    assert not folded_branches(folded)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(folded(x), model(x))


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_saved_is_what_the_formulas_say(name: str) -> None:
    config = VARIANTS[name]
    with torch.device("meta"):
        model = ConvNeur(config).eval()
        x = torch.empty(1, 3, 224, 224)
    saved = 0
    for stage, (height, width) in enumerate(stage_sizes(224, 224), start=1):
        if folds(config, stage):
            tokens, c, m = height * width, config.dims[stage - 1], config.mem_dim
            chunks = model.chunks(224, 224)[stage - 1]
            written = tokens - 196  # the last chunk is not
            before = tokens * (2 * c * m + 4 * m * m) + written * 2 * m * m + (chunks - 1) * (m**3 + 3 * m)
            after = (
                tokens * (2 * c * m + c * c + c * m) + written * (m * m + c * m) + (chunks - 1) * (m * m * c + 3 * c)
            )
            saved += before - after
    plain, folded = count(model, x), count(fold(model), x)
    assert plain.macs - folded.macs == saved
    assert 0.86 < folded.macs / plain.macs < 0.89
    assert folded.launches is not None
    assert plain.launches is not None
    assert folded.launches <= plain.launches


def test_a_folded_net_is_for_inference_alone(tmp_path: Any) -> None:
    model = trained(SMALL)
    folded = fold(model.train())
    assert not folded.training
    assert model.training
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert isinstance(model.stages[0][0].global_branch, GlobalBranch)
    with pytest.raises(ValueError, match="save the one it was folded from"):
        save_checkpoint(folded, tmp_path / "folded.safetensors")
    assert not list(tmp_path.iterdir())
    again = fold(folded)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    assert torch.equal(again(x), folded(x))
