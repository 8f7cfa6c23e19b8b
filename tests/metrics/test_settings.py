"""What can be asked for, what cannot, and how a tolerance becomes pixels."""

import math
import subprocess
import sys
from typing import Any

import pytest

from convneur.errors import ConfigError
from convneur.metrics import METRICS, BoundarySettings, tolerance_radius


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
    ],
)
def test_tolerance_radius(tolerance: Any, radius: float) -> None:
    assert tolerance_radius(tolerance, 512, 1024) == radius


def test_a_share_of_the_diagonal_rounds_up_only_past_a_whole_pixel() -> None:
    assert tolerance_radius("0.01", 300, 400) == 5
    assert tolerance_radius("1%diag", 300, 400) == 5
    assert tolerance_radius("0.010001", 300, 400) == 6


@pytest.mark.parametrize("tolerance", ["", "-1", "3 px", "px", "3pixels", "1e400", "nan", "101%diag", "0.1%", "٣px"])
def test_other_tolerances_are_refused(tolerance: str) -> None:
    with pytest.raises(ConfigError, match="tolerance"):
        BoundarySettings(tolerance=(tolerance,))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"num_classes": 0}, "num_classes 0"),
        ({"num_classes": 70000}, "num_classes 70000"),
        ({"metrics": ("miou", "dice")}, "metrics dice: must be one of boundary_f1"),
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
        ({"boundary_iou_ratio": 1.5}, "ratio 1.5"),
        ({"boundary_iou_ratio": math.nan}, "ratio nan"),
        ({"aggregate": "median"}, "aggregate median"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as error:
        BoundarySettings(**wrong)
    assert "\n" not in str(error.value)


def test_the_defaults_ask_for_every_metric() -> None:
    assert BoundarySettings().metrics == METRICS


def test_the_room_loads_neither_torch_nor_the_filters() -> None:
    code = "import convneur.metrics, sys; assert not {'torch', 'skimage', 'scipy.ndimage', 'PIL'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
