"""The page of the gates: one HTML file in which every map of one photo can be looked at, value by value."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from convneur.figures.gates import measure_lines, row_colours
from convneur.figures.html_page import data_uri, html_page
from convneur.gates.layers import StageLayers
from convneur.gates.maps import GateMaps, Row, StageMap, StageMaps
from convneur.gates.measures import StageMeasures

__all__ = ["LONGEST_SIDE", "gates_page"]

# What bounds the file: pixels on the photo's long side, as drawn.
LONGEST_SIDE = 2048

# Choice: maps over channels are kept in 16 bits, single channels in 8, of which there are many.
_BITS_OVER_CHANNELS, _BITS_OF_A_CHANNEL = 16, 8

_OVERLAY_OPACITY = 0.6
_KEYS = {
    "rms": "rms over channels",
    "mean": "mean over channels",
    "absmean": "mean of absolute values",
    "max": "maximum over channels",
    "pca": "first principal axis",
    "value": "value",
}


def gates_page(
    maps: GateMaps,
    layers: Sequence[StageLayers],
    photo: NDArray[np.uint8],
    *,
    title: str,
    version: str,
    recipe: Sequence[tuple[str, str]],
    notes: Sequence[str] = (),
    stamp: str | None = None,
    same_weights: bool = True,
    measures: Sequence[StageMeasures] = (),
) -> str:
    """The page as HTML: stage, row, and channel or reduction to choose, the photo underneath, values at a position.

    Choice: maps over channels are kept in 65536 steps from their least to their largest value, single channels in 256;
        the page shows no more digits than that, and both ends as they are.
    Args:
        maps: for the recipe that the page opens with; layers: of the same capture, see `gate_layers`.
        photo: (H, W, 3) uint8 RGB, what the net saw, at most 2048 pixels on a side.
        version: of convneur. The others: as `gates_figure` takes them.
    Raises: ValueError: a larger photo.
    """
    height, width = photo.shape[:2]
    if max(height, width) > LONGEST_SIDE:
        raise ValueError(f"{height}x{width} pixels: a page holds at most {LONGEST_SIDE} on a side")
    colours = {row: row_colours(row, maps) for layer in layers for row in layer.rows}
    data = {
        "title": title,
        "stamp": stamp,
        "about": [list(line) for line in recipe],
        "notes": list(notes),
        "photo": data_uri(photo, photo=True),
        "size": [height, width],
        "opacity": _OVERLAY_OPACITY if maps.recipe.overlay else 1,
        "opens": {"row": "gate" if "gate" in colours else "f_loc", "map": maps.recipe.reduce},
        "names": {row: list(_name(row, maps, same_weights=same_weights)) for row in colours},
        "colours": {name: _colour_table(name) for name in sorted(set(colours.values()))},
        "stages": [_stage(of, layer, colours) for of, layer in zip(maps.stages, layers, strict=True)],
        "measures": [[name, values] for name, values in measure_lines(measures)],
        "measuredBy": measures[0].against if measures else None,
        "separateNet": not same_weights,
    }
    return html_page(
        "gates",
        data,
        title=title,
        generator=f"convneur {version}",
        without_script="The maps of this page are drawn by its own script; nothing is fetched. Allow scripts to see "
        "them, or draw a picture with convneur viz-gates -o FILE.png.",
    )


def _stage(of: StageMaps, layer: StageLayers, colours: Mapping[Row, str]) -> dict[str, Any]:
    if of.chunks is None:
        memory = "all positions at once"
    else:
        memory = "one chunk" if of.chunks == 1 else f"{of.chunks} chunks of {of.chunk_length}"
    return {
        "stage": of.stage,
        "height": of.height,
        "width": of.width,
        "channels": of.channels,
        "words": f"{of.height} × {of.width} positions, stride {of.stride}, {of.channels} channels, {memory}",
        "rows": [
            {"row": row, "colours": colours[row], "maps": [_packed(key, one) for key, one in maps.items()]}
            for row, maps in layer.rows.items()
        ],
    }


def _packed(key: str, one: StageMap) -> dict[str, Any]:
    bits = _BITS_OF_A_CHANNEL if key.startswith("channel ") else _BITS_OVER_CHANNELS
    low, high = one.range
    steps = (1 << bits) - 1
    values = one.values.astype(np.float64)
    codes = np.rint((values - low) / (high - low) * steps) if high > low else np.zeros_like(values)
    stored = codes.astype("u1" if bits == 8 else "<u2").tobytes()
    return {
        "key": key,
        "name": _KEYS.get(key, key),
        "bits": bits,
        "range": [low, high],
        "limits": list(one.limits),
        "codes": base64.b64encode(stored).decode(),
    }


def _colour_table(name: str) -> str:
    """256 colours, three bytes each."""
    table = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3]
    return base64.b64encode(np.ascontiguousarray(table).tobytes()).decode()


def _name(row: Row, maps: GateMaps, *, same_weights: bool) -> tuple[str, str]:
    """What a row is called, and its formula."""
    gating = maps.fusion == "gating"
    output = {"gating": "X + A ⊙ F_loc", "addition": "X + F_loc + G", "concat": "X + W [F_loc; G]"}[maps.fusion]
    return {
        "local_only": (
            "Local only",
            "F_loc, same weights, no global path" if same_weights else "F_loc, a separate net",
        ),
        "f_loc": ("Before the gate" if gating else "Before fusion", "F_loc"),
        "gate": ("Gate", "A = σ(G)"),
        "gated": ("After the gate", "A ⊙ F_loc"),
        "f_out": ("Output", f"F_out = {output}, contains X"),
        "surprise": ("Surprise", "‖k M − v‖²"),
    }[row]
