"""Claims put to the test: counted, measured, placed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convneur
from convneur import ConfigError, InputError
from convneur.auditing import run
from convneur.cost import external
from convneur.figures import audit_page


class Two(nn.Module):
    """An image and a number of words; one operator has no formula."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem, self.words = nn.Conv2d(3, width, 4, 4), nn.Embedding(9, width)

    def forward(self, image: Tensor, ids: Tensor) -> Tensor:
        return torch.fft.fft(self.stem(image)).abs() + self.words(ids).mean()


@pytest.fixture(scope="module")
def two() -> convneur.auditing.AuditReport:
    claims = ["linear", "<= 1 kMACs@32", "<= 10 s@32", "<= 1 us@48", "frontier@5 points"]
    inputs = ["1x3xHxW", "ids=1x7:int64"]
    return convneur.audit(
        {"two": Two}, claims=claims, sizes=[32, 64], inputs=inputs, accuracy=80.0, repeats=2, threads=1
    )


@pytest.mark.slow
def test_each_claim_has_what_was_found(two: convneur.auditing.AuditReport) -> None:
    linear, macs, slow, fast, place = two.claims
    assert [one.holds for one in two.claims] == [True, False, True, False, True]
    assert linear.found.startswith("linear in pixels")
    assert macs.found == "12.29 kMACs at 32"
    assert "the median, in torch on " in slow.found
    assert "1 thread, 2 repeats" in slow.found
    assert " us at 48: " in fast.found
    assert place.found == "no published model costs as little"
    assert two.verdict == "2 of 5 claims do not hold"
    assert len(two.failures) == 2


@pytest.mark.slow
def test_the_evidence(two: convneur.auditing.AuditReport) -> None:
    found = json.loads(json.dumps(two.to_dict()))
    assert found["schema"] == "convneur.audit/1"
    assert [claim.keys() for claim in found["claims"]] == [{"claim", "found", "holds"}] * 5
    assert [row["width"] for row in found["cost"]["models"][0]["sizes"]] == [32, 64]
    assert [row["width"] for row in found["times"]["models"][0]["rows"]] == [32, 64]
    assert found["times"]["models"][0]["rows"][0]["modules"][0]["module"] == ""
    assert found["frontier"]["models"][0]["points_below"] is None
    assert found["counters"]["differences"] == []
    words = str(two)
    assert "No formula for _fft_r2c" in words
    assert "its time to the power" in words


@pytest.mark.slow
def test_the_page_has_all_of_it(two: convneur.auditing.AuditReport, tmp_path: Path) -> None:
    page = audit_page(two)
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["title"] == "Audit of two"
    assert [claim["holds"] for claim in data["claims"]] == [True, False, True, False, True]
    assert data["uncounted"][0]["operator"].startswith("_fft_r2c")
    assert data["tree"]["rows"][0]["seconds"] > 0
    assert [row["name"] for row in data["growth"]["sizes"]] == ["32", "64"]
    assert data["frontier"]["models"][0]["name"] == "two"
    two.save(tmp_path / "two.md")
    assert "| linear | yes |" in (tmp_path / "two.md").read_text()


@pytest.mark.slow
def test_the_papers_claims() -> None:
    report = convneur.audit(
        "m1",
        claims=["subquadratic", "<= 0.71 GMACs@224", "frontier@5 points", "frontier@1 points"],
        sizes=224,
        measure=False,
    )
    assert [one.holds for one in report.claims] == [True, False, True, False]
    assert "4.33 points below efficientvit_b1.r256_in1k at 256" in report.claims[3].found
    assert report.counters is not None
    assert "agree on every convolution and matrix product, 0.7589 GMACs" in str(report)
    changed = convneur.audit("m1", sizes=64, measure=False, memory="none")
    placed = convneur.audit("m1", sizes=64, measure=False, memory="none", accuracy=78)  # a whole number
    assert placed.frontier is not None
    assert (changed.frontier, changed.title) == (None, "m1 with memory none")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": "m1,m2"}, "model m1, m2: one model is audited at a time"),
        ({"claims": "quick"}, "claims 'quick': give constant"),
        ({"claims": "1 ms@32", "measure": False}, "a time is not known with `measure=False`; leave one"),
        ({"repeats": 3, "measure": False}, "repeats 3: nothing is timed with `measure=False`; leave one of them out"),
        ({"threads": 1, "measure": False}, "threads 1: nothing is timed"),
        ({"claims": "frontier@1 points", "memory": "none"}, "accuracy: that of m1 with these settings is not known"),
        ({"repeats": 0}, "repeats 0: must be 1 to"),
        ({"accuracy": 780.0}, "accuracy 780.0: give a percentage"),
        ({"inputs": "1x3xHxW"}, "inputs: a ConvNeur takes one image"),
        ({"peers": "none.json"}, "peers none.json: no such file"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        convneur.audit(**{"model": "m1", "sizes": 32, **settings})
    assert says in str(raised.value)


def test_an_accuracy_is_set_against_the_cost_at_a_square_size() -> None:
    settings: dict[str, Any] = {"claims": "frontier@99 points", "accuracy": 78, "measure": False, "memory": "none"}
    wide = convneur.audit("m1", sizes="224x448", **settings)
    (claim,) = wide.claims
    assert (claim.holds, wide.frontier) == (False, None)
    assert claim.found == "no square size with multiply-adds was counted, as published costs are of"
    assert f"No place beside published models: {claim.found}." in wide.notes
    both = convneur.audit("m1", sizes="224x448,512", **settings)
    assert both.claims[0].holds
    assert "Its accuracy is set against its cost at 512, the counted side nearest to 224." in both.notes


def test_a_broken_peers_file_is_told_first(tmp_path: Path) -> None:
    (tmp_path / "peers.csv").write_text("model,macs_g,top1\na,1,nothing\n")
    with pytest.raises(InputError, match="line 2: top1"):
        convneur.audit("m1", peers=tmp_path / "peers.csv")


def test_what_cannot_be_said_of_it_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convneur.auditing.run.analyze", lambda *_, **__: pytest.fail("it was counted"))
    taught = tmp_path / "taught.csv"
    taught.write_text("model,macs_g,top1,distilled\na,1,80,true\n")
    with pytest.raises(ConfigError, match="holds models that were trained with a teacher alone; name other"):
        convneur.audit("m1", peers=taught, accuracy=70)
    with pytest.raises(ConfigError, match="no such file"):
        convneur.audit("m1", peers="none.json", accuracy=70)
    with pytest.raises(ConfigError, match="`inputs` have their own batch; leave the /8 out"):
        convneur.audit({"two": Two}, inputs=["1x3xHxW", "1x7:int64"], claims="40 ms@64/8")


def test_a_published_accuracy_is_not_that_of_a_changed_model() -> None:
    class Net(nn.Conv2d):
        def __init__(self, width: int = 4) -> None:
            super().__init__(3, width, 4, 4)

    known = convneur.peers.read_peers("timm").models[0].model
    model = external.ExternalModel(f"timm/{known}", Net, "timm", takes_size=False)
    settings: dict[str, Any] = {"sizes": 32, "measure": False}
    assert convneur.audit(model, **settings).frontier is not None
    listed = convneur.peers.read_peers("timm")
    place = run._known_accuracy(f"timm/{known}", model, None, listed, changed=True)
    assert place is None
    given = run._known_accuracy(f"timm/{known}", model, 71.5, listed, changed=True)
    assert given == 71.5


def test_a_model_without_multiply_adds_has_no_place() -> None:
    report = convneur.audit({"pool": lambda: nn.AvgPool2d(2)}, sizes=32, accuracy=60.0, measure=False)
    assert report.frontier is None
    assert any("No place beside published models" in note for note in report.notes)


def test_a_model_of_two_inputs() -> None:
    report = convneur.audit(
        {"two": Two},
        claims=["linear", "<= 1 kMACs@32", "frontier@5 points"],
        sizes=[32, 64],
        inputs=["1x3xHxW", "1x7:int64"],
        accuracy=60.0,
        measure=False,
    )
    assert [one.holds for one in report.claims] == [True, False, True]
    assert report.claims[1].found == "12.29 kMACs at 32"
    assert report.claims[2].found == "no published model costs as little"
    assert report.verdict == "1 of 3 claims does not hold"
    page = audit_page(report)
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["uncounted"][0]["operator"].startswith("_fft_r2c")
    assert [row["name"] for row in data["growth"]["sizes"]] == ["32", "64"]
    assert data["tree"]["rows"][0]["macs"] == 12288
    assert data["times"] is None


def test_a_model_that_takes_no_size() -> None:
    class No(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("never")

    report = convneur.audit(No, claims=["<= 1 GMACs@32", "linear"], sizes=32, measure=False)
    assert [one.holds for one in report.claims] == [False, False]
    assert report.cost.problems
    assert audit_page(report).count("<title>Audit of No</title>") == 1
