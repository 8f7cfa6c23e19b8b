"""Area ratios against values computed by hand, and what makes RepLKNet's depend on the gradient's scale."""

import numpy as np
import pytest

from convneur.reach.ratios import area_ratios, replknet_map, replknet_ratios


def box_map() -> np.ndarray:
    """What six 3x3 mean filters see from the middle of 65x65: the outer product of a box folded six times."""
    line = np.ones(1)
    for _ in range(6):
        line = np.convolve(line, np.ones(3) / 3)
    line = np.pad(line, (65 - len(line)) // 2)
    return np.outer(line, line)


def test_of_boxes() -> None:
    ratios = area_ratios(box_map(), (32, 32))
    assert {share: ratio and round(ratio * 4225) for share, ratio in ratios.items()} == {20: 9, 30: 25, 50: 25, 99: 121}


@pytest.mark.parametrize(("side", "sides"), [(224, (101, 123, 159, 223)), (225, (101, 125, 161, 225))])
def test_of_a_uniform_map(side: int, sides: tuple[int, ...]) -> None:
    ratios = area_ratios(np.ones((side, side)), (side // 2, side // 2))
    assert [ratio and round(ratio * side * side) for ratio in ratios.values()] == [each**2 for each in sides]


def test_a_square_is_cut_at_the_border() -> None:
    corner = np.zeros((10, 20))
    corner[:2, :3] = 1
    ratios = area_ratios(corner, (0, 0))
    assert ratios == {20: 4 / 200, 30: 4 / 200, 50: 4 / 200, 99: 9 / 200}


def test_scale_counts_in_replknets_alone() -> None:
    values = box_map()
    sides = [round((replknet_ratios(replknet_map(scale * values))[50] or 0) ** 0.5 * 65) for scale in (1, 1e3, 1e6)]
    assert sides == [5, 7, 9]
    assert len({area_ratios(scale * values, (32, 32))[50] for scale in (1, 1e3, 1e6)}) == 1
    assert replknet_ratios(np.ones((65, 65)))[99] is None


def test_nothing_has_no_area() -> None:
    for values in (np.zeros((8, 8)), np.full((8, 8), np.nan)):
        assert set(area_ratios(values, (4, 4)).values()) == {None}
        assert set(replknet_ratios(values).values()) == {None}
