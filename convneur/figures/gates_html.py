"""The page of the gates: one HTML file in which every map of one image can be looked at, value by value."""

import base64
from pathlib import PurePath
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from convneur.errors import InputError
from convneur.figures.gates_words import about_lines, map_colours, measured_lines
from convneur.figures.html_page import data_uri, html_page
from convneur.figures.layers_grid import layer_colours, layer_facts, layer_names, layer_stamp
from convneur.gates import GateResult, LayerResult, Row, StageGates, StageLayers, StageMap, StageReads

__all__ = ["LONGEST_SIDE", "gates_page"]

# What bounds the file: pixels on the image's long side, as drawn.
LONGEST_SIDE = 2048
_MOST_LAYERS = 12
_MOST_READ_VALUES = 12_000_000  # two bytes each: queries, keys and values of all positions

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


def gates_page(result: GateResult | LayerResult) -> str:
    """The page as HTML: stage, row, and channel or reduction to choose, the image underneath, values at a position.

    Of two models their rows stand beside each other, with the differences; of any model its layers take the stages'
    place. Any map can be saved, as PNG, SVG, CSV or NPY.

    Choice: maps over channels are kept in 65536 steps from their least to their largest value, single channels in 256;
        the page shows no more digits than that, and both ends as they are. What reads are made of is kept in half
        precision: shares of other positions are off by a thousandth or less.
    Raises: InputError: more than 2048 pixels on a side, more than 12 layers, or a row that is not drawn holds NaN or
        infinite values.

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
    own = _of_layers(result) if isinstance(result, LayerResult) else _of_gates(result)
    colours = {one["colours"] for stage in own["stages"] for row in stage["rows"] for one in row["maps"]}
    inside = None if result.object_mask is None else result.object_mask >= 0.5
    data = {
        "notes": list(result.notes),
        "stem": PurePath(result.image.file_name).stem,
        "photo": data_uri(result.pixels, photo=True),
        "size": [height, width],
        "opacity": _OVERLAY_OPACITY if result.options.overlay else 1,
        "colours": {name: _colour_table(name) for name in sorted(colours)},
        "outline": None if inside is None else data_uri(_outline(inside)),
        "borders": result.options.chunk_borders,
        "measuredBy": result.measures[0].against if result.measures else None,
        **own,
    }
    return html_page(
        "gates",
        data,
        title=own["title"],
        generator=f"convneur {result.versions.convneur}",
        without_script="The maps of this page are drawn by its own script; nothing is fetched. Allow scripts to see "
        "them, or draw a picture with convneur viz-gates -o FILE.png.",
    )


def _of_gates(result: GateResult) -> dict[str, Any]:
    """What the page says of a ConvNeur's stages, of one model or two."""
    layers = result.layers()
    rows = list(dict.fromkeys(row for layer in layers for row in layer.rows))
    models = [result] if result.against is None else [result, result.against]
    stamps = [one.weights.stamp for one in models]
    if len(models) > 1:
        stamps = [f"{name}: {stamp}" for name, stamp in zip(result.models, stamps, strict=True) if stamp]
    return {
        "title": f"Gates of {result.image.file_name}",
        "stamp": "; ".join(filter(None, stamps)) or None,
        "about": [list(line) for line in about_lines(result)],
        "opens": {"row": "gate" if "gate" in rows else "f_loc", "map": result.options.reduce},
        "names": {row: list(_name(row, result)) for row in rows},
        "stages": [_stage(of, layer, result) for of, layer in zip(result.stages, layers, strict=True)],
        "measures": [[name, values] for name, values in (measured_lines(result.measures) if result.measures else [])],
        "separateModel": not result.same_weights,
        "reads": _reads(models),
    }


def _reads(models: list[GateResult]) -> dict[str, Any] | None:
    """Where reads come from: at the position asked for, and what those of all others are made of."""
    at = models[0].options.reads
    if at is None:
        return None
    found = [[stage.reads for stage in one.stages if stage.reads is not None] for one in models]
    made_of = [reads.parts_of_all for of_model in found for reads in of_model]
    whole = [parts for parts in made_of if parts is not None]
    anywhere = len(whole) == len(made_of) and sum(3 * parts.keys.size for parts in whole) <= _MOST_READ_VALUES
    image = models[0].image
    return {
        "at": list(at),
        "of": [image.height, image.width],
        "anywhere": anywhere,
        "attention": not whole,
        "models": [[_packed_reads(reads, anywhere) for reads in of_model] for of_model in found],
    }


def _packed_reads(reads: StageReads, anywhere: bool) -> dict[str, Any]:
    packed: dict[str, Any] = {"position": list(reads.position), "sums": [reads.initial, reads.own, reads.others]}
    parts = reads.parts_of_all
    if not anywhere or parts is None:
        return packed
    halves = {"queries": parts.queries, "keys": parts.keys, "values": parts.values}
    singles = {"initial": parts.initial, "gram": parts.gram}
    coefficients = {"step": parts.step, "eta": parts.eta, "keep": parts.keep, "seen": parts.seen}
    return {
        **packed,
        **{name: _as_text(array.astype("<f2")) for name, array in halves.items()},
        **{name: _as_text(array.astype("<f4")) for name, array in singles.items()},
        **{name: array.tolist() for name, array in coefficients.items()},
        "chunk": _as_text(parts.chunk.astype("<u4")),
    }


def _as_text(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _of_layers(result: LayerResult) -> dict[str, Any]:
    """What the page says of any model's layers."""
    if len(result.layers) > _MOST_LAYERS:
        problem = f"{len(result.layers)} layers are too many for a page, which holds {_MOST_LAYERS}; name fewer"
        raise InputError(result.image.name, problem)
    stages: list[dict[str, Any]] = []
    for one, layer in zip(result.layers, result.choices(), strict=True):
        multiplied = "" if one.features is None else f", multiplies {one.features}"
        stages.append(
            {
                "stage": one.name,
                "name": one.name,
                "height": one.height,
                "width": one.width,
                "channels": one.channels,
                "words": f"{one.height} × {one.width} positions, {one.channels} channels{multiplied}",
                "rows": [
                    {"row": row, "maps": [{**_packed(key, panel),
                                           "colours": layer_colours(_quantity(row), panel.colour_scale)}
                                          for key, panel in maps.items()]}
                    for row, maps in layer.rows.items()
                ],
                "borders": [],
            }
        )  # fmt: skip
    gates = result.kind == "gates"
    rows = [row["row"] for row in stages[0]["rows"]]
    return {
        "title": f"{'Gates' if gates else 'Layers'} of {result.image.file_name}",
        "stamp": layer_stamp(result),
        "about": [list(line) for line in layer_facts(result)],
        "opens": {
            "row": "gate" if gates else "features",
            "map": result.layers[0].rows[0][0] if result.kind == "channels" else result.options.reduce,
        },
        "names": {row: list(_layer_row_name(row, result)) for row in rows},
        "stages": stages,
        "measures": [[name, values] for name, values in (measured_lines(result.measures) if result.measures else [])],
        "separateModel": False,
        "reads": None,
    }


def _stage(of: StageGates, layer: StageLayers, result: GateResult) -> dict[str, Any]:
    if of.chunks is None:
        memory = "all positions at once"
    else:
        memory = "one chunk" if of.chunks == 1 else f"{of.chunks} chunks of {of.chunk_length}"
    return {
        "stage": of.stage,
        "name": f"Stage {of.stage}",
        "height": of.height,
        "width": of.width,
        "channels": of.channels,
        "stride": of.stride,
        "words": f"{of.height} × {of.width} positions, stride {of.stride}, {of.channels} channels, {memory}",
        "rows": [
            {
                "row": row,
                "maps": [
                    {**_packed(key, one), "colours": map_colours(_quantity(row), one, result)}
                    for key, one in maps.items()
                ],
            }
            for row, maps in layer.rows.items()
        ],
        "borders": of.chunk_borders() if result.has_chunk_borders else [],
    }


def _quantity(row: str) -> Any:
    """Of `gate second` and `gate difference` the gate."""
    return row.split(" ")[0]


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


def _name(row: str, result: GateResult) -> tuple[str, str]:
    """What a row is called, and its formula; of two models with whose it is."""
    name, formula = _own_name(_quantity(row), result)
    if result.against is None:
        return name, formula
    return f"{name}, {_whose(row, result.models)}", formula


def _whose(row: str, models: tuple[str, str]) -> str:
    """Of a row such as `gate second`, which model's it is."""
    first, second = models
    return {"": first, "second": second, "difference": f"{first} − {second}"}[row.partition(" ")[2]]


def _layer_row_name(row: str, result: LayerResult) -> tuple[str, str]:
    quantity = _quantity(row)
    formula = {"features": "the layer's output", "f_loc": "F", "gate": "A", "gated": "A ⊙ F"}[quantity]
    name = layer_names(quantity)
    return (name if result.against is None else f"{name}, {_whose(row, result.models)}"), formula


def _own_name(row: Row, result: GateResult) -> tuple[str, str]:
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
