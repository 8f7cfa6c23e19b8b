"""Every value that a trusted tool gave for Dice, percentiles, curves, objects and centrelines, to the last digits."""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convneur.metrics import BoundaryAccumulator, BoundarySettings, PairScores, score_pair
from convneur.metrics.tables import image_values, total_values

LOADED = json.loads((Path(__file__).parent / "cases" / "oracles_more.json").read_text(encoding="utf-8"))
CASES = LOADED["cases"]
SINGLE_PRECISION = 2e-6
PERCENTILES = (50, 75, 90, 95, 99)
SINGLE = ("monai", "torchmetrics")


class Ours:
    """Our values for a case, each scored once for what an oracle asks."""

    def __init__(self, name: str, case_maps: Callable[[str], Any]) -> None:
        self.case, self.maps = CASES[name], case_maps(name)
        self.scored = cache(self._scored)

    def _scored(self, **options: Any) -> tuple[PairScores, dict[tuple[str, ...], Any]]:
        settings = BoundarySettings(
            num_classes=self.case["num_classes"], ignore_index=self.case["ignore_index"], **options
        )
        scores = score_pair(*self.maps, settings)
        rows = scores.all_rows()
        return scores, image_values(scores, settings) | total_values(rows, settings)

    def of_class(self, label: int, path: tuple[str, ...], **options: Any) -> float:
        scores, table = self.scored(**options)
        return float(table[path][scores.classes.tolist().index(label)])

    def value(self, key: str, label: int) -> float:
        """Our value for what a tool was asked under this key."""
        call, _, option = key.partition("|")
        if call in ("medpy.dc", "MetricsReloaded.dsc", "monai.dice", "torchmetrics.dice"):
            return self.of_class(label, ("dice",), metrics="dice")
        if call in ("MetricsReloaded.hd_perc", "monai.hd"):
            percentile = option.removeprefix("percentile=")
            path = ("hd_percentile", percentile, "finite_mean")
            return self.of_class(label, path, metrics=(), hd_percentile=tuple(map(str, PERCENTILES)))
        if call == "medpy.hd95":
            connectivity = {"connectivity=1": 4, "connectivity=2": 8}[option]
            settings = {"hd_percentile": (95,), "hd95": "pooled", "connectivity": connectivity}
            return self.of_class(label, ("hd_percentile", "95", "finite_mean"), metrics=(), **settings)
        if key == "davis2017.f_measure|area,trapezoid,1..10":
            return self.of_class(label, ("boundary_f1_curve", "area"), metrics=(), tolerance_curve="1:10")
        if call == "davis2017.f_measure":
            path = ("boundary_f1_curve", "f1", option.removeprefix("bound_th="))
            return self.of_class(label, path, metrics=(), tolerance_curve="1:10")
        raise AssertionError(f"no value of ours for {key}")


BUILT = (
    "medpy",
    "MetricsReloaded.dsc",
    "MetricsReloaded.hd_perc",
    "monai.dice",
    "monai.hd",
    "torchmetrics",
    "davis2017",
)
OTHER = ("monai.dice|per_component",)


@pytest.mark.parametrize("name", CASES)
def test_values_by_class(name: str, case_maps: Callable[[str], Any]) -> None:
    ours = Ours(name, case_maps)
    for label, values in CASES[name]["per_class"].items():
        for key, theirs in values.items():
            if key.startswith(BUILT) and key not in OTHER:
                relative = SINGLE_PRECISION if key.startswith(SINGLE) else 0
                assert ours.value(key, int(label)) == pytest.approx(theirs, abs=1e-9, rel=relative), (label, key)


@pytest.mark.parametrize("name", CASES)
def test_means_over_chosen_classes_of_one_image(name: str, case_maps: Callable[[str], Any]) -> None:
    case, maps = CASES[name], case_maps(name)
    groups = {"1 and 3": [k for k in (1, 3) if k < case["num_classes"]]}
    settings = BoundarySettings(
        num_classes=case["num_classes"],
        ignore_index=case["ignore_index"],
        metrics="dice",
        groups={"foreground": "foreground", **groups},
    )
    total = BoundaryAccumulator(settings)
    total.add("", score_pair(*maps, settings))
    summary, means = total.summary(), case["means"]
    for ours, key in (
        (summary.overall, "dice|all classes present"),
        (summary.groups["foreground"], "dice|without class 0"),
        (summary.groups["1 and 3"], "dice|classes 1,3"),
        (summary.overall, "torchmetrics.dice|macro"),
        (summary.groups["foreground"], "torchmetrics.dice|macro,no background"),
    ):
        theirs = means.get(key)
        if isinstance(theirs, float):
            relative = SINGLE_PRECISION if key.startswith("torchmetrics") else 0
            assert ours["dice"] == pytest.approx(theirs, abs=1e-9, rel=relative), key
        elif key in means:
            assert math.isnan(ours["dice"]), key


@pytest.mark.parametrize("mean_over", ["all", "foreground"])
def test_dice_of_a_data_set_in_three_orders(mean_over: str, case_maps: Callable[[str], Any]) -> None:
    theirs = LOADED["dice_data_set"]
    brute = theirs["brute"]
    background = f"include_background={mean_over == 'all'}"
    found = {}
    for aggregate in ("mean", "pooled", "images"):
        settings = BoundarySettings(
            num_classes=5, ignore_index=255, metrics="dice", aggregate=aggregate, mean_over=mean_over
        )
        total = BoundaryAccumulator(settings)
        for name in brute["images"]:
            total.add(name, score_pair(*case_maps(name), settings))
        found[aggregate] = total.summary()
    if mean_over == "all":
        assert found["mean"].overall["dice"] == pytest.approx(brute["mean of classes|mean over images"], abs=1e-9)
        assert found["pooled"].overall["dice"] == pytest.approx(brute["mean of classes|pooled"], abs=1e-9)
        assert found["images"].overall["dice"] == pytest.approx(brute["mean of images|mean of classes"], abs=1e-9)
    for aggregate, reduction in (("pooled", "global"), ("images", "samplewise")):
        macro = theirs[f"torchmetrics.DiceScore|{reduction},macro,{background}"]
        assert found[aggregate].overall["dice"] == pytest.approx(macro, rel=SINGLE_PRECISION)
        classes = theirs[f"torchmetrics.DiceScore|{reduction},none,{background}"]
        ours = [row["dice"] for row in found[aggregate].per_class][mean_over != "all" :]
        np.testing.assert_allclose(ours, np.array(classes, float), rtol=SINGLE_PRECISION)


def test_the_cases_hold_what_they_claim() -> None:
    values = [key for case in CASES.values() for row in case["per_class"].values() for key in row]
    built = [key for key in values if key.startswith(BUILT) and key not in OTHER]
    assert len(values) == 3229
    assert len(built) == 1788
