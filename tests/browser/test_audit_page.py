"""The pages of an audit and of a frontier in headless Chromium: whole at any width, read by pointer and keyboard.

Run with `pytest -m browser`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

import convneur
from convneur.figures import audit_page, frontier_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    claims = ["linear", "<= 1 kMACs@64", "<= 10 s@64"]
    report = convneur.audit("m1", claims=claims, sizes=[64, 96], repeats=2, accuracy=75.0, memory="none")
    path = tmp_path_factory.mktemp("audit") / "audit.html"
    path.write_text(audit_page(report), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 400])
def test_the_audit_is_whole_at_any_width(
    audited: Path, width: int, opened: Callable[..., Any], lowest_contrast: Callable[[], float]
) -> None:
    page = opened(audited, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    titles = [title.text for title in page.find_elements(By.TAG_NAME, "h2")]
    assert titles[:4] == ["Claims", "How the cost grows", "What is counted, and what is not", "Where the cost is"]
    assert "Beside published models" in titles
    marks = [mark.text for mark in page.find_elements(By.CSS_SELECTOR, ".claims .mark-words")]
    assert marks == ["✓ holds", "✗ does not hold", "✓ holds"]
    assert len(page.find_elements(By.TAG_NAME, "svg")) >= 5
    assert lowest_contrast() >= 4.5


def test_points_of_the_frontier_are_told(tmp_path: Path, opened: Callable[..., Any]) -> None:
    path = tmp_path / "frontier.html"
    path.write_text(frontier_page(convneur.peers.frontier("m1", distilled=True)), encoding="utf-8")
    page = opened(path, 1000)
    told = page.find_element(By.CSS_SELECTOR, ".frontier-tip")
    (own,) = page.find_elements(By.CSS_SELECTOR, "circle.mark.own")
    own.click()
    assert told.text.startswith("m1 (75.4 % at 0.71 GMACs): 4.46 points below")
    best = page.find_elements(By.CSS_SELECTOR, ".mark.best.taught")[-1]
    page.execute_script("arguments[0].focus()", best)
    assert told.text.endswith(", on the frontier, trained with a teacher")
