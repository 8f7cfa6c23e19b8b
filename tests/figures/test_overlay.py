"""The overlay shows what the prediction holds, in its colours."""

import numpy as np
import pytest

from convneur.errors import ConfigError
from convneur.figures import overlay_figure
from convneur.inference import Prediction

LABELS = np.array([[0, 0, 2], [0, 0, 2]], np.int64).repeat(20, 0).repeat(20, 1)
PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
IMAGE = np.full((40, 60, 3), 100, np.uint8)


def test_picture_and_legend() -> None:
    prediction = Prediction("a", IMAGE, "segmentation", ("cat$", "dog", "car"), PALETTE, labels=LABELS)
    figure = overlay_figure(prediction)
    (axes,) = figure.axes
    (picture,) = axes.images
    np.testing.assert_array_equal(np.asarray(picture.get_array()), prediction.overlay())
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [r"cat\$ 66.7%", "car 33.3%"]
    assert [patch.get_facecolor()[:3] for patch in legend.get_patches()] == [(1, 0, 0), (0, 0, 1)]
    figure.canvas.draw()


def test_a_classifiers_prediction_has_no_label_map() -> None:
    with pytest.raises(ConfigError, match="no label map"):
        overlay_figure(Prediction("a", IMAGE, "classification", None, PALETTE, top=()))
