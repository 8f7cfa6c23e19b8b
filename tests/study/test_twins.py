"""Twins by name and by settings, and seeds."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convneur.errors import ConfigError
from convneur.study.run import _more_twins
from convneur.study.twins import read_seeds, read_twins, same_models
from convneur.variants import VARIANTS, ConvNeurConfig

BASE = ConvNeurConfig(dims=(8, 8, 8, 8), mem_dim=8, chunk_length=8, head="light-fpn", num_classes=2)


def test_four_lengths_and_settings_of_the_base_reach_the_twins() -> None:
    base = BASE.replace(memory="none", head="semantic-fpn")
    twins = read_twins("per-layer:chunk-length=9/8/7/6,titans:step_size=0.5, none", base)
    assert twins["per-layer:chunk-length=9/8/7/6"] == base.replace(memory="per-layer", chunk_length=(9, 8, 7, 6))
    assert twins["titans:step_size=0.5"] == base.replace(memory="per-stage", global_branch="titans", step_size=0.5)
    assert twins["none"] == base
    assert twins == read_twins(list(twins), base)


def test_twins_by_names_of_ones_own_are_alike_but_for_what_they_name() -> None:
    twins = read_twins({"local only": {"memory": "none"}, "wide": {"mem_dim": 16}, "m1": VARIANTS["m1"]}, BASE)
    assert twins["local only"] == BASE.replace(memory="none")
    assert twins["wide"] == BASE.replace(mem_dim=16)
    assert twins["m1"] == VARIANTS["m1"].replace(head="light-fpn", num_classes=2)
    assert same_models({**twins, "again": twins["wide"]}) == [("wide", "again")]


@pytest.mark.parametrize(
    ("twins", "words"),
    [
        ({"a": {"memory": "none", "min_chunks": 4}}, "twins a: without a memory min_chunks does nothing"),
        ({"a": {"head": "upernet"}}, "twins a: head is the same for all twins"),
        ({"a": {"colour": 1}}, "twins a: colour: is not a setting"),
        ({"a": {"mem_dim": 0}}, "twins a: mem_dim 0: must be"),
        ({"../a": {"memory": "none"}}, "twins ../a: is no name of a folder"),
        ({"": {"memory": "none"}}, "twins : is no name of a folder"),
        ({"a:b": {}, "a-b": {}}, "twins a-b: would share a folder with a:b"),
        ({}, "twins : name one at least"),
        ([], "twins : name one at least"),
        (["none", "none"], "twins none: is there twice"),
    ],
)
def test_twins_that_cannot_be(twins: Any, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_twins(twins, BASE)
    assert str(raised.value).startswith(words)


def test_seeds_are_a_number_or_a_list() -> None:
    assert [read_seeds(given) for given in ("3", "0,5", "7,", 2, [4, 1], np.arange(2))] == [
        (0, 1, 2), (0, 5), (7,), (0, 1), (4, 1), (0, 1)
    ]  # fmt: skip
    for given in ("", "many", "1,,2", 0, -1, [], [1, 1], [-1], None):
        with pytest.raises(ConfigError, match="give how many"):
            read_seeds(given)  # type: ignore[arg-type]


def test_one_seed_with_many_digits_is_not_as_many_seeds() -> None:
    with pytest.raises(ConfigError, match="more than 1000 runs of each twin; the one seed 20240101 is written"):
        read_seeds("20240101")
    assert read_seeds("20240101,") == (20240101,)


def test_a_study_that_goes_on_with_twins_of_one_folder_is_refused() -> None:
    base = VARIANTS["m1"]
    begun = SimpleNamespace(twins=read_twins("none,per-stage:chunks=4", base))
    with pytest.raises(ConfigError, match="would share a folder with per-stage:chunks=4; rename one"):
        _more_twins(begun, {"per-stage-chunks=4": {"mem_dim": 32}}, base)  # type: ignore[arg-type]
