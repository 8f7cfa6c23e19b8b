"""The table of a paper: a row per model, the better value bold by what is not rounded."""

import math
from typing import Any

from convneur.evaluation.model_table import model_table, settings_words
from convneur.formats import latex_caption, latex_table, markdown_table

SETTINGS: dict[str, Any] = {
    "metrics": ("miou", "hd95", "objects"),
    "definitions": {"miou": "one matrix", "hd95": "larger 95th percentile", "objects": "IoU above 0.5"},
    "spacing": (1.0, 1.0),
    "mean_over": "foreground",
    "background": 0,
    "ignore_index": 255,
}


def values(miou: float, hd95: float, fp: int) -> dict[str, Any]:
    distance = {"finite_mean": hd95, "penalised_mean": hd95, "missed": 1, "spurious": 0}
    return {"miou": miou, "hd95": distance, "objects": {"tp": 3, "fp": fp}}


def table(digits: int | None, **models: dict[str, Any]) -> Any:
    return model_table(models, SETTINGS, digits=digits, notes=settings_words(8, SETTINGS))


def test_the_number_of_components_sets_no_model_above_another() -> None:
    settings = {**SETTINGS, "metrics": ("component_dice",), "definitions": {"component_dice": "mean"}}
    row = {"component_dice": {"dice": 0.5, "components": 7}}
    found = model_table({"a": row}, settings, digits=2, notes=settings_words(8, settings))
    assert found.columns == ["model", "Component Dice ↑"]


def test_a_row_per_model_and_a_column_per_value_with_unit_and_arrow() -> None:
    found = table(2, a=values(0.51, 3.0, 2), b=values(0.5, 2.0, 2))
    assert found.columns == [
        "model",
        "mIoU ↑",
        "HD95, finite mean (px) ↓",
        "HD95, penalised mean (px) ↓",
        "Objects found (tp) ↑",
        "Objects spurious (fp) ↓",
    ]
    assert found.rows == [["a", "0.51", "3.00", "3.00", "3", "2"], ["b", "0.50", "2.00", "2.00", "3", "2"]]
    assert set(found.bold) == {(0, 1), (1, 2), (1, 3), (0, 4), (1, 4), (0, 5), (1, 5)}
    assert found.notes[0] == "8 images, means over all classes but 0, 255 ignored."


def test_the_better_value_is_known_before_it_is_rounded_and_nothing_is_no_value() -> None:
    found = table(2, a=values(0.5001, math.nan, 0), b=values(0.5002, 2.0, 0))
    assert [row[1] for row in found.rows] == ["0.50", "0.50"]
    assert (1, 1) in found.bold
    assert (0, 1) not in found.bold
    assert [row[2] for row in found.rows] == ["--", "2.00"]
    assert (1, 2) in found.bold
    assert table(None, a=values(math.nan, math.nan, 0)).rows[0][1:4] == ["--", "--", "--"]
    assert not table(3, alone=values(1, 1, 1)).bold


def test_latex_and_markdown_have_it_bold_and_signs_escaped() -> None:
    text = latex_table(["a_b", "x & y ↓"], [["50%", "#1"]], bold=[(0, 1)])
    assert r"a\_b & x \& y $\downarrow$ \\" in text
    assert r"50\% & \textbf{\#1} \\" in text
    assert latex_caption(["a_b.", "50%."]) == r"\caption{a\_b. 50\%.}"
    assert "| 50% | **#1** |" in markdown_table(["a", "b"], [["50%", "#1"]], bold=[(0, 1)])
