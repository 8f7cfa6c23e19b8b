"""Both forms of the kernels give the same bits, and the compiled one serves only where it pays."""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from convneur.metrics import BoundarySettings, kernels, score_pair
from convneur.metrics.f1_matches import f1_matches
from convneur.metrics.kernels import PLAIN, compiled_kernels, kernels_for
from convneur.metrics.scores import scored_by

IGNORE = 255
FOREIGN = 9


def assert_same(pred: np.ndarray, gt: np.ndarray, **options: Any) -> None:
    pytest.importorskip("numba")  # the extra `fast`; everything else here runs without it
    compiled = compiled_kernels()
    assert compiled is not None
    chosen = BoundarySettings(**options)
    plain, fast = (scored_by(form, pred, gt, chosen) for form in (PLAIN, compiled))
    for field in fields(plain):
        np.testing.assert_equal(getattr(fast, field.name), getattr(plain, field.name), err_msg=field.name)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Noise, blocks or smooth regions; thin, square and long maps; ignored and foreign labels, single pixels."""
    height, width = draw(
        st.sampled_from([(1, 1), (1, 13), (11, 1), (2, 2), (9, 8), (16, 17), (5, 70), (64, 3), (40, 51)])
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grain = draw(st.sampled_from([0, 1, 4, 50, -1]))

    def one(labels: list[int]) -> np.ndarray:
        if grain == 0:
            noise = ndimage.gaussian_filter(random.standard_normal((len(labels), height, width)), (0, 4, 4))
            found = np.array(labels)[noise.argmax(axis=0)]
        elif grain < 0:  # one pixel of every label
            found = np.full((height, width), labels[0])
            found.flat[random.integers(height * width, size=len(labels))] = labels
        else:
            coarse = random.choice(labels, (math.ceil(height / grain), math.ceil(width / grain)))
            found = coarse.repeat(grain, 0).repeat(grain, 1)[:height, :width]
        return found.astype(np.uint8)

    gt = one(draw(st.sampled_from([[0, 1, 2, 3], [0, 0, 0, 1], [1, IGNORE, 2], [IGNORE], [2]])))
    pred = one(draw(st.sampled_from([[0, 1, 2, 3], [0, 0, 0, 2], [0, 1, IGNORE, FOREIGN], [FOREIGN], [1]])))
    return pred, gt


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    pairs(),
    st.sampled_from([4, 8]),
    st.sampled_from(["directed", "pooled"]),
    st.sampled_from([(1.0, 1.0), (0.5, 2.0), (3.0, 0.3), (0.7, 0.1), (1e-3, 1e3), (1 / 3, 1 / 7)]),
    st.sampled_from([("0.008",), ("0px", "1px", "2.5px", "17px"), ("1.4142135623730951", "2"), ("999px",)]),
    st.sampled_from([(1, 3, 5, 10), (2,), (7, 1, 40), (90, 130)]),
    st.sampled_from(["square", "disk"]),
    st.sampled_from([0.0, 0.02, 0.1, 0.4, 1.0]),
)
def test_the_same_bits(
    maps: tuple[np.ndarray, np.ndarray],
    connectivity: int,
    hd95: str,
    spacing: tuple[float, float],
    tolerance: tuple[str, ...],
    widths: tuple[int, ...],
    shape: str,
    ratio: float,
) -> None:
    assert_same(
        *maps,
        num_classes=4,
        connectivity=connectivity,
        hd95=hd95,
        spacing=spacing,
        tolerance=tolerance,
        trimap_width=widths,
        trimap_shape=shape,
        boundary_iou_ratio=ratio,
    )


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.3, 0.7)])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_the_same_bits_in_larger_maps(
    spacing: tuple[float, float], connectivity: int, blobs: Callable[..., Any]
) -> None:
    """Far and near boundaries, long rows, several tolerances beside each other."""
    for seed in range(3):
        near, gt = blobs(seed, height=190, width=323, classes=6)
        far = blobs(seed + 50, height=190, width=323, classes=6)[1]
        for pred in (near, far):
            assert_same(pred, gt, spacing=spacing, connectivity=connectivity, tolerance=("0.008", "2px", "25px"))


def test_the_same_bits_in_the_cases_of_other_tools(oracles: dict[str, Any], case_maps: Callable[[str], Any]) -> None:
    for name, case in oracles.items():
        where = {"num_classes": case["num_classes"], "ignore_index": case["ignore_index"]}
        assert_same(*case_maps(name), **where)
        assert_same(*case_maps(name), **where, connectivity=8, trimap_shape="disk", spacing=(0.5, 2.0))


def test_the_same_bits_whatever_the_type_and_the_layout() -> None:
    random = np.random.default_rng(0)
    pred, gt = random.integers(0, 5, (2, 33, 47), dtype=np.uint8).repeat(3, 1)
    for one, other in (
        (pred.astype(np.int64), gt.astype(np.uint16)),
        (np.asfortranarray(pred), gt[::-1]),
        (pred > 2, gt > 1),
        (pred[:, ::2], gt[:, ::2]),
    ):
        assert_same(one, other, ignore_index=None, num_classes=5)
    many = np.arange(600).reshape(20, 30)
    assert_same(many, np.roll(many, 7), ignore_index=None)


def worst_maps(classes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Boundaries everywhere: noise, noise in opposite halves, two checkerboards, noise against a few pixels."""
    random = np.random.default_rng(0)
    shape = 30, 44
    noise, other = random.integers(0, classes, (2, *shape), dtype=np.uint8)
    left = np.arange(shape[1]) < shape[1] // 2
    y, x = np.indices(shape)
    single = np.zeros(shape, np.uint8)
    single[0, :classes] = np.arange(min(classes, shape[1]))
    return [
        (noise, other),
        (np.where(left, noise, 0).astype(np.uint8), np.where(left, 0, noise).astype(np.uint8)),
        (((y + x) % 2).astype(np.uint8), ((y // 2 + x // 2) % 2).astype(np.uint8)),
        (single, noise),
    ]


@pytest.mark.parametrize("classes", [2, 19, 70])
def test_the_same_bits_where_boundaries_are_everywhere(classes: int) -> None:
    for pred, gt in worst_maps(classes):
        for spacing in ((1.0, 1.0), (0.5, 2.0), (0.3, 0.7)):
            assert_same(pred, gt, num_classes=classes, spacing=spacing, tolerance_curve="1:3")


@pytest.mark.parametrize("classes", [2, 19, 70])
def test_maps_and_points_give_the_same_matches(classes: int) -> None:
    """Where boundaries are everywhere all classes are dilated at once, elsewhere every point is searched for."""
    for pred, gt in worst_maps(classes):
        forms = [PLAIN._replace(search_cost=cost) for cost in (0, 10**9)]
        np.testing.assert_equal(*(f1_matches(form, pred, gt, classes, [0, 1, 2, 9, 30, 400]) for form in forms))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """A process that has scored nothing; call it with whether compiled kernels lie on disk."""

    def start(on_disk: bool) -> None:
        monkeypatch.setattr(kernels._Scored, "pixels", 0)
        monkeypatch.setattr(kernels, "_on_disk", lambda: on_disk)

    compiled_kernels.cache_clear()
    yield start
    compiled_kernels.cache_clear()


@pytest.mark.parametrize(("on_disk", "pairs_by_numpy"), [(True, 1), (False, 32)])
def test_a_little_work_is_left_to_numpy(on_disk: bool, pairs_by_numpy: int, fresh: Callable[[bool], None]) -> None:
    pytest.importorskip("numba")
    fresh(on_disk)
    forms = [kernels_for(1024 * 2048) for _ in range(pairs_by_numpy + 2)]
    assert forms[:pairs_by_numpy] == [PLAIN] * pairs_by_numpy
    assert forms[-1] is compiled_kernels()


def test_without_numba_numpy_does_it_all(fresh: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> None:
    fresh(True)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "convneur.metrics.compiled", raising=False)
    monkeypatch.delattr("convneur.metrics.compiled", raising=False)
    assert kernels_for(1 << 40) is PLAIN
    gt = np.eye(9, dtype=np.uint8)
    assert score_pair(gt, gt, BoundarySettings()).distances.hausdorff.tolist() == [0, 0]


def test_a_folder_that_cannot_keep_the_kernels_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba")
    from convneur.metrics import compiled

    def njit(*, nogil: bool, cache: bool = False) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (function, nogil)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled._compiled(len) == (len, True)


def test_kernels_on_disk_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernels.py"))
    assert not kernels._on_disk()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / f"compiled._search-1.py{sys.version_info.major}{sys.version_info.minor}.nbi").touch()
    assert kernels._on_disk()


def test_ties_that_the_plane_of_the_tree_rounds() -> None:
    """Many targets about as near as each other, in a spacing whose multiples are rounded: a circle and its centre."""
    y, x = np.ogrid[-60:61, -60:61]
    gt = (np.hypot(y, x) > 50).astype(np.uint8)
    pred = np.zeros_like(gt)
    pred[58:63, 58:63] = 1
    for spacing in ((0.1, 0.1), (0.3, 0.7), (1 / 3, 1 / 3)):
        assert_same(pred, gt, spacing=spacing, metrics=("hausdorff", "assd"))


@pytest.mark.parametrize("form", [PLAIN, compiled_kernels() or PLAIN], ids=["numpy", "compiled"])
def test_a_tolerance_beyond_the_image_reaches_no_other_class(form: kernels.Kernels) -> None:
    gt = np.array([[3, 2, 2, 1, 1, 0, 0, 0, 0, 3, 2, 3, 2]], np.uint8)
    pred = np.array([[0, 2, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 2]], np.uint8)
    matches = scored_by(form, pred, gt, BoundarySettings(tolerance=("0px", "17px", "999px"))).boundary_f1
    missed = [1, 3]
    assert (matches.gt[missed] > 0).all()
    assert not matches.matched_gt[:, missed].any()
