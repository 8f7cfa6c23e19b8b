"""The picture of a training run: its loss, and how well it did on the validation photos."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convneur.figures.style import COLOURS, GREY, GRID, INK, LARGE, NORMAL, SMALL

__all__ = ["training_figure"]

_SCORES = {"miou": "mIoU", "pixel_accuracy": "pixel accuracy", "top1": "top-1"}


def training_figure(records: Sequence[Mapping[str, Any]], *, title: str) -> Figure:
    """Draw the records of metrics.jsonl over the steps: the loss on the left, validation on the right.

    Returns: a figure 10 inches wide.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title, fontsize=LARGE, fontweight="bold", color=INK, x=0.015, ha="left")
    left, right = figure.subplots(1, 2)
    trained = [record for record in records if "loss" in record]
    left.plot([each["step"] for each in trained], [each["loss"] for each in trained], color=COLOURS[0], linewidth=1.4)
    _dress(left, "Loss, mean of ten steps")
    for number, (key, name) in enumerate(_SCORES.items()):
        points = [(record["step"], record[key]) for record in records if key in record]
        if points:
            steps, values = zip(*points, strict=True)
            right.plot(steps, values, color=COLOURS[number], linewidth=1.6, marker="o", markersize=3.5, label=name)
    _dress(right, "Validation, of the averaged weights")
    right.set_ylim(0, 1)
    right.legend(frameon=False, fontsize=NORMAL, labelcolor=INK, loc="lower right")
    return figure


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=NORMAL, color=INK, loc="left")
    axes.set_xlabel("step", fontsize=NORMAL, color=INK)
    axes.tick_params(color=GREY, labelcolor=INK, labelsize=SMALL, length=3)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GREY)
