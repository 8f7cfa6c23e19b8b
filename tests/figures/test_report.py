"""The report as a file: nothing in it can end its data, and its pictures stay small. How it works: tests/browser."""

import base64
import html.parser
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.data.class_colours import class_colours
from convneur.figures.boundaries import ERROR_COLOURS
from convneur.figures.report import MOST_PICTURES, BoundaryReport, ReportColumn, ReportRow
from convneur.figures.scene import Scene, ScenePrediction
from convneur.formats import printable
from convneur.metrics import BoundarySettings
from convneur.metrics.picks import boundary_errors, error_hotspots

EVIL = "</script><script>alert(1)</script><!-- & \u2028 \udcff"
MIOU = ReportColumn("mIoU", "IoU", "one matrix", lower=False, decimals=4, chosen=True)


def page(name: str = "a", scenes: Iterable[Scene] = ()) -> str:
    report = BoundaryReport(
        title=name,
        version="0",
        about=[name],
        notes=[],
        models=[name],
        columns=[MIOU],
        overall=[0.5],
        classes=[ReportRow(name, [0.5])],
        images=[ReportRow(name, [0.5]), ReportRow(name, [float("nan")], against=[0.25])],
        failed=[(name, name)],
    )
    return report.page(scenes)


def data_of(text: str) -> Any:
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


class Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def tags(text: str) -> list[str]:
    reader = Reader()
    reader.feed(text)
    return reader.tags


def test_no_name_becomes_markup() -> None:
    text = page(EVIL)
    text.encode("utf-8")  # a lone surrogate, of a file name that is no text, would not
    assert tags(text) == tags(page())
    data = data_of(text)
    assert data["images"][0]["name"] == printable(EVIL)
    assert data["failed"] == [{"name": printable(EVIL), "why": printable(EVIL)}]


def test_undefined_is_null() -> None:
    data = data_of(page())
    assert [row["class"] for row in data["classes"]] == [0]
    assert [row["values"] for row in data["images"]] == [[0.5], [None]]
    assert [row["against"] for row in data["images"]] == [None, [0.25]]
    assert data["comparison"] is None


def scene(height: int, width: int) -> Scene:
    truth = np.zeros((height, width), np.uint8)
    truth[height // 3 : height // 2, width // 3 : width // 2] = 1
    labels = np.roll(truth, 20, 1)
    errors = boundary_errors(labels, truth, BoundarySettings(num_classes=2), "2px")
    size = height // 6, width // 6
    return Scene(
        name="a",
        heading="worst",
        image=np.zeros((height, width, 3), np.uint8),
        truth=truth,
        ignored=truth == 255,
        predictions=[ScenePrediction("p", labels, errors, [("B", "1")])],
        colours=class_colours(2),
        class_names=["0", "1"],
        notes=["B: boundary F1"],
        hotspots=[(y, x, *size) for y, x in error_hotspots(errors, *size, 5)],
    )


def decoded(uri: str) -> np.ndarray:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.mark.parametrize(("shape", "embedded"), [((90, 130), (90, 130)), ((1500, 4500), (500, 1500))])
def test_pictures_keep_their_pixels_up_to_a_bound(shape: tuple[int, int], embedded: tuple[int, int]) -> None:
    of = scene(*shape)
    colours = of.colours
    (found,) = data_of(page(scenes=[of]))["pictures"]
    step = shape[0] // embedded[0]
    np.testing.assert_array_equal(decoded(found["truth"]), colours[of.truth[::step, ::step]])
    assert max(decoded(found["photo"]).shape) <= 1280
    (one,) = found["predictions"]
    np.testing.assert_array_equal(decoded(one["labels"]), colours[of.predictions[0].labels[::step, ::step]])
    fine, thick = decoded(one["fine"]), decoded(one["thick"])
    assert fine.shape == thick.shape == (*embedded, 4)
    for kind in ("missed", "spurious"):
        colour = [*bytes.fromhex(ERROR_COLOURS[kind][1:]), 255]
        counts = [(layer == colour).all(axis=2).sum() for layer in (fine, thick)]
        assert 0 < counts[0] <= counts[1]
    if step == 1:
        np.testing.assert_array_equal(
            (fine == [*bytes.fromhex(ERROR_COLOURS["missed"][1:]), 255]).all(axis=2), of.predictions[0].errors.missed
        )
    y, x, tall, wide = found["spots"][0]
    assert (of.predictions[0].errors.missed | of.predictions[0].errors.spurious)[y : y + tall, x : x + wide].any()


def test_the_number_of_pictures_is_bounded() -> None:
    asked = []

    def scenes() -> Iterator[Scene]:
        for number in range(MOST_PICTURES + 3):
            asked.append(number)
            yield scene(30, 40)

    data = data_of(page(scenes=scenes()))
    assert len(data["pictures"]) == len(asked) == MOST_PICTURES
    assert data["pictureNotes"][0] == f"{MOST_PICTURES} of 2 images. B: boundary F1."
