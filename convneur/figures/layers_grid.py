"""Layers of any model as a grid of panels: features side by side, channels, or gates with what they multiply."""

from collections.abc import Iterator, Sequence

from convneur.figures.panels import Panel, PanelGrid, PanelRow
from convneur.gates import LayerResult, StageMap

__all__ = ["layer_colours", "layer_facts", "layer_names", "layer_stamp", "layers_grid"]

_WIDE = 5.0  # inches, from which on a row holds more panels
_NAMES = {"features": "Features", "f_loc": "Before the gate", "gate": "Gate", "gated": "After the gate"}


def layers_grid(result: LayerResult, inches: float) -> PanelGrid:
    """Gates: a row for each quantity, a column for each gate. Features and channels: rows of panels with their names.

    Of two models each of these rows is followed by the second model's and by the difference.
    Args: inches: the figure's width, by which a row holds more panels or fewer.
    """
    wide = inches >= _WIDE
    rows: list[PanelRow] = []
    if result.kind == "gates":
        inside = None if result.object_mask is None else result.object_mask >= 0.5
        for row in result.layers[0].maps:
            for model, panels in _models(result, [(number, row, "") for number in range(len(result.layers))]):
                name = f"{_NAMES[row]}: {model}" if model else _NAMES[row]
                rows.append(PanelRow(name, result.pixels, panels, inside, first=not rows))
        groups = tuple((one.name, 1) for one in result.layers)
    else:
        groups = ()
        if result.kind == "channels":
            most = 8 if wide else 4
            parts = [(one.name, [(at, row, row) for row, _ in one.rows]) for at, one in enumerate(result.layers)]
        else:
            most = 4 if wide else 2
            parts = [("", [(at, row, one.name) for at, one in enumerate(result.layers) for row, _ in one.rows])]
        columns = min(most, max(len(places) for _, places in parts))
        for name, places in parts:
            for start in range(0, len(places), columns):
                for model, panels in _models(result, places[start : start + columns]):
                    padded = (*panels, *[None] * (columns - len(panels)))
                    title = ": ".join(filter(None, ["" if start and not model else name, model]))
                    rows.append(PanelRow(title, result.pixels, padded, first=not rows))
    width = len(rows[0].panels)
    return PanelGrid(
        groups, ("",) * width, tuple(rows), _about(result), layer_stamp(result), overlay=result.options.overlay
    )


def _models(result: LayerResult, places: Sequence[tuple[int, str, str]]) -> Iterator[tuple[str, tuple[Panel, ...]]]:
    """The panels of layers, by number, with their rows and titles, of a model; then of the second, and differences."""
    models = [result] if result.against is None else [result, result.against]
    names = result.models if result.against is not None else ("",)
    for model, one in zip(names, models, strict=True):
        yield (
            model,
            tuple(_panel(one.layers[at].name, row, one.layers[at].maps[row], title) for at, row, title in places),
        )
    if result.against is not None:
        found = [(result.layers[at].name, row, result.differences[at][row], title) for at, row, title in places]
        yield (
            "difference",
            tuple(
                Panel(f"{row} {name} difference", panel, layer_colours(row, panel.colour_scale), title=title)
                for name, row, panel, title in found
            ),
        )


def layer_stamp(result: LayerResult) -> str | None:
    """What must be said of weights that learned nothing, of two models with their names."""
    if result.against is None:
        return result.stamp
    stamps = zip(result.models, (result.stamp, result.against.stamp), strict=True)
    return "; ".join(f"{name}: {stamp}" for name, stamp in stamps if stamp) or None


def layer_names(row: str) -> str:
    """What a row is called."""
    return _NAMES.get(row, row)


def layer_colours(row: str, scale: str) -> str:
    """Features and gates have colours of their own, as on a figure of stages."""
    return "RdBu_r" if scale == "diverging" else "cividis" if row == "gate" else "viridis"


def _panel(layer: str, row: str, panel: StageMap, title: str = "") -> Panel:
    return Panel(f"{row} {layer}", panel, layer_colours(row, panel.colour_scale), title=title)


def _about(result: LayerResult) -> tuple[str, ...]:
    return ("; ".join(f"{key} {value}" for key, value in layer_facts(result)) + ".", *result.notes)


def layer_facts(result: LayerResult) -> list[tuple[str, str]]:
    """What the maps were made of: what, and its value."""
    height, width = result.pixels.shape[:2]
    facts = [
        ("image", f"{result.image.file_name}, {result.image.height} × {result.image.width} (H × W)"),
        ("drawn at", f"{height} × {width}"),
        ("model", result.model),
        ("weights", _weights(result)),
    ]
    if result.against is not None:
        models = zip(result.models, (result, result.against), strict=True)
        facts[2:] = [
            ("model", f"{name if name == one.model else f'{name} ({one.model})'}, weights {_weights(one)}")
            for name, one in models
        ]
    if result.kind != "channels":
        facts.append(("reduce", f"{result.options.reduce} over channels"))
    facts += [("gate", f"{one.name} multiplies {one.features}") for one in result.layers if one.features is not None]
    if result.measures:
        against = "image gradients" if result.mask is None else f"mask {result.mask.file_name}"
        facts.append(("measured", f"against {against}"))
    return [*facts, ("made by", f"convneur {result.versions.convneur}, torch {result.versions.torch}")]


def _weights(result: LayerResult) -> str:
    record = result.record
    name = record.get("file") or {"untrained": "none, random"}.get(record["source"], f"of a {record['source']}")
    sha256 = f", sha256 {record['sha256'][:12]}" if record.get("sha256") else ""
    return f"{name}{sha256}"
