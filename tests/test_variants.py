"""Impossible nets are refused by name, before any tensor is made."""

import json
from pathlib import Path
from typing import Any

import pytest

from convneur import PRESETS, VARIANTS, ConfigError, ConvNeurConfig
from convneur.errors import InputError
from convneur.variants import find_config

M1 = VARIANTS["m1"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("memory", "sometimes"), ("global_branch", "lstm"), ("fusion", "sum"), ("read", "never"), ("order", "hilbert"),
        ("dims", (40, 80, 160)), ("dims", (40, 80, 160, 0)), ("depths", (1, 1, 1, 1, 1)), ("depths", (1, 1, 0, 1)),
        ("mem_dim", 0), ("mem_dim", 1.5), ("mem_dim", True), ("kernel_size", 4), ("mlp_ratio", -1),
        ("in_channels", 0), ("num_classes", 0), ("head", "tail"), ("num_heads", 0),
        ("chunk_length", 0), ("chunk_length", (1, 2)), ("memory_layers", 3),
        ("min_chunks", 0), ("chunks", (1, 1, 1, 0)), ("step_size", 0.0), ("step_size", float("nan")),
        ("max_state_norm", 0.0), ("drop_path_rate", 1.0), ("max_state_norm", "much"), ("step_size", float("inf")),
        ("dims", (40, 80, 160, 2**63 - 1)), ("dims", (16384,) * 4), ("depths", (1, 1, 10**9, 1)),
        ("in_channels", 2**53),
        ("num_classes", 10**400), ("mem_dim", 16385), ("chunks", 2**32),
    ],
)  # fmt: skip
def test_impossible_settings_are_named(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=setting) as caught:
        M1.replace(**{setting: value})
    assert "\n" not in str(caught.value)


def test_unknown_and_missing_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="colour"):
        M1.replace(colour="blue")
    with pytest.raises(ConfigError, match="colour"):
        ConvNeurConfig.from_dict({"dims": (1, 2, 3, 4), "colour": "blue"})
    with pytest.raises(ConfigError, match="dims"):
        ConvNeurConfig.from_dict({})
    with pytest.raises(ConfigError, match='drop_path_rate: must be a number, not "much"'):
        ConvNeurConfig.from_dict({"dims": (1, 2, 3, 4), "drop_path_rate": "much"})
    with pytest.raises(ConfigError, match="dims: must be a list, not 3"):
        ConvNeurConfig.from_dict({"dims": 3})
    with pytest.raises(ConfigError, match="settings: must be an object"):
        ConvNeurConfig.from_dict([])  # type: ignore[arg-type]


def test_a_file_of_settings_is_told_of_its_own_keys(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(M1.to_dict() | {"output_stride": 16, "head": "upernet"}))
    with pytest.raises(InputError) as caught:
        find_config(path)
    advice = "16: upernet takes strides 4 to 32; for 16 or 8 choose head none or classifier; correct it"
    assert caught.value.problem == f"output_stride: {advice}"
    path.write_text(json.dumps(M1.to_dict() | {"output_stride": 16, "head": "none"}))
    assert find_config(path).output_stride == 16


def test_attention_needs_a_width_its_heads_divide() -> None:
    with pytest.raises(ConfigError, match="num_heads"):
        M1.replace(global_branch="self-attention", num_heads=3)


def test_settings_per_stage() -> None:
    config = M1.replace(chunk_length=(4, 3, 2, 1), chunks=7)
    assert [config.chunk_length_of(stage) for stage in (1, 2, 3, 4)] == [4, 3, 2, 1]
    assert [config.chunks_of(stage) for stage in (1, 2, 3, 4)] == [7, 7, 7, 7]
    assert M1.chunks_of(1) is None


def test_presets_are_the_papers_chunk_lengths() -> None:
    assert {name: preset["chunk_length"] for name, preset in PRESETS.items()} == {"classification": 196, "dense": 4096}
    for preset in PRESETS.values():
        assert M1.replace(**preset).step_size == 1


@pytest.mark.parametrize(
    ("settings", "leave_out"),
    [
        ({"min_chunks": 2}, "`min_chunks`"),
        ({"model_preset": "dense"}, "`model_preset`"),
        ({"chunk_length": 4, "model_preset": "dense"}, "`chunk_length` and `model_preset`"),
    ],
)
def test_what_to_leave_out_beside_chunks_is_what_was_given(settings: dict[str, Any], leave_out: str) -> None:
    with pytest.raises(ConfigError, match=f"leave out {leave_out}$"):
        find_config("m1", chunks=2, **settings)
