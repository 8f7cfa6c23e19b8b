"""Two models side by side: differences equal the summaries', intervals those of resampling by hand."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from convneur.errors import ConfigError, InputError
from convneur.metrics import METRICS, BoundaryAccumulator, BoundarySettings, PairScores, score_pair
from convneur.metrics.comparison import ScoreTable, compare
from convneur.metrics.tables import leaves as tables_leaves
from convneur.metrics.tables import metric_paths, value_at

Scored = dict[str, tuple[PairScores, PairScores]]
COUNT = 7  # images; one is ignored altogether, one lacks a class in one prediction
LATER = {"metrics": ["dice"], "hd_percentile": [90], "tolerance_curve": "1:5:2", "groups": {"some": [1, 3, 4]}}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"aggregate": "pooled"},
    {"count_absent": True},
    {"trimap_seed": "void"},
    LATER,
    LATER | {"aggregate": "pooled", "mean_over": "foreground"},
    LATER | {"aggregate": "images", "mean_over": [0, 2, 4]},
]


def scored(blobs: Callable[..., Any], settings: BoundarySettings) -> Scored:
    found = {}
    for seed in range(COUNT):
        pred, gt = blobs(seed)
        other = np.roll(gt, 1, 0)
        if seed == 3:
            gt[:] = 255
        if seed == 4:
            other[other == 2] = 0
        found[f"image {seed}"] = score_pair(pred, gt, settings), score_pair(other, gt, settings)
    return found


def tables(pairs: Scored, settings: BoundarySettings) -> tuple[ScoreTable, ScoreTable]:
    both = ScoreTable(settings), ScoreTable(settings)
    for name, scores in pairs.items():
        for table, one in zip(both, scores, strict=True):
            table.add(name, one)
    return both


def leaves(figures: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, figure) of nested figures, those of metrics."""
    return tables_leaves(figures, [metric for metric in METRICS if metric in figures])


def count(settings: BoundarySettings) -> int:
    """How many values there are of a class."""
    return sum(len(metric_paths(metric, settings)) for metric in settings.metrics)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_values_equal_the_summaries_to_the_last_bit(blobs: Callable[..., Any], options: dict[str, Any]) -> None:
    settings = BoundarySettings(num_classes=6, tolerance=("1px", "3px"), **options)
    pairs = scored(blobs, settings)
    found = compare(*tables(pairs, settings), resamples=5)
    totals = BoundaryAccumulator(settings), BoundaryAccumulator(settings)
    for name, scores in pairs.items():
        for total, one in zip(totals, scores, strict=True):
            total.add(name, one)
    first, second = (total.summary() for total in totals)
    assert found.images == COUNT
    checked = 0
    places = [(found.overall, first.overall, second.overall)]
    places += [(found.groups[name], first.groups[name], second.groups[name]) for name, _ in settings.groups]
    places += [(row, first.per_class[row["class"]], second.per_class[row["class"]]) for row in found.per_class]
    for figures, ours, theirs in places:
        for path, figure in leaves(figures):
            np.testing.assert_equal(figure["value"], value_at(ours, path))
            np.testing.assert_equal(figure["against"], value_at(theirs, path))
            np.testing.assert_equal(figure["difference"], value_at(ours, path) - value_at(theirs, path))
            checked += 1
    rows = (7 if options.get("count_absent") else 6) + len(settings.groups)
    assert checked == rows * count(settings)
    for row, ours, theirs in zip(found.per_image, first.per_image, second.per_image, strict=True):
        assert row["name"] == ours["name"]
        for path, difference in leaves(row):
            np.testing.assert_equal(difference, value_at(ours, path) - value_at(theirs, path))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_intervals_equal_those_of_data_sets_drawn_and_added_up_one_by_one(
    blobs: Callable[..., Any], options: dict[str, Any]
) -> None:
    settings = BoundarySettings(num_classes=5, **options)
    pairs = scored(blobs, settings)
    resamples, level = 15, 0.8
    found = compare(*tables(pairs, settings), resamples=resamples, seed=5, level=level)
    random = np.random.default_rng(5)
    names = sorted(pairs)
    drawn: dict[tuple[str, ...], list[float]] = {}
    for _ in range(resamples):
        totals = BoundaryAccumulator(settings), BoundaryAccumulator(settings)
        for index in random.integers(COUNT, size=COUNT):
            for total, one in zip(totals, pairs[names[index]], strict=True):
                total.add(f"{index}", one)
        first, second = (total.summary() for total in totals)
        for path, _ in leaves(found.overall):
            drawn.setdefault(path, []).append(value_at(first.overall, path) - value_at(second.overall, path))
        for k in range(5):
            for path, _ in leaves(found.overall):
                difference = value_at(first.per_class[k], path) - value_at(second.per_class[k], path)
                drawn.setdefault((str(k), *path), []).append(difference)
    rows = [((), found.overall), *(((str(row["class"]),), row) for row in found.per_class)]
    for start, figures in rows:
        for path, figure in leaves(figures):
            values = np.array(drawn[(*start, *path)])
            assert figure["resamples"] == np.count_nonzero(~np.isnan(values))
            expected = np.nanpercentile(values, [10, 90])
            assert (figure["low"], figure["high"]) == pytest.approx(tuple(expected), abs=1e-12), (start, path)


def test_a_model_against_itself_differs_by_exactly_nothing(blobs: Callable[..., Any]) -> None:
    settings = BoundarySettings(num_classes=6, tolerance=("1px", "0.01"))
    first, _ = tables(scored(blobs, settings), settings)
    again, _ = tables(scored(blobs, settings), settings)
    found = compare(first, again)
    checked = 0
    for figures in (found.overall, *found.per_class):
        for path, figure in leaves(figures):
            assert figure["difference"] == figure["low"] == figure["high"] == 0, path
            checked += 1
    assert checked == 6 * count(settings)
    for row in found.per_image:
        for _, difference in leaves(row):
            assert difference == 0 or math.isnan(difference)
    assert all(not moved for _, moved in leaves(found.moved_most))


def test_the_order_of_images_does_not_matter_and_the_seed_does(blobs: Callable[..., Any]) -> None:
    settings = BoundarySettings(num_classes=5, metrics=("miou", "boundary_f1"))
    pairs = scored(blobs, settings)
    turned = dict(reversed(pairs.items()))
    expected = compare(*tables(pairs, settings), seed=1)
    np.testing.assert_equal(vars(compare(*tables(turned, settings), seed=1)), vars(expected))
    other = compare(*tables(pairs, settings), seed=2)
    assert other.overall["miou"]["difference"] == expected.overall["miou"]["difference"]
    assert other.overall["miou"]["low"] != expected.overall["miou"]["low"]


def test_the_images_that_moved_most_come_first(blobs: Callable[..., Any]) -> None:
    settings = BoundarySettings(num_classes=5, tolerance=("1px",))
    found = compare(*tables(scored(blobs, settings), settings), most=3)
    moved = found.moved_most["boundary_f1"]["1px"]
    sizes = {row["name"]: abs(row["boundary_f1"]["1px"]) for row in found.per_image}
    ranked = sorted((name for name, size in sizes.items() if size > 0), key=lambda name: -sizes[name])
    assert [row["name"] for row in moved] == ranked[:3]
    assert all(row["difference"] == row["value"] - row["against"] for row in moved)


def test_one_image_has_differences_but_no_interval(blobs: Callable[..., Any]) -> None:
    settings = BoundarySettings(num_classes=5, metrics=("miou",))
    first, second = (table.only(["image 1"]) for table in tables(scored(blobs, settings), settings))
    figure = compare(first, second).overall["miou"]
    assert figure["difference"] != 0
    assert math.isnan(figure["low"])
    assert math.isnan(figure["high"])


def test_a_difference_of_known_size_is_covered_by_its_interval() -> None:
    """Accuracy of 0.75 and 0.5 on images whose accuracy does not vary: the interval has no width but its place."""
    settings = BoundarySettings(num_classes=2, metrics=("pixel_accuracy",))
    gt = np.zeros((4, 4), np.uint8)
    good, bad = gt.copy(), gt.copy()
    good[0], bad[:2] = 1, 1
    pairs = {str(k): (score_pair(good, gt, settings), score_pair(bad, gt, settings)) for k in range(30)}
    figure = compare(*tables(pairs, settings)).overall["pixel_accuracy"]
    assert (figure["difference"], figure["low"], figure["high"]) == (0.25, 0.25, 0.25)


def test_what_cannot_be_compared_is_refused_by_name(blobs: Callable[..., Any]) -> None:
    settings = BoundarySettings(num_classes=5, metrics=("miou",))
    first, second = tables(scored(blobs, settings), settings)
    with pytest.raises(InputError, match=r"only the first has image 6; compare predictions of the same images"):
        compare(first, second.only(first.images[:-1]))
    with pytest.raises(InputError, match=r"only the second has image 0, image 1, image 2 and 1 more"):
        compare(first.only(first.images[4:]), second)
    with pytest.raises(InputError, match="no image was scored in both"):
        compare(first.only([]), second.only([]))
    with pytest.raises(ConfigError, match=r"^against: was made with other settings; make both with the same metrics"):
        compare(first, ScoreTable(BoundarySettings(num_classes=5)))
    with pytest.raises(ConfigError, match="resamples 0"):
        compare(first, second, resamples=0)
    with pytest.raises(ConfigError, match="level 95"):
        compare(first, second, level=95)
