"""The gates' page as a file: its maps are the arrays, it asks for nothing, no name can end its data."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from convneur.figures.gates_page import LONGEST_SIDE, gates_page
from convneur.gates.layers import StageLayers
from convneur.gates.maps import GateMaps, Recipe, StageMap, StageMaps
from convneur.gates.measures import Contrast, StageMeasures

EVIL = "</script><script>alert(1)</script><!-- & \u2028 \udcff"
VALUES = np.random.default_rng(0).normal(0, 3, (8, 12)).astype(np.float32)


def panel(values: np.ndarray) -> StageMap:
    return StageMap(values, (float(values.min()), float(values.max())))


def page(photo: Any = None, **more: Any) -> str:
    flat = np.full((8, 12), 0.25, np.float32)
    rows = {
        "f_loc": {"rms": panel(VALUES), "channel 3": panel(VALUES / 7)},
        "gate": {"rms": panel(flat), "channel 3": panel(flat)},
    }
    stage = StageMaps(2, 8, 40, 8, 12, 1, 96, 0.0, False, {"f_loc": panel(VALUES)})
    maps = GateMaps(Recipe(), "gating", "before", 1, (stage,))
    options = {"title": "Gates of cat.jpg", "version": "0", "recipe": [("image", "cat.jpg")], **more}
    pixels = np.zeros((64, 96, 3), np.uint8) if photo is None else photo
    return gates_page(maps, [StageLayers(2, rows)], pixels, **options)


def data(text: str) -> Any:
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


def decoded(packed: dict[str, Any]) -> np.ndarray:
    kind = np.uint8 if packed["bits"] == 8 else "<u2"
    codes = np.frombuffer(base64.b64decode(packed["codes"]), kind).astype(np.float64)
    low, high = packed["range"]
    return (low + codes * (high - low) / ((1 << packed["bits"]) - 1)).reshape(8, 12)


def test_maps_are_the_arrays_to_half_a_step() -> None:
    (stage,) = data(page())["stages"]
    over, single = stage["rows"][0]["maps"]
    assert (over["bits"], single["bits"]) == (16, 8)
    assert over["range"] == [float(VALUES.min()), float(VALUES.max())]
    np.testing.assert_allclose(decoded(over), VALUES, atol=np.ptp(VALUES) / 65535 / 2 * 1.001)
    np.testing.assert_allclose(decoded(single), VALUES / 7, atol=np.ptp(VALUES) / 7 / 255 / 2 * 1.001)
    assert decoded(over).min() == over["range"][0]
    assert decoded(over).max() == pytest.approx(over["range"][1], rel=1e-12)
    np.testing.assert_array_equal(decoded(stage["rows"][1]["maps"][0]), 0.25)


def test_it_opens_as_the_recipe_says() -> None:
    found = data(page(stamp="UNTRAINED WEIGHTS, seed 0", notes=["Stage 2: a note."]))
    assert found["opens"] == {"row": "gate", "map": "rms"}
    assert found["opacity"] == 1
    assert found["stamp"] == "UNTRAINED WEIGHTS, seed 0"
    assert found["notes"] == ["Stage 2: a note."]
    assert found["about"] == [["image", "cat.jpg"]]
    assert len(base64.b64decode(found["colours"]["viridis"])) == 768
    assert found["measures"] == []


def test_figures_stand_in_it() -> None:
    one = StageMeasures(2, "mask", 0.25, 0.5, Contrast(1.0, 2.0), Contrast(None, None), 0.3, 0.1)
    found = data(page(measures=[one]))
    assert found["measuredBy"] == "mask"
    assert ["background suppression", ["×2.00"]] in found["measures"]
    assert ["edge contrast", ["–"]] in found["measures"]


def test_it_names_no_address_and_no_name_becomes_markup() -> None:
    text = page(title=EVIL, recipe=[("image", EVIL)], notes=[EVIL])
    text.encode("utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text
    assert text.count("<script") == page().count("<script") == 2
    assert data(text)["notes"][0].startswith("</script>")


def test_a_photo_is_bounded() -> None:
    with pytest.raises(ValueError, match=f"at most {LONGEST_SIDE}"):
        page(np.zeros((32, LONGEST_SIDE + 1, 3), np.uint8))
