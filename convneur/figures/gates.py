"""The picture of the gates: local features before and after, stage by stage; beside them what they were made of."""

import textwrap

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text
from numpy.typing import NDArray

from convneur.figures.style import DPI, drawable
from convneur.gates import CLOSED, OPEN, Contrast, GateResult, Row, StageGates, StageMap, WeightsSource

__all__ = ["about_lines", "gates_figure", "map_colours", "measure_lines"]

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

_GREEN, _RED, _GREY, _INK = "#1a9641", "#b2182b", "#666666", "#111111"
_SMALL, _NORMAL = 7.5, 8.5
_MONO = "DejaVu Sans Mono"
_SANS = "DejaVu Sans"
_ABOUT_KEY, _ABOUT_VALUE = 0.62, 27  # inches of the first column; characters of the second
_NOTE = 40  # characters in a line of notes

_FEATURES, _OUTPUT, _SIGNED = "viridis", "magma", "RdBu_r"
_OVERLAY_ALPHA = 0.6


# Under matplotlib's own defaults: a matplotlibrc that flips images or draws grids changes nothing here.
@style.context("default")
def gates_figure(result: GateResult) -> Figure:
    """Draw one image's gates: a row for each quantity, a column for each stage, green arrows on the gating step.

    Every map is stretched over the image's frame, its positions drawn as they are, without interpolation. The bar
    under a panel runs from the map's least to its largest value in the colours that these have on the panel's scale.
    In the margin stands what it was made of; what was measured stands under the maps.
    No pyplot state and no setting of matplotlib is touched.

    >>> import numpy as np, convneur
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> result = convneur.gates.inspect(image, weights="none", mem_dim=8, stage=4, size=64)
    >>> [axes.get_label() for axes in gates_figure(result).axes if axes.get_label() != "scale"]
    ['input', 'local_only 4', 'f_loc 4', 'gate 4', 'f_out 4']
    """
    pixels, stamp = result.pixels, result.weights.stamp
    lines = measure_lines(result)
    rows = result.options.rows
    names = {row: _names(row, result) for row in rows}
    columns = len(result.stages)
    left = _MARGIN + _SIDE + _GUTTER + _LABELS
    cell = min(_CELL_MAX, (_WIDTH - left - _MARGIN) / columns - _GUTTER)
    width = left + columns * (cell + _GUTTER) - _GUTTER + _MARGIN
    panel_width, panel_height = _fitted(pixels, cell, min(1.2 * cell, _PANEL_HEIGHT_MAX))
    row_height = max(panel_height + _BAR, *(_name_height(about) for _, _, about in names.values()))
    gaps = {row: _REST if _step(row, result) is None else _ARROW for row in rows}

    gating = result.config.fusion == "gating"
    margin = [(key, value, _INK) for key, value in _folded(about_lines(result))]
    margin += [("", "", _INK), (f"Green arrows mark the {'gating' if gating else 'fusion'} step.", "", _GREEN)]
    for note in result.notes:
        margin += [("", "", _INK), *((line, "", _INK) for line in textwrap.wrap(note, _NOTE))]
    image_width, image_height = _fitted(pixels, _SIDE, 1.4 * _SIDE)

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
        page.text(_MARGIN, _MARGIN + _STAMP, stamp, size=10, weight="bold", color=_RED, va="top")

    page.text(_MARGIN, top - 0.08, "Input", size=10, weight="bold")
    axes = page.axes(_MARGIN, top, image_width, image_height, label="input")
    axes.imshow(pixels, aspect="auto", interpolation="antialiased")
    if result.options.reads is not None:
        _draw_mark(axes, result.options.reads, (result.image.height, result.image.width), pixels.shape)
    if result.inside is not None:
        _draw_outline(axes, result.inside)
    y = top + image_height + _IMAGE_GAP
    for key, value, colour in margin:
        page.text(_MARGIN, y, key, size=_SMALL, color=_GREY if value else colour)
        page.text(_MARGIN + _ABOUT_KEY, y, value, size=_SMALL, family=_MONO)
        y += _LINE

    under_maps = top + sum(row_height + gaps[row] for row in rows[:-1]) + row_height + _MEASURES_GAP
    for number, stage in enumerate(result.stages):
        x = left + number * (cell + _GUTTER) + cell / 2
        page.text(x, top - 0.42, f"Stage {stage.stage}", size=10, weight="bold", ha="center")
        page.text(x, top - 0.24, _grid(stage), size=_SMALL, color=_GREY, ha="center")
        page.text(x, top - 0.09, _memory(stage, result), size=_SMALL, color=_GREY, ha="center", math=True)
        y = top
        for row in rows:
            panel, colours = stage.maps[row], map_colours(row, stage.maps[row], result)
            axes = page.axes(x - panel_width / 2, y, panel_width, panel_height, label=f"{row} {stage.stage}")
            _draw_map(axes, panel, colours, pixels if result.options.overlay else None)
            if row == "reads" and stage.reads is not None:
                drawn = pixels.shape if result.options.overlay else panel.values.shape
                _draw_mark(axes, stage.reads.position, panel.values.shape, drawn)
            if result.options.chunk_borders:
                _draw_borders(axes, stage, pixels.shape if result.options.overlay else panel.values.shape)
            axes = page.axes(x - panel_width / 2, y + panel_height + 0.05, panel_width, 0.06, label="scale")
            axes.imshow(_ramp(panel), aspect="auto", cmap=colours, norm=_norm(panel))
            low, high = _numbers(*panel.range)
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
        page.text(left - _GUTTER, under_maps + line * _MEASURE_LINE, name, size=_SMALL, color=_GREY, ha="right")
    y = top
    for row in rows:
        page.row_name(left - _GUTTER, y + row_height / 2, *names[row])
        y += row_height + gaps[row]
    return figure


def about_lines(result: GateResult) -> list[tuple[str, str]]:
    """What a picture was made of, in short lines: what, and its value."""
    image, config, options = result.image, result.config, result.options
    height, width = result.pixels.shape[:2]
    if result.local_only is None:
        off = "memory off" if config.global_branch == "neural-memory" else "global path off"
        local_only = [("local only", f"same weights, {off}")]
    else:
        local_only = _weights("local only", result.local_only)
    lines = [
        ("image", image.file_name),
        ("pixels", f"{image.height} × {image.width} (H × W)"),
        ("drawn at", f"{height} × {width}"),
        *([("", "as the weights were validated")] if result.at_validation_size else []),
        ("model", result.weights.model),
        ("global", f"{config.global_branch}, {config.memory}"),
        ("fusion", config.fusion),
    ]
    if config.global_branch == "neural-memory":
        lines.append(("memory", f"read {config.read}, {config.order} order"))
    lines += [
        *_weights("weights", result.weights),
        *local_only,
        ("block", f"{result.block} of each stage"),
        ("reduce", f"{options.reduce} over channels"),
        ("scale", _limits(options.scale)),
    ]
    if options.gate_limits not in ("own", options.scale):
        lines.append(("gate", f"scale {_limits(options.gate_limits)}"))
    if options.chunk_borders:
        lines.append(("lines", "borders of chunks"))
    if options.overlay:
        lines.append(("overlay", "maps over the image in grey"))
    if result.measures:
        against = "image gradients" if result.mask is None else f"mask {result.mask.file_name}"
        lines.append(("measured", f"against {against}"))
        if result.mask is not None and result.mask.object_share is not None:
            lines.append(("object", f"{result.mask.object_share:.1%} of the image{', soft' * result.mask.soft}"))
    return [*lines, ("made by", f"convneur {result.versions.convneur}"), ("", f"torch {result.versions.torch}")]


def _limits(scale: str | tuple[float, float]) -> str:
    return scale if isinstance(scale, str) else f"{scale[0]:g} to {scale[1]:g}"


def _weights(what: str, source: WeightsSource) -> list[tuple[str, str]]:
    if source.seed is not None:
        return [(what, f"none, random, seed {source.seed}")]
    if source.file is None:
        return [(what, "of a module")]
    return [(what, source.file), ("", f"sha256 {source.sha256[:12]}")] if source.sha256 else [(what, source.file)]


def measure_lines(result: GateResult) -> list[tuple[str, list[str]]]:
    """What stands under the maps: a name and a text for each stage, line by line."""
    measures, reads = result.measures, _reads_lines(result)
    if not measures:
        return reads
    by_mask = measures[0].against == "mask"
    return [
        (f"gate < {CLOSED:g} | > {OPEN:g}", [f"{one.closed:.1%} | {one.open:.1%}" for one in measures]),
        ("background suppression", [_change(one.background_suppression) for one in measures]),
        (
            "object : background" if by_mask else "steep : flat half",
            [_levels(one.background_suppression) for one in measures],
        ),
        *_parts([one.background_suppression for one in measures]),
        ("edge contrast", [_change(one.edge_contrast) for one in measures]),
        ("edge : rest", [_levels(one.edge_contrast) for one in measures]),
        *_parts([one.edge_contrast for one in measures]),
        *reads,
    ]


def _reads_lines(result: GateResult) -> list[tuple[str, list[str]]]:
    found = [stage.reads for stage in result.stages if stage.reads is not None]
    if not found:
        return []
    name = "read of " + " · ".join(part for part, _ in found[0].parts)
    return [(name, [" · ".join(share for _, share in reads.shown) for reads in found])]


def _change(contrast: Contrast) -> str:
    return _times(contrast.change)


def _parts(contrasts: list[Contrast]) -> list[tuple[str, list[str]]]:
    """What of a factor is of the channels, what of places, and what places chosen by chance would give."""
    return [
        ("by channels · by place", [f"{_part(one.channels)} · {_part(one.place)}" for one in contrasts]),
        ("place by chance", ["–" if one.null is None else "{:.3f} to {:.3f}".format(*one.null) for one in contrasts]),
    ]


def _part(value: float | None) -> str:
    """With as many digits as the interval it is held against."""
    return "–" if value is None else f"×{value:.3f}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"×{value:#.3g}".rstrip(".")


def _levels(contrast: Contrast) -> str:
    before, after = (
        "–" if value is None else f"{value:#.3g}".rstrip(".") for value in (contrast.before, contrast.after)
    )
    return f"{before} → {after}"


class _Page:
    """A figure addressed in inches from its top left corner."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def axes(self, x: float, y: float, width: float, height: float, *, label: str) -> Axes:
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place, label=label)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(linewidth=0.5, color=_GREY)
        return axes

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float,
        color: str = _INK,
        weight: str = "normal",
        family: str = _SANS,
        ha: str = "left",
        va: str = "baseline",
        math: bool = False,
    ) -> Text:
        return self.figure.text(
            x / self.width,
            1 - y / self.height,
            words if math else drawable(words, family),
            fontsize=size,
            color=color,
            fontweight=weight,
            fontfamily=family,
            horizontalalignment=ha,
            verticalalignment=va,
            parse_math=math,  # a file's name may hold dollar signs
        )

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
            self.text(x, y + 0.34 + number * _LINE, line, size=_SMALL, color=_GREY, ha="right")


def _name_height(about: str) -> float:
    return 0.4 + _LINE * len(about.split("\n"))


def _fitted(pixels: NDArray[np.uint8], width: float, height: float) -> tuple[float, float]:
    """The largest frame of the image's aspect within these inches."""
    aspect = pixels.shape[0] / pixels.shape[1]
    return min(width, height / aspect), min(height, width * aspect)


def map_colours(row: Row, panel: StageMap, result: GateResult) -> str:
    """A perceptually uniform colour map; one of its own says that a row is another quantity on another scale.

    Values of both signs diverge from a pale 0: blue below, red above.
    """
    if panel.colour_scale == "diverging":
        return _SIGNED
    if row == "f_out" and result.options.scale in ("paired", "map"):
        return _OUTPUT
    return {"gate": "cividis", "surprise": "inferno", "reads": _SIGNED}.get(row, _FEATURES)


def _ramp(panel: StageMap) -> NDArray[np.float64]:
    """The panel's values from least to largest, (1, 256)."""
    low, high = panel.range
    if panel.logarithmic:
        return np.geomspace(max(low, panel.limits[0]), high, num=256)[None]
    return np.linspace(low, high, num=256)[None]


def _norm(panel: StageMap) -> Normalize:
    """By the panel's limits; where they are one value it stands in mid-scale, for it is neither least nor most."""
    low, high = panel.limits
    if panel.logarithmic and low < high:
        return LogNorm(low, high, clip=True)  # without clip a 0 would have no colour
    return Normalize(low - 1, high + 1) if low == high else Normalize(low, high)


def _draw_outline(axes: Axes, inside: NDArray[np.bool_]) -> None:
    """The mask's object, outlined: white on black is seen on any image."""
    if inside.any() and not inside.all() and min(inside.shape) > 1:
        for width, colour in ((2.4, "black"), (1.0, "white")):
            axes.contour(inside, levels=[0.5], colors=colour, linewidths=width)


def _draw_mark(axes: Axes, position: tuple[int, int], grid: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """A ring around a position of a grid, over a map that is drawn at `shape` units."""
    offset = 0 if tuple(grid[:2]) != tuple(shape[:2]) else 0.5
    y, x = ((at + 0.5) * drawn / cells - offset for at, cells, drawn in zip(position, grid, shape, strict=False))
    for width, colour in ((2.2, "white"), (1.0, "black")):
        ring = Line2D([x], [y], marker="o", markersize=7, markerfacecolor="none")
        ring.set(markeredgecolor=colour, markeredgewidth=width)
        axes.add_artist(ring)


def _draw_borders(axes: Axes, stage: StageGates, shape: tuple[int, ...]) -> None:
    """The lines between chunks, over a map that is drawn at `shape` units."""
    height, width = shape[:2]
    offset = 0 if (height, width) != (stage.height, stage.width) else 0.5  # pixels of a map are drawn around integers
    lines = [
        [(x * width / stage.width - offset, y * height / stage.height - offset) for x, y in line]
        for line in stage.chunk_borders()
    ]
    for thickness, colour in ((1.2, "black"), (0.5, "white")):
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=thickness), autolim=False)


def _draw_map(axes: Axes, panel: StageMap, colours: str, pixels: NDArray[np.uint8] | None) -> None:
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
        norm=_norm(panel),
        alpha=None if pixels is None else _OVERLAY_ALPHA,
    )


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


def _names(row: Row, result: GateResult) -> tuple[str, str, str]:
    """A row's name, its formula in mathematical type, and what to know of it."""
    gating = result.config.fusion == "gating"
    scale = _scale_words(row, result)
    if row == "local_only":
        off = "global path off" if result.stages[0].chunks is None else "memory off"
        whose = f"same weights,\n{off}" if result.same_weights else "a separate model"
        return "Local only", r"$F_{loc}$, no global path", f"{whose}\n{scale}"
    if row == "f_loc":
        return "Before the gate" if gating else "Before fusion", r"$F_{loc}$", scale
    if row == "gate":
        return "Gate", r"$A = \sigma(G)$", scale
    if row == "gated":
        return "After the gate", r"$A \odot F_{loc}$", scale
    if row == "surprise":
        return "Surprise", r"$\Vert k\,M_{t-1} - v \Vert^2$", scale
    if row == "reads":
        attention = any(stage.reads is not None and stage.reads.kind == "attention" for stage in result.stages)
        formula = "attention" if attention else r"shares of $W_e\,y$"
        return "Reads", formula, "at the ringed position\nown scale about 0"
    formula = {
        "gating": r"$F_{out} = X + A \odot F_{loc}$",
        "addition": r"$F_{out} = X + F_{loc} + G$",
        "concat": r"$F_{out} = X + W[F_{loc}; G]$",
    }[result.config.fusion]
    return "After the gate" if gating else "After fusion", formula, f"contains X\n{scale}"


def _scale_words(row: Row, result: GateResult) -> str:
    scale = result.options.scale
    if row == "surprise":
        return "own scale, logarithmic"
    if row == "gate":
        limits = result.options.gate_limits
        return {"own": "own scale", "shared": "scale shared by\nall stages"}.get(
            str(limits), f"scale {_limits(limits)}"
        )
    if scale == "map":
        return "own scale"
    if scale == "column":
        return "scale shared by the\nstage's feature rows"
    if not isinstance(scale, str):
        return f"scale {_limits(scale)}"
    if result.options.row3 == "gated" and row in ("f_loc", "gated"):
        return "scale shared with\n" + ("after the gate" if row == "f_loc" else "before the gate")
    return "own scale"


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
    for key, value in about:
        if len(value) > 2 * _ABOUT_VALUE:
            half = _ABOUT_VALUE - 2
            value = f"{value[:half]} … {value[-half:]}"
        parts = textwrap.wrap(value, _ABOUT_VALUE, break_on_hyphens=False) or [""]
        lines += [(key if number == 0 else "", part) for number, part in enumerate(parts)]
    return lines


def _numbers(low: float, high: float) -> tuple[str, str]:
    """Both with three digits, or with as many as show how far apart they are, up to seven; minus signs as in print."""
    for digits in (3, 4, 5, 6, 7):
        pair = f"{low:#.{digits}g}".rstrip("."), f"{high:#.{digits}g}".rstrip(".")
        if abs(float(pair[1]) - float(pair[0]) - (high - low)) <= 0.1 * (high - low):
            break
    return pair[0].replace("-", "−"), pair[1].replace("-", "−")
