"""Probability maps in `evaluate`, at one threshold and at several."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convneur.errors import ConfigError, SuspiciousInputError
from convneur.evaluation import evaluate, evaluate_thresholds


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    """Probabilities and ground truth of three images; 0.4 is the best of some thresholds."""
    random = np.random.default_rng(5)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
    for name in ("a", "b", "c"):
        gt = np.zeros((24, 31), np.uint8)
        gt[5:18, int(random.integers(2, 8)) : 22] = 1
        p = np.clip(0.15 + 0.4 * gt + random.normal(0, 0.12, gt.shape), 0, 1)
        Image.fromarray(gt).save(tmp_path / "gt" / f"{name}.png")
        np.save(tmp_path / "pred" / f"{name}.npy", p.astype(np.float32))
    return tmp_path / "pred", tmp_path / "gt"


def test_the_values_of_label_maps_cut_by_hand(maps: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    for path in maps[0].iterdir():
        np.save(tmp_path / "cut" / path.name, (np.load(path) >= np.float32(0.4)).astype(np.uint8))
    found = evaluate(*maps, probabilities=True, threshold=0.4)
    wanted = evaluate(tmp_path / "cut", maps[1])
    assert found.overall == wanted.overall
    assert found.per_image == wanted.per_image
    assert (found.settings["threshold"], found.settings["threshold_rule"]) == (0.4, ">=")
    assert "threshold" not in wanted.settings
    assert evaluate(*maps, probabilities=True).settings["threshold"] == 0.5
    assert evaluate(*maps, probabilities=True, threshold=0.4, workers=2).overall == wanted.overall


def test_several_thresholds_and_the_best(maps: tuple[Path, Path], tmp_path: Path) -> None:
    thresholds = [0.2, 0.4, 0.7]
    found = evaluate_thresholds(*maps, thresholds, metrics=("miou", "hausdorff"), output=tmp_path / "scores.json")
    alone = {each: evaluate(*maps, probabilities=True, threshold=each, metrics=("miou", "hausdorff"))
             for each in thresholds}  # fmt: skip
    assert {each: dict(one.overall) for each, one in found.evaluations.items()} == {
        each: dict(one.overall) for each, one in alone.items()
    }
    assert (found.best, found.best_by) == (0.4, "miou")
    by_distance = evaluate_thresholds(*maps, thresholds, metrics=("miou", "hausdorff"), best_by="hausdorff")
    distances = {each: one.overall["hausdorff"]["penalised_mean"] for each, one in alone.items()}
    assert by_distance.best == min(distances, key=lambda each: distances[each])  # of distances less is better
    assert by_distance.best_by == "hausdorff@penalised_mean"
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert saved == json.loads(json.dumps(saved))
    assert saved["best"] == {"threshold": 0.4, "by": "miou", "chosen_on": "this data"}
    assert [row["threshold"] for row in saved["thresholds"]] == thresholds
    assert saved["thresholds"][1]["evaluation"]["overall"]["miou"] == alone[0.4].overall["miou"]
    assert "* best by miou, chosen on this data" in str(found)
    found.save(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["best_on_this_data"] for row in rows] == ["0", "1", "0"]
    assert float(rows[1]["miou"]) == alone[0.4].overall["miou"]


def test_a_map_that_is_none_is_left_out_and_said_once(maps: tuple[Path, Path]) -> None:
    np.save(maps[0] / "b.npy", np.full((24, 31), np.nan))
    with pytest.warns(UserWarning, match="b: .*holds NaN") as said:
        found = evaluate_thresholds(*maps, [0.2, 0.4], metrics=("miou",))
    assert len(said) == 1
    assert [failure.name for failure in found.failed] == ["b"]
    assert found.images == 2


def test_what_looks_wrong_at_one_threshold_is_said_of_that_one(maps: tuple[Path, Path]) -> None:
    for path in maps[0].iterdir():
        np.save(path, np.load(path) * 0.9)
    for thresholds in ([0.95, 0.3], [0.3, 0.95]):
        with pytest.warns(UserWarning, match="every predicted pixel is 0") as said:
            evaluate_thresholds(*maps, thresholds, metrics=("miou",))
        assert [str(line.message)[:16] for line in said] == ["threshold 0.95: "]
        with pytest.raises(SuspiciousInputError, match=r"^threshold 0\.95: every predicted pixel is 0"):
            evaluate_thresholds(*maps, thresholds, metrics=("miou",), strict=True)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"threshold": 0.4}, "threshold 0.4: is for probability maps; add `probabilities`"),
        ({"probabilities": True, "threshold": 1.5}, "threshold 1.5: must be from 0 to 1"),
        ({"probabilities": True, "threshold": float("nan")}, "threshold nan: must be from 0 to 1"),
        ({"probabilities": True, "pred_labels": "-1"}, "pred_labels: changes labels, and `probabilities` holds none"),
    ],
)
def test_settings_that_none_can_have(settings: dict[str, object], why: str, maps: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError) as error:
        evaluate(*maps, **settings)  # type: ignore[arg-type]
    assert str(error.value).startswith(why)


def test_several_that_are_none(maps: tuple[Path, Path], tmp_path: Path) -> None:
    for wrong in ([], [0.5, 0.5]):
        with pytest.raises(ConfigError, match="threshold: give one or more, each once"):
            evaluate_thresholds(*maps, wrong)
    with pytest.raises(ConfigError, match="best_by hd95: must be one of the metrics that are computed"):
        evaluate_thresholds(*maps, [0.4], metrics=("miou",), best_by="hd95")
    assert evaluate_thresholds(*maps, [0.4], metrics=("all", "dice"), best_by="miou").best == 0.4
    assert evaluate_thresholds(*maps, [0.4], metrics=("miou",), hd_percentile=90, best_by="hd_percentile").best == 0.4
    with pytest.raises(ConfigError, match=r"output scores.txt: must end in .json"):
        evaluate_thresholds(*maps, [0.4], output="scores.txt")
