"""The order of a study: groups, turns, folds."""

from pathlib import Path

import pytest

from convneur.data.examples import Example
from convneur.errors import ConfigError
from convneur.study.runs import StudyRun, folds_of, remainder, run_groups, turns


def examples(count: int) -> list[Example]:
    return [Example(str(number), Path(f"{number}.png"), Path(f"{number}.png")) for number in range(count)]


def test_a_group_is_a_seed_and_a_fold_with_a_run_of_each_twin() -> None:
    assert run_groups(["a", "b"], [0, 4], None) == [
        [StudyRun("a", 0), StudyRun("b", 0)], [StudyRun("a", 4), StudyRun("b", 4)]
    ]  # fmt: skip
    assert [[(run.seed, run.fold) for run in group] for group in run_groups(["a"], [1, 2], 2)] == [
        [(1, 0)], [(1, 1)], [(2, 0)], [(2, 1)]
    ]  # fmt: skip
    name = StudyRun("per-stage:chunk_length=9/8/7/6", 3, 1).name
    assert name == "per-stage-chunk_length=9.8.7.6-seed3-fold1"


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
