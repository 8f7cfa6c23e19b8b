"""Published models, the frontier they make, and what is compared with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from convneur import ConfigError, InputError
from convneur.figures import frontier_figure, frontier_page
from convneur.peers import Peer, frontier, read_peers
from convneur.published import published

ROWS = [
    {"model": "small", "macs_g": 1, "top1": 70, "params_m": 3, "images_per_s_here": 900},
    {"model": "small", "macs_g": 1.3, "top1": 72.5, "size": 256},
    {"model": "taught", "macs_g": 1.1, "top1": 76, "distilled": True},
    {"model": "large", "macs_g": 4, "top1": 80, "params_m": 20, "images_per_s_here": 300},
    {"model": "worse", "macs_g": 5, "top1": 79},
]


@pytest.fixture
def peers(tmp_path: Path) -> str:
    path = tmp_path / "peers.json"
    path.write_text(json.dumps({"source": "a shelf", "models": ROWS}))
    return str(path)


def test_the_papers_models_beside_timms() -> None:
    found = {model.name: model for model in frontier().models}
    m1, m4 = found["m1"], found["m4"]
    assert m1.best is not None
    assert m4.best is not None
    assert (m1.best.peer.model, m1.points_below) == ("efficientvit_b1.r256_in1k", pytest.approx(4.33))
    assert (m4.best.peer.model, m4.points_below) == ("efficientvit_b2.r256_in1k", pytest.approx(1.21))
    assert m4.cost_ratio == pytest.approx(1.91, abs=5e-3)
    first = frontier("m1").to_dict()["models"][0]
    assert first.keys() >= {"name", "cost", "accuracy", "points_below", "cost_ratio", "frontier_model"}
    assert len(read_peers().models) == 174


def test_the_frontier_is_of_those_that_no_cheaper_one_equals(peers: str) -> None:
    found = frontier("none", peers=peers)
    assert [point.shown for point in found.curve] == ["small", "small at 256", "large"]
    assert [point.shown for point in frontier("none", peers=peers, size=224).curve] == ["small", "large"]
    taught = frontier("none", peers=peers, distilled=True)
    assert [point.shown for point in taught.curve] == ["small", "taught", "large"]


def test_points_and_ratios(peers: str) -> None:
    added = frontier(
        "none", peers=peers, add=["a:b:2:71", ("cheap", 0.5, 60.0), ("best", 8.0, 85.0), ("on", 4.0, 80.0)]
    )
    below, cheap, best, on = added.models
    assert (below.name, below.points_below, below.cost_ratio) == ("a:b", 1.5, pytest.approx(2 / 1.3))
    assert (cheap.points_below, cheap.best, cheap.cost_ratio) == (None, None, pytest.approx(0.5))
    assert (best.points_below, best.cost_ratio, best.cheapest) == (-5.0, None, None)
    assert (on.points_below, on.cost_ratio) == (0.0, 1.0)
    assert "5.00 points above large" in added.headlines()[2]
    rates = frontier("none", peers=peers, x="images-per-second", add="mine:450:75")
    assert rates.models[0].best is not None
    assert (rates.models[0].best.shown, rates.models[0].cost_ratio) == ("small", pytest.approx(300 / 450))


def test_the_printed_throughput() -> None:
    assert published().images_per_s["m4"] == 522.5
    m4 = frontier("m4", x="images-per-second").models[0]
    assert m4.cost == 522.5
    assert frontier("m4", x="params").models[0].cost == 18.1


def timing(**models: dict[int, float]) -> dict[str, Any]:
    rows = {
        name.replace("__", "/").replace("_f", " f"): [
            {"height": side, "width": side, "batch": 1, "p50_seconds": ms / 1e3} for side, ms in times.items()
        ]
        for name, times in models.items()
    }
    return {
        "schema": "convneur.bench/1",
        "settings": {"threads": 1, "dtype": "float32"},
        "machine": {"processor": "a processor"},
        "models": [{"name": name, "runtime": "torch", "rows": found} for name, found in rows.items()],
    }


def test_latencies_are_those_that_were_timed(tmp_path: Path, peers: str) -> None:
    path = tmp_path / "times.json"
    path.write_text(
        json.dumps(timing(m1={224: 12}, m1_folded={224: 10}, timm__small={224: 9, 256: 11}, mine={128: 20}))
    )
    found = frontier("m1", peers=peers, x="latency", times=path, add="mine::60")
    assert [(point.shown, point.cost) for point in found.points] == [("small", 9), ("small at 256", 11)]
    assert [(one.name, one.cost, one.points_below) for one in found.models] == [
        ("m1", 12, pytest.approx(-2.9)), ("m1 folded", 10, pytest.approx(-5.4)), ("mine", 20, 12.5)
    ]  # fmt: skip
    alone = tmp_path / "alone.json"
    alone.write_text(json.dumps(timing(m1={224: 12})))
    with pytest.raises(ConfigError, match="none of the published models; time some too, such as small at 224 px"):
        frontier("m1", peers=peers, x="latency", times=alone)
    other = timing(large={224: 30}) | {"machine": {"processor": "another"}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    both = frontier("m1", peers=peers, x="latency", times=[path, tmp_path / "other.json"])
    assert any("different machines" in note for note in both.notes)
    (tmp_path / "other.json").write_text(json.dumps(timing(large={224: 30}) | {"versions": {"torch": "2.14.1"}}))
    both = frontier("m1", peers=peers, x="latency", times=[path, tmp_path / "other.json"])
    assert "Latency: the median of a call on one image, in torch 2.14.1; a processor, float32, 1 thread." in both.notes
    assert any("different versions of a runtime" in note for note in both.notes)


def test_a_printed_accuracy_is_of_the_variant_as_it_is(tmp_path: Path, peers: str) -> None:
    found = timing(m1={224: 8}, m2={128: 20}, m3={224: 30}, timm__small={224: 9})
    found["models"][0]["changes"] = ["memory none", "chunks 4"]
    (tmp_path / "times.json").write_text(json.dumps(found))
    settings: dict[str, Any] = {"peers": peers, "x": "latency", "times": tmp_path / "times.json"}
    every = frontier(**settings)
    assert [one.name for one in every.models] == ["m3"]
    assert frontier("ALL", **settings).models == frontier(["all"], **settings).models == every.models
    left_out = "Not placed, for the printed accuracy is of another form: m1 with memory none, chunks 4."
    assert left_out in every.notes
    for models, says in (("m1", "m1 with memory none, chunks 4: was not timed at 224"), ("m3,m2", "m2: was not timed")):
        with pytest.raises(ConfigError, match=f"models {says}.*; `times` has m1, m2, m3, timm/small"):
            frontier(models, **settings)
    assert frontier("none", add="m1::70", **settings).models[0].cost == 8


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"x": "watts"}, "x 'watts': choose macs, params"),
        ({"models": ""}, "models '': choose m1, m2, m3, m4, all or none"),
        ({"models": "m5"}, "models m5: choose m1, m2, m3, m4, all or none"),
        ({"x": "latency"}, "x latency: is measured: give `times`"),
        ({"times": "none.json"}, "times: are for a latency"),
        ({"x": "latency", "times": "none.json"}, "times none.json: no such file"),
        ({"full": True, "x": "params"}, "full: counts multiply-adds"),
        ({"full": True, "models": "none", "add": "a:1:70"}, "full: is for ConvNeur's own points"),
        ({"size": 100}, "size 100: timm has no model at this side; choose 224, "),
        ({"size": 100, "distilled": True}, "size 100: timm has no model at this side; choose 224, "),
        ({"peers": "none.csv"}, "peers none.csv: no such file; give timm"),
        ({"add": "mine"}, "add 'mine': give NAME:COST:ACCURACY"),
        ({"add": "mine:x:1"}, "give NAME:COST:ACCURACY"),
        ({"add": "mine:0:1"}, "the cost must be above 0"),
        ({"add": "mine:1:101"}, "the accuracy must be a percentage"),
        ({"add": "mine::70"}, "only a latency can be left out"),
        ({"add": "m1:1:70"}, "add m1: is there already"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        frontier(**settings)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", '[{"model": "a", "macs_g": 1}]', "models[0] (a)"),
        ("a.json", '[{"model": "a", "macs_g": "1", "top1": 70}]', "models[0] (a).macs_g: must be a number"),
        ("a.json", '[{"model": "a", "macs_g": -1, "top1": 70}]', "models[0] (a).macs_g: -1 must be above 0"),
        ("a.json", '[{"model": "a", "macs_g": 1, "top1": 0.7e3}]', "models[0] (a).top1: 700.0 must be a percentage"),
        ("a.json", '{"rows": []}', "has no models"),
        ("a.json", "[]", "has no models"),
        ("a.csv", "model,macs_g,top1\na,1,70\na,1,70\n", "a: stands there twice"),
        ("a.csv", "model,macs_g,top1\na,1,70\nb,one,70\n", "line 3: macs_g: must be a number, not 'one'"),
        ("a.csv", "model,macs_g,top1,distilled\na,1,70,maybe\n", "line 2: distilled: must be yes or no, not 'maybe'"),
        ("a.csv", "model,macs_g,top1\na,1\n", "line 2: has another number of cells"),
        ("a.csv", "model,macs_g\na,1\n", "line 2 (a)"),
    ],
)
def test_files_of_broken_rows(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as raised:
        read_peers(tmp_path / name)
    assert says in str(raised.value)
    assert "a row has model, macs_g and top1" in str(raised.value)


def test_a_csv_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("model,macs_g,top1,size,distilled,note\na,0.5,70.5,192,yes,fast\nb,1,71,,,\n")
    assert read_peers(tmp_path / "a.csv").models == (
        Peer("a", macs_g=0.5, top1=70.5, size=192, distilled=True), Peer("b", macs_g=1, top1=71)
    )  # fmt: skip


def test_the_picture_and_the_page_have_every_model(peers: str) -> None:
    found = frontier("m1", peers=peers, distilled=True, add="<mine>$x$:2:75")
    axes = frontier_figure(found).axes[0]
    words = [text.get_text() for text in axes.texts]
    assert {"m1", r"<mine>\$x\$", "taught", "small", "large"} <= set(words)
    assert sum(len(each.get_offsets()) for each in axes.collections) == 5 + 2  # type: ignore[arg-type]
    assert axes.get_xlim()[0] < 1 < axes.get_xlim()[1]
    page = frontier_page(found)
    assert "<mine>" not in page
    assert page.count('"on_frontier":true') == 3
