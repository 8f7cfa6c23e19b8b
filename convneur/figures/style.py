"""What the figures share: colours and sizes of type, axes over an image's pixels, and how a figure is written."""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedFormatter, FixedLocator, NullLocator

from convneur.formats import printable

__all__ = [
    "COLOURS",
    "DPI",
    "GREY",
    "GRID",
    "INK",
    "LARGE",
    "NORMAL",
    "SMALL",
    "drawable",
    "dress_pixel_axes",
    "legend_below",
    "line_look",
    "reference_slope",
    "save_figure",
    "sizes_by_pixels",
    "two_panels",
]

# Okabe and Ito's colours, told apart by all eyes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, GREY, GRID = "#222222", "#707070", "#E6E6E6"
SMALL, NORMAL, LARGE = 8.5, 9.5, 12
DPI = 200
_CHARACTER = 0.018  # the width of a tick's character as a share of the axis; labels that would meet are written slanted


def save_figure(figure: Figure, path: str | Path, *, dpi: int = DPI) -> None:
    """Write a figure in the format of the path's suffix; the same figure gives the same bytes.

    Text stays text: in .svg as such, in .pdf in TrueType fonts (type 42), which publishers ask for. Maps are images.
    Args: dpi: of .png, and of the panels' pixels in .svg and .pdf.

    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(Figure(), Path(folder) / "empty.svg")
    ...     (Path(folder) / "empty.svg").stat().st_size > 0
    True
    """
    undated: dict[str, dict[str, str | None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    # Ids in an SVG are random without a salt, which only a setting can give; the context puts all settings back.
    # Text stays text, which can be edited and searched; journals refuse the fonts of type 3 that would be the default.
    settings = {"svg.hashsalt": "convneur", "svg.fonttype": "none", "pdf.fonttype": 42, "text.hinting": "none"}
    with style.context(["default", settings]):
        figure.savefig(path, dpi=dpi, format=kind, metadata=undated.get(kind))


def drawable(words: str, family: str = "DejaVu Sans", *, dollars: bool = False) -> str:
    """Text of others as matplotlib draws it: printable, and where the font lacks a sign, transliterated.

    Choice: by the sign's name in Unicode, the same on every machine: an ideograph becomes U+732B, a syllable its sound,
        anything else its name.
    Args: dollars: they are escaped, where matplotlib would read mathematics between them.

    >>> drawable("ねこ-\N{CJK UNIFIED IDEOGRAPH-732B}.png")
    'ne-ko-U+732B.png'
    """
    font = get_font(findfont(FontProperties(family=family)))
    parts: list[tuple[str, bool]] = []  # and whether it stands for a sign that the font lacks
    for sign in printable(words, lines=True):
        known = sign == "\n" or font.get_char_index(ord(sign)) != 0
        parts.append((sign, False) if known else (_transliterated(sign, font), True))
    words = "".join(
        f"-{part}" if spelled and number and parts[number - 1][0][-1:].isalnum() else part
        for number, (part, spelled) in enumerate(parts)
    )
    return words.replace("$", r"\$") if dollars else words


_SOUND = re.compile(r".*\b(?:LETTER|SYLLABLE|VOWEL SIGN|CHARACTER)\b(?: SMALL| CAPITAL)* (?P<sound>[A-Z ]+)")


def _transliterated(sign: str, font: Any) -> str:
    plain = unicodedata.normalize("NFKD", sign)
    if plain != sign and all(font.get_char_index(ord(part)) for part in plain):
        return plain
    name = unicodedata.name(sign, "")
    if not name or "IDEOGRAPH" in name:
        return f"U+{ord(sign):04X}"
    match = _SOUND.fullmatch(name)
    if match is None and unicodedata.category(sign).startswith("M"):  # a sign over or under another
        return ""
    return (name if match is None else match["sound"]).lower().replace(" ", "-")


def two_panels(title: str, *, lines: int, height: float) -> tuple[Figure, Axes, Axes]:
    """A figure of two panels, 10 inches wide, higher with more lines in the legend under it."""
    figure = Figure(figsize=(10, height + 0.21 * math.ceil(lines / _columns(lines))), layout="constrained")
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.1, wspace=0.04)
    figure.suptitle(title, fontsize=LARGE, fontweight="bold", color=INK, x=0.015, ha="left")
    left, right = figure.subplots(1, 2)
    return figure, left, right


def legend_below(figure: Figure, handles: Sequence[Line2D], *, title: str | None = None) -> None:
    """All lines by name under both panels, behind an optional small title."""
    legend = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_columns(len(handles)),
        frameon=False,
        fontsize=NORMAL,
        labelcolor=INK,
        handlelength=3.6,
        columnspacing=3,
        title=title,
        title_fontsize=SMALL,
    )
    legend.get_title().set_color(GREY)


def _columns(lines: int) -> int:
    return 1 if lines == 1 else 2


def line_look(colour: str, dash: Any, marker: str) -> dict[str, Any]:
    """How a line of measured sizes is drawn; dash and marker tell it apart without colour."""
    return {
        "color": colour,
        "linestyle": dash,
        "linewidth": 1.8,
        "marker": marker,
        "markersize": 6.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.8,
    }


def sizes_by_pixels(points: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    """The labels of each number of pixels, from (pixels, label); sizes of equal pixels share a tick."""
    labels: dict[int, list[str]] = {}
    for pixels, label in points:
        if label not in labels.setdefault(pixels, []):
            labels[pixels].append(label)
    return labels


def dress_pixel_axes(axes: Axes, labels: dict[int, list[str]], title: str, *, unit: str) -> None:
    """Log-log axes whose x is an image's pixels, ticked by its sizes. labels: see `sizes_by_pixels`."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, fontsize=NORMAL, color=INK, loc="left", pad=10)
    axes.set_xlabel("image size, by number of pixels", fontsize=NORMAL, color=INK)
    sizes = sorted(labels)
    span = max(sizes[-1] / sizes[0], 4)
    left, right = sizes[0] / span**0.07, sizes[-1] * span**0.2  # room on the right for the slopes' names
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FixedFormatter(["\n".join(labels[size]) for size in sizes]))
    axes.xaxis.set_minor_locator(NullLocator())
    widths = [_CHARACTER * max(map(len, labels[size])) for size in sizes]
    places = [math.log(size) / math.log(right / left) for size in sizes]
    ticks = zip(places, widths, strict=True)
    if any(b - a < (wide_a + wide_b) / 2 for (a, wide_a), (b, wide_b) in pairwise(ticks)):
        for text in axes.get_xticklabels():
            text.set(rotation=60, rotation_mode="anchor", horizontalalignment="right", verticalalignment="center")
    axes.yaxis.set_major_formatter(EngFormatter(unit))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(color=GREY, labelcolor=INK, labelsize=SMALL, length=3)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GREY)


def reference_slope(axes: Axes, slope: int, start: tuple[float, float], end_x: float, *, beside: bool = True) -> None:
    """A thin line of a slope from `start` to `end_x`, its name at its end: beside it, or above."""
    (start_x, start_y) = start
    end_y = start_y * (end_x / start_x) ** slope
    axes.plot([start_x, end_x], [start_y, end_y], color=GREY, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    axes.annotate(
        f"slope {slope}",
        (end_x, end_y),
        xytext=(7, 0) if beside else (0, 4),
        textcoords="offset points",
        fontsize=SMALL,
        color=GREY,
        ha="left" if beside else "center",
        va="center" if beside else "bottom",
    )
