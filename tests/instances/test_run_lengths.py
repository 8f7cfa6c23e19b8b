"""Run lengths against masks of pixels."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from convneur.data.run_lengths import (
    bounding_boxes,
    inner_band,
    intersections,
    mask_of_counts,
    mask_of_pixels,
    mask_of_text,
)
from convneur.errors import InputError

Mask = npt.NDArray[np.bool_]


def masks() -> Iterator[Mask]:
    """Empty, full, noise, stripes and smooth ones of all shapes."""
    random = np.random.default_rng(7)
    for number in range(150):
        height, width = random.integers(1, 30, 2)
        noise = ndimage.gaussian_filter(random.standard_normal((height, width)), random.integers(0, 5))
        yield np.full((height, width), number % 2 == 1) if number < 6 else noise > 0


def counts_of(mask: Mask) -> list[int]:
    counts, last = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != last:
            counts.append(0)
            last = pixel
        counts[-1] += 1
    return counts


def compressed(counts: list[int]) -> str:
    """COCO's text, written anew from its description."""
    text = ""
    for at, count in enumerate(counts):
        rest = count - counts[at - 2] if at > 2 else count
        while True:
            group, rest = rest & 31, rest >> 5
            done = rest == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if done else 32))
            if done:
                break
    return text


def test_columns_of_a_mask() -> None:
    for mask in masks():
        columns, found = mask_of_pixels(mask).columns()
        filled = np.flatnonzero(mask.any(0)).tolist()
        assert (columns.start, columns.stop) == ((filled[0], filled[-1] + 1) if filled else (0, 0))
        assert np.array_equal(found, mask[:, columns])


def test_masks_come_back_from_counts_and_text() -> None:
    for mask in masks():
        counts = counts_of(mask)
        for found in (
            mask_of_counts(counts, mask.shape),
            mask_of_text(compressed(counts), mask.shape),
            mask_of_pixels(mask),
        ):
            assert np.array_equal(found.pixels(), mask)
            assert found.area == mask.sum()


def test_the_text_of_a_known_mask() -> None:
    # From a results file of other hands: a square of 20 pixels at (4, 4) of an image of 96 x 128.
    mask = mask_of_text("T<d0\\20000000000000000000000000000000000000lg9", (96, 128))
    wanted = np.zeros((96, 128), bool)
    wanted[4:24, 4:24] = True
    assert np.array_equal(mask.pixels(), wanted)


def test_runs_of_no_pixels_join_their_neighbours() -> None:
    mask = mask_of_counts([0, 3, 0, 2, 4, 0, 3], (3, 4))
    assert (mask.starts.tolist(), mask.ends.tolist()) == ([0], [5])


def test_bands_are_what_erosion_leaves() -> None:
    for number, mask in enumerate(masks()):
        depth = 1 + number % 4
        eroded = ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=depth)
        assert np.array_equal(inner_band(mask_of_pixels(mask), depth).pixels(), mask & ~eroded)


def test_intersections_and_boxes() -> None:
    random = np.random.default_rng(3)
    shape = (17, 23)
    pixels = [random.random(shape) < share for share in (0, 0.05, 0.4, 0.9, 1)]
    found = [mask_of_pixels(mask) for mask in pixels]
    at = np.arange(5)
    a, b = at.repeat(5), np.tile(at, 5)
    wanted = [int((pixels[one] & pixels[other]).sum()) for one, other in zip(a, b, strict=True)]
    assert intersections(found, found, a, b).tolist() == wanted
    for mask, box in zip(pixels[1:], bounding_boxes(found)[1:].tolist(), strict=True):
        y, x = np.nonzero(mask)
        assert box[2:] == [x.min(), x.max() + 1]
        assert box[0] <= y.min()
        assert box[1] >= y.max() + 1
    assert bounding_boxes(found)[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no run lengths"),
        ("5", "5 pixels, its image 12 (3x4)"),
        ("<0Q", "no run lengths"),  # cut short: its last character says that more follow
        ("é1", None),
        ("ooooooooo0", "more pixels than any image has"),
        ("O0", "its runs hold one of -1 pixels, its image "),
    ],
)
def test_a_text_that_is_no_mask(text: str, problem: str | None) -> None:
    with pytest.raises(InputError) as error:
        mask_of_text(text, (3, 4))
    if problem:
        assert problem in str(error.value)


@pytest.mark.parametrize("counts", [[], [13], [-1, 13], [12, 5], [1 << 39]])
def test_counts_that_are_no_mask(counts: list[int]) -> None:
    with pytest.raises(InputError):
        mask_of_counts(counts, (3, 4))
