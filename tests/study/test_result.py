"""A study's result: what people read, the files it is saved as, the page."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from convneur.errors import OutputExistsError
from convneur.figures.study_html import study_page
from convneur.study import StudyResult

EVIL = "</script><img src=x> | 1"


@pytest.fixture
def result(study_result: Callable[[Mapping[str, float]], StudyResult]) -> StudyResult:
    return study_result({"none": 0.4, "self-attention": 0.43, f"per-stage:{EVIL}": 0.39})


def test_it_prints_its_tables_and_says_what_they_are(result: StudyResult) -> None:
    text = str(result)
    assert "0.4300 ± 0.0100" in text
    assert "+0.0300 [+0.0100, +0.0500]" in text
    assert "+1.6 points" in text
    assert "6 of 7 runs are finished." in text
    assert "Failed: late-seed1: step 3: the loss is no number" in text
    assert result._repr_html_().count("<table>") == 2
    assert EVIL not in result._repr_html_()


def test_it_is_saved_as_json_rows_markdown_and_latex(result: StudyResult, tmp_path: Path) -> None:
    for suffix in ("json", "csv", "md", "tex"):
        result.save(tmp_path / f"study.{suffix}")
    with pytest.raises(OutputExistsError):
        result.save(tmp_path / "study.md")
    saved = json.loads((tmp_path / "study.json").read_text())
    assert saved["schema"] == "convneur.study/1"
    assert saved["twins"][1]["difference"]["boundary_f1"]["low"] is None
    assert saved["failed"] == [{"run": "late-seed1", "why": "step 3: the loss is no number"}]
    with (tmp_path / "study.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["twin"], row["seed"], row["fold"], row["boundary_f1"]) for row in rows][:2] == [
        ("none", "0", "", "0.2"), ("none", "1", "", "")
    ]  # fmt: skip
    assert (rows[0]["iou[road]"], rows[0]["iou[sky, blue]"]) == ("0.4", "")
    assert result.records()[0]["iou[road]"] == 0.4
    words = (tmp_path / "study.md").read_text()
    assert "| per-stage:&lt;/script>&lt;img src=x> \\| 1 | 2 |" in words
    assert "| none-seed1 | 90 | 0.5000 | 0.4100 | - | 0.1000 | 0.7500 |" in words
    assert r"\toprule" in (tmp_path / "study.tex").read_text()


def test_its_page_holds_it_and_no_markup_of_its_names(result: StudyResult) -> None:
    page = study_page(result)
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert [row["twin"] for row in data["twins"]] == ["none", "self-attention", f"per-stage:{EVIL}"]
    assert data["twins"][1]["difference"]["miou"]["low"] == 0.01
    assert data["runs"][1]["boundary_f1"] is None
    assert [metric["short"] for metric in data["metrics"]] == ["mIoU", "B", "T", "accuracy"]
    assert data["words"] == result.sentences()
