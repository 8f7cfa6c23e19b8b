"""What is added by name: the options reach the metrics, outputs and reports, through interruption and workers."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

EVERYTHING = (
    "--metrics", "all,dice,objects,cldice", "--hd-percentile", "90,95", "--tolerance-curve", "1:5:2",
    "--mean-over", "foreground", "--group", "both=1,2", "--group", "first=foreground", "--num-classes", "3",
)  # fmt: skip
FILES = ("-o", "out.json", "--per-image", "rows.csv", "--per-object", "objects.csv")


def test_the_keys_of_the_json(evaluate: Any) -> None:
    result = evaluate("--json", *EVERYTHING).json
    assert list(result["groups"]) == ["both", "first"]
    assert result["settings"]["mean_over"] == "foreground"
    assert result["settings"]["groups"] == [["both", [1, 2]], ["first", "foreground"]]
    assert result["settings"]["skeleton"] == "skimage zhang"
    assert result["groups"]["both"] == result["groups"]["first"] == result["overall"]
    for row in (result["overall"], *result["groups"].values(), *result["per_class"], *result["per_image"]):
        assert row["hd_percentile"]["95"] == row["hd95"]
        assert row["boundary_f1_curve"].keys() == {"radii_px", "f1", "area"}
        assert row["boundary_f1_curve"]["radii_px"] == [1, 3, 5]
        assert list(row["objects"]) == ["tp", "fp", "fn", "precision", "recall", "rq", "sq", "pq", "pairs"]
        assert list(row["objects"]["pairs"]) == ["dice", "hd", "hd95", "assd", "masd", "surface_dice"]
        assert row["cldice"].keys() == {"cldice", "tprec", "tsens"}
    by_class = [row["dice"] for row in result["per_class"]]
    assert result["overall"]["dice"] == pytest.approx((by_class[1] + by_class[2]) / 2)


def test_without_being_asked_for_nothing_is_added(evaluate: Any) -> None:
    result = evaluate("--json").json
    added = {"dice", "hd_percentile", "boundary_f1_curve", "objects", "cldice"}
    assert not added & result["overall"].keys()
    assert "groups" not in result
    assert result["settings"]["metrics"] == list(result["overall"])[:-1]


def test_workers_change_no_bit(evaluate: Any, place: Path) -> None:
    alone = evaluate("--json", *EVERYTHING, *FILES)
    files = [(place / name).read_bytes() for name in FILES[1::2]]
    together = evaluate("--json", *EVERYTHING, *FILES, "--workers", 2, "--force")
    assert together.out == alone.out
    assert [(place / name).read_bytes() for name in FILES[1::2]] == files


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    evaluate: Any, place: Path, monkeypatch: pytest.MonkeyPatch, stopped_after_three: Any
) -> None:
    evaluate(*EVERYTHING, *FILES)
    files = [(place / name).read_bytes() for name in FILES[1::2]]
    for name in FILES[1::2]:
        (place / name).unlink()
    with monkeypatch.context() as patched:
        stopped_after_three(patched)
        assert evaluate(*EVERYTHING, *FILES).code == 130
    ran = evaluate(*EVERYTHING, *FILES, "--resume")
    assert ran.code == 0
    assert "3 of 5 pairs are scored already" in ran.err
    assert [(place / name).read_bytes() for name in FILES[1::2]] == files


def test_rows_per_object_add_up_to_the_counts(evaluate: Any, place: Path) -> None:
    result = evaluate("--json", "--metrics", "miou", "--per-object", "objects.csv").json
    with (place / "objects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for status in ("tp", "fp", "fn"):
        assert sum(row["status"] == status for row in rows) == result["overall"]["objects"][status]
    pairs = [row for row in rows if row["status"] == "tp" and row["class"] == "0"]
    mean = sum(float(row["hd"]) for row in pairs) / len(pairs)
    assert result["per_class"][0]["objects"]["pairs"]["hd"] == pytest.approx(mean)
    assert all(row["iou"] == "" for row in rows if row["status"] != "tp")


def test_rows_per_image_have_the_counts(evaluate: Any, place: Path) -> None:
    evaluate(*EVERYTHING, "--per-image", "rows.csv")
    with (place / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = rows[0]
    assert first.keys() >= {
        "dice", "hd_percentile[90]", "boundary_f1_area[1-5px]", "objects_tp", "objects_sum_iou", "skeleton_gt",
        "skeleton_pred", "skeleton_gt_hit", "skeleton_pred_hit",
    }  # fmt: skip
    common, both = 2 * int(first["agreeing_pixels"]), int(first["gt_pixels"]) + int(first["pred_pixels"])
    assert float(first["dice"]) == common / both


def test_two_models_are_compared_in_every_value_and_group(evaluate: Any, place: Path) -> None:
    result = evaluate("--json", *EVERYTHING, "--against", "gt", "--resamples", 20).json
    comparison = result["comparison"]
    for rows, ours in (
        (comparison["overall"], result["overall"]),
        (comparison["groups"]["both"], result["groups"]["both"]),
    ):
        assert rows["objects"]["pq"]["value"] == ours["objects"]["pq"]
        assert rows["boundary_f1_curve"]["f1"][0]["against"] == 1
        assert rows["hd_percentile"]["90"]["finite_mean"]["against"] == 0
        assert (
            rows["cldice"]["tprec"]["low"] <= rows["cldice"]["tprec"]["difference"] <= rows["cldice"]["tprec"]["high"]
        )


def test_the_report_has_the_curve_and_the_objects(evaluate: Any, place: Path) -> None:
    assert evaluate(*EVERYTHING, "--report", "page.html", "--against", "gt", "--resamples", 20).code == 0
    page = (place / "page.html").read_text()
    data = json.loads(page.split('<script type="application/json" id="data">')[-1].split("</script>")[0])
    assert [curve["title"] for curve in data["curves"]] == ["pred", "gt"]
    assert data["curves"][1]["values"] == [1, 1, 1]
    assert {one["kind"] for one in data["objects"]} <= {"worst pair", "missed", "spurious"}
    assert all(one["panels"][0]["picture"].startswith("data:image/webp") for one in data["objects"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--mean-over", "sky"), "--mean-over: no class sky; classes are 0 to 2"),
        (("--mean-over", "3"), "--mean-over: no class 3; classes are 0 to 2"),
        (("--group", "a"), "--group a: give a name and its classes"),
        (("--group", "a="), "--group: a: "),
        (("--group", "a=1", "--group", "a=2"), "each group a name of its own"),
        (("--group", "a=9"), "--group: a: no class 9"),
        (("--group", "a="), "--group: a: names no class"),
        (("--background", "3", "--num-classes", "3"), "--background 3"),
        (("--hd-percentile", "0"), "--hd-percentile 0: must be above 0"),
        (("--hd-percentile", "90,101"), "--hd-percentile 101"),
        (("--metrics", "hd_percentile"), "give --hd-percentile too"),
        (("--tolerance-curve", "0.001:0.01"), "--tolerance-curve 0.001:0.01: must be whole radii in pixels"),
        (("--tolerance-curve", "1:10:4"), "do not end at 10"),
        (("--metrics", "objects", "--object-iou", "0.4"), "--object-iou 0.4: must be 0.5 to less than 1"),
        (("--per-object", "objects.txt"), "--per-object objects.txt: must end in .csv"),
        (("--per-object", "a.csv", "--per-image", "a.csv"), "name two files"),
    ],
)
def test_what_cannot_be_is_refused_before_any_output(evaluate: Any, outputs: Any, arguments: Any, named: str) -> None:
    ran = evaluate(*arguments)
    assert ran.code == 2
    assert named in ran.line
    assert outputs() == set()


def test_a_chosen_class_that_is_in_no_map_is_warned_of(evaluate: Any) -> None:
    ran = evaluate("--num-classes", 5, "--mean-over", "1,4", "--group", "far=3,4", "--json")
    assert ran.code == 0
    assert "warning: mean_over: class 4 occurs in no map and is left out of its means" in ran.err
    assert "warning: group far: classes 3, 4 occur in no map and are left out of its means" in ran.err
    assert ran.json["groups"]["far"]["miou"] is None
