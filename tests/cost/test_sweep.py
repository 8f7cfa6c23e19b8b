"""Counts over another axis than the image's, and the verdict on it."""

import pytest
from torch import Tensor, nn

from convneur import ConfigError
from convneur.cost import analyze


class Pairs(nn.Module):
    """Every token with every other: 8 T multiply-adds a token, and 64 for each."""

    def __init__(self, most: int = 10**6) -> None:
        super().__init__()
        self.layer, self.most = nn.Linear(8, 8, bias=False), most

    def forward(self, tokens: Tensor) -> Tensor:
        if tokens.shape[1] > self.most:
            raise ValueError(f"at most {self.most} tokens")
        return self.layer(tokens) @ tokens.mT  # type: ignore[no-any-return]


def test_the_verdict_is_on_the_axis() -> None:
    report = analyze(Pairs, inputs="1xTx8", sweep="T=16,64", claims="subquadratic")
    (model,) = report.models
    assert [cost.macs for cost in model.counted.values()] == [64 * t + 8 * t * t for t in (16, 64)]
    assert list(model.probes) == ["T=64", "T=128", "T=256"]
    assert report.verdict.growth == "quadratic in T"
    assert report.verdict.quadratic_coefficient == pytest.approx(8)
    assert model.scaling.quadratic_share == pytest.approx([2 / 3, 8 / 9])
    assert str(report).startswith("Pairs: quadratic in T (0.576 kMACs per unit of T at T=64, 2.11 at T=256)")
    assert report.claim_failures
    first = report.to_dict()["models"][0]["sizes"][0]
    assert (first["height"], first["width"], first["swept"]) == (224, 224, {"T": 16})


def test_the_probes_stay_in_what_the_model_takes() -> None:
    model = analyze(lambda: Pairs(64), inputs="1xTx8", sweep="T=16,32,64").models[0]
    assert list(model.probes) == ["T=16", "T=32", "T=64"]
    assert model.scaling.verdict.growth_class == "quadratic"


def test_a_function_of_the_axis_and_a_model_for_the_image() -> None:
    sides = []

    def clips(height: int, width: int, T: int) -> Tensor:
        from torch import zeros

        return zeros(1, 3, T, height, width)

    def build(img_size: int) -> nn.Module:
        sides.append(img_size)
        return nn.Conv3d(3, 1, 1, bias=False)

    report = analyze(build, sizes=32, inputs=clips, sweep="T=2,4", probe="2,4,8")
    assert report.verdict.growth == "linear in T"
    assert [cost.macs for cost in report.models[0].counted.values()] == [3 * t * 32 * 32 for t in (2, 4)]
    assert set(sides) == {32}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sweep": "T=0"}, "sweep 'T=0': give a capital letter and whole numbers"),
        ({"sweep": "H=1,2"}, "H and W are the image's; `sizes` has them"),
        ({"sweep": "S=1,2"}, "sweep S: no axis S in `inputs`"),
        ({}, "inputs: T is no side of an image; give its values in `sweep`"),
        ({"sweep": "T=1", "sizes": "32,64"}, "is at one image size; give one in `sizes`"),
        ({"sweep": "T=1", "probe": "3,5,9"}, "probe 3,5,9: give three values of T, each twice the one before"),
        ({"sweep": "T=1", "claims": "1 GMACs@224"}, "a limit at an image size cannot be held to a `sweep`"),
        ({"sweep": "T=1", "models": "m1"}, "sweep: a ConvNeur takes one image"),
    ],
)
def test_sweeps_that_are_none(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        analyze(**{"models": Pairs, "inputs": "1xTx8", **settings})  # type: ignore[arg-type]
    assert says in str(raised.value)
