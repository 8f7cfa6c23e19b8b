"""A label map over its image."""

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from convneur.figures.style import GREY, INK, SMALL
from convneur.inference import Prediction

__all__ = ["overlay_figure"]

_WIDTH, _MARGIN, _ROW = 8.0, 0.15, 0.26  # inches
_TALLEST = 8.0
_PER_ROW = 5


def overlay_figure(prediction: Prediction) -> Figure:
    """Draw a label map in its colours, half over the image, with a legend of its classes and their shares.

    Raises: ConfigError: the prediction of a classifier, which has no label map.

    >>> import convneur, numpy as np
    >>> prediction = convneur.load("camvid").predict(np.full((64, 96, 3), 128, np.uint8))
    >>> len(overlay_figure(prediction).legends)
    1
    """
    picture = prediction.overlay()
    shares = sorted(prediction.shares, key=lambda each: -each.share)
    legend = -(-len(shares) // _PER_ROW) * _ROW
    height, width = picture.shape[:2]
    drawn = min(_WIDTH * height / width, _TALLEST)
    whole_width, whole_height = _WIDTH + 2 * _MARGIN, drawn + legend + 3 * _MARGIN
    figure = Figure(figsize=(whole_width, whole_height))
    axes = figure.add_axes((
        _MARGIN / whole_width, (legend + 2 * _MARGIN) / whole_height, _WIDTH / whole_width, drawn / whole_height,
    ))  # fmt: skip
    axes.imshow(picture, interpolation="nearest" if width < 100 * _WIDTH else "antialiased")
    axes.set_axis_off()
    patches = [
        Patch(
            facecolor="#{:02x}{:02x}{:02x}".format(*prediction.colour(label)),
            edgecolor=GREY,
            linewidth=0.5,
            label=f"{label} {share:.1%}".replace("$", r"\$"),
        )
        for label, share in shares
    ]
    figure.legend(
        handles=patches,
        loc="lower center",
        bbox_to_anchor=(0.5, _MARGIN / whole_height),
        borderaxespad=0,
        ncols=min(_PER_ROW, len(shares)),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )
    return figure
