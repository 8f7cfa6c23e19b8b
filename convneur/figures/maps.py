"""A map in its colours: the one way in which every figure draws one."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from convneur.figures.style import DPI
from convneur.gates import StageGates, StageMap

__all__ = ["draw_borders", "draw_map", "draw_mark", "draw_outline", "fitted", "norm", "numbers", "ramp"]

_OVERLAY_ALPHA = 0.6


def fitted(pixels: NDArray[np.uint8], width: float, height: float) -> tuple[float, float]:
    """The largest frame of the image's aspect within these inches."""
    aspect = pixels.shape[0] / pixels.shape[1]
    return min(width, height / aspect), min(height, width * aspect)


def ramp(panel: StageMap) -> NDArray[np.float64]:
    """The panel's values from least to largest, (1, 256)."""
    low, high = panel.range
    if panel.logarithmic:
        return np.geomspace(max(low, panel.limits[0]), high, num=256)[None]
    return np.linspace(low, high, num=256)[None]


def norm(panel: StageMap) -> Normalize:
    """By the panel's limits; where they are one value it stands in mid-scale, for it is neither least nor most."""
    low, high = panel.limits
    if panel.logarithmic and low < high:
        return LogNorm(low, high, clip=True)  # without clip a 0 would have no colour
    return Normalize(low - 1, high + 1) if low == high else Normalize(low, high)


def draw_outline(axes: Axes, inside: NDArray[np.bool_]) -> None:
    """The mask's object, outlined: white on black is seen on any image."""
    if inside.any() and not inside.all() and min(inside.shape) > 1:
        for width, colour in ((2.4, "black"), (1.0, "white")):
            axes.contour(inside, levels=[0.5], colors=colour, linewidths=width)


def draw_mark(axes: Axes, position: tuple[int, int], grid: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """A ring around a position of a grid, over a map that is drawn at `shape` units."""
    offset = 0 if tuple(grid[:2]) != tuple(shape[:2]) else 0.5
    y, x = ((at + 0.5) * drawn / cells - offset for at, cells, drawn in zip(position, grid, shape, strict=False))
    for width, colour in ((2.2, "white"), (1.0, "black")):
        ring = Line2D([x], [y], marker="o", markersize=7, markerfacecolor="none")
        ring.set(markeredgecolor=colour, markeredgewidth=width)
        axes.add_artist(ring)


def draw_borders(axes: Axes, stage: StageGates, shape: tuple[int, ...]) -> None:
    """The lines between chunks, over a map that is drawn at `shape` units."""
    height, width = shape[:2]
    offset = 0 if (height, width) != (stage.height, stage.width) else 0.5  # pixels of a map are drawn around integers
    lines = [
        [(x * width / stage.width - offset, y * height / stage.height - offset) for x, y in line]
        for line in stage.chunk_borders()
    ]
    for thickness, colour in ((1.2, "black"), (0.5, "white")):
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=thickness), autolim=False)


def draw_map(axes: Axes, panel: StageMap, colours: str, pixels: NDArray[np.uint8] | None) -> None:
    extent = None
    if pixels is not None:
        extent = (0.0, float(pixels.shape[1]), float(pixels.shape[0]), 0.0)
        axes.imshow(pixels.mean(axis=2), aspect="auto", extent=extent, cmap="gray", vmin=0, vmax=255)
    # Positions are drawn as squares, but where a map has more of them than the panel has pixels none is dropped.
    across = axes.get_position().width * axes.figure.get_figwidth() * DPI  # type: ignore[union-attr]
    axes.imshow(
        panel.values,
        aspect="auto",
        extent=extent,
        interpolation="nearest" if panel.values.shape[1] <= across else "antialiased",
        cmap=colours,
        norm=norm(panel),
        alpha=None if pixels is None else _OVERLAY_ALPHA,
    )


def numbers(low: float, high: float) -> tuple[str, str]:
    """Both with three digits, or with as many as show how far apart they are, up to seven; minus signs as in print."""
    low, high = low + 0.0, high + 0.0  # of -0.0 makes 0
    for digits in (3, 4, 5, 6, 7):
        pair = f"{low:#.{digits}g}".rstrip("."), f"{high:#.{digits}g}".rstrip(".")
        if abs(float(pair[1]) - float(pair[0]) - (high - low)) <= 0.1 * (high - low):
            break
    return pair[0].replace("-", "−"), pair[1].replace("-", "−")
