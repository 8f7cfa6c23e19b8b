"""Objects drawn over their image: masks, boxes, labels, and a legend below."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convneur.data.class_colours import ink_on
from convneur.data.run_lengths import RunMask

__all__ = ["DrawnObject", "drawn"]

_LONG_SIDE = 900  # pixels, at least, of a drawing: text stays legible
_TEXT = 13
_SHARE = 0.4  # of a mask's colour


class DrawnObject(NamedTuple):
    """box: x, y, width, height; mask: of the image's size; label: what stands above it; colour: RGB."""

    box: Sequence[float]
    mask: RunMask | None
    label: str
    colour: tuple[int, ...]


def drawn(
    image: NDArray[np.uint8],
    objects: Sequence[DrawnObject],
    legend: Sequence[tuple[str, tuple[int, ...]]],
    note: str = "",
) -> NDArray[np.uint8]:
    """The picture, (H', W', 3). The objects with the highest scores come first and are drawn on top.

    note: the legend's last words.

    Choice: a label is drawn where no other one stands already.
    """
    height, width = image.shape[:2]
    pixels = image.astype(np.float32)
    for each in reversed(objects):
        if each.mask is not None:
            columns, mask = each.mask.columns()
            part = pixels[:, columns]
            part[mask] += _SHARE * (np.array(each.colour, np.float32) - part[mask])
            part[mask & ~_shrunk(mask)] = each.colour
    factor = max(round(_LONG_SIDE / max(height, width)), 1)
    picture = Image.fromarray(pixels.round().astype(np.uint8)).resize(
        (width * factor, height * factor), Image.Resampling.NEAREST
    )
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT)
    for each in reversed(objects):
        x, y, w, h = (value * factor for value in each.box)
        draw.rectangle((x, y, max(x + w - 1, x), max(y + h - 1, y)), outline=each.colour, width=2)
    taken: list[tuple[float, float, float, float]] = []
    for each in objects:
        x, y = each.box[0] * factor, each.box[1] * factor
        left, top, right, bottom = draw.textbbox((x + 2, y - _TEXT - 4), each.label, font=font)
        down = max(-top, 0)  # at the upper edge inside the box
        across = min(width * factor - right - 2, 0)
        area = left + across - 2, top + down - 1, right + across + 2, bottom + down + 2
        if any(area[0] < x2 and x1 < area[2] and area[1] < y2 and y1 < area[3] for x1, y1, x2, y2 in taken):
            continue
        taken.append(area)
        draw.rectangle(area, fill=each.colour)
        draw.text((x + 2 + across, y - _TEXT - 4 + down), each.label, fill=ink_on(each.colour), font=font)
    entries: list[tuple[str, tuple[int, ...] | None]] = [*legend]
    if not legend:
        entries.append(("no object", None))
    if note:
        entries.append((note, None))
    return np.asarray(_with_legend(picture, entries, font))


def _with_legend(
    picture: Image.Image,
    legend: Sequence[tuple[str, tuple[int, ...] | None]],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> Image.Image:
    """legend: text, and its colour if it has one."""
    rows: list[list[tuple[float, str, tuple[int, ...] | None]]] = [[]]
    x = 8.0
    for label, colour in legend:
        need = 24 + font.getlength(label) + 16
        if x + need > picture.width and rows[-1]:
            rows.append([])
            x = 8.0
        rows[-1].append((x, label, colour))
        x += need
    line = _TEXT + 10
    whole = Image.new("RGB", (picture.width, picture.height + line * len(rows) + 6), "white")
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for number, row in enumerate(rows):
        y = picture.height + 6 + number * line
        for x, label, colour in row:
            if colour is not None:
                draw.rectangle((x, y, x + 14, y + 14), fill=colour, outline="black")
            draw.text((x if colour is None else x + 20, y), label, fill="black", font=font)
    return whole


def _shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without the pixels beside the background."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & mask
