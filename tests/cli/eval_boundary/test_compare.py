"""`eval-boundary --against`: the comparison in JSON, CSV and words, and what cannot be compared."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.metrics import BoundarySettings
from convneur.metrics.tables import metric_paths

METRIC_KEYS = {"value", "against", "difference", "low", "high", "resamples"}
NAMES = ["a", "b", "city/c", "city/d", "e"]


@pytest.fixture
def other(place: Path) -> Path:
    """A second set of predictions: the truth itself, its ignored rows sky."""
    for name in NAMES:
        labels = np.array(Image.open(place / "gt" / f"{name}.png"))
        labels[labels == 255] = 0
        (place / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(place / "other" / f"{name}.png")
    return place / "other"


def test_the_comparison_in_json(evaluate: Callable[..., Any], other: Path) -> None:
    alone = evaluate("--json").json
    rival = evaluate("--json", paths=("other", "gt")).json
    found = evaluate("--json", "--against", "other", "--resamples", "50", "--seed", "3").json
    comparison = found.pop("comparison")
    assert found == alone  # the second set changes nothing of the first one's figures
    assert {key: comparison[key] for key in ("against", "difference", "images", "level", "resamples", "seed")} == {
        "against": "other",
        "difference": "PREDS minus --against",
        "images": 5,
        "level": 0.95,
        "resamples": 50,
        "seed": 3,
    }
    f1 = comparison["overall"]["boundary_f1"]["0.008"]
    assert f1.keys() == METRIC_KEYS
    assert f1["value"] == alone["overall"]["boundary_f1"]["0.008"]
    assert f1["against"] == rival["overall"]["boundary_f1"]["0.008"] == 1
    assert f1["difference"] == f1["value"] - f1["against"]
    assert f1["low"] < f1["difference"] < f1["high"] < 0
    for row, ours, theirs in zip(comparison["per_class"], alone["per_class"], rival["per_class"], strict=True):
        assert row["name"] == ours["name"]
        assert row["miou"]["difference"] == ours["miou"] - theirs["miou"]
        assert row["hausdorff"]["missed"]["difference"] == ours["hausdorff"]["missed"]
    assert [row["name"] for row in comparison["per_image"]] == NAMES
    moved = comparison["moved_most"]["miou"]
    assert {row["name"] for row in moved} == set(NAMES)
    assert [abs(row["difference"]) for row in moved] == sorted((abs(row["difference"]) for row in moved), reverse=True)


def test_a_set_against_itself_differs_by_nothing(evaluate: Callable[..., Any]) -> None:
    ran = evaluate("--json", "--against", "pred")
    assert "warning: --against is PREDS itself; give a second model's" in ran.err
    comparison = ran.json["comparison"]

    def check(figures: Any) -> int:
        if "difference" in figures:
            assert figures["difference"] == figures["low"] == figures["high"] == 0
            return 1
        return sum(check(value) for value in figures.values() if isinstance(value, dict))

    settings = BoundarySettings()
    count = sum(len(metric_paths(metric, settings)) for metric in settings.metrics)
    assert check(comparison["overall"]) == count
    assert sum(map(check, comparison["per_class"])) == 3 * count
    assert not any(comparison["moved_most"]["boundary_f1"]["0.008"])


@pytest.mark.parametrize("workers", [1, 2])
def test_neither_workers_nor_order_change_it(evaluate: Callable[..., Any], other: Path, workers: int) -> None:
    expected = evaluate("--json", "--against", "other", "--num-classes", "3").json
    assert evaluate("--json", "--against", "other", "--num-classes", "3", "--workers", workers).json == expected


def test_the_comparison_in_words(evaluate: Callable[..., Any], other: Path) -> None:
    out = evaluate("--against", "other").out
    assert "Differences are pred minus other, over 5 images scored in both. Intervals: 95%, percentile, 1 000" in out
    assert "With 5 images the intervals are too narrow: the true ones are at least as wide." in out
    (f1,) = [line.split() for line in out.splitlines() if line.startswith("Boundary F1 @ 0.008  ")]
    assert f1[-1] == "worse"
    assert f1[5] == "1.000"
    (distance,) = [line.split() for line in out.splitlines() if line.startswith("ASSD, finite mean ")]
    assert distance[-1] == "worse"  # of distances more is worse
    assert distance[-4].startswith("+")
    assert "Moved most by Boundary F1 @ 0.008: " in out


def test_the_comparison_in_csv(evaluate: Callable[..., Any], place: Path, other: Path) -> None:
    found = evaluate("--json", "-o", "out.csv", "--against", "other", "--num-classes", "4").json["comparison"]
    with (place / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["overall", "0", "1", "2", "3"]
    for row, figures in zip(rows, [found["overall"], *found["per_class"]], strict=False):
        for part in ("against", "difference", "low", "high"):
            assert float(row[f"{part}_boundary_f1[0.008]"]) == figures["boundary_f1"]["0.008"][part]
            assert float(row[f"{part}_miou"]) == figures["miou"][part]
    assert rows[4]["difference_miou"] == ""  # class 3 occurs nowhere


def test_an_image_may_be_named_as_failures_of_the_second_model_are(
    evaluate: Callable[..., Any], place: Path, other: Path
) -> None:
    """With images `a` and `a (against)` both are scored, of either model."""
    for folder in ("gt", "pred", "other"):
        for path in (place / folder).rglob("*.*"):
            path.unlink()
        for name in ("a", "a (against)"):
            labels = np.zeros((20, 30), np.uint8)
            labels[5:12, 5 : 20 + 5 * (folder == "pred" and name == "a")] = 1
            Image.fromarray(labels).save(place / folder / f"{name}.png")
    alone = evaluate("--json").json
    ran = evaluate("--json", "--against", "other", "--workers", 2)
    assert (ran.code, ran.err) == (0, "")
    comparison = ran.json.pop("comparison")
    result = {key: value for key, value in ran.json.items() if key != "comparison"}
    assert result == alone
    assert [row["name"] for row in result["per_image"]] == ["a", "a (against)"]
    assert result["overall"]["miou"] < 0.95
    assert comparison["images"] == 2
    assert comparison["overall"]["miou"]["against"] == 1


def test_other_images_are_refused_by_name(evaluate: Callable[..., Any], place: Path, other: Path) -> None:
    (other / "b.png").unlink()
    ran = evaluate("--against", "other", "-o", "out.json")
    assert ran.code == 1
    assert "no prediction for 1 of 5 ground truths (b)" in ran.line
    ran = evaluate("--against", "other", "--missing", "skip")
    assert ran.code == 1
    assert ran.line == (
        "error: --against other: other images than PREDS (b: not in --against other); compare the same ones"
    )
    for name in "be":
        (place / "pred" / f"{name}.npy").unlink()
    ran = evaluate("--against", "other", "--missing", "skip")
    assert ran.line == "error: --against other: other images than PREDS (e: only there); compare the same ones"


def test_a_broken_prediction_leaves_the_others_comparable(evaluate: Callable[..., Any], other: Path) -> None:
    alone = evaluate("--json", "--num-classes", "3").json
    (other / "a.png").write_bytes(b"")
    ran = evaluate("--json", "--against", "other", "--num-classes", "3")
    assert ran.code == 1
    assert "error: a (against): other/a.png: is empty (0 bytes); write it again" in ran.err
    assert "error: 1 of 10 pairs could not be scored" in ran.err
    result = ran.json
    assert [item["name"] for item in result["failed"]] == ["a (against)"]
    assert result["overall"] == alone["overall"]
    assert result["comparison"]["images"] == 4
    assert "a" not in [row["name"] for row in result["comparison"]["per_image"]]


def test_nothing_in_common_is_no_comparison(evaluate: Callable[..., Any], other: Path) -> None:
    for name in NAMES:
        (other / f"{name}.png").write_bytes(b"")
    ran = evaluate("--json", "--against", "other", "--num-classes", "3")
    assert ran.code == 1
    assert ran.json["comparison"] is None
    assert ran.json["images"] == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against", "nowhere"], "nowhere: no such file or folder"),
        (["--against", "gt/a.png"], "one is a folder, the other a file"),
        (["--resamples", "0"], "--resamples"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_usage(evaluate: Callable[..., Any], arguments: list[str], said: str) -> None:
    ran = evaluate(*arguments)
    assert ran.code == 2
    assert said in ran.line


def test_a_stopped_comparison_goes_on(
    evaluate: Callable[..., Any], place: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import convneur.evaluation.scoring as scoring

    expected = evaluate("--json", "--against", "other", "--num-classes", "3").json
    score, seen = scoring._score, []

    def interrupted(pair: Any, **how: Any) -> Any:
        seen.append(pair.name)
        if len(seen) == 8:
            raise KeyboardInterrupt
        return score(pair, **how)

    with monkeypatch.context() as patched:
        patched.setattr(scoring, "_score", interrupted)
        ran = evaluate("--against", "other", "--num-classes", "3", "-o", "out.json")
    assert ran.code == 130
    assert "7 of 10 pairs are scored and kept" in ran.err
    monkeypatch.setattr(scoring, "_score", lambda pair, **how: (seen.append(pair), score(pair, **how))[1])
    seen.clear()
    assert evaluate("--against", "other", "--num-classes", "3", "-o", "out.json", "--resume").code == 0
    assert len(seen) == 3
    assert json.loads((place / "out.json").read_text(encoding="utf-8")) == expected


def test_two_files(evaluate: Callable[..., Any], place: Path, other: Path) -> None:
    shutil.copy(place / "gt" / "a.png", place / "one.png")
    comparison = evaluate("--json", "--against", "other/a.png", paths=("pred/a.npy", "gt/a.png")).json["comparison"]
    assert comparison["images"] == 1
    assert comparison["overall"]["miou"]["low"] is None


def test_json_is_no_label_map(evaluate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    ran = evaluate(paths=("a.json", "a.json"))
    assert ran.code == 2
    assert ran.err == "error: PREDS a.json: is no label map; add --panoptic, or score COCO results by eval-detection\n"
