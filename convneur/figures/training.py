"""The picture of a training run: its loss, and how well it did on the validation images."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convneur.figures.style import COLOURS, GREY, GRID, INK, LARGE, NORMAL, SMALL, drawable

__all__ = ["training_figure"]


class Curves(Protocol):
    """What is drawn of a run; see `convneur.training.TrainResult`."""

    @property
    def title(self) -> str: ...
    @property
    def losses(self) -> Sequence[tuple[int, float]]: ...
    @property
    def scores(self) -> Mapping[str, Sequence[tuple[int, float]]]: ...


def training_figure(result: Curves, *, title: str | None = None) -> Figure:
    """Draw a run over its steps: the loss on the left, validation on the right.

    Args:    result: of a run, such as `convneur.training.train` gives it; title: another one than the result's.
    Returns: a figure 10 inches wide.

    >>> from types import SimpleNamespace
    >>> run = SimpleNamespace(title="m1 on camvid", losses=[(10, 2.1), (20, 1.4)], scores={"mIoU": [(20, 0.42)]})
    >>> [axes.get_title(loc="left") for axes in training_figure(run).axes]
    ['Loss, mean of ten steps', 'Validation, of the averaged weights']
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(
        drawable(title or result.title, dollars=True), fontsize=LARGE, fontweight="bold", color=INK, x=0.015, ha="left"
    )
    left, right = figure.subplots(1, 2)
    if result.losses:  # of a run whose records were lost there are none
        steps, values = zip(*result.losses, strict=True)
        left.plot(steps, values, color=COLOURS[0], linewidth=1.4)
    _dress(left, "Loss, mean of ten steps")
    for number, (name, points) in enumerate(result.scores.items()):
        steps, values = zip(*points, strict=True)
        right.plot(
            steps,
            values,
            color=COLOURS[number],
            linewidth=1.6,
            marker="o",
            markersize=3.5,
            label=drawable(name, dollars=True),
        )
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
