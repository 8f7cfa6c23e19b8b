"""A count held against an earlier one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convneur import ConfigError, InputError
from convneur.cost import CostReport, analyze


def layer(width: int) -> nn.Module:
    return nn.Conv2d(3, width, 1, bias=False)


def counted(width: int, **settings: Any) -> CostReport:
    return analyze({"net": lambda: layer(width)}, sizes=[16, 32], verdict=False, **settings)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    counted(100).save(tmp_path / "before.json")
    return tmp_path / "before.json"


def test_what_became_dearer_is_named(before: Path) -> None:
    report = counted(103, baseline=before, tolerance="2%")
    assert len(report.baseline) == 5  # parameters, and two quantities at each size
    assert report.baseline_failures[:2] == (
        "net: 0.000309 M params, 3.00% more than the baseline's 0.000300",
        "net at 16: 0.000079 GMACs, 3.00% more than the baseline's 0.000077",
    )
    assert report.to_dict()["baseline"][0]["change"] == pytest.approx(0.03)
    assert counted(103, baseline=before, tolerance=0.03).baseline_failures == ()
    assert counted(97, baseline=before).baseline_failures == ()
    assert "No cost differs from the baseline's." in str(counted(100, baseline=before))


def test_a_tolerance_is_a_percentage(before: Path) -> None:
    for tolerance, says in (("2", "give a percentage, such as 2%"), (-0.1, "give a share of at least 0")):
        with pytest.raises(ConfigError, match=says):
            counted(100, baseline=before, tolerance=tolerance)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "convneur.bench/1"}, "is no count of convneur"),
        ({"convention": "paper"}, "counts by convention paper, and this counts by all"),
        ({"models": []}, "has no model net, it has ;"),
        ({"models": [{"name": "net", "params": 1, "sizes": []}]}, "has no 16 or 32 of net, its sizes are none"),
        ({"models": [{"name": "net", "sizes": []}]}, "lacks 'params'"),
        ({"models": [{"name": "net", "params": "many", "sizes": []}]}, "is damaged ('many' is no number)"),
        ({"models": "net"}, "is damaged (models and sizes must be lists of objects)"),
    ],
)
def test_files_that_are_no_baseline(before: Path, change: dict[str, Any], says: str) -> None:
    before.write_text(json.dumps(json.loads(before.read_text()) | change))
    with pytest.raises(InputError) as raised:
        counted(100, baseline=before)
    assert says in str(raised.value)
    assert "write it anew" in str(raised.value)


class Positions(nn.Module):
    """Has as many parameters as an image has pixels."""

    def __init__(self, img_size: int = 8) -> None:
        super().__init__()
        self.place, self.conv = nn.Parameter(torch.zeros(img_size, img_size)), nn.Conv2d(3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.place


def test_parameters_of_a_model_built_for_each_size_are_compared_at_that_size(tmp_path: Path) -> None:
    analyze(Positions, sizes=[8, 16], verdict=False).save(tmp_path / "before.json")
    again = analyze(Positions, sizes=[16, 8], verdict=False, baseline=tmp_path / "before.json")
    assert again.baseline_failures == ()
    assert [one.size for one in again.baseline if one.quantity == "params"] == []
    same = analyze(Positions, sizes=[8], verdict=False, baseline=tmp_path / "before.json")
    assert [one.size for one in same.baseline if one.quantity == "params"] == ["8"]
    for sizes in ([8, 16], [16, 8]):
        (claim,) = analyze(Positions, sizes=sizes, verdict=False, claims="<= 100 params").claims
        assert (claim.holds, claim.found) == (False, "259.0 params at 16")


def test_swept_costs_are_compared_on_images_of_one_size(tmp_path: Path) -> None:
    class Clip(nn.Module):
        def forward(self, image: Tensor, words: Tensor) -> Tensor:
            return (image @ image.transpose(2, 3)).sum() + (words @ words.transpose(1, 2)).sum()

    settings: dict[str, Any] = {"inputs": ["1x3xHxW", "1xTx8"], "sweep": "T=4,8", "verdict": False}
    analyze(Clip, sizes=32, **settings).save(tmp_path / "before.json")
    with pytest.raises(InputError, match="has no T=4 on 64 or T=8 on 64 of Clip, its sizes are T=4 on 32, T=8 on 32"):
        analyze(Clip, sizes=64, baseline=tmp_path / "before.json", **settings)
    assert analyze(Clip, sizes=32, baseline=tmp_path / "before.json", **settings).baseline_failures == ()


def test_another_counter_is_another_count(before: Path) -> None:
    with pytest.raises(InputError, match="is counted by the dispatch counter, and this is by fvcore, which sees other"):
        counted(100, baseline=before, counter="fvcore")
    assert counted(100, baseline=before, counter="both").baseline_failures == ()


def test_no_such_baseline(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        counted(100, baseline=tmp_path / "none.json")
