"""Headless Chromium for pages that must fetch nothing.

Without selenium (extra `[dev]`) nothing is collected here, and `pytest -m browser` fails for lack of tests. Needs
Debian's chromium and chromium-driver (`apt-get install chromium chromium-driver`).
"""

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

collect_ignore = (
    []
    if importlib.util.find_spec("selenium")
    else ["test_audit_page.py", "test_detection_page.py", "test_gates_page.py", "test_report.py", "test_study_page.py"]
)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever the page might fetch would fail, and be in the log
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "install chromium"
    assert chromedriver, "install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    driver.get("about:blank")  # the page of new tabs asks for much, and must be done with it
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file in a window of some width; afterwards: nothing left it, nothing went wrong in it."""

    def visit(file: Path, width: int) -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(file.as_uri())
        return browser

    yield visit
    asked = [
        message["params"]["request"]["url"]
        for entry in browser.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith(("data:", "file:", "blob:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert browser.get_log("browser") == []


@pytest.fixture
def lowest_contrast(browser: Any) -> Callable[[], float]:
    """The least contrast of any words of the page with its ground, as WCAG 2.2 counts it."""

    def measured() -> float:
        ratios = browser.execute_script(
            """
            const light = (colour) => {
              const [r, g, b] = colour.match(/\\d+/g).map((part) => part / 255)
                .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
              return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = light(getComputedStyle(document.body).backgroundColor);
            return [...document.querySelectorAll('p, td, th, a, figcaption, button, label, dt, dd')].map((element) => {
              const ink = light(getComputedStyle(element).color);
              return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
            });
            """
        )
        return min(ratios)

    return measured
