"""The paper's printed costs beside ours: the figures, the rule of the verdict, and what a row says."""

import dataclasses
import re
from decimal import Decimal
from functools import cache

import pytest

from convneur import VARIANTS
from convneur.cost import ModelCounter
from convneur.cost.printed import PrintedCost, TableRow, compare_printed, printed_costs

# Derived from the printed figures, GMACs by the paper's convention and parameters in millions.
DERIVED = {
    ("imagenet", "m1", "224x224"): (0.70450, 4.317092),
    ("imagenet", "m2", "224x224"): (1.00466, 6.105748),
    ("imagenet", "m3", "224x224"): (1.76423, 10.608500),
    ("imagenet", "m4", "224x224"): (3.06606, 18.036460),
    ("placement", "m3", "none"): (1.395, None),
    ("placement", "m3", "per-stage"): (1.764, 10.608500),
    ("placement", "m3", "per-layer"): (2.349, None),
    ("branch", "m3", "cbam"): (1.492, None),
    ("branch", "m3", "non-local"): (2.970, None),
    ("branch", "m3", "self-attention"): (1.764, None),
    ("branch", "m3", "ir-rwkv"): (1.969, None),
    ("branch", "m3", "titans"): (2.868, None),
    ("branch", "m3", "neural-memory"): (1.764, 10.608500),
    ("fusion", "m3", "addition"): (1.764, 10.608500),
    ("fusion", "m3", "concat"): (1.867, 10.608500 + 0.696320),
    ("fusion", "m3", "gating"): (1.764, 10.608500),
    ("mem-dim", "m3", "64"): (1.511, None),
    ("mem-dim", "m3", "128"): (1.764, 10.608500),
    ("mem-dim", "m3", "256"): (2.679, None),
    ("segmentation", "m2", "semantic-fpn"): (106.20, None),
    ("segmentation", "m4", "upernet"): (908.29, None),
}


@cache
def rows() -> dict[tuple[str, str, str], TableRow]:
    return {key_of(printed): compare_printed(printed) for printed in printed_costs()}


def key_of(printed: PrintedCost) -> tuple[str, str, str]:
    return printed.table, printed.model, printed.setting


def branch(setting: str) -> TableRow:
    return rows()["branch", "m3", setting]


def test_every_printed_cost_of_convneur_is_a_row_and_no_other_net_is() -> None:
    assert [key_of(printed) for printed in printed_costs()] == list(DERIVED)


@pytest.mark.parametrize("key", DERIVED, ids=" ".join)
def test_ours_are_the_derived_figures(key: tuple[str, str, str]) -> None:
    gmacs, params = DERIVED[key]
    row = rows()[key]
    # Half of the last digit given.
    assert row.paper_gmacs == pytest.approx(gmacs, rel=5e-4)
    assert row.full_gmacs >= row.paper_gmacs
    assert params is None or row.params_m == pytest.approx(params, abs=1e-9)
    assert row.difference == pytest.approx(row.paper_gmacs / float(row.printed.gmacs) - 1)


def test_all_rows_but_titans_are_reproduced() -> None:
    assert [key for key, row in rows().items() if row.verdict == "differs"] == [("branch", "m3", "titans")]


def test_the_dense_nets_are_the_papers() -> None:
    for printed in printed_costs()[-2:]:
        assert (printed.height, printed.width) == (512, 2048)
        assert (printed.config.num_classes, printed.config.chunk_length) == (150, 4096)
        assert rows()[key_of(printed)].why.endswith(
            "at 512x2048, 150 classes, chunks of 4096; decode head without an auxiliary one"
        )


def test_the_full_count_has_what_the_convention_leaves_out() -> None:
    assert branch("self-attention").full_gmacs == pytest.approx(4.450, abs=5e-4)
    assert branch("neural-memory").full_gmacs == pytest.approx(1.918, abs=5e-4)
    for setting in ("cbam", "non-local", "ir-rwkv"):
        assert branch(setting).full_gmacs == branch(setting).paper_gmacs


def test_attention_rows_say_what_becomes_of_its_products() -> None:
    tokens = [56**2, 28**2, 14**2, 7**2]
    squares = sum(n * n for n in tokens)
    left_out = f"the paper leaves out its attention products, {2 * 128 * squares / 1e9:.3f} GMACs"
    assert branch("self-attention").why == f"rounds to 1.8; {left_out}"
    counted = f"its attention products are in, {2 * 64 * squares / 1e9:.3f} GMACs"
    assert branch("non-local").why.startswith(f"rounds to 3.0; {counted}")


def test_titans_misses_both_without_and_with_its_attention_products() -> None:
    row = branch("titans")
    # Per stage: every token asks 16 persistent tokens, its segment's recalled tokens and the segment itself.
    products = sum(2 * 128 * n * (16 + 2 * min(n, 196)) for n in (56**2, 28**2, 14**2, 7**2)) / 1e9
    complete = row.paper_gmacs + products
    assert complete == pytest.approx(3.299, abs=5e-4)
    assert complete < row.full_gmacs  # which has the memory's updates too
    assert row.why.startswith("7.5% under 3.1; ")
    assert f"with them {complete:.3f}, {complete / 3.1 - 1:.1%} over 3.1" in row.why
    assert "not tuned to the printed value" in row.why


def test_titans_numbers_are_counted() -> None:
    printed = branch("titans").printed
    narrow = dataclasses.replace(printed, config=printed.config.replace(mem_dim=64), gmacs=Decimal("1.8"))
    why = compare_printed(narrow).why
    assert "3.299" not in why
    (complete,) = re.findall(r"with them (\d\.\d{3})", why)
    cost = ModelCounter(narrow.config).at(224, 224)
    assert cost.macs_paper / 1e9 < float(complete) < cost.macs_full / 1e9


def test_concatenation_is_held_to_its_extra_parameters() -> None:
    row = rows()["fusion", "m3", "concat"]
    assert row.why == "rounds to 1.9; adds 0.696 M parameters: rounds to 0.7"
    more = dataclasses.replace(row.printed, extra_params_m=Decimal("0.8"))
    assert compare_printed(more).verdict == "differs"


@pytest.mark.parametrize(
    ("gmacs", "params", "verdict", "why"),
    [
        ("0.7", None, "reproduced", "rounds to 0.7"),
        ("0.70", None, "reproduced", "rounds to 0.70"),
        ("0.705", None, "reproduced", "0.1% under 0.705, within 1%"),
        ("0.71", None, "reproduced", "0.8% under 0.71, within 1%"),
        ("0.698", None, "reproduced", "0.9% over 0.698, within 1%"),
        ("0.697", None, "differs", "1.1% over 0.697"),
        ("0.712", None, "differs", "1.1% under 0.712"),
        ("0.70", "4.3", "reproduced", "rounds to 0.70; parameters: rounds to 4.3"),
        ("0.70", "4.5", "differs", "rounds to 0.70; parameters: 4.1% under 4.5"),
        ("1", "4.3", "reproduced", "rounds to 1; parameters: rounds to 4.3"),
    ],
)
def test_the_rule(gmacs: str, params: str | None, verdict: str, why: str) -> None:
    # m1 costs 0.70450 G (704 497 440) and has 4.317 M parameters.
    printed = PrintedCost(
        table="imagenet",
        model="m1",
        setting="224x224",
        config=VARIANTS["m1"],
        height=224,
        width=224,
        gmacs=Decimal(gmacs),
        params_m=None if params is None else Decimal(params),
    )
    row = compare_printed(printed)
    assert (row.verdict, row.why) == (verdict, why)
