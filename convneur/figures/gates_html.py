"""The page of the gates: one HTML file in which every map of one image can be looked at, value by value."""

import base64
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from convneur.errors import InputError
from convneur.figures.gates import about_lines, map_colours, measure_lines
from convneur.figures.html_page import data_uri, html_page
from convneur.gates import GateResult, Row, StageGates, StageLayers, StageMap

__all__ = ["LONGEST_SIDE", "gates_page"]

# What bounds the file: pixels on the image's long side, as drawn.
LONGEST_SIDE = 2048

# Choice: maps over channels are kept in 16 bits, single channels in 8, of which there are many; a surprise, which is
# drawn by its logarithm, as it is.
_BITS_OVER_CHANNELS, _BITS_OF_A_CHANNEL, _BITS_AS_THEY_ARE = 16, 8, 32

_OVERLAY_OPACITY = 0.6
_KEYS = {
    "rms": "rms over channels",
    "mean": "mean over channels",
    "absmean": "mean of absolute values",
    "max": "maximum over channels",
    "pca": "first principal axis",
    "value": "value",
}


def gates_page(result: GateResult) -> str:
    """The page as HTML: stage, row, and channel or reduction to choose, the image underneath, values at a position.

    Choice: maps over channels are kept in 65536 steps from their least to their largest value, single channels in 256;
        the page shows no more digits than that, and both ends as they are.
    Raises: InputError: more than 2048 pixels on a side, or a row that is not drawn holds NaN or infinite values.

    >>> import numpy as np, convneur
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> result = convneur.gates.inspect(image, weights="none", mem_dim=8, stage=4, size=64)
    >>> gates_page(result)[:15]
    '<!DOCTYPE html>'
    """
    height, width = result.pixels.shape[:2]
    if max(height, width) > LONGEST_SIDE:
        raise InputError(
            result.image.name,
            f"{height}x{width} pixels are too many for a page; choose a size of {LONGEST_SIDE} or less, or a picture "
            "(.png)",
        )
    layers = result.layers()
    stages = [_stage(of, layer, result) for of, layer in zip(result.stages, layers, strict=True)]
    rows = list(dict.fromkeys(row for layer in layers for row in layer.rows))
    colours = {one["colours"] for stage in stages for row in stage["rows"] for one in row["maps"]}
    title = f"Gates of {result.image.file_name}"
    data = {
        "title": title,
        "stamp": result.weights.stamp,
        "about": [list(line) for line in about_lines(result)],
        "notes": list(result.notes),
        "photo": data_uri(result.pixels, photo=True),
        "size": [height, width],
        "opacity": _OVERLAY_OPACITY if result.options.overlay else 1,
        "opens": {"row": "gate" if "gate" in rows else "f_loc", "map": result.options.reduce},
        "names": {row: list(_name(row, result)) for row in rows},
        "colours": {name: _colour_table(name) for name in sorted(colours)},
        "stages": stages,
        "outline": None if result.inside is None else data_uri(_outline(result.inside)),
        "borders": result.options.chunk_borders,
        "measures": [[name, values] for name, values in measure_lines(result)],
        "measuredBy": result.measures[0].against if result.measures else None,
        "separateModel": not result.same_weights,
    }
    return html_page(
        "gates",
        data,
        title=title,
        generator=f"convneur {result.versions.convneur}",
        without_script="The maps of this page are drawn by its own script; nothing is fetched. Allow scripts to see "
        "them, or draw a picture with convneur viz-gates -o FILE.png.",
    )


def _stage(of: StageGates, layer: StageLayers, result: GateResult) -> dict[str, Any]:
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
            {
                "row": row,
                "maps": [{**_packed(key, one), "colours": map_colours(row, one, result)} for key, one in maps.items()],
            }
            for row, maps in layer.rows.items()
        ],
        "borders": of.chunk_borders() if result.has_chunk_borders else [],
    }


def _outline(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The object's pixels along its outline in white and those around it in black, clear elsewhere; (H, W, 4)."""
    padded = np.pad(inside, 1, mode="edge")
    crosses = [padded[1:-1, 1:-1] != padded[rows, columns] for rows, columns in _NEIGHBOURS]
    on_line = np.any(crosses, axis=0)
    picture = np.zeros((*inside.shape, 4), np.uint8)
    picture[..., :3] = 255 * inside[..., None]
    picture[..., 3] = 255 * on_line
    return picture


_INNER, _BEFORE, _AFTER = slice(1, -1), slice(None, -2), slice(2, None)
_NEIGHBOURS = ((_BEFORE, _INNER), (_AFTER, _INNER), (_INNER, _BEFORE), (_INNER, _AFTER))


def _packed(key: str, one: StageMap) -> dict[str, Any]:
    if one.logarithmic:  # steps of equal width would leave the small values, which a logarithm shows, in one
        stored, bits = one.values.astype("<f4").tobytes(), _BITS_AS_THEY_ARE
    else:
        stored, bits = _steps(one, _BITS_OF_A_CHANNEL if key.startswith("channel ") else _BITS_OVER_CHANNELS)
    return {
        "key": key,
        "name": _KEYS.get(key, key),
        "bits": bits,
        "range": list(one.range),
        "limits": list(one.limits),
        "logarithmic": one.logarithmic,
        "codes": base64.b64encode(stored).decode(),
    }


def _steps(one: StageMap, bits: int) -> tuple[bytes, int]:
    """The map's values in equal steps from its least to its largest."""
    low, high = one.range
    steps = (1 << bits) - 1
    values = one.values.astype(np.float64)
    codes = np.rint((values - low) / (high - low) * steps) if high > low else np.zeros_like(values)
    return codes.astype("u1" if bits == 8 else "<u2").tobytes(), bits


def _colour_table(name: str) -> str:
    """256 colours, three bytes each."""
    table = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3]
    return base64.b64encode(np.ascontiguousarray(table).tobytes()).decode()


def _name(row: Row, result: GateResult) -> tuple[str, str]:
    """What a row is called, and its formula."""
    gating = result.config.fusion == "gating"
    outputs = {"gating": "X + A ⊙ F_loc", "addition": "X + F_loc + G", "concat": "X + W [F_loc; G]"}
    return {
        "local_only": (
            "Local only",
            "F_loc, same weights, no global path" if result.same_weights else "F_loc, a separate model",
        ),
        "f_loc": ("Before the gate" if gating else "Before fusion", "F_loc"),
        "gate": ("Gate", "A = σ(G)"),
        "gated": ("After the gate", "A ⊙ F_loc"),
        "f_out": ("Output", f"F_out = {outputs[result.config.fusion]}, contains X"),
        "surprise": ("Surprise", "‖k M − v‖²"),
        "reads": (_read_at(result), "shares of W_e y"),
    }[row]


def _read_at(result: GateResult) -> str:
    row, column = result.options.reads or (0, 0)
    return f"Read at {row}, {column}"
