"""The packaged figures of the paper: their digits, and that they travel with the package."""

import subprocess
import sys
import tomllib
from dataclasses import FrozenInstanceError
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest

from convneur import VARIANTS
from convneur.published import published


def test_the_variants_keep_their_printed_digits() -> None:
    rows = published().imagenet
    assert [row.model for row in rows] == list(VARIANTS)
    assert [str(row.gmacs) for row in rows] == ["0.71", "1.0", "1.8", "3.06"]
    assert [str(row.params_m) for row in rows] == ["4.3", "6.1", "10.6", "18.1"]
    assert [row.top1 for row in rows] == [75.4, 77.6, 80.0, 81.5]


def test_other_nets_have_no_parameters_printed_here() -> None:
    others = {row.model: row for row in published().others}
    assert len(others) == 6
    assert others["PVT-M"].gmacs == Decimal("6.7")
    assert others["PVT-M"].params_m is None


def test_each_ablation_has_one_default() -> None:
    paper = published()
    defaults = {"per-stage", "neural-memory", "gating", "128"}
    tables = (paper.placement, paper.branch, paper.fusion, paper.mem_dim)
    assert {row.setting for table in tables for row in table if row.default} == defaults
    assert [len(table) for table in tables] == [3, 6, 3, 3]
    assert all(row.gmacs == Decimal("1.8") and row.top1 == 80.0 for table in tables for row in table if row.default)


def test_concatenation_alone_prints_extra_parameters() -> None:
    paper = published()
    rows = [*paper.placement, *paper.branch, *paper.fusion, *paper.mem_dim]
    assert [(row.setting, row.extra_params_m) for row in rows if row.extra_params_m is not None] == [
        ("concat", Decimal("0.7"))
    ]


def test_segmenters_name_heads_as_configs_do() -> None:
    ours = [row for row in published().segmentation if row.model in VARIANTS]
    assert [(row.model, row.head, str(row.gmacs), row.height, row.width) for row in ours] == [
        ("m2", "semantic-fpn", "106", 512, 2048),
        ("m4", "upernet", "908", 512, 2048),
    ]
    for row in ours:
        VARIANTS[row.model].replace(head=row.head)  # refuses a head that it does not know
    assert {row.model for row in published().segmentation} > {"m2", "m4"}


@pytest.mark.parametrize(
    ("memory", "branch", "fusion", "top1"),
    [
        ("per-stage", "neural-memory", "gating", 80.0),
        ("none", "self-attention", "concat", 78.2),
        ("per-layer", "neural-memory", "gating", 80.4),
        ("per-layer", "self-attention", "gating", None),
        ("per-stage", "cbam", "gating", 78.4),
        ("per-stage", "neural-memory", "addition", 79.6),
        ("per-stage", "titans", "addition", None),
    ],
)
def test_an_ablation_is_found_by_what_a_net_is(memory: str, branch: str, fusion: str, top1: float | None) -> None:
    assert published().ablated_top1(memory=memory, global_branch=branch, fusion=fusion) == top1


def test_it_is_read_once_and_cannot_be_changed() -> None:
    assert published() is published()
    with pytest.raises(FrozenInstanceError):
        published().imagenet[0].top1 = 100  # type: ignore[misc]


def test_the_file_is_packaged() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert "published.json" in project["tool"]["setuptools"]["package-data"]["convneur"]
    assert files("convneur").joinpath("published.json").is_file()


def test_reading_loads_nothing_heavy() -> None:
    code = (
        "import sys; from convneur.published import published; published();"
        "assert not {'torch', 'numpy', 'matplotlib'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
