"""Maps in a grid as wide as a page's column or text, in type that can be read there."""

import re
from dataclasses import dataclass

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convneur.errors import ConfigError
from convneur.figures.maps import draw_borders, draw_map, draw_mark, draw_outline, fitted, norm, numbers, ramp
from convneur.figures.sheet import GREY, INK, RED, Sheet, shortened, text_width, wrapped
from convneur.figures.style import DPI
from convneur.gates import StageGates, StageMap

__all__ = ["Panel", "PanelGrid", "PanelRow", "draw_grid", "find_width"]

# CVPR's column and text widths, in inches.
_WIDTHS = {"single": 3.25, "double": 6.875}
_UNITS = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72}
_LENGTH = re.compile(r"(?P<number>\d+(\.\d*)?|\.\d+) ?(?P<unit>in|cm|mm|pt)")
_NARROWEST, _WIDEST, _HIGHEST = 1.0, 40.0, 100.0

# Points: Choice: the least that is read in print.
TYPE = 7.0
_LINE = TYPE * 1.25 / 72
# Inches.
_EDGE, _GAP, _GROUP_GAP = 0.02, 0.04, 0.1
_LEAST_CELL, _MOST_CELL = 0.35, 2.6
_BAR, _BAR_GAP = 0.045, 0.025
_HEADING = 7  # letters, as of Stage 1
_NAMES = 0.62  # what a row's name is wrapped to
_TALLEST = 1.5  # height of a panel over the width of its column
_PAGE = 8.875  # of text on CVPR's page: panels shrink to fit into it, where they stay large enough


@dataclass(frozen=True, eq=False)
class Panel:
    """A map with its colours.

    label: of its axes. title: over it. stage: whose chunks are outlined on it. mark: the position that is ringed.
    """

    label: str
    map: StageMap
    colours: str
    stage: StageGates | None = None
    title: str = ""
    mark: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class PanelRow:
    """A row of maps of one image. pixels: (H, W, 3), whose frame the maps fill; inside: the mask's object.

    first: whether the image itself is drawn in the first column. panels: None leaves a place empty. mark: a position
    that is ringed on the image, and the height and width of the grid that it is one of.
    """

    name: str
    pixels: NDArray[np.uint8]
    panels: tuple[Panel | None, ...]
    inside: NDArray[np.bool_] | None = None
    first: bool = True
    mark: tuple[tuple[int, int], tuple[int, int]] | None = None


@dataclass(frozen=True, eq=False)
class PanelGrid:
    """Rows under headings. groups: headings over so many neighbouring columns each; columns: a heading for each.

    about: sentences under the maps; stamp: what must be said over them; overlay: maps lie over the image in grey.
    """

    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[PanelRow, ...]
    about: tuple[str, ...] = ()
    stamp: str | None = None
    overlay: bool = False


def find_width(width: str | float) -> float:
    """Inches. Raises: ConfigError: none of single, double and a length of 1 to 40 inches.

    >>> find_width("single"), round(find_width("8.25cm"), 2)
    (3.25, 3.25)
    """
    if isinstance(width, str):
        match = _LENGTH.fullmatch(width)
        if width not in _WIDTHS and match is None:
            raise ConfigError("width", "give single, double, or a length such as 6.875in or 175mm", value=width)
        inches = _WIDTHS[width] if match is None else float(match["number"]) * _UNITS[match["unit"]]
    else:
        inches = width
    if not _NARROWEST <= inches <= _WIDEST:
        raise ConfigError("width", f"choose {_NARROWEST:g} to {_WIDEST:g} inches", value=width)
    return inches


# Under matplotlib's own defaults, as every figure of gates.
@style.context("default")
def draw_grid(grid: PanelGrid, width: str | float, *, bare: bool = False) -> Figure:
    """Draw the grid exactly as wide as asked for, as high as it becomes; type has 7 points.

    Args:   bare: the maps with their names alone: no colour bars, no words under them; a stamp stays.
    Raises: ConfigError: a width that these columns do not fit into, rows of more than 100 inches.
    """
    inches = find_width(width)
    layout = _Layout(grid, inches, width, bare=bare)
    about = [] if bare else [line for text in grid.about for line in wrapped(text, inches - 2 * _EDGE, TYPE)]
    height = layout.top + sum(layout.heights) + _GAP * (len(grid.rows) - 1) + _EDGE
    height += (len(about) + 0.5) * _LINE if about else 0
    if height > _HIGHEST:
        raise ConfigError("images", f"the figure would be {height:.0f} inches high; draw fewer in one figure")
    figure = Figure(figsize=(inches, height), dpi=DPI, facecolor="white")
    sheet = Sheet(figure, inches, height)
    _draw_headings(sheet, grid, layout)
    y = layout.top
    for row, tall in zip(grid.rows, layout.heights, strict=True):
        _draw_row(sheet, row, y, layout, grid)
        y += tall + _GAP
    for number, line in enumerate(about, start=1):
        sheet.text(_EDGE, y - _GAP + (number + 0.25) * _LINE, line, size=TYPE, color=GREY)
    return figure


class _Layout:
    """Where everything goes: x of each column, heights of the rows, lines of the headings."""

    def __init__(self, grid: PanelGrid, inches: float, asked: str | float, *, bare: bool) -> None:
        self.bare = bare
        self.names = [wrapped(row.name, _NAMES, TYPE, "bold") for row in grid.rows]
        widest = max((text_width(line, TYPE, "bold") for lines in self.names for line in lines), default=0.0)
        left = _EDGE + (widest + 1.5 * _GAP if widest else 0)
        count = 1 + len(grid.columns)
        starts = {1}  # columns before which a group begins
        for _, wide in grid.groups:
            starts.add(max(starts) + wide)
        gaps = [0.0, *(_GROUP_GAP if column in starts and len(starts) > 2 else _GAP for column in range(1, count))]
        texts = [numbers(*panel.map.range) for row in grid.rows for panel in row.panels if panel is not None]
        least = [_LEAST_CELL, *(text_width(word, TYPE) for name in ("Input", *grid.columns) for word in name.split())]
        # Of a long heading, such as a layer's name, the end is enough.
        least += [(text_width(name[-_HEADING:], TYPE, "bold") - (wide - 1) * _GAP) / wide for name, wide in grid.groups]
        if not bare:
            least += [text_width(text, TYPE) for pair in texts for text in pair]
        cell = (inches - left - sum(gaps) - _EDGE) / count
        if cell < max(least):
            needed = left + sum(gaps) + _EDGE + count * max(least)
            raise ConfigError(
                "width",
                f"too narrow for {count} panels side by side, which need {np.ceil(100 * needed) / 100:.2f}in; choose "
                "fewer of them, or a wider figure",
                value=asked,
            )
        aspects = [row.pixels.shape[0] / row.pixels.shape[1] for row in grid.rows]
        words = (3 if bare else 9) * _LINE + len(grid.rows) * ((1 if bare else 3.5) * _LINE + _GAP)
        fits = (_PAGE - words) / sum(min(aspect, _TALLEST) for aspect in aspects)
        self.cell = max(min(cell, _MOST_CELL, fits), *least)
        left += (inches - left - _EDGE - sum(gaps) - count * self.cell) / 2
        self.left, self.x = left, list[float]()
        for gap in gaps:
            left += gap
            self.x.append(left)
            left += self.cell
        titled = any(panel is not None and panel.title for row in grid.rows for panel in row.panels)
        self.title = 1.15 * _LINE if titled else 0.0
        self.headings = [wrapped(name, self.cell, TYPE) for name in grid.columns]
        self.frames = [fitted(row.pixels, self.cell, _TALLEST * self.cell) for row in grid.rows]
        room = min(width for width, _ in self.frames) - 0.06
        self.lines = 0 if bare else 1 if all(sum(text_width(t, TYPE) for t in pair) < room for pair in texts) else 2
        under = 0 if bare else _BAR_GAP + _BAR + (self.lines + 0.15) * _LINE
        self.heights = [
            max(self.title + tall + under, len(lines) * _LINE)
            for (_, tall), lines in zip(self.frames, self.names, strict=True)
        ]
        self.stamp = wrapped(grid.stamp or "", inches - 2 * _EDGE, TYPE, "bold")
        self.over = 1 if grid.groups else 0
        self.deep = max([1, *map(len, self.headings)]) if any(grid.columns) else 1 - max(self.over, titled)
        self.top = _EDGE + (len(self.stamp) + self.over + self.deep + 0.35) * _LINE


def _draw_headings(sheet: Sheet, grid: PanelGrid, layout: _Layout) -> None:
    for number, line in enumerate(layout.stamp, start=1):
        sheet.text(_EDGE, _EDGE + number * _LINE, line, size=TYPE, weight="bold", color=RED)
    base = layout.top - 0.35 * _LINE
    sheet.text(layout.x[0] + layout.cell / 2, base + layout.title, "Input", size=TYPE, ha="center")
    for x, lines in zip(layout.x[1:], layout.headings, strict=True):
        for up, line in enumerate(reversed(lines)):
            sheet.text(x + layout.cell / 2, base - up * _LINE, line, size=TYPE, ha="center")
    first = 1
    for name, wide in grid.groups:
        middle = (layout.x[first] + layout.x[first + wide - 1] + layout.cell) / 2
        reach = layout.x[first + wide - 1] + layout.cell - layout.x[first]
        shown = shortened(name, reach, TYPE, "bold")
        sheet.text(middle, base - layout.deep * _LINE, shown, size=TYPE, weight="bold", ha="center")
        first += wide


def _draw_row(sheet: Sheet, row: PanelRow, y: float, layout: _Layout, grid: PanelGrid) -> None:
    number = grid.rows.index(row)
    width, height = layout.frames[number]
    inset = (layout.cell - width) / 2
    y += layout.title
    lines = layout.names[number]
    for down, line in enumerate(lines):
        at = y + height / 2 + (down - len(lines) / 2 + 0.75) * _LINE
        sheet.text(layout.left - 1.5 * _GAP, at, line, size=TYPE, weight="bold", ha="right")
    if row.first:
        axes = sheet.axes(layout.x[0] + inset, y, width, height, label="input")
        axes.imshow(row.pixels, aspect="auto", interpolation="antialiased")
        if row.mark is not None:
            draw_mark(axes, *row.mark, row.pixels.shape)
        if row.inside is not None:
            draw_outline(axes, row.inside)
    for x, panel in zip(layout.x[1:], row.panels, strict=True):
        if panel is None:
            continue
        if panel.title:
            sheet.text(x + inset, y - 0.25 * _LINE, shortened(panel.title, width, TYPE), size=TYPE)
        axes = sheet.axes(x + inset, y, width, height, label=panel.label)
        draw_map(axes, panel.map, panel.colours, row.pixels if grid.overlay else None)
        if panel.mark is not None:
            shape = panel.map.values.shape
            draw_mark(axes, panel.mark, shape, row.pixels.shape if grid.overlay else shape)
        if panel.stage is not None:
            draw_borders(axes, panel.stage, row.pixels.shape if grid.overlay else panel.map.values.shape)
        if layout.bare:
            continue
        axes = sheet.axes(x + inset, y + height + _BAR_GAP, width, _BAR, label="scale")
        axes.imshow(ramp(panel.map), aspect="auto", cmap=panel.colours, norm=norm(panel.map))
        under = y + height + _BAR_GAP + _BAR
        low, high = numbers(*panel.map.range)
        # Under the bar's ends; a number that is wider than its map, of a portrait, stays in its column.
        left = min(x + inset, x + layout.cell - text_width(low, TYPE))
        right = max(x + inset + width, x + text_width(high, TYPE))
        sheet.text(left, under + _LINE, low, size=TYPE, color=INK)
        sheet.text(right, under + layout.lines * _LINE, high, size=TYPE, color=INK, ha="right")
