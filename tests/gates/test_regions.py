"""Object, background and edges at a stage's positions, by maps drawn by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convneur.gates.regions import gradient_regions, mask_regions


def drawn(*lines: str) -> np.ndarray:
    """A mask: # object, . background, ? void."""
    return np.array([[{"#": 1, ".": 0, "?": -1}[sign] for sign in line] for line in lines], np.int8)


def test_positions_count_by_the_share_of_their_pixels() -> None:
    mask = drawn(
        "......##",
        "......##",
        ".....?##",
        "..#..???",
    )
    regions = mask_regions(mask, (2, 4))
    np.testing.assert_array_equal(regions.foreground, [[0, 0, 0, 1], [0, 0.25, 0, 0.5]])
    np.testing.assert_array_equal(regions.background, [[1, 1, 1, 0], [1, 0.75, 0.5, 0]])
    assert regions.against == "mask"


def test_edge_positions_hold_a_pixel_of_the_contour() -> None:
    mask = drawn(
        "........",
        "........",
        "...##...",
        "...##...",
        "........",
        "........",
        "........",
        "........",
    )
    # The contour's outer pixels reach rows 1 to 4 and columns 2 to 5.
    np.testing.assert_array_equal(
        mask_regions(mask, (4, 4)).edges, [[0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(mask_regions(mask, (4, 4)).plain, 1 - mask_regions(mask, (4, 4)).edges)


def test_a_soft_mask_counts_by_its_shares_and_has_its_outline_at_one_half() -> None:
    mask = np.array([[0, 0.25, 0.75, 1], [0, 0.25, -1, 1]])
    regions = mask_regions(mask, (1, 2))
    np.testing.assert_allclose(regions.foreground, [[0.125, (0.75 + 1 + 1) / 4]])
    np.testing.assert_allclose(regions.background, [[1 - 0.125, 0.25 / 4]])
    np.testing.assert_array_equal(mask_regions(mask, (2, 4)).edges, [[0, 1, 1, 0], [0, 0, 1, 1]])


def test_the_border_of_the_image_is_no_edge_and_void_is_outside_the_object() -> None:
    whole = mask_regions(drawn("####", "####"), (2, 4))
    assert whole.edges.sum() == whole.background.sum() == 0
    ringed = mask_regions(drawn("##??..", "##??.."), (2, 6))
    np.testing.assert_array_equal(ringed.edges[0], [0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(ringed.plain[0], [1, 0, 0, 0, 1, 1])


@given(st.integers(5, 40), st.integers(5, 40), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_positions_share_all_pixels_between_them(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(-1, 2, (height, width)).astype(np.int8)
    regions = mask_regions(mask, (rows, columns))
    owner = np.ravel_multi_index(
        np.meshgrid(np.arange(height) * rows // height, np.arange(width) * columns // width, indexing="ij"),
        (rows, columns),
    )
    for region, kind in ((regions.foreground, 1), (regions.background, 0)):
        found = [(mask[owner == cell] == kind).mean() for cell in range(rows * columns)]
        np.testing.assert_allclose(region.ravel(), found)


def test_without_a_mask_edges_are_steep_and_background_is_flat() -> None:
    """A step of grey between columns 9 and 10 of 20: central differences see it in both columns."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = 200
    pixels[:20, 8:12] = 20  # a fainter stripe, column 2 of the stage
    regions = gradient_regions(pixels, (10, 20))
    assert regions.against == "gradients"
    assert set(zip(*np.nonzero(regions.edges), strict=True)) == {
        (row, column) for row in range(10) for column in (9, 10)
    }
    np.testing.assert_array_equal(regions.plain, 1 - regions.edges)
    np.testing.assert_array_equal(regions.foreground + regions.background, 1)
    assert regions.foreground[:4, [1, 3, 9, 10]].all()
    assert regions.background[:, 14:].all()


def test_edges_of_colour_alone_are_edges() -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40, 0] = pixels[:, 40:, 1] = 90
    assert gradient_regions(pixels, (10, 20)).edges[:, 9:11].all()


def test_a_small_thing_on_a_plain_ground_keeps_its_edges() -> None:
    pixels = np.full((80, 80, 3), 240, np.uint8)
    pixels[40:44, 40:44] = 10
    edges = gradient_regions(pixels, (20, 20)).edges
    assert edges.sum() == 4  # the four neighbours of position (10, 10)
    assert edges[9, 10] == edges[11, 10] == edges[10, 9] == edges[10, 11] == 1


@pytest.mark.parametrize("ramp", [0, 3])
def test_a_photo_without_variation_has_no_edges_and_one_of_even_slope_neither(ramp: int) -> None:
    pixels = np.broadcast_to((np.arange(64) * ramp).astype(np.uint8)[None, :, None], (64, 64, 3))
    regions = gradient_regions(pixels, (16, 16))
    assert regions.edges.sum() == 0
    assert regions.foreground.sum() == 0


def test_stages_of_a_row_or_a_single_position() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 96, 3), dtype=np.uint8)
    assert gradient_regions(pixels, (1, 3)).edges.shape == (1, 3)
    assert gradient_regions(pixels, (1, 1)).edges.sum() == 0
