"""Two evaluations side by side: from two calls as from one, and as a table for a paper."""

import csv
import json
import math
from pathlib import Path

import pytest

from convneur.errors import ConfigError, InputError
from convneur.evaluation import evaluate
from convneur.metrics.comparison import ScoreTable, compare


def test_two_calls_give_what_one_gives(place: Path) -> None:
    a, b = evaluate("pred", "gt"), evaluate("other", "gt")
    together = evaluate("pred", "gt", against="other", resamples=200, seed=3)
    assert together.comparison is not None
    assert together.against is not None
    assert json.dumps(a.compare(b, resamples=200, seed=3).to_dict()) == json.dumps(together.comparison.to_dict())
    assert together.overall == a.overall
    assert together.against.overall == b.overall
    miou = a.compare(b).overall["miou"]
    assert miou["difference"] == a.overall["miou"] - b.overall["miou"]
    assert miou["low"] <= miou["difference"] <= miou["high"]


def test_values_are_those_of_the_bootstrap(place: Path) -> None:
    a, b = evaluate("pred", "gt", metrics="miou"), evaluate("other", "gt", metrics="miou")
    tables = [each.source.scores for each in (a, b)]
    assert all(isinstance(table, ScoreTable) for table in tables)
    assert a.compare(b, seed=7).overall == compare(*tables, seed=7).overall


def test_the_table_of_a_paper_holds_both_models_the_difference_and_its_interval(place: Path) -> None:
    found = evaluate("pred", "gt", against="other", metrics=("miou", "hd95"), output="two.tex")
    assert found.comparison is not None
    caption, *lines = (place / "two.tex").read_text().splitlines()
    assert caption.startswith(
        "\\caption{5 images, means over all classes, 255 ignored. mIoU: one matrix over all images."
    )
    rows = [line.removesuffix(" \\\\").split(" & ") for line in lines if " & " in line]
    assert [row[0] for row in rows] == ["model", "pred", "other", "difference", "95\\% interval"]
    assert rows[0][1:3] == ["mIoU $\\uparrow$", "HD95, finite mean (px) $\\downarrow$"]
    value = found.comparison.overall["miou"]
    cells = [f"{value['value']:.4f}", f"{value['against']:.4f}", f"{value['difference']:+.4f}"]
    better = int(value["difference"] < 0)
    cells[better] = f"\\textbf{{{cells[better]}}}"
    assert [row[1] for row in rows[1:]] == [*cells, f"[{value['low']:+.4f}, {value['high']:+.4f}]"]
    assert not [line for line in lines if "missed" in line]
    found.comparison.save("alone.tex")
    assert (place / "alone.tex").read_text() == (place / "two.tex").read_text()


def test_spreadsheets_hold_all_parts(place: Path) -> None:
    found = evaluate("pred", "gt", against="other", metrics=("miou",), num_classes=4, output="both.csv")
    assert found.comparison is not None
    found.comparison.save("comparison.csv")
    both, comparison = (
        list(csv.DictReader((place / name).read_text().splitlines())) for name in ("both.csv", "comparison.csv")
    )
    assert [row["name"] for row in both] == ["overall", "0", "1", "2", "3"]
    assert [row["name"] for row in comparison] == ["overall", "0", "1", "2"]
    for ours, theirs in zip(both, comparison, strict=False):
        for column in ("miou", "against_miou", "difference_miou", "low_miou", "high_miou"):
            assert ours[column] == theirs[column] != ""
    assert both[4]["difference_miou"] == ""  # class 3 occurs nowhere


def test_one_image_has_no_interval(place: Path) -> None:
    a, b = (evaluate(f"{folder}/a.png", "gt/a.png", metrics="miou") for folder in ("pred", "other"))
    found = a.compare(b)
    assert math.isnan(found.overall["miou"]["low"])
    assert "One image allows no interval." in str(found)
    assert found.paper_table().rows[-1] == ["95% interval", "--"]


def test_only_images_that_both_scored_count(place: Path) -> None:
    (place / "other" / "a.png").write_bytes(b"")
    a = evaluate("pred", "gt", num_classes=3, metrics="miou")
    with pytest.warns(UserWarning, match=r"^a: "):
        b = evaluate("other", "gt", num_classes=3, metrics="miou")
    assert (b.images, len(b.failed)) == (4, 1)
    assert a.compare(b).images == 4
    for name in ("b", "city/c", "city/d", "e"):
        (place / "other" / f"{name}.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"^(a|b|city/c|city/d|e): "):
        nothing = evaluate("other", "gt", num_classes=3, metrics="miou")
    with pytest.raises(InputError, match="no image was scored in both"):
        a.compare(nothing)


def test_other_images_or_settings_are_refused(place: Path) -> None:
    a = evaluate("pred", "gt", metrics="miou")
    with pytest.raises(ConfigError, match=r"^other: .* make both with the same metrics$"):
        a.compare(evaluate("pred", "gt", metrics="hd95"))
    with pytest.raises(ConfigError, match=r"^other: must be an Evaluation, not a str$"):
        a.compare("other")  # type: ignore[arg-type]
    assert repr(a.compare(a)) == "<Comparison of pred with pred, 5 images>"
    with pytest.raises(InputError, match=r"other images than `predictions` \(b, city/c, city/d and 1 more"):
        a.compare(evaluate("pred/a.png", "gt/a.png", metrics="miou", num_classes=3))
