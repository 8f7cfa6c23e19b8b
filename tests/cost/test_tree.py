"""The tree of modules: sums, bytes written out by hand, depth."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import convneur
from convneur.cost import count
from convneur.errors import ConfigError


class Block(nn.Module):
    """A convolution and a norm, added to the input by the block itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.norm(self.conv(x))
        return added


def test_bytes_and_intensity_by_hand() -> None:
    counted = count(nn.Sequential(Block(), Block()).to("meta"), torch.empty(1, 4, 8, 8, device="meta"))
    tree = counted.tree(2)
    assert tree is not None
    rows = {(row.module, row.rest): row for row in tree.rows}
    image, weights, norm = 4 * 4 * 8 * 8, 4 * 4 * 4 * 9, 4 * 4
    assert rows["0.conv", False].moved_bytes == 2 * image + weights
    assert rows["0.norm", False].moved_bytes == 2 * image + 4 * norm
    assert rows["0", True].moved_bytes == 3 * image
    assert rows["0", False].moved_bytes == 7 * image + weights + 4 * norm
    assert rows["0.conv", False].intensity == 2 * 4 * 4 * 9 * 64 / (2 * image + weights)
    assert [row.module for row in tree.rows if row.depth == 1] == ["0", "1"]
    assert rows["", False].moved_bytes == counted.moved_bytes == 2 * rows["0", False].moved_bytes
    assert rows["", False].params == counted.params
    assert rows["0", False].launches == 3


@pytest.mark.parametrize(
    ("moves", "moved"),
    [
        (lambda x: x.expand(5, -1, -1) + 1, 400 + 5 * 400),  # read once, however often it is repeated
        (lambda x: x[:, torch.tensor([0, 1], device=x.device)], 2 * 40 + 16 + 2 * 40 - 16),  # what is looked up
        (lambda x: torch.zeros_like(x).copy_(x), 400 + 800),
        (lambda x: x.view(-1).relu_(), 800),
    ],
)
def test_bytes_of_views_lookups_and_operators_in_place(
    calling: Callable[..., nn.Module], moves: Callable[[Tensor], Tensor], moved: int
) -> None:
    assert count(calling(moves), torch.empty(10, 10, device="meta")).moved_bytes == moved


def test_every_depth_holds_the_whole_and_a_report_its_trees() -> None:
    report = convneur.cost.analyze("m1", sizes=64, by="module", depth=3, memory="per-stage", verdict=False)
    (tree,) = report.trees
    cost = report.models[0].counted["64"]
    for depth in (0, 1, 3):
        found = cost.tree(depth)
        assert found is not None
        leaves = [row for row in found.rows if row.rest or not any(_is_inside(other, row) for other in found.rows)]
        for amount in ("params", "macs", "moved_bytes", "launches", "elementwise"):
            assert sum(getattr(row, amount) for row in leaves) == getattr(found.rows[0], amount)
    assert report.to_dict()["models"][0]["tree"]["64"] == [row.to_dict() for row in tree.rows]
    assert {row["module"] for row in report.records()} == {row.module for row in tree.rows}
    assert "stages.0.0" in str(report)


def _is_inside(row: object, other: object) -> bool:
    mine, theirs = getattr(row, "module"), getattr(other, "module")  # noqa: B009
    return row is not other and (mine.startswith(f"{theirs}.") or not theirs or (mine == theirs))


def test_the_papers_convention_leaves_its_products_out_of_the_tree() -> None:
    report = convneur.cost.analyze("m1", sizes=64, by="module", depth=0, convention="paper", verdict=False)
    assert (
        report.trees[0].rows[0].macs == report.models[0].counted["64"].macs < report.models[0].counted["64"].macs_full
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"depth": 2}, "set `by` to module"),
        ({"depth": -1, "by": "module"}, "must be 0 to 100"),
        ({"depth": 2, "by": "module", "counter": "fvcore"}, "needs the dispatch counter"),
    ],
)
def test_a_depth_that_cannot_be(asked: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        convneur.cost.analyze("m1", **asked)
