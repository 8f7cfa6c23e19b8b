"""Every value that a trusted tool gave for the cases, to the last digits it has."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convneur.metrics import (
    BoundarySettings,
    PairScores,
    assd,
    boundary_f1,
    boundary_iou,
    hausdorff,
    hd95,
    masd,
    mean_iou,
    pixel_accuracy,
    score_pair,
    surface_dice,
    trimap_miou,
)

NAMES = sorted(json.loads((Path(__file__).parent / "cases" / "oracles.json").read_text(encoding="utf-8"))["cases"])
SINGLE_PRECISION = 2e-6
TOLERANCES = ("0.008", "0.0075", "1", "2", "3", "5")
TAUS = ("1.0", "2.0", "3.0")


def of_class(scores: PairScores, label: int, values: Any) -> float:
    return float(values[list(scores.classes).index(label)])


@pytest.mark.parametrize("name", NAMES)
def test_values_by_class(name: str, oracles: dict[str, Any], case_maps: Callable[[str], Any]) -> None:
    case = oracles[name]
    pred, gt = case_maps(name)

    @cache
    def scored(connectivity: int = 4, hd95: str = "directed", ratio: float = 0.02) -> PairScores:
        settings = BoundarySettings(
            num_classes=case["num_classes"],
            ignore_index=case["ignore_index"],
            tolerance=TOLERANCES,
            surface_dice_tau=TAUS,
            connectivity=connectivity,
            hd95=hd95,
            boundary_iou_ratio=ratio,
        )
        return score_pair(pred, gt, settings)

    def ours(key: str, label: int) -> float:
        tool, _, option = key.partition("|")
        _, _, value = option.partition("=")
        if tool == "davis2017.f_measure":
            return of_class(scored(), label, scored().boundary_f1.score[TOLERANCES.index(value)])
        if tool == "boundary_iou_api":
            scores = scored(ratio=float(value))
            return of_class(scores, label, scores.boundary_iou)
        if tool in ("monai.nsd", "MetricsReloaded.nsd"):
            tau = f"{float(value or option):.1f}"
            return of_class(scored(), label, scored().surface_dice.score[TAUS.index(tau)])
        scores = scored(connectivity={"1": 4, "2": 8}[value], hd95="pooled") if "medpy" in tool else scored()
        metric = {"hd": "hausdorff", "asd": "assd"}.get(tool.split(".")[1], tool.split(".")[1])
        metric = "hd95" if option == "percentile=95" else metric
        return of_class(scores, label, getattr(scores.distances, metric))

    for label, values in case["per_class"].items():
        for key, theirs in values.items():
            relative = SINGLE_PRECISION if key.startswith("monai") else 0
            assert ours(key, int(label)) == pytest.approx(theirs, abs=1e-9, rel=relative), (label, key)


@pytest.mark.parametrize("name", NAMES)
def test_trimap_values(name: str, oracles: dict[str, Any], case_maps: Callable[[str], Any]) -> None:
    case = oracles[name]
    pred, gt = case_maps(name)
    widths = (1, 3, 5, 10)

    @cache
    def scored(seed: str, shape: str) -> PairScores:
        settings = BoundarySettings(
            num_classes=case["num_classes"],
            ignore_index=case["ignore_index"],
            metrics=("trimap_miou",),
            trimap_width=widths,
            trimap_seed=seed,
            trimap_shape=shape,
        )
        return score_pair(pred, gt, settings)

    assert case["trimap"]
    for key, theirs in case["trimap"].items():
        kind, shape, width = key.split("|")[:3]
        seed = "void" if kind.startswith("void") else "class"
        scores = scored(seed, shape)
        bands = scores.trimap[seed]
        row = widths.index(int(width.removeprefix("w=")))
        iou = np.full(case["num_classes"], np.nan)
        iou[scores.classes] = bands.iou()[row]
        if "pixels" in theirs:
            assert bands.gt[row].sum() == theirs["pixels"], key
            expected = np.array([np.nan if value in (None, "nan") else value for value in theirs["iou"]], float)
            np.testing.assert_allclose(iou, expected, rtol=0, atol=1e-9, err_msg=key)
        if "mean" in theirs:
            assert np.nanmean(iou) == pytest.approx(theirs["mean"], abs=1e-9), key


def test_the_cases_hold_what_they_claim(oracles: dict[str, Any]) -> None:
    values = [key for case in oracles.values() for row in case["per_class"].values() for key in row]
    assert len(values) == 1216
    assert sum(len(case["trimap"]) for case in oracles.values()) == 120


@pytest.mark.parametrize("name", ["e04_touching_border", "e07_ignore", "r04_chelsea_8"])
def test_the_plain_functions_agree_with_score_pair(
    name: str, oracles: dict[str, Any], case_maps: Callable[[str], Any]
) -> None:
    case = oracles[name]
    pred, gt = case_maps(name)
    settings = BoundarySettings(
        num_classes=case["num_classes"], ignore_index=case["ignore_index"], spacing=(2.0, 0.5), connectivity=8
    )
    scores = score_pair(pred, gt, settings)
    valid = gt != case["ignore_index"]
    where = {"spacing": (2.0, 0.5), "connectivity": 8}
    for label in scores.classes:
        masks = (pred == label) & valid, (gt == label) & valid
        assert boundary_f1(*masks) == of_class(scores, label, scores.boundary_f1.score[0])
        assert hausdorff(*masks, **where) == of_class(scores, label, scores.distances.hausdorff)
        assert hd95(*masks, **where) == of_class(scores, label, scores.distances.hd95)
        assert assd(*masks, **where) == of_class(scores, label, scores.distances.assd)
        assert masd(*masks, **where) == of_class(scores, label, scores.distances.masd)
        assert surface_dice(*masks, 2, **where) == of_class(scores, label, scores.surface_dice.score[1])
        assert boundary_iou(*masks) == of_class(scores, label, scores.boundary_iou)
    options = {"num_classes": case["num_classes"], "ignore_index": case["ignore_index"]}
    assert mean_iou(pred, gt, **options) == pytest.approx(np.nanmean(scores.confusion.iou()), abs=1e-12)
    right = (gt == pred)[valid].mean()
    assert pixel_accuracy(pred, gt, **options) == pytest.approx(right, abs=1e-12)
    band = scores.trimap["class"].iou()[1]
    assert trimap_miou(pred, gt, width=3, **options) == pytest.approx(np.nanmean(band), abs=1e-12)
