"""J&F: the values of the official tool, and the definition written anew."""

import itertools
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from convneur.errors import ConfigError, InputError
from convneur.instances import evaluate_sequences

NAMES = {"jf_mean": "J&F-Mean", "j_mean": "J-Mean", "j_recall": "J-Recall", "j_decay": "J-Decay", "f_mean": "F-Mean",
         "f_recall": "F-Recall", "f_decay": "F-Decay"}  # fmt: skip


@pytest.mark.parametrize(("davis", "task"), [("semi", "semi-supervised"), ("unsupervised", "unsupervised")])
def test_values_of_the_official_tool(davis: Any, task: str, cases: Path, oracles: dict[str, Any]) -> None:
    folder = cases / "sequences"
    found = evaluate_sequences(folder / "results", folder / davis, davis=davis)
    theirs = oracles["sequences"]["tool"][task]
    assert dict(found.overall) == pytest.approx(
        {key: theirs["global_"][name] for key, name in NAMES.items()}, abs=1e-12
    )
    assert found.objects.keys() == theirs["per_object"].keys()
    for name, values in theirs["per_object"].items():
        row = found.objects[name]
        assert {key: row[key.lower()] for key in values} == pytest.approx(values, abs=1e-12), name
    # Each object counts once: a mean by sequence in between is another value.
    by_sequence = np.mean([row["jf_mean"] for row in found.sequences.values()])
    wanted = oracles["sequences"]["other_orders"][task]["objects, then sequences"]
    assert by_sequence == pytest.approx(wanted, abs=1e-12)
    assert by_sequence != pytest.approx(found.overall["jf_mean"], abs=1e-3)
    assert evaluate_sequences(folder / "results", folder / davis, davis=davis, workers=2).to_dict() == found.to_dict()


def write(folder: Path, sequences: Mapping[str, Sequence[Any]]) -> Path:
    for name, frames in sequences.items():
        (folder / name).mkdir(parents=True)
        for number, labels in enumerate(frames):
            np.save(folder / name / f"{number:05}.npy", np.asarray(labels, np.uint8))
    return folder


# The definition, a mask at a time.


def j(pred: Any, gt: Any) -> float:
    return float((pred & gt).sum() / (pred | gt).sum()) if (pred | gt).any() else 1.0


def boundary(mask: Any) -> Any:
    east, south, corner = mask.copy(), mask.copy(), mask.copy()
    east[:, :-1], south[:-1], corner[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    found = (mask ^ east) | (mask ^ south) | (mask ^ corner)
    found[-1], found[:, -1] = (mask ^ east)[-1], (mask ^ south)[:, -1]
    found[-1, -1] = False
    return found


def f(pred: Any, gt: Any) -> float:
    a, b = boundary(pred), boundary(gt)
    if not a.any() or not b.any():
        return float(a.any() == b.any())
    radius = math.ceil(0.008 * math.hypot(*gt.shape))
    precision = (ndimage.distance_transform_edt(~b)[a] <= radius).mean()
    recall = (ndimage.distance_transform_edt(~a)[b] <= radius).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def decay(values: Sequence[float]) -> float:
    ends = [int(np.round(np.linspace(1, len(values), 5)[at] + 1e-10) - 1) for at in range(5)]
    return float(np.mean(values[: ends[1] + 1]) - np.mean(values[ends[3] : ends[4] + 1]))


def objects(frames: int, seed: int, void: bool) -> tuple[list[Any], list[Any]]:
    """Predictions and ground truth of a sequence; some objects go away, some predictions are displaced or exchanged."""
    random = np.random.default_rng(seed)
    preds, gts = [], []
    for number in range(frames):
        gt = np.zeros((30, 37), np.uint8)
        for id in (1, 2, 3):
            if number and random.random() < 0.2:
                continue
            y, x = 3 + 8 * (id - 1), int(random.integers(0, 20))
            gt[y : y + 6, x : x + 9] = id
        pred = np.roll(gt, random.integers(-2, 3, 2), (0, 1))
        if number % 3 == 2:
            pred = np.where(pred == 2, 0, pred)
        if void:
            gt[:, 30:] = 255
            pred = np.array([0, 4, 1, 2, *range(4, 256)], np.uint8)[pred]
        preds.append(pred)
        gts.append(gt)
    return preds, gts


@pytest.mark.parametrize("seed", range(3))
def test_semi_by_definition(seed: int, tmp_path: Path) -> None:
    preds, gts = objects(9 + seed, seed, void=False)
    gts[4][0, :5] = 255  # no object, and not left out either
    found = evaluate_sequences(write(tmp_path / "p", {"s": preds}), write(tmp_path / "g", {"s": gts}))
    for id in (1, 2, 3):
        pairs = [(pred == id, gt == id) for pred, gt in zip(preds[1:-1], gts[1:-1], strict=True)]
        row = found.objects[f"s_{id}"]
        for metric, of_frame in (("j", j), ("f", f)):
            values = [of_frame(*pair) for pair in pairs]
            assert row[f"{metric}_mean"] == pytest.approx(np.mean(values), abs=1e-12)
            assert row[f"{metric}_recall"] == pytest.approx(np.mean(np.array(values) > 0.5), abs=1e-12)
            assert row[f"{metric}_decay"] == pytest.approx(decay(values), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_unsupervised_by_definition(seed: int, tmp_path: Path) -> None:
    preds, gts = objects(7, seed, void=True)
    found = evaluate_sequences(
        write(tmp_path / "p", {"s": preds}), write(tmp_path / "g", {"s": gts}), davis="unsupervised"
    )
    kept = [gt != 255 for gt in gts]

    def of_pair(p: int, g: int) -> float:
        pairs = [((pred == p) & keep, gt == g) for pred, gt, keep in zip(preds, gts, kept, strict=True)]
        return float(np.mean([j(*pair) for pair in pairs]) + np.mean([f(*pair) for pair in pairs])) / 2

    values = {(p, g): of_pair(p, g) for p in (1, 2, 3, 4) for g in (1, 2, 3)}
    best = max(
        sum(values[p, g] for p, g in zip(chosen, (1, 2, 3), strict=True))
        for chosen in itertools.permutations((1, 2, 3, 4), 3)
    )
    assert found.overall["jf_mean"] * 3 == pytest.approx(best, abs=1e-12)
    for row in found.objects.values():
        assert row["jf_mean"] == pytest.approx(values[row["pred_object"], row["gt_object"]], abs=1e-12)


def test_decay_over_256_frames(tmp_path: Path) -> None:
    # The official script keeps the ends of bins as bytes, and gives NaN here.
    gt = np.zeros((4, 300), np.uint8)
    gt[:, :298] = 1
    preds = []
    for number in range(302):
        pred = gt.copy()
        pred[:, 299 - number : 298] = 0
        preds.append(pred)
    found = evaluate_sequences(write(tmp_path / "p", {"s": preds}), write(tmp_path / "g", {"s": [gt] * 302}))
    values = [j(pred == 1, gt == 1) for pred in preds[1:-1]]
    assert found.objects["s_1"]["j_decay"] == pytest.approx(decay(values), abs=1e-12)
    assert found.objects["s_1"]["j_decay"] > 0.7


def test_a_mask_that_fills_the_frame_has_no_boundary(tmp_path: Path) -> None:
    full, empty = np.ones((5, 5), np.uint8), np.zeros((5, 5), np.uint8)
    found = evaluate_sequences(
        write(tmp_path / "p", {"s": [full, empty, empty]}), write(tmp_path / "g", {"s": [full, full, full]})
    )
    assert (found.overall["j_mean"], found.overall["f_mean"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("preds", "gts", "davis", "why"),
    [
        ([1, 1], [1, 1], "semi", "2 frames, of which the first and the last are not scored"),
        ([1, 2, 1], [1, 1, 1], "semi", "object 2, but the ground truth's first frame has 1"),
        ([1, 255, 1], [1, 1, 1], "semi", "object 255, but"),
        ([1, 1, 1], [0, 1, 1], "semi", "the first frame says which objects there are, and it has none"),
        ([1, 21, 1], [1, 1, 1], "unsupervised", "object 21, but at most 20 may be predicted"),
        ([1], [1, 1, 1], "semi", "no prediction for frame 00001"),
    ],
)
def test_a_sequence_that_cannot_be_scored_is_left_out(
    preds: list[int], gts: list[int], davis: Any, why: str, tmp_path: Path
) -> None:
    good = [np.eye(5)] * 3
    sides = [
        write(tmp_path / name, {"a": [np.eye(5) * id for id in ids], "b": good})
        for name, ids in (("p", preds), ("g", gts))
    ]
    with pytest.warns(UserWarning, match="a: "):
        found = evaluate_sequences(*sides, davis=davis)
    (failure,) = found.failed
    assert failure.name == "a"
    assert why in failure.why
    assert (list(found.sequences), found.overall["jf_mean"]) == (["b"], 1.0)


def test_folders_that_are_no_sequences(tmp_path: Path) -> None:
    good = [np.eye(5)] * 3
    pred, gt = write(tmp_path / "p", {"a": good, "c": good}), write(tmp_path / "g", {"a": good, "b": good})
    with pytest.raises(InputError, match=r"no prediction for 1 of 2 sequences \(b\); it has c; `missing=\"skip\"`"):
        evaluate_sequences(pred, gt)
    with pytest.warns(UserWarning, match="1 sequence without a"):
        assert list(evaluate_sequences(pred, gt, missing="skip").sequences) == ["a"]
    with pytest.raises(InputError, match="is in no folder of a sequence"):
        evaluate_sequences(pred / "a", gt / "a")
    with pytest.raises(InputError, match="give a folder with a folder of label maps for each sequence"):
        evaluate_sequences(pred / "a" / "00000.npy", gt)
    with pytest.raises(ConfigError, match="davis both: must be semi or unsupervised"):
        evaluate_sequences(pred, gt, davis="both")  # type: ignore[arg-type]


@pytest.mark.parametrize(("off", "moves", "where"), [(0, 3, None), (1, 3, "after"), (-1, 3, "before"), (1, 0, None)])
def test_frames_paired_one_off_are_said(tmp_path: Path, off: int, moves: int, where: str | None) -> None:
    frames = np.zeros((14, 64, 96), np.uint8)
    for number, frame in enumerate(frames):
        frame[20:44, 4 + moves * number : 40 + moves * number] = 1
    wrong = frames[1 + off : 13 + off].copy()
    wrong[:, 30:34] = 0  # as a model errs, in every frame
    pred = write(tmp_path / "pred", {"walk": wrong})
    gt = write(tmp_path / "gt", {"walk": frames[1:13]})
    for davis in ("semi", "unsupervised"):
        said = f"of the frame {where} better than their own"
        with pytest.warns(UserWarning, match=said) if where else nullcontext():
            found = evaluate_sequences(pred, gt, davis=davis)  # type: ignore[arg-type]
        assert [said in line for line in found.warnings] == [True] * bool(where)
