"""The picture of the gates: local features before and after, stage by stage; beside them what they were made of."""

import textwrap

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from convneur.figures.gates_grid import gates_grid
from convneur.figures.gates_words import about_lines, map_colours, measure_lines, row_names
from convneur.figures.layers_grid import layers_grid
from convneur.figures.maps import draw_borders, draw_map, draw_mark, draw_outline, fitted, norm, numbers, ramp
from convneur.figures.panels import draw_grid, find_width
from convneur.figures.sheet import GREY, INK, RED, Sheet
from convneur.figures.style import DPI, drawable
from convneur.gates import GateResult, GateSheet, LayerResult, Row, StageGates

__all__ = ["gates_figure"]

# Inches. At the usual 12 the picture is 1200 px wide at 100 dpi, and 7.5 pt type is 10 px high.
_WIDTH, _MARGIN = 12.0, 0.2
_TITLE, _STAMP, _HEADER = 0.25, 0.3, 0.62
_SIDE, _LABELS = 2.35, 1.45  # the image with what it was made of; the rows' names
_GUTTER = 0.14
_CELL_MAX, _PANEL_HEIGHT_MAX = 2.6, 2.4
_IMAGE_GAP = 0.25
_BAR, _NUMBERS = 0.25, 1.56  # under each panel: height of its colour bar and numbers; width these need
_ARROW, _REST = 0.34, 0.14  # between rows: room for an arrow, or air
_LINE = 0.145
_MEASURES_GAP, _MEASURE_LINE = 0.22, 0.17

_GREEN = "#1a9641"
_SMALL, _NORMAL = 7.5, 8.5
_MONO = "DejaVu Sans Mono"
_ABOUT_KEY, _ABOUT_VALUE = 0.62, 27  # inches of the first column; characters of the second
_NOTE = 40  # characters in a line of notes


# Under matplotlib's own defaults: a matplotlibrc that flips images or draws grids changes nothing here.
@style.context("default")
def gates_figure(result: GateResult | GateSheet, *, width: str | float | None = None, bare: bool = False) -> Figure:
    """Draw one image's gates: a row for each quantity, a column for each stage, green arrows on the gating step.

    Every map is stretched over the image's frame, its positions drawn as they are, without interpolation. The bar
    under a panel runs from the map's least to its largest value in the colours that these have on the panel's scale.
    In the margin stands what it was made of; what was measured stands under the maps.
    No pyplot state and no setting of matplotlib is touched.

    For a paper: exactly as wide as asked for, in type of 7 points, the recipe as text under the maps, what was measured
    left out. Several images are drawn like that too, a row for each, and two models, one above the other in the same
    colours, with the difference under them.
    Args:
        result: one image's, or several images'; or layers of any model.
        width: "single" or "double", CVPR's column and text widths; a length such as "17cm"; inches. None: 12 inches for
            one image, "double" for several, or for two models.
        bare: the maps and their names alone: no colour bars, no recipe.
    Raises: ConfigError: a width that the maps do not fit into.

    >>> import numpy as np, convneur
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> result = convneur.gates.inspect(image, weights="none", mem_dim=8, stage=4, size=64)
    >>> [axes.get_label() for axes in gates_figure(result).axes if axes.get_label() != "scale"]
    ['input', 'local_only 4', 'f_loc 4', 'gate 4', 'f_out 4']
    """
    if isinstance(result, LayerResult):
        inches = find_width("double" if width is None else width)
        return draw_grid(layers_grid(result, inches), inches, bare=bare)
    if width is not None or bare or isinstance(result, GateSheet) or result.against is not None:
        results = result.results if isinstance(result, GateSheet) else (result,)
        return draw_grid(gates_grid(results), "double" if width is None else width, bare=bare)
    return _explained(result)


def _explained(result: GateResult) -> Figure:
    """The picture with everything that explains it."""
    pixels, stamp = result.pixels, result.weights.stamp
    lines = measure_lines(result)
    rows = result.options.rows
    names = {row: row_names(row, result) for row in rows}
    columns = len(result.stages)
    left = _MARGIN + _SIDE + _GUTTER + _LABELS
    cell = min(_CELL_MAX, (_WIDTH - left - _MARGIN) / columns - _GUTTER)
    width = left + columns * (cell + _GUTTER) - _GUTTER + _MARGIN
    panel_width, panel_height = fitted(pixels, cell, min(1.2 * cell, _PANEL_HEIGHT_MAX))
    row_height = max(panel_height + _BAR, *(_name_height(about) for _, _, about in names.values()))
    gaps = {row: _REST if _step(row, result) is None else _ARROW for row in rows}

    gating = result.config.fusion == "gating"
    margin = [(key, value, INK) for key, value in _folded(about_lines(result))]
    margin += [("", "", INK), (f"Green arrows mark the {'gating' if gating else 'fusion'} step.", "", _GREEN)]
    for note in result.notes:
        margin += [("", "", INK), *((line, "", INK) for line in textwrap.wrap(note, _NOTE))]
    image_width, image_height = fitted(pixels, _SIDE, 1.4 * _SIDE)

    top = _MARGIN + _TITLE + (0 if stamp is None else _STAMP) + _HEADER
    under = max(
        sum(row_height + gaps[row] for row in rows[:-1])
        + row_height
        + (_MEASURES_GAP + _MEASURE_LINE * len(lines) if lines else 0),
        image_height + _IMAGE_GAP + _LINE * len(margin),
    )
    height = top + under + _MARGIN
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    page = _Page(figure, width, height)

    title = f"Local features before and after {'the gate' if gating else 'fusion'}"
    page.text(_MARGIN, _MARGIN, title, size=13, weight="bold", va="top")
    if stamp is not None:
        page.text(_MARGIN, _MARGIN + _STAMP, stamp, size=10, weight="bold", color=RED, va="top")

    page.text(_MARGIN, top - 0.08, "Input", size=10, weight="bold")
    axes = page.axes(_MARGIN, top, image_width, image_height, label="input")
    axes.imshow(pixels, aspect="auto", interpolation="antialiased")
    if result.options.reads is not None:
        draw_mark(axes, result.options.reads, (result.image.height, result.image.width), pixels.shape)
    if result.inside is not None:
        draw_outline(axes, result.inside)
    y = top + image_height + _IMAGE_GAP
    for key, value, colour in margin:
        page.text(_MARGIN, y, key, size=_SMALL, color=GREY if value else colour)
        page.text(_MARGIN + _ABOUT_KEY, y, value, size=_SMALL, family=_MONO)
        y += _LINE

    under_maps = top + sum(row_height + gaps[row] for row in rows[:-1]) + row_height + _MEASURES_GAP
    for number, stage in enumerate(result.stages):
        x = left + number * (cell + _GUTTER) + cell / 2
        page.text(x, top - 0.42, f"Stage {stage.stage}", size=10, weight="bold", ha="center")
        page.text(x, top - 0.24, _grid(stage), size=_SMALL, color=GREY, ha="center")
        page.text(x, top - 0.09, _memory(stage, result), size=_SMALL, color=GREY, ha="center", math=True)
        y = top
        for row in rows:
            panel, colours = stage.maps[row], map_colours(row, stage.maps[row], result)
            axes = page.axes(x - panel_width / 2, y, panel_width, panel_height, label=f"{row} {stage.stage}")
            draw_map(axes, panel, colours, pixels if result.options.overlay else None)
            if row == "reads" and stage.reads is not None:
                drawn = pixels.shape if result.options.overlay else panel.values.shape
                draw_mark(axes, stage.reads.position, panel.values.shape, drawn)
            if result.options.chunk_borders:
                draw_borders(axes, stage, pixels.shape if result.options.overlay else panel.values.shape)
            axes = page.axes(x - panel_width / 2, y + panel_height + 0.05, panel_width, 0.06, label="scale")
            axes.imshow(ramp(panel), aspect="auto", cmap=colours, norm=norm(panel))
            low, high = numbers(*panel.range)
            reach = max(panel_width, _NUMBERS) / 2
            page.text(x - reach, y + panel_height + 0.225, f"min {low}", size=_SMALL)
            page.text(x + reach, y + panel_height + 0.225, f"max {high}", size=_SMALL, ha="right")
            step = _step(row, result)
            if step is not None:
                page.arrow(x, y + row_height, step)
            y += row_height + gaps[row]
        for line, (_, values) in enumerate(lines, start=1):
            page.text(x, under_maps + line * _MEASURE_LINE, values[number], size=_SMALL, ha="center")

    for line, (name, _) in enumerate(lines, start=1):
        page.text(left - _GUTTER, under_maps + line * _MEASURE_LINE, name, size=_SMALL, color=GREY, ha="right")
    y = top
    for row in rows:
        page.row_name(left - _GUTTER, y + row_height / 2, *names[row])
        y += row_height + gaps[row]
    return figure


class _Page(Sheet):
    """A sheet with what only this picture has."""

    def arrow(self, x: float, y: float, words: str) -> None:
        """The gating step: a green arrow down the gap between two rows, its operation beside it."""
        tail, tip = ((x / self.width, 1 - at / self.height) for at in (y + 0.03, y + _ARROW - 0.03))
        self.figure.add_artist(
            FancyArrowPatch(
                tail,
                tip,
                transform=self.figure.transFigure,
                arrowstyle="simple,head_length=7,head_width=11,tail_width=4.5",
                color=_GREEN,
                linewidth=0,
            )
        )
        self.text(x + 0.14, y + _ARROW / 2, words, size=9.5, color=_GREEN, weight="bold", va="center", math=True)

    def row_name(self, x: float, y: float, name: str, formula: str, about: str) -> None:
        """What a row shows, right-aligned, its lines around the height y."""
        y -= _name_height(about) / 2
        self.text(x, y + 0.13, name, size=_NORMAL, weight="bold", ha="right")
        self.text(x, y + 0.32, formula, size=_NORMAL, ha="right", math=True)
        for number, line in enumerate(about.split("\n"), start=1):
            self.text(x, y + 0.34 + number * _LINE, line, size=_SMALL, color=GREY, ha="right")


def _name_height(about: str) -> float:
    return 0.4 + _LINE * len(about.split("\n"))


def _step(row: Row, result: GateResult) -> str | None:
    """What happens between this row and the next one, in mathematical type; None where nothing does."""
    gating = result.config.fusion == "gating"
    ends_in_output = result.options.row3 == "output"
    if row == "f_loc":
        if not gating:
            return r"$+\,G,\ +X$" if result.config.fusion == "addition" else r"$W[\,\cdot\,; G],\ +X$"
        if result.options.gate or not ends_in_output:
            return r"$\odot\ A$"
        return r"$\odot\ A,\ +X$"
    if row == "gate":
        return r"$+\,X$" if ends_in_output else "$=$"
    return None


def _grid(stage: StageGates) -> str:
    return f"{stage.height} × {stage.width}, stride {stage.stride}, {stage.channels} channels"


def _memory(stage: StageGates, result: GateResult) -> str:
    """How many chunks the memory saw, and what one chunk means, in mathematical type."""
    if stage.chunks is None:
        return "all positions at once"
    if stage.chunks > 1:
        return f"{stage.chunks} chunks of {stage.chunk_length}"
    return "one chunk: reads $M_0$ alone" if result.config.read == "before" else "one chunk"


def _folded(about: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The lines, long values continued under themselves, the longest cut in their middle."""
    lines: list[tuple[str, str]] = []
    for key, given in about:
        value = drawable(given)  # transliterated first, which makes it longer
        if len(value) > 2 * _ABOUT_VALUE:
            half = _ABOUT_VALUE - 2
            value = f"{value[:half]} … {value[-half:]}"
        parts = textwrap.wrap(value, _ABOUT_VALUE, break_on_hyphens=False) or [""]
        lines += [(key if number == 0 else "", part) for number, part in enumerate(parts)]
    return lines
