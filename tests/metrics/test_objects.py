"""Connected objects against SciPy's labelling, in both kernels."""

import numpy as np
import pytest
from scipy import ndimage

from convneur.metrics import BoundaryMetrics
from convneur.metrics.boundaries import border_points
from convneur.metrics.kernels import PLAIN, compiled_kernels
from convneur.metrics.objects import object_counts


@pytest.mark.parametrize("seed", range(30))
def test_counts_are_those_of_labelled_masks(seed: int) -> None:
    random = np.random.default_rng(seed)
    ranks = random.integers(0, 3, random.integers(1, 15, 2)).astype(np.uint8)
    ranks = ranks.repeat(3, axis=0).repeat(2, axis=1) if seed % 2 else ranks
    border = border_points(ranks, 2, 4)
    compiled = compiled_kernels()
    for kernels in (PLAIN, *([compiled] if compiled else [])):
        found = object_counts(ranks, kernels.objects_of(ranks, border, 8), 2, [2, 1], kernels.thin_objects)
        assert found.border.tolist() == border.counts().tolist()
        for k in range(2):
            labelled, count = ndimage.label(ranks == k, np.ones((3, 3)))
            assert found.objects[k] == count
            for row, side in enumerate((5, 3)):
                thick = np.unique(labelled[ndimage.binary_erosion(ranks == k, np.ones((side, side)))])
                assert found.thin[row, k] == count - len(thick)


def tolerances_said(gt: np.ndarray, *tolerances: str) -> list[str]:
    metrics = BoundaryMetrics(2, metrics="boundary_f1", tolerance=tolerances)
    metrics.update(gt, gt)
    return [line for line in metrics.compute().sentences() if line.startswith("Tolerance")]


def test_each_object_is_judged_and_lines_are() -> None:
    cells = np.zeros((120, 160), np.uint8)
    cells[::30, ::30] = 1
    (said,) = tolerances_said(ndimage.grey_dilation(cells, (4, 4)), "3px")
    assert "24 of 24 ground-truth objects of 1," in said
    assert said.endswith("add a smaller one such as 1px.")
    line = np.zeros((120, 160), np.uint8)
    line[np.arange(100) + 5, np.arange(100) + 5] = 1
    bent = ndimage.grey_dilation(line + line[:, ::-1], (3, 3))
    assert len(tolerances_said(bent, "3px")) == 1


def test_no_advice_to_take_what_is_taken() -> None:
    line = np.zeros((60, 80), np.uint8)
    line[30] = 1
    (said,) = tolerances_said(line, "1px")
    assert "1px" not in said.removeprefix("Tolerance 1px")
    assert "mIoU" in said
    (coarse,) = tolerances_said(ndimage.grey_dilation(line, (4, 4)), "3px", "1px")
    assert "look at 1px" in coarse
    both = tolerances_said(line, "3px", "1px")
    assert [said.endswith("look at mIoU.") for said in both] == [True, True]


def test_specks_beside_a_large_object_are_not_warned_of() -> None:
    gt = np.zeros((120, 160), np.uint8)
    gt[20:100, 20:140] = 1
    gt[5, 5:150:40] = 1
    assert tolerances_said(gt, "2px") == []
