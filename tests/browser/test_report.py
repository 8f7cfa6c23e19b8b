"""The boundary report in headless Chromium: it fetches nothing, and works by mouse, by keyboard and on a phone.

Run with `pytest -m browser`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from convneur_cli.app import main

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=document.title='pwned'>"
EVIL_CLASS = "</script><script>document.title='pwned'</script>"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two models on 14 images, photos included, with names that try to be markup."""
    place = tmp_path_factory.mktemp("report")
    for folder in ("gt", "a", "b", "photos"):
        (place / folder).mkdir()
    for number in range(14):
        random = np.random.default_rng(number)
        noise = ndimage.gaussian_filter(random.standard_normal((3, 160, 240)), (0, 12, 12))
        gt = noise.argmax(axis=0).astype(np.uint8)
        gt[:6] = 255
        name = EVIL if number == 13 else f"image-{number:02}"
        for folder, labels in (("gt", gt), ("a", np.roll(gt, number, 1)), ("b", np.roll(gt, 2, 0))):
            Image.fromarray(labels).save(place / folder / f"{name}.png")
        photo = np.repeat((noise[0] * 2000 + 128).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
        Image.fromarray(photo).save(place / "photos" / f"{name}.jpg")
    (place / "classes.txt").write_text(f"sky\n{EVIL_CLASS}\nroad\n", encoding="utf-8")
    folders = [str(place / folder) for folder in ("a", "gt")]
    options = {"--against": "b", "--images": "photos", "--classes": "classes.txt", "--report": "report.html"}
    typed = [text for option, name in options.items() for text in (option, str(place / name))]
    added = ["--metrics", "all,objects", "--tolerance-curve", "1:4"]
    with pytest.raises(SystemExit) as raised:
        main(["eval-boundary", *folders, *typed, "--tolerance", "1px,3px", *added, "-q", "--json"])
    assert not raised.value.code
    return place / "report.html"


@pytest.fixture
def page(opened: Callable[..., Any], report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The report just opened, 1200 pixels wide unless the test's parameter says otherwise."""
    page = opened(report, getattr(request, "param", 1200))
    yield page
    assert page.title.startswith("Boundaries of ")  # no name became markup


def texts(page: Any, selector: str) -> list[str]:
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )


def column(page: Any, section: str, number: int) -> list[str]:
    return texts(page, f"#{section} tbody tr > :nth-child({number})")


def transform(page: Any, article: str = "article") -> str:
    return page.execute_script("return document.querySelector(arguments[0] + ' .stack').style.transform", article)


def corner(page: Any) -> tuple[float, float, float]:
    """Scale, and which share of the picture lies left of and above what is seen."""
    numbers = transform(page).replace("scale(", "").replace(") translate(", " ").replace("%, ", " ").replace("%)", "")
    scale, x, y = map(float, numbers.split())
    return scale, -x / 100, -y / 100


def test_the_page_names_no_address(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert "https:" not in text
    assert text.count("http:") == text.count("http://www.w3.org/2000/svg") == 1  # a name, nothing to fetch
    assert "default-src 'none'" in text
    assert EVIL not in text
    assert EVIL_CLASS not in text


def test_every_section_is_there_with_the_figures_of_the_json(page: Any) -> None:
    assert texts(page, "h2") == [
        "Overall", "By how much they differ", "Boundary F1 by tolerance", "How the images spread", "Pictures",
        "Objects", "By class", "By image",
    ]  # fmt: skip
    assert texts(page, "nav a") == texts(page, "h2")
    assert column(page, "overall", 1)[:2] == ["Boundary F1 @ 1px", "Boundary F1 @ 3px"]
    assert len(column(page, "images", 1)) == 14
    assert EVIL in column(page, "images", 1)
    assert EVIL_CLASS in column(page, "classes", 1)
    # Worst, median and best are three each, and the images that moved most are among them.
    assert len(page.find_elements(By.CSS_SELECTOR, "#pictures article")) == 9
    assert sum("moved" in heading for heading in texts(page, "#pictures article > p")) == 3
    broken = page.execute_script("return [...document.images].filter((image) => !image.naturalWidth).length")
    assert broken == 0


def test_a_curve_for_each_model(page: Any) -> None:
    """A line with a dot at each radius, a band, and the same numbers in a table whose last row is the area."""
    assert len(page.find_elements(By.CSS_SELECTOR, "#curve polyline.curve")) == 2
    dots = texts(page, "#curve circle title")
    assert [dot.split(", ")[1].split(":")[0] for dot in dots] == [f"{radius} px" for radius in (1, 2, 3, 4)] * 2
    radii, first, second = (column(page, "curve", number) for number in (1, 2, 3))
    assert len(radii) == 5
    assert radii[-1] == "area"
    for values in (first, second):
        curve = [float(text.split(" ")[0]) for text in values]
        assert curve[:4] == sorted(curve[:4])
        assert curve[0] <= curve[4] <= curve[3]


def test_objects_are_shown_with_their_place(page: Any) -> None:
    kinds = texts(page, "#objects h3")
    assert kinds == ["Worst pairs", "Missed", "Spurious"]
    cards = page.find_elements(By.CSS_SELECTOR, "#objects article")
    assert len(cards) >= 3
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", cards[0])
    for part in cards[0].find_elements(By.CSS_SELECTOR, ".part"):
        image, frame = (part.find_element(By.CSS_SELECTOR, each) for each in ("img", ".frame"))
        assert image.rect["width"] == pytest.approx(part.rect["width"], abs=2)
        assert frame.rect["x"] >= image.rect["x"] - 2
        assert frame.rect["x"] + frame.rect["width"] <= image.rect["x"] + image.rect["width"] + 2
        assert frame.rect["height"] > 0


def test_tables_sort_by_mouse_and_by_keyboard(page: Any) -> None:
    heads = page.find_elements(By.CSS_SELECTOR, "#images thead button")
    heads[1].click()
    falling = [float(text) for text in column(page, "images", 2)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > falling[-1]
    heads[1].send_keys(Keys.ENTER)
    assert [float(text) for text in column(page, "images", 2)] == falling[::-1]
    states = page.execute_script(
        "return [...document.querySelectorAll('#images th[aria-sort]')].map((e) => e.ariaSort)"
    )
    assert states[:3] == ["none", "ascending", "none"]
    heads[0].send_keys(Keys.SPACE)
    names = column(page, "images", 1)
    assert names[-1] == "image-12"
    assert names[:13] != names[:13][::-1]
    heads[0].click()
    assert column(page, "images", 1) == names[::-1]
    page.find_elements(By.CSS_SELECTOR, "#classes thead button")[2].click()
    assert column(page, "images", 1) == names[::-1]  # each table by itself


def test_images_are_found_by_name(page: Any) -> None:
    page.find_element(By.ID, "search").send_keys("image-03")
    assert column(page, "images", 1) == ["image-03"]


def test_plots_follow_the_chosen_metric(page: Any) -> None:
    before = texts(page, "#images-spread .note")
    assert before[0].startswith("bars — ")
    assert before[1].startswith("outline — ")
    assert "14 images" in before[0]
    bars = texts(page, "#images-spread rect title")
    assert sum(int(title.rsplit(" ", 1)[1]) for title in bars) == 14
    Select(page.find_element(By.CSS_SELECTOR, "#images-spread select")).select_by_visible_text("mIoU")
    assert texts(page, "#images-spread .note") != before
    label = page.find_element(By.CSS_SELECTOR, "#images-spread svg").get_attribute("aria-label")
    assert label.startswith("Distribution of mIoU.")
    Select(page.find_element(By.CSS_SELECTOR, "#comparison select")).select_by_visible_text("Pixel accuracy")
    assert len(texts(page, "#comparison circle")) == 3
    assert "difference in Pixel accuracy" in texts(page, "#comparison svg text")
    moved = [float(text.replace("−", "-")) for text in column(page, "comparison", 4)]
    assert [abs(value) for value in moved] == sorted(map(abs, moved), reverse=True)


def test_a_click_enlarges_that_place_in_every_panel(page: Any) -> None:
    views = page.find_elements(By.CSS_SELECTOR, "article:first-of-type .view")
    assert len(views) == 6
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", views[1])
    webdriver.ActionChains(page).move_to_element(views[1]).click().perform()
    assert corner(page) == pytest.approx((4, 0.375, 0.375), abs=0.01)
    panels = page.execute_script(
        "return [...document.querySelectorAll('article:first-of-type .stack')].map((stack) => stack.style.transform)"
    )
    assert panels == [panels[0]] * 6
    webdriver.ActionChains(page).click_and_hold(views[1]).move_by_offset(-60, 0).release().perform()
    width = views[1].size["width"]
    assert corner(page) == pytest.approx((4, 0.375 + 60 / width / 4, 0.375), abs=0.01)  # dragged, not zoomed
    webdriver.ActionChains(page).key_down(Keys.SHIFT).click(views[1]).key_up(Keys.SHIFT).perform()
    assert corner(page)[0] == 2
    untouched = page.execute_script(
        "return document.querySelectorAll('article')[1].querySelector('.stack').style.transform"
    )
    assert untouched.startswith("scale(1)")


def test_errors_are_reached_by_keyboard_alone(page: Any) -> None:
    view = page.find_element(By.CSS_SELECTOR, "article:first-of-type .view")
    assert view.get_attribute("tabindex") == "0"
    view.send_keys("n")
    first = corner(page)
    assert first[0] == pytest.approx(6, rel=0.1)
    assert "error place 1 of" in page.find_element(By.CSS_SELECTOR, "article [role=status]").text
    errors = page.execute_script(
        """
        // Whether an error pixel lies in what is seen.
        const [scale, x, y] = arguments[0], canvas = document.createElement('canvas').getContext('2d');
        const image = document.querySelector('article .paled img:last-child');
        canvas.canvas.width = image.naturalWidth; canvas.canvas.height = image.naturalHeight;
        canvas.drawImage(image, 0, 0);
        const part = canvas.getImageData(Math.round(x * image.naturalWidth), Math.round(y * image.naturalHeight),
          Math.floor(image.naturalWidth / scale), Math.floor(image.naturalHeight / scale)).data;
        let found = 0;
        for (let k = 0; k < part.length; k += 4) if (part[k + 3] && part[k] !== part[k + 2]) found++;
        return found;
        """,
        first,
    )
    assert errors > 10
    view.send_keys("n")
    assert corner(page) != first
    view.send_keys("0")
    assert corner(page) == (1, 0, 0)
    view.send_keys("+", "+")
    assert corner(page)[0] == 4
    before = corner(page)
    view.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert corner(page) == pytest.approx((4, before[1] + 1 / 16, before[2] + 1 / 16))
    view.send_keys("-")
    assert corner(page)[0] == 2
    view.send_keys(Keys.ESCAPE)
    assert corner(page) == (1, 0, 0)
    buttons = page.find_elements(By.CSS_SELECTOR, "article:first-of-type button")
    assert [button.text for button in buttons] == ["Zoom in", "Zoom out", "Whole", "Next error"]
    assert [button.is_enabled() for button in buttons] == [True, False, False, True]


def test_everything_that_acts_can_be_reached_by_tab(page: Any) -> None:
    reached = []
    page.find_element(By.TAG_NAME, "body").click()
    for _ in range(40):
        webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(
            page.execute_script("return document.activeElement.tagName + '.' + document.activeElement.className")
        )
    assert {"A.", "SELECT.", "BUTTON.", "DIV.scroll", "DIV.view"} <= set(reached)


@pytest.mark.parametrize("page", [400, 320, 1200], indirect=True)
def test_nothing_stands_out_of_the_page(page: Any) -> None:
    width = page.execute_script("return innerWidth")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    out = page.execute_script(
        """
        return [...document.querySelectorAll('main *')].filter((element) => !element.closest('.scroll, .view, svg')
          && element.getBoundingClientRect().right > innerWidth + 0.5).map((element) => element.outerHTML.slice(0, 80));
        """
    )
    assert out == []
    small = page.execute_script(
        """
        return [...document.querySelectorAll('svg text')].filter((text) =>
          text.getBoundingClientRect().height < 10).length;
        """
    )
    assert small == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_ground(page: Any, lowest_contrast: Callable[[], float], scheme: str) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    assert lowest_contrast() > 4.5  # AA
    dark = page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 26)"
    assert dark == (scheme == "dark")
