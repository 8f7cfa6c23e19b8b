"""Pictures of boundary errors: what each panel shows, that lines can be seen, and that every word can be read."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from convneur.data.class_colours import class_colours, coloured
from convneur.figures.boundaries import ERROR_COLOURS, boundary_figure, error_layer, thickened
from convneur.figures.scene import Scene, ScenePrediction
from convneur.figures.style import save_figure
from convneur.metrics import BoundarySettings
from convneur.metrics.picks import boundary_errors, error_hotspots

NAMES = ("background", "horse", "sky")
COLOURS = class_colours(3)


def scene(models: int = 1, *, photo: bool = True, height: int = 120, width: int = 200, name: str = "a/b") -> Scene:
    truth = np.zeros((height, width), np.uint8)
    truth[height // 4 : height // 2, width // 4 : width // 2] = 1
    truth[:4] = 255
    predictions = []
    for number in range(models):
        labels = np.roll(truth, 8 + number, 1)
        labels[labels == 255] = 0
        errors = boundary_errors(labels, truth, BoundarySettings(num_classes=3), "2px")
        predictions.append(ScenePrediction(f"model {number}", labels, errors, [("B", "0.5"), ("H", "8.0")]))
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8) if photo else None
    size = height // 4, width // 4
    zooms = [(y, x, *size) for y, x in error_hotspots(predictions[0].errors, *size, 1)]
    return Scene(
        name=name,
        heading="worst 1 of 9",
        image=pixels,
        truth=truth,
        ignored=truth == 255,
        predictions=predictions,
        colours=COLOURS,
        class_names=NAMES,
        notes=["B: boundary F1", "H: Hausdorff"],
        zoom=zooms[0] if min(height, width) >= 96 else None,
    )


def draw(of: Scene) -> Figure:
    return boundary_figure(of)


def panel(figure: Figure, label: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_label() == label]
    return found


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_panels_hold_the_maps_in_the_colours_of_their_classes() -> None:
    of = scene()
    figure = draw(of)
    assert [axes.get_label() for axes in figure.axes] == [
        f"{title} {part}"
        for title in ("image", "ground truth", "model 0", "boundary errors, model 0")
        for part in ("whole", "zoom")
    ]
    (truth,) = panel(figure, "ground truth whole").get_images()
    np.testing.assert_array_equal(truth.get_array(), coloured(of.truth, COLOURS, of.ignored))
    assert tuple(np.asarray(truth.get_array())[0, 0]) == (255, 255, 255)  # ignored
    (photo,) = panel(figure, "image whole").get_images()
    np.testing.assert_array_equal(photo.get_array(), of.image)
    _, errors = panel(figure, "boundary errors, model 0 whole").get_images()
    layer = np.asarray(errors.get_array())
    for kind in ("missed", "spurious"):
        mask = getattr(of.predictions[0].errors, kind).copy()
        if kind == "spurious":  # missed lies over it
            mask &= (layer[..., :3] != list(bytes.fromhex(ERROR_COLOURS["missed"][1:]))).any(axis=2)
        assert mask.any()
        colour = np.array([*bytes.fromhex(ERROR_COLOURS[kind][1:]), 255])
        assert (layer[mask] == colour).all()
    assert not layer[100:, :, 3].any()  # nothing is drawn where no boundary is


def test_the_second_row_enlarges_a_place_with_errors() -> None:
    of = scene()
    axes = panel(draw(of), "boundary errors, model 0 zoom")
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert (right - left, bottom - top) == (200 // 4, 120 // 4)
    errors = of.predictions[0].errors
    window = (errors.missed | errors.spurious)[round(top + 0.5) : round(bottom), round(left + 0.5) : round(right)]
    assert window.sum() > 20


def test_two_models_share_truth_and_place() -> None:
    figure = draw(scene(2, photo=False))
    assert [axes.get_label() for axes in figure.axes][::2] == [
        f"{title} whole"
        for title in ("ground truth", "model 0", "boundary errors, model 0", "model 1", "boundary errors, model 1")
    ]
    limits = {axes.get_xlim() for axes in figure.axes if axes.get_label().endswith("zoom")}
    assert len(limits) == 1
    assert words(figure).count("B 0.5   H 8.0") == 2


@pytest.mark.parametrize(
    ("models", "photo", "height", "width"), [(1, True, 120, 200), (2, True, 300, 90), (1, False, 9, 7)]
)
def test_every_word_stands_on_the_page_and_none_on_another(models: int, photo: bool, height: int, width: int) -> None:
    figure = draw(scene(models, photo=photo, height=height, width=width, name="a$b$ " + "long name " * 20))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    page = figure.bbox
    for box in boxes:
        assert box.x0 >= page.x0
        assert box.x1 <= page.x1
        assert box.y0 >= page.y0
        assert box.y1 <= page.y1
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def test_the_legend_names_errors_and_the_classes_that_occur() -> None:
    said = words(draw(scene()))
    for expected in (
        "missed: true boundary, no predicted one of its class within 2 px",
        "spurious: predicted boundary, no true one within 2 px",
        "matched",
        "background",
        "horse",
        "ignored",
        "B: boundary F1   H: Hausdorff",
        "a/b",
        "worst 1 of 9",
    ):
        assert expected in said
    assert "sky" not in said


def test_lines_are_thick_enough_to_be_seen_when_shrunk() -> None:
    mask = np.zeros((50, 50), bool)
    mask[:, 20] = True
    assert thickened(mask, 2.0) is mask
    assert thickened(mask, 0.25)[7].sum() == 13
    errors = scene().predictions[0].errors
    shrunk = error_layer(errors, 0.1)[::10, ::10]
    assert {tuple(pixel) for pixel in shrunk.reshape(-1, 4)} >= {
        (*bytes.fromhex(ERROR_COLOURS[kind][1:]), 255) for kind in ("missed", "spurious")
    }


def test_settings_of_matplotlib_change_nothing_and_a_picture_repeats(tmp_path: Path) -> None:
    of = scene()
    save_figure(draw(of), tmp_path / "a.png", dpi=60)
    with mpl.rc_context({"image.origin": "lower", "axes.grid": True, "figure.dpi": 33}):
        save_figure(draw(of), tmp_path / "b.png", dpi=60)
        assert mpl.rcParams["image.origin"] == "lower"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# --- the colours of classes ---


def distance(one: Any, other: Any) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).sum())


def test_made_up_colours_differ_from_each_other() -> None:
    colours = class_colours(40)
    nearest = min(distance(colours[i], colours[j]) for i in range(40) for j in range(i))
    assert nearest >= 15
    assert min(distance(colours[i], colours[j]) for i in range(12) for j in range(i)) > 60
    assert class_colours(65536).shape == (65536, 3)


def test_known_colours_are_used_unless_they_tell_nothing_apart() -> None:
    palette = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
    np.testing.assert_array_equal(class_colours(3, palette), palette[:3])
    grey_ramp = [(k, k, k) for k in range(256)]
    np.testing.assert_array_equal(class_colours(9, grey_ramp), class_colours(9))
    np.testing.assert_array_equal(class_colours(9, palette), class_colours(9))  # too few


def test_labels_that_are_no_class_are_black_and_ignored_ones_white() -> None:
    labels = np.array([[0, 7, -1, 1]], np.int16)
    picture = coloured(labels, COLOURS, np.array([[True, False, False, False]]))
    assert [tuple(pixel) for pixel in picture[0].tolist()] == [
        (255, 255, 255),
        (0, 0, 0),
        (0, 0, 0),
        tuple(COLOURS[1].tolist()),
    ]
