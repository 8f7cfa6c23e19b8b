"""Claims about a model's cost."""

import pytest
from torch import nn

from convneur import ConfigError
from convneur.claims import find_claims
from convneur.cost import analyze


def layer() -> nn.Module:
    return nn.Conv2d(3, 4, 1, bias=False)  # 12 parameters, 12 multiply-adds a pixel


@pytest.mark.parametrize(
    ("claim", "holds", "found"),
    [
        ("<= 0.0123 MMACs@32", True, "0.01229 MMACs at 32"),
        ("12.288 kMACs@32", True, "12.29 kMACs at 32"),
        ("<=12.287 kmacs @ 32", False, "12.288 kMACs at 32"),
        ("24.6 kFLOPs@32", True, "24.58 kFLOPs at 32"),
        ("<= 0.1 MB@32x64", True, "0.03277 MB at 32x64"),
        ("0.01 MB@32x64", False, "0.03277 MB at 32x64"),
        ("12 params", True, "12.00 params"),
        ("0.01 k params", False, "0.01200 k params"),
        ("Linear", True, "linear in pixels (0.012 kMACs per pixel)"),
        ("subquadratic", True, "linear in pixels (0.012 kMACs per pixel)"),
        ("constant", False, "linear in pixels (0.012 kMACs per pixel)"),
    ],
)
def test_what_is_found(claim: str, holds: bool, found: str) -> None:
    report = analyze(layer, sizes=32, claims=claim, probe=32)
    (checked,) = report.claims
    assert (checked.holds, checked.found) == (holds, found)
    assert len(report.claim_failures) == (not holds)
    assert report.to_dict()["claims"] == [{"model": "layer", "claim": checked.claim, "found": found, "holds": holds}]


def test_a_refused_size_fails_its_claim() -> None:
    report = analyze("m1", sizes=32, memory="none", claims=["1 GMACs@16", "<= 5 M params"], verdict=False)
    refused, params = report.claims
    assert not refused.holds
    assert refused.found.startswith("refused: image of 16x16")
    assert params.holds


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ("fast", "claims 'fast': give constant, sublinear"),
        ("1 GMACs", "say at which size, such as @224"),
        ("5 M params@224", "parameters need no size"),
        (">= 1 GMACs@224", "give constant"),
        ("1 GMACs@0", "claims '0': give a whole number of pixels"),
        ("", "give constant"),
        ("10 ms", "say at which size, such as @224"),
        ("10 Gs@224", "Gs is no unit"),
        ("1 GMACs@224/8", "only a time has a batch"),
        ("1 ms@224/0", "only a time has a batch, of up to 4096 images"),
        ("frontier@1", "give constant"),
    ],
)
def test_claims_that_are_none(claim: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        find_claims(claim)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("claim", "quantity", "most", "batch"),
    [
        ("<= 10 ms@224", "time", 0.01, 1),
        ("≤40ms @ 224 / 8", "time", 0.04, 8),
        ("250 us@64", "time", 250e-6, 1),
        ("1.5 s@1024x2048", "time", 1.5, 1),
        ("frontier@1 points", "frontier", 1, 1),
        ("Frontier @ 0.5 point", "frontier", 0.5, 1),
    ],
)
def test_claims_of_time_and_accuracy(claim: str, quantity: str, most: float, batch: int) -> None:
    (found,) = find_claims(claim)
    assert (found.quantity, found.most, found.batch) == (quantity, pytest.approx(most), batch)
    with pytest.raises(ConfigError, match="this only counts; `convneur audit` does it"):
        analyze(layer, sizes=32, claims=claim)
