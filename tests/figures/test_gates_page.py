"""The gates' page as a file: its maps are the arrays, it asks for nothing, no name can end its data."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.errors import InputError
from convneur.figures import gates_page
from convneur.figures.gates_html import LONGEST_SIDE
from convneur.gates import (
    Contrast,
    GateResult,
    ImageSource,
    MapOptions,
    StageGates,
    StageLayers,
    StageMap,
    StageMeasures,
    WeightsSource,
)
from convneur.gates.capture import GateCapture
from convneur.variants import VARIANTS

EVIL = "</script><script>alert(1)</script><!-- & \u2028 \udcff"
VALUES = np.random.default_rng(0).normal(0, 3, (8, 12)).astype(np.float32)


def panel(values: np.ndarray) -> StageMap:
    return StageMap(values, (float(values.min()), float(values.max())))


class Given(GateResult):
    """A result with layers of the test's own."""

    def layers(self) -> tuple[StageLayers, ...]:
        flat = np.full((8, 12), 0.25, np.float32)
        rows: Any = {
            "f_loc": {"rms": panel(VALUES), "channel 3": panel(VALUES / 7)},
            "gate": {"rms": panel(flat), "channel 3": panel(flat)},
        }
        return (StageLayers(2, rows),)


def page(
    photo: Any = None,
    name: str = "cat.jpg",
    saturation: float = 0.0,
    measures: Any = None,
    kind: Any = None,
    **more: Any,
) -> str:
    stage = StageGates(2, 8, 40, 8, 12, 1, 96, saturation, False, (("f_loc", panel(VALUES)),), measures)
    known = {
        "image": ImageSource(name, None, 64, 96),
        "pixels": np.zeros((64, 96, 3), np.uint8) if photo is None else photo,
        "weights": WeightsSource(VARIANTS["m1"], "weights", "ab" * 32),
        "local_only": None,
        "options": MapOptions(),
        "size": None,
        "mask": None,
        "stages": (stage,),
        "capture": GateCapture(VARIANTS["m1"], 1, ()),
    }
    return gates_page((kind or Given)(**{**known, **more}))


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


def test_a_surprise_is_kept_as_it_is_and_signs_diverge() -> None:
    values = np.abs(VALUES) ** 5

    class Surprised(Given):
        def layers(self) -> tuple[StageLayers, ...]:
            signed = StageMap(VALUES, (-20.0, 20.0))
            surprise = StageMap(values, (1e-3, float(values.max())), logarithmic=True)
            return (StageLayers(2, {"f_loc": {"mean": signed}, "surprise": {"value": surprise}}),)

    found = data(page(kind=Surprised))
    signed, surprise = (row["maps"][0] for row in found["stages"][0]["rows"])
    assert (signed["colours"], surprise["colours"]) == ("RdBu_r", "inferno")
    assert (surprise["bits"], surprise["logarithmic"], signed["logarithmic"]) == (32, True, False)
    stored = np.frombuffer(base64.b64decode(surprise["codes"]), "<f4").reshape(8, 12)
    np.testing.assert_array_equal(stored, values)


def test_outline_and_borders_stand_in_it() -> None:
    found = data(page())
    assert (found["outline"], found["borders"]) == (None, False)
    assert found["stages"][0]["borders"] == []  # one chunk
    mask = np.zeros((64, 96), np.float32)
    mask[20:40, 30:60] = 1
    found = data(page(object_mask=mask, options=MapOptions(chunk_borders=True)))
    assert found["borders"] is True
    with Image.open(io.BytesIO(base64.b64decode(found["outline"].partition(",")[2]))) as picture:
        drawn = np.asarray(picture)
    assert drawn.shape == (64, 96, 4)
    assert (drawn[..., 3] > 0).sum() == 2 * (20 + 30) * 2 - 4  # a ring inside the object, and one outside


def test_it_opens_as_the_options_say() -> None:
    found = data(page(weights=WeightsSource(VARIANTS["m1"], seed=0), saturation=1.0))
    assert found["opens"] == {"row": "gate", "map": "rms"}
    assert found["opacity"] == 1
    assert found["stamp"] == "UNTRAINED WEIGHTS, seed 0"
    assert [note[:23] for note in found["notes"]] == ["Stage 2: gate saturated"]
    assert found["about"][0] == ["image", "cat.jpg"]
    assert found["title"] == "Gates of cat.jpg"
    assert len(base64.b64decode(found["colours"]["viridis"])) == 768
    assert found["measures"] == []


def test_figures_stand_in_it() -> None:
    one = StageMeasures(2, "mask", 0.25, 0.5, Contrast(1.0, 2.0), Contrast(None, None), 0.3, 0.1)
    found = data(page(measures=one))
    assert found["measuredBy"] == "mask"
    assert ["background suppression", ["×2.00"]] in found["measures"]
    assert ["edge contrast", ["–"]] in found["measures"]


def test_it_names_no_address_and_no_name_becomes_markup() -> None:
    text = page(name=EVIL)
    text.encode("utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text
    assert text.count("<script") == page().count("<script") == 2
    assert data(text)["about"][0][1].startswith("script>")  # what follows the last slash is the file's name


def test_a_photo_is_bounded() -> None:
    with pytest.raises(InputError, match=f"cat.jpg: .* too many for a page; choose a size of {LONGEST_SIDE}"):
        page(np.zeros((32, LONGEST_SIDE + 1, 3), np.uint8))
