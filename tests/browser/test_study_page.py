"""The page of a study in headless Chromium: it fetches nothing, shows what the JSON holds, and fits a phone.

Run with `pytest -m browser`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from convneur.figures.study_html import study_page
from convneur.study import StudyResult

pytestmark = pytest.mark.browser

EVIL = "</script><img src=x onerror=document.title='pwned'>"


@pytest.fixture(scope="session")
def study_file(
    tmp_path_factory: pytest.TempPathFactory, study_result: Callable[[Mapping[str, float]], StudyResult]
) -> Path:
    """Three twins and two seeds; one difference is surely there, one is open, and a name tries to be markup."""
    result = study_result({"none": 0.40, "self-attention": 0.43, f"per-stage:{EVIL}": 0.39})
    path = tmp_path_factory.mktemp("study") / "study.html"
    path.write_text(study_page(result), encoding="utf-8")
    return path


def test_tables_and_plots_show_what_the_json_holds(opened: Callable[..., Any], study_file: Path) -> None:
    page = opened(study_file, 1200)
    assert page.title == "Study of 3 models on camvid"
    means = [row.text for row in page.find_elements(By.CSS_SELECTOR, "#scores tbody tr")]
    assert means[1] == "self-attention 2 4.00 1.50 0.4300 ± 0.0100 0.2150 0.1075 ± 0.0100 0.7500 ± 0.0100"
    rows = [" ".join(row.text.split()) for row in page.find_elements(By.CSS_SELECTOR, "#differences tbody tr")]
    assert rows[0] == "self-attention 2 +0.0300 [+0.0100, +0.0500] +0.0010 +0.0010 +0.0010 +1.6 points"
    assert EVIL in rows[1]
    assert rows[1].endswith("−0.0100 [−0.0300, +0.0100] +0.0010 +0.0010 +0.0010 –")
    sure = page.find_elements(By.CSS_SELECTOR, "#differences .sure-text")
    assert [each.text for each in sure] == ["+0.0300\n[+0.0100, +0.0500]"]
    assert len(page.find_elements(By.CSS_SELECTOR, "#scores svg circle.run")) == 6 + 3 + 6 + 6
    plot = page.find_elements(By.CSS_SELECTOR, "#differences svg")[0]
    assert len(plot.find_elements(By.CSS_SELECTOR, "line.interval")) == 2
    dots = {each.get_attribute("class"): float(each.get_attribute("cx"))
            for each in plot.find_elements(By.CSS_SELECTOR, "circle")}  # fmt: skip
    zero = float(plot.find_element(By.CSS_SELECTOR, "line.axis").get_attribute("x1"))
    assert dots["open"] < zero < dots["sure"]
    assert (dots["sure"] - zero) == pytest.approx(3 * (zero - dots["open"]), rel=1e-3)
    assert len(page.find_elements(By.CSS_SELECTOR, "#runs tbody tr")) == 6


@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_stands_out_of_the_page(
    opened: Callable[..., Any], study_file: Path, width: int, lowest_contrast: Callable[[], float]
) -> None:
    page = opened(study_file, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    for svg in page.find_elements(By.CSS_SELECTOR, "svg"):
        assert svg.rect["width"] > 250
        right = svg.rect["x"] + svg.rect["width"]
        for text in svg.find_elements(By.CSS_SELECTOR, "text"):
            assert text.rect["x"] >= svg.rect["x"] - 1
            assert text.rect["x"] + text.rect["width"] <= right + 1
    assert lowest_contrast() > 4.5
