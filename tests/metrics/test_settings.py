"""What can be asked for, what cannot, and how a tolerance becomes pixels."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from convneur.errors import ConfigError
from convneur.metrics import METRICS, BoundarySettings
from convneur.metrics.class_sets import with_ids
from convneur.metrics.settings import DEFAULT_METRICS, tolerance_radius


@pytest.mark.parametrize(
    ("tolerance", "radius"),
    [
        ("0.008", math.ceil(0.008 * math.hypot(512, 1024))),
        (0.008, math.ceil(0.008 * math.hypot(512, 1024))),
        ("0.00088", 2),
        ("0", 0),
        ("1", 1),
        ("1.5", 1.5),
        (3, 3),
        ("3px", 3),
        ("0.5px", 0.5),
        (".5px", 0.5),
        ("0px", 0),
        ("0.75%diag", math.ceil(0.0075 * math.hypot(512, 1024))),
        ("0.8%diag", math.ceil(0.008 * math.hypot(512, 1024))),
        (1e-3, 2),
        ("1e-3", 2),
        ("2.5e-3", 3),
        ("1E1px", 10),
        ("1e-1%diag", 2),
        (1e-5, 1),
        ("1e-300", 1),
        (np.float32(0.008), math.ceil(0.008 * math.hypot(512, 1024))),
        (np.int64(3), 3),
    ],
)
def test_tolerance_radius(tolerance: Any, radius: float) -> None:
    assert tolerance_radius(tolerance, 512, 1024) == radius


def test_a_share_of_the_diagonal_rounds_up_only_past_a_whole_pixel() -> None:
    assert tolerance_radius("0.01", 300, 400) == 5
    assert tolerance_radius("1%diag", 300, 400) == 5
    assert tolerance_radius("0.010001", 300, 400) == 6


@pytest.mark.parametrize(
    "tolerance",
    ["", "-1", "3 px", "px", "3pixels", "1e400", "1e999999999", "1e", "e3", "nan", "101%diag", "0.1%", "٣px"],
)
def test_other_tolerances_are_refused(tolerance: str) -> None:
    with pytest.raises(ConfigError, match="tolerance"):
        BoundarySettings(tolerance=(tolerance,))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"num_classes": 0}, "num_classes 0"),
        ({"num_classes": 70000}, "num_classes 70000"),
        ({"num_classes": 2.0}, "num_classes 2.0: must be a whole number"),
        ({"ignore_index": "255"}, "ignore_index 255: must be a whole number"),
        ({"metrics": ("miou", "jaccard")}, "metrics jaccard: must be one of boundary_f1"),
        ({"metrics": ()}, "metric"),
        ({"metrics": ("miou", "miou")}, "each once"),
        ({"tolerance": ("3px", "3px")}, "each once"),
        ({"trimap_width": (0,)}, "trimap_width 0"),
        ({"trimap_seed": "edge"}, "trimap_seed edge: must be one of auto, class, void"),
        ({"trimap_shape": "round"}, "trimap_shape round"),
        ({"hd95": "mean"}, "hd95 mean"),
        ({"connectivity": 6}, "connectivity 6: must be one of 4, 8"),
        ({"surface_dice_tau": ("-1",)}, "tau -1"),
        ({"surface_dice_tau": ("inf",)}, "tau inf"),
        ({"surface_dice_tau": ("wide",)}, "tau wide"),
        ({"spacing": (1.0, 0.0)}, "spacing"),
        ({"spacing": (1.0, math.nan)}, "spacing"),
        ({"spacing": (1.0,)}, "spacing"),
        ({"spacing": 0}, "spacing"),
        ({"spacing": "wide"}, "spacing wide: must be a number"),
        ({"spacing": None}, "spacing none: must be a number"),
        ({"spacing": np.ones(3)}, "spacing"),
        ({"tolerance": None}, "tolerance none"),
        ({"tolerance": -1e-3}, "tolerance -0.001"),
        ({"trimap_width": 2.5}, "trimap_width 2.5: must be a whole number"),
        ({"surface_dice_tau": None}, "tau none"),
        ({"surface_dice_tau": ("1e-9999999",)}, "tau 1e-9999999: must be a number"),  # ten million digits, if counted
        ({"surface_dice_tau": ("1_0",)}, "tau 1_0: must be a number"),
        ({"tolerance": ("0." + "1" * 5000,)}, "must be a number"),
        ({"hd_percentile": ("9_0",)}, "hd_percentile 9_0: must be a number"),
        ({"spacing": (1e-170, 1e-170)}, "spacing .*: must be 1e-100 to 1e\\+100"),
        ({"spacing": 1e200}, "spacing .*: must be 1e-100 to 1e\\+100"),
        ({"groups": {"overall": (1,)}}, "groups overall: give each group a name of its own"),
        ({"connectivity": np.array([4, 8])}, "connectivity"),
        ({"boundary_iou_ratio": "wide"}, "ratio wide: must be a number"),
        ({"boundary_iou_ratio": 1.5}, "ratio 1.5"),
        ({"boundary_iou_ratio": math.nan}, "ratio nan"),
        ({"aggregate": "median"}, "aggregate median"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as error:
        BoundarySettings(**wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"spacing": 2}, (2.0, 2.0)),
        ({"spacing": np.float32(0.3)}, (0.3, 0.3)),
        ({"spacing": [1, 0.5]}, (1.0, 0.5)),
        ({"spacing": np.array([1, 2])}, (1.0, 2.0)),
        ({"spacing": torch.tensor([1.0, 2.0])}, (1.0, 2.0)),
        ({"tolerance": "3px"}, ("3px",)),
        ({"tolerance": 1e-3}, (0.001,)),
        ({"tolerance": np.array([1, 3])}, (1, 3)),
        ({"tolerance": np.float32(0.008)}, (0.008,)),
        ({"tolerance": ["1e-3", 2]}, ("1e-3", 2)),
        ({"metrics": "miou"}, ("miou",)),
        ({"trimap_width": np.int32(5)}, (5,)),
        ({"surface_dice_tau": range(1, 3)}, (1, 2)),
        ({"connectivity": np.int64(8)}, 8),
        ({"num_classes": np.uint8(9)}, 9),
        ({"boundary_iou_ratio": np.float64(0.1)}, 0.1),
        ({"count_absent": np.True_}, True),
    ],
)
def test_one_value_or_several_of_any_type_become_plain_ones(given: dict[str, Any], kept: Any) -> None:
    settings = BoundarySettings(**given)
    ((name, _),) = given.items()
    value = getattr(settings, name)
    assert value == kept
    assert repr(value) == repr(kept)  # no NumPy scalar among them
    assert json.loads(json.dumps(dataclasses.asdict(settings)))
    assert hash(settings) == hash(BoundarySettings(**{name: kept}))


def test_all_stands_for_the_default_metrics_and_more_may_be_added() -> None:
    assert BoundarySettings().metrics == BoundarySettings(metrics="all").metrics == DEFAULT_METRICS
    assert set(DEFAULT_METRICS) < set(METRICS)
    assert BoundarySettings(metrics=["all", "dice"]).metrics == (*DEFAULT_METRICS, "dice")
    assert BoundarySettings(metrics=["miou", "all"]).metrics[0] == "miou"


def test_an_option_that_asks_for_a_metric_turns_it_on() -> None:
    assert BoundarySettings(metrics="miou", hd_percentile=90).metrics == ("miou", "hd_percentile")
    assert BoundarySettings(metrics="miou", tolerance_curve="1:3").metrics == ("miou", "boundary_f1_curve")
    assert BoundarySettings(tolerance_curve="1:10:3").radii == (1, 4, 7, 10)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"metrics": "hd_percentile"}, "metrics hd_percentile: give `hd_percentile` too"),
        ({"metrics": "boundary_f1_curve"}, "give `tolerance_curve` too"),
        ({"hd_percentile": 0}, "hd_percentile 0: must be above 0"),
        ({"hd_percentile": (90, 100.1)}, "hd_percentile 100.1"),
        ({"hd_percentile": "p"}, "hd_percentile p: must be a number"),
        ({"hd_percentile": (90, 90)}, "each once"),
        ({"hd_percentile": math.nan}, "hd_percentile nan"),
        ({"tolerance_curve": "0.001:0.01"}, "whole radii in pixels"),
        ({"tolerance_curve": "0:3"}, "from 1 pixel"),
        ({"tolerance_curve": "5:3"}, "must rise"),
        ({"tolerance_curve": "1:10:2"}, "do not end at 10"),
        ({"tolerance_curve": "1:10:0"}, "must rise"),
        ({"tolerance_curve": "1:101"}, "at most 100 radii"),
        ({"tolerance_curve": "1:99999999999999999999"}, "no image is as large"),
        ({"aggregate": "images"}, "aggregate images: is for dice alone; add it to `metrics`"),
        ({"mean_over": "background"}, "mean_over background: must be all, foreground, or classes"),
        ({"mean_over": ()}, "mean_over: names no class"),
        ({"mean_over": [70000]}, "mean_over 70000: classes are 0 to 65535"),
        ({"mean_over": [3], "num_classes": 3}, "mean_over 3: classes are 0 to 2"),
        ({"groups": {"a": []}}, "groups: a: names no class"),
        ({"groups": {"": [1]}}, "a name of its own"),
        ({"groups": [("a", [1]), ("a", [2])]}, "a name of its own"),
        ({"background": -1}, "background -1"),
        ({"background": 3, "num_classes": 3}, "background 3"),
    ],
)
def test_sets_of_classes_percentiles_and_curves_that_cannot_be(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        BoundarySettings(**wrong)


def test_names_of_classes_become_ids_once_they_are_known() -> None:
    settings = BoundarySettings(num_classes=3, mean_over=["sea", "0"], groups={"land": ["hill"], "rest": "foreground"})
    known = with_ids(settings, ["sky", "sea", "hill"])
    assert known.mean_over == (1, 0)
    assert known.groups == (("land", (2,)), ("rest", "foreground"))
    with pytest.raises(ConfigError, match=r"groups: land: no class hill; classes are 0 to 2: 0, 1, sea$"):
        with_ids(settings, ["0", "1", "sea"])
    with pytest.raises(ConfigError, match=r"mean_over: no class sea; classes are 0 to 1: a, b$"):
        with_ids(settings, ["a", "b"])


def test_the_room_loads_neither_torch_nor_the_filters() -> None:
    code = "import convneur.metrics, sys; assert not {'torch', 'skimage', 'scipy.ndimage', 'PIL'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("settings", "unused"),
    [
        ({"metrics": "hd95", "hd95": "pooled", "connectivity": 8, "spacing": 2}, []),
        ({"metrics": "objects", "object_iou": 0.7, "spacing": 2, "surface_dice_tau": 4}, []),
        ({"metrics": "dice", "aggregate": "pooled", "count_absent": True}, ["count_absent"]),
        ({"metrics": "miou", "tolerance": "1px", "trimap_seed": "void"}, ["tolerance", "trimap_seed"]),
        ({"mean_over": "foreground", "background": 1}, []),
        ({"groups": {"things": "foreground"}, "background": 1}, []),
        ({"mean_over": [0, 2], "background": 1}, ["background"]),
        ({}, []),
    ],
)
def test_a_setting_that_no_metric_reads_is_said(settings: dict[str, Any], unused: list[str]) -> None:
    said = BoundarySettings(num_classes=3, **settings).unused()
    assert [line.split("`")[1] for line in said] == unused
