"""Who is compared with whom, and what the paper prints of it."""

import math

import numpy as np
import pytest

from convneur.metrics import BoundarySettings, ScoreTable, score_pair
from convneur.study.findings import ReportedMetric, Twin, findings
from convneur.study.runs import StudyRun, run_groups
from convneur.variants import VARIANTS

TOP1 = {"top1": ReportedMetric(("pixel_accuracy",), "Top-1", "top-1", "share of the images that are right")}


def twin(name: str, **settings: object) -> Twin:
    return Twin(name, VARIANTS["m3"].replace(**settings), 0, 0)


def table(value: int) -> ScoreTable:
    settings = BoundarySettings(num_classes=2, ignore_index=None, metrics=("pixel_accuracy",))
    scores = ScoreTable(settings)
    for image in range(4):
        scores.add(str(image), score_pair(np.full((1, 1), int(image >= value)), np.zeros((1, 1), int), settings))
    return scores


def test_seeds_that_lack_a_run_are_not_compared_but_count_in_the_mean() -> None:
    right = {StudyRun("a", 0): 2, StudyRun("a", 1): 4, StudyRun("b", 0): 3, StudyRun("c", 1): 1}
    twins = [twin(name) for name in "abcd"]
    groups = run_groups("abcd", [0, 1], None)
    tables = {run: table(count) for run, count in right.items()}
    overall = {run: {"pixel_accuracy": count / 4} for run, count in right.items()}
    a, b, c, d = findings(twins, groups, tables, TOP1, overall)
    assert (a.runs, a.mean["top1"], a.difference) == (2, 0.75, None)
    assert a.spread["top1"] == pytest.approx(0.5 / math.sqrt(2))
    assert b.difference is not None
    assert (b.runs, b.seeds, b.difference["top1"].difference) == (1, (0,), 0.25)
    assert c.difference is not None
    assert (c.seeds, c.difference["top1"].difference) == ((1,), -0.75)
    assert math.isnan(b.spread["top1"])
    assert (d.runs, d.seeds, d.difference) == (0, (), None)
    assert math.isnan(d.mean["top1"])


def test_what_the_paper_prints_is_of_the_same_change_alone() -> None:
    attention, usual = twin("b", global_branch="self-attention"), twin("c")
    own = twin("d", min_chunks=4)
    assert [each.printed_top1 for each in (twin("a", memory="none"), attention, usual, own)] == [78.2, 79.8, 80.0, None]
    found = findings([usual, attention, own], [], {}, TOP1, {})
    assert [each.printed_difference for each in found] == [None, -0.2, None]
    assert [each.printed_difference for each in findings([own, usual], [], {}, TOP1, {})] == [None, None]


@pytest.mark.parametrize(
    ("changed", "points"),
    [
        ({"mem_dim": 64}, -1.4),
        ({"mem_dim": 256}, 0.3),
        ({"mem_dim": 96}, None),
        ({"mem_dim": 64, "fusion": "addition"}, None),
        ({"memory": "none", "mem_dim": 64}, -1.8),  # which acts on nothing there
        ({"memory": "none", "kernel_size": 3}, None),
        ({"memory": "none", "mlp_ratio": 1}, None),
        ({"global_branch": "self-attention", "num_heads": 1}, None),
        ({"global_branch": "self-attention"}, -0.2),
    ],
)
def test_a_change_that_the_paper_does_not_print_has_no_printed_points(
    changed: dict[str, object], points: float | None
) -> None:
    other = twin("other", **changed)
    (_, found) = findings([twin("usual"), other], [], {}, TOP1, {})
    assert found.printed_difference == points


def test_only_m3_was_printed_with_another_mem_dim() -> None:
    for usual in (VARIANTS["m1"], VARIANTS["m1"].replace(dims=(8, 16, 24, 32), mem_dim=8)):
        twins = [Twin("usual", usual, 0, 0), Twin("other", usual.replace(mem_dim=64), 0, 0)]
        assert findings(twins, [], {}, TOP1, {})[1].printed_difference is None
        twins[1] = Twin("none", usual.replace(memory="none"), 0, 0)
        assert findings(twins, [], {}, TOP1, {})[1].printed_difference == -1.8
