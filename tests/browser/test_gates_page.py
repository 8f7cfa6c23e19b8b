"""The gates' page in headless Chromium: it fetches nothing, and works by mouse, touch, keyboard and on a phone.

Run with `pytest -m browser`.
"""

import json
import xml.etree.ElementTree
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
from selenium.webdriver.support.ui import WebDriverWait

import convneur
from convneur.checkpoints import save_checkpoint
from convneur.data.images import normalise
from convneur.gates.capture import capture_gates, untrained
from convneur.variants import ConvNeurConfig
from convneur_cli.app import main

pytestmark = pytest.mark.browser

TINY = ConvNeurConfig(dims=(8, 12, 24, 20), depths=(1, 1, 1, 1), mem_dim=8, head="none", chunk_length=20)
EVIL = "<img src=x onerror=document.title='pwned'>.png"
HEIGHT, WIDTH = 96, 128


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a small untrained net, its arrays beside it; the photo's name tries to be markup."""
    place = tmp_path_factory.mktemp("gates")
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((HEIGHT, WIDTH, 3)), (6, 6, 0))
    Image.fromarray((noise * 900 + 128).clip(0, 255).astype(np.uint8)).save(place / EVIL)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:70, 40:90] = 1
    Image.fromarray(mask).save(place / "mask.png")
    (place / "tiny.json").write_text(json.dumps(TINY.to_dict()))
    files = {"--model": "tiny.json", "--mask": "mask.png", "-o": "gates.html"}
    typed = [text for option, name in files.items() for text in (option, str(place / name))]
    options = ["--size", "native", "--surprise", "--row3", "gated", "--save-arrays", "-q"]
    with pytest.raises(SystemExit) as raised:
        main(["viz-gates", str(place / EVIL), *typed, *options])
    assert not raised.value.code
    return place


@pytest.fixture(scope="session")
def arrays(place: Path) -> dict[str, Any]:
    """What `--save-arrays` wrote."""
    with np.load(place / "gates.npz") as file:
        return dict(file)


@pytest.fixture
def page(opened: Callable[..., Any], place: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page just opened, 1200 pixels wide unless the test's parameter says otherwise."""
    page = opened(place / "gates.html", getattr(request, "param", 1200))
    yield page
    assert page.title.startswith("Gates of ")  # no name became markup


def chosen(page: Any, label: str) -> Select:
    """The native control with this label."""
    return Select(page.find_element(By.XPATH, f"//label[span[text()='{label}']]/select"))


def value(page: Any) -> float:
    return float(page.find_element(By.CSS_SELECTOR, "#reading strong").text.replace("−", "-"))


def position(page: Any) -> tuple[int, int]:
    words = page.find_element(By.ID, "reading").text.split(" at row ")[1]
    row, column = words.split(", column ")
    return int(row), int(column)


def cells(page: Any) -> dict[str, list[float]]:
    """What stands in the table of the position, by row."""
    rows = page.find_elements(By.CSS_SELECTOR, "#maps tbody tr")
    return {
        row.find_element(By.TAG_NAME, "th").text: [
            float(cell.text.replace("−", "-")) for cell in row.find_elements(By.TAG_NAME, "td") if cell.text != "–"
        ]
        for row in rows
    }


def press(page: Any, *keys: str) -> None:
    page.find_element(By.ID, "view").send_keys(*keys)


def test_what_is_shown_is_what_the_arrays_hold(page: Any, arrays: dict[str, Any]) -> None:
    names = {"local_only": "Local only", "f_loc": "Before the gate", "gate": "Gate", "gated": "After the gate"}
    random = np.random.default_rng(1)
    for number in (1, 3):
        chosen(page, "Stage").select_by_visible_text(f"Stage {number}")
        of_stage = {row: arrays[f"stage{number}_{row}"] for row in (*names, "surprise")}
        height, width = of_stage["gate"].shape
        for _ in range(3):
            y, x = int(random.integers(height)), int(random.integers(width))
            press(page, Keys.HOME, *[Keys.ARROW_UP] * height, *[Keys.ARROW_DOWN] * y, *[Keys.ARROW_RIGHT] * x)
            assert position(page) == (y, x)
            shown = cells(page)
            for row, name in (*names.items(), ("surprise", "Surprise")):
                values = of_stage[row]
                # Half a step of 65535 and half a unit of the last digit, which is no smaller than a step.
                exact = float(np.ptp(values)) / 65535 * 6
                assert shown[name][0] == pytest.approx(values[y, x], abs=exact)
                assert shown[name][1:] == pytest.approx([values.min(), values.max()], rel=1e-3)
            assert value(page) == shown["Gate"][0]


def test_single_channels_are_the_nets_own(page: Any, place: Path) -> None:
    pixels = np.array(Image.open(place / EVIL).convert("RGB"))
    stage = capture_gates(untrained(TINY, 0), normalise(pixels)).stages[1]
    chosen(page, "Stage").select_by_visible_text("Stage 2")
    options = [option.text for option in chosen(page, "Map").options]
    assert options[:3] == ["rms over channels", "mean over channels", "maximum over channels"]
    assert options[3:] == [f"channel {number}" for number in range(12)]  # of twelve all
    chosen(page, "Map").select_by_visible_text("channel 7")
    press(page, *[Keys.ARROW_DOWN] * 4, *[Keys.ARROW_RIGHT] * 5)
    for row, name in (("f_loc", "Before the gate"), ("gate", "Gate"), ("f_out", "Output")):
        values = getattr(stage, row)[7]
        assert cells(page)[name][0] == pytest.approx(values[4, 5], abs=float(np.ptp(values)) / 255 * 6)
    chosen(page, "Stage").select_by_visible_text("Stage 3")
    assert len(chosen(page, "Map").options) == 3 + 16
    assert "stage 3: 16 of 24" in page.find_element(By.CSS_SELECTOR, "#maps").text


def test_the_colours_are_the_maps(page: Any, arrays: dict[str, Any]) -> None:
    """The canvas holds a position per pixel, brighter where the value is larger."""
    drawn = page.execute_script(
        """
        const canvas = document.querySelector('#view canvas');
        return [canvas.height, canvas.width, [...canvas.getContext('2d')
          .getImageData(0, 0, canvas.width, canvas.height).data]];
        """
    )
    pixels = np.array(drawn[2]).reshape(drawn[0], drawn[1], 4)
    gate = arrays["stage1_gate"]
    assert pixels.shape[:2] == gate.shape
    brightness = pixels[..., :3] @ [0.299, 0.587, 0.114]
    order = np.argsort(gate.ravel())
    assert (np.diff(brightness.ravel()[order]) > -3).all()
    assert np.ptp(brightness) > 100
    assert (pixels[..., 3] == 255).all()


def test_pointing_and_touching_read_the_value_there(page: Any, arrays: dict[str, Any]) -> None:
    gate = arrays["stage1_gate"]
    view = page.find_element(By.ID, "view")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", view)
    size = view.size
    for row, column, kind in ((3, 20, "mouse"), (15, 7, "touch")):
        pointer = webdriver.ActionChains(
            page, devices=[webdriver.common.actions.pointer_input.PointerInput(kind, kind)]
        )
        right = round((column + 0.5) / gate.shape[1] * size["width"] - size["width"] / 2)
        down = round((row + 0.5) / gate.shape[0] * size["height"] - size["height"] / 2)
        action = pointer.w3c_actions.pointer_action
        action.move_to(view, right, down)
        if kind == "touch":
            action.pointer_down()
            action.pointer_up()
        pointer.perform()
        assert position(page) == (row, column)
        assert value(page) == pytest.approx(gate[row, column], abs=float(np.ptp(gate)) / 65535 * 6)


def test_the_keyboard_alone_does_everything(page: Any) -> None:
    reached = []
    for _ in range(12):
        webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(
            page.execute_script(
                "const e = document.activeElement; return e.closest('label')?.firstChild.textContent ?? e.id"
            )
        )
        outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.execute_script("return document.activeElement === document.body")
    assert reached[:5] == ["view", "Stage", "Row", "Map", "Opacity"]
    press(page, Keys.ARROW_RIGHT, Keys.SHIFT + Keys.ARROW_DOWN)
    assert position(page) == (8, 1)
    press(page, Keys.NULL, Keys.END)
    assert position(page) == (8, 31)
    press(page, *[Keys.ARROW_RIGHT] * 3)
    assert position(page) == (8, 31)  # no further than the edge
    rows = page.find_element(By.XPATH, "//label[span[text()='Row']]/select")
    rows.send_keys(Keys.ARROW_DOWN)
    assert chosen(page, "Row").first_selected_option.text.startswith("After the gate")
    slider = page.find_element(By.CSS_SELECTOR, "input[type=range]")
    slider.send_keys(Keys.HOME)
    opacity = "return document.querySelector('#view canvas').style.opacity"
    assert page.execute_script(opacity) == "0"
    slider.send_keys(*[Keys.ARROW_RIGHT] * 8)
    assert page.execute_script(opacity) == "0.4"
    photo = "const image = document.querySelector('#view img'); return [image.naturalWidth, image.naturalHeight]"
    assert page.execute_script(photo) == [WIDTH, HEIGHT]


def test_every_control_has_a_label_and_is_the_browsers_own(page: Any) -> None:
    controls = page.find_elements(By.CSS_SELECTOR, "#maps select, #maps input, #maps button")
    assert [control.tag_name for control in controls] == ["select"] * 3 + ["input"] * 3 + ["button"] * 10
    names = ["Stage", "Row", "Map", "Opacity", "Mask outline", "Chunk borders"]
    names += [f"Save as {kind}" for kind in ("PNG", "SVG", "CSV", "NPY")]
    names += ["Local only", "Before the gate", "Gate", "After the gate", "Output", "Surprise"]
    assert [control.accessible_name for control in controls] == names
    assert "stage 1" in page.find_element(By.ID, "view").accessible_name


def test_a_map_and_its_values_are_saved(page: Any, arrays: dict[str, Any], tmp_path: Path) -> None:
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    stem = "-img src=x onerror=document.title='pwned'--stage-1-gate-rms"
    for kind in ("PNG", "SVG", "CSV", "NPY"):
        page.find_element(By.CSS_SELECTOR, f"button[aria-label='Save as {kind}']").click()
    WebDriverWait(page, 20).until(lambda _: len([file for file in tmp_path.iterdir() if file.stem == stem]) == 4)
    gate = arrays["stage1_gate"]
    step = float(np.ptp(gate)) / 65535
    np.testing.assert_allclose(np.load(tmp_path / f"{stem}.npy"), gate, atol=step)
    np.testing.assert_allclose(np.loadtxt(tmp_path / f"{stem}.csv", delimiter=","), gate, atol=step)
    with Image.open(tmp_path / f"{stem}.png") as picture:
        assert picture.size == (1024, 768)
    svg = xml.etree.ElementTree.parse(tmp_path / f"{stem}.svg").getroot()
    assert [part.tag.rpartition("}")[2] for part in svg] == ["image", "text"]
    assert svg[1].text.startswith("Gate, Stage 1, rms over channels: ")


def test_rows_are_linked(page: Any) -> None:
    buttons = page.find_elements(By.CSS_SELECTOR, ".rows button")
    assert [one.get_attribute("aria-pressed") for one in buttons].index("true") == 2
    press(page, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    marks = {(one.get_attribute("style")) for one in page.find_elements(By.CSS_SELECTOR, ".mark")}
    assert len(marks) == 1
    buttons[0].send_keys(Keys.ENTER)
    assert chosen(page, "Row").first_selected_option.text.startswith("Local only")
    chosen(page, "Stage").select_by_index(1)
    assert page.execute_script("return document.querySelector('.rows canvas').width") == WIDTH // 8


def test_two_models_and_layers_of_any_model(opened: Callable[..., Any], place: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import torch\n\ndef build():\n    return torch.nn.Sequential(\n"
                                     "        torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Sigmoid())\n")  # fmt: skip
    save_checkpoint(untrained(TINY, 1), tmp_path / "b.safetensors")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    pages = {
        "two.html": ["--model", str(place / "tiny.json"), "--against", str(tmp_path / "b.safetensors")],
        "net.html": ["--model", f"{tmp_path / 'net.py'}:build", "--gate", "1", "--features", "0"],
    }
    rows = {
        "two.html": [f"Gate, {name}: A = σ(G)" for name in ("untrained", "b", "untrained − b")],
        "net.html": ["Gate: A"],
    }
    for name, options in pages.items():
        with pytest.raises(SystemExit) as raised:
            main(["viz-gates", str(tmp_path / "a.png"), *options, "--size", "native", "-q", "-o", str(tmp_path / name)])
        assert not raised.value.code
    for name, expected in rows.items():
        page = opened(tmp_path / name, 400)
        assert [one.text for one in chosen(page, "Row").options if one.text.startswith("Gate")] == expected
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        if name == "two.html":
            press(page, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
            shown = cells(page)
            one, other, less = (shown[f"Gate, {which}"][0] for which in ("untrained", "b", "untrained − b"))
            assert less == pytest.approx(one - other, abs=1e-4)


def test_a_clicked_position_reads_what_the_command_says(opened: Callable[..., Any], tmp_path: Path) -> None:
    first, second = untrained(TINY.replace(read="after"), 0), untrained(TINY.replace(read="final", chunks=3), 1)
    pixels = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for name, model in (("a", first), ("b", second)):
        save_checkpoint(model, tmp_path / f"{name}.safetensors")
    options = ["--weights", str(tmp_path / "a.safetensors"), "--against", str(tmp_path / "b.safetensors")]
    with pytest.raises(SystemExit) as raised:
        main(["viz-gates", str(tmp_path / "a.png"), *options, "--size", "128", "--reads", "10,20", "-q",
              "-o", str(tmp_path / "a.html")])  # fmt: skip
    assert not raised.value.code
    page = opened(tmp_path / "a.html", 1200)
    chosen(page, "Stage").select_by_visible_text("Stage 2")
    page.find_element(By.ID, "view").send_keys(*[Keys.ARROW_DOWN] * 9, *[Keys.ARROW_RIGHT] * 5, Keys.ENTER)
    caption = page.find_element(By.XPATH, "//caption[contains(text(), 'Read at row')]")
    words = caption.text.removeprefix("Read at row ").split(" of ")[0].split(", column ")
    row, column = (int(word) for word in words)
    assert (row * 96 // 150 // 8, column * 128 // 200 // 8) == (9, 5)
    gates = {"weights": first, "against": second, "reads": (row, column), "size": 128}
    result = convneur.gates.inspect(pixels, **gates)  # type: ignore[arg-type]
    assert result.against is not None
    for number, one in enumerate(("reads", "reads second")):
        own = result if number == 0 else result.against
        chosen(page, "Row").select_by_value(one)
        for index, stage in enumerate(own.stages):
            assert stage.reads is not None
            chosen(page, "Stage").select_by_index(index)
            values = page.execute_script("return [...mapOf().unpacked]")
            np.testing.assert_allclose(values, stage.reads.values.ravel(), atol=2e-3)
            sums = page.execute_script(f"return data.reads.models[{number}][{index}].sums")
            expected = [stage.reads.initial, stage.reads.own, stage.reads.others]
            np.testing.assert_allclose(sums, expected, atol=2e-3)
    at = page.execute_script("return data.reads.at.join()")
    chosen(page, "Row").select_by_value("reads difference")
    page.find_element(By.ID, "view").click()
    assert page.execute_script("return data.reads.at.join()") != at
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_choice_that_a_row_lacks_comes_back(page: Any) -> None:
    chosen(page, "Row").select_by_index(1)
    chosen(page, "Map").select_by_visible_text("first principal axis")
    chosen(page, "Row").select_by_index(2)
    assert chosen(page, "Map").first_selected_option.text == "mean over channels"  # as the picture draws a gate for pca
    chosen(page, "Row").select_by_index(5)
    assert [option.text for option in chosen(page, "Map").options] == ["value"]
    chosen(page, "Row").select_by_index(3)
    assert chosen(page, "Map").first_selected_option.text == "first principal axis"
    press(page, Keys.ARROW_DOWN)
    chosen(page, "Stage").select_by_index(3)
    assert position(page)[0] == 0  # the same place in the photo


def test_the_numbers_and_the_recipe_stand_in_it(page: Any, place: Path) -> None:
    record = json.loads((place / "gates.json").read_text())
    change = record["stages"][2]["measures"]["edge_contrast"]["change"]
    row = page.find_element(By.XPATH, "//section[@id='numbers']//tr[th='edge contrast']")
    assert float(row.find_elements(By.TAG_NAME, "td")[2].text.removeprefix("×")) == pytest.approx(change, rel=5e-3)
    assert "mask" in page.find_element(By.CSS_SELECTOR, "#numbers .note").text
    assert "UNTRAINED WEIGHTS, seed 0" in page.find_element(By.CLASS_NAME, "stamp").text
    assert "neural-memory" in page.find_element(By.TAG_NAME, "dl").text


@pytest.mark.parametrize("page", [400, 320, 1200], indirect=True)
def test_nothing_stands_out_of_the_page(page: Any) -> None:
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    out = page.execute_script(
        """
        return [...document.querySelectorAll('main *')].filter((element) => !element.closest('.scroll, .view')
          && element.getBoundingClientRect().right > innerWidth + 0.5).map((element) => element.outerHTML.slice(0, 80));
        """
    )
    assert out == []
    assert page.find_element(By.ID, "view").size["width"] > 250


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_ground(page: Any, lowest_contrast: Callable[[], float], scheme: str) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    assert lowest_contrast() > 4.5  # AA
