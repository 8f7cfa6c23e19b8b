"""Every value that a trusted tool gave for Dice, percentiles, curves, objects and centrelines, to the last digits."""

import json
import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convneur.metrics import BoundaryAccumulator, BoundarySettings, PairScores, score_pair
from convneur.metrics.kernels import PLAIN
from convneur.metrics.label_pair import comparable
from convneur.metrics.measure import PairGeometry
from convneur.metrics.measures.components import component_scores
from convneur.metrics.tables import image_values, total_values

LOADED = json.loads((Path(__file__).parent / "cases" / "oracles_more.json").read_text(encoding="utf-8"))
CASES = LOADED["cases"]
SINGLE_PRECISION = 2e-6
PERCENTILES = (50, 75, 90, 95, 99)
SINGLE = ("monai", "torchmetrics")


_CENTRELINES = {
    "panoptica.cldice": "cldice",
    "MetricsReloaded.cldice": "cldice",
    "MetricsReloaded.topology_precision": "tprec",
    "MetricsReloaded.topology_sensitivity": "tsens",
}
_OBJECT_SUMS = {"n_ref_instances": ("tp", "fn"), "n_pred_instances": ("tp", "fp")}
_LISTS = (
    "CCMetrics.CCDice",
    "monai.pq_stat",
    "MetricsReloaded.tp_fp_fn",
    "MetricsReloaded.pairs",
    "skimage.skeleton_pixels",
)


_OBJECTS = {"per_object": True, "surface_dice_tau": "2"}
SCORED: dict[str, dict[str, Any]] = {
    "all": _OBJECTS
    | {
        "metrics": ("dice", "cldice", "objects", "component_dice"),
        "hd_percentile": tuple(map(str, PERCENTILES)),
        "tolerance_curve": "1:10",
    },
    "objects by sides": _OBJECTS | {"metrics": "objects", "object_connectivity": 4},
    "pooled": {"metrics": (), "hd_percentile": (95,), "hd95": "pooled"},
}
"""What a case is scored with: few times, as that takes longer than all comparisons."""


class Ours:
    """Our values for a case."""

    def __init__(self, name: str, maps: Any) -> None:
        self.case, self.maps = CASES[name], maps
        self.scored = cache(self._scored)

    def _scored(self, options: str) -> tuple[PairScores, dict[tuple[str, ...], Any]]:
        settings = BoundarySettings(
            num_classes=self.case["num_classes"], ignore_index=self.case["ignore_index"], **SCORED[options]
        )
        scores = score_pair(*self.maps, settings)
        return scores, image_values(scores, settings) | total_values(scores.all_rows(), settings)

    def of_class(self, label: int, *path: str, options: str = "all") -> float:
        scores, table = self.scored(options)
        return float(table[path][scores.classes.tolist().index(label)])

    def value(self, key: str, label: int) -> float:
        """Our value for what a tool was asked under this key."""
        call, _, option = key.partition("|")
        if call in ("medpy.dc", "MetricsReloaded.dsc", "monai.dice", "torchmetrics.dice"):
            return self.of_class(label, "dice")
        if call in ("MetricsReloaded.hd_perc", "monai.hd"):
            return self.of_class(label, "hd_percentile", option.removeprefix("percentile="), "finite_mean")
        if key == "medpy.hd95|connectivity=1":  # 4 neighbours
            return self.of_class(label, "hd_percentile", "95", "finite_mean", options="pooled")
        if key == "davis2017.f_measure|area,trapezoid,1..10":
            return self.of_class(label, "boundary_f1_curve", "area")
        if call == "davis2017.f_measure":
            return self.of_class(label, "boundary_f1_curve", "f1", option.removeprefix("bound_th="))
        if call in _CENTRELINES:
            return self.of_class(label, "cldice", _CENTRELINES[call])
        if call.startswith("panoptica."):
            assert key.endswith("conn=4")
            of_class = partial(self.of_class, label, "objects", options="objects by sides")
            kind = call.removeprefix("panoptica.")
            if kind in _OBJECT_SUMS:
                return sum(of_class(count) for count in _OBJECT_SUMS[kind])
            if kind == "pq_dsc":
                return np.nan_to_num(of_class("pairs", "dice")) * of_class("rq")
            # What panoptica calls ASSD is MASD, and the mean of no pairs is 0 there.
            path = {"sq_dsc": ("pairs", "dice"), "sq_assd": ("pairs", "masd")}.get(kind, (kind,))
            return np.nan_to_num(of_class(*path)) if path[0] == "pairs" else of_class(*path)
        raise AssertionError(f"no value of ours for {key}")


@pytest.fixture(scope="module")
def ours_of(case_maps: Callable[[str], Any]) -> Callable[[str], Ours]:
    """Our values by case, scored once for all tests here."""
    return cache(lambda name: Ours(name, case_maps(name)))


# Of pixels as near to two components MONAI takes either; elsewhere its mean is that of the values of CC-Metrics.
NOT_BINDING = ("monai.dice|per_component",)


@pytest.mark.parametrize("name", CASES)
def test_values_by_class(name: str, ours_of: Callable[[str], Ours]) -> None:
    ours = ours_of(name)
    for label, values in CASES[name]["per_class"].items():
        for key, theirs in values.items():
            if not key.startswith((*NOT_BINDING, *_LISTS)):
                relative = SINGLE_PRECISION if key.startswith(SINGLE) else 0
                assert ours.value(key, int(label)) == pytest.approx(theirs, abs=1e-9, rel=relative), (label, key)


@pytest.mark.parametrize("name", CASES)
def test_objects_and_their_pairs(name: str, ours_of: Callable[[str], Ours]) -> None:
    """monai.pq_stat is tp, fp, fn and the sum of IoU; the pairs' objects are numbered in raster order."""
    ours = ours_of(name)
    for label, values in CASES[name]["per_class"].items():
        for key, theirs in values.items():
            if not key.startswith(_LISTS) or key.startswith(("skimage", "CCMetrics")):
                continue
            scores, _ = ours.scored({"4": "objects by sides", "8": "all"}[key[-1]])
            at = scores.classes.tolist().index(int(label))
            if key.startswith("MetricsReloaded.pairs"):
                rows = scores.object_rows
                of_class = (rows["class"] == int(label)) & (rows["status"] == 0)
                found = {name: values[of_class].tolist() for name, values in rows.items()}
                assert [pair["gt"] for pair in theirs] == found["gt_object"]
                assert [pair["pred"] for pair in theirs] == found["pred_object"]
                for theirs_key, ours_key in {"nsd2": "surface_dice[2]", "medpy_hd": "hd", "medpy_assd": "assd"}.items():
                    assert found[ours_key] == pytest.approx([pair[theirs_key] for pair in theirs], abs=1e-9), key
                for both in ("iou", "dice", "hd", "hd95", "assd", "masd"):
                    assert found[both] == pytest.approx([pair[both] for pair in theirs], abs=1e-9), (label, key, both)
            else:
                found = [scores.rows[f"objects_{count}"][at] for count in ("tp", "fp", "fn")]
                found += [scores.rows["objects_sum_iou"][at]] if key.startswith("monai") else []
                assert found == pytest.approx(theirs, abs=1e-9, rel=SINGLE_PRECISION), (label, key)


@pytest.mark.parametrize("name", CASES)
def test_dice_of_components(name: str, ours_of: Callable[[str], Ours]) -> None:
    ours = ours_of(name)
    settings = BoundarySettings(num_classes=ours.case["num_classes"], ignore_index=ours.case["ignore_index"])
    pair = comparable(*ours.maps, num_classes=settings.num_classes, ignore_index=settings.ignore_index)
    rank, scores = component_scores(PairGeometry(pair, PLAIN, settings))
    for label, values in CASES[name]["per_class"].items():
        theirs = values.get("CCMetrics.CCDice")
        if theirs is not None:
            found = scores[rank == pair.classes.tolist().index(int(label))]
            assert found.tolist() == pytest.approx(theirs, rel=SINGLE_PRECISION), label
            assert ours.of_class(int(label), "component_dice", "dice") == pytest.approx(np.mean(theirs), rel=1e-6)
            assert ours.of_class(int(label), "component_dice", "components") == len(theirs)


@pytest.mark.parametrize("name", CASES)
def test_skeletons(name: str, ours_of: Callable[[str], Ours]) -> None:
    scores, _ = ours_of(name).scored("all")
    for label, values in CASES[name]["per_class"].items():
        at = scores.classes.tolist().index(int(label))
        assert [scores.rows["skeleton_gt"][at], scores.rows["skeleton_pred"][at]] == values["skimage.skeleton_pixels"]


def test_a_mirrored_image_has_other_centrelines(case_maps: Callable[[str], Any]) -> None:
    """As the page on metrics says."""
    pred, gt = case_maps("o01_split_merge")
    asked = BoundarySettings(num_classes=CASES["o01_split_merge"]["num_classes"], metrics="cldice")
    found = [
        image_values(score_pair(*maps, asked), asked)["cldice", "cldice"][1]
        for maps in ((pred, gt), (pred[:, ::-1], gt[:, ::-1]))
    ]
    assert found == pytest.approx([0.8489, 0.834], abs=1e-4)


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
    assert len(values) == 3229
    assert len([key for key in values if key.startswith(NOT_BINDING)]) == 63
