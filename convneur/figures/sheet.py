"""A figure addressed in inches, and type measured in them."""

import re
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from convneur.figures.style import drawable

__all__ = ["GREY", "INK", "RED", "Sheet", "shortened", "text_width", "wrapped"]

RED, GREY, INK = "#b2182b", "#666666", "#111111"
SANS = "DejaVu Sans"


@lru_cache(maxsize=4096)
def text_width(words: str, size: float, weight: str = "normal") -> float:
    """Inches that a line takes in this figure's type of `size` points."""
    font = FontProperties(family=SANS, size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(drawable(words), font, ismath=False)
    return float(width) / 72


def wrapped(words: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Lines of whole words that fit into `width` inches; a word that is wider is cut into parts."""
    lines: list[str] = []
    for word in (part for whole in words.split() for part in _parts(whole, width, size, weight)):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def shortened(words: str, width: float, size: float, weight: str = "normal") -> str:
    """The words, or as much of their end as fits into `width` inches: the end of a layer's name tells it apart."""
    short = words
    while len(short) > 1 and text_width(short, size, weight) > width:
        short = f"…{short[2:]}"
    return short


def _parts(word: str, width: float, size: float, weight: str) -> list[str]:
    """The word, or parts of it that fit: cut behind a hyphen, a dot, a colon and such, else anywhere."""
    if text_width(word, size, weight) <= width:
        return [word]
    parts: list[str] = []
    for piece in re.findall(r"[^-_./:]*[-_./:]+|[^-_./:]+", word):
        if parts and text_width(parts[-1] + piece, size, weight) <= width:
            parts[-1] += piece
            continue
        most = max(int(len(piece) * width / max(text_width(piece, size, weight), width)), 1)
        parts += [piece[start : start + most] for start in range(0, len(piece), most)]
    return parts


class Sheet:
    """A figure addressed in inches from its top left corner."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def axes(self, x: float, y: float, width: float, height: float, *, label: str) -> Axes:
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place, label=label)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(linewidth=0.5, color=GREY)
        return axes

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float,
        color: str = INK,
        weight: str = "normal",
        family: str = SANS,
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
            fontfamily=[family, "monospace" if "Mono" in family else "sans-serif"],  # for a reader of SVG without it
            horizontalalignment=ha,
            verticalalignment=va,
            parse_math=math,  # a file's name may hold dollar signs
        )
