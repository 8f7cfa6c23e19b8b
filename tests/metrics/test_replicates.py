"""Several runs against several: agreement with the comparison of two models, and intervals that know of seeds."""

import dataclasses
import math
import statistics

import numpy as np
import pytest

from convneur.errors import ConfigError, InputError
from convneur.metrics import BoundaryAccumulator, BoundarySettings, score_pair
from convneur.metrics.comparison import ScoreTable, compare
from convneur.metrics.replicates import compare_runs, spread

METRICS = ("boundary_f1", "trimap_miou", "miou", "pixel_accuracy")
SETTINGS = BoundarySettings(num_classes=3, metrics=METRICS, trimap_width=(3,))


def table(error: float, seed: int, *, images: int = 12, first: int = 0) -> ScoreTable:
    """Scores of predictions that are wrong in about this share of the pixels; the truth depends on the image alone."""
    random = np.random.default_rng(seed)
    scores = ScoreTable(SETTINGS)
    for number in range(first, first + images):
        truth = np.kron(np.random.default_rng(number).integers(0, 3, (4, 5)), np.ones((6, 6), int)).astype(np.uint8)
        wrong = random.random(truth.shape) < error
        prediction = np.where(wrong, random.integers(0, 3, truth.shape), truth).astype(np.uint8)
        scores.add(f"{number:03}", score_pair(prediction, truth, SETTINGS))
    return scores


def test_one_seed_is_the_comparison_of_two_models() -> None:
    ours, theirs = table(0.1, 1), table(0.3, 2)
    one, two = compare_runs([[ours]], [[theirs]]), compare(ours, theirs)
    for metric in METRICS:
        left, right = one.overall[metric], two.overall[metric]
        if "difference" not in left:
            (left,), (right,) = left.values(), right.values()
        assert math.isnan(left["spread"])
        for key, value in right.items():
            assert left[key] == pytest.approx(value, rel=1e-12), (metric, key)


def test_equal_runs_differ_by_exactly_nothing() -> None:
    runs = [[table(0.2, seed)] for seed in range(3)]
    figure = compare_runs(runs, runs).overall["miou"]
    assert (figure["difference"], figure["spread"], figure["low"], figure["high"]) == (0, 0, 0, 0)


def test_figures_are_means_over_the_runs_each_aggregated_as_a_data_set() -> None:
    runs = [[table(0.1, seed)] for seed in range(3)]
    against = [[table(0.3, seed)] for seed in range(10, 13)]
    found = compare_runs(runs, against)

    def miou(scores: ScoreTable) -> float:
        total = [scores.matrix(("pixels", part), scores.images, range(3), 0.0).sum(0) for part in ("gt", "pred")]
        agreeing = scores.matrix(("pixels", "agreeing"), scores.images, range(3), 0.0).sum(0)
        return float((agreeing / (sum(total) - agreeing)).mean())

    ours, theirs = ([miou(folds[0]) for folds in side] for side in (runs, against))
    figure = found.overall["miou"]
    assert figure["value"] == pytest.approx(statistics.fmean(ours))
    assert figure["against"] == pytest.approx(statistics.fmean(theirs))
    assert figure["spread"] == pytest.approx(statistics.stdev(np.subtract(ours, theirs)))
    assert figure["low"] < figure["difference"] < figure["high"]
    assert figure["low"] > 0
    assert (found.seeds, found.images, figure["resamples"]) == (3, 12, 1000)


def test_seeds_that_disagree_widen_the_interval() -> None:
    """The same images, one seed better and one worse by as much: the choice of seeds is what the interval is of."""
    better, worse, base = table(0.05, 1), table(0.6, 2), table(0.3, 3)
    alone = compare_runs([[better]], [[base]]).overall["miou"]
    both = compare_runs([[better], [worse]], [[base], [base]]).overall["miou"]
    assert alone["low"] > 0
    assert both["low"] < 0 < both["high"]
    assert both["high"] - both["low"] > 2 * (alone["high"] - alone["low"])


def test_two_seeds_have_the_spread_of_the_population() -> None:
    """Images that are all one leave the seeds alone to draw: both the same, or one of each."""

    def alike(right: int) -> ScoreTable:
        scores = ScoreTable(SETTINGS)
        for name in "abc":
            truth = np.arange(100, dtype=np.uint8).reshape(10, 10) // 50
            prediction = truth.copy()
            prediction.flat[right:] = 2
            scores.add(name, score_pair(prediction, truth, SETTINGS))
        return scores

    base = alike(50)
    figure = compare_runs([[alike(60)], [alike(80)]], [[base], [base]]).overall["pixel_accuracy"]
    assert figure["difference"] == pytest.approx(0.2)
    assert figure["low"] == pytest.approx(0.2 - 0.1 * math.sqrt(2))
    assert figure["high"] == pytest.approx(0.2 + 0.1 * math.sqrt(2))
    assert figure["spread"] == pytest.approx(0.1 * math.sqrt(2))  # n - 1


def test_folds_count_alike_and_hold_images_of_their_own() -> None:
    folds = [table(0.1, 1, images=4), table(0.4, 2, images=8, first=4)]
    against = [table(0.3, 3, images=4), table(0.3, 4, images=8, first=4)]
    found = compare_runs([folds], [against])
    singles = [compare(one, two).overall["miou"] for one, two in zip(folds, against, strict=True)]
    assert found.images == 12
    assert found.overall["miou"]["difference"] == pytest.approx(
        statistics.fmean(single["difference"] for single in singles)
    )


def test_the_draw_follows_from_its_seed() -> None:
    runs, against = [[table(0.2, s)] for s in (0, 1)], [[table(0.3, s)] for s in (2, 3)]
    assert dataclasses.asdict(compare_runs(runs, against)) == dataclasses.asdict(compare_runs(runs, against))
    assert compare_runs(runs, against, seed=5).overall != compare_runs(runs, against).overall


def test_what_cannot_be_paired_is_refused() -> None:
    one = table(0.1, 1)
    with pytest.raises(ConfigError, match="partner of the same seed and fold"):
        compare_runs([[one]], [[one], [one]])
    with pytest.raises(ConfigError, match="partner of the same seed and fold"):
        compare_runs([], [])
    with pytest.raises(InputError, match="different images"):
        compare_runs([[one]], [[table(0.1, 1, images=11)]])
    other = ScoreTable(BoundarySettings(num_classes=3, metrics=("miou",)))
    with pytest.raises(ConfigError, match="different settings"):
        compare_runs([[one]], [[other]])


def test_one_image_allows_no_interval() -> None:
    figure = compare_runs([[table(0.1, 1, images=1)]], [[table(0.3, 2, images=1)]]).overall["miou"]
    assert figure["difference"] > 0
    assert math.isnan(figure["low"])
    assert math.isnan(figure["high"])


def test_spread_needs_two() -> None:
    assert math.isnan(spread([1.0]))
    assert spread([1.0, 3.0]) == pytest.approx(math.sqrt(2))


def test_top_1_is_the_pixel_accuracy_of_maps_of_one_pixel() -> None:
    """What a study of classifiers relies on."""
    settings = BoundarySettings(num_classes=4, ignore_index=None, metrics=("pixel_accuracy",))
    total = BoundaryAccumulator(settings)
    for name, (said, truth) in {"a": (0, 0), "b": (3, 1), "c": (2, 2), "d": (3, 3)}.items():
        total.add(name, score_pair(np.full((1, 1), said), np.full((1, 1), truth), settings))
    assert total.summary().overall["pixel_accuracy"] == 0.75
