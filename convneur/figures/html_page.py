"""A page that is one file: its frame, style, script, data and pictures inside, nothing to fetch."""

import base64
import html
import io
import json
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convneur.formats import printable

__all__ = ["data_uri", "html_page"]

_LONGEST_PHOTO = 1280


def html_page(
    part: str | tuple[str, ...], data: Any, *, title: str, generator: str, without_script: str, charts: bool = False
) -> str:
    """The page as HTML, which its script fills from `data`.

    Choice: a content security policy in its head forbids every request, whatever the data hold.
    Args:
        part: the page's own style and script in `page/`, after the frame's that every page has; several in their order.
        data: plain values, as JSON takes them.
        charts: whether it draws plots, with what `charts.css` and `charts.js` have.
        without_script: what a reader without scripts can do instead.
    Raises: ValueError: NaN or an infinity in `data`.
    """
    place = files("convneur.figures") / "page"

    def text(name: str) -> str:
        return (place / name).read_text(encoding="utf-8").strip()

    own = (part,) if isinstance(part, str) else part
    parts = ("frame", "charts", *own) if charts else ("frame", *own)

    return Template(text("frame.html") + "\n").substitute(
        generator=html.escape(generator),
        title=html.escape(printable(title)),
        style="\n".join(text(f"{name}.css") for name in parts),
        script="\n\n".join(text(f"{name}.js") for name in parts),
        without_script=html.escape(without_script),
        data=_as_script(data),
    )


def data_uri(picture: NDArray[np.uint8], *, photo: bool = False) -> str:
    """A picture inside the page: WebP, lossless, or for a photo of quality 80 and at most 1280 pixels on a side.

    Args: picture: (H, W, 3 or 4) uint8.
    """
    image = Image.fromarray(np.ascontiguousarray(picture))
    if photo and max(image.size) > _LONGEST_PHOTO:
        image.thumbnail((_LONGEST_PHOTO, _LONGEST_PHOTO))
    packed = io.BytesIO()
    if photo:
        image.save(packed, "WEBP", quality=80)
    else:
        image.save(packed, "WEBP", lossless=True, exact=True)
    return f"data:image/webp;base64,{base64.b64encode(packed.getvalue()).decode()}"


def _as_script(data: Any) -> str:
    """JSON that no text in it can end: inside a script element only `<` could."""
    text = json.dumps(_shown(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _shown(data: Any) -> Any:
    """The values with every text as a page may show it: names come from files of others."""
    if isinstance(data, str):
        return printable(data, lines=True)
    if isinstance(data, Mapping):
        return {_shown(key): _shown(value) for key, value in data.items()}
    return [_shown(value) for value in data] if isinstance(data, list | tuple) else data
