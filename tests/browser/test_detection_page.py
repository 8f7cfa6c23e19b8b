"""The page of detections in headless Chromium: it fetches nothing, and works by mouse, by keyboard and on a phone.

Run with `pytest -m browser`.
"""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from convneur.instances import evaluate_detection

pytestmark = pytest.mark.browser

SAMPLES = Path(str(files("convneur") / "data" / "samples"))


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two results of the samples."""
    place = tmp_path_factory.mktemp("detections")
    results, truth = SAMPLES / "detections.json", SAMPLES / "instances.json"
    second = place / "second.json"
    second.write_text(json.dumps(json.loads(results.read_text(encoding="utf-8"))[::2]))
    report = {"report": place / "page.html", "images": SAMPLES / "nuclei" / "images", "figures_count": 3}
    evaluate_detection(results, truth, against=second, resamples=20, **report)
    return place / "page.html"


@pytest.mark.parametrize("width", [1200, 400])
def test_all_of_it_is_there_and_nothing_is_wider_than_the_page(
    width: int, page: Path, opened: Callable[..., Any], lowest_contrast: Callable[[], float]
) -> None:
    browser = opened(page, width)
    titles = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "section > h2")]
    assert titles == ["Overall", "AP by IoU", "By class", "Worst images", "By image"]
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert len(browser.find_elements(By.CSS_SELECTOR, "#by-iou polyline")) == 6
    assert len(browser.find_elements(By.CSS_SELECTOR, "#pictures article")) == 3
    assert lowest_contrast() >= 4.5


def test_pictures_zoom_together_and_the_table_is_searched(page: Path, opened: Callable[..., Any]) -> None:
    browser = opened(page, 1200)
    views = browser.find_elements(By.CSS_SELECTOR, "#picture-0 .view")
    assert len(views) == 5
    views[0].send_keys("n")
    zoomed = browser.find_elements(By.CSS_SELECTOR, "#picture-0 .view.zoomed")
    assert len(zoomed) == 5
    assert "error place 1 of" in browser.find_element(By.CSS_SELECTOR, "#picture-0 [role=status]").text
    views[0].send_keys(Keys.ESCAPE)
    assert not browser.find_elements(By.CSS_SELECTOR, "#picture-0 .view.zoomed")
    boxes = browser.find_elements(By.CSS_SELECTOR, "#picture-0 rect title")
    assert any("missed" in each.get_attribute("textContent") for each in boxes)
    browser.find_element(By.ID, "search").send_keys("27")
    (row,) = browser.find_elements(By.CSS_SELECTOR, "#images tbody tr")
    assert row.text.startswith("27.jpg 67 32 35 14 0.5664")
