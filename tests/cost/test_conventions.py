"""The variants' and ablations' figures, and the ways to split a count."""

from typing import Any

import pytest

from convneur import VARIANTS, ConfigError
from convneur.cost import CountingError, ModelCounter
from convneur.cost.conventions import BRANCHES
from convneur.cost.model_counter import twin_of

# Derived from the printed figures: parameters, multiply-adds at 224 by the paper's convention, and all of them.
FIGURES = {
    "m1": (4_317_092, 704_497_440, 758_871_840),
    "m2": (6_105_748, 1_004_655_552, 1_085_608_896),
    "m3": (10_608_500, 1_764_230_400, 1_917_584_640),
    "m4": (18_036_460, 3_066_060_352, 3_382_758_976),
}
PRINTED_GMACS = {"m1": 0.7045, "m2": 1.0047, "m3": 1.7642, "m4": 3.0661}


@pytest.mark.parametrize("name", VARIANTS)
def test_figures_of_the_variants(name: str) -> None:
    net = ModelCounter(VARIANTS[name])
    cost = net.at(224, 224)
    assert (net.params, cost.macs_paper, cost.macs_full) == FIGURES[name]
    assert cost.macs_paper / 1e9 == pytest.approx(PRINTED_GMACS[name], rel=1e-3)
    assert cost.chunks == (16, 4, 1, 1)


@pytest.mark.parametrize(
    ("settings", "gmacs"),
    [
        ({"memory": "none"}, 1.395),
        ({"memory": "per-layer"}, 2.349),
        ({"mem_dim": 64}, 1.511),
        ({"mem_dim": 256}, 2.679),
        ({"fusion": "concat"}, 1.867),
    ],
)
def test_ablations_of_m3_in_the_papers_convention(settings: dict[str, Any], gmacs: float) -> None:
    assert ModelCounter(VARIANTS["m3"].replace(**settings)).at(224, 224).macs_paper / 1e9 == pytest.approx(
        gmacs, abs=5e-4
    )


def test_concatenation_costs_its_projection() -> None:
    gating, concat = (ModelCounter(VARIANTS["m3"].replace(fusion=fusion)) for fusion in ("gating", "concat"))
    assert concat.params - gating.params == 2 * (64**2 + 128**2 + 256**2 + 512**2)
    assert gating.at(224, 224).branches["fusion"] == 0
    assert concat.at(224, 224).branches["fusion"] == 2 * sum(c * c * (64 * 56 // c) ** 2 for c in (64, 128, 256, 512))


def test_the_full_count_adds_the_updates_products() -> None:
    # Written chunks: k^T k and k^T v over their tokens, then P M: 2 L m^2 + m^3 each. Unread writes are not executed.
    m, length = 128, 196
    written = (16 - 1) + (4 - 1)
    cost = ModelCounter(VARIANTS["m3"]).at(224, 224)
    assert cost.macs_full - cost.macs_paper == written * (2 * length * m**2 + m**3)


def test_the_papers_convention_keeps_self_attentions_projections() -> None:
    cost = ModelCounter(twin_of(VARIANTS["m3"], "self-attention")).at(224, 224)
    tokens = [56**2, 28**2, 14**2, 7**2]
    assert cost.macs_full - cost.macs_paper == 2 * 128 * sum(n * n for n in tokens)
    assert cost.macs_paper / 1e9 == pytest.approx(1.764, abs=5e-4)


@pytest.mark.parametrize("convention", ["all", "paper"])
@pytest.mark.parametrize("counter", ["dispatch", "fvcore"])
def test_every_view_sums_to_the_total(convention: Any, counter: Any) -> None:
    config = VARIANTS["m1"].replace(fusion="concat", chunk_length=64)
    cost = ModelCounter(config, counter=counter).at(96, 128, convention=convention)
    assert cost.macs == (cost.macs_full if convention == "all" else cost.macs_paper)
    assert tuple(cost.branches) == BRANCHES
    for view in (cost.branches, cost.by_module(), cost.by_operator()):
        assert sum(view.values()) == cost.macs
    assert cost.flops == 2 * cost.macs
    assert cost.global_share == cost.branches["global"] / cost.macs


@pytest.mark.parametrize("name", VARIANTS)
def test_few_operators_are_launched(name: str) -> None:
    """At such a size a GPU's time is launches: the marks are 400 for a net, 150 for its four memories."""
    cost = ModelCounter(VARIANTS[name]).at(224, 224)
    launches = cost.branch_launches
    assert launches is not None
    assert sum(launches.values()) == cost.count.launches
    assert cost.count.launches <= 400
    assert 0 < launches["global"] <= 150
    assert ModelCounter(VARIANTS[name], counter="fvcore").at(32, 32).branch_launches is None


def test_fvcore_reaches_the_same_figures() -> None:
    first, second = (ModelCounter(VARIANTS["m1"], counter=counter).at(96, 96) for counter in ("dispatch", "fvcore"))
    assert (first.macs_full, first.macs_paper, first.branches) == (second.macs_full, second.macs_paper, second.branches)


def test_local_only_twin_has_no_global_branch() -> None:
    cost = ModelCounter(twin_of(VARIANTS["m1"], "local-only")).at(224, 224)
    assert cost.branches["global"] == 0
    assert cost.chunks == (0, 0, 0, 0)
    assert cost.macs_full == cost.macs_paper


def test_a_net_without_global_branches_has_no_attention_twin() -> None:
    with pytest.raises(ConfigError, match=r"memory none: .*leave out `compare self-attention`"):
        twin_of(VARIANTS["m1"].replace(memory="none"), "self-attention")


def test_a_size_that_the_net_refuses() -> None:
    net = ModelCounter(VARIANTS["m1"])
    with pytest.raises(CountingError, match="at least 32x32"):
        net.at(31, 64)
    assert net.at(32, 64).macs > 0
