"""The order of a study: groups, turns, folds; and who is compared with whom."""

import math
from pathlib import Path

import numpy as np
import pytest
from convneur.training.loop import Pace

from convneur.data.examples import Example
from convneur.errors import ConfigError
from convneur.metrics import BoundarySettings, score_pair
from convneur.metrics.comparison import ScoreTable
from convneur.training.findings import findings
from convneur.training.study import Cell, cells, folds_of, mean_pace, remainder, turns


def examples(count: int) -> list[Example]:
    return [Example(str(number), Path(f"{number}.png"), Path(f"{number}.png")) for number in range(count)]


def test_a_group_is_a_seed_and_a_fold_with_a_run_of_each_twin() -> None:
    assert cells(["a", "b"], [0, 4], None) == [[Cell("a", 0), Cell("b", 0)], [Cell("a", 4), Cell("b", 4)]]
    assert [[(cell.seed, cell.fold) for cell in group] for group in cells(["a"], [1, 2], 2)] == [
        [(1, 0)], [(1, 1)], [(2, 0)], [(2, 1)]
    ]  # fmt: skip
    assert Cell("per-stage:chunk_length=9/8/7/6", 3, 1).name == "per-stage-chunk_length=9.8.7.6-seed3-fold1"


@pytest.mark.parametrize(("steps", "count"), [(1, 1), (16, 2), (200, 20), (201, 11), (2870, 20)])
def test_turns_are_a_twentieth_in_tens_and_end_with_the_run(steps: int, count: int) -> None:
    ends = list(turns(steps))
    assert (ends[-1], len(ends)) == (steps, count)
    assert all(end % 10 == 0 for end in ends[:-1])
    assert ends == sorted(set(ends))


def test_folds_are_disjoint_equally_large_and_follow_from_the_names() -> None:
    folds = folds_of(examples(30), examples(11), 4)
    names = [example.name for fold in folds for example in fold]
    assert sorted(names) == sorted([f"train/{n}" for n in range(30)] + [f"val/{n}" for n in range(11)])
    assert [len(fold) for fold in folds] == [11, 10, 10, 10]
    assert folds == folds_of(examples(30)[::-1], examples(11), 4)
    for number, fold in enumerate(folds):
        train, val = remainder(folds, number)
        assert train
        assert val
        assert sorted(each.name for each in (*train, *val, *fold)) == sorted(names)


@pytest.mark.parametrize(("count", "folds"), [(10, 1), (3, 2)])
def test_too_few_for_folds(count: int, folds: int) -> None:
    with pytest.raises(ConfigError, match=f"folds {folds}: "):
        folds_of(examples(count), [], folds)


def test_a_duration_becomes_steps_with_validations_in_it() -> None:
    pace = mean_pace([Pace(0.5, 0.1), Pace(1.5, 0.3)])
    assert pace == Pace(1.0, 0.2)
    steps, every = pace.plan(1000, 10)  # 20 validations of 2 s
    assert (steps, every) == (960, 48)
    assert pace.plan(1000, 100) == (800, 80)  # 10 of 20 s: a fifth of the time
    assert pace.plan(1000, 10, every=8) == (800, 8)
    assert pace.plan(0.1, 1000) == (1, 1)


def table(value: int) -> ScoreTable:
    settings = BoundarySettings(num_classes=2, ignore_index=None, metrics=("pixel_accuracy",))
    scores = ScoreTable(settings)
    for image in range(4):
        scores.add(str(image), score_pair(np.full((1, 1), int(image >= value)), np.zeros((1, 1), int), settings))
    return scores


def test_seeds_that_lack_a_run_are_not_compared_but_count_in_the_mean() -> None:
    right = {Cell("a", 0): 2, Cell("a", 1): 4, Cell("b", 0): 3, Cell("c", 1): 1}
    groups = cells(["a", "b", "c", "d"], [0, 1], None)
    tables = {cell: table(count) for cell, count in right.items()}
    overall = {cell: {"pixel_accuracy": count / 4} for cell, count in right.items()}
    a, b, c, d = findings(groups, tables, {"top1": ("pixel_accuracy",)}, overall)
    assert (a.runs, a.mean["top1"], a.difference) == (2, 0.75, None)
    assert a.spread["top1"] == pytest.approx(0.5 / math.sqrt(2))
    assert b.difference is not None
    assert (b.runs, b.seeds, b.difference["top1"]["difference"]) == (1, (0,), 0.25)
    assert c.difference is not None
    assert (c.seeds, c.difference["top1"]["difference"]) == ((1,), -0.75)
    assert math.isnan(b.spread["top1"])
    assert (d.runs, d.seeds, d.difference) == (0, (), None)
    assert math.isnan(d.mean["top1"])
